//! Archives to scan, and what is in a store, read as a stranger would: by the files' names.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;
use polars_io::SerReader;
use polars_io::parquet::read::ParquetReader;

use super::run::HANG;

/// Copies the files of a tree whose path `wanted` likes, times and all.
pub fn copy(from: &Path, to: &Path, wanted: &dyn Fn(&str) -> bool) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target, wanted);
        } else if wanted(entry.path().to_str().unwrap()) {
            fs::create_dir_all(to).unwrap();
            fs::copy(entry.path(), &target).unwrap();
        }
    }
}

pub fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// All files below a folder, in order of path.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut pending = vec![folder.to_owned()];
    while let Some(folder) = pending.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { pending.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

/// Waits until a store can be written again that this process has written: a process that another test is just starting holds a copy of
/// the lock until it runs its own program. Another process looks, for of a lock that is taken here there would be copies, too.
pub fn wait_for_lock(store: &Path) {
    let seconds = HANG.as_secs().to_string();
    let waited = Command::new("flock").args(["--wait", &seconds]).arg(store.join("lock")).arg("true").status();
    assert!(waited.expect("`flock` is there, of util-linux").success(), "somebody has the lock of the store");
}

/// The rows of every data set but the runs', sorted, without what tells when and by which run they came.
pub fn rows(store: &Path) -> Vec<String> {
    let mut rows = Vec::new();
    for dataset in ["events", "calls", "sightings", "objects"] {
        if !store.join(dataset).exists() {
            continue;
        }
        for path in files(&store.join(dataset)) {
            let frame = ParquetReader::new(fs::File::open(&path).unwrap()).finish().unwrap();
            for row in 0..frame.height() {
                let value = |column: &polars_core::prelude::Column| {
                    let of_run = matches!(column.name().as_str(), "run" | "commit" | "read_at");
                    (!of_run).then(|| format!("{}={:?}", column.name(), column.get(row).unwrap().into_static()))
                };
                let values: Vec<String> = frame.columns().iter().filter_map(value).collect();
                rows.push(format!("{dataset} {}", values.join(" ")));
            }
        }
    }
    rows.sort();
    rows
}

/// Names the rows that only one of the two has.
pub fn assert_same(got: &[String], want: &[String], when: &str) {
    let lacks = |rows: &[String], row: &&String| rows.binary_search(row).is_err();
    let lost: Vec<&String> = want.iter().filter(|row| lacks(got, row)).take(3).collect();
    let new: Vec<&String> = got.iter().filter(|row| lacks(want, row)).take(3).collect();
    assert!(got == want, "{when}: {} rows for {}\nlost: {lost:#?}\nnew: {new:#?}", got.len(), want.len());
}
