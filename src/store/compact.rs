//! Small files made larger ones: every commit adds some to each month.

use std::collections::BTreeMap;

use super::StoreError;
use super::commit::Files;
use super::notes::Run;
use super::rows::{CallRow, EventRow, ObjectRow, SightingRow};
use super::schema::Dataset;
use super::tables::{Month, month_of_path};
use super::write::Writer;

/// More files than this in one folder are made one.
pub(super) const MANY: usize = 16;
/// Files of so many bytes are left as they are. Those that are made one have twice as many together: decoded that is ten times
/// as much.
const SMALL: u64 = 512 << 10;

/// Makes the small files of every folder that has more than `many` one: a year of daily scans would leave thousands. Where others write,
/// and change the same files meanwhile, it is left to the next time.
pub(super) fn compact(writer: &mut Writer, many: usize) -> Result<(), StoreError> {
    match compact_once(writer, many) {
        Err(StoreError::Raced(_)) => Ok(()),
        // What others retired cannot be read.
        Err(error) => {
            if writer.refresh()? {
                Ok(())
            } else {
                Err(error)
            }
        }
        Ok(()) => Ok(()),
    }
}

fn compact_once(writer: &mut Writer, many: usize) -> Result<(), StoreError> {
    let mut folders: BTreeMap<(Dataset, Month), Vec<(String, u64)>> = BTreeMap::new();
    for (path, (entry, _)) in &writer.state().files {
        if let Some(dataset) = Dataset::of(path).filter(|_| entry.bytes < SMALL) {
            folders.entry((dataset, month_of_path(path))).or_default().push((path.clone(), entry.bytes));
        }
    }
    for ((dataset, _), paths) in folders.into_iter().filter(|(_, paths)| paths.len() > many) {
        let (mut files, mut bytes) = (Files::default(), 0);
        for (path, more) in paths {
            // Another writer may have retired it since the first of these commits.
            if !writer.state().files.contains_key(&path) {
                continue;
            }
            if bytes > 0 && bytes + more > 2 * SMALL {
                std::mem::take(&mut files).commit(writer)?;
                bytes = 0;
            }
            match dataset {
                Dataset::Events => files.take_over::<EventRow>(writer, &path)?,
                Dataset::Calls => files.take_over::<CallRow>(writer, &path)?,
                Dataset::Sightings => files.take_over::<SightingRow>(writer, &path)?,
                Dataset::Objects => files.take_over::<ObjectRow>(writer, &path)?,
                Dataset::Runs => files.take_over::<Run>(writer, &path)?,
            }
            bytes += more;
        }
        files.commit(writer)?;
    }
    Ok(())
}
