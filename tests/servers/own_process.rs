//! Tests in processes of their own: the environment of a process is for all of its threads, and the SDK takes credentials from it.

use std::process::Command;

/// Whether this is the process of the test, whose environment has these variables and nothing else for AWS. If not, runs the test
/// there.
pub fn in_own_process(test: &str, variables: &[(&str, &str)]) -> bool {
    if std::env::var_os("MFATRAIL_TEST_BODY").is_some() {
        return true;
    }
    let mut command = Command::new(std::env::current_exe().expect("the test's own path"));
    command.args([test, "--exact", "--nocapture"]);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AWS_")) {
        command.env_remove(name);
    }
    command
        .env("MFATRAIL_TEST_BODY", "1")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_CONFIG_FILE", "absent/config")
        .env("AWS_SHARED_CREDENTIALS_FILE", "absent/credentials")
        .env("AWS_REGION", "us-east-1")
        .envs(variables.iter().copied());
    let output = command.output().expect("the test runs");
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    false
}
