//! A map that forgets: at most so many entries, those that were used lately stay.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Two generations: what is used moves to the younger one; when that is full, the older one goes. So an entry stays for
/// at least half of `limit` other insertions, and nothing is ever searched for a victim.
pub(crate) struct Bounded<K, V> {
    half: usize,
    young: HashMap<K, V>,
    old: HashMap<K, V>,
}

impl<K: Eq + Hash, V: Clone> Bounded<K, V> {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            half: (limit / 2).max(1),
            young: HashMap::new(),
            old: HashMap::new(),
        }
    }

    pub(crate) fn get<Q>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        if let Some(value) = self.young.get(key) {
            return Some(value.clone());
        }
        let (key, value) = self.old.remove_entry(key)?;
        self.insert(key, value.clone());
        Some(value)
    }

    pub(crate) fn insert(&mut self, key: K, value: V) {
        if self.young.len() >= self.half && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }

    pub(crate) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

/// The lock; what a panic elsewhere left behind is a cache all the same.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::Bounded;

    /// Without it, a cache could forget at once, grow without end, or throw out what is in use.
    #[test]
    fn what_is_used_stays_and_the_rest_goes() {
        let mut cache = Bounded::new(8);
        cache.insert(0, "kept");
        for n in 1..100 {
            cache.insert(n, "passing");
            assert_eq!(cache.get(&n), Some("passing"), "the last one is there");
            assert_eq!(cache.get(&0), Some("kept"), "used all the time");
            assert!(cache.len() <= 8, "{}", cache.len());
        }
        assert_eq!(cache.get(&1), None);
        assert_eq!(cache.get(&98), Some("passing"), "used lately");
        // What is there already takes no room and pushes nothing out.
        let mut cache = Bounded::new(4);
        for n in [1, 2, 1, 2, 1, 2] {
            cache.insert(n, n);
        }
        assert_eq!(
            (cache.len(), cache.get(&1), cache.get(&2)),
            (2, Some(1), Some(2))
        );
    }
}
