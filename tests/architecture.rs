//! Holds the direction of dependencies that ARCHITECTURE.md promises: one crate has no compiler wall between modules.

#![allow(unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Module, and all that it may use.
const MAY_USE: &[(&str, &[&str])] = &[
    ("units", &[]),
    ("names", &[]),
    ("arn", &[]),
    ("spill", &[]),
    ("panics", &[]),
    ("partition", &[]),
    ("disk", &[]),
    ("hash", &[]),
    ("escape", &[]),
    ("pdf", &["disk", "escape"]),
    ("aws", &["disk", "http", "partition"]),
    ("causes", &[]),
    ("http", &["causes"]),
    ("queue", &["aws", "source"]),
    ("inflate", &["units"]),
    ("cloudtrail", &["arn"]),
    ("ocsf", &["escape", "panics", "units"]),
    ("mfa", &["spill", "arn", "cloudtrail"]),
    ("lineage", &["arn", "cloudtrail", "mfa"]),
    ("trace", &["spill", "cloudtrail", "mfa"]),
    ("inputs", &["disk", "names", "units"]),
    ("inventory", &["arn", "aws", "disk", "inputs", "names", "units", "partition"]),
    ("posture", &["arn", "aws", "contract", "disk", "inputs", "inventory"]),
    ("contract", &["inputs"]),
    ("source", &["arn", "aws", "disk", "hash", "units", "partition"]),
    ("pipeline", &["source", "inflate", "cloudtrail", "contract", "disk", "ocsf", "units"]),
    ("evidence", &["contract", "digest", "inflate", "pipeline", "source", "cloudtrail", "mfa", "trace"]),
    ("table", &["cloudtrail", "escape", "names", "units"]),
    (
        "search",
        &[
            "spill",
            "arn",
            "cloudtrail",
            "evidence",
            "lineage",
            "mfa",
            "names",
            "partition",
            "pipeline",
            "source",
            "table",
        ],
    ),
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
            "hash",
            "inflate",
            "names",
            "panics",
            "units",
            "sql",
        ],
    ),
    ("sql", &["names", "panics"]),
    ("bundle", &["disk", "hash"]),
    ("device", &["arn", "aws", "disk"]),
    (
        "digest",
        &["arn", "aws", "cloudtrail", "contract", "disk", "hash", "inflate", "inputs", "pipeline", "source", "units"],
    ),
    ("exposure", &["arn", "cloudtrail", "mfa", "names", "trace", "inventory", "inputs", "contract"]),
    ("signature", &["arn", "aws", "disk", "escape", "hash"]),
    ("report", &["arn", "contract", "disk", "escape", "hash", "inputs", "signature", "spill", "units", "partition"]),
    ("incident", &["cloudtrail", "contract", "disk", "exposure", "hash", "mfa", "names", "units"]),
    ("alert", &["arn", "aws", "contract", "disk", "escape", "hash", "http", "incident", "names", "partition", "units"]),
    (
        "app",
        &[
            "arn",
            "alert",
            "aws",
            "bundle",
            "causes",
            "cloudtrail",
            "contract",
            "device",
            "digest",
            "disk",
            "escape",
            "evidence",
            "exposure",
            "hash",
            "http",
            "incident",
            "inputs",
            "inventory",
            "lineage",
            "mfa",
            "names",
            "partition",
            "pdf",
            "pipeline",
            "posture",
            "queue",
            "report",
            "search",
            "source",
            "signature",
            "sql",
            "store",
            "table",
            "trace",
            "units",
        ],
    ),
];

/// The crates that only some modules may name.
const FENCED: &[(&str, &[&str])] = &[
    ("aws_sdk_s3", &["source"]),
    ("aws_sdk_cloudtrail", &["digest"]),
    ("aws_lc_rs", &["aws", "device", "digest", "report", "alert", "http", "signature", "source"]),
    ("hyper", &["http", "aws", "alert", "queue", "source"]),
    ("rusqlite", &["incident"]),
    ("aws_sdk_iam", &["inventory", "aws", "device"]),
    ("tokio", &["source", "inventory", "aws", "device", "digest", "http", "pipeline", "cli"]),
    ("aws_sigv4", &["aws"]),
    ("aws_credential_types", &["aws", "source"]),
    ("aws_smithy_xml", &["aws"]),
    ("aws_types", &["aws"]),
    ("aws_runtime", &["aws"]),
    ("aws_smithy_http_client", &["aws"]),
    ("httparse", &["source"]),
    ("rayon", &["pipeline"]),
    ("flate2", &["inflate"]),
    ("libdeflater", &["inflate"]),
    ("simd_json", &["cloudtrail"]),
    ("aho_corasick", &["cloudtrail"]),
    ("indicatif", &["cli"]),
    ("polars_core", &["sql", "store", "table"]),
    ("polars_io", &["store", "table"]),
    ("sqlparser", &["sql"]),
    ("clap", &["cli"]),
    ("zip", &["bundle"]),
    ("rustix", &["disk"]),
    ("ipnet", &["search"]),
    ("wildmatch", &["names"]),
    ("strsim", &["names"]),
    ("tempfile", &["spill", "disk", "report", "signature", "app"]),
    ("unicode_width", &["escape"]),
    ("qrcode", &["device"]),
    ("rustyline", &["cli"]),
];

/// The files that may hold `unsafe` code, which ARCHITECTURE.md names.
const UNSAFE: &[&str] = &["cloudtrail/masks.rs", "digest/sha256x16.rs"];

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

/// A file: its path as a module (`report::view` for `report/view/mod.rs`), and its lines of code.
struct File {
    path: Vec<String>,
    lines: Vec<String>,
}

impl File {
    fn room(&self) -> &str {
        self.path.first().map_or("lib", String::as_str)
    }
}

/// All files, comments and the unit tests left out.
fn files() -> Vec<File> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    rust_files(&source, &mut paths);
    let file = |path: PathBuf| {
        let inside = path.strip_prefix(&source).unwrap().with_extension("");
        let mut parts: Vec<String> =
            inside.components().map(|part| part.as_os_str().to_string_lossy().into_owned()).collect();
        parts.pop_if(|last| matches!(last.as_str(), "mod" | "lib"));
        File { path: parts, lines: code(&std::fs::read_to_string(&path).unwrap()) }
    };
    paths.into_iter().map(file).collect()
}

/// The lines of code outside of what is compiled for unit tests alone.
fn code(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut rest = text.lines();
    while let Some(line) = rest.next() {
        if line.trim() == "#[cfg(test)]" {
            // The item that it stands before: to its end at the same indentation, or its one line.
            let indent = line.len() - line.trim_start().len();
            let item = rest.find(|line| !line.trim().starts_with("#[")).unwrap_or_default();
            if item.trim_end().ends_with('{') {
                rest.find(|line| line.trim_end() == format!("{}}}", " ".repeat(indent)));
            }
        } else if !line.trim().starts_with("//") {
            lines.push(line.trim().to_owned());
        }
    }
    lines
}

/// Code lines per module.
fn modules() -> BTreeMap<String, Vec<String>> {
    let mut modules: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in files() {
        modules.entry(file.room().to_owned()).or_default().extend(file.lines);
    }
    modules
}

/// The modules that a file names, as paths from the crate's root: as far as they are written out after `crate::` or `super::`,
/// each branch of a group by itself.
fn named(file: &File) -> Vec<Vec<String>> {
    let code = file.lines.join(" ");
    // Within a module that stands in the file itself, `super` is the file.
    let nested =
        file.lines.iter().any(|line| line.trim_start_matches("pub ").starts_with("mod ") && line.ends_with('{'));
    let mut all = Vec::new();
    for (start, prefix) in ["crate::", "super::"].iter().flat_map(|prefix| code.match_indices(prefix)) {
        let before = code[..start].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || "_:$".contains(c)) || (nested && prefix == "super::") {
            continue;
        }
        let mut base = match prefix {
            "crate::" => Vec::new(),
            _ => file.path.clone(),
        };
        let mut rest = &code[start + prefix.len()..];
        if prefix == "super::" {
            base.pop();
            while let Some(more) = rest.strip_prefix("super::") {
                base.pop();
                rest = more;
            }
        }
        branches(base, rest, &mut all);
    }
    all
}

/// Follows `a::b` and `{a, b::c}`; tells how much of the text it took.
fn branches(mut base: Vec<String>, text: &str, into: &mut Vec<Vec<String>>) -> usize {
    let mut at = 0;
    loop {
        if text[at..].starts_with('{') {
            at += 1;
            while at < text.len() && !text[at..].starts_with('}') {
                if text[at..].starts_with([' ', ',']) {
                    at += 1;
                } else {
                    at += branches(base.clone(), &text[at..], into).max(1);
                }
            }
            return at + 1;
        }
        let end = text[at..].find(|c: char| !c.is_alphanumeric() && c != '_').map_or(text.len(), |end| at + end);
        let name = &text[at..end];
        if name.is_empty() {
            return at;
        }
        if name != "self" {
            base.push(name.to_owned());
        }
        at = end;
        if !text[at..].starts_with("::") {
            into.push(base);
            return at;
        }
        at += 2;
    }
}

#[test]
fn modules_use_only_what_they_may() {
    let known: BTreeSet<&str> = MAY_USE.iter().map(|(module, _)| *module).collect();
    let mut wrong = Vec::new();
    for file in files() {
        let room = file.room().to_owned();
        if matches!(room.as_str(), "cli" | "main" | "lib") {
            continue;
        }
        let Some((_, allowed)) = MAY_USE.iter().find(|(name, _)| *name == room) else {
            wrong.push(format!("module `{room}` is in no row of the table"));
            continue;
        };
        for path in named(&file) {
            let used = path.first().map_or("", String::as_str);
            if used != room && !allowed.contains(&used) && (known.contains(used) || used == "cli") {
                wrong.push(format!("`{}` uses `{}`", file.path.join("::"), path.join("::")));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// No module of a room uses another that uses it, directly or through others: what is in a circle can only be read as a whole. A
/// folder's `mod.rs` stands for the folder, and may use what is in it; what is in it uses nothing of it but types.
#[test]
fn there_are_no_circles() {
    let files = files();
    let paths: BTreeSet<Vec<String>> = files.iter().map(|file| file.path.clone()).collect();
    let is_folder = |path: &Vec<String>| paths.iter().any(|other| other.len() > path.len() && other.starts_with(path));
    let mut uses: BTreeMap<&Vec<String>, BTreeSet<Vec<String>>> = BTreeMap::new();
    for file in files.iter().filter(|file| !is_folder(&file.path)) {
        for mut path in named(file) {
            while !path.is_empty() && !paths.contains(&path) {
                path.pop();
            }
            if !path.is_empty() && path != file.path && !is_folder(&path) {
                uses.entry(&file.path).or_default().insert(path);
            }
        }
    }
    let mut circles = BTreeSet::new();
    for start in uses.keys() {
        let (mut reached, mut next) = (BTreeSet::new(), vec![(*start).clone()]);
        while let Some(at) = next.pop() {
            for used in uses.get(&at).into_iter().flatten() {
                if used == *start {
                    circles.insert(format!("{} uses {}", at.join("::"), start.join("::")));
                }
                if reached.insert(used.clone()) {
                    next.push(used.clone());
                }
            }
        }
    }
    let circles: Vec<String> = circles.into_iter().collect();
    assert!(circles.is_empty(), "{}", circles.join("\n"));
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

/// The use cases and what they rest on can be called from anywhere.
#[test]
fn the_use_cases_know_no_terminal_no_process_and_no_clock() {
    let mut wrong = Vec::new();
    for (module, lines) in modules() {
        for line in lines.iter().filter(|_| matches!(module.as_str(), "app" | "contract" | "exposure" | "report")) {
            for forbidden in [
                "clap",
                "process::",
                "std::env",
                "IsTerminal",
                "terminal_size",
                "stderr",
                "stdout",
                "stdin()",
                "SystemTime",
                "Utc::now",
                "Local::now",
            ] {
                if line.contains(forbidden) {
                    wrong.push(format!("`{module}`: {line}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What was told of which incident is remembered in one place; what incidents there are is computed.
#[test]
fn only_the_ledger_of_incidents_knows_a_disk() {
    let mut wrong = Vec::new();
    let incident = files().into_iter().filter(|file| file.room() == "incident");
    for file in incident.filter(|file| file.path.get(1).is_none_or(|name| name != "ledger")) {
        for line in &file.lines {
            for forbidden in ["rusqlite", "crate::disk", "std::fs", "std::io", "std::path"] {
                if line.contains(forbidden) {
                    wrong.push(format!("`{}`: {line}", file.path.join("::")));
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
