//! The evidence bundle of a report: what goes into it, and the same report made of it again.
//!
//! A report's figures rest on many more objects than it cites: calls of every principal, addresses of every session. A bundle
//! therefore holds an excerpt of an evidence store, the rows that this report took, from which the re-run takes them too. The
//! cited objects themselves (`--with-objects`) prove the part of it that matters: they are verified by the digests once more,
//! parsed once more, and what they tell is compared with the excerpt.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use super::integrity::IntegrityStatement;
use super::report::{Assembled, Job, Scratch, stored_snapshot, unreadable};
use super::request::{IamSource, ReportRequest};
use super::scan::{LIMITS, into_store};
use super::{Archive, Error, Run, inputs, store_error, verify};
use crate::bundle::{self, BundleError, Member, is_safe, safe};
use crate::cloudtrail::Record;
use crate::contract::{InputFile, Integrity, Notice, NoticeCode, Report};
use crate::digest::Bounds;
use crate::disk::{self, Draft, Readers};
use crate::escape::terminal as terminal_text;
use crate::evidence::Evidence;
use crate::inputs::error::LARGEST;
use crate::inventory::{IamState, snapshot};
use crate::mfa::{Event, Names};
use crate::pipeline::{Bytes, Next, Options, Visitor};
use crate::report::File;
use crate::signature::{self, Signer};
use crate::source::{ObjectRef, Product, Selection, Source};
use crate::store::{Place, Store};
use crate::units::plural;

const EVIDENCE: &str = "evidence";
const OBJECTS: &str = "objects";
const DIGESTS: &str = "digests";
const KEYS: &str = "public-keys.json";
const REPORT: &str = "report";
/// What IAM answered.
const LIVE: &str = "inputs/iam/live.json";
/// What the browser printed is not the same twice.
const PDF: &str = "report.pdf";

/// `bundle.json`, without its list of members.
#[derive(Debug, Serialize, Deserialize)]
struct About {
    version: String,
    generated_at: DateTime<Utc>,
    /// The command line, normalized: inputs by their names here.
    command: Vec<String>,
    run: Rerun,
    inputs: Vec<Input>,
    /// The settings in force.
    policy: serde_json::Value,
    /// What the report had to say of its store.
    notices: Vec<Said>,
    /// What it had to say of the whole archive's integrity.
    integrity: Option<IntegrityStatement>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Said {
    code: String,
    text: String,
}

/// An input file, as the report names it, and as which member it is here.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Input {
    kind: String,
    path: String,
    sha256: String,
    member: String,
}

/// The request, with members for paths.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Rerun {
    #[serde(flatten)]
    request: ReportRequest,
    /// Whether the report shows the hashes of what it cites; bundles of earlier versions can lack them.
    #[serde(default, skip_serializing)]
    hashes: Option<bool>,
}

/// The request as a command line, for people.
fn command(request: &ReportRequest) -> Vec<String> {
    let mut all = vec!["report".to_owned()];
    let mut add = |name: &str, value: String| all.push(format!("--{name}={value}"));
    let time = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::AutoSi, true);
    add("from", time(request.from));
    add("to", time(request.to));
    if let Some(as_of) = request.as_of {
        add("as-of", time(as_of));
    }
    if let Some(as_of) = request.iam_as_of {
        add("iam-as-of", time(as_of));
    }
    request.formats.iter().for_each(|format| add("format", format.name().to_owned()));
    request.accounts.iter().for_each(|account| add("account", account.clone()));
    request.regions.iter().for_each(|region| add("region", region.clone()));
    add("delivery-slack", format!("{}s", request.delivery_slack.num_seconds()));
    for (name, member) in members_of(request) {
        add(name, member.display().to_string());
    }
    if request.per_account {
        all.push("--per-account".to_owned());
    }
    all
}

/// The options that name files, and these.
fn members_of(request: &ReportRequest) -> impl Iterator<Item = (&'static str, &PathBuf)> {
    let iam = match &request.iam {
        Some(IamSource::Files(path)) => Some(path),
        _ => None,
    };
    let single = [
        ("iam", iam),
        ("approvals", request.approvals.as_ref()),
        ("detections", request.detections.as_ref()),
        ("policy", request.policy.as_ref()),
        ("posture", request.posture.as_ref()),
        ("exceptions", request.exceptions.as_ref()),
    ];
    let single = single.into_iter().filter_map(|(name, member)| Some((name, member?)));
    single.chain(request.previous.iter().map(|member| ("previous", member)))
}

/// A bundle in the making.
pub(crate) struct Making {
    path: PathBuf,
    /// Its place, taken.
    draft: Draft,
    /// Whether the cited objects go into it.
    objects: bool,
    folder: TempDir,
    /// The request, with members for paths.
    request: ReportRequest,
    /// Members and the input files that they are copies of, in the order in which the report lists these.
    files: Vec<(String, PathBuf)>,
    /// The place of its signature.
    signature: Option<Draft>,
}

fn temporary(run: Run<'_>) -> Result<TempDir, Error> {
    let folder = disk::temporary_folder(None).map_err(|error| {
        Error::Failed(format!("could not create a temporary folder: {error}\n  hint: set TMPDIR to another folder"))
    })?;
    run.observer.temporary(folder.path());
    Ok(folder)
}

impl Making {
    /// Takes the place of a bundle, and of its signature.
    pub(crate) fn new(
        path: &Path,
        objects: bool,
        signer: Option<&Signer>,
        request: &ReportRequest,
        run: Run<'_>,
    ) -> Result<Self, Error> {
        let draft = bundle::prepare(path).map_err(Error::input)?;
        run.observer.temporary(draft.path());
        let signature = signer.map(|signer| {
            let place = signature::beside(path, signer.ending());
            let unusable =
                |error| Error::Input(format!("could not write the signature `{}`: {error}", place.display()));
            let draft = Draft::new(&place, Readers::Owner, "a signature", signature::is_one).map_err(unusable)?;
            run.observer.temporary(draft.path());
            Ok(draft)
        });
        let (request, files) = members(request)?;
        let (path, folder, signature) = (path.to_owned(), temporary(run)?, signature.transpose()?);
        Ok(Self { path, draft, objects, folder, request, files, signature })
    }

    /// Where the archive is scanned to when there is no store, and where the rows go that the report rests on.
    pub(crate) fn scratch(&self) -> Scratch {
        Scratch { store: self.folder.path().join("store"), excerpt: self.folder.path().join(EVIDENCE) }
    }

    /// Writes it, and its signature.
    pub(crate) fn write(
        self,
        job: &Job<'_>,
        made: &Assembled,
        files: &[File],
        signer: Option<&Signer>,
    ) -> Result<(), Error> {
        let report = &made.report;
        let mut members: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        for (name, contents) in files.iter().filter(|(name, _)| name != PDF) {
            members.insert(format!("{REPORT}/{name}"), contents.bytes().map_err(|error| unreadable(&error))?);
        }
        let inputs = self.add_inputs(&job.inputs, &mut members, made.iam.as_ref())?;
        add_folder(&self.scratch().excerpt, EVIDENCE, &mut members)?;
        self.add_objects(job, made, &mut members)?;
        let notices =
            made.notices.iter().map(|one| Said { code: one.code.as_str().to_owned(), text: one.text.clone() });
        let about = About {
            version: report.tool.version.to_owned(),
            generated_at: report.generated_at,
            command: command(&self.request),
            run: Rerun { request: self.request, hashes: None },
            inputs,
            policy: serde_json::to_value(&report.policy).map_err(Error::failed)?,
            notices: notices.collect(),
            integrity: made.integrity.clone(),
        };
        bundle::write(self.draft, &self.path, report.generated_at, &about, &members).map_err(Error::failed)?;
        let count = plural(members.len() + 1, "member", "members");
        job.run.observer.note(&format!("bundle: {count} in `{}`", self.path.display()));
        let unreadable = |error| Error::Failed(format!("could not read `{}` again: {error}", self.path.display()));
        let ending = signer.map(Signer::ending);
        for other in signature::ENDINGS.into_iter().filter(|other| ending != Some(*other)) {
            let old = signature::beside(&self.path, other);
            if old.exists() {
                job.run.observer.warn(&format!(
                    "`{}` is the signature of an earlier bundle: delete it{}",
                    old.display(),
                    if ending.is_none() { ", or sign this one with `--sign-key`" } else { "" }
                ));
            }
        }
        if let Some((place, signer)) = self.signature.zip(signer) {
            let bytes = signer.sign(disk::open(&self.path).map_err(unreadable)?).map_err(Error::failed)?;
            place
                .finish(&bytes)
                .map_err(|error| Error::Failed(format!("could not write the bundle's signature: {error}")))?;
        }
        Ok(())
    }

    fn add_inputs(
        &self,
        listed: &[InputFile],
        members: &mut BTreeMap<String, Vec<u8>>,
        iam: Option<&IamState>,
    ) -> Result<Vec<Input>, Error> {
        let live = matches!(&self.request.iam, Some(IamSource::Files(member)) if member == Path::new(LIVE));
        if let (true, Some(iam)) = (live, iam) {
            let mut text = Vec::new();
            snapshot::write(iam, &mut text).map_err(Error::failed)?;
            members.insert(LIVE.to_owned(), text);
        }
        let mut inputs = Vec::new();
        for (input, (member, path)) in listed.iter().zip(&self.files) {
            let bytes = disk::read(path, LARGEST)
                .map_err(|error| Error::Failed(format!("could not read `{}` again: {error}", path.display())))?;
            let sha256 = bundle::sha256(&bytes);
            if sha256 != input.sha256 || members.insert(member.clone(), bytes).is_some() {
                return Err(Error::Failed(format!(
                    "`{}` changed while the report was being made, or two inputs have the same name\n  hint: run again",
                    path.display()
                )));
            }
            let (kind, path) = (input.kind.to_owned(), input.path.clone());
            inputs.push(Input { kind, path, sha256, member: member.clone() });
        }
        Ok(inputs)
    }

    /// What is known of the cited objects; and if asked, what they and their digests hold.
    fn add_objects(
        &self,
        job: &Job<'_>,
        made: &Assembled,
        members: &mut BTreeMap<String, Vec<u8>>,
    ) -> Result<(), Error> {
        let report: &Report = &made.report;
        let cited: BTreeSet<&String> = report
            .events
            .iter()
            .flat_map(|event| &event.objects)
            .chain(report.proof.iter().flat_map(|proof| &proof.objects))
            .chain(report.coverage.conflicts.iter().flat_map(|conflict| &conflict.objects))
            .collect();
        let mut rows = Vec::new();
        let store = Store::open(&self.scratch().excerpt).map_err(store_error)?;
        store
            .objects(None, &mut |row| {
                if cited.contains(&row.name) {
                    rows.push(row);
                }
            })
            .map_err(store_error)?;
        rows.sort_by(|a, b| (&a.name, &a.object_id).cmp(&(&b.name, &b.object_id)));
        let mut kept = BTreeMap::new();
        if self.objects {
            let wanted = rows.iter().map(|row| row.name.clone()).collect();
            kept = copies(job, Product::Log, wanted)?;
            let missing: Vec<&str> =
                rows.iter().filter(|row| !kept.contains_key(&row.name)).map(|row| row.name.as_str()).collect();
            if let Some(first) = missing.first() {
                return Err(Error::Failed(format!(
                    "`--with-objects`: {} not in any SOURCE, such as {}\n  hint: add the SOURCEs that they were read from, or drop `--with-objects`",
                    plural(missing.len(), "cited object is", "cited objects are"),
                    terminal_text(first)
                )));
            }
            let digests: BTreeSet<String> = rows.iter().filter_map(|row| row.digest.clone()).collect();
            add_digests(job, made.signed.as_ref(), digests, members)?;
        }
        let list: Vec<serde_json::Value> = rows
            .iter()
            .map(|row| {
                let copy = kept.get(&row.name);
                serde_json::json!({
                    "object": row.name,
                    "etag": row.etag,
                    "bytes": row.size,
                    "sha256": row.sha256,
                    "integrity": row.integrity.map(Integrity::name),
                    "digest": row.digest,
                    "member": copy.map(|_| member(OBJECTS, &row.name)),
                    "json_sha256": copy.map(|bytes| bundle::sha256(bytes)),
                })
            })
            .collect();
        let mut text = serde_json::to_vec_pretty(&list).map_err(Error::failed)?;
        text.push(b'\n');
        members.insert("objects.json".to_owned(), text);
        for (name, bytes) in kept {
            members.insert(member(OBJECTS, &name), bytes);
        }
        Ok(())
    }
}

/// The request with members for paths, and what these are copies of, in the order of the report's list.
fn members(request: &ReportRequest) -> Result<(ReportRequest, Vec<(String, PathBuf)>), Error> {
    let mut own = ReportRequest { store: None, only_source: false, verify: false, iam_role: None, ..request.clone() };
    own.public_keys.clear();
    let mut files = Vec::new();
    let iam = match &request.iam {
        None => None,
        Some(IamSource::Live) => Some(LIVE.to_owned()),
        Some(IamSource::Store) => {
            let (path, _) = stored_snapshot(request)?;
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let member = format!("inputs/iam/{}", safe(&name));
            files.push((member.clone(), path));
            Some(member)
        }
        Some(IamSource::Files(path)) => {
            let folder = path.is_dir();
            for file in inputs::iam(path)? {
                let place = if folder { path.join(&file.path) } else { path.clone() };
                files.push((format!("inputs/iam/{}", safe(&file.path)), place));
            }
            if folder { Some("inputs/iam".to_owned()) } else { files.last().map(|(member, _)| member.clone()) }
        }
    };
    own.iam = iam.map(|member| IamSource::Files(member.into()));
    let mut add = |kind: &str, path: &mut PathBuf| {
        let name = path.file_name().map_or_else(|| kind.to_owned(), |name| name.to_string_lossy().into_owned());
        let member = format!("inputs/{kind}/{}", safe(&name));
        files.push((member.clone(), std::mem::replace(path, member.into())));
    };
    let single = [
        ("approvals", &mut own.approvals),
        ("detections", &mut own.detections),
        ("policy", &mut own.policy),
        ("posture", &mut own.posture),
        ("exceptions", &mut own.exceptions),
    ];
    for (kind, path) in single {
        if let Some(path) = path {
            add(kind, path);
        }
    }
    for (number, path) in own.previous.iter_mut().enumerate() {
        add(&format!("previous/{}", number + 1), path);
    }
    Ok((own, files))
}

fn add_digests(
    job: &Job<'_>,
    signed: Option<&verify::Signed>,
    names: BTreeSet<String>,
    members: &mut BTreeMap<String, Vec<u8>>,
) -> Result<(), Error> {
    let Some(signed) = signed.filter(|_| !names.is_empty()) else { return Ok(()) };
    let signatures = signed.proof.signatures(&names);
    let fingerprints = signatures.values().map(|(fingerprint, _)| fingerprint.clone()).collect();
    members.insert(KEYS.to_owned(), signed.keys.printed(&fingerprints).map_err(Error::failed)?);
    for (name, bytes) in copies(job, Product::Digest, names)? {
        let place = member(DIGESTS, &name);
        if let Some((_, Some(signature))) = signatures.get(&name) {
            members.insert(format!("{place}.signature"), signature.clone().into_bytes());
        }
        members.insert(place, bytes);
    }
    Ok(())
}

/// Reads some objects once more: their inflated bytes, which are what CloudTrail signs.
fn copies(job: &Job<'_>, product: Product, wanted: BTreeSet<String>) -> Result<BTreeMap<String, Vec<u8>>, Error> {
    let task = verify::Task { until: None, ..job.verification() };
    let unwanted = |object: &ObjectRef| !wanted.contains(&object.name);
    let selection = Selection { product: Some(product), ..verify::widened(&task) };
    let options = Options { known: Some(&unwanted), progress: Arc::default(), ..job.archive.options.clone() };
    let (copies, _) = verify::scan(&task, &selection, &options, &Copies::default)?;
    Ok(copies.0)
}

/// The member of an object: inflated, so without the `.gz`.
fn member(folder: &str, name: &str) -> String {
    format!("{folder}/{}", safe(name.strip_suffix(".gz").unwrap_or(name)))
}

/// Keeps objects as they are.
#[derive(Debug, Default)]
struct Copies(BTreeMap<String, Vec<u8>>);

impl Visitor for Copies {
    fn bytes(&mut self, object: &Arc<ObjectRef>, bytes: &Bytes<'_>) -> Next {
        self.0.insert(object.name.clone(), bytes.inflated.bytes.to_vec());
        Next::Pass
    }

    fn record(&mut self, _object: &Arc<ObjectRef>, _record: &Record<'_, '_>) {}

    fn merge(&mut self, other: Self) {
        self.0.extend(other.0);
    }
}

/// All files of a store, by their names in it; its lock is no part of it.
fn add_folder(folder: &Path, name: &str, members: &mut BTreeMap<String, Vec<u8>>) -> Result<(), Error> {
    let failed = |error| Error::Failed(format!("could not read `{}`: {error}", folder.display()));
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let inside = format!("{name}/{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            add_folder(&entry.path(), &inside, members)?;
        } else if entry.file_name() != "lock" {
            members.insert(inside, fs::read(entry.path()).map_err(failed)?);
        }
    }
    Ok(())
}

// --- again ---------------------------------------------------------------------------------------------------------

/// A bundle that was unpacked and checked, and the report that is to be made of it again.
pub(crate) struct Opened {
    file: PathBuf,
    folder: TempDir,
    about: About,
    members: BTreeMap<String, Member>,
    request: ReportRequest,
}

/// The report of a bundle, made again.
pub(crate) struct Reproduction {
    pub(crate) made: Assembled,
    pub(crate) files: Vec<File>,
    /// Members of the bundle.
    pub(crate) members: usize,
    /// Files that come out other than they are in the bundle.
    pub(crate) changed: Vec<String>,
    /// Whether the objects in the bundle are what the report rests on.
    pub(crate) same_objects: bool,
}

/// Unpacks a bundle and checks every member.
///
/// # Errors
/// Where it is not a bundle, or a member was changed.
pub(crate) fn open(file: &Path, run: Run<'_>) -> Result<Opened, Error> {
    let (folder, about, members) = unpack(file, run)?;
    if about.version != env!("CARGO_PKG_VERSION") {
        run.observer.warn(&format!(
            "the bundle was made by mfatrail {}, and this is {}: files may differ",
            terminal_text(&about.version),
            env!("CARGO_PKG_VERSION")
        ));
    }
    let request = unpacked(&about.run.request, folder.path(), &members).map_err(|what| wrong(file, &what))?;
    Ok(Opened { file: file.to_owned(), folder, about, members, request })
}

fn unpack(file: &Path, run: Run<'_>) -> Result<(TempDir, About, BTreeMap<String, Member>), Error> {
    let folder = temporary(run)?;
    let (about, members) = bundle::open::<About>(file, folder.path()).map_err(|error| match error {
        BundleError::Io { what: "unpack into", .. } => Error::failed(error),
        _ => Error::input(error),
    })?;
    Ok((folder, about, members))
}

/// How many members a bundle lists, where all are as listed.
///
/// # Errors
/// As [`open`].
pub(crate) fn check_members(file: &Path, run: Run<'_>) -> Result<usize, Error> {
    unpack(file, run).map(|(_folder, _, members)| members.len())
}

fn wrong(file: &Path, what: &str) -> Error {
    Error::Input(format!("`{}`: {what}\n  hint: use a file written by `mfatrail report --bundle`", file.display()))
}

impl Opened {
    /// What the report was asked.
    pub(crate) fn request(&self) -> &ReportRequest {
        &self.request
    }

    /// Makes the report again, and compares it with the one in the bundle.
    ///
    /// # Errors
    /// Where what the bundle says of itself is wrong, or the run fails.
    pub(crate) fn again(self, options: Options<'static>, run: Run<'_>) -> Result<Reproduction, Error> {
        let Self { file, folder, about, members, request } = self;
        let said = |what: String| wrong(&file, &what);
        let archive = Archive { sources: Vec::new(), options };
        let mut job = Job::new(request, &archive, run)?;
        job.generated_at = about.generated_at;
        job.inputs = about.inputs.iter().map(|one| input(one, &members)).collect::<Result<_, _>>().map_err(said)?;
        let differing = recheck(&job, folder.path(), &members)?;
        let mut read = job.by_store(&folder.path().join(EVIDENCE).into(), None, None)?;
        read.notices = about.notices.into_iter().map(notice).collect::<Result<_, _>>().map_err(said)?;
        let mut made = job.assemble(read, about.integrity)?;
        if about.run.hashes == Some(false) {
            made.report.proof.iter_mut().for_each(|proof| proof.sha256.fill(None));
        }
        let (formats, per_account) = (job.request.formats(), job.request.per_account);
        let files = crate::report::render(&made.report, &formats, per_account).map_err(Error::failed)?;
        let same = |(name, contents): &&File| {
            members.get(&format!("{REPORT}/{name}")).is_some_and(|member| member.sha256 == contents.sha256())
        };
        let changed = files.iter().filter(|file| !same(file)).map(|(name, _)| name.clone()).collect();
        for line in &differing {
            run.observer.warn(line);
        }
        Ok(Reproduction { made, files, members: members.len(), changed, same_objects: differing.is_empty() })
    }
}

/// The request, of the files in a folder that a bundle was unpacked into. Nothing else of the machine is named: no live IAM, no
/// other store, no archive.
fn unpacked(
    request: &ReportRequest,
    folder: &Path,
    members: &BTreeMap<String, Member>,
) -> Result<ReportRequest, String> {
    if matches!(request.iam, Some(IamSource::Live | IamSource::Store)) {
        return Err("its `run` refers to IAM state outside the bundle".to_owned());
    }
    for (name, member) in members_of(request) {
        let member = member.to_str().unwrap_or_default();
        let below = format!("{member}/");
        let there = members.contains_key(member) || members.keys().any(|name| name.starts_with(&below));
        if !is_safe(member) || !member.starts_with("inputs/") || !there {
            return Err(format!("`--{name}` refers to `{}`, which is not an input in it", terminal_text(member)));
        }
    }
    let mut own = ReportRequest {
        store: Some(folder.join(EVIDENCE).into()),
        only_source: false,
        verify: false,
        public_keys: Vec::new(),
        iam_role: None,
        ..request.clone()
    };
    if let Some(IamSource::Files(path)) = &mut own.iam {
        *path = folder.join(&path);
    }
    let single = [&mut own.approvals, &mut own.detections, &mut own.policy, &mut own.posture, &mut own.exceptions];
    for path in single.into_iter().flatten().chain(&mut own.previous) {
        *path = folder.join(&path);
    }
    Ok(own)
}

fn input(one: &Input, members: &BTreeMap<String, Member>) -> Result<InputFile, String> {
    let kinds = ["iam", "approvals", "detections", "policy", "posture", "exceptions", "previous"];
    let kind = kinds.into_iter().find(|kind| *kind == one.kind);
    let same = members.get(&one.member).is_some_and(|member| member.sha256 == one.sha256);
    match kind {
        Some(kind) if same => Ok(InputFile { kind, path: one.path.clone(), sha256: one.sha256.clone() }),
        _ => Err(format!("its input `{}` is not among its members", terminal_text(&one.member))),
    }
}

fn notice(said: Said) -> Result<Notice, String> {
    match said.code.parse::<NoticeCode>() {
        Ok(code) if code.is_of_store() => Ok(Notice { code, text: said.text }),
        _ => Err(format!("`{}` is not a notice about a store", terminal_text(&said.code))),
    }
}

/// Verifies and parses the objects that are here once more, and says where the excerpt tells something else.
fn recheck(job: &Job<'_>, folder: &Path, members: &BTreeMap<String, Member>) -> Result<Vec<String>, Error> {
    let has = |name: &str| members.keys().any(|member| member.starts_with(&format!("{name}/")));
    if !has(OBJECTS) {
        return Ok(Vec::new());
    }
    let mut sources = vec![Source::Local(folder.join(OBJECTS))];
    let signed = has(DIGESTS) && members.contains_key(KEYS);
    if has(DIGESTS) {
        sources.push(Source::Local(folder.join(DIGESTS)));
    }
    let selection = Selection::default();
    let archive = Archive { sources, options: job.archive.options.clone() };
    let check =
        verify::Task { archive: &archive, selection: &selection, bounds: Bounds::default(), until: None, run: job.run };
    let keys = verify::read_keys(&if signed { vec![folder.join(KEYS)] } else { Vec::new() })?;
    let proven = signed.then(|| verify::prove(&check, keys)).transpose()?;
    let proof = proven.as_ref().map(|proven| &proven.proof);
    let again = folder.join("again");
    into_store(&Place::from(&*again), &archive, &selection, LIMITS, proof, job.run)?;
    let asked = job.query();
    let found = |store: &Path| {
        let mut store = Store::open(store).map_err(store_error)?;
        store.consistently(|store| store.evidence(&asked)).map_err(Error::failed)
    };
    let (mut here, mut there) = (found(&again)?.evidence, found(&folder.join(EVIDENCE))?.evidence);
    let objects: BTreeSet<String> =
        members.keys().filter_map(|name| name.strip_prefix("objects/")).map(str::to_owned).collect();
    let name = |object: &String| member(OBJECTS, object).trim_start_matches("objects/").to_owned();
    let mut differing = Vec::new();
    let told = |evidence: &mut Evidence| {
        let events = evidence.events.take().map_err(|error| unreadable(&error))?;
        Ok::<_, Error>(by_object(&events, &name))
    };
    let (ours, theirs) = (told(&mut here)?, told(&mut there)?);
    for object in &objects {
        if ours.get(object) != theirs.get(object) {
            differing.push(format!("objects/{object}: its records differ from those in the report's evidence"));
        }
    }
    // Of every object: one that is cited for an ordinary call alone holds no event of the evidence.
    let (proven, said) = (integrities(&again, &name)?, integrities(&folder.join(EVIDENCE), &name)?);
    if signed {
        for (object, said) in &said {
            if *said == Integrity::Verified && objects.contains(object) && proven.get(object) != Some(said) {
                differing.push(format!(
                    "objects/{object}: is marked as verified, but the digests in the bundle do not prove it"
                ));
            }
        }
    }
    let proven = objects.iter().filter(|object| proven.get(*object) == Some(&Integrity::Verified)).count();
    let parsed = plural(objects.len(), "cited object", "cited objects");
    job.run.observer.note(&format!("{parsed} parsed again, {proven} of them verified by the digests in the bundle"));
    Ok(differing)
}

/// What a store says of its objects, under other names: of several the worst.
fn integrities(path: &Path, name: &dyn Fn(&String) -> String) -> Result<BTreeMap<String, Integrity>, Error> {
    let mut all: BTreeMap<String, Integrity> = BTreeMap::new();
    let store = Store::open(path).map_err(store_error)?;
    store
        .objects(None, &mut |row| {
            if let Some(integrity) = row.integrity {
                let worst = all.entry(name(&row.name)).or_insert(integrity);
                *worst = (*worst).max(integrity);
            }
        })
        .map_err(store_error)?;
    Ok(all)
}

/// What objects tell, without what depends on where they lie.
fn by_object(events: &[Event], name: &impl Fn(&String) -> String) -> BTreeMap<String, BTreeSet<String>> {
    let mut told: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for event in events {
        let mut bare = Event { objects: Names::default(), delivered_at: None, ..event.clone() };
        bare.lineage.verified = false;
        for object in event.objects.iter() {
            told.entry(name(&object.to_string())).or_default().insert(format!("{bare:?}"));
        }
    }
    told
}
