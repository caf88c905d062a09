//! The objects that a report cites, by name and with the hashes of their bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Archive, Error};
use crate::cloudtrail::{Brief, Envelope, Record};
use crate::contract::{Notice, NoticeCode, Proof};
use crate::hash::hex;
use crate::mfa::Conflict;
use crate::pipeline::{self, Options, Outcome, Visitor};
use crate::report;
use crate::source::{KeyInfo, ObjectRef, Selection, Source};
use crate::store::Store;

/// Conflicts of ordinary calls with their objects by name: a store tells these by id.
pub(crate) fn named(conflicts: Vec<Conflict>, store: Option<&Store>) -> Result<Vec<Conflict>, Error> {
    let Some(store) = store.filter(|_| !conflicts.is_empty()) else { return Ok(conflicts) };
    let ids = conflicts.iter().flat_map(|conflict| &conflict.objects).cloned().collect();
    let known = store.cited(&ids).map_err(Error::failed)?;
    let name = |id: String| known.get(&id).map_or(id, |(name, _)| name.clone());
    let name = |ids: BTreeSet<String>| ids.into_iter().map(name).collect();
    let conflict = |of: Conflict| Conflict { objects: name(of.objects), kept: name(of.kept), ..of };
    Ok(conflicts.into_iter().map(conflict).collect())
}

/// Proof with the names of its objects, which a store tells of ordinary calls by id, and with the hashes that the store keeps.
pub(crate) fn by_store(mut proof: Vec<Proof>, store: &Store) -> Result<Vec<Proof>, Error> {
    let objects = proof.iter().flat_map(|proof| &proof.objects).cloned().collect();
    let known = store.cited(&objects).map_err(Error::failed)?;
    for proof in &mut proof {
        let mut objects: Vec<(String, Option<String>)> = std::mem::take(&mut proof.objects)
            .into_iter()
            .map(|object| known.get(&object).cloned().unwrap_or((object, None)))
            .collect();
        objects.sort();
        (proof.objects, proof.sha256) = objects.into_iter().unzip();
    }
    Ok(proof)
}

/// Proof with the hashes of its objects, which are read once more: to hash every object of an archive for the few that are
/// cited would cost more than all else. `said_again` are the ids under which a cited event's record comes too.
///
/// An object that no longer holds what it is cited for gets no hash, and a notice. What came by standard input gets none.
pub(crate) fn by_reading(
    mut proof: Vec<Proof>,
    archive: &Archive,
    selection: &Selection,
    said_again: BTreeSet<String>,
    notices: &mut Vec<Notice>,
) -> Vec<Proof> {
    let sources: Vec<Source> = archive.sources.iter().filter(|source| **source != Source::Stdin).cloned().collect();
    if proof.is_empty() || sources.is_empty() {
        return proof;
    }
    let objects: BTreeSet<String> = proof.iter().flat_map(|proof| &proof.objects).cloned().collect();
    let ids = Arc::new(proof.iter().map(|proof| proof.event_id.clone()).chain(said_again).collect());
    let options = Options {
        known: Some(&|object: &ObjectRef| !objects.contains(&object.name)),
        progress: Arc::default(),
        ..archive.options.clone()
    };
    let selection = around(&objects, selection);
    let hashes = || Hashes { ids: Arc::clone(&ids), holds: false, of: BTreeMap::new() };
    let of = match pipeline::scan(&sources, &selection, &options, &hashes) {
        Ok((hashes, _)) => hashes.of,
        Err(error) => {
            tracing::warn!(%error, "the objects that windows are based on could not be read again");
            BTreeMap::new()
        }
    };
    let mut without = BTreeSet::new();
    for proof in &mut proof {
        proof.sha256 = proof.objects.iter().map(|object| of.get(object).cloned()).collect();
        without.extend(proof.objects.iter().filter(|object| !of.contains_key(*object) && *object != "-").cloned());
    }
    if let Some(first) = without.first() {
        notices.push(Notice {
            code: NoticeCode::CitedObjectChanged,
            text: format!(
                "{} that windows are based on could not be read a second time with the same content, so no hash is shown; the first is `{first}` (hint: it was changed or removed while the report was being made)",
                report::plural(without.len(), "object", "objects")
            ),
        });
    }
    proof
}

/// A selection that lists no more than it must to find these objects.
fn around(objects: &BTreeSet<String>, of: &Selection) -> Selection {
    let keys: Vec<KeyInfo> = objects.iter().map(|name| KeyInfo::parse(name)).collect();
    let midnight = |key: &KeyInfo| key.day?.and_hms_opt(0, 0, 0).map(|time| time.and_utc());
    let days = keys.iter().filter_map(midnight);
    let accounts: BTreeSet<String> = keys.iter().filter_map(|key| key.account.clone()).collect();
    Selection {
        from: days.clone().min(),
        to: days.max(),
        slack: chrono::TimeDelta::zero(),
        accounts: accounts.into_iter().collect(),
        ..of.clone()
    }
}

/// The hashes of the objects that hold what they are cited for.
struct Hashes {
    ids: Arc<BTreeSet<String>>,
    /// Whether the object at hand does.
    holds: bool,
    of: BTreeMap<String, String>,
}

impl Visitor for Hashes {
    const OUTCOMES: bool = true;
    const ENVELOPES: bool = true;

    fn brief(&self, envelope: &Envelope<'_>) -> Option<Brief> {
        // An id that is made of the whole record only the parsed one tells.
        (!envelope.id().is_empty()).then_some(Brief::Count)
    }

    fn envelope(&mut self, _object: &Arc<ObjectRef>, envelope: &Envelope<'_>, _brief: Brief) {
        self.holds |= str::from_utf8(envelope.id()).is_ok_and(|id| self.ids.contains(id));
    }

    fn record(&mut self, _object: &Arc<ObjectRef>, record: &Record<'_, '_>) {
        self.holds |= self.ids.contains(&*record.id()) || record.original().is_some_and(|id| self.ids.contains(id));
    }

    fn outcome(&mut self, outcome: Outcome<'_>) {
        let holds = std::mem::take(&mut self.holds);
        if let (true, Some(object), Some(sha256)) = (holds, outcome.object, outcome.sha256) {
            self.of.insert(object.name.clone(), hex(&sha256));
        }
    }

    fn merge(&mut self, other: Self) {
        self.of.extend(other.of);
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::hash::sha256;

    #[test]
    fn what_does_not_hold_its_event_any_more_has_no_hash() {
        let folder = tempfile::tempdir().expect("a folder");
        let record = |id: &str, more: &str| {
            format!(
                r#"{{"Records":[{{"eventID":"{id}","eventTime":"2026-10-06T09:00:00Z","eventSource":"iam.amazonaws.com","eventName":"GetUser","userIdentity":{{}}{more}}}]}}"#
            )
        };
        let again = record("other", r#","addendum":{"originalEventID":"one"}"#);
        for (name, text) in
            [("same.json", &record("one", "")), ("changed.json", &record("two", "")), ("again.json", &again)]
        {
            std::fs::write(folder.path().join(name), text).expect("written");
        }
        let names = ["again.json", "changed.json", "gone.json", "same.json"].map(str::to_owned);
        let proof = Proof {
            event_id: "one".to_owned(),
            event_name: "GetUser".to_owned(),
            event_time: DateTime::UNIX_EPOCH,
            account: "111122223333".to_owned(),
            actor: String::new(),
            objects: names.to_vec(),
            sha256: vec![None; 4],
        };
        let archive = Archive { sources: vec![Source::Local(folder.path().to_owned())], options: Options::default() };
        let mut notices = Vec::new();
        let proof = by_reading(vec![proof], &archive, &Selection::default(), BTreeSet::new(), &mut notices);
        let hash = |text: &str| Some(hex(&sha256(text.as_bytes())));
        assert_eq!(proof[0].sha256, [hash(&again), None, None, hash(&record("one", ""))]);
        assert_eq!(notices.len(), 1);
        assert!(notices[0].text.starts_with("2 objects") && notices[0].text.contains("`changed.json`"), "{notices:?}");
    }
}
