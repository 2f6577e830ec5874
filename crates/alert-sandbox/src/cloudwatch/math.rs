//! Metric math: arithmetic over ids and numbers, and anomaly bands.

use super::metric::Series;

/// The width of a band where none is given (User Guide, "Using metric math").
const BAND_WIDTH: f64 = 2.0;

/// An expression.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expression {
    Number(f64),
    /// The result of another query.
    Id(String),
    Negated(Box<Expression>),
    Binary(Operator, Box<Expression>, Box<Expression>),
    /// `ANOMALY_DETECTION_BAND` of a metric, so many deviations wide.
    Band(String, f64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
}

/// What an expression comes to.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Outcome {
    Scalar(f64),
    Series(Series),
    /// Two series under one id.
    Band {
        high: Series,
        low: Series,
    },
}

impl Operator {
    /// Nothing where there is no number to tell: a division by zero.
    fn apply(self, left: f64, right: f64) -> Option<f64> {
        let value = match self {
            Self::Add => left + right,
            Self::Subtract => left - right,
            Self::Multiply => left * right,
            Self::Divide => left / right,
        };
        Some(value).filter(|value| value.is_finite())
    }

    /// Two series have a value where both have one.
    pub(super) fn combine(self, left: Outcome, right: Outcome) -> Result<Outcome, String> {
        let over = |series: Series, apply: &dyn Fn(i64, f64) -> Option<f64>| {
            let values = series.into_iter().filter_map(|(time, value)| Some((time, apply(time, value)?)));
            Outcome::Series(values.collect())
        };
        match (left, right) {
            (Outcome::Scalar(left), Outcome::Scalar(right)) => {
                self.apply(left, right).map(Outcome::Scalar).ok_or_else(|| "Division by zero".to_owned())
            }
            (Outcome::Series(left), Outcome::Scalar(right)) => {
                Ok(over(left, &|_, left| self.apply(left, right)))
            }
            (Outcome::Scalar(left), Outcome::Series(right)) => {
                Ok(over(right, &|_, right| self.apply(left, right)))
            }
            (Outcome::Series(left), Outcome::Series(right)) => {
                Ok(over(left, &|time, left| self.apply(left, *right.get(&time)?)))
            }
            (Outcome::Band { .. }, _) | (_, Outcome::Band { .. }) => {
                Err("the sandbox's CloudWatch does not know arithmetic with bands".to_owned())
            }
        }
    }
}

impl Expression {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut parser = Parser { rest: text };
        let expression = parser.sum()?;
        match parser.peek() {
            None => Ok(expression),
            Some(_) => Err(format!("Unsupported expression at '{}'", parser.rest)),
        }
    }
}

struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn peek(&mut self) -> Option<char> {
        self.rest = self.rest.trim_start();
        self.rest.chars().next()
    }

    fn take(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.rest = &self.rest[wanted.len_utf8()..];
        }
        found
    }

    fn expect(&mut self, wanted: char) -> Result<(), String> {
        if self.take(wanted) { Ok(()) } else { Err(format!("'{wanted}' expected at '{}'", self.rest)) }
    }

    /// What follows of characters of this kind.
    fn word(&mut self, of: impl Fn(char) -> bool) -> &'a str {
        self.peek();
        let end = self.rest.find(|character| !of(character)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    fn sum(&mut self) -> Result<Expression, String> {
        let mut left = self.product()?;
        loop {
            let operator = match () {
                () if self.take('+') => Operator::Add,
                () if self.take('-') => Operator::Subtract,
                () => return Ok(left),
            };
            left = Expression::Binary(operator, Box::new(left), Box::new(self.product()?));
        }
    }

    fn product(&mut self) -> Result<Expression, String> {
        let mut left = self.factor()?;
        loop {
            let operator = match () {
                () if self.take('*') => Operator::Multiply,
                () if self.take('/') => Operator::Divide,
                () => return Ok(left),
            };
            left = Expression::Binary(operator, Box::new(left), Box::new(self.factor()?));
        }
    }

    fn factor(&mut self) -> Result<Expression, String> {
        if self.take('-') {
            return Ok(Expression::Negated(Box::new(self.factor()?)));
        }
        if self.take('(') {
            let inner = self.sum()?;
            self.expect(')')?;
            return Ok(inner);
        }
        match self.peek() {
            Some(first) if first.is_ascii_digit() || first == '.' => self.number().map(Expression::Number),
            Some(first) if first.is_ascii_lowercase() => Ok(Expression::Id(self.id().to_owned())),
            Some(first) if first.is_ascii_uppercase() => self.function(),
            _ => Err(format!("an id, a number or a function expected at '{}'", self.rest)),
        }
    }

    fn number(&mut self) -> Result<f64, String> {
        let digits = self.word(|character| character.is_ascii_digit() || character == '.');
        digits.parse().map_err(|_| format!("'{digits}' is no number"))
    }

    fn id(&mut self) -> &'a str {
        self.word(|character| character.is_ascii_alphanumeric() || character == '_')
    }

    fn function(&mut self) -> Result<Expression, String> {
        let name = self.id();
        if name != "ANOMALY_DETECTION_BAND" {
            return Err(format!("the sandbox's CloudWatch does not know {name}"));
        }
        self.expect('(')?;
        let id = self.id().to_owned();
        let width = if self.take(',') { self.number()? } else { BAND_WIDTH };
        self.expect(')')?;
        Ok(Expression::Band(id, width))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

    use super::*;

    #[test]
    fn points_go_before_strokes_and_the_left_before_the_right() {
        let id = |name: &str| Box::new(Expression::Id(name.to_owned()));
        let product = Expression::Binary(Operator::Multiply, id("b"), id("c"));
        let sum = Expression::Binary(Operator::Add, id("a"), Box::new(product));
        assert_eq!(Expression::parse("a + b*c").unwrap(), sum);
        let quotient = Expression::Binary(Operator::Divide, id("a"), id("b"));
        let quotient =
            Expression::Binary(Operator::Divide, Box::new(quotient), Box::new(Expression::Number(2.5)));
        assert_eq!(Expression::parse("(a / b)/2.5").unwrap(), quotient);
        assert_eq!(Expression::parse("-a").unwrap(), Expression::Negated(id("a")));
        let band = |width| Expression::Band("m1".to_owned(), width);
        assert_eq!(Expression::parse("ANOMALY_DETECTION_BAND(m1, 3)").unwrap(), band(3.0));
        assert_eq!(Expression::parse("ANOMALY_DETECTION_BAND(m1)").unwrap(), band(2.0));
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for text in ["", "a b", "a +", "(a", "SUM(METRICS())", "IF(a > 1, 1, 0)", "a > 1", "1.2.3", "é"] {
            assert!(Expression::parse(text).is_err(), "{text}");
        }
    }
}
