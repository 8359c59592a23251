//! New keys for a home, and passphrases for those it has.
//!
//! The old key passes on all that it has, and all that it will be given, to the new one; then its secret is gone. The
//! order of a rotation: the new files beside the old ones; then, in one commit, the old key's delegations and the record
//! of who took whose place; then the new files in the place of the old. A crash before the commit leaves the old keys, one
//! after it is completed by the next start.

use std::fs;
use std::path::{Path, PathBuf};

use ipvm_store::{Batch, Former, NewToken, Role, Store};
use ipvm_ucan::{Algorithm, DelegationBuilder, Did, Keypair};

use crate::home::{
    AGENT_DELEGATION, AGENT_KEY, Home, OWNER_KEY, SEALING_KEY, delegate, new_pair, nonce, read_key,
    with_suffix, write_private,
};
use crate::keys::{Key, Keys, Sealed, plain};
use crate::scribe::token;
use crate::vault::Vault;
use crate::{Node, NodeError};

/// What a file is called that is to take another's place.
const NEXT: &str = "next";

/// One of the two keys of a home.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WhichKey {
    /// The person's.
    Owner,
    /// The home's own.
    Agent,
}

/// A key that was replaced.
#[derive(Clone, Debug)]
pub struct Rotated {
    /// Who it was.
    pub former: Did,
    /// Who it is.
    pub now: Did,
}

impl Node {
    /// Replaces a key by a new one, of this type or else that of the old one. This handle has the old keys; open the home
    /// anew.
    ///
    /// # Errors
    /// The keys are locked, or files cannot be written.
    pub fn rotate_key(
        &self,
        which: WhichKey,
        algorithm: Option<Algorithm>,
    ) -> Result<Rotated, NodeError> {
        let keys = self.keys();
        let (old, name, role) = match which {
            WhichKey::Owner => (keys.owner()?, OWNER_KEY, Role::Owner),
            WhichKey::Agent => (keys.agent()?, AGENT_KEY, Role::Agent),
        };
        let new = new_pair(algorithm.unwrap_or(old.algorithm()))?;
        let binding = match which {
            WhichKey::Owner => delegate(&new, self.agent())?,
            WhichKey::Agent => delegate(keys.owner()?, new.did())?,
        };
        let text = keys.text_of(&new)?;
        let home = self.home_paths();
        let sealing = match which {
            WhichKey::Owner => {
                let label = new.did().as_str().as_bytes();
                let next = Vault::of_secret(&new.seed());
                Some(self.vault()?.wrap_for(&next, label)?)
            }
            WhichKey::Agent => None,
        };
        let sealing = sealing.as_deref().map(|wrapped| (SEALING_KEY, wrapped));
        let keys = [(name, text.as_bytes()), (AGENT_DELEGATION, binding.bytes())];
        for (name, bytes) in keys.into_iter().chain(sealing) {
            let path = with_suffix(&home.key_path(name), NEXT);
            write_private(&path, bytes).map_err(|source| NodeError::io("write", &path, source))?;
        }
        let since = self.now();
        let mut batch = Batch::new();
        for passed_on in pass_on(old, new.did())? {
            batch.token(NewToken {
                block: token(passed_on.bytes()),
                since,
            });
        }
        batch.former(Former {
            did: old.did().to_string(),
            role,
            successor: new.did().to_string(),
            since,
        });
        self.store().commit(batch)?;
        self.forget_known();
        settle(home, self.store())?;
        Ok(Rotated {
            former: old.did().clone(),
            now: new.did().clone(),
        })
    }

    /// Seals both keys under a passphrase, or another one; without one, they are written as they are.
    ///
    /// # Errors
    /// The passphrase they are sealed under is not given or wrong, or files cannot be written.
    pub fn protect_keys(&self, passphrase: Option<&str>) -> Result<(), NodeError> {
        let keys = self.keys();
        let write = |key: &Key, pair: &Keypair| {
            let text = match passphrase {
                Some(passphrase) => Sealed::seal(pair, passphrase)?,
                None => plain(pair),
            };
            let path = key.path();
            write_private(path, text.as_bytes())
                .map_err(|source| NodeError::io("write", path, source))
        };
        // Both are opened before either is written: a wrong passphrase changes nothing.
        let (owner, agent) = (keys.owner()?, keys.agent()?);
        write(&keys.owner, owner)?;
        write(&keys.agent, agent)
    }

    /// Whether a passphrase is needed to sign.
    pub fn keys_are_protected(&self) -> bool {
        self.keys().are_sealed()
    }

    /// The keys that this home had before, oldest first: whose, and who.
    ///
    /// # Errors
    /// The store fails.
    pub fn former_keys(&self) -> Result<Vec<(WhichKey, Did, i64)>, NodeError> {
        let each = self.store().former()?.into_iter();
        each.map(|former| {
            let which = match former.role {
                Role::Owner => WhichKey::Owner,
                Role::Agent => WhichKey::Agent,
            };
            let did = former.did.parse();
            let did = did.map_err(|error| {
                NodeError::Name(format!("the former key {:?}: {error}", former.did))
            })?;
            Ok((which, did, former.since))
        })
        .collect()
    }
}

impl Keys {
    /// The text of a key file as protected as these are.
    fn text_of(&self, pair: &Keypair) -> Result<zeroize::Zeroizing<String>, NodeError> {
        match self.are_sealed() {
            true => Sealed::seal(pair, self.passphrase(self.owner.path())?),
            false => Ok(plain(pair)),
        }
    }
}

/// All that a principal has, and all that it will be given.
fn pass_on(old: &Keypair, new: &Did) -> Result<[ipvm_ucan::Delegation; 2], NodeError> {
    let all = || -> Result<_, NodeError> { Ok(DelegationBuilder::new(old, new, "/".parse()?)) };
    Ok([
        all()?.never_expires().sign(nonce()?)?,
        all()?.powerline().never_expires().sign(nonce()?)?,
    ])
}

/// Completes a rotation whose record is durable, and takes back one whose record is not.
pub(crate) fn settle(home: &Home, store: &Store) -> Result<(), NodeError> {
    let next = |name: &str| with_suffix(&home.key_path(name), NEXT);
    let names = [OWNER_KEY, AGENT_KEY, AGENT_DELEGATION, SEALING_KEY];
    let there: Vec<&str> = names
        .into_iter()
        .filter(|name| next(name).exists())
        .collect();
    if there.is_empty() {
        return Ok(());
    }
    let mut is_on_record = false;
    for name in [OWNER_KEY, AGENT_KEY] {
        // The key goes last: where only its delegation is left, the record was there.
        if let Some(key) = read_key(&next(name))? {
            let did = key.did().as_str();
            let former = store.former()?;
            is_on_record |= former.iter().any(|former| former.successor == did);
        }
    }
    for name in order(&there) {
        let (from, to) = (next(name), home.key_path(name));
        let done = match is_on_record {
            true => fs::rename(&from, &to),
            false => fs::remove_file(&from),
        };
        done.map_err(|source| NodeError::io("replace", &to, source))?;
    }
    sync(&home.key_path(""))
}

/// The keys last: as long as the new key's file is there, it says what is to be done.
fn order<'n>(there: &[&'n str]) -> Vec<&'n str> {
    let mut order = there.to_vec();
    order.sort_by_key(|name| [OWNER_KEY, AGENT_KEY].contains(name));
    order
}

fn sync(folder: &Path) -> Result<(), NodeError> {
    let folder: PathBuf = folder.to_path_buf();
    let synced = fs::File::open(&folder).and_then(|folder| folder.sync_all());
    synced.map_err(|source| NodeError::io("write", &folder, source))
}

#[cfg(test)]
mod tests {
    //! Without these a rotation that a crash cuts short would leave a home without a key that fits.
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::Access;

    fn files(home: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(home.join("keys"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// Breaks: what is sealed outside the store would be lost with the key, since the store knows nothing of it.
    #[test]
    fn bytes_outside_the_store_open_after_a_rotation() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().join("home");
        let node = Node::open(&home, Access::Write).unwrap();
        assert!(!node.store().has_sealed().unwrap());
        let vault = node.vault().unwrap();
        let sealed = vault.seal_bytes("credential", b"mail", b"token").unwrap();
        node.rotate_key(WhichKey::Owner, None).unwrap();
        drop(node);
        let node = Node::open(&home, Access::Write).unwrap();
        let opened = node.vault().unwrap();
        let opened = opened.open_bytes("credential", b"mail", &sealed).unwrap();
        assert_eq!(opened.as_slice(), b"token");
    }

    /// After the new files are there, and before the record: the old keys stay.
    #[test]
    fn without_a_record_the_old_keys_stay() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().join("home");
        let agent = Node::open(&home, Access::Write).unwrap().agent().clone();
        let new = new_pair(Algorithm::Ed25519).unwrap();
        fs::write(home.join("keys/agent.key.next"), plain(&new).as_bytes()).unwrap();
        fs::write(home.join("keys/agent.dlg.next"), b"x").unwrap();
        assert_eq!(*Node::open(&home, Access::Write).unwrap().agent(), agent);
        assert_eq!(files(&home), ["agent.dlg", "agent.key", "owner.key"]);
    }

    /// After the record: the new keys are put in place, wherever the crash was.
    #[test]
    fn with_a_record_the_new_keys_take_their_place() {
        for renamed in 0..3 {
            let dir = tempfile::tempdir().unwrap();
            let home = dir.path().join("home");
            let node = Node::open(&home, Access::Write).unwrap();
            let keys = home.join("keys");
            let names = [AGENT_DELEGATION, AGENT_KEY];
            let old = names.map(|name| fs::read(keys.join(name)).unwrap());
            let rotated = node.rotate_key(WhichKey::Agent, None).unwrap();
            drop(node);
            // As it was after so many renames.
            for (name, old) in names.iter().zip(old).skip(renamed) {
                let path = keys.join(name);
                fs::rename(&path, with_suffix(&path, NEXT)).unwrap();
                fs::write(&path, old).unwrap();
            }
            let node = Node::open(&home, Access::Write).unwrap();
            assert_eq!(*node.agent(), rotated.now, "{renamed}");
            assert_eq!(files(&home), ["agent.dlg", "agent.key", "owner.key"]);
            assert!(node.is_own_agent(&rotated.former).unwrap());
        }
    }
}
