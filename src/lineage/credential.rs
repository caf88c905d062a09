//! What lets somebody call AWS.

use chrono::{DateTime, TimeDelta, Utc};

/// How far a session's beginning, as its calls tell it, may be from the call that made it.
pub(super) const NEAR: TimeDelta = TimeDelta::seconds(10);

/// The longest that a session lasts, for calls that do not tell when theirs began.
pub(super) const LONGEST: TimeDelta = TimeDelta::hours(36);

/// Temporary credentials, or a session of the console.
///
/// A call belongs to a session by its key. Some sessions change their keys as they go (the console does), and keep their id: so a
/// call also belongs to one by id, if its session began when the credentials were handed out. The id alone would not do: it is that
/// of everyone who takes this role under this name, and of every session of one user.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Session {
    /// The access key that was handed out, or one that was seen.
    pub key: Option<String>,
    /// `userIdentity.principalId` of its calls.
    pub id: Option<String>,
    /// When it began.
    pub begun: DateTime<Utc>,
}

/// An IAM user or a root user, by whatever is known of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Person {
    /// `None` for that name in every account.
    pub account: Option<String>,
    /// The user's name; `root` for the root user.
    pub name: String,
    /// The unique id; `None` for whoever has the name.
    pub id: Option<String>,
}

impl Person {
    /// Whether it is a root user.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.name.eq_ignore_ascii_case("root")
    }

    /// Whether a user of this account, name and id is meant; what is not known of either excludes nothing.
    pub(super) fn is(&self, account: Option<&str>, name: Option<&str>, id: Option<&str>) -> bool {
        let same =
            |mine: Option<&str>, theirs: Option<&str>| mine.zip(theirs).is_none_or(|(mine, theirs)| mine == theirs);
        let named = || name.is_some_and(|name| name.eq_ignore_ascii_case(&self.name));
        let by_id = self.id.as_deref().zip(id.filter(|id| id.starts_with("AIDA")));
        same(self.account.as_deref(), account) && by_id.map_or_else(named, |(mine, theirs)| mine == theirs)
    }
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Credential {
    /// A long-term access key.
    Key(String),
    /// A session.
    Session(Session),
    /// Whatever a user has: keys, password, sessions.
    User(Person),
    /// A user's console password, which begins sessions.
    Password(Person),
    /// Every session of a role: name, and unique id where known.
    Role {
        /// The role's account.
        account: Option<String>,
        /// Its name.
        name: String,
        /// `AROA…`.
        id: Option<String>,
    },
}
