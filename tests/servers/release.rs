//! `deploy/release/build` packs the binary of this build. Compiling it as for a release, and installing the packages where nothing
//! else is, is `deploy/release/check`'s matter: that takes a quarter of an hour, and root.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::run::root;

/// Names of a release's packages, whatever glibc this machine has.
const KINDS: [&str; 4] = [".deb", ".tar.gz", ".whl", "SHA256SUMS"];

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// A workflow that runs this script runs what is checked here; its actions have fixed versions.
#[test]
fn the_workflow_builds_by_the_script() {
    let text = fs::read_to_string(root().join(".github/workflows/release.yml")).unwrap();
    assert!(
        text.contains("run: deploy/release/build")
            && text.contains("run: sudo --preserve-env=PATH deploy/release/check")
    );
    for action in text.lines().filter_map(|line| line.trim().trim_start_matches("- ").strip_prefix("uses: ")) {
        let (_, version) = action.split_once('@').unwrap();
        assert!(version.starts_with('v') && version.len() > 1, "{action}");
    }
}

/// With a package of PyPI.
#[cfg(target_os = "linux")]
mod online {
    use std::thread;

    use super::*;
    use crate::support::run::FIXTURES;
    use crate::support::venv::run;

    fn build(binary: &Path, out: &Path) -> Command {
        let mut command = Command::new(root().join("deploy/release/build"));
        command.arg("--binary").arg(binary).args(["--no-inventory", "--out"]).arg(out);
        command
    }

    #[test]
    fn packages_are_the_same_twice_and_work() {
        if Command::new("dpkg-deb").arg("--version").output().is_err() {
            eprintln!("NOT CHECKED: dpkg-deb is not here");
            return;
        }
        let home = tempfile::tempdir().unwrap();
        // What it is debugged with is most of it.
        let binary = home.path().join("mfatrail");
        run(Command::new("strip").arg("-o").arg(&binary).arg(env!("CARGO_BIN_EXE_mfatrail")));
        let [first, second] = ["first", "second"].map(|name| home.path().join(name));
        // It installs what it packs with when it is asked for its first package.
        run(&mut build(&binary, &first));
        thread::scope(|scope| {
            scope.spawn(|| {
                // Another folder, another umask, another zone, other languages.
                let mut again = Command::new("sh");
                again.args(["-c", "umask 077; exec \"$0\" \"$@\""]).arg(build(&binary, &second).get_program());
                again.args(build(&binary, &second).get_args()).env("TZ", "Asia/Tokyo").env("LC_ALL", "C");
                run(&mut again);
            });
            scope.spawn(|| installs(&first, home.path()));
        });
        assert_eq!(names(&first), names(&second));
        for name in names(&first) {
            assert!(KINDS.iter().any(|kind| name.ends_with(kind)), "{name}");
            assert!(fs::read(first.join(&name)).unwrap() == fs::read(second.join(&name)).unwrap(), "{name} differs");
        }
        run(Command::new("sha256sum").args(["--check", "--strict", "SHA256SUMS"]).current_dir(&first));
        // Nothing that somebody else put there is replaced.
        fs::create_dir(home.path().join("others")).unwrap();
        fs::write(home.path().join("others/mine"), "").unwrap();
        let refused = build(&binary, &home.path().join("others")).output().unwrap();
        let said = String::from_utf8_lossy(&refused.stderr);
        assert!(!refused.status.success() && said.contains("has other files"), "{said}");
    }

    fn installs(packages: &Path, home: &Path) {
        let named = |end: &str| packages.join(names(packages).into_iter().find(|name| name.ends_with(end)).unwrap());
        // The wheel.
        let venv = home.join("venv");
        run(Command::new("python3").args(["-m", "venv"]).arg(&venv));
        run(Command::new(venv.join("bin/python"))
            .args(["-m", "pip", "install", "--quiet", "--no-index"])
            .arg(named(".whl")));
        report(&venv.join("bin/mfatrail"), &home.join("by-wheel"));
        for page in
            ["man/man1/mfatrail-report.1", "bash-completion/completions/mfatrail", "zsh/site-functions/_mfatrail"]
        {
            assert!(venv.join("share").join(page).exists(), "{page}");
        }
        // The tarball.
        run(Command::new("tar")
            .arg("-xzf")
            .arg(named(".tar.gz"))
            .arg("-C")
            .arg(home)
            .args(["--one-top-level=unpacked", "--strip-components=1"]));
        report(&home.join("unpacked/bin/mfatrail"), &home.join("by-tarball"));
        assert!(home.join("unpacked/share/man/man1/mfatrail.1").exists() && home.join("unpacked/LICENSE-MIT").exists());
        // The Debian package.
        let listed = run(Command::new("dpkg-deb").arg("--contents").arg(named(".deb")));
        for file in [
            "usr/bin/mfatrail",
            "usr/share/man/man1/mfatrail-report.1.gz",
            "usr/share/bash-completion/completions/mfatrail",
            "usr/share/zsh/vendor-completions/_mfatrail",
            "usr/share/fish/vendor_completions.d/mfatrail.fish",
            "usr/share/doc/mfatrail/copyright",
        ] {
            assert!(listed.lines().any(|line| line.ends_with(&format!("./{file}"))), "{file}: {listed}");
        }
        assert!(listed.lines().all(|line| line.contains(" root/root ")), "{listed}");
        let depends = run(Command::new("dpkg-deb").arg("--field").arg(named(".deb")).arg("Depends"));
        assert!(depends.starts_with("libc6 (>= 2.") && depends.contains("ca-certificates"), "{depends}");
        let unpacked = home.join("by-dpkg");
        run(Command::new("dpkg-deb").arg("--extract").arg(named(".deb")).arg(&unpacked));
        report(&unpacked.join("usr/bin/mfatrail"), &home.join("by-package"));
        let unit = fs::read_to_string(unpacked.join("usr/share/doc/mfatrail/examples/mfatrail-watch.service")).unwrap();
        assert!(unit.contains("ExecStart=/usr/bin/mfatrail "), "{unit}");
    }

    /// The fixtures' report, which is the sample.
    fn report(binary: &Path, out: &Path) {
        let mut command = Command::new(binary);
        command.current_dir(root()).arg("report").args(FIXTURES).arg("--out").arg(out);
        run(command.env("SOURCE_DATE_EPOCH", "1793599200"));
        let sample = root().join("reports/sample/report.json");
        assert!(fs::read(out.join("report.json")).unwrap() == fs::read(sample).unwrap(), "{}", binary.display());
    }
}
