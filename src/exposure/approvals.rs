//! Whom a ticket or an alert means by a name, and whether whoever approved a deactivation is independent of it.
//!
//! A name is no identity: who bore it at the moment that the ticket or the alert speaks of is meant, and nobody else who ever
//! bore it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, TimeDelta, Utc};

use super::ledger::{ABOUT_ROOT, Entities, Entity, Events};
use super::windows::Deactivation;
use crate::arn::Arn;
use crate::cloudtrail::{Actor, ActorKind};
use crate::contract::{Notice, NoticeCode, PrincipalKind};
use crate::inputs::{Approval, Detection, DetectionSubject};
use crate::mfa::{Event, Text, user_name};

/// How people and credential reports call the root user.
const ROOT_NAMES: [&str; 3] = ["root", "<root_account>", ABOUT_ROOT];

/// An approval that is valid for longer is a standing permission rather than a ticket.
const LONG: TimeDelta = TimeDelta::days(30);

/// Whether `user` means the entity at a moment. `root` is the root user; `user/root`, which is what IAM's ARNs have, is the IAM
/// user of that name.
pub(super) fn means(user: &str, entity: &Entity<'_>, at: DateTime<Utc>) -> bool {
    let is_root = ROOT_NAMES.iter().any(|root| user.eq_ignore_ascii_case(root));
    match entity.kind {
        PrincipalKind::Root => is_root,
        PrincipalKind::IamUser => match user.split_once('/') {
            Some((kind, path)) => kind.eq_ignore_ascii_case("user") && entity.is_called(last(path), at),
            None => !is_root && entity.is_called(user, at),
        },
        PrincipalKind::IdentityCenter => entity.id.as_deref() == Some(user) || entity.name() == user,
    }
}

/// Rows of an input by whom they may mean: of thousands each window is held against few.
#[derive(Debug)]
pub(super) struct ByUser<'f, T> {
    rows: &'f [T],
    /// By account, and by what a name ends with, in lower case.
    by: HashMap<(&'f str, String), Vec<usize>>,
}

impl<'f, T> ByUser<'f, T> {
    /// `subject` says of which account and user a row is, if it is of one.
    pub(super) fn new(rows: &'f [T], subject: impl Fn(&'f T) -> Option<(&'f str, &'f str)>) -> Self {
        let mut by: HashMap<(&str, String), Vec<usize>> = HashMap::new();
        for (place, row) in rows.iter().enumerate() {
            if let Some((account, user)) = subject(row) {
                by.entry((account, ending(user))).or_default().push(place);
            }
        }
        Self { rows, by }
    }

    /// The rows that may mean an entity, with their numbers, in order.
    pub(super) fn of(&self, entity: &Entity<'_>) -> impl Iterator<Item = (usize, &'f T)> {
        let account = entity.account.as_str();
        let places: BTreeSet<usize> = if self.by.len() < entity.names.len() {
            // It was renamed so often that to look at every row takes less; each of its windows asks.
            self.by.iter().filter(|((own, _), _)| *own == account).flat_map(|(_, places)| places).copied().collect()
        } else {
            let names = entity.names.iter().map(|span| span.name.as_str()).chain(entity.id.as_deref());
            let roots = ROOT_NAMES.into_iter().filter(|_| entity.kind == PrincipalKind::Root);
            let endings: BTreeSet<String> = names.chain(roots).map(ending).collect();
            endings.into_iter().filter_map(|ending| self.by.get(&(account, ending))).flatten().copied().collect()
        };
        places.into_iter().filter_map(|place| Some((place, self.rows.get(place)?)))
    }
}

fn ending(name: &str) -> String {
    last(name).to_ascii_lowercase()
}

/// Approvals by whom they mean.
pub(super) type Approvals<'f> = ByUser<'f, Approval>;

impl<'f> Approvals<'f> {
    pub(super) fn of_all(approvals: &'f [Approval]) -> Self {
        Self::new(approvals, |approval| Some((&approval.account, &approval.user)))
    }

    /// The approvals of an entity that hold at a moment, with their numbers.
    pub(super) fn covering(
        &self,
        entity: &Entity<'_>,
        at: DateTime<Utc>,
    ) -> impl Iterator<Item = (usize, &'f Approval)> {
        self.of(entity).filter(move |(_, approval)| {
            approval.account == entity.account
                && approval.valid_from <= at
                && at < approval.valid_to
                && means(&approval.user, entity, at)
        })
    }
}

/// Detections by what they are about.
#[derive(Debug)]
pub(super) struct Alerts<'f> {
    by_user: ByUser<'f, Detection>,
    by_event: HashMap<&'f str, Vec<usize>>,
}

impl<'f> Alerts<'f> {
    pub(super) fn of_all(detections: &'f [Detection]) -> Self {
        let by_user = ByUser::new(detections, |row| match &row.subject {
            DetectionSubject::Principal { account, user } => Some((account, user)),
            DetectionSubject::Event(_) => None,
        });
        let mut by_event: HashMap<&str, Vec<usize>> = HashMap::new();
        for (place, row) in detections.iter().enumerate() {
            if let DetectionSubject::Event(id) = &row.subject {
                by_event.entry(id).or_default().push(place);
            }
        }
        Self { by_user, by_event }
    }

    /// Those that may speak of what an event did to an entity, with their numbers, in order.
    pub(super) fn of(&self, event: &Event, entity: &Entity<'_>) -> BTreeMap<usize, &'f Detection> {
        let ids = std::iter::once(event.id.as_str()).chain(event.lineage.addenda.iter().map(Text::as_str));
        let about_event = ids.filter_map(|id| self.by_event.get(id)).flatten();
        let about_event = about_event.filter_map(|place| Some((*place, self.by_user.rows.get(*place)?)));
        about_event.chain(self.by_user.of(entity)).collect()
    }
}

/// The approval of a deactivation that counts, of the independent ones: that which began last, by ticket among equals.
pub(super) fn approval<'f>(approvals: &Approvals<'f>, entity: &Entity<'_>, event: &Event) -> Option<&'f Approval> {
    let covering = approvals.covering(entity, event.time).map(|(_, approval)| approval);
    covering
        .filter(|approval| is_independent(&approval.approver, entity, &event.actor))
        .min_by_key(|approval| (Reverse(approval.valid_from), approval.ticket.as_str()))
}

/// By the numbers of approvals, the deactivations that they cover: principal and event of each.
pub(super) fn covered<'l>(
    approvals: &Approvals<'_>,
    entities: &'l Entities<'l>,
    events: &'l Events<'l>,
    deactivations: &[Deactivation],
) -> HashMap<usize, Vec<(&'l Entity<'l>, &'l Event)>> {
    let mut covered: HashMap<usize, Vec<(&Entity<'_>, &Event)>> = HashMap::new();
    for one in deactivations {
        if let (Some(entity), Some(event)) = (entities.get(one.entity), events.get(one.event)) {
            for (place, _) in approvals.covering(entity, event.time) {
                covered.entry(place).or_default().push((entity, event));
            }
        }
    }
    covered
}

/// What is to be said of an approval that covers deactivations: that it clears nothing, or that it is a standing permission.
pub(super) fn notices(covered: &[(&Entity<'_>, &Event)], approval: &Approval) -> Vec<Notice> {
    let Approval { ticket, account, user, approver, .. } = approval;
    let (independent, own): (Vec<_>, Vec<_>) =
        covered.iter().partition(|(entity, event)| is_independent(approver, entity, &event.actor));
    let mut notices: Vec<Notice> = own
        .into_iter()
        .map(|(_, event)| Notice {
            code: NoticeCode::ApprovalNotIndependent,
            text: format!(
                "approval {ticket} for user {user} of account {account} clears nothing: its approver {approver} is, or may be, who \
                 made the call or whose MFA it is (event {})",
                event.id
            ),
        })
        .collect();
    let days = (approval.valid_to - approval.valid_from).num_days();
    if !independent.is_empty() && approval.valid_to - approval.valid_from > LONG {
        notices.push(Notice {
            code: NoticeCode::ApprovalLong,
            text: format!(
                "approval {ticket} for user {user} of account {account} is used, and is valid for {days} days: more than {} are a \
                 standing permission",
                LONG.num_days()
            ),
        });
    }
    notices
}

/// Whether an approver is somebody else than the principal and the actor. Approvers are written by hand: as names, ARNs, names
/// of sessions or e-mail addresses, several of them with semicolons between. Whoever may be the same counts as the same.
pub(super) fn is_independent(approver: &str, entity: &Entity<'_>, actor: &Actor) -> bool {
    let mut own = names_of_actor(actor);
    own.extend(names_of_entity(entity));
    let mut named = approver.split(';').map(str::trim).filter(|one| !one.is_empty());
    named.any(|one| !is_one_of(one, &own) && !role(actor).is_some_and(|role| last(one).eq_ignore_ascii_case(role)))
}

fn is_one_of(written: &str, names: &BTreeSet<String>) -> bool {
    let written = written.to_lowercase();
    names.iter().any(|name| may_be(&written, name))
}

/// What an entity is called anywhere, in lower case.
fn names_of_entity(entity: &Entity<'_>) -> BTreeSet<String> {
    let root = ROOT_NAMES.iter().filter(|_| entity.kind == PrincipalKind::Root).map(|name| (*name).to_owned());
    let names = entity.names.iter().filter(|_| entity.kind != PrincipalKind::Root).map(|span| span.name.to_lowercase());
    names.chain(entity.id.as_deref().map(str::to_lowercase)).chain(root).collect()
}

/// What an actor is called anywhere, in lower case: its name, its ARN, its id and the name of its session.
fn names_of_actor(actor: &Actor) -> BTreeSet<String> {
    let mut names: BTreeSet<&str> =
        [user_name(actor), actor.id.as_deref(), actor.arn.as_deref()].into_iter().flatten().collect();
    names.extend(actor.id.as_deref().and_then(|id| id.split_once(':')).map(|(_, session)| session));
    names.extend(actor.arn.as_deref().and_then(|arn| arn.split_once('/')).map(|(_, path)| last(path)));
    if actor.kind == ActorKind::Root {
        names.extend(ROOT_NAMES);
    }
    names.into_iter().filter(|name| !name.is_empty()).map(str::to_lowercase).collect()
}

/// The name of the role of a session.
fn role(actor: &Actor) -> Option<&str> {
    Some(Arn::parse(actor.arn.as_deref()?)?.role_session()?.role)
}

/// Of an ARN or a path the last part, which is the name.
fn last(name: &str) -> &str {
    name.rsplit(['/', ':']).next().unwrap_or(name)
}

/// Whether what is written of an approver may mean somebody who is called `name`.
fn may_be(written: &str, name: &str) -> bool {
    let word = |word: &str| same_person(word, name) || same_person(last(word), name);
    let separators =
        |c: char| c.is_whitespace() || matches!(c, ',' | '(' | ')' | '<' | '>' | '[' | ']' | '"' | '\'' | '|');
    let pieces = pieces(written);
    word(written) || written.split(separators).any(word) || (pieces.len() > 1 && pieces == self::pieces(local(name)))
}

fn domain(name: &str) -> Option<&str> {
    name.split_once('@').map(|(_, domain)| domain)
}

/// Whether two names are equal; of a name and an e-mail address the part before the `@` is compared.
fn same_person(one: &str, other: &str) -> bool {
    let elsewhere = domain(one).zip(domain(other)).is_some_and(|(one, other)| one != other);
    !one.is_empty() && !elsewhere && local(one) == local(other)
}

/// The part of an e-mail address before the `@` and any `+`; of a name all of it.
fn local(name: &str) -> &str {
    match name.split_once('@') {
        Some((local, _)) => local.split('+').next().unwrap_or(local),
        None => name,
    }
}

/// The words of a name in order of the alphabet: `Novak, Pavel` and `pavel.novak` have the same.
fn pieces(name: &str) -> Vec<&str> {
    let mut pieces: Vec<&str> = name.split(|c: char| !c.is_alphanumeric()).filter(|piece| !piece.is_empty()).collect();
    pieces.sort_unstable();
    pieces
}

#[cfg(test)]
mod tests {
    use super::super::ledger::{NameSpan, new_entity};
    use super::*;

    fn actor(kind: ActorKind, id: &str, arn: &str) -> Actor {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Actor {
            kind,
            account: some("111122223333"),
            id: some(id),
            name: None,
            arn: some(arn),
            access_key: None,
            issuer: None,
        }
    }

    fn entity(kind: PrincipalKind, id: Option<&str>, names: &[&str]) -> Entity<'static> {
        let span = |name: &&str| NameSpan { name: (*name).to_owned(), from: None, to: None };
        let mut entity = new_entity("111122223333", kind, "", id.map(str::to_owned), None);
        entity.names = names.iter().map(span).collect();
        entity
    }

    #[test]
    fn whoever_a_row_means_is_among_those_that_it_is_found_by() {
        let users = [
            "root",
            "Root",
            "<root_account>",
            "AWS Root User",
            "user/root",
            "user/path/Alice",
            "alice",
            "ALICE",
            "a:lice",
            "group/alice",
            "u-1",
            "U-1",
            "people/u-1",
            "bob",
            "user/",
            "",
            "user/x:alice",
            "Bob",
        ];
        let rows: Vec<(&str, &str)> = ["111122223333", "444455556666"]
            .into_iter()
            .flat_map(|account| users.map(|user| (account, user)))
            .collect();
        let index = ByUser::new(&rows, |(account, user)| Some((*account, *user)));
        let entities = [
            entity(PrincipalKind::Root, None, &["root"]),
            entity(PrincipalKind::IamUser, Some("AIDA1"), &["alice", "Bob"]),
            entity(PrincipalKind::IamUser, None, &["root"]),
            entity(PrincipalKind::IamUser, None, &["a:lice", "x/alice"]),
            entity(PrincipalKind::IdentityCenter, Some("u-1"), &["u-1"]),
            entity(PrincipalKind::IdentityCenter, Some("u-2"), &["people/u-1"]),
        ];
        let at = DateTime::UNIX_EPOCH;
        for entity in &entities {
            let is = |(account, user): &(&str, &str)| *account == entity.account && means(user, entity, at);
            let found: Vec<usize> = index.of(entity).filter(|(_, row)| is(row)).map(|(place, _)| place).collect();
            let all: Vec<usize> = (0..rows.len()).filter(|place| is(&rows[*place])).collect();
            assert_eq!(found, all, "{entity:?}");
            assert!(index.of(entity).count() < rows.len() / 2, "{entity:?}");
        }
    }

    #[test]
    fn whoever_may_be_the_same_is_not_independent() {
        let user = actor(ActorKind::IamUser, "AIDAPAVEL", "arn:aws:iam::111122223333:user/people/Pavel.Novak");
        let session = actor(
            ActorKind::AssumedRole,
            "AROAEXAMPLE:pavel.novak@example.com",
            "arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_Admin_0123456789abcdef/pavel.novak@example.com",
        );
        let root = actor(ActorKind::Root, "111122223333", "arn:aws:iam::111122223333:root");
        let own = |actor: &Actor, approver: &str| {
            is_one_of(approver, &names_of_actor(actor)) || role(actor).is_some_and(|role| role == last(approver))
        };
        for approver in [
            "pavel.novak",
            "PAVEL.NOVAK",
            "arn:aws:iam::111122223333:user/people/Pavel.Novak",
            "user/pavel.novak",
            "pavel.novak@example.com",
            "pavel.novak+aws@example.com",
            "Pavel Novak <pavel.novak@example.com>",
            "pavel.novak (himself)",
            "Pavel Novak",
            "Novak, Pavel",
        ] {
            assert!(own(&user, approver), "{approver}");
            assert!(own(&session, approver), "{approver}");
        }
        for approver in [
            "AROAEXAMPLE:pavel.novak@example.com",
            "AWSReservedSSO_Admin_0123456789abcdef/pavel.novak@example.com",
            "AWSReservedSSO_Admin_0123456789abcdef",
        ] {
            assert!(own(&session, approver), "{approver}");
        }
        for approver in ["root", "AWS ROOT USER", "arn:aws:iam::111122223333:root", "<root_account>"] {
            assert!(own(&root, approver) && !own(&user, approver), "{approver}");
        }
        for approver in [
            "security-lead",
            "pavel",
            "novak.pavlina",
            "pavel.novak2",
            "dana@example.com",
            "example.com",
            "aws",
            "people-team",
        ] {
            assert!(!own(&user, approver) && !own(&session, approver), "{approver}");
        }
        // Another address at another place is another person.
        assert!(!own(&session, "pavel.novak@example.org"));
    }
}
