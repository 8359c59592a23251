//! Classes of commands: what repeating one does. Retry, hedging, caching and recovery follow from the class.

use ipvm_ucan::Command;
use std::fmt;

/// What repeating a command does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// The same arguments always give the same result, and nothing else happens: may be repeated, raced, and
    /// answered from memory.
    Pure,
    /// Changes the world, but a second time changes nothing more.
    Idempotent,
    /// Reads the world and leaves it as it is; another time may give another result.
    Query,
    /// Changes the world each time: done at most once.
    Mutation,
}

impl Class {
    /// The class in one word, as the command line and the API print it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pure => "pure",
            Self::Idempotent => "idempotent",
            Self::Query => "query",
            Self::Mutation => "mutation",
        }
    }

    /// Whether it changes the world.
    #[must_use]
    pub fn writes(self) -> bool {
        matches!(self, Self::Idempotent | Self::Mutation)
    }

    /// Whether several attempts may be under way at once, of which the first answer counts.
    #[must_use]
    pub fn may_race(self) -> bool {
        matches!(self, Self::Pure | Self::Query)
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The class of a command (wire-formats, "Commands"). A command without one is not known here; whoever runs
/// it has to know its class, and without that has to treat it as a mutation.
#[must_use]
pub fn class_of(command: &Command) -> Option<Class> {
    Some(match command.as_str() {
        "/wasm/run" => Class::Pure,
        "/crud/read" | "/time/now" | "/random/bytes" | "/crypto/sign" | "/secret/get"
        | "/kv/get" | "/kv/list" | "/receipt/read" | "/content/read" => Class::Query,
        "/crud/update" | "/crud/delete" | "/workflow/suspend" | "/workflow/resume"
        | "/workflow/cancel" | "/ucan/revoke" => Class::Idempotent,
        "/crud/create" | "/msg/send" | "/kv/set" | "/kv/delete" | "/workflow/run"
        | "/workflow/move" => Class::Mutation,
        _ => return None,
    })
}

/// Whether tasks of this command are secret whatever their configuration says: what comes of them is a secret. What
/// awaits them is secret too, see [`Plan::secrecy`](crate::Plan::secrecy).
#[must_use]
pub fn makes_secret(command: &Command) -> bool {
    matches!(command.as_str(), "/secret/get")
}

/// Whether tasks of this command are pure: only those have an empty nonce.
#[must_use]
pub fn is_pure(command: &Command) -> bool {
    class_of(command) == Some(Class::Pure)
}
