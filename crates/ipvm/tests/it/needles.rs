//! A search for what must not be in a home: bytes and hashes, in the forms that tools write, in every file and every row
//! of its databases.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use ipvm_ipld::{Block, Cid, cid_of, codec, unixfs};
use rusqlite::Connection;
use rusqlite::types::ValueRef;

/// Bytes of a needle that are compared first.
const KEY: usize = 8;

/// What must not be found, or must: by its first bytes, each with what it is.
pub(crate) struct Needles {
    by_key: HashMap<[u8; KEY], Vec<(Vec<u8>, String)>>,
    /// Which two bytes one of them begins with: most places need no more of a look.
    begins: Vec<bool>,
}

impl Default for Needles {
    fn default() -> Self {
        Self {
            by_key: HashMap::new(),
            begins: vec![false; 1 << 16],
        }
    }
}

fn two(bytes: &[u8]) -> usize {
    usize::from(bytes[0]) << 8 | usize::from(bytes[1])
}

impl Needles {
    pub(crate) fn add(&mut self, what: &str, bytes: &[u8]) {
        let key = bytes[..KEY].try_into().unwrap();
        self.begins[two(bytes)] = true;
        let all = self.by_key.entry(key).or_default();
        all.push((bytes.to_vec(), what.to_owned()));
    }

    /// A CID as bytes, by its digest, and in the texts that tools write.
    pub(crate) fn cid(&mut self, what: &str, cid: &Cid) {
        let base32 = cid.to_string();
        let digest = cid.hash().digest();
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        self.add(&format!("{what}: bytes"), &cid.to_bytes());
        self.add(&format!("{what}: digest"), digest);
        self.add(&format!("{what}: base32"), &base32.as_bytes()[1..]);
        self.add(
            &format!("{what}: BASE32"),
            base32[1..].to_uppercase().as_bytes(),
        );
        self.add(
            &format!("{what}: base58"),
            base58(&cid.to_bytes()).as_bytes(),
        );
        self.add(
            &format!("{what}: version 0"),
            base58(&cid.hash().to_bytes()).as_bytes(),
        );
        self.add(&format!("{what}: hex"), hex.as_bytes());
        self.add(&format!("{what}: HEX"), hex.to_uppercase().as_bytes());
    }

    /// Pieces of bytes, wherever a block may begin.
    fn pieces(&mut self, what: &str, bytes: &[u8]) {
        for at in (0..=bytes.len() - 32).step_by(4_001) {
            self.add(&format!("{what}: bytes at {at}"), &bytes[at..at + 32]);
        }
    }

    /// A file: its bytes, the hash of all of them, and all of its blocks. The CID that it has in IPFS.
    pub(crate) fn file(&mut self, what: &str, bytes: &[u8]) -> Cid {
        self.pieces(what, bytes);
        self.cid(&format!("{what}: whole"), &cid_of(codec::RAW, bytes));
        let mut blocks: Vec<Block> = Vec::new();
        let mut keep = |block: Block| {
            blocks.push(block);
            Ok::<(), std::convert::Infallible>(())
        };
        let mut builder = unixfs::Builder::new();
        builder.push(bytes, &mut keep).unwrap();
        let root = builder.finish(&mut keep).unwrap().cid;
        for block in blocks {
            self.cid(&format!("{what}: block"), block.cid());
        }
        root
    }

    /// Which of them are in these bytes.
    pub(crate) fn found_in(&self, bytes: &[u8]) -> HashSet<&str> {
        let mut found = HashSet::new();
        for (at, window) in bytes.windows(KEY).enumerate() {
            if !self.begins[two(window)] {
                continue;
            }
            let Some(all) = self.by_key.get(window) else {
                continue;
            };
            for (needle, what) in all {
                if bytes[at..].starts_with(needle) {
                    found.insert(what.as_str());
                }
            }
        }
        found
    }

    /// Whether there is one of something.
    pub(crate) fn knows(&self, what: &str) -> bool {
        let all = self.by_key.values().flatten();
        all.into_iter().any(|(_, known)| known.starts_with(what))
    }

    pub(crate) fn len(&self) -> usize {
        self.by_key.values().map(Vec::len).sum()
    }
}

fn base58(bytes: &[u8]) -> String {
    const DIGITS: &[u8] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    let mut digits: Vec<u32> = Vec::new();
    for byte in bytes {
        let mut carry = u32::from(*byte);
        for digit in &mut digits {
            carry += *digit << 8;
            *digit = carry % 58;
            carry /= 58;
        }
        while carry > 0 {
            digits.push(carry % 58);
            carry /= 58;
        }
    }
    let text = digits.iter().rev().map(|digit| DIGITS[*digit as usize]);
    String::from_utf8(text.collect()).unwrap()
}

/// Bytes that nothing else has by chance.
pub(crate) fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) as u8
    };
    (0..len).map(|_| next()).collect()
}

/// All that a home has: its files, and the rows of its databases, in which a value is in one piece, wherever its pages
/// are. Each with its place.
pub(crate) fn home(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = files(folder);
    // Looking into a database can change its files.
    let copy = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(folder.join("store")).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
    }
    for name in ["main.db", "index.db"] {
        let conn = Connection::open(copy.path().join(name)).unwrap();
        let mut select = conn
            .prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")
            .unwrap();
        let tables = select.query_map([], |row| row.get::<_, String>(0));
        for table in tables.unwrap() {
            found.extend(values(&conn, name, &table.unwrap()));
        }
    }
    found
}

/// The texts and bytes in a table.
fn values(conn: &Connection, name: &str, table: &str) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut select = conn.prepare(&format!("SELECT * FROM {table}")).unwrap();
    let columns = select.column_count();
    let mut rows = select.query([]).unwrap();
    while let Some(row) = rows.next().unwrap() {
        for column in 0..columns {
            if let ValueRef::Text(bytes) | ValueRef::Blob(bytes) = row.get_ref(column).unwrap() {
                found.push((format!("{name}: {table} {column}"), bytes.to_vec()));
            }
        }
    }
    found
}

/// All files below a folder: path and bytes.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            let bytes = std::fs::read(&path).unwrap();
            found.push((path.display().to_string(), bytes));
        }
    }
    found
}
