//! `--from-files DIR`: what the AWS CLI printed, one file for each call, in one folder or in one for each account.
//!
//! A call's file is named by the call (`docs/guardrails.md` lists them). A file may hold the AWS CLI's own error message, redirected
//! with `2>&1`: a refusal is then known as one. What is not JSON, or is of another call, is an error, for a file that is skipped
//! would look like one that was not given.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::calls::{Call, Refusal, Source};
use super::facts::{Gap, Iam, Told};
use crate::arn::Arn;
use crate::disk::{self, Kind};
use crate::inputs::Problem;
use crate::inputs::error::{LARGEST, decode, json_problem};
use crate::inventory::InventoryError;
use crate::inventory::files::{is_expected, read_account};

/// The folder of what is the same for every account.
const ORGANIZATION: &str = "organization";

/// The accounts' folders.
#[derive(Debug)]
pub(crate) struct Folders {
    /// By account id.
    pub(crate) accounts: BTreeMap<String, PostureFiles>,
}

/// The files of one account.
#[derive(Debug)]
pub(crate) struct PostureFiles {
    /// Where the account's own files are, and the organization's.
    own: Shelf,
    organization: Shelf,
    as_of: DateTime<Utc>,
    failure: RefCell<Option<InventoryError>>,
    asked: RefCell<BTreeSet<String>>,
}

/// A folder and the names of the files in it.
#[derive(Debug, Clone)]
struct Shelf {
    path: PathBuf,
    names: BTreeSet<String>,
}

impl Shelf {
    fn open(path: &Path) -> Result<Self, InventoryError> {
        let failed = |source| InventoryError::Io { path: path.to_owned(), source };
        let mut names = BTreeSet::new();
        for (name, kind) in disk::Folder::open(path).and_then(|folder| folder.list(Path::new(""))).map_err(failed)? {
            let name = name.to_string_lossy().into_owned();
            if name.starts_with('.') {
                continue;
            }
            if let Some(refusal) = kind.refused() {
                return Err(InventoryError::Io { path: path.join(&name), source: refusal.into() });
            }
            if kind == Kind::File {
                names.insert(name);
            }
        }
        Ok(Self { path: path.to_owned(), names })
    }

    fn read(&self, name: &str) -> Result<String, InventoryError> {
        let path = self.path.join(name);
        let failed = |source| InventoryError::Io { path: path.clone(), source };
        let folder = disk::Folder::open(&self.path).map_err(failed)?;
        let bytes = folder.read(Path::new(name), LARGEST).map_err(failed)?;
        decode(bytes).map_err(|problem| InventoryError::malformed(&path.display().to_string(), problem))
    }

    /// The files of a call: of its name, and where it lists, those whose name goes on after a dash.
    fn of(&self, call: &Call) -> Vec<&String> {
        let stem = call.file();
        let exact = format!("{stem}.json");
        let more = format!("{stem}-");
        let is_more = |name: &str| call.list().is_some() && name.starts_with(&more) && name.ends_with(".json");
        self.names.iter().filter(|name| **name == exact || is_more(name)).collect()
    }
}

fn is_account(name: &str) -> bool {
    name.len() == 12 && name.bytes().all(|byte| byte.is_ascii_digit())
}

impl Folders {
    /// Finds the accounts of a folder: itself, or one for each id. `account` is whose the files are, where the folder is of one account
    /// and no file says.
    ///
    /// # Errors
    /// [`InventoryError`] where it cannot be read, or it is not known whose the files are.
    pub(crate) fn open(path: &Path, account: Option<&str>, as_of: DateTime<Utc>) -> Result<Self, InventoryError> {
        let failed = |source| InventoryError::Io { path: path.to_owned(), source };
        let entries = disk::Folder::open(path).and_then(|folder| folder.list(Path::new(""))).map_err(failed)?;
        let folders: Vec<String> = entries
            .iter()
            .filter(|(_, kind)| *kind == Kind::Folder)
            .map(|(name, _)| name.to_string_lossy().into_owned())
            .collect();
        let organization = if folders.iter().any(|name| name == ORGANIZATION) {
            Shelf::open(&path.join(ORGANIZATION))?
        } else {
            Shelf::open(path)?
        };
        let files = |own: Shelf| PostureFiles {
            own,
            organization: organization.clone(),
            as_of,
            failure: RefCell::default(),
            asked: RefCell::default(),
        };
        let mut accounts = BTreeMap::new();
        for id in folders.into_iter().filter(|name| is_account(name)) {
            accounts.insert(id.clone(), files(Shelf::open(&path.join(&id))?));
        }
        if accounts.is_empty() {
            let own = files(Shelf::open(path)?);
            let id = own.account(account)?;
            accounts.insert(id, own);
        }
        Ok(Self { accounts })
    }
}

impl PostureFiles {
    /// Whose the files are: by the ARNs in them.
    fn account(&self, given: Option<&str>) -> Result<String, InventoryError> {
        if let Some(given) = given {
            return Ok(given.to_owned());
        }
        if let Some(account) = read_account(&self.own.path, None, self.as_of)?.account {
            return Ok(account);
        }
        // A rule is the account's own; a trail may be the organization's.
        let rules = self.answer(&Call::Rules)?.ok();
        let rules = rules.as_ref().and_then(|answer| answer.get("Rules")?.as_array());
        let arn = rules.into_iter().flatten().find_map(|rule| rule.get("Arn")?.as_str());
        arn.and_then(Arn::parse).map(|arn| arn.account.to_owned()).ok_or_else(|| {
            InventoryError::Unusable(format!(
                "no file of `{}` says of which account it is (hint: give `--account`, or put the files into a folder named by the account id)",
                self.own.path.display()
            ))
        })
    }

    /// The region of IAM's events, by the partition of a trail or a rule; `None` where no file tells.
    #[must_use]
    pub(crate) fn partition(&self) -> Option<String> {
        let arn = |call: &Call, list: &str, name: &str| {
            let answer = self.answer(call).ok()?.ok()?;
            let arn = answer.get(list)?.as_array()?.iter().find_map(|one| one.get(name)?.as_str())?.to_owned();
            Arn::parse(&arn).map(|arn| arn.partition.to_owned())
        };
        arn(&Call::Trails, "trailList", "TrailARN").or_else(|| arn(&Call::Rules, "Rules", "Arn"))
    }

    /// What the files say of IAM.
    ///
    /// # Errors
    /// [`InventoryError`] where one is malformed, or is of another account.
    pub(crate) fn iam(&self, account: &str) -> Result<Told<Iam>, InventoryError> {
        let files = read_account(&self.own.path, Some(account), self.as_of)?;
        let none = "no file of `aws iam` was given (`aws iam get-account-authorization-details > account-authorization-details.json` prints one)";
        let missing = files.missing.into_iter().map(|note| format!("{}: {}", note.what, note.why)).collect();
        Ok(match files.state {
            None => Err(Gap(none.to_owned())),
            Some(state) => Ok(Iam { state, details: files.details, missing }),
        })
    }

    /// The first file that could not be used, once everything was asked.
    ///
    /// # Errors
    /// [`InventoryError`] that names it.
    pub(crate) fn check(&self) -> Result<(), InventoryError> {
        self.failure.borrow_mut().take().map_or(Ok(()), Err)
    }

    /// The files that answered nothing that was asked, for a warning.
    #[must_use]
    pub(crate) fn unread(&self) -> Vec<String> {
        let asked = self.asked.borrow();
        let own = self.own.names.iter().filter(|name| !asked.contains(*name) && !is_expected(name));
        own.filter(|name| name.ends_with(".json")).map(|name| self.own.path.join(name).display().to_string()).collect()
    }

    fn answer(&self, call: &Call) -> Result<Result<Value, Refusal>, InventoryError> {
        let shelves = if call.is_of_organization() { vec![&self.own, &self.organization] } else { vec![&self.own] };
        let found = shelves.into_iter().map(|shelf| (shelf, shelf.of(call))).find(|(_, names)| !names.is_empty());
        let Some((shelf, names)) = found else {
            let why = format!("`{0}.json` was not given (`{1} > {0}.json` prints it)", call.file(), call.command());
            return Ok(Err(Refusal::unknown(why)));
        };
        let mut all: Option<Value> = None;
        let (mut pages, mut more) = (0, 0);
        for name in names {
            self.asked.borrow_mut().insert(name.clone());
            let file = shelf.path.join(name).display().to_string();
            let text = shelf.read(name)?;
            if let Some(refusal) = refusal(call, &text) {
                return Ok(Err(refusal));
            }
            let value: Value = serde_json::from_str(&text)
                .map_err(|error| InventoryError::malformed(&file, json_problem(&text, &error)))?;
            let wanted = call.member();
            if !wanted.iter().any(|name| value.get(*name).is_some()) {
                let what = format!("is not what `{}` prints: it has no `{}`", call.command(), wanted.join("` or `"));
                return Err(InventoryError::malformed(&file, Problem::whole(what)));
            }
            pages += 1;
            more += usize::from(
                ["NextToken", "nextToken"].iter().any(|token| value.get(*token).is_some_and(Value::is_string)),
            );
            all = Some(match all {
                None => value,
                Some(before) => together(before, value),
            });
        }
        if more > 0 && more == pages {
            let file = shelf.path.join(format!("{}.json", call.file())).display().to_string();
            let what = "is incomplete: it says there are more pages (hint: print it without `--no-paginate` and `--max-items`)";
            return Err(InventoryError::malformed(&file, Problem::whole(what)));
        }
        Ok(Ok(all.unwrap_or_default()))
    }
}

/// One answer of two: their lists one after the other.
pub(super) fn together(mut before: Value, value: Value) -> Value {
    let Value::Object(value) = value else { return before };
    for (name, member) in value {
        match (before.get_mut(&name), member) {
            (Some(Value::Array(list)), Value::Array(more)) => list.extend(more),
            (None, member) => before[name.as_str()] = member,
            _ => {}
        }
    }
    before
}

/// The refusal that a file holds in the place of an answer, as the AWS CLI prints it: `An error occurred (CODE) when calling …`.
fn refusal(call: &Call, text: &str) -> Option<Refusal> {
    let text = text.trim();
    let text = text.strip_prefix("aws: [ERROR]:").unwrap_or(text).trim_start();
    let rest = text.strip_prefix("An error occurred (")?;
    let (code, rest) = rest.split_once(')')?;
    let message = rest.split_once(": ").map_or(rest, |(_, message)| message);
    let line: Vec<&str> = message.split_whitespace().take(60).collect();
    Some(Refusal::of_service(Some(code), call, &format!("{code}: {}", line.join(" "))))
}

impl Source for PostureFiles {
    fn ask(&self, call: &Call) -> Result<Value, Refusal> {
        if matches!(call, Call::TestPattern { .. } | Call::TestFilter { .. }) {
            return Err(Refusal::unknown(format!("`{}` alone tells", call.command())));
        }
        self.answer(call).unwrap_or_else(|error| {
            let why = error.to_string();
            self.failure.borrow_mut().get_or_insert(error);
            Err(Refusal::unknown(why))
        })
    }
}
