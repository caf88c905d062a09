//! `report.json`: the contract, as pretty JSON.
//!
//! Whole numbers have no fraction (`2520`, not `2520.0`), and characters that cannot be seen are written as `\uXXXX`:
//! the same JSON values, but safe to print to a terminal.

use std::io;

use serde::Serialize;
use serde_json::ser::{CharEscape, Formatter, PrettyFormatter};

use super::Report;
use super::actions::{Action, actions};
use crate::escape;

/// Renders `report.json`, ending in a line break.
///
/// # Errors
/// When it cannot be written; every value of the model can be expressed in JSON.
pub fn json(report: &Report, out: &mut impl io::Write) -> serde_json::Result<()> {
    pretty(&Document { report, actions: actions(report) }, out)
}

/// A report with what there is to do: how bad each thing is, and the next step.
#[derive(Serialize)]
struct Document<'r> {
    #[serde(flatten)]
    report: &'r Report,
    actions: Vec<Action>,
}

/// Renders any document likewise.
///
/// # Errors
/// When a value cannot be expressed in JSON.
pub fn pretty_json(document: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    let mut out = Vec::new();
    pretty(document, &mut out)?;
    Ok(out)
}

fn pretty(document: &impl Serialize, out: &mut impl io::Write) -> serde_json::Result<()> {
    let formatter = SafeFormatter { pretty: PrettyFormatter::new() };
    document.serialize(&mut serde_json::Serializer::with_formatter(&mut *out, formatter))?;
    out.write_all(b"\n").map_err(serde_json::Error::io)
}

/// [`PrettyFormatter`], but for hidden characters and whole numbers.
struct SafeFormatter {
    pretty: PrettyFormatter<'static>,
}

/// Up to here every whole `f64` is exact.
const LARGEST_EXACT: f64 = 9_007_199_254_740_992.0;

impl Formatter for SafeFormatter {
    fn write_f64<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        if value.fract() == 0.0 && value.abs() <= LARGEST_EXACT {
            // In range, so `as` is exact; minus zero becomes zero.
            self.pretty.write_i64(writer, value as i64)
        } else {
            self.pretty.write_f64(writer, value)
        }
    }

    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut previous = None;
        let mut written = 0;
        for (at, c) in fragment.char_indices() {
            if escape::json_needs_escape(c, previous) {
                writer.write_all(fragment.get(written..at).unwrap_or_default().as_bytes())?;
                write!(writer, "\\u{:04x}", u32::from(c))?;
                written = at + c.len_utf8();
            }
            previous = Some(c);
        }
        writer.write_all(fragment.get(written..).unwrap_or_default().as_bytes())
    }

    fn write_char_escape<W: ?Sized + io::Write>(&mut self, writer: &mut W, escape: CharEscape) -> io::Result<()> {
        self.pretty.write_char_escape(writer, escape)
    }

    fn begin_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.pretty.begin_array(writer)
    }

    fn end_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.pretty.end_array(writer)
    }

    fn begin_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.pretty.begin_array_value(writer, first)
    }

    fn end_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.pretty.end_array_value(writer)
    }

    fn begin_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.pretty.begin_object(writer)
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.pretty.end_object(writer)
    }

    fn begin_object_key<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.pretty.begin_object_key(writer, first)
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.pretty.begin_object_value(writer)
    }

    fn end_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.pretty.end_object_value(writer)
    }
}
