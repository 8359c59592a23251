//! Public keys and the one algorithm that each is for.

use ed25519_dalek::VerifyingKey as Ed25519;
use k256::ecdsa::{Signature as Secp256k1Signature, VerifyingKey as Secp256k1};
use p256::ecdsa::{Signature as P256Signature, VerifyingKey as P256};
use rsa::pkcs1v15;
use rsa::sha2::Sha256;
use rsa::signature::Verifier;
use rsa::{BoxedUint, PublicKey as Rsa};

use crate::refusal::Refusal;

/// Fewest and most bits of an RSA key (RFC 7518, section 3.3).
pub const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// A kind of key, which is also an algorithm: no key is used with another than its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// Ed25519 (RFC 8037, RFC 9864).
    EdDsa,
    /// ECDSA with P-256 and SHA-256 (RFC 7518).
    Es256,
    /// ECDSA with secp256k1 and SHA-256 (RFC 8812).
    Es256k,
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518).
    Rs256,
}

impl Algorithm {
    /// Its name in a header.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Es256 => "ES256",
            Self::Es256k => "ES256K",
            Self::Rs256 => "RS256",
        }
    }

    /// By its name in a header, if it is offered.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "EdDSA" | "Ed25519" => Some(Self::EdDsa),
            "ES256" => Some(Self::Es256),
            "ES256K" => Some(Self::Es256k),
            "RS256" => Some(Self::Rs256),
            _ => None,
        }
    }
}

/// A public key.
#[derive(Debug, Clone)]
pub enum Key {
    /// Ed25519.
    Ed25519(Ed25519),
    /// P-256.
    P256(P256),
    /// secp256k1.
    Secp256k1(Secp256k1),
    /// RSA of [`RSA_BITS`].
    Rsa(Rsa),
}

impl Key {
    /// An Ed25519 key from its 32 bytes.
    pub(crate) fn ed25519(bytes: &[u8]) -> Result<Self, Refusal> {
        <&[u8; 32]>::try_from(bytes)
            .ok()
            .and_then(|bytes| Ed25519::from_bytes(bytes).ok())
            .map(Self::Ed25519)
            .ok_or_else(|| not_a("key of Ed25519"))
    }

    /// A P-256 key from a point in the form of SEC 1.
    pub(crate) fn p256(point: &[u8]) -> Result<Self, Refusal> {
        P256::from_sec1_bytes(point)
            .map(Self::P256)
            .map_err(|_| not_a("point of P-256"))
    }

    /// A secp256k1 key from a point in the form of SEC 1.
    pub(crate) fn secp256k1(point: &[u8]) -> Result<Self, Refusal> {
        Secp256k1::from_sec1_bytes(point)
            .map(Self::Secp256k1)
            .map_err(|_| not_a("point of secp256k1"))
    }

    /// An RSA key from its modulus and exponent, big-endian.
    pub(crate) fn rsa(modulus: &[u8], exponent: &[u8]) -> Result<Self, Refusal> {
        if modulus.len() > RSA_BITS.end() / 8 || exponent.len() > 8 {
            return Err(not_a("RSA key of 2048 to 8192 bits"));
        }
        let (n, e) = (
            BoxedUint::from_be_slice_vartime(modulus),
            BoxedUint::from_be_slice_vartime(exponent),
        );
        Rsa::new_with_size_limits(n, e, RSA_BITS)
            .map(Self::Rsa)
            .map_err(|_| not_a("RSA key of 2048 to 8192 bits"))
    }

    /// What it is for.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        match self {
            Self::Ed25519(_) => Algorithm::EdDsa,
            Self::P256(_) => Algorithm::Es256,
            Self::Secp256k1(_) => Algorithm::Es256k,
            Self::Rsa(_) => Algorithm::Rs256,
        }
    }

    /// Checks a signature over a message.
    ///
    /// # Errors
    /// A header that names another algorithm than the key is for, one that is not offered, and a
    /// signature that is not this key's.
    pub fn verify(&self, named: &str, message: &[u8], signature: &[u8]) -> Result<(), Refusal> {
        let own = self.algorithm();
        if Algorithm::named(named) != Some(own) {
            return Err(Refusal::AlgorithmMismatch {
                token: crate::refusal::shortened(named),
                key: own.name(),
            });
        }
        let valid = match self {
            Self::Ed25519(key) => ed25519_dalek::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify_strict(message, &signature).is_ok()),
            Self::P256(key) => P256Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify(message, &signature).is_ok()),
            // Bitcoin wants the smaller of the two values of `s`, and so does the library; RFC 8812 does not.
            Self::Secp256k1(key) => Secp256k1Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify(message, &signature.normalize_s()).is_ok()),
            Self::Rsa(key) => pkcs1v15::Signature::try_from(signature).is_ok_and(|signature| {
                pkcs1v15::VerifyingKey::<Sha256>::new(key.clone())
                    .verify(message, &signature)
                    .is_ok()
            }),
        };
        valid.then_some(()).ok_or(Refusal::BadSignature)
    }
}

fn not_a(what: &str) -> Refusal {
    Refusal::BadKey(format!("it is not a {what}"))
}
