//! Policies: conditions that a delegation puts on the args of invocations (UCAN Delegation 1.0.0, "Policy").
//!
//! A policy is a list of statements; all of them must be true. It has three forms, with ways between them: the one in
//! tokens ([`Policy::to_ipld`], DAG-JSON with `ipvm_ipld::json`), a short one to write and read, and one in plain words
//! ([`Policy::in_words`]).
//!
//! ```
//! use ipvm_ipld::{Limits, json};
//! use ipvm_ucan::policy::Policy;
//!
//! let policy: Policy = r#".from == "alice@example.com"; all .to: . like "*@example.com""#.parse()?;
//! assert_eq!(
//!     json::to_string(&policy.to_ipld()),
//!     r#"[["==",".from","alice@example.com"],["all",".to",["like",".","*@example.com"]]]"#
//! );
//! assert_eq!(
//!     policy.in_words(),
//!     "from is \"alice@example.com\"; and every item of to ends with \"@example.com\""
//! );
//!
//! let args = json::from_str(
//!     r#"{"from": "alice@example.com", "to": ["bob@example.com", "eve@example.org"]}"#,
//!     Limits::default(),
//! )?;
//! let refused = policy.check(&args).unwrap_err();
//! assert_eq!(refused.statement, 1);
//! assert_eq!(refused.to_string(), r#"statement 1 of the policy is not met: all .to: . like "*@example.com""#);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What the specification leaves open, and how it is here
//! * A selector that finds nothing makes its statement false: that of `!=` too. (`not` turns that around; see
//!   [`Policy::warnings`].) A key that is missing is nothing, not null.
//! * Numbers are equal by value through all levels: `1 == 1.0`.
//! * `or` of nothing is true, and so is `any` over an empty collection, which the specification reduces to it.
//! * Promises ([`crate::promise`]) make what depends on them unknown. Verification lets such a statement pass; it is
//!   checked again when the promises are resolved ([`crate::admission`]).

mod check;
mod eval;
mod glob;
mod number;
mod print;
mod selector;
mod text;
mod wire;
mod words;

pub use check::{Trap, Warning};
pub use eval::{MAX_POLICY_STEPS, NotMet, Truth};
pub use glob::{MAX_PATTERN_BYTES, Pattern};
pub use selector::{Found, MAX_SELECTOR_BYTES, MAX_SELECTOR_SEGMENTS, Selector, SelectorError};
pub use text::PolicyTextError;

use ipvm_ipld::Ipld;
use std::sync::Arc;

/// Most statements of a policy, at all levels together.
pub const MAX_POLICY_NODES: usize = 1024;
/// Deepest nesting of statements, in levels.
pub const MAX_POLICY_DEPTH: usize = 32;

/// A policy within the limits. Copies share the statements.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Policy(Arc<[Statement]>);

/// One condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Statement {
    /// `==`, `!=`, `<`, `<=`, `>`, `>=`: what the selector finds, compared with a value.
    Compare(Comparison, Selector, Ipld),
    /// `like`: what the selector finds is a string that matches a pattern.
    Like(Selector, Pattern),
    /// `and`: all are true.
    And(Vec<Self>),
    /// `or`: one is true, or there are none.
    Or(Vec<Self>),
    /// `not`: it is false.
    Not(Box<Self>),
    /// `all`: it is true of every item of a list, or value of a map.
    All(Selector, Box<Self>),
    /// `any`: it is true of one item of a list or value of a map, or there are none.
    Any(Selector, Box<Self>),
}

/// How a value is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// `==`.
    Equal,
    /// `!=`.
    NotEqual,
    /// `<`.
    Less,
    /// `<=`.
    LessOrEqual,
    /// `>`.
    Greater,
    /// `>=`.
    GreaterOrEqual,
}

impl Comparison {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Equal,
        Self::NotEqual,
        Self::Less,
        Self::LessOrEqual,
        Self::Greater,
        Self::GreaterOrEqual,
    ];

    /// The operator, as it is written in all forms.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }

    /// Whether it compares numbers only.
    #[must_use]
    pub fn is_order(self) -> bool {
        !matches!(self, Self::Equal | Self::NotEqual)
    }
}

/// Why something is not a policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// Not the form of a statement.
    #[error("{at}: {what}")]
    Form {
        /// The place, as `pol[1][2]`.
        at: String,
        /// What is wrong.
        what: String,
    },
    /// Not a selector.
    #[error("{at}: {source}")]
    Selector {
        /// The place, as `pol[1][2]`.
        at: String,
        /// What is wrong.
        source: SelectorError,
    },
    /// Too many statements.
    #[error("the policy has more than {MAX_POLICY_NODES} statements")]
    TooMany,
    /// Statements within statements, too deep.
    #[error("the policy is nested deeper than {MAX_POLICY_DEPTH} levels")]
    TooDeep,
    /// A pattern that is too long.
    #[error("a pattern of the policy has {bytes} bytes; at most {MAX_PATTERN_BYTES} are accepted")]
    Pattern {
        /// Its length.
        bytes: usize,
    },
}

impl PolicyError {
    /// Whether a limit was passed.
    pub(crate) fn is_limit(&self) -> bool {
        matches!(self, Self::TooMany | Self::TooDeep | Self::Pattern { .. })
    }
}

impl Policy {
    /// The policy that asks for nothing.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// A policy of statements, all of which must be true.
    ///
    /// # Errors
    /// If there are more than [`MAX_POLICY_NODES`], they are nested deeper than [`MAX_POLICY_DEPTH`], or an order is asked
    /// of a value that is no number.
    pub fn new(statements: Vec<Statement>) -> Result<Self, PolicyError> {
        let mut nodes = 0;
        for (i, statement) in statements.iter().enumerate() {
            statement.require_limits(&mut nodes, 1, i)?;
        }
        Ok(Self(statements.into()))
    }

    /// The statements.
    #[must_use]
    pub fn statements(&self) -> &[Statement] {
        &self.0
    }

    /// Whether it asks for nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Statement {
    /// The statements within this one.
    pub(crate) fn inner(&self) -> &[Self] {
        match self {
            Self::And(inner) | Self::Or(inner) => inner,
            Self::Not(inner) | Self::All(_, inner) | Self::Any(_, inner) => {
                std::slice::from_ref(inner)
            }
            Self::Compare(..) | Self::Like(..) => &[],
        }
    }

    fn require_limits(
        &self,
        nodes: &mut usize,
        level: usize,
        at: usize,
    ) -> Result<(), PolicyError> {
        *nodes += 1;
        if *nodes > MAX_POLICY_NODES {
            return Err(PolicyError::TooMany);
        }
        if level > MAX_POLICY_DEPTH {
            return Err(PolicyError::TooDeep);
        }
        if let Self::Compare(op, _, value) = self
            && op.is_order()
            && !matches!(value, Ipld::Integer(_) | Ipld::Float(_))
        {
            return Err(PolicyError::Form {
                at: format!("pol[{at}]"),
                what: format!("{} compares numbers only", op.as_str()),
            });
        }
        self.inner()
            .iter()
            .try_for_each(|inner| inner.require_limits(nodes, level + 1, at))
    }
}
