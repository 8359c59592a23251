//! Signing keys.

use crate::did::{Did, PublicKey};
use crate::varsig::Algorithm;
use ed25519_dalek::Signer;
use std::fmt;
use zeroize::Zeroizing;

/// A key pair of one of the algorithms. The secret is wiped from memory when it is dropped, and never shown.
///
/// ```
/// use ipvm_ucan::{Algorithm, Keypair};
///
/// let key = Keypair::from_seed(&[1; 32]); // draw seeds from the operating system's randomness
/// assert_eq!(key.did().to_string(), "did:key:z6Mkon3Necd6NkkyfoGoHxid2znGc59LU3K7mubaRcFbLfLX");
///
/// let other = Keypair::from_secret(Algorithm::P256, &[1; 32])?;
/// assert!(other.did().to_string().starts_with("did:key:zDn"));
/// # Ok::<(), ipvm_ucan::KeyError>(())
/// ```
pub struct Keypair {
    signing: Signing,
    did: Did,
}

enum Signing {
    Ed25519(ed25519_dalek::SigningKey),
    P256(p256::ecdsa::SigningKey),
    Secp256k1(k256::ecdsa::SigningKey),
}

/// Why bytes are not a secret key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "these 32 bytes are not a secret key of {0}: as a number, one is above zero and below the curve's order"
)]
pub struct KeyError(pub Algorithm);

impl Keypair {
    /// The Ed25519 key pair of a 32-byte secret, which the caller draws from the operating system's randomness.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let signing = ed25519_dalek::SigningKey::from_bytes(seed);
        let did = Did::from_ed25519(signing.verifying_key().to_bytes());
        Self {
            signing: Signing::Ed25519(signing),
            did,
        }
    }

    /// The key pair of an algorithm and a 32-byte secret, which the caller draws from the operating system's randomness.
    ///
    /// # Errors
    /// If the secret is not one of the algorithm: of random ones, fewer than one in 2^32. Draw again.
    pub fn from_secret(algorithm: Algorithm, secret: &[u8; 32]) -> Result<Self, KeyError> {
        let wrong = || KeyError(algorithm);
        match algorithm {
            Algorithm::Ed25519 => Ok(Self::from_seed(secret)),
            Algorithm::P256 => {
                let signing = p256::ecdsa::SigningKey::from_slice(secret).map_err(|_| wrong())?;
                let point = signing.verifying_key().to_sec1_point(true);
                let key = point.as_bytes().try_into().map_err(|_| wrong())?;
                Ok(Self {
                    signing: Signing::P256(signing),
                    did: Did::from_key(PublicKey::P256(key)),
                })
            }
            Algorithm::Secp256k1 => {
                let signing = k256::ecdsa::SigningKey::from_slice(secret).map_err(|_| wrong())?;
                let point = signing.verifying_key().to_sec1_point(true);
                let key = point.as_bytes().try_into().map_err(|_| wrong())?;
                Ok(Self {
                    signing: Signing::Secp256k1(signing),
                    did: Did::from_key(PublicKey::Secp256k1(key)),
                })
            }
        }
    }

    /// The secret, for storing it; the copy is wiped when it is dropped.
    #[must_use]
    pub fn seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(match &self.signing {
            Signing::Ed25519(key) => key.to_bytes(),
            Signing::P256(key) => key.to_bytes().into(),
            Signing::Secp256k1(key) => key.to_bytes().into(),
        })
    }

    /// The algorithm of its signatures.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        match &self.signing {
            Signing::Ed25519(_) => Algorithm::Ed25519,
            Signing::P256(_) => Algorithm::P256,
            Signing::Secp256k1(_) => Algorithm::Secp256k1,
        }
    }

    /// The principal that signs with this key.
    #[must_use]
    pub fn did(&self) -> &Did {
        &self.did
    }

    /// Signs bytes, deterministically: Ed25519 by RFC 8032, ECDSA by RFC 6979 over SHA-256, with a low s.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        match &self.signing {
            Signing::Ed25519(key) => key.sign(message).to_bytes(),
            Signing::P256(key) => {
                let signature: p256::ecdsa::Signature = key.sign(message);
                signature.normalize_s().to_bytes().into()
            }
            Signing::Secp256k1(key) => {
                let signature: k256::ecdsa::Signature = key.sign(message);
                signature.normalize_s().to_bytes().into()
            }
        }
    }
}

impl fmt::Debug for Keypair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keypair({})", self.did)
    }
}
