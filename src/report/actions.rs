//! What to do, the worst first: of every window, finding, guardrail and notice how bad it is, and the next step. Made of a report when
//! it is rendered, so that a redacted one names nobody here either.

use serde::Serialize;

use super::posture::steps;
use super::view::{exceptions::remark, meaning, what_may_have_happened};
use super::{PostureCheck, Report, Severity, Verdict, Window, WindowKind, format};
use crate::contract::advice::{Exposure, about_finding, about_notice, after, exposed};
use crate::contract::{Finding, Notice, playbook};

/// What an action is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum About {
    /// One of `windows`.
    Window,
    /// One of `reconciliation`.
    Finding,
    /// One of `posture.checks` that does not pass.
    Guardrail,
    /// One of `notices`.
    Notice,
}

impl About {
    /// The name in the contract.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Window => "window",
            Self::Finding => "finding",
            Self::Guardrail => "guardrail",
            Self::Notice => "notice",
        }
    }
}

/// Something to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Action {
    /// How bad it is.
    pub(super) severity: Severity,
    /// What it is about.
    pub(super) about: About,
    /// Its number in that list, from 1.
    pub(super) number: usize,
    /// The code: of a window its class, or why it has none.
    pub(super) code: &'static str,
    /// The account, where it is of one.
    pub(super) account: Option<String>,
    /// What it is, in a sentence.
    pub(super) title: String,
    /// What to do next.
    pub(super) next_step: String,
    /// The section of the playbook that says more.
    pub(super) playbook: Option<&'static str>,
    /// Whether it is over: a window that ended.
    pub(super) over: bool,
    /// `risk accepted` or `acceptance expired`; `None` where nobody accepted it.
    pub(super) exception: Option<&'static str>,
}

/// All of them, the worst first, and what goes on before what is over.
pub(super) fn actions(report: &Report) -> Vec<Action> {
    let windows = (1..).zip(&report.windows).map(|(number, one)| of_window(number, one));
    let findings = (1..).zip(&report.reconciliation).map(|(number, one)| of_finding(number, one));
    let checks = (1..).zip(report.posture.iter().flat_map(|posture| &posture.checks));
    let checks = checks.filter(|(_, check)| check.verdict != Verdict::Pass);
    let checks = checks.map(|(number, one)| of_check(number, one));
    let notices = (1..).zip(&report.notices).map(|(number, one)| of_notice(number, one));
    let mut all: Vec<Action> = windows.chain(findings).chain(checks).chain(notices).collect();
    all.sort_by_key(|one| (std::cmp::Reverse(one.severity), one.over, one.about, one.number));
    all
}

fn of_window(number: usize, window: &Window) -> Action {
    let who = window.principal.in_words();
    let code = super::view::key(window);
    let exposure = Exposure {
        account: &window.account,
        principal: Some(&window.principal),
        owner: window.owner.as_deref(),
        class: window.class,
        enrolling: window.kind == WindowKind::NeverEnrolled,
    };
    let over = !window.is_open();
    let (state, next_step) = match over {
        false => ("is without MFA", exposed(&exposure)),
        true => ("was without MFA", after(Some(window.principal.kind), window.class).to_owned()),
    };
    Action {
        severity: window.severity(),
        about: About::Window,
        number,
        code,
        account: Some(window.account.clone()),
        title: format!("{who} of account {} {state} {} ({})", window.account, times(window), code.replace('_', " ")),
        next_step,
        playbook: playbook(window.principal.kind, window.class),
        over,
        exception: remark(&window.exceptions),
    }
}

/// When somebody was without MFA, as far as it is known.
fn times(window: &Window) -> String {
    let since = match (window.opened_at, window.open_since_before) {
        (Some(at), _) => format::time(at),
        (None, at) => format!("before {}", at.map(format::time).unwrap_or_default()),
    };
    match window.closed_at {
        Some(end) => format!("from {since} to {}", format::time(end)),
        None if window.is_open() => format!("since {since}"),
        None => format!("from {since} to an unknown time"),
    }
}

fn of_finding(number: usize, finding: &Finding) -> Action {
    let whose = finding.principal.as_ref().map_or_else(String::new, |who| format!(" ({})", who.in_words()));
    Action {
        severity: finding.finding.severity(),
        about: About::Finding,
        number,
        code: finding.finding.name(),
        account: Some(finding.account.clone()),
        title: format!("{} in account {}{whose}", meaning(finding.finding), finding.account),
        next_step: format!("{}. {}", about_finding(finding.finding), what_may_have_happened(finding.finding)),
        playbook: None,
        over: false,
        exception: None,
    }
}

fn of_check(number: usize, check: &PostureCheck) -> Action {
    let next_step = match (&check.fix, check.verdict) {
        (Some(fix), _) => {
            let steps: String = steps(fix).iter().map(|step| format!("{}{}", step.before, step.words)).collect();
            steps.trim_start().to_owned()
        }
        (None, Verdict::CannotTell) => "Allow the calls that it needs, and check again".to_owned(),
        (None, _) => "Set the guardrail up".to_owned(),
    };
    let verdict = if check.verdict == Verdict::Fail { "missing" } else { "cannot be told" };
    Action {
        severity: check.severity(),
        about: About::Guardrail,
        number,
        code: check.code.as_str(),
        account: Some(check.account.clone()),
        title: format!("{verdict} in account {}: {} ({})", check.account, check.code.title(), check.reason),
        next_step,
        playbook: Some("docs/playbook.md#guardrail-missing"),
        over: false,
        exception: remark(&check.exceptions),
    }
}

fn of_notice(number: usize, notice: &Notice) -> Action {
    Action {
        severity: notice.code.severity(),
        about: About::Notice,
        number,
        code: notice.code.as_str(),
        account: None,
        title: notice.text.clone(),
        next_step: about_notice(notice.code).to_owned(),
        playbook: None,
        over: false,
        exception: None,
    }
}
