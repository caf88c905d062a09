//! Holds the direction of dependencies that ARCHITECTURE.md promises: one crate has no compiler wall between modules.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Module, and all that it may use.
const MAY_USE: &[(&str, &[&str])] = &[
    ("units", &[]),
    ("names", &[]),
    ("partition", &[]),
    ("disk", &[]),
    ("aws", &[]),
    ("inflate", &["units"]),
    ("cloudtrail", &[]),
    ("mfa", &["cloudtrail"]),
    ("trace", &["cloudtrail", "mfa"]),
    ("inputs", &["disk", "names", "units"]),
    ("inventory", &["aws", "disk", "inputs", "units", "partition"]),
    ("contract", &["inputs"]),
    ("source", &["aws", "disk", "units", "partition"]),
    ("pipeline", &["source", "inflate", "cloudtrail", "contract", "units"]),
    ("evidence", &["contract", "digest", "inflate", "pipeline", "source", "cloudtrail", "mfa", "trace"]),
    ("filter", &["cloudtrail", "mfa", "partition", "names"]),
    ("rows", &["cloudtrail", "names", "report"]),
    ("answer", &["cloudtrail", "rows"]),
    ("finds", &["pipeline", "source", "cloudtrail", "mfa", "evidence", "rows"]),
    ("sweep", &["pipeline", "source", "cloudtrail", "filter", "finds"]),
    (
        "store",
        &[
            "pipeline",
            "source",
            "cloudtrail",
            "mfa",
            "trace",
            "evidence",
            "contract",
            "digest",
            "disk",
            "inflate",
            "names",
            "units",
            "sql",
        ],
    ),
    ("sql", &["names"]),
    ("bundle", &["digest", "disk"]),
    ("digest", &["aws", "cloudtrail", "contract", "disk", "inflate", "inputs", "pipeline", "source", "units"]),
    ("exposure", &["cloudtrail", "mfa", "names", "trace", "inventory", "inputs", "contract"]),
    ("report", &["contract", "disk", "inputs", "units", "partition"]),
];

/// The crates that only some modules may name.
const FENCED: &[(&str, &[&str])] = &[
    ("aws_sdk_s3", &["source"]),
    ("aws_sdk_cloudtrail", &["digest"]),
    ("aws_lc_rs", &["digest", "report"]),
    ("aws_sdk_iam", &["inventory", "aws"]),
    ("tokio", &["source", "inventory", "aws", "digest", "pipeline", "cli"]),
    ("rayon", &["pipeline"]),
    ("flate2", &["inflate"]),
    ("libdeflater", &["inflate"]),
    ("simd_json", &["cloudtrail"]),
    ("aho_corasick", &["cloudtrail"]),
    ("indicatif", &["cli"]),
    ("polars", &["answer", "report", "sql", "store"]),
    ("polars_io", &["answer", "store"]),
    ("sqlparser", &["sql"]),
    ("clap", &["cli"]),
    ("zip", &["bundle"]),
    ("rustix", &["disk"]),
    ("ipnet", &["filter"]),
    ("wildmatch", &["names"]),
];

/// The files that may hold `unsafe` code, which ARCHITECTURE.md names.
const UNSAFE: &[&str] = &["cloudtrail/masks.rs", "digest/sixteen.rs"];

fn rust_files(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

/// Code lines per module, comments and the unit tests left out.
fn modules() -> BTreeMap<String, Vec<String>> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&source, &mut files);
    let mut modules: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in files {
        let inside = file.strip_prefix(&source).unwrap();
        let module =
            inside.components().next().unwrap().as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned();
        let text = std::fs::read_to_string(&file).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        let lines = code.lines().map(str::trim).filter(|line| !line.starts_with("//")).map(str::to_owned);
        modules.entry(module).or_default().extend(lines);
    }
    modules
}

fn identifiers_after<'l>(line: &'l str, prefix: &str) -> Vec<&'l str> {
    let end = |text: &'l str| {
        let stop = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
        &text[..stop]
    };
    line.match_indices(prefix).map(|(at, _)| end(&line[at + prefix.len()..])).collect()
}

#[test]
fn modules_use_only_what_they_may() {
    let known: BTreeSet<&str> = MAY_USE.iter().map(|(module, _)| *module).collect();
    let mut wrong = Vec::new();
    for (module, lines) in modules() {
        if matches!(module.as_str(), "cli" | "main" | "lib") {
            continue;
        }
        let Some((_, allowed)) = MAY_USE.iter().find(|(name, _)| *name == module) else {
            wrong.push(format!("module `{module}` is in no row of the table"));
            continue;
        };
        for line in &lines {
            for used in identifiers_after(line, "crate::") {
                if used != module && !allowed.contains(&used) && (known.contains(used) || used == "cli") {
                    wrong.push(format!("`{module}` uses `{used}`: {line}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn crates_stay_behind_their_fences() {
    let mut wrong = Vec::new();
    for (module, lines) in modules() {
        for line in &lines {
            for (fenced, allowed) in FENCED {
                let named = line.contains(&format!("{fenced}::")) || line.contains(&format!("use {fenced}"));
                if named && !allowed.contains(&module.as_str()) {
                    wrong.push(format!("`{module}` names `{fenced}`: {line}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_the_command_line_prints_and_reads_the_clock() {
    let mut wrong = Vec::new();
    for (module, lines) in modules() {
        for line in lines.iter().filter(|_| !matches!(module.as_str(), "cli" | "main")) {
            for forbidden in
                ["println!", "eprintln!", "print!(", "eprint!(", "Utc::now", "SystemTime::now", "process::exit"]
            {
                if line.contains(forbidden) {
                    wrong.push(format!("`{module}`: {line}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn unsafe_code_stays_where_it_pays() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&source, &mut files);
    let mut found = BTreeSet::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        // The crate denies it; whoever lifts that must name the lint.
        if ["expect(unsafe_code", "allow(unsafe_code"].iter().any(|lifted| text.contains(lifted)) {
            found.insert(file.strip_prefix(&source).unwrap().to_string_lossy().replace('\\', "/"));
        }
    }
    assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), UNSAFE);
}
