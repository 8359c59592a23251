//! Tasks and computations: what work is, and what its result depends on (wire-formats, `Task`, `Computation`).

use crate::class::is_pure;
use crate::wire::{self, WireError};
use ipvm_ipld::fields::{self, FieldError, Fields};
use ipvm_ipld::{Block, Cid, Ipld, cbor, cid_of, codec};
use ipvm_ucan::promise::{self, Await, Branch};
use ipvm_ucan::{Command, Did};
use std::collections::BTreeMap;

/// The command that calls a function of a Wasm module.
pub const WASM_RUN: &str = "/wasm/run";
/// Length of the nonce of a task that is not pure, and of the nonces drawn for workflows, in bytes.
pub const NONCE_BYTES: usize = 16;

/// The identity of a piece of work: its CID is the Task CID.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// On whose resource, or for whom, the work is done.
    pub sub: Did,
    /// What is done.
    pub cmd: Command,
    /// With what: promises unresolved, as signed.
    pub args: BTreeMap<String, Ipld>,
    /// Empty if pure, else what tells this run's task from another's: see [`step_nonce`].
    pub nonce: Vec<u8>,
}

impl Task {
    /// The task as on the wire.
    #[must_use]
    pub fn to_ipld(&self) -> Ipld {
        self.clone().into_ipld()
    }

    /// The same for one who needs the task no more: large arguments are not copied.
    #[must_use]
    pub fn into_ipld(self) -> Ipld {
        wire::map([
            ("sub", Some(Ipld::String(self.sub.to_string()))),
            ("cmd", Some(Ipld::String(self.cmd.to_string()))),
            ("args", Some(Ipld::Map(self.args))),
            ("nonce", Some(Ipld::Bytes(self.nonce))),
        ])
    }

    /// Reads a task: exactly its four keys.
    ///
    /// # Errors
    /// Names the field that is wrong.
    pub fn from_ipld(value: Ipld) -> Result<Self, WireError> {
        let mut map = Fields::new(value, "task")?;
        let task = Self {
            sub: wire::did(map.required("sub")?, "task.sub")?,
            cmd: wire::command(map.required("cmd")?, "task.cmd")?,
            args: map.get("args", fields::as_map)?,
            nonce: map.get("nonce", fields::as_bytes)?,
        };
        map.finish()?;
        Ok(task)
    }

    /// The task's block; its CID is the Task CID.
    ///
    /// # Errors
    /// If the arguments have no encoding (NaN, infinities, too deep).
    pub fn block(&self) -> Result<Block, cbor::EncodeError> {
        cbor::encode_block(&self.to_ipld())
    }

    /// The Task CID.
    ///
    /// # Errors
    /// As [`Task::block`].
    pub fn cid(&self) -> Result<Cid, cbor::EncodeError> {
        Ok(*self.block()?.cid())
    }

    /// Whether the task's command is pure.
    #[must_use]
    pub fn is_pure(&self) -> bool {
        is_pure(&self.cmd)
    }

    /// The promises in the arguments, in their order.
    ///
    /// # Errors
    /// If a reserved key does not make a promise, or stands in place of an argument's name.
    pub fn awaits(&self) -> Result<Vec<Await>, WireError> {
        if let Some(key) = self
            .args
            .keys()
            .find(|key| Branch::ALL.iter().any(|branch| branch.key() == *key))
        {
            return Err(WireError::value(
                "args",
                format!("{key:?} is reserved for promises and names no argument"),
            ));
        }
        let mut found = Vec::new();
        for (name, value) in &self.args {
            let awaits =
                promise::awaits(value).map_err(|e| WireError::value(&format!("args.{name}"), e))?;
            found.extend(awaits);
        }
        Ok(found)
    }
}

/// What the result of a pure command depends on, and nothing else: its CID is the memo key.
#[derive(Clone, Debug, PartialEq)]
pub struct Computation {
    /// What is done.
    pub cmd: Command,
    /// With what: promises resolved.
    pub args: BTreeMap<String, Ipld>,
}

impl Computation {
    /// The computation as on the wire.
    #[must_use]
    pub fn to_ipld(&self) -> Ipld {
        wire::map([
            ("cmd", Some(Ipld::String(self.cmd.to_string()))),
            ("args", Some(Ipld::Map(self.args.clone()))),
        ])
    }

    /// Reads a computation: exactly its two keys.
    ///
    /// # Errors
    /// Names the field that is wrong.
    pub fn from_ipld(value: Ipld) -> Result<Self, WireError> {
        let mut map = Fields::new(value, "computation")?;
        let computation = Self {
            cmd: wire::command(map.required("cmd")?, "computation.cmd")?,
            args: map.get("args", fields::as_map)?,
        };
        map.finish()?;
        Ok(computation)
    }

    /// The memo key.
    ///
    /// # Errors
    /// If the arguments have no encoding (NaN, infinities, too deep).
    pub fn cid(&self) -> Result<Cid, cbor::EncodeError> {
        Self::cid_of(&self.cmd, &self.args)
    }

    /// The memo key of a command and its arguments, which are not copied.
    ///
    /// # Errors
    /// As [`Computation::cid`].
    pub fn cid_of(cmd: &Command, args: &BTreeMap<String, Ipld>) -> Result<Cid, cbor::EncodeError> {
        let mut encoded = Vec::with_capacity(args.len());
        for (name, value) in args {
            encoded.push((name.as_str(), cbor::encode(value)?));
        }
        let entries = encoded
            .iter()
            .map(|(name, value)| (*name, value.as_slice()));
        let (args, _) = cbor::encode_map(&entries.collect::<Vec<_>>());
        let cmd = cbor::encode(&Ipld::String(cmd.to_string()))?;
        let (bytes, _) = cbor::encode_map(&[("cmd", &cmd), ("args", &args)]);
        Ok(cid_of(codec::DAG_CBOR, &bytes))
    }
}

/// The arguments of [`WASM_RUN`] (wire-formats, "Commands").
#[derive(Clone, Debug, PartialEq)]
pub struct WasmCall {
    /// The module.
    pub module: Cid,
    /// The function's full name.
    pub function: String,
    /// Its arguments in order.
    pub args: Vec<Ipld>,
}

impl WasmCall {
    /// The call as a task's arguments.
    #[must_use]
    pub fn into_args(self) -> BTreeMap<String, Ipld> {
        BTreeMap::from([
            ("mod".to_owned(), Ipld::Link(self.module)),
            ("fun".to_owned(), Ipld::String(self.function)),
            ("args".to_owned(), Ipld::List(self.args)),
        ])
    }

    /// Reads the call from a task's arguments: exactly its three keys.
    ///
    /// # Errors
    /// Names the field that is wrong.
    pub fn from_args(args: BTreeMap<String, Ipld>) -> Result<Self, FieldError> {
        let mut map = Fields::new(Ipld::Map(args), "args")?;
        let call = Self {
            module: map.get("mod", fields::as_link)?,
            function: map.get("fun", fields::as_string)?,
            args: map.get("args", fields::as_list)?,
        };
        map.finish()?;
        Ok(call)
    }
}

/// The nonce of a step's task that is not pure: the first 16 bytes of sha2-256(workflow nonce ‖ label).
#[must_use]
pub fn step_nonce(workflow: &[u8], label: &str) -> Vec<u8> {
    // A CID of raw bytes carries their sha2-256 digest.
    let cid = cid_of(codec::RAW, &[workflow, label.as_bytes()].concat());
    cid.hash()
        .digest()
        .iter()
        .copied()
        .take(NONCE_BYTES)
        .collect()
}
