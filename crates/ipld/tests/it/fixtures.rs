//! The IPLD codec fixtures: the same value as DAG-CBOR and DAG-JSON, each named by its CID.

use crate::conformance;
use ipvm_ipld::{Cid, Limits, cbor, cid_of, codec, json};
use std::path::{Path, PathBuf};

/// Multicodec code of DAG-JSON.
const DAG_JSON: u64 = 0x0129;

fn file_with(folder: &Path, extension: &str) -> Option<PathBuf> {
    let mut files = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    files.find(|path| path.extension().is_some_and(|e| e == extension))
}

fn cid_in_name(path: &Path) -> String {
    path.file_stem().unwrap().to_str().unwrap().to_owned()
}

/// Without it, our blocks would not have the CIDs that all other implementations give.
#[test]
fn codec_fixtures() {
    let Some(root) = conformance::folder("dag-cbor") else {
        return;
    };
    let mut seen = 0;
    for entry in std::fs::read_dir(root).unwrap() {
        let folder = entry.unwrap().path();
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let path = file_with(&folder, "dag-cbor").unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let value =
            cbor::decode(&bytes, Limits::default()).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(cbor::encode(&value).unwrap(), bytes, "{name}: re-encoded");
        assert_eq!(
            cid_of(codec::DAG_CBOR, &bytes).to_string(),
            cid_in_name(&path),
            "{name}: CID"
        );

        let path = file_with(&folder, "dag-json").unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(json::to_string(&value), text, "{name}: as DAG-JSON");
        assert_eq!(
            cid_of(DAG_JSON, text.as_bytes()).to_string(),
            cid_in_name(&path),
            "{name}: CID of the DAG-JSON"
        );
        assert_eq!(
            json::from_str(&text, Limits::default()).unwrap(),
            value,
            "{name}: from DAG-JSON"
        );
        seen += 1;
    }
    assert!(seen >= 60, "only {seen} fixtures");
}

fn negatives(format: &str) -> Vec<(String, Vec<u8>)> {
    let Some(root) = conformance::folder("dag-cbor-negative") else {
        return Vec::new();
    };
    let folder = root.join(format).join("decode");
    let mut cases = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let list: serde_json::Value =
            serde_json::from_slice(&std::fs::read(entry.unwrap().path()).unwrap()).unwrap();
        for case in list.as_array().unwrap() {
            let hex = case["hex"].as_str().unwrap();
            let bytes = data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap();
            cases.push((case["name"].as_str().unwrap().to_owned(), bytes));
        }
    }
    assert!(!cases.is_empty(), "no cases for {format}");
    cases
}

/// Without it, input that every other implementation refuses could be accepted here.
#[test]
fn negative_fixtures() {
    for (name, bytes) in negatives("dag-cbor") {
        assert!(cbor::decode(&bytes, Limits::default()).is_err(), "{name}");
    }
    for (name, bytes) in negatives("dag-json") {
        let text = String::from_utf8(bytes).unwrap();
        assert!(json::from_str(&text, Limits::default()).is_err(), "{name}");
    }
    for (name, bytes) in negatives("dag-pb") {
        let cid = cid_of(codec::DAG_PB, &bytes);
        let mut get = |_: &Cid| Ok::<_, String>(bytes.clone());
        assert!(
            ipvm_ipld::unixfs::export(&cid, &mut get, &mut |_| Ok(())).is_err(),
            "{name}"
        );
    }
}
