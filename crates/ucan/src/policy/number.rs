//! Comparing values as policies do: numbers by their value, whatever their type.

use super::Truth;
use super::selector::is_promise;
use ipvm_ipld::Ipld;
use std::cmp::Ordering;

/// Largest magnitude of an index.
pub(crate) const MAX_INDEX: i64 = crate::MAX_SAFE_INT;

/// Compares two numbers exactly, integers with floats too; `None` if one is no number.
pub(crate) fn compare(a: &Ipld, b: &Ipld) -> Option<Ordering> {
    match (a, b) {
        (Ipld::Integer(a), Ipld::Integer(b)) => Some(a.cmp(b)),
        (Ipld::Float(a), Ipld::Float(b)) => a.partial_cmp(b),
        (Ipld::Integer(a), Ipld::Float(b)) => integer_with_float(*a, *b),
        (Ipld::Float(a), Ipld::Integer(b)) => integer_with_float(*b, *a).map(Ordering::reverse),
        _ => None,
    }
}

fn integer_with_float(integer: i128, float: f64) -> Option<Ordering> {
    /// 2^126: beyond any integer of DAG-CBOR, and within those of 128 bits.
    const FAR: f64 = 8.507_059_173_023_462e37;
    if float.is_nan() {
        return None;
    }
    if float >= FAR {
        return Some(Ordering::Less);
    }
    if float <= -FAR {
        return Some(Ordering::Greater);
    }
    let whole = float.trunc();
    #[allow(clippy::cast_possible_truncation, reason = "whole and within 2^126")]
    let rounded = whole as i128;
    Some(integer.cmp(&rounded).then_with(|| {
        0.0_f64
            .partial_cmp(&(float - whole))
            .unwrap_or(Ordering::Equal)
    }))
}

/// Whether two values are equal, through all levels. Where `promises` stand in the first one, the answer may not be known
/// yet. The recursion is as deep as the second value, which is within a policy.
pub(crate) fn equal(found: &Ipld, wanted: &Ipld, promises: bool) -> Truth {
    if promises && is_promise(found) {
        return Truth::Unknown;
    }
    match (found, wanted) {
        (Ipld::List(a), Ipld::List(b)) if a.len() == b.len() => {
            Truth::all(a.iter().zip(b).map(|(a, b)| equal(a, b, promises)))
        }
        (Ipld::Map(a), Ipld::Map(b)) if a.len() == b.len() => {
            Truth::all(a.iter().zip(b).map(|((key, a), (other, b))| {
                if key == other {
                    equal(a, b, promises)
                } else {
                    Truth::False
                }
            }))
        }
        (Ipld::Integer(_) | Ipld::Float(_), Ipld::Integer(_) | Ipld::Float(_)) => {
            Truth::from(compare(found, wanted) == Some(Ordering::Equal))
        }
        (a, b) => Truth::from(a == b),
    }
}
