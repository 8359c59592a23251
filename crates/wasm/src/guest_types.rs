//! The types that this program and its guests know together: those of the WIT package `ipvm:guest` (`wit/guest`).
//!
//! A compiled component has no names for its types, only their structure. So a record is one of the package's where
//! the component imports or exports the package's interface, and the structure is the same.

use crate::engine::LoadError;
use crate::types::Type;

/// What begins the names of the package's interfaces.
pub(crate) const PACKAGE: &str = "ipvm:guest/";
/// What begins the versions of the package that are known.
const VERSION: &str = "0.1.";
/// Which of the package's types a component uses.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct GuestTypes {
    cid: bool,
    effects: bool,
}

impl GuestTypes {
    /// All of them.
    pub(crate) const ALL: Self = Self {
        cid: true,
        effects: true,
    };

    /// Takes note of a record of one of the package's interfaces, whose inner types were seen with [`Self::ALL`].
    ///
    /// # Errors
    /// If this program does not know it: it must not be taken for an ordinary record.
    pub(crate) fn note(
        &mut self,
        interface: &str,
        name: &str,
        record: &Type,
    ) -> Result<(), LoadError> {
        let (path, version) = interface.split_once('@').unwrap_or((interface, ""));
        let patch = version.strip_prefix(VERSION).unwrap_or_default();
        let known = !patch.is_empty() && patch.bytes().all(|byte| byte.is_ascii_digit());
        match (path.strip_prefix(PACKAGE), name, Self::ALL.seen(record)) {
            (Some("types"), "cid", Some(Type::Cid)) if known => self.cid = true,
            (Some("effects"), "request", Some(Type::Request)) if known => self.effects = true,
            (Some("effects"), "effects", Some(Type::Effects)) if known => self.effects = true,
            _ => {
                return Err(LoadError::Invalid {
                    message: format!(
                        "it uses {name:?} of {interface}, which this version of ipvm does not know; it knows {PACKAGE}types \
                         and {PACKAGE}effects {VERSION}x"
                    ),
                });
            }
        }
        Ok(())
    }

    /// What a record is, if it is one of these types.
    pub(crate) fn seen(self, record: &Type) -> Option<Type> {
        let Type::Record(record) = record else {
            return None;
        };
        match record.fields() {
            [(bytes, ty)] if self.cid && bytes == "bytes" && ty.is_bytes() => Some(Type::Cid),
            fields if self.effects => effect_record(fields),
            _ => None,
        }
    }
}

/// The type that a record of `ipvm:guest/effects` is.
fn effect_record(fields: &[(String, Type)]) -> Option<Type> {
    let names: Vec<_> = fields.iter().map(|(name, _)| name.as_str()).collect();
    let types: Vec<_> = fields.iter().map(|(_, ty)| ty).collect();
    // Types are read from the inside out: the requests in effects have been seen already.
    match (names.as_slice(), types.as_slice()) {
        (["role", "cmd", "args"], [Type::String, Type::String, args]) if args.is_bytes() => {
            Some(Type::Request)
        }
        (["fork", "join"], [Type::List(fork), Type::Option(join)])
            if **fork == Type::Request && **join == Type::Request =>
        {
            Some(Type::Effects)
        }
        _ => None,
    }
}
