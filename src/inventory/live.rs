//! `--iam live`: asks IAM itself, in one account or, through a role, in many.
//!
//! A call that is refused takes nothing from the others: the state is what the rest tells, and says what it lacks and
//! which permission would mend it. Wrong credentials and a broken connection are another matter; there, nothing that
//! follows could be trusted to be whole, and the run ends.
//!
//! IAM hands out the last credential report for four hours. A report that is older than a quarter of an hour would
//! show passwords and keys of another moment than the devices, so users are then asked about one by one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_config::SdkConfig;
use aws_sdk_iam::Client;
use aws_sdk_iam::config::ProvideCredentials;
use aws_sdk_iam::error::SdkError;
use aws_sdk_iam::types::{
    AssignmentStatusType, AttachedPolicy, EntityType, MfaDevice, PolicyDetail, ReportStateType, StatusType,
    SummaryKeyType,
};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::credential_report::{self, CredentialReport};
use super::error::InventoryError;
use super::files::{account_of, owner};
use super::merge::{Answers, DetailedUser, Details, Grants, Inline, ListedUser, Name, join, some};
use super::policy::Policy;
use super::state::{AsOf, Device, IamState, InputGap, MissingInput, VirtualDevice};
use crate::aws::{self, Bound, Connection, Pages, Trust};
use crate::partition;

/// Calls about single users at a time. IAM throttles an account at a few dozen calls a second.
const AT_A_TIME: usize = 8;
/// How often a credential report is asked for before it is given up: two minutes in all.
const REPORT_ROUNDS: u32 = 40;
/// How many pages an answer has at most: an account's quotas fill a few hundred.
const MOST_PAGES: u32 = 10_000;
/// How much is read of one account. The longest answers are its policies, each with five versions.
const BOUND: Bound = Bound { answer: 16 << 20, all: 256 << 20 };
/// A credential report that is older than this, in seconds, is not of the moment.
const FRESH_S: i64 = 15 * 60;

/// What to ask, and as whom.
#[derive(Debug, Clone)]
pub struct LiveOptions {
    /// `--profile`.
    pub profile: Option<String>,
    /// `--aws-region`.
    pub region: Option<String>,
    /// `--endpoint-url`: a stand-in for AWS, asked for STS as well.
    pub endpoint_url: Option<String>,
    /// A role's name, path included where it has one, to be assumed in each of `accounts`; `None` asks the account of
    /// the credentials.
    pub role_name: Option<String>,
    /// Account ids. Without a role, empty or the credentials' own.
    pub accounts: Vec<String>,
    /// The snapshot time: the moment at which the questions begin.
    pub now: DateTime<Utc>,
}

/// Asks IAM. Blocks until all is read; must not be called from within an asynchronous runtime.
///
/// # Errors
/// [`InventoryError`] where there are no credentials or wrong ones, where AWS cannot be reached, where no account could
/// be read at all, or where the options contradict each other.
pub fn read_live(options: &LiveOptions) -> Result<IamState, InventoryError> {
    read_live_with_policies(options).map(|(state, _)| state)
}

/// As [`read_live`], and the policies of each account.
pub(crate) fn read_live_with_policies(
    options: &LiveOptions,
) -> Result<(IamState, BTreeMap<String, Details>), InventoryError> {
    let runtime =
        aws::runtime().map_err(|error| InventoryError::Aws(format!("cannot start the AWS client: {error}")))?;
    let mut policies = BTreeMap::new();
    runtime.block_on(read(options, &mut policies)).map(|state| (state, policies))
}

/// The features of central root access that the organization has, such as `RootCredentialsManagement`; a refusal as the service's
/// code and words.
pub(crate) fn organization_features(connection: &Connection) -> Result<Vec<String>, (Option<String>, String)> {
    let failed = |error: std::io::Error| (None, format!("cannot start the AWS client: {error}"));
    aws::runtime().map_err(failed)?.block_on(async {
        let client = Client::new(&aws::bounded_config(connection, BOUND).await);
        match client.list_organizations_features().send().await {
            Ok(answer) => Ok(answer.enabled_features().iter().map(|feature| feature.as_str().to_owned()).collect()),
            Err(error) => Err((aws::error_code(&error).map(str::to_owned), aws::describe(&error))),
        }
    })
}

async fn read(options: &LiveOptions, policies: &mut BTreeMap<String, Details>) -> Result<IamState, InventoryError> {
    let connection = Connection {
        profile: options.profile.clone(),
        region: options.region.clone(),
        endpoint_url: options.endpoint_url.clone(),
        ..Connection::default()
    };
    let trust = Trust::of(connection.profile.as_deref()).await;
    let config = aws::trusting(&connection, &trust).await;
    let profile = options.profile.as_deref();
    let own_account = credentials(&config, profile).await.map_err(|reason| {
        let login = profile.map_or_else(String::new, |profile| format!(" --profile {profile}"));
        InventoryError::Aws(format!(
            "no usable AWS credentials: {reason} (hint: run `aws sso login{login}`, or name a profile with `--profile`)"
        ))
    })?;
    let clock = Clock { begun: options.now, at: Instant::now() };
    let mut state = IamState { taken_at: options.now, accounts: BTreeMap::new(), missing: Vec::new() };
    let Some(role) = &options.role_name else {
        let started = clock.now();
        let (account, answers, missing) =
            ask(&config, &trust, own_account, options.now).await.map_err(Unanswered::into_error)?;
        if let Some(other) = options.accounts.iter().find(|other| **other != account) {
            return Err(InventoryError::Unusable(format!(
                "the credentials are for account {account}, not for {other} (hint: use `--iam-role` with a role to assume there)"
            )));
        }
        add(&mut state, &account, &answers, clock.since(started), missing);
        policies.extend(answers.details.map(|details| (account, details)));
        return Ok(finish(state));
    };
    if options.accounts.is_empty() {
        return Err(InventoryError::Unusable(format!(
            "no account is given in which to assume the role `{role}` (hint: add `--account`)"
        )));
    }
    let partition = partition::of_region(config.region().map_or(aws::DEFAULT_REGION, AsRef::as_ref));
    let mut reason = String::new();
    for account in &options.accounts {
        let arn = format!("arn:{partition}:iam::{account}:role/{}", role.trim_start_matches('/'));
        let started = clock.now();
        let member = aws::assume(&config, &arn, None).await;
        let answered = match credentials(&member, None).await {
            Ok(_) => ask(&member, &trust, Some(account.clone()), options.now).await,
            Err(why) => Err(Unanswered::Account(format!("`{arn}` cannot be assumed: {why}"))),
        };
        match answered {
            Ok((account, answers, missing)) => {
                add(&mut state, &account, &answers, clock.since(started), missing);
                policies.extend(answers.details.map(|details| (account, details)));
            }
            Err(Unanswered::Account(why)) => {
                state.missing.push(MissingInput {
                    account: Some(account.clone()),
                    what: "IAM state".to_owned(),
                    why: format!("{why}; this account's users, devices and policies are unknown"),
                    kind: InputGap::Missing,
                });
                reason = why;
            }
            Err(Unanswered::Everything(why)) => return Err(InventoryError::Aws(why)),
        }
    }
    if state.accounts.is_empty() {
        return Err(InventoryError::Aws(format!("no account could be read: {reason}")));
    }
    Ok(finish(state))
}

/// What time it is while the questions are asked: those of one account take seconds, those of an organization minutes,
/// and what is done meanwhile may be in an answer or not.
struct Clock {
    begun: DateTime<Utc>,
    at: Instant,
}

impl Clock {
    fn now(&self) -> DateTime<Utc> {
        self.begun + TimeDelta::seconds(i64::try_from(self.at.elapsed().as_secs()).unwrap_or(i64::MAX / 1000))
    }

    fn since(&self, started: DateTime<Utc>) -> AsOf {
        AsOf { earliest: started, latest: self.now() }
    }
}

/// Why an account gave no state.
enum Unanswered {
    /// It refused; others may answer.
    Account(String),
    /// No account would answer.
    Everything(String),
}

impl Unanswered {
    fn into_error(self) -> InventoryError {
        match self {
            Self::Account(reason) | Self::Everything(reason) => InventoryError::Aws(reason),
        }
    }
}

fn add(state: &mut IamState, account: &str, answers: &Answers, as_of: AsOf, missing: Vec<MissingInput>) {
    let (joined, notes) = join(account, answers, as_of, state.taken_at);
    state.accounts.insert(account.to_owned(), joined);
    state.missing.extend(notes);
    state.missing.extend(missing);
}

fn finish(mut state: IamState) -> IamState {
    state.missing.sort();
    state.missing.dedup();
    state
}

/// Fetches credentials once, so that their absence is said once and not by every call. Gives the account, where the
/// credentials name it.
async fn credentials(config: &SdkConfig, profile: Option<&str>) -> Result<Option<String>, String> {
    let provider = config.credentials_provider().ok_or("none are configured")?;
    let credentials = provider.provide_credentials().await.map_err(|error| aws::no_credentials(&error, profile))?;
    Ok(credentials.account_id().map(|account| account.as_str().to_owned()))
}

/// One account's answers. `account` is its id, where it is known already.
async fn ask(
    config: &SdkConfig,
    trust: &Trust,
    account: Option<String>,
    now: DateTime<Utc>,
) -> Result<(String, Answers, Vec<MissingInput>), Unanswered> {
    let config = aws::bounded(config, trust, BOUND);
    let settings = aws_sdk_iam::config::Builder::from(&config).retry_partition(aws::retry_partition("iam")).build();
    let client = Client::from_conf(settings);
    let mut gaps = Gaps::default();
    let mut answers = Answers {
        users: gaps.take(users(&client).await, &LIST_USERS)?,
        details: gaps.take(details(&client).await, &DETAILS)?,
        virtual_devices: gaps.take(virtual_devices(&client).await, &VIRTUAL_DEVICES)?,
        summary: gaps.take(summary(&client).await, &SUMMARY)?,
        ..Answers::default()
    };
    answers.report = gaps.take(report(&client).await, &REPORT)?;
    let fresh = |report: &CredentialReport| {
        report.generated_at.is_some_and(|generated| (now - generated).num_seconds().abs() <= FRESH_S)
    };
    let one_by_one = !answers.report.as_ref().is_some_and(fresh);
    if one_by_one && let Some(generated) = answers.report.as_ref().and_then(|report| report.generated_at) {
        gaps.stale = Some(generated);
    }
    let names: Vec<Name> = match (&answers.users, &answers.details, &answers.report) {
        (Some(users), _, _) => users.iter().map(|user| user.name.clone()).collect(),
        (None, Some(details), _) => details.users.iter().map(|user| user.listed.name.clone()).collect(),
        (None, None, Some(report)) => {
            report.rows.iter().filter(|row| !row.is_root()).map(|row| Name(row.name.clone())).collect()
        }
        (None, None, None) => Vec::new(),
    };
    each_user(&client, names, one_by_one, &mut answers, &mut gaps).await?;
    if gaps.answered == 0 {
        let reason = gaps.list.first().map(|gap| gap.1.clone()).unwrap_or_default();
        return Err(Unanswered::Account(format!(
            "every IAM call was refused: {reason} (hint: the AWS managed policy `SecurityAudit` allows them)"
        )));
    }
    let account = match account.or_else(|| account_in(&answers)) {
        Some(account) => account,
        // The account has neither users nor devices, and the credentials do not say whose they are.
        None => {
            let caller = client.get_user().send().await.ok().and_then(|answer| answer.user);
            caller.and_then(|user| account_of(&user.arn).map(str::to_owned)).ok_or_else(|| {
                Unanswered::Account(
                    "the IAM responses do not show the account (hint: allow `iam:ListUsers`)".to_owned(),
                )
            })?
        }
    };
    let missing = gaps.missing(&account);
    Ok((account, answers, missing))
}

fn account_in(answers: &Answers) -> Option<String> {
    let users = answers.users.iter().flatten().filter_map(|user| user.arn.as_deref());
    let detailed = answers.details.iter().flat_map(|details| &details.users);
    let rows = answers.report.iter().flat_map(|report| &report.rows);
    let devices = answers.virtual_devices.iter().flatten();
    users
        .chain(detailed.filter_map(|user| user.listed.arn.as_deref()))
        .chain(rows.map(|row| row.arn.as_str()))
        .chain(devices.map(|device| device.device.serial.as_str()))
        .find_map(account_of)
        .map(str::to_owned)
}

/// A question, and what an account's state lacks without its answer.
struct Question {
    what: &'static str,
    permission: &'static str,
    lacks: &'static str,
}

const LIST_USERS: Question = Question {
    what: "list of users",
    permission: "iam:ListUsers",
    lacks: "users are known only from the other responses",
};
const DETAILS: Question = Question {
    what: "policies",
    permission: "iam:GetAccountAuthorizationDetails",
    lacks: "owners (tags), MFA enforced by policy, and privileges are unknown",
};
const VIRTUAL_DEVICES: Question = Question {
    what: "virtual MFA devices",
    permission: "iam:ListVirtualMFADevices",
    lacks: "devices without an owner, and the root user's virtual device, are unknown",
};
const SUMMARY: Question = Question {
    what: "account summary",
    permission: "iam:GetAccountSummary",
    lacks: "whether the root user has MFA and a password is known only from the credential report",
};
const REPORT: Question = Question {
    what: "credential report",
    permission: "iam:GenerateCredentialReport, iam:GetCredentialReport",
    lacks: "users are read one by one, and the root user is known only from the account summary",
};
const DEVICES: Question = Question {
    what: "MFA devices of users",
    permission: "iam:ListMFADevices",
    lacks: "which hardware keys and tokens they have, and since when, is unknown",
};
const PASSWORDS: Question = Question {
    what: "console passwords",
    permission: "iam:GetLoginProfile",
    lacks: "whether they have a console password is known only from the credential report",
};
const ACCESS_KEYS: Question = Question {
    what: "access keys",
    permission: "iam:ListAccessKeys",
    lacks: "whether they have active access keys is known only from the credential report",
};

/// Why a question has no answer.
enum Refusal {
    /// This question was refused; others may be answered.
    One(String),
    /// No question will be answered.
    All(String),
    /// What the question is about does not exist.
    Absent(String),
}

impl<E> From<SdkError<E>> for Refusal
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    fn from(error: SdkError<E>) -> Self {
        let reason = aws::describe(&error);
        match (&error, aws::error_code(&error)) {
            (_, Some("NoSuchEntity" | "NoSuchEntityException")) => Self::Absent(reason),
            (
                _,
                Some(
                    "InvalidClientTokenId"
                    | "UnrecognizedClientException"
                    | "SignatureDoesNotMatch"
                    | "InvalidSignatureException"
                    | "IncompleteSignature"
                    | "MissingAuthenticationToken"
                    | "ExpiredToken"
                    | "ExpiredTokenException"
                    | "RequestExpired",
                ),
            ) => Self::All(format!("{reason} (hint: check the AWS credentials and the clock)")),
            (SdkError::ServiceError(_) | SdkError::ResponseError(_), _) => Self::One(reason),
            (SdkError::DispatchFailure(failure), _) if failure.is_io() || failure.is_timeout() => {
                Self::All(format!("{reason} (hint: check the network and --endpoint-url)"))
            }
            _ => Self::All(reason),
        }
    }
}

/// The questions without an answer.
#[derive(Default)]
struct Gaps {
    /// How many questions were answered.
    answered: usize,
    list: Vec<(MissingInput, String)>,
    /// When the report was generated, where that is not now.
    stale: Option<DateTime<Utc>>,
}

impl Gaps {
    fn take<T>(&mut self, answer: Result<T, Refusal>, question: &Question) -> Result<Option<T>, Unanswered> {
        match answer {
            Ok(answer) => {
                self.answered += 1;
                Ok(Some(answer))
            }
            Err(Refusal::One(reason) | Refusal::Absent(reason)) => {
                self.note(question, &reason, "");
                Ok(None)
            }
            Err(Refusal::All(reason)) => Err(Unanswered::Everything(format!("IAM cannot be called: {reason}"))),
        }
    }

    fn note(&mut self, question: &Question, reason: &str, whose: &str) {
        let why = format!("`{}` was refused{whose} ({reason}): {}", question.permission, question.lacks);
        let what = question.what.to_owned();
        let missing = MissingInput { account: None, what, why, kind: InputGap::Missing };
        self.list.push((missing, reason.to_owned()));
    }

    /// What the account's state lacks.
    fn missing(self, account: &str) -> Vec<MissingInput> {
        let fresher = [PASSWORDS.what, ACCESS_KEYS.what, DEVICES.what, SUMMARY.what];
        let fallback = self.list.iter().any(|(gap, _)| fresher.contains(&gap.what.as_str()));
        let stale = self.stale.filter(|_| fallback).map(|generated| MissingInput {
            account: None,
            what: REPORT.what.to_owned(),
            why: format!("IAM returned one generated at {generated:?}: data found only there is as of that time"),
            kind: InputGap::Old,
        });
        let gaps = self.list.into_iter().map(|(gap, _)| gap).chain(stale);
        gaps.map(|gap| MissingInput { account: Some(account.to_owned()), ..gap }).collect()
    }
}

/// Where an answer goes on. One that does not come to an end is no answer: what it lacks would count as not there.
fn next(pages: &mut Pages, truncated: bool, marker: Option<String>) -> Result<Option<String>, Refusal> {
    // A marker on the last page means nothing.
    let marker = marker.filter(|_| truncated);
    pages.next(truncated, marker.as_deref()).map_err(Refusal::One)
}

async fn users(client: &Client) -> Result<Vec<ListedUser>, Refusal> {
    let (mut pages, mut marker) = (Pages::new(MOST_PAGES), None);
    let mut users = Vec::new();
    loop {
        let page = client.list_users().set_marker(marker).send().await?;
        marker = next(&mut pages, page.is_truncated, page.marker)?;
        users.extend(page.users.into_iter().map(|user| ListedUser {
            name: Name(user.user_name),
            id: Some(user.user_id),
            arn: Some(user.arn),
            created_at: time(&user.create_date),
        }));
        if marker.is_none() {
            return Ok(users);
        }
    }
}

async fn details(client: &Client) -> Result<Details, Refusal> {
    let mut request = client.get_account_authorization_details();
    // Roles are left out: they have no MFA, and many accounts have thousands.
    for kind in [EntityType::User, EntityType::Group, EntityType::LocalManagedPolicy, EntityType::AwsManagedPolicy] {
        request = request.filter(kind);
    }
    let (mut pages, mut marker) = (Pages::new(MOST_PAGES), None);
    let mut details = Details::default();
    loop {
        let page = request.clone().set_marker(marker).send().await?;
        marker = next(&mut pages, page.is_truncated, page.marker)?;
        for user in page.user_detail_list.unwrap_or_default() {
            let Some(name) = user.user_name.clone() else { continue };
            details.users.push(DetailedUser {
                tags: user.tags().iter().map(|tag| (tag.key.clone(), tag.value.clone())).collect(),
                groups: user.group_list().iter().cloned().map(Name).collect(),
                grants: grants(user.user_policy_list(), user.attached_managed_policies()),
                boundary: user
                    .permissions_boundary
                    .as_ref()
                    .and_then(|boundary| boundary.permissions_boundary_arn.clone()),
                listed: ListedUser {
                    name: Name(name),
                    id: user.user_id,
                    arn: user.arn,
                    created_at: user.create_date.as_ref().and_then(time),
                },
            });
        }
        for group in page.group_detail_list.unwrap_or_default() {
            let grants = grants(group.group_policy_list(), group.attached_managed_policies());
            if let Some(name) = group.group_name {
                details.groups.insert(Name(name), grants);
            }
        }
        for policy in page.policies.unwrap_or_default() {
            let default = policy.policy_version_list().iter().find(|version| {
                version.is_default_version
                    || (version.version_id.is_some() && version.version_id == policy.default_version_id)
            });
            let document = default.and_then(|version| Policy::parse_text(version.document()?));
            if let Some(arn) = policy.arn {
                details.policies.insert(arn, document);
            }
        }
        if marker.is_none() {
            return Ok(details);
        }
    }
}

fn grants(inline: &[PolicyDetail], attached: &[AttachedPolicy]) -> Grants {
    Grants {
        inline: inline
            .iter()
            .map(|policy| Inline {
                name: policy.policy_name.clone().unwrap_or_default(),
                document: policy.policy_document().and_then(Policy::parse_text),
            })
            .collect(),
        attached: attached.iter().filter_map(|policy| policy.policy_arn.clone()).collect(),
    }
}

async fn virtual_devices(client: &Client) -> Result<Vec<VirtualDevice>, Refusal> {
    let request = client.list_virtual_mfa_devices().assignment_status(AssignmentStatusType::Any);
    let (mut pages, mut marker) = (Pages::new(MOST_PAGES), None);
    let mut devices = Vec::new();
    loop {
        let page = request.clone().set_marker(marker).send().await?;
        marker = next(&mut pages, page.is_truncated, page.marker)?;
        for device in page.virtual_mfa_devices {
            let owner = match device.user {
                None => None,
                Some(user) => {
                    Some(owner(Some(&user.arn), Some(&user.user_name), Some(&user.user_id)).ok_or_else(|| {
                        Refusal::One(format!("the owner of `{}` has neither name nor ARN", device.serial_number))
                    })?)
                }
            };
            let enabled_at = device.enable_date.as_ref().and_then(time);
            devices.push(VirtualDevice { device: Device { serial: device.serial_number, enabled_at }, owner });
        }
        if marker.is_none() {
            return Ok(devices);
        }
    }
}

async fn summary(client: &Client) -> Result<BTreeMap<String, i64>, Refusal> {
    let answer = client.get_account_summary().send().await?;
    let entry = |(key, value): (SummaryKeyType, i32)| (key.as_str().to_owned(), i64::from(value));
    Ok(answer.summary_map.unwrap_or_default().into_iter().map(entry).collect())
}

/// Has a report generated, unless IAM has one, and fetches it.
async fn report(client: &Client) -> Result<CredentialReport, Refusal> {
    let mut pause = Duration::from_millis(500);
    for _round in 0..REPORT_ROUNDS {
        let state = client.generate_credential_report().send().await?.state;
        if state == Some(ReportStateType::Complete) {
            match client.get_credential_report().send().await {
                Ok(answer) => {
                    let content = answer.content.map(aws_smithy_types::Blob::into_inner).unwrap_or_default();
                    let generated = answer.generated_time.as_ref().and_then(time);
                    let text = String::from_utf8(content)
                        .map_err(|_| Refusal::One("the report is not UTF-8 text".to_owned()))?;
                    return credential_report::parse("credential report", &text, generated)
                        .map_err(|error| Refusal::One(error.to_string()));
                }
                // It ran out between the two calls: another is generated.
                Err(error)
                    if matches!(
                        aws::error_code(&error),
                        Some("ReportNotPresent" | "ReportExpired" | "ReportInProgress")
                    ) => {}
                Err(error) => return Err(error.into()),
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(3));
    }
    Err(Refusal::One("IAM did not finish the report within two minutes".to_owned()))
}

/// What is asked about one user.
struct OneUser {
    name: Name,
    devices: Result<Vec<Device>, Refusal>,
    /// Only where the report is not of the moment.
    password: Option<Result<bool, Refusal>>,
    access_keys: Option<Result<u32, Refusal>>,
}

async fn each_user(
    client: &Client,
    names: Vec<Name>,
    one_by_one: bool,
    answers: &mut Answers,
    gaps: &mut Gaps,
) -> Result<(), Unanswered> {
    let permits = Arc::new(Semaphore::new(AT_A_TIME));
    let mut tasks = JoinSet::new();
    for name in names {
        let (client, permits) = (client.clone(), Arc::clone(&permits));
        tasks.spawn(async move {
            // The semaphore is never closed; were it, the tasks would merely all run at once.
            let _permit = permits.acquire_owned().await;
            OneUser {
                devices: devices_of(&client, &name).await,
                password: if one_by_one { Some(has_password(&client, &name).await) } else { None },
                access_keys: if one_by_one { Some(active_keys(&client, &name).await) } else { None },
                name,
            }
        });
    }
    let (mut devices, mut passwords, mut keys) = <[Vec<(Name, String)>; 3]>::default().into();
    while let Some(user) = tasks.join_next().await {
        let user =
            user.map_err(|error| Unanswered::Everything(format!("a call about a user did not finish: {error}")))?;
        let mut sort = Sorter { gaps, name: user.name };
        if let Some(list) = sort.take(user.devices, &mut devices)? {
            answers.devices.insert(sort.name.clone(), list);
        }
        if let Some(answer) = user.password
            && let Some(password) = sort.take(answer, &mut passwords)?
        {
            answers.passwords.insert(sort.name.clone(), password);
        }
        if let Some(answer) = user.access_keys
            && let Some(count) = sort.take(answer, &mut keys)?
        {
            answers.access_keys.insert(sort.name.clone(), count);
        }
    }
    for (refused, question) in [(devices, &DEVICES), (passwords, &PASSWORDS), (keys, &ACCESS_KEYS)] {
        // In order of name, for the order of the answers is chance.
        let refused: BTreeMap<Name, String> = refused.into_iter().collect();
        if let Some(reason) = refused.values().next() {
            let names: Vec<String> = refused.keys().map(|name| name.0.clone()).collect();
            gaps.note(question, reason, &format!(" for {}", some(&names)));
        }
    }
    Ok(())
}

/// Takes the answers about one user, and remembers for whom one was refused.
struct Sorter<'a> {
    gaps: &'a mut Gaps,
    name: Name,
}

impl Sorter<'_> {
    fn take<T>(
        &mut self,
        answer: Result<T, Refusal>,
        refused: &mut Vec<(Name, String)>,
    ) -> Result<Option<T>, Unanswered> {
        match answer {
            Ok(answer) => {
                self.gaps.answered += 1;
                Ok(Some(answer))
            }
            // Deleted since the list of users: that it existed then is all there is to say of it.
            Err(Refusal::Absent(_)) => Ok(None),
            Err(Refusal::One(reason)) => {
                refused.push((self.name.clone(), reason));
                Ok(None)
            }
            Err(Refusal::All(reason)) => Err(Unanswered::Everything(format!("IAM cannot be called: {reason}"))),
        }
    }
}

async fn devices_of(client: &Client, name: &Name) -> Result<Vec<Device>, Refusal> {
    let (mut pages, mut marker) = (Pages::new(MOST_PAGES), None);
    let mut devices = Vec::new();
    loop {
        let page = client.list_mfa_devices().user_name(&name.0).set_marker(marker).send().await?;
        marker = next(&mut pages, page.is_truncated, page.marker)?;
        let device = |device: MfaDevice| Device { enabled_at: time(&device.enable_date), serial: device.serial_number };
        devices.extend(page.mfa_devices.into_iter().map(device));
        if marker.is_none() {
            return Ok(devices);
        }
    }
}

async fn has_password(client: &Client, name: &Name) -> Result<bool, Refusal> {
    match client.get_login_profile().user_name(&name.0).send().await.map_err(Refusal::from) {
        Ok(_) => Ok(true),
        Err(Refusal::Absent(_)) => Ok(false),
        Err(refusal) => Err(refusal),
    }
}

async fn active_keys(client: &Client, name: &Name) -> Result<u32, Refusal> {
    let (mut pages, mut marker) = (Pages::new(MOST_PAGES), None);
    let mut active = 0;
    loop {
        let page = client.list_access_keys().user_name(&name.0).set_marker(marker).send().await?;
        marker = next(&mut pages, page.is_truncated, page.marker)?;
        active +=
            page.access_key_metadata.iter().map(|key| u32::from(key.status == Some(StatusType::Active))).sum::<u32>();
        if marker.is_none() {
            return Ok(active);
        }
    }
}

fn time(time: &aws_smithy_types::DateTime) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(time.secs(), time.subsec_nanos())
}
