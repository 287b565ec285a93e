//! StringTable that repeat, kept once.

use std::collections::HashMap;
use std::sync::Arc;

/// StringTable by number, in the order they were first met in.
///
/// A catalogue lists the same names under each of its entries, and mostly in the same order: so the name after the one that
/// was asked for last is compared first, and nothing is hashed.
#[derive(Clone, Debug, Default)]
pub(super) struct StringTable {
    list: Vec<Arc<str>>,
    numbers: HashMap<Arc<str>, u32>,
    expected: usize,
}

impl StringTable {
    /// The number of a name, which is added if it is new.
    pub(super) fn number(&mut self, name: &str) -> u32 {
        let at = if self.list.get(self.expected).is_some_and(|expected| **expected == *name) {
            self.expected
        } else if let Some(number) = self.numbers.get(name) {
            *number as usize
        } else {
            self.add(name)
        };
        self.expected = at + 1;
        // A body of 16 MiB cannot hold 2^32 names.
        u32::try_from(at).unwrap_or(u32::MAX)
    }

    /// The one copy of a name.
    pub(super) fn shared(&mut self, name: &str) -> Arc<str> {
        let number = self.number(name);
        Arc::clone(&self.list[number as usize])
    }

    /// The number of a name that is known.
    pub(super) fn find(&self, name: &str) -> Option<u32> {
        self.numbers.get(name).copied()
    }

    /// The name of a number.
    pub(super) fn name(&self, number: u32) -> &str {
        &self.list[number as usize]
    }

    /// Every name, by its number.
    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        self.list.iter().map(|name| &**name)
    }

    fn add(&mut self, name: &str) -> usize {
        let (at, name) = (self.list.len(), Arc::<str>::from(name));
        self.list.push(Arc::clone(&name));
        self.numbers.insert(name, u32::try_from(at).unwrap_or(u32::MAX));
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_number_whatever_the_order() {
        let mut names = StringTable::default();
        let numbers: Vec<u32> =
            ["a", "b", "c", "a", "b", "c", "c", "a", "a", ""].map(|name| names.number(name)).into();
        assert_eq!(numbers, [0, 1, 2, 0, 1, 2, 2, 0, 0, 3]);
        assert_eq!((names.find("c"), names.find("d"), names.name(1)), (Some(2), None, "b"));
        assert!(Arc::ptr_eq(&names.shared("b"), &names.shared("b")));
    }
}
