//! Whether args are as a policy says: true, false, or not known before promises are resolved.

use super::number::{compare, equal};
use super::selector::Found;
use super::{Comparison, Policy, Selector, Statement};
use ipvm_ipld::Ipld;
use std::borrow::Cow;
use std::cell::Cell;
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

/// Most steps that checking one policy may take: a statement about one value, an item copied, or 64 bytes of text compared.
/// A quarter of a second or so; what is reasonable takes a few hundred.
pub const MAX_POLICY_STEPS: u32 = 1 << 22;

/// A statement of a policy that is not met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotMet {
    /// Which statement, from 0 on.
    pub statement: usize,
    /// The statement in its short form, shortened if it is long.
    pub text: String,
    /// Whether it was given up, as checking it takes more than [`MAX_POLICY_STEPS`].
    pub too_large: bool,
}

/// One check of a policy.
pub(crate) struct Check {
    /// Whether maps of the form of a promise are not known yet.
    pub(crate) promises: bool,
    /// Steps that are left; none: what comes out means nothing.
    left: Cell<u32>,
}

impl Check {
    pub(crate) fn new(promises: bool, steps: u32) -> Self {
        Self {
            promises,
            left: Cell::new(steps),
        }
    }

    /// Takes steps; whether there were enough.
    fn take(&self, steps: usize) -> bool {
        let steps = u32::try_from(steps).unwrap_or(u32::MAX);
        let left = self.left.get().saturating_sub(steps);
        self.left.set(left);
        left > 0
    }
}

impl std::fmt::Display for NotMet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            statement, text, ..
        } = self;
        if self.too_large {
            return write!(
                f,
                "statement {statement} of the policy takes more than {MAX_POLICY_STEPS} steps to check: {text}"
            );
        }
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
        self.evaluate(args, &Check::new(true, MAX_POLICY_STEPS))
    }

    /// As [`Self::check`], with so many steps at most; and how many are left.
    pub(crate) fn check_within(&self, args: &Ipld, steps: u32) -> (Result<Truth, NotMet>, u32) {
        let check = Check::new(true, steps);
        let result = self.evaluate(args, &check);
        (result, check.left.get())
    }

    /// Checks args whose promises were all replaced: every map is data, whatever its keys.
    ///
    /// # Errors
    /// The first statement that is false.
    pub fn check_resolved(&self, args: &Ipld) -> Result<(), NotMet> {
        let check = Check::new(false, MAX_POLICY_STEPS);
        self.evaluate(args, &check).map(|_| ())
    }

    fn evaluate(&self, args: &Ipld, check: &Check) -> Result<Truth, NotMet> {
        let mut result = Truth::True;
        for (i, statement) in self.statements().iter().enumerate() {
            let truth = statement.evaluate(args, check);
            let too_large = !check.take(0);
            if too_large || truth == Truth::False {
                return Err(NotMet {
                    statement: i,
                    text: statement.shortened(),
                    too_large,
                });
            }
            if truth == Truth::Unknown {
                result = Truth::Unknown;
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
    pub(crate) fn evaluate(&self, args: &Ipld, check: &Check) -> Truth {
        if !check.take(1) {
            return Truth::False;
        }
        let inner = |inner: &Self, args: &Ipld| inner.evaluate(args, check);
        match self {
            Self::Compare(op, selector, value) => found(selector, args, check, |found| {
                relate(*op, found, value, check.promises)
            }),
            Self::Like(selector, pattern) => found(selector, args, check, |found| match found {
                Ipld::String(text) if check.take(text.len() / BYTES_A_STEP) => {
                    pattern.matches(text).into()
                }
                _ => Truth::False,
            }),
            Self::And(all) => Truth::all(all.iter().map(|each| inner(each, args))),
            Self::Or(any) => Truth::any(any.iter().map(|each| inner(each, args))),
            Self::Not(of) => !inner(of, args),
            Self::All(selector, of) => found(selector, args, check, |found| match found {
                Ipld::List(items) => Truth::all(items.iter().map(|item| inner(of, item))),
                Ipld::Map(map) => Truth::all(map.values().map(|item| inner(of, item))),
                _ => Truth::False,
            }),
            Self::Any(selector, of) => found(selector, args, check, |found| match found {
                Ipld::List(items) => Truth::any(items.iter().map(|item| inner(of, item))),
                Ipld::Map(map) => Truth::any(map.values().map(|item| inner(of, item))),
                _ => Truth::False,
            }),
        }
    }
}

/// Bytes of text that count as one step.
const BYTES_A_STEP: usize = 64;

fn found(
    selector: &Selector,
    args: &Ipld,
    check: &Check,
    then: impl FnOnce(&Ipld) -> Truth,
) -> Truth {
    match selector.walk(args, check.promises) {
        Found::Value(value) => {
            // What was made up on the way was copied.
            if let Cow::Owned(made) = &value
                && !check.take(size(made))
            {
                return Truth::False;
            }
            then(&value)
        }
        Found::Nothing => Truth::False,
        Found::Promise => Truth::Unknown,
    }
}

/// Steps that copying a value takes, roughly. The recursion is as deep as the args, which decoders bound.
fn size(value: &Ipld) -> usize {
    match value {
        Ipld::List(items) => 1 + items.iter().map(size).sum::<usize>(),
        Ipld::Map(map) => 1 + map.values().map(size).sum::<usize>(),
        Ipld::String(text) => 1 + text.len() / BYTES_A_STEP,
        Ipld::Bytes(bytes) => 1 + bytes.len() / BYTES_A_STEP,
        _ => 1,
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
