//! Everything that can be wrong with a call.

/// Why a function gave no result; the cases are those of `problem` in `wit/json.wit`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Not JSON, not UTF-8, or a name twice in one object.
    #[error("line {line}, column {column}: {message}")]
    Syntax {
        /// Line of the fault, from 1.
        line: u32,
        /// Column of the fault in bytes, from 1.
        column: u32,
        /// What is wrong there.
        message: String,
    },
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
    /// Text that is not JSONPath.
    #[error("path {at}: {message}")]
    Path {
        /// The path, shortened.
        at: String,
        /// What is wrong with it.
        message: String,
    },
    /// A patch that is none, or does not fit.
    #[error("operation {at}: {message}")]
    Operation {
        /// The place of the operation, from 0, or `patch`.
        at: String,
        /// What is wrong with it.
        message: String,
    },
    /// A template that asks for something not offered.
    #[error("template {at}: {message}")]
    Template {
        /// Where in the template, as a JSON Pointer.
        at: String,
        /// What is wrong there.
        message: String,
    },
    /// A document that is no table, or bytes that are none.
    #[error("table {at}: {message}")]
    Table {
        /// Which row.
        at: String,
        /// What is wrong with it.
        message: String,
    },
    /// A number without canonical form.
    #[error("the number {0} has no canonical form: a double cannot hold it, so write it as text")]
    Number(String),
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

/// The start of a text that a message quotes.
pub(crate) fn shortened(text: &str) -> String {
    const MOST: usize = 80;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
