//! Ages and sizes as people write them.

/// A limit as it is set: bytes, or none.
pub(crate) type Limit = Option<u64>;

const AGES: [(&str, i64); 5] = [
    ("s", 1),
    ("m", 60),
    ("h", 3_600),
    ("d", 86_400),
    ("w", 604_800),
];

const SIZES: [(&str, u64); 10] = [
    ("", 1),
    ("B", 1),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

/// An age in seconds: `30d`.
pub(crate) fn age(text: &str) -> Result<i64, String> {
    let (number, unit) = split(text);
    let factor = AGES.iter().find(|(name, _)| *name == unit);
    let age = number.parse::<i64>().ok().zip(factor);
    age.and_then(|(number, (_, factor))| number.checked_mul(*factor))
        .ok_or_else(|| "write a number and `s`, `m`, `h`, `d` or `w`, for instance 30d".to_owned())
}

/// A size in bytes or `none`: `20GiB`.
pub(crate) fn limit(text: &str) -> Result<Limit, String> {
    if text == "none" {
        return Ok(None);
    }
    let (number, unit) = split(text);
    let factor = SIZES
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(unit));
    let size = number.parse::<u64>().ok().zip(factor);
    size.and_then(|(number, (_, factor))| number.checked_mul(*factor))
        .map(Some)
        .ok_or_else(|| {
            "write bytes, or a number and a unit, for instance 500MB or 20GiB; or `none`".to_owned()
        })
}

/// The digits at the start, and what follows them.
fn split(text: &str) -> (&str, &str) {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    (number, unit.trim())
}

#[cfg(test)]
mod tests {
    //! Without these a home could be emptied because a unit was taken for another.

    use super::{age, limit};

    #[test]
    fn ages_are_in_seconds() {
        for (text, expect) in [
            ("0s", Some(0)),
            ("90m", Some(5_400)),
            ("12h", Some(43_200)),
            ("30d", Some(2_592_000)),
            ("2 w", Some(1_209_600)),
            ("30", None),
            ("d", None),
            ("-1d", None),
            ("1.5d", None),
            ("30 days", None),
            ("9223372036854775807w", None),
        ] {
            assert_eq!(age(text).ok(), expect, "{text}");
        }
    }

    #[test]
    fn sizes_are_in_bytes() {
        for (text, expect) in [
            ("none", Some(None)),
            ("1000", Some(Some(1_000))),
            ("20GiB", Some(Some(20 << 30))),
            ("20 gib", Some(Some(20 << 30))),
            ("500MB", Some(Some(500_000_000))),
            ("1kb", Some(Some(1_000))),
            ("lots", None),
            ("10G", None),
            ("-5MB", None),
            ("99999999TiB", None),
        ] {
            assert_eq!(limit(text).ok(), expect, "{text}");
        }
    }
}
