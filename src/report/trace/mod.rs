//! A trace in each form: a story for the terminal (`text`), a page (`html`), and a timeline for Timesketch (`timeline`).

mod html;
mod text;
mod timeline;

pub use html::trace_html;
pub use text::trace_text;
pub use timeline::{trace_timeline_csv, trace_timeline_jsonl};
