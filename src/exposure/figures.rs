//! The figures: statistics over the cohort, exposure, and MFA coverage.

use std::collections::HashSet;

use chrono::{DateTime, Utc};

use super::windows::{Deactivation, Effect};
use crate::contract::{
    ByClass, Class, CloseStat, Deactivations, DetectStat, Exposure, KindFigures, MfaCoverage, Period, Stat, Window,
    WindowKind,
};
use crate::inventory::{AccountState, DeviceOwner, IamState, RootState, UserState};

/// Statistic of durations in whole seconds; an empty set has no mean.
#[must_use]
pub fn stat(mut seconds: Vec<i64>) -> Stat {
    seconds.sort_unstable();
    let n = seconds.len();
    let at = |index: usize| seconds.get(index).map(|value| *value as f64);
    let median = match n {
        0 => None,
        _ if n % 2 == 1 => at(n / 2),
        _ => at(n / 2 - 1).zip(at(n / 2)).map(|(low, high)| f64::midpoint(low, high)),
    };
    Stat {
        n,
        mean_s: (n > 0).then(|| seconds.iter().map(|value| *value as f64).sum::<f64>() / n as f64),
        median_s: median,
        // Nearest rank: the smallest value that at least 90 % of the values do not exceed.
        p90_s: at((n * 9).div_ceil(10).wrapping_sub(1)),
        max_s: at(n.wrapping_sub(1)),
    }
}

/// Over the closed; one that ended nobody knows when is in no mean, and is not open either.
fn close_stat<'w>(windows: impl Iterator<Item = &'w Window>) -> CloseStat {
    let windows: Vec<&Window> = windows.collect();
    let closed = windows.iter().filter(|window| window.closed_at.is_some());
    CloseStat {
        stat: stat(closed.map(|window| window.duration_s).collect()),
        open: windows.iter().filter(|window| window.is_open()).count(),
    }
}

fn detect_stat<'w>(windows: impl Iterator<Item = &'w Window>) -> DetectStat {
    let times: Vec<Option<i64>> =
        windows.map(|window| window.detection.as_ref().map(|detection| detection.time_to_detect_s)).collect();
    let undetected = times.iter().filter(|time| time.is_none()).count();
    DetectStat { stat: stat(times.into_iter().flatten().collect()), undetected }
}

/// Whether a deactivation opened the window: only those are in the cohort.
fn by_deactivation(window: &Window) -> bool {
    window.class.is_some()
}

/// The figures of `windows` and `deactivations`, all of one kind of identity. `deactivations` come with the moment;
/// `failed_attempts` are counted by the caller, which knows the attempts; `shows_now` says that the period is the report's
/// own, and no part of it that ended before.
pub(super) fn figures(
    windows: &[&Window],
    deactivations: &[(DateTime<Utc>, Deactivation)],
    failed_attempts: usize,
    period: Period,
    as_of: DateTime<Utc>,
    shows_now: bool,
) -> KindFigures {
    let cohort = || windows.iter().copied().filter(|window| by_deactivation(window) && opened_in(window, period));
    let suspect = || cohort().filter(|window| window.legitimate == Some(false));
    let enrolment =
        windows.iter().copied().filter(|window| window.kind == WindowKind::NeverEnrolled && opened_in(window, period));
    let delivery =
        cohort().filter_map(|window| Some((window.delivered_at? - window.opened_at?).num_seconds().max(0))).collect();
    let in_period = deactivations.iter().filter(|(time, _)| period.contains(*time));
    let count = |effect: Effect| in_period.clone().filter(|(_, one)| one.effect == effect).count();
    let class = |class: Class| cohort().filter(|window| window.class == Some(class)).count();
    KindFigures {
        mttd: detect_stat(cohort()),
        mttd_not_legitimate: detect_stat(suspect()),
        mttr: close_stat(cohort()),
        mttr_not_legitimate: close_stat(suspect()),
        delivery: stat(delivery),
        enrolment: close_stat(enrolment),
        deactivations: Deactivations {
            total: in_period.clone().count(),
            opened_window: count(Effect::OpenedWindow),
            legitimate: cohort().filter(|window| window.legitimate == Some(true)).count(),
            not_legitimate: suspect().count(),
            left_another_device: count(Effect::LeftAnotherDevice),
            no_password: count(Effect::NoPassword),
            denied: count(Effect::Denied),
            failed_attempts,
            by_class: ByClass {
                approved: class(Class::Approved),
                offboarding: class(Class::Offboarding),
                suspected_takeover: class(Class::SuspectedTakeover),
                replacement: class(Class::Replacement),
                workaround: class(Class::Workaround),
                unexplained: class(Class::Unexplained),
            },
        },
        exposure: exposure(windows, period, as_of, shows_now),
    }
}

fn opened_in(window: &Window, period: Period) -> bool {
    window.opened_at.is_some_and(|at| period.contains(at))
}

/// Time without MFA inside the period, by `removed` windows, and by `standing` ones as far as they are proven; nothing is
/// measured beyond `as_of`.
fn exposure(windows: &[&Window], period: Period, as_of: DateTime<Utc>, shows_now: bool) -> Exposure {
    let end = period.to.min(as_of);
    let inside =
        |window: &Window| (window.proven_to().min(end) - window.proven_from().max(period.from)).num_seconds().max(0);
    let mut result = Exposure::default();
    let (mut seconds, mut standing) = (0, 0);
    for window in windows {
        match window.kind {
            WindowKind::Removed => {
                seconds += inside(window);
                result.open_at_end += usize::from(lasts_beyond(window, period.to));
                result.carried_in += usize::from(lasts_beyond(window, period.from) && !opened_in(window, period));
            }
            WindowKind::Standing => {
                standing += inside(window);
                // Of a part that ended before, what is proven of then counts; of the whole period what is open now, too.
                let open = lasts_beyond(window, period.to) || (shows_now && window.is_open());
                result.standing.open += usize::from(open);
            }
            WindowKind::NeverEnrolled => {}
        }
    }
    result.principal_hours = seconds as f64 / 3600.0;
    result.standing.principal_hours = standing as f64 / 3600.0;
    result
}

/// Whether a window that began before `moment` is open then: what closed at that very moment is carried into no other
/// period.
fn lasts_beyond(window: &Window, moment: DateTime<Utc>) -> bool {
    window.proven_from() < moment && (window.is_open() || window.proven_to() > moment)
}

/// MFA coverage at a snapshot, over all its accounts, of a report about `accounts_in_report` accounts.
#[must_use]
pub fn mfa_coverage(iam: &IamState, accounts_in_report: usize) -> MfaCoverage {
    coverage(iam.taken_at, iam.accounts.values(), accounts_in_report)
}

/// MFA coverage at the snapshot, over some accounts. A count that one account's inputs cannot give is `None`.
pub(super) fn coverage<'a>(
    taken_at: DateTime<Utc>,
    accounts: impl IntoIterator<Item = &'a AccountState>,
    accounts_in_report: usize,
) -> MfaCoverage {
    let accounts: Vec<&AccountState> = accounts.into_iter().collect();
    let with_virtual = |account: &&'a AccountState| (*account, owners_of_virtual(account));
    let listed: Vec<(&AccountState, HashSet<String>)> = accounts.iter().map(with_virtual).collect();
    let users = || listed.iter().flat_map(|(account, owners)| account.users.iter().map(move |user| (owners, user)));
    let all_told = !accounts.is_empty() && accounts.iter().all(|account| account.users_complete);
    let count = |predicate: &dyn Fn(&HashSet<String>, &UserState) -> Option<bool>| -> Option<usize> {
        if !all_told {
            return None;
        }
        users().map(|(owners, user)| predicate(owners, user)).try_fold(0, |sum, held| Some(sum + usize::from(held?)))
    };
    let roots = |predicate: &dyn Fn(&RootState) -> Option<bool>| -> Option<usize> {
        let mut roots = accounts.iter().map(|account| account.root.as_ref());
        roots.try_fold(0, |sum, root| Some(sum + usize::from(predicate(root?)?))).filter(|_| !accounts.is_empty())
    };
    MfaCoverage {
        users: count(&|_, _| Some(true)),
        users_with_mfa: count(&|owners, user| has_mfa(owners, user)),
        console_users: count(&|_, user| user.password),
        console_users_with_mfa: count(&|owners, user| both(user.password, has_mfa(owners, user))),
        users_mfa_enforced: count(&|_, user| user.mfa_enforced),
        users_with_mfa_and_enforced: count(&|owners, user| {
            let (enforced, has) = (user.mfa_enforced?, has_mfa(owners, user)?);
            Some(enforced && has)
        }),
        roots: roots(&|_| Some(true)),
        roots_with_mfa: roots(&|root| root.mfa_active),
        roots_without_credentials: roots(&|root| {
            both(root.password.map(|password| !password), root.active_access_keys.map(|keys| keys == 0))
        }),
        privileged_users: count(&|_, user| user.privileged),
        privileged_users_with_mfa: count(&|owners, user| both(user.privileged, has_mfa(owners, user))),
        accounts: Some(accounts.len()),
        accounts_in_report: Some(accounts_in_report.max(accounts.len())),
        taken_at: Some(taken_at),
    }
}

/// That both hold; known as soon as one is known not to.
fn both(one: Option<bool>, other: Option<bool>) -> Option<bool> {
    match (one, other) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    }
}

/// To whom the list of virtual devices assigns one: users' names in lower case.
fn owners_of_virtual(account: &AccountState) -> HashSet<String> {
    let owners = account.virtual_devices.iter().flatten().filter_map(|listed| listed.owner.as_ref());
    let names = owners.filter_map(|owner| match owner {
        DeviceOwner::User { name, .. } => Some(name.to_ascii_lowercase()),
        DeviceOwner::Root => None,
    });
    names.collect()
}

/// Whether a user has an active device, as far as IAM state tells: the list of virtual devices, which assigns some to
/// `owners`, can prove one, never that there is none.
fn has_mfa(owners: &HashSet<String>, user: &UserState) -> Option<bool> {
    if let Some(devices) = &user.devices {
        return Some(!devices.is_empty());
    }
    if owners.contains(&user.name.to_ascii_lowercase()) { Some(true) } else { user.mfa_active }
}
