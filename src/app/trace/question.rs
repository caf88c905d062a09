//! What is asked about, and the credentials that it begins with.

use chrono::{DateTime, TimeDelta, Utc};

use crate::app::Error;
use crate::arn::{self, Arn, is_arn};
use crate::lineage::{Action, Credential, Link, Person, Relation, Seed, ThingKind};
use crate::search::filter::{By, Filter};

/// What a trace is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// An event, of one account or of any.
    Event {
        /// Its account, where that is known.
        account: Option<String>,
        /// `eventID`.
        id: String,
    },
    /// An IAM user, or the root user.
    User(Person),
    /// An access key, long-term or temporary.
    AccessKey(String),
}

/// What a question begins with.
#[derive(Debug, Clone, Default)]
pub(super) struct Seeds {
    pub(super) credentials: Vec<Seed>,
    /// The moment that is asked about.
    pub(super) reference: Option<DateTime<Utc>>,
    /// The records of the event that was asked about.
    pub(super) events: Vec<Link>,
}

impl Question {
    /// An event id, or a window by its opening event or by the key of its incident, `mfatrail:ACCOUNT:EVENT`.
    ///
    /// # Errors
    /// Where it is empty.
    pub fn event_of(flag: &str, text: &str) -> Result<Self, Error> {
        let text = text.trim();
        let (account, id) = match text.strip_prefix("mfatrail:").and_then(|rest| rest.split_once(':')) {
            Some((account, id)) => (Some(account.to_owned()), id),
            None => (None, text),
        };
        if id.is_empty() {
            return Err(Error::Input(format!("`{flag}` is empty\n  hint: give the `eventID` of a record")));
        }
        Ok(Self::Event { account, id: id.to_owned() })
    }

    /// A window of a report or an incident of a watch, as of [`Self::event_of`].
    ///
    /// # Errors
    /// Where it is empty, or a number, which names a window in one report only.
    pub fn window_of(text: &str) -> Result<Self, Error> {
        let number = text.trim();
        let number = number.strip_prefix('#').unwrap_or(number);
        if !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Error::Input(format!(
                "`--window`: `{}` is a number, not an ID\n  hint: windows are numbered per report: give the window's `opened_by_event`, or \
                 mfatrail:ACCOUNT:EVENT",
                text.trim()
            )));
        }
        Self::event_of("--window", text)
    }

    /// A user's name or ARN; `root` is the root user.
    ///
    /// # Errors
    /// Where it is neither.
    pub fn user_of(text: &str) -> Result<Self, Error> {
        let wrong = |why: &str, hint: &str| Error::Input(format!("`--user`: `{text}` {why}\n  hint: {hint}"));
        if text.trim() != text || text.is_empty() {
            return Err(wrong("is not a user's name", "give the name without white space around it"));
        }
        if text.contains(['*', '?']) {
            return Err(wrong("is a pattern", "a trace is about one user: give its whole name"));
        }
        if !is_arn(text) {
            return Ok(Self::User(Person { account: None, name: text.to_owned(), id: None }));
        }
        let user = Arn::parse(text).filter(|arn| arn.service == "iam").and_then(|arn| {
            let name = arn.resource_of("user").map(arn::name).or((arn.resource == "root").then_some("root"))?;
            Some(Person { account: Some(arn.account.to_owned()), name: name.to_owned(), id: None })
        });
        user.filter(|person| !person.name.is_empty())
            .map(Self::User)
            .ok_or_else(|| wrong("is not the ARN of a user", "for a role's session give `--access-key` or `--event`"))
    }

    /// An access key's id.
    ///
    /// # Errors
    /// Where it is none.
    pub fn access_key_of(text: &str) -> Result<Self, Error> {
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(Error::Input(format!(
                "`--access-key`: `{text}` is not an access key ID\n  hint: use the ID, such as AKIAIOSFODNN7EXAMPLE, not the secret"
            )));
        }
        Ok(Self::AccessKey(text.to_owned()))
    }

    /// The records that tell what to begin with: those of the event, and the calls of a session whose key is all that is known.
    pub(super) fn filter(&self) -> Result<Filter, Error> {
        let mut filter = Filter::default();
        match self {
            Self::Event { id, .. } => return Ok(Filter::event(id)),
            Self::AccessKey(key) if is_temporary(key) => {
                filter.only(By::AccessKey, std::slice::from_ref(key)).map_err(Error::input)?;
            }
            Self::AccessKey(_) | Self::User(_) => return Ok(Filter::nothing()),
        }
        Ok(filter)
    }

    /// The credentials to begin with: `asked` are the event's own records.
    pub(super) fn seeds(&self, asked: &[Link], links: &[Link], reach: TimeDelta) -> Seeds {
        match self {
            Self::Event { account, .. } => of_event(account.as_deref(), asked),
            Self::User(person) => of_user(person, links, reach),
            Self::AccessKey(key) => of_key(key, links),
        }
    }
}

/// Whether a key is that of a session. Source: IAM user guide, "IAM identifiers", unique ID prefixes.
pub(super) fn is_temporary(key: &str) -> bool {
    key.starts_with("ASIA")
}

fn seed(credential: Credential, relation: Relation) -> Seed {
    Seed { credential, relation, made_by: None }
}

/// Several records may bear one id: each is asked about.
fn of_event(account: Option<&str>, asked: &[Link]) -> Seeds {
    let of_account = |link: &&Link| account.is_none_or(|account| link.account.as_deref() == Some(account));
    let events: Vec<Link> = asked.iter().filter(of_account).cloned().collect();
    let mut credentials = Vec::new();
    for link in &events {
        // What a sign-in asks about is the session that it began.
        let began = link.grant.clone().filter(|_| link.is_sign_in()).map(Credential::Session);
        // Of a call from another account, or of a service, the record has no credentials but those that it issued.
        let issued = || link.grant.clone().map(Credential::Session);
        let own = began.or_else(|| link.holder.credential()).or_else(issued);
        credentials.extend(own.map(|own| seed(own, Relation::Subject)));
    }
    credentials.sort();
    credentials.dedup();
    Seeds { credentials, reference: events.iter().map(|link| link.at).min(), events }
}

/// The user, and whoever took its MFA away or gave its credentials to somebody: near the first such loss, where there is one.
fn of_user(person: &Person, links: &[Link], reach: TimeDelta) -> Seeds {
    let about = |link: &&Link| {
        link.done().is_some_and(|(_, thing)| {
            let owner = thing.owner.as_deref();
            let account = person.account.as_deref().is_none_or(|own| thing.account.as_deref() == Some(own));
            account && owner.is_some_and(|owner| owner.eq_ignore_ascii_case(&person.name))
        })
    };
    let is_loss = |link: &&Link| {
        link.done().is_some_and(|(action, thing)| (action, thing.kind) == (Action::Removed, ThingKind::Device))
    };
    let reference = links.iter().filter(about).find(is_loss).map(|link| link.at);
    let mut credentials = vec![seed(Credential::User(person.clone()), Relation::Subject)];
    let since = reference.and_then(|at| at.checked_sub_signed(reach));
    for link in links.iter().filter(about).filter(|link| since.is_none_or(|since| link.at >= since)) {
        let own = link.holder.user().is_some_and(|name| name.eq_ignore_ascii_case(&person.name));
        let relation = if own { Relation::Subject } else { Relation::Actor };
        let credential = link.holder.credential().filter(|_| gives_or_takes(link));
        credentials.extend(credential.map(|credential| seed(credential, relation)));
    }
    credentials.sort_by_key(|seed| seed.relation);
    let mut seen = std::collections::BTreeSet::new();
    credentials.retain(|seed| seen.insert(seed.credential.clone()));
    Seeds { credentials, reference, events: Vec::new() }
}

/// Whether a call took MFA away, or gave somebody a way to sign in as the user.
fn gives_or_takes(link: &Link) -> bool {
    link.done().is_some_and(|(action, thing)| {
        matches!(
            (thing.kind, action),
            (ThingKind::Device, Action::Removed | Action::Made)
                | (ThingKind::Password, Action::Made | Action::Changed)
                | (ThingKind::AccessKey | ThingKind::User, Action::Made)
        )
    })
}

fn of_key(key: &str, links: &[Link]) -> Seeds {
    let handed_out = links.iter().filter_map(|link| link.grant.clone()).find(|grant| grant.key.as_deref() == Some(key));
    let used = || {
        let own = |link: &&Link| link.holder.actor.access_key.as_deref() == Some(key);
        links.iter().find(own).and_then(|link| link.holder.credential())
    };
    let credential = handed_out.map(Credential::Session).or_else(used);
    let credential = credential.unwrap_or_else(|| Credential::Key(key.to_owned()));
    Seeds { credentials: vec![seed(credential, Relation::Subject)], reference: None, events: Vec::new() }
}
