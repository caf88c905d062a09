//! Which accounts and regions a source has, by its folders: what a choice of them is held against before any work.

use std::collections::{BTreeSet, VecDeque};
use std::path::Path;
use std::{fs, io};

use super::{
    KeyInfo, Product, Selection,
    key::{Folder, Place, is_region},
    local::slashed,
};

/// How many folders are listed at most: who has more is not kept waiting for a check.
pub(super) const MOST_FOLDERS: usize = 128;

/// How many files are looked at in one folder. Where more lie outside the layout, their records decide.
const MOST_FILES: usize = 10_000;

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

    /// Takes in a folder; tells whether what lies in it can tell more.
    pub(super) fn enter(&mut self, segments: &[&str], wanted: &Selection) -> bool {
        let (account, below) = match Folder::of(segments) {
            Folder::Elsewhere => return true,
            Folder::Account { account } => (account, None),
            Folder::Product { account, product, below } => {
                let ours = product == "CloudTrail" || product == "CloudTrail-Digest";
                (account, ours.then_some(below))
            }
        };
        self.accounts.insert(account.to_owned());
        // Regions are looked for only where one was chosen.
        let deeper = !wanted.regions.is_empty() && wanted.has_account(account);
        match (Folder::of(segments), below) {
            (Folder::Account { .. }, _) | (_, Some([])) => deeper,
            (_, Some([region, ..])) if is_region(region) => {
                self.regions.insert((*region).to_owned());
                false
            }
            (_, Some(_)) => {
                self.open = true;
                false
            }
            (_, None) => false,
        }
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
    let mut pending = VecDeque::from([absolute]);
    let mut looked = 0;
    while let Some(folder) = pending.pop_front() {
        let path = slashed(&folder);
        let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
        // Nothing more can change the answer.
        if places.open || places.have(wanted) {
            break;
        }
        if !places.enter(&segments, wanted) {
            continue;
        }
        looked += 1;
        if looked > MOST_FOLDERS * 8 {
            places.open = true;
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
                pending.push_back(entry.path());
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
