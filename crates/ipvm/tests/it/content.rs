//! Content in and out. Without these a file could come back other than it went in, or half of it.

use crate::home::Home;

const MIB: usize = 1 << 20;

/// Bytes without a pattern that a chunk border could hide in.
fn bytes(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    std::iter::repeat_with(next).take(len).collect()
}

#[test]
fn what_goes_in_comes_out() {
    let home = Home::new();
    for len in [0, 1, MIB - 1, MIB, MIB + 1, 3 * MIB] {
        let content = bytes(len);
        home.file("in", &content);
        let line = home.ok(&["add", "in"]);
        let cid = line.split(' ').next().unwrap().to_owned();
        assert_eq!(line, format!("{cid} {len} in"));
        assert_eq!(
            home.ok(&["add", "--quiet", "in"]),
            cid,
            "the same content has the same CID"
        );
        assert_eq!(
            home.run_with_input(&["add", "-q", "-"], &content)
                .code(0)
                .text(),
            cid,
            "so it has from stdin"
        );
        assert!(
            home.run(&["cat", &cid]).code(0).out == content,
            "cat, {len} bytes"
        );
        assert_eq!(home.ok(&["get", &cid]), cid);
        assert!(home.read(&cid) == content, "get, {len} bytes");
        assert_eq!(home.ok(&["get", &cid, "-o", "out"]), "out");
        assert!(home.read("out") == content, "get -o, {len} bytes");
    }
    let left: Vec<_> = std::fs::read_dir(home.work())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert!(
        !left
            .iter()
            .any(|name| name.to_string_lossy().ends_with(".tmp")),
        "{left:?}"
    );
}

#[test]
fn cids_are_those_of_ipfs() {
    // Of the IPFS profile unixfs-v1-2025: a single raw block up to 1 MiB.
    let home = Home::new();
    for (content, cid) in [
        (
            "",
            "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku",
        ),
        (
            "hello world",
            "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e",
        ),
    ] {
        home.file("f", content);
        assert_eq!(home.ok(&["add", "-q", "f"]), cid);
    }
}

#[test]
fn what_is_not_there_is_named() {
    let home = Home::new();
    home.run(&["add", "nowhere.jpg"])
        .code(2)
        .says("nowhere.jpg")
        .says("help:");
    let absent = "bafkreigicxwvav6t72kj2gdczzdhpzrljspk5bgzaknuhjxyn5smvbjdru";
    home.run(&["cat", absent])
        .code(2)
        .says(absent)
        .says("not in this home");
    home.run(&["get", absent, "-o", "x"]).code(2).says(absent);
    assert!(
        !home.work().join("x").exists(),
        "nothing is written for what is not there"
    );
    home.run(&["cat", "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG"])
        .code(2)
        .says("CIDv1 bafy");
    home.run(&["cat", "nonsense"]).code(2).says("is not a CID");
    home.run(&["inspect", "nonsense"])
        .code(2)
        .says("is not a CID");
}

#[test]
fn inspect_says_what_things_are() {
    let home = Home::new();
    home.file("text", "hello world");
    let cid = home.ok(&["add", "-q", "text"]);
    // (bytes of a file, what it is)
    let list: &[u8] = &[0x82, 0x01, 0x61, b'x'];
    let not_canonical: &[u8] = &[0x82, 0x18, 0x01, 0x02];
    for (name, content, kind) in [
        ("text", b"hello world".as_slice(), "content"),
        ("list", list, "value (DAG-CBOR)"),
        ("odd", not_canonical, "content"),
    ] {
        home.file(name, content);
        let found = home.json(&["inspect", name, "--json"]);
        assert_eq!(found["kind"], kind, "{name}");
        assert_eq!(found["size"], content.len(), "{name}");
    }
    assert_eq!(
        home.json(&["inspect", "list", "--json"])["value"].to_string(),
        r#"[1,"x"]"#
    );
    assert_eq!(
        home.json(&["inspect", "text", "--json"])["cid"],
        cid.as_str()
    );
    assert_eq!(
        home.json(&["inspect", &cid, "--json"])["kind"],
        "raw content"
    );
    assert!(home.ok(&["inspect", &cid]).starts_with("raw content  baf"));
    home.file("big", bytes(3 * MIB));
    let big = home.ok(&["add", "-q", "big"]);
    for name in ["big", &big] {
        let found = home.json(&["inspect", name, "--json"]);
        assert_eq!(
            (found["cid"].as_str(), found["size"].as_u64()),
            (Some(big.as_str()), Some(3 << 20)),
            "{name}"
        );
    }
}
