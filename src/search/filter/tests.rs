//! Whatever is filtered by, a search of the bytes finds what a full parse and the filter find.

use proptest::prelude::*;

use super::*;
use crate::cloudtrail::{ContainerError, Scratch, for_each_record, search};
use crate::lineage::{Bounds, NAMES as NAMES_OF_LINKS, Seed};

const NAMES: [&str; 6] = ["CreateUser", "DeleteUser", "GetObject", "ConsoleLogin", "AssumeRole", "DELETEUSER"];
const SOURCES: [&str; 5] =
    ["iam.amazonaws.com", "s3.amazonaws.com", "iam", "signin.amazonaws.com", "IAM.amazonaws.com"];
const USERS: [&str; 9] =
    ["alice", "alicia", "bob@example.com", "root", "AWS ROOT USER", "zoë", "ALICE", "Bob@Example.com", "alic\u{212a}e"];
const KEYS: [&str; 4] = ["AKIAEXAMPLEONE", "ASIAEXAMPLETWO", "ASIAEXAMPLETHREE", "AKIAEXAMPLEON"];
const IDS: [&str; 5] = ["AIDAONE", "AROATWO:alice", "AROATWO:bob@example.com", "AROATWO", "AROATWOX:alice"];
const ROLES: [&str; 6] = [
    "ADMIN",
    "arn:aws:iam::111122223333:role/ops/Admin",
    "arn:aws:iam::444455556666:role/Admin",
    "arn:aws:iam::111122223333:role/Adm",
    "Admin",
    "Adm?n",
];
const ARNS: [&str; 6] = [
    "arn:aws:iam::111122223333:user/staff/alice",
    "arn:aws:sts::111122223333:assumed-role/Admin/alice",
    "arn:aws:sts::444455556666:assumed-role/Admin/bob@example.com",
    "arn:aws:sts::111122223333:federated-user/alicia",
    "arn:aws:iam::111122223333:role/ops/Admin",
    "arn:aws:iam::111122223333:root",
];
const ADDRESSES: [&str; 7] = [
    "192.0.2.7",
    "192.0.2.77",
    "198.51.100.9",
    "2001:db8::ab",
    "2001:0DB8:0:0::00aB",
    "2001:dB8::0.0.0.171",
    "lambda.amazonaws.com",
];
const RANGES: [&str; 8] = [
    "192.0.2.7",
    "192.0.2.0/24",
    "192.0.0.0/15",
    "192.0.0.0/12",
    "2001:db8::ab",
    "2001:db8::/32",
    "::/0",
    "2001:db8::1",
];
const ERRORS: [&str; 4] = ["AccessDenied", "Client.UnauthorizedOperation", "NoSuchEntity", "accessdenied"];
const MESSAGES: [&str; 7] = [
    "User: x is not authorized to perform: iam:X on resource: user alice because no policy allows it",
    "User: x is not authorized to perform: iam:X on resource: user nullalice with an explicit deny",
    "User: x is not authorized to perform: iam:X on resource: user /staff/alicia",
    "User: x is not authorized to perform: iam:X on resource: user AWS ROOT USER",
    "User: x is not authorized to perform: iam:X on resource: arn:aws:iam::111122223333:root",
    "User: x is not authorized to perform: iam:X on resource: arn:aws:iam::111122223333:user/zo\u{eb}",
    "The user with name alice cannot be found.",
];
const TEXTS: [&str; 12] =
    ["alice", "a/b/cat", "é", "zoë says", "x\"yes", "4444", "\\user", "00abab", "q", "userAgent", "abab", "<tag>&"];

/// A JSON string, with some of its characters written as escapes.
fn spelled(text: &str, way: u8) -> String {
    let plain = serde_json::to_string(text).unwrap();
    match way {
        0 => plain.replace('/', "\\/"),
        1 => format!("\"{}\"", text.chars().map(unicode).collect::<String>()),
        2 => plain.replacen('A', "\\u0041", 1),
        3 => plain.replacen('a', "\\u0061", 1),
        4 => plain.replace(['é', 'ë', '<', '&'], "\\u00e9"),
        5 => {
            let odd = |c: char| if c.is_ascii() && !"<>&".contains(c) { c.to_string() } else { unicode(c) };
            plain.chars().map(odd).collect()
        }
        _ => plain,
    }
}

fn unicode(c: char) -> String {
    c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect()
}

fn one_of(values: &'static [&'static str]) -> impl Strategy<Value = String> {
    // Mostly as it is: an odd spelling sends the whole document to the full parse.
    (prop::sample::select(values.to_vec()), 0_u8..60).prop_map(|(text, way)| spelled(text, way))
}

fn some(key: &'static str, values: &'static [&'static str]) -> impl Strategy<Value = Option<String>> {
    prop::option::of(one_of(values).prop_map(move |value| format!("\"{key}\":{value}")))
}

/// A member that holds what is left of others, and is left out where nothing is.
fn object(key: &str, members: impl IntoIterator<Item = Option<String>>) -> Option<String> {
    let members: Vec<String> = members.into_iter().flatten().collect();
    (!members.is_empty()).then(|| format!("\"{key}\":{{{}}}", members.join(",")))
}

fn identity() -> impl Strategy<Value = Option<String>> {
    let session = (some("type", &["Role"]), some("userName", &ROLES), some("arn", &ROLES), some("x", &TEXTS)).prop_map(
        |(kind, name, arn, x)| {
            let issuer = object("sessionIssuer", [kind, name, arn]);
            let attributes = object("attributes", [Some("\"creationDate\":\"2026-10-01T10:00:03Z\"".to_owned()), x]);
            object("sessionContext", [issuer, attributes])
        },
    );
    let kinds: &[&str] = &["IAMUser", "Root", "AssumedRole"];
    (
        some("type", kinds),
        some("userName", &USERS),
        some("principalId", &IDS),
        some("arn", &ARNS),
        some("accessKeyId", &KEYS),
        prop::option::of(session),
        some("userId", &IDS),
    )
        .prop_map(|(kind, name, id, arn, key, session, on_behalf)| {
            object("userIdentity", [kind, name, id, arn, key, session.flatten(), object("onBehalfOf", [on_behalf])])
        })
}

fn parameters() -> impl Strategy<Value = Option<String>> {
    (some("userName", &USERS), some("accessKeyId", &KEYS), some("roleArn", &ROLES), some("roleName", &ROLES))
        .prop_map(|(user, key, arn, role)| object("requestParameters", [user, key, arn, role]))
}

fn response() -> impl Strategy<Value = Option<String>> {
    let outcome: &[&str] = &["Success", "Failure"];
    (some("accessKeyId", &KEYS), some("accessKeyId", &KEYS), some("assumedRoleId", &IDS), some("ConsoleLogin", outcome))
        .prop_map(|(made, session, id, login)| {
            let made = object("accessKey", [made]);
            let session = object("credentials", [session]);
            object("responseElements", [made, session, object("assumedRoleUser", [id]), login])
        })
}

fn record() -> impl Strategy<Value = String> {
    let odd = prop::sample::select(vec![
        "",
        "",
        "",
        "",
        ",\"n\":-4444",
        ",\"n\":144441",
        ",\"n\":[4444.5]",
        ",\"eventType\":\"AwsCloudTrailInsight\"",
        ",\"alice\":[]",
    ]);
    (
        (one_of(&NAMES), one_of(&SOURCES), identity(), parameters(), response()),
        some("sourceIPAddress", &ADDRESSES),
        (some("errorCode", &ERRORS), some("errorMessage", &MESSAGES)),
        some("userAgent", &TEXTS),
        prop::option::of(any::<bool>().prop_map(|reading| format!("\"readOnly\":{reading}"))),
        odd,
        0_u8..30,
    )
        .prop_map(|((name, source, identity, parameters, response), ip, (error, message), agent, reading, odd, wrap)| {
            let members = [identity, parameters, response, ip, error, message, agent, reading];
            let members: String = members.into_iter().flatten().map(|member| format!(",{member}")).collect();
            let record = format!(
                r#"{{"eventVersion":"1.11","eventTime":"2026-10-01T10:00:00Z","eventSource":{source},"eventName":{name}{members}{odd}}}"#
            );
            match wrap {
                0 => format!(r#"{{"detail":{record}}}"#),
                1 => format!(r#"{{"CloudTrailEvent":{}}}"#, serde_json::to_string(&record).unwrap()),
                2 => record.replace("\":", "\" : \n"),
                3 => serde_json::to_string(&record).unwrap(),
                4 => format!(r#"{{"message":{record}}}"#),
                5 => format!(r#"{{"message":{}}}"#, serde_json::to_string(&format!("[{record}]")).unwrap()),
                _ => record,
            }
        })
}

fn document() -> impl Strategy<Value = String> {
    (prop::collection::vec(record(), 0..6), 0_u8..20).prop_map(|(records, container)| match container {
        0 => records.join("\n"),
        1 => format!("[{}]", records.join(",")),
        _ => format!("{{\"Records\":[{}]}}", records.join(", ")),
    })
}

/// An option and one value of it; `None` stands for reading or writing.
fn value() -> impl Strategy<Value = (Option<By>, String)> {
    let of = |by: By, values: &[&str]| {
        prop::sample::select(values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>())
            .prop_map(move |value| (Some(by), value))
    };
    prop_oneof![
        of(
            By::EventName,
            &[&NAMES[..], &["Create*", "*User", "?reateUser", "*", "createuser", "del*", "*uSER"]].concat()
        ),
        of(By::EventSource, &[&SOURCES[..], &["s3", "*.amazonaws.com", "sign??*", "S3", "SIGNIN*"]].concat()),
        of(By::User, &[&USERS[..], &["ali*", "bob@*", "Alicia", "ROOT", "*LIC*", "alicke", "?oË"]].concat()),
        of(By::PrincipalId, &[&IDS[..], &["AROA*", "AROATWO:*", "A?DA*"]].concat()),
        of(
            By::Role,
            &[&ROLES[..], &["adm*", "arn:aws:iam::*:role/Admin", "arn:aws:iam::111122223333:role/ops/*"]].concat()
        ),
        of(By::AccessKey, &[&KEYS[..], &["ASIA*", "*EXAMPLEONE"]].concat()),
        of(By::Ip, &[&RANGES[..], &["192.0.2.*", "192.0.?.7*", "2001:DB8:*", "*"]].concat()),
        of(By::Error, &[&ERRORS[..], &["any", "none", "*Denied", "Client.*", "ACCESSDENIED", "*entity"]].concat()),
        of(By::Text, &TEXTS),
        prop::bool::ANY.prop_map(|reading| (None, reading.to_string())),
    ]
}

fn filter_of(values: &[(Option<By>, String)]) -> Filter {
    let mut filter = Filter::default();
    let kinds: BTreeSet<Option<By>> = values.iter().map(|(by, _)| *by).collect();
    for by in kinds {
        let values: Vec<String> =
            values.iter().filter(|(kind, _)| *kind == by).map(|(_, value)| value.clone()).collect();
        match by {
            Some(by) => filter.only(by, &values).unwrap(),
            None => filter.only_reading(values[0] == "true"),
        }
    }
    filter
}

type Found = Result<Vec<String>, ContainerError>;

fn found(text: &[u8], query: &Query) -> Found {
    let mut found = Vec::new();
    let take = &mut |_index, record: Result<Record<'_, '_>, _>| {
        found.extend(record.ok().and_then(|record| record.raw().map(|raw| String::from_utf8(raw.to_vec()).unwrap())));
    };
    search(text, query, &mut Scratch::default(), take).map(|_contents| found)
}

fn plain(text: &[u8], wanted: impl Fn(&Record<'_, '_>) -> bool) -> Found {
    let mut found = Vec::new();
    for_each_record(text, &mut Scratch::default(), &mut |_index, record| {
        if let Ok(record) = record
            && wanted(&record)
        {
            found.push(String::from_utf8(record.raw().unwrap().to_vec()).unwrap());
        }
    })
    .map(|_contents| found)
}

/// What a document's calls handed out and made, and all that came of it.
fn made(text: &str) -> Family {
    let mut links = Vec::new();
    let mut take = |_index, record: Result<Record<'_, '_>, _>| {
        links.extend(record.ok().and_then(|record| Link::of(&record)));
    };
    let _damaged = for_each_record(text.as_bytes(), &mut Scratch::default(), &mut take);
    let seeds: Vec<Seed> = links.iter().filter_map(Seed::product).collect();
    Family::grow(&seeds, &links, Bounds { is_traced_back: false, since: None, most: 1000 })
}

fn changed(text: String, changes: &[(prop::sample::Index, prop::sample::Index, u8)]) -> Vec<u8> {
    let mut bytes = text.into_bytes();
    for (at, other, kind) in changes {
        if bytes.is_empty() {
            break;
        }
        let (at, other) = (at.index(bytes.len()), other.index(bytes.len()));
        match kind {
            0 => bytes[at] = bytes[other],
            1 => drop(bytes.remove(at)),
            2 => bytes.insert(at, b"\"\\{}[]:, u0"[other % 11]),
            _ => bytes.swap(at, other),
        }
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2500, ..ProptestConfig::default() })]

    #[test]
    fn one_value_finds_what_a_full_parse_finds(text in document(), value in value()) {
        let filter = filter_of(&[value]);
        let expected = plain(text.as_bytes(), |record| filter.matches(record));
        prop_assert_eq!(found(text.as_bytes(), &filter.query().unwrap()), expected);
    }

    #[test]
    fn so_do_several_together_and_sessions_that_are_followed(
        text in document(),
        values in prop::collection::vec(value(), 1..6),
    ) {
        let filter = filter_of(&values);
        let expected = plain(text.as_bytes(), |record| filter.matches(record));
        prop_assert_eq!(found(text.as_bytes(), &filter.clone().query().unwrap()), expected);
        let (who, rest) = filter.split();
        let shown = Arc::new(rest);
        let expected = plain(text.as_bytes(), |record| {
            NAMES_OF_LINKS.contains(&record.name) || who.matches(record) && (shown.matches(record) || Link::is(record))
        });
        prop_assert_eq!(found(text.as_bytes(), &who.clone().finding(Arc::clone(&shown))), expected);
        for who in [who, Filter::family(Arc::new(made(&text)))] {
            let expected = plain(text.as_bytes(), |record| {
                who.matches(record) && (shown.matches(record) || Link::is(record))
            });
            prop_assert_eq!(found(text.as_bytes(), &who.following(Arc::clone(&shown))), expected);
        }
    }

    /// Of what a full parse can read, mutated or not; what it calls damaged may be seen so or not.
    #[test]
    fn so_do_they_in_mutated_documents(
        text in document(),
        values in prop::collection::vec(value(), 1..4),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0_u8..4), 1..4),
    ) {
        let bytes = changed(text, &changes);
        let filter = filter_of(&values);
        let expected = plain(&bytes, |record| filter.matches(record));
        let found = found(&bytes, &filter.query().unwrap());
        if expected.is_ok() || found.is_err() {
            prop_assert_eq!(found, expected);
        }
    }
}

fn one(by: By, value: &str) -> Filter {
    filter_of(&[(Some(by), value.to_owned())])
}

#[test]
fn what_has_a_literal_is_searched_for() {
    for (by, value) in [
        (By::EventName, "Delete*"),
        (By::EventSource, "iam"),
        (By::User, "alice"),
        (By::User, "root"),
        (By::PrincipalId, "AROATWO"),
        (By::Role, "arn:aws:iam::111122223333:role/ops/Admin"),
        (By::AccessKey, "AKIAEXAMPLEONE"),
        (By::Ip, "192.0.2.7"),
        (By::Ip, "2001:db8::/32"),
        (By::Error, "any"),
        (By::Error, "*Denied"),
        (By::Text, "x\"yes"),
    ] {
        assert!(matches!(one(by, value).clue(), Clue::Literals(_)), "{by:?} {value}");
    }
    assert!(matches!(one(By::EventName, "DeleteUser").clue(), Clue::Names(_)));
    for (by, value) in [(By::Error, "none"), (By::Ip, "10.0.0.0/8"), (By::Text, "é"), (By::EventName, "*")] {
        assert!(matches!(one(by, value).clue(), Clue::None), "{by:?} {value}");
    }
    // The rarest decides; one without literals does no harm.
    let values =
        [(By::EventSource, "s3*"), (By::EventName, "GetObject"), (By::AccessKey, "AKIAEXAMPLEONE"), (By::Text, "é")];
    let filter = filter_of(&values.map(|(by, value)| (Some(by), value.to_owned())));
    assert_eq!(filter.rarest().map(|(_, rare)| rare.literals), Some(BTreeSet::from(["AKIAEXAMPLEONE".to_owned()])));
}

#[test]
fn values_that_make_no_sense_are_refused() {
    for (by, value, told) in [
        (By::EventName, "", "`--event-name` is empty\n  hint: "),
        (By::EventName, "Delete[A-Z]*", "is not a pattern"),
        (By::Error, "a|b", "is not a pattern"),
        (By::EventName, "DeleteUser ", "leading or trailing white space"),
        (By::User, "arn:aws:iam::111122223333:user/alice", "is an ARN"),
        (By::PrincipalId, "role/Admin", "is not a unique ID"),
        (By::Role, "arn:aws:iam::111122223333:user/alice", "is not the ARN of a role"),
        (By::Role, "arn:aws:sts::111122223333:assumed-role/Admin/alice", "is not the ARN of a role"),
        (By::AccessKey, "AKIA/EXAMPLE", "is not an access key ID"),
        (
            By::Ip,
            "192.0.2.0/33",
            "`--ip`: `192.0.2.0/33` is neither an address nor a range\n  hint: write it like 192.0.2.7",
        ),
        (By::Text, "", "is empty"),
    ] {
        let error = Filter::default().only(by, &[value.to_owned()]).unwrap_err().to_string();
        assert!(error.contains(told) && error.contains("hint: "), "{error}");
    }
}

fn records(members: &[&str]) -> Vec<String> {
    let record =
        |member: &&str| format!(r#"{{"eventTime":"2026-10-01T10:00:00Z","eventSource":"s","eventName":"N",{member}}}"#);
    members.iter().map(record).collect()
}

fn matching(filter: &Filter, members: &[&str]) -> Vec<bool> {
    let is = |text: &String| plain(text.as_bytes(), |record| filter.matches(record)).unwrap().len() == 1;
    records(members)
        .iter()
        .map(|text| text.replace("\"eventTime\"", "\"eventVersion\":\"1\",\"eventTime\""))
        .map(|text| is(&text))
        .collect()
}

#[test]
fn sessions_are_told_by_key_or_by_id_and_beginning() {
    let text = r#"{"eventVersion":"1","eventTime":"2026-10-01T10:00:00Z","eventSource":"sts.amazonaws.com","eventName":"AssumeRole",
        "responseElements":{"credentials":{"accessKeyId":"ASIAONE"},"assumedRoleUser":{"assumedRoleId":"AROAONE:s"}}}"#;
    let sessions = Filter::family(Arc::new(made(text)));
    let refused = made(&text.replace("\"responseElements\"", "\"errorCode\":\"AccessDenied\",\"responseElements\""));
    assert!(refused.literals().is_empty());
    let begun = |id: &str, at: &str| {
        format!(
            r#""userIdentity":{{"principalId":"{id}","accessKeyId":"ASIANEW","sessionContext":{{"attributes":{{"creationDate":"{at}"}}}}}}"#
        )
    };
    let members = [
        r#""userIdentity":{"accessKeyId":"ASIAONE"}"#.to_owned(),
        begun("AROAONE:s", "2026-10-01T10:00:01Z"),
        begun("AROAONE:s", "2026-10-01T11:00:00Z"),
        begun("AROAONE:other", "2026-10-01T10:00:01Z"),
        r#""userIdentity":{"principalId":"AROAONE:s"}"#.to_owned(),
        r#""userIdentity":{}"#.to_owned(),
    ];
    let members: Vec<&str> = members.iter().map(String::as_str).collect();
    assert_eq!(matching(&sessions, &members), [true, true, false, false, true, false]);
}
