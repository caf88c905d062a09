//! A month from beginning to end: scan, IAM snapshot, guardrails, report with its bundle, what changed, delivery, and a message.
//!
//! Each step is done once. What AWS was asked (IAM, guardrails) is kept and not asked again; the report is made again only where what
//! it rests on is something else; a file is delivered, and a channel told, only where it has not got it. A run that was killed goes on
//! where it was, because a step's result is in its place before the next begins, and what a process was sending when it ended is
//! known to be unknown.

mod deliver;
mod message;
mod state;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{File, TryLockError};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, Months, TimeDelta, Utc};
use serde::Serialize;

use self::deliver::Delivered;
pub use self::deliver::Destination;
use self::state::State;
use super::bundle::Making;
use super::fail_on::FailOn;
use super::iam::{SnapshotRequest, take_snapshot};
use super::integrity::{IntegrityStatement, integrity_statement};
use super::posture::{PostureRequest, PostureSource, judge_posture, read_posture};
use super::printer::Printer;
use super::report::{Assembled, Job};
use super::request::{IamSource, ReportRequest};
use super::scan::{self, LIMITS, ScanRequest};
use super::watch::announce::Channels;
use super::{Archive, Error, Run, THIS, coverage, rfc3339, store_error};
use crate::aws::Connection;
use crate::contract::{Changes, Figures, Notice, Period, Report, Tool};
use crate::digest::Verification;
use crate::disk::{self, Draft, Folder, Kind, Readers};
use crate::inputs::{Settings, policy_file};
use crate::inventory::snapshot;
use crate::posture::Expectations;
use crate::report::{self, OutputDir};
use crate::signature::Signer;
use crate::source::Source;
use crate::store::{Place, Store, StoreError};
use crate::units::plural;

/// The names of what is in a month's folder.
const REPORT: &str = "report";
const BUNDLE: &str = "evidence.zip";
const POSTURE: &str = "posture.json";
const SUMMARY: &str = "summary.json";
const LOCK: &str = "lock";
/// How many months before this one are compared with.
const EARLIER: u32 = 12;
/// How much of a file tells whether it is one of these documents.
const HEAD: u64 = 4096;

/// What is asked: a report on one calendar month, and what becomes of it.
#[derive(Debug, Clone)]
pub struct MonthlyRequest {
    /// The report, with a store; its period is a calendar month. IAM state and guardrails that are live are asked once and kept.
    pub report: ReportRequest,
    /// The folder of all months.
    pub into: PathBuf,
    /// Whether the report gets an evidence bundle.
    pub bundle: bool,
    /// What prints the report; `None` where it is not printed.
    pub printer: Option<Printer>,
    /// Who signs the report and the bundle; `None` where nobody does.
    pub signer: Option<Arc<Signer>>,
    /// Whether AWS is asked again, and the report made again.
    pub again: bool,
    /// Where copies of the month's files go.
    pub deliver: Option<Destination>,
    /// A configuration of `mfatrail watch`, whose channels are told.
    pub watch_config: Option<PathBuf>,
    /// What is to be known at the end.
    pub fail_on: Vec<FailOn>,
    /// When the report says that it was made, if it is made now.
    pub generated_at: DateTime<Utc>,
}

/// What became of a step in this run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Done {
    /// It was done now.
    Now,
    /// It had been done, and nothing is different.
    Before,
    /// Nothing asked for it.
    Left,
    /// It failed, and is tried again by the next run.
    Failed,
}

/// A step of this run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// `scan`, `iam`, `posture`, `report`, `changes`, `deliver` or `message`.
    pub step: &'static str,
    /// What became of it.
    pub done: Done,
    /// The same in words.
    pub text: String,
}

/// A month that is done.
#[derive(Debug)]
pub struct MonthlyOutcome {
    /// The month's folder.
    pub folder: PathBuf,
    /// What was done.
    pub steps: Vec<Step>,
    /// Whether everything that the report rests on was read, and proven where that was asked.
    pub complete: bool,
    /// What the report says, as the channels are told: a title, and sentences. `None` where there is none yet.
    pub headline: Option<[String; 2]>,
    /// The conditions of `fail_on` that hold, a line each.
    pub found: Vec<String>,
}

impl MonthlyOutcome {
    /// Why a step did not get done; `None` where all did.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        let failed: Vec<&str> =
            self.steps.iter().filter(|step| step.done == Done::Failed).map(|step| step.text.as_str()).collect();
        (!failed.is_empty()).then(|| failed.join("\n"))
    }
}

/// `summary.json`.
#[derive(Serialize)]
struct Summary<'r> {
    schema: &'static str,
    tool: Tool,
    month: String,
    period: Period,
    #[serde(with = "whole")]
    as_of: DateTime<Utc>,
    #[serde(with = "whole")]
    generated_at: DateTime<Utc>,
    /// The exit status of a run whose delivery succeeds: 0, 1 or 3.
    status: u8,
    complete: bool,
    /// The conditions that hold.
    found: &'r [String],
    report: &'static str,
    bundle: Option<&'static str>,
    figures: &'r Figures,
    open_windows: usize,
    changes: Option<&'r Changes>,
    notices: &'r [Notice],
}

mod whole {
    use super::{DateTime, Utc, rfc3339};

    pub(super) fn serialize<S: serde::Serializer>(at: &DateTime<Utc>, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&rfc3339(*at))
    }
}

/// Does what of a month is not done yet.
///
/// # Errors
/// [`Error::Input`] where the request is wrong, or another run is at this month; [`Error::Failed`] where a step that others rest on
/// failed. A delivery or a message that fails is in the outcome, and the next run tries it again.
pub fn monthly(request: MonthlyRequest, archive: &Archive, run: Run<'_>) -> Result<MonthlyOutcome, Error> {
    let mut month = Month::open(request, archive, run)?;
    month.scan()?;
    month.iam()?;
    month.posture()?;
    month.report()?;
    month.deliver()?;
    month.message()?;
    let State { complete, found, message, .. } = month.state;
    let headline = message.map(|alert| [alert.text.title, alert.text.summary]);
    Ok(MonthlyOutcome { folder: month.folder, steps: month.steps, complete, headline, found })
}

/// A month that is being worked on.
struct Month<'r> {
    request: MonthlyRequest,
    archive: &'r Archive,
    run: Run<'r>,
    store: Place,
    settings: Settings,
    folder: PathBuf,
    state: State,
    steps: Vec<Step>,
    /// Whether the scan read everything, and proved it where that was asked.
    scanned: bool,
    /// What the digests prove of the archive, where that was asked.
    verification: Option<Verification>,
    delivered: Option<Delivered>,
    channels: Option<Channels>,
    _lock: File,
}

fn name(period: Period) -> String {
    period.from.format("%Y-%m").to_string()
}

impl<'r> Month<'r> {
    /// Checks everything that can be checked before any long work, and takes the month's folder.
    fn open(request: MonthlyRequest, archive: &'r Archive, run: Run<'r>) -> Result<Self, Error> {
        let store = request.report.store.clone().ok_or_else(|| {
            Error::Input("a month is kept in a store, but there is no `--store`\n  hint: add `--store DIR`".to_owned())
        })?;
        let policy = request.report.policy.as_deref();
        let settings = policy.map(policy_file::read).transpose().map_err(Error::input)?.unwrap_or_default();
        if request.report.verify && archive.sources.is_empty() {
            return Err(Error::Input(
                "`--verify` reads the archive, but there is no SOURCE\n  hint: add SOURCE, or drop `--verify`"
                    .to_owned(),
            ));
        }
        let folder = request.into.join(name(request.report.period()));
        // Whatever is wrong with an input is known in the first second.
        let offline = ReportRequest {
            iam: request.report.iam.clone().filter(|iam| matches!(iam, IamSource::Files(_))),
            iam_role: None,
            posture_live: false,
            verify: false,
            ..request.report.clone()
        };
        Job::new(offline, &Archive::default(), run)?;
        let connection = &archive.options.s3.connection;
        let channels = request.watch_config.as_deref().map(|file| Channels::open(file, connection)).transpose()?;
        let delivered = request.deliver.as_ref().map(Delivered::open).transpose()?;
        let lock = lock(&folder)?;
        tidy(&folder)?;
        let state = State::read(&folder)?;
        Ok(Self {
            request,
            archive,
            run,
            store,
            settings,
            folder,
            state,
            steps: Vec::new(),
            scanned: true,
            verification: None,
            delivered,
            channels,
            _lock: lock,
        })
    }

    /// Says what became of a step, in one line.
    fn did(&mut self, step: &'static str, done: Done, text: String) {
        self.run.observer.note(&format!("{step}: {text}"));
        self.steps.push(Step { step, done, text });
    }

    fn save(&self) -> Result<(), Error> {
        self.run.uninterrupted(|| self.state.write(&self.folder))
    }

    fn scan(&mut self) -> Result<(), Error> {
        if self.archive.sources.is_empty() {
            self.did("scan", Done::Left, "no SOURCE was named; the store is used as it is".to_owned());
            return Ok(());
        }
        let asked = &self.request.report;
        let from = asked.from - TimeDelta::seconds(self.settings.lookback_s);
        let scan = ScanRequest {
            store: self.store.clone(),
            selection: asked.selection(Some(from), None),
            commit_every: LIMITS.objects,
            verify: asked.verify,
            public_keys: asked.public_keys.clone(),
            // As of the report: more is read, but what is missing before the month, or after the moment that it is measured to, is no
            // fault of the month.
            proven: Some(Period { from: asked.from, to: self.measured_to()? }),
        };
        let outcome = scan::scan(&scan, self.archive, self.run)?;
        let coverage = &outcome.scanned.coverage;
        self.scanned = outcome.complete;
        let verified = match &outcome.verification {
            None => "",
            Some(verification) if verification.whole => "; verified by the digests",
            Some(_) => "; the digests do not prove all of it",
        };
        let failed = coverage.objects_failed + outcome.failed_before;
        let text = format!(
            "{} read, {} in the store already, {failed} could not be read{verified}",
            plural(coverage.objects_read, "object was", "objects were"),
            outcome.scanned.objects_known
        );
        let done = if coverage.objects_read > 0 { Done::Now } else { Done::Before };
        self.did("scan", done, text);
        self.verification = outcome.verification;
        Ok(())
    }

    /// Up to when the report measures, as far as that is known before IAM is asked.
    fn measured_to(&self) -> Result<DateTime<Utc>, Error> {
        let asked = &self.request.report;
        let known = match asked.iam {
            Some(IamSource::Live) if self.request.again => None,
            Some(IamSource::Live | IamSource::Store) => self.known_snapshot()?,
            _ => None,
        };
        // To the second, as the snapshot has it.
        let now = DateTime::from_timestamp(self.run.now.timestamp(), 0);
        let now = now.filter(|_| matches!(asked.iam, Some(IamSource::Live)));
        Ok(asked.as_of.or(known).or(now).unwrap_or(asked.to))
    }

    /// Takes a snapshot of IAM state after the month's end, unless the store has one.
    fn iam(&mut self) -> Result<(), Error> {
        match self.request.report.iam {
            None => {
                self.did("iam", Done::Left, "no IAM state was asked for (`--iam`)".to_owned());
                Ok(())
            }
            Some(IamSource::Files(_)) => {
                self.did("iam", Done::Left, "IAM state is from files".to_owned());
                Ok(())
            }
            Some(IamSource::Live | IamSource::Store) => self.snapshot(),
        }
    }

    fn snapshot(&mut self) -> Result<(), Error> {
        let live = matches!(self.request.report.iam, Some(IamSource::Live));
        let known = if live && self.request.again { None } else { self.known_snapshot()? };
        if let Some(taken_at) = known {
            self.state.iam_taken_at = Some(taken_at);
            self.did("iam", Done::Before, format!("the snapshot of {} is used", rfc3339(taken_at)));
            return self.save();
        }
        if !live {
            return Err(Error::Input(format!(
                "`--iam store`: the store has no IAM snapshot from {} or later\n  hint: `mfatrail iam snapshot --store DIR` saves one, and `--iam live` does so now",
                rfc3339(self.request.report.to)
            )));
        }
        let connection = &self.archive.options.s3.connection;
        let role_name = self.request.report.iam_role.clone();
        let accounts = if role_name.is_some() { self.accounts()? } else { Vec::new() };
        let asked = SnapshotRequest {
            out: None,
            store: Some(self.store.clone()),
            role_name,
            accounts,
            profile: connection.profile.clone(),
            region: connection.region.clone(),
            endpoint_url: connection.endpoint_url.clone(),
        };
        let outcome = take_snapshot(asked, self.run)?;
        for missing in &outcome.missing {
            let account = missing.account.as_deref().unwrap_or("all accounts");
            self.run.observer.warn(&format!("{account}: {}: {}", missing.what, missing.why));
        }
        self.state.iam_taken_at = DateTime::from_timestamp(self.run.now.timestamp(), 0);
        let (users, accounts) =
            (plural(outcome.users, "user", "users"), plural(outcome.accounts, "account", "accounts"));
        self.did("iam", Done::Now, format!("{users} of {accounts} saved in the store"));
        self.save()
    }

    /// The snapshot that an earlier run used, else the first that was taken after the month.
    fn known_snapshot(&self) -> Result<Option<DateTime<Utc>>, Error> {
        if self.state.iam_taken_at.is_some() {
            return Ok(self.state.iam_taken_at);
        }
        let store = match Store::open(&self.store) {
            Err(StoreError::Absent(_)) => return Ok(None),
            store => store.map_err(store_error)?,
        };
        let Some((path, text)) = store.iam_since(self.request.report.to).map_err(store_error)? else { return Ok(None) };
        let state = snapshot::from_text(&path.display().to_string(), &text).map_err(Error::input)?;
        Ok(Some(state.taken_at))
    }

    /// The accounts that are asked: those that were named, else the archive's.
    fn accounts(&self) -> Result<Vec<String>, Error> {
        if !self.request.report.accounts.is_empty() {
            return Ok(self.request.report.accounts.clone());
        }
        let mut store = Store::open(&self.store).map_err(store_error)?;
        let places = store.consistently(|store| store.places()).map_err(store_error)?;
        Ok(places.accounts.into_iter().collect())
    }

    /// Judges the guardrails once, and keeps what was found.
    fn posture(&mut self) -> Result<(), Error> {
        if !self.request.report.posture_live {
            let text = if self.request.report.posture.is_some() {
                "guardrails are from a file"
            } else {
                "guardrails were not asked for (`--posture`)"
            };
            self.did("posture", Done::Left, text.to_owned());
            return Ok(());
        }
        let file = self.folder.join(POSTURE);
        if file.exists() && !self.request.again {
            let known = read_posture(&file)?;
            self.did("posture", Done::Before, format!("the checks of {} are used", rfc3339(known.taken_at)));
            return Ok(());
        }
        let connection = &self.archive.options.s3.connection;
        let role_name = self.request.report.iam_role.clone();
        let scanned = self.archive.sources.iter().find_map(|source| match source {
            Source::S3 { bucket, prefix } => Some((bucket.clone(), prefix.clone())),
            _ => None,
        });
        let asked = PostureRequest {
            source: PostureSource::Live {
                // The role of the archive reads the archive.
                connection: Connection { role_arn: None, external_id: None, ..connection.clone() },
                role_name: role_name.clone(),
            },
            accounts: if role_name.is_some() { self.accounts()? } else { self.request.report.accounts.clone() },
            expected: Expectations { archive: scanned, owner_tags: self.settings.owner_tags.clone() },
        };
        let posture = judge_posture(&asked, self.run)?.posture;
        document(&file, "guardrails", is_posture, &posture, self.run)?;
        let checks = plural(posture.checks.len(), "guardrail check", "guardrail checks");
        self.did("posture", Done::Now, format!("{checks} saved"));
        Ok(())
    }

    /// The reports of the months before, as far as they are here.
    fn earlier(&self) -> Vec<PathBuf> {
        let from = self.request.report.from;
        let months = (1..=EARLIER).rev().filter_map(|back| from.checked_sub_months(Months::new(back)));
        let folders = months.map(|month| self.request.into.join(month.format("%Y-%m").to_string()).join(REPORT));
        folders.filter(|folder| folder.is_dir()).collect()
    }

    /// The report, as it is asked for: of the store alone, with what was asked of AWS from its files.
    fn asked(&self) -> ReportRequest {
        let asked = &self.request.report;
        let iam = match &asked.iam {
            Some(IamSource::Live | IamSource::Store) => Some(IamSource::Store),
            other => other.clone(),
        };
        // Without IAM state a month ends with itself: what comes later would be another report every day.
        let known = match iam {
            Some(IamSource::Store) => self.state.iam_taken_at,
            Some(_) => None,
            None => Some(asked.to),
        };
        let previous = if asked.previous.is_empty() { self.earlier() } else { asked.previous.clone() };
        ReportRequest {
            as_of: asked.as_of.or(known),
            iam,
            iam_role: None,
            posture: if asked.posture_live { Some(self.folder.join(POSTURE)) } else { asked.posture.clone() },
            posture_live: false,
            previous,
            verify: false,
            public_keys: Vec::new(),
            ..asked.clone()
        }
    }

    fn report(&mut self) -> Result<(), Error> {
        let archive = Archive { sources: Vec::new(), options: self.archive.options.clone() };
        let mut job = Job::new(self.asked(), &archive, self.run)?;
        let conditions: Vec<String> = self.request.fail_on.iter().map(|condition| condition.name()).collect();
        let signer = self.request.signer.as_deref();
        let printer = self.request.printer.as_ref();
        let printed = printer.map(|printer| printer.paper.name());
        // What the digests miss, only the scan can tell: the store knows no more than that something is missing.
        let verified = self
            .verification
            .as_ref()
            .map(|outcome| integrity_statement(outcome, self.request.report.period(), job.measured_to()));
        let proven = (self.scanned, verified.as_ref().map(IntegrityStatement::verdict));
        let fingerprint =
            job.fingerprint(&(conditions, self.request.bundle, printed, signer.map(Signer::name), proven))?;
        let place = self.folder.join(REPORT);
        if self.state.fingerprint.as_ref() == Some(&fingerprint) && !self.request.again && self.is_whole() {
            self.did("report", Done::Before, "nothing that it rests on has changed".to_owned());
            return Ok(());
        }
        job.generated_at = self.request.generated_at;
        job.check_places()?;
        let out = OutputDir::prepare(&place).map_err(Error::input)?;
        self.run.observer.temporary(out.temporary());
        let bundle = self.folder.join(BUNDLE);
        let making =
            self.request.bundle.then(|| Making::new(&bundle, false, signer, &job.request, self.run)).transpose()?;
        let scratch = making.as_ref().map(Making::scratch);
        let read = job.read(scratch.as_ref())?;
        let made = job.assemble(read, verified)?;
        let mut files =
            report::render(&made.report, &job.request.formats(), job.request.per_account).map_err(Error::failed)?;
        // A browser that fails costs no other file; the next run makes all of them again.
        let printed = printer.map(|printer| printer.print(&made.report, &files, self.run)).transpose();
        let unprinted = printed.map(|pdf| files.extend(pdf)).err();
        if let Some(making) = making {
            making.write(&job, &made, &files, signer)?;
        }
        // What is there belongs to no known inputs until it is all there.
        self.state.fingerprint = None;
        self.save()?;
        self.run.uninterrupted(|| out.commit(files, signer).map_err(Error::failed))?;
        if let Some(commit) = made.commit {
            scan::note_report(&self.store, &job.selection, job.request.period(), commit, self.run);
        }
        self.made(&made, fingerprint, unprinted)
    }

    /// Whether what an earlier run made is still there, as it was written.
    fn is_whole(&self) -> bool {
        let home = Folder::open(&self.folder);
        let is_as_made = |name: &String| {
            let known = self.state.made.get(name);
            let found =
                home.as_ref().ok().and_then(|home| report::digest_of(home, OsStr::new(name), deliver::LARGEST).ok());
            found.is_some() && found.as_ref() == known
        };
        self.beside().iter().all(is_as_made) && self.is_signed() && report::is_intact(&self.folder.join(REPORT))
    }

    /// The names of what is made beside the report's folder; the summary, by which others know that all is there, last.
    fn beside(&self) -> Vec<String> {
        let bundle = self.request.bundle.then(|| BUNDLE.to_owned());
        bundle.into_iter().chain(self.bundle_signature()).chain([SUMMARY.to_owned()]).collect()
    }

    /// The name of the bundle's signature, where it has one.
    fn bundle_signature(&self) -> Option<String> {
        let signer = self.request.signer.as_deref().filter(|_| self.request.bundle)?;
        Some(format!("{BUNDLE}.{}", signer.ending()))
    }

    /// Whether everything is signed that is to be.
    fn is_signed(&self) -> bool {
        let signer = self.request.signer.as_deref();
        signer.is_none_or(|signer| {
            self.folder.join(REPORT).join(format!("{}.{}", report::MANIFEST, signer.ending())).is_file()
        })
    }

    /// Writes what there is to say of a report that was made, and why it was not printed, if it was not and should have been.
    fn made(&mut self, made: &Assembled, fingerprint: String, unprinted: Option<Error>) -> Result<(), Error> {
        let report = &made.report;
        let conditions = self.request.fail_on.iter();
        let held = conditions.filter_map(|one| Some(format!("--fail-on {}: {}", one.name(), one.holds(report)?)));
        self.state.found = held.collect();
        self.state.complete = made.complete && self.scanned;
        self.state.message = Some(message::alert(report, self.state.complete, &self.folder));
        self.summary(report)?;
        self.note_made()?;
        self.state.fingerprint = unprinted.is_none().then_some(fingerprint);
        self.save()?;
        let windows = plural(report.windows.len(), "window", "windows");
        let place = self.folder.join(REPORT);
        match unprinted {
            None => self.did("report", Done::Now, format!("{windows}, in {}", place.display())),
            Some(error) => {
                let text = format!("{windows}, in {}, without report.pdf: {}", place.display(), error.message());
                self.did("report", Done::Failed, text);
            }
        }
        if let Some(told) = report::changes_sentence(report) {
            self.did("changes", Done::Now, told);
        }
        Ok(())
    }

    /// Notes what was made beside the report's folder, and removes what an earlier run made there and nothing asks for any more.
    fn note_made(&mut self) -> Result<(), Error> {
        let failed = |error: std::io::Error| Error::Failed(format!("`{}`: {error}", self.folder.display()));
        let home = Folder::open(&self.folder).map_err(failed)?;
        let mut made = BTreeMap::new();
        for name in self.beside() {
            let digest = report::digest_of(&home, OsStr::new(&name), deliver::LARGEST).map_err(failed)?;
            made.insert(name, digest);
        }
        for (name, digest) in self.state.made.iter().filter(|(name, _)| !made.contains_key(*name)) {
            if report::digest_of(&home, OsStr::new(name), deliver::LARGEST).is_ok_and(|found| found == *digest) {
                home.remove(Path::new(name)).map_err(failed)?;
            }
        }
        self.state.made = made;
        Ok(())
    }

    fn summary(&self, report: &Report) -> Result<(), Error> {
        let State { complete, found, .. } = &self.state;
        let summary = Summary {
            schema: "mfatrail.monthly/1",
            tool: THIS,
            month: name(report.period),
            period: report.period,
            as_of: report.as_of,
            generated_at: report.generated_at,
            status: match (complete, found.is_empty()) {
                (false, _) => 3,
                (true, false) => 1,
                (true, true) => 0,
            },
            complete: coverage::is_complete(report) && *complete,
            found,
            report: REPORT,
            bundle: self.request.bundle.then_some(BUNDLE),
            figures: &report.figures,
            open_windows: report.windows.iter().filter(|window| window.is_open()).count(),
            changes: report.changes.as_ref(),
            notices: &report.notices,
        };
        document(&self.folder.join(SUMMARY), "a summary", is_summary, &summary, self.run)
    }

    /// Copies the month's files to where they are wanted.
    fn deliver(&mut self) -> Result<(), Error> {
        let Some(delivered) = self.delivered.take() else { return Ok(()) };
        let files = self.files()?;
        // A copy: whatever fails, it stays known what was delivered.
        let mut known = self.state.delivered.get(&delivered.name()).cloned().unwrap_or_default();
        let result = delivered.deliver(&self.folder, &files, &mut known, &mut |known| {
            self.state.delivered.insert(delivered.name(), known.clone());
            self.state.write(&self.folder)
        });
        match result {
            Ok(0) => self.did("deliver", Done::Before, format!("all files were copied to {} before", delivered.name())),
            Ok(n) => {
                self.did("deliver", Done::Now, format!("{} copied to {}", plural(n, "file", "files"), delivered.name()))
            }
            Err(error @ Error::Stopped(_)) => return Err(error),
            Err(error) => {
                let text = format!("could not copy to {}: {}", delivered.name(), error.message());
                self.did("deliver", Done::Failed, text);
            }
        }
        Ok(())
    }

    /// The month's files, below its folder; the summary, by which others know that all are there, last.
    fn files(&self) -> Result<Vec<String>, Error> {
        let home = Folder::open(&self.folder);
        let listed = home.and_then(|home| home.list(Path::new(REPORT)));
        let listed =
            listed.map_err(|error| Error::Failed(format!("could not read `{}`: {error}", self.folder.display())))?;
        let mut files: Vec<String> =
            listed.iter().map(|(name, _)| format!("{REPORT}/{}", name.to_string_lossy())).collect();
        files.sort();
        files.extend(self.request.report.posture_live.then(|| POSTURE.to_owned()));
        files.extend(self.beside());
        Ok(files)
    }

    /// Tells the channels what the report says, each once.
    fn message(&mut self) -> Result<(), Error> {
        let (Some(mut channels), Some(message)) = (self.channels.take(), self.state.message.clone()) else {
            return Ok(());
        };
        let names = channels.of(&message);
        let (mut told, mut problems) = (0, Vec::new());
        for name in &names {
            let known = self.state.told.get(name);
            if known.is_some_and(|one| one.key == message.key && one.arrived) {
                continue;
            }
            // What a process was sending when it ended may have arrived.
            let repetition = known.is_some_and(|one| one.key == message.key && one.sending);
            self.state.tell(name, &message.key, true, false);
            self.save()?;
            let now = self.run.observer.now().unwrap_or(self.run.now);
            let problem = channels.tell(name, &message, repetition, now);
            self.state.tell(
                name,
                &message.key,
                problem.as_ref().is_some_and(|problem| problem.may_have_arrived),
                problem.is_none(),
            );
            self.save()?;
            match problem {
                None => told += 1,
                Some(problem) => problems.push(format!("channel `{name}` was not told: {}", problem.reason)),
            }
        }
        match (problems.is_empty(), told) {
            (false, _) => self.did("message", Done::Failed, problems.join("; ")),
            (true, 0) if names.is_empty() => self.did("message", Done::Left, "no route takes it".to_owned()),
            (true, 0) => self.did("message", Done::Before, "the channels were told".to_owned()),
            (true, n) => self.did("message", Done::Now, format!("{} told", plural(n, "channel was", "channels were"))),
        }
        Ok(())
    }
}

/// Takes the month's folder for this run alone.
fn lock(folder: &Path) -> Result<File, Error> {
    let failed = |error: std::io::Error| {
        Error::Input(format!(
            "`--into`: cannot write into `{}`: {error}\n  hint: name a folder that you can write to",
            folder.display()
        ))
    };
    std::fs::create_dir_all(folder).map_err(failed)?;
    let file = Folder::open(folder).and_then(|home| home.open_own(Path::new(LOCK))).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::Input(format!(
            "another run of `mfatrail monthly` works in `{}`\n  hint: wait until it is done",
            folder.display()
        ))),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// Removes what a run that was killed left in the month's folder: files and folders that were being made, under names of their own. A
/// report that was being replaced is put back, where nothing came in its place.
fn tidy(folder: &Path) -> Result<(), Error> {
    let work = || {
        let home = Folder::open(folder)?;
        for (entry, kind) in home.list(Path::new(""))? {
            let text = entry.to_string_lossy();
            let place = Path::new(&entry);
            match kind {
                Kind::File if text.starts_with(".mfatrail-") => drop(home.remove(place)?),
                Kind::Folder if text.starts_with(".report.old-") && home.kind(Path::new(REPORT))?.is_none() => {
                    home.rename(place, Path::new(REPORT))?;
                }
                Kind::Folder if text.starts_with(".report.partial-") || text.starts_with(".report.old-") => {
                    home.remove_tree(place)?;
                }
                _ => {}
            }
        }
        Ok(())
    };
    work().map_err(|error: std::io::Error| {
        Error::Failed(format!("could not clean up in `{}`: {error}", folder.display()))
    })
}

/// Writes a document whole, or not at all.
fn document(
    place: &Path,
    what: &'static str,
    own: fn(&mut File) -> bool,
    document: &impl Serialize,
    run: Run<'_>,
) -> Result<(), Error> {
    let failed = |error: std::io::Error| Error::Failed(format!("could not write `{}`: {error}", place.display()));
    let text = report::pretty_json(document).map_err(Error::failed)?;
    let draft = Draft::new(place, Readers::Usual, what, own).map_err(failed)?;
    run.observer.temporary(draft.path());
    run.uninterrupted(|| draft.finish(&text).map_err(failed))
}

fn begins(file: &mut File, name: &str) -> bool {
    let mut head = Vec::new();
    file.take(HEAD).read_to_end(&mut head).is_ok() && disk::begins_with_schema(&head, name)
}

fn is_posture(file: &mut File) -> bool {
    begins(file, "mfatrail.posture")
}

fn is_summary(file: &mut File) -> bool {
    begins(file, "mfatrail.monthly")
}
