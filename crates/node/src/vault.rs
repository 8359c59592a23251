//! What only the owner can read: names and ciphers of sealed blocks, made of the owner's key.
//!
//! From the key's 32-byte secret, with HMAC-SHA-256 throughout:
//!
//! ```text
//! root   = HMAC(key "ipvm sealing 1", secret)
//! names  = HMAC(root, "names")      a tag is HMAC(names, kind ‖ CID), of kind "block" or "work"
//! cipher = HMAC(root, "cipher")     XChaCha20-Poly1305, a random nonce of 24 bytes before the ciphertext
//! other  = HMAC(root, purpose)      the root for bytes that are no blocks: of purpose "wrap" for the root of an earlier
//!                                   key, see `authority/rotate`
//! ```
//!
//! Sealed are the length of the CID (one byte), the CID and the bytes; the frame's head is authenticated with them. Who
//! has another key makes other tags, and finds nothing.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac};
use ipvm_ipld::sealed::{Frame, Head, Tag, name_of};
use ipvm_ipld::{Block, Cid, codec, links};
use sha2::Sha256;
use std::collections::HashSet;
use zeroize::Zeroizing;

use crate::NodeError;
use crate::home::fill_random;

const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 24;
/// Keeps these keys apart from all that is ever made of the same secret.
const DOMAIN: &[u8] = b"ipvm sealing 1";

/// The purpose of sealing the root of an earlier key.
const WRAP: &str = "wrap";

type Secret = Zeroizing<[u8; KEY_BYTES]>;

/// Seals and opens for one owner.
pub(crate) struct Vault {
    root: Secret,
    names: Secret,
    cipher: XChaCha20Poly1305,
}

impl Vault {
    /// That of an owner's secret.
    pub(crate) fn of_secret(secret: &[u8; KEY_BYTES]) -> Self {
        Self::of_root(hmac(DOMAIN, &[secret]))
    }

    fn of_root(root: Secret) -> Self {
        let cipher = hmac(&*root, &[b"cipher"]);
        Self {
            names: hmac(&*root, &[b"names"]),
            cipher: XChaCha20Poly1305::new(&Key::from(*cipher)),
            root,
        }
    }

    /// The name of a block, a receipt or a task.
    pub(crate) fn name(&self, cid: &Cid) -> Cid {
        name_of(&self.tag_of_block(cid))
    }

    /// The name of a computation: its memo key.
    pub(crate) fn work(&self, computation: &Cid) -> Cid {
        name_of(&self.tag_of_work(computation))
    }

    /// The tag in [`Vault::name`].
    pub(crate) fn tag_of_block(&self, cid: &Cid) -> Tag {
        *hmac(&*self.names, &[b"block", &cid.to_bytes()])
    }

    /// The tag in [`Vault::work`].
    pub(crate) fn tag_of_work(&self, computation: &Cid) -> Tag {
        *hmac(&*self.names, &[b"work", &computation.to_bytes()])
    }

    /// Seals a block. What it links to is to be kept with it, under its own name if it is `open`, else under that of the
    /// sealed one.
    pub(crate) fn seal_block(
        &self,
        block: &Block,
        open: &HashSet<Cid>,
    ) -> Result<Block, NodeError> {
        let found = links(block.cid(), block.data()).unwrap_or_default();
        let below = self.names_of(&found, open);
        let (needs, names) = match block.cid().codec() {
            codec::DAG_PB => (below, Vec::new()),
            _ => (Vec::new(), below),
        };
        self.seal(
            block,
            Head {
                needs,
                names,
                ..Head::default()
            },
        )
    }

    /// The names under which things are kept: each once, in an order that says nothing of theirs.
    pub(crate) fn names_of(&self, cids: &[Cid], open: &HashSet<Cid>) -> Vec<Cid> {
        let name = |cid: &Cid| match open.contains(cid) {
            true => *cid,
            false => self.name(cid),
        };
        let mut names: Vec<Cid> = cids.iter().map(name).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Seals a block or a receipt under its own name; the rest of `head` is up to the caller.
    pub(crate) fn seal(&self, block: &Block, head: Head) -> Result<Block, NodeError> {
        let cid = block.cid().to_bytes();
        let head = Head {
            name: self.tag_of_block(block.cid()),
            ..head
        }
        .to_bytes();
        let mut clear = Zeroizing::new(Vec::with_capacity(1 + cid.len() + block.data().len()));
        clear.push(u8::try_from(cid.len()).unwrap_or(u8::MAX));
        clear.extend_from_slice(&cid);
        clear.extend_from_slice(block.data());
        let body = self.encrypt(&clear, &head)?;
        let sealed = Block::seal(&head, &body);
        sealed.map_err(|error| NodeError::Internal(error.to_string()))
    }

    /// Opens a frame: what it is called without the key, and its bytes. None if somebody else sealed it, or it was
    /// changed.
    pub(crate) fn open(&self, frame: &[u8]) -> Option<Block> {
        let frame = Frame::parse(frame).ok()?;
        let clear = self.decrypt(frame.body, frame.head_bytes)?;
        let (length, rest) = clear.split_first()?;
        let (cid, data) = rest.split_at_checked(usize::from(*length))?;
        let cid = Cid::try_from(cid).ok()?;
        let is_named = self.tag_of_block(&cid) == frame.head.name;
        Block::verify(cid, data.to_vec()).ok().filter(|_| is_named)
    }

    /// The sealed names of what a sealed block links to, but for what can be a task. Nothing if it does not open.
    pub(crate) fn content_of(&self, frame: &[u8]) -> Vec<Cid> {
        let Some(block) = self.open(frame) else {
            return Vec::new();
        };
        let links = links(block.cid(), block.data()).unwrap_or_default();
        let content = links.iter().filter(|link| link.codec() != codec::DAG_CBOR);
        content.map(|link| self.name(link)).collect()
    }

    /// Seals what another owner's key is to open: the root of this one, for whoever comes after.
    pub(crate) fn wrap_for(&self, next: &Vault, label: &[u8]) -> Result<Vec<u8>, NodeError> {
        next.seal_bytes(WRAP, label, &*self.root)
    }

    /// The vault that was wrapped for this one.
    pub(crate) fn unwrap(&self, wrapped: &[u8], label: &[u8]) -> Option<Self> {
        let root = self.open_bytes(WRAP, label, wrapped)?;
        let root = <[u8; KEY_BYTES]>::try_from(root.as_slice()).ok()?;
        Some(Self::of_root(Zeroizing::new(root)))
    }

    /// Seals bytes that are no block and that the owner is to have back from [`Vault::open_bytes`], also after the key was
    /// rotated. `purpose` (not "names" or "cipher") keeps one use apart from all others; `about` says what the bytes belong
    /// to, is not kept, and has to be the same when they are opened: sealed bytes put in the place of others do not open.
    pub(crate) fn seal_bytes(
        &self,
        purpose: &str,
        about: &[u8],
        bytes: &[u8],
    ) -> Result<Vec<u8>, NodeError> {
        self.apart(purpose).encrypt(bytes, about)
    }

    /// Opens what [`Vault::seal_bytes`] gave. None if somebody else sealed it, for another purpose or about something else,
    /// or it was changed. Overwritten in memory when dropped.
    pub(crate) fn open_bytes(
        &self,
        purpose: &str,
        about: &[u8],
        sealed: &[u8],
    ) -> Option<Zeroizing<Vec<u8>>> {
        self.apart(purpose).decrypt(sealed, about)
    }

    fn apart(&self, purpose: &str) -> Self {
        Self::of_root(hmac(&*self.root, &[purpose.as_bytes()]))
    }

    fn encrypt(&self, clear: &[u8], aad: &[u8]) -> Result<Vec<u8>, NodeError> {
        let mut nonce = [0; NONCE_BYTES];
        fill_random(&mut nonce)?;
        let payload = Payload { msg: clear, aad };
        let sealed = self.cipher.encrypt(&XNonce::from(nonce), payload);
        let sealed = sealed.map_err(|_| NodeError::Internal("a block was not sealed".into()))?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    fn decrypt(&self, body: &[u8], aad: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, sealed) = body.split_at_checked(NONCE_BYTES)?;
        let nonce = XNonce::from(<[u8; NONCE_BYTES]>::try_from(nonce).ok()?);
        let payload = Payload { msg: sealed, aad };
        self.cipher
            .decrypt(&nonce, payload)
            .ok()
            .map(Zeroizing::new)
    }
}

fn hmac(key: &[u8], parts: &[&[u8]]) -> Secret {
    // HMAC takes keys of any length.
    let Ok(mut mac) = <Hmac<Sha256> as KeyInit>::new_from_slice(key) else {
        return Zeroizing::new([0; KEY_BYTES]);
    };
    parts.iter().for_each(|part| mac.update(part));
    Zeroizing::new(mac.finalize().into_bytes().into())
}

#[cfg(test)]
mod tests {
    //! Without these a secret could be read or guessed by another, or not be read by its owner.
    #![allow(clippy::unwrap_used)]

    use super::*;
    use ipvm_ipld::{Ipld, cbor, cid_of};
    use ipvm_workflow::CHUNK_BYTES;

    fn vault(seed: u8) -> Vault {
        Vault::of_secret(&[seed; KEY_BYTES])
    }

    #[test]
    fn only_the_same_key_opens_and_names() {
        let block = Block::new(codec::RAW, b"attack at dawn".to_vec());
        let (mine, other) = (vault(1), vault(2));
        let sealed = mine.seal_block(&block, &HashSet::new()).unwrap();
        assert_eq!(*sealed.cid(), vault(1).name(block.cid()));
        assert_eq!(vault(1).open(sealed.data()), Some(block.clone()));
        assert_eq!(other.open(sealed.data()), None);
        assert_ne!(other.name(block.cid()), mine.name(block.cid()));
        assert_ne!(mine.work(block.cid()), mine.name(block.cid()));
        let holds = |needle: &[u8]| sealed.data().windows(needle.len()).any(|at| at == needle);
        assert!(!holds(b"attack") && !holds(block.cid().hash().digest()));
        assert!(
            holds(&mine.tag_of_block(block.cid())),
            "the search finds what is there"
        );
        // Sealed again, it does not look the same.
        assert_ne!(mine.seal_block(&block, &HashSet::new()).unwrap(), sealed);
    }

    /// Whoever can write to the home cannot give a sealed block another name or other links.
    #[test]
    fn the_open_part_is_bound_to_the_sealed_one() {
        let block = Block::new(codec::RAW, b"x".to_vec());
        let mine = vault(1);
        let sealed = mine.seal_block(&block, &HashSet::new()).unwrap();
        let frame = Frame::parse(sealed.data()).unwrap();
        let changed = Head {
            names: vec![mine.name(block.cid())],
            ..frame.head.clone()
        };
        let renamed = Head {
            name: [9; 32],
            ..frame.head
        };
        for head in [changed, renamed] {
            let forged = Block::seal(&head.to_bytes(), frame.body).unwrap();
            assert_eq!(mine.open(forged.data()), None);
        }
    }

    #[test]
    fn a_later_key_opens_what_an_earlier_one_sealed() {
        let block = Block::new(codec::RAW, b"x".to_vec());
        let (first, second) = (vault(1), vault(2));
        let sealed = first.seal_block(&block, &HashSet::new()).unwrap();
        let wrapped = first.wrap_for(&second, b"did").unwrap();
        let again = second.unwrap(&wrapped, b"did").unwrap();
        assert_eq!(again.open(sealed.data()), Some(block));
        assert!(second.unwrap(&wrapped, b"other").is_none());
        assert!(vault(3).unwrap(&wrapped, b"did").is_none());
    }

    /// Breaks: a credential could be read by another, or be given out in the place of one for somebody else.
    #[test]
    fn bytes_come_back_for_the_same_owner_purpose_and_thing() {
        let (mine, later) = (vault(1), vault(2));
        for bytes in [&b""[..], b"token 4711", &[7; 100_000]] {
            let sealed = mine.seal_bytes("credential", b"mail", bytes).unwrap();
            let open = |vault: &Vault, purpose: &str, about: &[u8]| {
                vault.open_bytes(purpose, about, &sealed)
            };
            assert_eq!(
                open(&vault(1), "credential", b"mail").unwrap().as_slice(),
                bytes
            );
            assert!(open(&mine, "credential", b"files").is_none());
            assert!(open(&mine, "cookie", b"mail").is_none());
            assert!(open(&later, "credential", b"mail").is_none());
            // After a rotation, too.
            let wrapped = mine.wrap_for(&later, b"did").unwrap();
            let kept = later.unwrap(&wrapped, b"did").unwrap();
            assert_eq!(
                open(&kept, "credential", b"mail").unwrap().as_slice(),
                bytes
            );
            let mut changed = sealed.clone();
            let last = changed.len() - 1;
            for at in [0, NONCE_BYTES, last] {
                changed[at] ^= 1;
                assert!(mine.open_bytes("credential", b"mail", &changed).is_none());
                changed[at] ^= 1;
            }
            assert!(
                mine.open_bytes("credential", b"mail", &sealed[..last])
                    .is_none()
            );
            assert!(mine.open_bytes("credential", b"mail", b"short").is_none());
            let again = mine.seal_bytes("credential", b"mail", bytes).unwrap();
            assert_ne!(again, sealed, "the same bytes do not look the same");
        }
    }

    #[test]
    fn links_are_named_as_they_are_kept() {
        let (open, secret) = (cid_of(codec::RAW, b"module"), cid_of(codec::RAW, b"input"));
        let names = vault(1).names_of(&[open, secret], &HashSet::from([open]));
        let expect = HashSet::from([open, vault(1).name(&secret)]);
        assert_eq!(HashSet::from_iter(names), expect);
    }

    /// Breaks: the open part would tell in which order a file has its pieces, and which of them are equal.
    #[test]
    fn links_come_once_and_in_no_order() {
        let links: Vec<Cid> = (0..100_u8).map(|n| cid_of(codec::RAW, &[n])).collect();
        let twice: Vec<Cid> = links.iter().rev().chain(&links).copied().collect();
        let mine = vault(1);
        let names = |cids: &[Cid]| mine.names_of(cids, &HashSet::new());
        assert_eq!(names(&twice), names(&links));
        let as_given: Vec<Cid> = links.iter().map(|link| mine.name(link)).collect();
        assert_ne!(names(&links), as_given);
    }

    /// Breaks: a workflow that is within its limits could not be secret, for the store would refuse its blocks.
    #[test]
    fn the_largest_chunk_fits_when_it_is_sealed() {
        // Nothing has more links for its size; of open ones the frame says most.
        let link = |n: u64| Ipld::Link(cid_of(codec::RAW, &n.to_be_bytes()));
        let links: Vec<Ipld> = (0..CHUNK_BYTES as u64 / 41).map(link).collect();
        let block = cbor::encode_block(&Ipld::List(links)).unwrap();
        assert!(block.data().len().abs_diff(CHUNK_BYTES) < 100);
        let found = ipvm_ipld::links(block.cid(), block.data()).unwrap();
        for open in [HashSet::new(), HashSet::from_iter(found)] {
            let sealed = vault(1).seal_block(&block, &open).unwrap();
            assert!(sealed.data().len() <= ipvm_store::BLOCK_BYTES_MAX);
            assert_eq!(vault(1).open(sealed.data()).as_ref(), Some(&block));
        }
    }
}
