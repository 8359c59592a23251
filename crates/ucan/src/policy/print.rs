//! The short form of policies, written. [`super::text`] reads it; what is written is read as the same policy.

use super::{Policy, Statement};
use ipvm_ipld::{Ipld, json};
use std::fmt;

/// How much of its surroundings a statement may touch.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Nothing beside it.
    Alone,
    /// Beside others: connectives need parentheses.
    Within,
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, statement) in self.statements().iter().enumerate() {
            if i > 0 {
                f.write_str("; ")?;
            }
            write(f, statement, Place::Alone)?;
        }
        Ok(())
    }
}

impl fmt::Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(f, self, Place::Alone)
    }
}

fn write(f: &mut fmt::Formatter<'_>, statement: &Statement, place: Place) -> fmt::Result {
    match statement {
        Statement::Compare(op, selector, value) => {
            write!(f, "{selector} {} {}", op.as_str(), json::to_string(value))
        }
        Statement::Like(selector, pattern) => {
            let pattern = json::to_string(&Ipld::String(pattern.as_str().to_owned()));
            write!(f, "{selector} like {pattern}")
        }
        Statement::And(inner) => connective(f, "and", inner, place),
        Statement::Or(inner) => connective(f, "or", inner, place),
        Statement::Not(inner) => {
            f.write_str("not ")?;
            write(f, inner, Place::Within)
        }
        Statement::All(selector, inner) => {
            write!(f, "all {selector}: ")?;
            write(f, inner, Place::Within)
        }
        Statement::Any(selector, inner) => {
            write!(f, "any {selector}: ")?;
            write(f, inner, Place::Within)
        }
    }
}

/// `a and b`; of fewer than two, `and(a)` and `and()`.
fn connective(
    f: &mut fmt::Formatter<'_>,
    word: &str,
    inner: &[Statement],
    place: Place,
) -> fmt::Result {
    match inner {
        [] => write!(f, "{word}()"),
        [one] => {
            write!(f, "{word}(")?;
            write(f, one, Place::Alone)?;
            f.write_str(")")
        }
        [first, rest @ ..] => {
            if place == Place::Within {
                f.write_str("(")?;
            }
            write(f, first, Place::Within)?;
            for statement in rest {
                write!(f, " {word} ")?;
                write(f, statement, Place::Within)?;
            }
            if place == Place::Within {
                f.write_str(")")?;
            }
            Ok(())
        }
    }
}
