//! Whether args are as a policy says: true, false, or not known before promises are resolved.

use super::number::{compare, equal};
use super::selector::Found;
use super::{Comparison, Policy, Selector, Statement};
use ipvm_ipld::Ipld;
use std::cmp::Ordering;

/// The truth of a statement, where some args may be promises (Kleene's three values).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Truth {
    /// It holds.
    True,
    /// It does not.
    False,
    /// It depends on what promises will give.
    Unknown,
}

impl From<bool> for Truth {
    fn from(value: bool) -> Self {
        if value { Self::True } else { Self::False }
    }
}

impl std::ops::Not for Truth {
    type Output = Self;

    fn not(self) -> Self {
        match self {
            Self::True => Self::False,
            Self::False => Self::True,
            Self::Unknown => Self::Unknown,
        }
    }
}

impl Truth {
    /// Whether all are true.
    pub(crate) fn all(each: impl IntoIterator<Item = Self>) -> Self {
        let mut result = Self::True;
        for truth in each {
            match truth {
                Self::False => return Self::False,
                Self::Unknown => result = Self::Unknown,
                Self::True => {}
            }
        }
        result
    }

    /// Whether one is true, or there are none.
    pub(crate) fn any(each: impl IntoIterator<Item = Self>) -> Self {
        let mut result = None;
        for truth in each {
            match truth {
                Self::True => return Self::True,
                Self::Unknown => result = Some(Self::Unknown),
                Self::False => result = result.or(Some(Self::False)),
            }
        }
        result.unwrap_or(Self::True)
    }
}

/// A statement of a policy that is not met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotMet {
    /// Which statement, from 0 on.
    pub statement: usize,
    /// The statement in its short form, shortened if it is long.
    pub text: String,
}

impl std::fmt::Display for NotMet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { statement, text } = self;
        write!(f, "statement {statement} of the policy is not met: {text}")
    }
}

impl std::error::Error for NotMet {}

impl Policy {
    /// Checks args in which maps of the form of a promise stand for what is not known yet. A statement that depends on
    /// one passes: it must be checked again with [`Self::check_resolved`].
    ///
    /// # Errors
    /// The first statement that is false.
    pub fn check(&self, args: &Ipld) -> Result<Truth, NotMet> {
        self.evaluate(args, true)
    }

    /// Checks args whose promises were all replaced: every map is data, whatever its keys.
    ///
    /// # Errors
    /// The first statement that is false.
    pub fn check_resolved(&self, args: &Ipld) -> Result<(), NotMet> {
        self.evaluate(args, false).map(|_| ())
    }

    fn evaluate(&self, args: &Ipld, promises: bool) -> Result<Truth, NotMet> {
        let mut result = Truth::True;
        for (i, statement) in self.statements().iter().enumerate() {
            match statement.evaluate(args, promises) {
                Truth::True => {}
                Truth::Unknown => result = Truth::Unknown,
                Truth::False => {
                    return Err(NotMet {
                        statement: i,
                        text: statement.shortened(),
                    });
                }
            }
        }
        Ok(result)
    }
}

impl Statement {
    /// Most characters of a statement in a message.
    const SHOWN: usize = 200;

    fn shortened(&self) -> String {
        let text = self.to_string();
        match text.char_indices().nth(Self::SHOWN) {
            Some((end, _)) => format!("{} …", text.get(..end).unwrap_or_default()),
            None => text,
        }
    }

    /// The truth about args. The recursion is as deep as the statement, which is within [`super::MAX_POLICY_DEPTH`].
    pub(crate) fn evaluate(&self, args: &Ipld, promises: bool) -> Truth {
        let inner = |inner: &Self, args: &Ipld| inner.evaluate(args, promises);
        match self {
            Self::Compare(op, selector, value) => found(selector, args, promises, |found| {
                relate(*op, found, value, promises)
            }),
            Self::Like(selector, pattern) => found(selector, args, promises, |found| match found {
                Ipld::String(text) => pattern.matches(text).into(),
                _ => Truth::False,
            }),
            Self::And(all) => Truth::all(all.iter().map(|each| inner(each, args))),
            Self::Or(any) => Truth::any(any.iter().map(|each| inner(each, args))),
            Self::Not(of) => !inner(of, args),
            Self::All(selector, of) => found(selector, args, promises, |found| match found {
                Ipld::List(items) => Truth::all(items.iter().map(|item| inner(of, item))),
                Ipld::Map(map) => Truth::all(map.values().map(|item| inner(of, item))),
                _ => Truth::False,
            }),
            Self::Any(selector, of) => found(selector, args, promises, |found| match found {
                Ipld::List(items) => Truth::any(items.iter().map(|item| inner(of, item))),
                Ipld::Map(map) => Truth::any(map.values().map(|item| inner(of, item))),
                _ => Truth::False,
            }),
        }
    }
}

fn found(
    selector: &Selector,
    args: &Ipld,
    promises: bool,
    then: impl FnOnce(&Ipld) -> Truth,
) -> Truth {
    match selector.walk(args, promises) {
        Found::Value(value) => then(&value),
        Found::Nothing => Truth::False,
        Found::Promise => Truth::Unknown,
    }
}

fn relate(op: Comparison, found: &Ipld, value: &Ipld, promises: bool) -> Truth {
    let order = |accept: fn(Ordering) -> bool| compare(found, value).is_some_and(accept).into();
    match op {
        Comparison::Equal => equal(found, value, promises),
        Comparison::NotEqual => !equal(found, value, promises),
        Comparison::Less => order(Ordering::is_lt),
        Comparison::LessOrEqual => order(Ordering::is_le),
        Comparison::Greater => order(Ordering::is_gt),
        Comparison::GreaterOrEqual => order(Ordering::is_ge),
    }
}
