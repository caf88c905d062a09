//! What the report is evidence for: controls of the usual frameworks, each with the figures that serve it.
//!
//! Identifiers move with each version of a framework, so each is given with its version. The short titles are our own:
//! the frameworks' wording is theirs. A report is evidence that somebody else weighs; it attests nothing.

use super::assurance::{self, GapKind};
use super::format::{self, NONE};
use super::view::{self, Block, Line, Section, Span, head, table, text, words};
use super::{DetectStat, PrincipalKind, Report};

/// What figures can tell something about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Topic {
    RootMfa,
    ConsoleMfa,
    UsersMfa,
    PrivilegedMfa,
    Enforced,
    Changes,
    Detection,
    Response,
    SignIns,
    Refused,
    LogIntegrity,
    LogCoverage,
}

struct Control {
    framework: &'static str,
    /// Identifiers, each with its version where they differ.
    ids: &'static str,
    title: &'static str,
    topics: &'static [Topic],
}

const fn control(framework: &'static str, ids: &'static str, title: &'static str, topics: &'static [Topic]) -> Control {
    Control { framework, ids, title, topics }
}

const CIS: &str = "CIS AWS Foundations";
const HUB: &str = "AWS Security Hub";
const PCI: &str = "PCI DSS 4.0.1";
const SOC: &str = "SOC 2 (TSC 2017)";
const NIST: &str = "NIST SP 800-53 r5";
const ISO: &str = "ISO/IEC 27001:2022";

const CONTROLS: [Control; 34] = {
    use Topic::*;
    [
        control(
            CIS,
            "1.5 (v1.4 to v4.0.1), 1.4 (v5.0), 2.4 (v6.0), 2.5 (v7.0); 1.13 (v1.2)",
            "MFA of the root user",
            &[RootMfa],
        ),
        control(
            CIS,
            "1.10 (v1.4 to v4.0.1), 1.9 (v5.0), 2.9 (v6.0), 2.10 (v7.0); 1.2 (v1.2)",
            "MFA of users with a console password",
            &[ConsoleMfa, Changes],
        ),
        control(
            CIS,
            "3.2 (v1.4 to v5.0), 4.2 (v6.0, v7.0); 2.2 (v1.2)",
            "validation of CloudTrail's log files",
            &[LogIntegrity],
        ),
        control(
            CIS,
            "4.2 (v1.4 to v5.0), 5.2 (v6.0, v7.0); 3.2 (v1.2)",
            "watching console sign-ins without MFA",
            &[SignIns, Detection],
        ),
        control(
            CIS,
            "4.6 (v1.4 to v5.0), 5.6 (v6.0, v7.0); 3.6 (v1.2)",
            "watching refused console sign-ins",
            &[Refused],
        ),
        control(HUB, "IAM.5", "MFA of users with a console password", &[ConsoleMfa]),
        control(HUB, "IAM.9", "MFA of the root user", &[RootMfa]),
        control(HUB, "IAM.19", "MFA of all IAM users", &[UsersMfa, Enforced]),
        control(HUB, "CloudTrail.4", "validation of log files", &[LogIntegrity]),
        control(HUB, "CloudWatch.3", "watching sign-ins without MFA", &[SignIns]),
        control(PCI, "8.4.1", "MFA of administrators", &[PrivilegedMfa, RootMfa, Enforced]),
        control(PCI, "8.4.2", "MFA of all access to the cardholder data environment", &[UsersMfa, Enforced]),
        control(PCI, "8.5.1", "MFA cannot be bypassed but by documented, limited exception", &[Changes, Enforced]),
        control(PCI, "10.2.1.5", "changes of credentials are logged", &[Changes, LogCoverage]),
        control(PCI, "10.3.2, 10.3.4", "logs are protected from change, and changes are noticed", &[LogIntegrity]),
        control(PCI, "10.4.1", "logs are reviewed", &[Detection]),
        control(PCI, "10.7.2, 10.7.3", "failures of controls are noticed and answered", &[Detection, Response]),
        control(SOC, "CC6.1", "logical access is protected", &[ConsoleMfa, RootMfa, Enforced]),
        control(SOC, "CC6.2, CC6.3", "credentials are given, changed and withdrawn in order", &[Changes]),
        control(SOC, "CC7.1, CC7.2", "changes and anomalies are watched for", &[Detection, LogCoverage]),
        control(SOC, "CC7.3", "security events are evaluated", &[Changes, LogIntegrity]),
        control(SOC, "CC7.4", "incidents are responded to", &[Response]),
        control(
            NIST,
            "IA-2(1), IA-2(2)",
            "MFA of privileged and other accounts",
            &[PrivilegedMfa, UsersMfa, RootMfa, Enforced],
        ),
        control(NIST, "IA-5, AC-2(1)", "authenticators and accounts are managed", &[Changes]),
        control(NIST, "AU-6, SI-4", "audit records are reviewed, systems are monitored", &[Detection, LogCoverage]),
        control(NIST, "AU-9, AU-10, SI-7(1), SI-7(7)", "audit records are whole and undeniable", &[LogIntegrity]),
        control(NIST, "IR-4, IR-5", "incidents are handled and tracked", &[Response]),
        control(ISO, "A.5.15, A.5.17", "access control, authentication information", &[Changes, Enforced]),
        control(ISO, "A.8.5", "secure authentication", &[ConsoleMfa, RootMfa]),
        control(ISO, "A.8.15", "logging", &[LogCoverage, LogIntegrity]),
        control(ISO, "A.8.16", "monitoring", &[Detection, SignIns]),
        control(ISO, "A.5.24, A.5.25", "incidents are prepared for and assessed", &[Changes]),
        control(ISO, "A.5.26, A.5.27", "incidents are responded to and learned from", &[Response]),
        control(ISO, "A.5.28", "evidence is collected", &[LogCoverage, LogIntegrity]),
    ]
};

/// The section of a report.
pub(super) fn section(report: &Report) -> Section<'static> {
    let rows = CONTROLS
        .iter()
        .map(|control| {
            let mut evidence = Line::new();
            for topic in control.topics {
                if !evidence.is_empty() {
                    evidence.push(text("; "));
                }
                evidence.extend(figures(*topic, report));
            }
            vec![words(control.framework), words(control.ids), words(control.title), evidence]
        })
        .collect();
    let heads = ["Framework", "Control", "Topic", "Evidence here"].map(head).into();
    let mut listing = table("Evidence for controls, from this report", heads, rows);
    listing.sortable = true;
    let blocks = vec![
        Block::Paragraph(words(
            "This report is evidence for the controls below: it says what was seen, not whether a control is met. The \
             short titles are not the frameworks' wording. Which accounts are in scope is for the reader to say.",
        )),
        Block::Table(listing),
    ];
    let doubts = assurance::doubts(report).map(|doubts| {
        let words = format!("Not everything was seen: {doubts}. Counts below are of what was seen.");
        Block::Paragraph(vec![Span::Strong(words)])
    });
    Section { id: "controls", title: "Evidence for controls", blocks: doubts.into_iter().chain(blocks).collect() }
}

fn link(section: &str, title: &str) -> Span {
    Span::Link(section.to_owned(), title.to_owned())
}

/// Some of all, and of which accounts, where IAM state covers only some.
fn of(report: &Report, part: Option<usize>, whole: Option<usize>) -> String {
    let accounts = report.figures.mfa_coverage.map_or_else(String::new, |c| assurance::in_accounts(report, &c));
    match (part, whole) {
        (Some(part), Some(whole)) => format!("{} of {}{accounts}", format::size(part), format::size(whole)),
        _ if report.figures.mfa_coverage.is_none() => format!("{NONE} (no IAM state was given)"),
        _ => format!("{NONE} (not covered by IAM state)"),
    }
}

/// Of one kind of principal, how many are without MFA now.
fn still_open(report: &Report, kind: PrincipalKind) -> String {
    let n = view::still_open(report).iter().filter(|(_, window)| window.principal.kind == kind).count();
    if n == 0 { String::new() } else { format!("; still without MFA: {}", format::size(n)) }
}

fn detection(figure: &DetectStat) -> String {
    let mean = figure.stat.mean_s.and_then(format::duration).unwrap_or_else(|| NONE.to_owned());
    format!("{mean} over {}, {} not detected", format::size(figure.stat.n), format::size(figure.undetected))
}

fn figures(topic: Topic, report: &Report) -> Line {
    let figures = &report.figures.iam;
    let counts = &figures.deactivations;
    let coverage = report.figures.mfa_coverage.unwrap_or_default();
    let seen = assurance::doubts(report).map_or("", |_| ", as far as was seen");
    let gaps = |kind: GapKind| kind.all(&report.coverage).count();
    let (what, section, title): (String, &str, &str) = match topic {
        Topic::RootMfa => {
            let (part, whole) = assurance::roots(&coverage);
            let apart = coverage
                .roots_without_credentials
                .filter(|n| *n > 0)
                .map_or_else(String::new, |n| format!(", besides {} without password and keys", format::size(n)));
            let open = still_open(report, PrincipalKind::Root);
            let count = of(report, part, whole);
            (
                format!("root users with credentials that have a device: {count}{apart}{open}"),
                "mfa-coverage",
                "coverage",
            )
        }
        Topic::ConsoleMfa => {
            let count = of(report, coverage.console_users_with_mfa, coverage.console_users);
            let open = still_open(report, PrincipalKind::IamUser);
            (format!("console users with a device: {count}{open}"), "mfa-coverage", "coverage")
        }
        Topic::UsersMfa => (
            format!("all users with a device: {}", of(report, coverage.users_with_mfa, coverage.users)),
            "mfa-coverage",
            "coverage",
        ),
        Topic::PrivilegedMfa => (
            format!(
                "privileged users with a device: {}",
                of(report, coverage.privileged_users_with_mfa, coverage.privileged_users)
            ),
            "mfa-coverage",
            "coverage",
        ),
        Topic::Enforced => (
            format!("users with MFA enforced by policy: {}", of(report, coverage.users_mfa_enforced, coverage.users)),
            "mfa-coverage",
            "coverage",
        ),
        Topic::Changes => (
            format!(
                "{} left a principal without MFA, {} not legitimate{seen}",
                format::plural(counts.opened_window, "deactivation", "deactivations"),
                format::size(counts.not_legitimate)
            ),
            "windows",
            "windows",
        ),
        Topic::Detection => (
            format!(
                "time to detect: not legitimate {}; all {}",
                detection(&figures.mttd_not_legitimate),
                detection(&figures.mttd)
            ),
            "figures",
            "figures",
        ),
        Topic::Response => (
            format!(
                "time to remediate: {} over {}, {} open",
                figures.mttr.stat.mean_s.and_then(format::duration).unwrap_or_else(|| NONE.to_owned()),
                format::size(figures.mttr.stat.n),
                format::size(figures.mttr.open)
            ),
            "figures",
            "figures",
        ),
        Topic::SignIns => {
            let n: usize = report.windows.iter().map(|window| window.activity.console_logins_without_mfa).sum();
            (
                format!(
                    "{} inside windows{seen}",
                    format::plural(n, "console sign-in without MFA", "console sign-ins without MFA")
                ),
                "windows",
                "windows",
            )
        }
        Topic::Refused => {
            let n = report.windows.iter().filter(|w| w.reasons.iter().any(|r| r.rule == "prior_failures")).count();
            (
                format!(
                    "{} to deactivate; {} after refused sign-ins or attempts{seen}",
                    format::plural(counts.failed_attempts, "refused attempt", "refused attempts"),
                    format::plural(n, "deactivation", "deactivations")
                ),
                "attempts",
                "attempts",
            )
        }
        Topic::LogIntegrity => (
            match (&report.coverage.integrity, assurance::proven(&report.coverage)) {
                (None, _) => "log files were not checked against their digests",
                (Some(_), Some(true)) => "log files were checked against their digests, and verified",
                (Some(_), Some(false)) => "log files were checked against their digests, and COULD NOT BE VERIFIED",
                (Some(_), None) => "log files were checked against their digests, and are verified in part",
            }
            .to_owned(),
            "evidence",
            "evidence",
        ),
        Topic::LogCoverage => (
            format!(
                "{} of {} read; {} of trails stopped or changed; {}",
                format::count(report.coverage.objects_read),
                format::plural(report.coverage.objects_listed, "object", "objects"),
                format::plural(gaps(GapKind::Stopped) + gaps(GapKind::Changed), "interval", "intervals"),
                format::plural(gaps(GapKind::Quiet), "quiet interval", "quiet intervals"),
            ),
            "evidence",
            "evidence",
        ),
    };
    vec![text(format!("{what} (")), link(section, title), text(")")]
}
