//! Which finds are one event.

use std::{cmp::Ordering, collections::BTreeSet, io};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    cloudtrail::{Form, Record, Scratch, for_each_record},
    mfa::Logged,
};

/// What a record says of itself, as far as it decides which event it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct EventClaim {
    pub(super) account: String,
    pub(super) id: String,
    pub(super) original: Option<String>,
    /// Whether the record was put together from a form that does not keep all; those that do come first.
    #[serde(default)]
    partial: bool,
    content: u128,
    act: [String; 2],
    failed: bool,
}

impl EventClaim {
    pub(super) fn of(record: &Record<'_, '_>) -> Self {
        Self {
            account: record.account().unwrap_or_default().to_owned(),
            id: record.id().into_owned(),
            original: record.original().map(str::to_owned),
            partial: record.is_partial(),
            content: record.content(),
            act: [record.source, record.name].map(str::to_owned),
            failed: record.failed(),
        }
    }

    /// Of a record's own text, in some form; it lies in the folder of `account`.
    ///
    /// # Errors
    /// When it is no record's.
    pub(super) fn read(text: &[u8], account: Option<&str>, form: Form) -> io::Result<Self> {
        let (mut told, mut scratch) = (None, Scratch::default());
        scratch.begin_as(account, form);
        let read = for_each_record(text, &mut scratch, &mut |_, record| {
            told = record.ok().map(|record| Self::of(&record));
        });
        read.map_err(io::Error::other)?;
        told.ok_or_else(|| io::Error::other("a record that cannot be read again"))
    }
}

/// A find that another one may be the same event as.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) told: EventClaim,
    pub(super) objects: BTreeSet<String>,
    pub(super) delivered_at: Option<DateTime<Utc>>,
    pub(super) time: DateTime<Utc>,
    /// Its place in the order of the output.
    pub(super) place: usize,
}

impl Logged for Candidate {
    fn identity(&self) -> (&str, &str) {
        (&self.told.account, &self.told.id)
    }

    fn original(&self) -> Option<&str> {
        self.told.original.as_deref()
    }

    fn compare(&self, other: &Self) -> Ordering {
        (&self.told, self.place).cmp(&(&other.told, other.place))
    }

    fn same(&self, other: &Self) -> bool {
        // Of an event in two forms one keeps less: what both tell must be equal.
        let theirs = other.time;
        let (one, other) = (&self.told, &other.told);
        let twofold = || one.partial != other.partial && (&one.act, one.failed) == (&other.act, other.failed);
        one.content == other.content || (twofold() && self.time == theirs)
    }

    fn objects(&self) -> BTreeSet<String> {
        self.objects.clone()
    }

    fn is_verified(&self) -> bool {
        false
    }

    fn at(&self) -> (Option<DateTime<Utc>>, DateTime<Utc>) {
        (self.delivered_at, self.time)
    }

    fn absorb(&mut self, copy: &Self) {
        self.objects.extend(copy.objects.iter().cloned());
        // What keeps all is shown.
        if self.told.partial == copy.told.partial {
            self.place = self.place.min(copy.place);
        }
    }

    fn is_taken_back_by(&self, update: &Self) -> bool {
        (self.time, &self.told.act) != (update.time, &update.told.act) || (update.told.failed && !self.told.failed)
    }

    fn update(&mut self, mut update: Self) {
        update.told.id = std::mem::take(&mut self.told.id);
        update.told.original = self.told.original.take();
        update.objects.append(&mut self.objects);
        *self = update;
    }

    fn stand_beside(&mut self, id: &str) {
        id.clone_into(&mut self.told.id);
        self.told.original = None;
    }

    fn dispute(_variants: &mut [Self]) {}
}
