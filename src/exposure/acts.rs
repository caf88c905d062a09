//! The acts of one caller, without a look at those of all others: a window for each of many events makes that the square of them.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::rc::Rc;

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

/// Numbers by the hash of what each is looked up by: what is found may be of another, if hardly ever.
#[derive(Debug)]
pub(super) struct ByHash<A> {
    rows: Vec<(u64, A)>,
    hasher: RandomState,
}

impl<A: Copy + Ord> ByHash<A> {
    pub(super) fn new<K: Hash>(rows: impl Iterator<Item = (K, A)>) -> Self {
        let hasher = RandomState::default();
        let mut rows: Vec<(u64, A)> = rows.map(|(key, row)| (hasher.hash_one(key), row)).collect();
        rows.sort_unstable();
        rows.shrink_to_fit();
        Self { rows, hasher }
    }

    /// What may be of `key`, in order.
    pub(super) fn of(&self, key: &impl Hash) -> &[(u64, A)] {
        let hash = self.hasher.hash_one(key);
        let start = self.rows.partition_point(|(known, _)| *known < hash);
        self.rows.get(start..self.rows.partition_point(|(known, _)| *known <= hash)).unwrap_or_default()
    }
}

/// Acts by who did them.
#[derive(Debug)]
pub(super) struct Acts<A> {
    /// Each act by what its caller may have in common with others.
    by: ByHash<A>,
    lists: Memo<Vec<A>>,
}

/// So many values that were found for callers are kept, and each that was found takes what so many take, beside its own.
const REMEMBERED: usize = 1 << 18;
const FOUND: usize = 32;

/// What was found for callers: windows come in masses by one. Who is asked for decides how much that is, so it is forgotten where it
/// grows.
#[derive(Debug)]
pub(super) struct Memo<T, K = Actor> {
    known: RefCell<HashMap<K, Rc<T>>>,
    /// Of how many values these are.
    values: Cell<usize>,
}

impl<T, K> Default for Memo<T, K> {
    fn default() -> Self {
        Self { known: RefCell::default(), values: Cell::default() }
    }
}

impl<T, K: Clone + Eq + Hash> Memo<T, K> {
    /// What `find` finds, and of how many values that is.
    pub(super) fn of(&self, key: &K, find: impl FnOnce() -> (T, usize)) -> Rc<T> {
        if let Some(known) = self.known.borrow().get(key) {
            return Rc::clone(known);
        }
        let (found, values) = find();
        let found = Rc::new(found);
        let mut known = self.known.borrow_mut();
        if self.values.get().saturating_add(values) > REMEMBERED {
            known.clear();
            self.values.set(0);
        }
        self.values.set(self.values.get().saturating_add(values + FOUND));
        known.insert(key.clone(), Rc::clone(&found));
        found
    }
}

/// A caller without what [`Actor::same_as`] does not look at.
pub(super) fn alike(actor: &Actor) -> Actor {
    Actor { access_key: None, issuer: None, ..actor.clone() }
}

impl<A: Copy + Ord> Acts<A> {
    pub(super) fn new<'a>(acts: impl Iterator<Item = (&'a Actor, A)>) -> Self {
        let common = |actor: &'a Actor| [by_itself(actor), by_arn(actor), by_name(actor)].into_iter().flatten();
        let by = acts.flat_map(|(actor, act)| common(actor).map(move |common| ((actor.kind, common), act)));
        Self { by: ByHash::new(by), lists: Memo::default() }
    }

    /// The acts of a caller, in order; `is` says whether one is its own.
    pub(super) fn list(&self, actor: &Actor, is: impl Fn(A) -> bool) -> Rc<Vec<A>> {
        self.lists.of(&alike(actor), || {
            let mut list: Vec<A> =
                self.of(actor).into_iter().flatten().map(|(_, act)| *act).filter(|act| is(*act)).collect();
            list.sort_unstable();
            let length = list.len();
            (list, length)
        })
    }

    /// Lists of acts that no act is in twice, and that hold all of a caller; of another's hardly any.
    fn of(&self, actor: &Actor) -> Vec<&[(u64, A)]> {
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
        sought.into_iter().map(|common| self.by.of(&(actor.kind, common))).collect()
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
            let acts = Acts::new(actors.iter().enumerate().map(|(act, actor)| (actor, act)));
            for actor in &actors {
                let mut found: Vec<usize> = acts.of(actor).concat().into_iter().map(|(_, act)| act).collect();
                found.sort_unstable();
                let same = |act: &usize| actors[*act].same_as(actor);
                let expected: Vec<usize> = (0..actors.len()).filter(same).collect();
                prop_assert_eq!(&found, &expected, "{:?}", actor);
                for _twice in 0..2 {
                    prop_assert_eq!(&*acts.list(actor, |act| same(&act)), &expected, "{:?}", actor);
                }
            }
        }
    }
}
