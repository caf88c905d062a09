//! `mfatrail generate`: shell completions, man pages, and the IAM policy that a command line calls.

use std::ffi::OsString;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::args::AwsArgs;
use super::complete::{self, Shell};
use super::device::{CallerArgs, DeviceArgs, DeviceCommand};
use super::exit::Status;
use super::respond::RespondArgs;
use super::watch::Reads;
use super::{Cli, Command, IamCommand, named_file, put};
use crate::alert::channel::permission;
use crate::app::Error;
use crate::app::iam_policy::{AwsCalls, ChannelCalls, PolicySubject, partition_of, policy};
use crate::app::watch::config::{self, Entry};
use crate::arn::{Arn, is_arn};
use crate::device::call::Call;
use crate::device::plan::user_name;
use crate::source::Source;
use crate::{aws, disk, partition, signature};

/// What `generate` makes.
#[derive(Debug, Subcommand)]
pub(super) enum GenerateCommand {
    Completions(CompletionsArgs),
    Man(ManArgs),
    IamPolicy(IamPolicyArgs),
}

/// Print shell completions: of commands and options, and with --store DIR of its accounts, users and devices
///
/// The shell asks mfatrail at each Tab, so completions know the version that is installed. A store in a bucket is not asked.
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

/// Write the man pages, one per command
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
/// If the command assumes a role, its caller needs permission to assume it, and the role needs the rest: --of chooses whose
/// policy is printed. Makes no AWS calls.
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

    /// The customer managed key that the bucket's objects are encrypted with, if any
    #[arg(long, value_name = "ARN")]
    kms_key: Option<String>,

    /// The command line, without the program name
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

pub(super) fn run(command: GenerateCommand) -> Result<Status, Error> {
    match command {
        GenerateCommand::Completions(args) => completions(args.shell),
        GenerateCommand::Man(args) => man(&args.out),
        GenerateCommand::IamPolicy(args) => iam_policy(&args),
    }
}

fn completions(shell: Shell) -> Result<Status, Error> {
    let mut out = Vec::new();
    complete::registration(shell, &mut out).map_err(Error::failed)?;
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
    let calls = AwsCalls { kms_key: args.kms_key.clone(), ..calls(&cli.command)? };
    let subject = match args.of {
        Whose::Caller => PolicySubject::Caller,
        Whose::ArchiveRole => PolicySubject::ArchiveRole,
        Whose::IamRole => PolicySubject::IamRole,
        Whose::ChannelRole => PolicySubject::ChannelRole,
    };
    put(&format!("{:#}", policy(&calls, subject)?))?;
    Ok(Status::Done)
}

/// What a command calls of AWS.
fn calls(command: &Command) -> Result<AwsCalls, Error> {
    let written = |store: Option<&PathBuf>| store.map(|store| (store.clone(), true)).into_iter().collect();
    let stores: Vec<(PathBuf, bool)> = match command {
        Command::Report(args) => written(args.store.as_ref()),
        Command::Scan(args) => written(Some(&args.store)),
        Command::Monthly(args) => args.stores(),
        Command::Iam(IamCommand::Snapshot(args)) => written(args.store.as_ref()),
        Command::History(args) => args.store.iter().map(|store| (store.clone(), false)).collect(),
        Command::Trace(args) => args.store.iter().map(|store| (store.clone(), false)).collect(),
        Command::Store(args) => args.stores(),
        Command::Watch(args) => args.stores(),
        Command::Respond(args) => written(args.store.as_ref()),
        _ => Vec::new(),
    };
    let stores = stores.into_iter().filter_map(|(store, is_written)| {
        Some((Source::parse(store.as_os_str()).ok().filter(|store| matches!(store, Source::S3 { .. }))?, is_written))
    });
    Ok(AwsCalls { stores: stores.collect(), ..other_calls(command)? })
}

/// What a command calls beside its store.
fn other_calls(command: &Command) -> Result<AwsCalls, Error> {
    match command {
        Command::Report(args) => {
            let mut calls = archive(&args.sources, &args.archive.regions, &args.aws)?;
            calls.public_keys = args.verify && args.public_keys.is_empty();
            calls.posture = args.posture.as_ref().is_some_and(|posture| posture.as_os_str() == "live");
            calls.sign_key = args.sign_key.as_deref().and_then(signature::kms_arn).map(str::to_owned);
            calls.iam = calls.posture || args.iam.as_ref().is_some_and(|iam| iam == "live");
            calls.iam_role.clone_from(&args.iam_role);
            calls.accounts.clone_from(&args.archive.accounts);
            Ok(calls)
        }
        Command::Monthly(args) => {
            let mut calls = archive(&args.sources, &args.archive.regions, &args.aws)?;
            calls.public_keys = args.verify && args.public_keys.is_empty();
            calls.posture = args.asks_guardrails();
            calls.sign_key = args.sign_key.as_deref().and_then(signature::kms_arn).map(str::to_owned);
            calls.iam = calls.posture || args.iam.as_ref().is_some_and(|iam| iam == "live");
            calls.iam_role.clone_from(&args.iam_role);
            calls.accounts.clone_from(&args.archive.accounts);
            if let Some(config) = &args.watch_config {
                channels(&config::read(config)?.channels, &mut calls);
            }
            Ok(calls)
        }
        Command::Search(args) => archive(&args.sources, &args.archive.regions, &args.aws),
        Command::Trace(args) => archive(&args.sources, &args.archive.regions, &args.aws),
        Command::Scan(args) => {
            let mut calls = archive(&args.sources, &args.archive.regions, &args.aws)?;
            calls.public_keys = args.verify && args.public_keys.is_empty();
            Ok(calls)
        }
        Command::Verify(args) => {
            let mut calls = archive(&args.sources, &args.archive.regions, &args.aws)?;
            calls.public_keys = args.public_keys.is_empty();
            Ok(calls)
        }
        Command::Watch(args) => {
            let Reads { sources, queues, aws } = args.reads()?;
            let mut calls = AwsCalls { queues, ..archive(&sources, &[], aws)? };
            channels(&args.tells()?, &mut calls);
            Ok(calls)
        }
        // Which buckets `retry` reads is in the store: the policy of the scan covers it.
        Command::History(_) | Command::Store(_) => Ok(AwsCalls::default()),
        Command::Iam(IamCommand::Snapshot(args)) => Ok(AwsCalls {
            iam: true,
            iam_role: args.iam_role.clone(),
            accounts: args.accounts.clone(),
            partition: partition(args.aws_region.iter()),
            ..AwsCalls::default()
        }),
        Command::Posture(args) if args.from_files.is_none() => Ok(AwsCalls {
            iam: true,
            posture: true,
            iam_role: args.iam_role.clone(),
            accounts: args.accounts.clone(),
            partition: partition(args.aws_region.iter()),
            ..AwsCalls::default()
        }),
        Command::Device(args) => device(args),
        Command::Respond(args) => respond(args),
        Command::Posture(_) | Command::Bundle(_) | Command::Generate(_) | Command::Config(_) => Ok(AwsCalls::default()),
    }
}

/// What one command on devices calls.
fn device(args: &DeviceArgs) -> Result<AwsCalls, Error> {
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

/// What the runbook calls.
fn respond(args: &RespondArgs) -> Result<AwsCalls, Error> {
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
) -> Result<AwsCalls, Error> {
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
    Ok(AwsCalls { devices: statements, iam_role: role, partition, ..AwsCalls::default() })
}

fn archive(sources: &[OsString], regions: &[String], aws: &AwsArgs) -> Result<AwsCalls, Error> {
    let texts = sources.iter().filter_map(|source| source.to_str()).chain(aws.role_arn.as_deref());
    let named = partition_of(texts).map(str::to_owned);
    let sources = sources.iter().map(|source| Source::parse(source).map_err(Error::input));
    Ok(AwsCalls {
        sources: sources.collect::<Result<_, _>>()?,
        archive_role: aws.role_arn.clone(),
        partition: named.unwrap_or_else(|| partition(regions.iter().chain(&aws.aws_region))),
        ..AwsCalls::default()
    })
}

fn channels(entries: &[Entry], calls: &mut AwsCalls) {
    for Entry { settings, .. } in entries {
        let partition = permission::partition_of(settings).unwrap_or(&calls.partition);
        let permissions = settings.permissions(partition);
        if let Some(access) = settings.access() {
            calls.channels.push(ChannelCalls { role: access.role.clone(), permissions });
        }
        let secrets = settings.secrets();
        calls.secrets.extend(secrets.into_iter().filter_map(|secret| permission::of_secret(secret, &calls.partition)));
    }
}

/// The partition of the first region, else of the one that the SDK would take.
fn partition<'a>(regions: impl Iterator<Item = &'a String>) -> String {
    let set = ["AWS_REGION", "AWS_DEFAULT_REGION"].into_iter().filter_map(|name| std::env::var(name).ok());
    let region = regions.cloned().chain(set).find(|region| !region.is_empty());
    partition::of_region(region.as_deref().unwrap_or(aws::DEFAULT_REGION)).into_owned()
}
