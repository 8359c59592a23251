//! Commands: `/crud/read`. A command covers itself and everything below it (UCAN core 1.0.0, "Command").

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Longest command, in bytes.
pub const MAX_COMMAND_BYTES: usize = 1024;

/// A valid command: begins with a slash, is lower case, has no empty segments and no slash at the end. `/` alone is
/// all commands.
///
/// ```
/// use ipvm_ucan::Command;
///
/// let crud: Command = "/crud".parse()?;
/// assert!(crud.covers(&"/crud/read".parse()?));
/// assert!(!crud.covers(&"/crudx".parse()?));
/// # Ok::<(), ipvm_ucan::CommandError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Command(Arc<str>);

/// Why a text is not a command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// It does not begin with a slash.
    #[error("the command {0:?} must begin with a slash, as in /crud/read")]
    NoSlash(String),
    /// Two slashes in a row, or one at the end.
    #[error("the command {0:?} has an empty segment; write single slashes, and none at the end")]
    EmptySegment(String),
    /// Upper case.
    #[error("the command {0:?} must be lower case")]
    NotLowerCase(String),
    /// Too long.
    #[error("the command is {0} bytes long; at most {MAX_COMMAND_BYTES} are accepted")]
    TooLong(usize),
}

impl Command {
    /// A command that is written in this crate, and is one.
    pub(crate) fn constant(text: &'static str) -> Self {
        debug_assert!(text.parse::<Self>().is_ok());
        Self(text.into())
    }

    /// The command as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the right to this command is also the right to the other one: by whole segments.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        if &*self.0 == "/" {
            return true;
        }
        other
            .0
            .strip_prefix(&*self.0)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl FromStr for Command {
    type Err = CommandError;

    fn from_str(text: &str) -> Result<Self, CommandError> {
        if text.len() > MAX_COMMAND_BYTES {
            return Err(CommandError::TooLong(text.len()));
        }
        let path = text
            .strip_prefix('/')
            .ok_or_else(|| CommandError::NoSlash(text.to_owned()))?;
        if !path.is_empty() && path.split('/').any(str::is_empty) {
            return Err(CommandError::EmptySegment(text.to_owned()));
        }
        // Some letters have no lower case and are their own.
        if text.chars().any(|c| !c.to_lowercase().eq([c])) {
            return Err(CommandError::NotLowerCase(text.to_owned()));
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Command({})", self.0)
    }
}
