//! `mfatrail.toml`: what it gives to a command line, what comes before it, and what is wrong with one.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::digests::{Bucket, Signer, Trail};
use crate::support::run::{Ran, mfatrail, root};

/// A working folder with a configuration.
struct Home(tempfile::TempDir);

impl Home {
    fn new(configuration: &str) -> Self {
        let home = tempfile::tempdir().expect("a folder");
        fs::write(home.path().join("mfatrail.toml"), configuration).expect("written");
        Self(home)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn ran(&self, arguments: &[&str]) -> Ran {
        self.with(&[], arguments)
    }

    fn with(&self, environment: &[(&str, &str)], arguments: &[&str]) -> Ran {
        run_in(self.path(), environment, arguments)
    }

    fn report(&self, out: &str) -> Value {
        let bytes = fs::read(self.path().join(out).join("report.json")).expect("a report");
        serde_json::from_slice(&bytes).expect("JSON")
    }
}

fn run_in(folder: &Path, environment: &[(&str, &str)], arguments: &[&str]) -> Ran {
    let mut command = mfatrail();
    command.current_dir(folder).env_remove("MFATRAIL_CONFIG").envs(environment.iter().copied());
    command.args(arguments).output().expect("it runs").into()
}

fn fixtures() -> String {
    root().join("fixtures").display().to_string()
}

/// A configuration for the fixtures' month.
fn october() -> String {
    let fixtures = fixtures();
    format!(
        "[archive.prod]\nsource = \"{fixtures}/archive\"\n\n[report]\niam = \"{fixtures}/iam\"\n\
         approvals = \"{fixtures}/approvals.csv\"\ndetections = \"{fixtures}/detections.csv\"\nformat = [\"json\"]\n"
    )
}

#[test]
fn a_report_by_the_configuration_is_the_report_by_options() {
    let home = Home::new(&october());
    let period = ["--month", "2026-10", "--iam-as-of", "2026-11-02"];
    let ran = home.ran(&[&["report", "prod", "--out", "short"], &period[..]].concat());
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("mfatrail.toml` sets archive.prod (SOURCE), --approvals, --detections, --format, --iam"),
        "{}",
        ran.stderr
    );
    let fixtures = fixtures();
    let [archive, iam] = [format!("{fixtures}/archive"), format!("{fixtures}/iam")];
    let [approvals, detections] = [format!("{fixtures}/approvals.csv"), format!("{fixtures}/detections.csv")];
    let options = [
        "report",
        &archive,
        "--iam",
        &iam,
        "--approvals",
        &approvals,
        "--detections",
        &detections,
        "--format",
        "json",
        "--out",
        "long",
    ];
    let ran = home.with(&[("MFATRAIL_CONFIG", "")], &[&options[..], &period[..]].concat());
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert!(!ran.stderr.contains("mfatrail.toml"), "{}", ran.stderr);
    let [mut short, mut long] = [home.report("short"), home.report("long")];
    for report in [&mut short, &mut long] {
        report["generated_at"] = Value::Null;
    }
    assert_eq!(short, long);
}

#[test]
fn the_command_line_comes_first_then_the_environment_then_the_nearest_table() {
    let configuration = "[defaults]\nstore = \"far\"\n\n[history]\nstore = \"near\"\n";
    let home = Home::new(configuration);
    let place = |name: &str| home.path().join(name).display().to_string();
    for (environment, arguments, store) in [
        (&[][..], &["history"][..], place("near")),
        (&[][..], &["store"][..], place("far")),
        (&[("MFATRAIL_STORE", "theirs")][..], &["history"][..], "theirs".to_owned()),
        (&[("MFATRAIL_STORE", "theirs")][..], &["history", "--store", "typed"][..], "typed".to_owned()),
        (&[][..], &["history", "--store=typed"][..], "typed".to_owned()),
    ] {
        let ran = home.with(environment, arguments);
        assert_eq!(ran.status, 2, "{arguments:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(&format!("`{store}`")), "{arguments:?}: {store}: {}", ran.stderr);
    }
    // A profile of the environment, or its keys, come before the file's.
    let home = Home::new("[defaults]\nprofile = \"nosuch\"\n");
    let archive = format!("{}/archive", fixtures());
    let search = ["search", &archive, "--limit", "1"];
    fs::write(home.path().join("config"), "[default]\nregion = us-east-1\n").expect("written");
    let config = place_of(home.path(), "config");
    let files = ("AWS_CONFIG_FILE", config.as_str());
    let refused = home.with(&[files], &search);
    assert!(refused.status == 2 && refused.stderr.contains("has no profile `nosuch`"), "{}", refused.stderr);
    assert_eq!(home.with(&[files, ("AWS_PROFILE", "default")], &search).status, 0);
    assert_eq!(home.with(&[files, ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")], &search).status, 0);
}

fn place_of(folder: &Path, name: &str) -> String {
    folder.join(name).display().to_string()
}

#[test]
fn what_was_typed_excludes_what_does_not_go_with_it() {
    let configuration = format!("{}pdf = false\npublic-keys = [\"keys.json\"]\n", october());
    let home = Home::new(&configuration);
    // `--public-keys` needs `--verify`, which nobody asked for.
    let ran = home.ran(&[
        "report",
        "prod",
        "--month",
        "2026-10",
        "--iam-as-of",
        "2026-11-02",
        "--bundle",
        "b.zip",
        "--out",
        "out",
    ]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert!(!ran.stderr.contains("--public-keys") && !ran.stderr.contains("--pdf"), "{}", ran.stderr);
    // A bundle brings all that a report needs.
    let ran = home.ran(&["report", "--from-bundle", "b.zip", "--out", "again"]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert!(!ran.stderr.contains("sets"), "{}", ran.stderr);
}

#[test]
fn paths_are_relative_to_the_file_which_is_found_from_below() {
    let home = Home::new("[defaults]\nstore = \"evidence\"\n");
    let below = home.path().join("a/b");
    fs::create_dir_all(&below).expect("made");
    let mut command = mfatrail();
    let ran: Ran =
        command.current_dir(&below).env_remove("MFATRAIL_CONFIG").arg("store").output().expect("it runs").into();
    assert!(ran.stderr.contains(&place_of(home.path(), "evidence")), "{}", ran.stderr);
    // A key may be a file; one in KMS is none.
    let arn = "arn:aws:kms:eu-west-1:111122223333:alias/reports";
    for key in ["ours", arn] {
        let home = Home::new(&format!("[monthly]\nsign-key = {key:?}\n"));
        let expected = if key == arn { arn.to_owned() } else { place_of(home.path(), key) };
        let shown = home.ran(&["config", "show"]);
        assert!(shown.status == 0 && shown.stdout.contains(&expected), "{}{}", shown.stdout, shown.stderr);
        assert!(key != arn || !shown.stdout.contains(&place_of(home.path(), arn)), "{}", shown.stdout);
    }
    // The user's own is the last.
    let user = tempfile::tempdir().expect("a folder");
    fs::create_dir_all(user.path().join("mfatrail")).expect("made");
    fs::write(user.path().join("mfatrail/mfatrail.toml"), "[defaults]\nstore = \"mine\"\n").expect("written");
    let folder = user.path().display().to_string();
    let elsewhere = tempfile::tempdir().expect("a folder");
    let mut command = mfatrail();
    command.current_dir(elsewhere.path()).env_remove("MFATRAIL_CONFIG").env("XDG_CONFIG_HOME", &folder).arg("store");
    let ran: Ran = command.output().expect("it runs").into();
    assert!(ran.stderr.contains("mfatrail/mine`"), "{}", ran.stderr);
}

#[test]
fn what_is_wrong_with_a_file_is_told_with_its_line() {
    for (text, line, told) in [
        ("[report]\nian = \"live\"\n", 2, "[report] cannot set `ian` (hint: did you mean iam?)"),
        ("[report]\nmonth = \"last\"\n", 2, "cannot set `month`"),
        ("[respond]\napply = true\n", 2, "cannot set `apply`"),
        ("[rapport]\niam = \"live\"\n", 1, "unknown table `rapport` (hint: did you mean report?)"),
        ("[generate]\n", 1, "unknown table `generate`"),
        ("store = \"x\"\n", 1, "`store` stands in no table (hint: write it below [defaults])"),
        ("[archive.prod]\nstore = \"x\"\n", 1, "[archive.prod] has no `source`"),
        ("[archive.\"a/b\"]\nsource = \"x\"\n", 1, "`a/b` is not a name for an archive"),
        ("[report]\niam = 1.5\n", 2, "`iam` is text, a number, true, false, or a list of texts"),
        ("[report]\niam = \"\"\n", 2, "`iam` is text"),
        ("[report\n", 1, "mfatrail.toml`: line 1"),
    ] {
        let home = Home::new(text);
        for arguments in [&["store", "--store", "x"][..], &["config", "show"]] {
            let ran = home.ran(arguments);
            assert_eq!((ran.status, ran.stdout.as_str()), (2, ""), "{text}: {}", ran.stderr);
            assert!(
                ran.stderr.contains(told) && ran.stderr.contains(&format!("line {line}")),
                "{text}: {}",
                ran.stderr
            );
        }
    }
    let home = Home::new("[history]\npdf = true\n");
    let ran = home.ran(&["config", "show"]);
    assert!(ran.status == 2 && ran.stderr.contains("line 2: `history` has no option `--pdf`"), "{}", ran.stderr);
    // A value is judged where every value is, and its place is told.
    let home = Home::new("[report]\nformat = \"word\"\n");
    let ran = home.ran(&["report", "s3://trail-bucket", "--month", "2026-10"]);
    assert_eq!(ran.status, 2);
    assert!(
        ran.stderr.contains("invalid value 'word'") && ran.stderr.contains("mfatrail.toml`, line 2"),
        "{}",
        ran.stderr
    );
    // One that is named has to be there.
    for ran in
        [home.ran(&["store", "--config", "nosuch.toml"]), home.with(&[("MFATRAIL_CONFIG", "nosuch.toml")], &["store"])]
    {
        assert!(ran.status == 2 && ran.stderr.contains("`nosuch.toml`"), "{}", ran.stderr);
    }
}

#[test]
fn names_of_archives_are_never_guessed() {
    let home = Home::new(&october());
    fs::create_dir(home.path().join("prod")).expect("made");
    let ran = home.ran(&["search", "prod"]);
    assert!(ran.status == 2 && ran.stderr.contains("hint: `./prod` is the latter"), "{}", ran.stderr);
    let ran = home.ran(&["search", "prdo"]);
    assert!(ran.status == 2 && ran.stderr.contains("did you mean prod?"), "{}", ran.stderr);
    // The value of an option is no name, and what stands behind `--` is one.
    fs::remove_dir(home.path().join("prod")).expect("removed");
    assert_eq!(home.ran(&["search", "--user", "prod", "--limit", "1", "--", "prod"]).status, 0);
}

#[cfg(unix)]
#[test]
fn a_file_that_others_can_write_is_not_used_unless_it_is_named() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = Home::new("[defaults]\nstore = \"theirs\"\n");
    let file = home.path().join("mfatrail.toml");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).expect("set");
    let ran = home.ran(&["store"]);
    assert!(
        ran.status == 2 && ran.stderr.contains("can be written by other users, so it is not used"),
        "{}",
        ran.stderr
    );
    let ran = home.ran(&["store", "--config", "mfatrail.toml"]);
    assert!(ran.stderr.contains("theirs`"), "{}", ran.stderr);
    fs::remove_file(&file).expect("removed");
    std::os::unix::fs::symlink("/dev/zero", &file).expect("linked");
    let ran = home.ran(&["store"]);
    assert!(ran.status == 2 && ran.stderr.contains("is not a regular file"), "{}", ran.stderr);
}

/// What whoever made an archive may lay into it, which belongs to whoever copies it.
#[test]
fn a_file_that_may_have_come_with_evidence_is_not_used_unless_it_is_named() {
    let inside = "which is read as evidence, and may have come with it, so it is not used";
    let beside = "is beside `AWSLogs`, as what came with a copy of a bucket would be, so it is not used";
    let below = "is below `AWSLogs`, as what came with a copy of a bucket would be, so it is not used";
    let account = "bucket/AWSLogs/111122223333";
    for (laid, working, arguments, told) in [
        ("copy", "copy", "verify .", inside),
        ("copy", "copy", "search ../copy/sub/..", inside),
        ("copy", "copy", "search sub ..", inside),
        ("copy", "copy/sub", "search ..", inside),
        ("copy/sub", "copy/sub", "search ..", inside),
        // Its own table names it.
        ("copy", "copy", "search own", inside),
        ("copy", "copy", "monthly --store x", inside),
        // What was made of evidence, or is read with it.
        ("copy", "copy", "history --store .", inside),
        ("copy", "copy", "store check --store .", inside),
        ("copy", "copy", "store merge . x", inside),
        ("copy", "copy", "report --store x --month 2026-10 --iam .", inside),
        ("copy", "copy", "report --store x --month 2026-10 --previous .", inside),
        ("copy", "copy", "posture --from-files . --as-of 2026-11-02", inside),
        ("copy", "copy", "bundle verify .", inside),
        ("copy", "copy", "watch --config watch.toml --store x --once", inside),
        // The file is above what is read, and still of the archive.
        ("bucket", "bucket/AWSLogs", "verify .", beside),
        ("bucket", "bucket", "store --store x", beside),
        ("bucket", "bucket", "config show", beside),
        (account, account, "store --store x", below),
    ] {
        let home = tempfile::tempdir().expect("a folder");
        let place = |name: &str| home.path().join(name);
        for folder in ["copy/sub", account] {
            fs::create_dir_all(place(folder)).expect("made");
        }
        fs::write(place(laid).join("mfatrail.toml"), "[archive.own]\nsource = \".\"\n").expect("written");
        let watch = "[[input]]\nkind = \"archive\"\nsource = \".\"\n";
        fs::write(place(working).join("watch.toml"), watch).expect("written");
        let ran = |variables: &[(&str, &str)], more: &[&str]| {
            let words: Vec<&str> = arguments.split(' ').chain(more.iter().copied()).collect();
            run_in(&place(working), variables, &words)
        };
        for ran in [ran(&[], &[]), ran(&[], &["-q"])] {
            assert_eq!((ran.status, ran.stdout.as_str()), (2, ""), "{laid}: {arguments}: {}", ran.stderr);
            for told in [told, "mfatrail.toml` is ", "hint: if you wrote it, name it by `--config FILE`"] {
                assert!(ran.stderr.contains(told), "{laid}: {arguments}: {told}: {}", ran.stderr);
            }
        }
        // Without it, and with it where it is named: whatever comes of the rest.
        let file = place_of(&place(laid), "mfatrail.toml");
        for value in ["", file.as_str()] {
            let ran = ran(&[("MFATRAIL_CONFIG", value)], &[]);
            assert!(!ran.stderr.contains("so it is not used"), "{laid}: {arguments}: {}", ran.stderr);
        }
    }
    // One's own file is above what is read.
    let home = Home::new("[defaults]\nthreads = 1\n");
    fs::create_dir(home.path().join("copy")).expect("made");
    for source in ["copy", "./copy"] {
        let ran = home.ran(&["search", source]);
        assert!(ran.stderr.contains("mfatrail.toml` sets --threads"), "{source}: {}", ran.stderr);
    }
}

/// An archive that somebody signed with a key of their own, with that key and a configuration that trusts it.
#[test]
fn an_archive_does_not_bring_the_keys_that_prove_it() {
    let mut bucket = Bucket::new("trail-bucket");
    Trail::new("111122223333", "us-east-1", "2026-10-01T22:05:31Z").hours(&mut bucket, 6);
    let newest = bucket.keys("_CloudTrail-Digest_").pop().expect("a digest");
    bucket.put_sidecar(&newest);
    let configuration = "[verify]\npublic-keys = [\"README.keys\"]\n";
    let home = tempfile::tempdir().expect("a folder");
    let archive = home.path().join("archive");
    bucket.write(&archive);
    let lay = |folder: &Path| {
        fs::write(folder.join("mfatrail.toml"), configuration).expect("written");
        fs::write(folder.join("README.keys"), Signer::ours().printed()).expect("written");
    };
    lay(&archive);
    for working in [archive.clone(), archive.join("AWSLogs")] {
        for words in [&["verify", "."][..], &["verify", ".", "-q"]] {
            let ran = run_in(&working, &[], words);
            assert_eq!((ran.status, ran.stdout.as_str()), (2, ""), "{working:?}: {}", ran.stderr);
        }
    }
    let ran = run_in(&archive, &[], &["verify", ".", "--config", "mfatrail.toml"]);
    assert!(ran.status == 0 && ran.stdout.contains("WHOLE: "), "{}{}", ran.stdout, ran.stderr);
    // One's own folder with a copy of an archive in it; which keys were trusted is told in any case.
    fs::remove_file(archive.join("mfatrail.toml")).expect("removed");
    lay(home.path());
    for words in [&["verify", "archive"][..], &["verify", "archive", "-q"]] {
        let ran = run_in(home.path(), &[], words);
        assert!(ran.status == 0 && ran.stdout.contains("WHOLE: "), "{}{}", ran.stdout, ran.stderr);
        assert!(ran.stderr.contains("mfatrail.toml` sets --public-keys"), "{}", ran.stderr);
    }
}

#[test]
fn a_quiet_run_still_names_what_a_file_that_nobody_named_decides() {
    let home = Home::new(&october());
    let report = ["report", "prod", "--month", "2026-10", "--iam-as-of", "2026-11-02", "--out", "out", "-q"];
    let ran = home.ran(&report);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert!(
        ran.stderr.ends_with("mfatrail.toml` sets archive.prod (SOURCE), --approvals, --detections, --iam\n"),
        "{}",
        ran.stderr
    );
    let named = home.ran(&[&report[..], &["--config", "mfatrail.toml"]].concat());
    assert_eq!((named.status, named.stderr.as_str()), (0, ""));
    // How fast something is read decides nothing.
    let home = Home::new("[defaults]\nthreads = 1\n");
    let archive = format!("{}/archive", fixtures());
    let ran = home.ran(&["search", &archive, "--limit", "1", "-q"]);
    assert!(ran.status == 0 && !ran.stderr.contains("mfatrail.toml"), "{}", ran.stderr);
    for key in ["endpoint-url = \"http://127.0.0.1:9\"", "profile = \"nosuch\"", "account = \"444455556666\""] {
        let home = Home::new(&format!("[defaults]\n{key}\n"));
        let ran = home.ran(&["search", &archive, "--limit", "1", "-q"]);
        let option = key.split(' ').next().expect("a key");
        assert!(ran.stderr.contains(&format!("mfatrail.toml` sets --{option}")), "{}", ran.stderr);
    }
}

#[cfg(unix)]
#[test]
fn a_program_is_run_only_where_the_file_was_named() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = Home::new("");
    let [program, trace] = ["evil.sh", "ran"].map(|name| home.path().join(name));
    let configuration = format!("{}pdf = true\nchromium = {program:?}\n", october());
    fs::write(home.path().join("mfatrail.toml"), configuration).expect("written");
    fs::write(&program, format!("#!/bin/sh\necho ran > '{}'\n", trace.display())).expect("written");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("set");
    let report = ["report", "prod", "--month", "2026-10", "--iam-as-of", "2026-11-02", "--out", "out"];
    let ran = home.ran(&report);
    assert_eq!(ran.status, 2, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("mfatrail.toml`: line 10: `chromium` is a program to run, and is not taken from a file"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("hint: give `--chromium`") && !home.path().join("out").exists(), "{}", ran.stderr);
    // One that was typed takes its place, and commands that run none go on.
    let typed = home.ran(&[&report[..], &["--chromium", "./nosuch"]].concat());
    assert!(typed.status == 2 && typed.stderr.contains("`./nosuch` is not an executable"), "{}", typed.stderr);
    assert_eq!(home.ran(&["search", "prod", "--limit", "1"]).status, 0);
    assert!(!trace.exists());
    let named = home.ran(&[&report[..], &["--config", "mfatrail.toml"]].concat());
    // It is run, and prints nothing.
    assert!(named.status == 4 && trace.exists(), "{}", named.stderr);
    // So is one of the user's own file, which nobody else chose a place for.
    fs::remove_file(&trace).expect("removed");
    let user = tempfile::tempdir().expect("a folder");
    fs::create_dir_all(user.path().join("mfatrail")).expect("made");
    fs::rename(home.path().join("mfatrail.toml"), user.path().join("mfatrail/mfatrail.toml")).expect("moved");
    let folder = user.path().display().to_string();
    let ran = home.with(&[("XDG_CONFIG_HOME", folder.as_str())], &report);
    assert!(ran.status == 4 && trace.exists(), "{}", ran.stderr);
}

#[test]
fn it_shows_what_it_sets_and_what_comes_before() {
    let home =
        Home::new("[defaults]\nstore = \"evidence\"\nendpoint-url = \"http://user:secret@127.0.0.1:9\"\npdf = true\n");
    let shown = home.with(&[("MFATRAIL_STORE", "theirs")], &["config", "show"]);
    assert_eq!(shown.status, 0, "{}", shown.stderr);
    assert!(
        shown.stdout.contains("line 2: [defaults] store = ") && shown.stdout.contains("; MFATRAIL_STORE is set"),
        "{}",
        shown.stdout
    );
    assert!(shown.stdout.contains("pdf = true") && !shown.stdout.contains("secret"), "{}", shown.stdout);
    let json = home.ran(&["config", "show", "--format", "json"]);
    let json: Value = serde_json::from_str(&json.stdout).expect("JSON");
    assert_eq!((&json["schema"], json["settings"].as_array().map(Vec::len)), (&"mfatrail.config/1".into(), Some(3)));
    fs::remove_file(home.path().join("mfatrail.toml")).expect("removed");
    assert!(home.ran(&["config", "show"]).stdout.starts_with("no configuration"), "nothing is made up");
}
