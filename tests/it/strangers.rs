//! Files and folders of others: nothing that mfatrail did not write is overwritten, nothing that a stranger laid out is followed
//! or waited for.

#![cfg(unix)]

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use crate::support::run::{self, Ran, finish, mfatrail};

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
    let report = ["report", "fixtures/archive", "--month", "2026-10", "--out"].as_slice();
    let bundle =
        ["report", "fixtures/archive", "--month", "2026-10", "--out", "/nowhere/report", "--bundle"].as_slice();
    let snapshot = ["iam", "snapshot", "--out"].as_slice();
    let man = ["generate", "man", "--out"].as_slice();
    let store = ["scan", "fixtures/archive", "--store"].as_slice();
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
        Case { command: report, name: "out", lay: &named_like_ours, expected: "`MANIFEST.sha256` is missing or empty" },
        Case { command: report, name: "out", lay: &pipe, expected: "exists and is not a directory" },
        Case { command: bundle, name: "b.zip", lay: &note, expected: "is not a bundle written by mfatrail" },
        Case { command: bundle, name: "b.zip", lay: &empty, expected: "is not a bundle written by mfatrail" },
        Case { command: bundle, name: "b.zip", lay: &odd_zip, expected: "is not a bundle written by mfatrail" },
        Case { command: bundle, name: "b.zip", lay: &link, expected: "it is a symbolic link" },
        Case { command: bundle, name: "b.zip", lay: &dangling, expected: "it is a symbolic link" },
        Case { command: bundle, name: "b.zip", lay: &folder, expected: "it is a folder" },
        Case { command: bundle, name: "b.zip", lay: &pipe, expected: "it is a pipe" },
        Case {
            command: snapshot,
            name: "iam.json",
            lay: &note,
            expected: "is not a snapshot of IAM state written by mfatrail",
        },
        Case {
            command: snapshot,
            name: "iam.json",
            lay: &empty,
            expected: "is not a snapshot of IAM state written by mfatrail",
        },
        Case {
            command: snapshot,
            name: "iam.json",
            lay: &odd_json,
            expected: "is not a snapshot of IAM state written by mfatrail",
        },
        Case { command: snapshot, name: "iam.json", lay: &link, expected: "it is a symbolic link" },
        Case { command: snapshot, name: "iam.json", lay: &dangling, expected: "it is a symbolic link" },
        Case { command: snapshot, name: "iam.json", lay: &folder, expected: "it is a folder" },
        Case { command: snapshot, name: "iam.json", lay: &pipe, expected: "it is a pipe" },
        Case { command: man, name: "man1", lay: &page, expected: "is not a man page written by mfatrail" },
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
        let ran = ran(&[command, &["-"]].concat());
        assert!(
            ran.status == 2 && ran.stderr.contains("cannot write to standard output"),
            "{command:?}: {}",
            ran.stderr
        );
    }
    assert!(!run::root().join("-").exists());
}

/// Runs a command that must end by itself.
fn ended(arguments: &[&str]) -> Ran {
    finish(mfatrail().args(arguments))
}

/// The file of a store whose path begins and ends like this.
fn file_of(store: &Path, begins: &str, ends: &str) -> PathBuf {
    let begins = store.join(begins);
    let all = contents(store).into_iter().map(|(path, _)| path);
    all.into_iter()
        .find(|path| path.is_file() && path.starts_with(&begins) && path.to_string_lossy().ends_with(ends))
        .expect("it is there")
}

/// Puts something in the place of a part of a store, which is moved to `outside`.
fn moved(part: &Path, outside: &Path) -> PathBuf {
    let away = outside.join(part.file_name().expect("a name"));
    fs::rename(part, &away).expect("moved");
    away
}

#[test]
fn a_store_of_a_stranger_leads_nowhere_else() {
    let first = tempfile::tempdir().expect("a folder");
    let sound = first.path().join("store");
    let scanned = ran(&["scan", "fixtures/archive", "--store", sound.to_str().expect("UTF-8")]);
    assert_eq!(scanned.status, 0, "{}", scanned.stderr);
    let state = r#"{"schema":"mfatrail.iam-snapshot/1","taken_at":"2026-10-31T00:00:00Z","accounts":{},"missing":[]}"#;
    let other = first.path().join("other.json");
    let record = r#"{"Records":[{"eventTime":"2026-10-05T00:00:00Z","eventID":"new","eventName":"DeactivateMFADevice",
        "eventSource":"iam.amazonaws.com","awsRegion":"us-east-1","recipientAccountId":"111122223333",
        "userIdentity":{"type":"Root","accountId":"111122223333","arn":"arn:aws:iam::111122223333:root"}}]}"#;
    fs::write(&other, record).expect("written");

    let linked = |part: &'static str| {
        move |store: &Path, outside: &Path| {
            let away = moved(&store.join(part), outside);
            symlink(away, store.join(part)).expect("linked");
        }
    };
    let file = |begins: &'static str, ends: &'static str, with: fn(&Path, &Path)| {
        move |store: &Path, outside: &Path| {
            let part = file_of(store, begins, ends);
            let away = moved(&part, outside);
            with(&away, &part);
        }
    };
    let link: fn(&Path, &Path) = |away, part| symlink(away, part).expect("linked");
    let wait: fn(&Path, &Path) = |_, part| pipe(part);
    let new_link = |part: &'static str| {
        move |store: &Path, outside: &Path| {
            let target = outside.join("precious");
            fs::write(&target, state).expect("written");
            let _ = fs::remove_file(store.join(part));
            symlink(target, store.join(part)).expect("linked");
        }
    };
    let commit = fs::read_dir(sound.join("commits")).expect("commits").count() + 1;
    let next: &'static str = Box::leak(format!("commits/{commit:08}.json.tmp").into_boxed_str());
    let staged: &'static str = Box::leak(format!("staging/{commit:08}").into_boxed_str());
    let stage = |store: &Path, outside: &Path| {
        fs::create_dir(outside.join("home")).expect("made");
        fs::write(outside.join("home/precious"), "mine").expect("written");
        symlink(outside.join("home"), store.join(staged)).expect("linked");
    };
    let shared = |store: &Path, outside: &Path| {
        fs::write(outside.join("precious"), "mine").expect("written");
        let _ = fs::remove_file(store.join("lock"));
        fs::hard_link(outside.join("precious"), store.join("lock")).expect("linked");
    };
    let waiting = |store: &Path, _: &Path| {
        fs::remove_file(store.join("lock")).expect("removed");
        pipe(&store.join("lock"));
    };
    let loose = |store: &Path, _: &Path| symlink("/etc", store.join("events/etc")).expect("linked");
    // What is laid, and whether the store can be read and written all the same.
    type Lay<'l> = &'l dyn Fn(&Path, &Path);
    let cases: [(&str, Lay<'_>, bool, bool); 16] = [
        ("lock, a link", &new_link("lock"), true, false),
        ("lock, a hard link", &shared, true, false),
        ("lock, a pipe", &waiting, true, false),
        ("store.json, a link", &linked("store.json"), false, false),
        ("store.json, a pipe", &file("store.json", "", wait), false, false),
        ("commits, a link", &linked("commits"), false, false),
        ("a commit, a link", &file("commits", ".json", link), false, false),
        ("a commit, a pipe", &file("commits", ".json", wait), false, false),
        ("staging, a link", &linked("staging"), true, false),
        ("events, a link", &linked("events"), false, false),
        ("a file of events, a link", &file("events", ".parquet", link), false, true),
        ("a file of objects, a pipe", &file("objects", ".parquet", wait), false, false),
        ("the next commit, a link", &new_link(next), true, true),
        ("a link in staging", &stage, true, true),
        ("the mark to be, a link", &new_link("store.json.tmp"), true, true),
        ("a link that no log names", &loose, true, true),
    ];
    for (what, lay, readable, writable) in cases {
        let home = tempfile::tempdir().expect("a folder");
        let (store, outside) = (home.path().join("store"), home.path().join("outside"));
        let copied = std::process::Command::new("cp").arg("-a").args([&sound, &store]).status().expect("cp runs");
        assert!(copied.success());
        fs::create_dir(&outside).expect("made");
        lay(&store, &outside);
        let before = contents(&outside);
        let dir = store.to_str().expect("UTF-8");
        let out = home.path().join("out");
        let refused = |ran: &Ran| {
            let why = ["symbolic link", "a pipe", "a hard link"].iter().any(|why| ran.stderr.contains(why));
            // A statement of SQL is an argument, and so is what it cannot read.
            assert!([2, 4].contains(&ran.status) && why && ran.stderr.contains("hint"), "{what}: {}", ran.stderr);
        };
        let check = ended(&["store", "check", "--store", dir]);
        if what != "lock, a hard link" {
            let said = format!("{}{}", check.stdout, check.stderr);
            let why = ["symbolic link", "a pipe"].iter().any(|why| said.contains(why));
            assert!([3, 4].contains(&check.status) && why, "{what}: {said}");
        }
        for command in [
            &["store", "--store", dir][..],
            &["history", "--store", dir],
            &["history", "--store", dir, "--sql", "SELECT count(*) FROM objects"],
            &["report", "--store", dir, "--month", "2026-10", "--out", out.to_str().expect("UTF-8")],
        ] {
            let ran = ended(command);
            if readable {
                assert!([0, 3].contains(&ran.status), "{what} {command:?}: {}", ran.stderr);
            } else if ran.status != 0 || command[0] == "report" {
                refused(&ran);
            }
        }
        let scan = ended(&["scan", other.to_str().expect("UTF-8"), "--store", dir]);
        if writable {
            assert_eq!(scan.status, 0, "{what}: {}", scan.stderr);
        } else {
            refused(&scan);
        }
        assert_eq!(contents(&outside), before, "{what}");
    }
}

#[test]
fn what_is_given_beside_the_archive_is_a_file() {
    let home = tempfile::tempdir().expect("a folder");
    let at = |name: &str| home.path().join(name);
    pipe(&at("pipe"));
    fs::create_dir(at("iam")).expect("made");
    symlink(run::root().join("fixtures/iam/111122223333"), at("iam/111122223333")).expect("linked");
    let (pipe, iam) = (at("pipe"), at("iam"));
    let (pipe, iam) = (pipe.to_str().expect("UTF-8"), iam.to_str().expect("UTF-8"));
    let report =
        ["report", "fixtures/archive", "--month", "2026-10", "--iam-as-of", "2026-11-02", "--out", "/nowhere/x"];
    let report = |more: [&str; 2]| ended(&[&report[..], &more].concat());
    for option in ["--approvals", "--detections", "--policy", "--previous", "--iam"] {
        for file in [pipe, "/dev/zero"] {
            let more = if option == "--iam" { ["--iam", file] } else { [option, file] };
            let ran = ended(
                &[&["report", "fixtures/archive", "--month", "2026-10", "--out", "/nowhere/x"], &more[..]].concat(),
            );
            assert_eq!(ran.status, 2, "{option} {file}: {}", ran.stderr);
            assert!(
                ran.stderr.contains("it is a pipe, a socket or a device") && ran.stderr.contains(file),
                "{}",
                ran.stderr
            );
        }
    }
    let ran = report(["--iam", iam]);
    assert!(
        ran.status == 2 && ran.stderr.contains("iam/111122223333") && ran.stderr.contains("symbolic link"),
        "{}",
        ran.stderr
    );
    for command in [
        &["verify", "fixtures/archive", "--public-keys", pipe][..],
        &["report", "--from-bundle", pipe],
        &["history", "--store", "none", "--approvals", pipe],
    ] {
        let ran = ended(command);
        assert!(
            ran.status == 2 && ran.stderr.contains("it is a pipe, a socket or a device"),
            "{command:?}: {}",
            ran.stderr
        );
    }
}

#[test]
fn what_failed_is_tried_again_only_where_it_is_a_file() {
    let home = tempfile::tempdir().expect("a folder");
    let (archive, store) = (home.path().join("archive"), home.path().join("store"));
    let (from, dir) = (archive.to_str().expect("UTF-8"), store.to_str().expect("UTF-8"));
    fs::create_dir(&archive).expect("made");
    let object = archive.join("cut.json");
    let record = r#"{"Records":[{"eventTime":"2026-10-05T00:00:00Z","eventID":"new","eventName":"ListUsers",
        "eventSource":"iam.amazonaws.com","awsRegion":"us-east-1","recipientAccountId":"111122223333"}]}"#;
    fs::write(&object, &record[..40]).expect("written");
    assert_eq!(ran(&["scan", from, "--store", dir]).status, 3);
    let retried = || {
        let ran = ended(&["store", "retry", "--store", dir]);
        (ran.status, ran.stderr)
    };
    for (what, lay) in [
        ("a pipe", &|| pipe(&object)),
        ("a device", &|| symlink("/dev/zero", &object).expect("linked")),
        ("a folder", &|| {
            fs::create_dir(&object).expect("made");
            fs::write(object.join("other.json"), record).expect("written");
        }),
    ] as [(&str, &dyn Fn()); 3]
    {
        fs::remove_file(&object).expect("removed");
        lay();
        let (status, said) = retried();
        assert!(status == 3 && said.contains("0 of 1 object read now"), "{what}: {said}");
        if object.is_dir() {
            fs::remove_dir_all(&object).expect("removed");
            fs::write(&object, "").expect("written");
        }
    }
    fs::write(&object, record).expect("written");
    let (status, said) = retried();
    assert!(status == 0 && said.contains("1 of 1 object read now"), "{said}");
}

/// What a stranger puts in a place.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Lay {
    /// A link to what was there, which now lies elsewhere.
    LinkAway,
    /// A link to nothing.
    LinkNowhere,
    Pipe,
    /// A character device that never ends, where one can be made; else a link to one.
    Device,
    Socket,
    /// A folder with a file in it, in a file's place.
    Folder,
    /// A file, in a folder's place.
    File,
    /// An endless file, which takes no room: all zeros.
    Huge,
}

const LAYS: [Lay; 8] =
    [Lay::LinkAway, Lay::LinkNowhere, Lay::Pipe, Lay::Device, Lay::Socket, Lay::Folder, Lay::File, Lay::Huge];

impl Lay {
    /// Lays it in the place of `part`, if it is something else than what is there; tells whether it did.
    fn put(self, part: &Path, outside: &Path) -> bool {
        let is_folder = part.is_dir();
        let same = match self {
            Self::Folder | Self::Huge => is_folder,
            Self::File => !is_folder,
            _ => false,
        };
        if same {
            return false;
        }
        let away = moved(part, outside);
        match self {
            Self::LinkAway => symlink(away, part).expect("linked"),
            Self::LinkNowhere => symlink(outside.join("new"), part).expect("linked"),
            Self::Pipe => pipe(part),
            Self::Device => {
                let made = std::process::Command::new("mknod").arg(part).args(["c", "1", "5"]).output();
                if !made.is_ok_and(|made| made.status.success()) {
                    symlink("/dev/zero", part).expect("linked");
                }
            }
            // A socket's path is short, and it may be moved.
            Self::Socket => {
                let short = tempfile::Builder::new().prefix("s").tempdir_in("/tmp").expect("a folder");
                drop(std::os::unix::net::UnixListener::bind(short.path().join("s")).expect("bound"));
                fs::rename(short.path().join("s"), part).expect("moved");
            }
            Self::Folder => {
                fs::create_dir(part).expect("made");
                fs::write(part.join("precious"), "mine").expect("written");
            }
            Self::File => fs::write(part, "mine").expect("written"),
            Self::Huge => fs::File::create(part).expect("made").set_len(1 << 40).expect("long"),
        }
        true
    }
}

/// Every path below a folder.
fn parts(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    let mut pending = vec![folder.to_owned()];
    while let Some(at) = pending.pop() {
        for entry in fs::read_dir(&at).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                pending.push(path.clone());
            }
            all.push(path.strip_prefix(folder).expect("below").to_owned());
        }
    }
    all.sort();
    all
}

/// Lays everything in every place of a folder, one after another, and runs commands: each ends, by itself and with a status of its
/// own; what it says is either what it says of the sound folder, or names the place; and nothing elsewhere is changed.
fn everywhere(sound: &Path, name: &str, places: &[PathBuf], commands: &[&[&str]], must: &[usize]) {
    let made = tempfile::tempdir().expect("a folder");
    let copied = |to: &Path| {
        let copied = std::process::Command::new("cp").arg("-a").arg(sound).arg(to).status().expect("cp runs");
        assert!(copied.success());
    };
    let wrong = std::sync::Mutex::new(Vec::new());
    let cases: Vec<(PathBuf, Lay)> = places.iter().flat_map(|place| LAYS.map(|lay| (place.clone(), lay))).collect();
    let next = std::sync::atomic::AtomicUsize::new(0);
    let case = |at: usize, (place, lay): &(PathBuf, Lay)| {
        let home = made.path().join(at.to_string());
        let outside = home.join("outside");
        for (number, command) in commands.iter().enumerate() {
            fs::create_dir_all(&outside).expect("made");
            fs::write(outside.join("precious"), "mine").expect("written");
            copied(&home.join(name));
            if !lay.put(&home.join(name).join(place), &outside) {
                return;
            }
            let before = contents(&outside);
            let arguments: Vec<String> =
                command.iter().map(|argument| argument.replace("HOME", home.to_str().expect("UTF-8"))).collect();
            let ran = ended(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
            let said = format!("{}{}", ran.stdout, ran.stderr);
            let named = said.contains(place.file_name().and_then(|name| name.to_str()).expect("a name"));
            let fine = match ran.status {
                0 | 1 => !must.contains(&number),
                2..=4 => named || (ran.status == 3 && !must.contains(&number)),
                _ => false,
            };
            if !fine || contents(&outside) != before {
                let changed = contents(&outside) != before;
                let last: String = ran.stderr.chars().take(600).collect();
                wrong.lock().expect("no panic").push(format!(
                    "{} {lay:?}, {command:?}: {}, changed {changed}: {last}",
                    place.display(),
                    ran.status
                ));
            }
            fs::remove_dir_all(&home).expect("removed");
        }
    };
    std::thread::scope(|all| {
        for _ in 0..3 {
            all.spawn(|| {
                loop {
                    let at = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    let Some(this) = cases.get(at) else { return };
                    case(at, this);
                }
            });
        }
    });
    let wrong = wrong.into_inner().expect("no panic");
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len() * commands.len(), wrong.join("\n"));
}

#[test]
fn whatever_lies_in_any_place_of_a_store() {
    let first = tempfile::tempdir().expect("a folder");
    let sound = first.path().join("store");
    let scanned = ran(&["scan", "fixtures/archive", "--store", sound.to_str().expect("UTF-8")]);
    assert_eq!(scanned.status, 0, "{}", scanned.stderr);
    // One file of each table stands for its others, and so do the folders on the way to it.
    let mut places: Vec<PathBuf> = parts(&sound);
    places
        .retain(|place| !place.to_string_lossy().contains("month=09") && !place.to_string_lossy().contains("month=11"));
    // `check` looks at everything.
    everywhere(
        &sound,
        "store",
        &places,
        &[
            &["store", "check", "--store", "HOME/store"],
            &["store", "--store", "HOME/store"],
            &["store", "retry", "--store", "HOME/store"],
            &["history", "--store", "HOME/store"],
            &["history", "--store", "HOME/store", "--sql", "SELECT count(*) FROM events"],
            &["report", "--store", "HOME/store", "--month", "2026-10", "--out", "HOME/out", "--bundle", "HOME/b.zip"],
            &["scan", "fixtures/archive", "--store", "HOME/store"],
        ],
        &[0],
    );
}

#[test]
fn whatever_lies_in_any_place_of_iam_state() {
    let sound = run::root().join("fixtures/iam");
    let report = [
        "report",
        "fixtures/archive",
        "--month",
        "2026-10",
        "--iam",
        "HOME/iam",
        "--iam-as-of",
        "2026-11-02",
        "--out",
        "HOME/out",
    ];
    everywhere(&sound, "iam", &parts(&sound), &[&report], &[0]);
}

#[test]
fn whatever_lies_in_any_place_of_an_archive() {
    let first = tempfile::tempdir().expect("a folder");
    let sound = first.path().join("archive");
    let (account, day) = ("AWSLogs/111122223333", "us-east-1/2026/10/05");
    let record = r#"{"Records":[{"eventTime":"2026-10-05T00:00:00Z","eventID":"new","eventName":"ListUsers",
        "eventSource":"iam.amazonaws.com","awsRegion":"us-east-1","recipientAccountId":"111122223333"}]}"#;
    for (product, name) in [
        ("CloudTrail", "111122223333_CloudTrail_us-east-1_20261005T0005Z_0000000000000000.json.gz"),
        ("CloudTrail-Digest", "111122223333_CloudTrail-Digest_us-east-1_t_us-east-1_20261005T000000Z.json.gz"),
        (
            "CloudTrail-Digest",
            "111122223333_CloudTrail-Digest_us-east-1_t_us-east-1_20261005T000000Z.json.gz.signature",
        ),
    ] {
        let folder = sound.join(account).join(product).join(day);
        fs::create_dir_all(&folder).expect("made");
        fs::write(folder.join(name), record).expect("written");
    }
    let keys = first.path().join("keys.json");
    fs::write(&keys, r#"{"PublicKeyList":[]}"#).expect("written");
    everywhere(
        &sound,
        "archive",
        &parts(&sound),
        &[
            &["report", "HOME/archive", "--month", "2026-10", "--out", "HOME/out"],
            &["report", "HOME/archive", "--month", "2026-10", "--dry-run"],
            &["scan", "HOME/archive", "--store", "HOME/new"],
            &["search", "HOME/archive"],
        ],
        &[],
    );
}

#[test]
fn whatever_lies_in_any_place_of_an_earlier_report() {
    let first = tempfile::tempdir().expect("a folder");
    let sound = first.path().join("out");
    let report = ["report", "fixtures/archive", "--month", "2026-10", "--out"];
    let made = ran(&[&report[..], &[sound.to_str().expect("UTF-8")]].concat());
    assert!([0, 3].contains(&made.status), "{}", made.stderr);
    everywhere(&sound, "out", &parts(&sound), &[&[&report[..], &["HOME/out"]].concat()], &[0]);
}

#[test]
fn whatever_lies_in_the_place_of_an_input() {
    let first = tempfile::tempdir().expect("a folder");
    let sound = first.path().join("in");
    fs::create_dir(&sound).expect("made");
    let at = |name: &str| sound.join(name).to_str().expect("UTF-8").to_owned();
    let made =
        ran(&["report", "fixtures/archive", "--month", "2026-10", "--out", &at("out"), "--bundle", &at("b.zip")]);
    assert!([0, 3].contains(&made.status), "{}", made.stderr);
    for (name, from) in [("approvals.csv", "approvals.csv"), ("detections.csv", "detections.csv")] {
        fs::copy(run::root().join("fixtures").join(from), sound.join(name)).expect("copied");
    }
    fs::copy(sound.join("out/report.json"), sound.join("previous.json")).expect("copied");
    fs::remove_dir_all(sound.join("out")).expect("removed");
    fs::write(sound.join("policy.toml"), "").expect("written");
    fs::write(sound.join("secret"), "0123456789abcdef").expect("written");
    let report = ["report", "fixtures/archive", "--month", "2026-10", "--out", "HOME/out"];
    for (name, command) in [
        ("b.zip", vec!["report", "--from-bundle", "HOME/in/b.zip", "--out", "HOME/out"]),
        ("approvals.csv", [&report[..], &["--approvals", "HOME/in/approvals.csv"]].concat()),
        ("detections.csv", [&report[..], &["--detections", "HOME/in/detections.csv"]].concat()),
        ("policy.toml", [&report[..], &["--policy", "HOME/in/policy.toml"]].concat()),
        ("previous.json", [&report[..], &["--previous", "HOME/in/previous.json"]].concat()),
        ("secret", [&report[..], &["--redact", "--redact-key", "HOME/in/secret"]].concat()),
    ] {
        everywhere(&sound, "in", &[PathBuf::from(name)], &[&command], &[]);
    }
}
