//! DynamoDB's numbers: decimals of up to 38 digits, compared by value.

use std::cmp::Ordering;
use std::fmt;

/// The most significant digits (Developer Guide, "Data types: Number").
const DIGITS_MAX: usize = 38;
/// The magnitudes go from 1E-130 to 9.9…E+125 (the same page).
const EXPONENT_MAX: i64 = 125;
const EXPONENT_MIN: i64 = -130;

/// A decimal in the one form that it has: no zeros in front and none behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Number {
    is_negative: bool,
    /// The digits' values; none for zero.
    digits: Vec<u8>,
    /// The power of ten that the first digit counts; 0 for zero.
    exponent: i64,
}

impl Number {
    /// Reads `12`, `-1.50` or `3e-7`; says what is wrong in DynamoDB's words.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let none = || match text {
            "" => "The parameter cannot be converted to a numeric value".to_owned(),
            _ => format!("The parameter cannot be converted to a numeric value: {text}"),
        };
        if text.starts_with('+') {
            return Err("the sandbox's DynamoDB does not know numbers with a plus sign".to_owned());
        }
        let unsigned = text.strip_prefix('-').unwrap_or(text);
        let (mantissa, power) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
        let power = power.parse::<i32>().map_err(|_| none())?;
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let written = [whole, fraction].concat();
        if written.is_empty() || !written.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(none());
        }
        let zeros = written.bytes().take_while(|byte| *byte == b'0').count();
        let digits: Vec<u8> =
            written[zeros..].trim_end_matches('0').bytes().map(|byte| byte - b'0').collect();
        if digits.is_empty() {
            return Ok(Self { is_negative: false, digits, exponent: 0 });
        }
        let length = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let exponent = length(whole.len()) - 1 - length(zeros) + i64::from(power);
        Self { is_negative: text.starts_with('-'), digits, exponent }.within_limits()
    }

    /// The sum of integers; none where a number is not one of less than 39 digits, for which the sandbox knows no sum.
    pub(super) fn plus(&self, other: &Self) -> Option<Result<Self, String>> {
        let sum = self.integer()?.checked_add(other.integer()?)?;
        Some(Self::parse(&sum.to_string()))
    }

    /// The same number on the other side of zero.
    pub(super) fn negated(&self) -> Self {
        Self { is_negative: !self.is_negative && !self.digits.is_empty(), ..self.clone() }
    }

    /// How many digits it takes, which its size depends on.
    pub(super) fn digits(&self) -> usize {
        self.digits.len()
    }

    fn integer(&self) -> Option<i128> {
        self.to_string().parse().ok()
    }

    fn within_limits(self) -> Result<Self, String> {
        let wrong = if self.exponent > EXPONENT_MAX {
            "Number overflow. Attempting to store a number with magnitude larger than supported range"
        } else if self.exponent < EXPONENT_MIN {
            "Number underflow. Attempting to store a number with magnitude smaller than supported range"
        } else if self.digits.len() > DIGITS_MAX {
            "Attempting to store more than 38 significant digits in a Number"
        } else {
            return Ok(self);
        };
        Err(wrong.to_owned())
    }

    fn magnitude(&self, other: &Self) -> Ordering {
        match (self.digits.is_empty(), other.digits.is_empty()) {
            (false, false) => {
                // Without zeros behind, what is longer by the same beginning is more.
                self.exponent.cmp(&other.exponent).then_with(|| self.digits.cmp(&other.digits))
            }
            (left_is_zero, right_is_zero) => right_is_zero.cmp(&left_is_zero),
        }
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.is_negative, other.is_negative) {
            (false, false) => self.magnitude(other),
            (true, true) => other.magnitude(self),
            (left, right) => right.cmp(&left),
        }
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// As DynamoDB gives it back: every digit, no exponent.
impl fmt::Display for Number {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ok(last) = i64::try_from(self.digits.len()).map(|count| self.exponent - count + 1) else {
            return Err(fmt::Error);
        };
        if self.digits.is_empty() {
            return formatter.write_str("0");
        }
        if self.is_negative {
            formatter.write_str("-")?;
        }
        for place in (last.min(0)..=self.exponent.max(0)).rev() {
            if place == -1 {
                formatter.write_str(".")?;
            }
            let digit = usize::try_from(self.exponent - place).ok().and_then(|at| self.digits.get(at));
            write!(formatter, "{}", digit.unwrap_or(&0))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_in_their_one_form() {
        let most = "12345678901234567890123456789012345678";
        for (text, expected) in [
            ("0", "0"),
            ("-0", "0"),
            ("0.000", "0"),
            ("007", "7"),
            ("1.50", "1.5"),
            ("-1.50", "-1.5"),
            (".5", "0.5"),
            ("5.", "5"),
            ("1e3", "1000"),
            ("1E-3", "0.001"),
            ("12.5e1", "125"),
            ("100200", "100200"),
            ("1700000000123", "1700000000123"),
            (most, most),
            ("1e125", &format!("1{}", "0".repeat(125))),
            ("-1e-130", &format!("-0.{}1", "0".repeat(129))),
        ] {
            assert_eq!(
                Number::parse(text).map(|number| number.to_string()).as_deref(),
                Ok(expected),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_number_and_what_is_too_much() {
        for text in [
            "", " ", "1 ", " 1", "a", "1a", "0x1", "1e", "e1", ".", "-", "--1", "1.2.3", "1e1.5", "NaN",
            "Infinity", "１",
        ] {
            let wrong = Number::parse(text).unwrap_err();
            assert!(
                wrong.starts_with("The parameter cannot be converted to a numeric value"),
                "{text}: {wrong}"
            );
        }
        for (text, expected) in [
            ("+1", "the sandbox's DynamoDB does not know"),
            ("1e126", "Number overflow"),
            ("-1e126", "Number overflow"),
            ("1e-131", "Number underflow"),
            (
                "123456789012345678901234567890123456789",
                "Attempting to store more than 38 significant digits",
            ),
        ] {
            let wrong = Number::parse(text).unwrap_err();
            assert!(wrong.starts_with(expected), "{text}: {wrong}");
        }
    }

    #[test]
    fn the_order_is_that_of_the_values() {
        let ascending = [
            "-1e20", "-10", "-9.5", "-9", "-0.1", "-1e-9", "0", "1e-9", "0.1", "0.11", "2", "9", "10",
            "10.5", "100", "1e20",
        ];
        let numbers: Vec<_> = ascending.map(|text| Number::parse(text).unwrap()).to_vec();
        for (left, a) in numbers.iter().enumerate() {
            for (right, b) in numbers.iter().enumerate() {
                assert_eq!(a.cmp(b), left.cmp(&right), "{a} and {b}");
            }
        }
    }
}
