//! CAR files: written and read, cut off at every byte, damaged at random.

use ipvm_ipld::car::{self, CarError, Reader};
use ipvm_ipld::{Block, Cid, Ipld, cbor, cid_of, codec};
use proptest::prelude::*;
use std::convert::Infallible;

/// A source that gives a few bytes at a time.
fn source(mut rest: &[u8]) -> impl FnMut(&mut [u8]) -> Result<usize, Infallible> {
    move |buffer| {
        let count = buffer.len().min(rest.len()).min(7);
        buffer[..count].copy_from_slice(&rest[..count]);
        rest = &rest[count..];
        Ok(count)
    }
}

fn write(roots: &[Cid], blocks: &[Block]) -> Vec<u8> {
    let mut out = car::header(roots);
    for block in blocks {
        out.extend(car::frame(block.cid(), block.data().len()));
        out.extend(block.data());
    }
    out
}

/// The roots, the blocks that were whole, and how it ended.
type Read = (Vec<Cid>, Vec<Block>, Result<(), CarError<Infallible>>);

fn read(bytes: &[u8]) -> Result<Read, CarError<Infallible>> {
    let mut reader = Reader::open(source(bytes))?;
    let mut blocks = Vec::new();
    let end = loop {
        match reader.next_block() {
            Ok(Some(block)) => blocks.push(block),
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    Ok((reader.roots().to_vec(), blocks, end))
}

fn some_blocks() -> Vec<Block> {
    let value = cbor::encode_block(&Ipld::List(vec![1.into(), "x".into()])).unwrap();
    let raw = |data: &[u8]| Block::new(codec::RAW, data.to_vec());
    vec![raw(b""), raw(b"hello"), value, raw(&[7; 300])]
}

/// Without it, what is written could be readable to ourselves only: the bytes are those of the specification's layout.
#[test]
fn the_layout_is_that_of_the_specification() {
    let block = Block::new(codec::RAW, b"hi".to_vec());
    let cid = *block.cid();
    let bytes = write(&[cid], &[block]);
    let header = [
        &[0x3a, 0xa2, 0x65][..],
        b"roots",
        &[0x81, 0xd8, 0x2a, 0x58, 0x25, 0x00],
    ]
    .concat();
    let expect = [
        &header[..],
        &cid.to_bytes(),
        &[0x67],
        b"version",
        &[0x01],
        &[38],
        &cid.to_bytes(),
        b"hi",
    ]
    .concat();
    assert_eq!(bytes, expect);
}

#[test]
fn what_is_written_is_read() {
    let blocks = some_blocks();
    let roots = [*blocks[2].cid(), *blocks[0].cid()];
    let (found, back, end) = read(&write(&roots, &blocks)).unwrap();
    assert_eq!((found, back), (roots.to_vec(), blocks));
    assert!(end.is_ok());
    let (found, back, _) = read(&write(&[], &[])).unwrap();
    assert!(found.is_empty() && back.is_empty());
}

/// Without it, a CAR that was not downloaded to its end could pass for whole.
#[test]
fn cut_off_anywhere_it_says_where() {
    let blocks = some_blocks();
    let bytes = write(&[*blocks[0].cid()], &blocks);
    let mut ends = vec![car::header(&[*blocks[0].cid()]).len()];
    for block in &blocks {
        let frame = car::frame(block.cid(), block.data().len()).len();
        ends.push(ends.last().unwrap() + frame + block.data().len());
    }
    for cut in 0..bytes.len() {
        let whole = ends.iter().filter(|end| **end <= cut).count();
        match read(&bytes[..cut]) {
            Err(CarError::Truncated { at, begins: 0, .. }) => {
                assert_eq!((at, whole), (cut as u64, 0))
            }
            Err(CarError::Header(_)) => assert_eq!(cut, 0),
            Err(other) => panic!("{cut}: {other}"),
            Ok((_, back, end)) => {
                assert_eq!(
                    back,
                    blocks[..whole - 1],
                    "what was whole came out, cut at {cut}"
                );
                match end {
                    Ok(()) => assert!(ends.contains(&cut), "{cut} is between two blocks"),
                    Err(CarError::Truncated { at, begins, .. }) => {
                        assert_eq!((at, begins), (cut as u64, ends[whole - 1] as u64));
                    }
                    Err(other) => panic!("{cut}: {other}"),
                }
            }
        }
    }
}

fn refused(bytes: &[u8], expect: &str) {
    let error = match read(bytes) {
        Err(error) | Ok((.., Err(error))) => error.to_string(),
        Ok(_) => panic!("accepted; {expect:?} was expected"),
    };
    assert!(error.contains(expect), "{error}");
}

#[test]
fn what_is_not_right_is_refused_by_name_and_place() {
    let block = Block::new(codec::RAW, b"hello".to_vec());
    let header = car::header(&[*block.cid()]);
    let with = |tail: &[u8]| [&header[..], tail].concat();
    let place = format!("at byte {}", header.len());
    let mut forged = write(&[*block.cid()], std::slice::from_ref(&block));
    *forged.last_mut().unwrap() ^= 1;
    refused(&forged, &place);
    refused(&forged, "they hash to");
    refused(&with(&[0]), "no CID in front");
    refused(&with(&[0x80, 0x00]), "no number");
    refused(&with(&[0xff; 11]), "no number");
    refused(&with(&[0xff, 0xff, 0xff, 0x7f]), "over 4 MiB");
    // A block named by another hash than sha2-256 (here sha2-512 with 64 zeros).
    let foreign = [&[69 + 2, 0x01, 0x55, 0x13, 0x40][..], &[0; 64], b"hel"].concat();
    refused(&with(&foreign), "only sha2-256");

    refused(b"", "does not begin with the length");
    refused(b"\x05hello", "its header");
    refused(&[0xff, 0xff, 0xff, 0x7f], "length of a header");
    let other_header = |json: &str| {
        let value = ipvm_ipld::json::from_str(json, Default::default()).unwrap();
        let encoded = cbor::encode(&value).unwrap();
        [&[encoded.len() as u8], &encoded[..]].concat()
    };
    refused(&other_header("[1]"), "no map");
    refused(&other_header("{}"), "names no version");
    refused(&other_header(r#"{"version":3}"#), "version 3");
    refused(&other_header(r#"{"version":1}"#), "no list of roots");
    refused(&other_header(r#"{"version":1,"roots":["x"]}"#), "no link");
}

/// The fixed part of a version 2 around `inner`.
fn version2(inner: &[u8], padding: usize, length: u64) -> Vec<u8> {
    let mut out = vec![0x0a, 0xa1, 0x67];
    out.extend(b"version\x02");
    out.extend([0; 16]);
    out.extend((51 + padding as u64).to_le_bytes());
    out.extend(length.to_le_bytes());
    out.extend(0_u64.to_le_bytes());
    out.extend(vec![0; padding]);
    out.extend(inner);
    out
}

/// Without it, what many tools write today could not be read.
#[test]
fn version_2_is_read_for_what_is_in_it() {
    let blocks = some_blocks();
    let inner = write(&[*blocks[1].cid()], &blocks);
    let length = inner.len() as u64;
    for padding in [0, 5, 100_000] {
        let mut bytes = version2(&inner, padding, length);
        bytes.extend(b"an index, which is no block");
        let (roots, back, end) = read(&bytes).unwrap();
        assert!(end.is_ok(), "{end:?}");
        assert_eq!((roots, &back), (vec![*blocks[1].cid()], &blocks));
    }
    refused(&version2(&inner, 0, length - 1), "beyond the end");
    refused(&version2(&inner, 0, length + 1), "cut off");
    refused(
        &version2(&version2(&inner, 0, length), 0, length),
        "version 2 inside",
    );
    refused(
        &version2(&inner, 0, length)[..40],
        "the header of version 2",
    );
}

/// Without it, what older tools wrote could not be looked up here.
#[test]
fn version_0_names_are_read_as_version_1() {
    let node = Block::new(codec::DAG_PB, vec![0x0a, 0x02, 0x08, 0x01]);
    let v0 = Cid::new_v0(*node.cid().hash()).unwrap();
    let mut bytes = car::header(&[v0]);
    bytes.extend(car::frame(&v0, node.data().len()));
    bytes.extend(node.data());
    let (roots, blocks, end) = read(&bytes).unwrap();
    assert!(end.is_ok());
    assert_eq!((roots, blocks), (vec![*node.cid()], vec![node]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Without it, a damaged CAR could make the reader panic, or a block come out that is not what its name says.
    #[test]
    fn damaged(edits in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..6), v2 in any::<bool>()) {
        let blocks = some_blocks();
        let mut bytes = write(&[*blocks[0].cid()], &blocks);
        if v2 {
            bytes = version2(&bytes, 3, bytes.len() as u64);
        }
        for (at, byte) in edits {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok((_, back, _)) = read(&bytes) {
            for block in back {
                prop_assert_eq!(cid_of(block.cid().codec(), block.data()), *block.cid());
            }
        }
    }

    #[test]
    fn random(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&bytes);
    }
}
