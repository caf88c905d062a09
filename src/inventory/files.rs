//! `--iam PATH`: what the AWS CLI prints, kept in a directory, or a snapshot.
//!
//! A file's kind is told from its content, so that it may be called anything; only the list of one user's devices
//! needs its name, because an empty list does not say whose it is. Any subset of the files will do. What is missing is
//! said, for a report that lacks a figure must say why.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;

use super::credential_report::{self, MOST_USERS};
use super::error::InventoryError;
use super::merge::{Answers, DetailedUser, Details, Grants, Inline, ListedUser, Name, join, some};
use super::policy::Policy;
use super::snapshot;
use super::state::{AccountState, AsOf, Device, DeviceOwner, IamState, InputGap, MissingInput, VirtualDevice};
use crate::arn::{self, Arn};
use crate::disk::{self, Kind};
use crate::inputs::Problem;
use crate::inputs::error::{LARGEST, decode, json_problem};

/// A report and the other files are one state if they are not further apart than this, in seconds.
const SAME_MOMENT_S: i64 = 15 * 60;

/// Reads IAM state from `path`: a directory of AWS CLI output (or of such directories, named by account id), a single
/// file of it, or a snapshot. `iam_as_of` is when the CLI's output was printed.
///
/// # Errors
/// [`InventoryError`] where a file cannot be read or is malformed, where the files are of several accounts or of none
/// that can be told, or where nothing tells the time.
pub fn read(path: &Path, iam_as_of: Option<DateTime<Utc>>) -> Result<IamState, InventoryError> {
    let io = |source| InventoryError::Io { path: path.to_owned(), source };
    let mut folders: BTreeMap<String, Folder> = BTreeMap::new();
    let mut flat = Folder::default();
    let mut missing = Vec::new();
    if fs::metadata(path).map_err(io)?.is_dir() {
        let home = Home { folder: disk::Folder::open(path).map_err(io)?, path };
        for (entry, kind) in home.list(Path::new(""))? {
            if kind == Kind::File && file_name(&entry).is_some_and(|name| is_account(&name)) {
                let why = "it is a file, but should be the folder of an account";
                return Err(home.failed(&entry)(std::io::Error::new(std::io::ErrorKind::NotADirectory, why)));
            } else if kind == Kind::File {
                flat.add(&home, &entry)?;
            } else if let Some(account) = file_name(&entry).filter(|name| is_account(name)) {
                let mut folder = Folder::default();
                for (file, kind) in home.list(&entry)? {
                    match kind {
                        Kind::File => folder.add(&home, &file)?,
                        _ => folder.not_understood.push(home.other(&file)?),
                    }
                }
                folders.insert(account, folder);
            } else {
                flat.not_understood.push(home.other(&entry)?);
            }
        }
    } else {
        let file = path.display().to_string();
        let bytes = disk::read(path, LARGEST).map_err(io)?;
        let text = decode(bytes).map_err(|problem| InventoryError::malformed(&file, problem))?;
        if snapshot::names_a_schema(&text) {
            if iam_as_of.is_some() {
                return Err(InventoryError::Unusable(format!(
                    "`{}` is a snapshot, which has its own time (hint: drop `--iam-as-of`)",
                    path.display()
                )));
            }
            return snapshot::from_text(&file, &text);
        }
        flat.add_file(path, &file, || Ok(text))?;
    }
    if flat.files > 0 {
        if !folders.is_empty() {
            return Err(InventoryError::Unusable(format!(
                "`{}` contains both files and account folders (hint: move the files into the folder of their account)",
                path.display()
            )));
        }
        folders.insert(flat.only_account(path)?, std::mem::take(&mut flat));
    } else if folders.values().all(|folder| folder.files == 0) {
        return Err(InventoryError::Unusable(format!(
            "`{}` contains no `aws iam` output (hint: add `credential-report.csv`, `account-authorization-details.json`, `virtual-mfa-devices.json` or `mfa-devices-<user>.json`, for several accounts in one folder per account ID)",
            path.display()
        )));
    }
    let taken_at = time(path, &folders, iam_as_of)?;
    note_not_understood(&mut missing, None, &flat.not_understood);
    let mut accounts = BTreeMap::new();
    for (account, folder) in folders {
        folder.check_account(&account)?;
        folder.check_pages()?;
        let (state, notes) = join(&account, &folder.answers, AsOf::exactly(taken_at), taken_at);
        missing.extend(notes);
        missing.extend(folder.missing(&account, &state, taken_at));
        note_not_understood(&mut missing, Some(&account), &folder.not_understood);
        accounts.insert(account, state);
    }
    missing.sort();
    missing.dedup();
    Ok(IamState { taken_at, accounts, missing })
}

/// What the files of one account's folder say of IAM, among files of other services: only what is named as `--iam` expects it is
/// read.
pub(crate) struct AccountFiles {
    /// The account that ARNs in them name; `None` where none does.
    pub(crate) account: Option<String>,
    /// `None` where there is no such file.
    pub(crate) state: Option<AccountState>,
    pub(crate) details: Option<Details>,
    pub(crate) missing: Vec<MissingInput>,
}

/// Reads them; `account` is the folder's, where it says, and `as_of` when the files were printed.
///
/// # Errors
/// [`InventoryError`] where one cannot be read, is malformed, or is of another account.
pub(crate) fn read_account(
    path: &Path,
    account: Option<&str>,
    as_of: DateTime<Utc>,
) -> Result<AccountFiles, InventoryError> {
    let opened = disk::Folder::open(path).map_err(|source| InventoryError::Io { path: path.to_owned(), source })?;
    let home = Home { folder: opened, path };
    let mut folder = Folder::default();
    for (entry, kind) in home.list(Path::new(""))? {
        if kind == Kind::File && file_name(&entry).is_some_and(|name| is_expected(&name)) {
            folder.add(&home, &entry)?;
        }
    }
    let account = match account {
        Some(account) => Some(account.to_owned()),
        None if folder.accounts.is_empty() => None,
        None => Some(folder.only_account(path)?),
    };
    let Some(id) = account.clone().filter(|_| folder.files > 0) else {
        return Ok(AccountFiles { account, state: None, details: None, missing: Vec::new() });
    };
    folder.check_account(&id)?;
    folder.check_pages()?;
    let (state, mut missing) = join(&id, &folder.answers, AsOf::exactly(as_of), as_of);
    missing.extend(folder.missing(&id, &state, as_of));
    Ok(AccountFiles { account, state: Some(state), details: folder.answers.details, missing })
}

/// When the state was: as said, or as a credential report says where nothing but reports was given.
fn time(
    path: &Path,
    folders: &BTreeMap<String, Folder>,
    iam_as_of: Option<DateTime<Utc>>,
) -> Result<DateTime<Utc>, InventoryError> {
    let generated = folders.values().filter_map(|folder| folder.answers.report.as_ref()?.generated_at).max();
    let untimed = folders.values().find_map(|folder| folder.untimed.as_ref());
    match (iam_as_of, generated, untimed) {
        (Some(as_of), Some(generated), _) if as_of < generated => Err(InventoryError::Unusable(format!(
            "`--iam-as-of` ({as_of:?}) is before the credential report in `{}` was generated ({generated:?}) (hint: it is the time at which the files were created)",
            path.display()
        ))),
        (Some(as_of), _, _) => Ok(as_of),
        (None, Some(generated), None) => Ok(generated),
        (None, _, file) => Err(InventoryError::Unusable(format!(
            "`{}` does not say when it was created (hint: add `--iam-as-of`)",
            file.map_or(path.display().to_string(), Clone::clone)
        ))),
    }
}

fn note_not_understood(missing: &mut Vec<MissingInput>, account: Option<&str>, files: &[String]) {
    missing.extend(files.iter().map(|file| MissingInput {
        account: account.map(str::to_owned),
        what: format!("file `{file}`"),
        why: "it is not `aws iam` output that mfatrail reads, and was ignored".to_owned(),
        kind: InputGap::Missing,
    }));
}

/// The files of one account.
#[derive(Default)]
struct Folder {
    /// How many were understood.
    files: usize,
    answers: Answers,
    /// The accounts that ARNs name, each with the first file that does.
    accounts: BTreeMap<String, String>,
    /// The first file that bears no time.
    untimed: Option<String>,
    /// Per kind, the pages that say that there are more: their number, of how many, and the first file.
    pages: BTreeMap<String, (usize, usize, String)>,
    not_understood: Vec<String>,
}

impl Folder {
    fn add(&mut self, home: &Home<'_>, file: &Path) -> Result<(), InventoryError> {
        self.add_file(file, &home.shown(file), || home.text(file))
    }

    /// Adds a file by its name, if what `text` reads is understood; `file` is how it is shown.
    fn add_file(
        &mut self,
        path: &Path,
        file: &str,
        text: impl FnOnce() -> Result<String, InventoryError>,
    ) -> Result<(), InventoryError> {
        let name = file_name(path).unwrap_or_default();
        if is_bystander(&name) {
            return Ok(());
        }
        let expected = is_expected(&name);
        let json_name = has_extension(&name, "json");
        if !expected && !json_name && !has_extension(&name, "csv") {
            self.not_understood.push(file.to_owned());
            return Ok(());
        }
        let text = text()?;
        let understood = if text.trim().is_empty() {
            return Err(InventoryError::malformed(file, Problem::whole("is empty")));
        } else if text.trim_start().starts_with('{') {
            self.add_pages(file, &name, &text)?
        } else if credential_report::looks_like(&text) || (expected && !json_name) {
            self.add_report(file, &text, None)?;
            true
        } else if expected {
            let what = "is not a JSON object as `aws iam` prints it (hint: print it with `--output json`)";
            return Err(InventoryError::malformed(file, Problem::whole(what)));
        } else {
            false
        };
        if understood {
            self.files += 1;
        } else {
            self.not_understood.push(file.to_owned());
        }
        Ok(())
    }

    fn add_report(&mut self, file: &str, text: &str, generated: Option<DateTime<Utc>>) -> Result<(), InventoryError> {
        if self.answers.report.is_some() {
            let what = "is a second credential report for the account (hint: keep one; use one folder per account)";
            return Err(InventoryError::malformed(file, Problem::whole(what)));
        }
        let report = credential_report::parse(file, text, generated)?;
        for row in &report.rows {
            self.saw(&row.arn, file);
        }
        if generated.is_none() {
            self.untimed.get_or_insert_with(|| file.to_owned());
        }
        self.answers.report = Some(report);
        Ok(())
    }

    /// One or several JSON documents, one after the other.
    fn add_pages(&mut self, file: &str, name: &str, text: &str) -> Result<bool, InventoryError> {
        let fail = |problem| InventoryError::malformed(file, problem);
        let mut understood = false;
        for page in serde_json::Deserializer::from_str(text).into_iter::<Page>() {
            let page = page.map_err(|error| fail(json_problem(text, &error)))?;
            understood |= self.add_page(file, name, page)?;
        }
        if !understood && is_expected(name) {
            let what = "contains no `aws iam` output that mfatrail reads (hint: print it without `--query`)";
            return Err(fail(Problem::whole(what)));
        }
        Ok(understood)
    }

    fn add_page(&mut self, file: &str, name: &str, page: Page) -> Result<bool, InventoryError> {
        let fail = |what: &str| InventoryError::malformed(file, Problem::whole(what));
        let more = page.is_truncated == Some(true) || page.next_token.is_some();
        let (mut kind, mut of_user) = (None, 0);
        if page.user_detail_list.is_some() || page.group_detail_list.is_some() {
            kind = Some("account-authorization-details".to_owned());
            self.add_details(file, page.user_detail_list, page.group_detail_list, page.policies);
        }
        if let Some(devices) = page.virtual_mfa_devices {
            kind = Some("virtual-mfa-devices".to_owned());
            for device in &devices {
                self.saw(&device.serial_number, file);
                if let Some(arn) = device.user.as_ref().and_then(|user| user.arn.as_ref()) {
                    self.saw(arn, file);
                }
            }
            let list = self.answers.virtual_devices.get_or_insert_default();
            for device in devices {
                list.push(
                    device.into_state().ok_or_else(|| fail("has a device whose `User` has neither name nor ARN"))?,
                );
            }
        }
        if let Some(devices) = page.mfa_devices {
            let user = user_of_devices(name, &devices).map_err(|what| fail(&what))?;
            kind = Some(format!("mfa-devices of {user}"));
            for device in &devices {
                self.saw(&device.serial_number, file);
            }
            let list = self.answers.devices.entry(Name(user)).or_default();
            list.extend(
                devices
                    .into_iter()
                    .map(|device| Device { serial: device.serial_number, enabled_at: device.enable_date }),
            );
            of_user = list.len();
        }
        if let Some(summary) = page.summary_map {
            kind = Some("account-summary".to_owned());
            if self.answers.summary.replace(summary).is_some() {
                return Err(fail("is a second account summary for the account (hint: keep one)"));
            }
        }
        if let Some(users) = page.users {
            kind = Some("users".to_owned());
            for arn in users.iter().filter_map(|user| user.arn.as_ref()) {
                self.saw(arn, file);
            }
            let list = self.answers.users.get_or_insert_default();
            list.extend(users.into_iter().map(UserPage::into_listed));
        }
        if self.answers.largest().max(of_user) > MOST_USERS {
            let what = format!("brings the account to more than {MOST_USERS} users or devices; IAM allows 5,000");
            return Err(fail(&what));
        }
        if let Some(kind) = kind {
            self.untimed.get_or_insert_with(|| file.to_owned());
            let pages = self.pages.entry(kind).or_insert_with(|| (0, 0, file.to_owned()));
            pages.0 += usize::from(more);
            pages.1 += 1;
            return Ok(true);
        }
        let Some(content) = page.content else { return Ok(false) };
        // Some tools decode it before they print it; base64 has no commas, semicolons or tabs.
        let report = if content.contains([',', ';', '\t']) {
            content
        } else {
            let packed: String = content.split_whitespace().collect();
            let bytes = STANDARD.decode(packed).ok();
            let decoded = bytes.and_then(|bytes| decode(bytes).ok());
            decoded.ok_or_else(|| fail("has a `Content` that is not a base64-encoded credential report"))?
        };
        // Its lines are not the file's.
        self.add_report(&format!("{file} (decoded Content)"), &report, page.generated_time)?;
        Ok(true)
    }

    fn add_details(
        &mut self,
        file: &str,
        users: Option<Vec<UserPage>>,
        groups: Option<Vec<GroupPage>>,
        policies: Option<Vec<PolicyPage>>,
    ) {
        for arn in users.iter().flatten().filter_map(|user| user.arn.as_ref()) {
            self.saw(arn, file);
        }
        for arn in groups.iter().flatten().filter_map(|group| group.arn.as_ref()) {
            self.saw(arn, file);
        }
        for policy in policies.iter().flatten() {
            self.saw(&policy.arn, file);
        }
        let details = self.answers.details.get_or_insert_with(Details::default);
        for user in users.into_iter().flatten() {
            let grants = grants(&user.user_policy_list, &user.attached_managed_policies);
            details.users.push(DetailedUser {
                tags: user.tags.iter().map(|tag| (tag.key.clone(), tag.value.clone())).collect(),
                groups: user.group_list.iter().cloned().map(Name).collect(),
                grants,
                boundary: user
                    .permissions_boundary
                    .as_ref()
                    .and_then(|boundary| boundary.permissions_boundary_arn.clone()),
                listed: user.into_listed(),
            });
        }
        for group in groups.into_iter().flatten() {
            let grants = grants(&group.group_policy_list, &group.attached_managed_policies);
            details.groups.insert(Name(group.group_name), grants);
        }
        for policy in policies.into_iter().flatten() {
            let default = policy.policy_version_list.iter().find(|version| {
                version.is_default_version || policy.default_version_id.as_ref() == Some(&version.version_id)
            });
            let document = default.and_then(|version| Policy::parse(&version.document));
            details.policies.insert(policy.arn, document);
        }
    }

    /// Remembers whose account an ARN is of.
    fn saw(&mut self, arn: &str, file: &str) {
        if let Some(account) = account_of(arn) {
            self.accounts.entry(account.to_owned()).or_insert_with(|| file.to_owned());
        }
    }

    fn only_account(&self, path: &Path) -> Result<String, InventoryError> {
        let mut accounts = self.accounts.iter();
        match (accounts.next(), accounts.next()) {
            (Some((account, _)), None) => Ok(account.clone()),
            (Some((one, file)), Some((other, other_file))) => Err(InventoryError::Unusable(format!(
                "the files in `{}` are from several accounts: `{file}` from {one}, `{other_file}` from {other} (hint: put each account's files into a folder named after its ID)",
                path.display()
            ))),
            _ => Err(InventoryError::Unusable(format!(
                "no file in `{}` says which account it is from (hint: put the files into a folder named after the account ID)",
                path.display()
            ))),
        }
    }

    fn check_account(&self, account: &str) -> Result<(), InventoryError> {
        match self.accounts.iter().find(|(other, _)| other.as_str() != account) {
            None => Ok(()),
            Some((other, file)) => Err(InventoryError::Unusable(format!(
                "`{file}` is from account {other}, but is in the folder of {account} (hint: move it to the folder of its account)"
            ))),
        }
    }

    /// A list that breaks off would make users and devices that exist look as if they did not.
    fn check_pages(&self) -> Result<(), InventoryError> {
        match self.pages.iter().find(|(_, (more, pages, _))| more >= pages) {
            None => Ok(()),
            Some((_, (_, _, file))) => {
                let what = "is incomplete: it says there are more pages (hint: print it without `--no-paginate` and `--max-items`)";
                Err(InventoryError::malformed(file, Problem::whole(what)))
            }
        }
    }

    fn missing(&self, account: &str, state: &AccountState, taken_at: DateTime<Utc>) -> Vec<MissingInput> {
        let answers = &self.answers;
        let mut missing = Vec::new();
        let generated = answers.report.as_ref().and_then(|report| report.generated_at);
        if let Some(generated) = generated.filter(|generated| (taken_at - *generated).num_seconds() > SAME_MOMENT_S) {
            missing.push(MissingInput {
                account: Some(account.to_owned()),
                what: "credential report".to_owned(),
                why: format!(
                    "generated at {generated:?}: data found only there is as of that time, not of {taken_at:?}"
                ),
                kind: InputGap::Old,
            });
        }
        let mut add = |what: &str, why: String| {
            let (account, what) = (Some(account.to_owned()), what.to_owned());
            missing.push(MissingInput { account, what, why, kind: InputGap::Missing });
        };
        if answers.report.is_none() {
            add(
                "credential report",
                "not given: console passwords and access keys are unknown, and so is whether users without a list of devices have MFA".to_owned(),
            );
        }
        if answers.details.is_none() {
            add(
                "policies",
                "`account-authorization-details.json` not given: owners (tags), MFA enforced by policy, and privileges are unknown".to_owned(),
            );
        }
        if answers.virtual_devices.is_none() {
            add(
                "virtual MFA devices",
                "`virtual-mfa-devices.json` not given: devices without an owner, and the root user's virtual device, are unknown".to_owned(),
            );
        }
        if answers.report.is_none() && answers.details.is_none() && answers.users.is_none() {
            add("list of users", "not given: users that no file names are unknown".to_owned());
        }
        let has_root_row = answers.report.iter().flat_map(|report| &report.rows).any(|row| row.is_root());
        if !has_root_row && answers.summary.is_none() {
            add("root user", "neither a credential report nor an account summary shows whether it has MFA".to_owned());
        }
        let without: Vec<String> =
            state.users.iter().filter(|user| user.devices.is_none()).map(|user| user.name.clone()).collect();
        if !without.is_empty() {
            add(
                "MFA devices of users",
                format!(
                    "`mfa-devices-<user>.json` not given for {}: which hardware keys and tokens they have, and since when, is unknown",
                    some(&without)
                ),
            );
        }
        missing
    }
}

/// Whose devices a list shows: as its entries say, or its file's name.
fn user_of_devices(name: &str, devices: &[DevicePage]) -> Result<String, String> {
    let named = stem(name).strip_prefix("mfa-devices-").filter(|user| !user.is_empty());
    let mut users: BTreeSet<Name> = devices.iter().filter_map(|device| device.user_name.clone()).map(Name).collect();
    if let Some(named) = named
        && let Some(other) = users.iter().find(|user| **user != Name(named.to_owned()))
    {
        return Err(format!("lists devices of `{}`, but its name says `{named}` (hint: rename it)", other.0));
    }
    match (users.pop_first(), users.pop_first(), named) {
        (Some(user), None, _) => Ok(user.0),
        (Some(one), Some(other), _) => {
            Err(format!("lists devices of `{}` and of `{}` (hint: use one file per user)", one.0, other.0))
        }
        (None, _, Some(named)) => Ok(named.to_owned()),
        (None, _, None) => {
            Err("does not say whose devices it lists (hint: name it `mfa-devices-<user>.json`)".to_owned())
        }
    }
}

fn grants(inline: &[InlinePage], attached: &[AttachedPage]) -> Grants {
    Grants {
        inline: inline
            .iter()
            .map(|policy| Inline { name: policy.policy_name.clone(), document: Policy::parse(&policy.policy_document) })
            .collect(),
        attached: attached.iter().map(|policy| policy.policy_arn.clone()).collect(),
    }
}

/// The account of an ARN; `None` for bare serial numbers and for AWS's own policies.
pub(crate) fn account_of(arn: &str) -> Option<&str> {
    let account = Arn::parse(arn)?.account;
    (!account.is_empty() && account != "aws").then_some(account)
}

fn is_account(name: &str) -> bool {
    name.len() == 12 && name.bytes().all(|byte| byte.is_ascii_digit())
}

/// Files that stand beside others everywhere and are meant for people or for the system.
fn is_bystander(name: &str) -> bool {
    let lower = name.to_lowercase();
    name.starts_with('.')
        || lower.starts_with("readme")
        || lower.starts_with("license")
        || lower == "desktop.ini"
        || lower == "thumbs.db"
}

/// Whether a file is named as one of those that are read.
pub(crate) fn is_expected(name: &str) -> bool {
    let kinds = [
        "credential-report",
        "account-authorization-details",
        "virtual-mfa-devices",
        "mfa-devices-",
        "account-summary",
        "users.",
    ];
    kinds.iter().any(|kind| name.starts_with(kind)) && (has_extension(name, "json") || has_extension(name, "csv"))
}

fn has_extension(name: &str, extension: &str) -> bool {
    Path::new(name).extension().is_some_and(|found| found.eq_ignore_ascii_case(extension))
}

fn stem(name: &str) -> &str {
    if has_extension(name, "json") { name.get(..name.len() - 5).unwrap_or(name) } else { name }
}

fn file_name(path: &Path) -> Option<String> {
    Some(path.file_name()?.to_string_lossy().into_owned())
}

/// The folder of IAM state, which may come from a stranger: nothing in it is followed or waited for.
struct Home<'p> {
    folder: disk::Folder,
    path: &'p Path,
}

impl Home<'_> {
    fn place(&self, relative: &Path) -> PathBuf {
        if relative.as_os_str().is_empty() { self.path.to_owned() } else { self.path.join(relative) }
    }

    fn shown(&self, relative: &Path) -> String {
        self.place(relative).display().to_string()
    }

    fn failed(&self, relative: &Path) -> impl FnOnce(std::io::Error) -> InventoryError + use<> {
        let path = self.place(relative);
        |source| InventoryError::Io { path, source }
    }

    /// What is in a folder, in order of name; what is hidden is left out.
    fn list(&self, relative: &Path) -> Result<Vec<(PathBuf, Kind)>, InventoryError> {
        let mut entries = Vec::new();
        for (name, kind) in self.folder.list(relative).map_err(self.failed(relative))? {
            let path = relative.join(&name);
            if name.to_string_lossy().starts_with('.') {
                continue;
            }
            if let Some(refusal) = kind.refused() {
                return Err(self.failed(&path)(refusal.into()));
            }
            entries.push((path, kind));
        }
        Ok(entries)
    }

    /// The name of a folder that is not an account's. In the place of a file it would hide what the file says.
    fn other(&self, relative: &Path) -> Result<String, InventoryError> {
        let name = file_name(relative).unwrap_or_default();
        if has_extension(&name, "json") || has_extension(&name, "csv") {
            let why = "it is a directory, but should be a file";
            return Err(self.failed(relative)(std::io::Error::new(std::io::ErrorKind::IsADirectory, why)));
        }
        Ok(self.shown(relative))
    }

    fn text(&self, relative: &Path) -> Result<String, InventoryError> {
        let bytes = self.folder.read(relative, LARGEST).map_err(self.failed(relative))?;
        decode(bytes).map_err(|problem| InventoryError::malformed(&self.shown(relative), problem))
    }
}

/// Anything that `aws iam` prints and that is read here. Which of them a document is shows in its members.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Page {
    user_detail_list: Option<Vec<UserPage>>,
    group_detail_list: Option<Vec<GroupPage>>,
    policies: Option<Vec<PolicyPage>>,
    #[serde(rename = "VirtualMFADevices")]
    virtual_mfa_devices: Option<Vec<VirtualPage>>,
    #[serde(rename = "MFADevices")]
    mfa_devices: Option<Vec<DevicePage>>,
    summary_map: Option<BTreeMap<String, i64>>,
    users: Option<Vec<UserPage>>,
    content: Option<String>,
    generated_time: Option<DateTime<Utc>>,
    is_truncated: Option<bool>,
    next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct UserPage {
    user_name: String,
    user_id: Option<String>,
    arn: Option<String>,
    create_date: Option<DateTime<Utc>>,
    #[serde(default)]
    user_policy_list: Vec<InlinePage>,
    #[serde(default)]
    group_list: Vec<String>,
    #[serde(default)]
    attached_managed_policies: Vec<AttachedPage>,
    #[serde(default)]
    tags: Vec<TagPage>,
    permissions_boundary: Option<BoundaryPage>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct BoundaryPage {
    permissions_boundary_arn: Option<String>,
}

impl UserPage {
    fn into_listed(self) -> ListedUser {
        ListedUser { name: Name(self.user_name), id: self.user_id, arn: self.arn, created_at: self.create_date }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TagPage {
    key: String,
    value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct InlinePage {
    #[serde(default)]
    policy_name: String,
    policy_document: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AttachedPage {
    policy_arn: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GroupPage {
    group_name: String,
    arn: Option<String>,
    #[serde(default)]
    group_policy_list: Vec<InlinePage>,
    #[serde(default)]
    attached_managed_policies: Vec<AttachedPage>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PolicyPage {
    arn: String,
    default_version_id: Option<String>,
    #[serde(default)]
    policy_version_list: Vec<VersionPage>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct VersionPage {
    version_id: String,
    #[serde(default)]
    is_default_version: bool,
    #[serde(default)]
    document: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DevicePage {
    user_name: Option<String>,
    serial_number: String,
    enable_date: Option<DateTime<Utc>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct VirtualPage {
    serial_number: String,
    enable_date: Option<DateTime<Utc>>,
    user: Option<OwnerPage>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct OwnerPage {
    user_name: Option<String>,
    user_id: Option<String>,
    arn: Option<String>,
}

impl VirtualPage {
    /// `None` where the owner cannot be told from what is there.
    fn into_state(self) -> Option<VirtualDevice> {
        let owner = match self.user {
            None => None,
            Some(user) => Some(owner(user.arn.as_deref(), user.user_name.as_deref(), user.user_id.as_deref())?),
        };
        Some(VirtualDevice { device: Device { serial: self.serial_number, enabled_at: self.enable_date }, owner })
    }
}

/// Whose a virtual device is. The root user's ARN says `root`, and its name is empty.
pub(crate) fn owner(arn: Option<&str>, name: Option<&str>, id: Option<&str>) -> Option<DeviceOwner> {
    let arn = arn.and_then(Arn::parse);
    if arn.is_some_and(|arn| arn.resource == "root") {
        return Some(DeviceOwner::Root);
    }
    let of_arn = || Some(arn::name(arn?.resource_of("user")?));
    let name = name.filter(|name| !name.is_empty()).or_else(of_arn).filter(|name| !name.is_empty())?;
    Some(DeviceOwner::User { name: name.to_owned(), id: id.map(str::to_owned) })
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use serde_json::json;

    use super::*;

    const REPORT: &str = "user,arn,user_creation_time,password_enabled,mfa_active,access_key_1_active,access_key_2_active\n\
        <root_account>,arn:aws:iam::111122223333:root,2020-01-01T00:00:00+00:00,not_supported,true,false,false\n\
        Alice,arn:aws:iam::111122223333:user/Alice,2021-01-01T00:00:00+00:00,true,true,true,false\n\
        bob,arn:aws:iam::111122223333:user/bob,2021-02-01T00:00:00+00:00,false,false,false,false\n";

    fn at(text: &str) -> DateTime<Utc> {
        DateTime::parse_from_rfc3339(text).expect("a time").with_timezone(&Utc)
    }

    fn now() -> DateTime<Utc> {
        at("2026-03-08T12:00:00Z")
    }

    fn details() -> Value {
        let guard = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "NotAction": ["iam:EnableMFADevice"],
            "Resource": "*", "Condition": {"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}}}]});
        let mut encoded = String::new();
        for byte in guard.to_string().bytes() {
            write!(encoded, "%{byte:02X}").expect("a string takes text");
        }
        json!({
            "UserDetailList": [
                {"UserName": "Alice", "UserId": "AIDAEXAMPLEALICE", "Arn": "arn:aws:iam::111122223333:user/Alice",
                 "CreateDate": "2021-01-01T00:00:00+00:00", "GroupList": ["Staff"],
                 "AttachedManagedPolicies": [{"PolicyName": "AdministratorAccess", "PolicyArn": "arn:aws:iam::aws:policy/AdministratorAccess"}],
                 "Tags": [{"Key": "owner-email", "Value": "alice@example.com"}]},
                {"UserName": "bob", "UserId": "AIDAEXAMPLEBOB", "Arn": "arn:aws:iam::111122223333:user/bob",
                 "CreateDate": "2021-02-01T00:00:00Z",
                 "UserPolicyList": [{"PolicyName": "guard", "PolicyDocument": guard}]},
                {"UserName": "carol", "UserId": "AIDAEXAMPLECAROL", "Arn": "arn:aws:iam::111122223333:user/carol",
                 "CreateDate": "2026-03-08T11:00:00Z",
                 "AttachedManagedPolicies": [{"PolicyName": "own", "PolicyArn": "arn:aws:iam::111122223333:policy/own"}]}
            ],
            "GroupDetailList": [{"GroupName": "staff", "GroupId": "AGPAEXAMPLE", "Arn": "arn:aws:iam::111122223333:group/staff",
                "GroupPolicyList": [{"PolicyName": "guard", "PolicyDocument": encoded}], "AttachedManagedPolicies": []}],
            "RoleDetailList": [],
            "Policies": [{"PolicyName": "own", "Arn": "arn:aws:iam::111122223333:policy/other", "DefaultVersionId": "v2",
                "PolicyVersionList": [{"VersionId": "v1", "IsDefaultVersion": false}]}]
        })
    }

    fn virtual_devices() -> Value {
        json!({"VirtualMFADevices": [
            {"SerialNumber": "arn:aws:iam::111122223333:mfa/root-account-mfa-device", "EnableDate": "2020-01-02T00:00:00+00:00",
             "User": {"UserId": "111122223333", "Arn": "arn:aws:iam::111122223333:root", "CreateDate": "2020-01-01T00:00:00+00:00"}},
            {"SerialNumber": "arn:aws:iam::111122223333:mfa/phone", "EnableDate": "2021-01-02T00:00:00Z",
             "User": {"UserName": "alice", "UserId": "AIDAEXAMPLEALICE", "Arn": "arn:aws:iam::111122223333:user/alice"}},
            {"SerialNumber": "arn:aws:iam::111122223333:mfa/spare"}]})
    }

    fn directory(files: &[(&str, String)]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().expect("a directory");
        for (name, text) in files {
            let path = directory.path().join(name);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            fs::write(path, text).expect("a file");
        }
        directory
    }

    fn error(files: &[(&str, String)], as_of: Option<DateTime<Utc>>) -> String {
        let directory = directory(files);
        read(directory.path(), as_of).expect_err("an error").to_string()
    }

    #[test]
    fn all_files_become_one_state() {
        let directory = directory(&[
            ("credential-report.csv", REPORT.to_owned()),
            ("account-authorization-details.json", details().to_string()),
            ("virtual-mfa-devices.json", virtual_devices().to_string()),
            (
                "mfa-devices-ALICE.json",
                json!({"MFADevices": [
                    {"UserName": "Alice", "SerialNumber": "GAHT12345678", "EnableDate": "2022-01-01T00:00:00+00:00"},
                    {"UserName": "Alice", "SerialNumber": "arn:aws:iam::111122223333:mfa/phone", "EnableDate": "2021-01-02T00:00:00Z"}]})
                .to_string(),
            ),
            ("mfa-devices-bob.json", json!({"MFADevices": []}).to_string()),
            ("account-summary.json", json!({"SummaryMap": {"AccountMFAEnabled": 1, "AccountPasswordPresent": 0, "AccountAccessKeysPresent": 0}}).to_string()),
            ("README.md", "how these were printed".to_owned()),
            (".DS_Store", "x".to_owned()),
            ("notes.txt", "x".to_owned()),
            ("roles.json", json!({"Roles": []}).to_string()),
        ]);
        let state = read(directory.path(), Some(now())).expect("a state");
        assert_eq!(state.taken_at, now());
        let account = &state.accounts["111122223333"];
        assert!(account.users_complete);
        let [alice, bob, carol] = account.users.as_slice() else { panic!("three users") };
        assert_eq!((alice.name.as_str(), alice.id.as_deref()), ("Alice", Some("AIDAEXAMPLEALICE")));
        assert_eq!((alice.password, alice.mfa_active, alice.active_access_keys), (Some(true), Some(true), Some(1)));
        assert_eq!((alice.mfa_enforced, alice.privileged), (Some(true), Some(true)), "through the group and by name");
        assert_eq!(alice.devices.as_ref().map(Vec::len), Some(2));
        assert_eq!(
            alice.tags.as_ref().and_then(|tags| tags.get("owner-email")).map(String::as_str),
            Some("alice@example.com")
        );
        assert_eq!(
            (bob.devices.as_ref().map(Vec::len), bob.mfa_active, bob.password),
            (Some(0), Some(false), Some(false))
        );
        assert_eq!((bob.mfa_enforced, bob.privileged), (Some(true), Some(false)));
        assert_eq!(
            (carol.password, carol.mfa_active, carol.devices.as_ref()),
            (None, None, None),
            "newer than the report"
        );
        assert_eq!((carol.mfa_enforced, carol.privileged), (None, None), "its policy is not in the files");
        let root = account.root.as_ref().expect("a root user");
        assert_eq!((root.mfa_active, root.password, root.active_access_keys), (Some(true), Some(false), Some(0)));
        let owners: Vec<_> = account.virtual_devices.iter().flatten().map(|device| device.owner.clone()).collect();
        assert_eq!(
            owners[0],
            Some(DeviceOwner::User { name: "alice".to_owned(), id: Some("AIDAEXAMPLEALICE".to_owned()) })
        );
        assert_eq!(owners[1], Some(DeviceOwner::Root));
        assert_eq!(owners[2], None);
        let missing: Vec<&str> = state.missing.iter().map(|missing| missing.what.as_str()).collect();
        assert!(missing.contains(&"policy documents") && missing.contains(&"MFA devices of users"), "{missing:?}");
        assert_eq!(missing.iter().filter(|what| what.starts_with("file `")).count(), 2, "{missing:?}");

        let mut bytes = Vec::new();
        snapshot::write(&state, &mut bytes).expect("a snapshot");
        let file = directory.path().join("snapshot.json");
        fs::write(&file, &bytes).expect("a file");
        assert_eq!(read(&file, None).expect("a state"), state);
        assert!(read(&file, Some(now())).expect_err("two times").to_string().contains("has its own time"));
        let newer = String::from_utf8(bytes).expect("text").replace("snapshot/1", "snapshot/2");
        fs::write(&file, &newer).expect("a file");
        assert!(read(&file, None).expect_err("newer").to_string().contains("schema 2; this build reads up to 1"));
        fs::write(&file, newer.replace("mfatrail.iam-snapshot/2", "other/1")).expect("a file");
        assert!(read(&file, None).expect_err("another").to_string().contains("has schema `other/1`"));
    }

    #[test]
    fn any_subset_will_do_and_what_is_missing_is_said() {
        let what = |files: &[(&str, String)]| -> Vec<String> {
            let state = read(directory(files).path(), Some(now())).expect("a state");
            state.missing.into_iter().map(|missing| missing.what).collect()
        };
        assert_eq!(
            what(&[("credential-report.csv", REPORT.to_owned())]),
            ["MFA devices of users", "policies", "virtual MFA devices"]
        );
        assert_eq!(
            what(&[("virtual-mfa-devices.json", virtual_devices().to_string())]),
            ["MFA devices of users", "credential report", "list of users", "policies", "root user"]
        );
        let virtual_only = directory(&[("virtual-mfa-devices.json", virtual_devices().to_string())]);
        let account = &read(virtual_only.path(), Some(now())).expect("a state").accounts["111122223333"];
        assert!(!account.users_complete);
        assert_eq!((account.users[0].name.as_str(), account.users[0].mfa_active), ("alice", Some(true)));
        assert_eq!(account.root.as_ref().and_then(|root| root.mfa_active), Some(true));
        let users = json!({"Users": [{"UserName": "alice", "UserId": "AIDAEXAMPLE", "Arn": "arn:aws:iam::111122223333:user/alice", "CreateDate": "2021-01-01T00:00:00Z"}]});
        let listed = directory(&[("users.json", users.to_string())]);
        assert!(read(listed.path(), Some(now())).expect("a state").accounts["111122223333"].users_complete);
    }

    #[test]
    fn the_time_is_said_or_the_report_bears_it() {
        let encoded = json!({"Content": STANDARD.encode(REPORT), "ReportFormat": "text/csv", "GeneratedTime": "2026-03-08T09:00:00+00:00"}).to_string();
        let report = ("credential-report.json", encoded);
        let alone = directory(std::slice::from_ref(&report));
        assert_eq!(read(alone.path(), None).expect("a state").taken_at, at("2026-03-08T09:00:00Z"));
        assert_eq!(read(&alone.path().join(report.0), None).expect("a file alone").accounts.len(), 1);
        let later = read(alone.path(), Some(now())).expect("a state");
        assert!(
            later.missing.iter().any(|missing| missing.why.contains("2026-03-08T09:00:00Z")),
            "{:?}",
            later.missing
        );
        let devices = ("virtual-mfa-devices.json", virtual_devices().to_string());
        assert!(
            error(&[report.clone(), devices], None)
                .contains("virtual-mfa-devices.json` does not say when it was created (hint: add `--iam-as-of`)")
        );
        assert!(error(&[("credential-report.csv", REPORT.to_owned())], None).contains("--iam-as-of"));
        assert!(error(&[report], Some(at("2026-03-08T08:00:00Z"))).contains("is before the credential report"));
    }

    #[test]
    fn several_accounts_in_folders() {
        let other = REPORT.replace("111122223333", "000011112222");
        let both = directory(&[
            ("111122223333/credential-report.csv", REPORT.to_owned()),
            ("000011112222/credential-report.csv", other.clone()),
            (
                "000011112222/mfa-devices-bob.json",
                json!({"MFADevices": [{"SerialNumber": "GAHT12345678"}]}).to_string(),
            ),
        ]);
        let state = read(both.path(), Some(now())).expect("a state");
        assert_eq!(state.accounts.keys().collect::<Vec<_>>(), ["000011112222", "111122223333"]);
        assert_eq!(state.accounts["000011112222"].users[1].mfa_active, Some(true), "the list is newer than the report");

        let misplaced = [("111122223333/credential-report.csv", other.clone())];
        assert!(
            error(&misplaced, Some(now()))
                .contains("is from account 000011112222, but is in the folder of 111122223333")
        );
        let mixed =
            [("111122223333/credential-report.csv", REPORT.to_owned()), ("credential-report.csv", REPORT.to_owned())];
        assert!(error(&mixed, Some(now())).contains("contains both files and account folders"));
        let several = [
            ("credential-report.csv", REPORT.to_owned()),
            (
                "users.json",
                json!({"Users": [{"UserName": "x", "Arn": "arn:aws:iam::000011112222:user/x"}]}).to_string(),
            ),
        ];
        assert!(error(&several, Some(now())).contains("are from several accounts"));
        let none = [("account-summary.json", json!({"SummaryMap": {"AccountMFAEnabled": 1}}).to_string())];
        assert!(error(&none, Some(now())).contains("says which account it is from"));
        assert!(error(&[], Some(now())).contains("contains no `aws iam` output"));
        assert!(error(&[("production/users.json", "{}".to_owned())], Some(now())).contains("folder per account ID"));
    }

    #[test]
    fn pages_are_put_together_and_a_torn_list_is_an_error() {
        let page = |name: &str, more: bool| {
            json!({"Users": [{"UserName": name, "Arn": format!("arn:aws:iam::111122223333:user/{name}")}], "IsTruncated": more}).to_string()
        };
        let whole = directory(&[("users.json", format!("{}\n{}", page("alice", true), page("bob", false)))]);
        assert_eq!(read(whole.path(), Some(now())).expect("a state").accounts["111122223333"].users.len(), 2);
        assert!(error(&[("users.json", page("alice", true))], Some(now())).contains("there are more pages"));
    }

    #[test]
    fn malformed_files_are_named_with_their_place() {
        let one = |name: &'static str, text: &str| error(&[(name, text.to_owned())], Some(now()));
        assert!(
            one("virtual-mfa-devices.json", "{\"VirtualMFADevices\": [\n  {\"SerialNumber\": 7}]}")
                .contains("line 2, column 20: invalid type")
        );
        assert!(one("virtual-mfa-devices.json", "{\"VirtualMFADevices\": [").contains("line 1, column 23"));
        assert!(
            one("account-authorization-details.json", "{}")
                .contains("contains no `aws iam` output that mfatrail reads")
        );
        assert!(one("account-authorization-details.json", "[]").contains("is not a JSON object"));
        assert!(one("users.json", " ").contains("is empty"));
        assert!(one("credential-report.csv", "dXNlcixhcm4=").contains("column `user` is missing"));
        assert!(one("credential-report.json", "{\"Content\": \"!!\"}").contains("not a base64-encoded"));
        assert!(one("devices.json", "{\"MFADevices\": []}").contains("does not say whose devices"));
        let other = json!({"MFADevices": [{"UserName": "bob", "SerialNumber": "GAHT12345678"}]}).to_string();
        assert!(one("mfa-devices-alice.json", &other).contains("its name says `alice`"));
        let dated = json!({"MFADevices": [{"SerialNumber": "GAHT12345678", "EnableDate": "Jan 1"}]}).to_string();
        assert!(one("mfa-devices-alice.json", &dated).contains("line 1, column"));
        let twice = [("credential-report.csv", REPORT.to_owned()), ("credential-report-2.csv", REPORT.to_owned())];
        assert!(error(&twice, Some(now())).contains("second credential report"));
    }

    #[test]
    fn lines_are_those_of_an_editor_in_every_kind_of_file() {
        for end in ["\n", "\r\n", "\r"] {
            let one = |name: &'static str, text: String| error(&[(name, text)], Some(now()));
            for mark in ["", "\u{feff}"] {
                let text = format!("{mark}{end}{{{end}\"VirtualMFADevices\": [{end}{end}  {{\"SerialNumber\": 7}}]}}");
                let message = one("virtual-mfa-devices.json", text);
                assert!(message.contains("line 5, column 20: invalid type"), "{end:?}: {message}");
                let text = format!("{mark}{{\"Users\": []}}{end}{{\"Users\":{end}{end} x}}{end}");
                let message = one("users.json", text);
                assert!(message.contains("line 4, column 2: expected value"), "{end:?}: {message}");
                let report = REPORT.trim_end().replace('\n', end)
                    + end
                    + end
                    + "carol,arn:aws:iam::111122223333:user/carol,yesterday";
                let line = REPORT.trim_end().lines().count() + 2;
                let expected = format!("line {line}, column 3 (`user_creation_time`)");
                let message = one("credential-report.csv", format!("{mark}{report}"));
                assert!(message.contains(&expected), "{end:?}: {message}");
                let content = STANDARD.encode(format!("{mark}{report}"));
                let text = format!("{{{end}{end}\"Content\":{end}\"{content}\"}}");
                let message = one("credential-report.json", text);
                assert!(
                    message.contains(&format!("credential-report.json (decoded Content)`: {expected}")),
                    "{message}"
                );
            }
            let snapshot = format!("{{\"schema\": \"{}\",{end}{end} \"taken_at\": 7}}", snapshot::SCHEMA);
            let message = snapshot::from_text("s.json", &snapshot).expect_err("no snapshot").to_string();
            assert!(message.starts_with("`s.json`: line 3, column 14: invalid type"), "{end:?}: {message}");
        }
    }

    #[test]
    fn utf_16_as_powershell_writes_it_is_read() {
        let text = json!({"Users": [{"UserName": "álice", "Arn": "arn:aws:iam::111122223333:user/álice"}]}).to_string();
        let home = tempfile::tempdir().expect("a directory");
        let bytes: Vec<u8> = format!("\u{feff}{text}\r\n").encode_utf16().flat_map(u16::to_le_bytes).collect();
        fs::write(home.path().join("users.json"), bytes).expect("a file");
        let state = read(home.path(), Some(now())).expect("a state");
        assert_eq!(state.accounts["111122223333"].users[0].name, "álice");
    }

    #[cfg(unix)]
    #[test]
    fn nothing_in_a_folder_is_followed_or_waited_for() {
        use std::os::unix::fs::symlink;
        let away = directory(&[("111122223333/users.json", "{\"Users\": []}".to_owned())]);
        let target = away.path().join("111122223333");
        let pipe = |path: &Path| {
            rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0)
                .expect("a pipe");
        };
        type Lay<'l> = &'l dyn Fn(&Path);
        let cases: [(&str, &str, Lay<'_>); 6] = [
            ("virtual-mfa-devices.json", "symbolic link", &|home| {
                symlink(target.join("users.json"), home.join("virtual-mfa-devices.json")).expect("linked")
            }),
            ("notes", "symbolic link", &|home| symlink("/etc/hostname", home.join("notes")).expect("linked")),
            ("444455556666", "symbolic link", &|home| symlink(&target, home.join("444455556666")).expect("linked")),
            ("dangling.json", "symbolic link", &|home| symlink("nowhere", home.join("dangling.json")).expect("linked")),
            ("users.json", "a pipe", &|home| pipe(&home.join("users.json"))),
            ("111122223333/mfa-devices-alice.json", "a pipe", &|home| {
                fs::create_dir(home.join("111122223333")).expect("made");
                pipe(&home.join("111122223333/mfa-devices-alice.json"));
            }),
        ];
        for (name, what, lay) in cases {
            let home = directory(&[("credential-report.csv", REPORT.to_owned())]);
            lay(home.path());
            let error = read(home.path(), Some(now())).expect_err(name).to_string();
            assert!(error.contains(name) && error.contains(what) && error.contains("hint"), "{error}");
        }
        // The folder itself is the user's own choice.
        let home = directory(&[("credential-report.csv", REPORT.to_owned())]);
        let link = away.path().join("link");
        symlink(home.path(), &link).expect("linked");
        assert!(read(&link, Some(now())).is_ok());
    }

    #[test]
    fn a_user_created_again_has_no_row_in_the_report() {
        let users = json!({"Users": [
            {"UserName": "alice", "UserId": "AIDANEW", "Arn": "arn:aws:iam::111122223333:user/alice", "CreateDate": "2026-03-08T11:00:00Z"}]});
        let directory = directory(&[("credential-report.csv", REPORT.to_owned()), ("users.json", users.to_string())]);
        let state = read(directory.path(), Some(now())).expect("a state");
        let account = &state.accounts["111122223333"];
        assert_eq!(account.users.len(), 1);
        assert_eq!((account.users[0].password, account.users[0].mfa_active), (None, None));
        let whys: Vec<&str> = state.missing.iter().map(|missing| missing.why.as_str()).collect();
        assert!(whys.iter().any(|why| why.contains("the row is not used")), "{whys:?}");
        assert!(whys.iter().any(|why| why.contains("`bob`") && why.contains("left out")), "{whys:?}");
    }
}
