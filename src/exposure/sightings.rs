//! Where an actor was seen before: the look-back behind `new_source` and `foreign_enrolment`.

use chrono::{DateTime, Utc};

use super::ledger::{Entity, Ledger};
use crate::cloudtrail::Actor;
use crate::trace::{Call, Context, sighting_key};

/// Who is looked up.
#[derive(Debug, Clone, Copy)]
pub(super) enum Who<'w> {
    /// A principal.
    Entity(&'w Entity<'w>),
    /// A role session, a service, or an actor of another account.
    Actor(&'w Actor),
}

/// Whether `who` was seen at all in `[from, to)`, and whether it was seen at `source_ip`.
pub(super) fn seen(
    ledger: &Ledger<'_>,
    context: &Context,
    who: Who<'_>,
    source_ip: &str,
    [from, to]: [DateTime<Utc>; 2],
) -> (bool, bool) {
    let (mut at_all, mut there) = (false, false);
    let mut look = |call: &Call| {
        at_all = true;
        there |= call.source_ip.as_deref() == Some(source_ip);
    };
    let calls = between(&context.calls, from, to).iter();
    match who {
        Who::Entity(entity) => {
            calls.filter(|call| ledger.is_entity(entity, &call.actor, &call.account, call.time)).for_each(&mut look);
        }
        Who::Actor(actor) => match sighting_key(actor) {
            // A user of whom no event tells is no principal of the ledger; its calls are kept all the same.
            None => calls.filter(|call| call.actor.same_as(actor)).for_each(&mut look),
            Some(key) => {
                // A sighting is one day's first and last call: only a look-back that begins and ends inside that day
                // could fall between them, and then the calls of the day count as seen.
                let seen = context.sightings.iter().filter(|sighting| sighting.actor == key);
                for sighting in seen.filter(|sighting| sighting.first < to && sighting.last >= from) {
                    at_all = true;
                    there |= sighting.source_ip == source_ip;
                }
            }
        },
    }
    (at_all, there)
}

/// The calls in `[from, to)` of `calls`, which are in order of time.
pub(super) fn between(calls: &[Call], from: DateTime<Utc>, to: DateTime<Utc>) -> &[Call] {
    let start = calls.partition_point(|call| call.time < from);
    let end = calls.partition_point(|call| call.time < to);
    calls.get(start..end).unwrap_or_default()
}
