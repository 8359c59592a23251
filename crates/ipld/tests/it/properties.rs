//! Properties of the codecs over random values and random bytes.

use ipvm_ipld::{Cid, Ipld, Limits, cbor, cid_of, codec, json, links, unixfs};
use proptest::prelude::*;

/// Random values of every kind, without the reserved key of DAG-JSON.
fn value() -> impl Strategy<Value = Ipld> {
    let int = prop_oneof![
        any::<i64>().prop_map(i128::from),
        (-24_i128..=24),
        Just((1_i128 << 64) - 1),
        Just(-(1_i128 << 64)),
        any::<u64>().prop_map(|n| -i128::from(n)),
    ];
    let float = any::<f64>().prop_filter("finite", |f| f.is_finite());
    let leaf = prop_oneof![
        Just(Ipld::Null),
        any::<bool>().prop_map(Ipld::Bool),
        int.prop_map(Ipld::Integer),
        float.prop_map(Ipld::Float),
        any::<String>().prop_map(Ipld::String),
        proptest::collection::vec(any::<u8>(), 0..300).prop_map(Ipld::Bytes),
        any::<[u8; 8]>().prop_map(|seed| Ipld::Link(cid_of(codec::RAW, &seed))),
    ];
    leaf.prop_recursive(6, 60, 8, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..30).prop_map(Ipld::List),
            proptest::collection::btree_map("[a-z]{0,30}|.{0,3}", inner, 0..8).prop_map(
                |mut map| {
                    map.remove("/");
                    Ipld::Map(map)
                }
            ),
        ]
    })
}

/// Bytes that are nearly canonical: an encoded value with a few bytes changed, cut or added.
fn nearly() -> impl Strategy<Value = Vec<u8>> {
    let edits = proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..3);
    (value(), edits, any::<Option<proptest::sample::Index>>()).prop_map(|(value, edits, cut)| {
        let mut bytes = cbor::encode(&value).unwrap();
        for (at, byte) in edits {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len() + 1));
        }
        bytes
    })
}

/// The same as `maps_are_replaced_where_they_stand` asks for, by recursion.
fn replaced(value: &Ipld) -> Ipld {
    match value {
        Ipld::List(items) => Ipld::List(items.iter().map(replaced).collect()),
        Ipld::Map(map) if !map.is_empty() => Ipld::Integer(
            map.values()
                .map(|value| match replaced(value) {
                    Ipld::Integer(n) => n,
                    _ => 0,
                })
                .fold(1, i128::wrapping_add),
        ),
        other => other.clone(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Without it, a value could change on its way through a block.
    #[test]
    fn cbor_round(value in value()) {
        let bytes = cbor::encode(&value).unwrap();
        prop_assert_eq!(cbor::decode(&bytes, Limits::default()).unwrap(), value);
    }

    /// Without it, a map that is put together of encoded values could be another than the same map encoded at once.
    #[test]
    fn maps_of_encoded_values(map in proptest::collection::btree_map(".{0,40}", value(), 0..40)) {
        let encoded: Vec<(String, Vec<u8>)> = map
            .iter()
            .map(|(key, value)| (key.clone(), cbor::encode(value).unwrap()))
            .collect();
        let entries: Vec<(&str, &[u8])> =
            encoded.iter().map(|(key, value)| (key.as_str(), value.as_slice())).collect();
        let (bytes, places) = cbor::encode_map(&entries);
        prop_assert_eq!(&bytes, &cbor::encode(&Ipld::Map(map)).unwrap());
        for ((key, value), place) in entries.iter().zip(places) {
            prop_assert_eq!(&bytes[place], *value);
            prop_assert_eq!(cbor::entry(&bytes, key), Some(*value));
        }
        prop_assert_eq!(cbor::entry(&bytes, "a key of more than forty characters, so none of these"), None);
    }

    /// Without it, a look into damaged bytes could panic or go on for ever.
    #[test]
    fn entries_of_random_bytes(bytes in nearly(), key in ".{0,4}") {
        let found = cbor::entry(&bytes, &key);
        prop_assert!(found.is_none_or(|found| found.len() < bytes.len()));
    }

    /// Without it, a promise deep in a value could be missed, or data that came for one taken for another.
    #[test]
    fn maps_are_replaced_where_they_stand(value in value()) {
        let bytes = cbor::encode(&value).unwrap();
        let same = cbor::decode_mapped(&bytes, Limits::default(), Ipld::Map).unwrap();
        prop_assert_eq!(&same, &value);
        let counted = cbor::decode_mapped(&bytes, Limits::default(), |map| {
            Ipld::Integer(map.values().map(|value| match value {
                Ipld::Integer(n) => *n,
                _ => 0,
            }).fold(1, i128::wrapping_add))
        });
        prop_assert_eq!(counted.unwrap(), replaced(&value));
    }

    /// Without it, something accepted could have a second encoding, and so a second CID.
    #[test]
    fn accepted_is_canonical(bytes in nearly()) {
        if let Ok(value) = cbor::decode(&bytes, Limits::default()) {
            prop_assert_eq!(cbor::encode(&value).unwrap(), bytes);
        }
    }

    /// Without it, random bytes could make a decoder panic.
    #[test]
    fn random_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(value) = cbor::decode(&bytes, Limits::default()) {
            prop_assert_eq!(cbor::encode(&value).unwrap(), bytes.clone());
        }
        let cid = cid_of(codec::DAG_PB, &bytes);
        let mut get = |_: &Cid| Ok::<_, String>(bytes.clone());
        let _ = unixfs::export(&cid, &mut get, &mut |_| Ok(()));
        let _ = unixfs::entries(&cid, &mut get, &mut |_| Ok(()));
        let _ = unixfs::stat(&cid, &mut get);
        let _ = links(&cid, &bytes);
        let _ = json::from_str(&String::from_utf8_lossy(&bytes), Limits::default());
    }

    /// Without it, what is shown to a user could not be read back as the same value.
    #[test]
    fn json_round(value in value()) {
        for text in [json::to_string(&value), json::to_string_pretty(&value)] {
            let back = json::from_str(&text, Limits::default()).unwrap();
            prop_assert_eq!(&back, &value);
        }
    }

    /// Without it, our DAG-JSON could be readable to ourselves only.
    #[test]
    fn json_of_the_library(value in value()) {
        let theirs = String::from_utf8(serde_ipld_dagjson::to_vec(&value).unwrap()).unwrap();
        prop_assert_eq!(json::from_str(&theirs, Limits::default()).unwrap(), value);
    }

    /// Without it, nearly right text could make the parser panic or misplace an error.
    #[test]
    fn json_damaged(value in value(), at in any::<proptest::sample::Index>(), c in any::<char>()) {
        let mut text: Vec<char> = json::to_string(&value).chars().collect();
        let at = at.index(text.len());
        text[at] = c;
        let text: String = text.into_iter().collect();
        match json::from_str(&text, Limits::default()) {
            Ok(value) => prop_assert_eq!(json::from_str(&json::to_string(&value), Limits::default()).unwrap(), value),
            Err(error) => prop_assert!(error.line <= text.lines().count().max(1) + 1),
        }
    }

    /// Without it, the scan could be stricter or laxer than an independent implementation of the same rules.
    #[test]
    fn agrees_with_the_library(bytes in nearly()) {
        let ours = cbor::decode(&bytes, Limits::default()).ok();
        let theirs = serde_ipld_dagcbor::from_slice::<Ipld>(&bytes).ok();
        if ours.is_some() {
            prop_assert_eq!(&theirs, &ours);
        }
        if let (None, Some(theirs)) = (&ours, &theirs) {
            // What only we refuse is not canonical: it would come out differently.
            prop_assert_ne!(serde_ipld_dagcbor::to_vec(theirs).unwrap(), bytes);
        }
    }
}
