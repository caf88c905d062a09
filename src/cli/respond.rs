//! `mfatrail respond`.

use std::path::PathBuf;

use clap::Args;

use super::args::CacheArgs;
use super::device::{ApplyArgs, CallerArgs, LONGEST_STEP, codes};
use super::exit::Status;
use super::{plain, put, say};
use crate::app::respond::{self, Decision, Exposure, Request, Work, notice};
use crate::app::watch::announce::Channels;
use crate::app::{Error, Run, approved, rfc3339};
use crate::aws::Connection;
use crate::contract::{Class, Window};
use crate::device::call::Call;
use crate::device::plan::{PasswordStep, Situation};
use crate::escape::terminal as terminal_text;
use crate::source::s3::S3Options;
use crate::store::Place;
use crate::units::plural;

/// Respond to a lost, stolen, replaced or unsynchronized MFA device of an IAM user
///
/// Reads what IAM says of the user, decides what is to be done and in which order, and shows it with the reasons and the lines of the AWS
/// CLI that do the same. With --apply it does it, step by step, logs each, reads IAM again and compares.
#[derive(Debug, Args)]
#[command(after_long_help = HELP)]
#[command(group(clap::ArgGroup::new("situation").required(true).args(["lost", "stolen", "replaced", "out_of_sync"])))]
pub(super) struct RespondArgs {
    /// The IAM user: a name or an ARN
    #[arg(value_name = "USER")]
    pub(super) user: String,

    /// The device cannot be found: deactivate it, delete it
    #[arg(long, help_heading = "What happened")]
    lost: bool,

    /// Somebody else may have it: access keys inactive, sessions revoked, password reset, then as for --lost
    #[arg(long, help_heading = "What happened")]
    stolen: bool,

    /// The user has another device: deactivate and delete the old one
    #[arg(long, help_heading = "What happened")]
    replaced: bool,

    /// IAM does not take its codes: resynchronize it, by two consecutive codes
    #[arg(long, help_heading = "What happened")]
    out_of_sync: bool,

    /// The device, where the user has several; may be repeated
    #[arg(long = "serial", value_name = "SERIAL", help_heading = "What happened")]
    serials: Vec<String>,

    /// With --replaced, the user is enrolling the new device now
    #[arg(long, requires = "replaced", help_heading = "What happened")]
    enrolling: bool,

    /// Set another console password, which must be changed at the next sign-in, and write it to this new file, which only you can read
    #[arg(long, value_name = "FILE", conflicts_with = "remove_password", help_heading = "Password")]
    password_out: Option<PathBuf>,

    /// Remove the console password
    #[arg(long, help_heading = "Password")]
    remove_password: bool,

    /// The user is the one whose credentials this command has
    #[arg(long = "self", id = "own", help_heading = "Change")]
    own: bool,

    /// The ticket
    #[arg(long, value_name = "TICKET", help_heading = "Record")]
    ticket: Option<String>,

    /// Who approved it: neither the user nor who runs this command
    #[arg(long, value_name = "NAME", requires = "ticket", help_heading = "Record")]
    approver: Option<String>,

    /// Add the approval to this CSV file, which `mfatrail report --approvals` reads
    #[arg(long, value_name = "FILE", requires = "approver", help_heading = "Record")]
    approvals_out: Option<PathBuf>,

    /// The evidence store: its open windows of the user are shown, and the approval is recorded in it, where every report reads it
    #[arg(long, value_name = "DIR", env = "MFATRAIL_STORE", help_heading = "Record")]
    pub(super) store: Option<PathBuf>,

    #[command(flatten)]
    cache: CacheArgs,

    /// The log: a line of JSON for each step is added; --resume goes on by it
    #[arg(long, value_name = "FILE", default_value = "mfatrail-respond.jsonl", help_heading = "Record")]
    log: PathBuf,

    /// Tell the channels of this configuration of `mfatrail watch` when it is over
    #[arg(long, value_name = "FILE", help_heading = "Record")]
    watch_config: Option<PathBuf>,

    /// Continue a run that did not finish
    #[arg(long, help_heading = "Change")]
    resume: bool,

    #[command(flatten)]
    apply: ApplyArgs,

    #[command(flatten)]
    pub(super) caller: CallerArgs,
}

const HELP: &str = "\
The root user is refused, with what works. docs/devices.md has the runbook, step by step.

Examples:
  mfatrail respond alice --lost
  mfatrail respond alice --lost --ticket INC-4711 --approver jane.roe --approvals-out approvals.csv --apply
  mfatrail respond alice --stolen --password-out alice-password.txt --apply --confirm alice
  mfatrail respond alice --replaced --serial arn:aws:iam::111122223333:mfa/old-phone --role HelpDesk --account 111122223333
  mfatrail respond alice --out-of-sync --apply
  mfatrail generate iam-policy -- respond alice --stolen --account 111122223333

Exit status: 2 wrong usage, or a case that is refused: nothing was changed; 4 a step failed, or IAM shows something else than was
planned; 3 done, but IAM does not say whether all is as planned, or a channel was not told; 0 done, or only the plan was shown.";

impl RespondArgs {
    fn situation(&self) -> Situation {
        match () {
            () if self.lost => Situation::Lost,
            () if self.stolen => Situation::Stolen,
            () if self.replaced => Situation::Replaced,
            () => Situation::OutOfSync,
        }
    }

    fn password(&self) -> PasswordStep {
        match (&self.password_out, self.remove_password) {
            (Some(_), _) => PasswordStep::Reset,
            (None, true) => PasswordStep::Remove,
            (None, false) => PasswordStep::Leave,
        }
    }

    /// What a run of it may call: the permissions that it needs to change something.
    pub(super) fn changes(&self) -> Vec<Call> {
        let user = || self.user.clone();
        let serial = || self.serials.first().cloned().unwrap_or_default();
        if self.out_of_sync {
            return vec![Call::ResyncMfaDevice { user: user(), serial: serial() }];
        }
        let mut calls = Vec::new();
        if self.stolen {
            calls.push(Call::DeactivateAccessKey { user: user(), key: String::new() });
            calls.push(Call::PutUserPolicy { user: user(), name: String::new(), document: String::new() });
        }
        match self.password() {
            PasswordStep::Remove => calls.push(Call::DeleteLoginProfile { user: user() }),
            PasswordStep::Reset => calls.push(Call::ResetPassword { user: user() }),
            PasswordStep::Leave if self.stolen => calls.push(Call::ResetPassword { user: user() }),
            PasswordStep::Leave => {}
        }
        calls.push(Call::DeactivateMfaDevice { user: user(), serial: serial() });
        calls.push(Call::DeleteVirtualMfaDevice { serial: serial() });
        calls
    }

    /// The devices that are named.
    pub(super) fn serials(&self) -> &[String] {
        &self.serials
    }

    /// The store. One in a bucket is reached by the caller itself: a role is for IAM.
    fn place(&self) -> Result<Option<Place>, Error> {
        let Some(store) = &self.store else { return Ok(None) };
        let s3 = S3Options { connection: self.caller.connection()?, ..S3Options::default() };
        super::archive::place(store, &self.cache, &s3).map(Some)
    }

    fn request(&self) -> Result<Request, Error> {
        Ok(Request {
            connection: self.caller.connection()?,
            account: self.caller.account.clone(),
            user: self.user.clone(),
            situation: self.situation(),
            serials: self.serials.clone(),
            own: self.own,
            enrolling: self.enrolling,
            password: self.password(),
            password_out: self.password_out.clone(),
            ticket: self.ticket.clone(),
            approver: self.approver.clone(),
            approvals_out: self.approvals_out.clone(),
            store: self.place()?,
            log: self.log.clone(),
            resume: self.resume,
            apply: self.apply.apply,
            patience: self.apply.patience()?,
        })
    }
}

pub(super) fn run(args: &RespondArgs, run: Run<'_>) -> Result<Status, Error> {
    super::named_file("--log", &args.log)?;
    // The root user is refused before anybody is called.
    crate::device::plan::user_name(&args.user).map_err(Error::Input)?;
    args.approvals_out.as_deref().map_or(Ok(()), approved::check)?;
    // Channels in AWS are the caller's matter, or that of a role of their own.
    let aws = Connection { role_arn: None, external_id: None, ..args.caller.connection()? };
    let mut channels = args.watch_config.as_deref().map(|path| Channels::open(path, &aws)).transpose()?;
    let request = args.request()?;
    let work = match respond::decide(&request, run)? {
        Decision::Nothing(why) => {
            say(&plain(&why));
            return Ok(Status::Done);
        }
        Decision::Work(work) => work,
    };
    show(&work)?;
    if !args.apply.apply {
        say("nothing was changed: add --apply to do it");
        return Ok(Status::Done);
    }
    args.apply.confirmed(&work.user.name)?;
    let codes = work.takes_codes().then(codes).transpose()?;
    super::interrupt::wait_up_to(LONGEST_STEP);
    let begin = work.begin.clone();
    let outcome = respond::apply(*work, &request, codes, run, &super::interrupt::stop())?;
    let unheard = channels
        .as_mut()
        .map_or_else(Vec::new, |channels| notice::tell(channels, &begin, &outcome, &outcome.run, super::now()));
    unheard.iter().for_each(|problem| say(&plain(&format!("warning: {problem}"))));
    if outcome.differences.iter().any(|one| one.starts_with("not so")) {
        return Err(Error::Failed(format!(
            "IAM does not show what was planned:\n  {}\n  hint: look at the user in the IAM console, and run it again",
            outcome.differences.join("\n  ")
        )));
    }
    for difference in &outcome.differences {
        say(&plain(&format!("warning: {difference}")));
    }
    say("done: IAM shows what was planned");
    begin.plan.notes.iter().for_each(|note| say(&plain(&format!("next: {note}"))));
    Ok(Status::of(outcome.differences.is_empty() && unheard.is_empty()))
}

/// What a store knows of the user's windows.
fn exposed(exposure: &Exposure) -> Vec<String> {
    let Some(known_to) = exposure.known_to else {
        return vec!["  open window: not known, the store has no record of the account".to_owned()];
    };
    if exposure.open.is_empty() {
        return vec![format!("  open window: none, by the store's records up to {}", rfc3339(known_to))];
    }
    let line = |window: &Window| {
        let since = window.opened_at.map_or_else(|| "before the store's first record".to_owned(), rfc3339);
        let class = window.class.map_or("not classified", Class::name);
        let event = window.opened_by_event.as_deref().unwrap_or("none");
        format!(
            "  open window: without MFA since {since} ({class}, event {event}), by the store's records up to {}",
            rfc3339(known_to)
        )
    };
    exposure.open.iter().map(line).collect()
}

/// Shows the state on standard error, and the plan on standard output.
fn show(work: &Work) -> Result<(), Error> {
    let user = &work.user;
    let time = |at: Option<chrono::DateTime<chrono::Utc>>| at.map_or_else(|| "never".to_owned(), rfc3339);
    say(&format!(
        "user {} of account {}, called by {}",
        terminal_text(&user.name),
        work.caller().account,
        terminal_text(&work.caller().arn)
    ));
    for device in &user.devices {
        let since = device.enabled_at.map_or_else(String::new, |at| format!(", enabled {}", rfc3339(at)));
        say(&format!("  device: {} ({}{since})", terminal_text(&device.serial), device.kind().name()));
    }
    if user.devices.is_empty() {
        say("  no MFA device");
    }
    say(&match user.password {
        Some(Some(_)) => format!("  console password: yes, last used {}", time(user.password_used_at)),
        Some(None) => "  console password: none".to_owned(),
        None => "  console password: not known".to_owned(),
    });
    match &user.keys {
        Some(keys) if keys.is_empty() => say("  no access keys"),
        Some(keys) => keys.iter().for_each(|key| {
            let active = if key.active { "active" } else { "inactive" };
            say(&format!("  access key: {} ({active}, last used {})", terminal_text(&key.id), time(key.used_at)));
        }),
        None => say("  access keys: not known"),
    }
    match &user.groups {
        Some(groups) if groups.is_empty() => say("  no groups"),
        Some(groups) => say(&format!("  groups: {}", terminal_text(&groups.join(", ")))),
        None => say("  groups: not known"),
    }
    user.gaps.iter().for_each(|gap| say(&plain(&format!("warning: {gap}"))));
    work.exposure.as_ref().map_or_else(Vec::new, exposed).iter().for_each(|line| say(&plain(line)));
    let steps = &work.begin.plan.steps;
    say(&format!("{} for {}:", plural(steps.len(), "step", "steps"), work.begin.situation.option()));
    for (number, step) in steps.iter().enumerate() {
        let done = if work.done.contains(&number) { "done earlier: " } else { "" };
        put(&format!("# {}. {done}{}\n{}", number + 1, step.why, terminal_text(&step.call.line())))?;
    }
    work.begin.plan.notes.iter().for_each(|note| say(&plain(&format!("note: {note}"))));
    Ok(())
}
