//! The evidence bundle of a report: what goes into it, and the same report made of it again.
//!
//! A report's figures rest on many more objects than it cites: calls of every principal, addresses of every session. A bundle
//! therefore holds an excerpt of an evidence store, the rows that this report took, from which the re-run takes them too. The
//! cited objects themselves (`--with-objects`) prove the part of it that matters: they are verified by the digests once more,
//! parsed once more, and what they tell is compared with the excerpt.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};
use clap::Parser;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use super::args::{Cli, Command, FormatArg, ReportArgs};
use super::exit::{CliError, Status};
use super::integrity::Told;
use super::report::{Made, Plan, Read, asked, from_store, make, summarize, unreadable};
use super::scan::{LIMITS, into_store, store_error};
use super::{Printed, interrupt, named_file, say, verify};
use crate::bundle::{self, BundleError, Member, is_safe, safe};
use crate::cloudtrail::Record;
use crate::contract::{InputFile, Integrity, Notice, Period, Report};
use crate::digest::Bounds;
use crate::disk::{self, Draft};
use crate::evidence::Evidence;
use crate::inputs::error::LARGEST;
use crate::inventory::{IamState, snapshot};
use crate::mfa::Event;
use crate::pipeline::{Bytes, Next, Options, Visitor};
use crate::report::{File, OutputDir, terminal_text};
use crate::source::{ObjectRef, Product, Selection, Source};
use crate::store::Store;
use crate::units::plural;

const EVIDENCE: &str = "evidence";
const OBJECTS: &str = "objects";
const DIGESTS: &str = "digests";
const KEYS: &str = "public-keys.json";
const REPORT: &str = "report";
/// What the browser printed is not the same twice.
const PDF: &str = "report.pdf";

/// `bundle.json`, without its list of members.
#[derive(Debug, Serialize, Deserialize)]
struct About {
    version: String,
    generated_at: DateTime<Utc>,
    /// The command line, normalised: inputs by their names here.
    command: Vec<String>,
    run: Rerun,
    inputs: Vec<Input>,
    /// The settings in force.
    policy: serde_json::Value,
    /// What the report had to say of its store.
    notices: Vec<Said>,
    /// What it had to say of the whole archive's integrity.
    integrity: Option<Told>,
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

/// What was asked for, as far as it decides what the report says.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Rerun {
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    as_of: Option<DateTime<Utc>>,
    iam: Option<String>,
    iam_as_of: Option<String>,
    approvals: Option<String>,
    detections: Option<String>,
    policy: Option<String>,
    previous: Vec<String>,
    format: Vec<String>,
    per_account: bool,
    accounts: Vec<String>,
    regions: Vec<String>,
    delivery_slack: String,
}

impl Rerun {
    /// The command line; inputs lie below `inputs`, where one is given.
    fn arguments(&self, inputs: Option<&Path>) -> Vec<OsString> {
        let mut all: Vec<OsString> = vec!["report".into()];
        let mut add = |name: &str, value: &str| all.push(format!("--{name}={value}").into());
        let time = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::AutoSi, true);
        add("from", &time(self.from));
        add("to", &time(self.to));
        if let Some(as_of) = self.as_of {
            add("as-of", &time(as_of));
        }
        if let Some(as_of) = &self.iam_as_of {
            add("iam-as-of", as_of);
        }
        for (name, values) in [("format", &self.format), ("account", &self.accounts), ("region", &self.regions)] {
            values.iter().for_each(|value| add(name, value));
        }
        add("delivery-slack", &self.delivery_slack);
        if self.per_account {
            all.push("--per-account".into());
        }
        for (name, member) in self.files() {
            let mut argument = OsString::from(format!("--{name}="));
            argument.push(inputs.map_or_else(|| PathBuf::from(member), |folder| folder.join(member)));
            all.push(argument);
        }
        all
    }

    /// The options that name files, and their members.
    fn files(&self) -> impl Iterator<Item = (&'static str, &String)> {
        let single = [
            ("iam", &self.iam),
            ("approvals", &self.approvals),
            ("detections", &self.detections),
            ("policy", &self.policy),
        ];
        let single = single.into_iter().filter_map(|(name, member)| Some((name, member.as_ref()?)));
        single.chain(self.previous.iter().map(|member| ("previous", member)))
    }
}

/// The bundle that was asked for.
pub(super) struct Wanted {
    path: PathBuf,
    /// Its place, taken.
    draft: Draft,
    objects: bool,
    run: Rerun,
    /// Input files, by the order in which the report lists them.
    files: Vec<(String, PathBuf)>,
    live: bool,
}

impl Wanted {
    pub(super) fn new(
        args: &ReportArgs,
        period: Period,
        as_of: Option<DateTime<Utc>>,
        iam_as_of: Option<DateTime<Utc>>,
    ) -> Result<Option<Self>, CliError> {
        let Some(path) = &args.bundle else { return Ok(None) };
        named_file("--bundle", path)?;
        let draft = bundle::prepare(path).map_err(CliError::usage)?;
        interrupt::remove_at_exit(draft.path());
        let live = args.iam.as_deref().is_some_and(|iam| iam == "live");
        let format = |format: &FormatArg| {
            clap::ValueEnum::to_possible_value(format).map_or_else(String::new, |value| value.get_name().to_owned())
        };
        let run = Rerun {
            from: period.from,
            to: period.to,
            as_of,
            iam: None,
            // As a moment: an age, or `yesterday`, would be another one when the report is made again.
            iam_as_of: iam_as_of.map(|time| time.to_rfc3339_opts(SecondsFormat::AutoSi, true)),
            approvals: None,
            detections: None,
            policy: None,
            previous: Vec::new(),
            format: args.format.iter().map(format).collect(),
            per_account: args.per_account,
            accounts: args.archive.accounts.clone(),
            regions: args.archive.regions.clone(),
            delivery_slack: args.archive.delivery_slack.clone(),
        };
        let mut wanted = Self { path: path.clone(), draft, objects: args.with_objects, run, files: Vec::new(), live };
        wanted.inputs(args, as_of)?;
        Ok(Some(wanted))
    }

    /// Where the inputs come from, in the order of the report's list.
    fn inputs(&mut self, args: &ReportArgs, as_of: Option<DateTime<Utc>>) -> Result<(), CliError> {
        if let (Some(iam), false) = (args.iam.as_deref(), self.live) {
            let path = if iam == "store" { super::report::stored_snapshot(args, as_of)?.0 } else { PathBuf::from(iam) };
            let listed = super::beside::iam(&path)?;
            let folder = path.is_dir();
            for file in listed {
                let place = if folder { path.join(&file.path) } else { path.clone() };
                self.files.push((format!("inputs/iam/{}", safe(&file.path)), place));
            }
            self.run.iam = if folder {
                Some("inputs/iam".to_owned())
            } else {
                self.files.last().map(|(member, _)| member.clone())
            };
        } else if self.live {
            self.run.iam = Some("inputs/iam/live.json".to_owned());
        }
        let member = |kind: &str, path: &Path| {
            let name = path.file_name().map_or_else(|| kind.to_owned(), |name| name.to_string_lossy().into_owned());
            format!("inputs/{kind}/{}", safe(&name))
        };
        let single = [
            ("approvals", &args.approvals, &mut self.run.approvals),
            ("detections", &args.detections, &mut self.run.detections),
            ("policy", &args.policy, &mut self.run.policy),
        ];
        for (kind, path, into) in single {
            if let Some(path) = path {
                let member = member(kind, path);
                self.files.push((member.clone(), path.clone()));
                *into = Some(member);
            }
        }
        for (number, path) in args.previous.iter().enumerate() {
            let member = member(&format!("previous/{}", number + 1), path);
            self.files.push((member.clone(), path.clone()));
            self.run.previous.push(member);
        }
        Ok(())
    }
}

/// A bundle in the making.
pub(super) struct Making {
    wanted: Wanted,
    folder: TempDir,
    inputs: Vec<InputFile>,
    notices: Vec<Notice>,
    sources: Vec<Source>,
    selection: Selection,
    options: Options<'static>,
    now: DateTime<Utc>,
    bounds: Bounds,
    proven: Option<verify::Signed>,
}

fn temporary() -> Result<TempDir, CliError> {
    let folder = disk::temporary_folder(None).map_err(|error| {
        CliError::Failed(format!("could not make a temporary folder: {error}\n  hint: set TMPDIR to another place"))
    })?;
    interrupt::remove_at_exit(folder.path());
    Ok(folder)
}

impl Making {
    pub(super) fn new(wanted: Wanted) -> Result<Self, CliError> {
        Ok(Self {
            wanted,
            folder: temporary()?,
            inputs: Vec::new(),
            notices: Vec::new(),
            sources: Vec::new(),
            selection: Selection::default(),
            options: Options::default(),
            now: DateTime::UNIX_EPOCH,
            bounds: Bounds::default(),
            proven: None,
        })
    }

    /// Where the archive is scanned to when there is no store.
    pub(super) fn scratch(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    /// Where the rows go that the report rests on.
    pub(super) fn excerpt(&self) -> PathBuf {
        self.folder.path().join(EVIDENCE)
    }

    /// Notes what is gone when the report is made.
    pub(super) fn note(&mut self, plan: &Plan, read: &Read) {
        self.inputs.clone_from(&plan.inputs);
        self.notices.clone_from(&read.notices);
        self.sources.clone_from(&plan.sources);
        self.selection = plan.selection.clone();
        self.options = plan.options.clone();
        self.bounds = plan.verification().bounds;
        self.now = plan.generated_at;
        self.proven = read.proven.as_ref().map(verify::Proven::signed);
    }

    /// Writes it.
    pub(super) fn write(
        mut self,
        report: &Report,
        files: &[File],
        told: Option<Told>,
        iam: Option<&IamState>,
    ) -> Result<(), CliError> {
        let mut members: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        for (name, bytes) in files.iter().filter(|(name, _)| name != PDF) {
            members.insert(format!("{REPORT}/{name}"), bytes.clone());
        }
        let inputs = self.add_inputs(&mut members, iam)?;
        add_folder(&self.excerpt(), EVIDENCE, &mut members)?;
        self.add_objects(report, &mut members)?;
        let command = self.wanted.run.arguments(None);
        let about = About {
            version: report.tool.version.to_owned(),
            generated_at: report.generated_at,
            command: command.iter().map(|argument| argument.to_string_lossy().into_owned()).collect(),
            run: self.wanted.run.clone(),
            inputs,
            policy: serde_json::to_value(&report.policy).map_err(CliError::failed)?,
            notices: self.notices.drain(..).map(|one| Said { code: one.code.to_owned(), text: one.text }).collect(),
            integrity: told,
        };
        let Wanted { path, draft, .. } = self.wanted;
        bundle::write(draft, &path, report.generated_at, &about, &members).map_err(CliError::failed)?;
        let count = plural(members.len() + 1, "member", "members");
        say(&format!("bundle: {count} in `{}`", path.display()));
        Ok(())
    }

    fn add_inputs(
        &self,
        members: &mut BTreeMap<String, Vec<u8>>,
        iam: Option<&IamState>,
    ) -> Result<Vec<Input>, CliError> {
        if let (true, Some(iam)) = (self.wanted.live, iam) {
            let mut text = Vec::new();
            snapshot::write(iam, &mut text).map_err(CliError::failed)?;
            members.insert("inputs/iam/live.json".to_owned(), text);
        }
        let mut inputs = Vec::new();
        for (input, (member, path)) in self.inputs.iter().zip(&self.wanted.files) {
            let bytes = disk::read(path, LARGEST)
                .map_err(|error| CliError::Failed(format!("could not read `{}` again: {error}", path.display())))?;
            let sha256 = bundle::sha256(&bytes);
            if sha256 != input.sha256 || members.insert(member.clone(), bytes).is_some() {
                return Err(CliError::Failed(format!(
                    "`{}` changed while the report was made, or two inputs have one name\n  hint: run again",
                    path.display()
                )));
            }
            let (kind, path) = (input.kind.to_owned(), input.path.clone());
            inputs.push(Input { kind, path, sha256, member: member.clone() });
        }
        Ok(inputs)
    }

    /// What is known of the cited objects; and if asked, what they and their digests hold.
    fn add_objects(&self, report: &Report, members: &mut BTreeMap<String, Vec<u8>>) -> Result<(), CliError> {
        let cited: BTreeSet<&String> = report
            .events
            .iter()
            .flat_map(|event| &event.objects)
            .chain(report.proof.iter().flat_map(|proof| &proof.objects))
            .chain(report.coverage.conflicts.iter().flat_map(|conflict| &conflict.objects))
            .collect();
        let mut rows = Vec::new();
        let store = Store::open(&self.excerpt()).map_err(store_error)?;
        store
            .objects(None, &mut |row| {
                if cited.contains(&row.name) {
                    rows.push(row);
                }
            })
            .map_err(store_error)?;
        rows.sort_by(|a, b| (&a.name, &a.object_id).cmp(&(&b.name, &b.object_id)));
        let mut kept = BTreeMap::new();
        if self.wanted.objects {
            let wanted = rows.iter().map(|row| row.name.clone()).collect();
            kept = self.copies(Product::Log, wanted)?;
            let missing: Vec<&str> =
                rows.iter().filter(|row| !kept.contains_key(&row.name)).map(|row| row.name.as_str()).collect();
            if let Some(first) = missing.first() {
                return Err(CliError::Failed(format!(
                    "`--with-objects`: {} not among the SOURCEs, such as {}\n  hint: give the SOURCEs that they were read from, or drop it",
                    plural(missing.len(), "cited object is", "cited objects are"),
                    terminal_text(first)
                )));
            }
            let digests: BTreeSet<String> = rows.iter().filter_map(|row| row.digest.clone()).collect();
            self.add_digests(digests, members)?;
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
        let mut text = serde_json::to_vec_pretty(&list).map_err(CliError::failed)?;
        text.push(b'\n');
        members.insert("objects.json".to_owned(), text);
        for (name, bytes) in kept {
            members.insert(member(OBJECTS, &name), bytes);
        }
        Ok(())
    }

    fn add_digests(&self, names: BTreeSet<String>, members: &mut BTreeMap<String, Vec<u8>>) -> Result<(), CliError> {
        let Some(proven) = self.proven.as_ref().filter(|_| !names.is_empty()) else { return Ok(()) };
        let signatures = proven.proof.signatures(&names);
        let fingerprints = signatures.values().map(|(fingerprint, _)| fingerprint.clone()).collect();
        members.insert(KEYS.to_owned(), proven.keys.printed(&fingerprints).map_err(CliError::failed)?);
        for (name, bytes) in self.copies(Product::Digest, names)? {
            let place = member(DIGESTS, &name);
            if let Some((_, Some(signature))) = signatures.get(&name) {
                members.insert(format!("{place}.signature"), signature.clone().into_bytes());
            }
            members.insert(place, bytes);
        }
        Ok(())
    }

    /// Reads some objects once more: their inflated bytes, which are what CloudTrail signs.
    fn copies(&self, product: Product, wanted: BTreeSet<String>) -> Result<BTreeMap<String, Vec<u8>>, CliError> {
        let plan = verify::Plan {
            sources: &self.sources,
            selection: &self.selection,
            options: &self.options,
            bounds: self.bounds,
            until: None,
            now: self.now,
        };
        let wanted = Arc::new(wanted);
        let unwanted = |object: &ObjectRef| !wanted.contains(&object.name);
        let selection = Selection { product: Some(product), ..verify::widened(&plan) };
        let options = Options { known: Some(&unwanted), progress: Arc::default(), ..self.options.clone() };
        let (copies, _) = verify::scan(&plan, &selection, &options, &Copies::default)?;
        Ok(copies.0)
    }
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
fn add_folder(folder: &Path, name: &str, members: &mut BTreeMap<String, Vec<u8>>) -> Result<(), CliError> {
    let failed = |error| CliError::Failed(format!("could not read `{}`: {error}", folder.display()));
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

/// `report --from-bundle`.
pub(super) fn again(
    file: &Path,
    out: Option<PathBuf>,
    summary: Printed,
    now: DateTime<Utc>,
) -> Result<Status, CliError> {
    let folder = temporary()?;
    let (about, members) = bundle::open::<About>(file, folder.path()).map_err(|error| match error {
        BundleError::Io { what: "unpack into", .. } => CliError::failed(error),
        _ => CliError::usage(error),
    })?;
    let wrong = |what: String| {
        CliError::Usage(format!(
            "`{}`: {what}\n  hint: give a file that `mfatrail report --bundle` wrote",
            file.display()
        ))
    };
    if about.version != env!("CARGO_PKG_VERSION") {
        say(&format!(
            "warning: the bundle was made by mfatrail {}, this is {}: bytes may differ",
            terminal_text(&about.version),
            env!("CARGO_PKG_VERSION")
        ));
    }
    let args = arguments(&about, folder.path(), &members).map_err(wrong)?;
    let mut plan = Plan::new(args, now)?;
    plan.generated_at = about.generated_at;
    plan.inputs = about.inputs.iter().map(|one| input(one, &members)).collect::<Result<_, _>>().map_err(wrong)?;
    if let Some(out) = out {
        plan.out = out;
    }
    let output = plan.output.clone();
    let target = OutputDir::prepare(&plan.out).map_err(CliError::usage)?;
    interrupt::remove_at_exit(target.temporary());
    let differing = recheck(&plan, folder.path(), &members, now)?;
    let evidence = folder.path().join(EVIDENCE);
    let mut read = from_store(&plan, &evidence, None, None, now)?;
    read.notices = about.notices.into_iter().map(notice).collect::<Result<_, _>>().map_err(wrong)?;
    let Made { report, status, .. } = make(plan, read, about.integrity)?;
    let files = output.files(&report)?;
    let changed: Vec<&str> = files
        .iter()
        .filter(|(name, bytes)| {
            let listed = members.get(&format!("{REPORT}/{name}"));
            listed.is_none_or(|member| member.sha256 != bundle::sha256(bytes))
        })
        .map(|(name, _)| name.as_str())
        .collect();
    for line in &differing {
        say(&format!("warning: {}", terminal_text(line)));
    }
    let same = if changed.is_empty() {
        format!(
            "{} as listed; {} of the report {} the same, byte for byte",
            plural(members.len(), "member is", "members are"),
            plural(files.len(), "file", "files"),
            if files.len() == 1 { "comes out" } else { "all come out" }
        )
    } else {
        format!("warning: these files do not come out as they are in the bundle: {}", changed.join(", "))
    };
    let good = changed.is_empty() && differing.is_empty();
    let whole = interrupt::hold();
    let place = target.commit(files).map_err(CliError::failed)?;
    drop(whole);
    let status = if good { status } else { Status::Incomplete };
    summarize(&report, &place, summary, status)?;
    say(&same);
    Ok(status)
}

/// The arguments of the run. Nothing of what a bundle says is an option of its own: its values become values of known
/// options, and its files lie in the bundle.
fn arguments(about: &About, folder: &Path, members: &BTreeMap<String, Member>) -> Result<ReportArgs, String> {
    for (name, member) in about.run.files() {
        let below = format!("{member}/");
        let there = members.contains_key(member) || members.keys().any(|name| name.starts_with(&below));
        if !is_safe(member) || !member.starts_with("inputs/") || !there {
            return Err(format!("`--{name}` is said to be `{}`, which is no input in it", terminal_text(member)));
        }
    }
    let mut arguments: Vec<OsString> = vec!["mfatrail".into()];
    arguments.extend(about.run.arguments(Some(folder)));
    let mut store = OsString::from("--store=");
    store.push(folder.join(EVIDENCE));
    arguments.push(store);
    match Cli::try_parse_from(arguments) {
        Ok(Cli { command: Command::Report(args), .. }) => Ok(*args),
        Ok(_) => Err("its `run` is no report".to_owned()),
        Err(error) => {
            Err(format!("its `run` cannot be used: {}", error.to_string().lines().next().unwrap_or_default()))
        }
    }
}

fn input(one: &Input, members: &BTreeMap<String, Member>) -> Result<InputFile, String> {
    let kinds = ["iam", "approvals", "detections", "policy", "previous"];
    let kind = kinds.into_iter().find(|kind| *kind == one.kind);
    let same = members.get(&one.member).is_some_and(|member| member.sha256 == one.sha256);
    match kind {
        Some(kind) if same => Ok(InputFile { kind, path: one.path.clone(), sha256: one.sha256.clone() }),
        _ => Err(format!("its input `{}` is not among its members", terminal_text(&one.member))),
    }
}

fn notice(said: Said) -> Result<Notice, String> {
    let codes = ["restatement", "object-replaced"];
    match codes.into_iter().find(|code| *code == said.code) {
        Some(code) => Ok(Notice { code, text: said.text }),
        None => Err(format!("`{}` is no notice of a store", terminal_text(&said.code))),
    }
}

/// Verifies and parses the objects that are here once more, and says where the excerpt tells something else.
fn recheck(
    plan: &Plan,
    folder: &Path,
    members: &BTreeMap<String, Member>,
    now: DateTime<Utc>,
) -> Result<Vec<String>, CliError> {
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
    let check = verify::Plan {
        sources: &sources,
        selection: &selection,
        options: &plan.options,
        bounds: Bounds::default(),
        until: None,
        now,
    };
    let keys = verify::read_keys(&if signed { vec![folder.join(KEYS)] } else { Vec::new() })?;
    let proven = signed.then(|| verify::prove(&check, keys)).transpose()?;
    let proof = proven.as_ref().map(|proven| &proven.proof);
    let again = folder.join("again");
    into_store(&again, &sources, &selection, &plan.options, LIMITS, proof, now)?;
    let asked = asked(plan);
    let found = |store: &Path| {
        let mut store = Store::open(store).map_err(store_error)?;
        store.consistently(|store| store.evidence(&asked)).map_err(CliError::failed)
    };
    let (mut here, mut there) = (found(&again)?.evidence, found(&folder.join(EVIDENCE))?.evidence);
    let objects: BTreeSet<String> =
        members.keys().filter_map(|name| name.strip_prefix("objects/")).map(str::to_owned).collect();
    let name = |object: &String| member(OBJECTS, object).trim_start_matches("objects/").to_owned();
    let mut differing = Vec::new();
    let told = |evidence: &mut Evidence| {
        let events = evidence.events.take().map_err(|error| unreadable(&error))?;
        Ok::<_, CliError>(by_object(&events, &name))
    };
    let (ours, theirs) = (told(&mut here)?, told(&mut there)?);
    for object in &objects {
        if ours.get(object) != theirs.get(object) {
            differing.push(format!("objects/{object}: its records are not those that the report rests on"));
        }
    }
    // Of every object: one that is cited for an ordinary call alone holds no event of the evidence.
    let (proven, said) = (integrities(&again, &name)?, integrities(&folder.join(EVIDENCE), &name)?);
    if signed {
        for (object, said) in &said {
            if *said == Integrity::Verified && objects.contains(object) && proven.get(object) != Some(said) {
                differing
                    .push(format!("objects/{object}: is said to be verified, and the digests here do not prove it"));
            }
        }
    }
    let proven = objects.iter().filter(|object| proven.get(*object) == Some(&Integrity::Verified)).count();
    let parsed = plural(objects.len(), "cited object", "cited objects");
    say(&format!("{parsed} parsed again, {proven} of them verified by the digests here"));
    Ok(differing)
}

/// What a store says of its objects, under other names: of several the worst.
fn integrities(path: &Path, name: &dyn Fn(&String) -> String) -> Result<BTreeMap<String, Integrity>, CliError> {
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
        let mut bare = Event { objects: BTreeSet::new(), delivered_at: None, ..event.clone() };
        bare.lineage.verified = false;
        for object in &event.objects {
            told.entry(name(object)).or_default().insert(format!("{bare:?}"));
        }
    }
    told
}
