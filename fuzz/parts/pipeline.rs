//! What a visitor is, as far as those here are visitors. Where the product's differs, this does not compile.

use std::sync::Arc;

use crate::cloudtrail::Record;
use crate::inflate::{InflateError, Inflated};
use crate::source::ObjectRef;

pub trait Visitor: Send {
    fn bytes(&mut self, object: &Arc<ObjectRef>, bytes: &Bytes<'_>) -> Next;
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
