//! `mfatrail generate`: shell completions, man pages, and the IAM policy that a command line needs.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use serde_json::{Value, json};

use super::args::AwsArgs;
use super::device::{CallerArgs, DeviceArgs, DeviceCommand};
use super::exit::Status;
use super::respond::RespondArgs;
use super::watch::Reads;
use super::{Cli, Command, IamCommand, named_file, put};
use crate::alert::channel::permission::{self, On, Permission};
use crate::app::Error;
use crate::app::watch::config::Entry;
use crate::arn::{Arn, is_arn};
use crate::device::call::Call;
use crate::device::plan::user_name;
use crate::posture::{ACCOUNT_ACTIONS, ORGANIZATION_ACTIONS};
use crate::queue::sqs::Place;
use crate::source::Source;
use crate::{aws, disk, partition};

/// What `generate` makes.
#[derive(Debug, Subcommand)]
pub(super) enum GenerateCommand {
    Completions(CompletionsArgs),
    Man(ManArgs),
    IamPolicy(IamPolicyArgs),
}

/// Print the completions of a shell
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  mfatrail generate completions bash > ~/.local/share/bash-completion/completions/mfatrail
  mfatrail generate completions fish > ~/.config/fish/completions/mfatrail.fish")]
pub(super) struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// Write the man pages, one for each command
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  mfatrail generate man --out out/man1
  man out/man1/mfatrail-report.1")]
pub(super) struct ManArgs {
    /// The folder to write into, created if missing; earlier pages are replaced, other files are not
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Print the IAM policy that a command line needs: no more than it calls, and read-only but for `device`, `respond` and a
/// watch's alerts
///
/// Where the command assumes a role, its caller needs to be allowed that, and the role needs the rest: --of says whose
/// policy is printed. Nothing is called.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  mfatrail generate iam-policy -- report s3://trail-bucket/prefix --month 2026-10
  mfatrail generate iam-policy -- report s3://trail-bucket --month 2026-10 --iam live --iam-role Auditor
  mfatrail generate iam-policy --of iam-role -- report s3://trail-bucket --month 2026-10 --iam live --iam-role Auditor
  mfatrail generate iam-policy -- iam snapshot --out iam.json
  mfatrail generate iam-policy -- respond alice --lost --account 111122223333")]
pub(super) struct IamPolicyArgs {
    /// Whose policy
    #[arg(long, value_name = "WHOSE", default_value = "caller")]
    of: Whose,

    /// The key that the bucket's objects are encrypted with, where it is one of your own
    #[arg(long, value_name = "ARN")]
    kms_key: Option<String>,

    /// The command line, without the program's name
    #[arg(value_name = "COMMAND", required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<OsString>,
}

/// Whose policy `iam-policy` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Whose {
    /// Whoever runs the command
    Caller,
    /// The role of --role-arn, which reads the archive
    ArchiveRole,
    /// The role of --iam-role, which reads IAM in each account; of `device` and `respond` the role of --role
    IamRole,
    /// The roles of a watch's channels (`aws.role`), which send its alerts
    ChannelRole,
}

/// Everything that `inventory::live` calls.
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

pub(super) fn run(command: GenerateCommand) -> Result<Status, Error> {
    match command {
        GenerateCommand::Completions(args) => completions(args.shell),
        GenerateCommand::Man(args) => man(&args.out),
        GenerateCommand::IamPolicy(args) => iam_policy(&args),
    }
}

fn completions(shell: Shell) -> Result<Status, Error> {
    let mut out = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "mfatrail", &mut out);
    put(String::from_utf8_lossy(&out).trim_end())?;
    Ok(Status::Done)
}

fn man(folder: &Path) -> Result<Status, Error> {
    named_file("--out", folder)?;
    let wrong = |error: std::io::Error| {
        Error::Input(format!(
            "`--out`: could not write into `{}`: {error}\n  hint: name an existing folder that you can write to, or a new one",
            folder.display()
        ))
    };
    fs::create_dir_all(folder).map_err(wrong)?;
    // All of them are written before one is put in its place: a full disk leaves nothing behind.
    let draft = disk::temporary_folder(Some(folder)).map_err(wrong)?;
    clap_mangen::generate_to(Cli::command().disable_help_subcommand(true), draft.path()).map_err(wrong)?;
    let mut pages = Vec::new();
    for page in fs::read_dir(draft.path()).map_err(wrong)? {
        let page = page.map_err(wrong)?;
        let place = folder.join(page.file_name());
        disk::occupied(&place, "a man page", is_page)
            .map_err(|error| Error::Input(format!("`--out`: will not overwrite `{}`: {error}", place.display())))?;
        pages.push((page.path(), place));
    }
    for (page, place) in pages {
        fs::rename(page, place).map_err(wrong)?;
    }
    put(&folder.display().to_string())?;
    Ok(Status::Done)
}

/// Whether a file is a man page of this program.
fn is_page(file: &mut fs::File) -> bool {
    let mut head = Vec::new();
    file.take(1024).read_to_end(&mut head).is_ok()
        && head.split(|byte| *byte == b'\n').any(|line| line.starts_with(b".TH mfatrail"))
}

/// What a command line calls, and as whom.
#[derive(Default)]
struct Needs {
    /// Buckets and prefixes.
    archive: Vec<(String, String)>,
    archive_role: Option<String>,
    queues: Vec<Place>,
    /// CloudTrail's public keys, with the credentials that read the archive.
    public_keys: bool,
    iam: bool,
    /// Everything that the checks of guardrails ask.
    posture: bool,
    iam_role: Option<String>,
    /// Accounts in which the role is assumed; empty where they are not named.
    accounts: Vec<String>,
    partition: String,
    /// What `device` and `respond` need of IAM.
    devices: Vec<Value>,
    /// Of a watch.
    channels: Vec<Channel>,
    secrets: Vec<Permission>,
}

/// What a channel needs, and the role that needs it in place of the caller.
struct Channel {
    role: Option<String>,
    permissions: Vec<Permission>,
}

fn iam_policy(args: &IamPolicyArgs) -> Result<Status, Error> {
    let words = std::iter::once(OsString::from("mfatrail")).chain(args.command.iter().cloned());
    let cli = Cli::try_parse_from(words).map_err(|error| {
        let text = error.to_string();
        let said = text.split("\n\nUsage:").next().unwrap_or_default().trim_start_matches("error: ");
        let first = said.split_whitespace().collect::<Vec<_>>().join(" ");
        Error::Input(format!(
            "the command line after `iam-policy` is not understood: {first}\n  hint: give it as you would run it, after `--` and without the program's name"
        ))
    })?;
    let needs = needs(&cli.command)?;
    let statements = statements(&needs, args)?;
    let policy = json!({ "Version": "2012-10-17", "Statement": statements });
    put(&format!("{policy:#}"))?;
    Ok(Status::Done)
}

fn needs(command: &Command) -> Result<Needs, Error> {
    match command {
        Command::Report(args) => {
            let mut needs = archive(&args.sources, &args.archive.regions, &args.aws)?;
            needs.posture = args.posture.as_ref().is_some_and(|posture| posture.as_os_str() == "live");
            needs.iam = needs.posture || args.iam.as_ref().is_some_and(|iam| iam == "live");
            needs.iam_role.clone_from(&args.iam_role);
            needs.accounts.clone_from(&args.archive.accounts);
            Ok(needs)
        }
        Command::Search(args) => archive(&args.sources, &args.archive.regions, &args.aws),
        Command::Scan(args) => archive(&args.sources, &args.archive.regions, &args.aws),
        Command::Verify(args) => {
            let mut needs = archive(&args.sources, &args.archive.regions, &args.aws)?;
            needs.public_keys = args.public_keys.is_empty();
            Ok(needs)
        }
        Command::Watch(args) => {
            let Reads { sources, queues, aws } = args.reads()?;
            let mut needs = Needs { queues, ..archive(&sources, &[], aws)? };
            channels(&args.tells()?, &mut needs);
            Ok(needs)
        }
        // Which buckets `retry` reads is in the store: the policy of the scan covers it.
        Command::History(_) | Command::Store(_) => Ok(Needs::default()),
        Command::Iam(IamCommand::Snapshot(args)) => Ok(Needs {
            iam: true,
            iam_role: args.iam_role.clone(),
            accounts: args.accounts.clone(),
            partition: partition(args.aws_region.iter()),
            ..Needs::default()
        }),
        Command::Posture(args) if args.from_files.is_none() => Ok(Needs {
            iam: true,
            posture: true,
            iam_role: args.iam_role.clone(),
            accounts: args.accounts.clone(),
            partition: partition(args.aws_region.iter()),
            ..Needs::default()
        }),
        Command::Device(args) => device(args),
        Command::Respond(args) => respond(args),
        Command::Posture(_) | Command::Generate(_) => Ok(Needs::default()),
    }
}

/// What one command on devices needs.
fn device(args: &DeviceArgs) -> Result<Needs, Error> {
    let (mut reads, mut all, user, name) = match &args.command {
        DeviceCommand::List(args) => {
            let everybody = args.user.is_none().then_some("iam:ListUsers");
            (vec!["iam:ListMFADevices"], everybody.into_iter().collect(), args.user.as_deref().unwrap_or("*"), "*")
        }
        DeviceCommand::Create(args) => (Vec::new(), Vec::new(), "*", args.name.as_str()),
        DeviceCommand::Enable(args) | DeviceCommand::Resync(args) => {
            (vec!["iam:ListMFADevices"], Vec::new(), args.owned.user.as_str(), args.owned.serial.as_str())
        }
        DeviceCommand::Deactivate(args) => {
            (vec!["iam:ListMFADevices"], Vec::new(), args.user.as_str(), args.serial.as_str())
        }
        DeviceCommand::Delete(args) => (Vec::new(), Vec::new(), "*", args.serial.as_str()),
        DeviceCommand::Tags(args) => (Vec::new(), Vec::new(), "*", args.serial.as_str()),
        DeviceCommand::Tag(args) => (Vec::new(), Vec::new(), "*", args.of.serial.as_str()),
        DeviceCommand::Untag(args) => (Vec::new(), Vec::new(), "*", args.of.serial.as_str()),
    };
    let mut entity = Vec::new();
    if let DeviceCommand::Tags(_) = &args.command {
        entity.push("iam:ListMFADeviceTags");
    } else {
        all.push("iam:ListVirtualMFADevices");
    }
    if let Some(call) = args.command.call()? {
        if names_user(&call) {
            reads.push(call.action())
        } else {
            entity.push(call.action())
        }
        if matches!(&call, Call::CreateVirtualMfaDevice { tags, .. } if !tags.is_empty()) {
            entity.push("iam:TagMFADevice");
        }
    }
    changing(args.command.caller(), user, &[name.to_owned()], [reads, entity, all])
}

/// What the runbook needs.
fn respond(args: &RespondArgs) -> Result<Needs, Error> {
    let mut own = vec![
        "iam:GetLoginProfile",
        "iam:GetUser",
        "iam:GetUserPolicy",
        "iam:ListAccessKeys",
        "iam:ListGroupsForUser",
        "iam:ListMFADevices",
    ];
    let mut entity = Vec::new();
    for call in args.changes() {
        if names_user(&call) { own.push(call.action()) } else { entity.push(call.action()) }
    }
    let all = vec!["iam:GetAccessKeyLastUsed", "iam:ListVirtualMFADevices"];
    changing(&args.caller, &args.user, args.serials(), [own, entity, all])
}

/// Whether a call's resource is a user.
const fn names_user(call: &Call) -> bool {
    !matches!(
        call,
        Call::CreateVirtualMfaDevice { .. }
            | Call::DeleteVirtualMfaDevice { .. }
            | Call::TagMfaDevice { .. }
            | Call::UntagMfaDevice { .. }
    )
}

/// The statements for actions on a user, on virtual devices and on everything, each with the narrowest resource that is known.
fn changing(
    caller: &CallerArgs,
    user: &str,
    devices: &[String],
    [own, entity, all]: [Vec<&'static str>; 3],
) -> Result<Needs, Error> {
    let name = user_name(user).map_err(Error::Input)?;
    let role = caller.role_arn()?;
    let arns = [Some(user), role.as_deref()].into_iter().flatten().chain(devices.iter().map(String::as_str));
    let named = arns.filter_map(Arn::parse).next();
    let partition = named.map_or_else(|| partition(caller.aws_region.iter()), |arn| arn.partition.to_owned());
    let account = caller.account.as_deref().or(named.map(|arn| arn.account)).unwrap_or("*");
    let iam = |resource: &str| format!("arn:{partition}:iam::{account}:{resource}");
    // A user's path is not known from the name.
    let users = match name {
        "*" => vec![iam("user/*")],
        _ if is_arn(user) => vec![user.to_owned()],
        name => vec![iam(&format!("user/{name}")), iam(&format!("user/*/{name}"))],
    };
    let mut entities: Vec<String> = devices
        .iter()
        .filter_map(|device| match Arn::parse(device) {
            Some(arn) => arn.resource_of("mfa").map(|_| device.clone()),
            None if entity.contains(&"iam:CreateVirtualMFADevice") => Some(iam(&format!("mfa/{device}"))),
            None => None,
        })
        .collect();
    if devices.is_empty() {
        entities.push(iam("mfa/*"));
    }
    let statement = |sid: &str, mut actions: Vec<&'static str>, resource: Value| {
        actions.sort_unstable();
        json!({ "Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resource })
    };
    let mut statements = Vec::new();
    if !own.is_empty() {
        statements.push(statement("TheUser", own, json!(users)));
    }
    if !entity.is_empty() && !entities.is_empty() {
        statements.push(statement("VirtualDevices", entity, json!(entities)));
    }
    if !all.is_empty() {
        statements.push(statement("Account", all, json!("*")));
    }
    Ok(Needs { devices: statements, iam_role: role, partition, ..Needs::default() })
}

fn archive(sources: &[OsString], regions: &[String], calls: &AwsArgs) -> Result<Needs, Error> {
    let mut buckets = Vec::new();
    for source in sources {
        if let Source::S3 { bucket, prefix } = Source::parse(source).map_err(Error::input)? {
            buckets.push((bucket, prefix));
        }
    }
    let sources = sources.iter().filter_map(|source| source.to_str());
    let arns = sources.map(|source| source.trim_start_matches("s3://")).chain(calls.role_arn.as_deref());
    let mut named = arns.filter_map(Arn::parse).map(|arn| arn.partition);
    let named = named.find(|partition| !partition.is_empty());
    let partition = named.map_or_else(|| partition(regions.iter().chain(&calls.aws_region)), str::to_owned);
    Ok(Needs { archive: buckets, archive_role: calls.role_arn.clone(), partition, ..Needs::default() })
}

fn channels(entries: &[Entry], needs: &mut Needs) {
    for Entry { settings, .. } in entries {
        let partition = permission::partition_of(settings).unwrap_or(&needs.partition);
        let permissions = settings.permissions(partition);
        if let Some(access) = settings.access() {
            needs.channels.push(Channel { role: access.role.clone(), permissions });
        }
        let secrets = settings.secrets();
        needs.secrets.extend(secrets.into_iter().filter_map(|secret| permission::of_secret(secret, &needs.partition)));
    }
}

/// The partition of the first region, else of the one that the SDK would take.
fn partition<'a>(regions: impl Iterator<Item = &'a String>) -> String {
    let set = ["AWS_REGION", "AWS_DEFAULT_REGION"].into_iter().filter_map(|name| std::env::var(name).ok());
    let region = regions.cloned().chain(set).find(|region| !region.is_empty());
    partition::of_region(region.as_deref().unwrap_or(aws::DEFAULT_REGION)).into_owned()
}

fn statements(needs: &Needs, args: &IamPolicyArgs) -> Result<Vec<Value>, Error> {
    let nothing = |what: &str| {
        Err(Error::Input(format!("{what}\n  hint: `--of caller` prints what the command's own credentials need")))
    };
    let mut statements = Vec::new();
    match args.of {
        Whose::ArchiveRole if needs.archive_role.is_none() => {
            return nothing("the command assumes no role for the archive");
        }
        Whose::IamRole if needs.iam_role.is_none() => return nothing("the command assumes no role for IAM"),
        Whose::ArchiveRole => {
            statements.extend(read_archive(needs, args));
            statements.extend(read_queues(needs));
            statements.extend(needs.public_keys.then(read_public_keys));
        }
        Whose::IamRole if !needs.devices.is_empty() => statements.extend(needs.devices.iter().cloned()),
        Whose::IamRole => {
            statements.push(read_iam());
            statements.extend(needs.posture.then(|| read_guardrails("ReadGuardrails", &ACCOUNT_ACTIONS)));
        }
        Whose::ChannelRole if needs.channels.iter().all(|channel| channel.role.is_none()) => {
            return nothing("no channel assumes a role");
        }
        Whose::ChannelRole => {
            let of_roles = needs.channels.iter().filter(|channel| channel.role.is_some());
            statements.extend(granted(of_roles.flat_map(|channel| &channel.permissions)));
        }
        Whose::Caller => {
            match &needs.archive_role {
                Some(role) if !needs.archive.is_empty() || !needs.queues.is_empty() => {
                    statements.push(assume("AssumeTheArchiveRole", std::slice::from_ref(role)));
                }
                _ => {
                    statements.extend(read_archive(needs, args));
                    statements.extend(read_queues(needs));
                    statements.extend(needs.public_keys.then(read_public_keys));
                }
            }
            match &needs.iam_role {
                Some(role) if !needs.devices.is_empty() => {
                    statements.push(assume("AssumeTheRole", std::slice::from_ref(role)));
                }
                _ => statements.extend(needs.devices.iter().cloned()),
            }
            if needs.iam {
                statements.push(match &needs.iam_role {
                    Some(role) => {
                        let arn = |account: &str| {
                            format!("arn:{}:iam::{account}:role/{}", needs.partition, role.trim_start_matches('/'))
                        };
                        let roles: Vec<String> = match needs.accounts.as_slice() {
                            [] => vec![arn("*")],
                            accounts => accounts.iter().map(|account| arn(account)).collect(),
                        };
                        assume("AssumeTheRoleInEachAccount", &roles)
                    }
                    None => read_iam(),
                });
            }
            if needs.posture {
                if needs.iam_role.is_none() {
                    statements.push(read_guardrails("ReadGuardrails", &ACCOUNT_ACTIONS));
                }
                statements.push(read_guardrails("ReadOrganization", &ORGANIZATION_ACTIONS));
            }
            let own = needs.channels.iter().filter(|channel| channel.role.is_none());
            statements.extend(granted(own.flat_map(|channel| &channel.permissions).chain(&needs.secrets)));
            let roles: BTreeSet<String> = needs
                .channels
                .iter()
                .filter_map(|channel| Some(channel.role.as_deref()?.replace("{account}", "*")))
                .collect();
            if !roles.is_empty() {
                statements.push(assume("AssumeTheRolesOfChannels", &roles.into_iter().collect::<Vec<_>>()));
            }
        }
    }
    if statements.is_empty() {
        return Err(Error::Input(
            "the command line calls nothing of AWS, and needs no policy\n  hint: name an s3:// source, or `--iam live`"
                .to_owned(),
        ));
    }
    Ok(statements)
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

fn read_public_keys() -> Value {
    json!({ "Sid": "ReadPublicKeys", "Effect": "Allow", "Action": "cloudtrail:ListPublicKeys", "Resource": "*" })
}

fn read_queues(needs: &Needs) -> Option<Value> {
    let arn = |place: &Place| {
        let region = place.region().unwrap_or_else(|| "*".to_owned());
        let partition = partition::of_region(&region);
        let partition = if region == "*" { needs.partition.as_str() } else { &*partition };
        format!("arn:{partition}:sqs:{region}:{}:{}", place.account().unwrap_or("*"), place.name())
    };
    let arns: BTreeSet<String> = needs.queues.iter().map(arn).collect();
    let actions = ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"];
    (!arns.is_empty())
        .then(|| json!({ "Sid": "WorkOffQueues", "Effect": "Allow", "Action": actions, "Resource": arns }))
}

fn read_iam() -> Value {
    json!({ "Sid": "ReadIamState", "Effect": "Allow", "Action": IAM_ACTIONS, "Resource": "*" })
}

fn read_guardrails(sid: &str, actions: &[&str]) -> Value {
    json!({ "Sid": sid, "Effect": "Allow", "Action": actions, "Resource": "*" })
}

fn read_archive(needs: &Needs, args: &IamPolicyArgs) -> Vec<Value> {
    let mut statements = Vec::new();
    let buckets: BTreeSet<&String> = needs.archive.iter().map(|(bucket, _)| bucket).collect();
    for (i, bucket) in buckets.into_iter().enumerate() {
        let own = || needs.archive.iter().filter(|(name, _)| name == bucket).map(|(_, prefix)| prefix.as_str());
        // An access point is named by its ARN already, and has its objects below a folder of that name.
        let (arn, objects_of) = if is_arn(bucket) {
            ((*bucket).clone(), format!("{bucket}/object"))
        } else {
            let arn = format!("arn:{}:s3:::{bucket}", needs.partition);
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
        if own().all(|prefix| !prefix.is_empty())
            && let Some(list) = list.as_object_mut()
        {
            let prefixes: Vec<String> = own().flat_map(below).collect();
            list.insert("Condition".to_owned(), json!({ "StringLike": { "s3:prefix": prefixes } }));
        }
        let objects: Vec<String> = own().flat_map(below).map(|key| format!("{objects_of}/{key}")).collect();
        statements.push(list);
        statements.push(json!({
            "Sid": format!("ReadTheArchive{number}"),
            "Effect": "Allow",
            "Action": "s3:GetObject",
            "Resource": objects,
        }));
    }
    if let Some(key) = args.kms_key.as_ref().filter(|_| !statements.is_empty()) {
        statements.push(json!({
            "Sid": "DecryptTheArchive",
            "Effect": "Allow",
            "Action": "kms:Decrypt",
            "Resource": key,
        }));
    }
    statements
}

/// The keys that a SOURCE's prefix stands for: a folder's, or where it does not end like one, those of a key as well.
fn below(prefix: &str) -> Vec<String> {
    if prefix.is_empty() || prefix.ends_with('/') {
        vec![format!("{prefix}*")]
    } else {
        vec![prefix.to_owned(), format!("{prefix}/*")]
    }
}
