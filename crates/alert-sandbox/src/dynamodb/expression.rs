//! Update and condition expressions, carried out.

use std::cmp::Ordering;

use super::error::DynamoDbError;
use super::value::{AttributeValue, Item};

/// What an item has to be like.
#[derive(Debug)]
pub(super) enum Condition {
    Exists(String),
    Compare(Operand, Comparator, Operand),
    Not(Box<Condition>),
    And(Box<Condition>, Box<Condition>),
    Or(Box<Condition>, Box<Condition>),
    /// In parentheses, of which a second pair is refused.
    Group(Box<Condition>),
}

#[derive(Debug, Clone)]
pub(super) enum Operand {
    Attribute(String),
    Value(AttributeValue),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// What a query asks of a key.
#[derive(Debug)]
pub(super) enum KeyTest {
    Compare(Comparator, AttributeValue),
    /// Both bounds count, and have the same type.
    Between(AttributeValue, AttributeValue),
}

/// What is done to an item.
#[derive(Debug, Default)]
pub(super) struct Update {
    pub(super) set: Vec<(String, Term)>,
    /// Numbers and sets that are added to what is there.
    pub(super) add: Vec<(String, AttributeValue)>,
    pub(super) remove: Vec<String>,
}

/// The right-hand side of an assignment.
#[derive(Debug)]
pub(super) enum Term {
    Operand(Operand),
    IfNotExists(String, Operand),
    Sum(Box<Term>, Box<Term>, Sign),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    Plus,
    Minus,
}

impl Condition {
    /// Whether this item fulfils it; one that is not there has no attributes.
    pub(super) fn holds(&self, item: &Item) -> bool {
        match self {
            Self::Exists(attribute) => item.contains_key(attribute),
            Self::Compare(left, comparator, right) => comparator.holds(left.of(item), right.of(item)),
            Self::Not(condition) => !condition.holds(item),
            Self::And(left, right) => left.holds(item) && right.holds(item),
            Self::Or(left, right) => left.holds(item) || right.holds(item),
            Self::Group(condition) => condition.holds(item),
        }
    }
}

impl KeyTest {
    /// Whether a key of the same type passes.
    pub(super) fn holds(&self, key: &AttributeValue) -> bool {
        match self {
            Self::Compare(comparator, value) => comparator.holds(Some(key), Some(value)),
            Self::Between(low, high) => low <= key && key <= high,
        }
    }

    pub(super) fn is_equality(&self) -> bool {
        matches!(self, Self::Compare(Comparator::Equal, _))
    }

    /// The type that the key has to have.
    pub(super) fn kind(&self) -> &'static str {
        let (Self::Compare(_, value) | Self::Between(value, _)) = self;
        value.kind()
    }

    pub(super) fn has_empty_value(&self) -> bool {
        let (Self::Compare(_, value) | Self::Between(value, _)) = self;
        value.text_bytes() == Some(0)
    }
}

impl Operand {
    fn of<'a>(&'a self, item: &'a Item) -> Option<&'a AttributeValue> {
        match self {
            Self::Attribute(name) => item.get(name),
            Self::Value(value) => Some(value),
        }
    }

    /// The value that the expression itself tells.
    pub(super) fn value(&self) -> Option<&AttributeValue> {
        match self {
            Self::Attribute(_) => None,
            Self::Value(value) => Some(value),
        }
    }
}

impl Comparator {
    /// Values of different types are unequal, and none of them is less. So it is with what is not there.
    fn holds(self, left: Option<&AttributeValue>, right: Option<&AttributeValue>) -> bool {
        let order = match (left, right) {
            (Some(left), Some(right)) if left.kind() == right.kind() => Some(left.cmp(right)),
            _ => None,
        };
        match self {
            Self::Equal => order == Some(Ordering::Equal),
            Self::NotEqual => order != Some(Ordering::Equal),
            Self::Less => order == Some(Ordering::Less),
            Self::LessOrEqual => order.is_some_and(Ordering::is_le),
            Self::Greater => order == Some(Ordering::Greater),
            Self::GreaterOrEqual => order.is_some_and(Ordering::is_ge),
        }
    }

    pub(super) fn symbol(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "<>",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }

    pub(super) fn from_symbol(symbol: &str) -> Option<Self> {
        let all =
            [Self::Equal, Self::NotEqual, Self::Less, Self::LessOrEqual, Self::Greater, Self::GreaterOrEqual];
        all.into_iter().find(|comparator| comparator.symbol() == symbol)
    }
}

impl Update {
    /// The names of the attributes that it is about.
    pub(super) fn attributes(&self) -> impl Iterator<Item = &String> {
        let added = self.add.iter().map(|(attribute, _)| attribute);
        self.set.iter().map(|(attribute, _)| attribute).chain(added).chain(&self.remove)
    }

    /// What becomes of an item; every value on a right-hand side is the one from before.
    pub(super) fn applied(&self, item: &Item) -> Result<Item, DynamoDbError> {
        let mut changed = item.clone();
        for (attribute, term) in &self.set {
            changed.insert(attribute.clone(), term.of(item)?);
        }
        for (attribute, value) in &self.add {
            changed.insert(attribute.clone(), value.added_to(item.get(attribute))?);
        }
        changed.retain(|attribute, _| !self.remove.contains(attribute));
        Ok(changed)
    }

    /// Whether it does nothing but remove: then it makes no item where none was.
    pub(super) fn only_removes(&self) -> bool {
        self.set.is_empty() && self.add.is_empty()
    }
}

impl AttributeValue {
    /// What `ADD` makes of this and of what is there.
    fn added_to(&self, there: Option<&Self>) -> Result<Self, DynamoDbError> {
        match (self, there) {
            (_, None) => Ok(self.clone()),
            (Self::Ss(own), Some(Self::Ss(there))) => Ok(Self::Ss(own | there)),
            (Self::N(own), Some(Self::N(there))) => {
                let sum = there.plus(own).ok_or_else(|| {
                    DynamoDbError::unknown("sums of numbers that are no integers of less than 39 digits")
                })?;
                sum.map(Self::N).map_err(DynamoDbError::validation)
            }
            _ => {
                let wrong = "An operand in the update expression has an incorrect data type";
                Err(DynamoDbError::validation(wrong))
            }
        }
    }
}

impl Term {
    fn of(&self, item: &Item) -> Result<AttributeValue, DynamoDbError> {
        let present = |operand: &Operand| {
            let missing = "The provided expression refers to an attribute that does not exist in the item";
            operand.of(item).cloned().ok_or_else(|| DynamoDbError::validation(missing))
        };
        match self {
            Self::Operand(operand) => present(operand),
            Self::IfNotExists(attribute, operand) => match item.get(attribute) {
                Some(value) => Ok(value.clone()),
                None => present(operand),
            },
            Self::Sum(left, right, sign) => {
                let (AttributeValue::N(left), AttributeValue::N(right)) = (left.of(item)?, right.of(item)?)
                else {
                    let wrong = "An operand in the update expression has an incorrect data type";
                    return Err(DynamoDbError::validation(wrong));
                };
                let right = if *sign == Sign::Minus { right.negated() } else { right };
                let sum = left.plus(&right).ok_or_else(|| {
                    DynamoDbError::unknown("sums of numbers that are no integers of less than 39 digits")
                })?;
                sum.map(AttributeValue::N).map_err(DynamoDbError::validation)
            }
        }
    }
}
