//! Update and condition expressions, read as DynamoDB reads them, with its complaints.

mod key_condition;

use std::collections::BTreeSet;
use std::sync::LazyLock;

use super::expression::{Comparator, Condition, Operand, Sign, Term, Update};
use super::placeholders::Placeholders;
use super::value::AttributeValue;

/// The longest expression (Developer Guide, "Constraints: Expression parameters").
const EXPRESSION_MAX_BYTES: usize = 4096;

/// What may not stand in an expression by itself (Developer Guide, "Reserved words in DynamoDB").
static RESERVED_WORDS: LazyLock<BTreeSet<&str>> =
    LazyLock::new(|| include_str!("reserved_words.txt").split_whitespace().collect());

/// Why an expression is not carried out.
#[derive(Debug)]
pub(super) enum Problem {
    /// DynamoDB refuses it, in these words behind the name of the expression.
    Refused(String),
    /// DynamoDB refuses it, in these words alone.
    Whole(String),
    /// DynamoDB takes it, and the sandbox does not know it.
    Unknown(String),
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

pub(super) fn is_word(c: char) -> bool {
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

/// Reads an expression from front to back.
pub(super) struct Parser<'a> {
    tokens: Vec<Token>,
    at: usize,
    placeholders: &'a Placeholders,
}

impl<'a> Parser<'a> {
    /// Begins to read a text, with the names and values of its request.
    pub(super) fn new(text: &str, placeholders: &'a Placeholders) -> Result<Self, Problem> {
        check_length(text)?;
        Ok(Self { tokens: tokens(text)?, at: 0, placeholders })
    }

    pub(super) fn whole_condition(&mut self) -> Result<Condition, Problem> {
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

    pub(super) fn whole_update(&mut self) -> Result<Update, Problem> {
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
                check_paths(&update)?;
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
                check_summand(&term, sign)?;
                check_summand(&right, sign)?;
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

/// No attribute may be written twice.
fn check_paths(update: &Update) -> Result<(), Problem> {
    let mut seen = BTreeSet::new();
    match update.attributes().find(|attribute| !seen.insert(*attribute)) {
        None => Ok(()),
        Some(twice) => Err(Problem::Refused(format!(
            "Two document paths overlap with each other; must remove or rewrite one of these paths; \
                 path one: [{twice}], path two: [{twice}]"
        ))),
    }
}

/// The operand's type has to be that of a number, as far as the expression tells.
fn check_summand(term: &Term, sign: Sign) -> Result<(), Problem> {
    let value = match term {
        Term::Operand(operand) => operand.value(),
        Term::IfNotExists(..) | Term::Sum(..) => None,
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
