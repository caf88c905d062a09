//! Whether the guardrails around MFA stand: of accounts that are asked, or of files that the AWS CLI printed.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;

use chrono::{DateTime, Utc};

use super::{Error, Run};
use crate::aws::Connection;
use crate::contract::{POSTURE_SCHEMA, Posture, PostureCheck, Verdict};
use crate::inventory::{Details, IamState, LiveOptions, read_live_with_policies};
use crate::partition;
use crate::posture::{Expectations, Folders, Gap, Iam, Live, OrganizationCalls, Subject, gather, judge, own_account};

/// How many accounts are asked side by side.
const AT_A_TIME: usize = 4;

/// Where the facts come from.
#[derive(Debug, Clone)]
pub enum PostureSource {
    /// A folder of what the AWS CLI printed, and when.
    Files {
        /// The folder.
        folder: PathBuf,
        /// When it was printed.
        as_of: DateTime<Utc>,
    },
    /// AWS.
    Live {
        /// How it is reached.
        connection: Connection,
        /// The role to assume in each account.
        role_name: Option<String>,
    },
}

/// What is asked.
#[derive(Debug, Clone)]
pub struct PostureRequest {
    /// Where the facts come from.
    pub source: PostureSource,
    /// Account ids; all that there are where none is named.
    pub accounts: Vec<String>,
    /// What the accounts are compared with.
    pub expected: Expectations,
}

/// The verdicts, and files that nothing was read from.
#[derive(Debug, Clone)]
pub struct PostureAnswer {
    /// The verdicts.
    pub posture: Posture,
    /// Files that are none of those that are read.
    pub unread: Vec<String>,
}

/// Judges the guardrails.
///
/// # Errors
/// [`Error`] where there is nothing to judge: no credentials, no such folder, a file that is malformed.
pub fn judge_posture(request: &PostureRequest, run: Run<'_>) -> Result<PostureAnswer, Error> {
    match &request.source {
        PostureSource::Files { folder, as_of } => from_files(request, folder.clone(), *as_of),
        PostureSource::Live { connection, role_name } => live(request, connection, role_name.as_deref(), run.now),
    }
}

fn from_files(request: &PostureRequest, folder: PathBuf, as_of: DateTime<Utc>) -> Result<PostureAnswer, Error> {
    let only = match request.accounts.as_slice() {
        [one] => Some(one.as_str()),
        _ => None,
    };
    let folders = Folders::open(&folder, only, as_of).map_err(Error::input)?;
    if let Some(missing) = request.accounts.iter().find(|account| !folders.accounts.contains_key(*account)) {
        let known: Vec<&str> = folders.accounts.keys().map(String::as_str).collect();
        return Err(Error::Input(format!(
            "`--account`: `{}` has no folder `{missing}`\n  hint: it has {}",
            folder.display(),
            known.join(", ")
        )));
    }
    let (mut checks, mut unread) = (Vec::new(), Vec::new());
    for (account, files) in &folders.accounts {
        if !request.accounts.is_empty() && !request.accounts.contains(account) {
            continue;
        }
        let iam = files.iam(account).map_err(Error::input)?;
        let partition = files.partition().unwrap_or_else(|| "aws".to_owned());
        let region = partition::iam_region_of(&partition).unwrap_or(crate::aws::DEFAULT_REGION).to_owned();
        let subject = Subject { account: account.clone(), partition, region, taken_at: as_of };
        let facts = gather(files, &subject, iam);
        files.check().map_err(Error::input)?;
        checks.extend(judge(&facts, &request.expected));
        unread.extend(files.unread());
    }
    Ok(PostureAnswer { posture: Posture::new(as_of, checks), unread })
}

fn live(
    request: &PostureRequest,
    connection: &Connection,
    role_name: Option<&str>,
    now: DateTime<Utc>,
) -> Result<PostureAnswer, Error> {
    let (own, partition) =
        own_account(connection).map_err(|why| Error::Failed(format!("could not call AWS: {why}")))?;
    if role_name.is_none()
        && let Some(other) = request.accounts.iter().find(|account| **account != own)
    {
        return Err(Error::Input(format!(
            "the credentials belong to account {own}, not to {other}\n  hint: name a role to assume there with `--iam-role`"
        )));
    }
    let accounts = if request.accounts.is_empty() { vec![own] } else { request.accounts.clone() };
    let region = partition::iam_region_of(&partition).map(str::to_owned);
    let region = region.or_else(|| connection.region.clone()).unwrap_or_else(|| crate::aws::DEFAULT_REGION.to_owned());
    let (state, policies, refused) = iam(connection, role_name, &accounts, now);
    let iam_answers = Mutex::new((state, policies));
    let organization = OrganizationCalls::new(connection, &region);
    let checks = Mutex::new(Vec::new());
    let queue = Mutex::new(accounts.iter());
    let work = || {
        loop {
            let Some(account) = locked(&queue).next() else { return };
            let role_arn =
                role_name.map(|role| format!("arn:{partition}:iam::{account}:role/{}", role.trim_start_matches('/')));
            let own = Connection { role_arn: role_arn.or_else(|| connection.role_arn.clone()), ..connection.clone() };
            let subject = Subject {
                account: account.clone(),
                partition: partition.clone(),
                region: region.clone(),
                taken_at: now,
            };
            let iam = of_account(&mut locked(&iam_answers), account, &refused);
            let facts = gather(&Live::new(&own, &region, &organization), &subject, iam);
            let judged = judge(&facts, &request.expected);
            locked(&checks).extend(judged);
        }
    };
    std::thread::scope(|scope| {
        for _worker in 0..AT_A_TIME.min(accounts.len()) {
            scope.spawn(work);
        }
    });
    let checks: Vec<PostureCheck> = checks.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    Ok(PostureAnswer { posture: Posture::new(now, checks), unread: Vec::new() })
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

type Answers = (Option<IamState>, BTreeMap<String, Details>);

/// What IAM says of all accounts, and why it says nothing where it does not.
fn iam(
    connection: &Connection,
    role_name: Option<&str>,
    accounts: &[String],
    now: DateTime<Utc>,
) -> (Option<IamState>, BTreeMap<String, Details>, String) {
    let options = LiveOptions {
        profile: connection.profile.clone(),
        region: connection.region.clone(),
        endpoint_url: connection.endpoint_url.clone(),
        role_name: role_name.map(str::to_owned),
        accounts: accounts.to_vec(),
        now,
    };
    match read_live_with_policies(&options) {
        Ok((state, policies)) => (Some(state), policies, String::new()),
        Err(error) => (None, BTreeMap::new(), error.to_string()),
    }
}

fn of_account(answers: &mut Answers, account: &str, refused: &str) -> Result<Iam, Gap> {
    let Some(state) = &mut answers.0 else { return Err(Gap(refused.to_owned())) };
    let notes = state.missing.iter().filter(|note| note.account.as_deref().is_none_or(|one| one == account));
    let missing: Vec<String> = notes.map(|note| format!("{}: {}", note.what, note.why)).collect();
    match state.accounts.remove(account) {
        Some(state) => Ok(Iam { state, details: answers.1.remove(account), missing }),
        None => Err(Gap(if missing.is_empty() {
            "IAM of this account could not be read".to_owned()
        } else {
            missing.join("; ")
        })),
    }
}

/// Reads a document that `mfatrail posture --format json` printed.
///
/// # Errors
/// [`Error::Input`] where it cannot be read or is none.
pub fn read_posture(path: &std::path::Path) -> Result<Posture, Error> {
    let (_, text) = crate::inputs::read_text(path).map_err(Error::input)?;
    let malformed = |what: String| Error::Input(format!("`{}`: {what}", path.display()));
    let posture: Posture = serde_json::from_str(&text)
        .map_err(|error| malformed(format!("it is not what `mfatrail posture --format json` prints: {error}")))?;
    if posture.schema != POSTURE_SCHEMA {
        return Err(malformed(format!("its schema is `{}`, and `{POSTURE_SCHEMA}` is read", posture.schema)));
    }
    // Which risks are accepted is for the report to say.
    let checks = posture.checks.into_iter().map(|check| PostureCheck { exceptions: Vec::new(), ..check });
    Ok(Posture::new(posture.taken_at, checks.collect()))
}

/// Whether checks fail, and whether some cannot be told: of all codes, or of those that are named.
#[must_use]
pub fn worst(posture: &Posture, only: &[crate::contract::PostureCode]) -> Verdict {
    let named = posture.checks.iter().filter(|check| only.is_empty() || only.contains(&check.code));
    named.map(|check| check.verdict).min().unwrap_or(Verdict::Pass)
}
