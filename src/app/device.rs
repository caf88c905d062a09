//! MFA devices: who has which, and one change at a time, decided before it is made.

use std::time::{Duration, Instant};

use super::{Error, Run};
use crate::aws::Connection;
use crate::device::call::{Call, word};
use crate::device::client::{Failure, Iam, Secrets};
use crate::device::plan::user_name;
use crate::device::state::{Device, DeviceKind, Entity};
use crate::pipeline::Stop;
use crate::units::display_duration;

/// How many devices a user may have (IAM quotas).
const MOST_DEVICES: usize = 8;
/// The first pause before a call is made again.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Connects to the account.
///
/// # Errors
/// When there are no usable credentials, or they are of another account than the one that is meant.
pub fn connect(connection: &Connection, account: Option<&str>) -> Result<Iam, Error> {
    let iam = Iam::connect(connection).map_err(Error::Failed)?;
    let own = &iam.caller().account;
    match account.filter(|account| account != own) {
        Some(account) => Err(Error::Input(format!(
            "the credentials belong to account {own}, not to {account}\n  hint: name a role of that account with --role"
        ))),
        None => Ok(iam),
    }
}

/// One device, or a virtual device that is nobody's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Whose it is; `None` for one that is nobody's.
    pub user: Option<String>,
    /// The device.
    pub device: Device,
    /// What a device that is nobody's stands in the way of.
    pub blocks: Option<String>,
}

/// Lists the devices of one user, or of all, and the virtual devices that are nobody's.
///
/// # Errors
/// When there is no such user, or IAM cannot be asked.
pub fn list(iam: &Iam, user: Option<&str>) -> Result<Vec<Listed>, Error> {
    let entities = iam.entities().map_err(Error::failed)?;
    let owned = |user: &str, device: Device| Listed { user: Some(user.to_owned()), device, blocks: None };
    let (names, mut listed): (Vec<String>, Vec<Listed>) = match user {
        Some(user) => {
            let name = user_name(user).map_err(Error::Input)?;
            let devices = iam.devices_of(name).map_err(|failure| unknown_user(failure, name, iam))?;
            (vec![name.to_owned()], devices.into_iter().map(|device| owned(name, device)).collect())
        }
        None => {
            let (names, devices) = iam.everybody().map_err(Error::failed)?;
            (names, devices.into_iter().map(|one| owned(&one.user, one.device)).collect())
        }
    };
    for entity in entities {
        let device = Device { serial: entity.serial.clone(), enabled_at: entity.enabled_at };
        match entity.owner_name() {
            Some("the root user") if user.is_none() => listed.push(owned("the root user", device)),
            Some(_) => {}
            None if user.is_none() || names.iter().any(|name| name == entity.name()) => {
                let without = |name: &String| listed.iter().all(|one| one.user.as_ref() != Some(name));
                let blocked = names.iter().find(|name| *name == entity.name());
                let blocks = match blocked {
                    Some(name) if without(name) => {
                        format!(
                            "user {name}, who has no device, cannot enroll one under that name: delete this one first"
                        )
                    }
                    _ => format!("no virtual device can be created under the name {}", entity.name()),
                };
                listed.push(Listed { user: None, device, blocks: Some(blocks) });
            }
            None => {}
        }
    }
    Ok(listed)
}

/// That there is no such user, or what else IAM said.
pub(crate) fn unknown_user(failure: Failure, name: &str, iam: &Iam) -> Error {
    match failure {
        Failure::Absent(_) => Error::Input(format!(
            "account {} has no user `{name}`\n  hint: check the name, or the account with --account and --role",
            iam.caller().account
        )),
        failure => Error::failed(failure),
    }
}

/// What is to be done to a call's subject, if anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It is so already.
    Nothing(String),
    /// The call is to be made.
    Call,
}

/// Looks whether a call makes sense, before it is shown or made.
///
/// # Errors
/// Why it is not made, with a way out.
pub fn decide(iam: &Iam, call: &Call, own: bool) -> Result<Decision, Error> {
    match call {
        Call::CreateVirtualMfaDevice { name, .. } => {
            let entities = iam.entities().map_err(Error::failed)?;
            match entities.iter().find(|entity| entity.name().eq_ignore_ascii_case(name)) {
                Some(entity) => Err(Error::Input(taken(entity))),
                None => Ok(Decision::Call),
            }
        }
        Call::EnableMfaDevice { user, serial } => {
            let devices = devices(iam, user, own)?;
            enable(iam, user, serial, &devices)
        }
        Call::ResyncMfaDevice { user, serial } => {
            let devices = devices(iam, user, own)?;
            if !DeviceKind::of(serial).has_clock() {
                return Err(Error::Input(format!(
                    "`{serial}` is a {}, which has no clock and is never out of sync",
                    DeviceKind::of(serial).name()
                )));
            }
            owned(iam, user, serial, &devices).map(|()| Decision::Call)
        }
        Call::DeactivateMfaDevice { user, serial } => {
            let devices = devices(iam, user, own)?;
            owned(iam, user, serial, &devices).map(|()| Decision::Call)
        }
        Call::DeleteVirtualMfaDevice { serial } => delete(iam, serial),
        Call::TagMfaDevice { serial, .. } | Call::UntagMfaDevice { serial, .. } => {
            only_virtual(serial)?;
            match entity(iam, serial)? {
                Some(_) => Ok(Decision::Call),
                None => Err(no_entity(serial)),
            }
        }
        _ => Ok(Decision::Call),
    }
}

fn devices(iam: &Iam, user: &str, own: bool) -> Result<Vec<Device>, Error> {
    let caller = iam.caller();
    let is_own = crate::arn::Arn::parse(&caller.arn)
        .and_then(|arn| arn.resource_of("user"))
        .is_some_and(|path| crate::arn::name(path) == user);
    if is_own && !own {
        return Err(Error::Input(format!(
            "the credentials of this command are those of user {user} itself\n  hint: if its own device is meant, give --self"
        )));
    }
    iam.devices_of(user).map_err(|failure| unknown_user(failure, user, iam))
}

fn entity(iam: &Iam, serial: &str) -> Result<Option<Entity>, Error> {
    let entities = iam.entities().map_err(Error::failed)?;
    Ok(entities.into_iter().find(|entity| entity.serial == serial))
}

/// What blocks a name.
fn taken(entity: &Entity) -> String {
    match entity.owner_name() {
        Some(owner) => format!(
            "the virtual device {} is {owner}'s: a second one cannot have its name\n  hint: choose another name",
            entity.serial
        ),
        None => format!(
            "the virtual device {} is unassigned: it is left over, and its name cannot be reused\n  hint: choose another name, or delete \
             it: mfatrail device delete --serial {} --apply",
            entity.serial,
            word(&entity.serial)
        ),
    }
}

fn enable(iam: &Iam, user: &str, serial: &str, devices: &[Device]) -> Result<Decision, Error> {
    if devices.iter().any(|device| device.serial == serial) {
        return Ok(Decision::Nothing(format!("`{serial}` is a device of {user} already")));
    }
    let kind = DeviceKind::of(serial);
    if !kind.has_clock() {
        return Err(Error::Input(format!(
            "`{serial}` is a {}: those are enabled in the browser only\n  hint: IAM console, Users, {user}, Security credentials",
            kind.name()
        )));
    }
    if devices.len() >= MOST_DEVICES {
        return Err(Error::Input(format!(
            "user {user} has {MOST_DEVICES} devices, as many as IAM allows\n  hint: deactivate one first"
        )));
    }
    if kind == DeviceKind::Virtual {
        match entity(iam, serial)? {
            None => return Err(no_entity(serial)),
            Some(entity) => {
                if let Some(owner) = entity.owner_name() {
                    return Err(Error::Input(format!("`{serial}` is a device of {owner} already")));
                }
            }
        }
    }
    Ok(Decision::Call)
}

fn owned(iam: &Iam, user: &str, serial: &str, devices: &[Device]) -> Result<(), Error> {
    if devices.iter().any(|device| device.serial == serial) {
        return Ok(());
    }
    let whose = match entity(iam, serial)? {
        Some(entity) => match entity.owner_name() {
            Some(owner) => format!("`{serial}` is a device of {owner}, not of {user}"),
            None => format!(
                "`{serial}` is not assigned to anyone\n  hint: what is left over is deleted by mfatrail device delete --serial {} --apply",
                word(serial)
            ),
        },
        None => format!("user {user} has no device `{serial}`\n  hint: mfatrail device list --user {}", word(user)),
    };
    Err(Error::Input(whose))
}

fn only_virtual(serial: &str) -> Result<(), Error> {
    match DeviceKind::of(serial) {
        DeviceKind::Virtual => Ok(()),
        kind => Err(Error::Input(format!(
            "`{serial}` is a {}: only virtual devices (arn:…:mfa/…) can be deleted or tagged\n  hint: any other goes away when it is \
             deactivated",
            kind.name()
        ))),
    }
}

fn no_entity(serial: &str) -> Error {
    Error::Input(format!("there is no virtual device `{serial}`\n  hint: mfatrail device list"))
}

fn delete(iam: &Iam, serial: &str) -> Result<Decision, Error> {
    only_virtual(serial)?;
    match entity(iam, serial)? {
        None => Ok(Decision::Nothing(format!("there is no virtual device `{serial}`"))),
        Some(entity) => match entity.owner_name() {
            Some(owner) => Err(Error::Input(format!(
                "`{serial}` is in use by {owner}: IAM deletes only unassigned devices\n  hint: mfatrail device deactivate --user {} --serial \
                 {} --apply",
                word(owner),
                word(serial)
            ))),
            None => Ok(Decision::Call),
        },
    }
}

/// Makes a call, and makes it again as long as IAM is still working on what it is about.
///
/// # Errors
/// [`Failure`]; the last [`Failure::Busy`] when the patience or the run is at its end.
pub fn patiently(
    iam: &Iam,
    call: &Call,
    secrets: &Secrets,
    patience: Duration,
    stop: &Stop,
    run: Run<'_>,
) -> Result<(), Failure> {
    let start = Instant::now();
    let mut pause = FIRST_PAUSE;
    loop {
        match iam.make(call, secrets) {
            Err(Failure::Busy(why)) if start.elapsed() + pause <= patience && !stop.asked() => {
                if pause == FIRST_PAUSE {
                    let limit = chrono::TimeDelta::from_std(patience).unwrap_or_default();
                    run.observer.note(&format!(
                        "IAM is still working on it ({why}): waiting, {} at most",
                        display_duration(limit)
                    ));
                }
                std::thread::sleep(pause);
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            answer => return answer,
        }
    }
}

/// Makes a call, and says what is true now.
///
/// # Errors
/// When IAM refuses it, or does not show it afterwards.
pub fn apply(
    iam: &Iam,
    call: &Call,
    secrets: &Secrets,
    patience: Duration,
    stop: &Stop,
    run: Run<'_>,
) -> Result<String, Error> {
    let answer = patiently(iam, call, secrets, patience, stop, run);
    match (call, answer) {
        (Call::EnableMfaDevice { user, serial }, answer) => enabled(iam, user, serial, answer),
        (Call::ResyncMfaDevice { .. }, Err(Failure::Codes(why))) => Err(Error::Failed(stale(&why))),
        (Call::ResyncMfaDevice { user, serial }, Ok(())) => Ok(format!("`{serial}` of {user} is in sync")),
        (Call::DeactivateMfaDevice { user, serial }, Ok(()) | Err(Failure::Absent(_))) => {
            let left = iam.devices_of(user).map_err(Error::failed)?;
            let left: Vec<_> = left.iter().filter(|device| device.serial != *serial).collect();
            let without = if left.is_empty() { ", who is now without MFA" } else { "" };
            let stays = if DeviceKind::of(serial) == DeviceKind::Virtual {
                format!(
                    "\nthe virtual device stays, and blocks its name until it is deleted: mfatrail device delete --serial {} --apply",
                    word(serial)
                )
            } else {
                String::new()
            };
            Ok(format!("`{serial}` is no longer a device of {user}{without}{stays}"))
        }
        (Call::DeleteVirtualMfaDevice { serial }, Ok(()) | Err(Failure::Absent(_))) => {
            Ok(format!("`{serial}` is deleted"))
        }
        (Call::TagMfaDevice { serial, .. } | Call::UntagMfaDevice { serial, .. }, Ok(())) => {
            Ok(format!("the tags of `{serial}` are changed"))
        }
        (_, Ok(())) => Ok("done".to_owned()),
        (_, Err(failure)) => Err(Error::failed(failure)),
    }
}

/// What came of enabling a device: IAM may have assigned it and still not taken the codes.
fn enabled(iam: &Iam, user: &str, serial: &str, answer: Result<(), Failure>) -> Result<String, Error> {
    let assigned = |failure: Failure| match iam.devices_of(user) {
        Ok(devices) => (devices.iter().any(|device| device.serial == serial), failure),
        Err(_) => (false, failure),
    };
    match answer {
        Ok(()) => {
            let devices = iam.devices_of(user).map_err(Error::failed)?;
            if devices.iter().any(|device| device.serial == serial) {
                return Ok(format!("`{serial}` is a device of {user}"));
            }
            Err(Error::Failed(format!(
                "IAM took the codes, and does not list `{serial}` among the devices of {user} yet\n  hint: look again in a minute: \
                 mfatrail device list --user {}",
                word(user)
            )))
        }
        Err(failure) => match assigned(failure) {
            (true, Failure::Codes(why)) => Err(Error::Failed(format!(
                "`{serial}` is assigned to {user}, but out of sync: IAM did not take the codes ({why})\n  hint: mfatrail device resync \
                 --user {} --serial {} --apply",
                word(user),
                word(serial)
            ))),
            (true, Failure::Exists(_)) => Ok(format!("`{serial}` is a device of {user}")),
            (_, Failure::Codes(why)) => Err(Error::Failed(stale(&why))),
            (_, failure) => Err(Error::failed(failure)),
        },
    }
}

/// That codes were not taken, and why that may be.
pub(crate) fn stale(why: &str) -> String {
    format!(
        "IAM did not take the codes: they are stale, not consecutive, or of another device ({why})\n  hint: type a code, wait for the next \
         one, type it, and let both be sent within a minute; check the clock of the telephone"
    )
}
