//! `mfatrail device`, and what it has in common with `mfatrail respond`.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use serde_json::json;

use super::archive::{check_profile, endpoint};
use super::exit::Status;
use super::{Printed, put, put_json, say};
use crate::app::device::{self, Decision};
use crate::app::request::account_id;
use crate::app::{Error, Run, rfc3339};
use crate::arn;
use crate::aws::signed::escaped;
use crate::aws::{Connection, DEFAULT_REGION};
use crate::device::call::{Call, word};
use crate::device::client::{Failure, Iam, Secrets};
use crate::device::plan::user_name;
use crate::device::secret::{self, Codes, Secret};
use crate::escape::terminal as terminal_text;
use crate::{partition, units};

/// How long after the first code both must be on their way: IAM takes codes that are a little late, and the second comes half a minute
/// after the first.
const FRESH: Duration = Duration::from_secs(90);
/// Who waits longer does not want to wait for IAM, but another day.
const LONGEST_PATIENCE: Duration = Duration::from_secs(24 * 3600);

/// MFA devices of IAM users: list, create, enable, resync, deactivate, delete, tag
///
/// What would change something shows its plan first, as the lines of the AWS CLI that do the same, and does nothing without --apply.
#[derive(Debug, Args)]
#[command(after_long_help = HELP)]
pub(super) struct DeviceArgs {
    #[command(subcommand)]
    pub(super) command: DeviceCommand,
}

const HELP: &str = "\
docs/devices.md explains each step, and what IAM does that one would not expect.

Examples:
  mfatrail device list
  mfatrail device create alice --out alice-mfa.txt --apply
  mfatrail device enable --user alice --serial arn:aws:iam::111122223333:mfa/alice --apply

Exit status: 2 wrong usage, or a step that makes no sense: nothing was changed; 4 IAM refused it, or the run failed; 0 done, or only
the plan was shown.";

#[derive(Debug, Subcommand)]
pub(super) enum DeviceCommand {
    /// List devices, and unassigned virtual devices with what they block
    List(ListArgs),
    /// Create a virtual device: its seed is shown only once
    Create(CreateArgs),
    /// Give a device to a user, by two consecutive codes
    Enable(CodeArgs),
    /// Tell IAM how far a device's clock is off, by two consecutive codes
    Resync(CodeArgs),
    /// Take a device from its user
    Deactivate(OwnedArgs),
    /// Delete an unassigned virtual device
    Delete(SerialArgs),
    /// List the tags of a virtual device
    Tags(TagsArgs),
    /// Add tags to a virtual device
    Tag(TagArgs),
    /// Remove tags from a virtual device
    Untag(UntagArgs),
}

/// How IAM is reached, and as whom.
#[derive(Debug, Args)]
pub(super) struct CallerArgs {
    /// The account that is meant: any other is refused
    #[arg(long, value_name = "ID", help_heading = "AWS")]
    pub(super) account: Option<String>,

    /// A role to assume: an ARN, or with --account a name
    #[arg(long, value_name = "ROLE", help_heading = "AWS")]
    pub(super) role: Option<String>,

    /// The external id that the role asks for
    #[arg(long, value_name = "ID", requires = "role", help_heading = "AWS")]
    external_id: Option<String>,

    /// Profile of the AWS CLI's configuration
    #[arg(long, value_name = "NAME", help_heading = "AWS")]
    profile: Option<String>,

    /// The region to call AWS in [default: AWS_REGION, the profile's, else us-east-1]
    #[arg(long, value_name = "REGION", help_heading = "AWS")]
    pub(super) aws_region: Option<String>,

    /// Another endpoint [also: AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_IAM, AWS_ENDPOINT_URL_STS]
    #[arg(long, value_name = "URL", help_heading = "AWS")]
    endpoint_url: Option<String>,
}

impl CallerArgs {
    /// How AWS is reached.
    pub(super) fn connection(&self) -> Result<Connection, Error> {
        self.account.as_deref().map_or(Ok(()), account_id)?;
        check_profile(self.profile.as_deref())?;
        Ok(Connection {
            profile: self.profile.clone(),
            region: self.aws_region.clone(),
            endpoint_url: endpoint(self.endpoint_url.as_deref())?,
            role_arn: self.role_arn()?,
            external_id: self.external_id.clone(),
        })
    }

    /// The ARN of the role.
    pub(super) fn role_arn(&self) -> Result<Option<String>, Error> {
        let Some(role) = &self.role else { return Ok(None) };
        if arn::is_arn(role) {
            return Ok(Some(role.clone()));
        }
        let account = self.account.as_deref().ok_or_else(|| {
            Error::Input(format!(
                "`--role`: `{role}` is a name, and of no account\n  hint: give its ARN, or --account too"
            ))
        })?;
        let region = self.aws_region.as_deref().unwrap_or(DEFAULT_REGION);
        Ok(Some(format!("arn:{}:iam::{account}:role/{}", partition::of_region(region), role.trim_start_matches('/'))))
    }

    pub(super) fn open(&self) -> Result<Iam, Error> {
        device::connect(&self.connection()?, self.account.as_deref())
    }
}

/// Whether something is changed.
#[derive(Debug, Args)]
pub(super) struct ApplyArgs {
    /// Do it; without it the plan is shown, and nothing is changed
    #[arg(long, help_heading = "Change")]
    pub(super) apply: bool,

    /// The name that is otherwise to be typed on the terminal: the user's, or where there is none the device's
    #[arg(long, value_name = "NAME", requires = "apply", help_heading = "Change")]
    pub(super) confirm: Option<String>,

    /// Wait so long at most while IAM is still working on an earlier change
    #[arg(long, value_name = "DURATION", default_value = "5m", help_heading = "Change")]
    patience: String,
}

impl ApplyArgs {
    pub(super) fn patience(&self) -> Result<Duration, Error> {
        let patience = units::parse_duration(&self.patience).ok().and_then(|patience| patience.to_std().ok());
        patience.filter(|patience| *patience <= LONGEST_PATIENCE).ok_or_else(|| {
            Error::Input(format!(
                "`--patience`: `{}` is not a duration of a day at most\n  hint: write it like 30s or 5m",
                self.patience
            ))
        })
    }

    /// Checks that whoever asks means this one: by the option, else by what is typed.
    pub(super) fn confirmed(&self, name: &str) -> Result<(), Error> {
        let typed = match &self.confirm {
            Some(confirm) => confirm.clone(),
            None if std::io::stdin().is_terminal() => ask(&format!("Type {} to go on: ", terminal_text(name)))?,
            None => {
                return Err(Error::Input(format!(
                    "nothing was changed: there is no terminal to type the name on\n  hint: --confirm {}",
                    word(name)
                )));
            }
        };
        if typed == name {
            return Ok(());
        }
        Err(Error::Input(format!(
            "nothing was changed: `{typed}` is not `{name}`\n  hint: type the name as it is, case included"
        )))
    }
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Only this user's [default: everybody's]
    #[arg(long, value_name = "NAME")]
    pub(super) user: Option<String>,

    /// How to print the list
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Printed,

    #[command(flatten)]
    pub(super) caller: CallerArgs,
}

#[derive(Debug, Args)]
pub(super) struct CreateArgs {
    /// The device's name
    #[arg(value_name = "NAME")]
    pub(super) name: String,

    /// A tag; may be repeated
    #[arg(long = "tag", value_name = "KEY=VALUE")]
    tags: Vec<String>,

    /// Write the seed, as text and as an otpauth:// address, to this new file, which only you can read
    #[arg(long, value_name = "FILE", help_heading = "Seed")]
    out: Option<PathBuf>,

    /// Write the QR code as AWS draws it, PNG, to this new file, which only you can read
    #[arg(long, value_name = "FILE", help_heading = "Seed")]
    qr_png: Option<PathBuf>,

    /// Draw the QR code on the terminal
    #[arg(long, help_heading = "Seed")]
    qr: bool,

    #[command(flatten)]
    apply: ApplyArgs,

    #[command(flatten)]
    pub(super) caller: CallerArgs,
}

#[derive(Debug, Args)]
pub(super) struct OwnedArgs {
    /// Whose it is
    #[arg(long, value_name = "NAME")]
    pub(super) user: String,

    /// The device's serial number or ARN
    #[arg(long, value_name = "SERIAL")]
    pub(super) serial: String,

    /// The user is the one whose credentials this command has
    #[arg(long = "self", id = "own")]
    own: bool,

    #[command(flatten)]
    apply: ApplyArgs,

    #[command(flatten)]
    pub(super) caller: CallerArgs,
}

/// The two codes are asked for on the terminal, or read from standard input, a line each.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Two consecutive codes are asked for on the terminal: type one, wait for the next, type it. Without a terminal they are read from standard
input, a line each.")]
pub(super) struct CodeArgs {
    #[command(flatten)]
    pub(super) owned: OwnedArgs,
}

#[derive(Debug, Args)]
pub(super) struct SerialArgs {
    /// The device's ARN
    #[arg(long, value_name = "SERIAL")]
    pub(super) serial: String,

    #[command(flatten)]
    apply: ApplyArgs,

    #[command(flatten)]
    pub(super) caller: CallerArgs,
}

#[derive(Debug, Args)]
pub(super) struct TagsArgs {
    /// The device's ARN
    #[arg(long, value_name = "SERIAL")]
    pub(super) serial: String,

    /// How to print the tags
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Printed,

    #[command(flatten)]
    pub(super) caller: CallerArgs,
}

#[derive(Debug, Args)]
pub(super) struct TagArgs {
    /// The tags
    #[arg(value_name = "KEY=VALUE", required = true)]
    tags: Vec<String>,

    #[command(flatten)]
    pub(super) of: SerialArgs,
}

#[derive(Debug, Args)]
pub(super) struct UntagArgs {
    /// The tags' keys
    #[arg(value_name = "KEY", required = true)]
    keys: Vec<String>,

    #[command(flatten)]
    pub(super) of: SerialArgs,
}

impl DeviceCommand {
    pub(super) fn caller(&self) -> &CallerArgs {
        match self {
            Self::List(args) => &args.caller,
            Self::Create(args) => &args.caller,
            Self::Enable(args) | Self::Resync(args) => &args.owned.caller,
            Self::Deactivate(args) => &args.caller,
            Self::Delete(args) => &args.caller,
            Self::Tags(args) => &args.caller,
            Self::Tag(args) => &args.of.caller,
            Self::Untag(args) => &args.of.caller,
        }
    }

    /// The changing call; `None` for a question.
    pub(super) fn call(&self) -> Result<Option<Call>, Error> {
        let user = |args: &OwnedArgs| user_name(&args.user).map(str::to_owned).map_err(Error::Input);
        let call = match self {
            Self::List(_) | Self::Tags(_) => return Ok(None),
            Self::Create(args) => Call::CreateVirtualMfaDevice { name: args.name.clone(), tags: tags(&args.tags)? },
            Self::Enable(args) => Call::EnableMfaDevice { user: user(&args.owned)?, serial: args.owned.serial.clone() },
            Self::Resync(args) => Call::ResyncMfaDevice { user: user(&args.owned)?, serial: args.owned.serial.clone() },
            Self::Deactivate(args) => Call::DeactivateMfaDevice { user: user(args)?, serial: args.serial.clone() },
            Self::Delete(args) => Call::DeleteVirtualMfaDevice { serial: args.serial.clone() },
            Self::Tag(args) => Call::TagMfaDevice { serial: args.of.serial.clone(), tags: tags(&args.tags)? },
            Self::Untag(args) => Call::UntagMfaDevice { serial: args.of.serial.clone(), keys: args.keys.clone() },
        };
        Ok(Some(call))
    }
}

fn tags(given: &[String]) -> Result<Vec<(String, String)>, Error> {
    let pair = |text: &String| {
        let (key, value) = text.split_once('=').filter(|(key, _)| !key.is_empty()).ok_or_else(|| {
            Error::Input(format!("`{text}` is not a tag\n  hint: write it like owner-email=alice@example.com"))
        })?;
        Ok((key.to_owned(), value.to_owned()))
    };
    given.iter().map(pair).collect()
}

pub(super) fn run(args: &DeviceArgs, run: Run<'_>) -> Result<Status, Error> {
    match &args.command {
        DeviceCommand::List(args) => list(args),
        DeviceCommand::Tags(args) => list_tags(args),
        DeviceCommand::Create(args) => create(args, &args_call(&args.name, &args.tags)?),
        command => {
            let Some(call) = command.call()? else { return Ok(Status::Done) };
            match command {
                DeviceCommand::Enable(args) | DeviceCommand::Resync(args) => owned(&args.owned, &call, run),
                DeviceCommand::Deactivate(args) => owned(args, &call, run),
                DeviceCommand::Delete(args) => entity(args, &call, run),
                DeviceCommand::Tag(TagArgs { of, .. }) | DeviceCommand::Untag(UntagArgs { of, .. }) => {
                    entity(of, &call, run)
                }
                _ => Ok(Status::Done),
            }
        }
    }
}

fn args_call(name: &str, given: &[String]) -> Result<Call, Error> {
    Ok(Call::CreateVirtualMfaDevice { name: name.to_owned(), tags: tags(given)? })
}

fn list(args: &ListArgs) -> Result<Status, Error> {
    let iam = args.caller.open()?;
    let listed = device::list(&iam, args.user.as_deref())?;
    if matches!(args.format, Printed::Json) {
        let device = |one: &device::Listed| {
            json!({
                "user": one.user,
                "serial": one.device.serial,
                "kind": one.device.kind().name(),
                "enabled_at": one.device.enabled_at.map(rfc3339),
                "blocks": one.blocks,
            })
        };
        let devices: Vec<_> = listed.iter().map(device).collect();
        put_json(&json!({ "account": iam.caller().account, "devices": devices }))?;
        return Ok(Status::Done);
    }
    for one in &listed {
        let since = one.device.enabled_at.map_or_else(String::new, |at| format!(", enabled {}", rfc3339(at)));
        let blocks =
            one.blocks.as_ref().map_or_else(String::new, |what| format!("\n    left over: {}", terminal_text(what)));
        put(&format!(
            "{}  {} ({}{since}){blocks}",
            one.user.as_deref().map_or_else(|| "(nobody)".to_owned(), terminal_text),
            terminal_text(&one.device.serial),
            one.device.kind().name(),
        ))?;
    }
    say(&format!("{} in account {}", units::plural(listed.len(), "device", "devices"), iam.caller().account));
    Ok(Status::Done)
}

fn list_tags(args: &TagsArgs) -> Result<Status, Error> {
    let iam = args.caller.open()?;
    let tags = iam.tags(&args.serial).map_err(|failure| match failure {
        Failure::Absent(why) => {
            Error::Input(format!("there is no virtual device `{}` ({why})\n  hint: mfatrail device list", args.serial))
        }
        failure => Error::failed(failure),
    })?;
    if matches!(args.format, Printed::Json) {
        let tags: serde_json::Map<_, _> = tags.into_iter().map(|(key, value)| (key, value.into())).collect();
        put_json(&tags)?;
        return Ok(Status::Done);
    }
    for (key, value) in &tags {
        put(&format!("{}={}", terminal_text(key), terminal_text(value)))?;
    }
    say(&units::plural(tags.len(), "tag", "tags"));
    Ok(Status::Done)
}

/// Shows what is going to be called.
fn show(iam: &Iam, call: &Call) -> Result<(), Error> {
    say(&format!("account {}, called by {}", iam.caller().account, terminal_text(&iam.caller().arn)));
    put(&terminal_text(&call.line()))
}

/// Decides, shows, and asks whether it is meant; gives whether the call is to be made.
fn ready(iam: &Iam, call: &Call, own: bool, apply: &ApplyArgs, name: &str) -> Result<bool, Error> {
    apply.patience()?;
    if let Decision::Nothing(why) = device::decide(iam, call, own)? {
        say(&format!("nothing to do: {}", terminal_text(&why)));
        return Ok(false);
    }
    show(iam, call)?;
    if !apply.apply {
        say("nothing was changed: add --apply to do it");
        return Ok(false);
    }
    apply.confirmed(name)?;
    Ok(true)
}

fn owned(args: &OwnedArgs, call: &Call, run: Run<'_>) -> Result<Status, Error> {
    let iam = args.caller.open()?;
    let name = user_name(&args.user).map_err(Error::Input)?;
    if !ready(&iam, call, args.own, &args.apply, name)? {
        return Ok(Status::Done);
    }
    let codes = call.takes_codes().then(codes).transpose()?;
    finish(&iam, call, &Secrets { codes, password: None }, &args.apply, run)
}

fn entity(args: &SerialArgs, call: &Call, run: Run<'_>) -> Result<Status, Error> {
    let iam = args.caller.open()?;
    if !ready(&iam, call, false, &args.apply, arn::name(&args.serial))? {
        return Ok(Status::Done);
    }
    finish(&iam, call, &Secrets::default(), &args.apply, run)
}

fn finish(iam: &Iam, call: &Call, secrets: &Secrets, apply: &ApplyArgs, run: Run<'_>) -> Result<Status, Error> {
    super::interrupt::wait_up_to(LONGEST_STEP);
    let stop = super::interrupt::stop();
    let outcome = device::apply(iam, call, secrets, apply.patience()?, &stop, run)?;
    say(&super::plain(&outcome));
    Ok(Status::Done)
}

/// How long a call that is under way may take when a signal asks for the end.
pub(super) const LONGEST_STEP: Duration = Duration::from_secs(60);

fn create(args: &CreateArgs, call: &Call) -> Result<Status, Error> {
    if args.apply.apply && args.out.is_none() && args.qr_png.is_none() && !args.qr {
        return Err(Error::Input(
            "the seed of a new device is shown only once, and there is nowhere to put it\n  hint: --out FILE, --qr-png FILE or, on a terminal, --qr"
                .to_owned(),
        ));
    }
    if args.qr && !std::io::stdout().is_terminal() {
        return Err(Error::Input(
            "`--qr`: standard output is not a terminal, and would keep the seed\n  hint: --out FILE or --qr-png FILE, which only you can \
             read"
                .to_owned(),
        ));
    }
    let places: Vec<Option<crate::disk::Draft>> = [("--out", &args.out), ("--qr-png", &args.qr_png)]
        .into_iter()
        .map(|(option, path)| path.as_deref().map(|path| place(option, path)).transpose())
        .collect::<Result<_, _>>()?;
    let iam = args.caller.open()?;
    if !ready(&iam, call, false, &args.apply, &args.name)? {
        return Ok(Status::Done);
    }
    let Call::CreateVirtualMfaDevice { name, tags } = call else { return Ok(Status::Done) };
    super::interrupt::wait_up_to(LONGEST_STEP);
    let made = iam.create(name, tags).map_err(|failure| match failure {
        Failure::Unknown(why) => Error::Failed(format!(
            "the answer was incomplete ({why}): it is not known whether the device exists, and its seed is lost\n  hint: mfatrail device list \
             shows it; delete it before another attempt"
        )),
        failure => Error::failed(failure),
    })?;
    let address = address(name, &iam.caller().account, &made.seed);
    let text = format!("{}\n{}\n{}\n", made.serial, made.seed.reveal(), address.reveal());
    let contents = [text.as_bytes(), made.png.as_slice()];
    let lost = |error: std::io::Error| {
        Error::Failed(format!(
            "`{}` exists, and its seed could not be written: {error}\n  hint: mfatrail device delete --serial {} --apply, then create it \
             again",
            made.serial,
            word(&made.serial)
        ))
    };
    for (place, bytes) in places.into_iter().zip(contents) {
        place.map_or(Ok(()), |place| place.finish(bytes)).map_err(lost)?;
    }
    if args.qr {
        let drawn = secret::qr_code(&address).map_err(Error::Failed)?;
        put(drawn.reveal())?;
    }
    for path in [&args.out, &args.qr_png].into_iter().flatten() {
        say(&format!("the seed is in {}: delete it when the device is enabled", path.display()));
    }
    say(&format!(
        "`{}` exists and is not assigned yet: mfatrail device enable --user USER --serial {} --apply",
        terminal_text(&made.serial),
        word(&made.serial)
    ));
    Ok(Status::Done)
}

fn place(option: &str, path: &Path) -> Result<crate::disk::Draft, Error> {
    super::named_file(option, path)?;
    let draft = secret::place(path).map_err(|error| {
        Error::Input(format!(
            "`{option}`: cannot write `{}`: {error}\n  hint: name a new file in an existing folder that you can write to",
            path.display()
        ))
    })?;
    super::interrupt::remove_at_exit(draft.path());
    Ok(draft)
}

/// What an application reads from a QR code.
fn address(name: &str, account: &str, seed: &Secret) -> Secret {
    let issuer = escaped("Amazon Web Services");
    Secret::new(format!("otpauth://totp/{issuer}:{}@{account}?secret={}&issuer={issuer}", escaped(name), seed.reveal()))
}

/// A line that is typed on the terminal.
fn ask(question: &str) -> Result<String, Error> {
    let mut out = std::io::stderr();
    let _ = out.write_all(question.as_bytes()).and_then(|()| out.flush());
    line()
}

fn line() -> Result<String, Error> {
    let mut text = String::new();
    let failed = |error: std::io::Error| Error::Failed(format!("could not read standard input: {error}"));
    std::io::stdin().lock().read_line(&mut text).map_err(failed)?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// Two consecutive codes: typed on the terminal, or the two lines of standard input.
pub(super) fn codes() -> Result<Codes, Error> {
    let terminal = std::io::stdin().is_terminal();
    let start = Instant::now();
    let (first, second) = if terminal {
        let first = ask("Code that the device shows: ")?;
        (first, ask("The next code, after at most 30 seconds: ")?)
    } else {
        (line()?, line()?)
    };
    if terminal && start.elapsed() > FRESH {
        return Err(Error::Input(format!(
            "nothing was changed: the first code is stale, it was asked for {} s ago\n  hint: run it again, and type both codes as soon as \
             they show",
            start.elapsed().as_secs()
        )));
    }
    Codes::new(&first, &second).map_err(Error::Input)
}
