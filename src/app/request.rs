//! What a report is asked: plain data, which checks itself as a whole, and which an evidence bundle keeps.

use std::path::PathBuf;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::{Error, rfc3339};
use crate::contract::Period;
use crate::report::Format;
use crate::source::{Selection, is_account, is_region};
use crate::store::Place;

/// How late CloudTrail may have delivered, where nothing else is said.
pub const DELIVERY_SLACK: TimeDelta = TimeDelta::days(1);

/// What a report is asked. Paths are the caller's; in a bundle they are names of its members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportRequest {
    /// The period's first moment, in whole seconds.
    pub from: DateTime<Utc>,
    /// The first moment after it, likewise.
    pub to: DateTime<Utc>,
    /// Up to when open windows are measured; `None` for the time of the IAM state, else of the latest delivery.
    pub as_of: Option<DateTime<Utc>>,
    /// Where IAM state comes from; `None` for nowhere.
    pub iam: Option<IamSource>,
    /// When the AWS CLI's files of IAM state were made, which carry no time.
    pub iam_as_of: Option<DateTime<Utc>>,
    /// A file of approvals, CSV or JSON.
    pub approvals: Option<PathBuf>,
    /// A file of detections, CSV or JSON.
    pub detections: Option<PathBuf>,
    /// A TOML file of the settings that decide figures.
    pub policy: Option<PathBuf>,
    /// What `mfatrail posture --format json` printed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub posture: Option<PathBuf>,
    /// Whether guardrails are looked at now, instead.
    #[serde(skip)]
    pub posture_live: bool,
    /// A file of accepted risks, CSV or JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exceptions: Option<PathBuf>,
    /// `report.json` of earlier reports, to compare with.
    pub previous: Vec<PathBuf>,
    /// The files that are made; empty for all.
    #[serde(rename = "format")]
    pub formats: Vec<Format>,
    /// Whether each account gets a page of its own, too.
    pub per_account: bool,
    /// Account ids; empty for all.
    pub accounts: Vec<String>,
    /// Regions of the archive; empty for all.
    pub regions: Vec<String>,
    /// How late CloudTrail may have delivered: the listing reaches this far past the end of the range.
    #[serde(with = "duration")]
    pub delivery_slack: TimeDelta,
    /// The role that is assumed in each account for [`IamSource::Live`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iam_role: Option<String>,
    /// The evidence store that the report is made from, and that the sources are read into.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<Place>,
    /// Whether the report is of the sources alone, whatever else the store holds.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub only_source: bool,
    /// Whether the archive is verified by CloudTrail's digests while it is read.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub verify: bool,
    /// With `verify`, files of CloudTrail's public keys; empty to ask CloudTrail.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub public_keys: Vec<PathBuf>,
}

impl ReportRequest {
    /// A report on a period, from the archive alone.
    #[must_use]
    pub fn new(period: Period) -> Self {
        Self {
            from: period.from,
            to: period.to,
            as_of: None,
            iam: None,
            iam_as_of: None,
            approvals: None,
            detections: None,
            policy: None,
            posture: None,
            posture_live: false,
            exceptions: None,
            previous: Vec::new(),
            formats: Vec::new(),
            per_account: false,
            accounts: Vec::new(),
            regions: Vec::new(),
            delivery_slack: DELIVERY_SLACK,
            iam_role: None,
            store: None,
            only_source: false,
            verify: false,
            public_keys: Vec::new(),
        }
    }

    /// The period.
    #[must_use]
    pub fn period(&self) -> Period {
        Period { from: self.from, to: self.to }
    }

    /// The formats, each once, in their order.
    #[must_use]
    pub fn formats(&self) -> Vec<Format> {
        let mut formats = self.formats.clone();
        formats.sort();
        formats.dedup();
        if formats.is_empty() { Format::USUAL.to_vec() } else { formats }
    }

    /// Checks what can be told without a look at any file. Messages name the options of the command line.
    ///
    /// # Errors
    /// [`Error::Input`] with the first thing that is wrong.
    pub fn check(&self, now: DateTime<Utc>) -> Result<(), Error> {
        let moments = [("--from", Some(self.from)), ("--as-of", self.as_of), ("--iam-as-of", self.iam_as_of)];
        for (flag, time) in moments.into_iter().filter_map(|(flag, time)| Some((flag, time?))) {
            passed(flag, time, now)?;
        }
        if self.from >= self.to {
            return Err(Error::Input(format!(
                "the period from `{}` to `{}` is empty\n  hint: use an earlier `--from`",
                rfc3339(self.from),
                rfc3339(self.to)
            )));
        }
        if self.per_account && !self.formats().contains(&Format::Html) {
            return Err(Error::Input(
                "`--per-account` writes HTML pages, but `--format` does not include `html`\n  hint: add html to --format".to_owned(),
            ));
        }
        let live = matches!(self.iam, Some(IamSource::Live));
        if live && self.iam_as_of.is_some() {
            return Err(Error::Input(
                "`--iam-as-of` is for files; `--iam live` is as of now\n  hint: drop `--iam-as-of`".to_owned(),
            ));
        }
        if self.iam_role.is_some() && !live {
            return Err(Error::Input(
                "`--iam-role` is for `--iam live`\n  hint: drop it, or give `--iam live`".to_owned(),
            ));
        }
        if matches!(self.iam, Some(IamSource::Store)) {
            if self.store.is_none() {
                return Err(Error::Input(
                    "`--iam store` reads IAM state from the store, but there is no `--store`\n  hint: add `--store DIR`"
                        .to_owned(),
                ));
            }
            if self.iam_as_of.is_some() {
                return Err(Error::Input(
                    "`--iam-as-of` is for files; a snapshot in the store has its own time\n  hint: drop `--iam-as-of`"
                        .to_owned(),
                ));
            }
        }
        self.accounts.iter().try_for_each(|account| account_id(account))?;
        self.regions.iter().try_for_each(|region| region_name(region))
    }

    /// What of an archive is read, from `from` up to `to`.
    pub(crate) fn selection(&self, from: Option<DateTime<Utc>>, to: Option<DateTime<Utc>>) -> Selection {
        Selection {
            from,
            to,
            slack: self.delivery_slack,
            accounts: self.accounts.clone(),
            regions: self.regions.clone(),
            iam_only: false,
            product: None,
        }
    }
}

/// Where IAM state comes from. As text `live`, `store`, or a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "PathBuf", into = "PathBuf")]
pub enum IamSource {
    /// IAM is asked.
    Live,
    /// The latest snapshot in the store, or the latest by `as_of`.
    Store,
    /// A snapshot file, or a file or folder of what the AWS CLI prints.
    Files(PathBuf),
}

impl From<PathBuf> for IamSource {
    fn from(path: PathBuf) -> Self {
        match path.to_str() {
            Some("live") => Self::Live,
            Some("store") => Self::Store,
            _ => Self::Files(path),
        }
    }
}

impl From<IamSource> for PathBuf {
    fn from(source: IamSource) -> Self {
        match source {
            IamSource::Live => "live".into(),
            IamSource::Store => "store".into(),
            IamSource::Files(path) => path,
        }
    }
}

/// `time`, where it has passed by `now`.
pub(crate) fn passed(flag: &str, time: DateTime<Utc>, now: DateTime<Utc>) -> Result<DateTime<Utc>, Error> {
    if time <= now {
        return Ok(time);
    }
    let (time, now) = (rfc3339(time), rfc3339(now));
    Err(Error::Input(format!("`{flag}` (`{time}`) is in the future: now is `{now}`\n  hint: use a time in the past")))
}

/// Refuses what is not an account ID.
///
/// # Errors
/// [`Error::Input`] with what it may have been meant to be.
pub fn account_id(text: &str) -> Result<(), Error> {
    if is_account(text) {
        return Ok(());
    }
    let short = text.len() < 12 && !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let hint = if short {
        format!("did a spreadsheet drop leading zeros? Then it is {text:0>12}")
    } else {
        "account IDs have 12 digits, such as 111122223333".to_owned()
    };
    Err(Error::Input(format!("`--account`: `{text}` is not an account ID\n  hint: {hint}")))
}

/// Refuses what is not written like a region.
///
/// # Errors
/// [`Error::Input`] with how it is written.
pub fn region_name(text: &str) -> Result<(), Error> {
    if is_region(text) {
        return Ok(());
    }
    let lower = text.trim().to_ascii_lowercase();
    let meant = if is_region(&lower) { lower } else { "us-east-1".to_owned() };
    Err(Error::Input(format!("`--region`: `{text}` is not a region\n  hint: write it like {meant}")))
}

/// A duration as the command line takes it, such as `1d`.
mod duration {
    use super::TimeDelta;
    pub(super) use crate::units::read_duration as deserialize;
    use serde::Serializer;

    pub(super) fn serialize<S: Serializer>(duration: &TimeDelta, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&format!("{}s", duration.num_seconds()))
    }
}
