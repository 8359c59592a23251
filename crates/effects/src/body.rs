//! Bodies: what is sent of an argument, and what is read of a link.

use crate::fault::{Fault, Problem};
use crate::request::Content;
use ipvm_ipld::{Cid, Ipld, json};

/// Largest body that is sent, in bytes.
pub(crate) const MAX_BODY_BYTES: u64 = 64 << 20;

/// A body as it goes over the wire, with the type that it has if nobody says another.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Body {
    pub(crate) bytes: Vec<u8>,
    pub(crate) content_type: &'static str,
}

/// Text stays text, bytes and content stay bytes, and everything else is written as DAG-JSON.
pub(crate) fn encode(value: &Ipld, content: &dyn Content) -> Result<Body, Fault> {
    let (bytes, content_type) = match value {
        Ipld::String(text) => (text.clone().into_bytes(), "text/plain; charset=utf-8"),
        Ipld::Bytes(bytes) => (bytes.clone(), "application/octet-stream"),
        Ipld::Link(cid) => (linked(cid, content)?, "application/octet-stream"),
        other => (json::to_string(other).into_bytes(), "application/json"),
    };
    if bytes.len() as u64 > MAX_BODY_BYTES {
        return Err(Fault::Refused(Problem::new(
            "too large",
            format!(
                "the body has {} bytes; at most {MAX_BODY_BYTES} are sent",
                bytes.len()
            ),
        )));
    }
    Ok(Body {
        bytes,
        content_type,
    })
}

/// The bytes that a link stands for.
pub(crate) fn linked(cid: &Cid, content: &dyn Content) -> Result<Vec<u8>, Fault> {
    content.read(cid, MAX_BODY_BYTES).map_err(|error| {
        Fault::not_done(
            "missing content",
            format!("the content {cid} could not be read: {error}"),
        )
    })
}
