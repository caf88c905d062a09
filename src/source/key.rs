//! What a key or a path says: account, region, delivery day and time, and whose file it is.
//!
//! The layout is AWS's: `[prefix/]AWSLogs/[o-id/]<account>/CloudTrail/<region>/<yyyy>/<mm>/<dd>/<file>`. The prefix is
//! the customer's and may hold anything, the word `AWSLogs` included, so the last place at which the layout fits counts.
//! Trees that were cut below `AWSLogs` are known by CloudTrail's file names alone.

use chrono::{DateTime, NaiveDate, Utc};

/// Whose file a key names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Product {
    /// A CloudTrail log file, or a file outside the layout: read it.
    Log,
    /// A file whose name says that it is something else than a log, such as `README.md` or `.DS_Store`. Whoever wants to hide
    /// a log could give it that name, so it is read too: what it holds decides whether it is a log, or skipped by design.
    Stray,
    /// A CloudTrail digest: what CloudTrail says of the logs of an hour. Read where logs are verified, else skipped by
    /// intent.
    Digest,
    /// The signature of a digest beside it, `<digest>.signature`: a copy on disk has no object metadata to hold it.
    Signature,
    /// Another product's file, CloudTrail's Insights included: skipped by design.
    Other,
}

/// What a key or path says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyInfo {
    /// Whose file.
    pub product: Product,
    /// The account folder; `None` outside the layout.
    pub account: Option<String>,
    /// The region folder.
    pub region: Option<String>,
    /// The date folders: the day of delivery.
    pub day: Option<NaiveDate>,
    /// The time in the file name: when CloudTrail delivered it, to the minute.
    pub delivered_at: Option<DateTime<Utc>>,
    /// Whether `day` is the day of the events, as in Security Lake, and not that of their delivery.
    pub by_event_day: bool,
}

impl KeyInfo {
    /// Reads a key or a path with `/` between its segments. Nothing is an error: what is outside the layout is a log of
    /// which nothing is known.
    #[must_use]
    pub fn parse(path: &str) -> Self {
        let (folders, file) = path.rsplit_once('/').unwrap_or(("", path));
        Place::of(folders).file(file)
    }

    fn in_layout(account: &str, product: &str, below: &[&str]) -> Self {
        let mut info = Self { account: Some(account.to_owned()), product: product_of(product), ..Self::unknown() };
        // Only CloudTrail's own products are known to put a region and three date folders here.
        if (product == "CloudTrail" || product.starts_with("CloudTrail-"))
            && let [region, days @ ..] = below
            && is_region(region)
        {
            info.region = Some((*region).to_owned());
            info.day = match days {
                [year, month, day, ..] => date(year, month, day),
                _ => None,
            };
        }
        info
    }

    /// Outside the layout: `<account>_CloudTrail_<region>_<time>_<suffix>`, with date folders or without.
    fn by_name(segments: &[&str], file: &str) -> Self {
        let mut info = Self::unknown();
        let mut parts = file.split('_');
        let (Some(account), Some(product), Some(region)) = (parts.next(), parts.next(), parts.next()) else {
            return info;
        };
        if !is_account(account) || !is_region(region) {
            return info;
        }
        match product {
            "CloudTrail" => {}
            _ if product.starts_with("CloudTrail-") => info.product = product_of(product),
            _ => return info,
        }
        info.account = Some(account.to_owned());
        info.region = Some(region.to_owned());
        // A file without its date folders was moved, and is always read: its name is no reason to leave it out.
        if let [.., year, month, day] = segments {
            info.day = date(year, month, day);
        }
        info
    }

    const fn unknown() -> Self {
        Self { product: Product::Log, account: None, region: None, day: None, delivered_at: None, by_event_day: false }
    }
}

/// By the folder's or the file name's word for the product.
fn product_of(product: &str) -> Product {
    match product {
        "CloudTrail" => Product::Log,
        "CloudTrail-Digest" => Product::Digest,
        // Query results, which may have whole records.
        "CloudTrail-Lake" => Product::Stray,
        _ => Product::Other,
    }
}

/// What the folders of a key say: the same for all files in them.
pub(super) struct Place<'p> {
    segments: Vec<&'p str>,
    /// What is known of files in the layout.
    layout: Option<KeyInfo>,
}

impl<'p> Place<'p> {
    pub(super) fn of(folders: &'p str) -> Self {
        let segments: Vec<&str> = folders.split('/').filter(|segment| !segment.is_empty()).collect();
        let layout = match Folder::of(&segments) {
            Folder::Product { account, product, below } => Some(KeyInfo::in_layout(account, product, below)),
            Folder::Account { .. } | Folder::Elsewhere => LakeFolder::of(&segments).map(|folder| folder.key()),
        };
        Self { segments, layout }
    }

    /// The product whose folder this is or lies in, and the folders below that one.
    pub(super) fn product(&self) -> Option<(&'p str, &[&'p str])> {
        match Folder::of(&self.segments) {
            Folder::Product { product, below, .. } => Some((product, below)),
            Folder::Account { .. } | Folder::Elsewhere => None,
        }
    }

    pub(super) fn file(&self, file: &str) -> KeyInfo {
        let mut info = self.layout.clone().unwrap_or_else(|| KeyInfo::by_name(&self.segments, file));
        if info.product == Product::Digest && file.ends_with(".signature") {
            info.product = Product::Signature;
        }
        // CloudTrail's own names are nearly all that there are.
        let is_usual = file.starts_with(|first: char| first.is_ascii_digit()) && file.ends_with(".json.gz");
        if !is_usual && (is_stray(file) || self.segments.iter().any(|folder| holds_strays(folder, file))) {
            info.product = match info.product {
                Product::Log => Product::Stray,
                // A digest that was given another name is missing from its chain.
                _ => Product::Other,
            };
        }
        info.delivered_at = file.split(['_', '.']).find_map(minute);
        info
    }
}

/// Whether a file's name says that it is no log: markers of folders, hidden files, what operating systems and tools leave in
/// every folder, texts about the files, their checksums, lists of an S3 inventory, pictures and programs.
fn is_stray(file: &str) -> bool {
    const NAMES: [&str; 13] = [
        "thumbs.db",
        "desktop.ini",
        "icon\r",
        "manifest.json",
        "manifest.checksum",
        "symlink.txt",
        "robots.txt",
        "_success",
        "makefile",
        "dockerfile",
        // Elastic Load Balancing checks with it that it may write.
        "elbaccesslogtestfile",
        // CloudWatch Logs likewise.
        "aws-logs-write-test",
        "checksums.txt",
    ];
    const BEGINNINGS: [&str; 9] =
        [".", "readme", "license", "licence", "copying", "notice", "changelog", "sha256sum", "md5sum"];
    const ENDS: [&str; 39] = [
        "_$folder$",
        "~",
        ".md",
        ".markdown",
        ".rst",
        ".adoc",
        ".html",
        ".htm",
        ".css",
        ".js",
        ".pdf",
        ".png",
        ".jpg",
        ".jpeg",
        ".gif",
        ".svg",
        ".ico",
        ".docx",
        ".xlsx",
        ".pptx",
        ".sh",
        ".ps1",
        ".bat",
        ".py",
        ".tf",
        ".toml",
        ".yaml",
        ".yml",
        ".ini",
        ".lnk",
        ".md5",
        ".sha1",
        ".sha256",
        ".sha512",
        ".sum",
        ".crc",
        ".asc",
        ".sig",
        ".pem",
    ];
    if file.is_empty() {
        return true;
    }
    let ends_in = |end: &&str| {
        let at = file.len().checked_sub(end.len());
        at.and_then(|at| file.get(at..)).is_some_and(|last| last.eq_ignore_ascii_case(end))
    };
    let begins_with = |start: &&str| file.get(..start.len()).is_some_and(|first| first.eq_ignore_ascii_case(start));
    BEGINNINGS.iter().any(begins_with)
        || ENDS.iter().any(ends_in)
        || NAMES.iter().any(|name| file.eq_ignore_ascii_case(name))
}

/// Whether a folder holds what tools keep for themselves, and a file in it has no log's name either.
fn holds_strays(folder: &str, file: &str) -> bool {
    const FOLDERS: [&str; 10] = [
        ".git",
        ".svn",
        ".hg",
        ".Trash",
        ".Trashes",
        ".fseventsd",
        ".Spotlight-V100",
        "__MACOSX",
        "$RECYCLE.BIN",
        "System Volume Information",
    ];
    FOLDERS.contains(&folder) && ![".gz", ".json", ".jsonl", ".ndjson", ".log"].iter().any(|end| file.ends_with(end))
}

/// A folder of Security Lake: `[prefix/]aws/<SOURCE>/<version>/region=<region>/accountId=<account>/eventDay=<yyyymmdd>/`, or one that
/// was cut anywhere above its region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LakeFolder<'s> {
    /// Whether the source is one of CloudTrail's.
    pub is_log: bool,
    /// `region=`, where the folder lies in one.
    pub region: Option<&'s str>,
    /// `accountId=`, twelve digits.
    pub account: Option<&'s str>,
    /// `eventDay=`, or the day of `eventHour=`, which earlier lakes have.
    pub day: Option<NaiveDate>,
    /// Whether it lies in a day's folder, also one that has no date.
    pub in_day: bool,
    /// Whether its days are known to be folders of `eventDay=`, so that they are in the order of time.
    pub has_days: bool,
}

impl<'s> LakeFolder<'s> {
    /// Places a folder, given by its non-empty segments; `None` where it is not in a lake.
    pub(super) fn of(segments: &[&'s str]) -> Option<Self> {
        let at = segments.iter().rposition(|segment| partition_value(segment, "region").is_some_and(is_region));
        let (above, below) = segments.split_at(at.unwrap_or(segments.len()));
        let source = lake_source(above);
        if at.is_none() {
            // Beside the regions lie the files of the table: they list the others.
            let other = Self { is_log: false, region: None, account: None, day: None, in_day: false, has_days: false };
            return (source?).is_table.then_some(other);
        }
        let mut values = below.iter();
        let mut next = |name: &str| values.next().and_then(|segment| partition_value(segment, name));
        let region = next("region");
        let account = next("accountId").filter(|account| is_account(account));
        let day = below.get(2).filter(|_| account.is_some());
        let value =
            |segment: &&&'s str| partition_value(segment, "eventDay").or_else(|| partition_value(segment, "eventHour"));
        let value = day.as_ref().and_then(value);
        let date = value.and_then(|value| date(value.get(..4)?, value.get(4..6)?, value.get(6..8)?));
        Some(Self {
            is_log: source.as_ref().is_none_or(|source| source.is_log),
            has_days: source.is_some_and(|source| source.has_days),
            region,
            account,
            day: date,
            in_day: value.is_some(),
        })
    }

    fn key(&self) -> KeyInfo {
        KeyInfo {
            product: if self.is_log { Product::Log } else { Product::Other },
            account: self.account.map(str::to_owned),
            region: self.region.map(str::to_owned),
            day: self.day,
            by_event_day: self.day.is_some(),
            ..KeyInfo::unknown()
        }
    }
}

/// The value of a folder `name=value`; names are written in several ways.
fn partition_value<'s>(segment: &'s str, name: &str) -> Option<&'s str> {
    let (found, value) = segment.split_once('=')?;
    found.eq_ignore_ascii_case(name).then_some(value)
}

/// A lake's source.
struct LakeSource {
    /// Whether it is one of CloudTrail's.
    is_log: bool,
    /// Whether the folder is that of the table's own files.
    is_table: bool,
    /// Whether its days have folders of their own, as in all versions but the preview's.
    has_days: bool,
}

/// The source that a folder of a lake is in: `aws/<SOURCE>/<version>` or `ext/<name>/<version>` at the end, or with the folder of the
/// table's own files behind it.
fn lake_source(segments: &[&str]) -> Option<LakeSource> {
    const LOGS: [&str; 4] = ["CLOUD_TRAIL_MGMT", "CLOUD_TRAIL", "S3_DATA", "LAMBDA_EXECUTION"];
    let is_version = |segment: &str| {
        let mut numbers = segment.split('.');
        numbers.clone().count() == 2
            && numbers.all(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
    };
    let (is_table, segments) = match segments {
        [rest @ .., "metadata"] => (true, rest),
        _ => (false, segments),
    };
    match segments {
        [.., "aws", source, version] if is_version(version) => {
            Some(LakeSource { is_log: LOGS.contains(source), is_table, has_days: true })
        }
        [.., "ext", _, version] if is_version(version) => Some(LakeSource { is_log: false, is_table, has_days: true }),
        // The versions of the preview had no folder.
        [.., "aws", "CLOUD_TRAIL"] => Some(LakeSource { is_log: true, is_table, has_days: false }),
        _ => None,
    }
}

/// Where in the layout a folder lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Folder<'p, 's> {
    /// Above `AWSLogs`, between it and an account, or outside the layout.
    Elsewhere,
    /// `…/AWSLogs/[o-id/]<account>`.
    Account {
        /// Twelve digits.
        account: &'s str,
    },
    /// `…/AWSLogs/[o-id/]<account>/<product>[/…]`.
    Product {
        /// Twelve digits.
        account: &'s str,
        /// `CloudTrail`, `CloudTrail-Digest`, `Config` and so on.
        product: &'s str,
        /// The segments below the product.
        below: &'p [&'s str],
    },
}

impl<'p, 's> Folder<'p, 's> {
    /// Places a folder, given by its non-empty segments.
    pub(super) fn of(segments: &'p [&'s str]) -> Self {
        for (at, _) in segments.iter().enumerate().rev().filter(|(_, segment)| **segment == "AWSLogs") {
            let below = segments.get(at + 1..).unwrap_or_default();
            let below = match below {
                [organization, rest @ ..] if is_organization(organization) => rest,
                _ => below,
            };
            match below {
                [account, product, below @ ..] if is_account(account) => {
                    return Self::Product { account, product, below };
                }
                [account] if is_account(account) => return Self::Account { account },
                // The layout begins anew: a trail's prefix may be another's account folder.
                [] => return Self::Elsewhere,
                _ => {}
            }
        }
        Self::Elsewhere
    }
}

pub(crate) fn is_account(segment: &str) -> bool {
    segment.len() == 12 && segment.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_organization(segment: &str) -> bool {
    segment.strip_prefix("o-").is_some_and(|id| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

/// `us-east-1`, `us-gov-west-1`, `us-isob-east-1`: words and a number. New regions appear without notice.
pub(crate) fn is_region(segment: &str) -> bool {
    let Some((words, number)) = segment.rsplit_once('-') else { return false };
    (1..=2).contains(&number.len())
        && number.bytes().all(|byte| byte.is_ascii_digit())
        && words.contains('-')
        && words.split('-').all(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase()))
}

fn date(year: &str, month: &str, day: &str) -> Option<NaiveDate> {
    NaiveDate::from_ymd_opt(i32::try_from(number(year, 4)?).ok()?, number(month, 2)?, number(day, 2)?)
}

fn number(text: &str, digits: usize) -> Option<u32> {
    (text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

/// The time in a log's name: `20240131T2355Z`.
pub(crate) fn minute(part: &str) -> Option<DateTime<Utc>> {
    if part.len() == 14 { moment(part, "00") } else { None }
}

/// The time in a digest's name: `20240131T235501Z`.
pub(crate) fn second(part: &str) -> Option<DateTime<Utc>> {
    if part.len() == 16 { moment(part, part.get(13..15)?) } else { None }
}

/// By hand: every name of an archive has one, and a format string is read anew each time.
fn moment(part: &str, seconds: &str) -> Option<DateTime<Utc>> {
    if part.get(8..9)? != "T" || !part.ends_with('Z') {
        return None;
    }
    let date = date(part.get(..4)?, part.get(4..6)?, part.get(6..8)?)?;
    let (hour, minute) = (number(part.get(9..11)?, 2)?, number(part.get(11..13)?, 2)?);
    Some(date.and_hms_opt(hour, minute, number(seconds, 2)?)?.and_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "111122223333_CloudTrail_us-east-1_20240131T2355Z_AbCdEfGhIjKlMnOp.json.gz";

    fn log(path: &str) -> KeyInfo {
        let info = KeyInfo::parse(path);
        assert_eq!(info.product, Product::Log, "{path}");
        info
    }

    #[test]
    fn every_prefix_of_the_layout() {
        for prefix in [
            "AWSLogs/111122223333",
            "AWSLogs/o-exampleorgid/111122223333",
            "o-exampleorgid/AWSLogs/o-exampleorgid/111122223333",
            "o-exampleorgid/AWSLogs/111122223333",
            "audit/trails/AWSLogs/111122223333",
            "AWSLogs/old/AWSLogs/111122223333",
            "AWSLogs/444455556666/CloudTrail/AWSLogs/111122223333",
            "/srv/archive/AWSLogs/111122223333",
            "prefix with space/ünïcode/AWSLogs/111122223333",
        ] {
            let info = log(&format!("{prefix}/CloudTrail/us-east-1/2024/02/01/{FILE}"));
            assert_eq!(info.account.as_deref(), Some("111122223333"), "{prefix}");
            assert_eq!(info.region.as_deref(), Some("us-east-1"));
            assert_eq!(info.day, NaiveDate::from_ymd_opt(2024, 2, 1), "the folder, not the file name, is the day");
            assert_eq!(info.delivered_at.unwrap().to_rfc3339(), "2024-01-31T23:55:00+00:00");
        }
    }

    #[test]
    fn a_lake_has_a_layout_of_its_own() {
        let day = NaiveDate::from_ymd_opt(2026, 10, 9);
        let whole = (Product::Log, Some("111122223333"), Some("us-east-1"), day);
        let place = "region=us-east-1/accountId=111122223333/eventDay=20261009/x.gz.parquet";
        for (path, expected) in [
            (format!("aws/CLOUD_TRAIL_MGMT/2.0/{place}"), whole),
            (format!("s/t/aws/CLOUD_TRAIL_MGMT/1.0/{place}"), whole),
            (format!("aws/S3_DATA/2.0/{place}"), whole),
            (format!("aws/CLOUD_TRAIL/{}", place.replace("eventDay=20261009", "eventHour=2026100923")), whole),
            (place.replace("accountId", "accountid"), whole),
            (
                format!("aws/CLOUD_TRAIL_MGMT/2.0/{place}").replace("20261009", "20261399"),
                (Product::Log, whole.1, whole.2, None),
            ),
            (format!("aws/ROUTE53/2.0/{place}"), (Product::Other, whole.1, whole.2, day)),
            (format!("ext/AWSLogs/1.0/{place}"), (Product::Other, whole.1, whole.2, day)),
            ("aws/CLOUD_TRAIL_MGMT/2.0/metadata/1.metadata.json".to_owned(), (Product::Other, None, None, None)),
            // Nothing of a lake.
            ("aws/CLOUD_TRAIL_MGMT/2.0/x.parquet".to_owned(), (Product::Log, None, None, None)),
            ("region=x/accountId=111122223333/x.json".to_owned(), (Product::Log, None, None, None)),
            (
                "region=us-east-1/accountId=1/eventDay=20261009/x".to_owned(),
                (Product::Log, None, Some("us-east-1"), None),
            ),
        ] {
            let info = KeyInfo::parse(&path);
            let found = (info.product, info.account.as_deref(), info.region.as_deref(), info.day);
            assert_eq!(found, expected, "{path}");
            assert_eq!((info.delivered_at, info.by_event_day), (None, info.day.is_some()), "{path}");
        }
        let raw = log(&format!("region=us-east-1/AWSLogs/111122223333/CloudTrail/eu-west-1/2024/02/01/{FILE}"));
        assert_eq!((raw.region.as_deref(), raw.by_event_day), (Some("eu-west-1"), false));
    }

    #[test]
    fn times_in_names() {
        let text = |time: Option<DateTime<Utc>>| time.map(|time| time.to_rfc3339());
        assert_eq!(text(minute("20240229T2355Z")).unwrap(), "2024-02-29T23:55:00+00:00");
        assert_eq!(text(second("20240229T235501Z")).unwrap(), "2024-02-29T23:55:01+00:00");
        for other in [
            "",
            "20240229T2355",
            "20240230T2355Z",
            "20240229T2455Z",
            "20240229T2360Z",
            "20240229t2355Z",
            "2024022 T2355Z",
            "+0240229T2355Z",
            "20240229T2355z",
            "20240229T235Z5",
            "2024022\u{661}T235Z",
        ] {
            assert_eq!(minute(other), None, "{other}");
            assert_eq!(second(other), None, "{other}");
        }
        assert_eq!((minute("20240229T235501Z"), second("20240229T2355Z")), (None, None));
        assert_eq!(second("20240229T235561Z"), None);
    }

    #[test]
    fn other_partitions_and_leading_zeros() {
        let info = log("AWSLogs/000011112222/CloudTrail/us-gov-west-1/2024/02/01/x.json.gz");
        assert_eq!((info.account.as_deref(), info.region.as_deref()), (Some("000011112222"), Some("us-gov-west-1")));
        assert_eq!(info.delivered_at, None);
        assert!(is_region("cn-north-1") && is_region("us-isob-east-1") && is_region("ap-southeast-10"));
        assert!(!is_region("2024") && !is_region("us-east") && !is_region("CloudTrail-1") && !is_region("-a-1"));
    }

    #[test]
    fn other_products_are_skipped_by_intent() {
        for product in [
            "CloudTrail-Insight",
            "CloudTrail-NetworkActivity",
            "CloudTrail-Aggregated",
            "Config",
            "vpcflowlogs",
            "elasticloadbalancing",
            "CloudTrailX",
            "cloudtrail",
        ] {
            for account in ["111122223333", "o-exampleorgid/111122223333"] {
                let info = KeyInfo::parse(&format!("AWSLogs/{account}/{product}/us-east-1/2024/02/01/x.json.gz"));
                assert_eq!(info.product, Product::Other, "{product}");
                let dated = product.starts_with("CloudTrail-");
                assert_eq!(info.day.is_some(), dated, "{product}");
            }
        }
    }

    #[test]
    fn cut_trees_are_known_by_the_file_name() {
        let info = log(&format!("us-east-1/2024/02/01/{FILE}"));
        assert_eq!((info.account.as_deref(), info.region.as_deref()), (Some("111122223333"), Some("us-east-1")));
        assert_eq!(info.day, NaiveDate::from_ymd_opt(2024, 2, 1));
        let info = log(&format!("111122223333/CloudTrail/us-east-1/2024/02/01/{FILE}"));
        assert_eq!(info.day, NaiveDate::from_ymd_opt(2024, 2, 1));
        let info = log(FILE);
        assert_eq!((info.day, info.account.as_deref()), (None, Some("111122223333")), "flattened: always read");
        assert!(info.delivered_at.is_some());
        for (word, product) in [("Digest", Product::Digest), ("Insight", Product::Other)] {
            let name = format!("111122223333_CloudTrail-{word}_us-east-1_trail_us-east-1_20240131T235500Z.json.gz");
            assert_eq!(KeyInfo::parse(&name).product, product);
        }
    }

    #[test]
    fn digests_and_their_signatures() {
        let folder = "AWSLogs/o-exampleorgid/111122223333/CloudTrail-Digest/us-east-1/2024/02/01";
        let file = "111122223333_CloudTrail-Digest_us-east-1_a_trail_eu-west-1_20240131T235501Z.json.gz";
        for (end, product) in [("", Product::Digest), (".signature", Product::Signature)] {
            for path in [format!("{folder}/{file}{end}"), format!("2024/02/01/{file}{end}")] {
                let info = KeyInfo::parse(&path);
                assert_eq!((info.product, info.day), (product, NaiveDate::from_ymd_opt(2024, 2, 1)), "{path}");
                assert_eq!(
                    (info.account.as_deref(), info.region.as_deref()),
                    (Some("111122223333"), Some("us-east-1"))
                );
            }
        }
    }

    #[test]
    fn outside_the_layout_everything_is_a_log_of_which_nothing_is_known() {
        for path in [
            "events.json",
            "a/b/c",
            "AWSLogs/notes.txt",
            "AWSLogs/1111/CloudTrail/us-east-1/2024/02/01/x",
            "AWSLogs/111122223333/x.json.gz",
            "1_CloudTrail_us-east-1_x",
        ] {
            assert_eq!(KeyInfo::parse(path), KeyInfo::unknown(), "{path}");
        }
        assert_eq!(log("AWSLogs/111122223333/CloudTrail/x.json").region, None);
        assert_eq!(log("AWSLogs/111122223333/CloudTrail/us-east-1/2024/13/01/x.json").day, None);
        assert_eq!(log("AWSLogs/111122223333/CloudTrail/us-east-1/2024/x.json").day, None);
    }

    #[test]
    fn names_of_other_things_are_known_everywhere_and_no_logs_name_is_one() {
        for name in [
            "",
            ".DS_Store",
            "._x.json.gz",
            ".gitkeep",
            ".hidden.json.gz",
            "AWSLogs_$folder$",
            "README",
            "readme.txt",
            "Readme.MD",
            "notes.md",
            "LICENSE",
            "Thumbs.db",
            "Desktop.ini",
            "manifest.json",
            "manifest.checksum",
            "SHA256SUMS",
            "x.json.gz.sha256",
            "x.json.gz.MD5",
            "x.json.gz~",
            "ELBAccessLogTestFile",
            "diagram.PNG",
        ] {
            for folder in [
                "",
                "a/",
                "AWSLogs/111122223333/CloudTrail/us-east-1/2024/02/01/",
                "AWSLogs/111122223333/",
                "2024/02/01/",
            ] {
                assert_eq!(KeyInfo::parse(&format!("{folder}{name}")).product, Product::Stray, "{folder}{name}");
            }
        }
        for path in [".git/HEAD", "logs/.git/objects/ab/cdef", "__MACOSX/x", "a/.svn/entries"] {
            assert_eq!(KeyInfo::parse(path).product, Product::Stray, "{path}");
        }
        for path in [
            ".cache/archive/x.json",
            ".git/x.json.gz",
            FILE,
            "x.json.gz",
            "x.txt",
            "é",
            "stream-1-2026-10-06-09-05-00-aaaa",
            "git/HEAD",
            ".gitlab/HEAD",
        ] {
            assert_eq!(KeyInfo::parse(path).product, Product::Log, "{path}");
        }
        // A product's own folder says more than a name.
        for (path, product) in [
            ("AWSLogs/111122223333/CloudTrail-Digest/us-east-1/2024/02/01/.DS_Store", Product::Other),
            ("AWSLogs/111122223333/CloudTrail-Digest/us-east-1/2024/02/01/", Product::Other),
            ("AWSLogs/111122223333/Config/.DS_Store", Product::Other),
        ] {
            assert_eq!(KeyInfo::parse(path).product, product, "{path}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_placed(path in "(AWSLogs|o-a|111122223333|CloudTrail|us-east-1|2024|02|[^/]{0,4}|/){0,14}") {
            let _ = KeyInfo::parse(&path);
        }
    }
}
