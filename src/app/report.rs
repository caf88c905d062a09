//! A report: what it rests on, and how it is put together.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::posture::{PostureRequest, PostureSource, judge_posture, read_posture};
use super::request::{IamSource, ReportRequest};
use super::scan::{self, LIMITS};
use super::{
    Archive, Error, Run, THIS, approved, archive, cited, coverage, exceptions, inputs, integrity, previous, rfc3339,
    stopped, store_error, verify, watched,
};
use crate::aws::Connection;
use crate::bundle;
use crate::contract::{self, InputFile, Notice, NoticeCode, Posture, Report, StoredIntegrity, TrendPeriod};
use crate::digest::{Bounds, Checker, PublicKeys, Verification};
use crate::evidence::{Evidence, Range};
use crate::exposure::{self, Input};
use crate::inputs::{AcceptedRisk, Approval, Detection, Settings, approvals, detections, policy_file};
use crate::inventory::{self, IamState, InputGap, LiveOptions};
use crate::mfa;
use crate::pipeline::{self, Scanned};
use crate::posture::Expectations;
use crate::report;
use crate::source::{Selection, Source, SourceError};
use crate::store::{EvidenceQuery, ObjectRow, Place, Store};
use crate::trace::Context;
use approved::Recorded;
use previous::Previous;
use watched::Watch;

/// A report, and what it is worth.
#[derive(Debug)]
pub struct Outcome {
    /// The report.
    pub report: Report,
    /// Whether everything that it rests on was read, and proven where that was asked.
    pub complete: bool,
}

/// Makes a report of an archive, or of the store that the request names. To write it: [`crate::report::render`] and
/// [`crate::report::OutputDir`].
///
/// # Errors
/// Where the request or a file that it names is wrong, or the run fails. An object that cannot be read is no error: the report
/// names it, and is not complete.
pub fn make(request: ReportRequest, archive: &Archive, run: Run<'_>) -> Result<Outcome, Error> {
    let mut job = Job::new(request, archive, run)?;
    job.check_places()?;
    let evidence = job.read(None)?;
    let made = job.assemble(evidence, None)?;
    Ok(Outcome { report: made.report, complete: made.complete })
}

/// Where IAM state comes from.
enum Iam {
    None,
    Known(IamState),
    Live(LiveOptions),
}

/// A request that was checked, with everything small that it names read.
pub(crate) struct Job<'r> {
    pub(crate) request: ReportRequest,
    pub(crate) archive: &'r Archive,
    pub(crate) run: Run<'r>,
    /// When the report says that it was made.
    pub(crate) generated_at: DateTime<Utc>,
    pub(crate) inputs: Vec<InputFile>,
    pub(crate) selection: Selection,
    /// Up to when windows are measured, where the request or the IAM state tells it.
    as_of: Option<DateTime<Utc>>,
    iam: Iam,
    approvals: Vec<Approval>,
    /// Those of them that the store has.
    recorded: Option<Recorded>,
    detections: Vec<Detection>,
    /// What the watch of the store left.
    watch: Watch,
    settings: Settings,
    previous: Previous,
    trend: inputs::Trend,
    posture: Option<Posture>,
    risks: Vec<AcceptedRisk>,
    keys: Option<PublicKeys>,
}

/// What a report rests on, and what there is to say about where it came from.
pub(crate) struct EvidenceRead {
    evidence: Evidence,
    scanned: Scanned,
    pub(crate) notices: Vec<Notice>,
    /// What the digests prove, where that was asked.
    proven: Option<verify::Proven>,
    /// What earlier scans found of the objects in the store.
    judged: StoredIntegrity,
    /// When digests last failed to prove what is in the store.
    disproved_at: Option<DateTime<Utc>>,
    /// Events that the store has of objects that were overwritten since, and that are not there any more.
    recalled: Vec<mfa::Conflict>,
    /// How many calls of that kind there are.
    recalled_calls: usize,
    /// The store, and its last commit that the report rests on.
    store: Option<(Store, u64)>,
}

/// A store that is made for the report alone, and the folder for the part of it that the report rests on.
pub(crate) struct Scratch {
    pub(crate) store: PathBuf,
    pub(crate) excerpt: PathBuf,
}

/// A report that was put together.
pub(crate) struct Assembled {
    pub(crate) report: Report,
    pub(crate) complete: bool,
    /// What it says of its integrity.
    pub(crate) integrity: Option<integrity::IntegrityStatement>,
    /// The IAM state that it rests on.
    pub(crate) iam: Option<IamState>,
    /// What there was to say of the store.
    pub(crate) notices: Vec<Notice>,
    /// The digests that prove its objects, where that was asked.
    pub(crate) signed: Option<verify::Signed>,
    /// The store's last commit that it rests on.
    pub(crate) commit: Option<u64>,
    /// What is of no use any more.
    pub(crate) remains: Remains,
}

impl<'r> Job<'r> {
    /// Checks the request and reads all small inputs, before any long work and before anything is written.
    pub(crate) fn new(mut request: ReportRequest, archive: &'r Archive, run: Run<'r>) -> Result<Self, Error> {
        request.check(run.now)?;
        for path in &mut request.previous {
            *path = previous::file(path)?;
        }
        let period = request.period();
        let settings =
            request.policy.as_deref().map(policy_file::read).transpose().map_err(Error::input)?.unwrap_or_default();
        let mut approvals = inputs::rows(request.approvals.as_deref(), approvals::read, run)?;
        let recorded = request.store.as_ref().map(approved::of_store).transpose()?.flatten();
        approvals.extend(recorded.iter().flat_map(|recorded| recorded.rows.iter().cloned()));
        let detections = inputs::rows(request.detections.as_deref(), detections::read, run)?;
        let watch = request.store.as_ref().map(watched::read).transpose()?.unwrap_or_default();
        let accepted = |path: &Path| crate::inputs::exceptions::read(path, &exceptions::guardrails());
        let risks = inputs::rows(request.exceptions.as_deref(), accepted, run)?;
        let keys = verify::read_keys(&request.public_keys)?;
        let iam = iam(&request, archive, run.now)?;
        let previous = Previous::read(&request.previous, period)?;
        let posture = posture(&request, archive, &settings, run)?;
        let files = input_files(&request)?;
        if request.verify && archive.sources.is_empty() {
            return Err(Error::Input(
                "`--verify` reads the archive, but there is no SOURCE\n  hint: add SOURCE, or drop `--verify`: a report from the store shows what `mfatrail scan --verify` found".to_owned(),
            ));
        }
        let as_of = request.as_of.or(match &iam {
            Iam::Known(state) => Some(state.taken_at),
            Iam::Live(options) => Some(options.now),
            Iam::None => None,
        });
        if let Some(as_of) = as_of.filter(|as_of| *as_of <= period.from) {
            return Err(Error::Input(format!(
                "windows would be measured to `{}`, which is not after the start of the period (`{}`)\n  hint: use --as-of, or IAM state, from a time in or after the period",
                rfc3339(as_of),
                rfc3339(period.from)
            )));
        }
        let read_from = period.from - TimeDelta::seconds(settings.lookback_s);
        let selection = request.selection(Some(read_from), as_of);
        let trend = inputs::trend(period, request.store.as_ref(), as_of, &selection)?;
        Ok(Self {
            generated_at: DateTime::from_timestamp(run.now.timestamp(), 0).unwrap_or(run.now),
            request,
            archive,
            run,
            inputs: files,
            selection,
            as_of,
            iam,
            approvals,
            recorded,
            detections,
            watch,
            settings,
            previous,
            trend,
            posture,
            risks,
            keys,
        })
    }

    /// Up to when open windows are measured, as far as that is known before anything is read.
    pub(crate) fn measured_to(&self) -> DateTime<Utc> {
        self.as_of.unwrap_or(self.request.to)
    }

    /// Refuses accounts and regions that neither the archive nor the store has.
    pub(crate) fn check_places(&self) -> Result<(), Error> {
        archive::check_places(self.archive, self.request.store.as_ref(), &self.selection)
    }

    /// Reads what the report rests on: from the archive, or by way of the request's store or of one that is made for it.
    pub(crate) fn read(&mut self, scratch: Option<&Scratch>) -> Result<EvidenceRead, Error> {
        let keys = self.keys.take();
        let store = self.request.store.clone().or_else(|| scratch.map(|scratch| Place::from(&scratch.store)));
        match store {
            Some(store) => self.by_store(&store, scratch.map(|scratch| scratch.excerpt.as_path()), keys),
            None => self.by_archive(keys),
        }
    }

    /// A hash of everything that the report rests on and how it is made, with `more`: another one, another report.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub(crate) fn fingerprint(&self, more: &impl serde::Serialize) -> Result<String, Error> {
        // Files are what they say, wherever they are.
        let bare = ReportRequest {
            iam: None,
            approvals: None,
            detections: None,
            policy: None,
            posture: None,
            exceptions: None,
            previous: Vec::new(),
            formats: self.request.formats(),
            ..self.request.clone()
        };
        let mut rows: Vec<[u8; 32]> = Vec::new();
        if let Some(place) = &self.request.store {
            let store = Store::open(place).map_err(store_error)?;
            let mut add = |row: ObjectRow| {
                if self.selection.includes(&row.key()) {
                    let said = format!("{:?}", (&row.location, &row.etag, row.size, row.status, row.integrity));
                    rows.push(crate::hash::sha256(said.as_bytes()));
                }
            };
            store.objects(None, &mut add).map_err(store_error)?;
            store.unfinished(Some(&self.selection)).map_err(store_error)?.into_iter().for_each(&mut add);
            store.unproven(Some(&self.selection)).map_err(store_error)?.into_iter().for_each(add);
        }
        rows.sort_unstable();
        rows.dedup();
        let as_of = self.measured_to();
        let watch = (&self.watch.noticed, watched::coverage(&self.watch.runs, self.request.period(), as_of));
        let files: Vec<_> = self.inputs_of(&[]).into_iter().map(|file| (file.kind, file.path, file.sha256)).collect();
        let trend: Vec<_> = self.trend.snapshots.iter().map(|(_, file)| &file.sha256).collect();
        let said = serde_json::to_string(&(THIS, bare, files, trend, more)).map_err(Error::failed)?;
        Ok(bundle::sha256(&[said.as_bytes(), format!("{watch:?}").as_bytes(), &rows.concat()].concat()))
    }

    pub(crate) fn verification(&self) -> verify::Task<'_> {
        verify::Task {
            archive: self.archive,
            selection: &self.selection,
            // The look-back is read and judged too, but what is missing there is no fault of the report.
            bounds: Bounds { from: Some(self.request.from), to: self.as_of },
            // Where nothing else is asked for, the archive may go on after the period, and must reach its end.
            until: Some(self.measured_to()),
            run: self.run,
        }
    }

    fn range(&self) -> Arc<Range> {
        Arc::new(Range {
            from: self.selection.from,
            until: self.as_of,
            accounts: self.selection.accounts.clone(),
            regions: self.selection.regions.clone(),
        })
    }

    /// What is taken from a store.
    pub(crate) fn query(&self) -> EvidenceQuery {
        EvidenceQuery {
            selection: self.selection.clone(),
            range: self.range(),
            period: self.request.period(),
            roots: self.archive.sources.iter().map(Source::root).collect(),
            only_roots: self.request.only_source,
        }
    }

    /// Scans what there is to scan into the store, and takes the evidence from it; `excerpt` is a folder for the part of the
    /// store that it is.
    pub(crate) fn by_store(
        &self,
        store: &Place,
        excerpt: Option<&Path>,
        keys: Option<PublicKeys>,
    ) -> Result<EvidenceRead, Error> {
        let proven = self.request.verify.then(|| verify::prove(&self.verification(), keys)).transpose()?;
        let mut checker = None;
        if !self.archive.sources.is_empty() {
            let proof = proven.as_ref().map(|proven| &proven.proof);
            if proof.is_some() {
                scan::note_unproven(store, &self.verification())?;
            }
            checker = scan::into_store(store, self.archive, &self.selection, LIMITS, proof, self.run)?.checker;
        }
        let asked = self.query();
        let mut store = Store::open(store).map_err(store_error)?;
        let found = store.consistently(|store| store.evidence(&asked)).map_err(Error::failed)?;
        let notices = scan::notices(&found);
        if let Some(folder) = excerpt {
            let snapshots: Vec<String> = self.trend.snapshots.iter().map(|(_, file)| file.path.clone()).collect();
            let holder = scan::holder("mfatrail report", self.run.now);
            store.excerpt(&asked, &snapshots, folder, &holder).map_err(Error::failed)?;
            watched::write(&self.watch, &self.selection.accounts, &folder.into())?;
            self.recorded.as_ref().map_or(Ok(()), |recorded| recorded.write(folder))?;
        }
        Ok(EvidenceRead {
            evidence: found.evidence.checked(checker).finish(),
            scanned: found.scanned,
            notices,
            proven,
            judged: found.judged,
            disproved_at: found.disproved_at,
            recalled: found.recalled,
            recalled_calls: found.recalled_calls,
            store: Some((store, found.commit)),
        })
    }

    fn by_archive(&self, keys: Option<PublicKeys>) -> Result<EvidenceRead, Error> {
        let proven = self.request.verify.then(|| verify::prove(&self.verification(), keys)).transpose()?;
        let range = self.range();
        let checker = || proven.as_ref().map(|proven| Checker::new(Arc::clone(&proven.proof)));
        let visitor = || Evidence::new(Arc::clone(&range)).checked(checker());
        let Archive { sources, options } = self.archive;
        let (evidence, scanned) =
            self.run.scanning(&options.progress, || pipeline::scan(sources, &self.selection, options, &visitor))?;
        if scanned.stopped {
            return Err(stopped(&scanned, "no report was written, and an earlier one is unchanged"));
        }
        let mut evidence = evidence.finish();
        if let Some(error) = evidence.error.take() {
            return Err(Error::Failed(format!(
                "could not store evidence in a temporary file: {error}\n  hint: free space in the temporary directory, or set TMPDIR to another"
            )));
        }
        evidence.balance(scanned.coverage.records).map_err(|lost| Error::failed(SourceError::Unbalanced(lost)))?;
        Ok(EvidenceRead {
            evidence,
            scanned,
            notices: Vec::new(),
            proven,
            judged: StoredIntegrity::default(),
            disproved_at: None,
            recalled: Vec::new(),
            recalled_calls: 0,
            store: None,
        })
    }
}

/// The guardrails, as a document says or as they are now.
fn posture(
    request: &ReportRequest,
    archive: &Archive,
    settings: &Settings,
    run: Run<'_>,
) -> Result<Option<Posture>, Error> {
    if !request.posture_live {
        return request.posture.as_deref().map(read_posture).transpose();
    }
    let scanned = archive.sources.iter().find_map(|source| match source {
        Source::S3 { bucket, prefix } => Some((bucket.clone(), prefix.clone())),
        _ => None,
    });
    let connection = &archive.options.s3.connection;
    let asked = PostureRequest {
        source: PostureSource::Live {
            // The role of the archive reads the archive.
            connection: Connection { role_arn: None, external_id: None, ..connection.clone() },
            role_name: request.iam_role.clone(),
        },
        accounts: request.accounts.clone(),
        expected: Expectations { archive: scanned, owner_tags: settings.owner_tags.clone() },
    };
    judge_posture(&asked, run).map(|answer| Some(answer.posture))
}

fn iam(request: &ReportRequest, archive: &Archive, now: DateTime<Utc>) -> Result<Iam, Error> {
    Ok(match &request.iam {
        None => Iam::None,
        Some(IamSource::Live) => {
            let connection = &archive.options.s3.connection;
            Iam::Live(LiveOptions {
                profile: connection.profile.clone(),
                region: connection.region.clone(),
                endpoint_url: connection.endpoint_url.clone(),
                role_name: request.iam_role.clone(),
                accounts: request.accounts.clone(),
                now: DateTime::from_timestamp(now.timestamp(), 0).unwrap_or(now),
            })
        }
        Some(IamSource::Store) => {
            let (path, text) = stored_snapshot(request)?;
            let read = inventory::snapshot::from_text(&path.display().to_string(), &text);
            Iam::Known(read.map_err(Error::input)?)
        }
        Some(IamSource::Files(path)) => {
            Iam::Known(inventory::files::read(path, request.iam_as_of).map_err(Error::input)?)
        }
    })
}

/// The store's snapshot that `--iam store` means: its file and what it says.
pub(crate) fn stored_snapshot(request: &ReportRequest) -> Result<(PathBuf, String), Error> {
    let nowhere = Place::from(Path::new(""));
    let store = Store::open(request.store.as_ref().unwrap_or(&nowhere)).map_err(store_error)?;
    store.iam(request.as_of).map_err(store_error)?.ok_or_else(|| {
        Error::Input(
            "`--iam store`: the store has no IAM snapshot from that time or earlier\n  hint: `mfatrail iam snapshot --store DIR` saves one".to_owned(),
        )
    })
}

/// The files beside the archive, with their hashes.
fn input_files(request: &ReportRequest) -> Result<Vec<InputFile>, Error> {
    let mut files = match &request.iam {
        None | Some(IamSource::Live) => Vec::new(),
        Some(IamSource::Store) => {
            let (path, text) = stored_snapshot(request)?;
            vec![inputs::stored(&path, &text)]
        }
        Some(IamSource::Files(path)) => inputs::iam(path)?,
    };
    let single = [
        ("approvals", &request.approvals),
        ("detections", &request.detections),
        ("policy", &request.policy),
        ("posture", &request.posture),
        ("exceptions", &request.exceptions),
    ];
    for (kind, path) in single {
        files.extend(path.as_deref().map(|path| inputs::file(kind, path)).transpose()?);
    }
    for path in &request.previous {
        files.push(inputs::file("previous", path)?);
    }
    Ok(files)
}

/// That a temporary file cannot be read.
pub(crate) fn unreadable(error: &std::io::Error) -> Error {
    Error::Failed(format!("could not read a temporary file back: {error}"))
}

/// What a scan gathered, which takes long to give back piece by piece. A process that ends now may leave it to its end.
pub(crate) struct Remains {
    _evidence: Evidence,
}

/// The moments that a report is measured by.
struct Moments {
    /// Up to when open windows are measured.
    as_of: DateTime<Utc>,
    /// What a record or a delivery says, where that had not come.
    future: Option<DateTime<Utc>>,
    /// Of each account the first and the last moment of its evidence.
    covered: BTreeMap<String, [DateTime<Utc>; 2]>,
}

impl Job<'_> {
    /// Puts the report together; `known` is what a bundle says of the integrity of the whole archive, of which it has only a
    /// part.
    pub(crate) fn assemble(
        &mut self,
        read: EvidenceRead,
        known: Option<integrity::IntegrityStatement>,
    ) -> Result<Assembled, Error> {
        let EvidenceRead { mut evidence, scanned, notices: of_store, proven, judged, disproved_at, .. } = read;
        let EvidenceRead { recalled, recalled_calls, store, .. } = read;
        let verified = self.verified(&mut evidence, &scanned, proven.as_ref())?;
        if let (Some(place), true) = (&self.request.store, verified.as_ref().is_some_and(|outcome| outcome.whole)) {
            scan::note_proven(place, &self.verification());
        }
        let iam = self.iam(&scanned)?;
        let Moments { as_of, future, covered } = self.moments(&scanned);
        let mut events = evidence.events.take().map_err(|error| unreadable(&error))?;
        let mut conflicts = mfa::fold(&mut events);
        conflicts.extend(recalled);
        let watched = watched::of_events(&self.watch.noticed, &events).cloned();
        let detections: Vec<Detection> = self.detections.iter().cloned().chain(watched).collect();
        let empty = Context::default();
        let given = Input {
            events: &[],
            context: &empty,
            iam: iam.as_ref(),
            covered: &covered,
            approvals: &self.approvals,
            detections: &detections,
            settings: &self.settings,
            period: self.request.period(),
            as_of,
        };
        let mut wanted = exposure::wanted(&Input { events: &events, ..given.clone() }).map_err(Error::failed)?;
        let mut context = evidence.trace.collect(&mut wanted).map_err(|error| unreadable(&error))?;
        drop(wanted);
        let known_store = store.as_ref().map(|(store, _)| store);
        conflicts.extend(cited::named(std::mem::take(&mut context.conflicts), known_store)?);
        conflicts.extend(cited::named(mfa::contest(&mut events, &context.calls), known_store)?);
        let input = Input { events: &events, context: &context, ..given };
        let (analysis, parts) = exposure::analyse_in_parts(&input, &self.trend.months).map_err(Error::failed)?;
        let by_event = integrity::by_event(&events, &evidence.integrity);
        let proven_windows = integrity::proven_windows(&input, &by_event).map_err(Error::failed)?;
        let mut notices = analysis.notices;
        notices.extend(of_store.iter().cloned());
        notices.extend(about_iam(iam.as_ref(), &scanned));
        notices.extend(future.map(|future| future_time(future, as_of)));
        notices.extend(beyond_evidence(&covered, iam.as_ref(), as_of));
        let mut coverage =
            coverage::coverage(&scanned, &events, self.request.period(), as_of, &self.selection, &mut notices);
        coverage::contest(&mut coverage, conflicts, &mut notices);
        coverage.complete &= recalled_calls == 0;
        let proof = match known_store {
            Some(store) => cited::by_store(parts.proof, store)?,
            None => {
                let said_again = events.iter().flat_map(|event| event.lineage.addenda.to_strings()).collect();
                // Given back before objects are read again.
                drop((events, context));
                cited::by_reading(parts.proof, self.archive, &self.selection, said_again, &mut notices)
            }
        };
        let watch = watched::coverage(&self.watch.runs, self.request.period(), as_of);
        notices.extend(watch.as_ref().and_then(|watch| watched::not_watched(watch, self.request.period(), as_of)));
        let mut report = Report {
            schema: contract::SCHEMA,
            tool: THIS,
            generated_at: self.generated_at,
            period: self.request.period(),
            as_of,
            figures: analysis.figures,
            windows: analysis.windows,
            events: analysis.events,
            reconciliation: analysis.reconciliation,
            leftover_devices: analysis.leftover_devices,
            coverage,
            watch,
            notices,
            policy: self.settings.clone(),
            accounts: parts.accounts,
            posture: self.posture.clone(),
            inputs: self.inputs_of(&parts.trend),
            trend: self.previous.trend.iter().cloned().chain(parts.trend).collect(),
            changes: None,
            exceptions: Vec::new(),
            proof,
            redacted: false,
        };
        let integrity = match (known, &verified) {
            (Some(known), _) => Some(known),
            (None, Some(outcome)) => Some(integrity::integrity_statement(outcome, report.period, as_of)),
            (None, None) => integrity::stored(judged, disproved_at),
        };
        if let Some(integrity) = &integrity {
            integrity::tell(&mut report, integrity, &by_event, proven_windows.as_deref());
        }
        exceptions::apply(&mut report, &self.risks);
        report.changes = self.previous.changes(&report);
        let whole = integrity.as_ref().is_none_or(|integrity| integrity.whole) && integrity::rests_on_proof(&report);
        Ok(Assembled {
            complete: whole && coverage::is_complete(&report),
            report,
            integrity,
            iam,
            notices: of_store,
            signed: proven.map(verify::Proven::signed),
            commit: store.map(|(_, commit)| commit),
            // Events and calls are given back here: what is rendered takes as much.
            remains: Remains { _evidence: evidence },
        })
    }

    /// What the digests say of what was read, where that was asked.
    fn verified(
        &self,
        evidence: &mut Evidence,
        scanned: &Scanned,
        proven: Option<&verify::Proven>,
    ) -> Result<Option<Verification>, Error> {
        let Some(checker) = evidence.checker.take() else { return Ok(None) };
        let failures = proven.map(|proven| proven.failures.clone()).unwrap_or_default();
        let (task, coverage) = (self.verification(), &scanned.coverage);
        integrity::outcome(&task, checker, failures, &coverage.failures, coverage.last_record).map(Some)
    }

    /// IAM state of the accounts that were asked for.
    fn iam(&mut self, scanned: &Scanned) -> Result<Option<IamState>, Error> {
        let iam = match std::mem::replace(&mut self.iam, Iam::None) {
            Iam::None => return Ok(None),
            Iam::Known(state) => state,
            Iam::Live(mut options) => {
                if options.role_name.is_some() && options.accounts.is_empty() {
                    options.accounts = scanned.accounts.keys().cloned().collect();
                }
                inventory::read_live(&options).map_err(Error::failed)?
            }
        };
        Ok(Some(inputs::selected(iam, &self.selection)))
    }

    fn moments(&self, scanned: &Scanned) -> Moments {
        // A key's time is cut to the minute, so that a record can be later than its own delivery. Without any object there
        // is no delivery either: then nothing is known beyond the period.
        let latest = scanned.latest_delivery.max(scanned.coverage.last_record);
        // Whoever writes a record chooses its time: a moment that has not come measures nothing. A scan takes long, and what
        // was delivered meanwhile has come.
        let now = self.run.observer.now().unwrap_or(self.run.now).max(self.generated_at);
        let period = self.request.period();
        let as_of = self.as_of.or(latest.map(|latest| latest.min(now))).unwrap_or(period.to).max(period.from);
        let covered = coverage::covered(scanned, as_of, self.as_of.is_none());
        Moments { as_of, future: latest.filter(|latest| *latest > now), covered }
    }

    /// The files that the report was made from: those that were given, the approvals of the store, and the snapshots that a month's
    /// coverage is from.
    fn inputs_of(&self, trend: &[TrendPeriod]) -> Vec<InputFile> {
        let recorded = self.recorded.iter().map(|recorded| recorded.file.clone());
        let mut inputs: Vec<InputFile> = self.inputs.iter().cloned().chain(recorded).collect();
        for (taken_at, file) in &self.trend.snapshots {
            // The one that `--iam store` takes is listed already, and a later one that was given is of the month instead.
            let shown =
                |part: &TrendPeriod| part.mfa_coverage.is_some_and(|coverage| coverage.taken_at == Some(*taken_at));
            if trend.iter().any(shown) && inputs.iter().all(|input| input.sha256 != file.sha256) {
                inputs.push(file.clone());
            }
        }
        inputs
    }
}

/// What there is to say of IAM state.
fn about_iam(iam: Option<&IamState>, scanned: &Scanned) -> Vec<Notice> {
    let Some(iam) = iam else {
        return vec![Notice {
            code: NoticeCode::NoIamState,
            text: "no IAM state was given, so it is unknown who has a password or a device now, and who was without one before the archive begins (hint: `--iam`)".to_owned(),
        }];
    };
    let without = scanned.accounts.keys().filter(|id| !iam.accounts.contains_key(*id)).map(|account| Notice {
        code: NoticeCode::IamAccountMissing,
        text: format!("IAM state has no data for account {account}: its windows may stay \"possible\""),
    });
    iam.missing.iter().map(about_input).chain(without).collect()
}

fn future_time(future: DateTime<Utc>, as_of: DateTime<Utc>) -> Notice {
    Notice {
        code: NoticeCode::FutureTime,
        text: format!(
            "the latest record or delivery has the time {}, which is after this report was made: the time is false, and windows are measured to {}",
            rfc3339(future),
            rfc3339(as_of)
        ),
    }
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
        code: NoticeCode::AsOfBeyondEvidence,
        text: format!(
            "open windows are measured to {}, but the evidence on {} ends earlier (first at {}): what happened in between is unknown, so these windows are \"possible\"",
            rfc3339(as_of),
            report::plural(short.len(), "account", "accounts"),
            rfc3339(*first)
        ),
    })
}

fn about_input(input: &inventory::MissingInput) -> Notice {
    let account = input.account.as_ref().map_or_else(String::new, |account| format!(" of account {account}"));
    let text = format!("IAM state: {}{account}: {}", input.what, input.why);
    match input.kind {
        InputGap::Missing => Notice { code: NoticeCode::IamInputMissing, text },
        InputGap::Old => Notice { code: NoticeCode::IamInputOld, text },
        InputGap::Disagrees => Notice { code: NoticeCode::IamInputsDisagree, text },
    }
}
