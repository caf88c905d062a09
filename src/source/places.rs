//! Which accounts and regions a source has, by its folders: what a choice of them is held against before any work.

use std::collections::{BTreeSet, VecDeque};
use std::path::Path;
use std::{fs, io};

use super::{
    KeyInfo, Product, Selection,
    key::{Folder, LakeFolder, Place, is_region},
    local::slashed,
};

/// How many folders are listed at most: who has more is not kept waiting for a check.
pub(super) const MOST_FOLDERS: usize = 128;

/// How many files are looked at in one folder. Where more lie outside the layout, their records decide.
const MOST_FILES: usize = 10_000;

/// When a folder is looked into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// In its turn.
    Now,
    /// Where nothing else has what is looked for.
    Last,
    /// What is in it tells nothing more.
    Never,
}

/// Folders that are still to be looked into.
#[derive(Debug)]
pub(super) struct Pending<F> {
    now: VecDeque<F>,
    last: VecDeque<F>,
}

impl<F> Default for Pending<F> {
    fn default() -> Self {
        Self { now: VecDeque::new(), last: VecDeque::new() }
    }
}

impl<F> Pending<F> {
    pub(super) fn add(&mut self, folder: F, look: Look) {
        match look {
            Look::Now => self.now.push_back(folder),
            Look::Last => self.last.push_back(folder),
            Look::Never => {}
        }
    }

    /// The next one, and whether it is among the last.
    pub(super) fn next(&mut self) -> Option<(F, bool)> {
        let now = self.now.pop_front().map(|folder| (folder, false));
        now.or_else(|| self.last.pop_front().map(|folder| (folder, true)))
    }
}

/// Accounts and regions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    /// Account ids.
    pub accounts: BTreeSet<String>,
    /// Regions.
    pub regions: BTreeSet<String>,
    /// Whether there may be others: in files outside the layout, or in folders that were not looked at.
    pub open: bool,
}

impl Places {
    /// Whether all that `wanted` chooses is there.
    #[must_use]
    pub fn have(&self, wanted: &Selection) -> bool {
        wanted.accounts.iter().all(|account| self.accounts.contains(account))
            && wanted.regions.iter().all(|region| self.regions.contains(region))
    }

    /// Takes in a folder; tells when to look into it.
    pub(super) fn enter(&mut self, segments: &[&str], wanted: &Selection) -> Look {
        let (account, below) = match Folder::of(segments) {
            Folder::Elsewhere => return self.enter_lake(segments),
            Folder::Account { account } => (account, &[][..]),
            Folder::Product { account, product: "CloudTrail" | "CloudTrail-Digest", below } => (account, below),
            Folder::Product { account, below, .. } => {
                self.accounts.insert(account.to_owned());
                // A trail's prefix may be any folder, and the layout begin anew in it.
                let is_layout = below.iter().any(|folder| is_region(folder));
                return if is_layout { Look::Never } else { Look::Last };
            }
        };
        self.accounts.insert(account.to_owned());
        match below {
            // Regions are looked for only where one was chosen.
            [] if !wanted.regions.is_empty() && wanted.has_account(account) => Look::Now,
            [] => Look::Last,
            [region, ..] if is_region(region) => {
                self.regions.insert((*region).to_owned());
                Look::Never
            }
            _ => {
                self.open = true;
                Look::Never
            }
        }
    }

    /// Takes in a folder outside CloudTrail's own layout: perhaps one of Security Lake.
    fn enter_lake(&mut self, segments: &[&str]) -> Look {
        let Some(lake) = LakeFolder::of(segments) else { return Look::Now };
        if !lake.is_log {
            return Look::Last;
        }
        self.regions.extend(lake.region.map(str::to_owned));
        self.accounts.extend(lake.account.map(str::to_owned));
        if lake.account.is_some() { Look::Never } else { Look::Now }
    }

    /// Takes in a file.
    pub(super) fn file(&mut self, key: KeyInfo) {
        if !matches!(key.product, Product::Log | Product::Digest) {
            return;
        }
        // What a key does not tell cannot exclude it.
        self.open |= key.account.is_none() || key.region.is_none();
        self.accounts.extend(key.account);
        self.regions.extend(key.region);
    }
}

/// Looks at a file or a directory, no deeper than the regions' folders, and only until all of `wanted` was seen.
///
/// # Errors
/// When `source` itself cannot be looked at.
pub fn local(source: &Path, wanted: &Selection, places: &mut Places) -> io::Result<()> {
    let absolute = std::path::absolute(source)?;
    if !fs::metadata(&absolute)?.is_dir() {
        places.file(KeyInfo::parse(&slashed(&absolute)));
        return Ok(());
    }
    let enter = |folder: &Path, places: &mut Places| {
        let path = slashed(folder);
        let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
        places.enter(&segments, wanted)
    };
    let look = enter(&absolute, places);
    let mut pending = Pending::default();
    pending.add(absolute, look);
    let mut looked = 0;
    while let Some((folder, is_last)) = pending.next() {
        let path = slashed(&folder);
        // Nothing more can change the answer.
        if places.open || places.have(wanted) {
            break;
        }
        looked += 1;
        if looked > MOST_FOLDERS * 8 {
            places.open = !is_last;
            break;
        }
        let place = Place::of(&path);
        let mut files = 0;
        // What cannot be looked at is named by the scan.
        let Ok(entries) = fs::read_dir(&folder) else {
            places.open = true;
            break;
        };
        for entry in entries.flatten() {
            // By what a link leads to.
            if fs::metadata(entry.path()).is_ok_and(|target| target.is_dir()) {
                let look = enter(&entry.path(), places);
                pending.add(entry.path(), look);
                continue;
            }
            files += 1;
            if files > MOST_FILES {
                places.open = true;
                break;
            }
            places.file(place.file(&entry.file_name().to_string_lossy()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(accounts: &[&str], regions: &[&str]) -> Selection {
        Selection {
            accounts: accounts.iter().map(ToString::to_string).collect(),
            regions: regions.iter().map(ToString::to_string).collect(),
            ..Selection::default()
        }
    }

    #[test]
    fn folders_tell_accounts_and_regions_and_files_outside_leave_it_open() {
        let home = tempfile::tempdir().unwrap();
        let write = |path: &str| {
            let path = home.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        };
        for (account, region) in
            [("111122223333", "us-east-1"), ("111122223333", "eu-west-1"), ("444455556666", "us-east-1")]
        {
            write(&format!(
                "o/AWSLogs/o-example/{account}/CloudTrail/{region}/2026/10/01/{account}_CloudTrail_x.json.gz"
            ));
            write(&format!("o/AWSLogs/o-example/{account}/Config/ap-south-1/2026/10/1/x.json.gz"));
        }
        let look = |source: &str, wanted: &Selection| {
            let mut places = Places::default();
            local(&home.path().join(source), wanted, &mut places).unwrap();
            (places.have(wanted), places)
        };
        for source in ["", "o", "o/AWSLogs/o-example"] {
            let (has, places) = look(source, &wanted(&["777788889999"], &[]));
            assert!(!has && !places.open);
            assert_eq!(places.accounts.into_iter().collect::<Vec<_>>(), ["111122223333", "444455556666"]);
            let (has, places) = look(source, &wanted(&["111122223333"], &["us-west-2"]));
            assert!(!has && !places.open);
            assert_eq!(places.regions.into_iter().collect::<Vec<_>>(), ["eu-west-1", "us-east-1"]);
            assert!(look(source, &wanted(&["444455556666"], &["us-east-1"])).0);
        }
        let deep = "o/AWSLogs/o-example/111122223333/CloudTrail/us-east-1/2026/10";
        assert!(look(deep, &wanted(&["111122223333"], &["us-east-1"])).0);
        let (has, places) = look(deep, &wanted(&["444455556666"], &[]));
        assert!(!has && !places.open, "the path itself tells");
        // Names of files tell as much, and others tell nothing.
        write("cut/2026/10/01/111122223333_CloudTrail_us-east-1_20261001T0000Z_x.json.gz");
        let (has, places) = look("cut", &wanted(&["444455556666"], &[]));
        assert!(!has && !places.open && places.accounts.contains("111122223333"));
        write("cut/records.json");
        assert!(look("cut", &wanted(&["444455556666"], &[])).1.open);
        assert!(look("cut/records.json", &wanted(&["444455556666"], &[])).1.open);
    }
}
