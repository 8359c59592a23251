//! Everything that can be wrong with a call.

/// Most bytes of a document.
pub const MAX_BYTES: usize = 256 * 1024;

/// Why a function gave no answer; the cases are those of `problem` in `wit/text.wit`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Over a limit.
    #[error("{given} {what} are too many: at most {most} are allowed")]
    TooMuch {
        /// What there is too much of.
        what: &'static str,
        /// How much, as far as it was counted.
        given: u64,
        /// How much is allowed.
        most: u64,
    },
    /// Bytes that are no text.
    #[error("the text is not UTF-8 from byte {0} on: convert it first")]
    NotUtf8(u64),
    /// Lists that do not belong together.
    #[error(
        "{assessments} assessments, {languages} languages and {measures} statistics: pass one of each for every post"
    )]
    Uneven {
        /// How many assessments there are.
        assessments: usize,
        /// How many guesses of languages.
        languages: usize,
        /// How many statistics.
        measures: usize,
    },
}

/// Checks an amount against its limit.
pub(crate) fn check(what: &'static str, given: usize, most: usize) -> Result<(), Problem> {
    if given > most {
        return Err(Problem::TooMuch {
            what,
            given: given as u64,
            most: most as u64,
        });
    }
    Ok(())
}

/// A document as text.
///
/// # Errors
/// More than [`MAX_BYTES`], or bytes that are not UTF-8.
pub fn read(document: &[u8]) -> Result<&str, Problem> {
    check("bytes", document.len(), MAX_BYTES)?;
    str::from_utf8(document).map_err(|error| Problem::NotUtf8(error.valid_up_to() as u64))
}
