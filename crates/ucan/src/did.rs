//! Principals: `did:key` identifiers (W3C CCG did:key, base58btc).

use multibase::Base;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

/// Longest DID that is read, in bytes; decoding base58 takes time that grows with the square of the length.
pub const MAX_DID_BYTES: usize = 256;

const PREFIX: &str = "did:key:";
/// Varints of the multicodec codes of public keys.
const ED25519: [u8; 2] = [0xed, 0x01];
const SECP256K1: [u8; 2] = [0xe7, 0x01];
const P256: [u8; 2] = [0x80, 0x24];

/// A public key as a DID names it: the bytes only, not checked to be a point of the curve (verifying does that).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PublicKey {
    /// Ed25519.
    Ed25519([u8; 32]),
    /// NIST P-256, compressed.
    P256([u8; 33]),
    /// secp256k1, compressed.
    Secp256k1([u8; 33]),
}

/// A principal: a well-formed `did:key` of a key type that is known here.
///
/// Text and key determine each other, so comparing, ordering and hashing by the text is comparing keys.
///
/// ```
/// use ipvm_ucan::Did;
///
/// let did: Did = "did:key:z6Mkon3Necd6NkkyfoGoHxid2znGc59LU3K7mubaRcFbLfLX".parse()?;
/// assert!(did.to_string().starts_with("did:key:z6Mk"));
/// assert!("did:web:example.com".parse::<Did>().is_err());
/// # Ok::<(), ipvm_ucan::DidError>(())
/// ```
#[derive(Clone)]
pub struct Did {
    text: Arc<str>,
    key: PublicKey,
}

/// Why a text is not a DID that is known here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DidError {
    /// Longer than any key that is known.
    #[error("the DID is {0} bytes long; at most {MAX_DID_BYTES} are accepted")]
    TooLong(usize),
    /// Another DID method, or no DID.
    #[error("{0:?} is not a did:key; only principals of the form did:key:z… are known")]
    Method(String),
    /// The part after `did:key:` is not base58btc.
    #[error("{0:?} is not a did:key: after `did:key:` comes `z` and base58 characters only")]
    Base(String),
    /// A key type that is not known.
    #[error(
        "{did} names a key of the unsupported type {code}; Ed25519, P-256 and secp256k1 are known"
    )]
    KeyType {
        /// The DID.
        did: String,
        /// The key type: its name, or its multicodec bytes.
        code: String,
    },
    /// The key has not the length of its type.
    #[error("{did} names a key of {found} bytes; its type has {expected}")]
    KeyLength {
        /// The DID.
        did: String,
        /// Bytes there are.
        found: usize,
        /// Bytes there must be.
        expected: usize,
    },
}

impl Did {
    /// The DID of an Ed25519 public key.
    #[must_use]
    pub fn from_ed25519(key: [u8; 32]) -> Self {
        Self::from_key(PublicKey::Ed25519(key))
    }

    /// The DID as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The key that the DID names.
    #[must_use]
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    fn from_key(key: PublicKey) -> Self {
        let (code, bytes): ([u8; 2], &[u8]) = match &key {
            PublicKey::Ed25519(bytes) => (ED25519, bytes),
            PublicKey::P256(bytes) => (P256, bytes),
            PublicKey::Secp256k1(bytes) => (SECP256K1, bytes),
        };
        let encoded = multibase::encode(Base::Base58Btc, [&code, bytes].concat());
        Self {
            text: format!("{PREFIX}{encoded}").into(),
            key,
        }
    }
}

impl FromStr for Did {
    type Err = DidError;

    fn from_str(text: &str) -> Result<Self, DidError> {
        if text.len() > MAX_DID_BYTES {
            return Err(DidError::TooLong(text.len()));
        }
        let encoded = text
            .strip_prefix(PREFIX)
            .ok_or_else(|| DidError::Method(text.to_owned()))?;
        let bytes = match multibase::decode(encoded) {
            Ok((Base::Base58Btc, bytes)) => bytes,
            _ => return Err(DidError::Base(text.to_owned())),
        };
        let (code, key) = bytes
            .split_first_chunk::<2>()
            .ok_or_else(|| DidError::Base(text.to_owned()))?;
        let key = match *code {
            ED25519 => PublicKey::Ed25519(sized(text, key)?),
            P256 => PublicKey::P256(sized(text, key)?),
            SECP256K1 => PublicKey::Secp256k1(sized(text, key)?),
            code => {
                return Err(DidError::KeyType {
                    did: text.to_owned(),
                    code: key_type(code),
                });
            }
        };
        // Base58 spells each number in one way but for leading ones, which stand for zero bytes; and no key type that is
        // known begins with one. So the text is canonical, and comparing texts is comparing keys.
        Ok(Self {
            text: text.into(),
            key,
        })
    }
}

fn sized<const N: usize>(did: &str, key: &[u8]) -> Result<[u8; N], DidError> {
    key.try_into().map_err(|_| DidError::KeyLength {
        did: did.to_owned(),
        found: key.len(),
        expected: N,
    })
}

/// The name of a key type that is not supported, from the multicodec table.
fn key_type(code: [u8; 2]) -> String {
    match code {
        [0xec, 0x01] => "X25519 (for encryption only)".into(),
        [0xeb, 0x01] | [0xea, 0x01] | [0xee, 0x01] => "BLS12-381".into(),
        [0x81, 0x24] => "P-384".into(),
        [0x82, 0x24] => "P-521".into(),
        [0x85, 0x24] => "RSA".into(),
        [0x83, 0x24] => "Ed448".into(),
        [a, b] => format!("{a:#04x} {b:#04x}"),
    }
}

impl fmt::Display for Did {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl fmt::Debug for Did {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq for Did {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Did {}

impl PartialOrd for Did {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Did {
    fn cmp(&self, other: &Self) -> Ordering {
        self.text.cmp(&other.text)
    }
}

impl Hash for Did {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}
