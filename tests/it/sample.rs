//! `reports/sample/` is what the program makes of `fixtures/`, to the byte: a change of the report shows in its diff.
//!
//! After a change that is meant, `UPDATE_SAMPLE=1 cargo test --test it sample::` writes it anew. A PDF is a browser's work and
//! not the same twice, so there is none.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::support::run::{FIXTURES, Ran, mfatrail, root};

/// 2026-11-02T06:00:00Z: when the sample says that it was made.
const MADE_AT: &str = "1793599200";

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8")).collect()
}

#[test]
fn the_sample_is_what_the_program_makes() {
    let out = tempfile::tempdir().expect("a folder").keep().join("sample");
    let ran: Ran = mfatrail()
        .arg("report")
        .args(FIXTURES)
        .arg("--out")
        .arg(&out)
        .env("SOURCE_DATE_EPOCH", MADE_AT)
        .output()
        .expect("it runs")
        .into();
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let sample = root().join("reports/sample");
    if std::env::var_os("UPDATE_SAMPLE").is_some() {
        for name in names(&out) {
            fs::copy(out.join(&name), sample.join(&name)).expect("copied");
        }
    }
    let mut kept = names(&sample);
    kept.remove("screenshot.png");
    assert_eq!(kept, names(&out));
    for name in kept {
        let same = fs::read(sample.join(&name)).expect("kept") == fs::read(out.join(&name)).expect("made");
        assert!(same, "reports/sample/{name} is not what the program makes: see the head of tests/it/sample.rs");
    }
}
