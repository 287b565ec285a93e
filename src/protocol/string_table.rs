//! Stores strings that repeat only once.

use std::collections::HashMap;
use std::sync::Arc;

/// Strings with their numbers, in the order in which they were added.
///
/// A catalogue repeats the same names under each entry, mostly in the same order. So a lookup first
/// compares the string after the last one, and mostly needs no hash.
#[derive(Clone, Debug, Default)]
pub(super) struct StringTable {
    list: Vec<Arc<str>>,
    numbers: HashMap<Arc<str>, u32>,
    /// The number after the one that was returned last.
    expected: usize,
}

impl StringTable {
    /// The number of a string, which is added if it is new.
    pub(super) fn number(&mut self, name: &str) -> u32 {
        let at = if self.list.get(self.expected).is_some_and(|expected| **expected == *name) {
            self.expected
        } else if let Some(number) = self.numbers.get(name) {
            *number as usize
        } else {
            self.add(name)
        };
        self.expected = at + 1;
        // A body of 16 MiB cannot contain 2^32 strings.
        u32::try_from(at).unwrap_or(u32::MAX)
    }

    /// The stored copy of a string, which is added if it is new.
    pub(super) fn shared(&mut self, name: &str) -> Arc<str> {
        let number = self.number(name);
        Arc::clone(&self.list[number as usize])
    }

    /// The number of a string; `None` if it is not in the table.
    pub(super) fn find(&self, name: &str) -> Option<u32> {
        self.numbers.get(name).copied()
    }

    /// The string of a number.
    pub(super) fn name(&self, number: u32) -> &str {
        &self.list[number as usize]
    }

    /// Every string, in the order of the numbers.
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
    fn a_string_has_one_number_in_any_order() {
        let mut names = StringTable::default();
        let numbers: Vec<u32> =
            ["a", "b", "c", "a", "b", "c", "c", "a", "a", ""].map(|name| names.number(name)).into();
        assert_eq!(numbers, [0, 1, 2, 0, 1, 2, 2, 0, 0, 3]);
        assert_eq!((names.find("c"), names.find("d"), names.name(1)), (Some(2), None, "b"));
        assert!(Arc::ptr_eq(&names.shared("b"), &names.shared("b")));
    }
}
