//! What a block points to, whatever its format: how a graph of blocks is walked.

use crate::address::{codec, to_v1};
use crate::sealed::Frame;
use crate::unixfs::pb;
use crate::{Ipld, Limits, cbor};
use cid::Cid;

/// Why the links of a block cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinksError {
    /// The bytes are not what the CID's codec says.
    #[error("block {cid} is damaged: {what}")]
    Malformed {
        /// The block.
        cid: Cid,
        /// What is wrong.
        what: String,
    },
    /// A format that is not known here.
    #[error(
        "block {cid} has the codec {:#x}; links are known in raw (0x55), DAG-PB (0x70) and DAG-CBOR (0x71)",
        cid.codec()
    )]
    Codec {
        /// The block.
        cid: Cid,
    },
}

/// The links in a block, in the order in which they are there, each as CIDv1.
///
/// # Errors
/// See [`LinksError`].
pub fn links(cid: &Cid, block: &[u8]) -> Result<Vec<Cid>, LinksError> {
    let malformed = |what: String| LinksError::Malformed { cid: *cid, what };
    match cid.codec() {
        codec::RAW => Ok(Vec::new()),
        codec::DAG_PB => match pb::decode(block) {
            Ok(node) => Ok(node.links.iter().map(|link| link.cid).collect()),
            Err(pb::Malformed(what)) => Err(malformed(what.to_owned())),
        },
        codec::DAG_CBOR => {
            let value = cbor::decode(block, Limits::default())
                .map_err(|error| malformed(error.to_string()))?;
            Ok(links_of_value(&value))
        }
        codec::SEALED => match Frame::parse(block) {
            Ok(frame) => Ok(frame.head.links()),
            Err(error) => Err(malformed(error.to_string())),
        },
        _ => Err(LinksError::Codec { cid: *cid }),
    }
}

/// The links in a value, in the order in which they are there, each as CIDv1.
#[must_use]
pub fn links_of_value(value: &Ipld) -> Vec<Cid> {
    let mut links = Vec::new();
    let mut pending = vec![value];
    while let Some(value) = pending.pop() {
        match value {
            Ipld::Link(cid) => links.push(to_v1(cid)),
            Ipld::List(items) => pending.extend(items.iter().rev()),
            Ipld::Map(map) => pending.extend(map.values().rev()),
            _ => {}
        }
    }
    links
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::unixfs::{Directory, Entry, import};
    use crate::{cid_of, json};

    /// Without it, a CAR could be written that lacks blocks.
    #[test]
    fn every_format_is_followed_in_order() {
        let (a, b) = (cid_of(codec::RAW, b"a"), cid_of(codec::DAG_CBOR, b"b"));
        let text =
            format!(r#"{{"x":[{{"/":"{b}"}},1,[{{"/":"{a}"}}]],"y":{{"/":"{b}"}},"z":null}}"#);
        let value = json::from_str(&text, Limits::default()).unwrap();
        let block = cbor::encode_block(&value).unwrap();
        assert_eq!(links(block.cid(), block.data()), Ok(vec![b, a, b]));

        let (file, blocks) = import(&[7; 2 << 20]);
        let root = blocks.last().unwrap();
        let leaf = *blocks[0].cid();
        assert_eq!(links(&file, root.data()), Ok(vec![leaf, leaf]));
        assert_eq!(links(&leaf, blocks[0].data()), Ok(vec![]));

        let mut folder = Directory::new();
        let entry = |name: &str, cid| Entry {
            name: name.into(),
            cid,
            tree_bytes: 1,
        };
        folder.push(entry("b", a)).unwrap();
        folder.push(entry("a", file)).unwrap();
        let (root, blocks) = folder.finish().unwrap();
        assert_eq!(links(&root.cid, blocks[0].data()), Ok(vec![file, a]));

        let unknown = cid_of(0x78, b"");
        assert_eq!(
            links(&unknown, b""),
            Err(LinksError::Codec { cid: unknown })
        );
        for damaged in [
            cid_of(codec::DAG_PB, b"\xff"),
            cid_of(codec::DAG_CBOR, b"\xff"),
        ] {
            let error = links(&damaged, b"\xff").unwrap_err().to_string();
            assert!(error.contains("is damaged"), "{error}");
        }
    }
}
