//! Public keys as multikeys: a multicodec code and the bytes, in base58btc.

use super::DidError;
use crate::varsig::Algorithm;
use multibase::Base;

/// Varints of the multicodec codes of public keys.
const ED25519: [u8; 2] = [0xed, 0x01];
const SECP256K1: [u8; 2] = [0xe7, 0x01];
const P256: [u8; 2] = [0x80, 0x24];
const P384: [u8; 2] = [0x81, 0x24];
const P521: [u8; 2] = [0x82, 0x24];

/// A public key as a DID names it: the bytes only. Whether they are a point of the curve is seen when a signature is
/// checked.
///
/// ```
/// use ipvm_ucan::{Algorithm, Did, PublicKey};
///
/// let did: Did = "did:key:zDnaerx9CtbPJ1q36T5Ln5wYt3MQYeGRG5ehnPAmxcf5mDZpv".parse()?;
/// let key = did.key().expect("a did:key names its key");
/// assert!(matches!(key, PublicKey::P256(_)));
/// assert_eq!(key.algorithm(), Some(Algorithm::P256));
/// assert_eq!(format!("did:key:{}", key.to_multikey()), did.as_str());
/// # Ok::<(), ipvm_ucan::DidError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PublicKey {
    /// Ed25519.
    Ed25519([u8; 32]),
    /// NIST P-256, compressed.
    P256([u8; 33]),
    /// secp256k1, compressed.
    Secp256k1([u8; 33]),
    /// NIST P-384, compressed: can be named, but no signature by it is accepted.
    P384([u8; 49]),
    /// NIST P-521, compressed: can be named, but no signature by it is accepted.
    P521([u8; 67]),
}

impl PublicKey {
    /// The algorithm of this key's signatures; `None` where none is supported.
    #[must_use]
    pub fn algorithm(&self) -> Option<Algorithm> {
        match self {
            Self::Ed25519(_) => Some(Algorithm::Ed25519),
            Self::P256(_) => Some(Algorithm::P256),
            Self::Secp256k1(_) => Some(Algorithm::Secp256k1),
            Self::P384(_) | Self::P521(_) => None,
        }
    }

    /// The name of the curve.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Ed25519(_) => "Ed25519",
            Self::P256(_) => "P-256",
            Self::Secp256k1(_) => "secp256k1",
            Self::P384(_) => "P-384",
            Self::P521(_) => "P-521",
        }
    }

    /// The key as a multikey: `z` and base58 characters, as in `did:key`.
    #[must_use]
    pub fn to_multikey(&self) -> String {
        let (code, bytes): ([u8; 2], &[u8]) = match self {
            Self::Ed25519(bytes) => (ED25519, bytes),
            Self::P256(bytes) => (P256, bytes),
            Self::Secp256k1(bytes) => (SECP256K1, bytes),
            Self::P384(bytes) => (P384, bytes),
            Self::P521(bytes) => (P521, bytes),
        };
        multibase::encode(Base::Base58Btc, [&code, bytes].concat())
    }

    /// Reads a multikey; `named` is how messages call it.
    pub(super) fn from_multikey(multikey: &str, named: &str) -> Result<Self, DidError> {
        let bytes = match multibase::decode(multikey) {
            Ok((Base::Base58Btc, bytes)) => bytes,
            _ => return Err(DidError::Base(named.to_owned())),
        };
        let (code, key) = bytes
            .split_first_chunk::<2>()
            .ok_or_else(|| DidError::Base(named.to_owned()))?;
        // Base58 spells each number in one way but for leading ones, which stand for zero bytes; and no key type that is
        // known begins with one. So the text is canonical, and comparing texts is comparing keys.
        Ok(match *code {
            ED25519 => Self::Ed25519(sized(named, key)?),
            P256 => Self::P256(sized(named, key)?),
            SECP256K1 => Self::Secp256k1(sized(named, key)?),
            P384 => Self::P384(sized(named, key)?),
            P521 => Self::P521(sized(named, key)?),
            code => {
                return Err(DidError::KeyType {
                    did: named.to_owned(),
                    code: key_type(code),
                });
            }
        })
    }
}

fn sized<const N: usize>(named: &str, key: &[u8]) -> Result<[u8; N], DidError> {
    key.try_into().map_err(|_| DidError::KeyLength {
        did: named.to_owned(),
        found: key.len(),
        expected: N,
    })
}

/// The name of a key type that is not supported, from the multicodec table.
fn key_type(code: [u8; 2]) -> String {
    match code {
        [0xec, 0x01] => "X25519 (for encryption only)".into(),
        [0xeb, 0x01] | [0xea, 0x01] | [0xee, 0x01] => "BLS12-381".into(),
        [0x85, 0x24] => "RSA".into(),
        [0x83, 0x24] => "Ed448".into(),
        [a, b] => format!("{a:#04x} {b:#04x}"),
    }
}
