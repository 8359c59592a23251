//! `did:key`: names that are public keys (W3C CCG, The did:key Method v0.9).

use crate::key::Key;
use crate::refusal::{Refusal, shortened};

/// Most bytes of a DID: those of the keys here have under 60.
pub const MAX_BYTES: usize = 128;

const PREFIX: &str = "did:key:";

/// The key that a DID is.
///
/// # Errors
/// Other methods than `did:key`, and kinds of keys other than Ed25519, P-256 and secp256k1.
pub fn key(did: &str) -> Result<Key, Refusal> {
    let name = shortened(did);
    let unknown = |what: &str| Refusal::UnknownKey(format!("{name}: {what}"));
    if did.len() > MAX_BYTES {
        return Err(unknown("too long"));
    }
    let encoded = did
        .strip_prefix(PREFIX)
        .ok_or_else(|| unknown("only did:key can be checked without asking anybody"))?;
    let bytes = encoded
        .strip_prefix('z')
        .and_then(|text| bs58::decode(text).into_vec().ok())
        .ok_or_else(|| unknown("not multibase in base58"))?;
    // Kinds of keys by their multicodec: ed25519-pub, p256-pub, secp256k1-pub. Points are compressed.
    match bytes.as_slice() {
        [0xed, 0x01, key @ ..] => Key::ed25519(key),
        [0x80, 0x24, point @ ..] if point.len() == 33 => Key::p256(point),
        [0xe7, 0x01, point @ ..] if point.len() == 33 => Key::secp256k1(point),
        _ => Err(unknown("not a key of Ed25519, P-256 or secp256k1")),
    }
}

/// Whether a header's `kid` names the key of this DID: the DID itself, `#fragment`, or both.
pub(crate) fn is_key_of(id: &str, did: &str) -> bool {
    let fragment = id.strip_prefix(did).unwrap_or(id);
    let own = did.strip_prefix(PREFIX);
    fragment.is_empty() || (fragment.starts_with('#') && fragment.get(1..) == own)
}
