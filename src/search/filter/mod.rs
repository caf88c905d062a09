//! What a responder looks for: which records a search gives, and what their bytes must hold.
//!
//! A filter is a list of clauses that must all hold, one for each kind; a clause is a list of tests of which one must.
//! Every test says of a parsed record whether it holds, and which literals the text of such a record holds without doubt
//! (`clue`). The clause whose literals are likely to be the rarest lends them to the search of the bytes; all clauses
//! together then judge what was parsed. A test without literals makes its clause useless for that, not the filter.
//!
//! Names (of events, users, roles, services, errors) are compared without regard to case, ids and keys with it; in all
//! of them, and in addresses, `*` and `?` are wildcards. A text is taken as it is.

mod address;
mod test;

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::cloudtrail::{Clue, Literals, Names, Query, Record};
use crate::lineage::{Family, Link, NAMES};

use test::Test;

/// What a filter looks at; each is an option of the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum By {
    /// `eventName`.
    EventName,
    /// `eventSource`.
    EventSource,
    /// Calls by or about a user or session of this name.
    User,
    /// Calls by a unique id, and by sessions of a role's.
    PrincipalId,
    /// Calls by sessions of a role, or about it.
    Role,
    /// Calls with an access key, or about it.
    AccessKey,
    /// Calls from an address or a range.
    Ip,
    /// Calls that were refused, or were not.
    Error,
    /// Records that hold a text.
    Text,
}

impl By {
    /// The option's name.
    #[must_use]
    pub fn flag(self) -> &'static str {
        match self {
            Self::EventName => "--event-name",
            Self::EventSource => "--event-source",
            Self::User => "--user",
            Self::PrincipalId => "--principal-id",
            Self::Role => "--role",
            Self::AccessKey => "--access-key",
            Self::Ip => "--ip",
            Self::Error => "--error",
            Self::Text => "--text",
        }
    }

    /// Whether it tells who called, so that what its sessions went on to do can be followed.
    #[must_use]
    pub fn is_identity(self) -> bool {
        matches!(self, Self::User | Self::PrincipalId | Self::Role | Self::AccessKey)
    }
}

/// A value that no filter can be made of.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}\n  hint: {hint}", self.reason())]
pub struct FilterError {
    flag: &'static str,
    value: String,
    reason: &'static str,
    hint: &'static str,
}

impl FilterError {
    fn reason(&self) -> String {
        let Self { flag, value, reason, .. } = self;
        if value.is_empty() { format!("`{flag}` is empty") } else { format!("`{flag}`: `{value}` {reason}") }
    }
}

/// One of these must hold.
#[derive(Debug, Clone)]
struct Clause {
    by: Option<By>,
    tests: Vec<Test>,
}

impl Clause {
    fn matches(&self, record: &Record<'_, '_>) -> bool {
        self.tests.iter().any(|test| test.matches(record))
    }

    /// The event names, where it is nothing but these.
    fn names(&self) -> Option<Vec<&str>> {
        let names: Option<Vec<Vec<&str>>> = self.tests.iter().map(Test::event_names).collect();
        names.map(|names| names.concat())
    }

    /// Literals of which one is in every record that it holds for.
    fn clue(&self) -> Option<Rare> {
        let mut literals = BTreeSet::new();
        let mut common = 0;
        let mut any_case = false;
        for test in &self.tests {
            let clue = test.clue()?;
            let shortest = clue.literals.iter().map(|literal| Literals::searchable(literal)).min()?;
            if shortest == 0 {
                return None;
            }
            // A short text is anywhere.
            common = common.max(clue.common + 12_usize.saturating_sub(shortest.max(4)) / 4);
            literals.extend(clue.literals);
            any_case |= clue.any_case;
        }
        Some(Rare { common, literals, any_case })
    }
}

/// What to search the bytes for on behalf of a clause.
struct Rare {
    /// How common it is.
    common: usize,
    literals: BTreeSet<String>,
    /// Whether the case of letters does not matter for one of them.
    any_case: bool,
}

/// Which records a search gives.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    clauses: Vec<Clause>,
}

impl Filter {
    /// Adds a clause: one of the values. None adds nothing.
    ///
    /// # Errors
    /// When a value cannot be one of its kind.
    pub fn only(&mut self, by: By, values: &[String]) -> Result<(), FilterError> {
        if !values.is_empty() {
            let tests = values.iter().map(|value| Test::new(by, value)).collect::<Result<_, _>>()?;
            self.clauses.push(Clause { by: Some(by), tests });
        }
        Ok(())
    }

    /// Adds a clause: calls that only read, or calls that do not.
    pub fn only_reading(&mut self, reading: bool) {
        self.clauses.push(Clause { by: None, tests: vec![Test::Reading(reading)] });
    }

    /// Whether everything matches.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.clauses.is_empty()
    }

    /// Whether nothing but events of this AWS service, by its short name, can match.
    #[must_use]
    pub fn allows_only(&self, service: &str) -> bool {
        self.clauses.iter().any(|clause| clause.tests.iter().all(|test| test.is_of_service(service)))
    }

    /// Whether a record matches.
    #[must_use]
    pub fn matches(&self, record: &Record<'_, '_>) -> bool {
        self.clauses.iter().all(|clause| clause.matches(record))
    }

    /// Takes it apart: what tells who called, and everything else.
    #[must_use]
    pub fn split(self) -> (Self, Self) {
        let (who, rest) = self.clauses.into_iter().partition(|clause| clause.by.is_some_and(By::is_identity));
        (Self { clauses: who }, Self { clauses: rest })
    }

    /// Calls by a family of credentials, and those that handed one of them out.
    #[must_use]
    pub fn family(family: Arc<Family>) -> Self {
        Self { clauses: vec![Clause { by: None, tests: vec![Test::Family(family)] }] }
    }

    /// The record of an event.
    #[must_use]
    pub fn event(id: &str) -> Self {
        Self { clauses: vec![Clause { by: None, tests: vec![Test::Event(id.to_owned())] }] }
    }

    /// Calls that may hand out credentials, or make what outlasts a session, and all that one of the clauses of `others` finds.
    #[must_use]
    pub fn links(others: &Self) -> Self {
        let others = others.clauses.iter().flat_map(|clause| clause.tests.iter().cloned());
        Self { clauses: vec![Clause { by: None, tests: std::iter::once(Test::Link).chain(others).collect() }] }
    }

    /// Nothing.
    #[must_use]
    pub fn nothing() -> Self {
        Self { clauses: vec![Clause { by: None, tests: Vec::new() }] }
    }

    /// What both find.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        self.clauses.extend(other.clauses.iter().cloned());
        self
    }

    /// What to search the bytes for; `None` where everything matches.
    #[must_use]
    pub fn query(self) -> Option<Query> {
        let clue = self.clue();
        (!self.is_empty()).then(|| Query::new(clue, Box::new(move |record| self.matches(record))))
    }

    /// What to search the bytes for when a family is followed: of the calls that `self` finds those that `shown` does, and those that
    /// handed out credentials.
    #[must_use]
    pub fn following(self, shown: Arc<Self>) -> Query {
        let clue = self.clue();
        Query::new(clue, Box::new(move |record| self.matches(record) && (shown.matches(record) || Link::is(record))))
    }

    /// The same in the pass that finds whom to follow: further all calls that may hand out credentials, whoever made them.
    #[must_use]
    pub fn finding(self, shown: Arc<Self>) -> Query {
        let clue = self.rarest().map_or(Clue::None, |(_, Rare { mut literals, any_case, .. })| {
            literals.extend(NAMES.iter().map(|name| (*name).to_owned()));
            clue_of(literals, any_case)
        });
        let wants = move |record: &Record<'_, '_>| {
            NAMES.contains(&record.name) || (self.matches(record) && (shown.matches(record) || Link::is(record)))
        };
        Query::new(clue, Box::new(wants))
    }

    /// The clause whose literals are likely to be the rarest, and these.
    fn rarest(&self) -> Option<(&Clause, Rare)> {
        let clues = self.clauses.iter().filter_map(|clause| Some((clause, clause.clue()?)));
        clues.min_by_key(|(_, rare)| rare.common)
    }

    /// What every record that matches has, the rarest that can be had.
    #[must_use]
    pub fn clue(&self) -> Clue {
        let Some((clause, Rare { literals, any_case, .. })) = self.rarest() else { return Clue::None };
        // The search for names looks at what is around a find, and so parses less.
        let names = |names| if any_case { Names::any_case(names) } else { Names::new(names) };
        if let Some(names) = clause.names().map(names).filter(Names::searchable) {
            return Clue::Names(names);
        }
        clue_of(literals, any_case)
    }
}

fn clue_of(literals: BTreeSet<String>, any_case: bool) -> Clue {
    let literals = if any_case { Literals::any_case(literals) } else { Literals::new(literals) };
    literals.map_or(Clue::None, Clue::Literals)
}

#[cfg(test)]
mod tests;
