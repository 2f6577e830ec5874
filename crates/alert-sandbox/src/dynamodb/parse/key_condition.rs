//! Key conditions: what a query asks of the key of a table or an index.

use super::{Comparator, Operand, Parser, Problem, unknown_function};
use crate::dynamodb::expression::KeyTest;
use crate::dynamodb::value::AttributeValue;

/// What DynamoDB knows in conditions, and not in those on keys.
const NO_KEY_TESTS: [&str; 5] =
    ["attribute_exists", "attribute_not_exists", "attribute_type", "contains", "size"];

impl Parser<'_> {
    /// The tests by the attributes that they are about, in the order of the text.
    pub(in crate::dynamodb) fn whole_key_condition(&mut self) -> Result<Vec<(String, KeyTest)>, Problem> {
        let mut tests = Vec::new();
        self.key_conjunction(&mut tests)?;
        self.end()?;
        for (position, (attribute, _)) in tests.iter().enumerate() {
            if tests[..position].iter().any(|(other, _)| other == attribute) {
                let twice = "KeyConditionExpressions must only contain one condition per key";
                return Err(Problem::Whole(twice.to_owned()));
            }
        }
        Ok(tests)
    }

    fn key_conjunction(&mut self, tests: &mut Vec<(String, KeyTest)>) -> Result<(), Problem> {
        loop {
            if self.take_symbol("(") {
                if self.peek_symbol("(") {
                    return Err(Problem::Unknown(
                        "parentheses in parentheses in a condition on keys".to_owned(),
                    ));
                }
                self.key_conjunction(tests)?;
                self.symbol(")")?;
            } else {
                tests.push(self.key_test()?);
            }
            if self.peek_keyword("OR") {
                return Err(no_key_operator("OR"));
            }
            if !self.take_keyword("AND") {
                return Ok(());
            }
        }
    }

    fn key_test(&mut self) -> Result<(String, KeyTest), Problem> {
        if self.peek_keyword("NOT") {
            return Err(no_key_operator("NOT"));
        }
        if let Some(function) = self.function() {
            return Err(if NO_KEY_TESTS.contains(&function.as_str()) {
                no_key_operator(&function)
            } else {
                unknown_function(&function)
            });
        }
        let Operand::Attribute(attribute) = self.operand()? else {
            return Err(Problem::Unknown("a condition on keys that begins with a value".to_owned()));
        };
        if self.peek_keyword("IN") {
            return Err(no_key_operator("IN"));
        }
        if self.take_keyword("BETWEEN") {
            let low = self.key_value()?;
            if !self.take_keyword("AND") {
                return Err(self.syntax_error());
            }
            let high = self.key_value()?;
            check_bounds(&low, &high)?;
            return Ok((attribute, KeyTest::Between(low, high)));
        }
        let comparator = self.tokens.get(self.at).and_then(|token| Comparator::from_symbol(token.text()));
        let comparator = comparator.ok_or_else(|| self.syntax_error())?;
        if comparator == Comparator::NotEqual {
            return Err(no_key_operator(comparator.symbol()));
        }
        self.at += 1;
        Ok((attribute, KeyTest::Compare(comparator, self.key_value()?)))
    }

    fn key_value(&mut self) -> Result<AttributeValue, Problem> {
        match self.operand()? {
            Operand::Value(value) => Ok(value),
            Operand::Attribute(_) => {
                Err(Problem::Unknown("a condition on keys that compares two attributes".to_owned()))
            }
        }
    }
}

fn no_key_operator(operator: &str) -> Problem {
    Problem::Whole(format!("Invalid operator used in KeyConditionExpression: {operator}"))
}

fn check_bounds(low: &AttributeValue, high: &AttributeValue) -> Result<(), Problem> {
    let wrong = if low.kind() != high.kind() {
        "requires same data type for lower and upper bounds"
    } else if low > high {
        "requires upper bound to be greater than or equal to lower bound"
    } else {
        return Ok(());
    };
    Err(Problem::Refused(format!(
        "The BETWEEN operator {wrong}; lower bound operand: AttributeValue: {}, upper bound operand: AttributeValue: {}",
        low.shown(),
        high.shown()
    )))
}
