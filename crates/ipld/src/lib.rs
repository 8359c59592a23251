//! Content addressing and the data model: CIDs, blocks, strict DAG-CBOR, DAG-JSON for display, UnixFS files and folders,
//! CAR files.
//!
//! This is the lowest layer. It never does I/O, reads no clock and draws no random numbers; what has to be
//! fetched or stored goes through closures. Every decoder takes a limit and refuses what is not canonical,
//! so that one value has one encoding and one CID.
//!
//! ```
//! use ipvm_ipld::{Ipld, Limits, cbor, json};
//!
//! let value = json::from_str(r#"{"fun": "add", "args": [2, 3]}"#, Limits::default())?;
//! let block = cbor::encode_block(&value)?;
//! assert_eq!(cbor::decode(block.data(), Limits::default())?, value);
//! assert_eq!(block.cid().to_string(), "bafyreie33tdsju4fnjag2oxu4d5rn656kax3li654cyrjvmutxyeobpymi");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod address;
mod block;
pub mod car;
pub mod cbor;
pub mod fields;
pub mod json;
mod limits;
mod links;
pub mod sealed;
pub mod unixfs;

pub use address::{CidError, DIGEST_BYTES, cid_of, cid_of_digest, codec, digest_of, parse_cid};
pub use block::{Block, BlockError};
pub use cid::Cid;
pub use ipld_core::ipld::Ipld;
pub use limits::{Limits, MAX_BLOCK_BYTES, MAX_DEPTH, MAX_ITEMS};
pub use links::{LinksError, links, links_of_value};

/// The IPLD kind of a value, in the words of error messages.
#[must_use]
pub fn kind_name(value: &Ipld) -> &'static str {
    match value {
        Ipld::Null => "null",
        Ipld::Bool(_) => "a bool",
        Ipld::Integer(_) => "an int",
        Ipld::Float(_) => "a float",
        Ipld::String(_) => "a string",
        Ipld::Bytes(_) => "bytes",
        Ipld::List(_) => "a list",
        Ipld::Map(_) => "a map",
        Ipld::Link(_) => "a link",
    }
}
