//! Buffers for bodies, used again: where each is made anew, and freed by another thread, a tenth of the time goes into memory that
//! is given to the system and taken back.

use std::{
    collections::{BTreeMap, TryReserveError},
    mem,
    sync::{Arc, Mutex, PoisonError},
};

/// A larger buffer is made for its one body.
const LARGEST: usize = 1 << 20;
/// The most bytes that wait for use.
const MOST: usize = 8 << 20;
/// The smallest step between sizes.
const STEP: usize = 4 << 10;

/// Those that wait for use, by their size.
#[derive(Debug, Default)]
pub(super) struct Buffers(Mutex<Free>);

#[derive(Debug, Default)]
struct Free {
    bytes: usize,
    buffers: BTreeMap<usize, Vec<Vec<u8>>>,
}

impl Buffers {
    /// An empty buffer with room for so many bytes, and for a quarter more at most.
    ///
    /// # Errors
    /// Where there is no memory.
    pub(super) fn take(&self, bytes: usize) -> Result<Vec<u8>, TryReserveError> {
        let size = rounded(bytes);
        if let Some(buffer) = self.0.lock().unwrap_or_else(PoisonError::into_inner).take(size) {
            return Ok(buffer);
        }
        let mut buffer = Vec::new();
        buffer.try_reserve_exact(size)?;
        Ok(buffer)
    }

    fn give_back(&self, mut buffer: Vec<u8>) {
        buffer.clear();
        let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let size = buffer.capacity();
        if size == rounded(size) && size <= LARGEST && free.bytes + size <= MOST {
            free.bytes += size;
            free.buffers.entry(size).or_default().push(buffer);
        }
    }
}

impl Free {
    fn take(&mut self, size: usize) -> Option<Vec<u8>> {
        let buffer = self.buffers.get_mut(&size)?.pop()?;
        self.bytes -= size;
        Some(buffer)
    }
}

/// The size of a buffer for so many bytes: there are four sizes between one power of two and the next.
fn rounded(bytes: usize) -> usize {
    if bytes > LARGEST {
        return bytes;
    }
    bytes.next_multiple_of((bytes.next_power_of_two() / 8).max(STEP))
}

/// The body of an object, in a buffer that serves again afterwards.
pub(super) struct Body {
    buffer: Vec<u8>,
    begins: usize,
    buffers: Arc<Buffers>,
}

impl Body {
    /// What is behind the first so many bytes of a buffer.
    pub(super) fn new(buffer: Vec<u8>, begins: usize, buffers: &Arc<Buffers>) -> Self {
        Self { buffer, begins, buffers: Arc::clone(buffers) }
    }
}

impl AsRef<[u8]> for Body {
    fn as_ref(&self) -> &[u8] {
        self.buffer.get(self.begins..).unwrap_or_default()
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        self.buffers.give_back(mem::take(&mut self.buffer));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_has_room_and_little_more() {
        for bytes in (1..300).map(|n| n * 7_001).chain([1, STEP, STEP + 1, LARGEST - 1, LARGEST, LARGEST + 1, 50 << 20])
        {
            let size = rounded(bytes);
            assert!(size >= bytes && size <= bytes + (bytes / 4).max(STEP), "{bytes}: {size}");
            assert_eq!(rounded(size), size, "{bytes}");
        }
    }

    #[test]
    fn a_body_gives_its_buffer_back() {
        let buffers = Arc::new(Buffers::default());
        let waiting = || buffers.0.lock().unwrap().bytes;
        let mut buffer = buffers.take(10_000).unwrap();
        buffer.extend_from_slice(b"head body");
        let (address, size) = (buffer.as_ptr(), buffer.capacity());
        let body = Body::new(buffer, 5, &buffers);
        assert_eq!((body.as_ref(), waiting()), (&b"body"[..], 0));
        drop(body);
        assert_eq!(waiting(), size);
        let again = buffers.take(9_000).unwrap();
        assert_eq!((again.as_ptr(), again.is_empty(), waiting()), (address, true, 0));
    }

    #[test]
    fn few_bytes_wait_for_use() {
        let buffers = Arc::new(Buffers::default());
        let bodies = |bytes| (0..100).map(|_| Body::new(buffers.take(bytes).unwrap(), 0, &buffers)).collect::<Vec<_>>();
        for bytes in [100, 300_000, LARGEST, LARGEST + 1] {
            drop(bodies(bytes));
            assert!(buffers.0.lock().unwrap().bytes <= MOST);
        }
    }
}
