//! Where a node keeps what is its own, and the two keys it has from the first start.
//!
//! ```text
//! $IPVM_HOME/
//!   keys/owner.key   the person's key: asks for work and owns the results
//!   keys/agent.key   this home's key: does the work and signs the receipts; never copied
//!   keys/agent.dlg   the delegation owner → agent, the agent's only authority
//!   keys/sealing.key only after the owner's key was replaced: opens what the key before has sealed
//!   store/ blocks/   what was computed and added (see `ipvm-store`)
//!   cache/           compiled modules and their interfaces; may be deleted at any time
//! ```

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use ipvm_ucan::{Algorithm, Delegation, DelegationBuilder, Did, Keypair, NONCE_BYTES};
use zeroize::Zeroizing;

use crate::NodeError;
use crate::keys::{AskPassphrase, Key, KeyFile, Keys, MAX_KEY_FILE, plain};
use crate::vault::Vault;

/// The person's key.
pub(crate) const OWNER_KEY: &str = "owner.key";
/// The home's key.
pub(crate) const AGENT_KEY: &str = "agent.key";
/// The delegation from the one to the other.
pub(crate) const AGENT_DELEGATION: &str = "agent.dlg";
/// Under the owner's key, that with which earlier ones sealed.
pub(crate) const SEALING_KEY: &str = "sealing.key";
/// Largest file of that name, in bytes.
const MAX_SEALING_KEY: u64 = 1024;
/// Most random secrets that are drawn for a key: of the curves, fewer than one in 2^32 is none.
const MAX_DRAWS: u32 = 4;

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

    /// Reads the keys, making on a first start those that are missing, of the type `create`.
    ///
    /// The delegation is written last: a start that was cut short is completed by the next one.
    pub(crate) fn keys(
        &self,
        create: Option<Algorithm>,
        ask: AskPassphrase,
    ) -> Result<Keys, NodeError> {
        let owner = self.key(OWNER_KEY, create)?;
        let agent = self.key(AGENT_KEY, create)?;
        let path = self.key_path(AGENT_DELEGATION);
        let delegation = match fs::read(&path) {
            Ok(bytes) => Delegation::decode(&bytes).map_err(|error| NodeError::Key {
                path: path.clone(),
                message: error.to_string(),
            })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound && create.is_some() => {
                let (KeyFile::Plain(owner), KeyFile::Plain(agent)) = (&owner, &agent) else {
                    return Err(NodeError::io("read", &path, error));
                };
                let delegation = delegate(owner, agent.did())?;
                write_private(&path, delegation.bytes())
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
        Keys::new(
            Key::new(&self.key_path(OWNER_KEY), owner),
            Key::new(&self.key_path(AGENT_KEY), agent),
            delegation,
            ask,
        )
    }

    /// The vault of an owner: made of the key, or what an earlier key left for it.
    pub(crate) fn vault(&self, owner: &Keypair) -> Result<Vault, NodeError> {
        let own = Vault::of_secret(&owner.seed());
        let path = self.key_path(SEALING_KEY);
        let mut wrapped = Vec::new();
        let read =
            File::open(&path).and_then(|file| file.take(MAX_SEALING_KEY).read_to_end(&mut wrapped));
        match read {
            Ok(_) => own
                .unwrap(&wrapped, owner.did().as_str().as_bytes())
                .ok_or(NodeError::SealingKey(path)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(own),
            Err(source) => Err(NodeError::io("read", &path, source)),
        }
    }

    /// The path of a file among the keys.
    pub(crate) fn key_path(&self, name: &str) -> PathBuf {
        self.keys_dir().join(name)
    }

    fn key(&self, name: &str, create: Option<Algorithm>) -> Result<KeyFile, NodeError> {
        let path = self.key_path(name);
        if let Some(file) = read_key(&path)? {
            return Ok(file);
        }
        let Some(algorithm) = create else {
            return Err(NodeError::io("read", &path, io::ErrorKind::NotFound.into()));
        };
        let pair = new_pair(algorithm)?;
        write_private(&path, plain(&pair).as_bytes())
            .map_err(|source| NodeError::io("write", &path, source))?;
        Ok(KeyFile::Plain(pair))
    }
}

/// The key in a file, if there is one.
pub(crate) fn read_key(path: &Path) -> Result<Option<KeyFile>, NodeError> {
    let text = match read_small(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(NodeError::io("read", path, source)),
    };
    let file = KeyFile::parse(&text).map_err(|message| NodeError::Key {
        path: path.to_path_buf(),
        message,
    })?;
    Ok(Some(file))
}

/// A key from the operating system's randomness.
pub(crate) fn new_pair(algorithm: Algorithm) -> Result<Keypair, NodeError> {
    let mut seed = Zeroizing::new([0u8; 32]);
    for _ in 0..MAX_DRAWS {
        fill_random(&mut *seed)?;
        if let Ok(pair) = Keypair::from_secret(algorithm, &seed) {
            return Ok(pair);
        }
    }
    Err(NodeError::Internal("no key was drawn".into()))
}

/// The owner lets the agent do anything on the owner's behalf.
pub(crate) fn delegate(owner: &Keypair, agent: &Did) -> Result<Delegation, NodeError> {
    let delegation = DelegationBuilder::new(owner, agent, "/".parse()?).never_expires();
    Ok(delegation.sign(nonce()?)?)
}

/// The nonce of a delegation.
pub(crate) fn nonce() -> Result<[u8; NONCE_BYTES], NodeError> {
    let mut nonce = [0; NONCE_BYTES];
    fill_random(&mut nonce)?;
    Ok(nonce)
}

/// Fills `bytes` from the operating system's randomness.
pub(crate) fn fill_random(bytes: &mut [u8]) -> Result<(), NodeError> {
    getrandom::fill(bytes).map_err(|error| NodeError::Random(error.to_string()))
}

fn read_small(path: &Path) -> io::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    File::open(path)?
        .take(MAX_KEY_FILE)
        .read_to_string(&mut text)?;
    Ok(text)
}

/// Writes a file for its owner alone: complete or not at all. One that is there is replaced.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = with_suffix(path, "new");
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

/// The path of a file that stands beside another for a while.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    PathBuf::from(name)
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

    use std::sync::Arc;

    use super::*;

    fn nobody() -> AskPassphrase {
        Arc::new(|| Ok(None))
    }

    #[test]
    fn keys_are_made_once_and_private() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(&dir.path().join("home"));
        assert!(!home.exists());
        home.create().unwrap();
        let first = home.keys(Some(Algorithm::Ed25519), nobody()).unwrap();
        let again = home.keys(None, nobody()).unwrap();
        assert_eq!(first.owner_did(), again.owner_did());
        assert_eq!(first.agent_did(), again.agent_did());
        assert_eq!(first.delegation.cid(), again.delegation.cid());
        assert_ne!(first.owner_did(), first.agent_did());
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
        home.keys(Some(Algorithm::Ed25519), nobody()).unwrap();
        let path = home.keys_dir().join("agent.key");
        for text in [
            "",
            "garbage",
            "ipvm ed25519 seed\n00",
            "ipvm ed25519 seed\nzz",
        ] {
            fs::write(&path, text).unwrap();
            let error = home
                .keys(Some(Algorithm::Ed25519), nobody())
                .unwrap_err()
                .to_string();
            assert!(error.contains("agent.key"), "{error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text, "left as it was");
        }
        // Another valid key: the delegation does not fit it.
        fs::write(&path, format!("ipvm ed25519 seed\n{}\n", "07".repeat(32))).unwrap();
        assert!(
            home.keys(Some(Algorithm::Ed25519), nobody())
                .unwrap_err()
                .to_string()
                .contains("agent.dlg")
        );
    }
}
