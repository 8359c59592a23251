//! Signing keys.

use crate::did::Did;
use ed25519_dalek::{Signer, SigningKey};
use std::fmt;
use zeroize::Zeroizing;

/// An Ed25519 key pair. The secret is wiped from memory when it is dropped, and never shown.
///
/// ```
/// use ipvm_ucan::Keypair;
///
/// let key = Keypair::from_seed(&[1; 32]);
/// assert_eq!(key.did().to_string(), "did:key:z6Mkon3Necd6NkkyfoGoHxid2znGc59LU3K7mubaRcFbLfLX");
/// ```
pub struct Keypair {
    signing: SigningKey,
    did: Did,
}

impl Keypair {
    /// The key pair of a 32-byte secret, which the caller draws from the operating system's randomness.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let signing = SigningKey::from_bytes(seed);
        let did = Did::from_ed25519(signing.verifying_key().to_bytes());
        Self { signing, did }
    }

    /// The secret, for storing it; the copy is wiped when it is dropped.
    #[must_use]
    pub fn seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.signing.to_bytes())
    }

    /// The principal that signs with this key.
    #[must_use]
    pub fn did(&self) -> &Did {
        &self.did
    }

    /// Signs bytes (Ed25519, RFC 8032: deterministic).
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.signing.sign(message).to_bytes()
    }
}

impl fmt::Debug for Keypair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keypair({})", self.did)
    }
}
