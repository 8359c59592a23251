//! What functions print: kept as a block of its own that the receipt names beside its facts.

use std::borrow::Cow;

use ipvm_ipld::{Block, Cid, Ipld, Limits, cbor, codec};
use ipvm_ucan::Receipt;
use ipvm_wasm::{Log, Stream};

use crate::{Node, NodeError};

/// Name of the guest's standard output in a stored log.
const OUT: &str = "out";
/// Name of the guest's standard error in a stored log.
const ERR: &str = "err";

/// The block that holds a log: a list of `[stream, bytes]`; none if nothing was printed.
pub(crate) fn to_block(log: Log) -> Result<Option<Block>, NodeError> {
    if log.pieces.is_empty() {
        return Ok(None);
    }
    let pieces = log.pieces.into_iter().map(|(stream, bytes)| {
        let name = match stream {
            Stream::Out => OUT,
            Stream::Err => ERR,
        };
        Ipld::List(vec![Ipld::String(name.to_owned()), Ipld::Bytes(bytes)])
    });
    let bytes = cbor::encode(&Ipld::List(pieces.collect()))?;
    Ok(Some(Block::new(codec::DAG_CBOR, bytes)))
}

fn from_ipld(log: Ipld) -> Option<Log> {
    let Ipld::List(pieces) = log else { return None };
    let piece = |piece: Ipld| {
        let Ipld::List(pair) = piece else { return None };
        let [Ipld::String(name), Ipld::Bytes(bytes)] = <[Ipld; 2]>::try_from(pair).ok()? else {
            return None;
        };
        let stream = match name.as_str() {
            OUT => Stream::Out,
            ERR => Stream::Err,
            _ => return None,
        };
        Some((stream, bytes))
    };
    let pieces = pieces.into_iter().map(piece).collect::<Option<Vec<_>>>()?;
    Some(Log { pieces })
}

impl Node {
    /// What the function printed when the result of this receipt was computed; empty if nothing. A receipt that
    /// repeats another's result has that one's log.
    ///
    /// # Errors
    /// The log, or the receipt that this one repeats, is not here or damaged.
    pub fn log(&self, receipt: &Receipt) -> Result<Log, NodeError> {
        let executed = match receipt.payload().meta.memo {
            Some(memo) => Cow::Owned(self.receipt(&memo)?.ok_or(NodeError::NoBlock(memo))?),
            None => Cow::Borrowed(receipt),
        };
        match executed.payload().meta.log {
            Some(cid) => self.stored_log(&cid),
            None => Ok(Log::default()),
        }
    }

    /// As [`Node::log`], by the receipt's CID.
    ///
    /// # Errors
    /// As [`Node::log`], or there is no such receipt.
    pub fn log_of(&self, receipt: &Cid) -> Result<Log, NodeError> {
        let receipt = self.receipt(receipt)?.ok_or(NodeError::NoBlock(*receipt))?;
        self.log(&receipt)
    }

    fn stored_log(&self, cid: &Cid) -> Result<Log, NodeError> {
        let bytes = self.block_or_missing(cid)?;
        let damaged = || NodeError::Name(format!("{cid} is not a log"));
        let value = cbor::decode(&bytes, Limits::default()).map_err(|_| damaged())?;
        from_ipld(value).ok_or_else(damaged)
    }
}

#[cfg(test)]
mod tests {
    //! Without these, what a function printed is lost or told as another's words.
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_log_comes_back_as_it_was() {
        let log = Log {
            pieces: vec![
                (Stream::Out, b"one\n".to_vec()),
                (Stream::Err, vec![0xff, 0]),
                (Stream::Out, b"two".to_vec()),
            ],
        };
        let block = to_block(log.clone()).unwrap().unwrap();
        let value = cbor::decode(block.data(), Limits::default()).unwrap();
        assert_eq!(from_ipld(value), Some(log));
        assert!(to_block(Log::default()).unwrap().is_none());
    }

    #[test]
    fn other_data_is_no_log() {
        for text in [
            "1",
            r#"[["out"]]"#,
            r#"[["both",{"/":{"bytes":"AA"}}]]"#,
            r#"[["out","text"]]"#,
        ] {
            let value = ipvm_ipld::json::from_str(text, Limits::default()).unwrap();
            assert_eq!(from_ipld(value), None, "{text}");
        }
    }
}
