//! Checking signatures: one place that names the cryptography.

use crate::did::PublicKey;
use crate::error::SignatureError;
use crate::varsig::Algorithm;
use p256::ecdsa::signature::Verifier;

/// Length of a signature of each algorithm that is known, in bytes.
pub(crate) const SIGNATURE_BYTES: usize = 64;

/// A public key in the form that checks signatures.
pub(crate) enum VerifyingKey {
    Ed25519(ed25519_dalek::VerifyingKey),
    P256(p256::ecdsa::VerifyingKey),
    Secp256k1(k256::ecdsa::VerifyingKey),
}

impl VerifyingKey {
    /// `None` if the bytes are no point of the curve, or the curve has no signatures here.
    pub(crate) fn from_public(key: &PublicKey) -> Option<Self> {
        // Compressed points only: the other forms of SEC1 would be further names of the same key.
        if let PublicKey::P256([head, ..]) | PublicKey::Secp256k1([head, ..]) = key
            && !matches!(head, 2 | 3)
        {
            return None;
        }
        match key {
            PublicKey::Ed25519(bytes) => ed25519_dalek::VerifyingKey::from_bytes(bytes)
                .ok()
                .map(Self::Ed25519),
            PublicKey::P256(bytes) => p256::ecdsa::VerifyingKey::from_sec1_bytes(bytes)
                .ok()
                .map(Self::P256),
            PublicKey::Secp256k1(bytes) => k256::ecdsa::VerifyingKey::from_sec1_bytes(bytes)
                .ok()
                .map(Self::Secp256k1),
            PublicKey::P384(_) | PublicKey::P521(_) => None,
        }
    }

    pub(crate) fn algorithm(&self) -> Algorithm {
        match self {
            Self::Ed25519(_) => Algorithm::Ed25519,
            Self::P256(_) => Algorithm::P256,
            Self::Secp256k1(_) => Algorithm::Secp256k1,
        }
    }

    /// Checks a signature. Each message and key has one signature only that others could not have made from another: no
    /// second forms are accepted.
    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
        let length = || SignatureError::Length {
            bytes: signature.len(),
        };
        let bytes: &[u8; SIGNATURE_BYTES] = signature.try_into().map_err(|_| length())?;
        match self {
            // Strict: refuses weak keys and the second forms of a signature, which others could make without the key.
            Self::Ed25519(key) => key
                .verify_strict(message, &ed25519_dalek::Signature::from_bytes(bytes))
                .map_err(|_| SignatureError::Wrong),
            Self::P256(key) => {
                let signature =
                    p256::ecdsa::Signature::from_slice(bytes).map_err(|_| SignatureError::Wrong)?;
                if signature.normalize_s() != signature {
                    return Err(SignatureError::HighS);
                }
                key.verify(message, &signature)
                    .map_err(|_| SignatureError::Wrong)
            }
            Self::Secp256k1(key) => {
                let signature =
                    k256::ecdsa::Signature::from_slice(bytes).map_err(|_| SignatureError::Wrong)?;
                if signature.normalize_s() != signature {
                    return Err(SignatureError::HighS);
                }
                key.verify(message, &signature)
                    .map_err(|_| SignatureError::Wrong)
            }
        }
    }
}

/// Whether these bytes (SEC1, compressed or not) are a point of the curve: gives it compressed.
pub(crate) fn compress(algorithm: Algorithm, point: &[u8]) -> Option<[u8; 33]> {
    let compressed: Vec<u8> = match algorithm {
        Algorithm::P256 => p256::ecdsa::VerifyingKey::from_sec1_bytes(point)
            .ok()?
            .to_sec1_point(true)
            .as_bytes()
            .to_vec(),
        Algorithm::Secp256k1 => k256::ecdsa::VerifyingKey::from_sec1_bytes(point)
            .ok()?
            .to_sec1_point(true)
            .as_bytes()
            .to_vec(),
        Algorithm::Ed25519 => return None,
    };
    compressed.try_into().ok()
}
