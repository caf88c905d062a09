//! The runbook for a user whose MFA device is lost, stolen, replaced or out of sync: decided as a whole, logged step by step, compared
//! with what IAM says afterwards.

mod exposure;
pub mod notice;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

use crate::app::device::{connect, patiently, stale, unknown_user};
use crate::app::{Error, Run, approved, rfc3339};
use crate::aws::Connection;
use crate::device::call::{Call, word};
use crate::device::client::{Failure, Iam, Secrets};
use crate::device::journal::{Begin, Event, Journal, PastRun, Progress};
use crate::device::plan::{PasswordStep, Question, Situation, plan, user_name};
use crate::device::secret::{self, Codes};
use crate::device::state::{Caller, User};
use crate::pipeline::Stop;
use crate::store::Place;

pub use exposure::Exposure;

/// How much earlier and later than by this machine's clock AWS may have recorded the calls.
const CLOCKS: TimeDelta = TimeDelta::minutes(2);
/// How long a device that was resynchronized needs it no second time.
const IN_SYNC: TimeDelta = TimeDelta::minutes(10);
/// How long it may take until IAM shows what was done.
const CONSISTENT: Duration = Duration::from_secs(30);

/// What is asked.
#[derive(Debug)]
pub struct Request {
    /// How AWS is reached.
    pub connection: Connection,
    /// The account that is meant; `None` for that of the credentials.
    pub account: Option<String>,
    /// The user.
    pub user: String,
    /// What happened.
    pub situation: Situation,
    /// The devices that it happened to; empty for the only one.
    pub serials: Vec<String>,
    /// Whether the caller means to act on itself.
    pub own: bool,
    /// Whether the user is about to enroll another device.
    pub enrolling: bool,
    /// What becomes of the password.
    pub password: PasswordStep,
    /// Where a new password is written.
    pub password_out: Option<PathBuf>,
    /// The ticket.
    pub ticket: Option<String>,
    /// Who approved it.
    pub approver: Option<String>,
    /// Where the approval is written.
    pub approvals_out: Option<PathBuf>,
    /// The evidence store whose windows are shown, and where the approval is recorded.
    pub store: Option<Place>,
    /// The log.
    pub log: PathBuf,
    /// Whether an earlier run goes on.
    pub resume: bool,
    /// Whether the steps are taken.
    pub apply: bool,
    /// How long a call is made again while IAM is still working.
    pub patience: Duration,
}

/// What there is to do.
pub enum Decision {
    /// Nothing: it was done.
    Nothing(String),
    /// These steps.
    Work(Box<Work>),
}

/// A run that was decided and not begun, or not ended.
pub struct Work {
    iam: Iam,
    /// Where it is logged; `None` where nothing is done and there is no log.
    journal: Option<Journal>,
    /// What IAM says of the user.
    pub user: User,
    /// What the store says of the user, where there is one.
    pub exposure: Option<Exposure>,
    /// What is done, and why.
    pub begin: Begin,
    /// Which steps were done by an earlier run, from 0.
    pub done: Vec<usize>,
    /// The run's name and beginning, where it began earlier.
    earlier: Option<(String, DateTime<Utc>)>,
}

impl Work {
    /// Whether codes of the device are needed.
    #[must_use]
    pub fn takes_codes(&self) -> bool {
        let left = self.begin.plan.steps.iter().enumerate().filter(|(number, _)| !self.done.contains(number));
        left.into_iter().any(|(_, step)| step.call.takes_codes())
    }

    /// Who makes the calls.
    #[must_use]
    pub fn caller(&self) -> &Caller {
        self.iam.caller()
    }
}

/// Reads the state, and decides.
///
/// # Errors
/// Why nothing is done, with a way out.
pub fn decide(request: &Request, run: Run<'_>) -> Result<Decision, Error> {
    let name = user_name(&request.user).map_err(Error::Input)?;
    let iam = connect(&request.connection, request.account.as_deref())?;
    if let Some(approver) = &request.approver {
        independent(approver, name, iam.caller())?;
    }
    let account = iam.caller().account.clone();
    let user = iam.user(name).map_err(|failure| unknown_user(failure, name, &iam))?;
    let of = |store: &Place| exposure::of(store, &account, &user.name, run.now);
    let exposure = request.store.as_ref().map(of).transpose()?;
    let journal = (request.apply || request.log.exists()).then(|| Journal::open(&request.log)).transpose();
    let journal = journal.map_err(Error::input)?;
    let last = journal.as_ref().and_then(|journal| journal.of(&account, &user.name).next_back().cloned());
    let unfinished = last.clone().filter(|last| last.differences.is_none());
    if request.resume {
        return resumed(request, last, Known { iam, journal, user, exposure });
    }
    if let Some(unfinished) = unfinished {
        return Err(Error::Input(format!(
            "a run of {} for user {} did not finish\n  hint: continue it with --resume, or start again with another --log",
            rfc3339(unfinished.begun_at),
            user.name
        )));
    }
    if let Some(done) = last.as_ref().and_then(|last| is_done(last, request, &user, run.now)) {
        return Ok(Decision::Nothing(done));
    }
    let question = Question {
        situation: request.situation,
        serials: request.serials.clone(),
        own: request.own,
        enrolling: request.enrolling,
        password: request.password,
        revoked_before: rfc3339(run.now),
    };
    let plan = plan(&question, &user, iam.caller()).map_err(Error::Input)?;
    if let Some(path) = request.password_out.as_deref().filter(|_| plan.sets_password()) {
        vacant(path)?;
    }
    let begin = Begin {
        account,
        user: user.name.clone(),
        caller: iam.caller().arn.clone(),
        situation: request.situation,
        serials: request.serials.clone(),
        password: request.password,
        password_out: request.password_out.clone(),
        ticket: request.ticket.clone(),
        approver: request.approver.clone(),
        plan,
    };
    Ok(Decision::Work(Box::new(Work { iam, journal, user, exposure, begin, done: Vec::new(), earlier: None })))
}

/// An approval by whom it serves clears nothing in a report.
fn independent(approver: &str, user: &str, caller: &Caller) -> Result<(), Error> {
    let last = |text: &str| text.rsplit(['/', ':']).next().unwrap_or(text).to_lowercase();
    let plain = last(approver);
    let local = plain.split('@').next().unwrap_or(&plain).to_owned();
    let theirs = [user.to_lowercase(), last(&caller.arn)];
    if theirs.iter().any(|name| *name == plain || *name == local) {
        return Err(Error::Input(format!(
            "`--approver`: `{approver}` is who makes the calls, or whose MFA it is: a report does not count such an approval\n  hint: name \
             somebody else"
        )));
    }
    Ok(())
}

fn vacant(path: &Path) -> Result<(), Error> {
    secret::place(path).map(drop).map_err(|error| {
        Error::Input(format!(
            "`--password-out`: cannot write `{}`: {error}\n  hint: name a new file in an existing folder that you can write to",
            path.display()
        ))
    })
}

/// What is known before anything is decided.
struct Known {
    iam: Iam,
    journal: Option<Journal>,
    user: User,
    exposure: Option<Exposure>,
}

fn resumed(request: &Request, last: Option<PastRun>, known: Known) -> Result<Decision, Error> {
    let Known { iam, journal, user, exposure } = known;
    let Some(last) = last else {
        return Err(Error::Input(format!(
            "`--resume`: the log `{}` has no run for user {}\n  hint: leave --resume out, or name the log of that run with --log",
            request.log.display(),
            user.name
        )));
    };
    if last.begin.situation != request.situation {
        return Err(Error::Input(format!(
            "`--resume`: the run of {} was for {}, not for {}",
            rfc3339(last.begun_at),
            last.begin.situation.option(),
            request.situation.option()
        )));
    }
    if last.differences.is_some() {
        return Ok(Decision::Nothing(format!(
            "the run of {} is finished: nothing is left to do",
            rfc3339(last.begun_at)
        )));
    }
    let PastRun { run, begun_at, begin, done, .. } = last;
    Ok(Decision::Work(Box::new(Work { iam, journal, user, exposure, begin, done, earlier: Some((run, begun_at)) })))
}

/// Whether an earlier run did what is asked, and nothing is otherwise since.
fn is_done(last: &PastRun, request: &Request, user: &User, now: DateTime<Utc>) -> Option<String> {
    let begin = &last.begin;
    let same = begin.situation == request.situation && begin.serials == request.serials;
    let as_planned = last.differences.as_ref().is_some_and(Vec::is_empty);
    let lasts = begin.plan.expectations.iter().filter(|one| one.lasts()).all(|one| one.holds(user) == Some(true));
    let about = match request.situation {
        Situation::OutOfSync => now - last.begun_at <= IN_SYNC,
        // Without a name the only device is meant: if there is one, it is another one.
        _ => !request.serials.is_empty() || user.devices.is_empty(),
    };
    (same && as_planned && lasts && about)
        .then(|| format!("already done by the run of {}; nothing has changed since", rfc3339(last.begun_at)))
}

/// What a run came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The run, by its name in the log.
    pub run: String,
    /// What is otherwise than planned, or not known.
    pub differences: Vec<String>,
}

/// Takes the steps.
///
/// # Errors
/// When a step fails, or the run is told to stop: what was done is in the log, and `--resume` goes on.
pub fn apply(work: Work, request: &Request, codes: Option<Codes>, run: Run<'_>, stop: &Stop) -> Result<Outcome, Error> {
    let Work { iam, journal, begin, done, earlier, .. } = work;
    let Some(mut journal) = journal else { return Err(Error::Failed("there is no log".to_owned())) };
    let now = || run.observer.now().unwrap_or(run.now);
    let is_new = earlier.is_none();
    let (name, begun_at) = earlier.unwrap_or_else(|| (now().to_rfc3339_opts(SecondsFormat::Nanos, true), now()));
    if is_new {
        journal.add(&name, begun_at, Event::Begin(Box::new(begin.clone()))).map_err(Error::failed)?;
    }
    let again = format!(
        "\n  hint: mfatrail respond {} {} --resume --apply goes on",
        word(&begin.user),
        begin.situation.option()
    );
    let mut secrets = Secrets { codes, password: None };
    for (number, step) in begin.plan.steps.iter().enumerate().filter(|(number, _)| !done.contains(number)) {
        if stop.asked() {
            return Err(Error::Stopped(format!("{} of {} steps were taken{again}", number, begin.plan.steps.len())));
        }
        if matches!(step.call, Call::ResetPassword { .. }) {
            secrets.password = Some(new_password(begin.password_out.as_deref())?);
        }
        let mut add = |progress, reason| {
            let event = Event::Step { step: number + 1, progress, reason };
            journal.add(&name, now(), event).map_err(Error::failed)
        };
        add(Progress::Begun, None)?;
        match patiently(&iam, &step.call, &secrets, request.patience, stop, run) {
            Ok(()) => {
                add(Progress::Done, None)?;
                run.observer.note(&format!("done: {}", step.call.line()));
            }
            Err(Failure::Absent(_)) if !step.call.takes_codes() && !matches!(step.call, Call::PutUserPolicy { .. }) => {
                add(Progress::AlreadyDone, None)?;
                run.observer.note(&format!("nothing left to do: {}", step.call.line()));
            }
            Err(failure) => {
                let reason = match &failure {
                    Failure::Codes(why) => stale(why),
                    other => other.to_string(),
                };
                add(Progress::Failed, Some(reason.clone()))?;
                return Err(Error::Failed(format!(
                    "step {} failed: {}: {reason}{again}",
                    number + 1,
                    step.call.line()
                )));
            }
        }
    }
    let differences = differences(&iam, &begin, request.patience)?;
    if let (Some(ticket), Some(approver)) = (&begin.ticket, &begin.approver) {
        let row = [
            ticket.clone(),
            begin.account.clone(),
            begin.user.clone(),
            approver.clone(),
            rfc3339(begun_at - CLOCKS),
            rfc3339(now() + CLOCKS),
        ];
        request.approvals_out.as_deref().map_or(Ok(()), |path| approved::add(path, &row))?;
        request.store.as_ref().map_or(Ok(()), |store| approved::add_to_store(store, &row))?;
    }
    journal.add(&name, now(), Event::End { differences: differences.clone() }).map_err(Error::failed)?;
    Ok(Outcome { run: name, differences })
}

/// The password that an earlier run wrote, or a new one: it is in its file before it is in IAM.
fn new_password(path: Option<&Path>) -> Result<secret::Secret, Error> {
    let Some(path) = path else { return Err(Error::Input("`--password-out` is missing".to_owned())) };
    let failed =
        |error: std::io::Error| Error::Failed(format!("`--password-out`: cannot write `{}`: {error}", path.display()));
    if let Some(password) = secret::read_password(path).map_err(failed)? {
        return Ok(password);
    }
    let password = secret::password().map_err(Error::Failed)?;
    let draft = secret::place(path).map_err(failed)?;
    draft.finish(format!("{}\n", password.reveal()).as_bytes()).map_err(failed)?;
    Ok(password)
}

/// What is otherwise than planned: IAM may take a while to show what was done.
fn differences(iam: &Iam, begin: &Begin, patience: Duration) -> Result<Vec<String>, Error> {
    let start = Instant::now();
    let limit = patience.min(CONSISTENT);
    loop {
        let user = iam.user(&begin.user).map_err(Error::failed)?;
        let mut differences = Vec::new();
        for expectation in &begin.plan.expectations {
            match expectation.holds(&user) {
                Some(true) => {}
                Some(false) => differences.push(format!("not so: {}", expectation.words())),
                None => differences.push(format!("not known: {}", expectation.words())),
            }
        }
        let may_become_true = differences.iter().any(|one| one.starts_with("not so"));
        if !may_become_true || start.elapsed() + Duration::from_secs(1) > limit {
            return Ok(differences);
        }
        std::thread::sleep(Duration::from_secs(1));
    }
}
