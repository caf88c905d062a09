//! Tables of events by what is asked of them, filled once by [`super::signals`] and kept in the ledger.

use super::acts::{Acts, ByHash, Memo};
use super::ids::{EntityId, EventId};

/// Events of principals, in order.
#[derive(Debug, Default)]
pub(super) struct ByEntity {
    /// Whose the events of the same places are, sorted.
    entities: Vec<EntityId>,
    events: Vec<EventId>,
}

impl FromIterator<(EntityId, EventId)> for ByEntity {
    fn from_iter<I: IntoIterator<Item = (EntityId, EventId)>>(pairs: I) -> Self {
        let mut pairs: Vec<(EntityId, EventId)> = pairs.into_iter().collect();
        pairs.sort_unstable();
        pairs.shrink_to_fit();
        let (entities, events) = pairs.into_iter().unzip();
        Self { entities, events }
    }
}

impl ByEntity {
    pub(super) fn of(&self, id: EntityId) -> &[EventId] {
        let start = self.entities.partition_point(|entity| *entity < id);
        let end = self.entities.partition_point(|entity| *entity <= id);
        self.events.get(start..end).unwrap_or_default()
    }
}

/// The events that turn what a principal is, or what is thought of who did it.
#[derive(Debug)]
pub(super) struct Signals {
    /// The successful deactivations.
    pub(super) deactivations: Acts<EventId>,
    /// What was made successfully that may outlast a window, and the same by the principals that made it.
    pub(super) makings: Acts<EventId>,
    pub(super) makings_by: ByEntity,
    /// Refused deactivations and failed sign-ins, and the same by the principals that tried.
    pub(super) failures: Acts<EventId>,
    pub(super) failures_by: ByEntity,
    /// About each principal: devices that were enabled, what ends it, and what gives it more power.
    pub(super) enrollments: ByEntity,
    pub(super) endings: ByEntity,
    pub(super) gains: ByEntity,
    /// By principal and thing, what may take it away.
    pub(super) removals: ByHash<EventId>,
    /// Events of which several records say different things, by what they tell.
    pub(super) disputed: ByHash<EventId>,
    /// Whether what an event made was taken away later: of one actor's windows each tells it.
    pub(super) taken_away: Memo<bool, EventId>,
}
