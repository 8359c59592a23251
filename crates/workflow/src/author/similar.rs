//! "Did you mean": the known name that is nearest to a mistyped one.

/// Longest name that is compared, in characters.
const MAX_NAME: usize = 64;
/// Most known names that are looked at.
const MAX_CANDIDATES: usize = 10_000;

/// The known name at the smallest edit distance, if it is near enough to be a slip: one slip for names of up
/// to five characters, then one for each three, at most three.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name: Vec<char> = name.chars().take(MAX_NAME + 1).collect();
    if name.len() > MAX_NAME {
        return None;
    }
    let allowed = (name.len() / 3).clamp(1, 3);
    let mut best: Option<(usize, &str)> = None;
    for candidate in known.into_iter().take(MAX_CANDIDATES) {
        let other: Vec<char> = candidate.chars().take(MAX_NAME + 1).collect();
        if other.len() > MAX_NAME || other.len().abs_diff(name.len()) > allowed {
            continue;
        }
        let distance = distance(&name, &other);
        // A name that shares nothing with the candidate is no slip of it.
        let near = distance <= allowed && distance < name.len().max(other.len());
        if near && best.is_none_or(|(so_far, _)| distance < so_far) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// Edit distance in which a swap of neighbours is one edit (optimal string alignment).
fn distance(a: &[char], b: &[char]) -> usize {
    // Every row has one place more than `b`, so no index here is out of range.
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = Vec::with_capacity(b.len() + 1);
        row.push(i + 1);
        for (j, y) in b.iter().enumerate() {
            let replaced = last[j] + usize::from(x != y);
            let mut cost = replaced.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                cost = cost.min(before[j - 1] + 1);
            }
            row.push(cost);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    /// Breaks: the remedy of a mistyped name would be missing or misleading.
    #[test]
    fn finds_slips_only() {
        let known = ["small", "grey", "each-size", "mod", "fun", "args"];
        let check =
            |name: &str, expect: Option<&str>| assert_eq!(nearest(name, known), expect, "{name}");
        check("smal", Some("small"));
        check("samll", Some("small"));
        check("gray", Some("grey"));
        check("each_size", Some("each-size"));
        check("mode", Some("mod"));
        check("arg", Some("args"));
        check("large", None);
        check("x", None);
        check("", None);
        check(&"x".repeat(100_000), None);
    }
}
