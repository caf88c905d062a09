//! The configuration of the watch, TOML: where messages come from, whom to tell, and what decides figures. Every key is known, and
//! what is wrong is told with its line; nothing in it is a secret, only where secrets are.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use serde::de::{DeserializeOwned, Error as _};
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use crate::alert::channel;
use crate::alert::route::Route;
use crate::app::Error;
use crate::incident::rules::Rules;
use crate::inputs::{self, InputError, Problem, Settings, policy_file, read_text};
use crate::names::{Pattern, near};
use crate::queue::sqs::{MOST, Place};
use crate::units;

/// The tables of the file.
const TABLES: [&str; 7] = ["input", "policy", "approvals", "iam", "incidents", "channel", "route"];

/// What the file says.
#[derive(Debug)]
pub struct Config {
    /// Archives that are polled.
    pub inputs: Vec<Input>,
    /// Queues of messages.
    pub queues: Vec<Queue>,
    /// What decides figures, as a report's `--policy`.
    pub settings: Settings,
    /// Files of approvals, as a report's `--approvals`.
    pub approvals: Vec<PathBuf>,
    /// A snapshot of IAM state, as a report's `--iam`; `None` for the store's latest.
    pub iam: Option<PathBuf>,
    /// What becomes an incident, and how severe it is.
    pub rules: Rules,
    /// Whom to tell.
    pub channels: Vec<Entry>,
    /// Which channels are told of what; none for every channel of everything.
    pub routes: Vec<Route>,
}

/// One `[[input]]`: a bucket or a folder that is listed again and again.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Where the configuration has it: the file and the line.
    #[serde(skip)]
    pub line: String,
    /// `s3://bucket/prefix`, or a folder.
    pub source: String,
    /// How long to wait between two listings.
    #[serde(default = "minute", deserialize_with = "duration")]
    pub every: Duration,
    /// How many days back each listing looks: CloudTrail delivers late, and folders are by day.
    #[serde(default = "two")]
    pub days: u32,
}

/// One `[[input]]`: a queue whose messages tell what is new.
#[derive(Debug, Clone)]
pub struct Queue {
    /// Where the configuration has it: the file and the line.
    pub line: String,
    /// Where it is.
    pub place: Place,
    /// The buckets whose objects are read, as patterns; none for all that messages name.
    pub buckets: Vec<String>,
    /// Where there is no dead-letter queue: after how many receives a message that is not understood is moved to the store.
    pub quarantine_after: u32,
    /// How many messages are worked off together, at most.
    pub in_hand: usize,
}

impl Queue {
    /// Whether objects of a bucket are read.
    #[must_use]
    pub fn reads(&self, bucket: &str) -> bool {
        self.buckets.is_empty() || self.buckets.iter().any(|name| Pattern::new(name).matches(bucket))
    }
}

/// The settings of a queue, as they stand in the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sqs {
    url: Spanned<String>,
    region: Option<String>,
    endpoint: Option<String>,
    #[serde(default)]
    buckets: Vec<String>,
    #[serde(default = "five")]
    quarantine_after: NonZeroU32,
    #[serde(default = "thousand")]
    in_hand: Spanned<usize>,
}

const fn five() -> NonZeroU32 {
    NonZeroU32::MIN.saturating_add(4)
}

fn thousand() -> Spanned<usize> {
    Spanned::new(0..0, 1000)
}

/// One `[[channel]]`.
#[derive(Debug)]
pub struct Entry {
    /// Where the configuration has it: the file and the line.
    pub place: String,
    /// By which routes, commands and the ledger know it.
    pub name: String,
    /// Whether a delivered alert counts as a detection of what it tells.
    pub detects: bool,
    /// How long an answer is waited for.
    pub timeout: Duration,
    /// How it is reached.
    pub settings: channel::Settings,
}

/// `[approvals]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Approvals {
    files: Vec<PathBuf>,
}

/// `[iam]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Iam {
    snapshot: PathBuf,
}

/// What every `[[channel]]` has beside the settings of its kind.
#[derive(Debug, Deserialize)]
struct Common {
    name: Spanned<String>,
    kind: Spanned<String>,
    #[serde(default)]
    detects: bool,
    #[serde(default = "ten", deserialize_with = "duration")]
    timeout: Duration,
}

const fn two() -> u32 {
    2
}

const fn ten() -> Duration {
    Duration::from_secs(10)
}

const fn minute() -> Duration {
    Duration::from_secs(60)
}

fn duration<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(from)?;
    let parsed = units::parse_duration(&text).map_err(D::Error::custom)?;
    parsed.to_std().ok().filter(|every| *every >= Duration::from_secs(1)).ok_or_else(|| {
        D::Error::custom(format!("`{text}` is shorter than one second (hint: write it like \"60s\" or \"5m\")"))
    })
}

/// Reads the file.
///
/// # Errors
/// With everything that is wrong with it, each with its line.
pub fn read(path: &Path) -> Result<Config, Error> {
    let (file, text) = read_text(path).map_err(Error::input)?;
    from_text(&file, &text).map_err(Error::input)
}

/// Reads a configuration from text; `file` is the name that errors bear.
///
/// # Errors
/// As of [`read`].
pub fn from_text(file: &str, text: &str) -> Result<Config, InputError> {
    let mut reader = Reader { file, text, problems: Vec::new() };
    let mut tables = match DeTable::parse(text) {
        Ok(table) => table.into_inner(),
        Err(error) => {
            reader.toml(&error, 0);
            return Err(reader.error());
        }
    };
    for key in tables.keys().filter(|key| !TABLES.contains(&key.get_ref().as_ref())) {
        reader.unknown_table(key);
    }
    let (mut inputs, mut queues) = (Vec::new(), Vec::new());
    for entry in reader.entries(&mut tables, "input") {
        match reader.input(entry) {
            Some(Either::Archive(input)) => inputs.push(input),
            Some(Either::Queue(queue)) => queues.push(queue),
            None => {}
        }
    }
    let settings = match tables.remove("policy") {
        Some(table) => reader.policy(table),
        None => Settings::default(),
    };
    let approvals = tables.remove("approvals").and_then(|table| reader.value::<Approvals>(table));
    let iam = tables.remove("iam").and_then(|table| reader.value::<Iam>(table));
    let rules = tables.remove("incidents").and_then(|table| reader.value(table)).unwrap_or_default();
    let mut channels: Vec<Entry> = Vec::new();
    for entry in reader.entries(&mut tables, "channel") {
        let at = entry.span().start;
        if let Some(entry) = reader.channel(entry) {
            if channels.iter().any(|other| other.name == entry.name) {
                reader.problem(at, format!("two channels are named `{}` (hint: give each its own name)", entry.name));
            }
            channels.push(entry);
        }
    }
    let names: BTreeSet<&str> = channels.iter().map(|entry| entry.name.as_str()).collect();
    let mut routes = Vec::new();
    for entry in reader.entries(&mut tables, "route") {
        let at = entry.span().start;
        if let Some(route) = reader.value::<Route>(entry) {
            for name in route.channels.iter().filter(|name| !names.contains(name.as_str())) {
                let hint = match names.is_empty() {
                    true => "there are no channels".to_owned(),
                    false => meant(name, names.iter().copied(), "channels", '`'),
                };
                reader.problem(at, format!("no channel is named `{name}` (hint: {hint})"));
            }
            routes.push(route);
        }
    }
    if reader.problems.is_empty() && inputs.is_empty() && queues.is_empty() {
        reader.problems.push(Problem::whole("there is no input to read (hint: add an [[input]] with kind = \"sqs\" and its url, or with kind = \"archive\" and its source)"));
    }
    if !reader.problems.is_empty() {
        return Err(reader.error());
    }
    let approvals = approvals.map(|table| table.files).unwrap_or_default();
    Ok(Config { inputs, queues, settings, approvals, iam: iam.map(|table| table.snapshot), rules, channels, routes })
}

/// The name that may have been meant, between quotes, or else all that there are.
pub(super) fn meant<'k>(name: &str, known: impl IntoIterator<Item = &'k str>, what: &str, quote: char) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    match near(name, known.iter().copied()).first() {
        Some(near) => format!("did you mean {quote}{near}{quote}?"),
        None => format!("the {what} are {}", known.join(", ")),
    }
}

/// An input of either kind.
enum Either {
    Archive(Input),
    Queue(Queue),
}

struct Reader<'t> {
    /// The name that errors bear.
    file: &'t str,
    text: &'t str,
    problems: Vec<Problem>,
}

impl<'t> Reader<'t> {
    fn problem(&mut self, at: usize, what: String) {
        self.problems.push(Problem::at(inputs::Place::of_byte(self.text, at), None, what));
    }

    /// What is wrong with what begins at a byte.
    fn toml(&mut self, error: &toml::de::Error, begin: usize) {
        let at = error.span().map_or(begin, |span| span.start);
        self.problem(at, error.message().replace('\n', ", "));
    }

    fn error(mut self) -> InputError {
        self.problems.sort_by_key(|problem| (problem.line, problem.column));
        InputError::Malformed { file: self.file.to_owned(), problems: self.problems }
    }

    fn unknown_table(&mut self, key: &Spanned<toml::de::DeString<'_>>) {
        let name = key.get_ref();
        let hint = meant(name, TABLES, "tables", '`');
        self.problem(key.span().start, format!("unknown table `{name}` (hint: {hint})"));
    }

    /// The tables of `[[key]]`.
    fn entries(&mut self, tables: &mut DeTable<'t>, key: &str) -> Vec<Spanned<DeValue<'t>>> {
        let Some(value) = tables.remove(key) else { return Vec::new() };
        let at = value.span().start;
        match value.into_inner() {
            DeValue::Array(entries) if entries.iter().all(|entry| entry.get_ref().is_table()) => {
                entries.into_iter().collect()
            }
            _ => {
                self.problem(at, format!("`{key}` is a list of tables (hint: write [[{key}]])"));
                Vec::new()
            }
        }
    }

    fn value<T: DeserializeOwned>(&mut self, value: Spanned<DeValue<'t>>) -> Option<T> {
        let at = value.span().start;
        T::deserialize(ValueDeserializer::from(value)).map_err(|error| self.toml(&error, at)).ok()
    }

    /// Takes the keys `names` out of a table.
    fn split(entry: Spanned<DeValue<'t>>, names: &[&str]) -> [Spanned<DeValue<'t>>; 2] {
        let span = entry.span();
        let DeValue::Table(table) = entry.into_inner() else {
            return [0, 1].map(|_| Spanned::new(span.clone(), DeValue::Table(DeTable::new())));
        };
        let (own, rest): (DeTable<'t>, DeTable<'t>) =
            table.into_iter().partition(|(key, _)| names.contains(&key.get_ref().as_ref()));
        [own, rest].map(|table| Spanned::new(span.clone(), DeValue::Table(table)))
    }

    fn input(&mut self, entry: Spanned<DeValue<'t>>) -> Option<Either> {
        #[derive(Deserialize)]
        struct Kind {
            kind: Spanned<String>,
        }
        let line = format!("`{}`: line {}", self.file, inputs::Place::of_byte(self.text, entry.span().start).line);
        let [own, rest] = Self::split(entry, &["kind"]);
        let Kind { kind } = self.value(own)?;
        match kind.get_ref().as_str() {
            "archive" => self.value::<Input>(rest).map(|input| Either::Archive(Input { line, ..input })),
            "sqs" => {
                let settings = self.value(rest)?;
                self.queue(line, settings).map(Either::Queue)
            }
            other => {
                let hint = meant(other, ["sqs", "archive"], "kinds", '"');
                self.problem(kind.span().start, format!("no input is of the kind `{other}` (hint: {hint})"));
                None
            }
        }
    }

    fn queue(&mut self, line: String, settings: Sqs) -> Option<Queue> {
        let Sqs { url, region, endpoint, buckets, quarantine_after, in_hand } = settings;
        let at = url.span().start;
        let place = Place { url: url.into_inner(), region, endpoint };
        if let Err(why) = place.check() {
            self.problem(at, why);
            return None;
        }
        if *in_hand.get_ref() < MOST {
            let what = format!("`in_hand` is less than {MOST} (hint: so many messages come at once)");
            self.problem(in_hand.span().start, what);
            return None;
        }
        let (quarantine_after, in_hand) = (quarantine_after.get(), in_hand.into_inner());
        Some(Queue { line, place, buckets, quarantine_after, in_hand })
    }

    fn channel(&mut self, entry: Spanned<DeValue<'t>>) -> Option<Entry> {
        let place = format!("`{}`: line {}", self.file, inputs::Place::of_byte(self.text, entry.span().start).line);
        let [own, rest] = Self::split(entry, &["name", "kind", "detects", "timeout"]);
        let Common { name, kind, detects, timeout } = self.value(own)?;
        let odd = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
        if name.get_ref().is_empty() || name.get_ref().contains(odd) {
            self.problem(
                name.span().start,
                format!(
                    "`{}` is not a valid channel name (hint: use letters, digits, `-`, `_` and `.`)",
                    name.get_ref()
                ),
            );
        }
        if !channel::KINDS.contains(&kind.get_ref().as_str()) {
            let hint = meant(kind.get_ref(), channel::KINDS, "kinds", '"');
            self.problem(kind.span().start, format!("unknown kind of channel `{}` (hint: {hint})", kind.get_ref()));
            return None;
        }
        let at = rest.span().start;
        match channel::Settings::read(kind.get_ref(), ValueDeserializer::from(rest)) {
            Ok(settings) => Some(Entry { place, name: name.into_inner(), detects, timeout, settings }),
            Err(error) => {
                self.toml(&error, at);
                None
            }
        }
    }

    fn policy(&mut self, table: Spanned<DeValue<'t>>) -> Settings {
        let at = table.span().start;
        match table.get_ref() {
            DeValue::Table(table) => {
                let (settings, problems) = policy_file::from_table(self.text, table);
                self.problems.extend(problems);
                settings
            }
            _ => {
                self.problem(at, "`policy` is a table (hint: write [policy])".to_owned());
                Settings::default()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        from_text("watch.toml", text).expect_err(text).to_string()
    }

    #[test]
    fn a_configuration_is_read_whole() {
        let text = r#"
            [[input]]
            kind = "archive"
            source = "s3://trail-bucket"
            every = "90s"

            [policy]
            replacement_grace = "2h"

            [approvals]
            files = ["approvals.csv", "more.json"]

            [iam]
            snapshot = "iam.json"

            [incidents]
            attempts = 5

            [[channel]]
            name = "soc"
            kind = "webhook"
            url = "https://soc.example.com/mfa"
            secret = "file:/run/secrets/soc"
            detects = true

            [[route]]
            severity = ["critical", "error"]
            channels = ["soc"]
        "#;
        let config = from_text("watch.toml", text).unwrap();
        assert_eq!(config.inputs.first().map(|input| input.every), Some(Duration::from_secs(90)));
        assert_eq!((config.settings.replacement_grace_s, config.rules.attempts), (7200, 5));
        assert!(config.channels.iter().all(|entry| entry.name == "soc" && entry.detects));
        assert_eq!(config.channels.first().map(|entry| entry.place.as_str()), Some("`watch.toml`: line 19"));
        assert_eq!(config.iam.as_deref(), Some(Path::new("iam.json")));
        assert_eq!(config.approvals, [Path::new("approvals.csv"), Path::new("more.json")]);
        assert_eq!(config.routes.len(), 1);
    }

    #[test]
    fn every_slip_is_told_with_its_line() {
        let input = "[[input]]\nkind = \"archive\"\nsource = \"a\"\n";
        let channel = "[[channel]]\nname = \"soc\"\nkind = \"webhook\"\nurl = \"https://a\"\nsecret = \"env:A\"\n";
        for (text, told) in [
            (String::new(), "there is no input to read"),
            ("[[input]\n".to_owned(), "line 1"),
            ("[[inputs]]\n".to_owned(), "line 1, column 3: unknown table `inputs` (hint: did you mean `input`?)"),
            (
                "[[input]]\nkind = \"sqd\"\n".to_owned(),
                "line 2, column 8: no input is of the kind `sqd` (hint: did you mean \"sqs\"?)",
            ),
            ("[[input]]\nkind = \"sqs\"\n".to_owned(), "missing field `url`"),
            (
                "[[input]]\nkind = \"sqs\"\nurl = \"http://sqs.example.com/1/q\"\n".to_owned(),
                "line 3, column 7: `http://sqs.example.com/1/q` is not https",
            ),
            ("[[input]]\nkind = \"sqs\"\nurl = \"https://sqs.eu-west-1.amazonaws.com\"\n".to_owned(), "names no queue"),
            (
                "[[input]]\nkind = \"sqs\"\nurl = \"https://h/q\"\nin_hand = 3\n".to_owned(),
                "line 4, column 11: `in_hand` is less than 10",
            ),
            (
                "[[input]]\nkind = \"sqs\"\nurl = \"https://h/q\"\nevery = \"5s\"\n".to_owned(),
                "line 4, column 1: unknown field `every`",
            ),
            ("[[input]]\nkind = \"sqs\"\nurl = \"https://h/q\"\nquarantine_after = 0\n".to_owned(), "line 4"),
            ("[[input]]\nsource = \"a\"\n".to_owned(), "missing field `kind`"),
            (format!("{input}evry = \"5s\"\n"), "line 4, column 1: unknown field `evry`"),
            (format!("{input}every = \"0s\"\n"), "line 4, column 9: `0s` is shorter than one second"),
            (format!("{input}[policy]\nlookbak = \"5d\"\n"), "line 5, column 1: unknown key `lookbak`"),
            (format!("{input}[approvals]\nfile = \"a\"\n"), "line 5, column 1: unknown field `file`"),
            (format!("{input}[iam]\nfile = \"a\"\n"), "line 5, column 1: unknown field `file`"),
            (format!("{input}[approvals]\n"), "line 4, column 1: missing field `files`"),
            (format!("{input}[approvals]\nfiles = \"a\"\n"), "line 5, column 9: invalid type"),
            (format!("{input}[incidents]\nattempt = 5\n"), "line 5, column 1: unknown field `attempt`"),
            (
                format!("{input}[[channel]]\nname = \"a\"\nkind = \"webhok\"\n"),
                "line 6, column 8: unknown kind of channel `webhok` (hint: did you mean \"webhook\"?)",
            ),
            (format!("{input}{channel}{channel}"), "line 9, column 1: two channels are named `soc`"),
            (format!("{input}{channel}timeout = \"0s\"\n"), "line 9, column 11: `0s` is shorter than one second"),
            (
                format!("{input}[[channel]]\nname = \"a\"\nkind = \"slack\"\ntoken = \"env:A\"\nchannel = \"#soc\"\n"),
                "`channel` is not the ID of a channel",
            ),
            (
                format!(
                    "{input}[[channel]]\nname = \"a\"\nkind = \"teams\"\nwebhook = \"https://x.example.com/?sig=hunter2\"\n"
                ),
                "line 7, column 11: a secret does not stand in this file",
            ),
            (
                format!("{input}[[channel]]\nname = \"a\"\nkind = \"pagerduty\"\nurl = \"https://a\"\n"),
                "missing field `routing_key`",
            ),
            (
                format!("{input}{}", channel.replace("env:A", "hunter2")),
                "line 8, column 10: a secret does not stand in this file",
            ),
            (
                format!("{input}[[channel]]\nname = \"a\"\nkind = \"sns\"\ntopic = \"mfa\"\n"),
                "line 7, column 9: `mfa` is not the ARN of a topic",
            ),
            (
                format!("{input}[[channel]]\nname = \"a\"\nkind = \"sms\"\nnumbers = [\"+15555550100\", \"0555\"]\n"),
                "`0555` is not a telephone number",
            ),
            (
                format!("{input}[[channel]]\nname = \"a\"\nkind = \"ses\"\nfrom = \"a@example.com\"\nto = [\"soc\"]\n"),
                "`soc` is not a mail address",
            ),
            (
                format!("{input}[[channel]]\nname = \"a\"\nkind = \"securityhub\"\naws.regoin = \"eu-west-1\"\n"),
                "line 7, column 5: unknown field `regoin`",
            ),
            (format!("{input}{}", channel.replace("url", "ur1")), "unknown field `ur1`"),
            (
                format!("{input}{channel}[[route]]\nchannels = [\"sok\"]\n"),
                "no channel is named `sok` (hint: did you mean `soc`?)",
            ),
            (format!("{input}{channel}[[route]]\nseverity = [\"bad\"]\n"), "line 10, column 13: unknown variant `bad`"),
        ] {
            let error = error(&text);
            assert!(error.contains(told) && error.starts_with("`watch.toml`"), "{text}\n{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
