//! What strict DAG-CBOR refuses, and with which message.

use ipvm_ipld::cbor::{DecodeError, EncodeError};
use ipvm_ipld::{
    BlockError, CidError, Ipld, Limits, MAX_DEPTH, MAX_ITEMS, cbor, cid_of, codec, parse_cid,
};

fn decode(hex: &str) -> Result<Ipld, DecodeError> {
    let bytes = data_encoding::HEXLOWER
        .decode(hex.replace(' ', "").as_bytes())
        .unwrap();
    cbor::decode(&bytes, Limits::default())
}

fn refused(hex: &str, expected: &str) {
    match decode(hex) {
        Ok(value) => panic!("{hex} was accepted as {value:?}, not refused with {expected:?}"),
        Err(error) => {
            let text = error.to_string();
            assert!(text.contains(expected), "{hex}: {text}");
        }
    }
}

/// Without it, one value would have several encodings, and so several CIDs and signatures.
#[test]
fn not_canonical() {
    for (hex, expected) in [
        ("18 17", "more bytes than it needs"),
        ("19 00ff", "more bytes than it needs"),
        ("1a 0000ffff", "more bytes than it needs"),
        ("1b 00000000ffffffff", "more bytes than it needs"),
        ("38 17", "more bytes than it needs"),
        ("58 01 00", "more bytes than it needs"),
        ("78 01 61", "more bytes than it needs"),
        ("98 01 00", "more bytes than it needs"),
        ("b8 01 61 61 00", "more bytes than it needs"),
        ("d9 002a 58 01 00", "more bytes than it needs"),
        ("5f 41 00 ff", "indefinite"),
        ("7f 61 61 ff", "indefinite"),
        ("9f 00 ff", "indefinite"),
        ("bf 61 61 00 ff", "indefinite"),
        ("ff", "indefinite"),
        ("a2 61 62 00 61 61 00", "out of order"),
        ("a2 62 61 61 00 61 62 00", "out of order"),
        ("a2 61 61 00 61 61 00", "there twice"),
        ("82 00 a2 61 62 00 61 61 00", "byte 6"),
        ("fb 8000000000000000", "negative zero"),
    ] {
        refused(hex, expected);
    }
}

/// Without it, what DAG-CBOR leaves out (and other implementations refuse) would come in.
#[test]
fn not_in_the_data_model() {
    for (hex, expected) in [
        ("f7", "undefined"),
        ("e0", "simple value"),
        ("f3", "simple value"),
        ("f8 ff", "simple value"),
        ("f8 14", "simple value"),
        ("f9 0000", "half-precision"),
        ("fa 00000000", "single-precision"),
        ("fb 7ff8000000000000", "NaN"),
        ("fb 7ff0000000000000", "infinity"),
        ("fb fff0000000000000", "infinity"),
        ("c0 61 61", "tag other than 42"),
        ("c2 49 010000000000000000", "tag other than 42"),
        ("c3 49 010000000000000000", "tag other than 42"),
        ("d9 d9f7 00", "tag other than 42"),
        ("d8 2b 41 00", "tag other than 42"),
        ("d8 2a 61 61", "a link that is not bytes"),
        ("d8 2a 40", "without the prefix byte"),
        ("d8 2a 41 01", "without the prefix byte"),
        ("d8 2a 41 00", "link at byte 0"),
        ("a1 00 00", "key that is not a string"),
        ("a1 41 61 00", "key that is not a string"),
        ("1c", "reserved"),
        ("7e", "reserved"),
        ("61 ff", "not UTF-8"),
        ("62 c3 28", "not UTF-8"),
        ("63 ed a0 80", "not UTF-8"),
        ("a1 61 ff 00", "not UTF-8"),
    ] {
        refused(hex, expected);
    }
}

/// Without it, a link could carry hidden bytes or be read as another CID than it is.
#[test]
fn links_are_whole_cids() {
    let cid = cid_of(codec::RAW, b"x").to_bytes();
    let hex = data_encoding::HEXLOWER.encode(&cid);
    assert!(decode(&format!("d82a 5825 00 {hex}")).is_ok());
    refused(&format!("d82a 5826 00 {hex} 00"), "something after its end");
    refused(&format!("d82a 5824 00 {}", &hex[..70]), "link at byte 0");
    refused(&format!("d82a 5825 01 {hex}"), "without the prefix byte");
    refused(
        &format!("d82a 5826 00 8100 {}", &hex[2..]),
        "link at byte 0",
    );
}

/// Without it, a few bytes could make the decoder allocate gigabytes or run past the end.
#[test]
fn truncated_and_trailing() {
    for hex in [
        "",
        "18",
        "1b 00000001",
        "42 00",
        "62 61",
        "81",
        "a1",
        "a1 61",
        "a1 61 61",
        "5b 7fffffffffffffff",
        "5b ffffffffffffffff",
        "7b ffffffffffffffff",
        "9b ffffffffffffffff 00",
        "9a ffffffff 00 00",
        "bb ffffffffffffffff 00",
        "bb 8000000000000001 61 61 00",
        "d8",
        "d8 2a",
        "d8 2a 58 25 00",
        "fb 0000",
    ] {
        refused(hex, "ends too early");
    }
    refused("00 00", "more bytes follow");
    refused("80 00", "more bytes follow");
    refused("a0 f6", "ends at byte 1");
}

fn nested(levels: usize) -> Vec<u8> {
    let mut bytes = vec![0x81; levels - 1];
    bytes.push(0x80);
    bytes
}

fn nested_maps(levels: usize) -> Vec<u8> {
    let mut bytes = b"\xa1\x61a".repeat(levels - 1);
    bytes.push(0xf6);
    bytes
}

/// Without it, nesting could overflow the stack: the process would die, whoever sent the block.
#[test]
fn depth() {
    for make in [nested, nested_maps] {
        let deepest = cbor::decode(&make(MAX_DEPTH), Limits::default()).unwrap();
        assert_eq!(cbor::encode(&deepest).unwrap(), make(MAX_DEPTH));
        for levels in [MAX_DEPTH + 1, 200_000] {
            let error = cbor::decode(&make(levels), Limits::default()).unwrap_err();
            assert!(
                matches!(
                    error,
                    DecodeError::TooDeep {
                        limit: MAX_DEPTH,
                        ..
                    }
                ),
                "{levels}: {error}"
            );
        }
        let generous = Limits {
            bytes: 1 << 20,
            depth: usize::MAX,
        };
        assert!(
            cbor::decode(&make(MAX_DEPTH + 1), generous).is_err(),
            "no limit exceeds {MAX_DEPTH}"
        );
        let narrow = Limits {
            bytes: 1 << 20,
            depth: 3,
        };
        assert!(cbor::decode(&make(3), narrow).is_ok());
        assert!(cbor::decode(&make(4), narrow).is_err());
    }
    let mut value = Ipld::Null;
    for _ in 0..MAX_DEPTH {
        value = Ipld::List(vec![value]);
    }
    assert_eq!(cbor::encode(&value), Err(EncodeError::TooDeep));
}

/// Without it, the limits would be numbers without effect.
#[test]
fn size_and_items() {
    let bytes = cbor::encode(&Ipld::Bytes(vec![0; 100])).unwrap();
    let at = |limit| {
        cbor::decode(
            &bytes,
            Limits {
                bytes: limit,
                depth: 1,
            },
        )
    };
    assert!(at(bytes.len()).is_ok());
    assert_eq!(
        at(bytes.len() - 1),
        Err(DecodeError::TooLarge {
            bytes: 102,
            limit: 101
        })
    );
    let mut many = vec![0x9a];
    many.extend_from_slice(&(MAX_ITEMS as u32).to_be_bytes());
    many.extend(std::iter::repeat_n(0xf6, MAX_ITEMS));
    let error = cbor::decode(&many, Limits::default()).unwrap_err();
    assert!(
        matches!(
            error,
            DecodeError::TooMany {
                limit: MAX_ITEMS,
                ..
            }
        ),
        "{error}"
    );
}

/// Without it, values could be made that nobody can read, or floats be lost on the way.
#[test]
fn values_without_encoding() {
    assert_eq!(
        cbor::encode(&Ipld::Float(f64::NAN)),
        Err(EncodeError::Float("NaN"))
    );
    assert_eq!(
        cbor::encode(&Ipld::List(vec![Ipld::Float(f64::INFINITY)])),
        Err(EncodeError::Float("infinity"))
    );
    let beyond = 1_i128 << 64;
    assert_eq!(
        cbor::encode(&Ipld::Integer(beyond)),
        Err(EncodeError::Integer(beyond))
    );
    assert_eq!(
        cbor::encode(&Ipld::Integer(-beyond - 1)),
        Err(EncodeError::Integer(-beyond - 1))
    );
    assert_eq!(
        cbor::encode(&Ipld::Integer(beyond - 1)).unwrap(),
        [&[0x1b_u8][..], &[0xff; 8]].concat()
    );
    assert_eq!(
        cbor::encode(&Ipld::Integer(-beyond)).unwrap(),
        [&[0x3b_u8][..], &[0xff; 8]].concat()
    );
    assert_eq!(
        cbor::encode(&Ipld::Float(-0.0)).unwrap(),
        cbor::encode(&Ipld::Float(0.0)).unwrap()
    );
}

/// Without it, a user would not learn what to do with a CID that is not accepted.
#[test]
fn cids_from_text() {
    let cid = cid_of(codec::RAW, b"hello");
    assert_eq!(parse_cid(&cid.to_string()), Ok(cid));
    let base58 = cid
        .to_string_of_base(cid::multibase::Base::Base58Btc)
        .unwrap();
    assert_eq!(parse_cid(&base58), Ok(cid), "any multibase");
    let v0 = "QmRgutAxd8t7oGkSm4wmeuByG6M51wcTso6cubDdQtuEfL";
    let message = parse_cid(v0).unwrap_err().to_string();
    let v1 = message.rsplit(' ').next().unwrap();
    assert!(
        parse_cid(v1).is_ok(),
        "the message gives the CID to write: {message}"
    );
    for (text, expected) in [
        ("", "is not a CID"),
        ("bafk", "is not a CID"),
        (
            "/ipfs/bafkreibm6jg3ux5qumhcn2b3flc3tyu6dmlb4xa7u5bf44yegnrjhc4yeq",
            "slash",
        ),
        ("bafkqabtimvwgy3yk", "only sha2-256"),
        (
            "bagyqcvraypzcitp3hsbtyyxhfyc3p7i3226lullm2rkzqsqqlhnxus7tqnea",
            "only sha2-256",
        ),
        (
            "bafkreibm6jg3ux5qumhcn2b3flc3tyu6dmlb4xa7u5bf44yegnrjhc4yeqaa",
            "is not a CID",
        ),
    ] {
        let error = parse_cid(text).unwrap_err().to_string();
        assert!(error.contains(expected), "{text:?}: {error}");
    }
    assert!(matches!(
        parse_cid(&"b".repeat(100_000)),
        Err(CidError::Malformed { .. })
    ));
}

/// Without it, a block could be stored under a CID that is not its own.
#[test]
fn blocks_are_what_they_claim() {
    let block = ipvm_ipld::Block::new(codec::RAW, b"abc".to_vec());
    let cid = *block.cid();
    assert_eq!(
        ipvm_ipld::Block::verify(cid, b"abc".to_vec()).unwrap(),
        block
    );
    let error = ipvm_ipld::Block::verify(cid, b"abd".to_vec()).unwrap_err();
    assert!(matches!(error, BlockError::Hash { .. }), "{error}");
    let identity: ipvm_ipld::Cid = "bafkqabtimvwgy3yk".parse().unwrap();
    let error = ipvm_ipld::Block::verify(identity, b"hello\n".to_vec()).unwrap_err();
    assert!(matches!(error, BlockError::Cid(_)), "{error}");
    assert_eq!(block.into_parts(), (cid, b"abc".to_vec()));
}
