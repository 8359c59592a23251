//! Patterns of `like`: text in which `*` stands for any characters, and `\*` for itself (UCAN Delegation 1.0.0, "Glob
//! Matching"). Nothing else is special; a backslash before anything else is a backslash.

use std::fmt;

/// Longest pattern, in bytes.
pub const MAX_PATTERN_BYTES: usize = 4096;

/// A pattern. Matching takes time in proportion to the text and the pattern, whatever they are: there is no going back.
///
/// ```
/// use ipvm_ucan::policy::Pattern;
///
/// let pattern = Pattern::new(r"Alice\*, Bob*, Carol.")?;
/// assert!(pattern.matches("Alice*, Bob, Dan, Erin, Carol."));
/// assert!(!pattern.matches("Alice Cooper, Bob, Carol."));
/// assert_eq!(Pattern::literal("2 * 3").as_str(), r"2 \* 3");
/// # Ok::<(), ipvm_ucan::policy::PolicyError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Pattern {
    text: String,
    /// What stands between the wildcards: one more than there are of these.
    pieces: Vec<String>,
}

impl Pattern {
    /// A pattern, as written.
    ///
    /// # Errors
    /// If it is longer than [`MAX_PATTERN_BYTES`].
    pub fn new(text: impl Into<String>) -> Result<Self, super::PolicyError> {
        let text = text.into();
        if text.len() > MAX_PATTERN_BYTES {
            return Err(super::PolicyError::Pattern { bytes: text.len() });
        }
        Ok(Self::split(text))
    }

    /// The pattern that matches one text only.
    #[must_use]
    pub fn literal(text: &str) -> Self {
        Self::split(text.replace('*', r"\*"))
    }

    fn split(text: String) -> Self {
        let mut pieces = vec![String::new()];
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            if c == '*' {
                pieces.push(String::new());
                continue;
            }
            let c = if c == '\\' && chars.next_if_eq(&'*').is_some() {
                '*'
            } else {
                c
            };
            if let Some(last) = pieces.last_mut() {
                last.push(c);
            }
        }
        Self { text, pieces }
    }

    /// The pattern as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What stands between the wildcards.
    pub(crate) fn pieces(&self) -> &[String] {
        &self.pieces
    }

    /// Whether a text is as the pattern says, from beginning to end.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        let Some((first, rest)) = self.pieces.split_first() else {
            return false;
        };
        let Some((last, inner)) = rest.split_last() else {
            return text == first;
        };
        let Some(mut text) = text
            .strip_prefix(first.as_str())
            .and_then(|text| text.strip_suffix(last.as_str()))
        else {
            return false;
        };
        // The leftmost place of each piece leaves most room for those that follow.
        for piece in inner {
            let Some(at) = text.find(piece.as_str()) else {
                return false;
            };
            text = text.get(at + piece.len()..).unwrap_or_default();
        }
        true
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pattern({:?})", self.text)
    }
}
