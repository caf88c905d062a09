//! JUnit XML, as CI servers read it: a suite for each kind of thing, in which what is over or was accepted does not fail.

use std::fmt::Write as _;
use std::io;

use super::super::actions::{About, Action, actions};
use super::super::{Report, Severity};
use super::{LONGEST, line};

/// The suites, in their order.
const SUITES: [About; 4] = [About::Window, About::Finding, About::Guardrail, About::Notice];

/// What becomes of a case.
enum Outcome {
    Passed,
    Failed,
    /// It fails, and somebody accepted that.
    Skipped(&'static str),
}

/// Renders `junit.xml`.
pub(in crate::report) fn junit(report: &Report, to: &mut impl io::Write) -> io::Result<()> {
    let all = actions(report);
    let of = |about: About| all.iter().filter(move |action| action.about == about);
    let (mut tests, mut failures, mut suites) = (0, 0, String::new());
    for about in SUITES {
        let cases: Vec<(&Action, Outcome)> = of(about).map(|action| (action, outcome(action))).collect();
        let failed = cases.iter().filter(|(_, outcome)| matches!(outcome, Outcome::Failed)).count();
        let skipped = cases.iter().filter(|(_, outcome)| matches!(outcome, Outcome::Skipped(_))).count();
        tests += cases.len();
        failures += failed;
        // Writing to a `String` cannot fail.
        let _infallible = writeln!(
            suites,
            "  <testsuite name=\"mfatrail.{}\" tests=\"{}\" failures=\"{failed}\" errors=\"0\" skipped=\"{skipped}\" timestamp=\"{}\">",
            about.name(),
            cases.len(),
            report.generated_at.format("%Y-%m-%dT%H:%M:%S")
        );
        cases.iter().for_each(|(action, outcome)| case(&mut suites, action, outcome));
        suites.push_str("  </testsuite>\n");
    }
    writeln!(to, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>")?;
    writeln!(to, "<testsuites name=\"mfatrail\" tests=\"{tests}\" failures=\"{failures}\" errors=\"0\">")?;
    writeln!(to, "{suites}</testsuites>")
}

/// Notices that only inform do not fail; neither does a window that is over and was legitimate.
fn outcome(action: &Action) -> Outcome {
    match action.exception {
        Some("risk accepted") => Outcome::Skipped("risk accepted"),
        _ if action.severity == Severity::Info => Outcome::Passed,
        _ => Outcome::Failed,
    }
}

fn case(out: &mut String, action: &Action, outcome: &Outcome) {
    let title = attribute(&action.title);
    let name = format!("#{} {title}", action.number);
    let class = format!("mfatrail.{}.{}", action.about.name(), action.code);
    let _infallible = match outcome {
        Outcome::Passed => writeln!(out, "    <testcase classname=\"{class}\" name=\"{name}\"/>"),
        Outcome::Skipped(why) => {
            writeln!(out, "    <testcase classname=\"{class}\" name=\"{name}\"><skipped message=\"{why}\"/></testcase>")
        }
        Outcome::Failed => writeln!(
            out,
            "    <testcase classname=\"{class}\" name=\"{name}\"><failure type=\"{}\" message=\"{title}\">{}</failure></testcase>",
            action.severity.name(),
            attribute(&action.next_step)
        ),
    };
}

/// Text for an attribute or an element. XML 1.0 has no way to write some characters at all.
fn attribute(text: &str) -> String {
    let mut out = String::new();
    for c in line(text, LONGEST).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}
