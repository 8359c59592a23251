//! Reading folders: all that is in one, or what has one name.

use super::MAX_ENTRIES;
use super::hamt;
use super::node::{Entry, Holds, Node, Shard};
use super::read::{Content, Get, ReadError, load};
use cid::Cid;
use std::fmt::Display;

/// Calls `visit` with each entry of a folder, in no particular order.
///
/// Holds one node of the folder at a time, and the shards that are still to be read.
///
/// # Errors
/// A block cannot be had or is damaged, it is no folder, an entry is where nobody would find it; or what `visit` says.
pub fn entries<E: Display>(
    cid: &Cid,
    get: Get<'_, E>,
    visit: &mut dyn FnMut(Entry) -> Result<(), E>,
) -> Result<(), ReadError<E>> {
    let mut pending = vec![At::root(*cid)];
    let mut count = 0;
    while let Some(at) = pending.pop() {
        let here = match load_folder(&at.cid, get)? {
            Folder::Whole(entries) if at.level == 0 => entries,
            Folder::Whole(_) => return Err(malformed(&at.cid, "a shard is no shard")),
            Folder::Shard(shard) => places(&at, shard, &mut pending)?,
        };
        count += here.len();
        if count > MAX_ENTRIES {
            return Err(malformed(cid, "it has more entries than a folder may have"));
        }
        for entry in here {
            visit(entry).map_err(ReadError::Sink)?;
        }
    }
    Ok(())
}

/// The entry of a folder with this name. Reads only the nodes on the way to it.
///
/// # Errors
/// A block cannot be had or is damaged, or it is no folder.
pub fn find<E: Display>(
    cid: &Cid,
    name: &str,
    get: Get<'_, E>,
) -> Result<Option<Entry>, ReadError<E>> {
    let hash = hamt::hash(name);
    let mut at = *cid;
    let mut width = None;
    // A shard further down than the hash has bits has no places, which ends this.
    for level in 0.. {
        let shard = match load_folder(&at, get)? {
            Folder::Whole(_) if level > 0 => return Err(malformed(&at, "a shard is no shard")),
            Folder::Whole(entries) => {
                return Ok(entries.into_iter().find(|entry| entry.name == name));
            }
            Folder::Shard(shard) => shard,
        };
        if *width.get_or_insert(shard.bits) != shard.bits {
            return Err(malformed(&at, "shards of one folder differ in width"));
        }
        let Some(index) = hamt::place(hash, shard.bits, level) else {
            return Err(malformed(
                &at,
                "shards are nested deeper than names have bits",
            ));
        };
        let place = shard.places.into_iter().find(|place| place.index == index);
        match place.map(|place| place.holds) {
            Some(Holds::Entry(entry)) => return Ok(Some(entry).filter(|entry| entry.name == name)),
            Some(Holds::Shard(below)) => at = below,
            None => return Ok(None),
        }
    }
    Ok(None)
}

/// A node of a folder that is still to be read.
struct At {
    cid: Cid,
    /// Shards above it.
    level: u32,
    /// The bits that the hashes of all its names begin with.
    prefix: u64,
    /// The width of the shards above it; 0 at the root.
    bits: u32,
}

impl At {
    fn root(cid: Cid) -> Self {
        Self {
            cid,
            level: 0,
            prefix: 0,
            bits: 0,
        }
    }
}

/// The entries in a shard; the shards below it go to `pending`. Each is where its name's hash wants it: else `find`
/// would not find it, and shards could be shared and walked for ever.
fn places<E: Display>(
    at: &At,
    shard: Shard,
    pending: &mut Vec<At>,
) -> Result<Vec<Entry>, ReadError<E>> {
    if at.level > 0 && at.bits != shard.bits {
        return Err(malformed(&at.cid, "shards of one folder differ in width"));
    }
    if at.level > 0 && shard.places.is_empty() {
        return Err(malformed(&at.cid, "a shard of a folder is empty"));
    }
    let mut entries = Vec::new();
    for place in shard.places.into_iter().rev() {
        let prefix = at.prefix << shard.bits | place.index;
        match place.holds {
            Holds::Entry(entry) => {
                if hamt::prefix(hamt::hash(&entry.name), shard.bits, at.level) != Some(prefix) {
                    return Err(malformed(
                        &at.cid,
                        "a name is in the wrong place of a shard",
                    ));
                }
                entries.push(entry);
            }
            Holds::Shard(cid) => pending.push(At {
                cid,
                level: at.level + 1,
                prefix,
                bits: shard.bits,
            }),
        }
    }
    Ok(entries)
}

enum Folder {
    Whole(Vec<Entry>),
    Shard(Shard),
}

fn load_folder<E: Display>(cid: &Cid, get: Get<'_, E>) -> Result<Folder, ReadError<E>> {
    let what = match load(cid, get)? {
        Content::Node(Node::Directory(entries)) => return Ok(Folder::Whole(entries)),
        Content::Node(Node::Shard(shard)) => return Ok(Folder::Shard(shard)),
        Content::Leaf(_) | Content::Node(Node::File(_)) => "a file".to_owned(),
        Content::Node(Node::Symlink(target)) => format!("a symbolic link to {target:?}"),
    };
    Err(ReadError::NotAFolder { cid: *cid, what })
}

fn malformed<E: Display>(cid: &Cid, what: &'static str) -> ReadError<E> {
    ReadError::Malformed { cid: *cid, what }
}
