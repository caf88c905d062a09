//! Where parsed values stand in the text that they were parsed from.

use std::cell::RefCell;

use super::{form::Form, structure::Objects};

/// The text that a value was parsed from.
///
/// The parser leaves every string where it was in its copy of the text, so a string's address tells its place.
pub(super) struct Origin<'t> {
    text: &'t [u8],
    /// The account of the object's folder; empty where it is not known.
    folder: &'t str,
    pub(super) form: Form,
    /// The text of the one record in it as its object has it, where what was parsed is another spelling.
    own: Option<&'t [u8]>,
    /// The address of the parsed copy.
    copy: usize,
    objects: RefCell<Objects>,
}

impl<'t> Origin<'t> {
    pub(super) fn new(text: &'t [u8], (folder, form): (&'t str, Form), own: Option<&'t [u8]>, copy: usize) -> Self {
        Self { text, folder, form, own, copy, objects: RefCell::default() }
    }

    /// The text of the innermost object around a string of the parsed copy, with its white space.
    pub(super) fn object_around(&self, string: &str) -> Option<&'t [u8]> {
        if self.own.is_some() {
            return self.own;
        }
        let at = string.as_ptr().addr().checked_sub(self.copy)?;
        self.text.get(self.objects.borrow_mut().around(self.text, at)?)
    }

    /// The account of the object's folder.
    pub(super) fn folder(&self) -> Option<&'t str> {
        Some(self.folder).filter(|account| !account.is_empty())
    }
}
