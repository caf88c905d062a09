//! Makes the report of an archive on a month: `cargo run --example report -- fixtures/archive 2026-10 out/report`.

#![allow(clippy::disallowed_methods, clippy::print_stdout, reason = "a program has a clock and a terminal")]

use chrono::Utc;
use mfatrail::app::{Archive, Run, report, request::ReportRequest};
use mfatrail::contract::Period;
use mfatrail::report::{OutputDir, render};
use mfatrail::source::Source;
use mfatrail::units::parse_month;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [archive, month, out] = arguments.as_slice() else { return Err("usage: report ARCHIVE MONTH OUT".into()) };
    let now = Utc::now();
    let [from, to] = parse_month(month, now)?;
    let request = ReportRequest::new(Period { from, to });
    let formats = request.formats();
    let archive = Archive { sources: vec![Source::parse(archive.as_ref())?], ..Archive::default() };
    let out = OutputDir::prepare(out.as_ref())?;
    let made = report::make(request, &archive, Run::silent(now))?;
    let folder = out.commit(render(&made.report, &formats, false)?, None)?;
    println!("{}: {} windows, complete: {}", folder.display(), made.report.windows.len(), made.complete);
    Ok(())
}
