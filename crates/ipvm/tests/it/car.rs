//! CAR files in and out. Without these content could not be carried from one home, or one tool, to another.

use crate::home::Home;
use ipvm_ipld::{Block, car, codec, unixfs};
use std::fs;

const MIB: usize = 1 << 20;

#[test]
fn a_folder_goes_from_home_to_home() {
    let (home, other) = (Home::new(), Home::new());
    home.file("in/a", "a");
    home.file("in/sub/big", vec![5; 2 * MIB + 1]);
    fs::create_dir(home.work().join("in/empty")).unwrap();
    let cid = home.ok(&["add", "-q", "in"]);
    assert_eq!(home.ok(&["get", &cid, "--car"]), format!("{cid}.car"));
    let bytes = home.read(format!("{cid}.car"));
    other.file("x.car", &bytes);
    let told = other
        .run(&["add", "--car", "x.car"])
        .code(0)
        .says("7 blocks, 7 new");
    assert_eq!(told.text(), format!("{cid} x.car"));
    let stdin = other
        .run_with_input(&["add", "--car", "-q", "-"], &bytes)
        .code(0);
    assert!(stdin.err.is_empty(), "{}", stdin.err);
    assert_eq!(stdin.text(), cid);
    other
        .run(&["add", "--car", "x.car"])
        .code(0)
        .says("7 blocks, 0 new");
    assert_eq!(other.ok(&["cat", &format!("{cid}/a")]), "a");
    assert_eq!(
        other.run(&["cat", &format!("{cid}/sub/big")]).code(0).out,
        vec![5; 2 * MIB + 1]
    );
    // Part of a folder is a root, too.
    assert_eq!(
        home.ok(&["get", &format!("{cid}/sub"), "--car", "-o", "sub.car"]),
        "sub.car"
    );
    assert!(home.read("sub.car").len() < bytes.len());
}

/// A value, with what it links to, is carried as a file is.
#[test]
fn any_root_can_be_carried() {
    let (home, other) = (Home::new(), Home::new());
    let file = Block::new(codec::RAW, b"hello".to_vec());
    let absent = ipvm_ipld::cid_of(codec::RAW, b"nowhere");
    let text = format!(
        r#"{{"a":[{{"/":"{}"}}],"b":{{"/":"{absent}"}}}}"#,
        file.cid()
    );
    let value = ipvm_ipld::json::from_str(&text, Default::default()).unwrap();
    let value = ipvm_ipld::cbor::encode_block(&value).unwrap();
    home.file("x.car", write(&[*value.cid()], &[&value, &file]));
    let root = home.ok(&["add", "--car", "-q", "x.car"]);
    home.run(&["get", &root, "--car", "-o", "y.car"])
        .code(0)
        .says("left out: 1 link");
    assert_eq!(home.read("y.car"), home.read("x.car"));
    other.file("y.car", home.read("y.car"));
    assert_eq!(other.ok(&["add", "--car", "-q", "y.car"]), root);
    assert_eq!(other.ok(&["cat", &file.cid().to_string()]), "hello");
}

fn write(roots: &[ipvm_ipld::Cid], blocks: &[&Block]) -> Vec<u8> {
    let mut out = car::header(roots);
    for block in blocks {
        out.extend(car::frame(block.cid(), block.data().len()));
        out.extend(block.data());
    }
    out
}

/// Without it, half a CAR could pass for a whole one, or what was whole in it be lost.
#[test]
fn what_is_whole_of_a_broken_car_is_kept() {
    let home = Home::new();
    let (root, blocks) = unixfs::import(&(0..3 * MIB).map(|i| (i >> 20) as u8).collect::<Vec<_>>());
    let all: Vec<&Block> = blocks.iter().collect();
    let bytes = write(&[root], &all);
    home.file("cut.car", &bytes[..MIB + MIB / 2]);
    let begins = car::header(&[root]).len() + car::frame(blocks[0].cid(), MIB).len() + MIB;
    home.run(&["add", "--car", "cut.car"])
        .code(2)
        .says(&format!("cut off at byte {}", MIB + MIB / 2))
        .says(&format!("begins at byte {begins}"))
        .says("blocks kept that came before: 1");
    assert_eq!(
        home.run(&["cat", &blocks[0].cid().to_string()]).code(0).out,
        vec![0; MIB]
    );
    home.run(&["cat", &blocks[1].cid().to_string()]).code(2);

    let mut forged = bytes;
    forged[begins + 100] ^= 1;
    home.file("forged.car", &forged);
    home.run(&["add", "--car", "forged.car"])
        .code(2)
        .says(&format!("block at byte {begins}"))
        .says("hash to");

    home.file(
        "part.car",
        write(&[root], &[&blocks[0], &blocks[1], &blocks[3]]),
    );
    home.run(&["add", "--car", "part.car"])
        .code(2)
        .says("is not whole")
        .says(&blocks[2].cid().to_string());
    home.file("rest.car", write(&[root], &[&blocks[2]]));
    home.run(&["add", "--car", "rest.car"])
        .code(0)
        .says("1 block, 1 new");
    home.run(&["get", &root.to_string(), "-o", "out"]).code(0);
    assert_eq!(home.read("out").len(), 3 * MIB);
}

#[test]
fn what_is_no_car_is_refused() {
    let home = Home::new();
    home.file("text", "this is no CAR at all");
    home.run(&["add", "--car", "text"]).code(2).says("CAR");
    home.file("empty", "");
    home.run(&["add", "--car", "empty"])
        .code(2)
        .says("not a CAR");
    home.run(&["add", "--car", "nowhere.car"])
        .code(2)
        .says("nowhere.car");
    home.file("none.car", write(&[], &[]));
    home.run(&["add", "--car", "none.car"])
        .code(0)
        .says("names no root");
    let absent = "bafkreigicxwvav6t72kj2gdczzdhpzrljspk5bgzaknuhjxyn5smvbjdru";
    home.run(&["get", absent, "--car"])
        .code(2)
        .says("not in this home");
    assert!(!home.work().join(format!("{absent}.car")).exists());
}

/// A name that leads out, made by somebody else, comes in as a block and never out as a file.
#[test]
fn a_name_that_leads_out_is_refused_by_name() {
    let home = Home::new();
    let leaf = Block::new(codec::RAW, b"evil".to_vec());
    for name in ["../evil", "..", "/evil", "a/b"] {
        let link = |name: &str| {
            let cid = leaf.cid().to_bytes();
            let mut link = vec![0x0a, cid.len() as u8];
            link.extend(&cid);
            link.extend([0x12, name.len() as u8]);
            link.extend(name.as_bytes());
            link.extend([0x18, 4]);
            [&[0x12, link.len() as u8], &link[..]].concat()
        };
        let node = [&link(name)[..], &[0x0a, 0x02, 0x08, 0x01]].concat();
        let folder = Block::new(codec::DAG_PB, node);
        home.file("x.car", write(&[*folder.cid()], &[&folder, &leaf]));
        let cid = home.ok(&["add", "--car", "-q", "x.car"]);
        home.run(&["get", &cid, "-o", "deep/out"])
            .code(1)
            .says(&format!("{name:?}"));
        home.run(&["ls", &cid]).code(1).says(&format!("{name:?}"));
        for outside in ["evil", "deep/evil"] {
            assert!(!home.work().join(outside).exists(), "{name}");
        }
    }
}
