//! Which objects are in range, by what their keys say.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

use super::{KeyInfo, Product, is_region};
use crate::partition;

/// What of an archive to read. The default is all of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// The range's first moment: date folders before its day are left out.
    pub from: Option<DateTime<Utc>>,
    /// The first moment after the range.
    pub to: Option<DateTime<Utc>>,
    /// How long after `to` CloudTrail may still deliver: date folders after the day of `to` + `slack` are left out.
    pub slack: TimeDelta,
    /// Account ids; empty for all.
    pub accounts: Vec<String>,
    /// Regions; empty for all.
    pub regions: Vec<String>,
    /// Of partitions of which it is known where IAM's events are, only that region.
    pub iam_only: bool,
    /// Only this product's objects, with [`Product::Digest`] the signatures beside them too, with [`Product::Log`] what may be
    /// one in spite of its name. `None` lists all, and what is no log is then skipped by design.
    pub product: Option<Product>,
}

impl Selection {
    /// Whether an object is in range. What its key does not tell cannot exclude it, so files outside the layout are
    /// always in.
    #[must_use]
    pub fn includes(&self, key: &KeyInfo) -> bool {
        let day = key.day.is_none_or(|day| {
            self.first_day().is_none_or(|first| day >= first) && self.last_day().is_none_or(|last| day <= last)
        });
        day && self.wants(key.product)
            && key.account.as_deref().is_none_or(|account| self.has_account(account))
            && key.region.as_deref().is_none_or(|region| self.has_region(region))
    }

    /// The first day whose folders are read.
    #[must_use]
    pub fn first_day(&self) -> Option<NaiveDate> {
        self.from.map(|from| from.date_naive())
    }

    /// The last day whose folders are read.
    #[must_use]
    pub fn last_day(&self) -> Option<NaiveDate> {
        self.to?.checked_add_signed(self.slack).map(|last| last.date_naive())
    }

    fn wants(&self, product: Product) -> bool {
        match self.product {
            None => true,
            Some(Product::Digest) => matches!(product, Product::Digest | Product::Signature),
            Some(Product::Log) => matches!(product, Product::Log | Product::Stray),
            Some(wanted) => product == wanted,
        }
    }

    /// Whether objects of a product, by the name of its folder, are wanted.
    pub(super) fn has_product(&self, product: &str) -> bool {
        match self.product {
            None | Some(Product::Other) => true,
            Some(Product::Log | Product::Stray) => product == "CloudTrail",
            Some(Product::Digest | Product::Signature) => product == "CloudTrail-Digest",
        }
    }

    /// Whether anything in a product's folder, or `below` it, can be in range. In another product's folder that can be a
    /// trail whose prefix is that folder; but not where the product's own regions or years begin.
    pub(super) fn enters(&self, product: &str, below: &[&str]) -> bool {
        let is_year = |folder: &str| folder.len() == 4 && folder.bytes().all(|byte| byte.is_ascii_digit());
        self.has_product(product) || !below.iter().any(|folder| is_region(folder) || is_year(folder))
    }

    /// Whether the account was asked for.
    #[must_use]
    pub fn has_account(&self, account: &str) -> bool {
        self.accounts.is_empty() || self.accounts.iter().any(|wanted| wanted == account)
    }

    /// Whether a region is left out for CloudTrail records nothing of IAM in it.
    pub(super) fn passes_over(&self, region: &str) -> bool {
        self.iam_only && partition::iam_region(region).is_some_and(|iam| iam != region)
    }

    /// Whether the region was asked for.
    #[must_use]
    pub fn has_region(&self, region: &str) -> bool {
        !self.passes_over(region) && (self.regions.is_empty() || self.regions.iter().any(|wanted| wanted == region))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(day: &str) -> KeyInfo {
        KeyInfo::parse(&format!("AWSLogs/111122223333/CloudTrail/us-east-1/{day}/x.json.gz"))
    }

    #[test]
    fn days_are_inclusive_and_the_slack_reaches_past_the_end() {
        let selection = Selection {
            from: Some("2024-02-10T12:00:00Z".parse().unwrap()),
            to: Some("2024-02-12T00:00:00Z".parse().unwrap()),
            slack: TimeDelta::days(1),
            ..Selection::default()
        };
        let days: Vec<u32> = (1..29).filter(|day| selection.includes(&key(&format!("2024/02/{day:02}")))).collect();
        assert_eq!(days, [10, 11, 12, 13]);
        assert!(selection.includes(&KeyInfo::parse("anything.json")));
        assert!(selection.includes(&key("2024/02/77")));
        assert!(Selection::default().includes(&key("2024/02/01")));
        let far = Selection { to: Some(DateTime::<Utc>::MAX_UTC), slack: TimeDelta::days(1), ..Selection::default() };
        assert!(far.includes(&key("2024/02/01")));
    }

    #[test]
    fn accounts_and_regions() {
        let with = |accounts: &[&str], regions: &[&str]| Selection {
            accounts: accounts.iter().map(ToString::to_string).collect(),
            regions: regions.iter().map(ToString::to_string).collect(),
            ..Selection::default()
        };
        let key = key("2024/02/01");
        assert!(with(&["111122223333"], &["eu-west-1", "us-east-1"]).includes(&key));
        assert!(!with(&["444455556666"], &[]).includes(&key));
        assert!(!with(&[], &["eu-west-1"]).includes(&key));
        assert!(with(&["444455556666"], &["eu-west-1"]).includes(&KeyInfo::parse("x.json")));
        let iam = Selection { iam_only: true, ..Selection::default() };
        for (region, included) in [
            ("us-east-1", true),
            ("eu-west-1", false),
            ("us-gov-west-1", true),
            ("us-gov-east-1", false),
            ("cn-northwest-1", false),
            ("us-isob-west-1", false),
            ("eu-isoe-west-1", true),
        ] {
            let path = format!("AWSLogs/111122223333/CloudTrail/{region}/2024/02/01/x.json.gz");
            assert_eq!(iam.includes(&KeyInfo::parse(&path)), included, "{region}");
        }
        assert!(iam.includes(&KeyInfo::parse("x.json")));
    }
}
