//! One [`Report`] value, rendered to each format.
//!
//! `report.json` is the contract; the other formats say the same. [`render`] makes them, [`OutputDir`] writes them, [`summary()`] is the
//! screen of text at the end of a run. Every rendering is a pure function: the same report, the same bytes.

mod account;
mod actions;
mod assurance;
mod changes;
mod contents;
mod controls;
mod csv;
mod format;
mod html;
mod json;
mod machine;
mod markdown;
mod posture;
mod redact;
mod rows;
mod summary;
mod tables;
mod trace;
mod view;
mod write;
mod xlsx;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;

use crate::contract::*;
pub use changes::{changes_sentence, exposure_sentence};
pub use contents::Contents;
pub use csv::{events_csv, windows_csv};
pub(crate) use format::{duration_exact, period as period_name, plural};
pub use html::{Paper, printed};
pub use json::{json, pretty_json};
pub use machine::posture_ocsf;
pub use markdown::markdown;
pub use posture::{posture_html, posture_markdown};
pub use redact::redact;
pub use summary::{summary, summary_with_path};
pub use trace::{trace_html, trace_text, trace_timeline_csv, trace_timeline_jsonl};
pub(crate) use write::digest_of;
pub use write::{File, Format, MANIFEST, OutputDir, OutputError, RenderError, differences, is_intact, render};
pub use xlsx::xlsx;
