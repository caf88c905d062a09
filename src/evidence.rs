//! What a scan keeps of the records that it visits: the extracted events, and the trace of everything else.

use std::collections::BTreeMap;
use std::io;
use std::ops::RangeInclusive;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use crate::cloudtrail::{Brief, Envelope, Record};
use crate::contract::Integrity;
use crate::digest::Checker;
use crate::inflate::InflateError;
use crate::mfa::{self, Event, Events};
use crate::pipeline::{Bytes, Next, Visitor};
use crate::source::{ObjectRef, Selection};
use crate::trace::{Call, Holder, Part, Sighting, Trace};

/// Which records are kept, by what they say themselves. Their keys were selected before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Range {
    /// The first moment.
    pub from: Option<DateTime<Utc>>,
    /// The last moment: it still belongs.
    pub until: Option<DateTime<Utc>>,
    /// Accounts; empty for all.
    pub accounts: Vec<String>,
    /// Regions; empty for all.
    pub regions: Vec<String>,
}

impl Range {
    /// The range of a selection, whose end is excluded.
    #[must_use]
    pub fn of(selection: &Selection) -> Self {
        Self {
            from: selection.from,
            // A `Range` includes its last moment, a selection does not.
            until: selection.to.map(|to| to - TimeDelta::nanoseconds(1)),
            accounts: selection.accounts.clone(),
            regions: selection.regions.clone(),
        }
    }

    /// Whether a record is kept. `eventTime` decides, not the key; and files outside the layout have no key to select by.
    #[must_use]
    pub fn includes(&self, record: &Record<'_, '_>) -> bool {
        self.admits(record.time, record.account(), record.text(&["awsRegion"]))
    }

    /// The same, by what of a record decides.
    #[must_use]
    pub fn admits(&self, time: DateTime<Utc>, account: Option<&str>, region: Option<&str>) -> bool {
        self.from.is_none_or(|from| from <= time)
            && self.until.is_none_or(|until| time <= until)
            && listed(&self.accounts, account.unwrap_or_default().as_bytes())
            && listed(&self.regions, region.unwrap_or_default().as_bytes())
    }

    /// The whole seconds that are kept.
    fn seconds(&self) -> RangeInclusive<i64> {
        let from = self.from.map_or(i64::MIN, |from| from.timestamp() + i64::from(from.timestamp_subsec_nanos() > 0));
        from..=self.until.map_or(i64::MAX, |until| until.timestamp())
    }
}

/// What is to be done with a record by its envelope; `None` where that does not tell all that evidence keeps of it.
#[must_use]
pub fn brief(envelope: &Envelope<'_>) -> Option<Brief> {
    if mfa::is_extracted(envelope.source(), envelope.name()) { None } else { Part::brief(envelope) }
}

/// So many events are extracted of one object, far more than CloudTrail writes into one: each takes some kilobytes by the time
/// that a report is written.
pub const EVENTS: usize = if cfg!(test) { 2_000 } else { 50_000 };

fn listed(list: &[String], value: &[u8]) -> bool {
    list.is_empty() || (!value.is_empty() && list.iter().any(|listed| listed.as_bytes() == value))
}

/// The evidence of one scan.
#[derive(Debug)]
pub struct Evidence {
    range: Arc<Range>,
    /// [`Range::seconds`].
    seconds: RangeInclusive<i64>,
    part: Part,
    /// Notes of objects that no proven digest names, where digests are asked for.
    unproven: Part,
    /// Extracted events, in no order, the same event as often as it was delivered.
    pub events: Events,
    /// Everything else.
    pub trace: Trace,
    /// Records that are no event of these: out of range, or not of what is extracted.
    pub passed_over: u64,
    /// The first failure of a temporary file, which makes the evidence useless.
    pub error: Option<io::Error>,
    /// Compares every log with what the digests name, where that was asked for.
    pub checker: Option<Checker>,
    /// What it said of the objects that hold the events.
    pub integrity: BTreeMap<String, Integrity>,
    /// What it said of the object at hand.
    current: Option<Integrity>,
    /// Whether that object matters to it only if it gives a record of the range.
    aside: bool,
    /// Events of the object at hand that were extracted, and those that were left out.
    of_object: [usize; 2],
}

impl Evidence {
    /// Keeps what is in `range`.
    #[must_use]
    pub fn new(range: Arc<Range>) -> Self {
        Self {
            seconds: range.seconds(),
            range,
            part: Part::default(),
            unproven: Part::unproven(),
            events: Events::default(),
            trace: Trace::default(),
            passed_over: 0,
            error: None,
            checker: None,
            integrity: BTreeMap::new(),
            current: None,
            aside: false,
            of_object: [0; 2],
        }
    }

    /// The same, and every log is compared with what the digests name: the very bytes that are parsed.
    #[must_use]
    pub fn checked(self, checker: Option<Checker>) -> Self {
        Self { checker, ..self }
    }

    /// Whether each of the `records` that a scan read is an event here or was passed over.
    ///
    /// # Errors
    /// With the numbers.
    pub fn balance(&self, records: u64) -> Result<(), String> {
        let events = self.events.count();
        if u64::try_from(events).is_ok_and(|events| events.checked_add(self.passed_over) == Some(records)) {
            return Ok(());
        }
        Err(format!("{records} records read, but {events} extracted and {} passed over", self.passed_over))
    }

    /// Where calls and sightings of an object are noted, by what digests say of it; also those that an earlier run kept.
    pub fn part_of(&mut self, integrity: Option<Integrity>) -> &mut Part {
        match integrity {
            None | Some(Integrity::Verified) => &mut self.part,
            Some(Integrity::Unsigned | Integrity::Failed) => &mut self.unproven,
        }
    }

    /// Everything kept so far, as rows; from here on it begins anew.
    ///
    /// # Errors
    /// When a temporary file could not be written or read back.
    pub fn take(&mut self) -> io::Result<(Vec<Event>, Vec<Call>, Vec<Sighting>)> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        self.of_object = [0; 2];
        let (calls, sightings) = self.part.take_rows()?;
        Ok((self.events.take()?, calls, sightings))
    }

    /// Notes that an object gave a record, where that is still to be known.
    fn gave(&mut self, object: &ObjectRef, seconds: i64) {
        self.aside &= !self.checker.as_mut().is_none_or(|checker| checker.gave(object, seconds));
    }

    /// An object as the trace notes it.
    fn holder<'o>(&self, object: &'o ObjectRef) -> Holder<'o> {
        Holder { object: &object.name, is_verified: self.current == Some(Integrity::Verified) }
    }

    /// Seals this worker's notes.
    #[must_use]
    pub fn finish(mut self) -> Self {
        self.trace.add(std::mem::take(&mut self.part));
        self.trace.add(std::mem::replace(&mut self.unproven, Part::unproven()));
        self
    }
}

impl Visitor for Evidence {
    const ENVELOPES: bool = true;

    fn brief(&self, envelope: &Envelope<'_>) -> Option<Brief> {
        let Range { accounts, regions, .. } = &*self.range;
        let included = self.seconds.contains(&envelope.seconds())
            && (accounts.is_empty() || listed(accounts, envelope.account()))
            && (regions.is_empty() || listed(regions, envelope.region()));
        if included { brief(envelope) } else { Some(Brief::Count) }
    }

    fn envelope(&mut self, object: &Arc<ObjectRef>, envelope: &Envelope<'_>, brief: Brief) {
        self.passed_over += 1;
        if brief != Brief::Count && self.error.is_none() {
            if self.aside {
                self.gave(object, envelope.seconds());
            }
            let holder = self.holder(object);
            self.error = self.part_of(self.current).note_envelope(holder, envelope, brief).err();
        }
    }

    fn bytes(&mut self, object: &Arc<ObjectRef>, bytes: &Bytes<'_>) -> Next {
        self.current = self.checker.as_mut().map(|checker| checker.judge(object, &bytes.inflated));
        self.aside = self.checker.as_ref().is_some_and(Checker::is_aside);
        self.of_object = [0; 2];
        Next::Visit
    }

    fn damaged(&mut self, object: &Arc<ObjectRef>, error: &InflateError) {
        if let Some(checker) = &mut self.checker {
            checker.broken(object, error);
        }
    }

    fn record(&mut self, object: &Arc<ObjectRef>, record: &Record<'_, '_>) {
        if !self.range.includes(record) || self.error.is_some() {
            self.passed_over += 1;
            return;
        }
        if self.aside {
            self.gave(object, record.time.timestamp());
        }
        let [extracted, left_out] = &mut self.of_object;
        match mfa::extract(record) {
            Some(_) if *extracted == EVENTS => {
                *left_out += 1;
                self.passed_over += 1;
                return;
            }
            Some(mut event) => {
                *extracted += 1;
                event.objects.insert(object.name.as_str());
                event.delivered_at = object.delivered_at();
                event.lineage.verified = self.current == Some(Integrity::Verified);
                if let Some(integrity) = self.current {
                    self.integrity.entry(object.name.clone()).or_insert(integrity);
                }
                self.error = self.events.push(event).err();
            }
            None => self.passed_over += 1,
        }
        let holder = self.holder(object);
        let noted = self.part_of(self.current).note(holder, record);
        self.error = self.error.take().or(noted.err());
    }

    fn surplus(&mut self) -> usize {
        std::mem::take(&mut self.of_object)[1]
    }

    fn merge(&mut self, other: Self) {
        let other = other.finish();
        self.events.merge(other.events);
        self.trace.merge(other.trace);
        self.passed_over += other.passed_over;
        self.error = self.error.take().or(other.error);
        if let (Some(checker), Some(other)) = (&mut self.checker, other.checker) {
            checker.merge(other);
        }
        self.integrity.extend(other.integrity);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;
    use crate::cloudtrail::Actor;
    use crate::pipeline::{Options, Outcome, Scanned, scan};
    use crate::source::{Selection, Source};
    use crate::trace::{Call, Context, Selection as Wanted};

    /// Keeps the same by parsing every record, and the events once more, in memory.
    struct Parsed(Evidence, Vec<Event>);

    impl Visitor for Parsed {
        fn record(&mut self, object: &Arc<ObjectRef>, record: &Record<'_, '_>) {
            self.0.record(object, record);
            let event = mfa::extract(record).filter(|_| self.0.range.includes(record));
            let objects = [object.name.as_str()].into_iter().collect();
            self.1.extend(event.map(|event| Event { objects, delivered_at: object.delivered_at(), ..event }));
        }

        fn merge(&mut self, other: Self) {
            self.0.merge(other.0);
            self.1.extend(other.1);
        }
    }

    #[test]
    fn of_one_object_so_many_events_are_kept_and_the_rest_is_counted() {
        let record = |number: usize| {
            format!(
                r#"{{"eventTime":"2026-10-05T00:00:00Z","eventSource":"iam.amazonaws.com","eventName":"DeactivateMFADevice","awsRegion":"us-east-1","recipientAccountId":"111122223333","eventID":"{number}","requestParameters":{{"userName":"user-{number}"}},"errorCode":"AccessDenied"}}"#
            )
        };
        let home = tempfile::tempdir().unwrap();
        for (name, count) in [("a", 2_050), ("b", 2_000), ("c", 2_001)] {
            let list: Vec<String> = (0..count).map(|number| record(1_000 * count + number)).collect();
            fs::write(home.path().join(name), format!(r#"{{"Records":[{}]}}"#, list.join(","))).unwrap();
        }
        let range = Arc::new(Range::default());
        let sources = [Source::Local(home.path().to_owned())];
        let make = || Evidence::new(Arc::clone(&range));
        let (evidence, scanned) = scan(&sources, &Selection::default(), &Options::default(), &make).unwrap();
        let said: Vec<(&str, &str)> =
            scanned.coverage.failures.iter().map(|failure| (failure.object.as_str(), failure.error.as_str())).collect();
        assert_eq!(
            said,
            [
                ("a", "50 records left out: more than the limit for one object"),
                ("c", "1 record left out: more than the limit for one object")
            ]
        );
        evidence.balance(scanned.coverage.records).unwrap();
        assert_eq!((evidence.events.count(), scanned.coverage.records), (6_000, 6_051));
    }

    struct Everything;

    impl Wanted for Everything {
        fn caller(&self, _actor: &Actor, _account: &str) -> bool {
            true
        }

        fn about(&self, _account: &str, _about: &str) -> bool {
            true
        }

        fn actor(&self, _key: &str) -> bool {
            true
        }

        fn events(&self) -> &BTreeSet<String> {
            static NONE: BTreeSet<String> = BTreeSet::new();
            &NONE
        }

        fn add_readers(&mut self, _calls: &[Call]) {}

        fn reader(&self, _actor: &Actor) -> bool {
            false
        }

        fn near_reading(&self, _time: DateTime<Utc>) -> bool {
            false
        }
    }

    fn all(evidence: Evidence) -> (Vec<String>, Vec<String>) {
        let mut evidence = evidence.finish();
        assert!(evidence.error.is_none(), "{:?}", evidence.error);
        let Context { calls, sightings, .. } = evidence.trace.collect(&mut Everything).unwrap();
        let mut events: Vec<String> =
            evidence.events.take().unwrap().iter().map(|event| format!("{event:?}")).collect();
        let mut traced: Vec<String> = calls.iter().map(|call| format!("{call:?}")).collect();
        traced.extend(sightings.iter().map(|sighting| format!("{sighting:?}")));
        events.sort();
        traced.sort();
        (events, traced)
    }

    /// What both ways give, which must be one.
    fn scanned(folder: &Path, range: &Range) -> (Vec<String>, Vec<String>, Scanned) {
        let sources = [Source::Local(folder.to_owned())];
        let range = Arc::new(range.clone());
        let options = Options { threads: 1, ..Options::default() };
        let parsed = || Parsed(Evidence::new(Arc::clone(&range)), Vec::new());
        let (plain, plainly) = scan(&sources, &Selection::default(), &options, &parsed).unwrap();
        let walked = || Evidence::new(Arc::clone(&range));
        let (quick, quickly) = scan(&sources, &Selection::default(), &options, &walked).unwrap();
        assert_eq!(quickly, plainly);
        let mut events: Vec<String> = plain.1.iter().map(|event| format!("{event:?}")).collect();
        events.sort();
        let (plain, quick) = (all(plain.0), all(quick));
        assert_eq!(plain.0, events);
        assert_eq!(quick, plain);
        (quick.0, quick.1, quickly)
    }

    /// Evidence of one object after another, used again, and a new one for each.
    struct Twice {
        again: Evidence,
        new: Evidence,
        told: Vec<[Vec<String>; 2]>,
    }

    impl Visitor for Twice {
        const OUTCOMES: bool = true;
        const ENVELOPES: bool = true;

        fn brief(&self, envelope: &Envelope<'_>) -> Option<Brief> {
            self.new.brief(envelope)
        }

        fn envelope(&mut self, object: &Arc<ObjectRef>, envelope: &Envelope<'_>, brief: Brief) {
            self.again.envelope(object, envelope, brief);
            self.new.envelope(object, envelope, brief);
        }

        fn record(&mut self, object: &Arc<ObjectRef>, record: &Record<'_, '_>) {
            self.again.record(object, record);
            self.new.record(object, record);
        }

        fn outcome(&mut self, _outcome: Outcome<'_>) {
            let told = |evidence: &mut Evidence| {
                let (events, calls, mut sightings) = evidence.take().unwrap();
                sightings.sort_by(|one, other| (&one.actor, &one.source_ip).cmp(&(&other.actor, &other.source_ip)));
                // Events are in the order of the object: a store keeps each with its record.
                let events = events.iter().map(|event| format!("{event:?}"));
                let traced = calls.iter().map(|call| format!("{call:?}"));
                events.chain(traced).chain(sightings.iter().map(|sighting| format!("{sighting:?}"))).collect()
            };
            self.told.push([told(&mut self.again), told(&mut self.new)]);
            self.new = Evidence::new(Arc::default());
        }

        fn merge(&mut self, _other: Self) {}
    }

    #[test]
    fn evidence_that_is_used_again_tells_what_a_new_one_tells() {
        let folder = tempfile::tempdir().unwrap();
        let bob = r#"{"type":"IAMUser","principalId":"AIDABOB","accountId":"111122223333","arn":"arn:aws:iam::111122223333:user/bob","userName":"bob"}"#;
        // Objects that have callers, addresses and names in common with others, of different numbers of them.
        for object in 0..12 {
            let records: Vec<String> = (0..90)
                .map(|n| {
                    let other = (n * (object + 1)) % 23;
                    let role = format!(
                        r#"{{"type":"AssumedRole","principalId":"AROAEXAMPLE:s-{other}","accountId":"111122223333","arn":"arn:aws:sts::111122223333:assumed-role/r/s-{other}"}}"#
                    );
                    let (identity, source, name) = match n % 5 {
                        0 => (bob, "iam", "EnableMFADevice".to_owned()),
                        1 | 2 => (bob, "s3", format!("List{object}x{other}")),
                        _ => (role.as_str(), "ec2", "DescribeInstances".to_owned()),
                    };
                    let more = format!(
                        r#","recipientAccountId":"111122223333","sourceIPAddress":"192.0.2.{other}","eventID":"{object}-{n}","requestParameters":{{"userName":"bob"}}"#
                    );
                    record(identity, source, &name, "2026-10-09T10:00:00Z", &more)
                })
                .collect();
            let text = format!(r#"{{"Records":[{}]}}"#, records.join(","));
            fs::write(folder.path().join(format!("{object:02}.json")), text).unwrap();
        }
        let sources = [Source::Local(folder.path().to_owned())];
        let options = Options { threads: 1, ..Options::default() };
        let new = || Evidence::new(Arc::default());
        let make = || Twice { again: new(), new: new(), told: Vec::new() };
        let (twice, _) = scan(&sources, &Selection::default(), &options, &make).unwrap();
        assert_eq!(twice.told.len(), 12);
        for [again, new] in &twice.told {
            assert!(again.iter().filter(|row| row.starts_with("Event")).count() == 18, "{again:#?}");
            assert_eq!(again, new);
        }
    }

    #[test]
    fn the_fixtures_give_the_same_evidence_walked_and_parsed() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/archive");
        let (events, traced, scanned) = scanned(&folder, &Range::default());
        assert!(events.len() > 50 && traced.len() > 50, "{} {}", events.len(), traced.len());
        assert!(scanned.coverage.records > 100);
    }

    /// Section 3 of the specification, once more: who takes a pair out of the one list must take it out of the other.
    const PAIRS: &[(&str, &str)] = &[
        ("iam", "CreateVirtualMFADevice EnableMFADevice ResyncMFADevice DeactivateMFADevice DeleteVirtualMFADevice"),
        ("iam", "TagMFADevice UntagMFADevice CreateUser DeleteUser UpdateUser CreateLoginProfile UpdateLoginProfile"),
        ("iam", "DeleteLoginProfile ChangePassword CreateAccessKey UpdateAccessKey DeleteAccessKey AttachUserPolicy"),
        ("iam", "DetachUserPolicy PutUserPolicy DeleteUserPolicy AddUserToGroup RemoveUserFromGroup"),
        ("signin", "ConsoleLogin CheckMfa"),
        ("sts", "GetSessionToken AssumeRoot"),
        ("cloudtrail", "StopLogging StartLogging DeleteTrail UpdateTrail PutEventSelectors"),
        ("sso-directory", "StartWebAuthnDeviceRegistration StartVirtualMfaDeviceRegistration"),
        ("sso-directory", "CompleteWebAuthnDeviceRegistration CompleteVirtualMfaDeviceRegistration"),
        ("sso-directory", "DeleteMfaDeviceForUser UpdateMfaDeviceForUser"),
        ("identitystore", "StartWebAuthnDeviceRegistration StartVirtualMfaDeviceRegistration"),
        ("identitystore", "CompleteWebAuthnDeviceRegistration CompleteVirtualMfaDeviceRegistration"),
        ("identitystore", "DeleteMfaDeviceForUser UpdateMfaDeviceForUser"),
    ];

    const PARAMETERS: &str = r#"{"userName":"Bob","serialNumber":"arn:aws:iam::111122223333:mfa/bob","newUserName":"bill","name":"trail","deviceId":"d"}"#;

    fn record(identity: &str, source: &str, name: &str, time: &str, more: &str) -> String {
        format!(
            r#"{{"eventVersion":"1.11","userIdentity":{identity},"eventTime":"{time}","eventSource":"{source}.amazonaws.com","eventName":"{name}","awsRegion":"us-east-1"{more}}}"#
        )
    }

    #[test]
    fn every_pair_is_extracted_from_among_other_records() {
        let folder = tempfile::tempdir().unwrap();
        let pairs = PAIRS.iter().flat_map(|(source, names)| names.split(' ').map(move |name| (*source, name)));
        let (mut records, mut expected) = (Vec::new(), BTreeSet::new());
        for (index, (source, name)) in pairs.enumerate() {
            let more = |id: &str| {
                format!(
                    r#","sourceIPAddress":"192.0.2.1","requestParameters":{PARAMETERS},"eventID":"{id}","recipientAccountId":"111122223333""#
                )
            };
            let time = "2026-10-01T10:00:00Z";
            let identity = r#"{"type":"AssumedRole","principalId":"AROA1:s","accountId":"111122223333"}"#;
            let id = format!("e-{index}");
            records.push(record(identity, source, name, time, &more(&id)));
            // The name under another source, and another name under the source.
            records.push(record(identity, "kms", name, time, &more(&format!("other-{index}"))));
            records.push(record(identity, source, "Decrypt", time, &more(&format!("decrypt-{index}"))));
            expected.insert(id);
        }
        assert_eq!(expected.len(), 44);
        fs::write(folder.path().join("a.json"), format!(r#"{{"Records":[{}]}}"#, records.join(","))).unwrap();
        let sources = [Source::Local(folder.path().to_owned())];
        let make = || Evidence::new(Arc::default());
        let (mut evidence, _) = scan(&sources, &Selection::default(), &Options::default(), &make).unwrap();
        let events = evidence.events.take().unwrap();
        assert_eq!(events.into_iter().map(|event| event.id).collect::<BTreeSet<_>>(), expected);
        scanned(folder.path(), &Range::default());
    }

    fn generated() -> impl Strategy<Value = String> {
        let session = select(vec![
            "",
            r#","sessionContext":{"attributes":{"creationDate":"2026-10-01T09:00:00Z","mfaAuthenticated":"true"}}"#,
            r#","sessionContext":{"sessionIssuer":{},"attributes":{"mfaAuthenticated":"false"}}"#,
            r#","sessionContext":{"attributes":{"mfaAuthenticated":"TRUE"}}"#,
            r#","sessionContext":{"assumedRoot":"true","attributes":{"mfa\u0041uthenticated":"true"}}"#,
            r#","sessionContext": {}"#,
            r#","onBehalfOf":{"userId":"u-1","identityStoreArn":"arn:x"}"#,
        ]);
        let caller = select(vec![
            r#""type":"AssumedRole","principalId":"AROA1:s","arn":"arn:aws:sts::111122223333:assumed-role/r/s""#,
            r#""type":"AssumedRole","principalId":"AROA2:t","arn":"arn:x","accountId":"444455556666""#,
            r#""type":"AWSService","invokedBy":"ec2.amazonaws.com""#,
            r#""type":"IAMUser","principalId":"AIDA1","arn":"arn:aws:iam::111122223333:user/bob","accountId":"111122223333","userName":"bob""#,
            r#""type":"IAMUser","principalId":"AIDA2","accountId":"444455556666","accessKeyId":"AKIA2","userName":"b\u006Fb""#,
            r#""type":"Root","principalId":"111122223333","accountId":"111122223333","accessKeyId":"ASIA3""#,
            r#""type":"IdentityCenterUser","principalId":"p""#,
            r#""type":"AWSAccount","principalId":"AIDA3","accountId":"444455556666""#,
        ]);
        let pairs: Vec<(&str, &str)> = vec![
            ("kms", "Decrypt"),
            ("ec2", "RunInstances"),
            ("iam", "GetUser"),
            ("iam", "ListMFADevices"),
            ("iam", "DeactivateMFADevice"),
            ("iam", "CreateLoginProfile"),
            ("signin", "ConsoleLogin"),
            ("sts", "GetSessionToken"),
            ("cloudtrail", "StopLogging"),
        ];
        let parameters = select(vec![
            "null",
            "{}",
            "{ }",
            PARAMETERS,
            r#"{"userName":"ALICE"}"#,
            r#"{"user\u004eame":"alice"}"#,
            r#"{"userName":""}"#,
            r#"{"userName":null,"x":[{"userName":"no"}]}"#,
            r#"{"userName":"AWS ROOT USER"}"#,
            r#"{"userName":7}"#,
        ]);
        let response = select(vec![
            "null",
            r#"{"ConsoleLogin":"Failure"}"#,
            r#"{"ConsoleLogin":"Success","Decrypt":"Failure"}"#,
            r#"{"RunInstances":"\u0046ailure"}"#,
            r#"{"text":"a \"quoted\" } Failure"}"#,
        ]);
        let tail = select(vec![
            "",
            r#","readOnly":true"#,
            r#","readOnly":"false","errorCode":"AccessDenied","errorMessage":"User is not authorized on resource: user bob""#,
            r#","errorCode":"AccessDenied","errorMessage":"User: x is not authorized to perform: y on resource: user nullada""#,
            r#","errorCode":"","additionalEventData":{"MFAUsed":"Yes"},"note":"é \\ \" { "#,
            r#","eventType":"AwsCloudTrailInsight""#,
        ])
        .prop_map(|tail| if tail.ends_with("{ ") { format!("{tail}\"") } else { tail.to_owned() });
        let id = prop_oneof![
            8 => (0..40_u32).prop_map(|id| format!(r#","eventID":"00000000-0000-0000-0000-0000000000{id:02}""#)),
            1 => Just(r#","eventID":"no-uuid""#.to_owned()),
            1 => Just(String::new()),
        ];
        let account =
            select(vec!["", r#","recipientAccountId":"111122223333""#, r#","recipientAccountId":"444455556666""#]);
        let address = select(vec!["", r#","sourceIPAddress":"192.0.2.1""#, r#","sourceIPAddress":"2001:db8::1""#]);
        let time = (1..4_u32, 0..24_u32, select(vec!["Z", "Z", "Z", ".5Z", "+01:00"]))
            .prop_map(|(day, hour, zone)| format!("2026-10-{day:02}T{hour:02}:30:15{zone}"));
        let who = (caller, session).prop_map(|(caller, session)| format!("{{{caller}{session}}}"));
        let what = (parameters, response, tail).prop_map(|(parameters, response, tail)| {
            format!(r#","requestParameters":{parameters},"responseElements":{response}{tail}"#)
        });
        let which = (id, account, address).prop_map(|(id, account, address)| format!("{address}{id}{account}"));
        (who, select(pairs), time, what, which).prop_map(|(who, (source, name), time, what, which)| {
            record(&who, source, name, &time, &format!("{what}{which}"))
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(120))]
        #[test]
        fn generated_objects_give_the_same_evidence_walked_and_parsed(
            objects in prop::collection::vec(prop::collection::vec(generated(), 0..12), 1..4),
            odd in 0_usize..6,
            limits in any::<(bool, bool, bool, bool)>(),
        ) {
            let folder = tempfile::tempdir().unwrap();
            for (index, records) in objects.iter().enumerate() {
                let mut text = format!(r#"{{"Records":[{}]}}"#, records.join(","));
                match odd {
                    0 => text = text.replace("\":", "\": "),
                    1 => text.truncate(text.len() - 2),
                    2 => text = text.replace("\"Records\":[", "\"Records\":[{},"),
                    _ => {}
                }
                fs::write(folder.path().join(format!("{index}.json")), text).unwrap();
            }
            let time = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
            let range = Range {
                from: limits.0.then(|| time("2026-10-01T12:30:15.5Z")),
                until: limits.1.then(|| time("2026-10-03T06:30:14.999Z")),
                accounts: limits.2.then(|| "111122223333".to_owned()).into_iter().collect(),
                regions: limits.3.then(|| "us-east-1".to_owned()).into_iter().collect(),
            };
            scanned(folder.path(), &range);
        }
    }
}
