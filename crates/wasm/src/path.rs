//! Places inside a value, for error messages.

use std::fmt;

/// A place inside a value: `.sizes[3].width`. Empty for the value itself.
///
/// Built from the inside out while an error travels up, so that a value without errors costs nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Path {
    /// Innermost first.
    steps: Vec<Step>,
}

/// One step into a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The value under a key of a map.
    Key(String),
    /// The item at this position of a list.
    Index(usize),
}

impl Path {
    /// Whether it is the value itself.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    pub(crate) fn enter(&mut self, step: Step) {
        self.steps.push(step);
    }

    /// Takes off the outermost step.
    pub(crate) fn leave(&mut self) -> Option<Step> {
        self.steps.pop()
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.steps.iter().rev().try_for_each(|step| match step {
            Step::Index(index) => write!(f, "[{index}]"),
            Step::Key(key)
                if !key.is_empty()
                    && key
                        .chars()
                        .all(|c| c.is_alphanumeric() || c == '-' || c == '_') =>
            {
                write!(f, ".{key}")
            }
            Step::Key(key) => write!(f, "[{key:?}]"),
        })
    }
}
