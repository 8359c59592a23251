//! The fixed rule by which large results become content.

use ipvm_ipld::{Block, Ipld, Limits, cbor, cid_of, codec, unixfs};
use ipvm_ucan::Outcome;
use ipvm_workflow::content::{MAX_VALUE_BYTES, RESULT_DEPTH, SPILL_BYTES, SpillError, spill};
use std::collections::BTreeMap;

fn spilled(outcome: Outcome) -> Result<(Outcome, Vec<Block>), SpillError> {
    let mut blocks = Vec::new();
    let outcome = spill(outcome, &mut |block| blocks.push(block))?;
    Ok((outcome, blocks))
}

fn bytes(count: usize) -> Ipld {
    Ipld::Bytes(vec![7; count])
}

fn text(count: usize) -> Ipld {
    Ipld::String("x".repeat(count))
}

/// Breaks: two executors would sign different receipts for the same result.
#[test]
fn bytes_become_files() {
    let check = |value: Ipld, expect: Ipld, count: usize| {
        let (outcome, blocks) = spilled(Outcome::Ok(value)).unwrap();
        assert_eq!((outcome, blocks.len()), (Outcome::Ok(expect), count));
    };
    check(bytes(0), bytes(0), 0);
    let link = |count: usize| Ipld::Link(unixfs::import(&vec![7; count]).0);
    // 32 KiB of bytes stay bytes, but with their map around them they are over the second limit.
    let whole = cbor::encode(&bytes(SPILL_BYTES)).unwrap();
    check(
        bytes(SPILL_BYTES),
        Ipld::Link(cid_of(codec::DAG_CBOR, &whole)),
        1,
    );
    check(bytes(SPILL_BYTES - 7), bytes(SPILL_BYTES - 7), 0);
    check(bytes(SPILL_BYTES + 1), link(SPILL_BYTES + 1), 1);
    check(bytes(3 << 20), link(3 << 20), 4);
    let map = |value| {
        Ipld::Map(BTreeMap::from([(
            "a".to_owned(),
            Ipld::List(vec![value, Ipld::Null]),
        )]))
    };
    check(map(bytes(100_000)), map(link(100_000)), 1);
}

/// Breaks: a large structured result would be in the receipt of one executor, and beside that of another.
#[test]
fn large_values_become_blocks() {
    // {"ok": v} takes 4 bytes more than v, {"error": v} 7; v is a text with a head of 3 bytes.
    let fits = SPILL_BYTES - 4 - 3;
    assert_eq!(
        spilled(Outcome::Ok(text(fits))).unwrap(),
        (Outcome::Ok(text(fits)), vec![])
    );
    let (outcome, blocks) = spilled(Outcome::Ok(text(fits + 1))).unwrap();
    assert_eq!(outcome, Outcome::Ok(Ipld::Link(*blocks[0].cid())));
    assert_eq!(
        cbor::decode(blocks[0].data(), Limits::default()).unwrap(),
        text(fits + 1)
    );
    let fits = SPILL_BYTES - 7 - 3;
    assert_eq!(spilled(Outcome::Error(text(fits))).unwrap().1.len(), 0);
    let (outcome, blocks) = spilled(Outcome::Error(text(fits + 1))).unwrap();
    assert_eq!(outcome, Outcome::Error(Ipld::Link(*blocks[0].cid())));
}

/// Breaks: a receipt would point to a block that other machines refuse.
#[test]
fn too_large() {
    let fits = MAX_VALUE_BYTES - 5;
    assert_eq!(spilled(Outcome::Ok(text(fits))).unwrap().1.len(), 1);
    assert_eq!(
        spilled(Outcome::Ok(text(fits + 1))),
        Err(SpillError::TooLarge {
            bytes: MAX_VALUE_BYTES + 1
        })
    );
    // Bytes are not structured data: any amount of them is fine.
    let (outcome, blocks) =
        spilled(Outcome::Ok(Ipld::List(vec![bytes(2 << 20), text(10)]))).unwrap();
    assert!(matches!(outcome, Outcome::Ok(Ipld::List(_))) && blocks.len() == 3);
}

/// Breaks: a guest's result could overflow the stack, or become a receipt that nobody can read.
#[test]
fn no_encoding() {
    let deep = |levels: usize| (0..levels).fold(Ipld::Null, |inner, _| Ipld::List(vec![inner]));
    assert!(spilled(Outcome::Ok(deep(RESULT_DEPTH - 1))).is_ok());
    assert_eq!(
        spilled(Outcome::Ok(deep(RESULT_DEPTH))),
        Err(SpillError::TooDeep)
    );
    assert_eq!(spilled(Outcome::Ok(deep(1_000))), Err(SpillError::TooDeep));
    assert!(matches!(
        spilled(Outcome::Ok(Ipld::Float(f64::NAN))),
        Err(SpillError::Encode(_))
    ));
}
