//! `mfatrail device` against a strict stand-in for IAM: each command's plan and effect, what is refused, and that nothing secret is shown.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;

use crate::standin::iam::{self, ABOUT_THE_CALLER, Iam, action, changes, codes, form, serial};
use crate::standin::{Fault, StandIn};
use crate::support::run::{Ran, end, mfatrail};

/// Runs the binary as the stand-in's caller; `input` goes to standard input.
pub fn run(standin: &StandIn<Iam>, folder: &Path, arguments: &[&str], input: &str) -> Ran {
    let mut child = command(standin, folder, arguments).stdin(Stdio::piped()).spawn().unwrap();
    // Whoever asks nothing does not read either.
    let _unread = child.stdin.take().unwrap().write_all(input.as_bytes());
    end(child)
}

pub fn command(standin: &StandIn<Iam>, folder: &Path, arguments: &[&str]) -> std::process::Command {
    let mut command = mfatrail();
    command
        .current_dir(folder)
        .args(arguments)
        .args(["--endpoint-url", &standin.url])
        .env("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
        .env("AWS_SECRET_ACCESS_KEY", "hunter2")
        .env("AWS_REGION", "us-east-1")
        .env("AWS_CONFIG_FILE", "absent")
        .env("AWS_SHARED_CREDENTIALS_FILE", "absent")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// How many calls changed something, or tried to.
pub fn changing(standin: &StandIn<Iam>) -> Vec<String> {
    standin.requests().iter().filter(|request| changes(request)).map(action).collect()
}

/// Holds that whatever IAM would do to the caller names its user.
pub fn hold_names(standin: &StandIn<Iam>, user: &str) {
    for request in standin.requests() {
        let action = action(&request);
        if ABOUT_THE_CALLER.contains(&action.as_str()) {
            assert_eq!(form(&request).get("UserName").map(String::as_str), Some(user), "{action}");
        }
    }
}

#[test]
fn a_device_goes_through_its_life() {
    let (standin, folder) = (StandIn::start(Iam::new()), tempfile::tempdir().unwrap());
    let serial = serial("phone");
    let steps: [(&[&str], &str, &str, i64); 8] = [
        (
            &["create", "phone", "--tag", "owner=Zoë & Co", "--out", "seed.txt", "--qr-png", "seed.png"],
            "phone",
            "CreateVirtualMFADevice",
            0,
        ),
        (&["enable", "--user", "carol", "--serial", &serial], "carol", "EnableMFADevice", 0),
        (&["resync", "--user", "carol", "--serial", &serial], "carol", "ResyncMFADevice", 40),
        (&["tag", "--serial", &serial, "use=work phone", "a=b"], "phone", "TagMFADevice", 0),
        (&["untag", "--serial", &serial, "a"], "phone", "UntagMFADevice", 0),
        (&["deactivate", "--user", "carol", "--serial", &serial], "carol", "DeactivateMFADevice", 0),
        (&["delete", "--serial", &serial], "phone", "DeleteVirtualMFADevice", 0),
        (&["delete", "--serial", &iam::serial("carol")], "carol", "DeleteVirtualMFADevice", 0),
    ];
    let mut output = String::new();
    let mut seeds = vec![];
    for (number, (arguments, name, expected, off)) in steps.into_iter().enumerate() {
        let seed = standin.with(|iam| iam.entities.get(&serial).map(|entity| entity.seed.clone()));
        let input = seed.as_ref().map_or_else(String::new, |seed| codes(seed, off));
        let planned = run(&standin, folder.path(), &[&["device"], arguments].concat(), &input);
        assert_eq!(planned.status, 0, "{}", planned.stderr);
        assert!(
            planned.stdout.starts_with("aws iam ") && planned.stderr.contains("nothing was changed"),
            "{}",
            planned.stderr
        );
        assert_eq!(changing(&standin).len(), number, "{arguments:?} changed something without --apply");
        let wrong =
            run(&standin, folder.path(), &[&["device"], arguments, &["--apply", "--confirm", "eve"]].concat(), &input);
        assert_eq!(wrong.status, 2, "{}", wrong.stderr);
        let silent = run(&standin, folder.path(), &[&["device"], arguments, &["--apply"]].concat(), &input);
        assert!(silent.status == 2 && silent.stderr.contains(&format!("--confirm {name}")), "{}", silent.stderr);
        assert_eq!(changing(&standin).len(), number, "{arguments:?} changed something without a name");
        let applied = [&["device"], arguments, &["--apply", "--confirm", name, "-vvv"]].concat();
        let done = run(&standin, folder.path(), &applied, &input);
        assert_eq!(done.status, 0, "{arguments:?}: {}", done.stderr);
        assert_eq!(changing(&standin).last().map(String::as_str), Some(expected));
        assert_eq!(changing(&standin).len(), number + 1);
        seeds.extend(seed);
        seeds.extend(standin.with(|iam| iam.entities.get(&serial).map(|entity| entity.seed.clone())));
        for ran in [planned, wrong, silent, done] {
            output.extend([ran.stdout, ran.stderr]);
        }
        for seed in &seeds {
            let secrets =
                [iam::base32(seed)].into_iter().chain(codes(seed, off).lines().map(str::to_owned)).collect::<Vec<_>>();
            assert!(secrets.iter().all(|secret| !output.contains(secret)), "{arguments:?} shows a secret: {output}");
        }
    }
    hold_names(&standin, "carol");
    for name in ["seed.txt", "seed.png"] {
        let mode = std::fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let seed = std::fs::read_to_string(folder.path().join("seed.txt")).unwrap();
    let lines: Vec<&str> = seed.lines().collect();
    assert_eq!(lines[..2], [serial.as_str(), iam::base32(&seeds[0]).as_str()]);
    assert!(lines[2].starts_with("otpauth://totp/Amazon%20Web%20Services:phone@111122223333?secret="), "{}", lines[2]);
    assert!(std::fs::read(folder.path().join("seed.png")).unwrap().starts_with(b"\x89PNG"));
    let again = run(
        &standin,
        folder.path(),
        &["device", "create", "phone", "--out", "seed.txt", "--apply", "--confirm", "phone"],
        "",
    );
    assert!(again.status == 2 && again.stderr.contains("seed.txt"), "{}", again.stderr);
    assert_eq!(std::fs::read_to_string(folder.path().join("seed.txt")).unwrap(), seed);
    let nowhere = run(&standin, folder.path(), &["device", "create", "x", "--apply", "--confirm", "x"], "");
    assert!(nowhere.status == 2 && nowhere.stderr.contains("nowhere to put it"), "{}", nowhere.stderr);
    let piped = run(&standin, folder.path(), &["device", "create", "x", "--qr", "--apply", "--confirm", "x"], "");
    assert!(piped.status == 2 && piped.stderr.contains("not a terminal"), "{}", piped.stderr);
    assert_eq!(changing(&standin).len(), 8);
}

#[test]
fn the_list_has_everybody_and_what_is_left_over() {
    let (standin, folder) = (StandIn::start(Iam::new()), tempfile::tempdir().unwrap());
    let all = run(&standin, folder.path(), &["device", "list"], "");
    assert_eq!(all.status, 0, "{}", all.stderr);
    for part in [
        "alice  arn:aws:iam::111122223333:mfa/alice (virtual device, enabled 2026-01-02T03:04:05Z)",
        "dave  GAHT12345678 (hardware token",
        "erin  arn:aws:iam::111122223333:u2f/user/erin/key-ABCDEFGHIJKLMNOPQRSTUVWXYZ (passkey or security key",
        "(nobody)  arn:aws:iam::111122223333:mfa/carol",
        "left over: user carol, who has no device, cannot enroll one under that name",
    ] {
        assert!(all.stdout.contains(part), "{part} is not in {}", all.stdout);
    }
    let own = run(&standin, folder.path(), &["device", "list", "--user", "carol", "--format", "json"], "");
    let own: serde_json::Value = serde_json::from_str(&own.stdout).unwrap();
    assert_eq!(own["devices"].as_array().map(Vec::len), Some(1));
    assert!(own["devices"][0]["blocks"].as_str().is_some_and(|what| what.contains("user carol")), "{own}");
    standin.with(|iam| iam.entities.get_mut(&serial("alice")).unwrap().tags.insert("owner".to_owned(), "a".to_owned()));
    let tags = run(&standin, folder.path(), &["device", "tags", "--serial", &serial("alice")], "");
    assert_eq!((tags.status, tags.stdout.as_str()), (0, "owner=a\n"), "{}", tags.stderr);
    let unknown = run(&standin, folder.path(), &["device", "list", "--user", "zoe"], "");
    assert!(unknown.status == 2 && unknown.stderr.contains("has no user `zoe`"), "{}", unknown.stderr);
    assert_eq!(changing(&standin), Vec::<String>::new());
}

#[test]
fn what_makes_no_sense_is_refused_before_anything_is_changed() {
    let (standin, folder) = (StandIn::start(Iam::new()), tempfile::tempdir().unwrap());
    let (alice, bob, carol) = (serial("alice"), serial("bob"), serial("carol"));
    let key = "arn:aws:iam::111122223333:u2f/user/erin/key-ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let cases: [(&[&str], &str); 14] = [
        (&["create", "carol", "--out", "s"], "is unassigned: it is left over"),
        (&["create", "alice", "--out", "s"], "is alice's"),
        (&["enable", "--user", "carol", "--serial", &alice], "is a device of alice already"),
        (&["enable", "--user", "carol", "--serial", key], "enabled in the browser only"),
        (&["enable", "--user", "carol", "--serial", &serial("none")], "there is no virtual device"),
        (&["resync", "--user", "erin", "--serial", key], "never out of sync"),
        (&["resync", "--user", "alice", "--serial", &bob], "is a device of bob, not of alice"),
        (&["deactivate", "--user", "alice", "--serial", &carol], "is not assigned to anyone"),
        (&["deactivate", "--user", "root", "--serial", &carol], "assume-root"),
        (&["deactivate", "--user", "admin", "--serial", &serial("admin")], "give --self"),
        (&["delete", "--serial", &alice], "is in use by alice"),
        (&["delete", "--serial", key], "only virtual devices"),
        (&["tag", "--serial", &alice, "owner"], "is not a tag"),
        (&["list", "--account", "444455556666"], "not to 444455556666"),
    ];
    for (arguments, why) in cases {
        let apply: &[&str] = if arguments[0] == "list" { &[] } else { &["--apply", "--confirm", "x"] };
        let ran = run(&standin, folder.path(), &[&["device"], arguments, apply].concat(), "");
        assert!(ran.status == 2 && ran.stderr.contains(why), "{arguments:?}: {}", ran.stderr);
    }
    for (arguments, why) in [
        (["enable", "--user", "alice", "--serial", &alice], "is a device of alice already"),
        (["delete", "--serial", &serial("none"), "--patience", "1s"], "there is no virtual device"),
    ] {
        let ran =
            run(&standin, folder.path(), &[&["device"], &arguments[..], &["--apply", "--confirm", "x"]].concat(), "");
        assert!(ran.status == 0 && ran.stderr.contains("nothing to do") && ran.stderr.contains(why), "{}", ran.stderr);
    }
    assert_eq!(changing(&standin), Vec::<String>::new());
}

#[test]
fn codes_that_are_wrong_or_late_are_told_apart() {
    let (standin, folder) = (StandIn::start(Iam::new()), tempfile::tempdir().unwrap());
    let carol = serial("carol");
    let seed = standin.with(|iam| iam.entities[&carol].seed.clone());
    let enable = ["device", "enable", "--user", "carol", "--serial", &carol, "--apply", "--confirm", "carol"];
    for (input, why) in [
        ("", "does not have six digits"),
        ("123456\n123456\n", "both codes are the same"),
        ("12345\n123456\n", "the first code does not have six digits"),
    ] {
        let ran = run(&standin, folder.path(), &enable, input);
        assert!(ran.status == 2 && ran.stderr.contains(why), "{}", ran.stderr);
    }
    assert_eq!(changing(&standin), Vec::<String>::new());
    let ran = run(&standin, folder.path(), &enable, "123456\n654321\n");
    assert!(ran.status == 4 && ran.stderr.contains("stale, not consecutive, or of another device"), "{}", ran.stderr);
    let ran = run(&standin, folder.path(), &enable, &codes(&seed, -10));
    assert!(ran.status == 4 && ran.stderr.contains("assigned to carol, but out of sync"), "{}", ran.stderr);
    assert!(ran.stderr.contains(&format!("mfatrail device resync --user carol --serial {carol}")), "{}", ran.stderr);
    let resync = ["device", "resync", "--user", "carol", "--serial", &carol, "--apply", "--confirm", "carol"];
    let ran = run(&standin, folder.path(), &resync, &codes(&seed, 0));
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    // A token of which only the maker knows the seed.
    let token = ["device", "enable", "--user", "erin", "--serial", "GAHT87654321", "--apply", "--confirm", "erin"];
    let ran = run(&standin, folder.path(), &token, &codes(b"GAHT87654321", 0));
    assert_eq!(ran.status, 0, "{}", ran.stderr);
}

#[test]
fn a_new_device_is_asked_for_once_only() {
    let (standin, folder) = (StandIn::start(Iam::new()), tempfile::tempdir().unwrap());
    // STS, the list, and the call whose answer does not arrive.
    standin.script([Fault::Pass, Fault::Pass, Fault::Reset(true)]);
    let create = ["device", "create", "phone", "--out", "seed.txt", "--apply", "--confirm", "phone"];
    let ran = run(&standin, folder.path(), &create, "");
    assert!(ran.status == 4 && ran.stderr.contains("its seed is lost"), "{}", ran.stderr);
    assert_eq!(changing(&standin).len(), 1);
    assert!(!folder.path().join("seed.txt").exists());
    let ran = run(&standin, folder.path(), &create, "");
    assert!(ran.status == 2 && ran.stderr.contains("left over"), "{}", ran.stderr);
}

/// The modules of a QR code on a terminal, dark ones `true`, and the lines around it.
fn drawn(screen: &str) -> (Vec<Vec<bool>>, Vec<&str>) {
    let (begin, end) = ("\u{1b}[30;107m", "\u{1b}[0m");
    let (mut modules, mut rest) = (Vec::new(), Vec::new());
    for line in screen.lines() {
        let Some(line) = line.strip_prefix(begin).and_then(|line| line.strip_suffix(end)) else {
            rest.push(line);
            continue;
        };
        assert!(line.chars().count() <= 80, "it does not fit: {line}");
        for of in [['\u{2580}', '\u{2588}'], ['\u{2584}', '\u{2588}']] {
            modules.push(line.chars().map(|c| of.contains(&c)).collect());
        }
    }
    (modules, rest)
}

/// On a real terminal: the name is typed, codes are asked for, and the QR code is the one of the seed, dark on light.
#[test]
fn a_terminal_is_asked_and_shows_a_code_that_can_be_read() {
    let (standin, folder) = (StandIn::start(Iam::new()), tempfile::tempdir().unwrap());
    let on_terminal = |arguments: &[&str], dialog: &[(&str, &str)]| {
        crate::support::terminal::typed(&command(&standin, folder.path(), arguments), dialog)
    };
    let create = ["device", "create", "phone", "--qr", "--apply"];
    for (typed, told) in
        [("Phone\n", "`Phone` is not `phone`"), ("\n", "`` is not `phone`"), ("\u{4}", "`` is not `phone`")]
    {
        let (status, screen) = on_terminal(&create, &[("Type phone to go on: ", typed)]);
        assert!(status == 2 && screen.contains(told) && screen.contains("nothing was changed"), "{typed:?}: {screen}");
    }
    assert!(changing(&standin).is_empty());
    let (status, screen) = on_terminal(&create, &[("Type phone to go on: ", "phone\n")]);
    assert_eq!(status, 0, "{screen}");
    let seed = standin.with(|iam| iam.entities[&serial("phone")].seed.clone());
    let address = format!(
        "otpauth://totp/Amazon%20Web%20Services:phone@111122223333?secret={}&issuer=Amazon%20Web%20Services",
        iam::base32(&seed)
    );
    let code = qrcode::QrCode::new(&address).unwrap();
    let (modules, rest) = drawn(&screen);
    let quiet = (modules[0].len() - code.width()) / 2;
    assert!(quiet >= 4, "an application needs space around it");
    for y in 0..code.width() {
        for x in 0..code.width() {
            let dark = code[(x, y)] == qrcode::Color::Dark;
            assert_eq!(modules[y + quiet][x + quiet], dark, "{x}, {y}");
        }
    }
    let rest = rest.join("\n");
    assert!(!rest.contains(&iam::base32(&seed)) && rest.contains("mfatrail device enable --user USER"), "{rest}");
    let codes = codes(&seed, 0);
    let (first, second) = codes.trim_end().split_once('\n').unwrap();
    let enable = ["device", "enable", "--user", "carol", "--serial", &serial("phone"), "--apply"];
    let (first, second) = (format!("{first}\n"), format!("{second}\n"));
    let dialog = [
        ("Type carol to go on: ", "carol\n"),
        ("Code that the device shows: ", first.as_str()),
        ("The next code, after at most 30 seconds: ", second.as_str()),
    ];
    let (status, screen) = on_terminal(&enable, &dialog);
    assert_eq!(status, 0, "{screen}");
    assert_eq!(changing(&standin), ["CreateVirtualMFADevice", "EnableMFADevice"]);
    // The runbook asks likewise, after its plan.
    let respond = ["respond", "alice", "--lost", "--apply"];
    let (status, screen) = on_terminal(&respond, &[("Type alice to go on: ", "ALICE\n")]);
    assert!(status == 2 && screen.contains("aws iam deactivate-mfa-device --user-name alice"), "{screen}");
    let (status, screen) = on_terminal(&respond, &[("Type alice to go on: ", "alice\n")]);
    assert!(status == 0 && screen.contains("done: IAM shows what was planned"), "{screen}");
}
