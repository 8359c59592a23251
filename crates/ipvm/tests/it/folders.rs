//! Folders in and out. Without these a folder could come back other than it went in, or not where it should.

use crate::home::Home;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

const MIB: usize = 1 << 20;

/// Everything below a folder: path, and its bytes, its target, or nothing for a folder.
type Tree = BTreeMap<PathBuf, String>;

fn tree(root: &Path) -> Tree {
    let mut all = Tree::new();
    let mut pending = vec![root.to_path_buf()];
    while let Some(folder) = pending.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let kind = fs::symlink_metadata(&path).unwrap();
            let what = if kind.is_dir() {
                pending.push(path.clone());
                "folder".to_owned()
            } else if kind.is_symlink() {
                format!("-> {}", fs::read_link(&path).unwrap().display())
            } else {
                let bytes = fs::read(&path).unwrap();
                format!("{} {}", bytes.len(), ipvm_ipld::cid_of(0x55, &bytes))
            };
            all.insert(path.strip_prefix(root).unwrap().to_path_buf(), what);
        }
    }
    all
}

/// A folder with what is odd in it.
fn odd(home: &Home) {
    home.file("in/a.txt", "a");
    home.file("in/empty", "");
    home.file("in/sub/deep/er/big", vec![7; 3 * MIB + 1]);
    home.file("in/sub/ä b/日本語.txt", "text");
    home.file("in/sub/quote'\"\\ name", "x");
    fs::create_dir_all(home.work().join("in/nothing/in here")).unwrap();
}

fn cid(home: &Home, path: &str) -> String {
    home.ok(&["add", "-q", path])
}

/// The file in the store that has the bytes of a block over 64 KiB.
fn block_file(home: &Home, bytes: &[u8]) -> PathBuf {
    let name = ipvm_ipld::cid_of(0x55, bytes).to_string();
    let blocks = home.path().join("blocks");
    blocks.join(&name[name.len() - 2..]).join(name)
}

#[test]
fn a_folder_comes_back_as_it_was() {
    let home = Home::new();
    odd(&home);
    let line = home.ok(&["add", "in"]);
    let [cid, size, path] = line.split(' ').collect::<Vec<_>>()[..] else {
        panic!("{line}")
    };
    assert_eq!((size, path), ("3145735", "in"));
    assert_eq!(home.ok(&["get", cid]), cid);
    assert_eq!(tree(&home.work().join(cid)), tree(&home.work().join("in")));
    assert_eq!(
        home.ok(&["get", &format!("{cid}/sub/deep"), "-o", "x/y"]),
        "x/y"
    );
    let deep = home.work().join("in/sub/deep");
    assert_eq!(tree(&home.work().join("x/y")), tree(&deep));
    assert_eq!(home.ok(&["get", &format!("{cid}/a.txt")]), "a.txt");
    assert_eq!(home.read("a.txt"), b"a");
}

#[test]
fn cids_are_those_of_ipfs() {
    // Made with ipfs-unixfs-importer 17.1.1, profile unixfs-v1-2025; that of an empty folder is in every IPFS tool.
    let home = Home::new();
    home.file("hello/a.txt", "hello");
    fs::create_dir(home.work().join("empty")).unwrap();
    for i in 0..10_000 {
        home.file(&format!("many/file-{i}"), format!("content {i}"));
    }
    for (path, expect) in [
        (
            "empty",
            "bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354",
        ),
        (
            "hello",
            "bafybeicdexjwatebfhiltofxjw7xgzcjphgj2axkeneflnrmztijfru3tu",
        ),
        (
            "many",
            "bafybeidboda5yxticw34miw7d22sduor25zliv4fxjakdg5csa3erqzuka",
        ),
    ] {
        assert_eq!(cid(&home, path), expect, "{path}");
    }
    let found = home.json(&[
        "inspect",
        "bafybeidboda5yxticw34miw7d22sduor25zliv4fxjakdg5csa3erqzuka",
        "--json",
    ]);
    assert_eq!(found["kind"], "folder (UnixFS, sharded)");
    assert_eq!(found["size"], 746_241);
    let many = home.json(&["ls", "bafybeidboda5yxti", "--json"]);
    let names: Vec<&str> = many
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["name"].as_str().unwrap())
        .collect();
    assert_eq!(names.len(), 10_000);
    assert!(names.is_sorted());
    assert_eq!(home.ok(&["cat", "bafybeidboda5yxti/file-77"]), "content 77");
}

#[test]
fn ls_says_what_is_there() {
    let home = Home::new();
    odd(&home);
    let cid = cid(&home, "in");
    let all = home.json(&["ls", &cid, "--json"]);
    let short: Vec<_> = all
        .as_array()
        .unwrap()
        .iter()
        .map(|e| {
            (
                e["name"].as_str().unwrap(),
                e["type"].as_str().unwrap(),
                e["size"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(short[0], ("a.txt", "file", 1));
    assert_eq!(short[1], ("empty", "file", 0));
    assert_eq!((short[2].0, short[2].1), ("nothing", "folder"));
    assert_eq!((short[3].0, short[3].1), ("sub", "folder"));
    assert!(short[3].2 > 3 * MIB as u64);
    let sub = home.ok(&["ls", &format!("{cid}/sub/")]);
    let lines: Vec<&str> = sub.lines().collect();
    assert_eq!(lines.len(), 3, "{sub}");
    assert!(
        lines[0].starts_with("folder") && lines[0].ends_with(" deep/"),
        "{sub}"
    );
    assert!(
        lines[1].starts_with("file ") && lines[1].ends_with(" quote'\"\\ name"),
        "{sub}"
    );
    let big = home.json(&["ls", &format!("{cid}/sub/deep/er"), "--json"]);
    assert_eq!(
        (&big[0]["type"], &big[0]["size"]),
        (&"file".into(), &(3 * MIB + 1).into())
    );
    assert_eq!(
        home.json(&["ls", &format!("{cid}/nothing/in here"), "--json"]),
        serde_json::json!([])
    );
    let found = home.json(&["inspect", &cid, "--json"]);
    assert_eq!(found["kind"], "folder (UnixFS)");
    assert!(home.ok(&["inspect", &cid]).contains("entries"));
}

#[test]
fn wrong_paths_are_named() {
    let home = Home::new();
    odd(&home);
    let cid = cid(&home, "in");
    let at = |path: &str| format!("{cid}/{path}");
    home.run(&["cat", &at("sub/deeep/er/big")])
        .code(2)
        .says("no \"deeep\" in")
        .says("did you mean")
        .says("sub/deep?");
    home.run(&["cat", &at("nope")])
        .code(2)
        .says("no \"nope\"")
        .says("ipvm ls");
    home.run(&["cat", &at("a.txt/x")])
        .code(2)
        .says("a.txt is not a folder: it is a file");
    home.run(&["ls", &at("a.txt")])
        .code(1)
        .says("not a folder: it is a file");
    home.run(&["cat", &at("sub")])
        .code(1)
        .says("it is a folder");
    home.run(&["cat", &at("../a.txt")])
        .code(2)
        .says("no \"..\" in");
    home.run(&[
        "ls",
        "bafybeicdexjwatebfhiltofxjw7xgzcjphgj2axkeneflnrmztijfru3tu",
    ])
    .code(2)
    .says("not in this home");
    home.run(&["inspect", "in"])
        .code(2)
        .says("is a folder")
        .says("ipvm add");
    home.run(&["add", "nowhere/"]).code(2).says("nowhere");
}

#[test]
fn dots_are_left_out_and_said_unless_asked_for() {
    let home = Home::new();
    home.file("in/a", "a");
    let plain = cid(&home, "in");
    home.file("in/.git/config", "x");
    home.file("in/.hidden", "x");
    home.run(&["add", "in"])
        .code(0)
        .says("left out: 2 ")
        .says("--hidden");
    assert_eq!(cid(&home, "in"), plain);
    let all = home.ok(&["add", "-q", "in", "--hidden"]);
    assert_ne!(all, plain);
    assert_eq!(home.ok(&["cat", &format!("{all}/.git/config")]), "x");
    assert!(home.run(&["add", "-q", "in"]).code(0).err.is_empty());
}

#[cfg(unix)]
#[test]
fn links_are_kept_and_none_leads_out() {
    use std::os::unix::fs::symlink;
    let home = Home::new();
    home.file("in/a", "a");
    home.file("in/sub/b", "b");
    let at = |path: &str| home.work().join(path);
    symlink("a", at("in/here")).unwrap();
    symlink("../a", at("in/sub/up")).unwrap();
    let inside = cid(&home, "in");
    // As Kubo does: type 4 with the target, whatever that is.
    let listed = home.json(&["ls", &inside, "--json"]);
    assert_eq!(
        (&listed[1]["type"], &listed[1]["target"]),
        (&"symlink".into(), &"a".into())
    );
    home.run(&["get", &inside, "-o", "out"]).code(0);
    assert_eq!(tree(&at("out")), tree(&at("in")));
    home.run(&["get", &inside, "-o", "out"])
        .code(0)
        .says("2 files, 2 of them");
    home.run(&["cat", &format!("{inside}/here")])
        .code(1)
        .says("symbolic link to \"a\"");
    home.run(&["cat", &format!("{inside}/here/x")])
        .code(2)
        .says("symbolic link to \"a\"");
    home.run(&["get", &format!("{inside}/here")])
        .code(2)
        .says("symbolic link");

    home.file("secret", "kept");
    symlink("../secret", at("in/out")).unwrap();
    symlink("/etc/passwd", at("in/sub/abs")).unwrap();
    let leads_out = cid(&home, "in");
    home.run(&["get", &leads_out, "-o", "out2"])
        .code(1)
        .says("out2/out, a symbolic link to \"../secret\"")
        .says("/etc/passwd");
    let mut expect = tree(&at("in"));
    assert!(
        expect.remove(Path::new("out")).is_some() && expect.remove(Path::new("sub/abs")).is_some()
    );
    assert_eq!(tree(&at("out2")), expect, "all else is written");

    // A symlink that is there already leads nowhere either.
    fs::create_dir_all(at("out3")).unwrap();
    fs::create_dir_all(at("elsewhere")).unwrap();
    symlink(at("elsewhere"), at("out3/sub")).unwrap();
    home.run(&["get", &inside, "-o", "out3", "--force"])
        .code(2)
        .says("leads out of");
    assert_eq!(fs::read_dir(at("elsewhere")).unwrap().count(), 0);
}

#[cfg(unix)]
#[test]
fn what_has_no_content_is_refused() {
    use std::os::unix::ffi::OsStrExt;
    let home = Home::new();
    fs::create_dir_all(home.work().join("in")).unwrap();
    let socket = std::os::unix::net::UnixListener::bind(home.work().join("in/socket")).unwrap();
    home.run(&["add", "in"])
        .code(2)
        .says("in/socket is neither");
    drop(socket);
    fs::remove_file(home.work().join("in/socket")).unwrap();
    let name = std::ffi::OsStr::from_bytes(b"bad\xffname");
    if fs::write(home.work().join("in").join(name), "x").is_ok() {
        home.run(&["add", "in"]).code(2).says("not UTF-8");
    }
}

#[test]
fn folders_without_end_are_refused() {
    let home = Home::new();
    let deepest = "d/".repeat(256);
    fs::create_dir_all(home.work().join(&deepest)).unwrap();
    home.run(&["add", "d"]).code(0);
    fs::create_dir_all(home.work().join(&deepest).join("d")).unwrap();
    home.run(&["add", "d"])
        .code(2)
        .says("nested deeper than 256");
}

/// Without it, adding again what was interrupted would write everything again, or leave something out.
#[test]
fn an_interrupted_add_goes_on_where_it_stopped() {
    let home = Home::new();
    for i in 0..40_u8 {
        home.file(
            &format!("in/file-{i:02}"),
            [&[i][..], &vec![0; MIB - 1]].concat(),
        );
    }
    // Killed as soon as the first group of blocks is there.
    let mut child = home
        .command(&["add", "in"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let blocks = home.path().join("blocks");
    let count = || tree_files(&blocks);
    while count() < 4 && child.try_wait().unwrap().is_none() {
        std::thread::yield_now();
    }
    child.kill().unwrap();
    assert!(
        !child.wait().unwrap().success(),
        "it was killed before its end"
    );
    let times = modified(&blocks);
    assert!(times.len() >= 4);

    home.run(&["add", "in"])
        .code(0)
        .says("40 files in 41 blocks");
    let stored = home.json(&["store", "stat", "--json"])["blocks"]
        .as_u64()
        .unwrap();
    let again = home
        .run(&["add", "in"])
        .code(0)
        .says("41 blocks, 0 new")
        .text();
    assert_eq!(home.json(&["store", "stat", "--json"])["blocks"], stored);
    let fresh = Home::new();
    let other = fresh.ok(&["add", "-q", home.work().join("in").to_str().unwrap()]);
    assert!(again.starts_with(&other), "{again} is not {other}");
    let cid = again.split(' ').next().unwrap();
    home.run(&["get", cid, "-o", "out"]).code(0);
    assert_eq!(
        tree(&home.work().join("out")),
        tree(&home.work().join("in"))
    );
}

fn modified(folder: &Path) -> BTreeMap<PathBuf, std::time::SystemTime> {
    let time = |path: &PathBuf| fs::metadata(folder.join(path)).unwrap().modified().unwrap();
    let files = tree(folder)
        .into_iter()
        .filter(|(_, what)| what != "folder");
    files.map(|(path, _)| (path.clone(), time(&path))).collect()
}

/// Files in the folder of blocks, which may come and go meanwhile.
fn tree_files(folder: &Path) -> usize {
    let list = |path: &Path| {
        fs::read_dir(path)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
    };
    list(folder)
        .flat_map(|shard| list(&shard).collect::<Vec<_>>())
        .count()
}

/// Without it, a `get` that was interrupted would start over, or stop at what it wrote itself.
#[test]
fn a_partly_written_folder_is_completed() {
    let home = Home::new();
    odd(&home);
    let cid = cid(&home, "in");
    home.run(&["get", &cid, "-o", "out"])
        .code(0)
        .says("5 files, 0 of them");
    fs::remove_dir_all(home.work().join("out/sub/deep")).unwrap();
    fs::remove_file(home.work().join("out/a.txt")).unwrap();
    let kept = home.work().join("out/sub/quote'\"\\ name");
    let before = fs::metadata(&kept).unwrap().modified().unwrap();
    home.run(&["get", &cid, "-o", "out"])
        .code(0)
        .says("5 files, 3 of them");
    assert_eq!(
        tree(&home.work().join("out")),
        tree(&home.work().join("in"))
    );
    assert_eq!(fs::metadata(&kept).unwrap().modified().unwrap(), before);
}

#[test]
fn what_is_there_is_not_overwritten_unasked() {
    let home = Home::new();
    odd(&home);
    let cid = cid(&home, "in");
    home.file("out/a.txt", "mine");
    home.file("out/other", "mine too");
    home.run(&["get", &cid, "-o", "out"])
        .code(2)
        .says("out/a.txt is there already")
        .says("--force");
    assert_eq!(home.read("out/a.txt"), b"mine");
    home.run(&["get", &cid, "-o", "out", "--force"]).code(0);
    assert_eq!(
        (home.read("out/a.txt"), home.read("out/other")),
        (b"a".to_vec(), b"mine too".to_vec())
    );
    fs::create_dir_all(home.work().join("out4/empty")).unwrap();
    home.run(&["get", &cid, "-o", "out4", "--force"])
        .code(2)
        .says("out4/empty is a folder here");
    home.file("out5/sub", "a file");
    home.run(&["get", &cid, "-o", "out5", "--force"])
        .code(1)
        .says("out5/sub");
    home.file("out6", "a file");
    home.run(&["get", &cid, "-o", "out6"]).code(1).says("out6");
}

/// Without it, reading a part of a large file would need all of it.
#[test]
fn a_range_needs_only_its_blocks() {
    let home = Home::new();
    let leaf = |n: u8| vec![n; MIB];
    home.file("in/sub/file", [leaf(1), leaf(2), leaf(3)].concat());
    let path = format!("{}/sub/file", cid(&home, "in"));
    let cat = |offset: usize, length: usize| {
        home.run(&[
            "cat",
            &path,
            "--offset",
            &offset.to_string(),
            "--length",
            &length.to_string(),
        ])
    };
    assert_eq!(cat(MIB - 2, 4).code(0).out, [1, 1, 2, 2]);
    for gone in [1, 3] {
        fs::remove_file(block_file(&home, &leaf(gone))).unwrap();
    }
    assert_eq!(
        cat(MIB, MIB).code(0).out,
        leaf(2),
        "the second block is enough"
    );
    assert_eq!(cat(MIB + 7, 2).code(0).out, [2, 2]);
    cat(MIB - 1, 2).code(1).says("missing");
    home.run(&["cat", &path]).code(1).says("missing");
    assert!(cat(3 * MIB, 10).code(0).out.is_empty());
    assert!(cat(0, 0).code(0).out.is_empty());
    home.run(&["get", &path, "-o", "file"]).code(1);
    assert!(!home.work().join("file").exists(), "half a file is no file");
}
