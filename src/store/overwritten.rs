//! Objects that were overwritten in the archive after they had been read. CloudTrail never does that, so that whoever did may have
//! wanted to take something back: what the store has of them, and what replaced them lacks, still counts where it makes things
//! worse. Only where a digest proves the current content does that content alone count.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::rows::content_text;
use crate::contract::Integrity;
use crate::mfa::{Conflict, Dispute, Event};
use crate::trace::{Call, Lineage};

/// A content that was overwritten.
#[derive(Debug)]
pub(super) struct Former {
    pub(super) name: String,
    pub(super) location: u128,
    pub(super) integrity: Option<Integrity>,
}

/// What contents that were overwritten still have to say.
#[derive(Debug, Default)]
pub(super) struct Overwritten {
    /// By id, those that a digest does not outweigh.
    pub(super) former: HashMap<u128, Former>,
    /// By id, those that a digest outweighs.
    pub(super) outweighed: HashSet<u128>,
    /// Of their events, those that no other object has that counts.
    pub(super) events: HashSet<String>,
    /// Of their calls, the same.
    pub(super) calls: HashSet<String>,
}

/// What tells an event from others, and from others of its id.
pub(super) fn identity_of_event(event: &Event) -> String {
    format!("{:?}", (&*event.account, &event.id, content_text(&event.lineage)))
}

/// The same of a call: all that it says, for its content is not kept.
pub(super) fn identity_of_call(call: &Call, region: Option<&str>) -> String {
    let call = Call { lineage: Lineage::default(), ..call.clone() };
    format!("{:?}", (region, call))
}

impl Overwritten {
    /// What the digests said of an object that was overwritten and still counts; `None` where it does not.
    pub(super) fn integrity(&self, object: u128) -> Option<Option<Integrity>> {
        self.former.get(&object).map(|former| former.integrity)
    }

    /// Whether an event of such an object is in no current one. Then it is marked, and is a conflict of what its object said and says.
    pub(super) fn recall(&self, object: u128, event: &mut Event) -> Option<Conflict> {
        let former = self.former.get(&object)?;
        if !self.events.contains(&identity_of_event(event)) {
            return None;
        }
        event.lineage.verified = former.integrity == Some(Integrity::Verified);
        if !event.lineage.verified {
            event.lineage.dispute = Some(Dispute::Effect);
        }
        let objects = BTreeSet::from([former.name.clone()]);
        Some(Conflict {
            account: event.account.to_string(),
            event_id: event.id.clone(),
            kept: objects.clone(),
            objects,
        })
    }

    /// What the digests said of such an object, if a call of it is in no current one; `None` where the call does not count.
    pub(super) fn integrity_of_call(
        &self,
        object: u128,
        call: &Call,
        region: Option<&str>,
    ) -> Option<Option<Integrity>> {
        self.integrity(object).filter(|_| self.calls.contains(&identity_of_call(call, region)))
    }
}
