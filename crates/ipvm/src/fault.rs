//! From errors to exit codes and messages.

use crate::context::Context;
use crate::people::People;
use crate::ui::diagnostic::{self, Message};
use crate::ui::human::clean_lines;
use crate::ui::term::{self, Paint};
use ipvm_node::{NodeError, PrepareError};
use ipvm_workflow::author::{Diagnostics, Origin};
use std::fmt;
use std::io;

/// How the process ends; part of the contract with scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    /// Done and right.
    Done = 0,
    /// The work ended in an error.
    Failed = 1,
    /// Wrong use or bad input.
    Usage = 2,
    /// Refused: no authority.
    Refused = 3,
    /// It is not known whether something was done.
    InDoubt = 4,
    /// Interrupted by the user.
    Interrupted = 130,
}

/// An error of the command line itself: what happened, and what to do about it.
#[derive(Debug)]
pub(crate) struct Fault {
    code: Code,
    message: String,
    help: String,
}

impl Fault {
    /// Wrong use or bad input.
    pub(crate) fn usage(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            code: Code::Usage,
            message: message.into(),
            help: help.into(),
        }
    }

    /// The work ended in an error.
    pub(crate) fn failed(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            code: Code::Failed,
            message: message.into(),
            help: help.into(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}

/// Says what went wrong on stderr and returns the code to end with.
pub(crate) fn tell(context: &Context, error: &anyhow::Error) -> Code {
    let paint = Paint::stderr();
    if let Some(PrepareError::Invalid {
        file,
        text,
        diagnostics,
    }) = error.downcast_ref()
    {
        tell_of_file(&file.to_string_lossy(), text, diagnostics, paint);
        return Code::Usage;
    }
    let (code, help) = judge(error);
    term::note(&format!(
        "{} {}",
        paint.bad("error:"),
        clean_lines(&with_names(context, whole(error)))
    ));
    if !help.is_empty() {
        term::note(&format!("{} {}", paint.memo("help:"), clean_lines(&help)));
    }
    code
}

/// A text with names in the place of DIDs. Where they cannot be read, which may be the very error, DIDs stay.
fn with_names(context: &Context, text: String) -> String {
    if !text.contains("did:") {
        return text;
    }
    match People::here(context) {
        Ok(people) => people.in_text(&text),
        Err(_) => text,
    }
}

/// The error and its causes in one line. Some errors name their cause themselves; it is not said twice.
fn whole(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

fn judge(error: &anyhow::Error) -> (Code, String) {
    if let Some(fault) = error.downcast_ref::<Fault>() {
        return (fault.code, fault.help.clone());
    }
    if let Some(error) = error.downcast_ref::<PrepareError>() {
        let code = match error {
            PrepareError::Node(error) => code_of_node(error, Code::Usage),
            _ => Code::Usage,
        };
        return (code, error.help());
    }
    if let Some(error) = error.downcast_ref::<NodeError>() {
        return (code_of_node(error, Code::Failed), error.help());
    }
    (Code::Failed, String::new())
}

/// The code for an error of the node; `otherwise` where the error alone does not tell.
fn code_of_node(error: &NodeError, otherwise: Code) -> Code {
    match error {
        NodeError::Refused(_) | NodeError::NoChain(_) => Code::Refused,
        NodeError::Interrupted => Code::Interrupted,
        NodeError::NoHome(_)
        | NodeError::Folder(_)
        | NodeError::Special(_)
        | NodeError::NotText(_)
        | NodeError::TooDeep(_)
        | NodeError::Entry { .. }
        | NodeError::NotAFolder { .. }
        | NodeError::NoEntry { .. }
        | NodeError::Car { .. }
        | NodeError::NotWhole { .. }
        | NodeError::Module { .. }
        | NodeError::NoBlock(_)
        | NodeError::Name(_)
        | NodeError::Unmet { .. }
        | NodeError::Authority(_)
        | NodeError::NoPassphrase(_)
        | NodeError::WrongPassphrase(_)
        | NodeError::NotOpen(_)
        | NodeError::Secret(_)
        | NodeError::Changed(_)
        | NodeError::NotOffered { .. }
        | NodeError::GivenUp(_)
        | NodeError::HomeExists(_)
        | NodeError::Archive { .. }
        | NodeError::LimitTooSmall { .. } => Code::Usage,
        NodeError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => Code::Usage,
        NodeError::Store(_)
        | NodeError::OverLimit(_)
        | NodeError::Key { .. }
        | NodeError::Random(_)
        | NodeError::Engine(_) => Code::Failed,
        _ => otherwise,
    }
}

fn tell_of_file(file: &str, text: &str, diagnostics: &Diagnostics, paint: Paint) {
    for diagnostic in diagnostics {
        let set = match &diagnostic.origin {
            Origin::File => None,
            Origin::Set(key) => Some(format!("--set {key}")),
        };
        let place = diagnostic.position.filter(|_| set.is_none());
        let place = place.map(|position| (position.line as usize, position.column as usize));
        let mut message = diagnostic.problem.to_string();
        if place.is_none() && !diagnostic.path.is_empty() {
            message = format!("{}: {message}", diagnostic.path);
        }
        let file = set.as_deref().unwrap_or(file);
        let help = diagnostic.problem.help();
        let message = Message {
            file,
            place,
            text: &message,
            help: Some(&help),
        };
        term::note(&diagnostic::render(&message, text, paint));
    }
    if diagnostics.more {
        term::note("… and more; mend these first");
    }
}
