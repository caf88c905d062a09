//! The names of the objects that rows are of, by number: few in memory, the rest in a temporary file.

use std::collections::{BTreeSet, HashMap};
use std::io::{self, Read, Write};
use std::sync::Arc;

use crate::spill::{Spill, lost, read_text, write_text};

/// Bytes of names in memory.
const IN_MEMORY: usize = if cfg!(test) { 64 } else { 1 << 16 };

/// Names in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Objects {
    last: String,
    count: u32,
    /// Each behind its length.
    recent: Vec<u8>,
    /// How many of them there are.
    recent_count: usize,
    spill: Spill,
}

impl Objects {
    /// The number of a name. One that comes again after others gets another.
    ///
    /// # Errors
    /// When the temporary file cannot be written.
    pub(super) fn number(&mut self, name: &str) -> io::Result<u32> {
        if self.count > 0 && self.last == name {
            return Ok(self.count - 1);
        }
        name.clone_into(&mut self.last);
        write_text(&mut self.recent, name)?;
        self.recent_count += 1;
        self.count = self.count.checked_add(1).ok_or_else(|| io::Error::other("more objects than can be counted"))?;
        if self.recent.len() >= IN_MEMORY {
            let recent = &self.recent;
            self.spill.append(self.recent_count, |writer| writer.write_all(recent))?;
            self.recent.clear();
            self.recent_count = 0;
        }
        Ok(self.count - 1)
    }

    /// Some of the names.
    ///
    /// # Errors
    /// When the temporary file cannot be read back, or does not hold what was written to it.
    pub(super) fn of(&mut self, wanted: &BTreeSet<u32>) -> io::Result<HashMap<u32, Arc<str>>> {
        let mut names = HashMap::with_capacity(wanted.len());
        let (mut number, mut text) = (0, Vec::new());
        let mut next = |from: &mut dyn Read| {
            read_text(from, &mut text)?;
            if wanted.contains(&number) {
                names.insert(number, std::str::from_utf8(&text).map_err(io::Error::other)?.into());
            }
            number += 1;
            Ok(())
        };
        self.spill.for_each(|reader| next(reader))?;
        let mut recent = self.recent.as_slice();
        while !recent.is_empty() {
            next(&mut recent)?;
        }
        if number == self.count { Ok(names) } else { Err(lost()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_by_number_in_memory_and_in_the_file() {
        let mut objects = Objects::default();
        for n in 0..50_u32 {
            for _ in 0..2 {
                assert_eq!(objects.number(&format!("object-{n}")).unwrap(), n);
            }
        }
        assert!(!objects.spill.is_empty() && !objects.recent.is_empty(), "some are in the file, some in memory");
        for _ in 0..2 {
            let names = objects.of(&[0, 7, 49, 50].into()).unwrap();
            let mut names: Vec<_> = names.into_iter().map(|(number, name)| (number, name.to_string())).collect();
            names.sort();
            assert_eq!(names, [0, 7, 49].map(|n| (n, format!("object-{n}"))));
        }
        assert_eq!(objects.number("object-0").unwrap(), 50);
        for length in [0, 1, 12, 13] {
            objects.spill.set_len(length);
            assert!(objects.of(&[49].into()).is_err(), "{length}");
        }
    }
}
