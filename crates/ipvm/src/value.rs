//! Results as files and as text.

use crate::fault::Fault;
use crate::ui::human::{clean, clip};
use ipvm_ipld::{Cid, Ipld, Limits, cbor, codec, json};
use ipvm_node::Node;
use ipvm_ucan::Outcome;
use ipvm_workflow::{Failure, error_in_words};
use std::io::{self, Write};

/// Columns of a value in human output.
const SHOWN: usize = 300;

/// What a result becomes when it is written to a file.
pub(crate) enum Body {
    /// These bytes.
    Bytes(Vec<u8>),
    /// The bytes of this file or raw block.
    Content(Cid),
    /// This value, as DAG-JSON text.
    Value(Ipld),
}

impl Body {
    /// Bytes and links to content are bytes; a link to a DAG-CBOR block stands for the value in it.
    pub(crate) fn of(node: &Node, value: Ipld) -> anyhow::Result<Self> {
        match value {
            Ipld::Bytes(bytes) => Ok(Self::Bytes(bytes)),
            Ipld::Link(cid) if is_content(&cid) => Ok(Self::Content(cid)),
            Ipld::Link(cid) if cid.codec() == codec::DAG_CBOR => {
                Ok(Self::Value(block_value(node, &cid)?))
            }
            value => Ok(Self::Value(value)),
        }
    }

    /// Writes it; a value as one line.
    pub(crate) fn write(&self, node: &Node, out: &mut dyn Write) -> anyhow::Result<()> {
        match self {
            Self::Bytes(bytes) => out.write_all(bytes)?,
            Self::Content(cid) => {
                node.export(cid, &mut |bytes| out.write_all(bytes))?;
            }
            Self::Value(value) => writeln!(out, "{}", json::to_string(value))?,
        }
        Ok(())
    }
}

/// Whether a CID is of a file: a UnixFS node or a raw block.
pub(crate) fn is_content(cid: &Cid) -> bool {
    cid.codec() == codec::RAW || cid.codec() == codec::DAG_PB
}

/// The value in a DAG-CBOR block.
pub(crate) fn block_value(node: &Node, cid: &Cid) -> anyhow::Result<Ipld> {
    let Some(bytes) = node.block(cid)? else {
        return Err(not_here(cid));
    };
    cbor::decode(&bytes, Limits::default())
        .map_err(|error| Fault::failed(format!("block {cid}: {error}"), "").into())
}

/// The error for a block that this home has not.
pub(crate) fn not_here(cid: &Cid) -> anyhow::Error {
    Fault::usage(
        format!("{cid} is not in this home"),
        "check the CID; `ipvm add PATH` adds content",
    )
    .into()
}

/// A value for people: one line of DAG-JSON, clipped.
pub(crate) fn shown(value: &Ipld) -> String {
    clip(&clean(&json::to_string(value)), SHOWN).into_owned()
}

/// An error value in one line: in words if it has some, else as DAG-JSON. The system's own words are not cut.
pub(crate) fn reason(error: &Ipld) -> String {
    match (Failure::from_ipld(error), error_in_words(error)) {
        (Some(failure), _) => clean(&failure.to_string()).into_owned(),
        (None, Some(text)) => clip(&clean(&text), SHOWN).into_owned(),
        (None, None) => shown(error),
    }
}

/// A result as DAG-JSON: `{"ok": …}` or `{"error": …}`.
pub(crate) fn outcome_json(outcome: &Outcome) -> String {
    json::to_string(&outcome.to_ipld())
}

/// An [`io::Error`] for a closure that must return one; the cause is kept.
pub(crate) fn as_io(error: anyhow::Error) -> io::Error {
    io::Error::other(error)
}
