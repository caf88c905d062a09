//! The trace as it is gathered by the scan: compact rows, so that millions of calls fit, and on disk what does not.
//!
//! Which calls matter is known only when all events have been seen: an enrolment in November decides about a window in
//! October. Reading the archive twice would double the cost of a scan and is impossible for standard input, so the scan
//! keeps a small row of each call that *could* matter, and the analysis asks for the few that do.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasher, BuildHasherDefault, RandomState};
use std::io;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::callers::CallerNumbers;
use super::calls::{
    FAILED, MFA, MFA_KNOWN, READ_ONLY, Row, Rows, SIGN_IN_KNOWN, SIGN_IN_MFA, TEXT_ID, VERIFIED, flags,
};
use super::event_id::{uuid, uuid_text};
use super::objects::Objects;
use super::sightings::{Key, Sightings};
use super::texts::{Interner, NONE, NumberHasher};
use super::{Call, Context, Holder, Lineage, Selection, Sighting, key_of};
use crate::cloudtrail::{Actor, ActorKind, Brief, Caller, Envelope, Record};
use crate::mfa;
use crate::spill::lost;

/// Rows kept in memory by one worker, before they go to a temporary file: 4 MiB. They are written once and read twice, one after
/// another, so that more would save nothing.
const ROWS_IN_MEMORY: usize = 1 << 16;

/// Bytes of texts and callers that are kept at hand when notes are taken, for those that follow.
const AT_HAND: usize = if cfg!(test) { 12 << 10 } else { 4 << 20 };
/// Bytes of a caller, about.
const ACTOR: usize = 512;

/// Everything that a scan noted of ordinary calls.
#[derive(Debug, Default)]
pub struct Trace {
    parts: Vec<Part>,
}

/// The notes of one worker: its row numbers mean nothing elsewhere.
#[derive(Debug, Default)]
pub struct Part {
    texts: Interner,
    actors: Vec<Arc<Actor>>,
    /// Numbers of actors by the hash of what they are, so that a record's caller is looked up without a copy.
    actor_numbers: HashMap<u64, Vec<u32>>,
    hasher: RandomState,
    /// What the callers of envelopes are here, by the place of [`Envelope::caller_tag`]; the first is for those without.
    callers: Vec<CallerNumbers>,
    rows: Rows,
    objects: Objects,
    sightings: Sightings,
    /// Whether all of it is of objects that no proven digest names, although digests were asked for.
    is_unproven: bool,
}

/// Places among the callers: more than are used at once, but where an object has very many of them.
const CALLERS: usize = 1 << 12;

/// Whether the record of a console sign-in, which tells more than its envelope.
fn signs_in(source: &[u8], name: &[u8]) -> bool {
    source == b"signin.amazonaws.com" && name == b"ConsoleLogin"
}

/// Whether a call shows that its caller was where it came from: a refused one or a failed sign-in may be anybody's. Of what
/// is not extracted only the error code is asked for, which is all that an envelope tells for nothing.
fn was_there(record: &Record<'_, '_>) -> bool {
    record.error_code().is_none()
        && !(mfa::is_extracted(record.source.as_bytes(), record.name.as_bytes()) && record.failed())
}

/// Whose calls are kept one by one.
fn is_person(kind: ActorKind) -> bool {
    matches!(kind, ActorKind::IamUser | ActorKind::Root | ActorKind::IdentityCenter)
}

impl Part {
    /// For the notes of objects that no proven digest names, although digests were asked for.
    #[must_use]
    pub fn unproven() -> Self {
        Self { is_unproven: true, ..Self::default() }
    }

    /// Notes one record of an object.
    ///
    /// # Errors
    /// When the temporary file cannot be written.
    pub fn note(&mut self, holder: Holder<'_>, record: &Record<'_, '_>) -> io::Result<()> {
        let caller = record.caller();
        if is_person(caller.kind) {
            if is_copy(caller.account.unwrap_or_default().as_bytes(), record.account().unwrap_or_default().as_bytes()) {
                return Ok(());
            }
        } else {
            let address = record.text(&["sourceIPAddress"]).filter(|_| was_there(record));
            if let (Some(actor), Some(address)) = (key_of(caller), address) {
                self.sight(actor, address, [record.time.timestamp(); 2])?;
            }
            if about_user(record).is_none() {
                return Ok(());
            }
        }
        let signed_in = signs_in(record.source.as_bytes(), record.name.as_bytes());
        let sign_in_mfa = record.flag(&["additionalEventData", "MFAUsed"]).filter(|_| signed_in);
        let row = Row {
            time: record.time.timestamp(),
            id: 0,
            account: self.texts.number(record.account().unwrap_or_default()),
            actor: self.actor(caller),
            source_ip: self.optional(record.text(&["sourceIPAddress"]).filter(|address| !address.is_empty())),
            service: self.texts.number(record.source),
            name: self.texts.number(record.name),
            about: self.optional(about_user(record).as_deref()),
            original: self.optional(record.original()),
            object: NONE,
            flags: flags(record.read_only(), record.failed(), record.session_mfa(caller.kind), sign_in_mfa),
        };
        self.row(holder, record.id().as_bytes(), row)
    }

    /// What [`Part::note_envelope`] is to note; `None` where only the parsed record can tell.
    #[must_use]
    pub fn brief(envelope: &Envelope<'_>) -> Option<Brief> {
        let may_be_about = envelope.source() == IAM;
        // Of a refused call that has no parameters only the message names the user.
        let about = || match may_be_about {
            true if envelope.refused() && !envelope.has_parameters() => None,
            true => envelope.parameter("userName"),
            false => Some(None),
        };
        let has_row = match is_person(envelope.kind()) {
            true => !is_copy(envelope.caller_account(), envelope.account()),
            false => about()?.is_some(),
        };
        if !has_row {
            return Some(Brief::Sighting);
        }
        let told = !envelope.id().is_empty()
            && !signs_in(envelope.source(), envelope.name())
            && envelope.failed().is_some()
            && envelope.session_mfa().is_some()
            && envelope.issuer().is_some()
            && about().is_some();
        told.then_some(if may_be_about { Brief::CallAboutUser } else { Brief::Call })
    }

    /// Notes one record by its envelope, as [`Part::note`] would; `brief` is what [`Part::brief`] said of it.
    ///
    /// # Errors
    /// When the temporary file cannot be written, or the envelope will not do.
    pub fn note_envelope(&mut self, holder: Holder<'_>, envelope: &Envelope<'_>, brief: Brief) -> io::Result<()> {
        self.make_room()?;
        let place = self.caller(envelope)?;
        let Some(caller) = self.callers.get_mut(place) else { return Ok(()) };
        let source_ip = envelope.source_ip();
        if caller.sighted != NONE && !source_ip.is_empty() && !envelope.refused() {
            caller.fold(source_ip, envelope.seconds(), &mut self.sightings)?;
        }
        if brief == Brief::Sighting { Ok(()) } else { self.note_call(holder, envelope, brief, place) }
    }

    /// Notes a call by its envelope and its caller's place.
    fn note_call(&mut self, holder: Holder<'_>, envelope: &Envelope<'_>, brief: Brief, place: usize) -> io::Result<()> {
        let untold = || io::Error::other("a record's envelope does not tell what its trace needs");
        let about = match brief {
            Brief::CallAboutUser => envelope.parameter("userName").ok_or_else(untold)?.map(str::to_lowercase),
            _ => None,
        };
        let known = self.callers.get(place).map_or(NONE, |caller| caller.actor);
        let actor = if known == NONE { self.actor(envelope.caller()) } else { known };
        let Self { callers, texts, .. } = self;
        let caller = callers.get_mut(place).ok_or_else(untold)?;
        caller.actor = actor;
        let home = envelope.caller_account();
        let account = match envelope.account() {
            account if account != home => texts.number_of(account)?,
            account => {
                if caller.account == NONE {
                    caller.account = texts.number_of(account)?;
                }
                caller.account
            }
        };
        let row = Row {
            time: envelope.seconds(),
            id: 0,
            account,
            actor,
            source_ip: match envelope.source_ip() {
                b"" => NONE,
                address if caller.sighted != NONE => texts.number_of(address)?,
                address => caller.number_of_address(address, texts)?,
            },
            service: texts.number_of(envelope.source())?,
            name: texts.number_of(envelope.name())?,
            about: about.map_or(NONE, |about| texts.number(&about)),
            // A record that says another again is never read by its envelope.
            original: NONE,
            object: NONE,
            flags: flags(envelope.read_only(), envelope.refused(), envelope.session_mfa().ok_or_else(untold)?, None),
        };
        self.row(holder, envelope.id(), row)
    }

    /// Where an envelope's caller is kept: what was kept there of another is noted.
    fn caller(&mut self, envelope: &Envelope<'_>) -> io::Result<usize> {
        let tag = envelope.caller_tag();
        let place = tag.map_or(0, |tag| tag.place) % CALLERS;
        if place >= self.callers.len() {
            self.callers.resize((place + 1).next_power_of_two(), CallerNumbers::default());
        }
        let Self { callers, sightings, .. } = self;
        let Some(caller) = callers.get_mut(place).filter(|caller| tag.is_none() || caller.tag != tag) else {
            return Ok(place);
        };
        caller.give(sightings)?;
        let id = envelope.principal_id();
        let sighted = match if id.is_empty() { envelope.arn() } else { id } {
            b"" => NONE,
            _ if is_person(envelope.kind()) => NONE,
            text => sightings.texts.number_of(text)?,
        };
        *caller = CallerNumbers { tag, sighted, ..CallerNumbers::default() };
        Ok(place)
    }

    /// Keeps a row; `id` is the event's, which the row is given here, as is its object.
    fn row(&mut self, holder: Holder<'_>, id: &[u8], mut row: Row) -> io::Result<()> {
        row.object = self.objects.number(holder.object)?;
        row.flags |= if holder.is_verified { VERIFIED } else { 0 };
        match uuid(id) {
            Some(id) => row.id = id,
            None => {
                row.id = u128::from(self.texts.number_of(id)?);
                row.flags |= TEXT_ID;
            }
        }
        self.rows.push(row, ROWS_IN_MEMORY)
    }

    /// Everything noted, as it would be collected without a selection, but for the objects; from here on it begins anew. What the next notes may
    /// have in common with these is kept at hand.
    ///
    /// # Errors
    /// When the temporary file cannot be read back.
    pub fn take_rows(&mut self) -> io::Result<(Vec<Call>, Vec<Sighting>)> {
        let mut rows = Vec::new();
        std::mem::take(&mut self.rows).for_each(|row| rows.push(row))?;
        let calls = rows.iter().map(|row| self.call(row, None).ok_or_else(lost)).collect::<io::Result<_>>()?;
        let sightings = self.sightings_of(|_actor| true)?;
        self.objects = Objects::default();
        if self.texts.size() + self.sightings.texts.size() + ACTOR * self.actors.len() < AT_HAND {
            self.sightings.forget();
        } else {
            *self = Self { is_unproven: self.is_unproven, ..Self::default() };
        }
        Ok((calls, sightings))
    }

    /// Notes a call of an object again, as [`Part::take_rows`] gave it.
    ///
    /// # Errors
    /// When the temporary file cannot be written.
    pub fn add_call(&mut self, holder: Holder<'_>, call: &Call) -> io::Result<()> {
        let row = Row {
            time: call.time.timestamp(),
            id: 0,
            account: self.texts.number(&call.account),
            actor: self.actor(call.actor.as_caller()),
            source_ip: self.optional(call.source_ip.as_deref()),
            service: self.texts.number(&call.service),
            name: self.texts.number(&call.name),
            about: self.optional(call.about_user.as_deref()),
            original: self.optional(call.lineage.original.as_deref()),
            object: NONE,
            flags: flags(call.read_only, call.failed, call.session_mfa, call.sign_in_mfa),
        };
        self.row(holder, call.event_id.as_bytes(), row)
    }

    /// Notes a sighting again, likewise.
    ///
    /// # Errors
    /// When the temporary file cannot be written.
    pub fn add_sighting(&mut self, sighting: &Sighting) -> io::Result<()> {
        self.sight(&sighting.actor, &sighting.source_ip, [sighting.first, sighting.last].map(|time| time.timestamp()))
    }

    fn optional(&mut self, text: Option<&str>) -> u32 {
        text.map_or(NONE, |text| self.texts.number(text))
    }

    /// One user has many sessions; only the root user's key is kept, which tells `AssumeRoot` sessions from the root
    /// user.
    fn actor(&mut self, caller: Caller<'_>) -> u32 {
        let caller = Caller { access_key: caller.access_key.filter(|_| caller.kind == ActorKind::Root), ..caller };
        let hash = self.hasher.hash_one(caller);
        let same = self.actor_numbers.entry(hash).or_default();
        let known = |number: &&u32| self.actors.get(**number as usize).is_some_and(|actor| actor.as_caller() == caller);
        if let Some(number) = same.iter().find(known) {
            return *number;
        }
        let number = u32::try_from(self.actors.len()).unwrap_or(NONE);
        same.push(number);
        self.actors.push(Arc::new(caller.to_actor()));
        number
    }

    /// Folds calls of somebody who is no user into the day's sighting at that address.
    fn sight(&mut self, actor: &str, address: &str, span: [i64; 2]) -> io::Result<()> {
        self.make_room()?;
        let [actor, source_ip] = [actor, address].map(|text| self.sightings.texts.number(text));
        self.sightings.add(Key { actor, source_ip, day: Key::day(span[0]) }, span);
        Ok(())
    }

    /// Writes the sightings out where there are many. Nobody's number holds any longer then.
    fn make_room(&mut self) -> io::Result<()> {
        if self.sightings.are_many() {
            self.end_folds()?;
            self.callers.clear();
            self.sightings.write_out()?;
        }
        Ok(())
    }

    fn end_folds(&mut self) -> io::Result<()> {
        self.callers.iter_mut().try_for_each(|caller| caller.give(&mut self.sightings))
    }

    fn call(&self, row: &Row, object: Option<&Arc<str>>) -> Option<Call> {
        let flag = |bit: u8| row.flags & bit != 0;
        let id =
            if flag(TEXT_ID) { self.texts.text(u32::try_from(row.id).ok()?)?.to_string() } else { uuid_text(row.id) };
        Some(Call {
            event_id: id,
            time: DateTime::<Utc>::from_timestamp(row.time, 0)?,
            account: self.texts.text(row.account)?.clone(),
            actor: self.actors.get(usize::try_from(row.actor).ok()?)?.clone(),
            source_ip: self.texts.text(row.source_ip).cloned(),
            service: self.texts.text(row.service)?.clone(),
            name: self.texts.text(row.name)?.clone(),
            read_only: flag(READ_ONLY),
            failed: flag(FAILED),
            session_mfa: flag(MFA_KNOWN).then_some(flag(MFA)),
            sign_in_mfa: flag(SIGN_IN_KNOWN).then_some(flag(SIGN_IN_MFA)),
            about_user: self.texts.text(row.about).cloned(),
            lineage: Lineage {
                original: self.texts.text(row.original).cloned(),
                objects: object.cloned().into_iter().collect(),
                is_verified: flag(VERIFIED),
                is_unproven: self.is_unproven,
                is_disputed: false,
            },
        })
    }

    fn collect(&mut self, wanted: &dyn Selection, sweeps: bool, into: &mut Context) -> io::Result<()> {
        let mut rows = Vec::new();
        // Asked once per caller and per user, not once per call.
        let mut callers: HashMap<(u32, u32), bool, BuildHasherDefault<NumberHasher>> = HashMap::default();
        let mut abouts: HashMap<(u32, u32), bool, BuildHasherDefault<NumberHasher>> = HashMap::default();
        let readers: Vec<bool> = self.actors.iter().map(|actor| wanted.reader(actor)).collect();
        if sweeps && !readers.contains(&true) {
            return Ok(());
        }
        let (texts, actors) = (&self.texts, &self.actors);
        let text = |number: u32| texts.text(number).map_or("", AsRef::as_ref);
        let events: HashSet<u128> = wanted.events().iter().filter_map(|id| uuid(id.as_bytes())).collect();
        // Asked for nearly every row: most are told apart by two bytes.
        let low = |id: u128| usize::from(id as u16);
        let mut ends = vec![false; 1 << 16];
        for id in &events {
            if let Some(end) = ends.get_mut(low(*id)) {
                *end = true;
            }
        }
        let is_event = |row: &Row| match row.flags & TEXT_ID {
            0 => ends.get(low(row.id)) == Some(&true) && events.contains(&row.id),
            _ => u32::try_from(row.id).is_ok_and(|number| wanted.events().contains(text(number))),
        };
        self.rows.for_each(|row| {
            let keep = if sweeps {
                row.about != NONE
                    && row.flags & READ_ONLY != 0
                    && readers.get(row.actor as usize) == Some(&true)
                    && DateTime::from_timestamp(row.time, 0).is_some_and(|time| wanted.near_reading(time))
            } else {
                *callers.entry((row.actor, row.account)).or_insert_with(|| {
                    actors.get(row.actor as usize).is_some_and(|actor| wanted.caller(actor, text(row.account)))
                }) || (row.about != NONE
                    && *abouts
                        .entry((row.account, row.about))
                        .or_insert_with(|| wanted.about(text(row.account), text(row.about))))
                    || is_event(&row)
            };
            if keep {
                rows.push(row);
            }
        })?;
        let objects = self.objects.of(&rows.iter().map(|row| row.object).collect::<BTreeSet<_>>())?;
        // Few more are to come, if any: room for twice as many would be most of what a report takes.
        into.calls.reserve_exact(rows.len());
        for row in &rows {
            let object = objects.get(&row.object).ok_or_else(lost)?;
            into.calls.push(self.call(row, Some(object)).ok_or_else(lost)?);
        }
        if sweeps {
            return Ok(());
        }
        let sightings = self.sightings_of(|actor| wanted.actor(actor))?;
        if self.is_unproven { &mut into.unproven_sightings } else { &mut into.sightings }.extend(sightings);
        Ok(())
    }

    /// The sightings of some actors.
    fn sightings_of(&mut self, wanted: impl Fn(&str) -> bool) -> io::Result<Vec<Sighting>> {
        self.end_folds()?;
        self.sightings.of(wanted)
    }
}

impl Trace {
    /// Adds the notes of one worker.
    pub fn add(&mut self, part: Part) {
        self.parts.push(part);
    }

    /// Adds the notes of another trace.
    pub fn merge(&mut self, other: Self) {
        self.parts.extend(other.parts);
    }

    /// Returns what the analysis wants: the calls by and about the principals that matter, and then, to tell sweeps
    /// from notice, the reading calls of whoever read about them.
    ///
    /// # Errors
    /// When a temporary file cannot be read back.
    pub fn collect(&mut self, wanted: &mut dyn Selection) -> io::Result<Context> {
        let mut context = Context::default();
        for part in &mut self.parts {
            part.collect(wanted, false, &mut context)?;
        }
        for sightings in [&mut context.sightings, &mut context.unproven_sightings] {
            *sightings = whole_days(std::mem::take(sightings));
        }
        wanted.add_readers(&context.calls);
        for part in &mut self.parts {
            part.collect(wanted, true, &mut context)?;
        }
        context.conflicts = mfa::fold(&mut context.calls);
        Ok(context)
    }
}

/// IAM's `eventSource`.
const IAM: &[u8] = b"iam.amazonaws.com";

/// Puts together what was told in pieces, by several workers or before and after a temporary file: one sighting for a
/// caller's day at an address.
fn whole_days(sightings: Vec<Sighting>) -> Vec<Sighting> {
    let mut days = BTreeMap::new();
    for Sighting { actor, source_ip, first, last } in sightings {
        let span = days.entry((actor, source_ip, first.date_naive())).or_insert((first, last));
        *span = (span.0.min(first), span.1.max(last));
    }
    let whole = |((actor, source_ip, _), (first, last))| Sighting { actor, source_ip, first, last };
    days.into_iter().map(whole).collect()
}

/// The user that an IAM call is about, in lower case, as IAM compares names.
fn about_user(record: &Record<'_, '_>) -> Option<String> {
    mfa::named_user(record).map(|name| name.to_lowercase())
}

/// Whether it is the copy that another account got of a cross-account call: the caller's own account has it too.
fn is_copy(home: &[u8], account: &[u8]) -> bool {
    !home.is_empty() && home != account
}
