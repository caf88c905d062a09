//! `index.html`: one self-contained page that loads nothing and talks to nobody.
//!
//! Its content security policy allows one style sheet and one script, those of the templates, by the hashes of what is
//! really in the page: text from the logs that got past the escaping could not run all the same. Without script the
//! page is whole; the script sorts, filters and copies.

use std::io;

use askama::Template;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::view::{Block, Span, View};
use super::{Report, account, format};

const STYLE: &str = include_str!("../../reports/templates/style.css");
const SCRIPT: &str = include_str!("../../reports/templates/page.js");

/// The sheet of paper that a page is printed on, where whoever prints cannot say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paper {
    /// 210 by 297 millimeters.
    A4,
    /// 8.5 by 11 inches.
    Letter,
}

/// The page, of one account or of all.
#[derive(Template)]
#[template(path = "index.html")]
pub(super) struct Page<'r> {
    view: View<'r>,
    style: String,
    style_hash: String,
    script: &'static str,
    script_hash: String,
    /// Links to the pages of single accounts, or back to that of all.
    pages: Vec<(String, String)>,
}

/// Renders the page as it is to be printed on `paper`, by a program that does not ask.
///
/// # Errors
/// When the template cannot be rendered; writing to memory does not fail.
pub fn printed(report: &Report, paper: Paper) -> askama::Result<String> {
    Page::new(report, Some(paper), None, Vec::new()).render()
}

impl<'r> Page<'r> {
    /// The page of a report, of one account where one is named, with links to other pages (file and name).
    pub(super) fn new(
        report: &'r Report,
        paper: Option<Paper>,
        one_account: Option<&str>,
        pages: Vec<(String, String)>,
    ) -> Self {
        let size = match paper {
            None => "",
            Some(Paper::A4) => "@page { size: A4; }\n",
            Some(Paper::Letter) => "@page { size: letter; }\n",
        };
        let style = format!("\n{STYLE}{size}");
        let hash = |text: &str| STANDARD.encode(Sha256::digest(text.as_bytes()));
        let (style_hash, script_hash) = (hash(&style), hash(SCRIPT));
        let mut view = View::new(report);
        if let Some(one) = one_account {
            view.title = format!("{}, {}", view.title, account::label(one));
        }
        Self { view, style, style_hash, script: SCRIPT, script_hash, pages }
    }

    /// Writes it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn write(&self, out: &mut impl io::Write) -> io::Result<()> {
        self.write_into(out)
    }
}

/// What the template may call.
#[expect(unreachable_pub, reason = "the type that `filter_fn` makes of each")]
mod filters {
    use super::format;
    use crate::arn::{self, Arn};
    use crate::escape;

    /// Shows hidden characters; the template escapes the rest.
    #[askama::filter_fn]
    pub(super) fn visible<T: std::fmt::Display>(text: T, _: &dyn askama::Values) -> askama::Result<String> {
        Ok(escape::visible(&text.to_string()))
    }

    /// A word of the contract as it is read: without underscores.
    #[askama::filter_fn]
    pub(super) fn spoken<T: std::fmt::Display>(word: T, _: &dyn askama::Values) -> askama::Result<String> {
        Ok(word.to_string().replace('_', " ").replace(" iam", " IAM"))
    }

    /// What an ARN names, without the account, which stands beside it; anything else as it is. In parts, between which a
    /// line may end.
    #[askama::filter_fn]
    pub(super) fn parts<T: std::fmt::Display>(arn: T, _: &dyn askama::Values) -> askama::Result<Vec<String>> {
        let arn = arn.to_string();
        let resource = Arn::parse(&arn).map(|arn| arn.resource).filter(|text| !text.is_empty());
        Ok(resource.unwrap_or(&arn).split_inclusive('/').map(str::to_owned).collect())
    }

    /// The last part of a key.
    #[askama::filter_fn]
    pub(super) fn file<T: std::fmt::Display>(key: T, _: &dyn askama::Values) -> askama::Result<String> {
        Ok(arn::name(&key.to_string()).to_owned())
    }

    /// The day of a time.
    #[askama::filter_fn]
    pub(super) fn date<T: std::fmt::Display>(time: T, _: &dyn askama::Values) -> askama::Result<String> {
        let time = time.to_string();
        Ok(time.split('T').next().unwrap_or_default().to_owned())
    }

    /// The time of the day, without its zone: a page is in UTC throughout, and says so.
    #[askama::filter_fn]
    pub(super) fn clock<T: std::fmt::Display>(time: T, _: &dyn askama::Values) -> askama::Result<String> {
        let time = time.to_string();
        Ok(time.split('T').nth(1).unwrap_or_default().trim_end_matches('Z').to_owned())
    }

    /// A duration in its two largest units.
    #[askama::filter_fn]
    pub(super) fn lasting(seconds: &f64, _: &dyn askama::Values) -> askama::Result<String> {
        Ok(format::duration(*seconds).unwrap_or_else(|| format::NONE.to_owned()))
    }

    /// The seconds themselves.
    #[askama::filter_fn]
    pub(super) fn exact(seconds: &f64, _: &dyn askama::Values) -> askama::Result<String> {
        Ok(format::number(*seconds).unwrap_or_else(|| format::NONE.to_owned()))
    }

    /// A share of a length, short and the same everywhere.
    #[askama::filter_fn]
    pub(super) fn percent(share: &f64, _: &dyn askama::Values) -> askama::Result<String> {
        let text = format!("{share:.2}");
        Ok(format!("{}%", text.trim_end_matches('0').trim_end_matches('.')))
    }
}
