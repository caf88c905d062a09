//! One [`Report`] value, rendered to each format.
//!
//! `report.json` is the contract; the other formats say the same. [`OutputDir`] writes them all, [`summary()`] is the
//! screen of text at the end of a run. Every rendering is a pure function: the same report, the same bytes.

mod controls;
mod csv;
pub mod escape;
mod format;
mod html;
mod json;
mod markdown;

mod summary;
mod tables;
mod view;
mod write;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;

use crate::contract::*;
pub use csv::{events_csv, windows_csv};
pub use escape::terminal as terminal_text;
pub use html::html;
pub use json::json;
pub use markdown::markdown;
pub use summary::{summary, summary_with_path};
pub use write::{OutputDir, OutputError, RenderError, render};
