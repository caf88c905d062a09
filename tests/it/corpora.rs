//! Replays every input of the fuzzer's corpora, on the stable toolchain, and mutations of them by seed: the same checks
//! (`fuzz/targets.rs`) without the fuzzer's instruments. Inputs that once failed stay in `fuzz/corpus` under their names.

#[path = "../../fuzz/targets.rs"]
mod targets;

use std::ffi::OsStr;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use mfatrail::source::Source;

/// How many mutations of each input are tried.
const MUTATIONS: u64 = 60;

fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut inputs: Vec<_> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    inputs.sort();
    inputs
}

/// A small generator, so that a seed is a test case for ever.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end.max(1)
    }
}

/// What breaks parsers: bytes with a meaning, lengths at an edge, and what JSON, CSV and gzip have of their own.
const TOKENS: &[&[u8]] = &[
    b"\0",
    b"\"",
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"\n",
    b"\r\n",
    b"\xff",
    b"\xef\xbb\xbf",
    b"null",
    b"true",
    b"-0",
    b"1e999",
    b"18446744073709551616",
    b"\"\"",
    b"{}",
    b"[]",
    b"\x1f\x8b\x08",
    b"%",
    b"=",
    b"Z",
    b"\"eventName\":\"DeactivateMFADevice\"",
    b"\"Records\":[",
    b"9999-12-31T23:59:60Z",
    b"\xe2\x80\xae",
    b"/AWSLogs/",
];

fn mutated(input: &[u8], other: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len() + 1);
        match random.below(7) {
            0 => bytes.truncate(at),
            1 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            2 => {
                let token = TOKENS[random.below(TOKENS.len())];
                bytes.splice(at..at, token.iter().copied());
            }
            3 if at < bytes.len() => {
                let end = (at + 1 + random.below(40)).min(bytes.len());
                bytes.drain(at..end);
            }
            4 if at < bytes.len() => {
                let end = (at + 1 + random.below(200)).min(bytes.len());
                let copy = bytes[at..end].to_vec();
                bytes.splice(at..at, copy);
            }
            5 if at < bytes.len() => {
                let token = TOKENS[random.below(TOKENS.len())];
                let end = (at + token.len()).min(bytes.len());
                bytes.splice(at..end, token.iter().copied());
            }
            // The beginning of this, the end of another.
            6 => {
                bytes.truncate(at);
                bytes.extend_from_slice(&other[random.below(other.len())..]);
            }
            _ => {}
        }
    }
    bytes
}

/// As a SOURCE any text is understood, or refused with what to do. Not among the fuzzer's targets: sources bring the AWS SDK.
fn as_a_source(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match Source::parse(OsStr::new(&*text)) {
        Ok(Source::S3 { bucket, prefix }) => assert!(!bucket.is_empty() && !prefix.starts_with('/')),
        Ok(Source::Local(_) | Source::Objects { .. } | Source::Stdin) => {}
        Err(error) => assert!(error.to_string().contains("hint: "), "{error}"),
    }
}

fn check(target: targets::Target, input: &[u8], name: &str) {
    let (target, run) = target;
    let holds = || {
        run(input);
        if target == "keys" {
            as_a_source(input);
        }
    };
    if catch_unwind(AssertUnwindSafe(holds)).is_err() {
        let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("failed-{target}"));
        fs::write(&kept, input).unwrap();
        panic!("{target}: {name} fails; the input is in {}", kept.display());
    }
}

#[test]
fn every_input_of_every_corpus_holds() {
    for target in targets::TARGETS {
        let inputs = corpus(target.0);
        assert!(!inputs.is_empty(), "{}: an empty corpus", target.0);
        for (path, input) in inputs {
            check(*target, &input, &path.display().to_string());
        }
    }
}

#[test]
fn mutations_of_every_corpus_hold() {
    for target in targets::TARGETS {
        let inputs = corpus(target.0);
        let is_seed = |path: &Path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("seed-"));
        for (number, (path, input)) in inputs.iter().enumerate().filter(|(_, (path, _))| is_seed(path)) {
            for seed in 0..MUTATIONS {
                let mut random = Random(seed << 20 | u64::try_from(number).unwrap());
                let other = &inputs[random.below(inputs.len())].1;
                let bytes = mutated(input, other, &mut random);
                check(*target, &bytes, &format!("mutation {seed} of {}", path.display()));
            }
        }
    }
}

/// The targets that the fuzzer has are those that are replayed.
#[test]
fn every_target_is_in_the_table() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/bin");
    let mut binaries: Vec<String> = fs::read_dir(fuzz)
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    binaries.sort();
    let mut table: Vec<&str> = targets::TARGETS.iter().map(|(name, _)| *name).collect();
    table.sort_unstable();
    assert_eq!(binaries, table);
}
