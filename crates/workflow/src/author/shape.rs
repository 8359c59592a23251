//! Reading the fixed shapes of the file: maps with known keys, text, quantities. What is wrong is collected,
//! so that one run names all of it.

use super::document::{At, Document, Entry, NodeId, Value};
use super::problem::{Diagnostic, Diagnostics, MAX_DIAGNOSTICS, Origin, Problem};
use super::similar;

/// Collects what is wrong.
pub(crate) struct Report<'d> {
    pub(crate) doc: &'d Document,
    list: Vec<Diagnostic>,
    more: bool,
}

impl<'d> Report<'d> {
    pub(crate) fn new(doc: &'d Document) -> Self {
        Self {
            doc,
            list: Vec::new(),
            more: false,
        }
    }

    /// Adds a problem, unless the same is known of the same place (tasks made by `each` share their places).
    pub(crate) fn add(&mut self, at: At, problem: Problem) {
        let node = match at {
            At::Node(id) | At::Key(id, _) => id,
        };
        let origin = self
            .doc
            .set_of(node)
            .map_or(Origin::File, |key| Origin::Set(key.to_owned()));
        let diagnostic = Diagnostic {
            origin,
            path: self.doc.path(at),
            position: self.doc.position(at),
            problem,
        };
        self.push(diagnostic);
    }

    pub(crate) fn push(&mut self, diagnostic: Diagnostic) {
        if self.list.contains(&diagnostic) {
            return;
        }
        if !self.is_full() {
            self.list.push(diagnostic);
        }
    }

    /// Nothing more would be shown: who asks does not look further.
    pub(crate) fn is_full(&mut self) -> bool {
        let full = self.list.len() >= MAX_DIAGNOSTICS;
        self.more |= full;
        full
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// All problems, in the order of the file.
    pub(crate) fn into_diagnostics(mut self) -> Diagnostics {
        self.list.sort_by(|a, b| {
            (&a.origin, a.position, &a.path).cmp(&(&b.origin, b.position, &b.path))
        });
        Diagnostics {
            list: self.list,
            more: self.more,
        }
    }

    /// Says that something else belongs here.
    pub(crate) fn expected(&mut self, id: NodeId, what: &'static str, help: &'static str) {
        let found = self.doc.value(id).kind();
        self.add(At::Node(id), Problem::Expected { what, found, help });
    }

    pub(crate) fn text(
        &mut self,
        id: NodeId,
        what: &'static str,
        help: &'static str,
    ) -> Option<&'d str> {
        let text = self.doc.text(id);
        if text.is_none() {
            self.expected(id, what, help);
        }
        text
    }

    /// The entries of a map with free keys.
    pub(crate) fn map(
        &mut self,
        id: NodeId,
        what: &'static str,
        help: &'static str,
    ) -> Option<&'d [Entry]> {
        let entries = self.doc.entries(id);
        if entries.is_none() {
            self.expected(id, what, help);
        }
        entries
    }

    pub(crate) fn list(
        &mut self,
        id: NodeId,
        what: &'static str,
        help: &'static str,
    ) -> Option<&'d [NodeId]> {
        let items = self.doc.items(id);
        if items.is_none() {
            self.expected(id, what, help);
        }
        items
    }

    /// A map whose keys are all known.
    pub(crate) fn fields(
        &mut self,
        id: NodeId,
        of: &'static str,
        known: &'static [&'static str],
    ) -> Option<Fields<'d>> {
        let entries = self.map(id, of, "write a map: keys with values")?;
        for (index, entry) in entries.iter().enumerate() {
            if !known.contains(&&*entry.key) {
                let similar = similar::nearest(&entry.key, known.iter().copied());
                // The table is static, and so is the name found in it.
                let similar = similar
                    .and_then(|name| known.iter().find(|key| **key == name))
                    .copied();
                let key = entry.key.to_string();
                self.add(
                    At::Key(id, index),
                    Problem::UnknownKey {
                        key,
                        of,
                        known,
                        similar,
                    },
                );
            }
        }
        Some(Fields { doc: self.doc, id })
    }

    /// A number of the file's own keys: a bare whole number, or text with `_` and perhaps a unit.
    pub(crate) fn quantity(&mut self, id: NodeId, kind: &Quantity) -> Option<u64> {
        let (number, text) = match self.doc.value(id) {
            Value::Int(number) => (u64::try_from(*number).ok(), number.to_string()),
            Value::Text(text) => (kind.parse(text), text.to_string()),
            Value::Float(number) => (None, number.to_string()),
            _ => {
                self.expected(id, kind.what, kind.help);
                return None;
            }
        };
        let number = number.filter(|number| (kind.least..=kind.most).contains(number));
        if number.is_none() {
            self.add(
                At::Node(id),
                Problem::BadQuantity {
                    text,
                    what: kind.what,
                    help: kind.help,
                },
            );
        }
        number
    }

    pub(crate) fn boolean(&mut self, id: NodeId) -> Option<bool> {
        match self.doc.value(id) {
            Value::Bool(value) => Some(*value),
            _ => {
                self.expected(id, "true or false", "write true or false");
                None
            }
        }
    }
}

/// A map whose keys were checked.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'d> {
    doc: &'d Document,
    pub(crate) id: NodeId,
}

impl Fields<'_> {
    pub(crate) fn get(&self, key: &str) -> Option<NodeId> {
        self.doc.get(self.id, key)
    }

    /// The place of a key that is there.
    pub(crate) fn key(&self, key: &str) -> At {
        let entries = self.doc.entries(self.id).unwrap_or_default();
        entries
            .iter()
            .position(|entry| &*entry.key == key)
            .map_or(At::Node(self.id), |at| At::Key(self.id, at))
    }
}

/// What a number in the file may look like.
pub(crate) struct Quantity {
    what: &'static str,
    help: &'static str,
    /// Units with their factors. A bare number is in the smallest.
    units: &'static [(&'static str, u64)],
    least: u64,
    most: u64,
}

/// Largest number of the formats, 2^53 − 1.
const MOST: u64 = super::read::MAX_INT.unsigned_abs();

impl Quantity {
    pub(crate) const FUEL: Self = Self {
        what: "an amount of fuel",
        help: "write a whole number such as 5_000_000_000",
        units: &[],
        least: 1,
        most: MOST,
    };
    pub(crate) const BYTES: Self = Self {
        what: "an amount of memory",
        help: "write a whole number with B, kB, MB, GB, KiB, MiB or GiB, such as 256MiB",
        units: &[
            ("B", 1),
            ("kB", 1_000),
            ("MB", 1_000_000),
            ("GB", 1_000_000_000),
            ("KiB", 1 << 10),
            ("MiB", 1 << 20),
            ("GiB", 1 << 30),
        ],
        least: 1,
        most: MOST,
    };
    pub(crate) const TIME: Self = Self {
        what: "a length of time",
        help: "write a whole number with ms, s, m or h, such as 30s (without a unit: milliseconds)",
        units: &[("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)],
        least: 1,
        most: MOST,
    };
    pub(crate) const RETRY: Self = Self {
        what: "a number of further attempts",
        help: "write a whole number from 0 to 100",
        units: &[],
        least: 0,
        most: crate::config::MAX_RETRY,
    };
    pub(crate) const COUNT: Self = Self {
        what: "a count",
        help: "write a whole number from 1",
        units: &[],
        least: 1,
        most: MOST,
    };

    /// Digits that may be parted by single `_`, then a unit, with at most one space between.
    fn parse(&self, text: &str) -> Option<u64> {
        let end = text
            .find(|c: char| !(c.is_ascii_digit() || c == '_'))
            .unwrap_or(text.len());
        let (digits, unit) = text.split_at(end);
        let factor = match unit.strip_prefix(' ').unwrap_or(unit) {
            "" if unit.is_empty() => 1,
            unit => self.units.iter().find(|(name, _)| *name == unit)?.1,
        };
        if digits.split('_').any(str::is_empty) {
            return None;
        }
        digits
            .replace('_', "")
            .parse::<u64>()
            .ok()?
            .checked_mul(factor)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    /// Breaks: a limit in a file would mean another amount than its author wrote.
    #[test]
    fn quantities() {
        let check = |kind: &Quantity, text: &str, expect: Option<u64>| {
            assert_eq!(kind.parse(text), expect, "{text}")
        };
        check(&Quantity::FUEL, "5_000_000_000", Some(5_000_000_000));
        check(&Quantity::FUEL, "5", Some(5));
        check(&Quantity::BYTES, "256MiB", Some(256 << 20));
        check(&Quantity::BYTES, "256 MiB", Some(256 << 20));
        check(&Quantity::BYTES, "1GiB", Some(1 << 30));
        check(&Quantity::BYTES, "1_000kB", Some(1_000_000));
        check(&Quantity::BYTES, "2MB", Some(2_000_000));
        check(&Quantity::BYTES, "7GB", Some(7_000_000_000));
        check(&Quantity::BYTES, "9B", Some(9));
        check(&Quantity::TIME, "30s", Some(30_000));
        check(&Quantity::TIME, "250ms", Some(250));
        check(&Quantity::TIME, "2m", Some(120_000));
        check(&Quantity::TIME, "1h", Some(3_600_000));
        for text in [
            "", "_", "5_", "_5", "5__0", "-5", "+5", "1.5", "5 ", "s", "5 s", "5s", "0x5", "٣",
        ] {
            check(&Quantity::FUEL, text, None);
        }
        for text in [
            "1mb",
            "1 KB",
            "1 MiB ",
            "1  MiB",
            "MiB",
            "1.5GiB",
            "99999999999GiB",
            "30s",
        ] {
            check(&Quantity::BYTES, text, None);
        }
    }
}
