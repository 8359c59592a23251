//! Folders: against the CIDs that another implementation (ipfs-unixfs-importer 17.1.1, profile `unixfs-v1-2025`) gives,
//! read back, and with nodes that lie.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::node::{self, Entry};
use super::{Directory, DirectoryError, ReadError, SHARD_BYTES, Stat};
use super::{check_name, entries, export, export_range, find, import, stat, symlink};
use crate::address::codec;
use crate::block::Block;
use crate::cid_of;
use cid::Cid;
use proptest::prelude::*;
use std::collections::{BTreeMap, HashMap};

type Store = HashMap<Cid, Vec<u8>>;

fn getter(store: &Store) -> impl FnMut(&Cid) -> Result<Vec<u8>, String> {
    |cid| {
        let found = store.get(cid).cloned();
        found.ok_or_else(|| "not there".to_owned())
    }
}

fn entry(name: &str, content: &[u8]) -> Entry {
    Entry {
        name: name.to_owned(),
        cid: cid_of(codec::RAW, content),
        tree_bytes: content.len() as u64,
    }
}

fn build(all: impl IntoIterator<Item = Entry>) -> (Cid, u64, Store) {
    let mut folder = Directory::new();
    all.into_iter()
        .for_each(|entry| folder.push(entry).unwrap());
    let (root, blocks) = folder.finish().unwrap();
    assert_eq!(blocks.last().map(Block::cid), Some(&root.cid));
    let store = blocks.into_iter().map(Block::into_parts).collect();
    (root.cid, root.tree_bytes, store)
}

fn list(cid: &Cid, store: &Store) -> Result<Vec<Entry>, ReadError<String>> {
    let mut all = Vec::new();
    entries(cid, &mut getter(store), &mut |entry| {
        all.push(entry);
        Ok(())
    })?;
    all.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(all)
}

/// Files `file-0` … with the text `content 0` …, as the other implementation was given them.
fn numbered(count: usize) -> Vec<Entry> {
    (0..count)
        .map(|i| entry(&format!("file-{i}"), format!("content {i}").as_bytes()))
        .collect()
}

/// As many files as fit into one node, the last name longer by `pad`.
fn to_the_edge(pad: usize) -> Vec<Entry> {
    let name = |i| match i {
        4853 => format!("n{i:09}{}", "x".repeat(pad)),
        _ => format!("n{i:09}"),
    };
    (0..4854).map(|i| entry(&name(i), b"x")).collect()
}

/// Without it, a folder would have another CID here than in every IPFS tool.
#[test]
fn cids_of_other_tools() {
    let check = |all: Vec<Entry>, expect: &str, tree_bytes: u64| {
        let count = all.len();
        let (cid, size, _) = build(all);
        assert_eq!(
            (cid.to_string().as_str(), size),
            (expect, tree_bytes),
            "{count} entries"
        );
    };
    check(
        Vec::new(),
        "bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354",
        4,
    );
    check(
        numbered(1),
        "bafybeigbrobwzhtzm53ly3s6xiykzzqzy7ec4iqukzssjnmt7xlrfzvpnq",
        63,
    );
    check(
        numbered(3500),
        "bafybeide2wrfxnh5zmlthnhgdcto26mqdhe23b6rcof4ibbefslairhgvm",
        225_284,
    );
    check(
        numbered(10_000),
        "bafybeidboda5yxticw34miw7d22sduor25zliv4fxjakdg5csa3erqzuka",
        746_241,
    );
    check(
        (0..60_000).map(|i| entry(&i.to_string(), b"x")).collect(),
        "bafybeifkhiyt45ey3rocim4hafcof5cgejxsrsc4nbt76leaci3plnuo6y",
        4_359_615,
    );
}

/// Without it, a folder of nearly 256 KiB could be sharded where other tools do not, or the other way round.
#[test]
fn the_threshold_is_that_of_the_profile() {
    let (cid, _, store) = build(to_the_edge(24));
    assert_eq!(
        cid.to_string(),
        "bafybeiffb4se32qxul3krkjidfm2fapqkpxm2phfrkcwdjxaynb67lcsja"
    );
    assert_eq!(store[&cid].len(), SHARD_BYTES);
    let (cid, _, store) = build(to_the_edge(25));
    assert_eq!(
        cid.to_string(),
        "bafybeia7ydbywwoowasnfgu2efw3sqy22foxlbda3qac6oiouyr4dfpxka"
    );
    assert!(store.len() > 256, "{} nodes", store.len());
}

#[test]
fn a_symbolic_link_is_a_node() {
    let (root, block) = symlink("foo").unwrap();
    // As Kubo and the specification write it: type 4, target, no size.
    assert_eq!(
        block.data(),
        [0x0a, 0x07, 0x08, 0x04, 0x12, 0x03, b'f', b'o', b'o']
    );
    let store = Store::from([block.into_parts()]);
    let found = stat(&root.cid, &mut getter(&store)).unwrap();
    assert_eq!(
        found,
        Stat::Symlink {
            target: "foo".into()
        }
    );
    for target in [String::new(), "x".repeat(5000)] {
        assert_eq!(symlink(&target), Err(DirectoryError::Target(target.len())));
    }
}

/// Without it, something in a large folder could be listed and not be found, or the other way round.
#[test]
fn what_is_listed_is_found() {
    for count in [0, 1, 2, 3500, 6000] {
        let mut all = numbered(count);
        let (cid, tree_bytes, store) = build(all.clone());
        all.sort_by(|a, b| a.name.cmp(&b.name));
        assert_eq!(list(&cid, &store).unwrap(), all);
        let sharded = count == 6000;
        assert_eq!(
            stat(&cid, &mut getter(&store)).unwrap(),
            Stat::Directory {
                sharded,
                tree_bytes
            }
        );
        for entry in all.iter().step_by(97) {
            let found = find(&cid, &entry.name, &mut getter(&store)).unwrap();
            assert_eq!(found.as_ref(), Some(entry));
        }
        for name in ["", "file", "file-6000", "FILE-0", ".."] {
            assert_eq!(find(&cid, name, &mut getter(&store)).unwrap(), None);
        }
    }
}

/// Without it, finding one name in a folder of millions would read all of it.
#[test]
fn only_the_shards_on_the_way_are_read() {
    let (cid, _, store) = build(numbered(10_000));
    assert!(store.len() > 300);
    let mut read = 0;
    let mut get = |cid: &Cid| {
        read += 1;
        getter(&store)(cid)
    };
    assert!(find(&cid, "file-77", &mut get).unwrap().is_some());
    assert!((2..=4).contains(&read), "{read} blocks");
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    for name in ["", ".", "..", "a/b", "/", "a\0", &"x".repeat(1025)] {
        assert!(check_name(name).is_err(), "{name:?}");
        let refused = Directory::new().push(entry(name, b""));
        assert!(matches!(refused, Err(DirectoryError::Name(_))), "{name:?}");
        // And on the way in, where somebody else wrote the node.
        let forged = node::encode_directory(&[entry(name, b"")], SHARD_BYTES).unwrap();
        let cid = cid_of(codec::DAG_PB, &forged);
        let error = list(&cid, &Store::from([(cid, forged)])).unwrap_err();
        assert!(matches!(error, ReadError::Name { .. }), "{name:?}: {error}");
    }
    for name in [
        "...",
        "..a",
        " ",
        "ä",
        "日本語",
        "-",
        "con",
        &"x".repeat(255),
    ] {
        assert_eq!(check_name(name), Ok(()), "{name:?}");
    }
}

#[test]
fn a_name_is_there_once() {
    let mut folder = Directory::new();
    folder.push(entry("a", b"1")).unwrap();
    folder.push(entry("b", b"1")).unwrap();
    folder.push(entry("a", b"2")).unwrap();
    assert_eq!(folder.finish(), Err(DirectoryError::Twice("a".into())));
    let forged =
        node::encode_directory(&[entry("a", b"1"), entry("a", b"2")], SHARD_BYTES).unwrap();
    let cid = cid_of(codec::DAG_PB, &forged);
    let error = list(&cid, &Store::from([(cid, forged)])).unwrap_err();
    assert!(error.to_string().contains("a name twice"), "{error}");
}

fn refused(nodes: Vec<Vec<u8>>, expect: &str) {
    let blocks = nodes
        .into_iter()
        .map(|node| Block::new(codec::DAG_PB, node));
    let blocks: Vec<Block> = blocks.collect();
    let root = *blocks.last().unwrap().cid();
    let store = blocks.into_iter().map(Block::into_parts).collect();
    let error = list(&root, &store).unwrap_err().to_string();
    assert!(error.contains(expect), "{error}");
}

/// Without it, a few small shards that point to one another could keep a reader busy for ever, or a name could be listed
/// that cannot be found.
#[test]
fn shards_that_lie_are_refused() {
    let leaf = cid_of(codec::RAW, b"x");
    let file = entry("hello", b"x"); // its hash begins with cb d8
    let right = node::encode_shard(&[(0xcb, "hello", leaf, 1)]);
    let cid = cid_of(codec::DAG_PB, &right);
    let store = Store::from([(cid, right.clone())]);
    assert_eq!(list(&cid, &store).unwrap(), [file]);

    let wrong_place = node::encode_shard(&[(0xcc, "hello", leaf, 1)]);
    refused(vec![wrong_place.clone()], "in the wrong place");
    let below = cid_of(codec::DAG_PB, &wrong_place);
    let above = node::encode_shard(&[(0xcb, "", below, 1)]);
    refused(vec![wrong_place, above], "in the wrong place");
    let empty = node::encode_shard(&[]);
    let below = cid_of(codec::DAG_PB, &empty);
    let above = node::encode_shard(&[(1, "", below, 1), (2, "", below, 1)]);
    refused(vec![empty, above], "is empty");
    let folder = node::encode_directory(&[entry("hello", b"x")], SHARD_BYTES).unwrap();
    let below = cid_of(codec::DAG_PB, &folder);
    let above = node::encode_shard(&[(0xcb, "", below, 1)]);
    refused(vec![folder, above], "is no shard");
    let unordered = node::encode_shard(&[(0xcd, "", leaf, 1), (0xcb, "hello", leaf, 1)]);
    refused(vec![unordered], "not in order");
    let twice = node::encode_shard(&[(0xcb, "", leaf, 1), (0xcb, "hello", leaf, 1)]);
    refused(vec![twice], "not in order");

    let replaced = |from: &[u8], to: &[u8]| {
        let place = right
            .windows(from.len())
            .position(|part| part == from)
            .unwrap();
        [&right[..place], to, &right[place + from.len()..]].concat()
    };
    refused(
        vec![replaced(b"CBhello", b"cbhello")],
        "does not name its place",
    );
    refused(
        vec![replaced(b"CBhello", b"+Bhello")],
        "does not name its place",
    );
    refused(vec![replaced(&[0x28, 0x22], &[0x28, 0x12])], "murmur3");
    refused(vec![replaced(&[0x80, 0x02], &[0x81, 0x02])], "power of two");
    refused(vec![replaced(&[0x08, 0x05, 0x12], &[0x08, 0x05, 0x1a])], "");
}

/// A deep chain of shards ends where the hash ends.
#[test]
fn shards_nested_too_deep_are_refused() {
    let leaf = cid_of(codec::RAW, b"x");
    let bytes = super::hamt::hash("hello").to_be_bytes();
    let mut nodes = vec![node::encode_shard(&[(0, "hello", leaf, 1)])];
    for byte in bytes.iter().rev() {
        let below = cid_of(codec::DAG_PB, nodes.last().unwrap());
        nodes.push(node::encode_shard(&[(*byte, "", below, 1)]));
    }
    refused(nodes.clone(), "wrong place");
    let store = nodes
        .iter()
        .map(|node| (cid_of(codec::DAG_PB, node), node.clone()))
        .collect();
    let root = cid_of(codec::DAG_PB, nodes.last().unwrap());
    let error = find(&root, "hello", &mut getter(&store)).unwrap_err();
    assert!(error.to_string().contains("nested deeper"), "{error}");
}

/// Without it, reading the middle of a large file would read all of it.
#[test]
fn a_range_reads_only_its_blocks() {
    let bytes: Vec<u8> = (0..5 << 20)
        .map(|i: u32| (i >> 12 ^ i >> 20) as u8)
        .collect();
    let (cid, blocks) = import(&bytes);
    let mut store: Store = blocks.into_iter().map(Block::into_parts).collect();
    let all = bytes.len() as u64;
    for (from, to) in [
        (0, all),
        (0, 0),
        (all - 1, all + 10),
        (all, all + 1),
        (1, 2),
        ((1 << 20) - 1, (1 << 20) + 1),
        (7, u64::MAX),
        (9, 3),
    ] {
        let mut out = Vec::new();
        let given = export_range(&cid, from..to, &mut getter(&store), &mut |part| {
            out.extend_from_slice(part);
            Ok(())
        });
        let expect = &bytes[(from.min(all) as usize)..(to.clamp(from.min(all), all) as usize)];
        assert!(out == expect, "{from}..{to}");
        assert_eq!(given, Ok(expect.len() as u64), "{from}..{to}");
    }
    // Only the root and the third leaf are left.
    let third = cid_of(codec::RAW, &bytes[2 << 20..3 << 20]);
    store.retain(|block, _| *block == cid || *block == third);
    let mut out = Vec::new();
    let mut sink = |part: &[u8]| {
        out.extend_from_slice(part);
        Ok(())
    };
    let range = (2 << 20) + 5..(3 << 20);
    export_range(&cid, range, &mut getter(&store), &mut sink).unwrap();
    assert!(out == bytes[(2 << 20) + 5..3 << 20]);
    let beyond = export_range(
        &cid,
        (3 << 20)..(3 << 20) + 1,
        &mut getter(&store),
        &mut |_| Ok(()),
    );
    assert!(matches!(beyond, Err(ReadError::Get { .. })));
}

#[test]
fn what_is_no_folder_and_what_is_no_file_is_said() {
    let (file, blocks) = import(b"text");
    let mut store: Store = blocks.into_iter().map(Block::into_parts).collect();
    let (folder, _, more) = build([entry("a", b"x")]);
    let (link, block) = symlink("../elsewhere").unwrap();
    store.extend(more);
    store.extend([block.into_parts()]);
    let says = |error: ReadError<String>, expect: &str| {
        let text = error.to_string();
        assert!(text.contains(expect), "{text}");
    };
    says(
        list(&file, &store).unwrap_err(),
        "not a folder: it is a file",
    );
    says(
        list(&link.cid, &store).unwrap_err(),
        "link to \"../elsewhere\"",
    );
    let read = |cid: &Cid| export(cid, &mut getter(&store), &mut |_| Ok(())).unwrap_err();
    says(read(&folder), "not a file: it is a folder");
    says(read(&link.cid), "not a file: it is a symbolic link");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Without it, some set of names could be lost on its way through a folder.
    #[test]
    fn random_folders_come_back(
        names in proptest::collection::btree_map("[^/\0]{1,12}", any::<u32>(), 0..300),
        long in any::<bool>(),
    ) {
        // Long names make it sharded.
        let grow = |name: &str| if long { format!("{name}{}", "~".repeat(900)) } else { name.to_owned() };
        let all: BTreeMap<String, Entry> = names
            .iter()
            .filter(|(name, _)| check_name(name).is_ok())
            .map(|(name, size)| {
                let name = grow(name);
                let cid = cid_of(codec::RAW, name.as_bytes());
                (name.clone(), Entry { name, cid, tree_bytes: u64::from(*size) })
            })
            .collect();
        let (cid, _, store) = build(all.values().cloned());
        let back = list(&cid, &store).unwrap();
        prop_assert!(back.iter().eq(all.values()));
        for (name, entry) in all.iter().step_by(17) {
            let found = find(&cid, name, &mut getter(&store)).unwrap();
            prop_assert_eq!(found.as_ref(), Some(entry));
        }
    }

    /// Without it, nearly right nodes could make a decoder panic, or be read in two ways.
    #[test]
    fn damaged_folders(
        count in 1..40_usize,
        sharded in any::<bool>(),
        edits in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let entries_of = numbered(count);
        let mut bytes = node::encode_directory(&entries_of, SHARD_BYTES).unwrap();
        if sharded {
            let mut places = BTreeMap::new();
            for entry in &entries_of {
                let place = (super::hamt::hash(&entry.name) >> 56) as u8;
                places.insert(place, (place, entry.name.as_str(), entry.cid, entry.tree_bytes));
            }
            bytes = node::encode_shard(&places.into_values().collect::<Vec<_>>());
        }
        for (at, byte) in edits {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let cid = cid_of(codec::DAG_PB, &bytes);
        let store = Store::from([(cid, bytes)]);
        if let Ok(all) = list(&cid, &store) {
            for entry in all {
                prop_assert_eq!(check_name(&entry.name), Ok(()));
                let found = find(&cid, &entry.name, &mut getter(&store)).unwrap();
                prop_assert_eq!(found, Some(entry));
            }
        }
        let _ = stat(&cid, &mut getter(&store));
    }
}
