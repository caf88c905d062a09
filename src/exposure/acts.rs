//! The acts of one caller, without a look at those of all others: a window for each of many events makes that the square of them.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use crate::cloudtrail::{Actor, ActorKind};

/// What two callers that [`Actor::same_as`] holds to be one have in common.
#[derive(Hash)]
enum Common<'a> {
    /// The account of root users.
    Root(Option<&'a str>),
    Id(&'a str),
    /// The ARN, and whether an id is told beside it.
    Arn(&'a str, bool),
    /// Account and name, and whether an id and an ARN are told beside them.
    Name(Option<&'a str>, &'a str, [bool; 2]),
}

/// Acts by who did them, in the order in which they were added.
#[derive(Debug)]
pub(super) struct Acts<A> {
    by: HashMap<u64, Vec<A>>,
    hasher: RandomState,
}

impl<A> Default for Acts<A> {
    fn default() -> Self {
        Self { by: HashMap::new(), hasher: RandomState::default() }
    }
}

impl<A: Copy> Acts<A> {
    pub(super) fn add(&mut self, actor: &Actor, act: A) {
        for known in [by_itself(actor), by_arn(actor), by_name(actor)].into_iter().flatten() {
            let hash = self.hash(actor, &known);
            self.by.entry(hash).or_default().push(act);
        }
    }

    /// Lists of acts that no act is in twice, and that hold all of a caller; of another's hardly any.
    pub(super) fn of(&self, actor: &Actor) -> Vec<&[A]> {
        let Actor { account, id, name, arn, .. } = actor;
        let mut sought: Vec<Common<'_>> = by_itself(actor).into_iter().collect();
        if actor.kind != ActorKind::Root {
            // Of two that tell their ids these decide, of others the ARNs if both tell one, and else the names.
            let ids: &[bool] = if id.is_some() { &[false] } else { &[false, true] };
            let arns: &[bool] = if arn.is_some() { &[false] } else { &[false, true] };
            sought.extend(arn.iter().flat_map(|arn| ids.iter().map(|id| Common::Arn(arn, *id))));
            let name = |[id, arn]: [bool; 2]| Some(Common::Name(account.as_deref(), name.as_deref()?, [id, arn]));
            sought.extend(ids.iter().flat_map(|id| arns.iter().filter_map(move |arn| name([*id, *arn]))));
        }
        let lists = sought.iter().filter_map(|common| self.by.get(&self.hash(actor, common)));
        lists.map(Vec::as_slice).collect()
    }

    fn hash(&self, actor: &Actor, common: &Common<'_>) -> u64 {
        self.hasher.hash_one((actor.kind, common))
    }
}

fn by_itself(actor: &Actor) -> Option<Common<'_>> {
    match actor.kind {
        ActorKind::Root => Some(Common::Root(actor.account.as_deref())),
        _ => actor.id.as_deref().map(Common::Id),
    }
}

fn by_arn(actor: &Actor) -> Option<Common<'_>> {
    let arn = actor.arn.as_deref().filter(|_| actor.kind != ActorKind::Root)?;
    Some(Common::Arn(arn, actor.id.is_some()))
}

fn by_name(actor: &Actor) -> Option<Common<'_>> {
    let name = actor.name.as_deref().filter(|_| actor.kind != ActorKind::Root)?;
    Some(Common::Name(actor.account.as_deref(), name, [actor.id.is_some(), actor.arn.is_some()]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    fn actor() -> impl Strategy<Value = Actor> {
        let text = || select(vec![None, Some("a".to_owned()), Some("b".to_owned())]);
        let kind = select(vec![ActorKind::Root, ActorKind::IamUser, ActorKind::AssumedRole]);
        (kind, text(), text(), text(), text()).prop_map(|(kind, account, id, name, arn)| Actor {
            kind,
            account,
            id,
            name,
            arn,
            access_key: None,
            issuer: None,
        })
    }

    proptest! {
        #[test]
        fn a_callers_acts_are_those_of_all_who_are_the_same(actors in prop::collection::vec(actor(), 1..40)) {
            let mut acts = Acts::default();
            actors.iter().enumerate().for_each(|(act, actor)| acts.add(actor, act));
            for actor in &actors {
                let mut found = acts.of(actor).concat();
                found.sort_unstable();
                let same = |act: &usize| actors[*act].same_as(actor);
                prop_assert_eq!(found, (0..actors.len()).filter(same).collect::<Vec<_>>(), "{:?}", actor);
            }
        }
    }
}
