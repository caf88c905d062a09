//! Options from a configuration file: `mfatrail.toml` gives what the command line and the environment leave open. What it gives is
//! put on the command line, and then one parser judges all of it; so a configuration can say nothing that an option cannot.

mod file;

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use clap::error::{ContextKind, ContextValue};
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Args, Command, Subcommand};
use serde::Serialize;

use self::file::{Configuration, DEFAULTS, SOURCE, Setting, VARIABLE};
use super::exit::Status;
use super::{Printed, plain, put, put_json};
use crate::app::{Error, THIS, watch};
use crate::aws::discreet;
use crate::contract::Tool;
use crate::names::near;

/// Commands that take nothing from a configuration: they print, or show it.
const WITHOUT: [&str; 3] = ["config", "generate", "help"];

/// The command whose archive need not be named.
const MONTHLY: &str = "monthly";

/// The command with a `--config` of its own.
const WATCH: &str = "watch";

/// The option that names a program, which is run.
const PROGRAM: &str = "chromium";

/// Options whose folders are evidence or were made from it, and what arguments are called in usage that name such.
const EVIDENCE: [&str; 4] = ["from-files", "iam", "previous", "store"];
const PLACES: [&str; 3] = ["FILE|DIR", "SOURCE", "STORE"];

/// What a quiet run need not be told of: how fast something is read, and what a result looks like. All else may decide an answer, or
/// who gets it.
const FORM: [&str; 10] = [
    "format",
    "paper",
    "pdf",
    "per-account",
    "s3-attempts",
    "s3-get",
    "s3-requests",
    "s3-threads",
    "s3-timeout",
    "threads",
];

/// An option that is refused without another.
const NEEDS: [(&str, &str); 6] = [
    ("chromium", "pdf"),
    ("external-id", "role-arn"),
    ("iam-role", "iam"),
    ("paper", "pdf"),
    ("public-keys", "verify"),
    ("redact-key", "redact"),
];

/// Variables that give what an option would: the environment comes before the file.
const VARIABLES: [(&str, &[&str]); 4] = [
    ("aws-region", &["AWS_REGION", "AWS_DEFAULT_REGION"]),
    ("endpoint-url", &["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"]),
    ("profile", &["AWS_PROFILE", "AWS_ACCESS_KEY_ID"]),
    ("store", &["MFATRAIL_STORE"]),
];

/// The variable that is set and decides what an option would.
fn variable(key: &str) -> Option<&'static str> {
    let names = VARIABLES.iter().filter(|(option, _)| *option == key).flat_map(|(_, names)| names.iter().copied());
    names.into_iter().find(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
}

/// Where the configuration is.
#[derive(Debug, Args)]
pub(super) struct ConfigArgs {
    /// Options that hold for every run, TOML [default: the nearest mfatrail.toml] [also: MFATRAIL_CONFIG]
    #[arg(long, value_name = "FILE", global = true, help_heading = "Configuration")]
    config: Option<PathBuf>,
}

/// Show the configuration file, and where each option is from
#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    Show(ShowArgs),
}

/// Show which file is used, what it sets, and what the environment sets instead
///
/// Options come from the command line, else from the environment, else from mfatrail.toml: there from the table of the archive that
/// SOURCE names, else from the command's, else from `[defaults]`. Keys are the long options of commands. Relative paths are relative to
/// the file.
#[derive(Debug, Args)]
#[command(after_long_help = HELP)]
pub(super) struct ShowArgs {
    /// Text, or one JSON document
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Printed,
}

const HELP: &str = "\
Example of a file:
  [archive.prod]
  source = \"s3://trail-bucket\"
  store = \"evidence\"
  role-arn = \"arn:aws:iam::111122223333:role/Auditor\"

  [report]
  iam = \"live\"
  iam-role = \"Auditor\"
  approvals = \"tickets.csv\"

With it, `mfatrail report prod --month last` reads the bucket by the role, keeps the evidence, and asks IAM.

Examples:
  mfatrail config show
  mfatrail config show --config examples/mfatrail.toml --format json";

/// A command line with what a configuration adds.
pub(super) struct Settled {
    /// The words, the program's name first.
    pub(super) words: Vec<OsString>,
    used: Option<Used>,
}

/// What was used of a file.
struct Used {
    file: PathBuf,
    /// Whether nobody named it.
    found: bool,
    settings: Vec<Setting>,
}

impl Settled {
    /// Which options are from the file, for standard error: whoever defends a figure knows what it rests on. Where nobody named the
    /// file, somebody else may have laid it there: then a quiet run, too, is told what an answer may hang on.
    pub(super) fn note(&self, quiet: bool) -> Option<String> {
        let Used { file, settings, .. } = self.used.as_ref().filter(|used| !quiet || used.found)?;
        let is_told =
            |setting: &&Setting| !(setting.values.is_empty() || quiet && FORM.contains(&setting.key.as_str()));
        let names: Vec<String> = settings.iter().filter(is_told).map(shown).collect();
        (!names.is_empty()).then(|| format!("note: `{}` sets {}", file.display(), names.join(", ")))
    }

    /// Where an option that the parser refuses is from, where it is not from the command line.
    pub(super) fn origin(&self, error: &clap::Error) -> Option<String> {
        let Used { file, settings, .. } = self.used.as_ref()?;
        let Some(ContextValue::String(refused)) = error.get(ContextKind::InvalidArg) else { return None };
        let option = refused.split([' ', '=']).next()?;
        let setting = settings.iter().find(|setting| format!("--{}", setting.key) == option)?;
        Some(format!("note: `{option}` is from `{}`, line {}", file.display(), setting.line))
    }
}

fn shown(setting: &Setting) -> String {
    match setting.key.as_str() {
        SOURCE => format!("{} (SOURCE)", setting.table),
        key => format!("--{key}"),
    }
}

/// Adds what the configuration says to a command line.
///
/// # Errors
/// Where the configuration is wrong, or may be somebody else's, or a name could be an archive and a file.
pub(super) fn settle(mut program: Command, words: Vec<OsString>) -> Result<Settled, Error> {
    program.build();
    let nothing = |words| Ok(Settled { words, used: None });
    // What cannot be parsed, and requests for help, are judged with the words alone.
    let Ok(matches) = program.clone().ignore_errors(true).try_get_matches_from(&words) else { return nothing(words) };
    let (path, leaf, given) = deepest(&program, &matches);
    let Some(first) = path.first().filter(|first| !WITHOUT.contains(&first.as_str())) else { return nothing(words) };
    // A watch has a `--config` of its own.
    let named = given.try_get_one::<PathBuf>("config").ok().flatten().filter(|_| first != WATCH);
    let Some(configuration) = file::find(named.map(PathBuf::as_path), &commands(&program))? else {
        return nothing(words);
    };
    check(&program, &configuration)?;
    let mut named = named_archives(&configuration, leaf, given)?;
    let mut words = words;
    if let Some(only) = only_archive(&configuration, leaf, given) {
        let end = words.iter().position(|word| word == "--").unwrap_or(words.len());
        words.insert(end, only.into());
        named.push(only.to_owned());
    }
    let archive = merged(&configuration, &named)?;
    let mut words = with_sources(words, leaf, &archive, &named);
    let settings = choose(&configuration, &archive, first, leaf, given);
    let end = words.iter().position(|word| word == "--").unwrap_or(words.len());
    words.splice(end..end, settings.iter().flat_map(options));
    if let Some(folder) = &configuration.found {
        refuse_program(&configuration.file, &settings)?;
        refuse_evidence(&configuration.file, folder, &evidence(&program, &words))?;
    }
    let sources = archive.iter().filter(|setting| setting.key == SOURCE).map(|setting| (*setting).clone());
    let settings = sources.chain(settings).collect();
    Ok(Settled {
        words,
        used: Some(Used { file: configuration.file.clone(), found: configuration.found.is_some(), settings }),
    })
}

/// Refuses a program of a file that was found: a note would come too late.
fn refuse_program(file: &Path, settings: &[Setting]) -> Result<(), Error> {
    let Some(setting) = settings.iter().find(|setting| setting.key == PROGRAM && !setting.values.is_empty()) else {
        return Ok(());
    };
    Err(Error::Input(format!(
        "`{}`: line {}: `{PROGRAM}` is a program to run, and is not taken from a file that nobody named\n  hint: give `--{PROGRAM}`, or if you wrote the file, name it by `--config FILE` or `{VARIABLE}=FILE`",
        file.display(),
        setting.line
    )))
}

/// Refuses a file that was found in what is read: whoever made the evidence could have written it. One above evidence is the ordinary
/// layout.
fn refuse_evidence(file: &Path, folder: &Path, places: &[OsString]) -> Result<(), Error> {
    let holds = |place: &&OsString| Path::new(place).canonicalize().is_ok_and(|place| folder.starts_with(place));
    let Some(place) = places.iter().find(holds) else { return Ok(()) };
    let why = format!("is in `{}`, which is read as evidence, and may have come with it", Path::new(place).display());
    Err(file::refused(file, &why))
}

/// Where a command line has evidence, with all that was added to it. A bucket among it is no folder, and holds no file.
fn evidence(program: &Command, words: &[OsString]) -> Vec<OsString> {
    // What cannot be parsed is not run.
    let Ok(matches) = program.clone().ignore_errors(true).try_get_matches_from(words) else { return Vec::new() };
    let (path, leaf, given) = deepest(program, &matches);
    let is_evidence = |arg: &&Arg| match arg.get_long() {
        Some(key) => EVIDENCE.contains(&key),
        None => arg.get_value_names().is_some_and(|names| names.iter().any(|name| PLACES.contains(&name.as_str()))),
    };
    let values = |arg: &Arg| -> Vec<OsString> {
        let values = given.try_get_raw(arg.get_id().as_str()).ok().flatten();
        values.into_iter().flatten().map(OsStr::to_owned).collect()
    };
    let mut places: Vec<OsString> = leaf.get_arguments().filter(is_evidence).flat_map(&values).collect();
    // A watch's are in its own file; what is wrong with that one is told where it is used.
    if path.first().is_some_and(|first| first == WATCH)
        && let Some(file) = option(leaf, "config").and_then(|arg| values(arg).pop())
        && let Ok(config) = watch::config::read(Path::new(&file))
    {
        places.extend(config.inputs.into_iter().map(|input| OsString::from(input.source)));
    }
    places
}

/// The names of commands, which are names of tables.
fn commands(program: &Command) -> Vec<String> {
    let names = program.get_subcommands().map(|command| command.get_name().to_owned());
    names.filter(|name| !WITHOUT.contains(&name.as_str())).collect()
}

/// The command that is to run: its names, its arguments, and what was given of them.
fn deepest<'c, 'm>(program: &'c Command, matches: &'m ArgMatches) -> (Vec<String>, &'c Command, &'m ArgMatches) {
    let (mut path, mut leaf, mut given) = (Vec::new(), program, matches);
    while let Some((name, matches)) = given.subcommand()
        && let Some(command) = leaf.find_subcommand(name)
    {
        path.push(name.to_owned());
        (leaf, given) = (command, matches);
    }
    (path, leaf, given)
}

fn option<'c>(command: &'c Command, key: &str) -> Option<&'c Arg> {
    command.get_arguments().find(|arg| arg.get_long() == Some(key) && (key != "config" || !arg.is_global_set()))
}

/// Whether a command, or one below it, has an option.
fn has(command: &Command, key: &str) -> bool {
    option(command, key).is_some() || command.get_subcommands().any(|below| has(below, key))
}

/// Refuses keys that no command of their table has.
fn check(program: &Command, configuration: &Configuration) -> Result<(), Error> {
    for Setting { table, key, line, .. } in &configuration.settings {
        let command = program.find_subcommand(table);
        if command.is_some_and(|command| !has(command, key)) {
            return Err(Error::Input(format!(
                "`{}`: line {line}: `{table}` has no option `--{key}`\n  hint: write it below [{DEFAULTS}], which holds for commands that have it",
                configuration.file.display()
            )));
        }
    }
    Ok(())
}

/// The positional argument that takes archives.
fn source_argument(leaf: &Command) -> Option<&Arg> {
    leaf.get_positionals()
        .find(|arg| arg.get_value_names().is_some_and(|names| names.iter().any(|name| name.as_str() == "SOURCE")))
}

/// Which of the sources are names of archives.
fn named_archives(configuration: &Configuration, leaf: &Command, given: &ArgMatches) -> Result<Vec<String>, Error> {
    let Some(argument) = source_argument(leaf) else { return Ok(Vec::new()) };
    let sources = given.try_get_raw(argument.get_id().as_str()).ok().flatten().into_iter().flatten();
    let mut named = Vec::new();
    for source in sources.filter_map(OsStr::to_str) {
        let (known, exists) = (configuration.archive(source).is_some(), Path::new(source).exists());
        let archives = configuration.archives();
        if known && exists {
            return Err(Error::Input(format!(
                "`{source}` is an archive of `{}` and a file or folder here\n  hint: `./{source}` is the latter; rename the archive for the former",
                configuration.file.display()
            )));
        }
        if known {
            named.push(source.to_owned());
        } else if !exists
            && !source.contains(['/', '\\', ':', '.'])
            && let Some(near) = near(source, archives).first()
        {
            return Err(Error::Input(format!(
                "`{source}` is neither an archive of `{}` nor a file or folder\n  hint: did you mean {near}?",
                configuration.file.display()
            )));
        }
    }
    Ok(named)
}

/// The archive of a month's run that names none, where there is only one.
fn only_archive<'c>(configuration: &'c Configuration, leaf: &Command, given: &ArgMatches) -> Option<&'c str> {
    let argument = source_argument(leaf).filter(|_| leaf.get_name() == MONTHLY)?;
    match configuration.archives().as_slice() {
        [only] if !is_given(given, argument) => Some(only),
        _ => None,
    }
}

/// What the tables of archives say together.
fn merged<'c>(configuration: &'c Configuration, names: &[String]) -> Result<Vec<&'c Setting>, Error> {
    let mut all: Vec<&Setting> = Vec::new();
    for setting in names.iter().filter_map(|name| configuration.archive(name)).flatten() {
        let other = all.iter().find(|other| other.key == setting.key && other.key != SOURCE);
        match other {
            Some(other) if other.values != setting.values => {
                return Err(Error::Input(format!(
                    "`{}`: [{}] and [{}] set `{}` to different values\n  hint: name one archive at a time, or give `--{}`",
                    configuration.file.display(),
                    other.table,
                    setting.table,
                    setting.key,
                    setting.key
                )));
            }
            Some(_same) => {}
            None => all.push(setting),
        }
    }
    Ok(all)
}

/// The command line with the archives' sources instead of their names.
fn with_sources(words: Vec<OsString>, leaf: &Command, archive: &[&Setting], named: &[String]) -> Vec<OsString> {
    let sources = |name: &str| {
        let table = format!("archive.{name}");
        let own = archive.iter().find(|setting| setting.key == SOURCE && setting.table == table);
        own.map(|setting| setting.values.iter().map(OsString::from).collect::<Vec<OsString>>())
    };
    let mut replaced: Vec<OsString> = Vec::with_capacity(words.len());
    let mut value_next = false;
    for word in words {
        let text = word.to_str().unwrap_or_default();
        let is_source = !value_next && named.iter().any(|name| name == text);
        value_next = text
            .strip_prefix("--")
            .and_then(|key| option(leaf, key))
            .is_some_and(|arg| arg.get_action().takes_values());
        match sources(text).filter(|_| is_source) {
            Some(sources) => replaced.extend(sources),
            None => replaced.push(word),
        }
    }
    replaced
}

/// What the file gives to a command: of each option the nearest table's, where neither the command line nor the environment gives it,
/// nothing that was given excludes it, and what it needs is there.
fn choose(
    configuration: &Configuration,
    archive: &[&Setting],
    command: &str,
    leaf: &Command,
    given: &ArgMatches,
) -> Vec<Setting> {
    let tables = [command, DEFAULTS];
    let rest =
        tables.iter().flat_map(|table| configuration.settings.iter().filter(move |setting| setting.table == *table));
    let mut chosen: Vec<Setting> = Vec::new();
    for setting in archive.iter().copied().filter(|setting| setting.key != SOURCE).chain(rest) {
        let Some(arg) = option(leaf, &setting.key) else { continue };
        let decided = chosen.iter().any(|other| other.key == setting.key);
        if !decided && variable(&setting.key).is_none() && !is_given(given, arg) && !is_excluded(leaf, given, arg) {
            chosen.push(setting.clone());
        }
    }
    let there = |key: &str| {
        chosen.iter().any(|setting| setting.key == key && !setting.values.is_empty())
            || option(leaf, key).is_some_and(|arg| is_given(given, arg))
    };
    let needless: Vec<&str> = NEEDS
        .iter()
        .filter(|(key, needs)| option(leaf, key).is_some() && option(leaf, needs).is_some() && !there(needs))
        .map(|(key, _)| *key)
        .collect();
    chosen.retain(|setting| !needless.contains(&setting.key.as_str()));
    chosen
}

/// Whether the command line or the environment gives an argument.
fn is_given(given: &ArgMatches, arg: &Arg) -> bool {
    let source =
        given.try_contains_id(arg.get_id().as_str()).ok().and_then(|_known| given.value_source(arg.get_id().as_str()));
    matches!(source, Some(ValueSource::CommandLine | ValueSource::EnvVariable))
}

/// Whether what was given excludes an argument.
fn is_excluded(leaf: &Command, given: &ArgMatches, arg: &Arg) -> bool {
    let excludes =
        |one: &Arg, other: &Arg| leaf.get_arg_conflicts_with(one).iter().any(|arg| arg.get_id() == other.get_id());
    leaf.get_arguments()
        .filter(|other| other.get_id() != arg.get_id() && is_given(given, other))
        .any(|other| excludes(other, arg) || excludes(arg, other))
}

/// A setting as words of a command line.
fn options(setting: &Setting) -> Vec<OsString> {
    let word = |value: &String| match setting.switch {
        true => format!("--{}", setting.key),
        false => format!("--{}={value}", setting.key),
    };
    setting.values.iter().map(|value| word(value).into()).collect()
}

/// `config show --format json`.
#[derive(Serialize)]
struct Shown<'c> {
    schema: &'static str,
    tool: Tool,
    /// `None` where there is no configuration.
    file: Option<&'c Path>,
    settings: Vec<Row<'c>>,
}

#[derive(Serialize)]
struct Row<'c> {
    table: &'c str,
    key: &'c str,
    values: Vec<Cow<'c, str>>,
    line: u64,
    /// The variable that is taken instead; `None` where none is.
    instead: Option<&'static str>,
}

/// `mfatrail config show`.
pub(super) fn run(command: &ConfigCommand, config: &ConfigArgs, mut program: Command) -> Result<Status, Error> {
    let ConfigCommand::Show(args) = command;
    program.build();
    let configuration = file::find(config.config.as_deref(), &commands(&program))?;
    if let Some(configuration) = &configuration {
        check(&program, configuration)?;
    }
    let rows: Vec<Row<'_>> = configuration.iter().flat_map(|configuration| &configuration.settings).map(row).collect();
    let file = configuration.as_ref().map(|configuration| configuration.file.as_path());
    if args.format == Printed::Json {
        put_json(&Shown { schema: "mfatrail.config/1", tool: THIS, file, settings: rows })?;
        return Ok(Status::Done);
    }
    let Some(file) = file else {
        put(&format!(
            "no configuration: neither --config nor {VARIABLE}, and no {} here, above, or in the user's configuration",
            file::NAME
        ))?;
        return Ok(Status::Done);
    };
    put(&plain(&format!("{}", file.display())))?;
    for row in rows {
        let instead = row.instead.map(|variable| format!("; {variable} is set, and taken instead")).unwrap_or_default();
        let values = row.values.join(", ");
        put(&plain(&format!("line {}: [{}] {} = {values}{instead}", row.line, row.table, row.key)))?;
    }
    Ok(Status::Done)
}

fn row(setting: &Setting) -> Row<'_> {
    let values = match (setting.switch, setting.values.is_empty()) {
        (true, off) => vec![Cow::Borrowed(if off { "false" } else { "true" })],
        _ => setting.values.iter().map(|value| discreet(value)).collect(),
    };
    Row { table: &setting.table, key: &setting.key, values, line: setting.line, instead: variable(&setting.key) }
}
