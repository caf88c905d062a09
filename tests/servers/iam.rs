//! IAM state read live: end to end against moto, and against a scripted server for what moto does not do (pages,
//! throttling, refusals, the root user's row).
//!
//! Credentials reach the SDK through the environment, which a test must not change for its neighbors: each test runs
//! its body in a process of its own.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use aws_config::sts::AssumeRoleProvider;
use aws_sdk_iam::Client;
use aws_sdk_iam::config::SharedCredentialsProvider;
use aws_sdk_iam::types::Tag;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use mfatrail::inventory::{AccountState, DeviceOwner, IamState, InventoryError, LiveOptions, UserState, read_live};

use crate::own_process;

const GUARD: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","NotAction":["iam:CreateVirtualMFADevice","iam:EnableMFADevice"],"Resource":"*","Condition":{"BoolIfExists":{"aws:MultiFactorAuthPresent":"false"}}}]}"#;

fn now() -> DateTime<Utc> {
    DateTime::parse_from_rfc3339("2026-03-08T12:00:00Z").expect("a time").with_timezone(&Utc)
}

/// Whether this is the process with the credentials. If not, runs the test there.
fn in_own_process(test: &str, with_credentials: bool) -> bool {
    in_own_process_with(test, with_credentials, &[])
}

/// As [`in_own_process`], with further variables.
fn in_own_process_with(test: &str, with_credentials: bool, variables: &[(&str, &str)]) -> bool {
    let credentials = [("AWS_ACCESS_KEY_ID", "testing"), ("AWS_SECRET_ACCESS_KEY", "testing")];
    let all: Vec<_> = credentials.into_iter().filter(|_| with_credentials).chain(variables.iter().copied()).collect();
    own_process::in_own_process(&format!("iam::{test}"), &all)
}

fn options(endpoint: &str) -> LiveOptions {
    LiveOptions {
        profile: None,
        region: None,
        endpoint_url: Some(endpoint.to_owned()),
        role_name: None,
        accounts: Vec::new(),
        now: now(),
    }
}

fn user<'a>(account: &'a AccountState, name: &str) -> &'a UserState {
    account.users.iter().find(|user| user.name == name).unwrap_or_else(|| panic!("{name} in {account:?}"))
}

fn whys(state: &IamState) -> Vec<String> {
    state.missing.iter().map(|missing| format!("{}: {}", missing.what, missing.why)).collect()
}

async fn fill(client: &Client) {
    for name in ["alice", "bob", "carol"] {
        let tag = Tag::builder().key("owner").value(format!("{name}@example.com")).build().expect("a tag");
        client.create_user().user_name(name).tags(tag).send().await.expect("a user");
    }
    for name in ["alice", "bob"] {
        client.create_login_profile().user_name(name).password("example-Passw0rd!").send().await.expect("a password");
    }
    client.create_access_key().user_name("alice").send().await.expect("a key");
    for (owner, device) in [("alice", "phone"), ("bob", "old")] {
        let created =
            client.create_virtual_mfa_device().virtual_mfa_device_name(device).send().await.expect("a device");
        let serial = created.virtual_mfa_device.expect("a device").serial_number;
        client
            .enable_mfa_device()
            .user_name(owner)
            .serial_number(&serial)
            .authentication_code1("000000")
            .authentication_code2("000001")
            .send()
            .await
            .expect("enabled");
        if owner == "bob" {
            client.deactivate_mfa_device().user_name(owner).serial_number(&serial).send().await.expect("deactivated");
        }
    }
    client
        .enable_mfa_device()
        .user_name("carol")
        .serial_number("GAHT12345678")
        .authentication_code1("000000")
        .authentication_code2("000001")
        .send()
        .await
        .expect("a hardware token");
    client.create_group().group_name("staff").send().await.expect("a group");
    client
        .put_group_policy()
        .group_name("staff")
        .policy_name("guard")
        .policy_document(GUARD)
        .send()
        .await
        .expect("a policy");
    client.add_user_to_group().group_name("staff").user_name("alice").send().await.expect("a member");
    let all = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:*","Resource":"*"}}"#;
    let policy = client.create_policy().policy_name("identity").policy_document(all).send().await.expect("a policy");
    let arn = policy.policy.expect("a policy").arn.expect("an ARN");
    client.attach_user_policy().user_name("bob").policy_arn(arn).send().await.expect("attached");
}

/// What a scripted server is asked: the form's fields, and how often it was asked for that action before.
type Script = dyn Fn(&BTreeMap<String, String>, usize) -> (u16, String) + Send + Sync;

/// An IAM that answers by script, and remembers what it was asked.
struct Double {
    endpoint: String,
    asked: Arc<Mutex<BTreeMap<String, usize>>>,
}

impl Double {
    fn start(script: impl Fn(&BTreeMap<String, String>, usize) -> (u16, String) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
        let asked = Arc::new(Mutex::new(BTreeMap::new()));
        let (script, log): (Arc<Script>, _) = (Arc::new(script), Arc::clone(&asked));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (script, log) = (Arc::clone(&script), Arc::clone(&log));
                std::thread::spawn(move || answer(stream, script.as_ref(), &log));
            }
        });
        Self { endpoint, asked }
    }

    fn times(&self, action: &str) -> usize {
        self.asked.lock().expect("a log").get(action).copied().unwrap_or_default()
    }
}

fn answer(mut stream: TcpStream, script: &Script, log: &Mutex<BTreeMap<String, usize>>) {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    let body = loop {
        let Ok(read) = stream.read(&mut buffer) else { return };
        if read == 0 {
            return;
        }
        request.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&request);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head
            .lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            .map_or(0, |(_, value)| value.trim().parse().expect("a length"));
        if body.len() >= length {
            break body.to_owned();
        }
    };
    let form: BTreeMap<String, String> =
        body.split('&').filter_map(|pair| pair.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
    let before = {
        let mut log = log.lock().expect("a log");
        let times = log.entry(form["Action"].clone()).or_default();
        *times += 1;
        *times - 1
    };
    let (status, body) = script(&form, before);
    let head = format!(
        "HTTP/1.1 {status} X\r\nContent-Type: text/xml\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    // The client may have gone; then nobody misses the answer.
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()));
}

fn fault(status: u16, code: &str) -> (u16, String) {
    (
        status,
        format!(
            "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>scripted</Message></Error><RequestId>r</RequestId></ErrorResponse>"
        ),
    )
}

fn result(action: &str, inner: &str) -> (u16, String) {
    (
        200,
        format!(
            "<{action}Response xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><{action}Result>{inner}</{action}Result><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></{action}Response>"
        ),
    )
}

fn listed(name: &str) -> String {
    format!(
        "<member><Path>/</Path><UserName>{name}</UserName><UserId>AIDA{name}</UserId><Arn>arn:aws:iam::111122223333:user/{name}</Arn><CreateDate>2021-01-01T00:00:00Z</CreateDate></member>"
    )
}

const REPORT: &str = "user,arn,user_creation_time,password_enabled,mfa_active,access_key_1_active,access_key_2_active\n\
    <root_account>,arn:aws:iam::111122223333:root,2020-01-01T00:00:00+00:00,not_supported,true,false,true\n\
    alice,arn:aws:iam::111122223333:user/alice,2021-01-01T00:00:00+00:00,true,false,true,false\n\
    bob,arn:aws:iam::111122223333:user/bob,2021-01-01T00:00:00+00:00,true,true,false,false\n";

/// Two pages of everything; throttled at first; virtual devices refused, the summary not implemented.
fn small_account(form: &BTreeMap<String, String>, before: usize, generated: &str) -> (u16, String) {
    let action = form["Action"].as_str();
    let marker = form.get("Marker").map(String::as_str);
    let more = "<IsTruncated>true</IsTruncated><Marker>next</Marker>";
    let end = "<IsTruncated>false</IsTruncated>";
    match (action, marker) {
        ("ListUsers", None) if before < 2 => fault(400, "Throttling"),
        ("ListUsers", None) => result(action, &format!("<Users>{}</Users>{more}", listed("alice"))),
        ("ListUsers", Some(_)) => result(action, &format!("<Users>{}</Users>{end}", listed("bob"))),
        ("GetAccountAuthorizationDetails", None) => {
            let document: String = GUARD.bytes().map(|byte| format!("%{byte:02X}")).collect();
            let inline = format!(
                "<UserPolicyList><member><PolicyName>guard</PolicyName><PolicyDocument>{document}</PolicyDocument></member></UserPolicyList>"
            );
            let alice = listed("alice").replace("</member>", &format!("{inline}</member>"));
            result(action, &format!("<UserDetailList>{alice}</UserDetailList>{more}"))
        }
        ("GetAccountAuthorizationDetails", Some(_)) => {
            let groups = "<GroupList><member>staff</member></GroupList>";
            let bob = listed("bob").replace("</member>", &format!("{groups}</member>"));
            let group = "<member><GroupName>staff</GroupName><Arn>arn:aws:iam::111122223333:group/staff</Arn><AttachedManagedPolicies><member><PolicyName>AdministratorAccess</PolicyName><PolicyArn>arn:aws:iam::aws:policy/AdministratorAccess</PolicyArn></member></AttachedManagedPolicies></member>";
            result(
                action,
                &format!("<UserDetailList>{bob}</UserDetailList><GroupDetailList>{group}</GroupDetailList>{end}"),
            )
        }
        ("ListVirtualMFADevices", _) => fault(403, "AccessDenied"),
        ("GetAccountSummary", _) => fault(400, "InvalidAction"),
        ("GenerateCredentialReport", _) => {
            result(action, &format!("<State>{}</State>", if before == 0 { "STARTED" } else { "COMPLETE" }))
        }
        ("GetCredentialReport", _) if before == 0 => fault(404, "ReportInProgress"),
        ("GetCredentialReport", _) => result(
            action,
            &format!(
                "<Content>{}</Content><ReportFormat>text/csv</ReportFormat><GeneratedTime>{generated}</GeneratedTime>",
                STANDARD.encode(REPORT)
            ),
        ),
        ("ListMFADevices", None) if form["UserName"] == "alice" => result(
            action,
            &format!(
                "<MFADevices><member><UserName>alice</UserName><SerialNumber>GAHT12345678</SerialNumber><EnableDate>2022-01-01T00:00:00Z</EnableDate></member></MFADevices>{more}"
            ),
        ),
        ("ListMFADevices", Some(_)) => result(
            action,
            &format!(
                "<MFADevices><member><UserName>alice</UserName><SerialNumber>arn:aws:iam::111122223333:mfa/phone</SerialNumber><EnableDate>2023-01-01T00:00:00Z</EnableDate></member></MFADevices>{end}"
            ),
        ),
        ("ListMFADevices", None) => result(action, &format!("<MFADevices/>{end}")),
        ("GetLoginProfile", _) if form["UserName"] == "alice" => fault(404, "NoSuchEntity"),
        ("GetLoginProfile", _) => result(
            action,
            "<LoginProfile><UserName>bob</UserName><CreateDate>2022-01-01T00:00:00Z</CreateDate></LoginProfile>",
        ),
        ("ListAccessKeys", _) => fault(403, "AccessDenied"),
        _ => fault(400, "InvalidAction"),
    }
}

#[test]
fn pages_throttling_refusals_and_the_root_row() {
    if !in_own_process("pages_throttling_refusals_and_the_root_row", true) {
        return;
    }
    let server = Double::start(|form, before| small_account(form, before, "2026-03-08T11:55:00Z"));
    let state = read_live(&options(&server.endpoint)).expect("a state");
    let account = &state.accounts["111122223333"];
    assert!(account.users_complete);
    let (alice, bob) = (user(account, "alice"), user(account, "bob"));
    assert_eq!(account.users.len(), 2);
    assert_eq!(alice.devices.as_ref().map(Vec::len), Some(2), "two pages");
    assert_eq!((alice.password, alice.mfa_active, alice.active_access_keys), (Some(true), Some(true), Some(1)));
    assert_eq!((alice.mfa_enforced, alice.privileged), (Some(true), Some(false)));
    assert_eq!((bob.mfa_active, bob.devices.as_ref().map(Vec::len)), (Some(false), Some(0)), "lists outdo the report");
    assert_eq!((bob.mfa_enforced, bob.privileged), (Some(false), Some(true)), "through the group");
    let root = account.root.as_ref().expect("a root user");
    assert_eq!((root.mfa_active, root.password, root.active_access_keys), (Some(true), None, Some(1)));
    assert_eq!(account.virtual_devices, None);
    let whys = whys(&state);
    assert_eq!(whys.len(), 2, "{whys:?}");
    assert!(
        whys[0].starts_with("account summary: `iam:GetAccountSummary` was refused (InvalidAction: scripted)"),
        "{whys:?}"
    );
    assert!(whys[1].starts_with("virtual MFA devices: `iam:ListVirtualMFADevices` was refused (AccessDenied: scripted): devices without an owner"), "{whys:?}");
    assert_eq!(server.times("ListUsers"), 4, "twice throttled, two pages");
    assert_eq!(server.times("ListVirtualMFADevices"), 1, "a refusal is not repeated");
    assert_eq!(server.times("GetLoginProfile"), 0, "the report is of the moment");
}

#[test]
fn an_old_report_is_not_taken_for_the_moment() {
    if !in_own_process("an_old_report_is_not_taken_for_the_moment", true) {
        return;
    }
    let server = Double::start(|form, before| small_account(form, before, "2026-03-08T09:00:00Z"));
    let state = read_live(&options(&server.endpoint)).expect("a state");
    let account = &state.accounts["111122223333"];
    assert_eq!(user(account, "alice").password, Some(false), "removed since the report");
    assert_eq!(user(account, "bob").password, Some(true));
    assert_eq!(user(account, "alice").active_access_keys, Some(1), "from the report, for want of permission");
    let whys = whys(&state);
    assert!(
        whys.iter().any(|why| why.starts_with("access keys: `iam:ListAccessKeys` was refused for `alice`, `bob`")),
        "{whys:?}"
    );
    assert!(whys.iter().any(|why| why.contains("generated at 2026-03-08T09:00:00Z")), "{whys:?}");
}

#[test]
fn wrong_credentials_are_one_error() {
    if !in_own_process("wrong_credentials_are_one_error", true) {
        return;
    }
    let server = Double::start(|_, _| fault(403, "InvalidClientTokenId"));
    let error = read_live(&options(&server.endpoint)).expect_err("wrong credentials");
    assert!(matches!(error, InventoryError::Aws(_)));
    assert_eq!(
        error.to_string(),
        "IAM cannot be called: InvalidClientTokenId: scripted (hint: check the AWS credentials and the clock)"
    );
    let server = Double::start(|_, _| fault(403, "AccessDenied"));
    let error = read_live(&options(&server.endpoint)).expect_err("no permission at all").to_string();
    assert!(error.starts_with("every IAM call was refused: AccessDenied: scripted"), "{error}");
    let role = LiveOptions {
        role_name: Some("audit".to_owned()),
        accounts: vec!["111122223333".to_owned()],
        ..options(&server.endpoint)
    };
    let error = read_live(&role).expect_err("no role").to_string();
    assert!(
        error.contains("no account could be read: `arn:aws:iam::111122223333:role/audit` cannot be assumed"),
        "{error}"
    );
    assert!(error.contains("AccessDenied"), "{error}");
}

#[test]
fn no_credentials_are_one_error() {
    if !in_own_process("no_credentials_are_one_error", false) {
        return;
    }
    let error = read_live(&options("http://127.0.0.1:9")).expect_err("no credentials").to_string();
    assert!(error.starts_with("no usable AWS credentials: "), "{error}");
    assert_eq!(error.lines().count(), 1, "{error}");
    let profile = LiveOptions { profile: Some("absent".to_owned()), ..options("http://127.0.0.1:9") };
    let error = read_live(&profile).expect_err("no profile").to_string();
    assert!(error.starts_with("no usable AWS credentials: none were found for profile `absent` (hint: "), "{error}");
    assert_eq!(error.lines().count(), 1, "{error}");
}

#[test]
fn a_profile_that_does_not_exist_is_not_replaced_by_keys_from_the_environment() {
    if !in_own_process("a_profile_that_does_not_exist_is_not_replaced_by_keys_from_the_environment", true) {
        return;
    }
    let server = Double::start(|form, before| small_account(form, before, "2026-03-08T11:55:00Z"));
    let profile = LiveOptions { profile: Some("absent".to_owned()), ..options(&server.endpoint) };
    let error = read_live(&profile).expect_err("no profile").to_string();
    assert!(error.starts_with("no usable AWS credentials: none were found for profile `absent` (hint: "), "{error}");
    assert_eq!(server.times("ListUsers"), 0);
}

#[test]
fn the_environment_names_the_endpoint() {
    let server = Double::start(|form, before| small_account(form, before, "2026-03-08T11:55:00Z"));
    let variables = [("AWS_ENDPOINT_URL", "http://127.0.0.1:9"), ("AWS_ENDPOINT_URL_IAM", server.endpoint.as_str())];
    if !in_own_process_with("the_environment_names_the_endpoint", true, &variables) {
        assert_eq!(server.times("ListUsers"), 4);
        return;
    }
    let state = read_live(&LiveOptions { endpoint_url: None, ..options("") }).expect("a state");
    assert_eq!(state.accounts.keys().collect::<Vec<_>>(), ["111122223333"]);
}

/// The role exists in one of two accounts.
#[test]
fn an_account_that_refuses_takes_nothing_from_the_others() {
    if !in_own_process("an_account_that_refuses_takes_nothing_from_the_others", true) {
        return;
    }
    let server = Double::start(|form, before| {
        let role = form.get("RoleArn").map(String::as_str).unwrap_or_default();
        match form["Action"].as_str() {
            "AssumeRole" if role.contains("000011112222") => fault(403, "AccessDenied"),
            "AssumeRole" => result(
                "AssumeRole",
                "<Credentials><AccessKeyId>ASIAEXAMPLE</AccessKeyId><SecretAccessKey>example</SecretAccessKey><SessionToken>example</SessionToken><Expiration>2100-01-01T00:00:00Z</Expiration></Credentials>",
            ),
            _ => small_account(form, before, "2026-03-08T11:55:00Z"),
        }
    });
    let options = LiveOptions {
        role_name: Some("/security/audit".to_owned()),
        accounts: vec!["000011112222".to_owned(), "111122223333".to_owned()],
        ..options(&server.endpoint)
    };
    let state = read_live(&options).expect("one account of two");
    assert_eq!(state.accounts.keys().collect::<Vec<_>>(), ["111122223333"]);
    let refused = &state.missing[0];
    assert_eq!((refused.account.as_deref(), refused.what.as_str()), (Some("000011112222"), "IAM state"));
    assert!(
        refused.why.starts_with("`arn:aws:iam::000011112222:role/security/audit` cannot be assumed: "),
        "{}",
        refused.why
    );
}

/// What a server answers instead of a sound account's, and what the state then lacks. Whoever is missing from a list that was
/// cut would be nobody, and count nowhere.
#[test]
fn answers_that_lie_are_no_answers() {
    if !in_own_process("answers_that_lie_are_no_answers", true) {
        return;
    }
    type Lie = fn(&str, usize, String) -> String;
    let cut: Lie = |_, _, body| body[..body.find("<IsTruncated>").unwrap_or(body.len() / 2)].to_owned();
    let open: Lie = |action, _, body| body.replace(&format!("</{action}Response>"), "");
    let nowhere: Lie =
        |_, _, body| body.replace("<Marker>next</Marker>", "").replace("<IsTruncated>false", "<IsTruncated>true");
    let itself: Lie = |_, _, body| {
        body.replace("<IsTruncated>false</IsTruncated>", "<IsTruncated>true</IsTruncated><Marker>next</Marker>")
    };
    let circle: Lie = |_, n, body| {
        let marker = format!("<IsTruncated>true</IsTruncated><Marker>m{}</Marker>", n % 3);
        let body = body.replace("<IsTruncated>true</IsTruncated><Marker>next</Marker>", &marker);
        body.replace("<IsTruncated>false</IsTruncated>", &marker)
    };
    let endless: Lie = |_, n, body| {
        let marker = format!("<IsTruncated>true</IsTruncated><Marker>m{n}</Marker>");
        let body = body.replace("<IsTruncated>true</IsTruncated><Marker>next</Marker>", &marker);
        body.replace("<IsTruncated>false</IsTruncated>", &marker)
    };
    let long: Lie = |_, _, body| body.replace("<IsTruncated>", &format!("{}<IsTruncated>", " ".repeat(17 << 20)));
    let lists =
        ["ListUsers", "GetAccountAuthorizationDetails", "ListVirtualMFADevices", "ListMFADevices", "ListAccessKeys"];
    let lies: [(&str, Lie, &str); 7] = [
        ("cut", cut, "the response is truncated"),
        ("without its last tag", open, "the response is truncated"),
        ("to be continued nowhere", nowhere, "no marker for them"),
        ("followed by itself", itself, "an earlier page"),
        ("in a circle", circle, "an earlier page"),
        ("without an end", endless, "more than 10000 pages"),
        ("too long", long, "longer than 16777216 bytes"),
    ];
    let check = |list: &'static str, what: &str, lie: Lie, said: &str| {
        let server = Double::start(move |form, before| {
            let action = form["Action"].as_str();
            let sound = match action {
                "ListVirtualMFADevices" => result(action, "<VirtualMFADevices/><IsTruncated>false</IsTruncated>"),
                "ListAccessKeys" => result(action, "<AccessKeyMetadata/><IsTruncated>false</IsTruncated>"),
                "ListUsers" => small_account(form, before + 2, "2026-03-08T06:00:00Z"),
                _ => small_account(form, before, "2026-03-08T06:00:00Z"),
            };
            if action == list && sound.0 == 200 { (200, lie(action, before, sound.1)) } else { sound }
        });
        let state = read_live(&options(&server.endpoint)).expect("a state");
        let whys = whys(&state);
        assert!(whys.iter().any(|why| why.contains(list) && why.contains(said)), "{list} {what}: {whys:?}");
        assert_eq!(state.accounts["111122223333"].users.len(), 2, "{list} {what}");
    };
    // The answer of STS, of which a role's credentials would come.
    let role = |what: &str, body: String| {
        let server = Double::start(move |_, _| (200, body.clone()));
        let options = LiveOptions {
            role_name: Some("audit".to_owned()),
            accounts: vec!["111122223333".to_owned()],
            ..options(&server.endpoint)
        };
        let error = read_live(&options).expect_err(what).to_string();
        assert!(error.contains("cannot be assumed") && error.contains(what), "{error}");
    };
    // An answer that breaks off is asked for again, after a while: all of them wait at once.
    std::thread::scope(|all| {
        all.spawn(|| role("longer than 16777216 bytes", format!("<AssumeRoleResponse>{}", " ".repeat(17 << 20))));
        all.spawn(|| role("the response is truncated", "<AssumeRoleResponse><AssumeRoleResult>".to_owned()));
        for (what, lie, said) in lies {
            for list in lists {
                if !["without an end", "too long"].contains(&what) || list == "ListVirtualMFADevices" {
                    all.spawn(move || check(list, what, lie, said));
                }
            }
        }
    });
}

/// With moto, which comes from PyPI.
mod online {
    use super::*;
    use crate::support::moto;

    #[test]
    fn moto_users_devices_policies_and_a_second_account() {
        if !in_own_process("online::moto_users_devices_policies_and_a_second_account", true) {
            return;
        }
        let moto = moto::Moto::start();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let config =
                aws_config::defaults(aws_config::BehaviorVersion::latest()).endpoint_url(moto.endpoint()).load().await;
            fill(&Client::new(&config)).await;
            let role =
                AssumeRoleProvider::builder("arn:aws:iam::444455556666:role/audit").configure(&config).build().await;
            let other = config.to_builder().credentials_provider(SharedCredentialsProvider::new(role)).build();
            let client = Client::new(&other);
            client.create_user().user_name("dave").send().await.expect("a user");
            client
                .enable_mfa_device()
                .user_name("dave")
                .serial_number("GAHT87654321")
                .authentication_code1("000000")
                .authentication_code2("000001")
                .send()
                .await
                .expect("a device");
        });

        let state = read_live(&options(&moto.endpoint())).expect("a state");
        assert_eq!(state.taken_at, now());
        assert_eq!(state.accounts.keys().collect::<Vec<_>>(), ["123456789012"]);
        let account = &state.accounts["123456789012"];
        assert!(account.users_complete);
        assert_eq!(account.users.len(), 3);
        let alice = user(account, "alice");
        assert!(
            alice.id.is_some()
                && alice.created_at.is_some()
                && alice.arn.as_deref() == Some("arn:aws:iam::123456789012:user/alice")
        );
        assert_eq!((alice.password, alice.mfa_active, alice.active_access_keys), (Some(true), Some(true), Some(1)));
        assert_eq!((alice.mfa_enforced, alice.privileged), (Some(true), Some(false)));
        assert_eq!(
            alice.tags.as_ref().and_then(|tags| tags.get("owner")).map(String::as_str),
            Some("alice@example.com")
        );
        let serials: Vec<&str> = alice.devices.iter().flatten().map(|device| device.serial.as_str()).collect();
        assert_eq!(serials, ["arn:aws:iam::123456789012:mfa/phone"]);
        let bob = user(account, "bob");
        assert_eq!(
            (bob.password, bob.mfa_active, bob.devices.as_ref().map(Vec::len)),
            (Some(true), Some(false), Some(0))
        );
        assert_eq!((bob.mfa_enforced, bob.privileged, bob.active_access_keys), (Some(false), Some(true), Some(0)));
        let carol = user(account, "carol");
        assert_eq!((carol.password, carol.mfa_active), (Some(false), Some(true)));
        assert_eq!((carol.mfa_enforced, carol.privileged), (Some(false), Some(false)));
        let owners: BTreeMap<&str, Option<&DeviceOwner>> = account
            .virtual_devices
            .iter()
            .flatten()
            .map(|device| (device.device.serial.as_str(), device.owner.as_ref()))
            .collect();
        assert!(
            matches!(owners["arn:aws:iam::123456789012:mfa/phone"], Some(DeviceOwner::User { name, .. }) if name == "alice")
        );
        assert_eq!(owners["arn:aws:iam::123456789012:mfa/old"], None);
        assert_eq!(whys(&state), Vec::<String>::new());

        let both = LiveOptions {
            role_name: Some("audit".to_owned()),
            accounts: vec!["123456789012".to_owned(), "444455556666".to_owned()],
            ..options(&moto.endpoint())
        };
        let state = read_live(&both).expect("two accounts");
        assert_eq!(state.accounts.keys().collect::<Vec<_>>(), ["123456789012", "444455556666"]);
        let dave = user(&state.accounts["444455556666"], "dave");
        assert_eq!(
            dave.devices.iter().flatten().map(|device| device.serial.as_str()).collect::<Vec<_>>(),
            ["GAHT87654321"]
        );
        assert_eq!(state.accounts["444455556666"].users.len(), 1);

        let wrong = LiveOptions { accounts: vec!["444455556666".to_owned()], ..options(&moto.endpoint()) };
        assert!(read_live(&wrong).expect_err("another account").to_string().contains("--iam-role"));
        let nowhere = LiveOptions { accounts: Vec::new(), ..both };
        assert!(read_live(&nowhere).expect_err("no account").to_string().contains("--account"));
    }
}
