//! Where a node keeps what is its own, and the two keys it has from the first start.
//!
//! ```text
//! $IPVM_HOME/
//!   keys/owner.key   the person's key: asks for work and owns the results
//!   keys/agent.key   this home's key: does the work and signs the receipts; never copied
//!   keys/agent.dlg   the delegation owner → agent, the agent's only authority
//!   store/ blocks/   what was computed and added (see `ipvm-store`)
//!   cache/           compiled modules and their interfaces; may be deleted at any time
//! ```

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use ipvm_ucan::{Delegation, DelegationPayload, Keypair, Policy};
use zeroize::Zeroizing;

use crate::NodeError;

/// First line of a key file; what follows is the seed, 64 hexadecimal digits.
const KEY_HEADER: &str = "ipvm ed25519 seed";
/// A key file is 82 bytes; anything longer is not one.
const MAX_KEY_FILE: u64 = 256;
/// Bytes of a delegation's nonce.
const NONCE_LEN: usize = 12;

/// The two keys of a home and what binds them.
#[derive(Debug)]
pub(crate) struct Keys {
    pub(crate) owner: Keypair,
    pub(crate) agent: Keypair,
    /// Owner → agent, command `/`, no expiry.
    pub(crate) delegation: Delegation,
}

/// The folder of a home, whether or not it exists.
#[derive(Clone, Debug)]
pub(crate) struct Home(PathBuf);

impl Home {
    pub(crate) fn new(root: &Path) -> Self {
        Self(root.to_path_buf())
    }

    pub(crate) fn root(&self) -> &Path {
        &self.0
    }

    pub(crate) fn cache(&self) -> PathBuf {
        self.0.join("cache")
    }

    fn keys_dir(&self) -> PathBuf {
        self.0.join("keys")
    }

    /// Whether a first start has happened here.
    pub(crate) fn exists(&self) -> bool {
        self.keys_dir().join("agent.dlg").exists()
    }

    /// Makes the folder, readable by its owner alone.
    pub(crate) fn create(&self) -> Result<(), NodeError> {
        for dir in [self.0.clone(), self.keys_dir()] {
            create_private_dir(&dir).map_err(|source| NodeError::io("create", &dir, source))?;
            failpoint!("home.folder");
        }
        Ok(())
    }

    /// Reads the keys, making on a first start those that are missing.
    ///
    /// The delegation is written last: a start that was cut short is completed by the next one.
    pub(crate) fn keys(&self, create: bool) -> Result<Keys, NodeError> {
        let owner = self.key("owner.key", create)?;
        let agent = self.key("agent.key", create)?;
        let path = self.keys_dir().join("agent.dlg");
        let delegation = match fs::read(&path) {
            Ok(bytes) => Delegation::decode(&bytes).map_err(|error| NodeError::Key {
                path: path.clone(),
                message: error.to_string(),
            })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound && create => {
                let delegation = delegate(&owner, &agent)?;
                write_new(&path, delegation.bytes())
                    .map_err(|source| NodeError::io("write", &path, source))?;
                delegation
            }
            Err(source) => return Err(NodeError::io("read", &path, source)),
        };
        delegation
            .verify_signature()
            .map_err(|error| NodeError::Key {
                path: path.clone(),
                message: error.to_string(),
            })?;
        let payload = delegation.payload();
        if payload.iss != *owner.did() || payload.aud != *agent.did() {
            return Err(NodeError::Key {
                path,
                message: "it does not delegate from this home's owner to its agent".into(),
            });
        }
        Ok(Keys {
            owner,
            agent,
            delegation,
        })
    }

    fn key(&self, name: &str, create: bool) -> Result<Keypair, NodeError> {
        let path = self.keys_dir().join(name);
        let text = match read_small(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound && create => {
                return new_key(&path);
            }
            Err(source) => return Err(NodeError::io("read", &path, source)),
        };
        let seed = parse_key(&text).ok_or_else(|| NodeError::Key {
            path,
            message: format!("expected the line `{KEY_HEADER}` and 64 hexadecimal digits"),
        })?;
        Ok(Keypair::from_seed(&seed))
    }
}

/// The owner lets the agent do anything on the owner's behalf.
fn delegate(owner: &Keypair, agent: &Keypair) -> Result<Delegation, NodeError> {
    let mut nonce = vec![0; NONCE_LEN];
    fill_random(&mut nonce)?;
    let payload = DelegationPayload {
        iss: owner.did().clone(),
        aud: agent.did().clone(),
        sub: Some(owner.did().clone()),
        cmd: "/".parse()?,
        pol: Policy::none(),
        nonce,
        meta: None,
        nbf: None,
        exp: None,
    };
    Ok(Delegation::sign(owner, payload)?)
}

/// Fills `bytes` from the operating system's randomness.
pub(crate) fn fill_random(bytes: &mut [u8]) -> Result<(), NodeError> {
    getrandom::fill(bytes).map_err(|error| NodeError::Random(error.to_string()))
}

fn new_key(path: &Path) -> Result<Keypair, NodeError> {
    let mut seed = Zeroizing::new([0u8; 32]);
    fill_random(&mut *seed)?;
    let mut text = Zeroizing::new(format!("{KEY_HEADER}\n"));
    for byte in seed.iter() {
        text.push_str(&format!("{byte:02x}"));
    }
    text.push('\n');
    write_new(path, text.as_bytes()).map_err(|source| NodeError::io("write", path, source))?;
    Ok(Keypair::from_seed(&seed))
}

fn parse_key(text: &str) -> Option<Zeroizing<[u8; 32]>> {
    let digits = text
        .strip_prefix(KEY_HEADER)?
        .strip_prefix('\n')?
        .trim_end();
    if digits.len() != 64 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let mut seed = Zeroizing::new([0u8; 32]);
    for (at, byte) in seed.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(at * 2..at * 2 + 2)?, 16).ok()?;
    }
    Some(seed)
}

fn read_small(path: &Path) -> io::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    File::open(path)?
        .take(MAX_KEY_FILE)
        .read_to_string(&mut text)?;
    Ok(text)
}

/// Writes a file that did not exist, for its owner alone: complete or not at all.
fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("new");
    // Left by a start that was cut short; nobody else writes here.
    let _ = fs::remove_file(&temporary);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&temporary)?;
    failpoint!("home.file_made");
    file.write_all(bytes)?;
    file.sync_all()?;
    failpoint!("home.file_written");
    fs::rename(&temporary, path)?;
    failpoint!("home.file_named");
    if let Some(parent) = path.parent() {
        File::open(parent)?.sync_all()?;
    }
    Ok(())
}

pub(crate) fn create_private_dir(dir: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

#[cfg(test)]
mod tests {
    //! Without these a home could lose its identity: a key replaced, or accepted when damaged.
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn keys_are_made_once_and_private() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(&dir.path().join("home"));
        assert!(!home.exists());
        home.create().unwrap();
        let first = home.keys(true).unwrap();
        let again = home.keys(false).unwrap();
        assert_eq!(first.owner.did(), again.owner.did());
        assert_eq!(first.agent.did(), again.agent.did());
        assert_eq!(first.delegation.cid(), again.delegation.cid());
        assert_ne!(first.owner.did(), first.agent.did());
        assert!(home.exists());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode(home.keys_dir().join("owner.key")), 0o600);
            assert_eq!(mode(home.keys_dir()), 0o700);
        }
    }

    #[test]
    fn damaged_keys_are_refused_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(dir.path());
        home.create().unwrap();
        home.keys(true).unwrap();
        let path = home.keys_dir().join("agent.key");
        for text in [
            "",
            "garbage",
            "ipvm ed25519 seed\n00",
            "ipvm ed25519 seed\nzz",
        ] {
            fs::write(&path, text).unwrap();
            let error = home.keys(true).unwrap_err().to_string();
            assert!(error.contains("agent.key"), "{error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text, "left as it was");
        }
        // Another valid key: the delegation does not fit it.
        fs::write(&path, format!("{KEY_HEADER}\n{}\n", "07".repeat(32))).unwrap();
        assert!(
            home.keys(true)
                .unwrap_err()
                .to_string()
                .contains("agent.dlg")
        );
    }
}
