//! Files and folders of others: nothing that mfatrail did not write is overwritten, nothing that a stranger laid out is followed
//! or waited for.
#![cfg(unix)]

#[path = "support/run.rs"]
mod run;

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use run::{Ran, mfatrail};

/// What a folder holds: every path, and what is there.
fn contents(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut all = Vec::new();
    let mut pending = vec![folder.to_owned()];
    while let Some(at) = pending.pop() {
        for entry in fs::read_dir(&at).expect("a folder") {
            let path = entry.expect("an entry").path();
            let found = fs::symlink_metadata(&path).expect("there");
            let what = if found.is_symlink() {
                format!("link to {}", fs::read_link(&path).expect("a link").display())
            } else if found.is_dir() {
                pending.push(path.clone());
                "folder".to_owned()
            } else if found.file_type().is_fifo() {
                "pipe".to_owned()
            } else {
                format!("{:?}", fs::read(&path).expect("a file"))
            };
            all.push((path, what));
        }
    }
    all.sort();
    all
}

fn pipe(path: &Path) {
    let made = std::process::Command::new("mkfifo").arg(path).status().expect("mkfifo runs");
    assert!(made.success());
}

fn ran(arguments: &[&str]) -> Ran {
    mfatrail().args(arguments).output().expect("it runs").into()
}

/// The output of a command that is refused, and what is in the place of the output.
struct Case<'c> {
    command: &'c [&'c str],
    name: &'c str,
    lay: &'c dyn Fn(&Path),
    expected: &'c str,
}

#[test]
fn nothing_foreign_is_overwritten() {
    let elsewhere = tempfile::tempdir().expect("a folder");
    let mine = elsewhere.path().join("mine.json");
    let note = |path: &Path| fs::write(path, "mine").expect("written");
    let empty = |path: &Path| fs::write(path, "").expect("written");
    let link = |path: &Path| {
        fs::write(&mine, "mine").expect("written");
        symlink(&mine, path).expect("linked");
    };
    let dangling = |path: &Path| symlink(elsewhere.path().join("new"), path).expect("linked");
    let folder = |path: &Path| fs::create_dir(path).expect("made");
    let folder_with = |name: &'static str| {
        move |path: &Path| {
            fs::create_dir(path).expect("made");
            fs::write(path.join(name), "mine").expect("written");
        }
    };
    let (report, bundle, snapshot, man, store): (&[&str], &[&str], &[&str], &[&str], &[&str]) = (
        &["report", "fixtures/archive", "--month", "2026-10", "--out"],
        &["report", "fixtures/archive", "--month", "2026-10", "--out", "/nowhere/report", "--bundle"],
        &["iam", "snapshot", "--out"],
        &["generate", "man", "--out"],
        &["scan", "fixtures/archive", "--store"],
    );
    let notes = folder_with("notes.txt");
    let page = folder_with("mfatrail-report.1");
    let named_like_ours = folder_with("report.json");
    let lock = folder_with("lock");
    let marked = folder_with("store.json.tmp");
    let odd_zip = |path: &Path| fs::write(path, b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0").expect("written");
    let odd_json =
        |path: &Path| fs::write(path, r#"{"Users": [], "schema": "mfatrail.iam-snapshot/1"}"#).expect("written");
    let pipe = |path: &Path| pipe(path);
    let cases = [
        Case { command: report, name: "out", lay: &note, expected: "exists and is not a directory" },
        Case { command: report, name: "out", lay: &notes, expected: "did not write: `notes.txt`" },
        Case { command: report, name: "out", lay: &named_like_ours, expected: "it lacks `MANIFEST.sha256`" },
        Case { command: report, name: "out", lay: &pipe, expected: "exists and is not a directory" },
        Case { command: bundle, name: "b.zip", lay: &note, expected: "is not a bundle that mfatrail wrote" },
        Case { command: bundle, name: "b.zip", lay: &empty, expected: "is not a bundle that mfatrail wrote" },
        Case { command: bundle, name: "b.zip", lay: &odd_zip, expected: "is not a bundle that mfatrail wrote" },
        Case { command: bundle, name: "b.zip", lay: &link, expected: "it is a symbolic link" },
        Case { command: bundle, name: "b.zip", lay: &dangling, expected: "it is a symbolic link" },
        Case { command: bundle, name: "b.zip", lay: &folder, expected: "it is a folder" },
        Case { command: bundle, name: "b.zip", lay: &pipe, expected: "it is a pipe" },
        Case {
            command: snapshot,
            name: "iam.json",
            lay: &note,
            expected: "is not a snapshot of IAM state that mfatrail wrote",
        },
        Case {
            command: snapshot,
            name: "iam.json",
            lay: &empty,
            expected: "is not a snapshot of IAM state that mfatrail wrote",
        },
        Case {
            command: snapshot,
            name: "iam.json",
            lay: &odd_json,
            expected: "is not a snapshot of IAM state that mfatrail wrote",
        },
        Case { command: snapshot, name: "iam.json", lay: &link, expected: "it is a symbolic link" },
        Case { command: snapshot, name: "iam.json", lay: &dangling, expected: "it is a symbolic link" },
        Case { command: snapshot, name: "iam.json", lay: &folder, expected: "it is a folder" },
        Case { command: snapshot, name: "iam.json", lay: &pipe, expected: "it is a pipe" },
        Case { command: man, name: "man1", lay: &page, expected: "is not a man page that mfatrail wrote" },
        Case { command: man, name: "man1", lay: &note, expected: "could not write into" },
        Case { command: store, name: "store", lay: &notes, expected: "`notes.txt`" },
        Case { command: store, name: "store", lay: &lock, expected: "`lock`" },
        Case { command: store, name: "store", lay: &marked, expected: "`store.json.tmp`" },
    ];
    for Case { command, name, lay, expected } in cases {
        let home = tempfile::tempdir().expect("a folder");
        let place = home.path().join(name);
        lay(&place);
        let before = (contents(home.path()), contents(elsewhere.path()));
        let ran = ran(&[command, &[place.to_str().expect("UTF-8")]].concat());
        assert_eq!(ran.status, 2, "{command:?} {expected}: {}", ran.stderr);
        let told = ran.stderr.contains(expected) && ran.stderr.contains("hint: ");
        assert!(told, "{command:?} {expected}: {}", ran.stderr);
        assert_eq!((contents(home.path()), contents(elsewhere.path())), before, "{command:?} {expected}");
    }
}

#[test]
fn what_is_ours_is_replaced() {
    let home = tempfile::tempdir().expect("a folder");
    let at = |name: &str| home.path().join(name).to_str().expect("UTF-8").to_owned();
    let (out, bundle, man) = (at("out"), at("b.zip"), at("man1"));
    for month in ["2026-10", "2026-11"] {
        let ran = ran(&[
            "report",
            "fixtures/archive",
            "--month",
            month,
            "--as-of",
            "2026-11-20",
            "--out",
            &out,
            "--bundle",
            &bundle,
        ]);
        assert!([0, 3].contains(&ran.status), "{}", ran.stderr);
        let mode = fs::metadata(&bundle).expect("there").permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
        assert_eq!(self::ran(&["generate", "man", "--out", &man]).status, 0);
    }
    assert_eq!(fs::read_dir(home.path()).expect("a folder").count(), 3, "nothing is left beside them");
}

#[test]
fn standard_output_is_no_file() {
    for command in [
        &["report", "fixtures/archive", "--month", "2026-10", "--out"][..],
        &["report", "fixtures/archive", "--month", "2026-10", "--bundle"],
        &["report", "--from-bundle", "none.zip", "--out"],
        &["iam", "snapshot", "--out"],
        &["generate", "man", "--out"],
    ] {
        for (name, expected) in [("-", "not written to standard output"), ("", "is empty")] {
            let ran = ran(&[command, &[name]].concat());
            assert!(ran.status == 2 && ran.stderr.contains(expected), "{command:?} {name:?}: {}", ran.stderr);
        }
    }
    assert!(!run::root().join("-").exists());
}
