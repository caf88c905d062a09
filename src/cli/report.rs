//! `mfatrail report`.

use std::path::{Path, PathBuf};

use chrono::{DateTime, Datelike, Utc};
use serde::Serialize;

use super::archive::{
    Rates, archive, connection, delivery_slack, place, range, rescan_options, say_plan, sources, time,
};
use super::args::{PeriodArgs, ReportArgs};
use super::exit::Status;
use super::{Printed, named_file, put, put_json, say, style, terminal};
use crate::app::bundle::{Making, Reproduction, open};
use crate::app::report::{Assembled, Job};
use crate::app::request::{IamSource, ReportRequest};
use crate::app::{Archive, Error, Run, THIS, coverage, inputs, rfc3339, scan};
use crate::contract::{Figures, Gap, Notice, Period, ReadFailure, Report, Tool, Window};
use crate::pipeline;
use crate::report::{self, OutputDir};
use crate::signature::Signer;
use crate::units;

pub(super) fn run(args: ReportArgs, run: Run<'_>) -> Result<Status, Error> {
    if let Some(out) = &args.out {
        named_file("--out", out)?;
    }
    if let Some(file) = &args.period.from_bundle {
        return again(file, args.out.as_deref(), args.summary, run);
    }
    let request = request(&args, run.now)?;
    let archive = archive(sources(&args.sources)?, &args.archive, &args.aws)?;
    let printer = args.pdf.printer()?;
    let redact_key = args.redact_key.as_deref().map(inputs::redact_key).transpose()?;
    let signer = signer(args.sign_key.as_deref(), &archive)?;
    let generated_at = generated_at(run.now)?;
    let mut job = Job::new(request, &archive, run)?;
    job.generated_at = generated_at;
    if let Some(path) = &args.bundle {
        named_file("--bundle", path)?;
        if args.posture.as_deref().is_some_and(is_live) {
            return Err(Error::Input(
                "`--bundle`: what AWS says of guardrails now cannot be asked again\n  hint: keep it first, `mfatrail posture --format json > posture.json`, and give `--posture posture.json`".to_owned(),
            ));
        }
    }
    let making =
        args.bundle.as_deref().map(|path| Making::new(path, args.with_objects, signer.as_ref(), &job.request, run));
    let making = making.transpose()?;
    job.check_places()?;
    if args.dry_run {
        return say_what_would_be_read(&job);
    }
    let out = args.out.clone().unwrap_or_else(|| default_folder(&args.period, job.request.period()).into());
    let out = OutputDir::prepare(&out).map_err(Error::input)?;
    run.observer.temporary(out.temporary());
    let scratch = making.as_ref().map(Making::scratch);
    let read = job.read(scratch.as_ref())?;
    let mut made = job.assemble(read, None)?;
    let status = status(&args, &made);
    if args.redact {
        made.report = report::redact(made.report, redact_key.as_deref());
    }
    let (formats, per_account) = (job.request.formats(), job.request.per_account);
    let mut files = report::render(&made.report, &formats, per_account).map_err(Error::failed)?;
    // A browser that fails costs no other format; the run has failed all the same.
    let printed = printer.map(|printer| printer.print(&made.report, &files, run)).transpose();
    let failure = printed.map(|pdf| files.extend(pdf)).err();
    if let Some(making) = making {
        making.write(&job, &made, &files, signer.as_ref())?;
    }
    let folder = run.uninterrupted(|| out.commit(files, signer.as_ref()).map_err(Error::failed))?;
    if let Some((store, commit)) = job.request.store.as_ref().zip(made.commit) {
        scan::note_report(store, &job.selection, job.request.period(), commit, run);
    }
    summarize(&made.report, &folder, args.summary, status)?;
    // The process ends soon: to give back what a scan gathered would take as long as it took to look at it.
    std::mem::forget(made.remains);
    failure.map_or(Ok(status), Err)
}

/// What `--fail-on` finds is said in a line each.
fn status(args: &ReportArgs, made: &Assembled) -> Status {
    let held = args.fail_on.iter().filter_map(|condition| Some((condition, condition.holds(&made.report)?)));
    let mut found = false;
    for (condition, why) in held {
        say(&format!("--fail-on {}: {why}", condition.name()));
        found = true;
    }
    match (made.complete, found) {
        (false, _) => Status::Incomplete,
        (true, true) => Status::Found,
        (true, false) => Status::Done,
    }
}

/// `report --from-bundle`.
fn again(file: &Path, out: Option<&Path>, summary: Printed, run: Run<'_>) -> Result<Status, Error> {
    let opened = open(file, run)?;
    let period = opened.request().period();
    let out = out.map_or_else(|| default_folder_of(period).into(), Path::to_path_buf);
    let target = OutputDir::prepare(&out).map_err(Error::input)?;
    run.observer.temporary(target.temporary());
    let Reproduction { made, files, members, changed, same_objects } = opened.again(rescan_options(), run)?;
    let same = if changed.is_empty() {
        format!(
            "{} as listed; {} of the report {} the same, byte for byte",
            units::plural(members, "member is", "members are"),
            units::plural(files.len(), "file", "files"),
            if files.len() == 1 { "comes out" } else { "all come out" }
        )
    } else {
        format!("warning: these files differ from those in the bundle: {}", changed.join(", "))
    };
    let folder = run.uninterrupted(|| target.commit(files, None).map_err(Error::failed))?;
    let status = Status::of(made.complete && changed.is_empty() && same_objects);
    summarize(&made.report, &folder, summary, status)?;
    say(&same);
    Ok(status)
}

/// Who signs, where somebody is to.
pub(super) fn signer(key: Option<&Path>, archive: &Archive) -> Result<Option<Signer>, Error> {
    key.map(|key| Signer::new(key, &archive.options.s3.connection)).transpose().map_err(Error::input)
}

pub(super) fn is_live(file: &Path) -> bool {
    file.as_os_str() == "live"
}

/// What the options ask.
fn request(args: &ReportArgs, now: DateTime<Utc>) -> Result<ReportRequest, Error> {
    let moment = |flag, text: &Option<String>| text.as_deref().map(|text| time(flag, text, now)).transpose();
    let period = period(&args.period, now)?;
    if args.iam_role.is_some() && args.iam.is_none() && !args.posture.as_deref().is_some_and(is_live) {
        return Err(Error::Input(
            "`--iam-role`: nothing is asked by this role\n  hint: add `--iam live` or `--posture live`".to_owned(),
        ));
    }
    Ok(ReportRequest {
        as_of: moment("--as-of", &args.as_of)?,
        iam: args.iam.clone().map(|iam| IamSource::from(PathBuf::from(iam))),
        iam_as_of: moment("--iam-as-of", &args.iam_as_of)?,
        approvals: args.approvals.clone(),
        detections: args.detections.clone(),
        policy: args.policy.clone(),
        posture: args.posture.clone().filter(|file| !is_live(file)),
        posture_live: args.posture.as_deref().is_some_and(is_live),
        exceptions: args.exceptions.clone(),
        previous: args.previous.clone(),
        formats: args.format.iter().map(|format| format.format()).collect(),
        per_account: args.per_account,
        accounts: args.archive.accounts.clone(),
        regions: args.archive.regions.clone(),
        delivery_slack: delivery_slack(&args.archive)?,
        iam_role: args.iam_role.clone(),
        store: args.store.as_deref().map(|store| place(store, &args.cache, &connection(&args.aws)?.s3)).transpose()?,
        only_source: args.only_source,
        verify: args.verify,
        public_keys: args.public_keys.clone(),
        ..ReportRequest::new(period)
    })
}

/// `--summary json`.
#[derive(Serialize)]
struct Summary<'r> {
    schema: &'static str,
    tool: Tool,
    /// The report's folder.
    report: String,
    /// The exit status.
    status: u8,
    period: Period,
    as_of: DateTime<Utc>,
    figures: &'r Figures,
    /// Windows of the report that are open, as `report.json` has them.
    open_windows: Vec<&'r Window>,
    reconciliation: usize,
    gaps: &'r [Gap],
    objects_listed: u64,
    objects_read: u64,
    objects_failed: u64,
    complete: bool,
    failures: &'r [ReadFailure],
    notices: &'r [Notice],
}

/// Tells what the report says and where it is.
fn summarize(report: &Report, folder: &Path, form: Printed, status: Status) -> Result<(), Error> {
    if form == Printed::Text {
        // Whoever wants no summary of a report that is complete wants to know why one is not.
        if !style::is_quiet() || status != Status::Done {
            say(&style::summary(&report::summary(report, summary_width())));
        }
        return put(&folder.display().to_string());
    }
    let coverage = &report.coverage;
    put_json(&Summary {
        schema: "mfatrail.summary/1",
        tool: THIS,
        report: folder.display().to_string(),
        status: status.code(),
        period: report.period,
        as_of: report.as_of,
        figures: &report.figures,
        open_windows: report.windows.iter().filter(|window| window.is_open()).collect(),
        reconciliation: report.reconciliation.len(),
        gaps: &coverage.gaps,
        objects_listed: coverage.objects_listed,
        objects_read: coverage.objects_read,
        objects_failed: coverage.objects_failed,
        complete: coverage::is_complete(report),
        failures: &coverage.failures,
        notices: &report.notices,
    })
}

/// When the report says that it was made: SOURCE_DATE_EPOCH, by which builds are made reproducible, else now.
pub(super) fn generated_at(now: DateTime<Utc>) -> Result<DateTime<Utc>, Error> {
    let seconds = match std::env::var("SOURCE_DATE_EPOCH") {
        Err(_not_set) => return Ok(DateTime::from_timestamp(now.timestamp(), 0).unwrap_or(now)),
        Ok(text) => text,
    };
    seconds.parse().ok().and_then(|seconds| DateTime::from_timestamp(seconds, 0)).ok_or_else(|| {
        Error::Input(format!(
            "the environment variable SOURCE_DATE_EPOCH (`{seconds}`) is not a number of seconds since 1970\n  hint: unset it, or set it to a number such as 1793577600"
        ))
    })
}

fn period(args: &PeriodArgs, now: DateTime<Utc>) -> Result<Period, Error> {
    if let Some(month) = &args.month {
        let [from, to] = units::parse_month(month, now).map_err(|error| Error::Input(format!("`--month`: {error}")))?;
        if from > now {
            return Err(Error::Input(format!(
                "`--month`: `{month}` has not begun: now is `{}`\n  hint: `--month this` is the current month, `--month last` the one before",
                rfc3339(now)
            )));
        }
        return Ok(Period { from, to });
    }
    let [from, to] = range(args.from.as_deref(), args.to.as_deref(), now)?;
    let from = from.ok_or_else(|| Error::Input("`--from` or `--month` is required".to_owned()))?;
    // Figures are in whole seconds, as CloudTrail's clock is.
    let whole = |time: DateTime<Utc>| DateTime::from_timestamp(time.timestamp(), 0).unwrap_or(time);
    Ok(Period { from: whole(from), to: whole(to.unwrap_or(now)) })
}

fn default_folder(args: &PeriodArgs, period: Period) -> String {
    match &args.month {
        Some(_) => format!("mfatrail-report-{}", period.from.format("%Y-%m")),
        None => default_folder_of(period),
    }
}

fn default_folder_of(period: Period) -> String {
    let day = |time: DateTime<Utc>| format!("{:04}{:02}{:02}", time.year(), time.month(), time.day());
    format!("mfatrail-report-{}-{}", day(period.from), day(period.to))
}

fn say_what_would_be_read(job: &Job<'_>) -> Result<Status, Error> {
    if job.archive.sources.is_empty() {
        return Err(Error::Input(
            "`--dry-run` shows what would be read from SOURCE, but there is no SOURCE\n  hint: `mfatrail store` shows what a store has".to_owned(),
        ));
    }
    let plan = pipeline::plan(&job.archive.sources, &job.selection, &job.archive.options).map_err(Error::failed)?;
    // A report is made by one machine; archives are shared out by scans.
    say_plan(&plan, &job.selection, Rates::REPORT, None, false)
}

/// The summary's width: the terminal's. Where there is none nothing is cut, for nobody can look at it again.
fn summary_width() -> Option<usize> {
    terminal::error_width().map(usize::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_may_be_under_way_and_not_to_come() {
        let now: DateTime<Utc> = "2026-11-27T02:00:00Z".parse().expect("a time");
        let month = |text: &str| PeriodArgs { month: Some(text.to_owned()), from: None, to: None, from_bundle: None };
        for (text, folder) in [
            ("2026-11", "mfatrail-report-2026-11"),
            ("this", "mfatrail-report-2026-11"),
            ("last", "mfatrail-report-2026-10"),
            ("2025-02", "mfatrail-report-2025-02"),
        ] {
            let period = period(&month(text), now).expect(text);
            assert_eq!(default_folder(&month(text), period), folder);
            assert!(period.from <= now && period.to > period.from, "{text}");
        }
        for text in ["2026-12", "2027-11"] {
            let error = period(&month(text), now).expect_err(text);
            assert!(error.message().contains("has not begun: now is `2026-11-27T02:00:00Z`"), "{}", error.message());
        }
    }
}
