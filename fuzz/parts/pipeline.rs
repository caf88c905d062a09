//! What a visitor is, as far as those here are visitors. Where the product's differs, this does not compile.

use std::sync::Arc;

use crate::cloudtrail::Record;
use crate::inflate::{InflateError, Inflated};
use crate::source::ObjectRef;

pub trait Visitor: Send {
    fn bytes(&mut self, object: &Arc<ObjectRef>, bytes: &Bytes<'_>) -> Next;
    fn keep(&mut self, _object: &Arc<ObjectRef>, _buffer: Vec<u8>, _length: usize) {}
    fn buffer(&mut self, _length: usize, at_hand: Vec<u8>) -> Vec<u8> {
        at_hand
    }
    fn ended(&mut self) {}
    fn damaged(&mut self, object: &Arc<ObjectRef>, error: &InflateError);
    fn record(&mut self, object: &Arc<ObjectRef>, record: &Record<'_, '_>);
    fn merge(&mut self, other: Self);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    Visit,
    Pass,
    Keep,
}

#[derive(Debug, Clone, Copy)]
pub struct Bytes<'b> {
    pub inflated: Inflated<'b>,
    pub signature: Option<&'b str>,
}
