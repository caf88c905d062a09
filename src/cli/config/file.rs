//! `mfatrail.toml`: where it is looked for, and what it says. Its keys are the long options of commands; which of them may stand in it
//! is listed here, for the file may lie beside evidence that a stranger laid out.

use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use crate::app::Error;
use crate::disk;
use crate::inputs::{InputError, Place, Problem, read_text};
use crate::names::near;

/// The file's name.
pub(super) const NAME: &str = "mfatrail.toml";

/// The variable that names the file; empty for none.
pub(super) const VARIABLE: &str = "MFATRAIL_CONFIG";

/// The table of every command.
pub(super) const DEFAULTS: &str = "defaults";

/// The folder of all logs in a bucket, and in a copy of one.
const LOGS: &str = "AWSLogs";

/// The key of an archive's sources, which are no option.
pub(super) const SOURCE: &str = "source";

/// What may be set: how an archive is reached and read, what is given beside it, and what a report looks like. What a run is asked
/// (a period, a user) and what changes something (`--apply`) may not.
pub(super) const KEYS: [&str; 39] = [
    "account",
    "approvals",
    "aws-region",
    "chromium",
    "config",
    "deliver",
    "delivery-slack",
    "detections",
    "endpoint-url",
    "exceptions",
    "external-id",
    "fail-on",
    "format",
    "iam",
    "iam-role",
    "inflate-limit",
    "into",
    "paper",
    "pdf",
    "per-account",
    "policy",
    "posture",
    "profile",
    "public-keys",
    "redact",
    "redact-key",
    "region",
    "request-payer",
    "role-arn",
    "s3-attempts",
    "s3-get",
    "s3-requests",
    "s3-threads",
    "s3-timeout",
    "sign-key",
    "store",
    "threads",
    "verify",
    "watch-config",
];

/// Keys whose values are files or folders: relative ones are relative to the file's folder.
const PATHS: [&str; 14] = [
    "approvals",
    "config",
    "detections",
    "exceptions",
    "iam",
    "into",
    "policy",
    "posture",
    "public-keys",
    "redact-key",
    "sign-key",
    "store",
    "watch-config",
    SOURCE,
];

/// Values that stand for no file.
const WORDS: [(&str, &str); 4] = [("iam", "live"), ("iam", "store"), ("posture", "live"), (SOURCE, "-")];

/// One value of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Setting {
    /// `defaults`, `report`, or `archive.prod`.
    pub(super) table: String,
    /// A long option's name.
    pub(super) key: String,
    /// Its values; none for a switch that is off.
    pub(super) values: Vec<String>,
    /// Whether it is a switch.
    pub(super) switch: bool,
    /// Where it stands.
    pub(super) line: u64,
}

/// What the file says.
#[derive(Debug)]
pub(super) struct Configuration {
    pub(super) file: PathBuf,
    /// The folder in which it was found, links resolved. `None` where it was named or is the user's: nobody else chose that place.
    pub(super) found: Option<PathBuf>,
    pub(super) settings: Vec<Setting>,
}

impl Configuration {
    /// What the table of an archive says.
    pub(super) fn archive(&self, name: &str) -> Option<Vec<&Setting>> {
        let table = format!("archive.{name}");
        let settings: Vec<&Setting> = self.settings.iter().filter(|setting| setting.table == table).collect();
        (!settings.is_empty()).then_some(settings)
    }

    /// The names of archives.
    pub(super) fn archives(&self) -> Vec<&str> {
        let mut names: Vec<&str> =
            self.settings.iter().filter_map(|setting| setting.table.strip_prefix("archive.")).collect();
        names.dedup();
        names
    }
}

/// Finds the file and reads it: the one that is named, else the nearest above the working folder, else the user's.
///
/// # Errors
/// Where a named one is not there, one that was found could be somebody else's, or something is wrong with what it says, each with
/// its line.
pub(super) fn find(named: Option<&Path>, commands: &[String]) -> Result<Option<Configuration>, Error> {
    let variable = std::env::var_os(VARIABLE);
    let file = match (named, variable) {
        (Some(file), _) => Some(file.to_owned()),
        (None, Some(file)) if file.is_empty() => return Ok(None),
        (None, Some(file)) => Some(PathBuf::from(file)),
        (None, None) => match nearest() {
            Some(file) => {
                let folder = own(&file)?;
                return read(&file, Some(folder), commands).map(Some);
            }
            None => users(),
        },
    };
    file.map(|file| read(&file, None, commands)).transpose()
}

/// The nearest file above the working folder.
fn nearest() -> Option<PathBuf> {
    let folder = std::env::current_dir().ok()?;
    folder.ancestors().map(|folder| folder.join(NAME)).find(|file| file.symlink_metadata().is_ok())
}

/// The user's own file, where there is one.
fn users() -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name).map(PathBuf::from).filter(|folder| folder.is_absolute());
    let folder = variable("XDG_CONFIG_HOME").or_else(|| variable("HOME").map(|home| home.join(".config")))?;
    Some(folder.join("mfatrail").join(NAME)).filter(|file| file.symlink_metadata().is_ok())
}

/// Refuses a file that was found and not named, where somebody else could have written it: a folder with evidence may hold one that
/// names other credentials, another endpoint or other approvals, and whoever copies the folder owns the copy. Returns the file's
/// folder, links resolved.
fn own(file: &Path) -> Result<PathBuf, Error> {
    if let Some(why) = disk::not_own(file) {
        return Err(refused(file, why));
    }
    let folder = file.parent().unwrap_or(Path::new(".")).canonicalize();
    let folder = folder.map_err(|error| refused(file, &format!("is in a folder that cannot be found ({error})")))?;
    if folder.join(LOGS).symlink_metadata().is_ok() {
        return Err(refused(file, &format!("is beside `{LOGS}`, as what came with a copy of a bucket would be")));
    }
    if folder.iter().any(|name| name == LOGS) {
        return Err(refused(file, &format!("is below `{LOGS}`, as what came with a copy of a bucket would be")));
    }
    Ok(folder)
}

/// Why a file is not used that was found, and how it can be all the same. A watch's `--config` is another file, so the variable is
/// named, too.
pub(super) fn refused(file: &Path, why: &str) -> Error {
    Error::Input(format!(
        "`{}` {why}, so it is not used\n  hint: if you wrote it, name it by `--config FILE` or `{VARIABLE}=FILE`; `{VARIABLE}=` runs without a configuration",
        file.display()
    ))
}

fn read(file: &Path, found: Option<PathBuf>, commands: &[String]) -> Result<Configuration, Error> {
    let (name, text) = read_text(file).map_err(Error::input)?;
    let folder = std::path::absolute(file).ok().and_then(|file| file.parent().map(Path::to_owned)).unwrap_or_default();
    let mut reader = Reader { text: &text, folder, commands, settings: Vec::new(), problems: Vec::new() };
    match DeTable::parse(&text) {
        Ok(tables) => reader.tables(tables.get_ref()),
        Err(error) => reader.problem(error.span().map_or(0, |span| span.start), error.message().replace('\n', ", ")),
    }
    let Reader { settings, mut problems, .. } = reader;
    if !problems.is_empty() {
        problems.sort_by_key(|problem| (problem.line, problem.column));
        return Err(Error::input(InputError::Malformed { file: name, problems }));
    }
    Ok(Configuration { file: file.to_owned(), found, settings })
}

struct Reader<'t> {
    text: &'t str,
    folder: PathBuf,
    commands: &'t [String],
    settings: Vec<Setting>,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn problem(&mut self, at: usize, what: String) {
        self.problems.push(Problem::at(Place::of_byte(self.text, at), None, what));
    }

    fn tables(&mut self, tables: &DeTable<'_>) {
        for (key, value) in tables {
            let (name, at) = (key.get_ref().as_ref(), key.span().start);
            match (value.get_ref(), name) {
                (DeValue::Table(archives), "archive") => self.archives(archives),
                (DeValue::Table(table), _)
                    if name == DEFAULTS || self.commands.iter().any(|command| command == name) =>
                {
                    self.table(name, table);
                }
                (DeValue::Table(_), _) => {
                    let known = ["archive", DEFAULTS].into_iter().chain(self.commands.iter().map(String::as_str));
                    let hint = hint(name, known, "[defaults], [archive.NAME] or a command's, such as [report]");
                    self.problem(at, format!("unknown table `{name}` (hint: {hint})"));
                }
                (_, "archive" | DEFAULTS) => self.problem(at, format!("`{name}` is a table (hint: write [{name}])")),
                _ => self.problem(at, format!("`{name}` stands in no table (hint: write it below [{DEFAULTS}])")),
            }
        }
    }

    fn archives(&mut self, archives: &DeTable<'_>) {
        for (name, value) in archives {
            let (text, at) = (name.get_ref().as_ref(), name.span().start);
            let DeValue::Table(table) = value.get_ref() else {
                self.problem(at, format!("`archive.{text}` is a table (hint: write [archive.{text}])"));
                continue;
            };
            if text.is_empty() || text.contains(['/', '\\', ':']) || text.starts_with(['-', '.']) {
                self.problem(at, format!("`{text}` is not a name for an archive (hint: use a word, such as prod)"));
            } else if !table.keys().any(|key| key.get_ref() == SOURCE) {
                self.problem(
                    at,
                    format!("[archive.{text}] has no `{SOURCE}` (hint: add {SOURCE} = \"s3://bucket/prefix\")"),
                );
            } else {
                self.table(&format!("archive.{text}"), table);
            }
        }
    }

    fn table(&mut self, name: &str, table: &DeTable<'_>) {
        for (key, value) in table {
            let text = key.get_ref().as_ref();
            let is_source = text == SOURCE && name.starts_with("archive.");
            if is_source || KEYS.contains(&text) {
                self.setting(name, key, value);
                continue;
            }
            let hint = hint(
                text,
                KEYS,
                "a setting is a long option that holds for every run; give others on the command line",
            );
            self.problem(key.span().start, format!("[{name}] cannot set `{text}` (hint: {hint})"));
        }
    }

    fn setting(&mut self, table: &str, key: &Spanned<DeString<'_>>, value: &Spanned<DeValue<'_>>) {
        let text = key.get_ref().as_ref();
        let values = match value.get_ref() {
            DeValue::Boolean(on) => Some((if *on { vec![String::new()] } else { Vec::new() }, true)),
            DeValue::Array(values) => values
                .iter()
                .map(|value| scalar(value.get_ref()))
                .collect::<Option<Vec<String>>>()
                .map(|all| (all, false)),
            other => scalar(other).map(|value| (vec![value], false)),
        };
        let Some((values, switch)) = values.filter(|(values, switch)| *switch || !values.iter().any(String::is_empty))
        else {
            self.problem(value.span().start, format!("`{text}` is text, a number, true, false, or a list of texts"));
            return;
        };
        let values = values
            .into_iter()
            .map(|value| if PATHS.contains(&text) { self.path(text, value) } else { value })
            .collect();
        let line = Place::of_byte(self.text, key.span().start).line;
        self.settings.push(Setting { table: table.to_owned(), key: text.to_owned(), values, switch, line });
    }

    /// A path as seen from the file's folder; addresses and words stay.
    fn path(&self, key: &str, value: String) -> String {
        if WORDS.contains(&(key, value.as_str())) || value.contains("://") || value.starts_with("arn:") {
            return value;
        }
        self.folder.join(&value).into_os_string().into_string().unwrap_or(value)
    }
}

fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.as_ref().to_owned()),
        DeValue::Integer(number) => Some(number.to_string()),
        _ => None,
    }
}

fn hint<'k>(name: &str, known: impl IntoIterator<Item = &'k str>, otherwise: &str) -> String {
    match near(name, known).first() {
        Some(near) => format!("did you mean {near}?"),
        None => otherwise.to_owned(),
    }
}
