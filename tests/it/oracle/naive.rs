//! Reads the fixtures the plain way: every object whole, every record a full JSON value, one look at its names.
//!
//! Enough for the shapes that `fixtures/generate.py` writes and no more; it shares no line with the scanner.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use chrono::{DateTime, Utc};
use mfatrail::cloudtrail::{Actor, ActorKind};
use mfatrail::inventory::{AccountState, AsOf, Device, DeviceOwner, IamState, RootState, UserState, VirtualDevice};
use mfatrail::mfa::{Action, Event, Failure, Target};
use mfatrail::trace::{Call, Context, Sighting};
use serde_json::Value;

pub fn time(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(text).unwrap().to_utc()
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn files(dir: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, out) } else { out.push(path) }
    }
}

/// Every record of the archive with its object's name and delivery time; a record of two objects comes twice.
fn records(archive: &Path) -> Vec<(Value, String, DateTime<Utc>)> {
    let mut paths = Vec::new();
    files(archive, &mut paths);
    paths.sort();
    let mut all = Vec::new();
    for path in paths.iter().filter(|p| p.iter().any(|part| part == "CloudTrail")) {
        let mut json = String::new();
        flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_string(&mut json).unwrap();
        let object = path.strip_prefix(archive).unwrap().to_string_lossy().into_owned();
        let stamp = object.rsplit('_').nth(1).unwrap().to_owned();
        let delivered = chrono::NaiveDateTime::parse_from_str(&stamp, "%Y%m%dT%H%MZ").unwrap().and_utc();
        let Value::Object(mut document) = serde_json::from_str(&json).unwrap() else { panic!("{object}") };
        let Some(Value::Array(list)) = document.remove("Records") else { panic!("{object}") };
        all.extend(list.into_iter().map(|r| (r, object.clone(), delivered)));
    }
    all
}

fn actor(record: &Value, assumed_roots: &BTreeSet<String>) -> Actor {
    let who = &record["userIdentity"];
    let key = text(&who["accessKeyId"]);
    let kind = match who["type"].as_str() {
        Some("Root") if key.as_ref().is_some_and(|k| assumed_roots.contains(k)) => ActorKind::AssumedRoot,
        Some("Root") => ActorKind::Root,
        Some("IAMUser") => ActorKind::IamUser,
        Some("AssumedRole") => ActorKind::AssumedRole,
        Some("AWSService") => ActorKind::Service,
        Some("IdentityCenterUser") => ActorKind::IdentityCenter,
        other => panic!("no such caller in the fixtures: {other:?}"),
    };
    Actor {
        kind,
        account: text(&who["accountId"]),
        id: text(&who["onBehalfOf"]["userId"]).or_else(|| text(&who["principalId"])),
        name: text(&who["userName"]),
        arn: text(&who["arn"]).or_else(|| text(&who["invokedBy"])),
        access_key: key,
        issuer: text(&who["sessionContext"]["sessionIssuer"]["arn"]),
    }
}

fn action(record: &Value) -> Option<Action> {
    let asked = &record["requestParameters"];
    let serial = text(&asked["serialNumber"]);
    let source = record["eventSource"].as_str()?.strip_suffix(".amazonaws.com")?;
    Some(match (source, record["eventName"].as_str()?) {
        ("iam", "CreateVirtualMFADevice") => {
            Action::DeviceCreated { serial: text(&record["responseElements"]["virtualMFADevice"]["serialNumber"]) }
        }
        ("iam", "EnableMFADevice") => Action::DeviceEnabled { serial },
        ("iam", "DeactivateMFADevice") => Action::DeviceDeactivated { serial },
        ("iam", "DeleteVirtualMFADevice") => Action::DeviceDeleted { serial },
        ("signin", "ConsoleLogin") => Action::ConsoleLogin {
            mfa_used: text(&record["additionalEventData"]["MFAUsed"]).map(|used| used == "Yes"),
            serial: text(&record["additionalEventData"]["MFAIdentifier"]),
        },
        ("signin", "CheckMfa") => Action::MfaChecked,
        ("sts", "GetSessionToken") => Action::SessionToken { serial: serial? },
        ("iam", "CreateUser") => Action::UserCreated,
        ("iam", "DeleteUser") => Action::UserDeleted,
        ("iam", "UpdateUser") => Action::UserRenamed { new_name: text(&asked["newUserName"])? },
        ("iam", "CreateLoginProfile") => Action::PasswordCreated,
        ("iam", "UpdateLoginProfile") => Action::PasswordReset,
        ("iam", "DeleteLoginProfile") => Action::PasswordRemoved,
        ("iam", "CreateAccessKey") => Action::AccessKeyCreated { key: None },
        ("iam", "UpdateAccessKey") => {
            Action::AccessKeyUpdated { key: text(&asked["accessKeyId"]), active: asked["status"] == "Active" }
        }
        ("iam", "DeleteAccessKey") => Action::AccessKeyDeleted { key: text(&asked["accessKeyId"]) },
        ("iam", "AttachUserPolicy") => Action::PolicyAttached { arn: text(&asked["policyArn"]) },
        ("iam", "DetachUserPolicy") => Action::PolicyDetached { arn: text(&asked["policyArn"]) },
        _ => return None,
    })
}

fn target(record: &Value, actor: &Actor, action: &Action) -> Target {
    if matches!(action, Action::DeviceCreated { .. } | Action::DeviceDeleted { .. }) {
        return Target::DeviceOnly;
    }
    let message = record["errorMessage"].as_str().unwrap_or_default();
    let named = text(&record["requestParameters"]["userName"]).or_else(|| {
        let (_, rest) = message.split_once("on resource: user ")?;
        rest.split_whitespace().next().map(str::to_owned)
    });
    match (named, actor.kind) {
        (Some(name), _) if name == "AWS ROOT USER" => Target::Root,
        (Some(name), _) => {
            let id = text(&record["responseElements"]["user"]["userId"])
                .or_else(|| actor.id.clone().filter(|_| actor.name.as_ref() == Some(&name)));
            Target::User { name: Some(name), id }
        }
        (None, ActorKind::Root | ActorKind::AssumedRoot) => Target::Root,
        (None, ActorKind::IamUser) => Target::User { name: actor.name.clone(), id: actor.id.clone() },
        (None, _) => Target::Nobody,
    }
}

/// The first record of each account.
pub fn first_records(archive: &Path) -> BTreeMap<String, DateTime<Utc>> {
    let mut first = BTreeMap::new();
    for (record, ..) in records(archive) {
        let at = time(record["eventTime"].as_str().unwrap());
        let known = first.entry(text(&record["recipientAccountId"]).unwrap()).or_insert(at);
        *known = at.min(*known);
    }
    first
}

/// The events of an archive, and what else was done.
pub fn archive(archive: &Path) -> (Vec<Event>, Context) {
    let records = records(archive);
    let assumed_roots: BTreeSet<String> = records
        .iter()
        .filter(|(r, ..)| r["eventSource"] == "sts.amazonaws.com" && r["eventName"] == "AssumeRoot")
        .filter_map(|(r, ..)| text(&r["responseElements"]["credentials"]["accessKeyId"]))
        .collect();
    let mut events: Vec<Event> = Vec::new();
    let mut context = Context::default();
    for (record, object, delivered) in &records {
        let actor = actor(record, &assumed_roots);
        let at = time(record["eventTime"].as_str().unwrap());
        let id = text(&record["eventID"]).unwrap();
        let account = text(&record["recipientAccountId"]).unwrap();
        let source = text(&record["eventSource"]).unwrap();
        let name = text(&record["eventName"]).unwrap();
        let source_ip = text(&record["sourceIPAddress"]);
        let failed = record["errorCode"].is_string() || record["responseElements"]["ConsoleLogin"] == "Failure";
        let user = matches!(actor.kind, ActorKind::IamUser | ActorKind::Root | ActorKind::AssumedRoot);
        let told = text(&record["userIdentity"]["sessionContext"]["attributes"]["mfaAuthenticated"]);
        let session = told.map(|t| t == "true").or(user.then_some(false));
        let about = text(&record["requestParameters"]["userName"]).filter(|_| source == "iam.amazonaws.com");
        if user || about.is_some() {
            context.calls.push(Call {
                event_id: id.clone(),
                time: at,
                account: account.as_str().into(),
                actor: actor.clone().into(),
                source_ip: source_ip.as_deref().map(Into::into),
                service: source.as_str().into(),
                name: name.as_str().into(),
                read_only: record["readOnly"] == true,
                failed,
                session_mfa: session,
                sign_in_mfa: text(&record["additionalEventData"]["MFAUsed"]).map(|used| used == "Yes"),
                about_user: about.map(|name| name.to_lowercase().into()),
                lineage: Default::default(),
            });
        }
        if !user && let (Some(actor), Some(source_ip)) = (actor.id.clone().or(actor.arn.clone()), source_ip.clone()) {
            context.sightings.push(Sighting { actor: actor.into(), source_ip: source_ip.into(), first: at, last: at });
        }
        let Some(action) = action(record) else { continue };
        if let Some(known) = events.iter_mut().find(|e| e.id == id && e.account == account) {
            known.objects.insert(object.as_str());
            known.delivered_at = known.delivered_at.min(Some(*delivered));
            continue;
        }
        let target = target(record, &actor, &action);
        let code = text(&record["errorCode"]).map(Into::into);
        events.push(Event {
            failure: failed.then(|| Failure { code, message: text(&record["errorMessage"]) }.into()),
            region: text(&record["awsRegion"]).unwrap().into(),
            user_agent: text(&record["userAgent"]).map(Into::into),
            objects: [object.as_str()].into_iter().collect(),
            delivered_at: Some(*delivered),
            lineage: Default::default(),
            actor_mfa: session,
            time: at,
            id,
            account: account.into(),
            source: source.into(),
            name: name.into(),
            action,
            target,
            actor: actor.into(),
            source_ip: source_ip.map(Into::into),
        });
    }
    (events, context)
}

fn json(path: &Path) -> Option<Value> {
    Some(serde_json::from_str(&std::fs::read_to_string(path).ok()?).unwrap())
}

/// Bare, or as `aws iam get-credential-report` writes it: with the time at which it was made.
fn credential_report(folder: &Path) -> (Vec<u8>, Option<AsOf>) {
    match json(&folder.join("credential-report.json")) {
        Some(answer) => {
            let content =
                base64::engine::general_purpose::STANDARD.decode(answer["Content"].as_str().unwrap()).unwrap();
            (content, answer["GeneratedTime"].as_str().map(|made| AsOf::exactly(time(made))))
        }
        None => (std::fs::read(folder.join("credential-report.csv")).unwrap(), None),
    }
}

/// The command line's files, one folder per account.
pub fn iam(dir: &Path, taken_at: DateTime<Utc>) -> IamState {
    let mut accounts = BTreeMap::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let folder = entry.unwrap().path();
        let account = folder.file_name().unwrap().to_string_lossy().into_owned();
        let mut state = AccountState { users_complete: true, ..AccountState::default() };
        let details = json(&folder.join("account-authorization-details.json")).unwrap();
        let (report, generated) = credential_report(&folder);
        // a bare one is up to four hours old
        let earliest = taken_at - chrono::Duration::hours(4);
        let generated = generated.or(Some(AsOf { earliest, latest: taken_at }));
        for row in csv::Reader::from_reader(report.as_slice()).deserialize::<BTreeMap<String, String>>() {
            let row = row.unwrap();
            let flag = |column: &str| row[column].parse::<bool>().ok();
            let name = row["user"].clone();
            if name == "<root_account>" {
                state.root = Some(RootState {
                    mfa_active: flag("mfa_active"),
                    mfa_active_as_of: generated,
                    password: flag("password_enabled"),
                    password_as_of: generated,
                    active_access_keys: Some(0),
                    access_keys_as_of: generated,
                });
                continue;
            }
            let detail = details["UserDetailList"].as_array().unwrap().iter().find(|u| u["UserName"] == name).unwrap();
            let tags = detail["Tags"].as_array().unwrap().iter();
            let device = |d: &Value| Device {
                serial: text(&d["SerialNumber"]).unwrap(),
                enabled_at: d["EnableDate"].as_str().map(time),
            };
            state.users.push(UserState {
                id: text(&detail["UserId"]),
                arn: Some(row["arn"].clone()),
                created_at: Some(time(&row["user_creation_time"])),
                password: flag("password_enabled"),
                password_as_of: generated,
                mfa_active: flag("mfa_active"),
                mfa_active_as_of: generated,
                devices: json(&folder.join(format!("mfa-devices-{name}.json")))
                    .map(|list| list["MFADevices"].as_array().unwrap().iter().map(device).collect()),
                tags: Some(tags.map(|t| (text(&t["Key"]).unwrap(), text(&t["Value"]).unwrap())).collect()),
                name,
                ..UserState::default()
            });
        }
        let virtuals = json(&folder.join("virtual-mfa-devices.json"));
        let owner = |v: &Value| VirtualDevice {
            device: Device {
                serial: text(&v["SerialNumber"]).unwrap(),
                enabled_at: v["EnableDate"].as_str().map(time),
            },
            owner: match (text(&v["User"]["UserName"]), v["User"]["Arn"].as_str()) {
                (Some(name), _) => Some(DeviceOwner::User { name, id: text(&v["User"]["UserId"]) }),
                (None, Some(arn)) if arn.ends_with(":root") => Some(DeviceOwner::Root),
                _ => None,
            },
        };
        state.virtual_devices =
            virtuals.map(|virtuals| virtuals["VirtualMFADevices"].as_array().unwrap().iter().map(owner).collect());
        // who owns a virtual device has one, and who is listed has what the list says, whatever the report says
        for user in &mut state.users {
            let owns =
                |v: &VirtualDevice| matches!(&v.owner, Some(DeviceOwner::User { name, .. }) if *name == user.name);
            let owner = state.virtual_devices.iter().flatten().any(owns).then_some(true);
            if let Some(active) = user.devices.as_ref().map(|d| !d.is_empty()).or(owner) {
                (user.mfa_active, user.mfa_active_as_of) = (Some(active), None);
            }
        }
        let root = state.virtual_devices.iter().flatten().any(|v| v.owner == Some(DeviceOwner::Root));
        if let Some(state) = state.root.as_mut().filter(|_| root) {
            (state.mfa_active, state.mfa_active_as_of) = (Some(true), None);
        }
        accounts.insert(account, state);
    }
    IamState { taken_at, accounts, missing: Vec::new() }
}
