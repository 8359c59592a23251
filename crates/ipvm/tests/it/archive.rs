//! `ipvm home export` and `import`. Without these: a backup could lack something, a changed one could be believed, a
//! hostile one could write where it likes.

use crate::home::{Home, Ran};
use ipvm_testkit::{CALC, component};
use std::fs;
use std::path::Path;

const BLOCK: usize = 512;

/// A home with a run, a file of several blocks, a small one, and a limit.
fn made() -> (Home, String) {
    let home = Home::new();
    home.file("calc.wasm", component(CALC));
    home.file(
        "workflow.yaml",
        "ipvm: \"0.2\"\nname: w\ntasks:\n  a: { mod: ./calc.wasm, fun: add, args: [1, 2] }\n  b: { mod: ./calc.wasm, fun: add, args: [{await: a}, 2] }\n",
    );
    home.ok(&["run", "workflow.yaml"]);
    home.file(
        "large",
        (0..600_000_u32)
            .flat_map(u32::to_be_bytes)
            .collect::<Vec<u8>>(),
    );
    let large = home.ok(&["add", "-q", "--public", "large"]);
    home.ok(&["store", "limit", "1GiB"]);
    (home, large)
}

fn archive(home: &Home) -> Vec<u8> {
    home.run(&["home", "export", "-"]).code(0).out
}

/// Imports an archive into a home that is not there yet.
fn import(archive: &[u8]) -> (Home, Ran) {
    let home = Home::new();
    let file = home.file("a.tar", archive);
    let ran = home.run(&["home", "import", file.to_str().unwrap()]);
    (home, ran)
}

/// The import ends with 2, says this, and leaves nothing behind.
fn refused(archive: &[u8], says: &str) {
    let (home, ran) = import(archive);
    ran.code(2).says(says).says("nothing was imported");
    let parent = home.path().parent().unwrap().to_path_buf();
    let left: Vec<_> = fs::read_dir(&parent)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left, ["work"], "{says}");
}

#[test]
fn a_home_comes_back_whole() {
    let (home, large) = made();
    let before = home
        .run(&["home", "export", "backup.tar"])
        .code(0)
        .says("keys of this home");
    assert_eq!(before.text(), "backup.tar");
    let file = home.work().join("backup.tar");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(
            fs::metadata(&file).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
    home.run(&["home", "export", "backup.tar"])
        .code(2)
        .says("exists");

    let other = Home::new();
    for name in ["workflow.yaml", "calc.wasm"] {
        other.file(name, home.read(name));
    }
    let path = file.to_str().unwrap();
    assert_eq!(
        other.ok(&["home", "import", path]),
        other.path().to_str().unwrap()
    );
    assert_eq!(other.json(&["store", "verify", "--json"])["sound"], true);
    for words in [
        vec!["key", "show", "--json"],
        vec!["store", "pins", "--json"],
        vec!["receipt", "list", "--json"],
    ] {
        assert_eq!(other.ok(&words), home.ok(&words), "{words:?}");
    }
    let report = other.json(&["run", "workflow.yaml", "--json"]);
    assert_eq!(
        (&report["executed"], &report["reused"]),
        (&0.into(), &2.into())
    );
    assert!(other.run(&["cat", &large]).code(0).out == home.read("large"));
    assert_eq!(other.json(&["store", "limit", "--json"])["limit"], 1 << 30);
    assert_eq!(other.json(&["store", "stat", "--json"])["runs"], 1);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &str| {
            fs::metadata(other.path().join(path))
                .unwrap()
                .permissions()
                .mode()
                & 0o777
        };
        assert_eq!(
            (mode(""), mode("keys/owner.key"), mode("store/main.db")),
            (0o700, 0o600, 0o600)
        );
    }
    // A home is never written over.
    other
        .run(&["home", "import", path])
        .code(2)
        .says("is not empty");
    assert_eq!(
        other.ok(&["key", "show", "--json"]),
        home.ok(&["key", "show", "--json"])
    );
    // Another round gives the same again.
    let (third, ran) = import(&archive(&other));
    ran.code(0);
    assert_eq!(
        third.ok(&["key", "show", "--json"]),
        home.ok(&["key", "show", "--json"])
    );
    // Nothing is left in the exported home.
    let names: Vec<String> = fs::read_dir(home.path().join("store"))
        .unwrap()
        .chain(fs::read_dir(home.path()).unwrap())
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("snapshot") || name.contains("export"))
        .collect();
    assert!(names.is_empty(), "{names:?}");
}

#[test]
fn an_empty_folder_becomes_the_home() {
    let (home, _) = made();
    let other = Home::new();
    fs::create_dir(other.path()).unwrap();
    other
        .run_with_input(&["home", "import", "-"], &archive(&home))
        .code(0);
    other.ok(&["store", "verify"]);
}

/// Where the entries of an archive begin: name and offset of the header.
fn entries(archive: &[u8]) -> Vec<(String, usize, usize)> {
    let mut found = Vec::new();
    let mut at = 0;
    while archive[at] != 0 {
        let text = |from: usize, to: usize| {
            let field: Vec<u8> = archive[at + from..at + to]
                .iter()
                .copied()
                .take_while(|byte| *byte != 0)
                .collect();
            String::from_utf8(field).unwrap()
        };
        let size = usize::from_str_radix(text(124, 136).trim(), 8).unwrap();
        found.push((text(0, 100), at, size));
        at += BLOCK + size.div_ceil(BLOCK) * BLOCK;
    }
    found
}

#[test]
fn a_changed_archive_is_refused_with_the_place() {
    let (home, _) = made();
    let good = archive(&home);
    let entries = entries(&good);
    assert!(entries.len() > 6, "{entries:?}");
    for (name, at, size) in &entries {
        let mut bad = good.clone();
        bad[at + BLOCK + size / 2] ^= 1;
        let says = match name.as_str() {
            "ipvm-home/VERSION" => "another version",
            // Each line of the manifest names an entry; one of them does not fit.
            "ipvm-home/MANIFEST" => "is not what the manifest says",
            name if name.contains("/blocks/") => "hash",
            name => name,
        };
        refused(&bad, says);
        // The header: its checksum does not fit.
        let mut bad = good.clone();
        bad[at + 100] ^= 1;
        refused(&bad, "cannot be read on after");
    }
}

#[test]
fn a_truncated_archive_is_refused() {
    let (home, _) = made();
    let good = archive(&home);
    let entries = entries(&good);
    let (_, manifest, _) = entries.last().unwrap();
    let inner = [
        0,
        1,
        BLOCK,
        3 * BLOCK + 7,
        good.len() / 2,
        manifest - 1,
        *manifest,
        manifest + BLOCK,
        manifest + BLOCK + 9,
    ];
    for end in inner {
        refused(&good[..end], "cannot be imported");
    }
    // The two empty blocks at the end say nothing.
    let (other, ran) = import(&good[..good.len() - 2 * BLOCK]);
    ran.code(0);
    other.ok(&["store", "verify"]);
}

/// A header of a tar entry.
fn header(name: &str, kind: u8, size: usize, link: &str) -> Vec<u8> {
    let mut header = vec![0; BLOCK];
    header[..name.len()].copy_from_slice(name.as_bytes());
    header[100..107].copy_from_slice(b"0000644");
    header[124..135].copy_from_slice(format!("{size:011o}").as_bytes());
    header[136..147].copy_from_slice(b"00000000000");
    header[156] = kind;
    header[157..157 + link.len()].copy_from_slice(link.as_bytes());
    header[257..265].copy_from_slice(b"ustar\x0000");
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    header
}

fn entry(name: &str, content: &[u8]) -> Vec<u8> {
    let mut entry = header(name, b'0', content.len(), "");
    entry.extend_from_slice(content);
    entry.resize(entry.len().next_multiple_of(BLOCK), 0);
    entry
}

#[test]
fn an_archive_writes_nowhere_but_into_the_home() {
    let version = entry("ipvm-home/VERSION", b"ipvm home 1\n");
    let key = entry("ipvm-home/keys/owner.key", b"k");
    let outside = "does not belong into a home";
    let plain = "is no plain file";
    let cases: [(Vec<u8>, &str); 16] = [
        (entry("ipvm-home/../evil", b"x"), outside),
        (entry("../evil", b"x"), outside),
        (entry("/tmp/ipvm-evil", b"x"), outside),
        (entry("ipvm-home/keys/../../evil", b"x"), outside),
        (entry("ipvm-home/cache/modules/evil", b"x"), outside),
        (entry("ipvm-home/store/index.db", b"x"), outside),
        (entry("ipvm-home/lock", b"x"), outside),
        (entry("ipvm-home\\keys\\owner.key", b"x"), outside),
        (
            header("ipvm-home/keys/owner.key", b'2', 0, "/etc/passwd"),
            plain,
        ),
        (
            header("ipvm-home/keys/owner.key", b'1', 0, "/etc/passwd"),
            plain,
        ),
        (header("ipvm-home/keys", b'5', 0, ""), plain),
        // A long name of 8 GiB, which a trusting reader takes into memory.
        (header("././@LongLink", b'L', 0o77777777777, ""), plain),
        (header("ipvm-home/keys/owner.key", b'S', 0, ""), plain),
        (
            header("ipvm-home/keys/owner.key", b'0', 1 << 20, ""),
            "more than",
        ),
        ([key.clone(), key.clone()].concat(), "is there twice"),
        (version.clone(), "VERSION comes first, and once"),
    ];
    for (bad, says) in cases {
        let archive = [version.clone(), bad, vec![0; 2 * BLOCK]].concat();
        refused(&archive, says);
    }
    refused(&[key, vec![0; 2 * BLOCK]].concat(), "VERSION comes first");
    refused(
        &entry("ipvm-home/VERSION", b"ipvm home 9\n"),
        "another version",
    );
    refused(
        &[version, vec![0; 2 * BLOCK]].concat(),
        "before its manifest",
    );
    refused(
        b"no archive at all",
        "cannot be read on after its beginning",
    );
    assert!(!Path::new("/tmp/ipvm-evil").exists());
}

/// Its manifest fits, and yet what is in it does not fit together.
#[test]
fn a_consistent_archive_of_a_damaged_store_is_refused() {
    let (home, _) = made();
    let db = rusqlite::Connection::open(home.path().join("store").join("main.db")).unwrap();
    db.execute("UPDATE receipt SET k_task = k_task + 1 WHERE id = 1", [])
        .unwrap();
    drop(db);
    refused(&archive(&home), "receipt 1 is damaged");
}

#[test]
fn an_export_needs_a_home_that_nobody_writes_to() {
    let (home, _) = made();
    let _writer = ipvm_store::Store::open(&home.path(), |_| None).unwrap();
    home.run(&["home", "export", "b.tar"])
        .code(1)
        .says("in use by another ipvm process");
    assert!(!home.work().join("b.tar").exists() && !home.work().join("b.tar.part").exists());
    home.run(&["home", "import", "nothing.tar"])
        .code(2)
        .says("cannot read nothing.tar");
}
