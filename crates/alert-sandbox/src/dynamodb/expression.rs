//! Update and condition expressions: read as DynamoDB reads them, with its complaints, and carried out.

use std::cell::RefCell;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde_json::{Map, Value};

use super::error::DynamoDbError;
use super::value::{AttributeValue, Item};

/// The longest expression (Developer Guide, "Constraints: Expression parameters").
const EXPRESSION_MAX_BYTES: usize = 4096;

/// What may not stand in an expression by itself (Developer Guide, "Reserved words in DynamoDB").
static RESERVED_WORDS: LazyLock<BTreeSet<&str>> =
    LazyLock::new(|| include_str!("reserved_words.txt").split_whitespace().collect());

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

/// What is done to an item.
#[derive(Debug, Default)]
pub(super) struct Update {
    set: Vec<(String, Term)>,
    /// Numbers and sets that are added to what is there.
    add: Vec<(String, AttributeValue)>,
    remove: Vec<String>,
}

/// The right-hand side of an assignment.
#[derive(Debug)]
enum Term {
    Operand(Operand),
    IfNotExists(String, Operand),
    Sum(Box<Term>, Box<Term>, Sign),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
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

impl Operand {
    fn of<'a>(&'a self, item: &'a Item) -> Option<&'a AttributeValue> {
        match self {
            Self::Attribute(name) => item.get(name),
            Self::Value(value) => Some(value),
        }
    }

    fn value(&self) -> Option<&AttributeValue> {
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

    fn symbol(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "<>",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }

    fn from_symbol(symbol: &str) -> Option<Self> {
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

    fn check_paths(&self) -> Result<(), String> {
        let mut seen = BTreeSet::new();
        match self.attributes().find(|attribute| !seen.insert(*attribute)) {
            None => Ok(()),
            Some(twice) => Err(format!(
                "Two document paths overlap with each other; must remove or rewrite one of these paths; \
                 path one: [{twice}], path two: [{twice}]"
            )),
        }
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

    /// The operand's type has to be that of a number, as far as the expression tells.
    fn check_summand(&self, sign: Sign) -> Result<(), Problem> {
        let value = match self {
            Self::Operand(operand) => operand.value(),
            Self::IfNotExists(..) | Self::Sum(..) => None,
        };
        match value {
            Some(value) if value.kind() != "N" => Err(Problem::Refused(format!(
                "Incorrect operand type for operator or function; operator or function: {}, operand type: {}",
                if sign == Sign::Plus { "+" } else { "-" },
                value.kind()
            ))),
            _ => Ok(()),
        }
    }
}

/// The names and values of a request that its expressions use; each has to be used.
#[derive(Debug, Default)]
pub(super) struct Placeholders {
    names: BTreeMap<String, String>,
    values: BTreeMap<String, AttributeValue>,
    used: RefCell<BTreeSet<String>>,
}

impl Placeholders {
    /// Reads them out of a request that has `expressions` of these names.
    pub(super) fn read(request: &Map<String, Value>, expressions: &[&str]) -> Result<Self, DynamoDbError> {
        let has_expression = expressions.iter().any(|name| request.contains_key(*name));
        let mut placeholders = Self::default();
        if let Some(names) = request.get("ExpressionAttributeNames") {
            if !has_expression {
                let alone = "ExpressionAttributeNames can only be specified when using expressions";
                return Err(DynamoDbError::validation(alone));
            }
            for (key, name) in object("ExpressionAttributeNames", '#', names)? {
                let name = name.as_str().ok_or_else(DynamoDbError::malformed)?;
                placeholders.names.insert(key.clone(), name.to_owned());
            }
        }
        if let Some(values) = request.get("ExpressionAttributeValues") {
            if !has_expression {
                return Err(DynamoDbError::validation(format!(
                    "ExpressionAttributeValues can only be specified when using expressions: {} {} null",
                    expressions.join(" and "),
                    if expressions.len() == 1 { "is" } else { "are" }
                )));
            }
            for (key, value) in object("ExpressionAttributeValues", ':', values)? {
                let value = AttributeValue::from_json(value).map_err(|error| error.in_value(key))?;
                placeholders.values.insert(key.clone(), value);
            }
        }
        Ok(placeholders)
    }

    /// Reads the condition of a request, when it has one.
    pub(super) fn condition(&self, request: &Map<String, Value>) -> Result<Option<Condition>, DynamoDbError> {
        self.parsed(request, "ConditionExpression", Parser::whole_condition)
    }

    /// Reads the update of a request, when it has one.
    pub(super) fn update(&self, request: &Map<String, Value>) -> Result<Option<Update>, DynamoDbError> {
        self.parsed(request, "UpdateExpression", Parser::whole_update)
    }

    fn parsed<'a, T>(
        &'a self,
        request: &Map<String, Value>,
        field: &str,
        parse: impl FnOnce(&mut Parser<'a>) -> Result<T, Problem>,
    ) -> Result<Option<T>, DynamoDbError> {
        let Some(text) = request.get(field) else { return Ok(None) };
        let text = text.as_str().ok_or_else(DynamoDbError::malformed)?;
        let parsed = check_length(text).and_then(|()| {
            let mut parser = Parser { tokens: tokens(text)?, at: 0, placeholders: self };
            parse(&mut parser)
        });
        match parsed {
            Ok(parsed) => Ok(Some(parsed)),
            Err(Problem::Refused(why)) => Err(DynamoDbError::validation(format!("Invalid {field}: {why}"))),
            Err(Problem::Unknown(what)) => Err(DynamoDbError::unknown(&what)),
        }
    }

    /// Complains of what no expression has used.
    pub(super) fn check_used(&self) -> Result<(), DynamoDbError> {
        let used = self.used.borrow();
        let unused = |keys: Vec<&String>, field: &str| {
            let keys: Vec<&str> =
                keys.into_iter().filter(|key| !used.contains(*key)).map(String::as_str).collect();
            if keys.is_empty() {
                return Ok(());
            }
            let keys = keys.join(", ");
            Err(DynamoDbError::validation(format!(
                "Value provided in {field} unused in expressions: keys: {{{keys}}}"
            )))
        };
        unused(self.names.keys().collect(), "ExpressionAttributeNames")?;
        unused(self.values.keys().collect(), "ExpressionAttributeValues")
    }

    fn name(&self, key: &str) -> Result<String, Problem> {
        self.used.borrow_mut().insert(key.to_owned());
        let missing =
            "An expression attribute name used in the document path is not defined; attribute name: ";
        self.names.get(key).cloned().ok_or_else(|| Problem::Refused(format!("{missing}{key}")))
    }

    fn value(&self, key: &str) -> Result<AttributeValue, Problem> {
        self.used.borrow_mut().insert(key.to_owned());
        let missing = "An expression attribute value used in expression is not defined; attribute value: ";
        self.values.get(key).cloned().ok_or_else(|| Problem::Refused(format!("{missing}{key}")))
    }
}

/// A map of placeholders, whose keys begin with `sigil`.
fn object<'a>(field: &str, sigil: char, value: &'a Value) -> Result<&'a Map<String, Value>, DynamoDbError> {
    let map = value.as_object().ok_or_else(DynamoDbError::malformed)?;
    if map.is_empty() {
        return Err(DynamoDbError::validation(format!("{field} must not be empty")));
    }
    let is_name = |text: &str| !text.is_empty() && text.chars().all(is_word);
    match map.keys().find(|key| !key.strip_prefix(sigil).is_some_and(is_name)) {
        None => Ok(map),
        Some(key) => Err(DynamoDbError::validation(format!(
            "{field} contains invalid key: Syntax error; key: \"{key}\""
        ))),
    }
}

fn check_length(text: &str) -> Result<(), Problem> {
    let wrong = match text.len() {
        0 => "The expression can not be empty;".to_owned(),
        1..=EXPRESSION_MAX_BYTES => return Ok(()),
        length => {
            format!("Expression size has exceeded the maximum allowed size; expression size: {length}")
        }
    };
    Err(Problem::Refused(wrong))
}

/// Why an expression is not carried out.
#[derive(Debug)]
enum Problem {
    /// DynamoDB refuses it, in these words.
    Refused(String),
    /// DynamoDB takes it, and the sandbox does not know it.
    Unknown(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    /// A name, a keyword or a function.
    Word(String),
    /// `#name`.
    Name(String),
    /// `:value`.
    Value(String),
    /// `(`, `<=` and their like, and the numbers in paths.
    Symbol(String),
}

impl Token {
    fn text(&self) -> &str {
        let (Self::Word(text) | Self::Name(text) | Self::Value(text) | Self::Symbol(text)) = self;
        text
    }

    fn is_keyword(&self, keyword: &str) -> bool {
        matches!(self, Self::Word(word) if word.eq_ignore_ascii_case(keyword))
    }

    fn is_symbol(&self, symbol: &str) -> bool {
        matches!(self, Self::Symbol(text) if text == symbol)
    }
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

fn tokens(text: &str) -> Result<Vec<Token>, Problem> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let word = |from: usize| from + rest[from..].chars().take_while(|c| is_word(*c)).count();
        let (length, token): (usize, fn(String) -> Token) = match first {
            '#' if word(1) > 1 => (word(1), Token::Name),
            ':' if word(1) > 1 => (word(1), Token::Value),
            'a'..='z' | 'A'..='Z' => (word(0), Token::Word),
            '<' if rest.starts_with("<>") || rest.starts_with("<=") => (2, Token::Symbol),
            '>' if rest.starts_with(">=") => (2, Token::Symbol),
            '<' | '>' | '=' | '(' | ')' | ',' | '+' | '-' | '.' | '[' | ']' => (1, Token::Symbol),
            '0'..='9' => (word(0), Token::Symbol),
            '_' => return Err(Problem::Unknown("names that begin with _".to_owned())),
            other => {
                let near: String = rest.chars().take(10).collect();
                return Err(Problem::Refused(format!("Syntax error; token: \"{other}\", near: \"{near}\"")));
            }
        };
        tokens.push(token(rest[..length].to_owned()));
        rest = rest[length..].trim_start();
    }
    Ok(tokens)
}

struct Parser<'a> {
    tokens: Vec<Token>,
    at: usize,
    placeholders: &'a Placeholders,
}

impl Parser<'_> {
    fn whole_condition(&mut self) -> Result<Condition, Problem> {
        let condition = self.condition()?;
        self.end().map(|()| condition)
    }

    fn condition(&mut self) -> Result<Condition, Problem> {
        let mut condition = self.conjunction()?;
        while self.take_keyword("OR") {
            condition = Condition::Or(Box::new(condition), Box::new(self.conjunction()?));
        }
        Ok(condition)
    }

    fn conjunction(&mut self) -> Result<Condition, Problem> {
        let mut condition = self.negation()?;
        while self.take_keyword("AND") {
            condition = Condition::And(Box::new(condition), Box::new(self.negation()?));
        }
        Ok(condition)
    }

    fn negation(&mut self) -> Result<Condition, Problem> {
        if self.take_keyword("NOT") {
            if self.peek_keyword("NOT") {
                return Err(Problem::Unknown("NOT before NOT".to_owned()));
            }
            return Ok(Condition::Not(Box::new(self.negation()?)));
        }
        if self.take_symbol("(") {
            return self.group();
        }
        self.comparison()
    }

    /// Behind an opening parenthesis.
    fn group(&mut self) -> Result<Condition, Problem> {
        let condition = self.condition()?;
        self.symbol(")")?;
        if matches!(condition, Condition::Group(_)) {
            return Err(Problem::Refused("The expression has redundant parentheses;".to_owned()));
        }
        Ok(Condition::Group(Box::new(condition)))
    }

    fn comparison(&mut self) -> Result<Condition, Problem> {
        if let Some(function) = self.function() {
            return self.test(&function);
        }
        let left = self.operand()?;
        if let Some(keyword) = ["BETWEEN", "IN"].iter().find(|keyword| self.peek_keyword(keyword)) {
            return Err(Problem::Unknown(format!("{keyword} in a condition")));
        }
        if self.peek_symbol(")") {
            return Err(Problem::Unknown("an operand in parentheses".to_owned()));
        }
        let comparator = self.tokens.get(self.at).and_then(|token| Comparator::from_symbol(token.text()));
        let comparator = comparator.ok_or_else(|| self.syntax_error())?;
        self.at += 1;
        let right = self.operand()?;
        if let (Operand::Attribute(_), Operand::Attribute(_)) = (&left, &right) {
            return Err(Problem::Unknown("a comparison of two attributes".to_owned()));
        }
        for operand in [&left, &right] {
            let ordered = !matches!(comparator, Comparator::Equal | Comparator::NotEqual);
            let value =
                operand.value().filter(|value| ordered && matches!(value.kind(), "BOOL" | "NULL" | "SS"));
            if let Some(value) = value {
                let (symbol, kind) = (comparator.symbol(), value.kind());
                return Err(Problem::Refused(format!(
                    "Incorrect operand type for operator or function; operator: {symbol}, operand type: {kind}"
                )));
            }
        }
        Ok(Condition::Compare(left, comparator, right))
    }

    fn test(&mut self, function: &str) -> Result<Condition, Problem> {
        if !matches!(function, "attribute_exists" | "attribute_not_exists") {
            return Err(unknown_function(function));
        }
        let [operand] = self.arguments(function)?;
        let attribute = path(function, operand)?;
        let exists = Condition::Exists(attribute);
        Ok(if function == "attribute_exists" { exists } else { Condition::Not(Box::new(exists)) })
    }

    fn whole_update(&mut self) -> Result<Update, Problem> {
        let mut update = Update::default();
        let mut sections = BTreeSet::new();
        loop {
            let Some(Token::Word(word)) = self.tokens.get(self.at) else { return Err(self.syntax_error()) };
            let section = word.to_ascii_uppercase();
            self.at += 1;
            if !sections.insert(section.clone()) {
                let why = format!("The \"{section}\" section can only be used once in an update expression;");
                return Err(Problem::Refused(why));
            }
            match section.as_str() {
                "SET" => update.set = self.list(Self::assignment)?,
                "REMOVE" => update.remove = self.list(Self::attribute)?,
                "ADD" => update.add = self.list(Self::addition)?,
                "DELETE" => return Err(Problem::Unknown(format!("{section} in an update"))),
                _ => {
                    self.at -= 1;
                    return Err(self.syntax_error());
                }
            }
            if self.at == self.tokens.len() {
                update.check_paths().map_err(Problem::Refused)?;
                return Ok(update);
            }
        }
    }

    fn list<T>(&mut self, mut one: impl FnMut(&mut Self) -> Result<T, Problem>) -> Result<Vec<T>, Problem> {
        let mut all = vec![one(self)?];
        while self.take_symbol(",") {
            all.push(one(self)?);
        }
        Ok(all)
    }

    fn assignment(&mut self) -> Result<(String, Term), Problem> {
        let attribute = self.attribute()?;
        self.symbol("=")?;
        let term = self.term()?;
        for (symbol, sign) in [("+", Sign::Plus), ("-", Sign::Minus)] {
            if self.take_symbol(symbol) {
                let right = self.term()?;
                term.check_summand(sign)?;
                right.check_summand(sign)?;
                return Ok((attribute, Term::Sum(Box::new(term), Box::new(right), sign)));
            }
        }
        Ok((attribute, term))
    }

    fn addition(&mut self) -> Result<(String, AttributeValue), Problem> {
        let attribute = self.attribute()?;
        match self.operand()? {
            Operand::Value(value) if matches!(value.kind(), "N" | "SS") => Ok((attribute, value)),
            Operand::Value(value) => Err(Problem::Refused(format!(
                "Incorrect operand type for operator or function; operator: ADD, operand type: {}, typeSet: ALLOWED_FOR_ADD_OPERAND",
                value.type_name()
            ))),
            Operand::Attribute(_) => {
                self.at -= 1;
                Err(self.syntax_error())
            }
        }
    }

    fn term(&mut self) -> Result<Term, Problem> {
        if self.peek_symbol("(") {
            return Err(Problem::Unknown("an operand in parentheses".to_owned()));
        }
        let Some(function) = self.function() else { return Ok(Term::Operand(self.operand()?)) };
        if function != "if_not_exists" {
            return Err(unknown_function(&function));
        }
        let [attribute, otherwise] = self.arguments(&function)?;
        Ok(Term::IfNotExists(path(&function, attribute)?, otherwise))
    }

    /// As many operands as the function has, and the parenthesis behind them.
    fn arguments<const COUNT: usize>(&mut self, function: &str) -> Result<[Operand; COUNT], Problem> {
        let operands = self.list(Self::operand)?;
        self.symbol(")")?;
        operands.try_into().map_err(|operands: Vec<_>| {
            Problem::Refused(format!(
                "Incorrect number of operands for operator or function; operator or function: {function}, \
                 number of operands: {}",
                operands.len()
            ))
        })
    }

    fn begins_function(&self) -> bool {
        matches!(self.tokens.get(self.at..self.at + 2), Some([Token::Word(_), next]) if next.is_symbol("("))
    }

    /// The name of the function that begins here, its parenthesis taken.
    fn function(&mut self) -> Option<String> {
        let name = self.tokens.get(self.at).filter(|_| self.begins_function())?.text().to_owned();
        self.at += 2;
        Some(name)
    }

    fn attribute(&mut self) -> Result<String, Problem> {
        match self.operand()? {
            Operand::Attribute(name) => Ok(name),
            Operand::Value(_) => {
                self.at -= 1;
                Err(self.syntax_error())
            }
        }
    }

    fn operand(&mut self) -> Result<Operand, Problem> {
        let operand = match self.tokens.get(self.at) {
            Some(Token::Value(key)) => Operand::Value(self.placeholders.value(key)?),
            Some(Token::Name(key)) => Operand::Attribute(self.placeholders.name(key)?),
            Some(Token::Word(function)) if self.begins_function() => return Err(unknown_function(function)),
            Some(Token::Word(word)) if RESERVED_WORDS.contains(word.to_ascii_uppercase().as_str()) => {
                return Err(Problem::Refused(format!(
                    "Attribute name is a reserved keyword; reserved keyword: {word}"
                )));
            }
            Some(Token::Word(word)) => Operand::Attribute(word.clone()),
            _ => return Err(self.syntax_error()),
        };
        self.at += 1;
        if self.peek_symbol(".") || self.peek_symbol("[") {
            return Err(Problem::Unknown("paths into an attribute".to_owned()));
        }
        Ok(operand)
    }

    fn peek_symbol(&self, symbol: &str) -> bool {
        self.tokens.get(self.at).is_some_and(|token| token.is_symbol(symbol))
    }

    fn peek_keyword(&self, keyword: &str) -> bool {
        self.tokens.get(self.at).is_some_and(|token| token.is_keyword(keyword))
    }

    fn take_symbol(&mut self, symbol: &str) -> bool {
        let is_there = self.peek_symbol(symbol);
        self.at += usize::from(is_there);
        is_there
    }

    fn take_keyword(&mut self, keyword: &str) -> bool {
        let is_there = self.peek_keyword(keyword);
        self.at += usize::from(is_there);
        is_there
    }

    fn symbol(&mut self, symbol: &str) -> Result<(), Problem> {
        if self.take_symbol(symbol) { Ok(()) } else { Err(self.syntax_error()) }
    }

    fn end(&self) -> Result<(), Problem> {
        if self.at == self.tokens.len() { Ok(()) } else { Err(self.syntax_error()) }
    }

    /// That the token here does not fit, with its neighbours.
    fn syntax_error(&self) -> Problem {
        let token = self.tokens.get(self.at).map_or("<EOF>", Token::text);
        let around = self.at.saturating_sub(1)..self.tokens.len().min(self.at + 2);
        let near: Vec<_> = self.tokens[around].iter().map(Token::text).collect();
        Problem::Refused(format!("Syntax error; token: \"{token}\", near: \"{}\"", near.join(" ")))
    }
}

/// The attribute that a function is about, which no value is.
fn path(function: &str, operand: Operand) -> Result<String, Problem> {
    match operand {
        Operand::Attribute(name) => Ok(name),
        Operand::Value(_) => Err(Problem::Refused(format!(
            "Operator or function requires a document path; operator or function: {function}"
        ))),
    }
}

/// A function of DynamoDB's that the sandbox does not know, or of nobody's.
fn unknown_function(name: &str) -> Problem {
    const FUNCTIONS: [&str; 8] = [
        "attribute_exists",
        "attribute_not_exists",
        "attribute_type",
        "begins_with",
        "contains",
        "size",
        "if_not_exists",
        "list_append",
    ];
    if FUNCTIONS.contains(&name) {
        Problem::Unknown(format!("{name} here"))
    } else {
        Problem::Refused(format!("Invalid function name; function: {name}"))
    }
}
