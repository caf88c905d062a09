//! `index.html`: one self-contained page. No script, no network: its content security policy forbids both.

use askama::Template;

use super::view::{Block, Span, View};
use super::{Report, escape};

#[derive(Template)]
#[template(path = "index.html")]
struct Page {
    view: View,
}

/// Renders `index.html`.
///
/// # Errors
/// When the template cannot be rendered; writing to memory does not fail.
pub fn html(report: &Report) -> askama::Result<String> {
    Page { view: View::new(report) }.render()
}

/// What the template may call.
mod filters {
    /// Shows hidden characters; the template escapes the rest.
    #[askama::filter_fn]
    pub(super) fn visible<T: std::fmt::Display>(text: T, _: &dyn askama::Values) -> askama::Result<String> {
        Ok(super::escape::visible(&text.to_string()))
    }
}
