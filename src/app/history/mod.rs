//! An auditor's questions, answered from an evidence store: what happened to whose MFA, who had which device when, and what
//! everybody had at a moment; and statements in SQL over the store's tables.
//!
//! [`ask`] is a question with all that it takes; [`answer`] the same of a store that is open, for whoever asks often.

mod columns;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use super::archive::absent;
use super::principals::ties;
use super::request::account_id;
use super::{Error, Run, UnknownName, approved, coverage, inputs, store_error};
use crate::arn;
use crate::cloudtrail::Actor;
use crate::contract::Conflict;
use crate::exposure::{History, Question, is_actor, is_device};
use crate::inputs::{Approval, approvals};
use crate::inventory::{self, IamState};
use crate::mfa;
use crate::names::Pattern;
use crate::sql::SqlError;
use crate::store::{Dataset, EventQuery, EventSet, Place, Store, StoreError};
use crate::table::typed::{self, AnswerError};

/// What is asked of a store. Names may have wildcards (`*`, `?`) and are compared without regard to case; an empty list asks of
/// all. Different filters must all hold; of one, any value will do.
#[derive(Debug, Clone, Default)]
pub struct HistoryRequest {
    /// What the rows of the answer are.
    pub subject: Subject,
    /// The columns of the answer, as [`Subject::columns`] gives them.
    pub columns: Vec<&'static str>,
    /// Account ids.
    pub accounts: Vec<String>,
    /// Users, under any name that they had, or their unique ids; `root` is the root user.
    pub users: Vec<String>,
    /// Who did it to others: a user, a role, a session, a unique id or an ARN.
    pub actors: Vec<String>,
    /// Serial numbers or ARNs of devices, or the names at their ends.
    pub devices: Vec<String>,
    /// Event names; none for every lifecycle event.
    pub events: Vec<String>,
    /// The first moment.
    pub from: Option<DateTime<Utc>>,
    /// The first moment after it.
    pub to: Option<DateTime<Utc>>,
}

/// What the rows of an answer are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Subject {
    /// Events, in order of time.
    #[default]
    Events,
    /// Who had which device from when to when.
    Spans,
    /// Which devices everybody had at a moment.
    At(DateTime<Utc>),
}

/// An answer, and what it rests on.
#[derive(Debug)]
pub struct HistoryAnswer {
    /// What its rows are.
    pub subject: Subject,
    /// The rows, in the columns that were asked for.
    pub table: typed::Answer,
    /// Of [`Subject::At`], the accounts of which nothing is known at that moment, for none of their records is so old.
    pub unrecorded: Vec<String>,
    /// Rows of events in the store.
    pub events: u64,
    /// By account: the first and the last record in the store.
    pub covered: BTreeMap<String, [DateTime<Utc>; 2]>,
    /// Objects that could not be read, or not whole, and why: what they hold is not in the answer.
    pub failures: Vec<(String, String)>,
    /// Events of which records contradict each other.
    pub contested: Vec<Conflict>,
    /// Where nothing was found: names that no event has.
    pub unknown: Vec<UnknownName>,
}

impl HistoryRequest {
    fn question(&self) -> Question {
        Question {
            accounts: Pattern::all(&self.accounts),
            users: Pattern::all(&self.users),
            actors: Pattern::all(&self.actors),
            devices: Pattern::all(&self.devices),
            events: Pattern::all(&self.events),
            from: self.from,
            to: self.to,
        }
    }
}

impl HistoryAnswer {
    /// The accounts of which nothing is known, each with its first record.
    pub fn unrecorded(&self) -> impl ExactSizeIterator<Item = (&str, Option<DateTime<Utc>>)> {
        let accounts = self.unrecorded.iter();
        accounts.map(|account| (account.as_str(), self.covered.get(account).map(|[first, _]| *first)))
    }

    /// Whether nothing at all is known: nobody is in the answer, and the store has no records.
    #[must_use]
    pub fn is_of_nothing(&self) -> bool {
        self.table.rows() == 0 && self.covered.is_empty()
    }

    /// From when to when the store's records reach; `None` where it has none.
    #[must_use]
    pub fn reach(&self) -> Option<[DateTime<Utc>; 2]> {
        let first = self.covered.values().map(|[first, _]| *first).min()?;
        let last = self.covered.values().map(|[_, last]| *last).max()?;
        Some([first, last])
    }

    /// Whether all that the answer rests on was read, is without contradiction, and reaches back to the moment that was asked for.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let at_a_moment = matches!(self.subject, Subject::At(_));
        let unseen = at_a_moment && (self.is_of_nothing() || !self.unrecorded.is_empty());
        self.failures.is_empty() && self.contested.is_empty() && !unseen
    }
}

/// Answers a question from a store; `approvals` is a file of tickets, CSV or JSON, that events are matched with, beside those that the
/// store has.
///
/// # Errors
/// [`Error::Input`] where there is no such store, no such account in it, or the file is wrong; [`Error::Failed`] where the store
/// cannot be read. An object that could not be read is no error: the answer names it, and is not complete.
pub fn ask(
    store: impl Into<Place>,
    request: &HistoryRequest,
    approvals: Option<&Path>,
    run: Run<'_>,
) -> Result<HistoryAnswer, Error> {
    let place = store.into();
    let mut approvals = inputs::rows(approvals, approvals::read, run)?;
    approvals.extend(approved::of_store(&place)?.into_iter().flat_map(|recorded| recorded.rows));
    let mut store = Store::open(place).map_err(store_error)?;
    answer(&mut store, request, &approvals)
}

/// Answers a question from a store that is open, as it is now.
///
/// # Errors
/// As [`ask`].
pub fn answer(store: &mut Store, request: &HistoryRequest, approvals: &[Approval]) -> Result<HistoryAnswer, Error> {
    check_accounts(store, &request.accounts)?;
    let iam = iam(store, request.subject)?;
    let (snapshot, state) = iam.unzip();
    let question = request.question();
    let query = event_query(&question, request.subject, state.as_ref());
    let EventSet { mut events, covered, failures, recalled, rows: in_store } =
        store.consistently(|store| store.gather(&query)).map_err(store_error)?;
    let mut conflicts = mfa::fold(&mut events);
    conflicts.extend(recalled);
    let contested = coverage::by_event(conflicts);
    let history = History::new(&events, state.as_ref(), &covered);
    let cited = snapshot.map(|path| path.display().to_string());
    let (table, unrecorded) = table(&history, &question, request, approvals, cited.as_deref())?;
    history.check().map_err(Error::failed)?;
    let unknown = if table.rows() == 0 { unknown_names(store, request)? } else { Vec::new() };
    let subject = request.subject;
    Ok(HistoryAnswer { subject, table, unrecorded, events: in_store, covered, failures, contested, unknown })
}

/// The rows, a piece of them at a time, and the accounts of which nothing is known.
fn table(
    history: &History<'_>,
    question: &Question,
    request: &HistoryRequest,
    approvals: &[Approval],
    snapshot: Option<&str>,
) -> Result<(typed::Answer, Vec<String>), Error> {
    let columns = &request.columns;
    let mut unrecorded = Vec::new();
    let table = match request.subject {
        Subject::Events => pieces(history.events(question, approvals), |rows| columns::events(rows, snapshot), columns),
        Subject::Spans => pieces(history.devices(question), |rows| columns::spans(rows, snapshot), columns),
        Subject::At(at) => {
            let rows = history.at(question, at);
            unrecorded.extend(rows.iter().filter(|row| row.principal.is_none()).map(|row| row.account.clone()));
            pieces(rows, |rows| columns::held(rows, snapshot), columns)
        }
    };
    Ok((table.map_err(Error::failed)?, unrecorded))
}

fn pieces<R>(
    rows: impl IntoIterator<Item = R>,
    table: impl Fn(&[R]) -> Result<typed::Answer, AnswerError>,
    columns: &[&'static str],
) -> Result<typed::Answer, AnswerError> {
    typed::Answer::in_pieces(rows, |rows| table(rows)?.select(columns.iter().copied()))
}

/// What a statement in SQL, one SELECT, makes of the store's tables.
///
/// # Errors
/// [`Error::Input`] where there is no such store, or the statement is wrong; [`Error::Failed`] where the store cannot be read.
pub fn select(store: impl Into<Place>, statement: &str) -> Result<typed::Answer, Error> {
    let store = Store::open(store).map_err(store_error)?;
    let frame = store.sql(statement).map_err(|error| match error {
        SqlError::Table(error) => match error.downcast::<StoreError>() {
            Ok(error) => store_error(*error),
            Err(error) => Error::failed(SqlError::Table(error)),
        },
        error => Error::Input(format!(
            "`--sql`: {error}\n  hint: the tables are {}; docs/evidence-schema.md says what their columns mean",
            Dataset::ALL.map(Dataset::name).join(", ")
        )),
    })?;
    Ok(typed::Answer::from(frame))
}

/// What no table of the store has: the objects that could not be read, or not whole, and why.
///
/// # Errors
/// [`Error::Input`] where there is no such store; [`Error::Failed`] where it cannot be read.
pub fn unreadable(store: impl Into<Place>) -> Result<Vec<(String, String)>, Error> {
    let mut store = Store::open(store).map_err(store_error)?;
    store.consistently(|store| store.unreadable()).map_err(store_error)
}

/// IAM's state, and the file in the store that it is from.
fn iam(store: &mut Store, subject: Subject) -> Result<Option<(PathBuf, IamState)>, Error> {
    let found = store
        .consistently(|store| match subject {
            Subject::At(at) => store.iam_near(at),
            Subject::Events | Subject::Spans => store.iam(None),
        })
        .map_err(store_error)?;
    let Some((path, text)) = found else { return Ok(None) };
    let state = inventory::snapshot::from_text(&path.display().to_string(), &text).map_err(Error::input)?;
    Ok(Some((path, state)))
}

/// Which of the store's events a question needs.
fn event_query<'q>(question: &'q Question, subject: Subject, iam: Option<&IamState>) -> EventQuery<'q> {
    let events = matches!(subject, Subject::Events);
    EventQuery {
        accounts: &question.accounts,
        users: &question.users,
        device: (!question.devices.is_empty()).then(|| {
            let means = |serial: &str| question.devices.iter().any(|device| is_device(serial, device));
            Box::new(means) as Box<dyn Fn(&str) -> bool>
        }),
        actor: (!question.actors.is_empty()).then(|| {
            let means = |actor: &Actor| question.actors.iter().any(|text| is_actor(actor, text));
            Box::new(means) as Box<dyn Fn(&Actor) -> bool>
        }),
        names: events.then_some(question.events.as_slice()),
        events: None,
        from: question.from.filter(|_| events),
        to: question.to.filter(|_| events),
        ties: iam.map(ties).unwrap_or_default(),
    }
}

/// Refuses accounts that the store does not have, and what is neither an account id nor a pattern of some.
fn check_accounts(store: &mut Store, accounts: &[String]) -> Result<(), Error> {
    let of_ids = |text: &str| text.contains(['*', '?']) && text.bytes().all(|byte| b"0123456789*?".contains(&byte));
    for account in accounts.iter().filter(|account| !of_ids(account)) {
        account_id(account)?;
    }
    if accounts.is_empty() {
        return Ok(());
    }
    let mut known = store.consistently(|store| store.places()).map_err(store_error)?.accounts;
    known.extend(store.consistently(|store| store.values(Dataset::Events, "account")).map_err(store_error)?);
    let unknown = |account: &&String| !known.iter().any(|known| Pattern::new(account).matches(known));
    match accounts.iter().find(unknown) {
        Some(account) => Err(absent("--account", "account", account, &known, "store")),
        None => Ok(()),
    }
}

/// Which of the names asked for no event has.
fn unknown_names(store: &Store, request: &HistoryRequest) -> Result<Vec<UnknownName>, Error> {
    let events: &[String] = if request.subject == Subject::Events { &request.events } else { &[] };
    let asked: [(&str, &[String], &[&'static str]); 4] = [
        ("--user", &request.users, &["target_name", "new_user_name", "target_id"]),
        ("--actor", &request.actors, &["actor_name", "actor_arn", "actor_id"]),
        ("--device", &request.devices, &["serial"]),
        ("--event", events, &["event_name"]),
    ];
    let mut unknown = Vec::new();
    for (flag, values, columns) in asked.into_iter().filter(|(_, values, _)| !values.is_empty()) {
        let mut known: BTreeSet<String> = BTreeSet::new();
        for column in columns {
            let texts = store.values(Dataset::Events, column).map_err(store_error)?;
            known.extend(texts.iter().map(|text| short(flag, text)));
            known.extend(texts);
        }
        for value in values {
            let wanted = Pattern::new(value);
            let root = wanted.matches("root") && matches!(flag, "--user" | "--actor");
            if !root && !known.iter().any(|text| wanted.matches(text)) {
                unknown.push(UnknownName::new(flag, value, known.iter().map(String::as_str)));
            }
        }
    }
    Ok(unknown)
}

/// The end of a device's or an actor's ARN.
fn short(flag: &str, text: &str) -> String {
    match flag {
        "--device" | "--actor" => arn::name(text).to_owned(),
        _ => text.to_owned(),
    }
}
