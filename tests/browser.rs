//! The page in a real browser: Chromium, driven by playwright-core, asked for accessibility by axe-core.
//!
//! What is checked is in `tests/browser/check.mjs`; here are the reports that it looks at, and the other formats of the
//! hostile one. Needs `node`, `npm` and Chromium: their absence fails the test and says what to install, because a page
//! that nobody looked at is not tested.

#![allow(unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

#[path = "support/mod.rs"]
#[allow(dead_code, reason = "what it has for other targets")]
mod support;

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::support::run::{INPUTS, Ran, mfatrail, root};

/// What Debian and others call the browser.
const BROWSERS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];

fn on_path(names: &[&str]) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    names
        .iter()
        .flat_map(|name| std::env::split_paths(&folders).map(move |folder| folder.join(name)))
        .find(|path| path.is_file())
}

fn chromium() -> PathBuf {
    on_path(&BROWSERS).expect("the browser test needs Chromium on the PATH; on Debian: apt-get install chromium")
}

/// `node_modules` as the lock file says, installed once by whichever test process comes first.
fn modules() -> PathBuf {
    on_path(&["npm"]).expect("the browser test needs node and npm on the PATH; on Debian: apt-get install nodejs npm");
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("browser");
    fs::create_dir_all(&home).expect("cargo's temporary directory");
    let lock = File::create(home.join("lock")).expect("a lock file");
    lock.lock().expect("the lock");
    let wanted = fs::read_to_string(root().join("tests/browser/package-lock.json")).expect("a lock file of npm");
    let done = home.join("complete");
    if !fs::read_to_string(&done).is_ok_and(|installed| installed == wanted) {
        for name in ["package.json", "package-lock.json"] {
            fs::copy(root().join("tests/browser").join(name), home.join(name)).expect("copied");
        }
        let ran = Command::new("npm")
            .args(["ci", "--no-audit", "--no-fund", "--ignore-scripts", "--fetch-timeout=60000", "--fetch-retries=2"])
            .current_dir(&home)
            .output()
            .expect("npm runs");
        assert!(ran.status.success(), "npm ci: {}", String::from_utf8_lossy(&ran.stderr));
        fs::write(done, wanted).expect("the mark of a complete installation");
    }
    home.join("node_modules")
}

fn record(n: usize, name: &str, user: &str, agent: &str, minute: usize) -> Value {
    let (day, hour) = (1 + minute / 1440, minute / 60 % 24);
    let account = "111122223333";
    let parameters = match name {
        "CreateUser" | "CreateLoginProfile" => json!({ "userName": user }),
        _ => json!({ "userName": user, "serialNumber": format!("arn:aws:iam::{account}:mfa/{user}") }),
    };
    json!({
        "eventVersion": "1.11",
        "eventTime": format!("2026-10-{day:02}T{hour:02}:{:02}:00Z", minute % 60),
        "eventSource": "iam.amazonaws.com",
        "eventName": name,
        "eventID": format!("0f0e0000-0000-4000-8000-{n:012}"),
        "awsRegion": "us-east-1",
        "recipientAccountId": account,
        "sourceIPAddress": "192.0.2.10",
        "userAgent": agent,
        "userIdentity": {
            "type": "IAMUser", "principalId": format!("AIDAEXAMPLE{:010}", n / 2), "arn": format!("arn:aws:iam::{account}:user/{user}"),
            "accountId": account, "userName": user,
        },
        "requestParameters": parameters,
    })
}

/// An archive of one object.
fn archive(folder: &Path, records: &[Value]) {
    let folder = folder.join("AWSLogs/111122223333/CloudTrail/us-east-1/2026/10/31");
    fs::create_dir_all(&folder).expect("made");
    let name = "111122223333_CloudTrail_us-east-1_20261031T2355Z_abcdefghijklmnop.json";
    fs::write(folder.join(name), json!({ "Records": records }).to_string()).expect("written");
}

fn hostile_names() -> Vec<String> {
    let mut names: Vec<String> = [
        "<script>globalThis.pwned=1</script>",
        "\"><img src=x onerror=globalThis.pwned=1>",
        "=cmd|' /C calc'!A0",
        "+HYPERLINK(\"http://example.com\")",
        "@SUM(1+1)*cmd",
        "invoice\u{202e}fdp.exe",
        "zero\u{200b}width\u{feff}",
        "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467} family \u{1f4a3}",
        "| pipe | `tick` [link](http://example.com) **bold**",
        "line\nbreak\ttab\u{1b}[31m",
        "{{ 7*7 }} {% raw %} ${7*7}",
        "مرحبا שלום 日本語",
        "</style><b>",
        "</script><b>",
        "<!--",
        "javascript:globalThis.pwned=1",
        "../../etc/passwd",
        "&lt;&#x3c;",
    ]
    .map(str::to_owned)
    .into();
    names.push("x".repeat(500));
    names
}

fn report(arguments: &[&str], archive: &Path, out: &Path) -> Ran {
    let ran: Ran = mfatrail()
        .arg("report")
        .arg(archive)
        .args(["--month", "2026-10"])
        .args(arguments)
        .arg("--out")
        .arg(out)
        .output()
        .expect("it runs")
        .into();
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    ran
}

#[test]
fn the_page_is_what_a_reader_expects() {
    let (chromium, modules) = (chromium(), modules());
    let folder = tempfile::tempdir().expect("a folder");
    let place = |name: &str| folder.path().join(name);

    let fixtures = [INPUTS, &["--per-account", "--pdf"]].concat();
    report(&fixtures, Path::new("fixtures/archive"), &place("ordinary"));

    let mut records = Vec::new();
    for (i, name) in hostile_names().iter().enumerate() {
        records.push(record(2 * i, "DeactivateMFADevice", name, name, 60 * i + 1));
        if i % 2 == 0 {
            records.push(record(2 * i + 1, "EnableMFADevice", name, name, 60 * i + 31));
        }
    }
    archive(&place("hostile-archive"), &records);
    let ran = report(&["--pdf", "--per-account"], &place("hostile-archive"), &place("hostile"));
    assert!(!ran.stderr.contains(['\u{202e}', '\u{1b}']), "the terminal gets no commands");

    let records: Vec<Value> = (0..1000)
        .flat_map(|i| {
            let name = format!("user-{i:04}");
            let minute = i * 40;
            [
                record(2 * i, "DeactivateMFADevice", &name, "aws-cli", minute),
                record(2 * i + 1, "EnableMFADevice", &name, "aws-cli", minute + 1 + i % 37),
            ]
        })
        .collect();
    archive(&place("large-archive"), &records);
    report(&[], &place("large-archive"), &place("large"));

    let screenshot = Path::new(env!("CARGO_TARGET_TMPDIR")).join("screenshot.png");
    let ran = Command::new("node")
        .arg(root().join("tests/browser/check.mjs"))
        .args([&chromium, &modules])
        .args(["ordinary", "hostile", "large"].map(place))
        .arg(&screenshot)
        .output()
        .expect("node runs");
    assert!(ran.status.success(), "{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    harmless_elsewhere(&place("hostile"));
    for name in ["ordinary", "hostile"] {
        let pdf = fs::read(place(name).join("report.pdf")).expect("printed");
        assert!(pdf.starts_with(b"%PDF-") && pdf.len() > 50_000, "{} bytes", pdf.len());
        sheets_are_numbered(&place(name));
    }
    let heads = sheets(&place("ordinary")).iter().filter(|sheet| sheet.contains("Next step")).count();
    assert!(heads > 1, "the head of a table is repeated on its next sheet");
}

/// The text of every sheet of the PDF.
fn sheets(folder: &Path) -> Vec<String> {
    let ran = Command::new("pdftotext").arg("-layout").arg(folder.join("report.pdf")).arg("-").output();
    let text = String::from_utf8(ran.expect("pdftotext of poppler-utils runs").stdout).expect("UTF-8");
    text.split_terminator('\u{c}').map(str::to_owned).collect()
}

/// Every sheet says what it is of, which one it is, and from which data.
fn sheets_are_numbered(folder: &Path) {
    let manifest = fs::read_to_string(folder.join("MANIFEST.sha256")).expect("a manifest");
    let data = manifest.lines().find_map(|line| line.strip_suffix("  report.json")).expect("listed");
    let sheets = sheets(folder);
    assert!(sheets.len() > 1);
    for (i, sheet) in sheets.iter().enumerate() {
        for wanted in [
            "MFA exposure, ".to_owned(),
            format!("Page {} of {}", i + 1, sheets.len()),
            format!("SHA-256 of report.json: {data}"),
        ] {
            assert!(sheet.contains(&wanted), "no `{wanted}` on a sheet:\n{sheet}");
        }
    }
}

/// Hostile names in the formats that no browser shows.
fn harmless_elsewhere(folder: &Path) {
    let read = |name: &str| fs::read_to_string(folder.join(name)).expect("text");
    for name in ["report.md", "windows.csv", "events.csv", "report.json"] {
        let text = read(name);
        assert!(!text.contains(['\u{202e}', '\u{1b}', '\u{200b}', '\u{feff}']), "{name} holds hidden characters");
    }
    let mut cells = 0;
    for name in ["windows.csv", "events.csv"] {
        let text = read(name);
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        for row in reader.records() {
            for cell in &row.expect("a row") {
                assert!(!cell.trim_start().starts_with(['=', '+', '@']), "{name}: {cell}");
                cells += 1;
            }
        }
    }
    assert!(cells > 100);
    let book = File::open(folder.join("report.xlsx")).expect("a spreadsheet");
    let mut parts = zip::ZipArchive::new(book).expect("a zip");
    let mut shown = String::new();
    for i in 0..parts.len() {
        let mut part = parts.by_index(i).expect("a part");
        let name = part.name().expect("UTF-8").into_owned();
        let mut text = String::new();
        part.read_to_string(&mut text).expect("XML");
        assert!(!text.contains("<f>") && !text.contains("<hyperlink"), "{name} holds a formula or a link");
        shown.push_str(&text);
    }
    assert!(shown.contains("=cmd|") && shown.contains("&lt;script&gt;"), "shown as text");
}

/// The page that is printed is replaced by one that asks for everything, on this machine and elsewhere.
#[cfg(unix)]
#[test]
fn what_is_printed_reaches_no_network() {
    use std::net::TcpListener;
    use std::os::unix::fs::PermissionsExt as _;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::{Duration, Instant};

    let folder = tempfile::tempdir().expect("a folder");
    let place = |name: &str| folder.path().join(name);
    archive(&place("archive"), &[record(0, "DeactivateMFADevice", "alice", "agent", 0)]);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    // Nobody gets an answer.
    std::thread::spawn(move || {
        for _connection in listener.incoming() {
            counted.fetch_add(1, Ordering::Relaxed);
        }
    });
    let page = format!(
        "<img src=http://127.0.0.1:{port}/a><img src=http://localhost:{port}/b><img src=http://[::ffff:127.0.0.1]:{port}/c>\
         <iframe src=http://127.0.0.1:{port}/d></iframe><link rel=preconnect href=http://127.0.0.1:{port}/>\
         <script>fetch('http://127.0.0.1:{port}/e');new WebSocket('ws://127.0.0.1:{port}/f');\
         navigator.sendBeacon('http://127.0.0.1:{port}/g');let peer=new RTCPeerConnection({{iceServers:[\
         {{urls:'turn:127.0.0.1:{port}?transport=tcp',username:'a',credential:'b'}}]}});peer.createDataChannel('x');\
         peer.createOffer().then(offer=>peer.setLocalDescription(offer))</script>printed"
    );
    fs::write(place("asking.html"), page).expect("written");
    let wrapper = |name: &str, exec: &str| {
        let script = format!(
            "#!/bin/sh\nfor last; do :; done\ncat {} > \"${{last#file://}}\"\nexec {} {exec}\n",
            place("asking.html").display(),
            chromium().display()
        );
        fs::write(place(name), script).expect("written");
        fs::set_permissions(place(name), fs::Permissions::from_mode(0o755)).expect("executable");
        place(name).display().to_string()
    };
    report(&["--pdf", "--chromium", &wrapper("chromium", "\"$@\"")], &place("archive"), &place("out"));
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(asked.load(Ordering::Relaxed), 0, "somebody was asked");
    let pdf = fs::read(place("out/report.pdf")).expect("printed");
    assert!(pdf.starts_with(b"%PDF-"));
    // The page does ask, where nothing keeps it from it.
    let open = wrapper(
        "open",
        "--headless --no-sandbox --disable-gpu --user-data-dir=$PWD/profile --print-to-pdf=\"$PWD/page.pdf\" \"$last\"",
    );
    report(&["--pdf", "--chromium", &open], &place("archive"), &place("open-out"));
    let start = Instant::now();
    // Chromium may have ended before its connections are counted.
    while asked.load(Ordering::Relaxed) == 0 {
        assert!(start.elapsed() < Duration::from_secs(10), "the page asks for nothing");
        std::thread::sleep(Duration::from_millis(20));
    }
}
