//! `report.xlsx`: every table on a sheet of its own, with typed cells, filters and a header that stays.
//!
//! Text is written as text: a spreadsheet evaluates none of it, whatever it begins with. Times are in UTC. The file's own
//! times are the report's, so that the same report gives the same bytes.

use chrono::{DateTime, Datelike, SecondsFormat, Utc};
use rust_xlsxwriter::{DocProperties, ExcelDateTime, Format, FormatAlign, Workbook, Worksheet, XlsxError};

use super::assurance::{self, GapKind};
use super::format::NONE;
use super::rows::Rows;
use super::tables::{self, Column, Read};
use super::{
    AccountFigures, Class, KindFigures, MfaCoverage, PostureCheck, Report, Stat, TrendPeriod, TrendSource, format, view,
};
use crate::escape;

/// How many characters a cell takes.
const CELL: usize = 32_767;
/// How many rows a sheet takes, the header and a word about the rest aside.
const ROWS: usize = 1_048_574;
/// The widest column, in characters.
const WIDEST: usize = 60;

/// A sheet of so many rows does not stay in memory, where a cell takes a hundred bytes.
const MANY: usize = if cfg!(test) { 2 } else { 1 << 12 };

/// A typed cell.
#[derive(Clone)]
enum Value {
    None,
    Text(String),
    Time(DateTime<Utc>),
    Number(f64),
    Flag(bool),
}

impl Value {
    fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    fn count(n: usize) -> Self {
        Self::Number(n as f64)
    }

    fn option<T>(value: Option<T>, of: impl Fn(T) -> Self) -> Self {
        value.map_or(Self::None, of)
    }

    /// How many characters it takes, about.
    fn width(&self) -> usize {
        match self {
            Self::None => 0,
            Self::Text(text) => escape::columns(text),
            Self::Time(_) => 19,
            Self::Number(_) => 12,
            Self::Flag(_) => 6,
        }
    }
}

/// A table to be.
struct Sheet<'r> {
    name: &'static str,
    heads: Vec<&'static str>,
    rows: Rows<'r, Vec<Value>>,
}

/// Renders `report.xlsx`.
///
/// # Errors
/// When the library refuses a cell or a sheet.
pub fn xlsx(report: &Report) -> Result<Vec<u8>, XlsxError> {
    let mut book = Workbook::new();
    let mut properties = DocProperties::new()
        .set_title(format!("MFA exposure, {}", format::period(report.period)))
        .set_author(format!("mfatrail {}", report.tool.version));
    // Without one it would bear the time of the clock.
    let made = excel_time(report.generated_at).or_else(|| ExcelDateTime::from_timestamp(0).ok());
    if let Some(made) = &made {
        properties = properties.set_creation_datetime(made);
    }
    book.set_properties(&properties);
    for sheet in sheets(report) {
        let many = sheet.rows.len() > MANY;
        write(if many { book.add_worksheet_with_constant_memory()? } else { book.add_worksheet() }, &sheet)?;
    }
    book.save_to_buffer()
}

fn sheets(report: &Report) -> Vec<Sheet<'_>> {
    let mut sheets = vec![
        about(report),
        figures(report),
        windows(report),
        events(report),
        proof(report),
        reconciliation(report),
        leftovers(report),
        accounts(report),
        coverage(report),
        days(report),
        gaps(report),
    ];
    if !report.trend.is_empty() {
        sheets.push(trend(report));
    }
    if let Some(posture) = &report.posture {
        let row = |check: &PostureCheck| {
            vec![
                Value::text(check.code.as_str()),
                Value::text(&check.account),
                Value::option(check.region.as_deref(), Value::text),
                Value::option(check.resource.as_deref(), Value::text),
                Value::text(check.verdict.as_str()),
                Value::text(&check.reason),
                Value::option(check.fix.as_deref(), Value::text),
                Value::text(check.controls.join("; ")),
            ]
        };
        sheets.push(Sheet {
            name: "Guardrails",
            heads: vec!["code", "account", "region", "resource", "verdict", "reason", "fix", "controls"],
            rows: posture.checks.iter().map(row).collect(),
        });
    }
    sheets.push(Sheet {
        name: "Not read",
        heads: vec!["object", "error"],
        rows: report.coverage.failures.iter().map(|f| vec![Value::text(&f.object), Value::text(&f.error)]).collect(),
    });
    sheets.push(Sheet {
        name: "Notices",
        heads: vec!["code", "text"],
        rows: report.notices.iter().map(|n| vec![Value::text(n.code.as_str()), Value::text(&n.text)]).collect(),
    });
    sheets.push(Sheet {
        name: "Inputs",
        heads: vec!["kind", "file", "sha256"],
        rows: report
            .inputs
            .iter()
            .map(|input| vec![Value::text(input.kind), Value::text(&input.path), Value::text(&input.sha256)])
            .collect(),
    });
    sheets.push(policy(report));
    sheets
}

fn about(report: &Report) -> Sheet<'_> {
    let row = |name: &str, value: Value| vec![Value::text(name), value];
    let evidence = match (report.coverage.complete, assurance::doubts(report)) {
        (true, None) => "complete".to_owned(),
        (true, Some(doubts)) => format!("not everything was seen: {doubts}"),
        (false, doubts) => format!("INCOMPLETE: figures are of what could be read; {}", doubts.unwrap_or_default()),
    };
    let mut rows = vec![
        row("report", Value::text(format!("MFA exposure, {}", format::period(report.period)))),
        row("period from (UTC)", Value::Time(report.period.from)),
        row("period to (UTC), end excluded", Value::Time(report.period.to)),
        row("open windows measured to (UTC)", Value::Time(report.as_of)),
        row("evidence", Value::text(evidence)),
        row("generated at (UTC)", Value::Time(report.generated_at)),
        row("mfatrail", Value::text(report.tool.version)),
        row("schema", Value::text(report.schema)),
        row("redacted", Value::Flag(report.redacted)),
        row("durations", Value::text("columns that end in _s are seconds")),
    ];
    if report.figures.mfa_coverage.is_none() {
        rows.push(row("MFA coverage", Value::text("unknown: no IAM state was given")));
    }
    if let Some(coverage) = report.figures.mfa_coverage {
        let counts = [
            ("users", coverage.users),
            ("users with an active device", coverage.users_with_mfa),
            ("users with a console password", coverage.console_users),
            ("console users with an active device", coverage.console_users_with_mfa),
            ("users with MFA enforced by policy", coverage.users_mfa_enforced),
            ("users with a device and MFA enforced", coverage.users_with_mfa_and_enforced),
            ("privileged users", coverage.privileged_users),
            ("privileged users with an active device", coverage.privileged_users_with_mfa),
            ("root users", coverage.roots),
            ("root users without password and access keys", coverage.roots_without_credentials),
            ("root users with an active device", coverage.roots_with_mfa),
            ("accounts that IAM state covers", coverage.accounts),
            ("accounts in the report", coverage.accounts_in_report),
        ];
        rows.extend(counts.map(|(name, count)| row(name, Value::option(count, Value::count))));
        rows.push(row("IAM as of (UTC)", Value::option(coverage.taken_at, Value::Time)));
    }
    Sheet { name: "About", heads: vec!["what", "value"], rows: rows.into() }
}

fn stat_row(of: &str, name: &str, stat: &Stat, beside: Option<(usize, &str)>) -> Vec<Value> {
    let seconds = |s: Option<f64>| Value::option(s, Value::Number);
    vec![
        Value::text(of),
        Value::text(name),
        Value::count(stat.n),
        seconds(stat.mean_s),
        seconds(stat.median_s),
        seconds(stat.p90_s),
        seconds(stat.max_s),
        Value::option(beside, |(n, _)| Value::count(n)),
        Value::option(beside, |(_, what)| Value::text(what)),
    ]
}

fn figures(report: &Report) -> Sheet<'_> {
    let mut rows = Vec::new();
    let kinds = [("IAM users and root users", Some(&report.figures.iam))]
        .into_iter()
        .chain([("Identity Center users", report.figures.identity_center.as_ref())]);
    for (of, figures) in kinds.filter_map(|(of, figures)| Some((of, figures?))) {
        let detect =
            [("time to detect", &figures.mttd), ("time to detect, not legitimate", &figures.mttd_not_legitimate)];
        rows.extend(detect.map(|(name, one)| stat_row(of, name, &one.stat, Some((one.undetected, "not detected")))));
        let close = [
            ("time to remediate", &figures.mttr),
            ("time to remediate, not legitimate", &figures.mttr_not_legitimate),
            ("enrollment", &figures.enrolment),
        ];
        rows.extend(close.map(|(name, one)| stat_row(of, name, &one.stat, Some((one.open, "open")))));
        rows.push(stat_row(of, "delivery by CloudTrail", &figures.delivery, None));
    }
    Sheet {
        name: "Figures",
        heads: vec!["of", "figure", "n", "mean_s", "median_s", "p90_s", "max_s", "not in the mean", "because"],
        rows: rows.into(),
    }
}

fn accounts(report: &Report) -> Sheet<'_> {
    let row =
        |one: &AccountFigures| figures_row(vec![Value::text(&one.account)], &one.figures.iam, one.figures.mfa_coverage);
    Sheet { name: "Accounts", heads: figures_heads(&["account"]), rows: report.accounts.iter().map(row).collect() }
}

fn trend(report: &Report) -> Sheet<'_> {
    let row = |part: TrendPeriod| {
        let source = match part.source {
            TrendSource::ThisReport => "this report",
            TrendSource::EarlierReport => "earlier report",
        };
        let lead = vec![
            Value::Text(format::period(part.period)),
            Value::text(source),
            Value::Time(part.period.from),
            Value::Time(part.period.to),
            Value::Time(part.measured_to),
            Value::Flag(part.is_partial()),
        ];
        figures_row(lead, &part.figures, part.mfa_coverage)
    };
    let heads = figures_heads(&["period", "source", "from", "to", "measured_to", "partial"]);
    Sheet { name: "Trend", heads, rows: view::periods(report).into_iter().map(row).collect() }
}

/// The columns of [`figures_row`], after those that say what it is of.
fn figures_heads(of: &[&'static str]) -> Vec<&'static str> {
    let mut heads = of.to_vec();
    heads.extend(["deactivations", "opened_window", "legitimate", "not_legitimate"]);
    heads.extend(Class::ALL.map(Class::name));
    heads.extend([
        "left_another_device",
        "no_password",
        "denied",
        "failed_attempts",
        "mttd_n",
        "mttd_mean_s",
        "undetected",
    ]);
    heads.extend(["mttr_n", "mttr_mean_s", "open", "principal_hours", "open_at_end", "carried_in"]);
    heads.extend(["standing_open", "standing_principal_hours"]);
    heads.extend(["iam_as_of", "users", "users_with_mfa", "console_users", "console_users_with_mfa"]);
    heads.extend(["users_mfa_enforced", "users_with_mfa_and_enforced", "roots", "roots_with_mfa"]);
    heads.extend(["roots_without_credentials", "privileged_users", "privileged_users_with_mfa"]);
    heads.extend(["accounts", "accounts_in_report"]);
    heads
}

/// The figures of a part of the report, in one row.
fn figures_row(mut row: Vec<Value>, figures: &KindFigures, coverage: Option<MfaCoverage>) -> Vec<Value> {
    let all = &figures.deactivations;
    row.extend([all.total, all.opened_window, all.legitimate, all.not_legitimate].map(Value::count));
    row.extend(Class::ALL.map(|class| Value::count(class.of(&all.by_class))));
    row.extend([all.left_another_device, all.no_password, all.denied, all.failed_attempts].map(Value::count));
    row.extend([
        Value::count(figures.mttd.stat.n),
        Value::option(figures.mttd.stat.mean_s, Value::Number),
        Value::count(figures.mttd.undetected),
        Value::count(figures.mttr.stat.n),
        Value::option(figures.mttr.stat.mean_s, Value::Number),
        Value::count(figures.mttr.open),
        Value::Number(figures.exposure.principal_hours),
        Value::count(figures.exposure.open_at_end),
        Value::count(figures.exposure.carried_in),
        Value::count(figures.exposure.standing.open),
        Value::Number(figures.exposure.standing.principal_hours),
    ]);
    let c = coverage.unwrap_or_default();
    row.push(Value::option(c.taken_at, Value::Time));
    row.extend(
        [c.users, c.users_with_mfa, c.console_users, c.console_users_with_mfa].map(|n| Value::option(n, Value::count)),
    );
    row.extend(
        [c.users_mfa_enforced, c.users_with_mfa_and_enforced, c.roots, c.roots_with_mfa]
            .map(|n| Value::option(n, Value::count)),
    );
    row.extend(
        [
            c.roots_without_credentials,
            c.privileged_users,
            c.privileged_users_with_mfa,
            c.accounts,
            c.accounts_in_report,
        ]
        .map(|n| Value::option(n, Value::count)),
    );
    row
}

fn windows(report: &Report) -> Sheet<'_> {
    let columns = tables::windows();
    let heads = columns.iter().map(|column| column.name).collect();
    Sheet { name: "Windows", heads, rows: Rows::of(&report.windows, move |i, w| cells(&columns, &(i + 1, w))) }
}

fn events(report: &Report) -> Sheet<'_> {
    let columns = tables::events();
    let heads = columns.iter().map(|column| column.name).collect();
    Sheet { name: "Events", heads, rows: Rows::of(&report.events, move |_, event| cells(&columns, event)) }
}

fn cells<Row>(columns: &[Column<Row>], row: &Row) -> Vec<Value> {
    let value = |column: &Column<Row>| match column.read {
        Read::Text(read) => Value::option(read(row), Value::Text),
        Read::Word(read) => Value::option(read(row), Value::text),
        Read::Time(read) => Value::option(read(row), Value::Time),
        Read::Count(read) => Value::option(read(row), |n| Value::Number(n as f64)),
        Read::Seconds(read) => Value::option(read(row), |s| Value::Number(s as f64)),
        Read::Flag(read) => Value::option(read(row), Value::Flag),
        Read::List(read) => {
            Value::option(Some(read(row)).filter(|list| !list.is_empty()), |list| Value::Text(list.join("; ")))
        }
    };
    columns.iter().map(value).collect()
}

fn proof(report: &Report) -> Sheet<'_> {
    let row = |_, proof: &super::Proof| {
        vec![
            Value::text(&proof.event_id),
            Value::text(&proof.event_name),
            Value::Time(proof.event_time),
            Value::text(&proof.account),
            Value::text(&proof.actor),
            Value::Text(proof.objects.join("; ")),
            Value::Text(proof.sha256.iter().flatten().map(String::as_str).collect::<Vec<_>>().join("; ")),
        ]
    };
    let heads = vec!["event_id", "event_name", "event_time", "account", "actor", "objects", "sha256"];
    Sheet { name: "Proof", heads, rows: Rows::of(&report.proof, row) }
}

fn reconciliation(report: &Report) -> Sheet<'_> {
    let row = |finding: &super::Finding| {
        let [from, to] = finding.between;
        vec![
            Value::text(finding.finding.name()),
            Value::text(&finding.account),
            Value::option(finding.principal.as_ref(), |who| Value::text(&who.name)),
            Value::option(finding.device.as_ref(), Value::text),
            Value::Time(from),
            Value::Time(to),
            Value::text(view::meaning(finding.finding)),
            Value::text(view::what_may_have_happened(finding.finding)),
        ]
    };
    let heads = vec!["finding", "account", "principal", "device", "from", "to", "meaning", "what may have happened"];
    Sheet { name: "Reconciliation", heads, rows: report.reconciliation.iter().map(row).collect() }
}

fn leftovers(report: &Report) -> Sheet<'_> {
    let row = |device: &super::LeftoverDevice| {
        vec![
            Value::text(&device.account),
            Value::text(&device.device),
            Value::text(device.cause),
            Value::option(device.principal.as_ref(), |who| Value::text(&who.name)),
            Value::Time(device.since),
            Value::text(&device.event_id),
            Value::option(view::delete_command(&device.device), Value::Text),
        ]
    };
    let heads = vec!["account", "device", "cause", "principal", "since", "event_id", "command that deletes it"];
    Sheet { name: "Leftover devices", heads, rows: report.leftover_devices.iter().map(row).collect() }
}

fn coverage(report: &Report) -> Sheet<'_> {
    let c = &report.coverage;
    let number = |n: u64| Value::Number(n as f64);
    let rows = [
        ("complete", Value::Flag(c.complete)),
        ("objects_listed", number(c.objects_listed)),
        ("objects_read", number(c.objects_read)),
        ("objects_failed", number(c.objects_failed)),
        ("objects_skipped", number(c.objects_skipped)),
        ("records", number(c.records)),
        ("bytes_compressed", number(c.bytes_compressed)),
        ("bytes_raw", number(c.bytes_raw)),
        ("first_record", Value::option(c.first_record, Value::Time)),
        ("last_record", Value::option(c.last_record, Value::Time)),
        (
            "integrity",
            Value::text(match (&c.integrity, assurance::proven(c)) {
                (None, _) => "not verified",
                (Some(_), Some(true)) => "verified: see report.json",
                (Some(_), Some(false)) => "COULD NOT BE VERIFIED: see report.json",
                (Some(_), None) => "verified in part: see report.json",
            }),
        ),
    ];
    let rows = rows.into_iter().map(|(name, value)| vec![Value::text(name), value]).collect();
    Sheet { name: "Evidence", heads: vec!["what", "value"], rows }
}

fn days(report: &Report) -> Sheet<'_> {
    let row = |day: &super::CoverageDay| {
        vec![
            Value::text(&day.account),
            Value::text(&day.region),
            Value::text(&day.day),
            Value::Number(day.objects as f64),
            Value::Number(day.records as f64),
        ]
    };
    let heads = vec!["account", "region", "day", "objects", "records"];
    Sheet { name: "Days", heads, rows: report.coverage.days.iter().map(row).collect() }
}

fn gaps(report: &Report) -> Sheet<'_> {
    // Stopped and changed trails first, quiet intervals last.
    let mut gaps: Vec<&super::Gap> = report.coverage.gaps.iter().collect();
    gaps.sort_by_key(|gap| GapKind::of(gap));
    let row = |gap: &&super::Gap| {
        vec![
            Value::text(&gap.cause),
            Value::text(&gap.account),
            Value::option(gap.region.as_ref(), Value::text),
            Value::Time(gap.from),
            Value::Time(gap.to),
            Value::option(gap.event_id.as_ref(), Value::text),
        ]
    };
    let heads = vec!["cause", "account", "region", "from", "to", "event_id"];
    Sheet { name: "Gaps", heads, rows: gaps.iter().map(row).collect() }
}

fn policy(report: &Report) -> Sheet<'_> {
    let p = &report.policy;
    let signals: Vec<&str> = p.takeover_signals.iter().map(|signal| signal.name()).collect();
    let rows = vec![
        ("offboarding_grace_s", Value::Number(p.offboarding_grace_s as f64)),
        ("replacement_grace_s", Value::Number(p.replacement_grace_s as f64)),
        ("lookback_s", Value::Number(p.lookback_s as f64)),
        ("takeover_signals", Value::Text(signals.join("; "))),
        ("takeover_threshold", Value::count(p.takeover_threshold)),
        ("owner_tags", Value::Text(p.owner_tags.join("; "))),
        ("not_detectors", Value::Text(p.not_detectors.join("; "))),
    ];
    let rows = rows.into_iter().map(|(name, value)| vec![Value::text(name), value]).collect();
    Sheet { name: "Policy", heads: vec!["setting", "value"], rows }
}

/// The width of every column, in characters.
fn widths(sheet: &Sheet<'_>) -> Vec<usize> {
    let mut widths: Vec<usize> = sheet.heads.iter().map(|head| head.len()).collect();
    for row in sheet.rows.iter() {
        widths.iter_mut().zip(&row).for_each(|(width, value)| *width = value.width().max(*width));
    }
    widths
}

fn write(out: &mut Worksheet, sheet: &Sheet<'_>) -> Result<(), XlsxError> {
    let header = Format::new().set_bold().set_align(FormatAlign::Top).set_text_wrap();
    let time = Format::new().set_num_format("yyyy-mm-dd hh:mm:ss");
    let (whole, broken) = (Format::new().set_num_format("#,##0"), Format::new().set_num_format("#,##0.00"));
    out.set_name(sheet.name)?;
    out.set_freeze_panes(1, 1)?;
    let column = |i: usize| u16::try_from(i).map_err(|_wide| XlsxError::RowColumnLimitError);
    for (i, (head, width)) in sheet.heads.iter().zip(widths(sheet)).enumerate() {
        out.write_string_with_format(0, column(i)?, *head, &header)?;
        out.set_column_width(column(i)?, (width + 2).clamp(8, WIDEST) as f64)?;
    }
    let left_out = sheet.rows.len().saturating_sub(ROWS);
    let mut last = 0;
    for (row, values) in (1_u32..).zip(sheet.rows.iter().take(ROWS)) {
        for (i, value) in values.into_iter().enumerate() {
            let column = column(i)?;
            match value {
                Value::None => continue,
                Value::Text(text) => out.write_string(row, column, cell_text(&text))?,
                Value::Time(at) => match excel_time(at) {
                    Some(at) => out.write_datetime_with_format(row, column, &at, &time)?,
                    None => out.write_string(row, column, at.to_rfc3339_opts(SecondsFormat::Secs, true))?,
                },
                Value::Number(value) if value.is_finite() => {
                    let format = if value.fract() == 0.0 { &whole } else { &broken };
                    out.write_number_with_format(row, column, value, format)?
                }
                Value::Number(_) => out.write_string(row, column, NONE)?,
                Value::Flag(flag) => out.write_boolean(row, column, flag)?,
            };
        }
        last = row;
    }
    if let Some(end) = sheet.heads.len().checked_sub(1) {
        out.autofilter(0, 0, last, column(end)?)?;
    }
    if left_out > 0 {
        out.write_string(last + 1, 0, format!("… and {} more in report.json", format::size(left_out)))?;
    }
    Ok(())
}

/// A time as a spreadsheet has it; `None` before 1900 and after 9999, where it has none.
fn excel_time(at: DateTime<Utc>) -> Option<ExcelDateTime> {
    (at.year() >= 1900).then(|| ExcelDateTime::from_timestamp(at.timestamp()).ok()).flatten()
}

/// What a cell takes of a text: hidden characters shown, and no more than fits.
fn cell_text(text: &str) -> String {
    let shown = escape::visible(text);
    // A spreadsheet counts UTF-16 units.
    if shown.encode_utf16().count() <= CELL {
        return shown;
    }
    let mut units = 0;
    let mut kept: String = shown
        .chars()
        .take_while(|c| {
            units += c.len_utf16();
            units < CELL
        })
        .collect();
    kept.push('…');
    kept
}

#[cfg(test)]
mod tests {
    use super::super::fixture::full;
    use super::*;

    /// Every part of a spreadsheet.
    fn parts(xlsx: Vec<u8>) -> String {
        let mut archive = zip::ZipArchive::new(std::io::Cursor::new(xlsx)).expect("a zip");
        let mut text = String::new();
        for i in 0..archive.len() {
            std::io::Read::read_to_string(&mut archive.by_index(i).expect("a part"), &mut text).expect("text");
        }
        text
    }

    #[test]
    fn times_that_no_spreadsheet_has_are_text() {
        for (time, shown) in [
            ("1899-12-30T23:59:59Z", true),
            ("1899-12-31T00:00:00Z", true),
            ("1899-12-31T23:59:59Z", true),
            ("1601-01-01T00:00:00Z", true),
            ("0000-01-01T00:00:00Z", true),
            ("1900-01-01T00:00:00Z", false),
            ("1900-02-28T12:00:00Z", false),
            ("9999-12-31T23:59:59Z", false),
        ] {
            let time = chrono::DateTime::parse_from_rfc3339(time).expect("a time").to_utc();
            let mut report = full();
            report.events[0].event_time = time;
            report.period.from = time;
            report.generated_at = time;
            report.coverage.first_record = Some(time);
            let text = parts(xlsx(&report).expect("a spreadsheet"));
            let own = time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
            assert_eq!(text.contains(&format!("<t>{own}</t>")), shown, "{own}");
            assert_eq!(text, parts(xlsx(&report).expect("a spreadsheet")), "{own}: the same bytes");
        }
    }
}
