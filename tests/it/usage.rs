//! The command line as its users meet it: what is typed in any way, and what is printed wherever it is read.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::run::{self, Ran, mfatrail};
use crate::support::terminal;

const ACCOUNT: &str = "111122223333";

fn ran(arguments: &[&str]) -> Ran {
    mfatrail().args(arguments).output().expect("it runs").into()
}

/// A folder with an archive and a store in it.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    /// With the fixtures in its store.
    fn fixtures() -> Self {
        let home = Self::new();
        let ran = ran(&["scan", "fixtures/archive", "--store", &home.store()]);
        assert_eq!(ran.status, 0, "{}", ran.stderr);
        home
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().expect("UTF-8").to_owned()
    }

    fn store(&self) -> String {
        self.path("store")
    }

    fn write(&self, name: &str, records: &[Value]) {
        let path = PathBuf::from(self.path(name));
        fs::create_dir_all(path.parent().expect("a folder")).expect("it can be made");
        fs::write(path, json!({ "Records": records }).to_string()).expect("it can be written");
    }
}

fn record(id: &str) -> Value {
    json!({
        "eventVersion": "1.11", "eventTime": "2026-10-05T10:00:00Z", "eventName": "DeactivateMFADevice", "eventID": id,
        "eventSource": "iam.amazonaws.com", "awsRegion": "us-east-1", "recipientAccountId": ACCOUNT,
        "sourceIPAddress": "203.0.113.77", "responseElements": null,
        "userIdentity": {"type": "IAMUser", "principalId": "AIDAEXAMPLE", "accountId": ACCOUNT, "userName": "Felix.Moreau",
            "arn": format!("arn:aws:iam::{ACCOUNT}:user/Felix.Moreau"), "accessKeyId": "AKIAIOSFODNN7EXAMPLE"},
        "requestParameters": {"userName": "Felix.Moreau", "serialNumber": format!("arn:aws:iam::{ACCOUNT}:mfa/felix-phone")},
    })
}

const LOG: &str =
    "AWSLogs/111122223333/CloudTrail/us-east-1/2026/10/05/111122223333_CloudTrail_us-east-1_20261005T1005Z_a.json";

#[test]
fn accounts_and_regions_that_are_not_there_are_refused_before_any_work() {
    let home = Home::fixtures();
    let (store, out) = (home.store(), home.path("out"));
    let other = home.path("other");
    let commands: [&[&str]; 6] = [
        &["search", "fixtures/archive"],
        &["verify", "fixtures/archive"],
        &["scan", "fixtures/archive", "--store", &other],
        &["report", "fixtures/archive", "--month", "2026-10", "--out", &out],
        &["report", "--store", &store, "--month", "2026-10", "--out", &out],
        &["store", "retry", "--store", &store],
    ];
    for command in commands {
        for (flag, value, told) in [
            ("--account", "111122223334", &["has no account `111122223334`", "did you mean 111122223333? it has "][..]),
            ("--account", "999900001111", &["has no account `999900001111`", "111122223333, ", "444455556666"]),
            ("--account", "1111-2222-3333", &["`1111-2222-3333` is not an account ID", "12 digits"]),
            ("--account", "11112222333", &["is not an account ID", "Then it is 011112222333"]),
            ("--region", "us-east-3", &["has no region `us-east-3`", "did you mean us-east-1?"]),
            ("--region", "US-EAST-1", &["`US-EAST-1` is not a region", "write it like us-east-1"]),
            ("--region", "virginia", &["`virginia` is not a region"]),
        ] {
            let ran = ran(&[command, &[flag, value]].concat());
            assert_eq!((ran.status, ran.stdout.as_str()), (2, ""), "{command:?} {value}: {}", ran.stderr);
            assert!(told.iter().all(|text| ran.stderr.contains(text)), "{command:?} {value}: {}", ran.stderr);
            assert!(!Path::new(&out).exists() && !Path::new(&other).exists(), "{command:?} {value}");
        }
    }
    for (value, told) in [
        ("111122223334", "has no account `111122223334`"),
        ("9*", "has no account `9*`"),
        ("staging", "is not an account ID"),
    ] {
        let ran = ran(&["history", "--store", &store, "--account", value]);
        assert!(ran.status == 2 && ran.stderr.contains(told), "{value}: {}", ran.stderr);
    }
    assert_eq!(ran(&["history", "--store", &store, "--account", "1111*"]).status, 0);
    let both = ["search", "fixtures/archive", "--account", ACCOUNT, "--region", "us-east-1"];
    assert_eq!(ran(&both).status, 0);
}

#[test]
fn where_keys_tell_nothing_the_records_decide() {
    let home = Home::new();
    home.write("archive/records.json", &[record("one")]);
    let archive = home.path("archive");
    assert_eq!(ran(&["search", &archive, "--account", ACCOUNT]).stdout.lines().count(), 1);
    let elsewhere = ran(&["search", &archive, "--account", "444455556666", "--region", "eu-west-1"]);
    assert_eq!((elsewhere.status, elsewhere.stdout.as_str()), (0, ""), "{}", elsewhere.stderr);
    // In the layout the keys tell.
    home.write(&format!("layout/{LOG}"), &[record("one")]);
    let layout = home.path("layout");
    assert_eq!(ran(&["search", &layout, "--account", ACCOUNT]).stdout.lines().count(), 1);
    assert_eq!(ran(&["search", &layout, "--account", "444455556666"]).status, 2);
}

#[test]
fn names_are_found_in_any_case_and_by_wildcards() {
    let home = Home::new();
    home.write(&format!("archive/{LOG}"), &[record("one")]);
    let (archive, store) = (home.path("archive"), home.store());
    assert_eq!(ran(&["scan", &archive, "--store", &store]).status, 0);
    for filter in [
        ["--event-name", "deactivatemfadevice"],
        ["--event-name", "*MFAdevice"],
        ["--event-source", "IAM"],
        ["--event-source", "IAM.AMAZONAWS.*"],
        ["--user", "felix.moreau"],
        ["--user", "FELIX.*"],
        ["--principal-id", "AIDA*"],
        ["--access-key", "AKIA?????????EXAMPLE"],
        ["--ip", "203.0.113.*"],
    ] {
        let ran = ran(&[&["search", &archive][..], &filter].concat());
        assert_eq!((ran.status, ran.stdout.lines().count()), (0, 1), "{filter:?}: {}", ran.stderr);
    }
    for filter in [
        ["--user", "FELIX.moreau"],
        ["--user", "felix*"],
        ["--actor", "felix.MOREAU"],
        ["--device", "FELIX-phone"],
        ["--device", "*phone"],
        ["--event", "deactivatemfadevice"],
        ["--event", "Deactivate*"],
    ] {
        let mut arguments = vec!["history", "--store", &store, "--format", "ndjson"];
        arguments.extend(filter);
        // What somebody did to its own devices is no act on others.
        let rows = usize::from(filter[0] != "--actor");
        let ran = ran(&arguments);
        assert_eq!((ran.status, ran.stdout.lines().count()), (0, rows), "{filter:?}: {}", ran.stderr);
        assert!(!ran.stderr.contains("no event in the store has"), "{filter:?}: {}", ran.stderr);
    }
    for (filter, told) in [
        (&["--user", "felix.moreu"][..], Some("`--user` `felix.moreu`\n  hint: did you mean Felix.Moreau?")),
        (&["--event-name", "DeactivateMFADevise"], Some("did you mean DeactivateMFADevice?")),
        (&["--event-source", "iamm"], Some("no record in range has `--event-source` `iamm`")),
        // Each is there, and no record has both.
        (&["--user", "felix.moreau", "--error", "any"], None),
    ] {
        let ran = ran(&[&["search", &archive][..], filter].concat());
        assert_eq!((ran.status, ran.stdout.as_str()), (0, ""), "{filter:?}");
        assert!(told.is_none_or(|told| ran.stderr.contains(told)), "{filter:?}: {}", ran.stderr);
        assert_eq!(ran.stderr.contains("no record in range has"), told.is_some(), "{filter:?}: {}", ran.stderr);
    }
    for (filter, told) in [
        (["--user", "felix.moreu"], "did you mean Felix.Moreau?"),
        (["--device", "felix-fone"], "did you mean felix-phone"),
        (["--event", "DeactivateMFADevise"], "did you mean DeactivateMFADevice?"),
    ] {
        let mut arguments = vec!["history", "--store", &store];
        arguments.extend(filter);
        let ran = ran(&arguments);
        assert!(ran.stderr.contains(told), "{}", ran.stderr);
    }
}

/// Every number of things agrees with its noun, where there is one of everything.
#[test]
fn one_thing_is_no_plural() {
    let home = Home::new();
    home.write(&format!("archive/{LOG}"), &[record("one")]);
    let (archive, store) = (home.path("archive"), home.store());
    let (out, bundle) = (home.path("out"), home.path("bundle.zip"));
    let period = ["--from", "2026-10-05", "--to", "2026-10-06", "--out", &out];
    let commands: [Vec<&str>; 9] = [
        vec!["scan", &archive, "--store", &store],
        vec!["scan", &archive, "--store", &store, "--format", "json"],
        vec!["store", "--store", &store],
        vec!["store", "check", "--store", &store],
        vec!["history", "--store", &store],
        vec!["history", "--store", &store, "--sql", "SELECT event_id FROM events"],
        vec!["search", &archive],
        [&["report", &archive, "--dry-run"][..], &period].concat(),
        [&["report", &archive, "--bundle", &bundle][..], &period].concat(),
    ];
    for command in commands {
        let ran = ran(&command);
        let text = format!("{}{}", ran.stdout, ran.stderr);
        let words: Vec<&str> = text.split([' ', '\n', '(', ')', ',', ';']).collect();
        for pair in words.windows(2) {
            // `1 KiB` and the like are units.
            let plural = pair[1].len() > 3 && pair[1].ends_with('s') && pair[1].chars().all(|c| c.is_ascii_lowercase());
            assert!(pair[0] != "1" || !plural, "{command:?}: {pair:?}\n{text}");
        }
    }
    assert!(fs::read_to_string(Path::new(&out).join("index.html")).is_ok_and(|page| !page.contains(">1 events")));
}

#[test]
fn tables_fit_the_terminal_and_break_no_time_and_no_id() {
    let home = Home::fixtures();
    let store = home.store();
    let commands: [&[&str]; 5] = [
        &["search", "fixtures/archive", "--event-name", "*MFADevice", "--format", "table"],
        &["search", "fixtures/archive", "--user", "felix.moreau", "--format", "table"],
        &["history", "--store", &store],
        &["history", "--store", &store, "--spans"],
        &["history", "--store", &store, "--as-of", "2026-10-15"],
    ];
    for command in commands {
        for columns in [80, 120, 173] {
            let screen = terminal::of(columns, command, "2> /dev/null");
            let table = format!("{command:?} {columns}\n{screen}");
            assert!(screen.lines().count() > 2, "{table}");
            assert!(screen.lines().all(|line| line.chars().count() <= usize::from(columns)), "{table}");
            let header = screen.lines().next().unwrap_or_default();
            assert!(!header.contains("objects") || columns > 160, "{table}");
            for line in screen.lines().filter(|line| line.starts_with("2026-")) {
                assert!(line.get(19..20) == Some("Z"), "{table}");
            }
        }
    }
    // What was asked for is there, objects too; and where no terminal shows it, everything is, on one line each.
    let fields = ["history", "--store", &store, "--fields", "time,event_id,objects"];
    let screen = terminal::of(100, &fields, "2> /dev/null");
    assert!(
        screen.starts_with("time") && screen.lines().next().is_some_and(|head| head.contains("objects")),
        "{screen}"
    );
    let plain = ran(&["history", "--store", &store]);
    assert!(plain.stdout.lines().next().is_some_and(|head| head.trim_end().ends_with("objects")), "{}", plain.stdout);
    assert!(!plain.stderr.contains("lack of room"), "{}", plain.stderr);
    let narrow = terminal::of(80, &["history", "--store", &store], "");
    assert!(narrow.contains("columns not shown: ") && narrow.contains("--fields"), "{narrow}");
}

#[test]
fn notices_are_whole_where_no_terminal_shows_them() {
    let home = Home::new();
    home.write(&format!("archive/{LOG}"), &[record("one")]);
    let (archive, out) = (home.path("archive"), home.path("out"));
    let arguments = ["report", &archive, "--month", "2026-09", "--out", &out];
    let plain = ran(&arguments);
    let report = run::json(Path::new(&out));
    let notices: Vec<&str> =
        report["notices"].as_array().expect("notices").iter().filter_map(|one| one["text"].as_str()).collect();
    let long = notices.iter().take(2).find(|text| text.len() > 80).expect("a long one");
    assert!(plain.stderr.contains(long), "{}", plain.stderr);
    let screen = terminal::of(80, &arguments, "> /dev/null");
    assert!(!screen.contains(long) && screen.lines().all(|line| line.chars().count() <= 80), "{screen}");
}

#[test]
fn results_are_there_for_machines() {
    let home = Home::fixtures();
    let (store, out) = (home.store(), home.path("out"));
    let document = |arguments: &[&str], status: i32| -> Value {
        let ran = ran(arguments);
        assert_eq!(ran.status, status, "{}", ran.stderr);
        serde_json::from_str(&ran.stdout).expect("one JSON document")
    };
    let scan = document(&["scan", "fixtures/archive", "--store", &store, "--format", "json"], 0);
    assert_eq!((&scan["schema"], &scan["objects_read"]), (&json!("mfatrail.scan/1"), &json!(0)));
    assert!(scan["complete"] == json!(true) && scan["objects_known"].as_u64() > Some(0), "{scan}");
    let covered = document(&["store", "--store", &store, "--format", "json"], 0);
    assert_eq!((&covered["schema"], &covered["objects_read"]), (&json!("mfatrail.store/1"), &scan["objects_known"]));
    let regions = covered["coverage"].as_array().expect("regions");
    let first = &regions[0];
    assert!(first["account"].is_string() && first["first_day"].is_string() && first["bytes"].is_u64(), "{first}");
    let checked = document(&["store", "check", "--store", &store, "--format", "json"], 0);
    assert_eq!(
        (&checked["schema"], &checked["sound"], &checked["flaws"]),
        (&json!("mfatrail.store-check/1"), &json!(true), &json!([]))
    );
    let arguments = ["report", "--store", &store, "--month", "2026-10", "--out", &out, "--summary", "json"];
    let summary = document(&arguments, 0);
    assert_eq!((&summary["schema"], &summary["report"]), (&json!("mfatrail.summary/1"), &json!(out)));
    let report = run::json(Path::new(&out));
    assert_eq!((&summary["figures"], &summary["notices"]), (&report["figures"], &report["notices"]));
    let open = report["windows"].as_array().expect("windows").iter().filter(|window| window["closed_at"].is_null());
    assert_eq!(summary["open_windows"], json!(open.collect::<Vec<_>>()));
}

/// One file that is gone is one problem, and what follows from it is told beneath it.
#[test]
fn a_check_tells_consequences_under_their_cause() {
    for table in ["objects", "events", "calls"] {
        let home = Home::fixtures();
        let store = home.store();
        let mut files = Vec::new();
        parquet_files(&Path::new(&store).join(table), &mut files);
        files.sort();
        let gone = files.pop().expect("one of a month");
        fs::remove_file(&gone).expect("it can be removed");
        let ran: Ran = ran(&["store", "check", "--store", &store, "--format", "json"]);
        assert_eq!(ran.status, 3, "{}", ran.stderr);
        let found: Value = serde_json::from_str(&ran.stdout).expect("JSON");
        let flaws = found["flaws"].as_array().expect("flaws");
        assert_eq!(flaws.len(), 1, "{table}: {found:#}");
        assert!(flaws[0]["what"].as_str().is_some_and(|what| what.contains("but it is missing")), "{found:#}");
        assert!(!flaws[0]["consequences"].as_array().expect("consequences").is_empty(), "{table}: {found:#}");
        assert!(ran.stderr.contains(", 1 problem\n"), "{}", ran.stderr);
        let text = self::ran(&["store", "check", "--store", &store]);
        let causes = text.stdout.lines().filter(|line| !line.starts_with("  ")).count();
        assert_eq!(causes, 1, "{}", text.stdout);
        assert!(text.stdout.lines().count() <= 12, "{}", text.stdout);
    }
}

fn parquet_files(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { parquet_files(&path, into) } else { into.push(path) }
    }
}

#[test]
fn the_month_before_can_be_asked_for() {
    let home = Home::new();
    home.write(&format!("archive/{LOG}"), &[record("one")]);
    let archive = home.path("archive");
    for month in ["last", "this"] {
        let out = home.path(month);
        let ran = ran(&["report", &archive, "--month", month, "--out", &out]);
        assert!(ran.status != 2 && Path::new(&out).join("report.json").exists(), "{}", ran.stderr);
    }
}

/// Text without the colors that were put on it.
fn without_colors(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let first = parts.next().unwrap_or_default().to_owned();
    first + &parts.filter_map(|part| part.split_once('m')).map(|(_, rest)| rest).collect::<String>()
}

#[test]
fn colors_are_where_they_are_wanted_and_change_nothing_else() {
    let home = Home::fixtures();
    home.write(
        &format!("odd/{LOG}"),
        &[{
            let mut record = record("0f0e0000-0000-4000-8000-000000000001");
            record["requestParameters"]["userName"] = json!("\u{1b}[31mcritical\u{1b}[0m fail");
            record
        }],
    );
    let store = home.store();
    let ran = |arguments: &[&str], variables: &[(&str, &str)]| -> Ran {
        mfatrail().args(arguments).envs(variables.iter().copied()).output().expect("it runs").into()
    };
    let odd = home.path("odd");
    let out = home.path("out");
    for command in [
        &["history", "--store", &store][..],
        &["history", "--store", "/absent"],
        &["history", "--store", &store, "--sql", "SELECT nothing"],
        &["verify", "fixtures/archive"],
        &["trace", &odd, "--user", "Felix.Moreau"],
        &["search", &odd],
        &["report", &odd, "--month", "2026-10", "--out", &out],
        &["store", "--store", &store],
    ] {
        let plain = ran(command, &[]);
        assert!(!plain.stderr.contains('\u{1b}') && !plain.stdout.contains('\u{1b}'), "{command:?}");
        let always = ran(&[command, &["--color", "always"]].concat(), &[("NO_COLOR", "1")]);
        let forced = ran(command, &[("CLICOLOR_FORCE", "1")]);
        assert_eq!((&always.stdout, &always.stderr), (&forced.stdout, &forced.stderr), "{command:?}");
        for (colored, plain) in [(&always.stdout, &plain.stdout), (&always.stderr, &plain.stderr)] {
            assert_eq!(&without_colors(colored), plain, "{command:?}");
        }
        for (more, variables) in [
            (&["--color", "never"][..], &[("CLICOLOR_FORCE", "1")][..]),
            (&[], &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]),
        ] {
            let never = ran(&[command, more].concat(), variables);
            assert_eq!((&never.stdout, &never.stderr), (&plain.stdout, &plain.stderr), "{command:?}");
        }
    }
    let failed = ran(&["history", "--store", "/absent", "--color", "always"], &[]);
    assert!(
        failed.stderr.starts_with("\u{1b}[1;31merror:\u{1b}[0m ")
            && failed.stderr.contains("\u{1b}[36m  hint:\u{1b}[0m "),
        "{}",
        failed.stderr
    );
    assert!(
        ran(&["verify", "fixtures/archive", "--color", "always"], &[]).stdout.contains("\u{1b}[1;31mNOTHING\u{1b}[0m")
    );
    let typo = ran(&["history", "--colr", "always"], &[]);
    assert!(typo.status == 2 && typo.stderr.contains("--color"), "{}", typo.stderr);
}

#[test]
fn quiet_leaves_out_what_was_done_and_nothing_that_is_wrong() {
    let home = Home::new();
    let quiet = |arguments: &[&str]| ran(&[arguments, &["-q"]].concat());
    let (store, out) = (home.store(), home.path("out"));
    let scan = quiet(&["scan", "fixtures/archive", "--store", &store]);
    assert_eq!((scan.status, scan.stderr.as_str(), scan.stdout.as_str()), (0, "", ""));
    let history = quiet(&["history", "--store", &store, "--format", "csv"]);
    assert!(
        history.status == 0 && history.stderr.is_empty() && history.stdout.lines().count() > 50,
        "{}",
        history.stderr
    );
    let mut complete = run::FIXTURES.to_vec();
    complete.extend(["--out", &out]);
    let report = quiet(&[&["report"], &complete[..]].concat());
    assert_eq!((report.status, report.stderr.as_str()), (0, ""), "{}", report.stdout);
    assert_eq!(report.stdout, format!("{out}\n"));
    // What could not be read, what was not found, and why a report is not complete.
    home.write(&format!("broken/{LOG}"), &[record("0f0e0000-0000-4000-8000-000000000001")]);
    let file = home.path(&format!("broken/{LOG}"));
    fs::write(&file, &fs::read(&file).expect("it is there")[..300]).expect("it can be cut");
    let broken = home.path("broken");
    for command in [
        &["scan", &broken, "--store", &store][..],
        &["search", &broken],
        &["report", &broken, "--month", "2026-10", "--out", &out],
        &["trace", &broken, "--user", "felix"],
    ] {
        let said = quiet(command);
        let text = format!("{}{}", said.stdout, said.stderr);
        assert!(said.status == 3 && text.contains("20261005T1005Z_a.json"), "{command:?}: {text}");
    }
    let unknown = quiet(&["history", "--store", &store, "--user", "anna.kelle"]);
    assert!(unknown.stderr.contains("warning:") && unknown.stderr.contains("anna.keller"), "{}", unknown.stderr);
}

#[test]
fn a_pager_shows_what_people_read_on_a_terminal_and_nothing_else() {
    let home = Home::fixtures();
    let store = home.store();
    let on_terminal = |pager: &str, more: &[&str]| {
        let mut command = mfatrail();
        command.args(["history", "--store", &store]).args(more).env("MFATRAIL_PAGER", pager);
        terminal::typed(&command, &[])
    };
    let (status, paged) = on_terminal("sed 's/^/PAGED /'", &[]);
    assert!(status == 0 && paged.matches("PAGED ").count() > 20, "{paged}");
    // What was done is said when the reader is done.
    assert!(paged.lines().any(|line| line.contains(" rows, from ") && !line.starts_with("PAGED")), "{paged}");
    for (pager, more) in [
        ("sed 's/^/PAGED /'", &["--no-pager"][..]),
        ("", &[]),
        ("cat", &[]),
        ("sed 's/^/PAGED /'", &["--format", "csv"]),
    ] {
        let (status, plain) = on_terminal(pager, more);
        assert!(status == 0 && !plain.contains("PAGED"), "{pager} {more:?}: {plain}");
    }
    // A reader who has seen enough, and a pager that is not there.
    let (status, cut) = on_terminal("head -n 2", &[]);
    assert!(status == 0 && !cut.contains("error"), "{cut}");
    let (status, absent) = on_terminal("no-such-pager", &[]);
    assert!(status == 0 && absent.contains("no-such-pager"), "{absent}");
    assert!(absent.lines().count() > 20, "nothing is lost with it: {absent}");
    let piped: Ran = mfatrail()
        .args(["history", "--store", &store])
        .env("MFATRAIL_PAGER", "sed 's/^/PAGED /'")
        .output()
        .expect("it runs")
        .into();
    assert!(piped.status == 0 && !piped.stdout.contains("PAGED"));
}

#[test]
fn statements_are_asked_one_by_one_from_standard_input() {
    let home = Home::fixtures();
    let ask = |text: &[u8], format: &str| -> Ran {
        let input = home.path("statements");
        fs::write(&input, text).expect("it can be written");
        mfatrail()
            .args(["history", "--store", &home.store(), "--format", format, "--sql"])
            .stdin(fs::File::open(&input).expect("it is there"))
            .output()
            .expect("it runs")
            .into()
    };
    let both = ask(b"SHOW TABLES;\n-- a comment; with a semicolon\nSELECT 1 AS n;", "csv");
    assert_eq!(
        (both.status, both.stdout.as_str()),
        (0, "name\nevents\ncalls\nsightings\nobjects\nruns\nn\n1\n"),
        "{}",
        both.stderr
    );
    let last = ask(b"SELECT 'a;b' AS x", "csv");
    assert_eq!((last.status, last.stdout.as_str()), (0, "x\na;b\n"), "{}", last.stderr);
    let described = ask(b"DESCRIBE sightings; DESC \"RUNS\";", "csv");
    assert!(
        described.stdout.starts_with("column,type\nactor,text\nsource_ip,text\nfirst,timestamp\n"),
        "{}",
        described.stdout
    );
    assert_eq!(described.stdout.matches("column,type").count(), 2);
    let commented = ask(b"SELECT 1 AS n; -- that was all", "csv");
    assert_eq!((commented.status, commented.stdout.as_str()), (0, "n\n1\n"), "{}", commented.stderr);
    for format in ["json", "parquet"] {
        let two = ask(b"SELECT 1 AS n; SELECT 2 AS n", format);
        assert!(two.status == 2 && two.stderr.contains("several answers") && two.stdout.is_empty(), "{}", two.stderr);
    }
    for format in ["table", "json", "ndjson"] {
        let ran = ask(b"DESCRIBE events", format);
        assert!(
            ran.status == 0 && ran.stdout.contains("event_time") && ran.stdout.contains("timestamp"),
            "{}",
            ran.stdout
        );
    }
    for (text, words) in [
        (&b"SELECT 1 AS a; SELECT b FROM runs; SELECT 2"[..], "there is no column `b`"),
        (b" \n", "there is no statement on standard input"),
        (b"SELECT \xff", "standard input is not UTF-8 at byte 7"),
        (b"DESCRIBE nothing", "there is no table `nothing`; there is events, calls"),
        (b"DELETE FROM events", "`--sql`"),
    ] {
        let ran = ask(text, "csv");
        assert!(ran.status == 2 && ran.stderr.contains(words) && !ran.stdout.contains('2'), "{words}: {}", ran.stderr);
    }
}

#[test]
fn a_shell_asks_and_remembers() {
    let home = Home::fixtures();
    let state = home.path("state");
    let shell = |dialog: &[(&str, &str)]| {
        let mut command = mfatrail();
        command.args(["history", "--sql", "--color", "never", "--store", &home.store()]).env("XDG_STATE_HOME", &state);
        terminal::typed(&command, dialog)
    };
    let prompt = "mfatrail> ";
    let (status, screen) = shell(&[
        (prompt, "help\r"),
        ("arrow up", ""),
        (prompt, "SELECT count(*) AS counted\r"),
        ("...> ", "FROM runs;\r"),
        ("counted", ""),
        ("1 row", ""),
        // A wrong one is told, and the next may follow.
        (prompt, "SELECT nothing FROM runs;\r"),
        ("there is no column `nothing`", ""),
        // A statement that was begun is dropped.
        (prompt, "SELECT 'unfinished\r"),
        ("...> ", "\u{3}"),
        (prompt, "DESCR\t"),
        ("DESCRIBE", "\u{3}"),
        (prompt, "SHOW TABLES;\r"),
        ("sightings", ""),
        ("5 rows", ""),
        (prompt, "exit\r"),
    ]);
    assert_eq!(status, 0, "{screen}");
    let file = Path::new(&state).join("mfatrail/sql-history");
    let remembered = fs::read_to_string(&file).expect("statements are remembered");
    for statement in ["SELECT count(*) AS counted FROM runs;", "SHOW TABLES;"] {
        assert!(remembered.lines().any(|line| line == statement), "{remembered}");
    }
    assert!(!remembered.contains("unfinished"), "{remembered}");
    use std::os::unix::fs::PermissionsExt as _;
    assert_eq!(fs::metadata(&file).expect("it is there").permissions().mode() & 0o777, 0o600);
    // Another shell has it at the arrow's reach, and ends by Ctrl-D.
    let (status, screen) = shell(&[(prompt, "\u{1b}[A"), ("SHOW TABLES;", "\r"), ("sightings", ""), (prompt, "\u{4}")]);
    assert_eq!(status, 0, "{screen}");
}
