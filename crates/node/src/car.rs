//! CAR files in and out of the store.

use std::collections::HashSet;
use std::io::{self, BufReader, Read};

use ipvm_ipld::{Cid, car, codec, links};

use crate::add::{BlockWriter, Written};
use crate::{Node, NodeError};

/// Most different blocks in one graph that is written or checked: 4 TiB of full leaves. About 300 MB are needed to know
/// that many.
const MAX_GRAPH_BLOCKS: usize = 1 << 22;
/// Bytes read ahead.
const READ_BYTES: usize = 256 << 10;
/// Multihash code of "no hash": the CID holds the bytes themselves, and there is no block.
const IDENTITY: u64 = 0;

/// What [`Node::import_car`] stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The roots that the CAR names.
    pub roots: Vec<Cid>,
    /// How many blocks were in it.
    pub blocks: u64,
    /// How many of them were not here before.
    pub written: u64,
}

/// What [`Node::export_car`] wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exported {
    /// How many blocks.
    pub blocks: u64,
    /// Links in DAG-CBOR values to blocks that are not here: a value may speak of what nobody keeps.
    pub left_out: u64,
}

impl Node {
    /// Stores the blocks of a CAR (version 1, or 2 around 1), each checked against its CID, and then checks that all of
    /// each root is here. `progress` is told the bytes read so far.
    ///
    /// # Errors
    /// The CAR is cut off or damaged (the blocks before that place are kept), or does not hold all of a root (its blocks
    /// are kept); or the store cannot be written.
    pub fn import_car(
        &self,
        reader: impl Read,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Imported, NodeError> {
        let mut reader = BufReader::with_capacity(READ_BYTES, reader);
        let mut read = 0;
        let source = |buffer: &mut [u8]| loop {
            match reader.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(count) => {
                    read += count as u64;
                    progress(read);
                    return Ok(count);
                }
                Err(error) => return Err(error),
            }
        };
        let broken = |kept, source| NodeError::Car { kept, source };
        let mut car = car::Reader::open(source).map_err(|error| broken(0, Box::new(error)))?;
        let roots = car.roots().to_vec();
        let mut writer = BlockWriter::new(self.store());
        let end = loop {
            match car.next_block() {
                Ok(Some(block)) => writer.push(block)?,
                Ok(None) => break None,
                Err(error) => break Some(Box::new(error)),
            }
        };
        if let Some(error) = end {
            let kept = writer.finish()?.blocks;
            return Err(broken(kept, error));
        }
        let Written { blocks, written } = writer.finish()?;
        for root in &roots {
            self.check_whole(root)?;
        }
        Ok(Imported {
            roots,
            blocks,
            written,
        })
    }

    /// Writes the graph below a root as a CAR of version 1: each block once, parents before children. Links are followed
    /// in DAG-PB and DAG-CBOR.
    ///
    /// # Errors
    /// A block is missing, damaged or secret, the graph is too large, or `sink` fails.
    pub fn export_car(
        &self,
        root: &Cid,
        sink: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<Exported, NodeError> {
        let mut write = |bytes: &[u8]| sink(bytes).map_err(NodeError::Output);
        write(&car::header(&[*root]))?;
        let mut exported = Exported {
            blocks: 0,
            left_out: 0,
        };
        let mut graph = Graph::new(root);
        while let Some((cid, must)) = graph.next()? {
            let Some(block) = self.open_block(&cid)? else {
                if self.is_secret_content(&cid)? {
                    return Err(NodeError::Secret(cid));
                }
                if must {
                    return Err(NodeError::NoBlock(cid));
                }
                exported.left_out += 1;
                continue;
            };
            write(&car::frame(&cid, block.len()))?;
            write(&block)?;
            exported.blocks += 1;
            graph.follow(&cid, &block)?;
        }
        Ok(exported)
    }

    fn check_whole(&self, root: &Cid) -> Result<(), NodeError> {
        let mut graph = Graph::new(root);
        while let Some((cid, must)) = graph.next()? {
            let missing = || NodeError::NotWhole {
                root: Box::new(*root),
                missing: Box::new(cid),
            };
            if cid.codec() == codec::RAW {
                if must && !self.store().has(&cid)? {
                    return Err(missing());
                }
                continue;
            }
            match self.open_block(&cid)? {
                Some(block) => graph.follow(&cid, &block)?,
                None if must => return Err(missing()),
                None => {}
            }
        }
        Ok(())
    }
}

/// A walk through a graph of blocks: each once, parents before children.
struct Graph {
    /// Format and digest of what was met: a third of a CID's size.
    met: HashSet<(u64, [u8; 32])>,
    /// What is still to be visited, last first, and whether it must be here.
    pending: Vec<(Cid, bool)>,
}

impl Graph {
    fn new(root: &Cid) -> Self {
        Self {
            met: HashSet::new(),
            pending: vec![(*root, true)],
        }
    }

    /// The next block that was not met before, and whether it must be here.
    fn next(&mut self) -> Result<Option<(Cid, bool)>, NodeError> {
        while let Some((cid, must)) = self.pending.pop() {
            if cid.hash().code() == IDENTITY {
                continue;
            }
            // What has another hash than ours is in no store of ours: it is missing, however often.
            if let Ok(digest) = cid.hash().digest().try_into()
                && !self.met.insert((cid.codec(), digest))
            {
                continue;
            }
            if self.met.len() > MAX_GRAPH_BLOCKS {
                return Err(NodeError::Content(format!(
                    "there are more than {MAX_GRAPH_BLOCKS} blocks below it"
                )));
            }
            return Ok(Some((cid, must)));
        }
        Ok(None)
    }

    fn follow(&mut self, cid: &Cid, block: &[u8]) -> Result<(), NodeError> {
        let links = links(cid, block).map_err(|error| NodeError::Content(error.to_string()))?;
        let must = cid.codec() == codec::DAG_PB;
        let below = links.into_iter().rev();
        self.pending.extend(below.map(|link| (link, must)));
        Ok(())
    }
}
