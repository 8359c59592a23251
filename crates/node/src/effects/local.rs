//! Effects that need nobody else: the time, random bytes, signatures, secrets, and values under keys.
//!
//! What they change is committed together with their receipt, so that a crash leaves both or neither: there is no
//! doubt here, and no note of an intent.

use ipvm_ipld::fields::{FieldError, Fields, as_string, as_unsigned};
use ipvm_ipld::{Ipld, Limits, cbor};
use ipvm_store::{Batch, Value};
use ipvm_ucan::{Command, Did, Keypair, Outcome};
use ipvm_workflow::Failure;

use crate::home::fill_random;
use crate::memo::Args;
use crate::{Node, NodeError};

/// Most random bytes at once.
const MAX_RANDOM: u64 = 1 << 20;
/// Longest message that is signed, in bytes.
const MAX_MESSAGE: usize = 1 << 20;
/// Longest key of a value, in bytes.
const MAX_KEY: usize = 1_024;
/// Largest value, in bytes of DAG-CBOR.
const MAX_VALUE: usize = 1 << 20;
/// Most keys in one list.
const MAX_KEYS: usize = 1_000;
/// Before every signed message, so that no message is ever a token.
const SIGNED: &[u8] = b"ipvm signed message\n";

const COMMANDS: [&str; 8] = [
    "/time/now",
    "/random/bytes",
    "/crypto/sign",
    "/secret/get",
    "/kv/get",
    "/kv/set",
    "/kv/delete",
    "/kv/list",
];

/// Whether a command is done here.
pub(super) fn is_local(command: &Command) -> bool {
    COMMANDS.contains(&command.as_str())
}

/// Whether a command changes values under keys.
pub(super) fn changes_values(command: &Command) -> bool {
    matches!(command.as_str(), "/kv/set" | "/kv/delete")
}

/// Why a local effect has no result.
enum Wrong {
    /// An argument is missing or wrong.
    Argument(String),
    /// It is not for this subject, or not granted.
    Refused { kind: &'static str, message: String },
    /// It was tried, and this is the answer.
    Answer(Ipld),
    /// The home fails.
    Node(Box<NodeError>),
}

impl From<FieldError> for Wrong {
    fn from(error: FieldError) -> Self {
        Self::Argument(error.to_string())
    }
}

impl<E: Into<NodeError>> From<E> for Wrong {
    fn from(error: E) -> Self {
        Self::Node(Box::new(error.into()))
    }
}

/// Does one; what it changes goes into `batch`.
pub(super) fn perform(
    node: &Node,
    (subject, command, args): (&Did, &Command, &Args),
    secret: bool,
    batch: &mut Batch,
) -> Result<Outcome, NodeError> {
    let task = Local {
        node,
        subject,
        secret,
        batch,
    };
    let fields = Fields::new(Ipld::Map(args.clone()), "args");
    let done = fields
        .map_err(Wrong::from)
        .and_then(|args| match command.as_str() {
            "/time/now" => task.now(args),
            "/random/bytes" => task.random(args),
            "/crypto/sign" => task.sign(args),
            "/secret/get" => task.secret(args),
            "/kv/get" => task.get(args),
            "/kv/set" => task.set(args),
            "/kv/delete" => task.delete(args),
            "/kv/list" => task.list(args),
            other => Err(Wrong::Argument(format!("{other} is not done here"))),
        });
    let failure = match done {
        Ok(value) => return Ok(Outcome::Ok(value)),
        Err(Wrong::Answer(error)) => return Ok(Outcome::Error(error)),
        Err(Wrong::Node(error)) => return Err(*error),
        Err(Wrong::Argument(message)) => Failure::BadArgument {
            index: None,
            message,
        },
        Err(Wrong::Refused { kind, message }) => Failure::Refused {
            kind: kind.to_owned(),
            message,
        },
    };
    Ok(Outcome::Error(failure.to_ipld()))
}

struct Local<'a> {
    node: &'a Node,
    subject: &'a Did,
    /// Whether the step is secret.
    secret: bool,
    batch: &'a mut Batch,
}

impl Local<'_> {
    /// `/time/now {}`: seconds since the epoch.
    fn now(self, args: Fields) -> Result<Ipld, Wrong> {
        args.finish()?;
        Ok(Ipld::Integer(i128::from(self.node.now())))
    }

    /// `/random/bytes {len}`: so many random bytes.
    fn random(self, mut args: Fields) -> Result<Ipld, Wrong> {
        let length = args.get("len", as_unsigned)?;
        args.finish()?;
        if length > MAX_RANDOM {
            return Err(Wrong::Argument(format!(
                "`len` is {length}; at most {MAX_RANDOM} bytes are drawn at once"
            )));
        }
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
        fill_random(&mut bytes)?;
        Ok(Ipld::Bytes(bytes))
    }

    /// `/crypto/sign {message}`: the subject's signature over a fixed prefix and the message, so that nothing signed here
    /// is ever taken for a token.
    fn sign(self, mut args: Fields) -> Result<Ipld, Wrong> {
        let message = args.get("message", any)?;
        args.finish()?;
        let message = match message {
            Ipld::Bytes(bytes) => bytes,
            Ipld::String(text) => text.into_bytes(),
            _ => {
                return Err(Wrong::Argument(
                    "`message` must be bytes or text".to_owned(),
                ));
            }
        };
        if message.len() > MAX_MESSAGE {
            return Err(Wrong::Argument(format!(
                "`message` has {} bytes; at most {MAX_MESSAGE} are signed: sign its hash",
                message.len()
            )));
        }
        let key = self.key()?;
        let signature = key.sign(&[SIGNED, &message].concat());
        Ok(Ipld::Map(Args::from([
            ("did".to_owned(), Ipld::String(key.did().to_string())),
            ("signature".to_owned(), Ipld::Bytes(signature.to_vec())),
        ])))
    }

    fn key(&self) -> Result<&Keypair, Wrong> {
        let keys = self.node.keys();
        if self.subject == self.node.owner() {
            Ok(keys.owner()?)
        } else if self.subject == self.node.agent() {
            Ok(keys.agent()?)
        } else {
            let message = format!("this home has no key of {}", self.subject);
            Err(Wrong::Refused {
                kind: "no key",
                message,
            })
        }
    }

    /// `/secret/get {name}`: a secret that was given to this home for the subject. The task is secret, and so is all that
    /// awaits it.
    fn secret(self, mut args: Fields) -> Result<Ipld, Wrong> {
        let name = args.get("name", as_string)?;
        args.finish()?;
        match self.node.secret_named(&name, self.subject)? {
            Some(secret) => Ok(Ipld::String(secret.expose().to_owned())),
            None => {
                let message = format!(
                    "there is no secret {name:?} for {}; add it with `ipvm provider add {name} secret --secret-file FILE`",
                    self.subject
                );
                Err(Wrong::Refused {
                    kind: "no account",
                    message,
                })
            }
        }
    }

    /// `/kv/get {key}`: `{value, version}`, or null.
    fn get(self, mut args: Fields) -> Result<Ipld, Wrong> {
        let key = key_of(&mut args)?;
        args.finish()?;
        let found = self.node.store().value(&self.subject.to_string(), &key)?;
        let Some(found) = found else {
            return Ok(Ipld::Null);
        };
        let value = cbor::decode(&found.value, Limits::default())?;
        Ok(Ipld::Map(Args::from([
            ("value".to_owned(), value),
            ("version".to_owned(), Ipld::Integer(found.version.into())),
        ])))
    }

    /// `/kv/set {key, value, version?}`: with `version` only if the key has it now (0: if it has no value).
    fn set(self, mut args: Fields) -> Result<Ipld, Wrong> {
        if self.secret {
            let message =
                "a secret value cannot be kept under a key: whoever reads the key would learn it"
                    .to_owned();
            return Err(Wrong::Refused {
                kind: "secret",
                message,
            });
        }
        let key = key_of(&mut args)?;
        let value = args.get("value", any)?;
        let expected = args.get_optional("version", as_unsigned)?;
        args.finish()?;
        let bytes = cbor::encode(&value)?;
        if bytes.len() > MAX_VALUE {
            return Err(Wrong::Argument(format!(
                "`value` has {} bytes; at most {MAX_VALUE} are kept: keep a link to it",
                bytes.len()
            )));
        }
        self.expect(&key, expected)?;
        let subject = self.subject.to_string();
        let version = self.node.store().last_version(&subject)? + 1;
        self.batch.put(Value {
            subject,
            key,
            version,
            value: bytes,
        });
        Ok(version_map(version))
    }

    /// `/kv/delete {key, version?}`.
    fn delete(self, mut args: Fields) -> Result<Ipld, Wrong> {
        let key = key_of(&mut args)?;
        let expected = args.get_optional("version", as_unsigned)?;
        args.finish()?;
        let version = self.expect(&key, expected)?;
        self.batch.remove(self.subject.to_string(), key);
        Ok(version_map(version))
    }

    /// `/kv/list {prefix?, after?}`: up to 1,000 keys in byte order.
    fn list(self, mut args: Fields) -> Result<Ipld, Wrong> {
        let mut text = |key| -> Result<String, FieldError> {
            Ok(args.get_optional(key, as_string)?.unwrap_or_default())
        };
        let (prefix, after) = (text("prefix")?, text("after")?);
        args.finish()?;
        let subject = self.subject.to_string();
        let keys = self
            .node
            .store()
            .value_keys(&subject, &prefix, &after, MAX_KEYS)?;
        Ok(Ipld::List(keys.into_iter().map(Ipld::String).collect()))
    }

    /// The version that a key has now, if it is the one that is expected.
    fn expect(&self, key: &str, expected: Option<u64>) -> Result<i64, Wrong> {
        let found = self.node.store().value(&self.subject.to_string(), key)?;
        let version = found.map_or(0, |found| found.version);
        match expected {
            Some(expected) if i64::try_from(expected).ok() != Some(version) => {
                Err(Wrong::Answer(Ipld::Map(Args::from([
                    ("reason".to_owned(), "conflict".into()),
                    (
                        "message".to_owned(),
                        format!("{key:?} has version {version}, not {expected}").into(),
                    ),
                    ("version".to_owned(), Ipld::Integer(version.into())),
                ]))))
            }
            _ => Ok(version),
        }
    }
}

fn version_map(version: i64) -> Ipld {
    Ipld::Map(Args::from([(
        "version".to_owned(),
        Ipld::Integer(version.into()),
    )]))
}

fn key_of(args: &mut Fields) -> Result<String, Wrong> {
    let key = args.get("key", as_string)?;
    match key.len() {
        1..=MAX_KEY => Ok(key),
        length => Err(Wrong::Argument(format!(
            "`key` has {length} bytes; keys have 1 to {MAX_KEY}"
        ))),
    }
}

/// A value of any kind.
fn any(value: Ipld, _: &str) -> Result<Ipld, FieldError> {
    Ok(value)
}
