//! The IAM policy that a use case needs: no more than what it calls.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::Error;
use crate::alert::channel::permission::{On, Permission};
use crate::arn::{Arn, is_arn};
use crate::partition;
use crate::posture::{ACCOUNT_ACTIONS, ORGANIZATION_ACTIONS};
use crate::queue::sqs::Place;
use crate::source::Source;

/// Everything that `inventory` calls for live IAM state.
const IAM_ACTIONS: [&str; 10] = [
    "iam:GenerateCredentialReport",
    "iam:GetAccountAuthorizationDetails",
    "iam:GetAccountSummary",
    "iam:GetCredentialReport",
    "iam:GetLoginProfile",
    "iam:GetUser",
    "iam:ListAccessKeys",
    "iam:ListMFADevices",
    "iam:ListUsers",
    "iam:ListVirtualMFADevices",
];

/// What is called, and as whom.
#[derive(Debug, Default)]
pub struct AwsCalls {
    /// Where the archive is; only buckets count.
    pub sources: Vec<Source>,
    /// Stores, and whether they are written; only buckets count.
    pub stores: Vec<(Source, bool)>,
    /// The ARN of the role that reads the archive; `None` for the caller.
    pub archive_role: Option<String>,
    /// Queues that tell which objects are new.
    pub queues: Vec<Place>,
    /// Whether CloudTrail is asked for its public keys, with the credentials that read the archive.
    pub public_keys: bool,
    /// The ARN of the key or alias in KMS that signs, with the same credentials; `None` where none does.
    pub sign_key: Option<String>,
    /// Whether IAM state is read live.
    pub iam: bool,
    /// Whether the guardrails around MFA are read live.
    pub posture: bool,
    /// The role that reads IAM in each account, or that changes devices; `None` for the caller.
    pub iam_role: Option<String>,
    /// Accounts in which that role is assumed; empty for any.
    pub accounts: Vec<String>,
    /// The partition of ARNs that do not name one, such as `aws`.
    pub partition: String,
    /// Statements for calls that read and change MFA devices.
    pub devices: Vec<Value>,
    /// What the channels of a watch call.
    pub channels: Vec<ChannelCalls>,
    /// What reading the channels' secrets needs.
    pub secrets: Vec<Permission>,
    /// The ARN of the key that encrypts the bucket's objects, where it is customer managed.
    pub kms_key: Option<String>,
}

/// What a channel needs, and the role that needs it in place of the caller.
#[derive(Debug)]
pub struct ChannelCalls {
    /// The ARN of the role; `{account}` in it stands for any account.
    pub role: Option<String>,
    /// What it needs.
    pub permissions: Vec<Permission>,
}

/// Who makes the calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicySubject {
    /// Whoever runs the command.
    Caller,
    /// The role that reads the archive.
    ArchiveRole,
    /// The role that reads IAM in each account, or that changes devices.
    IamRole,
    /// The roles of a watch's channels.
    ChannelRole,
}

/// The partition of the first ARN among texts such as sources and roles; `None` where there is none.
pub fn partition_of<'t>(texts: impl IntoIterator<Item = &'t str>) -> Option<&'t str> {
    let texts = texts.into_iter().map(|text| text.trim_start_matches("s3://"));
    texts.filter_map(Arn::parse).map(|arn| arn.partition).find(|partition| !partition.is_empty())
}

/// The policy document that `subject` needs.
///
/// # Errors
/// [`Error::Input`] where no such role is assumed, or AWS is not called at all.
pub fn policy(calls: &AwsCalls, subject: PolicySubject) -> Result<Value, Error> {
    let unused = |what: &str| {
        Err(Error::Input(format!("{what}\n  hint: `--of caller` prints what the command's own credentials need")))
    };
    let statements = match subject {
        PolicySubject::ArchiveRole if calls.archive_role.is_none() => {
            return unused("the command assumes no role for the archive");
        }
        PolicySubject::IamRole if calls.iam_role.is_none() => return unused("the command assumes no role for IAM"),
        PolicySubject::ChannelRole if calls.channels.iter().all(|channel| channel.role.is_none()) => {
            return unused("no channel assumes a role");
        }
        PolicySubject::ArchiveRole => calls.by_archive_role(),
        PolicySubject::IamRole => calls.by_iam_role(),
        PolicySubject::ChannelRole => {
            let of_roles = calls.channels.iter().filter(|channel| channel.role.is_some());
            granted(of_roles.flat_map(|channel| &channel.permissions))
        }
        PolicySubject::Caller => calls.by_caller(),
    };
    if statements.is_empty() {
        return Err(Error::Input(
            "the command does not call AWS, and needs no policy\n  hint: name an s3:// source, or `--iam live`"
                .to_owned(),
        ));
    }
    Ok(json!({ "Version": "2012-10-17", "Statement": statements }))
}

impl AwsCalls {
    /// Buckets, or ARNs of access points, and prefixes.
    fn buckets(&self) -> impl Iterator<Item = (&str, &str)> {
        self.sources.iter().filter_map(|source| match source {
            Source::S3 { bucket, prefix } => Some((bucket.as_str(), prefix.as_str())),
            Source::Local(_) | Source::Stdin | Source::Objects { .. } => None,
        })
    }

    fn by_archive_role(&self) -> Vec<Value> {
        let mut statements = self.read_archive();
        statements.extend(self.read_queues());
        statements.extend(self.public_keys.then(read_public_keys));
        statements.extend(self.sign_key.as_deref().map(sign));
        statements
    }

    fn by_iam_role(&self) -> Vec<Value> {
        if !self.devices.is_empty() {
            return self.devices.clone();
        }
        let mut statements = vec![read_iam()];
        statements.extend(self.posture.then(|| read_guardrails("ReadGuardrails", &ACCOUNT_ACTIONS)));
        statements
    }

    fn by_caller(&self) -> Vec<Value> {
        let mut statements = match &self.archive_role {
            Some(role) if self.buckets().next().is_some() || !self.queues.is_empty() => {
                vec![assume("AssumeTheArchiveRole", std::slice::from_ref(role))]
            }
            _ => self.by_archive_role(),
        };
        match &self.iam_role {
            Some(role) if !self.devices.is_empty() => {
                statements.push(assume("AssumeTheRole", std::slice::from_ref(role)));
            }
            _ => statements.extend(self.devices.iter().cloned()),
        }
        if self.iam {
            statements.push(match &self.iam_role {
                Some(role) => assume("AssumeTheRoleInEachAccount", &self.iam_roles(role)),
                None => read_iam(),
            });
        }
        if self.posture {
            let own = self.iam_role.is_none().then(|| read_guardrails("ReadGuardrails", &ACCOUNT_ACTIONS));
            statements.extend(own);
            statements.push(read_guardrails("ReadOrganization", &ORGANIZATION_ACTIONS));
        }
        statements.extend(self.by_watch());
        statements.extend(self.use_stores());
        statements
    }

    /// What stores in buckets need, always of the caller itself.
    fn use_stores(&self) -> Vec<Value> {
        let mut statements = Vec::new();
        for (source, is_written) in &self.stores {
            let Source::S3 { bucket, prefix } = source else { continue };
            let (arn, objects_of) = if is_arn(bucket) {
                (bucket.clone(), format!("{bucket}/object"))
            } else {
                let partition = if self.partition.is_empty() { "aws" } else { &self.partition };
                let arn = format!("arn:{partition}:s3:::{bucket}");
                (arn.clone(), arn)
            };
            let folder = match prefix.trim_end_matches('/') {
                "" => "*".to_owned(),
                prefix => format!("{prefix}/*"),
            };
            let number = if statements.is_empty() { String::new() } else { (statements.len() / 2 + 1).to_string() };
            let write = ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"];
            let actions = if *is_written { &write[..] } else { &write[1..2] };
            statements.push(json!({
                "Sid": format!("ListTheStore{number}"),
                "Effect": "Allow",
                "Action": "s3:ListBucket",
                "Resource": arn,
                "Condition": { "StringLike": { "s3:prefix": folder } },
            }));
            statements.push(json!({
                "Sid": format!("UseTheStore{number}"),
                "Effect": "Allow",
                "Action": actions,
                "Resource": format!("{objects_of}/{folder}"),
            }));
        }
        statements
    }

    /// What a watch calls by itself for its channels.
    fn by_watch(&self) -> Vec<Value> {
        let own = self.channels.iter().filter(|channel| channel.role.is_none());
        let mut statements = granted(own.flat_map(|channel| &channel.permissions).chain(&self.secrets));
        let roles = self.channels.iter().filter_map(|channel| channel.role.as_deref());
        let roles: BTreeSet<String> = roles.map(|role| role.replace("{account}", "*")).collect();
        if !roles.is_empty() {
            statements.push(assume("AssumeTheRolesOfChannels", &roles.into_iter().collect::<Vec<_>>()));
        }
        statements
    }

    fn read_queues(&self) -> Option<Value> {
        let arn = |place: &Place| {
            let region = place.region().unwrap_or_else(|| "*".to_owned());
            let partition = partition::of_region(&region);
            let partition = if region == "*" { self.partition.as_str() } else { &*partition };
            format!("arn:{partition}:sqs:{region}:{}:{}", place.account().unwrap_or("*"), place.name())
        };
        let arns: BTreeSet<String> = self.queues.iter().map(arn).collect();
        let actions =
            ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"];
        (!arns.is_empty())
            .then(|| json!({ "Sid": "WorkOffQueues", "Effect": "Allow", "Action": actions, "Resource": arns }))
    }

    /// The ARNs of the role that is assumed in each account.
    fn iam_roles(&self, role: &str) -> Vec<String> {
        let arn =
            |account: &str| format!("arn:{}:iam::{account}:role/{}", self.partition, role.trim_start_matches('/'));
        match self.accounts.as_slice() {
            [] => vec![arn("*")],
            accounts => accounts.iter().map(|account| arn(account)).collect(),
        }
    }

    fn read_archive(&self) -> Vec<Value> {
        let mut statements = Vec::new();
        let buckets: BTreeSet<&str> = self.buckets().map(|(bucket, _)| bucket).collect();
        for (i, bucket) in buckets.into_iter().enumerate() {
            let prefixes = || self.buckets().filter(|(name, _)| *name == bucket).map(|(_, prefix)| prefix);
            // An access point is named by its ARN already, and has its objects below a folder of that name.
            let (arn, objects_of) = if is_arn(bucket) {
                (bucket.to_owned(), format!("{bucket}/object"))
            } else {
                let arn = format!("arn:{}:s3:::{bucket}", self.partition);
                (arn.clone(), arn)
            };
            let number = if i == 0 { String::new() } else { (i + 1).to_string() };
            let mut list = json!({
                "Sid": format!("ListTheArchive{number}"),
                "Effect": "Allow",
                "Action": "s3:ListBucket",
                "Resource": arn,
            });
            // Without a prefix the whole bucket is the archive, and is listed from its root.
            if prefixes().all(|prefix| !prefix.is_empty())
                && let Some(list) = list.as_object_mut()
            {
                let keys: Vec<String> = prefixes().flat_map(keys).collect();
                list.insert("Condition".to_owned(), json!({ "StringLike": { "s3:prefix": keys } }));
            }
            let objects: Vec<String> = prefixes().flat_map(keys).map(|key| format!("{objects_of}/{key}")).collect();
            statements.push(list);
            statements.push(json!({
                "Sid": format!("ReadTheArchive{number}"),
                "Effect": "Allow",
                "Action": "s3:GetObject",
                "Resource": objects,
            }));
        }
        if let Some(key) = self.kms_key.as_ref().filter(|_| !statements.is_empty()) {
            statements.push(json!({
                "Sid": "DecryptTheArchive",
                "Effect": "Allow",
                "Action": "kms:Decrypt",
                "Resource": key,
            }));
        }
        statements
    }
}

/// A statement for each purpose, with everything that it is needed on.
fn granted<'p>(permissions: impl Iterator<Item = &'p Permission>) -> Vec<Value> {
    let mut purposes: Vec<(&Permission, BTreeSet<&String>)> = Vec::new();
    for permission in permissions {
        let (On::These(resources) | On::AllBut(resources)) = &permission.on;
        match purposes.iter_mut().find(|(own, _)| own.purpose == permission.purpose) {
            Some((_, all)) => all.extend(resources),
            None => purposes.push((permission, resources.iter().collect())),
        }
    }
    let statement = |(Permission { purpose, actions, on }, resources): (&Permission, BTreeSet<&String>)| {
        let resource = if matches!(on, On::These(_)) { "Resource" } else { "NotResource" };
        json!({ "Sid": purpose, "Effect": "Allow", "Action": actions, resource: resources })
    };
    purposes.into_iter().map(statement).collect()
}

fn assume(sid: &str, roles: &[String]) -> Value {
    json!({ "Sid": sid, "Effect": "Allow", "Action": "sts:AssumeRole", "Resource": roles })
}

/// Signing by a key in KMS. Policies name keys, never aliases: of an alias, a condition says which.
fn sign(arn: &str) -> Value {
    let mut statement = json!({
        "Sid": "SignReports", "Effect": "Allow", "Action": ["kms:GetPublicKey", "kms:Sign"], "Resource": arn,
    });
    if let Some((before, alias)) = arn.split_once(":alias/") {
        statement["Resource"] = json!(format!("{before}:key/*"));
        statement["Condition"] = json!({ "StringEquals": { "kms:RequestAlias": format!("alias/{alias}") } });
    }
    statement
}

fn read_public_keys() -> Value {
    json!({ "Sid": "ReadPublicKeys", "Effect": "Allow", "Action": "cloudtrail:ListPublicKeys", "Resource": "*" })
}

fn read_iam() -> Value {
    json!({ "Sid": "ReadIamState", "Effect": "Allow", "Action": IAM_ACTIONS, "Resource": "*" })
}

fn read_guardrails(sid: &str, actions: &[&str]) -> Value {
    json!({ "Sid": sid, "Effect": "Allow", "Action": actions, "Resource": "*" })
}

/// The keys that a source's prefix stands for: a folder's, or where it does not end like one, also those that begin like it.
fn keys(prefix: &str) -> Vec<String> {
    if prefix.is_empty() || prefix.ends_with('/') {
        vec![format!("{prefix}*")]
    } else {
        vec![prefix.to_owned(), format!("{prefix}/*")]
    }
}
