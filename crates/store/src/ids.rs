//! Sets of row numbers: a bit for each number, in pages that exist only where there are numbers.

use std::collections::BTreeMap;

/// Words of a page.
const WORDS: usize = 512;
/// Numbers that a page covers.
const SPAN: i64 = (WORDS * 64) as i64;

/// A set of row numbers. Row numbers grow one by one, so it takes about a bit for each row that there ever was.
#[derive(Debug, Default)]
pub(crate) struct IdSet {
    pages: BTreeMap<i64, Box<[u64; WORDS]>>,
}

/// Where a number is in its page: word and bit.
fn place(id: i64) -> (usize, u64) {
    let offset = id.rem_euclid(SPAN) as usize;
    (offset / 64, 1 << (offset % 64))
}

impl IdSet {
    /// Adds a number; false if it was there.
    pub(crate) fn insert(&mut self, id: i64) -> bool {
        let page = self
            .pages
            .entry(id.div_euclid(SPAN))
            .or_insert_with(|| Box::new([0; WORDS]));
        let (at, bit) = place(id);
        let Some(word) = page.get_mut(at) else {
            return false;
        };
        let new = *word & bit == 0;
        *word |= bit;
        new
    }

    pub(crate) fn contains(&self, id: i64) -> bool {
        let (at, bit) = place(id);
        let page = self.pages.get(&id.div_euclid(SPAN));
        page.and_then(|page| page.get(at))
            .is_some_and(|word| word & bit != 0)
    }

    /// Takes the lowest number out.
    pub(crate) fn pop(&mut self) -> Option<i64> {
        loop {
            let mut first = self.pages.first_entry()?;
            let start = first.key() * SPAN;
            let found = first
                .get_mut()
                .iter_mut()
                .enumerate()
                .find(|(_, word)| **word != 0);
            let Some((at, word)) = found else {
                first.remove();
                continue;
            };
            let bit = word.trailing_zeros();
            *word &= *word - 1;
            return Some(start + (at as i64) * 64 + i64::from(bit));
        }
    }

    /// The lowest numbers above `after`, at most `limit`, in order.
    pub(crate) fn after(&self, after: i64, limit: usize) -> Vec<i64> {
        let mut found = Vec::new();
        for (page, words) in self.pages.range(after.div_euclid(SPAN)..) {
            for (at, word) in words.iter().enumerate() {
                let mut rest = *word;
                while rest != 0 {
                    let id = page * SPAN + (at as i64) * 64 + i64::from(rest.trailing_zeros());
                    rest &= rest - 1;
                    if id > after {
                        found.push(id);
                    }
                    if found.len() == limit {
                        return found;
                    }
                }
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    //! Without these a collection takes what is kept for garbage, or the other way round.

    use super::IdSet;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn id() -> impl Strategy<Value = i64> {
        prop_oneof![
            1..200_i64,
            32_700..32_900_i64,
            any::<i64>().prop_map(|id| id >> 20)
        ]
    }

    proptest! {
        #[test]
        fn it_is_a_set(ids in vec(id(), 0..200), asked in vec(id(), 0..50), from in id()) {
            let mut set = IdSet::default();
            let mut model = BTreeSet::new();
            for id in &ids {
                prop_assert_eq!(set.insert(*id), model.insert(*id));
            }
            for id in asked.iter().chain(&ids) {
                prop_assert_eq!(set.contains(*id), model.contains(id));
            }
            let above: Vec<i64> = model.range(from..).copied().filter(|id| *id > from).take(7).collect();
            prop_assert_eq!(set.after(from, 7), above);
            while let Some(id) = set.pop() {
                prop_assert_eq!(Some(id), model.pop_first());
            }
            prop_assert!(model.is_empty());
        }
    }
}
