//! Secret work: what of a workflow is secret, how it is kept, and how its owner finds it again.
//!
//! All that belongs to secret steps is sealed ([`crate::vault`]) before it reaches the disk: their inputs, invocations,
//! receipts, results and logs; and the whole of a workflow that has such a step, with the request for it. What is open
//! and what is sealed are looked up apart: an open step never finds a sealed result, nor the other way round. For
//! others than the owner nothing sealed is ever looked for.

use std::collections::HashSet;
use std::io::Read;
use std::path::{Path, PathBuf};

use ipvm_ipld::sealed::{Head, is_frame};
use ipvm_ipld::{Block, Cid, Ipld, Limits, cbor, codec, links, links_of_value};
use ipvm_store::{NewReceipt, PinKind, ReceiptId, ReceiptKeys, StoredReceipt};
use ipvm_ucan::{Did, Receipt};
use ipvm_workflow::{Plan, Secrecy, Secrets, TaskParts};

use crate::add::{AddOptions, Added, Adding, BlockWriter, hash_file};
use crate::memo::is_reusable;
use crate::vault::Vault;
use crate::{Node, NodeError};

/// What of a workflow is secret, and what its sealed parts may name openly.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Secret {
    pub(crate) secrecy: Secrecy,
    /// Content of the open steps, and modules.
    pub(crate) open: HashSet<Cid>,
}

impl Secret {
    pub(crate) fn is_empty(&self) -> bool {
        self.secrecy.is_empty()
    }

    pub(crate) fn has(&self, step: u32) -> bool {
        self.secrecy.has(step)
    }
}

impl Node {
    /// The owner's vault. A key under a passphrase is unlocked for it.
    pub(crate) fn vault(&self) -> Result<&Vault, NodeError> {
        self.vault_in(|| {
            let owner = self.keys().owner()?;
            self.home_paths().vault(owner)
        })
    }

    /// The vault, if there is anything sealed in this home and the key can be had.
    pub(crate) fn vault_if_any(&self) -> Result<Option<&Vault>, NodeError> {
        if !self.store().has_sealed()? {
            return Ok(None);
        }
        match self.vault() {
            Err(NodeError::NoPassphrase(_)) => Ok(None),
            vault => vault.map(Some),
        }
    }

    /// A block that is not sealed.
    pub(crate) fn open_block(&self, cid: &Cid) -> Result<Option<Vec<u8>>, NodeError> {
        Ok(self.store().get(cid)?.filter(|bytes| !is_frame(bytes)))
    }

    /// A block or receipt that is sealed, by its CID or by its sealed name.
    pub(crate) fn sealed_block(&self, cid: &Cid) -> Result<Option<Block>, NodeError> {
        let Some(vault) = self.vault_if_any()? else {
            return Ok(None);
        };
        let name = match cid.codec() {
            codec::SEALED => *cid,
            _ => vault.name(cid),
        };
        let frame = self.store().get(&name)?;
        Ok(frame.and_then(|frame| vault.open(&frame)))
    }

    /// Whether content is here, and sealed only. What was added as secret stays so until it is added openly: a copy that
    /// came along with a request of somebody else changes nothing for the owner.
    pub(crate) fn is_secret_content(&self, cid: &Cid) -> Result<bool, NodeError> {
        let Some(vault) = self.vault_if_any()? else {
            return Ok(false);
        };
        let name = vault.name(cid);
        if !self.store().has(&name)? {
            return Ok(false);
        }
        let is_kept = |cid: &Cid| Ok::<_, NodeError>(self.store().pin_of(cid)?.is_some());
        Ok(!self.store().has(cid)? || is_kept(&name)? && !is_kept(cid)?)
    }

    /// The receipt in stored bytes, opened if it is sealed.
    pub(crate) fn decode_receipt(&self, bytes: &[u8]) -> Result<Receipt, NodeError> {
        if !is_frame(bytes) {
            return Ok(Receipt::decode(bytes)?);
        }
        let opened = self.vault()?.open(bytes).ok_or(NodeError::Sealed)?;
        Ok(Receipt::decode(opened.data())?)
    }

    /// The sealed receipt with this CID.
    pub(crate) fn sealed_receipt(
        &self,
        cid: &Cid,
    ) -> Result<Option<(ReceiptId, Receipt)>, NodeError> {
        let Some(vault) = self.vault_if_any()? else {
            return Ok(None);
        };
        let Some(stored) = self.store().receipt(&vault.name(cid))? else {
            return Ok(None);
        };
        Ok(Some((stored.id, self.decode_receipt(&stored.block)?)))
    }

    /// The sealed receipt that answers this very task.
    pub(crate) fn find_sealed_by_task(
        &self,
        task: &Cid,
    ) -> Result<Option<(ReceiptId, Receipt)>, NodeError> {
        let Some(vault) = self.vault_if_any()? else {
            return Ok(None);
        };
        let found = self.store().receipts_by_task(&vault.name(task))?;
        Ok(self.first_answer(vault, found, Some(task)))
    }

    /// A sealed receipt of any task with this computation.
    pub(crate) fn find_sealed_by_computation(
        &self,
        computation: &Cid,
    ) -> Result<Option<(ReceiptId, Receipt)>, NodeError> {
        let Some(vault) = self.vault_if_any()? else {
            return Ok(None);
        };
        let found = self
            .store()
            .receipts_by_computation(&vault.work(computation))?;
        Ok(self.first_answer(vault, found, None))
    }

    /// The oldest of this home's own receipts that is a result.
    fn first_answer(
        &self,
        vault: &Vault,
        found: Vec<StoredReceipt>,
        task: Option<&Cid>,
    ) -> Option<(ReceiptId, Receipt)> {
        found.into_iter().find_map(|stored| {
            let receipt = Receipt::decode(vault.open(&stored.block)?.data()).ok()?;
            let payload = receipt.payload();
            let answers = task.is_none_or(|task| payload.ran == *task)
                && is_reusable(&payload.out)
                && self.is_own_agent(receipt.executor()).unwrap_or(false);
            answers.then_some((stored.id, receipt))
        })
    }

    /// Every sealed receipt of a task, oldest first.
    pub(crate) fn sealed_receipts_of_task(&self, task: &Cid) -> Result<Vec<Receipt>, NodeError> {
        let Some(vault) = self.vault_if_any()? else {
            return Ok(Vec::new());
        };
        let rows = self.store().receipts_by_task(&vault.name(task))?;
        rows.iter()
            .map(|row| self.decode_receipt(&row.block))
            .collect()
    }

    /// What of a workflow is secret here and now.
    ///
    /// # Errors
    /// A step says `secret: false` and is secret, or the store fails.
    pub(crate) fn secret_of(&self, plan: &Plan) -> Result<Secret, NodeError> {
        let secrecy = plan.secrecy(&self.secrets_around(plan)?)?;
        if secrecy.is_empty() {
            return Ok(Secret::default());
        }
        let mut open = HashSet::from([self.keys().delegation.cid()]);
        for step in 0..plan.len() as u32 {
            if !secrecy.has(step) {
                open.extend(plan.content_of(step));
            } else if let Some(module) = plan.task(step).and_then(|task| module_of(&task)) {
                open.insert(module);
            }
        }
        let mut kept = HashSet::with_capacity(open.len());
        for cid in open {
            if !self.is_secret_content(&cid)? {
                kept.insert(cid);
            }
        }
        Ok(Secret {
            secrecy,
            open: kept,
        })
    }

    /// What a workflow refers to that is secret outside it.
    fn secrets_around(&self, plan: &Plan) -> Result<Secrets, NodeError> {
        let mut known = Secrets::default();
        let any = self.vault_if_any()?.is_some();
        let mut looked = HashSet::new();
        for step in 0..plan.len() as u32 {
            for task in plan.graph().external(step) {
                if !looked.insert(*task) {
                    continue;
                }
                let is_secret = self.crew().is_secret(task)
                    || any
                        && self.find_by_task(task)?.is_none()
                        && self.find_sealed_by_task(task)?.is_some();
                if is_secret {
                    known.tasks.insert(*task);
                }
            }
            if !any {
                continue;
            }
            for cid in plan.content_of(step) {
                if looked.insert(cid) && self.is_secret_content(&cid)? {
                    known.content.insert(cid);
                }
            }
        }
        Ok(known)
    }

    /// Seals the blocks that are not here yet.
    pub(crate) fn seal_new(
        &self,
        blocks: impl IntoIterator<Item = Block>,
        open: &HashSet<Cid>,
    ) -> Result<Vec<Block>, NodeError> {
        let vault = self.vault()?;
        let mut sealed = Vec::new();
        for block in blocks {
            if !self.store().has(&vault.name(block.cid()))? {
                sealed.push(vault.seal_block(&block, open)?);
            }
        }
        Ok(sealed)
    }

    /// Seals the receipt of a secret step, with the key under which its result is found again.
    pub(crate) fn seal_receipt(
        &self,
        receipt: &Receipt,
        computation: Option<&Cid>,
    ) -> Result<NewReceipt, NodeError> {
        let vault = self.vault()?;
        let payload = receipt.payload();
        let mut needs = vec![payload.meta.inv];
        needs.extend(payload.meta.memo);
        needs.extend(payload.meta.log);
        let nothing = HashSet::new();
        let head = Head {
            task: Some(vault.tag_of_block(&payload.ran)),
            computation: computation.map(|computation| vault.tag_of_work(computation)),
            reusable: is_reusable(&payload.out),
            needs: vault.names_of(&needs, &nothing),
            names: vault.names_of(&links_of_value(payload.out.value()), &nothing),
            ..Head::default()
        };
        let block = Block::new(codec::DAG_CBOR, receipt.bytes().to_vec());
        Ok(NewReceipt {
            block: vault.seal(&block, head)?,
            keys: ReceiptKeys {
                task: vault.name(&payload.ran),
                computation: computation.map(|computation| vault.work(computation)),
            },
        })
    }

    /// The name under which a run's workflow or request is kept.
    pub(crate) fn kept_name(&self, cid: &Cid, secret: &Secret) -> Result<Cid, NodeError> {
        match secret.is_empty() {
            true => Ok(*cid),
            false => Ok(self.vault()?.name(cid)),
        }
    }

    /// The CID of what is kept under a name: that of something sealed, if the owner can open it, else the name itself.
    pub(crate) fn true_cid(&self, name: &Cid) -> Result<Cid, NodeError> {
        match name.codec() {
            codec::SEALED => Ok(self.sealed_block(name)?.map_or(*name, |block| *block.cid())),
            _ => Ok(*name),
        }
    }

    /// Adds a file or folder, sealed: only the owner of this home can read it here, and what it goes into is secret.
    /// Content that is here openly already stays so.
    ///
    /// # Errors
    /// As [`Node::add`], or the owner's key cannot be unlocked.
    pub fn add_secret(
        &self,
        path: &Path,
        options: AddOptions,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Added, NodeError> {
        let vault = self.vault()?;
        let adding = Adding::new(self.store(), Some(vault), options, progress);
        let added = adding.path(path)?;
        self.pin_name(vault.name(&added.cid), PinKind::Pinned)?;
        Ok(added)
    }

    /// As [`Node::add_secret`], of what `reader` yields; `name` is used in errors.
    ///
    /// # Errors
    /// As [`Node::add_secret`].
    pub fn add_secret_reader(
        &self,
        mut reader: impl Read,
        name: &Path,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Added, NodeError> {
        let vault = self.vault()?;
        let options = AddOptions::default();
        let adding = Adding::new(self.store(), Some(vault), options, progress);
        let added = adding.reader(&mut reader, name)?;
        self.pin_name(vault.name(&added.cid), PinKind::Pinned)?;
        Ok(added)
    }

    /// Adds a file that goes into a task; one that is secret here already is not written again.
    pub(crate) fn add_input(&self, path: &Path) -> Result<Cid, NodeError> {
        if self.vault_if_any()?.is_some() {
            let cid = hash_file(path)?;
            if self.is_secret_content(&cid)? {
                return Ok(cid);
            }
        }
        Ok(self.add(path, &mut |_| ())?.cid)
    }

    /// Stores the files of a workflow, now that it is known which of its steps are secret: sealed is what only these
    /// use.
    pub(crate) fn store_inputs(
        &self,
        held: &[(PathBuf, Cid)],
        plan: &Plan,
        secret: &Secret,
    ) -> Result<(), NodeError> {
        let mut used: HashSet<Cid> = HashSet::new();
        for step in secret.secrecy.steps() {
            used.extend(plan.content_of(step));
        }
        for (path, cid) in held {
            if self.is_secret_content(cid)? {
                continue;
            }
            let seal = used.contains(cid) && !secret.open.contains(cid);
            let vault = if seal { Some(self.vault()?) } else { None };
            let mut ignored = |_| ();
            let adding = Adding::new(self.store(), vault, AddOptions::default(), &mut ignored);
            if adding.path(path)?.cid != *cid {
                return Err(NodeError::Changed(path.clone()));
            }
        }
        let files: HashSet<&Cid> = held.iter().map(|(_, cid)| cid).collect();
        used.retain(|cid| !files.contains(cid) && !secret.open.contains(cid));
        used.iter().try_for_each(|cid| self.seal_copy(cid))
    }

    /// Seals a copy of content that is here openly and that secret work names. What nobody else names would be collected,
    /// since what is sealed does not say openly what it needs.
    fn seal_copy(&self, root: &Cid) -> Result<(), NodeError> {
        let vault = self.vault()?;
        if self.store().has(&vault.name(root))? {
            return Ok(());
        }
        let mut found = Vec::new();
        let mut seen = HashSet::from([*root]);
        let mut pending = vec![*root];
        while let Some(cid) = pending.pop() {
            let Some(data) = self.open_block(&cid)? else {
                continue;
            };
            // What a receipt refers to is kept by what keeps the receipt.
            let is_receipt =
                cid.codec() == codec::DAG_CBOR && self.store().receipt(&cid)?.is_some();
            if !is_receipt {
                let below = links(&cid, &data).unwrap_or_default();
                pending.extend(below.into_iter().filter(|cid| seen.insert(*cid)));
            }
            found.push(cid);
        }
        // The root comes last: once it is there, all of it is.
        let mut writer = BlockWriter::of(self.store(), Some(vault));
        for cid in found.iter().rev() {
            let data = self.open_block(cid)?.ok_or(NodeError::NoBlock(*cid))?;
            let block = Block::verify(*cid, data);
            writer.push(block.map_err(|error| NodeError::Internal(error.to_string()))?)?;
        }
        writer.finish().map(drop)
    }
}

fn module_of(task: &TaskParts<'_>) -> Option<Cid> {
    match cbor::decode(cbor::entry(task.args, "mod")?, Limits::default()) {
        Ok(Ipld::Link(module)) => Some(module),
        _ => None,
    }
}

/// Whether a run or a receipt on record is sealed, by its name there.
pub(crate) fn is_sealed(name: &Cid) -> bool {
    name.codec() == codec::SEALED
}

/// Reads the sealed part of a store for its check.
pub(crate) fn check_sealed(
    vault: Option<&Vault>,
    frame: &[u8],
    agents: &[Did],
) -> Result<bool, String> {
    let Some(opened) = vault.and_then(|vault| vault.open(frame)) else {
        // Another's, or nobody gave the key: its hash is all that can be checked.
        return Ok(false);
    };
    let Ok(receipt) = Receipt::decode(opened.data()) else {
        return Ok(true);
    };
    if !agents.contains(receipt.executor()) {
        return Ok(true);
    }
    receipt
        .verify_signature()
        .map(|()| true)
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    //! Without this, a file could be judged by one content and stored with another.
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::Access;
    use crate::prepare::single;

    #[test]
    fn a_file_that_changes_while_it_is_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let node = Node::open(&folder.path().join("home"), Access::Write).unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "one").unwrap();
        let cid = hash_file(&path).unwrap();
        let task = ipvm_workflow::Task {
            sub: node.owner().clone(),
            cmd: ipvm_workflow::WASM_RUN.parse().unwrap(),
            args: [("args".to_owned(), Ipld::Link(cid))].into(),
            nonce: Vec::new(),
        };
        let plan = single("t".to_owned(), task, None).unwrap().plan;
        let secret = node.secret_of(&plan).unwrap();
        let held = [(path.clone(), cid)];
        node.store_inputs(&held, &plan, &secret).unwrap();
        std::fs::write(&path, "two").unwrap();
        let refused = node.store_inputs(&held, &plan, &secret);
        assert!(matches!(refused, Err(NodeError::Changed(changed)) if changed == path));
    }
}
