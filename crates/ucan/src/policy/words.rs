//! Policies in plain words, for people who are asked to accept or give one.

use super::selector::{Step, is_name};
use super::{Comparison, Pattern, Policy, Selector, Statement};
use ipvm_ipld::json;

impl Policy {
    /// What the policy asks, in plain words; empty if it asks nothing.
    ///
    /// ```
    /// use ipvm_ucan::policy::Policy;
    ///
    /// let policy: Policy = r#".uri like "https://example.com/*" and .size <= 1000"#.parse()?;
    /// assert_eq!(
    ///     policy.in_words(),
    ///     r#"uri begins with "https://example.com/", and size is at most 1000"#
    /// );
    /// # Ok::<(), ipvm_ucan::policy::PolicyTextError>(())
    /// ```
    #[must_use]
    pub fn in_words(&self) -> String {
        let each = self.statements().iter().map(|each| sentence(each, false));
        each.collect::<Vec<_>>().join("; and ")
    }
}

/// A statement as a sentence; `item`: about an item of a collection.
fn sentence(statement: &Statement, item: bool) -> String {
    match statement {
        Statement::Compare(_, selector, _) | Statement::Like(selector, _) => {
            let of = name(selector, item, "the whole");
            format!("{of} {}", predicate(statement))
        }
        Statement::And(all) => joined(all, item, ", and ", "nothing is asked"),
        Statement::Or(any) => match any.as_slice() {
            [] => "nothing is asked".into(),
            [one] => sentence(one, item),
            _ => format!("either {}", joined(any, item, ", or ", "")),
        },
        Statement::Not(inner) => format!("it is not so that {}", nested(inner, item)),
        Statement::All(selector, inner) => quantified("every item of", selector, inner, item),
        Statement::Any(selector, inner) => {
            quantified("at least one item of", selector, inner, item)
        }
    }
}

fn joined(all: &[Statement], item: bool, with: &str, none: &str) -> String {
    match all {
        [] => none.into(),
        [one] => sentence(one, item),
        all => {
            let each = all.iter().map(|each| nested(each, item));
            each.collect::<Vec<_>>().join(with)
        }
    }
}

/// A sentence within another, in parentheses where it has parts.
fn nested(statement: &Statement, item: bool) -> String {
    let sentence = sentence(statement, item);
    match statement {
        Statement::And(inner) | Statement::Or(inner) if inner.len() > 1 => format!("({sentence})"),
        _ => sentence,
    }
}

fn quantified(which: &str, selector: &Selector, inner: &Statement, item: bool) -> String {
    let of = name(selector, item, "the whole");
    match inner {
        Statement::Compare(_, about, _) | Statement::Like(about, _) if is_identity(about) => {
            format!("{which} {of} {}", predicate(inner))
        }
        inner => format!("for {which} {of}: {}", nested(inner, true)),
    }
}

/// What is said about what is selected.
fn predicate(statement: &Statement) -> String {
    match statement {
        Statement::Compare(op, _, value) => {
            let words = match op {
                Comparison::Equal => "is",
                Comparison::NotEqual => "is there and is not",
                Comparison::Less => "is below",
                Comparison::LessOrEqual => "is at most",
                Comparison::Greater => "is above",
                Comparison::GreaterOrEqual => "is at least",
            };
            format!("{words} {}", json::to_string(value))
        }
        Statement::Like(_, pattern) => like(pattern),
        _ => String::new(),
    }
}

fn like(pattern: &Pattern) -> String {
    let quote = super::text::quote;
    let pieces: Vec<&str> = pattern.pieces().iter().map(String::as_str).collect();
    match pieces.as_slice() {
        [all] => format!("is {}", quote(all)),
        ["", ""] => "is any text".into(),
        [first, ""] => format!("begins with {}", quote(first)),
        ["", last] => format!("ends with {}", quote(last)),
        ["", middle, ""] => format!("contains {}", quote(middle)),
        [first, last] => format!("begins with {} and ends with {}", quote(first), quote(last)),
        _ => format!("is like {}, where * is any text", quote(pattern.as_str())),
    }
}

fn is_identity(selector: &Selector) -> bool {
    selector
        .segments()
        .iter()
        .all(|segment| segment.step == Step::Identity)
}

/// What a selector selects: `to[-1]`; of an item, `its email`.
fn name(selector: &Selector, item: bool, whole: &str) -> String {
    let mut path = String::new();
    let mut optional = false;
    for segment in selector.segments() {
        optional |= segment.optional;
        match &segment.step {
            Step::Identity => {}
            Step::Key(key) if is_name(key) => {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(key);
            }
            Step::Key(key) => path.push_str(&format!("[{}]", super::text::quote(key))),
            Step::Index(index) => path.push_str(&format!("[{index}]")),
            Step::Slice(from, to) => {
                let text = |index: &Option<i64>| index.map(|i| i.to_string()).unwrap_or_default();
                path.push_str(&format!("[{}:{}]", text(from), text(to)));
            }
            Step::Values => path.push_str("[]"),
        }
    }
    let path = match (path.is_empty(), item) {
        (true, true) => "it".into(),
        (true, false) => whole.to_owned(),
        (false, true) => format!("its {path}"),
        (false, false) => path,
    };
    if optional {
        format!("{path} (null if there is none)")
    } else {
        path
    }
}
