//! The binary and a bucket that is another process: over TLS by an authority of its own, and one that is overwhelmed for a while.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    time::Duration,
};

use mfatrail::aws::{
    Connection,
    signed::{Caller, STS},
};
use serde_json::{Value, json};

use crate::{
    own_process::in_own_process,
    standin::{
        self, StandIn,
        aws::{Aws, KEY_ID, SECRET_KEY, TOKEN},
    },
    support::run::{Ran, finish, mfatrail},
};

const OBJECTS: usize = 40;

/// A running bucket.
struct Bucket {
    child: Child,
    output: BufReader<ChildStdout>,
    endpoint: String,
}

impl Bucket {
    fn start(settings: &Value) -> Self {
        let mut child = Command::new("python3")
            .args(["tests/servers/bucket.py", &settings.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("these tests need Python");
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut port = String::new();
        output.read_line(&mut port).unwrap();
        let scheme = if settings["certificate"].is_string() { "https" } else { "http" };
        let endpoint = format!("{scheme}://127.0.0.1:{}", port.trim());
        Self { child, output, endpoint }
    }

    /// What it was asked for.
    fn end(mut self) -> Value {
        drop(self.child.stdin.take());
        let mut counts = String::new();
        self.output.read_line(&mut counts).unwrap();
        self.child.wait().unwrap();
        serde_json::from_str(&counts).unwrap()
    }
}

fn command(bucket: &Bucket, way: &str) -> Command {
    let mut command = mfatrail();
    command
        .args(["search", "s3://trail", "--event-name", "DeactivateMFADevice", "--format", "json", "--s3-get", way])
        .env("AWS_ENDPOINT_URL", &bucket.endpoint)
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "testing")
        .env("AWS_SECRET_ACCESS_KEY", "testing");
    command
}

fn found(ran: &Ran) -> usize {
    let mut ids: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    ids.iter_mut().for_each(|record| *record = record["eventID"].take());
    ids.sort_by_key(Value::to_string);
    ids.dedup();
    ids.len()
}

/// An authority, and a server's certificate and key by it.
struct Authority {
    own: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
}

impl Authority {
    fn new(folder: &Path) -> Self {
        let openssl = |arguments: &str| {
            let made = Command::new("openssl").args(arguments.split(' ')).current_dir(folder).output();
            let made = made.expect("these tests need openssl on the PATH");
            assert!(made.status.success(), "{arguments}: {}", String::from_utf8_lossy(&made.stderr));
        };
        fs::write(folder.join("of-server"), "subjectAltName=IP:127.0.0.1\n").unwrap();
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
        openssl(&format!("req -x509 {key} -days 2 -subj /CN=authority -keyout authority-key.pem -out authority.pem"));
        openssl(&format!("req {key} -subj /CN=127.0.0.1 -keyout key.pem -out request.pem"));
        openssl(
            "x509 -req -in request.pem -CA authority.pem -CAkey authority-key.pem -CAcreateserial -days 2 -extfile of-server -out certificate.pem",
        );
        openssl("x509 -in authority.pem -outform der -out authority.der");
        let file = |name: &str| folder.join(name);
        Self { own: file("authority.pem"), certificate: file("certificate.pem"), key: file("key.pem") }
    }

    fn bucket(&self) -> Bucket {
        Bucket::start(&json!({"objects": OBJECTS, "certificate": self.certificate, "key": self.key}))
    }
}

#[test]
fn the_authority_of_a_bundle_is_trusted_and_no_other() {
    let (own, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let authority = Authority::new(own.path());
    let (_, strange) = standin::certificate(other.path());
    let both = own.path().join("both.pem");
    let (mine, strangers) = (fs::read_to_string(&authority.own).unwrap(), fs::read_to_string(&strange).unwrap());
    fs::write(&both, format!("# ours \u{e4}\nIssuer: x\n{strangers}\n\n# and theirs\n{mine}")).unwrap();
    let profile = |bundle: &Path| {
        let file = own.path().join("config");
        let text = format!("[profile audit]\nregion = us-east-1\nca_bundle = {}\n", bundle.display());
        fs::write(&file, text).unwrap();
        file
    };
    for (way, direct) in [("direct", OBJECTS), ("sdk", 0)] {
        for (what, variable, setting, trusted) in [
            ("a bundle of one", Some(&authority.own), None, true),
            ("a bundle of two, and comments", Some(&both), None, true),
            ("the profile's", None, Some(&authority.own), true),
            ("before the profile's", Some(&authority.own), Some(&strange), true),
            ("another's before the profile's", Some(&strange), Some(&authority.own), false),
            ("another's", Some(&strange), None, false),
            ("none", None, None, false),
        ] {
            let bucket = authority.bucket();
            let mut command = command(&bucket, way);
            if let Some(path) = variable {
                command.env("AWS_CA_BUNDLE", path);
            }
            if let Some(path) = setting {
                command.env("AWS_CONFIG_FILE", profile(path)).env("AWS_PROFILE", "audit");
            }
            // No repetition makes a stranger one's own.
            let ran = finish(command.args(["--s3-attempts", "1"]));
            let counts = bucket.end();
            if trusted {
                assert_eq!((ran.status, found(&ran)), (0, OBJECTS), "{way}: {what}: {}", ran.stderr);
                assert_eq!((&counts["gets"], &counts["direct"]), (&json!(OBJECTS), &json!(direct)), "{way}: {what}");
            } else {
                assert_eq!((ran.status, found(&ran)), (4, 0), "{way}: {what}: {}", ran.stderr);
                assert!(ran.stderr.contains("certificate") && counts["gets"] == 0, "{what}: {}", ran.stderr);
            }
        }
    }
}

#[test]
fn a_bundle_that_is_of_no_use_is_one_clear_error() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path());
    let file = |name: &str| folder.path().join(name);
    let whole = fs::read_to_string(&authority.own).unwrap();
    fs::write(file("empty"), "").unwrap();
    fs::write(file("text"), "no certificate\n").unwrap();
    fs::write(file("cut"), &whole[..whole.len() / 2]).unwrap();
    fs::write(file("letters"), whole.replacen('M', "!", 1)).unwrap();
    fs::write(file("second"), format!("{whole}{}", whole.replacen('M', "!", 1))).unwrap();
    fs::write(file("no-der"), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    let bucket = authority.bucket();
    for (name, words) in [
        ("absent", "cannot be read: "),
        (".", "cannot be read: "),
        ("empty", "contains no certificate in PEM format (hint: "),
        ("text", "contains no certificate in PEM format (hint: "),
        ("authority.der", "contains no certificate in PEM format (hint: "),
        ("key.pem", "contains no certificate in PEM format (hint: "),
        ("cut", "is damaged: certificate 1 has no end line"),
        ("letters", "is damaged: certificate 1 is not valid base64"),
        ("second", "is damaged: certificate 2 is not valid base64"),
        ("no-der", "contains no usable CA certificate: "),
    ] {
        for (way, by_profile) in [("direct", false), ("sdk", false), ("direct", true)] {
            let mut command = command(&bucket, way);
            let path = file(name);
            let who = if by_profile {
                let config = file("config");
                fs::write(&config, format!("[default]\nca_bundle={}\n", path.display())).unwrap();
                command.env("AWS_CONFIG_FILE", config);
                "`ca_bundle` of the profile `default`"
            } else {
                command.env("AWS_CA_BUNDLE", &path);
                "`AWS_CA_BUNDLE`"
            };
            let ran = finish(&mut command);
            let beginning = format!("error: the CA bundle `{}` ({who}) {words}", path.display());
            assert!(ran.status == 4 && ran.stderr.starts_with(&beginning), "{name}: {}", ran.stderr);
            assert_eq!(
                ran.stderr.matches("error").count(),
                1 + ran.stderr.matches("os error").count(),
                "{}",
                ran.stderr
            );
        }
    }
    assert_eq!(bucket.end()["connections"], 0);
}

/// The numbers of requests in flight that a log tells, each with the one before.
fn levels(log: &str) -> Vec<(u64, u64)> {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let fields = lines.filter_map(|line| line.get("fields").cloned());
    fields.filter_map(|fields| Some((fields["before"].as_u64()?, fields["requests"].as_u64()?))).collect()
}

#[test]
fn a_burst_of_slow_down_loses_no_object_and_the_level_falls_and_recovers() {
    // Whether it recovers must not be a question of how fast this machine is. Answers come after 0.1 s at least, so while it
    // waits before it grows again (ten looks, each of 0.2 s or of twice as many answers as are in flight) no more than some 22
    // times the level is answered: of the 128 that it has fallen to at most, 2,816, and thus well before the bucket ends.
    const MANY: usize = 6_000;
    for way in ["direct", "sdk"] {
        let bucket = Bucket::start(&json!({"objects": MANY, "latency_s": 0.1, "slow": [600, 1_000]}));
        let mut command = command(&bucket, way);
        let ran = finish(command.args(["--log-format", "json"]).env("RUST_LOG", "mfatrail::pipeline=debug"));
        let counts = bucket.end();
        assert_eq!((ran.status, found(&ran)), (0, MANY), "{way}");
        assert_eq!(counts["slow"], 400, "{way}");
        // Each refusal was asked again; what was answered, only where this machine lost an answer.
        let [gets, direct] = ["gets", "direct"].map(|what| usize::try_from(counts[what].as_u64().unwrap()).unwrap());
        assert!(gets >= MANY + 400, "{way}: {gets}");
        let expected = if way == "sdk" { 0..=0 } else { MANY * 9 / 10..=MANY };
        assert!(expected.contains(&direct), "{way}: {direct}");
        let levels = levels(&ran.stderr);
        let fell = levels.iter().position(|(before, next)| next < before);
        let fell = fell.unwrap_or_else(|| panic!("{way}: it never fell: {levels:?}"));
        assert!(levels[fell..].iter().any(|(before, next)| next > before), "{way}: it never recovered: {levels:?}");
    }
}

#[test]
fn services_without_an_sdk_trust_the_same_authority() {
    let folder = tempfile::tempdir().unwrap();
    let (server, certificate) = StandIn::start_tls(Aws::new(), folder.path());
    let certificate = certificate.to_str().unwrap();
    let variables = [
        ("AWS_ENDPOINT_URL", server.url.as_str()),
        ("AWS_CA_BUNDLE", certificate),
        ("AWS_ACCESS_KEY_ID", KEY_ID),
        ("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
        ("AWS_SESSION_TOKEN", TOKEN),
    ];
    if in_own_process("distant::services_without_an_sdk_trust_the_same_authority", &variables) {
        let caller = Caller::open(&Connection::default(), Duration::from_secs(20)).unwrap();
        caller.query(&STS, "GetCallerIdentity", &[]).unwrap();
        return;
    }
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn services_without_an_sdk_say_that_a_bundle_is_of_no_use() {
    let test = "distant::services_without_an_sdk_say_that_a_bundle_is_of_no_use";
    if in_own_process(test, &[("AWS_CA_BUNDLE", "absent/bundle.pem")]) {
        let error = Caller::open(&Connection::default(), Duration::from_secs(20)).unwrap_err();
        let expected = "cannot call AWS: the CA bundle `absent/bundle.pem` (`AWS_CA_BUNDLE`) cannot be read: ";
        assert!(error.starts_with(expected), "{error}");
    }
}
