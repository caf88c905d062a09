//! The README, the documents and the examples of `--help`: every command that they show works as it is printed, from the root of a
//! fresh clone, and every link leads somewhere.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::support::run::{Ran, root};
use crate::support::store;

/// In the place of somebody's own archive on disk.
const OWN_ARCHIVE: &str = "./copy-of-archive";

/// The table of contents of the site.
const SUMMARY: &str = "docs/SUMMARY.md";

/// A shell's name for the binary of this build.
const AS_PRINTED: &str = r#"mfatrail() { "$BINARY" "$@"; }"#;

/// Reads the options of the command line and calls nothing.
const READ_ONLY: &str = r#"mfatrail() { "$BINARY" generate iam-policy -- "$@"; }"#;

/// The README and every document, by their paths from the root.
fn documents() -> Vec<PathBuf> {
    let docs = fs::read_dir(root().join("docs")).expect("docs/");
    let names = docs.map(|entry| Path::new("docs").join(entry.expect("a file").file_name()));
    let mut all: Vec<PathBuf> = names.filter(|path| path.extension().is_some_and(|kind| kind == "md")).collect();
    all.extend(["README.md", "fixtures/README.md"].map(PathBuf::from));
    all.sort();
    all
}

fn text(document: &Path) -> String {
    fs::read_to_string(root().join(document)).unwrap_or_else(|error| panic!("{}: {error}", document.display()))
}

/// The commands of a document's shell blocks in their order, one a line, as if `mfatrail` were installed.
fn commands(text: &str) -> Vec<String> {
    let mut commands = Vec::new();
    let mut inside = false;
    let joined = text.replace("\\\n", " ");
    for line in joined.lines().map(str::trim) {
        match line {
            "```sh" => inside = true,
            _ if line.starts_with("```") => inside = false,
            _ if !inside => {}
            _ if ["mfatrail ", "export ", "mkdir ", "ssh-keygen ", "echo "]
                .iter()
                .any(|start| line.starts_with(start)) =>
            {
                commands.push(line.to_owned());
            }
            _ if line.starts_with("cargo run ") => {
                let (_, arguments) = line.split_once(" -- ").expect("arguments of mfatrail");
                commands.push(format!("mfatrail {arguments}"));
            }
            // It runs these tests; they do not run it.
            "tests/run" | "" => {}
            _ => panic!("`{line}` is a command that no test runs"),
        }
    }
    commands
}

/// The exit status that a command's comment names; 0 where it names none.
fn announced(command: &str) -> i32 {
    let comment = command.split_once(" # ").map_or("", |(_, comment)| comment);
    let status = comment.split_once("status ").and_then(|(_, rest)| rest.get(..1)?.parse::<i32>().ok());
    status.unwrap_or(0)
}

/// The examples at the end of a command's help, each in one line again.
fn examples(help: &str) -> Vec<String> {
    let (_, end) = help.split_once("\nExamples:\n").unwrap_or_default();
    let mut examples: Vec<String> = Vec::new();
    for line in end.lines().take_while(|line| !line.trim().is_empty()).map(str::trim) {
        let starts = ["mfatrail ", "MFATRAIL_STORE=", "zcat ", "man ", "ssh-keygen "]
            .iter()
            .any(|start| line.starts_with(start));
        match examples.last_mut() {
            Some(last) if !starts => {
                last.push(' ');
                last.push_str(line);
            }
            _ => examples.push(line.to_owned()),
        }
    }
    // Those that begin with another program need what that one reads.
    examples.retain(|example| example.starts_with("mfatrail ") || example.starts_with("MFATRAIL_STORE="));
    examples
}

/// A command and all its subcommands, by their words after `mfatrail`, each with its help.
pub fn helps(command: &str) -> Vec<(String, String)> {
    let home = tempfile::tempdir().expect("a temporary folder");
    let help = shell(home.path(), &[AS_PRINTED, &format!("mfatrail {command} --help")]).stdout;
    let (_, listed) = help.split_once("\nCommands:\n").unwrap_or_default();
    let names = listed.lines().take_while(|line| !line.is_empty()).filter_map(|line| line.strip_prefix("  "));
    let names = names.filter(|line| !line.starts_with(' ')).filter_map(|line| line.split(' ').next());
    let names = names.filter(|name| *name != "help");
    let below: Vec<_> = names.flat_map(|name| helps(format!("{command} {name}").trim())).collect();
    std::iter::once((command.to_owned(), help)).chain(below).collect()
}

/// Whether a command needs what a fresh clone lacks: AWS, or an archive of one's own.
fn is_elsewhere(command: &str) -> bool {
    let needs = [
        "s3://",
        "--iam live",
        "--posture live",
        "mfatrail iam snapshot ",
        "mfatrail device ",
        "mfatrail respond ",
        OWN_ARCHIVE,
    ];
    if command.starts_with("mfatrail posture") && !command.contains("--from-files") {
        return true;
    }
    !command.starts_with("mfatrail generate ") && needs.iter().any(|what| command.contains(what))
}

/// Whether a command needs what its reader alone has: a channel, a key, a terminal.
fn is_personal(command: &str) -> bool {
    let keys = ["~/.ssh/", "--allowed-signers auditors", "--public-key key.pem"];
    let needs_a_key = keys.iter().any(|what| command.contains(what));
    needs_a_key || command.starts_with("mfatrail watch test ") || command.ends_with(" --sql")
}

/// Runs lines of a shell in a folder, with nothing of the caller's configuration.
fn shell(home: &Path, lines: &[&str]) -> Ran {
    let mut shell = Command::new("sh");
    shell
        .arg("-c")
        .arg(lines.join("\n"))
        .current_dir(home)
        .env_clear()
        .env("BINARY", env!("CARGO_BIN_EXE_mfatrail"))
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", home)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("COLUMNS", "80")
        .stdin(Stdio::null());
    shell.output().expect("sh runs").into()
}

/// A folder with what the commands of a document take from a clone.
fn clone() -> TempDir {
    let home = tempfile::tempdir().expect("a temporary folder");
    for folder in ["fixtures", "examples"] {
        store::copy(&root().join(folder), &home.path().join(folder), &|_| true);
    }
    home
}

/// Runs commands in a folder, one after the other: those that did not end as announced, and what they said.
fn failures(home: &Path, commands: &[String]) -> Vec<String> {
    let mut failures = Vec::new();
    let mut exports: Vec<&str> = Vec::new();
    for command in commands {
        // What another program makes of the output is its matter, and which month is the last one the clock's.
        let line = command.split(" | ").next().unwrap_or_default().replace("--month last", "--month 2026-10");
        let (ran, status) = if is_personal(&line) {
            // The options are read, and nothing is done.
            (shell(home, &[AS_PRINTED, &format!("{} --help", line.split(" # ").next().unwrap_or_default())]), 0)
        } else if is_elsewhere(&line) {
            // As if it lay in S3, so that there is a policy for it.
            (shell(home, &[READ_ONLY, &line.replace(OWN_ARCHIVE, "s3://copy-of-archive")]), 0)
        } else {
            let lines: Vec<&str> = [AS_PRINTED].into_iter().chain(exports.iter().copied()).chain([&*line]).collect();
            (shell(home, &lines), announced(&line))
        };
        if ran.status != status {
            failures.push(format!("{command}\n    status {}, not {status}\n{}", ran.status, ran.stderr));
        }
        if command.starts_with("export ") {
            exports.push(command);
        }
    }
    failures
}

/// The commands of a document that do not work in a fresh clone.
fn wrong(text: &str) -> Vec<String> {
    failures(clone().path(), &commands(text))
}

#[test]
fn every_command_works_as_it_is_printed() {
    let mut all = 0;
    let mut failures = Vec::new();
    for document in documents() {
        let text = text(&document);
        all += commands(&text).len();
        failures.extend(wrong(&text).into_iter().map(|what| format!("{}: {what}", document.display())));
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(all > 50, "only {all} commands were found");
}

#[test]
fn every_example_of_the_help_works() {
    let before = [
        "mfatrail scan fixtures/archive --store evidence",
        "mkdir -p ~/.local/share/bash-completion/completions ~/.config/fish/completions",
    ];
    let mut all = 0;
    let mut wrong = Vec::new();
    for (_, help) in helps("") {
        let examples = examples(&help);
        if !examples.is_empty() {
            let home = clone();
            let commands: Vec<String> = before.map(str::to_owned).into_iter().chain(examples).collect();
            all += commands.len() - before.len();
            wrong.extend(failures(home.path(), &commands));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(all > 40, "only {all} examples were found");
}

#[test]
fn a_misspelled_option_is_noticed() {
    for command in [
        "mfatrail report fixtures/archive --mnth 2026-10",
        "mfatrail search fixtures/archive \\\n    --evnt-name DeactivateMFADevice",
        "cargo run --locked -- report fixtures/archive --month 2026-10 --ot out/report",
        "mfatrail report s3://trail-bucket --month 2026-10 --iam live --iam-rle Auditor",
        "mfatrail verify ./copy-of-archive --public-kyes keys.json",
        "mfatrail iam snapshot --iam-role Auditor --acount 111122223333 --out iam.json",
        "mfatrail generate iam-policy -- report s3://trail-bucket --mnth 2026-10",
        "export MFATRAIL_STORE=evidence\nmfatrail history --usr kim.lee",
        "mfatrail watch test page --confg watch.toml",
    ] {
        let text = format!("Text.\n\n```sh\n{command}    # a comment\n```\n");
        let wrong = wrong(&text);
        assert_eq!(wrong.len(), 1, "{command}: {wrong:?}");
        assert!(wrong[0].contains("status 2, not 0"), "{wrong:?}");
    }
}

#[test]
fn an_announced_status_is_expected() {
    let command = "mfatrail verify fixtures/archive";
    assert_eq!(wrong(&format!("```sh\n{command}   # no digests: status 3\n```\n")), Vec::<String>::new());
    assert_eq!(wrong(&format!("```sh\n{command}\n```\n")).len(), 1);
    assert_eq!(wrong(&format!("```text\n{command}\n```\n")), Vec::<String>::new(), "not a block of shell lines");
}

/// The anchors of a document's headings, as GitHub makes them.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut anchors = BTreeSet::new();
    let mut fenced = false;
    for line in text.lines() {
        fenced ^= line.trim_start().starts_with("```");
        if let Some(title) = line.strip_prefix('#').filter(|_| !fenced) {
            let kept = title.trim_start_matches('#').trim().to_lowercase();
            let kept = kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
            anchors.insert(kept.map(|c| if c == ' ' { '-' } else { c }).collect());
        }
    }
    anchors
}

/// The targets of a document's links, those to the web aside.
fn links(text: &str) -> Vec<&str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    targets.map(|(target, _)| target).filter(|target| !target.contains("://")).collect()
}

#[test]
fn every_link_leads_somewhere() {
    let mut broken = Vec::new();
    let more = ["ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"].map(PathBuf::from);
    for document in documents().into_iter().chain(more) {
        let own = text(&document);
        for link in links(&own) {
            let (file, anchor) = link.split_once('#').map_or((link, None), |(file, anchor)| (file, Some(anchor)));
            let folder = document.parent().unwrap_or(Path::new(""));
            let target = if file.is_empty() { document.clone() } else { folder.join(file) };
            let there = root().join(&target).exists();
            if !there || anchor.is_some_and(|anchor| !anchors(&text(&target)).contains(anchor)) {
                broken.push(format!("{}: {link}", document.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn the_readme_is_short_and_names_every_document() {
    let readme = text(Path::new("README.md"));
    let lines = readme.lines().count();
    assert!(lines <= 130, "{lines} lines: the rest belongs in docs/");
    for document in documents() {
        let name = document.display().to_string();
        let is_exempt = [Path::new("README.md"), SUMMARY.as_ref()].contains(&&*document);
        assert!(is_exempt || readme.contains(&format!("({name})")), "{name} is not in the README");
    }
}

/// What the site needs and a repository's host does not: mdBook takes the pages of its table of contents only, makes `.html` of every
/// `.md` that a page links to, and copies pictures from below `docs/`.
#[test]
fn the_site_has_every_page_and_every_link_of_it() {
    let summary = text(SUMMARY.as_ref());
    let listed: Vec<PathBuf> = links(&summary).into_iter().map(|page| Path::new("docs").join(page)).collect();
    let mut pages = documents();
    pages.retain(|page| page.starts_with("docs") && page != Path::new(SUMMARY));
    for page in &pages {
        let times = listed.iter().filter(|other| *other == page).count();
        assert_eq!(times, 1, "{} is {times} times in {SUMMARY}", page.display());
    }
    assert_eq!(listed.len(), pages.len(), "{SUMMARY} lists something that is not a page");

    for page in &pages {
        let own = text(page);
        for link in links(&own).into_iter().filter(|link| link.starts_with("../")) {
            let file = link.split('#').next().unwrap_or(link);
            let is_page = Path::new(file).extension().is_some_and(|kind| kind == "md");
            assert!(!is_page, "{}: {link} is not on the site", page.display());
            let target = root().join("docs").join(file);
            assert!(target.is_file(), "{}: {link}: a site shows no folder", page.display());
        }
        for picture in own.split("![").skip(1).filter_map(|rest| rest.split_once("](")).map(|(_, target)| target) {
            assert!(picture.starts_with("images/"), "{}: pictures of pages are in docs/images", page.display());
        }
    }
}

/// The lines that the first page shows are lines that its command prints.
#[test]
fn the_first_report_prints_what_its_page_shows() {
    let page = text(Path::new("docs/first-report.md"));
    let command = commands(&page).remove(0);
    let ran = shell(clone().path(), &[AS_PRINTED, &command]);
    let (_, shown) = page.split_once("```text\n").expect("what it prints");
    let (shown, _) = shown.split_once("```").expect("its end");
    for line in shown.lines() {
        assert!(ran.stderr.lines().any(|own| own == line), "`{line}` is not what is printed:\n{}", ran.stderr);
    }
}
