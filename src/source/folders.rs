//! How far a listing is: folders are listed one by one, and each may lead to more.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use super::{KeyInfo, Product, Selection};

/// By account the regions that have digests in folders before the range.
pub type Earlier = BTreeMap<String, BTreeSet<String>>;

/// Where IAM's events alone are read, and so only the region that has them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PassedOver {
    /// The other regions that have folders.
    pub regions: BTreeSet<String>,
    /// Accounts that have folders of other regions, and none of IAM's: their trails may be of single regions, and then record
    /// nothing of IAM.
    pub accounts: BTreeSet<String>,
}

/// The folders of a listing; the caller may look at it from another thread.
#[derive(Debug, Default)]
pub struct Folders {
    found: AtomicU64,
    begun: AtomicU64,
    name: Mutex<String>,
    earlier: Mutex<Earlier>,
    /// Where IAM's events alone are read: by account the regions that have folders, and whether each is passed over.
    regions: Mutex<BTreeMap<String, BTreeMap<String, bool>>>,
}

impl Folders {
    /// Some more were found.
    pub(super) fn found(&self, more: usize) {
        self.found.fetch_add(u64::try_from(more).unwrap_or(u64::MAX), Relaxed);
    }

    /// One of them is listed now.
    pub(super) fn begin(&self, name: &str) {
        self.begun.fetch_add(1, Relaxed);
        let mut shown = self.name.lock().unwrap_or_else(PoisonError::into_inner);
        shown.clear();
        shown.push_str(name);
    }

    /// An object is not in range. Where digests are listed it is noted who has some before it.
    pub(super) fn passed(&self, key: &KeyInfo, selection: &Selection) {
        let (Some(account), Some(region), Some(day)) = (&key.account, &key.region, key.day) else { return };
        let is_earlier = selection.first_day().is_some_and(|first| day < first);
        if !is_earlier || key.product != Product::Digest || selection.product != Some(Product::Digest) {
            return;
        }
        let mut earlier = self.earlier.lock().unwrap_or_else(PoisonError::into_inner);
        if !earlier.get(account).is_some_and(|regions| regions.contains(region)) {
            earlier.entry(account.clone()).or_default().insert(region.clone());
        }
    }

    /// There is a folder of a region, or an object in one. Noted where only IAM's region is read.
    pub(super) fn region(&self, account: &str, region: &str, selection: &Selection) {
        if !selection.iam_only {
            return;
        }
        let mut known = self.regions.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.get(account).is_some_and(|regions| regions.contains_key(region)) {
            known.entry(account.to_owned()).or_default().insert(region.to_owned(), selection.passes_over(region));
        }
    }

    /// What was passed over because only IAM's region is read.
    #[must_use]
    pub fn passed_over(&self) -> PassedOver {
        let known = self.regions.lock().unwrap_or_else(PoisonError::into_inner);
        let mut passed = PassedOver::default();
        for (account, regions) in &*known {
            passed.regions.extend(regions.iter().filter(|(_, passed)| **passed).map(|(region, _)| region.clone()));
            if regions.values().all(|passed| *passed) {
                passed.accounts.insert(account.clone());
            }
        }
        passed
    }

    /// Who has digests before the range.
    #[must_use]
    pub fn earlier(&self) -> Earlier {
        self.earlier.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many were begun, of how many that are known so far.
    #[must_use]
    pub fn counts(&self) -> [u64; 2] {
        let begun = self.begun.load(Relaxed);
        [begun, self.found.load(Relaxed).max(begun)]
    }

    /// The one that was begun last.
    #[must_use]
    pub fn name(&self) -> String {
        self.name.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
