//! The fixtures of the UCAN Invocation specification, through the binary. Without this: its verdict could differ from
//! everybody else's.

use std::path::PathBuf;

use ipvm_ipld::{Ipld, Limits, json};

use crate::home::Home;

fn fixtures() -> Option<Ipld> {
    let root = std::env::var_os("IPVM_CONFORMANCE").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance"),
        PathBuf::from,
    );
    let path = root.join("ucan/invocation.json");
    let Ok(text) = std::fs::read_to_string(&path) else {
        let ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
        assert!(!ci, "the conformance data is missing: {}", path.display());
        println!("skipped: no conformance data at {}", path.display());
        return None;
    };
    Some(json::from_str(&text, Limits::default()).unwrap())
}

fn get<'v>(value: &'v Ipld, key: &str) -> Option<&'v Ipld> {
    match value {
        Ipld::Map(map) => map.get(key),
        _ => None,
    }
}

fn list(value: &Ipld) -> &[Ipld] {
    match value {
        Ipld::List(items) => items,
        other => panic!("{other:?}"),
    }
}

fn bytes(value: &Ipld) -> &[u8] {
    match value {
        Ipld::Bytes(bytes) => bytes,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_verdicts_are_those_of_the_specification() {
    let Some(all) = fixtures() else { return };
    let home = Home::new();
    let mut count = 0;
    for (kind, valid) in [("valid", true), ("invalid", false)] {
        for fixture in list(get(&all, kind).unwrap()) {
            count += 1;
            home.file("invocation", bytes(get(fixture, "invocation").unwrap()));
            let Some(Ipld::Integer(time)) = get(fixture, "time") else {
                panic!("no time in {fixture:?}");
            };
            let time = time.to_string();
            let mut args = vec!["ucan", "verify", "--at", &time, "--skew", "0", "--json"];
            let proofs = list(get(fixture, "proofs").unwrap());
            let names: Vec<String> = (0..proofs.len()).map(|at| format!("proof-{at}")).collect();
            for (name, proof) in names.iter().zip(proofs) {
                home.file(name, bytes(proof));
                args.extend(["--proof", name]);
            }
            args.push("invocation");
            let name = get(fixture, "name");
            let ran = home.run(&args).code(if valid { 0 } else { 3 });
            let verdict: serde_json::Value = serde_json::from_slice(&ran.out).unwrap();
            assert_eq!(verdict["valid"], valid, "{name:?}");
            let error = get(fixture, "error").and_then(|error| get(error, "name"));
            if let Some(Ipld::String(error)) = error {
                assert_eq!(verdict["error"]["kind"], **error, "{name:?}: {verdict}");
            }
        }
    }
    assert!(count >= 10, "{count} fixtures");
    assert!(
        !home.path().exists(),
        "verifying needs no home and makes none"
    );
}
