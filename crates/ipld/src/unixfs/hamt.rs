//! Where a name goes in a sharded folder: by the bits of its hash, from the top.

/// Multicodec code of the hash: the first 64 bits of murmur3-x64-128.
pub(super) const MURMUR3_X64_64: u64 = 0x22;
/// Bits of the hash that choose a place in a shard that is written: 256 places.
pub(super) const SHARD_BITS: u32 = 8;
/// Bits of a hash.
const HASH_BITS: u32 = 64;

/// The hash of a name: the first 64 bits of murmur3-x64-128 with seed 0 (public domain, Austin Appleby).
pub(super) fn hash(name: &str) -> u64 {
    const C1: u64 = 0x87c3_7b91_1142_53d5;
    const C2: u64 = 0x4cf5_ad43_2745_937f;
    let mix1 = |k: u64| k.wrapping_mul(C1).rotate_left(31).wrapping_mul(C2);
    let mix2 = |k: u64| k.wrapping_mul(C2).rotate_left(33).wrapping_mul(C1);
    let (mut h1, mut h2) = (0_u64, 0_u64);
    let (blocks, tail) = name.as_bytes().as_chunks::<16>();
    for block in blocks {
        let (k1, k2) = halves(block);
        h1 ^= mix1(k1);
        h1 = h1.rotate_left(27).wrapping_add(h2);
        h1 = h1.wrapping_mul(5).wrapping_add(0x52dc_e729);
        h2 ^= mix2(k2);
        h2 = h2.rotate_left(31).wrapping_add(h1);
        h2 = h2.wrapping_mul(5).wrapping_add(0x3849_5ab5);
    }
    // Zeros mix to zero, so a tail filled up with them is the tail.
    let mut last = [0; 16];
    last.iter_mut().zip(tail).for_each(|(to, from)| *to = *from);
    let (k1, k2) = halves(&last);
    let length = name.len() as u64;
    h1 ^= mix1(k1) ^ length;
    h2 ^= mix2(k2) ^ length;
    h1 = h1.wrapping_add(h2);
    h2 = h2.wrapping_add(h1);
    finish(h1).wrapping_add(finish(h2))
}

/// Sixteen bytes as two little-endian numbers.
fn halves(block: &[u8; 16]) -> (u64, u64) {
    let both = u128::from_le_bytes(*block);
    (both as u64, (both >> 64) as u64)
}

fn finish(mut k: u64) -> u64 {
    k = (k ^ k >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    k = (k ^ k >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    k ^ k >> 33
}

/// The places of a hash in all shards down to `level` levels below the root, each `bits` wide, as one number; none
/// below the last bit.
pub(super) fn prefix(hash: u64, bits: u32, level: u32) -> Option<u64> {
    let used = bits.checked_mul(level.checked_add(1)?)?;
    hash.checked_shr(HASH_BITS.checked_sub(used)?)
}

/// The place of a hash in a shard `level` levels below the root; none below the last bit.
pub(super) fn place(hash: u64, bits: u32, level: u32) -> Option<u64> {
    prefix(hash, bits, level).map(|prefix| prefix & ((1 << bits) - 1))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// The vectors that the implementations in use publish with theirs. Without it, a name could go to another place
    /// than where every IPFS tool looks for it.
    #[test]
    fn published_hashes() {
        for (name, expect) in [
            ("", 0),
            ("hello", 0xcbd8_a7b3_41bd_9b02),
            ("hello, world", 0x342f_ac62_3a5e_bc8e),
            ("19 Jan 2038 at 3:14:07 AM", 0xb89e_5988_b737_affc),
            (
                "The quick brown fox jumps over the lazy dog.",
                0xcd99_481f_9ee9_02c9,
            ),
        ] {
            assert_eq!(hash(name), expect, "{name:?}");
        }
    }

    #[test]
    fn places_are_taken_from_the_top_and_end_with_the_bits() {
        let hash = 0xA1B2_C3D4_E5F6_0718;
        let at = |bits, level| place(hash, bits, level);
        assert_eq!(
            (at(8, 0), at(8, 1), at(8, 7)),
            (Some(0xA1), Some(0xB2), Some(0x18))
        );
        assert_eq!((at(8, 8), at(10, 6), at(3, 21)), (None, None, None));
        assert_eq!(at(4, 1), Some(1));
        assert_eq!(at(8, u32::MAX), None);
    }
}
