//! Merkle trees as RFC 9162 has them. Leaves and inner nodes are hashed with different bytes before
//! them, so that an inner node can never be passed off as a leaf.

use crate::digest::{Algorithm, Digest};
use crate::problem::Problem;

/// Most leaves of a tree.
pub const MAX_LEAVES: usize = 1_000_000;

const LEAF: &[u8] = &[0];
const NODE: &[u8] = &[1];

/// The root over these leaves in this order (section 2.1.1).
///
/// # Errors
/// No leaves, too many, or an algorithm that is too weak.
pub fn root(leaves: &[Vec<u8>], algorithm: Algorithm) -> Result<Digest, Problem> {
    let mut level = bottom(leaves, algorithm)?;
    while level.len() > 1 {
        level = above(level, algorithm);
    }
    let value = level.pop().ok_or(Problem::NoLeaves)?;
    Ok(Digest { algorithm, value })
}

/// The digests beside the way from the leaf at `index` to the root, from the leaf upwards (section
/// 2.1.3.1).
///
/// # Errors
/// As for [`root`], and an index beyond the last leaf.
pub fn proof(
    leaves: &[Vec<u8>],
    index: u32,
    algorithm: Algorithm,
) -> Result<Vec<Vec<u8>>, Problem> {
    let mut level = bottom(leaves, algorithm)?;
    check_place(u64::from(index), leaves.len() as u64)?;
    let mut place = index as usize;
    let mut beside = Vec::new();
    while level.len() > 1 {
        // The last of an odd number goes up as it is, with nothing beside it.
        if let Some(sibling) = level.get(place ^ 1) {
            beside.push(sibling.clone());
        }
        level = above(level, algorithm);
        place /= 2;
    }
    Ok(beside)
}

/// Whether a proof leads from this leaf at `index` to the root of a tree of `count` leaves (section
/// 2.1.3.2).
///
/// # Errors
/// A tree of no leaves, an index beyond its last, or an algorithm that is too weak.
pub fn verify(
    root: &[u8],
    (index, count): (u32, u32),
    leaf: &[u8],
    proof: &[Vec<u8>],
    algorithm: Algorithm,
) -> Result<bool, Problem> {
    check_strong(algorithm)?;
    check_place(u64::from(index), u64::from(count))?;
    let (mut place, mut last) = (index, count - 1);
    let mut proof = proof.iter();
    let mut hash = algorithm.of(&[LEAF, leaf]);
    while last > 0 {
        if place % 2 == 1 || place < last {
            let Some(beside) = proof.next() else {
                return Ok(false);
            };
            hash = if place % 2 == 1 {
                algorithm.of(&[NODE, beside, &hash])
            } else {
                algorithm.of(&[NODE, &hash, beside])
            };
        }
        place /= 2;
        last /= 2;
    }
    Ok(proof.next().is_none() && hash == root)
}

/// The hashes of the leaves.
fn bottom(leaves: &[Vec<u8>], algorithm: Algorithm) -> Result<Vec<Vec<u8>>, Problem> {
    check_strong(algorithm)?;
    match leaves.len() {
        0 => Err(Problem::NoLeaves),
        given if given > MAX_LEAVES => Err(Problem::TooManyLeaves {
            given: given as u64,
            most: MAX_LEAVES as u64,
        }),
        _ => Ok(leaves
            .iter()
            .map(|leaf| algorithm.of(&[LEAF, leaf]))
            .collect()),
    }
}

/// One level up: pairs become their parent, a last one without partner stays.
fn above(level: Vec<Vec<u8>>, algorithm: Algorithm) -> Vec<Vec<u8>> {
    level
        .chunks(2)
        .map(|pair| match pair {
            [left, right] => algorithm.of(&[NODE, left, right]),
            rest => rest.concat(),
        })
        .collect()
}

fn check_strong(algorithm: Algorithm) -> Result<(), Problem> {
    if algorithm.is_strong() {
        Ok(())
    } else {
        Err(Problem::Weak(algorithm))
    }
}

fn check_place(index: u64, count: u64) -> Result<(), Problem> {
    match count.checked_sub(1) {
        None => Err(Problem::NoLeaves),
        Some(last) if index > last => Err(Problem::NoSuchLeaf {
            given: index,
            most: last,
        }),
        Some(_) => Ok(()),
    }
}
