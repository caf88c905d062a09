//! `mfatrail report`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, Datelike, TimeDelta, Utc};
use serde::Serialize;

use super::archive::{check_places, options, range, rfc3339, selection, sources, time};
use super::args::{FormatArg, PaperArg, PeriodArgs, ReportArgs};
use super::exit::{CliError, Status};
use super::fail_on::FailOn;
use super::{
    Printed, THIS, beside, bundle, cited, integrity, interrupt, log, named_file, pdf, plain, progress, put, put_json,
    say, terminal, verify,
};
use crate::aws::without_user;
use crate::contract::{self, Figures, Gap, InputFile, Notice, Period, ReadFailure, Report, Tool, TrendPeriod, Window};
use crate::digest::{Bounds, Checker, PublicKeys};
use crate::disk;
use crate::evidence::{Evidence, Range};
use crate::exposure::{self, Input};
use crate::inputs::{Approval, Detection, Settings, approvals, detections, policy_file};
use crate::inventory::{self, IamState, LiveOptions};
use crate::mfa;
use crate::pipeline::{self, Options, Scanned};
use crate::report::{self, Format, OutputDir, Paper};
use crate::source::{Selection, Source, SourceError};
use crate::store::{Asked, Judged, Store};
use crate::units;

/// Where IAM state comes from.
enum Iam {
    None,
    Read(IamState),
    Live(LiveOptions),
}

/// Everything that was asked for, checked.
pub(super) struct Plan {
    pub(super) sources: Vec<Source>,
    period: Period,
    as_of: Option<DateTime<Utc>>,
    iam: Iam,
    approvals: Vec<Approval>,
    detections: Vec<Detection>,
    settings: Settings,
    pub(super) selection: Selection,
    pub(super) options: Options<'static>,
    pub(super) out: PathBuf,
    pub(super) store: Option<PathBuf>,
    /// Whether the report is of the sources alone, whatever else the store holds.
    only_source: bool,
    pub(super) output: Output,
    pub(super) generated_at: DateTime<Utc>,
    pub(super) inputs: Vec<InputFile>,
    earlier: Vec<TrendPeriod>,
    trend: beside::Trend,
    fail_on: Vec<FailOn>,
    pub(super) summary: Printed,
    /// Whether the archive is verified; and the public keys, where they were given.
    verify: bool,
    keys: Option<PublicKeys>,
    now: DateTime<Utc>,
    /// The bundle that is to be written.
    bundle: Option<bundle::Wanted>,
}

/// What a report rests on, and what there is to say about where it came from.
pub(super) struct Read {
    evidence: Evidence,
    scanned: Scanned,
    pub(super) notices: Vec<Notice>,
    /// What the digests prove, where that was asked.
    pub(super) proven: Option<verify::Proven>,
    /// What earlier scans found of the objects in the store.
    judged: Judged,
    /// The store's last commit that it rests on.
    commit: Option<u64>,
    /// The store.
    store: Option<Store>,
}

pub(super) fn run(args: ReportArgs, now: DateTime<Utc>) -> Result<Status, CliError> {
    if let Some(out) = &args.out {
        named_file("--out", out)?;
    }
    if let Some(file) = &args.period.from_bundle {
        return bundle::again(file, args.out, args.summary, now);
    }
    let dry_run = args.dry_run;
    let mut plan = Plan::new(args, now)?;
    check_places(&plan.sources, plan.store.as_deref(), &plan.selection, &plan.options)?;
    if dry_run {
        return say_what_would_be_read(&plan);
    }
    let out = OutputDir::prepare(&plan.out).map_err(CliError::usage)?;
    interrupt::remove_at_exit(out.temporary());
    let keys = plan.keys.take();
    let mut making = plan.bundle.take().map(bundle::Making::new).transpose()?;
    let read = match (&plan.store, &making) {
        (Some(store), making) => {
            from_store(&plan, store, making.as_ref().map(bundle::Making::excerpt).as_deref(), keys, now)?
        }
        (None, Some(making)) => from_store(&plan, &making.scratch(), Some(&making.excerpt()), keys, now)?,
        (None, None) => scan(&plan, keys)?,
    };
    if let Some(making) = &mut making {
        making.note(&plan, &read);
    }
    let noted = plan.store.clone().zip(read.commit);
    let selection = plan.selection.clone();
    let output = plan.output.clone();
    let summary = plan.summary;
    let Made { mut report, status, told, iam } = make(plan, read, None)?;
    let period = report.period;
    if output.redact {
        report = report::redact(report, output.redact_key.as_deref());
    }
    let mut files = output.files(&report)?;
    // A browser that fails costs no other format; the run has failed all the same.
    let printed = output.pdf(&report).transpose();
    let failure = printed.map(|pdf| files.extend(pdf)).err();
    if let Some(making) = making {
        making.write(&report, &files, told, iam.as_ref())?;
    }
    let whole = interrupt::hold();
    let folder = out.commit(files).map_err(CliError::failed)?;
    drop(whole);
    if let Some((store, commit)) = noted {
        super::scan::note_report(&store, &selection, period, commit, now);
    }
    summarize(&report, &folder, summary, status)?;
    failure.map_or(Ok(status), Err)
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
pub(super) fn summarize(report: &Report, folder: &Path, form: Printed, status: Status) -> Result<(), CliError> {
    if form == Printed::Text {
        say(&report::summary(report, summary_width()));
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
        complete: super::coverage::is_complete(report),
        failures: &coverage.failures,
        notices: &report.notices,
    })
}

/// Which files, and how.
#[derive(Clone)]
pub(super) struct Output {
    formats: Vec<Format>,
    per_account: bool,
    /// The browser, and the sheet of paper.
    pdf: Option<(PathBuf, Paper)>,
    redact: bool,
    redact_key: Option<Vec<u8>>,
}

/// How many bytes a secret must have at least.
const SHORTEST_KEY: usize = 16;
/// How many it may have.
const LONGEST_KEY: u64 = 1 << 20;

impl Output {
    fn new(args: &ReportArgs) -> Result<Self, CliError> {
        let mut formats: Vec<Format> = args
            .format
            .iter()
            .map(|format| match format {
                FormatArg::Html => Format::Html,
                FormatArg::Md => Format::Markdown,
                FormatArg::Json => Format::Json,
                FormatArg::Csv => Format::Csv,
                FormatArg::Xlsx => Format::Xlsx,
            })
            .collect();
        formats.sort();
        formats.dedup();
        if formats.is_empty() {
            formats = Format::ALL.to_vec();
        }
        if args.per_account && !formats.contains(&Format::Html) {
            return Err(CliError::Usage(
                "`--per-account` makes pages, and `--format` names no `html`\n  hint: add html to --format".to_owned(),
            ));
        }
        let paper = match args.paper {
            PaperArg::A4 => Paper::A4,
            PaperArg::Letter => Paper::Letter,
        };
        let pdf = args.pdf.then(|| pdf::browser(args.chromium.as_deref())).transpose()?.map(|browser| (browser, paper));
        let redact_key = args.redact_key.as_deref().map(redact_key).transpose()?;
        Ok(Self { formats, per_account: args.per_account, pdf, redact: args.redact, redact_key })
    }

    pub(super) fn files(&self, report: &Report) -> Result<Vec<report::File>, CliError> {
        report::render(report, &self.formats, self.per_account).map_err(CliError::failed)
    }

    /// The page, printed, where that was asked for.
    fn pdf(&self, report: &Report) -> Option<Result<report::File, CliError>> {
        let (browser, paper) = self.pdf.as_ref()?;
        let page = report::printed(report, *paper)
            .map_err(|error| CliError::Failed(format!("could not render the page to print: {error}")));
        Some(page.and_then(|page| Ok(("report.pdf".to_owned(), pdf::print(browser, &page)?))))
    }
}

fn redact_key(path: &Path) -> Result<Vec<u8>, CliError> {
    let shown = path.display();
    // A pipe is well: secrets often come that way.
    let key = disk::read_piped(path, LONGEST_KEY).map_err(|error| {
        CliError::Usage(format!(
            "`--redact-key`: could not read `{shown}`: {error}\n  hint: head -c 32 /dev/urandom > redact.key"
        ))
    })?;
    if key.len() < SHORTEST_KEY {
        return Err(CliError::Usage(format!(
            "`--redact-key`: `{shown}` has {} bytes, and {SHORTEST_KEY} is the least that cannot be guessed\n  hint: head -c 32 /dev/urandom > {shown}",
            key.len()
        )));
    }
    Ok(key)
}

/// When the report says that it was made: SOURCE_DATE_EPOCH, by which builds are made reproducible, else now.
fn generated_at(now: DateTime<Utc>) -> Result<DateTime<Utc>, CliError> {
    let seconds = match std::env::var("SOURCE_DATE_EPOCH") {
        Err(_not_set) => return Ok(DateTime::from_timestamp(now.timestamp(), 0).unwrap_or(now)),
        Ok(text) => text,
    };
    seconds.parse().ok().and_then(|seconds| DateTime::from_timestamp(seconds, 0)).ok_or_else(|| {
        CliError::Usage(format!(
            "the environment's SOURCE_DATE_EPOCH (`{seconds}`) is no number of seconds since 1970\n  hint: unset it, or set it to such as 1793577600"
        ))
    })
}

impl Plan {
    /// Checks all arguments and reads all small inputs, before any long work and before anything is written.
    pub(super) fn new(args: ReportArgs, now: DateTime<Utc>) -> Result<Self, CliError> {
        let period = period(&args.period, now)?;
        let as_of = args.as_of.as_deref().map(|text| time("--as-of", text, now)).transpose()?;
        let sources = sources(&args.sources)?;
        let settings =
            args.policy.as_deref().map(policy_file::read).transpose().map_err(CliError::usage)?.unwrap_or_default();
        let approvals = beside::rows(args.approvals.as_deref(), approvals::read)?;
        let detections = beside::rows(args.detections.as_deref(), detections::read)?;
        let keys = verify::read_keys(&args.public_keys)?;
        let iam_as_of = args.iam_as_of.as_deref().map(|text| time("--iam-as-of", text, now)).transpose()?;
        let iam = iam(&args, as_of, iam_as_of, now)?;
        let output = Output::new(&args)?;
        let earlier = beside::earlier(&args.previous, period)?;
        let inputs = inputs(&args, as_of)?;
        if args.verify && args.sources.is_empty() {
            return Err(CliError::Usage(
                "`--verify` reads the archive, and there is no SOURCE\n  hint: give it, or drop `--verify`: a report from the store tells what `mfatrail scan --verify` found".to_owned(),
            ));
        }
        let given_as_of = as_of;
        let as_of = as_of.or(match &iam {
            Iam::Read(state) => Some(state.taken_at),
            Iam::Live(options) => Some(options.now),
            Iam::None => None,
        });
        if let Some(as_of) = as_of.filter(|as_of| *as_of <= period.from) {
            return Err(CliError::Usage(format!(
                "the moment up to which windows are measured (`{}`) is not after the period's start (`{}`)\n  hint: give --as-of, or IAM state, of a time in or after the period",
                rfc3339(as_of),
                rfc3339(period.from)
            )));
        }
        let read_from = period.from - TimeDelta::seconds(settings.lookback_s);
        let selection = selection(&args.archive, Some(read_from), as_of)?;
        let trend = beside::trend(period, args.store.as_deref(), as_of, &selection)?;
        let options = options(&args.archive, &args.aws)?;
        let bundle = bundle::Wanted::new(&args, period, given_as_of, iam_as_of)?;
        let out = args.out.unwrap_or_else(|| PathBuf::from(default_folder(&args.period, period)));
        Ok(Self {
            sources,
            period,
            as_of,
            iam,
            approvals,
            detections,
            settings,
            selection,
            options,
            out,
            store: args.store,
            only_source: args.only_source,
            output,
            generated_at: generated_at(now)?,
            inputs,
            earlier,
            trend,
            fail_on: args.fail_on,
            summary: args.summary,
            verify: args.verify,
            keys,
            now,
            bundle,
        })
    }

    pub(super) fn verification(&self) -> verify::Plan<'_> {
        verify::Plan {
            sources: &self.sources,
            selection: &self.selection,
            options: &self.options,
            // The look-back is read and judged too, but what is missing there is no fault of the report.
            bounds: Bounds { from: Some(self.period.from), to: self.as_of },
            now: self.now,
        }
    }
}

fn period(args: &PeriodArgs, now: DateTime<Utc>) -> Result<Period, CliError> {
    if let Some(month) = &args.month {
        let [from, to] =
            units::parse_month(month, now).map_err(|error| CliError::Usage(format!("`--month`: {error}")))?;
        if from > now {
            return Err(CliError::Usage(format!(
                "`--month`: `{month}` has not begun: now is `{}`\n  hint: `--month this` and `--month last` are the month under way and the one before",
                rfc3339(now)
            )));
        }
        return Ok(Period { from, to });
    }
    let [from, to] = range(args.from.as_deref(), args.to.as_deref(), now)?;
    let from = from.ok_or_else(|| CliError::Usage("`--from` or `--month` is required".to_owned()))?;
    // Figures are in whole seconds, as CloudTrail's clock is.
    let whole = |time: DateTime<Utc>| DateTime::from_timestamp(time.timestamp(), 0).unwrap_or(time);
    let period = Period { from: whole(from), to: whole(to.unwrap_or(now)) };
    if period.from >= period.to {
        return Err(CliError::Usage(format!(
            "the period from `{}` to `{}` has no second in it\n  hint: give an earlier `--from`",
            rfc3339(period.from),
            rfc3339(period.to)
        )));
    }
    Ok(period)
}

fn default_folder(args: &PeriodArgs, period: Period) -> String {
    match &args.month {
        Some(_) => format!("mfatrail-report-{}", period.from.format("%Y-%m")),
        None => {
            let day = |time: DateTime<Utc>| format!("{:04}{:02}{:02}", time.year(), time.month(), time.day());
            format!("mfatrail-report-{}-{}", day(period.from), day(period.to))
        }
    }
}

fn iam(
    args: &ReportArgs,
    as_of: Option<DateTime<Utc>>,
    iam_as_of: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Result<Iam, CliError> {
    let Some(iam) = &args.iam else { return Ok(Iam::None) };
    if iam == "live" {
        if iam_as_of.is_some() {
            return Err(CliError::Usage(
                "`--iam-as-of` is for files: `--iam live` is as of now\n  hint: drop it".to_owned(),
            ));
        }
        return Ok(Iam::Live(LiveOptions {
            profile: args.aws.profile.clone(),
            region: args.aws.aws_region.clone(),
            endpoint_url: args
                .aws
                .endpoint_url
                .as_deref()
                .map(|url| without_user(url).unwrap_or_else(|| url.to_owned())),
            role_name: args.iam_role.clone(),
            accounts: args.archive.accounts.clone(),
            now: DateTime::from_timestamp(now.timestamp(), 0).unwrap_or(now),
        }));
    }
    if args.iam_role.is_some() {
        return Err(CliError::Usage(
            "`--iam-role` is for `--iam live`\n  hint: drop it, or give `--iam live`".to_owned(),
        ));
    }
    if iam == "store" {
        return stored_iam(args, as_of).map(Iam::Read);
    }
    Ok(Iam::Read(inventory::files::read(iam.as_ref(), iam_as_of).map_err(CliError::usage)?))
}

fn stored_iam(args: &ReportArgs, as_of: Option<DateTime<Utc>>) -> Result<IamState, CliError> {
    let (path, text) = stored_snapshot(args, as_of)?;
    inventory::snapshot::from_text(&path.display().to_string(), &text).map_err(CliError::usage)
}

/// The snapshot's file and what it says.
pub(super) fn stored_snapshot(args: &ReportArgs, as_of: Option<DateTime<Utc>>) -> Result<(PathBuf, String), CliError> {
    let usage = |text: &str| CliError::Usage(text.to_owned());
    let Some(dir) = &args.store else {
        return Err(usage("`--iam store` takes IAM state from the store, and there is no `--store`\n  hint: add it"));
    };
    if args.iam_as_of.is_some() {
        return Err(usage("`--iam-as-of` is for files: a snapshot in the store bears its time\n  hint: drop it"));
    }
    let store = Store::open(dir).map_err(super::scan::store_error)?;
    store.iam(as_of).map_err(super::scan::store_error)?.ok_or_else(|| {
        usage(
            "`--iam store`: the store has no IAM snapshot of that time or before\n  hint: `mfatrail iam snapshot --store DIR` keeps one",
        )
    })
}

/// The files beside the archive, with their hashes.
fn inputs(args: &ReportArgs, as_of: Option<DateTime<Utc>>) -> Result<Vec<InputFile>, CliError> {
    let mut inputs = match args.iam.as_deref().map(|iam| (iam, iam.to_str())) {
        None | Some((_, Some("live"))) => Vec::new(),
        Some((_, Some("store"))) => {
            let (path, text) = stored_snapshot(args, as_of)?;
            vec![beside::stored(&path, &text)]
        }
        Some((iam, _)) => beside::iam(iam.as_ref())?,
    };
    for (kind, path) in [("approvals", &args.approvals), ("detections", &args.detections), ("policy", &args.policy)] {
        inputs.extend(path.as_deref().map(|path| beside::file(kind, path)).transpose()?);
    }
    for path in &args.previous {
        inputs.push(beside::file("previous", path)?);
    }
    Ok(inputs)
}

fn say_what_would_be_read(plan: &Plan) -> Result<Status, CliError> {
    if plan.sources.is_empty() {
        return Err(CliError::Usage(
            "`--dry-run` says what would be read of a SOURCE, and there is none\n  hint: `mfatrail store` shows what a store holds".to_owned(),
        ));
    }
    let found = pipeline::plan(&plan.sources, &plan.selection, &plan.options).map_err(CliError::failed)?;
    let to = plan.selection.to.map_or_else(|| "the end".to_owned(), |to| rfc3339(to + plan.selection.slack));
    say(&format!(
        "would read the folders from {} to {to}; {} skipped by intent",
        plan.selection.from.map_or_else(|| "the start".to_owned(), rfc3339),
        units::plural(found.skipped, "object is", "objects are")
    ));
    for failure in &found.failures {
        say(&plain(&format!("warning: {}: {}", failure.object, failure.error)));
    }
    put(&format!(
        "{}, {} ({})",
        units::plural(found.objects, "object", "objects"),
        units::plural(found.bytes, "byte", "bytes"),
        units::readable_size(found.bytes)
    ))?;
    Ok(if found.failures.is_empty() && found.objects > 0 { Status::Done } else { Status::Incomplete })
}

fn read_range(plan: &Plan) -> Arc<Range> {
    Arc::new(Range {
        from: plan.selection.from,
        until: plan.as_of,
        accounts: plan.selection.accounts.clone(),
        regions: plan.selection.regions.clone(),
    })
}

pub(super) fn asked(plan: &Plan) -> Asked {
    Asked {
        selection: plan.selection.clone(),
        range: read_range(plan),
        period: plan.period,
        roots: plan.sources.iter().map(Source::root).collect(),
        only_roots: plan.only_source,
    }
}

/// Scans what there is to scan into the store, and takes the evidence from it; `excerpt` is a folder for the part of the
/// store that it is.
pub(super) fn from_store(
    plan: &Plan,
    store: &Path,
    excerpt: Option<&Path>,
    keys: Option<PublicKeys>,
    now: DateTime<Utc>,
) -> Result<Read, CliError> {
    let proven = plan.verify.then(|| verify::prove(&plan.verification(), keys)).transpose()?;
    let mut checker = None;
    if !plan.sources.is_empty() {
        let proof = proven.as_ref().map(|proven| &proven.proof);
        let limits = super::scan::LIMITS;
        let done = super::scan::into_store(store, &plan.sources, &plan.selection, &plan.options, limits, proof, now)?;
        checker = done.checker;
    }
    let asked = asked(plan);
    let mut store = Store::open(store).map_err(super::scan::store_error)?;
    let found = store.consistently(|store| store.evidence(&asked)).map_err(CliError::failed)?;
    let notices = super::scan::notices(&found);
    if let Some(folder) = excerpt {
        let snapshots: Vec<String> = plan.trend.snapshots.iter().map(|(_, file)| file.path.clone()).collect();
        let holder = super::scan::holder("mfatrail report", now);
        store.excerpt(&asked, &snapshots, folder, &holder).map_err(CliError::failed)?;
    }
    Ok(Read {
        evidence: found.evidence.checked(checker).finish(),
        scanned: found.scanned,
        notices,
        proven,
        judged: found.judged,
        commit: Some(found.commit),
        store: Some(store),
    })
}

fn scan(plan: &Plan, keys: Option<PublicKeys>) -> Result<Read, CliError> {
    let proven = plan.verify.then(|| verify::prove(&plan.verification(), keys)).transpose()?;
    let range = read_range(plan);
    let checker = || proven.as_ref().map(|proven| Checker::new(Arc::clone(&proven.proof)));
    let visitor = || Evidence::new(Arc::clone(&range)).checked(checker());
    let (evidence, scanned) = progress::shown(&plan.options.progress, || {
        pipeline::scan(&plan.sources, &plan.selection, &plan.options, &visitor)
    })
    .map_err(CliError::failed)?;
    log::traffic_summary();
    if scanned.stopped {
        return Err(interrupt::stopped(&scanned, "no report was written, and what was there is as it was"));
    }
    let mut evidence = evidence.finish();
    match evidence.error.take() {
        Some(error) => Err(CliError::Failed(format!(
            "could not keep what was read in a temporary file: {error}\n  hint: free space in the temporary directory, or set TMPDIR to another"
        ))),
        None => {
            evidence
                .balance(scanned.coverage.records)
                .map_err(|lost| CliError::failed(SourceError::Unbalanced(lost)))?;
            Ok(Read {
                evidence,
                scanned,
                notices: Vec::new(),
                proven,
                judged: Judged::default(),
                commit: None,
                store: None,
            })
        }
    }
}

/// That a temporary file cannot be read.
pub(super) fn unreadable(error: &std::io::Error) -> CliError {
    CliError::Failed(format!("could not read back what was kept in a temporary file: {error}"))
}

pub(super) struct Made {
    pub(super) report: Report,
    pub(super) status: Status,
    /// What it says of its integrity.
    pub(super) told: Option<integrity::Told>,
    /// The IAM state that it rests on.
    pub(super) iam: Option<IamState>,
}

/// Makes the report; `known` is what a bundle tells of the integrity of the whole archive, of which it has only a part.
pub(super) fn make(plan: Plan, read: Read, known: Option<integrity::Told>) -> Result<Made, CliError> {
    let Read { mut evidence, scanned, notices: read_notices, proven, judged, store, .. } = read;
    let digests_failed = proven.map(|proven| proven.failures).unwrap_or_default();
    let verified = match evidence.checker.take() {
        Some(checker) => {
            Some(integrity::outcome(&plan.verification(), checker, digests_failed, &scanned.coverage.failures)?)
        }
        None => None,
    };
    let iam = match plan.iam {
        Iam::None => None,
        Iam::Read(state) => Some(state),
        Iam::Live(mut options) => {
            if options.role_name.is_some() && options.accounts.is_empty() {
                options.accounts = scanned.accounts.keys().cloned().collect();
            }
            Some(inventory::read_live(&options).map_err(CliError::failed)?)
        }
    };
    let iam = iam.map(|iam| beside::selected(iam, &plan.selection));
    // A key's time is cut to the minute, so that a record can be later than its own delivery. Without any object there
    // is no delivery either: then nothing is known beyond the period.
    let latest = scanned.latest_delivery.max(scanned.coverage.last_record);
    // Whoever writes a record chooses its time: a moment that has not come measures nothing.
    let now = Utc::now().max(plan.generated_at);
    let future = latest.filter(|latest| *latest > now);
    let latest = latest.map(|latest| latest.min(now));
    let as_of = plan.as_of.or(latest).unwrap_or(plan.period.to).max(plan.period.from);
    let covered: BTreeMap<String, [DateTime<Utc>; 2]> = scanned
        .accounts
        .iter()
        .filter_map(|(account, span)| Some((account.clone(), [span.first?, super::coverage::evidence_end(span)?])))
        // Where nothing else is asked for, windows are measured to the last delivery: that is how far the evidence reaches.
        .map(|(account, [first, end])| (account, [first, if plan.as_of.is_none() { end.max(as_of) } else { end }]))
        .collect();
    let empty = crate::trace::Context::default();
    let mut events = evidence.events.take().map_err(|error| unreadable(&error))?;
    let mut conflicts = mfa::fold(&mut events);
    let input = Input {
        events: &events,
        context: &empty,
        iam: iam.as_ref(),
        covered: &covered,
        approvals: &plan.approvals,
        detections: &plan.detections,
        settings: &plan.settings,
        period: plan.period,
        as_of,
    };
    let mut context = evidence.trace.collect(&mut exposure::wanted(&input)).map_err(|error| unreadable(&error))?;
    conflicts.extend(cited::named(std::mem::take(&mut context.conflicts), store.as_ref())?);
    let input = Input { context: &context, ..input };
    let (analysis, parts) = exposure::analyse_in_parts(&input, &plan.trend.months);
    let mut inputs = plan.inputs;
    for (taken_at, file) in plan.trend.snapshots {
        // The one that `--iam store` takes is listed already, and a later one that was given tells of the month instead.
        let told = |part: &TrendPeriod| part.mfa_coverage.is_some_and(|coverage| coverage.taken_at == Some(taken_at));
        if parts.trend.iter().any(told) && inputs.iter().all(|input| input.sha256 != file.sha256) {
            inputs.push(file);
        }
    }
    let trend = plan.earlier.into_iter().chain(parts.trend).collect();
    let mut notices = analysis.notices;
    notices.extend(read_notices);
    notices.extend(iam.iter().flat_map(|iam| &iam.missing).map(missing_input));
    if iam.is_none() {
        notices.push(Notice {
            code: "no-iam-state",
            text: "no IAM state was given: who has a password or a device now, and who was without one before the archive begins, is not known (hint: `--iam`)".to_owned(),
        });
    }
    notices.extend(future.map(|future| Notice {
        code: "future-time",
        text: format!(
            "the latest record or delivery says {}, which had not come when this report was made: somebody wrote a false time, and windows are measured to {}",
            rfc3339(future),
            rfc3339(as_of)
        ),
    }));
    notices.extend(beyond_evidence(&covered, iam.as_ref(), as_of));
    for account in iam.iter().flat_map(|iam| scanned.accounts.keys().filter(|id| !iam.accounts.contains_key(*id))) {
        notices.push(Notice {
            code: "iam-account-missing",
            text: format!("IAM state does not tell of account {account}: its windows are as certain as without it"),
        });
    }
    let mut coverage = super::coverage::coverage(&scanned, &events, plan.period, as_of, &plan.selection, &mut notices);
    super::coverage::contest(&mut coverage, conflicts, &mut notices);
    let proof = match &store {
        Some(store) => cited::by_store(parts.proof, store)?,
        None => {
            let archive = cited::Archive { sources: &plan.sources, selection: &plan.selection, options: &plan.options };
            let said_again = events.iter().flat_map(|event| &event.lineage.addenda).cloned().collect();
            cited::by_reading(parts.proof, &archive, said_again, &mut notices)
        }
    };
    let mut report = Report {
        schema: contract::SCHEMA,
        tool: THIS,
        generated_at: plan.generated_at,
        period: plan.period,
        as_of,
        figures: analysis.figures,
        windows: analysis.windows,
        events: analysis.events,
        reconciliation: analysis.reconciliation,
        leftover_devices: analysis.leftover_devices,
        coverage,
        notices,
        policy: plan.settings,
        accounts: parts.accounts,
        trend,
        proof,
        inputs,
        redacted: false,
    };
    let told = match (known, &verified) {
        (Some(told), _) => Some(told),
        (None, Some(outcome)) => Some(integrity::told(outcome, report.period, as_of)?),
        (None, None) => integrity::stored(judged),
    };
    if let Some(told) = &told {
        integrity::tell(&mut report, told, &integrity::by_event(&events, &evidence.integrity));
    }
    // The process ends soon: to give back what a scan kept, piece by piece, would take as long as it took to look at it.
    std::mem::forget((evidence, events, context));
    let whole = told.as_ref().is_none_or(|told| told.whole);
    let held: Vec<(FailOn, String)> =
        plan.fail_on.iter().filter_map(|condition| Some((*condition, condition.holds(&report)?))).collect();
    for (condition, why) in &held {
        say(&format!("--fail-on {}: {why}", condition.name()));
    }
    let status = if !whole || !super::coverage::is_complete(&report) {
        Status::Incomplete
    } else if held.is_empty() {
        Status::Done
    } else {
        Status::Found
    };
    Ok(Made { report, status, told, iam })
}

/// Accounts whose evidence ends before the moment up to which windows are measured.
fn beyond_evidence(
    covered: &BTreeMap<String, [DateTime<Utc>; 2]>,
    iam: Option<&IamState>,
    as_of: DateTime<Utc>,
) -> Option<Notice> {
    let told = |account: &str| {
        let state = iam.filter(|iam| iam.accounts.contains_key(account));
        state.map(|iam| iam.as_of(account).latest)
    };
    let ends = covered.iter().map(|(account, [_, last])| (account, Some(*last).max(told(account))));
    let short: Vec<(&String, DateTime<Utc>)> =
        ends.filter_map(|(account, end)| Some((account, end.filter(|end| *end < as_of)?))).collect();
    let (_, first) = short.iter().min_by_key(|(_, end)| *end)?;
    Some(Notice {
        code: "as-of-beyond-evidence",
        text: format!(
            "open windows are measured to {}, and the evidence on {} ends before (the earliest at {}): what happened in between is not known, and they are possible",
            rfc3339(as_of),
            report::plural(short.len(), "account", "accounts"),
            rfc3339(*first)
        ),
    })
}

fn missing_input(missing: &inventory::MissingInput) -> Notice {
    let account = missing.account.as_ref().map_or_else(String::new, |account| format!(" of account {account}"));
    Notice { code: "iam-input-missing", text: format!("IAM state: {}{account}: {}", missing.what, missing.why) }
}

/// The summary's width: the terminal's. Where there is none nothing is cut, for nobody can look at it again.
pub(super) fn summary_width() -> Option<usize> {
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
