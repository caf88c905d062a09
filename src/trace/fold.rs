//! Which calls are one event: copies by several trails, and records that say a call again.
//!
//! Of an ordinary call a row is kept and not the record. So two records of one id are compared by what the rows tell, which is
//! all that any figure rests on.

use std::{cmp::Ordering, collections::BTreeSet};

use chrono::{DateTime, Utc};

use super::Call;
use crate::cloudtrail::ActorKind;
use crate::mfa::{Logged, Said, Text};

impl Call {
    /// All that is kept of it, but for where it lies.
    fn said(&self) -> impl Ord {
        (self.done(), self.session_mfa)
    }

    /// The same but for the MFA of the session.
    fn done(&self) -> impl Ord {
        let flags = (self.read_only, self.failed, self.sign_in_mfa);
        let what = (&self.service, &self.name, &self.about_user, &self.source_ip);
        (self.time, what, flags, &self.actor, &self.lineage.original)
    }

    /// Whether its record is known to lack what every record of CloudTrail's tells of such a caller.
    fn is_partial(&self) -> bool {
        self.session_mfa.is_none() && matches!(self.actor.kind, ActorKind::IamUser | ActorKind::Root)
    }

    /// Time, id and account, and then what is said.
    pub(crate) fn order(&self, other: &Self) -> Ordering {
        let place = (self.time, &self.event_id, &self.account);
        place.cmp(&(other.time, &other.event_id, &other.account)).then_with(|| self.compare(other))
    }
}

impl Said for Call {
    fn deed(&self) -> (i64, &str, &str) {
        (self.time.timestamp(), &self.service, &self.name)
    }
}

impl Logged for Call {
    fn identity(&self) -> (&str, &str) {
        (&self.account, &self.event_id)
    }

    fn original(&self) -> Option<&str> {
        self.lineage.original.as_deref()
    }

    fn compare(&self, other: &Self) -> Ordering {
        self.said().cmp(&other.said())
    }

    fn same(&self, other: &Self) -> bool {
        // What one of two forms of a record does not keep, the other may tell.
        let is_unknown = self.is_partial() != other.is_partial();
        self.compare(other).is_eq() || (is_unknown && self.done().cmp(&other.done()).is_eq())
    }

    fn objects(&self) -> BTreeSet<String> {
        self.lineage.objects.iter().map(Text::to_string).collect()
    }

    fn is_verified(&self) -> bool {
        self.lineage.is_verified
    }

    fn at(&self) -> (Option<DateTime<Utc>>, DateTime<Utc>) {
        (None, self.time)
    }

    fn absorb(&mut self, copy: &Self) {
        self.session_mfa = self.session_mfa.or(copy.session_mfa);
        self.lineage.objects.extend(copy.lineage.objects.iter().cloned());
        self.lineage.is_verified |= copy.lineage.is_verified;
        self.lineage.is_unproven &= copy.lineage.is_unproven;
    }

    fn is_taken_back_by(&self, update: &Self) -> bool {
        let place = |call: &Self| (call.time, call.service.clone(), call.name.clone());
        let unsaid = self.about_user.is_none() || self.about_user == update.about_user;
        place(self) != place(update) || (update.failed && !self.failed) || !unsaid
    }

    fn update(&mut self, mut update: Self) {
        update.event_id = std::mem::take(&mut self.event_id);
        update.lineage.original = self.lineage.original.take();
        update.lineage.is_unproven |= self.lineage.is_unproven;
        update.lineage.objects.extend(self.lineage.objects.iter().cloned());
        *self = update;
    }

    fn stand_beside(&mut self, id: &str) {
        id.clone_into(&mut self.event_id);
        self.lineage.original = None;
    }

    fn dispute(variants: &mut [Self]) {
        variants.iter_mut().for_each(|call| call.lineage.is_disputed = true);
    }
}
