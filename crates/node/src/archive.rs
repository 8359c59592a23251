//! The form of an exported home: a tar file that ordinary tools open.
//!
//! ```text
//! ipvm-home/VERSION              "ipvm home 1"
//! ipvm-home/keys/NAME            the keys and the delegation between them
//! ipvm-home/blocks/xx/CID        blocks that are files
//! ipvm-home/store/main.db        the store (SQLite)
//! ipvm-home/MANIFEST             "sha2-256  name" of each entry before it, as `sha256sum` writes them
//! ```
//!
//! `VERSION` is first, `MANIFEST` is last, each entry is a plain file. What can be made anew is not in it: the index,
//! compiled modules, the lock.

use std::path::{Path, PathBuf};

use ipvm_ipld::{Cid, parse_cid};
use ipvm_store::{BLOCK_BYTES_MAX, Store};
use sha2::{Digest, Sha256};

use crate::home::SEALING_KEY;
use crate::secret::is_sealed;

/// The folder that every name begins with.
pub(crate) const FOLDER: &str = "ipvm-home/";
/// The content of `VERSION`.
pub(crate) const VERSION: &str = "ipvm home 1\n";
/// The keys that a home has.
pub(crate) const KEYS: [&str; 3] = ["owner.key", "agent.key", "agent.dlg"];
/// What is there too where the owner's key was replaced after something was sealed.
pub(crate) const OPTIONAL_KEY: &str = SEALING_KEY;
/// Largest file among the keys, in bytes.
pub(crate) const KEY_BYTES_MAX: u64 = 64 << 10;
/// Longest name of an entry, in bytes: that of a block has about 80.
const NAME_BYTES_MAX: usize = 100;
/// Characters of a digest in a manifest.
const DIGEST_CHARS: usize = 64;
/// Largest manifest that is read: some ten million entries.
const MANIFEST_BYTES_MAX: u64 = 2 << 30;

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Version,
    Key(&'static str),
    Block(Cid),
    Main,
    Manifest,
}

impl Part {
    /// The part that has this name in an archive. Only names that this program writes are any.
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        let inner = name.strip_prefix(FOLDER)?;
        if name.len() > NAME_BYTES_MAX {
            return None;
        }
        let part = match inner.split_once('/') {
            None if inner == "VERSION" => Self::Version,
            None if inner == "MANIFEST" => Self::Manifest,
            Some(("keys", key)) => {
                let mut known = KEYS.into_iter().chain([OPTIONAL_KEY]);
                Self::Key(known.find(|known| *known == key)?)
            }
            Some(("store", "main.db")) => Self::Main,
            Some(("blocks", rest)) => Self::Block(block_name(rest.rsplit('/').next()?)?),
            _ => return None,
        };
        (part.name() == name).then_some(part)
    }

    /// Its name in an archive.
    pub(crate) fn name(&self) -> String {
        let inner = match self {
            Self::Version => "VERSION".to_owned(),
            Self::Manifest => "MANIFEST".to_owned(),
            Self::Key(_) | Self::Block(_) | Self::Main => {
                let path = self.path(Path::new(""));
                let parts = path.iter().map(|part| part.to_string_lossy());
                parts.collect::<Vec<_>>().join("/")
            }
        };
        format!("{FOLDER}{inner}")
    }

    /// Where it belongs in a home. What is no file of a home is where nobody looks for it.
    pub(crate) fn path(&self, home: &Path) -> PathBuf {
        match self {
            Self::Version => home.join("VERSION"),
            Self::Manifest => home.join("MANIFEST"),
            Self::Key(name) => home.join("keys").join(name),
            Self::Block(cid) => Store::block_path(home, cid),
            Self::Main => home.join("store").join("main.db"),
        }
    }

    /// Most bytes that it may have.
    pub(crate) fn bytes_max(&self) -> u64 {
        match self {
            Self::Version => VERSION.len() as u64,
            Self::Key(_) => KEY_BYTES_MAX,
            Self::Block(_) => BLOCK_BYTES_MAX as u64,
            Self::Main => u64::MAX,
            Self::Manifest => MANIFEST_BYTES_MAX,
        }
    }
}

/// The name of a block's file: a CID, or the name of a sealed block.
fn block_name(text: &str) -> Option<Cid> {
    match parse_cid(text) {
        Ok(cid) => Some(cid),
        Err(_) => Cid::try_from(text).ok().filter(is_sealed),
    }
}

/// The line of a manifest for an entry.
pub(crate) fn manifest_line(digest: &Sha256, name: &str) -> String {
    let mut line = String::with_capacity(DIGEST_CHARS + name.len() + 3);
    for byte in digest.clone().finalize() {
        line.push_str(&format!("{byte:02x}"));
    }
    line.push_str("  ");
    line.push_str(name);
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    //! Without these an archive could put files where nobody expects them.
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn every_part_has_one_name() {
        let block = ipvm_ipld::cid_of(ipvm_ipld::codec::RAW, b"x");
        let parts = [
            Part::Version,
            Part::Key("owner.key"),
            Part::Key("sealing.key"),
            Part::Block(block),
            Part::Block(ipvm_ipld::sealed::name_of(&[7; 32])),
            Part::Main,
            Part::Manifest,
        ];
        for part in parts {
            assert_eq!(Part::of_name(&part.name()), Some(part.clone()), "{part:?}");
        }
        assert_eq!(Part::Main.name(), "ipvm-home/store/main.db");
    }

    #[test]
    fn no_other_name_is_taken() {
        let block = Part::Block(ipvm_ipld::cid_of(ipvm_ipld::codec::RAW, b"x")).name();
        let (folder, cid) = block.rsplit_once('/').unwrap();
        for name in [
            "",
            "VERSION",
            "/ipvm-home/VERSION",
            "ipvm-home/../VERSION",
            "ipvm-home/keys/../../owner.key",
            "ipvm-home/keys/other.key",
            "ipvm-home/keys/",
            "ipvm-home/lock",
            "ipvm-home/store/index.db",
            "ipvm-home/store/main.db-wal",
            "ipvm-home/cache/modules/x",
            "ipvm-home//keys/owner.key",
            "ipvm-home/keys/owner.key/",
            &format!("ipvm-home/blocks/{cid}"),
            &format!("ipvm-home/blocks/zz/{cid}"),
            &format!("{folder}/../{cid}"),
            &format!("{folder}/.part-1-1"),
            &block.to_uppercase(),
        ] {
            assert_eq!(Part::of_name(name), None, "{name}");
        }
    }

    #[test]
    fn a_line_is_what_sha256sum_writes() {
        let mut digest = Sha256::new();
        digest.update(b"abc");
        assert_eq!(
            manifest_line(&digest, "n"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  n\n"
        );
    }
}
