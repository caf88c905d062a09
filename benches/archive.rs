//! Writes a synthetic archive: `cargo bench --bench archive -- DIR [--preset medium|tiny|large] [--records N] [--planted N] [--seed S]`.
//!
//! `DIR/archive` holds the objects in CloudTrail's layout, `DIR/expected.json` what a scan of them must find.

#![allow(unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a bench fails by a panic")]
#![allow(clippy::print_stdout, reason = "what it measured")]

use std::{
    error::Error,
    path::{Path, PathBuf},
};

mod corpus;
use corpus::{Corpus, PLANTED, Shape};

const USAGE: &str =
    "usage: cargo bench --bench archive -- DIR [--preset medium|tiny|large] [--records N] [--planted N] [--seed S]";

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = corpus::arguments();
    if arguments.is_empty() {
        return check();
    }
    let (mut directory, mut shape, mut records, mut planted, mut seed) = (None, Shape::Medium, None, PLANTED, 1);
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value\n{USAGE}"));
        match argument.as_str() {
            "--preset" => shape = value()?.parse()?,
            "--records" => records = Some(value()?.replace('_', "").parse()?),
            "--planted" => planted = value()?.parse()?,
            "--seed" => seed = value()?.parse()?,
            flag if flag.starts_with('-') => return Err(format!("unknown option {flag}\n{USAGE}").into()),
            _ => directory = Some(PathBuf::from(argument)),
        }
    }
    let directory = directory.ok_or(USAGE)?;
    if directory.join("archive").exists() {
        return Err(
            format!("{} holds an archive already (hint: remove it, or name another DIR)", directory.display()).into()
        );
    }
    let corpus = Corpus::new(shape, records.unwrap_or(shape.default_records()), planted, seed)?;
    let written = corpus.write(&directory)?;
    println!("{}", written.summary());
    Ok(())
}

/// What runs without arguments, in CI: the same seed must give the same bytes, and the totals must be those asked for.
fn check() -> Result<(), Box<dyn Error>> {
    let write = |folder: &Path, seed| Corpus::new(Shape::Medium, 2000, PLANTED, seed)?.write(folder);
    let (one, two, other) = (tempfile::tempdir()?, tempfile::tempdir()?, tempfile::tempdir()?);
    let written = write(one.path(), 7)?;
    assert_eq!(written.records, 2000);
    assert_eq!(written.planted.len(), PLANTED);
    let expected = |folder: &Path| std::fs::read_to_string(folder.join("expected.json"));
    assert_eq!(written, write(two.path(), 7)?);
    assert_eq!(expected(one.path())?, expected(two.path())?);
    assert_ne!(written.planted, write(other.path(), 8)?.planted);
    Ok(())
}
