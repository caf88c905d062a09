//! IAM, asked and changed. Every call that changes something is made of a [`Call`], and so names its user.

use std::time::Duration;

use aws_sdk_iam::Client;
use aws_sdk_iam::config::retry::RetryConfig;
use aws_sdk_iam::error::SdkError;
use aws_sdk_iam::types::{AssignmentStatusType, StatusType, Tag};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use chrono::{DateTime, Utc};
use tokio::runtime::Runtime;

use super::call::Call;
use super::plan::REVOCATION;
use super::secret::{Codes, Secret};
use super::state::{Caller, Device, Entity, Key, Password, User};
use crate::aws::signed::{self, STS};
use crate::aws::{self, Bound, Connection, Pages};

/// How many pages an answer has at most.
const MOST_PAGES: u32 = 10_000;
/// How much is read of an answer, and of all.
const BOUND: Bound = Bound { answer: 16 << 20, all: 256 << 20 };
/// How long STS may take to say who calls.
const DEADLINE: Duration = Duration::from_secs(30);

/// What refuses a call, as far as the message says: its text is not a contract of AWS's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Barrier {
    /// A policy of the organization on accounts.
    ServiceControlPolicy,
    /// A policy of the organization on resources.
    ResourceControlPolicy,
    /// The boundary of the caller's permissions.
    PermissionsBoundary,
    /// The policy of the caller's session.
    SessionPolicy,
    /// A deny in a policy of the caller's.
    IdentityDeny,
    /// No policy of the caller's allows it.
    NotAllowed,
    /// A user with a device must have signed in with it.
    NoMfaSession,
    /// The message does not say.
    Unknown,
}

impl Barrier {
    /// The barrier that a message of IAM's names.
    #[must_use]
    pub fn of(message: &str) -> Self {
        let says = |part: &str| message.contains(part);
        match () {
            () if says("service control policy") => Self::ServiceControlPolicy,
            () if says("resource control policy") => Self::ResourceControlPolicy,
            () if says("permissions boundary") => Self::PermissionsBoundary,
            () if says("session policy") => Self::SessionPolicy,
            () if says("explicit deny") => Self::IdentityDeny,
            () if says("authenticated with an MFA device") => Self::NoMfaSession,
            () if says("no identity-based policy allows") => Self::NotAllowed,
            () => Self::Unknown,
        }
    }

    /// What it is, and what to do.
    #[must_use]
    pub const fn advice(self) -> &'static str {
        match self {
            Self::ServiceControlPolicy => {
                "a service control policy of the organization stands in the way (hint: exempt the runbook's role from it, by a condition \
                 on aws:PrincipalArn, and use that role with --role)"
            }
            Self::ResourceControlPolicy => {
                "a resource control policy of the organization stands in the way (hint: exempt the runbook's role from it)"
            }
            Self::PermissionsBoundary => {
                "the permissions boundary of the caller stands in the way (hint: use another role)"
            }
            Self::SessionPolicy => {
                "the session policy of the caller stands in the way (hint: start the session without it)"
            }
            Self::IdentityDeny => {
                "a deny in a policy of the caller stands in the way; such denies often ask for a session with MFA (hint: sign in with MFA, \
                 or use another role)"
            }
            Self::NotAllowed => {
                "no policy of the caller allows it (hint: `mfatrail generate iam-policy -- …` prints the policy that is needed)"
            }
            Self::NoMfaSession => {
                "a user who has a device must sign in with it first (hint: aws sts get-session-token)"
            }
            Self::Unknown => "the caller is not allowed to do it, and IAM does not say by which policy",
        }
    }
}

/// Why a call did not do what it was to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// What it is about does not exist.
    #[error("{0}")]
    Absent(String),
    /// What it makes exists.
    #[error("{0}")]
    Exists(String),
    /// What it deletes is in use.
    #[error("{0}")]
    InUse(String),
    /// IAM is still working on what it is about: later.
    #[error("{0}")]
    Busy(String),
    /// The codes are not the device's, not consecutive, or stale.
    #[error("{0}")]
    Codes(String),
    /// It is not allowed.
    #[error("{}\n  {message}", .barrier.advice())]
    Denied {
        /// By what.
        barrier: Barrier,
        /// What IAM said.
        message: String,
    },
    /// There was no whole answer: whether it was done is not known.
    #[error("{0}")]
    Unknown(String),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

impl<E> From<SdkError<E>> for Failure
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    fn from(error: SdkError<E>) -> Self {
        let reason = aws::describe(&error);
        let code = aws::error_code(&error).map(|code| code.trim_end_matches("Exception"));
        match (&error, code) {
            (_, Some("NoSuchEntity")) => Self::Absent(reason),
            (_, Some("EntityAlreadyExists")) => Self::Exists(reason),
            (_, Some("DeleteConflict")) => Self::InUse(reason),
            (_, Some("EntityTemporarilyUnmodifiable" | "ConcurrentModification")) => Self::Busy(reason),
            (_, Some("InvalidAuthenticationCode")) => Self::Codes(reason),
            (_, Some("AccessDenied" | "UnauthorizedOperation")) => {
                Self::Denied { barrier: Barrier::of(&reason), message: reason }
            }
            (SdkError::ServiceError(_), _) => Self::Other(reason),
            (SdkError::ConstructionFailure(_), _) => Self::Other(reason),
            _ => Self::Unknown(reason),
        }
    }
}

/// What goes with a call and is shown nowhere.
#[derive(Debug, Clone, Default)]
pub struct Secrets {
    /// For enabling and resynchronizing.
    pub codes: Option<Codes>,
    /// For another password.
    pub password: Option<Secret>,
}

/// A new virtual device: what is told once, and never again.
#[derive(Debug)]
pub struct Bootstrap {
    /// Its ARN.
    pub serial: String,
    /// The seed, Base32.
    pub seed: Secret,
    /// The QR code of AWS's, PNG.
    pub png: Vec<u8>,
}

/// A user's name with its device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owned {
    /// The user.
    pub user: String,
    /// The device.
    pub device: Device,
}

/// IAM of one account.
pub struct Iam {
    runtime: Runtime,
    client: Client,
    caller: Caller,
}

impl Iam {
    /// Connects, and asks who calls. Must not be called from within an asynchronous runtime.
    ///
    /// # Errors
    /// In words, without credentials, or when STS cannot be asked.
    pub fn connect(connection: &Connection) -> Result<Self, String> {
        let caller = caller(connection)?;
        let runtime = aws::runtime().map_err(|error| format!("cannot start the AWS client: {error}"))?;
        let config = runtime.block_on(aws::bounded_config(connection, BOUND));
        let settings = aws_sdk_iam::config::Builder::from(&config).retry_partition(aws::retry_partition("iam")).build();
        Ok(Self { runtime, client: Client::from_conf(settings), caller })
    }

    /// Who calls.
    #[must_use]
    pub const fn caller(&self) -> &Caller {
        &self.caller
    }

    /// All that the runbook wants to know of a user.
    ///
    /// # Errors
    /// [`Failure`] where the user or its devices cannot be read; anything else that is refused is named in the answer.
    pub fn user(&self, name: &str) -> Result<User, Failure> {
        self.runtime.block_on(async {
            let answer = self.client.get_user().user_name(name).send().await?;
            let Some(known) = answer.user else {
                return Err(Failure::Other("IAM's answer to GetUser names no user".to_owned()));
            };
            let mut gaps = Vec::new();
            let devices = self.devices(&known.user_name).await?;
            let name = known.user_name.as_str();
            Ok(User {
                devices,
                password: gap(self.password(name).await, "iam:GetLoginProfile", &mut gaps)?,
                keys: gap(self.keys(name).await, "iam:ListAccessKeys", &mut gaps)?,
                groups: gap(self.groups(name).await, "iam:ListGroupsForUser", &mut gaps)?,
                entities: gap(self.virtual_devices().await, "iam:ListVirtualMFADevices", &mut gaps)?,
                revocation: gap(self.revocation(name).await, "iam:GetUserPolicy", &mut gaps)?,
                password_used_at: known.password_last_used.as_ref().and_then(time),
                gaps,
                arn: known.arn.clone(),
                name: known.user_name.clone(),
            })
        })
    }

    /// A user's devices.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn devices_of(&self, user: &str) -> Result<Vec<Device>, Failure> {
        self.runtime.block_on(self.devices(user))
    }

    /// The account's virtual devices.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn entities(&self) -> Result<Vec<Entity>, Failure> {
        self.runtime.block_on(self.virtual_devices())
    }

    /// Everybody's devices, but for the root user's that are not virtual; and all users' names.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn everybody(&self) -> Result<(Vec<String>, Vec<Owned>), Failure> {
        self.runtime.block_on(async {
            let (mut pages, mut marker) = (Pages::new(MOST_PAGES), None);
            let mut names = Vec::new();
            loop {
                let page = self.client.list_users().set_marker(marker).send().await?;
                marker = next(&mut pages, page.is_truncated, page.marker)?;
                names.extend(page.users.into_iter().map(|user| user.user_name));
                if marker.is_none() {
                    break;
                }
            }
            let mut owned = Vec::new();
            for name in &names {
                match self.devices(name).await {
                    Ok(devices) => {
                        owned.extend(devices.into_iter().map(|device| Owned { user: name.clone(), device }));
                    }
                    // Deleted since it was listed.
                    Err(Failure::Absent(_)) => {}
                    Err(failure) => return Err(failure),
                }
            }
            Ok((names, owned))
        })
    }

    /// The tags of a virtual device.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn tags(&self, serial: &str) -> Result<Vec<(String, String)>, Failure> {
        self.runtime.block_on(async {
            let (mut pages, mut marker) = (Pages::new(MOST_PAGES), None);
            let mut tags = Vec::new();
            loop {
                let page = self.client.list_mfa_device_tags().serial_number(serial).set_marker(marker).send().await?;
                marker = next(&mut pages, page.is_truncated, page.marker)?;
                tags.extend(page.tags.into_iter().map(|tag| (tag.key, tag.value)));
                if marker.is_none() {
                    return Ok(tags);
                }
            }
        })
    }

    /// Makes a virtual device. It is asked for once only: a second attempt could not tell a device of the first one's from a stranger's,
    /// and the seed would be lost.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn create(&self, name: &str, tags: &[(String, String)]) -> Result<Bootstrap, Failure> {
        let once = aws_sdk_iam::config::Builder::new().retry_config(RetryConfig::disabled());
        self.runtime.block_on(async {
            let call = self.client.create_virtual_mfa_device().virtual_mfa_device_name(name);
            let answer = call.set_tags(tag_list(tags)?).customize().config_override(once).send().await?;
            let device = answer.virtual_mfa_device.ok_or_else(|| incomplete("no device"))?;
            let seed = device.base32_string_seed.ok_or_else(|| incomplete("no seed"))?.into_inner();
            let seed = String::from_utf8(seed).map_err(|_bytes| incomplete("a seed that is not text"))?;
            let png = device.qr_code_png.ok_or_else(|| incomplete("no QR code"))?.into_inner();
            Ok(Bootstrap { serial: device.serial_number, seed: Secret::new(seed), png })
        })
    }

    /// Makes any other call.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn make(&self, call: &Call, secrets: &Secrets) -> Result<(), Failure> {
        self.runtime.block_on(self.attempt(call, secrets))
    }

    async fn attempt(&self, call: &Call, secrets: &Secrets) -> Result<(), Failure> {
        let missing = |what: &str| Failure::Other(format!("the {what} is missing"));
        let codes = || secrets.codes.as_ref().map(|Codes(codes)| codes).ok_or_else(|| missing("code"));
        let iam = &self.client;
        match call {
            Call::CreateVirtualMfaDevice { .. } => Err(missing("place for the seed")),
            Call::EnableMfaDevice { user, serial } => {
                let [first, second] = codes()?;
                let call = iam.enable_mfa_device().user_name(user).serial_number(serial);
                let call = call.authentication_code1(first.reveal()).authentication_code2(second.reveal());
                done(call.send().await)
            }
            Call::ResyncMfaDevice { user, serial } => {
                let [first, second] = codes()?;
                let call = iam.resync_mfa_device().user_name(user).serial_number(serial);
                let call = call.authentication_code1(first.reveal()).authentication_code2(second.reveal());
                done(call.send().await)
            }
            Call::DeactivateMfaDevice { user, serial } => {
                done(iam.deactivate_mfa_device().user_name(user).serial_number(serial).send().await)
            }
            Call::DeleteVirtualMfaDevice { serial } => {
                done(iam.delete_virtual_mfa_device().serial_number(serial).send().await)
            }
            Call::TagMfaDevice { serial, tags } => {
                done(iam.tag_mfa_device().serial_number(serial).set_tags(tag_list(tags)?).send().await)
            }
            Call::UntagMfaDevice { serial, keys } => {
                done(iam.untag_mfa_device().serial_number(serial).set_tag_keys(Some(keys.clone())).send().await)
            }
            Call::DeactivateAccessKey { user, key } => {
                let call = iam.update_access_key().user_name(user).access_key_id(key);
                done(call.status(StatusType::Inactive).send().await)
            }
            Call::PutUserPolicy { user, name, document } => {
                done(iam.put_user_policy().user_name(user).policy_name(name).policy_document(document).send().await)
            }
            Call::ResetPassword { user } => {
                let password = secrets.password.as_ref().ok_or_else(|| missing("password"))?;
                let call = iam.update_login_profile().user_name(user).password(password.reveal());
                done(call.password_reset_required(true).send().await)
            }
            Call::DeleteLoginProfile { user } => done(iam.delete_login_profile().user_name(user).send().await),
        }
    }

    async fn devices(&self, user: &str) -> Result<Vec<Device>, Failure> {
        let (mut pages, mut marker) = (Pages::new(MOST_PAGES), None);
        let mut devices = Vec::new();
        loop {
            let page = self.client.list_mfa_devices().user_name(user).set_marker(marker).send().await?;
            marker = next(&mut pages, page.is_truncated, page.marker)?;
            devices.extend(
                page.mfa_devices
                    .into_iter()
                    .map(|device| Device { enabled_at: time(&device.enable_date), serial: device.serial_number }),
            );
            if marker.is_none() {
                return Ok(devices);
            }
        }
    }

    async fn virtual_devices(&self) -> Result<Vec<Entity>, Failure> {
        let (mut pages, mut marker) = (Pages::new(MOST_PAGES), None);
        let mut entities = Vec::new();
        loop {
            let request = self.client.list_virtual_mfa_devices().assignment_status(AssignmentStatusType::Any);
            let page = request.set_marker(marker).send().await?;
            marker = next(&mut pages, page.is_truncated, page.marker)?;
            entities.extend(page.virtual_mfa_devices.into_iter().map(|device| Entity {
                owner: device.user.map(|user| user.arn),
                enabled_at: device.enable_date.as_ref().and_then(time),
                serial: device.serial_number,
            }));
            if marker.is_none() {
                return Ok(entities);
            }
        }
    }

    async fn password(&self, user: &str) -> Result<Option<Password>, Failure> {
        match self.client.get_login_profile().user_name(user).send().await.map_err(Failure::from) {
            Ok(answer) => {
                Ok(answer.login_profile.map(|profile| Password { reset_required: profile.password_reset_required }))
            }
            Err(Failure::Absent(_)) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    async fn keys(&self, user: &str) -> Result<Vec<Key>, Failure> {
        let (mut pages, mut marker) = (Pages::new(MOST_PAGES), None);
        let mut keys = Vec::new();
        loop {
            let page = self.client.list_access_keys().user_name(user).set_marker(marker).send().await?;
            marker = next(&mut pages, page.is_truncated, page.marker)?;
            for key in page.access_key_metadata {
                let Some(id) = key.access_key_id else { return Err(incomplete("a key without an id")) };
                let active = key.status != Some(StatusType::Inactive);
                let used = self.client.get_access_key_last_used().access_key_id(&id).send().await;
                // When it was used is only shown: a refusal takes nothing from the rest.
                let used_at = used.ok().and_then(|answer| time(&answer.access_key_last_used?.last_used_date?));
                keys.push(Key { id, active, used_at });
            }
            if marker.is_none() {
                return Ok(keys);
            }
        }
    }

    async fn groups(&self, user: &str) -> Result<Vec<String>, Failure> {
        let (mut pages, mut marker) = (Pages::new(MOST_PAGES), None);
        let mut groups = Vec::new();
        loop {
            let page = self.client.list_groups_for_user().user_name(user).set_marker(marker).send().await?;
            marker = next(&mut pages, page.is_truncated, page.marker)?;
            groups.extend(page.groups.into_iter().map(|group| group.group_name));
            if marker.is_none() {
                return Ok(groups);
            }
        }
    }

    async fn revocation(&self, user: &str) -> Result<Option<String>, Failure> {
        match self.client.get_user_policy().user_name(user).policy_name(REVOCATION).send().await.map_err(Failure::from)
        {
            Ok(answer) => Ok(Some(decoded(&answer.policy_document))),
            Err(Failure::Absent(_)) => Ok(None),
            Err(failure) => Err(failure),
        }
    }
}

/// Who calls. STS answers whatever the caller's policies are.
fn caller(connection: &Connection) -> Result<Caller, String> {
    let signed = signed::Caller::open(connection, DEADLINE)?;
    let failed = |error: signed::Error| match error {
        error @ signed::Error::NoCredentials(_) => error.to_string(),
        error @ signed::Error::Http(_) => {
            format!("could not ask STS who calls: {error} (hint: check the network and --endpoint-url)")
        }
        error => format!("STS does not say who calls: {error} (hint: check the AWS credentials)"),
    };
    let answer = signed.query(&STS, "GetCallerIdentity", &[]).map_err(failed)?;
    let text = |name| answer.text(&["GetCallerIdentityResult", name]).map_err(failed);
    Ok(Caller { account: text("Account")?, arn: text("Arn")? })
}

fn done<T, E>(answer: Result<T, SdkError<E>>) -> Result<(), Failure>
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    answer.map(|_empty| ()).map_err(Failure::from)
}

fn incomplete(what: &str) -> Failure {
    Failure::Unknown(format!("IAM's answer has {what}"))
}

/// An answer, or that IAM refused it; what is no refusal ends the run.
fn gap<T>(answer: Result<T, Failure>, permission: &str, gaps: &mut Vec<String>) -> Result<Option<T>, Failure> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(Failure::Denied { message, .. }) => {
            gaps.push(format!("{permission} was refused: {message}"));
            Ok(None)
        }
        Err(failure) => Err(failure),
    }
}

fn next(pages: &mut Pages, truncated: bool, marker: Option<String>) -> Result<Option<String>, Failure> {
    // A marker on the last page means nothing.
    let marker = marker.filter(|_| truncated);
    pages.next(truncated, marker.as_deref()).map_err(Failure::Other)
}

fn tag_list(tags: &[(String, String)]) -> Result<Option<Vec<Tag>>, Failure> {
    let tag = |(key, value): &(String, String)| Tag::builder().key(key).value(value).build();
    let list =
        tags.iter().map(tag).collect::<Result<Vec<_>, _>>().map_err(|error| Failure::Other(error.to_string()))?;
    Ok(Some(list).filter(|list| !list.is_empty()))
}

fn time(time: &aws_smithy_types::DateTime) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(time.secs(), time.subsec_nanos())
}

/// A policy as IAM hands it out: percent-encoded (RFC 3986).
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = tail.get(..2).and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        match hex.filter(|_| *first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_what_stands_in_the_way() {
        let message = |because: &str| {
            format!(
                "User: arn:aws:iam::111122223333:user/admin is not authorized to perform: iam:DeactivateMFADevice on resource: user alice \
                 {because}"
            )
        };
        for (because, barrier) in [
            ("with an explicit deny in a service control policy", Barrier::ServiceControlPolicy),
            ("with an explicit deny in a resource control policy", Barrier::ResourceControlPolicy),
            ("because no permissions boundary allows the iam:DeactivateMFADevice action", Barrier::PermissionsBoundary),
            ("with an explicit deny in an identity-based policy", Barrier::IdentityDeny),
            ("because no identity-based policy allows the iam:DeactivateMFADevice action", Barrier::NotAllowed),
            ("because no session policy allows the iam:DeactivateMFADevice action", Barrier::SessionPolicy),
            ("", Barrier::Unknown),
        ] {
            assert_eq!(Barrier::of(&message(because)), barrier, "{because}");
        }
    }

    #[test]
    fn policies_are_decoded() {
        assert_eq!(decoded("%7B%22a%22%3A%22%C3%BC%22%7D"), "{\"a\":\"\u{fc}\"}");
        assert_eq!(decoded("50% %zz%"), "50% %zz%");
    }
}
