//! The names of the objects that rows are of, by number: few in memory, the rest in a temporary file.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::sync::Arc;

use super::spill::lost;

/// Bytes of names in memory.
const IN_MEMORY: usize = if cfg!(test) { 64 } else { 1 << 16 };

/// Names in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Objects {
    last: String,
    count: u32,
    /// Each behind its length.
    recent: Vec<u8>,
    file: Option<File>,
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
        self.recent.extend(u32::try_from(name.len()).map_err(io::Error::other)?.to_le_bytes());
        self.recent.extend(name.as_bytes());
        self.count = self.count.checked_add(1).ok_or_else(|| io::Error::other("more objects than can be counted"))?;
        if self.recent.len() >= IN_MEMORY {
            let file = match &mut self.file {
                Some(file) => file,
                none => none.insert(tempfile::tempfile()?),
            };
            file.seek(SeekFrom::End(0))?;
            file.write_all(&self.recent)?;
            self.recent.clear();
        }
        Ok(self.count - 1)
    }

    /// Some of the names.
    ///
    /// # Errors
    /// When the temporary file cannot be read back, or does not hold what was written to it.
    pub(super) fn of(&mut self, wanted: &BTreeSet<u32>) -> io::Result<HashMap<u32, Arc<str>>> {
        let mut names = HashMap::with_capacity(wanted.len());
        let mut number = 0;
        if let Some(file) = &mut self.file {
            file.seek(SeekFrom::Start(0))?;
            let mut reader = BufReader::new(file);
            while read(&mut reader, &mut number, wanted, &mut names)? {}
        }
        let mut recent = self.recent.as_slice();
        while read(&mut recent, &mut number, wanted, &mut names)? {}
        if number == self.count { Ok(names) } else { Err(lost()) }
    }
}

/// Reads the next name; tells whether there was one.
fn read(
    from: &mut impl Read,
    number: &mut u32,
    wanted: &BTreeSet<u32>,
    names: &mut HashMap<u32, Arc<str>>,
) -> io::Result<bool> {
    let mut length = [0; 4];
    match from.read_exact(&mut length) {
        Ok(()) => {}
        Err(end) if end.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
        Err(error) => return Err(error),
    }
    let mut name = Vec::new();
    let length = u64::from(u32::from_le_bytes(length));
    if from.take(length).read_to_end(&mut name)? as u64 != length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    if wanted.contains(number) {
        names.insert(*number, String::from_utf8(name).map_err(io::Error::other)?.into());
    }
    *number += 1;
    Ok(true)
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
        assert!(objects.file.is_some() && !objects.recent.is_empty(), "some are in the file, some in memory");
        for _ in 0..2 {
            let names = objects.of(&[0, 7, 49, 50].into()).unwrap();
            let mut names: Vec<_> = names.into_iter().map(|(number, name)| (number, name.to_string())).collect();
            names.sort();
            assert_eq!(names, [0, 7, 49].map(|n| (n, format!("object-{n}"))));
        }
        assert_eq!(objects.number("object-0").unwrap(), 50);
        for length in [0, 1, 12, 13] {
            objects.file.as_ref().unwrap().set_len(length).unwrap();
            assert!(objects.of(&[49].into()).is_err(), "{length}");
        }
    }
}
