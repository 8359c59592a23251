//! Keys: CIDs cut to 64 bits, salted so that nobody outside can make two of them collide.

use ipvm_ipld::{Cid, cid_of, codec};

/// Bytes of the random salt of a database.
pub(crate) const SALT_BYTES: usize = 16;

/// Makes the keys of one database.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keyer {
    salt: [u8; SALT_BYTES],
    /// Bits of a key that are used: all, except in tests that want collisions.
    mask: u64,
}

impl Keyer {
    pub(crate) fn new(salt: [u8; SALT_BYTES], mask: u64) -> Self {
        Self { salt, mask }
    }

    /// First 8 bytes of sha2-256(salt ‖ CID). Equal CIDs have equal keys; the inverse is checked on read.
    pub(crate) fn key(&self, cid: &Cid) -> i64 {
        let mut salted = Vec::with_capacity(SALT_BYTES + cid.encoded_len());
        salted.extend_from_slice(&self.salt);
        salted.extend_from_slice(&cid.to_bytes());
        let hash = cid_of(codec::RAW, &salted);
        let first = hash
            .hash()
            .digest()
            .first_chunk::<8>()
            .copied()
            .unwrap_or_default();
        (u64::from_be_bytes(first) & self.mask).cast_signed()
    }
}
