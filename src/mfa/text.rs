//! Texts that many events have, kept once: an account, a region, a service, an address, the name of an object.

use std::borrow::Borrow;
use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::hash::Hash;
use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Event;
use crate::cloudtrail::Actor;

/// A text that others may share.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(Arc<str>);

impl Text {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Text {
    fn default() -> Self {
        Self::from("")
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Text {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<Arc<str>> for Text {
    fn from(text: Arc<str>) -> Self {
        Self(text)
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        **self == *other
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        **self == **other
    }
}

impl PartialEq<String> for Text {
    fn eq(&self, other: &String) -> bool {
        **self == **other
    }
}

impl PartialEq<Text> for String {
    fn eq(&self, other: &Text) -> bool {
        **self == **other
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

/// Different texts in order: mostly one, which then takes no more than itself.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Names(Held);

#[derive(Clone, Default, PartialEq, Eq)]
enum Held {
    #[default]
    None,
    One(Text),
    /// Two or more.
    Many(BTreeSet<Text>),
}

impl Names {
    /// Adds one.
    pub fn insert(&mut self, name: impl Into<Text>) {
        let name = name.into();
        match &mut self.0 {
            Held::None => self.0 = Held::One(name),
            Held::One(known) if *known == name => {}
            Held::One(known) => self.0 = Held::Many([known.clone(), name].into()),
            Held::Many(known) => {
                known.insert(name);
            }
        }
    }

    /// Them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Text> {
        let (one, many) = match &self.0 {
            Held::None => (None, None),
            Held::One(name) => (Some(name), None),
            Held::Many(names) => (None, Some(names.iter())),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }

    /// The first.
    #[must_use]
    pub fn first(&self) -> Option<&Text> {
        self.iter().next()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.0 {
            Held::None => 0,
            Held::One(_) => 1,
            Held::Many(names) => names.len(),
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0 == Held::None
    }

    /// Whether it is among them.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        match &self.0 {
            Held::None => false,
            Held::One(known) => *known == *name,
            Held::Many(known) => known.contains(name),
        }
    }

    /// Them, as texts of their own.
    #[must_use]
    pub fn to_strings(&self) -> Vec<String> {
        self.iter().map(Text::to_string).collect()
    }

    fn share(&mut self, texts: &mut Texts) {
        match &mut self.0 {
            Held::None => {}
            Held::One(name) => texts.share(name),
            Held::Many(names) => {
                let shared = std::mem::take(names).into_iter().map(|mut name| {
                    texts.share(&mut name);
                    name
                });
                *names = shared.collect();
            }
        }
    }
}

impl<T: Into<Text>> Extend<T> for Names {
    fn extend<I: IntoIterator<Item = T>>(&mut self, names: I) {
        names.into_iter().for_each(|name| self.insert(name));
    }
}

impl<T: Into<Text>> FromIterator<T> for Names {
    fn from_iter<I: IntoIterator<Item = T>>(names: I) -> Self {
        let mut all = Self::default();
        all.extend(names);
        all
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl Serialize for Names {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Vec::<Text>::deserialize(deserializer)?.into_iter().collect())
    }
}

/// What events have in common, each once, while they are gathered.
#[derive(Debug, Default)]
pub struct Texts {
    texts: HashSet<Text>,
    actors: HashSet<Arc<Actor>>,
}

impl Texts {
    /// Lets an event have what others have, too, instead of a copy.
    pub fn share_with(&mut self, event: &mut Event) {
        let Event { account, region, source, name, source_ip, user_agent, objects, .. } = event;
        for text in [account, region, source, name].into_iter().chain(source_ip).chain(user_agent) {
            self.share(text);
        }
        objects.share(self);
        if let Some(code) = event.failure.as_mut().and_then(|failure| failure.code.as_mut()) {
            self.share(code);
        }
        match self.actors.get(&event.actor) {
            Some(known) => event.actor = Arc::clone(known),
            None => {
                self.actors.insert(Arc::clone(&event.actor));
            }
        }
    }

    fn share(&mut self, text: &mut Text) {
        match self.texts.get(&**text) {
            Some(known) => *text = known.clone(),
            None => {
                self.texts.insert(text.clone());
            }
        }
    }
}

/// An actor of its own for each event that is read.
pub(super) mod actor {
    use super::{Actor, Arc, Deserialize, Deserializer, Serialize, Serializer};

    pub(in super::super) fn serialize<S: Serializer>(actor: &Arc<Actor>, serializer: S) -> Result<S::Ok, S::Error> {
        (**actor).serialize(serializer)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<Actor>, D::Error> {
        Actor::deserialize(deserializer).map(Arc::new)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_events_share_is_kept_once_and_says_what_it_said() {
        let event = |id: usize| {
            let actor = format!(r#"{{"kind":"iam_user","account":"111122223333","id":"AIDA{}"}}"#, id % 2);
            let text = format!(
                r#"{{"id":"{id}","time":"2026-10-01T00:00:00Z","account":"111122223333","region":"us-east-1","source":"iam.amazonaws.com","name":"DeleteUser","action":{{"action":"user_deleted"}},"target":"root","actor":{actor},"actor_mfa":null,"source_ip":"192.0.2.1","user_agent":"{}","failure":{{"code":"AccessDenied","message":null}},"objects":["a","b"],"delivered_at":null}}"#,
                id % 3
            );
            serde_json::from_str::<Event>(&text).expect("an event")
        };
        let mut texts = Texts::default();
        let shared: Vec<Event> = (0..6)
            .map(|id| {
                let mut one = event(id);
                texts.share_with(&mut one);
                assert_eq!(one, event(id));
                one
            })
            .collect();
        let same = |one: &Text, other: &Text| Arc::ptr_eq(&one.0, &other.0);
        for (one, other) in shared.iter().flat_map(|one| shared.iter().map(move |other| (one, other))) {
            assert!(same(&one.account, &other.account) && same(&one.name, &other.name));
            assert!(one.objects.iter().zip(other.objects.iter()).all(|(one, other)| same(one, other)));
            assert_eq!(Arc::ptr_eq(&one.actor, &other.actor), one.actor == other.actor);
            let agents = [one, other].map(|event| event.user_agent.as_ref().expect("one"));
            assert_eq!(same(agents[0], agents[1]), agents[0] == agents[1]);
        }
    }

    proptest! {
        #[test]
        fn names_are_a_set_in_order(added in prop::collection::vec("[a-d]{0,2}", 0..6), asked in "[a-d]{0,2}") {
            let names: Names = added.iter().map(String::as_str).collect();
            let set: BTreeSet<String> = added.iter().cloned().collect();
            prop_assert_eq!(names.to_strings(), set.iter().cloned().collect::<Vec<_>>());
            prop_assert_eq!((names.len(), names.is_empty()), (set.len(), set.is_empty()));
            prop_assert_eq!(names.first().map(Text::as_str), set.first().map(String::as_str));
            prop_assert_eq!(names.contains(&asked), set.contains(&asked));
            let other: Names = added.iter().rev().map(String::as_str).collect();
            prop_assert_eq!(&names, &other, "in any order");
            let written = serde_json::to_string(&names).expect("JSON");
            prop_assert_eq!(&written, &serde_json::to_string(&set).expect("JSON"));
            prop_assert_eq!(serde_json::from_str::<Names>(&written).expect("names"), names);
        }
    }
}
