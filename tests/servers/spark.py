"""Runs `deploy/spark/scan.py` by a real Spark and compares what it made with one scan: BINARY KIND [ENDPOINT]. Needs Java, and PySpark of the Python
that runs this. The stories are the functions at the end."""

import gzip
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import pyspark

BINARY, KIND, *ENDPOINT = sys.argv[1:]
ROOT = Path(__file__).resolve().parents[2]
SPARK = Path(pyspark.__file__).parent
FAR = "AWSLogs/o-exampleorg/111122223333/CloudTrail/us-east-1/2026/10/09/"
DAMAGED = FAR + "111122223333_CloudTrail_us-east-1_20261009T1000Z_damaged.json.gz"
ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "HOME": os.environ["HOME"],
    "SPARK_HOME": str(SPARK),
    "SPARK_LOCAL_IP": "127.0.0.1",
    "SPARK_NO_DAEMONIZE": "1",
    "PYSPARK_PYTHON": sys.executable,
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_REGION": "us-east-1",
}
BUCKET = "evidence-bucket"
HOME = Path(tempfile.mkdtemp(prefix="spark-"))
# The first attempt at shard 2 takes its task's Python process along, the first at shard 3 ends by itself: both in the middle of a scan.
FLAKY = """#!/bin/sh
case "$*" in
    *"--shard 2/"*) number=2 ;;
    *"--shard 3/"*) number=3 ;;
    *) exec "$BINARY" "$@" ;;
esac
mkdir "$MARKS/$number" 2>/dev/null || exec "$BINARY" "$@"
"$BINARY" "$@" >/dev/null &
sleep 0.3
[ $number = 3 ] || kill -9 $PPID
kill -9 $!
kill -9 $$
"""

# The last shard takes its time: another executor tries it too.
SLOW = """#!/bin/sh
case "$*" in *"--shard 6/6"*) sleep 15 ;; esac
exec "$(dirname "$0")/mfatrail-shipped" "$@"
"""


def mfatrail(*arguments):
    ran = subprocess.run([BINARY, *map(str, arguments)], env=ENVIRONMENT, cwd=HOME, capture_output=True, text=True, check=False)
    return ran.returncode, ran.stdout, ran.stderr


def archive(damaged=False):
    """A copy of the fixtures' month; with an object that ends in the middle."""
    place = HOME / "archive"
    shutil.copytree(ROOT / "fixtures/archive", place, ignore=shutil.ignore_patterns("09"))
    if damaged:
        (place / DAMAGED).parent.mkdir(parents=True, exist_ok=True)
        (place / DAMAGED).write_bytes(gzip.compress(b'{"Records":[]}' * 100)[:-20])
    return place


def submit(master, *arguments, **conf):
    """What the job printed, its own lines only, and its status."""
    settings = {"spark.ui.enabled": "false", "spark.executor.memory": "512m", **conf}
    command = [SPARK / "bin/spark-submit", "--master", master]
    command += [word for name, value in settings.items() for word in ("--conf", f"{name}={value}")]
    if "--files" in arguments:
        at = arguments.index("--files")
        command += arguments[at : at + 2]
        arguments = arguments[:at] + arguments[at + 2 :]
    command += [ROOT / "deploy/spark/scan.py", *arguments]
    began = time.monotonic()
    ran = subprocess.run(list(map(str, command)), env=ENVIRONMENT, cwd=HOME, capture_output=True, text=True, check=False)
    print(f"{KIND}: {time.monotonic() - began:.1f} s, status {ran.returncode}: {ran.stdout.splitlines()[-1:]}", file=sys.stderr)
    return ran.returncode, ran.stdout, ran.stderr


def answers(store):
    """What a store answers, but for the moment of the report."""
    folder = HOME / f"report-of-{str(store).rsplit('/', 1)[1]}"
    if str(store).startswith("s3://"):
        store = ["--store", store, "--store-cache", "none", "--endpoint-url", ENDPOINT[0]]
    else:
        store = ["--store", store]
    status, _, said = mfatrail("report", *store, "--month", "2026-10", "--out", folder)
    assert (folder / "report.json").exists(), (status, said)
    report = json.loads((folder / "report.json").read_text())
    report["generated_at"] = None
    checked = mfatrail("store", "check", *store, "--format", "json")
    assert checked[0] == 0 and json.loads(checked[1])["flaws"] == [], checked
    history = mfatrail("history", *store, "--user", "*", "--format", "json")
    # Both stores are told apart by their paths alone.
    return [(text.replace(str(store[1]), "STORE") if isinstance(text, str) else text) for text in (status, json.dumps(report), *history)]


def same_as_one_scan(place, store):
    one = HOME / "one"
    status, _, said = mfatrail("scan", place, "--store", one)
    for got, want in zip(answers(store), answers(one)):
        assert got == want, f"{got[:3000]}\n\n{want[:3000]}"
    return status, said


def flaky():
    """A binary of which two shards end in the middle, once; and where it leaves its marks."""
    program = HOME / "flaky"
    marks = HOME / "marks"
    marks.mkdir()
    program.write_text(FLAKY.replace("$BINARY", BINARY).replace("$MARKS", str(marks)))
    program.chmod(0o755)
    return program, marks


def killed_tasks(master):
    """Scans that are killed with and without their tasks are retried, and the whole equals one scan."""
    place, store = archive(), HOME / "store"
    program, marks = flaky()
    status, said, log = submit(master, "--shards", 5, "--binary", program, "--store", store, "--", place, "--commit-every", 5)
    assert status == 0, (said, log)
    assert sorted(mark.name for mark in marks.iterdir()) == ["2", "3"], "both were killed"
    assert re.search(r"mfatrail shard 3/5 failed on \S+: signal 9", log), "the log says of the task why it failed"
    assert same_as_one_scan(place, store)[0] == 0
    totals = said.splitlines()[-1]
    assert totals.startswith(f"5 shards into {store}, status 0: ") and " 0 failed, " in totals, totals
    # Once more, with arguments as Glue gives them: nothing is left to read, and nothing is stored twice.
    glue = ["--JOB_NAME", "scan", "--JOB_ID", "j_1", "--TempDir", "s3://code-bucket/", "--scan", f"'{place}'"]
    status, said, _ = submit(master, *glue, "--shards", 5, "--binary", BINARY, "--store", store)
    assert status == 0 and ": 0 objects read, " in said.splitlines()[-1], said
    same_as_one_scan(place, store)


def local():
    killed_tasks("local[2,4]")


def local_cluster():
    """The binary is distributed, a slow task runs twice, and an object that is damaged is named."""
    place, store = archive(damaged=True), HOME / "store"
    speculation = {"spark.speculation": "true", "spark.speculation.multiplier": "1.01", "spark.speculation.quantile": "0.1"}
    shutil.copy(BINARY, HOME / "mfatrail-shipped")
    (HOME / "slow").write_text(SLOW)
    files = ["--files", f"{HOME}/mfatrail-shipped,{HOME}/slow"]
    arguments = [*files, "--binary", "slow", "--shards", 6, "--store", store, "--", place]
    status, said, log = submit("local-cluster[2,1,1024]", *arguments, **speculation)
    assert re.search(r"Marking task \S+ in stage \S+ .*as speculatable", log), log
    assert status == 3, (said, log)
    named = [line for line in said.splitlines() if line.startswith("could not be read: ")]
    assert len(named) == 1 and DAMAGED in named[0], said
    totals = said.splitlines()[-1]
    assert f"6 shards into {store}, status 3: " in totals and " 1 failed, " in totals, totals
    assert same_as_one_scan(place, store)[0] == 3


def daemon(name, *arguments):
    """A master or a worker, with what it has logged."""
    log = HOME / f"{name.rsplit('.', 1)[1]}-{len(list(HOME.glob('*.log')))}.log"
    command = [SPARK / "bin/spark-class", f"org.apache.spark.deploy.{name}", "--host", "127.0.0.1", "--port", "0", *arguments]
    child = subprocess.Popen(
        list(map(str, command)), env=ENVIRONMENT, cwd=HOME, stdout=log.open("w"), stderr=subprocess.STDOUT, start_new_session=True
    )
    return child, log


def logged(log, pattern):
    for _ in range(1200):
        found = re.search(pattern, log.read_text())
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"{pattern} is not in:\n{log.read_text()}")


def standalone():
    """A master and two workers of their own, on loopback."""
    children = []
    try:
        child, log = daemon("master.Master", "--webui-port", "0")
        children.append(child)
        master = logged(log, r"Starting Spark master at (spark://\S+)")[1]
        for _ in range(2):
            child, own = daemon("worker.Worker", "--webui-port", "0", "--cores", "1", "--memory", "600m", "--work-dir", HOME / "work", master)
            children.append(child)
            logged(own, r"Successfully registered with master")
        killed_tasks(master)
        assert len(re.findall(r"Registering worker", log.read_text())) == 2
    finally:
        for child in reversed(children):
            os.killpg(child.pid, signal.SIGTERM)
            child.wait()


def bucket():
    """Tasks commit to one store in S3 side by side, and a scan that is killed in the middle leaves nothing in their way."""
    url = f"{ENDPOINT[0]}/{BUCKET}"
    urllib.request.urlopen(urllib.request.Request(url, method="PUT")).close()
    place, store = archive(), f"s3://{BUCKET}/store"
    program, marks = flaky()
    scans = [place, "--endpoint-url", ENDPOINT[0], "--store-cache", "none", "--commit-every", "20"]
    status, said, log = submit("local[3,4]", "--shards", 5, "--binary", program, "--store", store, "--", *scans)
    assert status == 0 and len(list(marks.iterdir())) == 2, (said, log)
    assert said.splitlines()[-1].startswith(f"5 shards into {store}, status 0: "), said
    assert same_as_one_scan(place, store)[0] == 0


def failures():
    """What cannot succeed says why, once, and the status is that of the scan."""
    place, store = archive(), HOME / "store"
    status, said, _ = submit("local[2,2]", "--shards", 2, "--binary", BINARY, "--store", store, "--", place, "--no-such-option")
    assert status == 2 and "--no-such-option" in said, said
    program = HOME / "broken"
    program.write_text(f"#!/bin/sh\ncase \"$*\" in *'--shard 2/2'*) echo 'error: no space left' >&2; exit 4 ;; esac\nexec {BINARY} \"$@\"\n")
    program.chmod(0o755)
    status, said, _ = submit("local[2,2]", "--shards", 2, "--binary", program, "--store", store, "--", place)
    last = said.splitlines()[-1]
    assert status == 4 and last.startswith("error: mfatrail shard 2/2 failed on") and "no space left" in last, said
    assert not store.exists(), "a job that failed merges nothing"
    status, said, _ = submit("local[2,2]", "--shards", 2, "--binary", "no-such-program", "--store", store, "--", place)
    assert status == 4 and "no executable `no-such-program`" in said.splitlines()[-1], said
    for wrong, why in [
        (["--shards", 2, "--store", store], "the source is missing"),
        (["--shards", 0, "--store", store, "--", place], "from 1 to 100000"),
        (["--shards", 2, "--store", store, "--", place, "--from", "300d"], "give a date or a time"),
        (["--shards", 2, "--store", store, "--", place, "--to=yesterday"], "give a date or a time"),
        (["--shards", 2, "--store", store, "--", place, "--shard", "1/2"], "cannot be given"),
        (["--shards", 2, "--store", store, "--", place, "--verify"], "cannot be given"),
    ]:
        command = [sys.executable, ROOT / "deploy/spark/scan.py", *wrong]
        ran = subprocess.run(list(map(str, command)), env=ENVIRONMENT, capture_output=True, text=True, check=False)
        assert ran.returncode == 2 and why in ran.stderr, (wrong, ran.stderr)


try:
    {story.__name__: story for story in (local, local_cluster, standalone, bucket, failures)}[KIND.replace("-", "_")]()
finally:
    shutil.rmtree(HOME)
