//! Signatures of reports and bundles, by the real `ssh-keygen`: what is signed, what a check says, and what it says of everything
//! that is not as it was signed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::run::{HANG, INPUTS, Ran, finish, mfatrail};

/// A folder with keys, and a signed report of the fixtures with its bundle.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        for (name, kind) in [("ada", "ed25519"), ("bob", "ecdsa"), ("eve", "ed25519"), ("rsa", "rsa")] {
            let file = home.path(name);
            let mut command = Command::new("ssh-keygen");
            command.args(["-q", "-t", kind, "-N", "", "-C", name, "-f"]).arg(&file);
            assert!(command.status().unwrap().success());
        }
        let line = |name: &str| {
            let public = fs::read_to_string(home.path(&format!("{name}.pub"))).unwrap();
            format!("{name}@example.com namespaces=\"mfatrail\" {public}")
        };
        fs::write(home.path("signers"), ["ada", "bob", "rsa"].map(line).concat()).unwrap();
        home
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn report(&self, more: &[&str]) -> Ran {
        let mut command = mfatrail();
        command.args(["report", "fixtures/archive", "--month", "2026-10"]).args(INPUTS);
        command.arg("--out").arg(self.path("report")).arg("--bundle").arg(self.path("report.zip"));
        finish(command.args(more))
    }

    fn signed_by(&self, key: &str) -> Ran {
        self.report(&["--sign-key", self.path(key).to_str().unwrap()])
    }

    fn verify(&self, what: &str, more: &[&str]) -> Ran {
        let mut command = mfatrail();
        command.args(["bundle", "verify"]).arg(self.path(what)).args(more);
        finish(&mut command)
    }

    fn trusting(&self, what: &str) -> Ran {
        self.verify(what, &["--allowed-signers", self.path("signers").to_str().unwrap()])
    }

    /// As the page of the documentation says that anybody can.
    fn by_ssh_keygen(&self, who: &str, message: &str) -> bool {
        let mut command = Command::new("ssh-keygen");
        command
            .args(["-Y", "verify", "-n", "mfatrail", "-I", &format!("{who}@example.com"), "-f"])
            .arg(self.path("signers"));
        command.arg("-s").arg(self.path(&format!("{message}.sig")));
        command.stdin(fs::File::open(self.path(message)).unwrap());
        command.output().unwrap().status.success()
    }
}

const SIGNED: [(&str, &str); 2] = [("report", "report/MANIFEST.sha256"), ("report.zip", "report.zip")];

#[test]
fn what_is_signed_is_verified_by_ssh_keygen_and_by_us() {
    let home = Home::new();
    for who in ["ada", "bob", "rsa"] {
        let ran = home.signed_by(who);
        assert_eq!(ran.status, 0, "{who}: {}", ran.stderr);
        for (what, message) in SIGNED {
            assert!(home.by_ssh_keygen(who, message), "{who}: {message}");
            assert!(!home.by_ssh_keygen("eve", message));
            let ran = home.trusting(what);
            assert_eq!(ran.status, 0, "{}{}", ran.stdout, ran.stderr);
            assert!(ran.stdout.starts_with(&format!("signed by {who}@example.com, key SHA256:")), "{}", ran.stdout);
            assert!(ran.stdout.ends_with(" as listed\n"), "{}", ran.stdout);
            // Whose key it is, nobody said.
            let ran = home.verify(what, &[]);
            assert!(ran.status == 3 && ran.stdout.starts_with("signed by an unknown key, SHA256:"), "{}", ran.stdout);
        }
    }
    let ran =
        home.verify("report.zip", &["--format", "json", "--allowed-signers", home.path("signers").to_str().unwrap()]);
    let document: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&document["kind"], &document["proven"]), (&"bundle".into(), &true.into()));
    assert_eq!(
        (&document["signature"]["good"], &document["signature"]["signed_by"]),
        (&true.into(), &"rsa@example.com".into())
    );
    // The files are those that the manifest lists, whoever made them.
    let sums = Command::new("sha256sum")
        .args(["--quiet", "--check", "MANIFEST.sha256"])
        .current_dir(home.path("report"))
        .status();
    assert!(sums.unwrap().success());
}

#[test]
fn a_key_of_an_agent_signs() {
    let home = Home::new();
    let socket = home.path("agent");
    let agent =
        Command::new("ssh-agent").args(["-D", "-a"]).arg(&socket).stdout(std::process::Stdio::null()).spawn().unwrap();
    let _agent = crate::support::run::Background(agent);
    let add = || {
        let mut command = Command::new("ssh-add");
        command.arg("-q").arg(home.path("ada")).env("SSH_AUTH_SOCK", &socket).output().unwrap()
    };
    let start = Instant::now();
    // Its socket may be there before anybody listens.
    let mut added = add();
    while !added.status.success() {
        assert!(start.elapsed() < HANG, "{}", String::from_utf8_lossy(&added.stderr));
        std::thread::sleep(Duration::from_millis(10));
        added = add();
    }
    fs::remove_file(home.path("ada")).unwrap();
    let mut command = mfatrail();
    command.args(["report", "fixtures/archive", "--month", "2026-10", "--out"]).arg(home.path("report"));
    command.arg("--sign-key").arg(home.path("ada.pub")).env("SSH_AUTH_SOCK", &socket);
    let ran = finish(&mut command);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert_eq!(home.trusting("report").status, 0);
}

#[test]
fn nothing_is_proven_of_what_was_not_signed() {
    let home = Home::new();
    assert_eq!(home.signed_by("ada").status, 0);
    let own = |name: &str| fs::read(home.path(name)).unwrap();
    let [manifest, page, signature] =
        ["report/MANIFEST.sha256", "report/index.html", "report/MANIFEST.sha256.sig"].map(own);
    let [zip, zip_signature] = ["report.zip", "report.zip.sig"].map(own);
    let put = |name: &str, bytes: &[u8]| fs::write(home.path(name), bytes).unwrap();
    let sign = |namespace: &str, key: &str, message: &str| {
        let _gone = fs::remove_file(home.path(&format!("{message}.sig")));
        let mut command = Command::new("ssh-keygen");
        command.args(["-q", "-Y", "sign", "-n", namespace, "-f"]).arg(home.path(key)).arg(home.path(message));
        assert!(command.status().unwrap().success());
    };
    let says = |what: &str, status: i32, words: &str| {
        let ran = home.trusting(what);
        assert_eq!(ran.status, status, "{words}: {}{}", ran.stdout, ran.stderr);
        assert!(format!("{}{}", ran.stdout, ran.stderr).contains(words), "{words}: {}{}", ran.stdout, ran.stderr);
        assert!(!ran.stdout.starts_with("signed by ada"), "{}", ran.stdout);
    };

    put("report/index.html", b"<p>nothing happened</p>");
    says("report", 2, "`index.html` was changed");
    // Whoever changes a file can change the list.
    let listed = String::from_utf8(manifest.clone()).unwrap();
    let line = listed.lines().find(|line| line.ends_with("  index.html")).unwrap();
    let digest = |bytes: &[u8]| mfatrail::hash::hex(&mfatrail::hash::sha256(bytes));
    let forged = listed.replace(line, &format!("{}  index.html", digest(b"<p>nothing happened</p>")));
    put("report/MANIFEST.sha256", forged.as_bytes());
    says("report", 3, "NOT PROVEN: the signature");
    sign("mfatrail", "eve", "report/MANIFEST.sha256");
    says("report", 3, "does not allow");
    // Ada has signed it, for something else.
    sign("git", "ada", "report/MANIFEST.sha256");
    says("report", 2, "is not a signature of mfatrail");
    fs::remove_file(home.path("report/MANIFEST.sha256.sig")).unwrap();
    says("report", 3, "not signed: ");
    put("report/MANIFEST.sha256", &manifest);
    put("report/index.html", &page);
    put("report/MANIFEST.sha256.sig", &signature);
    assert_eq!(home.trusting("report").status, 0);
    put("report/extra.html", b"more");
    says("report", 2, "`extra.html` is not listed");
    fs::remove_file(home.path("report/extra.html")).unwrap();
    fs::remove_file(home.path("report/windows.csv")).unwrap();
    says("report", 2, "`windows.csv` cannot be read");

    // The same of a bundle: a byte of a member, a member's time, the signature of another.
    for at in [40, zip.len() / 2, zip.len() - 30] {
        let mut changed = zip.clone();
        changed[at] ^= 1;
        put("report.zip", &changed);
        let ran = home.trusting("report.zip");
        assert!(matches!(ran.status, 2 | 3), "{at}: {}", ran.stdout);
    }
    put("report.zip", &zip);
    put("report.zip.sig", &signature);
    says("report.zip", 3, "NOT PROVEN");
    for (bytes, words) in
        [(&b"-----BEGIN SSH SIGNATURE-----\nAAAA\n"[..], "is not a signature"), (&[][..], "is not a signature")]
    {
        put("report.zip.sig", bytes);
        says("report.zip", 2, words);
    }
    put("report.zip.sig", &zip_signature);
    assert_eq!(home.trusting("report.zip").status, 0);
    says("absent.zip", 2, "absent.zip");
    says("signers", 2, "signers");
    let ran = home.verify("report.zip", &["--allowed-signers", "absent"]);
    assert!(ran.status == 2 && ran.stderr.contains("`--allowed-signers`: could not read `absent`"), "{}", ran.stderr);
}

#[test]
fn a_report_that_is_made_again_is_signed_again_and_nobody_else_s_signature_is_replaced() {
    let home = Home::new();
    assert_eq!(home.signed_by("ada").status, 0);
    assert_eq!(home.signed_by("bob").status, 0);
    for (what, message) in SIGNED {
        assert!(home.by_ssh_keygen("bob", message) && home.trusting(what).status == 0, "{what}");
    }
    // Without a key the old signature of the bundle stays, and is named; the report's goes with the report. It is another report:
    // the same one, made in the same second, would be the same bytes.
    let ran = home.report(&["--format", "json"]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("report.zip.sig` is the signature of an earlier bundle"), "{}", ran.stderr);
    assert!(!home.path("report/MANIFEST.sha256.sig").exists());
    let ran = home.trusting("report.zip");
    assert!(ran.status == 3 && ran.stdout.contains("NOT PROVEN"), "{}", ran.stdout);
    for place in ["report.zip.sig", "report/MANIFEST.sha256.sig"] {
        fs::write(home.path(place), "years of work").unwrap();
        let ran = home.signed_by("ada");
        assert_eq!(ran.status, 2, "{place}: {}", ran.stderr);
        assert_eq!(fs::read_to_string(home.path(place)).unwrap(), "years of work");
        fs::remove_file(home.path(place)).unwrap();
    }
}

#[test]
fn a_key_that_cannot_sign_is_told_before_any_work() {
    let home = Home::new();
    fs::write(home.path("text"), "no key\n").unwrap();
    fs::remove_file(home.path("eve")).unwrap();
    for (key, words) in [
        ("absent", "`--sign-key`: could not read `"),
        (".", "`--sign-key`: could not read `"),
        ("text", "could not sign with"),
        // A public key, and no agent has its private one.
        ("eve.pub", "could not sign with"),
    ] {
        let ran = home.signed_by(key);
        assert!(ran.status == 2 && ran.stderr.contains(words), "{key}: {}", ran.stderr);
        assert!(!home.path("report").exists() && !home.path("report.zip").exists(), "{key}");
    }
    let mut command = mfatrail();
    command.args(["report", "fixtures/archive", "--month", "2026-10", "--out"]).arg(home.path("report"));
    command.arg("--sign-key").arg(home.path("ada")).env("PATH", home.path("nowhere"));
    let ran = finish(&mut command);
    assert!(ran.status == 2 && ran.stderr.contains("needs `ssh-keygen`, which is not on the PATH"), "{}", ran.stderr);
}

#[test]
fn months_are_signed_too() {
    let home = Home::new();
    let run = |key: &str| {
        let mut command = mfatrail();
        command.args(["monthly", "fixtures/archive", "--month", "2026-10", "--store"]).arg(home.path("store"));
        command.arg("--into").arg(home.path("months")).arg("--sign-key").arg(home.path(key));
        finish(&mut command)
    };
    let ran = run("ada");
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let signatures =
        ["report/MANIFEST.sha256.sig", "evidence.zip.sig"].map(|name| home.path("months/2026-10").join(name));
    let read = |place: &PathBuf| fs::read(place).unwrap();
    let before = signatures.each_ref().map(read);
    for what in ["months/2026-10/report", "months/2026-10/evidence.zip"] {
        assert_eq!(home.trusting(what).status, 0, "{what}");
    }
    assert_eq!(run("ada").status, 0);
    assert_eq!(signatures.each_ref().map(read), before, "nothing is done twice");
    // One that is gone, and another key, are reasons to make it again.
    fs::remove_file(&signatures[1]).unwrap();
    assert_eq!(run("ada").status, 0);
    assert!(signatures[1].exists());
    assert_eq!(run("bob").status, 0);
    assert!(home.trusting("months/2026-10/evidence.zip").stdout.starts_with("signed by bob@example.com"));
}

/// With moto, which comes from PyPI.
mod online {
    use super::*;
    use crate::support::moto::Moto;

    /// moto takes the digest that it is asked to sign for a message, and signs the digest of that.
    const DIGESTS: &str = r#"
from cryptography.hazmat.primitives.asymmetric import ec, utils
import moto.kms.utils as kms
def rsa(self, message, signing_algorithm):
    pad, algorithm = self._RSAPrivateKey__padding_and_hash_algorithm(signing_algorithm)
    return self.private_key.sign(message, pad, utils.Prehashed(algorithm))
def ecdsa(self, message, signing_algorithm):
    from cryptography.hazmat.primitives import hashes
    return self.private_key.sign(message, ec.ECDSA(utils.Prehashed(hashes.SHA256())))
kms.RSAPrivateKey.sign, kms.ECDSAPrivateKey.sign = rsa, ecdsa
"#;

    const SET_UP: &str = r#"
import boto3, sys
kms = boto3.client("kms", endpoint_url=sys.argv[1], region_name="eu-west-1", aws_access_key_id="testing", aws_secret_access_key="testing")
for spec in ("ECC_NIST_P256", "RSA_2048", "SYMMETRIC_DEFAULT"):
    usage = "ENCRYPT_DECRYPT" if spec == "SYMMETRIC_DEFAULT" else "SIGN_VERIFY"
    key = kms.create_key(KeySpec=spec, KeyUsage=usage)["KeyMetadata"]
    if usage == "SIGN_VERIFY":
        open(f"{sys.argv[2]}/{spec}.der", "wb").write(kms.get_public_key(KeyId=key["KeyId"])["PublicKey"])
    kms.create_alias(AliasName="alias/" + spec, TargetKeyId=key["KeyId"])
    print(key["Arn"])
"#;

    #[test]
    fn keys_in_kms_sign_and_openssl_verifies() {
        let (home, moto) = (Home::new(), Moto::with(DIGESTS));
        let mut command = Command::new(Moto::python());
        let made: Ran = command.args(["-c", SET_UP, &moto.endpoint()]).arg(home.0.path()).output().unwrap().into();
        assert_eq!(made.status, 0, "{}", made.stderr);
        let arns: Vec<&str> = made.stdout.lines().collect();
        let report = |key: &str| {
            let mut command = mfatrail();
            command.args(["report", "fixtures/archive", "--month", "2026-10", "--sign-key", key, "--out"]);
            command.arg(home.path("report")).arg("--bundle").arg(home.path("report.zip"));
            command.env("AWS_ENDPOINT_URL", moto.endpoint());
            command.env("AWS_ACCESS_KEY_ID", "testing").env("AWS_SECRET_ACCESS_KEY", "testing");
            finish(&mut command)
        };
        let alias = arns[0].split_once(":key/").unwrap().0.to_owned() + ":alias/ECC_NIST_P256";
        for (key, spec, other) in [
            (arns[0], "ECC_NIST_P256", "RSA_2048"),
            (&alias, "ECC_NIST_P256", "RSA_2048"),
            (arns[1], "RSA_2048", "ECC_NIST_P256"),
        ] {
            let ran = report(key);
            assert_eq!(ran.status, 0, "{spec}: {}", ran.stderr);
            let public = |spec: &str| home.path(&format!("{spec}.der")).to_str().unwrap().to_owned();
            for (what, message) in SIGNED {
                let trusting = |spec: &str| home.verify(what, &["--public-key", &public(spec)]);
                let ran = trusting(spec);
                assert_eq!(ran.status, 0, "{what}: {}{}", ran.stdout, ran.stderr);
                let ran = trusting(other);
                assert!(ran.status == 3 && ran.stdout.contains("it is not by this key"), "{}", ran.stdout);
                let ran = home.verify(what, &[]);
                assert!(
                    ran.status == 3
                        && ran.stdout.starts_with("signed by an unknown key, SHA-256 ")
                        && ran.stdout.contains(", which calls itself arn:aws:kms:"),
                    "{}",
                    ran.stdout
                );
                by_openssl(&home, &public(spec), &home.path(message));
            }
            let file = home.path("report/report.json");
            let changed = fs::read_to_string(&file).unwrap().replacen('1', "2", 1);
            fs::write(&file, changed).unwrap();
            assert_eq!(home.verify("report", &["--public-key", &public(spec)]).status, 2);
            fs::remove_dir_all(home.path("report")).unwrap();
        }
        let ran = report(arns[2]);
        assert!(ran.status == 2 && ran.stderr.contains("--sign-key"), "{}", ran.stderr);
        let ran = report("arn:aws:kms:eu-west-1:123456789012:key/00000000-0000-4000-8000-000000000000");
        assert!(ran.status == 2 && ran.stderr.contains("kms:GetPublicKey"), "{}", ran.stderr);
    }

    /// As the page of the documentation says that anybody can.
    fn by_openssl(home: &Home, public: &str, message: &Path) {
        let mut place = message.as_os_str().to_owned();
        place.push(".sig.json");
        let document: serde_json::Value = serde_json::from_slice(&fs::read(place).unwrap()).unwrap();
        let raw = home.path("raw");
        use base64::Engine as _;
        let decoded =
            base64::engine::general_purpose::STANDARD.decode(document["signature"].as_str().unwrap()).unwrap();
        fs::write(&raw, decoded).unwrap();
        let mut command = Command::new("openssl");
        command.args(["dgst", "-sha256", "-keyform", "DER", "-verify", public, "-signature"]).arg(&raw).arg(message);
        let ran: Ran = command.output().unwrap().into();
        assert_eq!(ran.status, 0, "{}{}", ran.stdout, ran.stderr);
    }
}
