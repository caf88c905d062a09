//! What is too much for memory goes to an unnamed temporary file, which goes with the process, and comes back: as many records and
//! bytes as were written, or an error. A temporary folder may be full, and another program may write to whatever it finds there.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};

/// Records in a temporary file, in the order in which they were written. There is no file as long as there are none.
#[derive(Debug, Default)]
pub struct Spill {
    file: Option<File>,
    records: u64,
    bytes: u64,
}

impl Spill {
    /// Appends so many records, all of which `write` writes.
    ///
    /// # Errors
    /// When the file cannot be made or written.
    pub fn append(
        &mut self,
        records: usize,
        write: impl FnOnce(&mut BufWriter<&mut File>) -> io::Result<()>,
    ) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(tempfile::tempfile()?),
        };
        file.seek(SeekFrom::Start(self.bytes))?;
        let mut writer = BufWriter::new(&mut *file);
        write(&mut writer)?;
        writer.flush()?;
        drop(writer);
        self.bytes = file.stream_position()?;
        self.records += records as u64;
        Ok(())
    }

    /// Bytes in the file.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether nothing was written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.file.is_none()
    }

    /// Reads all records back; `read` reads one, and is called as often as there are.
    ///
    /// # Errors
    /// When the file cannot be read, has another length than what was written (then nothing is read), or the records do not take
    /// all of it; and with the first error of `read`.
    pub fn for_each(&mut self, mut read: impl FnMut(&mut BufReader<&mut File>) -> io::Result<()>) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        if file.metadata()?.len() != self.bytes {
            return Err(lost());
        }
        file.seek(SeekFrom::Start(0))?;
        let mut reader = BufReader::new(file);
        for _ in 0..self.records {
            read(&mut reader).map_err(ended)?;
        }
        if reader.stream_position()? == self.bytes { Ok(()) } else { Err(lost()) }
    }

    /// Reads what was written from a byte on.
    ///
    /// # Errors
    /// When the file cannot be read, or has fewer bytes.
    pub fn read_at(&mut self, at: u64, into: &mut [u8]) -> io::Result<()> {
        let file = self.file.as_mut().ok_or_else(lost)?;
        file.seek(SeekFrom::Start(at))?;
        file.read_exact(into).map_err(ended)
    }

    /// Copies all bytes elsewhere.
    ///
    /// # Errors
    /// When the file has another length than what was written (then nothing is copied), or cannot be read, or there not be written.
    pub fn copy(&self, to: &mut impl Write) -> io::Result<()> {
        let Some(mut file) = self.file.as_ref() else { return Ok(()) };
        if file.metadata()?.len() != self.bytes {
            return Err(lost());
        }
        file.seek(SeekFrom::Start(0))?;
        if io::copy(&mut file, to)? == self.bytes { Ok(()) } else { Err(lost()) }
    }

    /// Cuts the file, as another program might.
    #[cfg(test)]
    pub(crate) fn set_len(&self, bytes: u64) {
        self.file.as_ref().unwrap().set_len(bytes).unwrap();
    }
}

/// The error for a temporary file that does not give back what was written to it.
#[must_use]
pub fn lost() -> io::Error {
    io::Error::other("a temporary file does not contain what was written to it")
}

fn ended(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::UnexpectedEof { lost() } else { error }
}

/// Writes a text behind its length.
///
/// # Errors
/// When it cannot be written, or has 4 GiB.
pub fn write_text(into: &mut impl Write, text: &str) -> io::Result<()> {
    into.write_all(&u32::try_from(text.len()).map_err(io::Error::other)?.to_le_bytes())?;
    into.write_all(text.as_bytes())
}

/// Reads a text behind its length, in place of what is in `text`.
///
/// # Errors
/// When it cannot be read, or there are fewer bytes.
pub fn read_text(from: &mut (impl Read + ?Sized), text: &mut Vec<u8>) -> io::Result<()> {
    text.clear();
    let mut length = [0; 4];
    from.read_exact(&mut length).map_err(ended)?;
    let length = u64::from(u32::from_le_bytes(length));
    if from.take(length).read_to_end(text)? as u64 == length { Ok(()) } else { Err(lost()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spill() -> Spill {
        let mut spill = Spill::default();
        for texts in [&["alice", ""][..], &["bob"]] {
            spill.append(texts.len(), |writer| texts.iter().try_for_each(|text| write_text(writer, text))).unwrap();
        }
        spill
    }

    /// The texts that come back, until an error.
    fn texts(spill: &mut Spill) -> (Vec<String>, Option<String>) {
        let (mut all, mut text) = (Vec::new(), Vec::new());
        let read = spill.for_each(|reader| {
            read_text(reader, &mut text)?;
            all.push(String::from_utf8(text.clone()).unwrap());
            Ok(())
        });
        (all, read.err().map(|error| error.to_string()))
    }

    #[test]
    fn what_is_written_comes_back_as_often_as_it_is_read() {
        assert_eq!(texts(&mut Spill::default()), (vec![], None));
        assert!(Spill::default().is_empty());
        let mut spill = spill();
        assert_eq!((spill.bytes(), spill.is_empty()), (20, false));
        for _ in 0..2 {
            assert_eq!(texts(&mut spill), (["alice", "", "bob"].map(str::to_owned).to_vec(), None));
            let mut three = [0; 3];
            spill.read_at(17, &mut three).unwrap();
            assert_eq!(&three, b"bob");
        }
        spill.append(1, |writer| write_text(writer, "carol")).unwrap();
        assert_eq!(texts(&mut spill).0.len(), 4);
    }

    #[test]
    fn a_file_of_another_length_gives_nothing_and_says_so() {
        for length in [0, 1, 13, 19, 21, 1000] {
            let mut spill = spill();
            spill.set_len(length);
            let (texts, error) = texts(&mut spill);
            assert_eq!((texts.len(), error), (0, Some(lost().to_string())), "{length}");
        }
        let mut spill = spill();
        for (at, length) in [(18, 3), (20, 1), (400, 1)] {
            let error = spill.read_at(at, &mut vec![0; length]).unwrap_err();
            assert_eq!(error.to_string(), lost().to_string(), "{at}");
        }
        assert_eq!(Spill::default().read_at(0, &mut [0]).unwrap_err().to_string(), lost().to_string());
    }

    #[test]
    fn records_that_take_less_or_more_than_was_written_are_an_error() {
        let record = |reader: &mut BufReader<&mut File>, length: usize| reader.read_exact(&mut vec![0; length]);
        for length in [1, 6, 7] {
            let error = spill().for_each(|reader| record(reader, length)).unwrap_err();
            assert_eq!(error.to_string(), lost().to_string(), "{length}");
        }
        let failed = spill().for_each(|_| Err(io::Error::other("no")));
        assert_eq!(failed.unwrap_err().to_string(), "no");
    }

    #[test]
    fn what_failed_while_it_was_written_is_not_taken_for_written() {
        let mut spill = spill();
        let failed = spill.append(1, |writer| {
            write_text(writer, "carol")?;
            writer.flush()?;
            Err(io::Error::other("full"))
        });
        assert_eq!(failed.unwrap_err().to_string(), "full");
        assert_eq!(texts(&mut spill).1, Some(lost().to_string()));
    }
}
