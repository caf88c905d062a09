//! Which windows and which guardrails accepted risks are about. Nothing is left out of a figure because of them.

use chrono::{DateTime, Utc};

use super::rfc3339;
use crate::contract::{
    Exemption, Notice, NoticeCode, PostureCheck, PostureCode, Principal, PrincipalKind, Report, RiskException, Verdict,
};
use crate::inputs::{AcceptedRisk, RiskSubject};
use crate::names::Pattern;

/// The root user's name in an exception, and what an IAM user of that name is called.
const ROOT: &str = "root";
const USER_ROOT: &str = "user/root";

/// The codes of guardrails, as exceptions name them.
pub(crate) fn guardrails() -> Vec<&'static str> {
    PostureCode::ALL.iter().map(|code| code.as_str()).collect()
}

/// Marks what accepted risks are about, and lists them.
pub(crate) fn apply(report: &mut Report, risks: &[AcceptedRisk]) {
    let as_of = report.as_of;
    let mut notices = Vec::new();
    for (number, risk) in (1..).zip(risks) {
        let mut exception = of_risk(number, risk, as_of);
        let account = Pattern::new(&risk.account);
        match &risk.subject {
            RiskSubject::User(user) => {
                let whom = Whom::new(user);
                let windows = report.windows.iter_mut();
                for window in windows.filter(|one| account.matches(&one.account) && whom.is(&one.principal)) {
                    exception.windows += 1;
                    exception.open_windows += usize::from(window.is_open());
                    let end = window.closed_at.unwrap_or(if window.is_open() { as_of } else { window.proven_to() });
                    window.exceptions.push(Exemption { number, in_force: end < risk.valid_until });
                }
            }
            RiskSubject::Guardrail(_) => {
                let checks = report.posture.iter_mut().flat_map(|posture| &mut posture.checks);
                let about = |check: &&mut PostureCheck| {
                    Some(check.code) == exception.guardrail && check.verdict != Verdict::Pass
                };
                for check in checks.filter(about).filter(|check| account.matches(&check.account)) {
                    exception.checks += 1;
                    check.exceptions.push(Exemption { number, in_force: !exception.expired });
                }
            }
        }
        notices.extend(notice(&exception));
        report.exceptions.push(exception);
    }
    report.notices.extend(notices);
    report.notices.sort();
    report.notices.dedup();
}

fn of_risk(number: usize, risk: &AcceptedRisk, as_of: DateTime<Utc>) -> RiskException {
    let (user, guardrail) = match &risk.subject {
        RiskSubject::User(user) => (Some(user.clone()), None),
        RiskSubject::Guardrail(code) => (None, code.parse().ok()),
    };
    RiskException {
        number,
        account: risk.account.clone(),
        user,
        guardrail,
        accepted_by: risk.accepted_by.clone(),
        reason: risk.reason.clone(),
        reference: risk.reference.clone(),
        valid_until: risk.valid_until,
        expired: risk.valid_until <= as_of,
        windows: 0,
        open_windows: 0,
        checks: 0,
    }
}

/// Whom an exception is about. A pattern is of IAM users; the root user has to be named.
enum Whom {
    Root,
    Named(Pattern),
}

impl Whom {
    fn new(user: &str) -> Self {
        match user {
            _ if user.eq_ignore_ascii_case(ROOT) => Self::Root,
            _ if user.eq_ignore_ascii_case(USER_ROOT) => Self::Named(Pattern::new(ROOT)),
            _ => Self::Named(Pattern::new(user)),
        }
    }

    fn is(&self, who: &Principal) -> bool {
        match self {
            Self::Root => who.kind == PrincipalKind::Root,
            Self::Named(pattern) => who.kind != PrincipalKind::Root && pattern.matches(&who.name),
        }
    }
}

/// What there is to say of an exception: that it has expired, or that it is about nothing.
fn notice(exception: &RiskException) -> Option<Notice> {
    let RiskException { number, account, accepted_by, valid_until, .. } = exception;
    let what = match (&exception.user, exception.guardrail) {
        (Some(user), _) => format!("user {user}"),
        (None, guardrail) => format!("guardrail {}", guardrail.map_or("unknown", PostureCode::as_str)),
    };
    let which = format!("exception {number} ({what} of account {account}, accepted by {accepted_by})");
    if exception.expired {
        return Some(Notice {
            code: NoticeCode::ExceptionExpired,
            text: format!("{which} expired at {}: the risk is not accepted any more", rfc3339(*valid_until)),
        });
    }
    (exception.windows + exception.checks == 0).then(|| Notice {
        code: NoticeCode::ExceptionMatchedNothing,
        text: format!("{which} is about no window and no guardrail of this report"),
    })
}
