//! The short form of policies, read:
//!
//! ```text
//! policy     = [ statement { ";" statement } [ ";" ] ]
//! statement  = conjunction { "or" conjunction }
//! conjunction= unit { "and" unit }
//! unit       = "not" unit | ( "all" | "any" ) selector ":" unit
//!            | selector operator value | selector "like" string
//!            | ( "and" | "or" ) "(" [ statement ] ")" | "(" statement ")"
//! operator   = "==" | "!=" | "<" | "<=" | ">" | ">="
//! value      = DAG-JSON
//! ```

use super::{Comparison, MAX_POLICY_DEPTH, Pattern, Policy, PolicyError, Selector, Statement};
use ipvm_ipld::{Ipld, Limits, json};
use std::str::FromStr;

/// Longest policy in the short form, in bytes.
const MAX_TEXT_BYTES: usize = 64 << 10;
/// Deepest nesting of the text, in levels: parentheses nest without adding statements.
const MAX_NESTING: usize = 4 * MAX_POLICY_DEPTH;

/// Why a text is not a policy in the short form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {what}")]
pub struct PolicyTextError {
    /// Line, from 1 on.
    pub line: usize,
    /// Column in characters, from 1 on.
    pub column: usize,
    /// What is wrong, and what would be right.
    pub what: String,
}

impl FromStr for Policy {
    type Err = PolicyTextError;

    fn from_str(text: &str) -> Result<Self, PolicyTextError> {
        let mut parser = Parser {
            text,
            at: 0,
            nesting: 0,
        };
        parser.policy().map_err(|(at, what)| locate(text, at, what))
    }
}

fn locate(text: &str, at: usize, what: String) -> PolicyTextError {
    let before = text.get(..at).unwrap_or(text);
    let line = before.rsplit('\n').next().unwrap_or_default();
    PolicyTextError {
        line: before.matches('\n').count() + 1,
        column: line.chars().count() + 1,
        what,
    }
}

/// A place in bytes, and what is wrong there.
type Step<T> = Result<T, (usize, String)>;

struct Parser<'a> {
    text: &'a str,
    at: usize,
    nesting: usize,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    /// What comes next, for messages.
    fn next(&self) -> String {
        match self.rest().split_whitespace().next() {
            None => "the end".into(),
            Some(word) => format!("{:?}", word.chars().take(20).collect::<String>()),
        }
    }

    fn fail<T>(&self, expected: &str) -> Step<T> {
        Err((
            self.at,
            format!("expected {expected}, but found {}", self.next()),
        ))
    }

    /// Takes a sign, after spaces.
    fn sign(&mut self, sign: &str) -> bool {
        self.space();
        let found = self.rest().starts_with(sign);
        if found {
            self.at += sign.len();
        }
        found
    }

    /// Takes a word, after spaces, if it is whole.
    fn word(&mut self, word: &str) -> bool {
        self.space();
        let found = self
            .rest()
            .strip_prefix(word)
            .is_some_and(|after| !after.starts_with(|c: char| c.is_alphanumeric() || c == '_'));
        if found {
            self.at += word.len();
        }
        found
    }

    fn policy(&mut self) -> Step<Policy> {
        if self.text.len() > MAX_TEXT_BYTES {
            return Err((
                MAX_TEXT_BYTES,
                format!("the policy is longer than {MAX_TEXT_BYTES} bytes"),
            ));
        }
        let mut statements = Vec::new();
        loop {
            self.space();
            if self.rest().is_empty() {
                break;
            }
            statements.push(self.statement()?);
            if !self.sign(";") {
                self.space();
                if !self.rest().is_empty() {
                    return self.fail("`and`, `or`, `;` or the end");
                }
            }
        }
        Policy::new(statements).map_err(|error| (0, error.to_string()))
    }

    fn statement(&mut self) -> Step<Statement> {
        let first = self.conjunction()?;
        let mut all = vec![first];
        while self.word("or") {
            all.push(self.conjunction()?);
        }
        Ok(one_or(all, Statement::Or))
    }

    fn conjunction(&mut self) -> Step<Statement> {
        let first = self.unit()?;
        let mut all = vec![first];
        while self.word("and") {
            all.push(self.unit()?);
        }
        Ok(one_or(all, Statement::And))
    }

    fn unit(&mut self) -> Step<Statement> {
        self.space();
        self.nesting += 1;
        if self.nesting > MAX_NESTING {
            return Err((self.at, format!("nested deeper than {MAX_NESTING} levels")));
        }
        let unit = self.unit_within();
        self.nesting -= 1;
        unit
    }

    fn unit_within(&mut self) -> Step<Statement> {
        if self.word("not") {
            return Ok(Statement::Not(Box::new(self.unit()?)));
        }
        if self.word("all") {
            let (selector, inner) = self.quantified()?;
            return Ok(Statement::All(selector, inner));
        }
        if self.word("any") {
            let (selector, inner) = self.quantified()?;
            return Ok(Statement::Any(selector, inner));
        }
        if self.word("and") {
            return Ok(Statement::And(self.listed()?));
        }
        if self.word("or") {
            return Ok(Statement::Or(self.listed()?));
        }
        if self.sign("(") {
            let inner = self.statement()?;
            if !self.sign(")") {
                return self.fail("`and`, `or` or `)`");
            }
            return Ok(inner);
        }
        let selector = self.selector()?;
        self.relation(selector)
    }

    /// What follows `and` or `or` that stand before their one statement, or none.
    fn listed(&mut self) -> Step<Vec<Statement>> {
        if !self.sign("(") {
            return self.fail("a statement before it, or `(`");
        }
        if self.sign(")") {
            return Ok(vec![]);
        }
        let inner = self.statement()?;
        if !self.sign(")") {
            return self.fail("`)`");
        }
        Ok(vec![inner])
    }

    fn quantified(&mut self) -> Step<(Selector, Box<Statement>)> {
        let selector = self.selector()?;
        if !self.sign(":") {
            return self.fail("`:` and the statement about each item");
        }
        Ok((selector, Box::new(self.unit()?)))
    }

    fn selector(&mut self) -> Step<Selector> {
        self.space();
        if !self.rest().starts_with('.') {
            return self.fail("a selector such as `.uri`, or `not`, `all`, `any`, `(`");
        }
        let (selector, read) =
            Selector::parse_prefix(self.rest()).map_err(|e| (self.at + e.at, e.what.to_owned()))?;
        self.at += read;
        Ok(selector)
    }

    fn relation(&mut self, selector: Selector) -> Step<Statement> {
        if self.word("like") {
            self.space();
            let at = self.at;
            let Ipld::String(pattern) = self.value()? else {
                return Err((at, "`like` has a pattern in double quotes".into()));
            };
            let pattern = Pattern::new(pattern).map_err(|e: PolicyError| (at, e.to_string()))?;
            return Ok(Statement::Like(selector, pattern));
        }
        // The longer ones first: `<` begins `<=` too.
        let mut operators = Comparison::ALL;
        operators.sort_by_key(|op| std::cmp::Reverse(op.as_str().len()));
        let Some(op) = operators.into_iter().find(|op| self.sign(op.as_str())) else {
            return self.fail("`==`, `!=`, `<`, `<=`, `>`, `>=` or `like`");
        };
        self.space();
        let at = self.at;
        let value = self.value()?;
        if op.is_order() && !matches!(value, Ipld::Integer(_) | Ipld::Float(_)) {
            return Err((at, format!("`{}` compares numbers only", op.as_str())));
        }
        Ok(Statement::Compare(op, selector, value))
    }

    /// A value: as much DAG-JSON as belongs together.
    fn value(&mut self) -> Step<Ipld> {
        let length = json_length(self.rest());
        if length == 0 {
            return self
                .fail("a value as JSON has them: text in double quotes, a number, true, a list …");
        }
        let text = self.rest().get(..length).unwrap_or_default();
        let value = json::from_str(text, Limits::default())
            .map_err(|e| (self.at, format!("not a value as DAG-JSON has them: {e}")))?;
        self.at += length;
        Ok(value)
    }
}

fn one_or(mut all: Vec<Statement>, many: fn(Vec<Statement>) -> Statement) -> Statement {
    match all.pop() {
        Some(one) if all.is_empty() => one,
        last => {
            all.extend(last);
            many(all)
        }
    }
}

/// How many bytes of a text the JSON value at its beginning takes, if it is one: reading it says whether it is.
fn json_length(text: &str) -> usize {
    match text.chars().next() {
        Some('"') => string_length(text),
        Some('[' | '{') => bracket_length(text),
        _ => text
            .find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '+' | '.'))
            .unwrap_or(text.len()),
    }
}

fn string_length(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

fn bracket_length(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(c) = text.get(at..).and_then(|rest| rest.chars().next()) {
        match c {
            '"' => {
                at += string_length(text.get(at..).unwrap_or_default());
                continue;
            }
            '[' | '{' => depth += 1,
            ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += c.len_utf8();
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

/// A text in double quotes, as JSON writes it.
pub(crate) fn quote(text: &str) -> String {
    json::to_string(&Ipld::String(text.to_owned()))
}

/// The text in double quotes at the beginning, and the length in bytes that it takes.
pub(crate) fn unquote(text: &str) -> Option<(String, usize)> {
    let length = string_length(text);
    match json::from_str(text.get(..length)?, Limits::default()) {
        Ok(Ipld::String(value)) => Some((value, length)),
        _ => None,
    }
}
