//! Buffers that outlive one object, the fast parser's among them.

use std::{fmt, mem};

use simd_json::{Buffers, Tape};

use super::{callers::Callers, form::Form, origin::Origin, record::Value, spans::RecordSpans};

/// Buffers that one odd document made larger than this, in JSON values, are given back.
const KEEP: usize = 1 << 20;

/// Buffers that outlive one object.
#[derive(Default)]
pub struct Scratch {
    /// The account of the folder in which the object at hand lies; empty where it is not known.
    pub(super) folder: String,
    pub(super) outer: Buffer,
    pub(super) nested: Buffer,
    /// Records that are parsed out of their object, put together.
    pub(super) joined: Vec<u8>,
    pub(super) sketches: Vec<RecordSpans>,
    pub(super) callers: Callers,
}

impl fmt::Debug for Scratch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scratch").finish_non_exhaustive()
    }
}

impl Scratch {
    /// Begins an object that lies in the folder of `account`: a record that does not say whose it is belongs to it.
    pub fn begin(&mut self, account: Option<&str>) {
        self.begin_as(account, Form::Own);
    }

    /// [`Scratch::begin`] for records that are written in some form.
    pub fn begin_as(&mut self, account: Option<&str>, form: Form) {
        self.folder.clear();
        self.folder.push_str(account.unwrap_or_default());
        self.outer.begin(account, form);
        self.nested.begin(account, form);
    }
}

/// The fast parser with its buffers. It overwrites what it parses, so it gets a copy.
pub(super) struct Buffer {
    /// As [`Origin`] has it.
    folder: String,
    form: Form,
    text: Vec<u8>,
    buffers: Buffers,
    tape: Tape<'static>,
}

impl Default for Buffer {
    fn default() -> Self {
        Self {
            folder: String::new(),
            form: Form::Own,
            text: Vec::new(),
            buffers: Buffers::default(),
            tape: Tape(Vec::new()),
        }
    }
}

impl Buffer {
    /// As [`Scratch::begin_as`].
    pub(super) fn begin(&mut self, account: Option<&str>, form: Form) {
        self.form = form;
        self.folder.clear();
        self.folder.push_str(account.unwrap_or_default());
    }

    /// Parses `text` as one document and reads it; `None` where it is not one document that the fast parser accepts.
    pub(super) fn parse<R>(&mut self, text: &[u8], read: impl FnOnce(Value<'_, '_>, &Origin<'_>) -> R) -> Option<R> {
        self.parse_for(text, None, read)
    }

    /// The same for a record that its object has in the spelling `own`, if it is another.
    pub(super) fn parse_for<R>(
        &mut self,
        text: &[u8],
        own: Option<&[u8]>,
        read: impl FnOnce(Value<'_, '_>, &Origin<'_>) -> R,
    ) -> Option<R> {
        let mut tape = mem::replace(&mut self.tape, Tape(Vec::new())).reset();
        self.text.clear();
        self.text.extend_from_slice(text);
        replace_lone_surrogates(&mut self.text);
        let copy = self.text.as_ptr().addr();
        let parsed = simd_json::fill_tape(&mut self.text, &mut self.buffers, &mut tape).is_ok();
        let origin = Origin::new(text, (&self.folder, self.form), own, copy);
        let read = parsed.then(|| read(tape.as_value(), &origin));
        if tape.0.capacity() <= KEEP {
            self.tape = tape.reset();
        } else {
            *self = Self { folder: mem::take(&mut self.folder), form: self.form, ..Self::default() };
        }
        read
    }
}

/// Replaces escapes of half a surrogate pair by the replacement character, as other parsers do. The fast parser takes a
/// first half for a zero byte, and a second half makes it refuse the document.
pub(super) fn replace_lone_surrogates(text: &mut [u8]) {
    let mut at = 0;
    while let Some(skip) = memchr::memchr(b'\\', text.get(at..).unwrap_or_default()) {
        at += skip;
        match escape(text, at) {
            Some(0xd800..0xdc00) if matches!(escape(text, at + 6), Some(0xdc00..0xe000)) => at += 12,
            Some(0xd800..0xe000) => {
                if let Some(lone) = text.get_mut(at..at + 6) {
                    lone.copy_from_slice(b"\\ufffd");
                }
                at += 6;
            }
            _ => at += 2,
        }
    }
}

/// The value of the escape `\uXXXX` that begins at `at`.
fn escape(text: &[u8], at: usize) -> Option<u16> {
    let digits = text.get(at..at.checked_add(6)?)?.strip_prefix(b"\\u")?;
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}
