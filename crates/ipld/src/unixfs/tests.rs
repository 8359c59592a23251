//! Trees of many levels, against the CIDs that another implementation (js-ipfs-unixfs) gives for the same data.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::build::{Builder, Shape};
use super::{ReadError, export, import, node, size};
use crate::address::codec;
use crate::block::Block;
use cid::Cid;
use std::collections::HashMap;

/// The bytes that the other implementation was given: a linear congruential generator's top bytes.
fn data(length: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..length).map(|_| next()).collect()
}

/// Builds with small chunks and nodes, in pieces of `piece` bytes.
fn build(bytes: &[u8], piece: usize) -> (Cid, u64, Vec<Block>) {
    let mut blocks = Vec::new();
    let mut keep = |block| -> Result<(), String> {
        blocks.push(block);
        Ok(())
    };
    let mut builder = Builder::with_shape(Shape { chunk: 4, links: 3 });
    for part in bytes.chunks(piece) {
        builder.push(part, &mut keep).unwrap();
    }
    let root = builder.finish(&mut keep).unwrap();
    (root.cid, root.size, blocks)
}

type Store = HashMap<Cid, Vec<u8>>;

fn store(blocks: Vec<Block>) -> Store {
    blocks.into_iter().map(Block::into_parts).collect()
}

fn read(cid: &Cid, store: &Store) -> Result<Vec<u8>, ReadError<String>> {
    let mut out = Vec::new();
    let mut get = |cid: &Cid| {
        store
            .get(cid)
            .cloned()
            .ok_or_else(|| "not there".to_owned())
    };
    export(cid, &mut get, &mut |bytes| {
        out.extend_from_slice(bytes);
        Ok(())
    })?;
    Ok(out)
}

/// Without it, the layout of big files could drift from what every IPFS tool does, and nobody would notice before
/// a gigabyte.
#[test]
fn layout_is_that_of_other_tools() {
    let cases: &[(usize, &str, usize)] = &[
        (
            0,
            "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku",
            1,
        ),
        (
            1,
            "bafkreig2xu5p65u7a7vsszkad2yctf2oxorua6x5akzg3w2wj2s7r35ooi",
            1,
        ),
        (
            4,
            "bafkreihktfqrnr673c73paykaae7wprecgx4tbw2q5tuo4k6ixbpst2cji",
            1,
        ),
        (
            5,
            "bafybeiawomkcx4eomixnd6tjkzfe35kx5sb7ycmx2yltexov6j5b4cn6ri",
            3,
        ),
        (
            12,
            "bafybeigjyfwtb4slb64qps3plgqtoanhy2novkw25v24qzrbt5gta4byzi",
            4,
        ),
        (
            13,
            "bafybeie7m2pvqgn4r2o6q6fk5pwprh6c3kwx4pn5htzy3gl6vsuzjkrilm",
            7,
        ),
        (
            16,
            "bafybeifhw6tnbtsxblw4q65dpk2qrs6646de7uoazwncjng4wv7gogdt2i",
            7,
        ),
        (
            17,
            "bafybeibs6vnyocdkweh4femqt5seyo3b4qaulmibidgwsksuy3j2v7xaiq",
            8,
        ),
        (
            24,
            "bafybeiaclxdiamzzlncpxxdmym6xm2i6ak3edwmcdyv5fysmztmy3cng5i",
            9,
        ),
        (
            25,
            "bafybeibofyfwzx4nukr4jvk4xufvyqhzrpiozxrdaclxttipgn3kohlcgq",
            11,
        ),
        (
            36,
            "bafybeiftbqxg34hyvuqutgnilc2w23irtii4rrojtd6dphuac7sss5p6ii",
            13,
        ),
        (
            37,
            "bafybeihmntje5pikqdhbii2rqjiexfdiiewj2rvthk4ufekszhitgeczfu",
            17,
        ),
        (
            40,
            "bafybeifksmxjrxt24qykkfepnimgoo5kdefwn6rkmppjtpevo4ig7etzee",
            17,
        ),
        (
            48,
            "bafybeiegv76swhx5avqh4rgvqu3grzy72v6kvcoga6sf2q2hcviherbexi",
            19,
        ),
        (
            49,
            "bafybeifomdhzigqlit7kkjhr563o42nuqbfz27gbbigw2uiyetbm3tff4e",
            21,
        ),
        (
            72,
            "bafybeid6byo3vl3cydbdkt5qzwnd7rhwgrbbwxdk3lmtfmg2uwuvu5v4ti",
            27,
        ),
        (
            73,
            "bafybeiercyuog27qry3tth42fboe5qtmfefs75dtrr6ldljrkmltlyxalu",
            30,
        ),
        (
            100,
            "bafybeiat6qmcnzts3vep3nn4h3szjwmxcmscimik7rxdor2nnf5hsgwafe",
            38,
        ),
        (
            108,
            "bafybeifm74frrbh2o3oylvbhqsdrk7v2usrdiljljfd5uj5tme3cgf2oee",
            40,
        ),
        (
            109,
            "bafybeidbwucarkt7wokg4jy36oqzoqk4v2wif6hjqstu4x2qmkkwks6bqq",
            45,
        ),
        (
            112,
            "bafybeieesm5p6vvhvrxjgakxluof62z6zsitzb4tyqamsmap3fgyvdegqa",
            45,
        ),
        (
            300,
            "bafybeihcowvmshsyeqa4hrxwzmddyzsq6jqbxysuohsw6gus2fdi7wde4u",
            113,
        ),
    ];
    for &(length, expected, blocks_expected) in cases {
        for piece in [1, 3, 4, 7, 1000] {
            let (cid, size, blocks) = build(&data(length), piece);
            assert_eq!(
                cid.to_string(),
                expected,
                "{length} bytes in pieces of {piece}"
            );
            assert_eq!(size, length as u64);
            assert_eq!(
                blocks.last().map(Block::cid),
                Some(&cid),
                "the root comes last"
            );
            assert_eq!(store(blocks).len(), blocks_expected, "{length} bytes");
        }
    }
}

/// Without it, what was imported might not come back.
#[test]
fn what_is_built_is_read_back() {
    for length in 0..200 {
        let bytes = data(length);
        let (cid, _, blocks) = build(&bytes, 5);
        let store = store(blocks);
        assert_eq!(read(&cid, &store).unwrap(), bytes, "{length} bytes");
        let mut get = |cid: &Cid| {
            store
                .get(cid)
                .cloned()
                .ok_or_else(|| "not there".to_owned())
        };
        assert_eq!(size(&cid, &mut get).unwrap(), length as u64);
    }
}

/// Without it, a sink's error could be swallowed and a file be stored with holes.
#[test]
fn errors_of_the_sink_come_out() {
    let mut builder = Builder::with_shape(Shape { chunk: 4, links: 3 });
    let mut left = 2;
    let mut sink = |_: Block| {
        left -= 1;
        if left < 0 { Err("disk full") } else { Ok(()) }
    };
    assert_eq!(builder.push(&data(100), &mut sink), Err("disk full"));
    let (cid, blocks) = import(&data(10));
    let blocks = store(blocks);
    let mut get = |cid: &Cid| blocks.get(cid).cloned().ok_or("gone");
    assert_eq!(
        export(&cid, &mut get, &mut |_| Err("closed")),
        Err(ReadError::Sink("closed"))
    );
    let mut nothing = |_: &Cid| Err("gone");
    assert!(matches!(
        export(&cid, &mut nothing, &mut |_| Ok(())),
        Err(ReadError::Get { error: "gone", .. })
    ));
}

/// A node over parts whose sizes are made up.
fn lying_node(parts: &[(Cid, u64)]) -> Block {
    let parts: Vec<_> = parts
        .iter()
        .map(|&(cid, bytes)| node::Part {
            cid,
            bytes,
            tree_bytes: bytes,
        })
        .collect();
    Block::new(codec::DAG_PB, node::encode_file(&parts))
}

/// Without it, a tree that lies about its sizes would be delivered as if it were the file.
#[test]
fn lies_about_sizes_are_found() {
    let leaf = Block::new(codec::RAW, vec![1, 2, 3]);
    let node = lying_node(&[(*leaf.cid(), 4)]);
    let root = *node.cid();
    let blocks = store(vec![leaf.clone(), node.clone()]);
    assert_eq!(
        read(&root, &blocks),
        Err(ReadError::Size {
            cid: *leaf.cid(),
            expected: 4,
            found: 3
        })
    );
    let above = lying_node(&[(root, 5)]);
    let root = *above.cid();
    let blocks = store(vec![leaf.clone(), node, above]);
    assert!(matches!(
        read(&root, &blocks),
        Err(ReadError::Size {
            expected: 5,
            found: 4,
            ..
        })
    ));
    let empty = lying_node(&[(*leaf.cid(), 0)]);
    let root = *empty.cid();
    assert!(matches!(
        read(&root, &store(vec![leaf, empty])),
        Err(ReadError::Malformed { .. })
    ));
}

/// Without it, a chain of nodes a few kilobytes long could keep the reader busy or exhaust it.
#[test]
fn a_tree_too_deep_is_refused() {
    let leaf = Block::new(codec::RAW, vec![7]);
    let mut top = *leaf.cid();
    let mut blocks = vec![leaf];
    for level in 2..=super::MAX_TREE_DEPTH + 1 {
        let node = lying_node(&[(top, 1)]);
        top = *node.cid();
        blocks.push(node);
        let result = read(&top, &store(blocks.clone()));
        if level <= super::MAX_TREE_DEPTH {
            assert_eq!(result, Ok(vec![7]), "level {level}");
        } else {
            assert!(
                matches!(result, Err(ReadError::TooDeep { .. })),
                "level {level}: {result:?}"
            );
        }
    }
}

fn check_malformed(block: &[u8], expected: &str) {
    let cid = crate::cid_of(codec::DAG_PB, block);
    let error = read(&cid, &HashMap::from([(cid, block.to_vec())]))
        .unwrap_err()
        .to_string();
    assert!(error.contains(expected), "{block:02x?}: {error}");
}

/// Without it, damaged or foreign blocks would be read as something they are not.
#[test]
fn damaged_nodes_are_refused() {
    check_malformed(b"", "without UnixFS data");
    check_malformed(&[0x0a, 0x02, 0x08, 0x01], "it is a folder");
    check_malformed(&[0x0a, 0x02, 0x08, 0x04], "whose target is no path");
    check_malformed(&[0x0a, 0x02, 0x08, 0x05], "does not hash its names");
    check_malformed(&[0x0a, 0x02, 0x08, 0x09], "unknown type");
    check_malformed(&[0x0a, 0x00], "unknown type");
    check_malformed(&[0x0a, 0x7f, 0x08, 0x02], "ends too early");
    check_malformed(&[0x0a, 0x80, 0x80], "ends too early");
    check_malformed(&[0x0a, 0x04, 0x08, 0x02, 0x18, 0x05], "do not add up");
    check_malformed(
        &[0x0a, 0x04, 0x08, 0x02, 0x20, 0x05],
        "differs from the number of links",
    );
    check_malformed(
        &[0x0a, 0x02, 0x08, 0x02, 0x0a, 0x02, 0x08, 0x02],
        "repeated",
    );
    check_malformed(
        &[0x12, 0x00, 0x0a, 0x02, 0x08, 0x02],
        "a link without a CID",
    );
    check_malformed(
        &[0x12, 0x03, 0x0a, 0x01, 0xff, 0x0a, 0x02, 0x08, 0x02],
        "not a CID",
    );
    check_malformed(
        &[0x12, 0x04, 0x18, 0x00, 0x18, 0x00],
        "repeated or misplaced",
    );
    check_malformed(&[0x0d, 0, 0, 0, 0], "wire type");
    check_malformed(&[0x8a, 0x00, 0x00], "too long");
    check_malformed(&[0xff; 11], "too long");
    let cbor = crate::cid_of(codec::DAG_CBOR, &[0xa0]);
    assert!(matches!(
        read(&cbor, &HashMap::new()),
        Err(ReadError::NotAFile { .. })
    ));
}

/// Older tools put small files into one DAG-PB node; without it those could not be read.
#[test]
fn inline_data_is_read() {
    let block = Block::new(
        codec::DAG_PB,
        vec![
            0x0a, 0x09, 0x08, 0x02, 0x12, 0x03, b'a', b'b', b'c', 0x18, 0x03,
        ],
    );
    let cid = *block.cid();
    assert_eq!(read(&cid, &store(vec![block])).unwrap(), b"abc");
}
