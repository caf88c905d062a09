//! `mfatrail posture`.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::archive::{check_profile, endpoint, time};
use super::exit::Status;
use super::{plain, put, put_json, say, show, terminal};
use crate::app::posture::{PostureAnswer, PostureRequest, PostureSource, judge_posture, worst};
use crate::app::request::account_id;
use crate::app::{Error, Run, rfc3339};
use crate::aws::Connection;
use crate::contract::{Posture, PostureCheck, PostureCode, Verdict};
use crate::escape::terminal as terminal_text;
use crate::posture::Expectations;
use crate::report::{posture_html, posture_markdown, posture_ocsf};
use crate::source::Source;

/// How many checks of one code and verdict are shown on a terminal; the other formats have all.
const SHOWN: usize = 10;
/// How wide a terminal is taken to be where it does not say.
const WIDTH: usize = 100;

/// Check whether the guardrails around MFA stand: alerts, policies, the trail, users and the root user
///
/// Asks AWS, or reads what the AWS CLI printed, and answers for each account which guardrail stands (pass), which does not
/// (fail, with the commands that set it right), and of which it cannot be told, because a call was refused or is not
/// understood. Reads only; nothing is changed.
#[derive(Debug, Args)]
#[command(after_long_help = HELP)]
pub(super) struct PostureArgs {
    /// The folder of files that the AWS CLI printed, for several accounts with a folder for each account id; nothing is asked of AWS
    #[arg(long, value_name = "DIR", requires = "as_of", conflicts_with = "iam_role", help_heading = "Input")]
    pub(super) from_files: Option<PathBuf>,

    /// When these files were printed: they do not say
    #[arg(long, value_name = "TIME", requires = "from_files", help_heading = "Input")]
    as_of: Option<String>,

    /// The role to assume in each --account
    #[arg(long, value_name = "NAME", requires = "accounts", help_heading = "Input")]
    pub(super) iam_role: Option<String>,

    /// An account to check; may be repeated [default: that of the credentials, or all in DIR]
    #[arg(long = "account", id = "accounts", value_name = "ID", help_heading = "Input")]
    pub(super) accounts: Vec<String>,

    /// The archive that is scanned, s3://bucket/prefix: the trail must write to it
    #[arg(long, value_name = "SOURCE", help_heading = "Expected")]
    archive: Option<std::ffi::OsString>,

    /// A tag that names a user's owner; may be repeated, as one of these [default: owner-email, owner]
    #[arg(long = "owner-tag", value_name = "KEY", help_heading = "Expected")]
    owner_tags: Vec<String>,

    /// How to print
    #[arg(long, value_name = "FORMAT", default_value = "table", help_heading = "Output")]
    format: FormatArg,

    /// End with status 1 only if this guardrail is missing; may be repeated [default: any]
    #[arg(long, value_name = "CODE", value_delimiter = ',', value_parser = code, help_heading = "Output")]
    fail_on: Vec<PostureCode>,

    /// Profile of the AWS CLI's configuration
    #[arg(long, value_name = "NAME", conflicts_with = "from_files", help_heading = "AWS")]
    profile: Option<String>,

    /// The region to call AWS in; IAM's events are looked for where the partition has them [default: AWS_REGION, the profile's, else us-east-1]
    #[arg(long, value_name = "REGION", conflicts_with = "from_files", help_heading = "AWS")]
    pub(super) aws_region: Option<String>,

    /// Another endpoint, for every service [also: AWS_ENDPOINT_URL]
    #[arg(long, value_name = "URL", conflicts_with = "from_files", help_heading = "AWS")]
    endpoint_url: Option<String>,
}

const HELP: &str = "\
Guardrails, the worst first; docs/guardrails.md explains each, and lists the files of --from-files:
  trail-logging, root-mfa, root-credentials, eventbridge-rule, eventbridge-target, removal-without-mfa,
  guard-exempts-removal, scp-deny, trail-multi-region, trail-management-events, trail-validation, trail-archive,
  trail-organization, eventbridge-attempts, metric-filter, metric-alarm, scp-management-account, scp-rotation,
  root-management, leftover-device, owner-tag

What was refused, or not given, is never a failure and never a pass. Words in capitals in a command are yours to fill in.
The organization is asked by the caller's own credentials: those of its management account, or of an account that it
delegated to. The permissions that it takes: mfatrail generate iam-policy -- posture

Examples:
  mfatrail posture
  mfatrail posture --iam-role Auditor --account 111122223333 --account 444455556666 --format json > posture.json
  mfatrail posture --archive s3://trail-bucket/prefix --fail-on trail-logging,eventbridge-rule
  mfatrail posture --from-files examples/posture --as-of 2026-11-02 --fail-on trail-logging --format md

Exit status, the first that applies: 2 wrong usage or malformed input; 4 the run failed; 3 something cannot be told; 1 a
guardrail is missing (--fail-on: one of these); 0 all stand.";

/// What --format names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FormatArg {
    /// For reading
    Table,
    /// One JSON document: mfatrail.posture/1
    Json,
    /// A page that loads nothing
    Html,
    /// For tickets and reviews
    Md,
    /// OCSF compliance findings (class 2003), one a line
    Ocsf,
}

fn code(text: &str) -> Result<PostureCode, String> {
    text.trim().parse().map_err(|_unknown| {
        let all: Vec<&str> = PostureCode::ALL.iter().map(|code| code.as_str()).collect();
        format!("it is not one of {}", all.join(", "))
    })
}

pub(super) fn run(args: PostureArgs, run: Run<'_>) -> Result<Status, Error> {
    let request = request(&args, run)?;
    let PostureAnswer { posture, unread } = judge_posture(&request, run)?;
    for file in unread {
        say(&plain(&format!(
            "warning: `{file}` was not read: no check asks for a file of this name (hint: docs/guardrails.md lists the names)"
        )));
    }
    match args.format {
        FormatArg::Table => show(text(&posture, terminal::output_width().map_or(WIDTH, usize::from)).trim_end())?,
        FormatArg::Json => put_json(&posture)?,
        FormatArg::Html => put(&posture_html(&posture).map_err(Error::failed)?)?,
        FormatArg::Md => {
            let mut bytes = Vec::new();
            posture_markdown(&posture, &mut bytes).map_err(Error::failed)?;
            put(String::from_utf8_lossy(&bytes).trim_end())?;
        }
        FormatArg::Ocsf => {
            let lines: Vec<String> = posture_ocsf(&posture).iter().map(ToString::to_string).collect();
            put(&lines.join("\n"))?;
        }
    }
    // What cannot be told comes first: a failure beside it is no less of one, and is printed.
    Ok(match (posture.count(Verdict::CannotTell) > 0, worst(&posture, &args.fail_on)) {
        (true, _) => Status::Incomplete,
        (false, Verdict::Fail) => Status::Found,
        (false, _) => Status::Done,
    })
}

fn request(args: &PostureArgs, run: Run<'_>) -> Result<PostureRequest, Error> {
    for account in &args.accounts {
        account_id(account)?;
    }
    check_profile(args.profile.as_deref())?;
    let archive = match args.archive.as_ref().map(|source| Source::parse(source)).transpose().map_err(Error::input)? {
        None => None,
        Some(Source::S3 { bucket, prefix }) => Some((bucket, prefix)),
        Some(_) => {
            return Err(Error::Input(
                "`--archive`: a trail writes to a bucket\n  hint: name it as s3://bucket/prefix".to_owned(),
            ));
        }
    };
    let owner_tags = if args.owner_tags.is_empty() {
        ["owner-email", "owner"].map(str::to_owned).into()
    } else {
        args.owner_tags.clone()
    };
    let source = match (&args.from_files, &args.as_of) {
        (Some(folder), Some(as_of)) => {
            PostureSource::Files { folder: folder.clone(), as_of: time("--as-of", as_of, run.now)? }
        }
        _ => PostureSource::Live {
            connection: Connection {
                profile: args.profile.clone(),
                region: args.aws_region.clone(),
                endpoint_url: endpoint(args.endpoint_url.as_deref())?,
                ..Connection::default()
            },
            role_name: args.iam_role.clone(),
        },
    };
    Ok(PostureRequest { source, accounts: args.accounts.clone(), expected: Expectations { archive, owner_tags } })
}

/// For reading: what is missing first, each with its commands; then what cannot be told, and what stands.
fn text(posture: &Posture, width: usize) -> String {
    let mut out = String::new();
    for verdict in Verdict::ALL {
        let own: Vec<&PostureCheck> = posture.checks.iter().filter(|check| check.verdict == verdict).collect();
        if own.is_empty() {
            continue;
        }
        let heading = match verdict {
            Verdict::Fail => "MISSING",
            Verdict::CannotTell => "CANNOT TELL",
            Verdict::Pass => "IN PLACE",
        };
        let _ = writeln!(out, "{heading} ({})", own.len());
        if verdict == Verdict::Pass {
            standing(&mut out, &own, width);
        } else {
            for code in PostureCode::ALL {
                let same: Vec<&&PostureCheck> = own.iter().filter(|check| check.code == *code).collect();
                same.iter().take(SHOWN).for_each(|check| one(&mut out, check, width));
                if same.len() > SHOWN {
                    let _ = writeln!(
                        out,
                        "  {}: and {} more (hint: --format json has all)",
                        code.as_str(),
                        same.len() - SHOWN
                    );
                }
            }
        }
        out.push('\n');
    }
    let counts = Verdict::ALL.map(|verdict| format!("{} {}", posture.count(verdict), verdict.words()));
    let _ = write!(out, "{}, read at {}", counts.join(", "), rfc3339(posture.taken_at));
    out
}

/// One check: where and what on a line, then why, then how to set it right.
fn one(out: &mut String, check: &PostureCheck, width: usize) {
    let region = check.region.as_deref().map_or_else(String::new, |region| format!(" {region}"));
    let severity = if check.verdict == Verdict::Fail { format!(" [{}]", check.code.severity()) } else { String::new() };
    let _ = writeln!(
        out,
        "  {}{severity}  {}{}",
        check.code.as_str(),
        terminal_text(&check.account),
        terminal_text(&region)
    );
    if let Some(resource) = &check.resource {
        let _ = writeln!(out, "      {}", terminal_text(resource));
    }
    for line in wrapped(&terminal_text(&check.reason), width.saturating_sub(6)) {
        let _ = writeln!(out, "      {line}");
    }
    for line in check.fix.iter().flat_map(|fix| fix.lines()) {
        let Some(words) = line.strip_prefix("# ") else {
            let _ = writeln!(out, "      $ {}", terminal_text(line));
            continue;
        };
        for line in wrapped(&terminal_text(words), width.saturating_sub(6)) {
            let _ = writeln!(out, "      {line}");
        }
    }
}

/// What stands: the codes, and where not all accounts have them, in how many.
fn standing(out: &mut String, own: &[&PostureCheck], width: usize) {
    let mut words: Vec<String> = Vec::new();
    for code in PostureCode::ALL {
        let count = own.iter().filter(|check| check.code == *code).count();
        match count {
            0 => {}
            1 => words.push(code.as_str().to_owned()),
            n => words.push(format!("{} ({n})", code.as_str())),
        }
    }
    for line in wrapped(&words.join(", "), width.saturating_sub(2)) {
        let _ = writeln!(out, "  {line}");
    }
}

/// A text in lines of at most so many characters, where words allow it.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_names_every_code() {
        let named: Vec<&str> = HELP.split([',', '\n', ' ']).filter(|word| word.contains('-')).collect();
        for code in PostureCode::ALL {
            assert!(named.contains(&code.as_str()), "{}", code.as_str());
        }
    }

    #[test]
    fn lines_break_between_words() {
        assert_eq!(wrapped("a bb ccc dddd", 6), ["a bb", "ccc", "dddd"]);
        assert_eq!(wrapped("abcdefghij", 4), ["abcdefghij"]);
    }
}
