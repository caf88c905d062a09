"""Scans an archive as a Spark job: N shards, each a task that runs `mfatrail scan --shard I/N`. docs/scale.md has examples.

    spark-submit --files mfatrail deploy/spark/scan.py --shards 64 --store s3://evidence/store -- s3://trail-bucket --from 2026-01-01

What follows `--` goes to every scan. Tasks may be retried, and run twice by speculation: a shard that is read twice is stored once. A store
in a folder is merged at the end from one store per shard in DIR.shards, a folder that all workers and the driver share.

Standard output has a line for every object that could not be read and, last, the totals. The exit status is that of `mfatrail scan`:
3 if an object could not be read, 4 if a shard failed in all its attempts, 2 for wrong usage."""

import argparse
import contextlib
import ctypes
import fcntl
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import deque

from pyspark import SparkContext, SparkFiles, TaskContext

# Fields of the scans' JSON, as the line of totals names them.
TOTALS = {
    "objects_read": "objects read",
    "objects_known": "already in the store",
    "objects_skipped": "skipped",
    "objects_failed": "failed",
    "objects_known_failed": "failed earlier",
    "records": "records",
    "events": "events stored",
}
# How the text of a task's failure begins, among what Spark says.
FAILURE = "mfatrail shard "
# How many lines of a scan's standard error the driver repeats; an executor's log has all of them.
TAIL = 20
# How many stores one merge takes: as many as surely fit on a command line.
MERGED = 1000


def binary(name):
    """A path, a file that `--files` distributed, one in the working directory (YARN), or one in PATH."""
    path = os.pathsep.join([SparkFiles.getRootDirectory(), os.getcwd(), os.environ.get("PATH", os.defpath)])
    found = shutil.which(name, path=path)
    if found is None:
        raise FileNotFoundError(f"no executable `{name}` on {os.uname().nodename} (hint: distribute it by --files)")
    return found


def with_parent():
    """The scan ends with its task: Spark kills the Python process of a task, not what that one started."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def shard_store(store, number, count):
    return os.path.join(f"{store.rstrip('/')}.shards", f"{number}-of-{count}")


@contextlib.contextmanager
def turn(store):
    """Waits until no other attempt writes to this folder: only one process may."""
    os.makedirs(os.path.dirname(store), exist_ok=True)
    with open(f"{store}.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def run(command, shard):
    """Status, standard output, and the last lines of standard error, all of which goes to the executor's log."""
    tail = deque(maxlen=TAIL)
    with tempfile.TemporaryFile() as stdout:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE, preexec_fn=with_parent)
        for line in child.stderr:
            tail.append(line.decode(errors="replace").rstrip())
            print(f"shard {shard}: {tail[-1]}", file=sys.stderr, flush=True)
        status = child.wait()
        stdout.seek(0)
        return status, stdout.read(), list(tail)


def scan(number, options):
    """Scans one shard. Returns status, the scan's JSON and the end of its standard error; raises if another attempt may succeed."""
    shard, store = f"{number}/{options.shards}", options.store
    free = contextlib.nullcontext()
    if not store.startswith("s3://"):
        store = shard_store(store, number, options.shards)
        free = turn(store)
    try:
        command = [binary(options.binary), "scan", *options.arguments, "--shard", shard, "--store", store, "--format", "json"]
    except FileNotFoundError as error:
        raise RuntimeError(f"{FAILURE}{shard} failed: {error}") from error
    if not any(one.split("=")[0] == "--threads" for one in options.arguments):
        command += ["--threads", str(TaskContext.get().cpus())]
    with free:
        status, output, tail = run(command, shard)
    if status not in (0, 2, 3):
        how = f"status {status}" if status > 0 else f"signal {-status}"
        raise RuntimeError(" | ".join([f"{FAILURE}{shard} failed on {os.uname().nodename}: {how}", *tail]))
    return status, json.loads(output) if output else None, tail


def parsed(argv):
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=form, allow_abbrev=False)
    parser.add_argument("--shards", type=int, required=True, help="number of shards: several for each core of the cluster")
    parser.add_argument("--store", required=True, help="the evidence store: a shared directory, or s3://bucket/prefix")
    parser.add_argument("--binary", default="mfatrail", help="name or path of mfatrail [default: mfatrail]")
    parser.add_argument("--scan", default="", help="arguments of the scans as one text, for services without positional ones")
    cut = argv.index("--") if "--" in argv else len(argv)
    # AWS Glue adds arguments of its own.
    options, _ = parser.parse_known_args(argv[:cut]) if "--JOB_NAME" in argv else (parser.parse_args(argv[:cut]), None)
    options.arguments = shlex.split(options.scan) + argv[cut + 1 :]
    if not 1 <= options.shards <= 100_000:
        parser.error("--shards must be from 1 to 100000")
    if not options.arguments:
        parser.error("the source is missing: give the arguments of `mfatrail scan` after `--`")
    for name, value in zip(options.arguments, options.arguments[1:] + [""]):
        name, _, after = name.partition("=")
        if name in ("--shard", "--store", "--format", "--dry-run", "--verify"):
            parser.error(f"{name} cannot be given to the scans of a Spark job")
        if name in ("--from", "--to") and not re.match(r"\d{4}-\d\d-\d\d", after or value):
            parser.error(f"{name} {after or value}: give a date or a time, since every task would count an age from its own start")
    return options


def merge(options):
    """Makes the stores of the shards one, and returns the status of that."""
    stores = [shard_store(options.store, number, options.shards) for number in range(1, options.shards + 1)]
    missing = [store for store in stores if not os.path.isdir(store)]
    if missing:
        print(f"error: the driver does not see {missing[0]} (hint: use a folder that all machines share, or a store in S3)", file=sys.stderr)
        return 4
    try:
        program = binary(options.binary)
    except FileNotFoundError as error:
        print(f"error: {error}", file=sys.stderr)
        return 4
    for at in range(0, len(stores), MERGED):
        command = [program, "store", "merge", *stores[at : at + MERGED], options.store]
        status = subprocess.run(command, stdout=sys.stderr, check=False).returncode
        if status != 0:
            return status
    return 0


def main(argv):
    options = parsed(argv)
    if not options.store.startswith("s3://"):
        options.store = os.path.abspath(options.store)
    try:
        context = SparkContext.getOrCreate()
        # One task for each shard: Spark retries it, and gives it to whichever machine is free.
        shards = context.parallelize(range(1, options.shards + 1), options.shards)
        done = shards.map(lambda number: (number, *scan(number, options))).collect()
    except Exception as error:  # Py4JJavaError or PySparkException, by version: the text has the task's own.
        said = [line[line.index(FAILURE) :] for line in str(error).splitlines() if FAILURE in line]
        print(f"error: {said[0] if said else error}", file=sys.stderr)
        return 4
    status = max(status for _, status, _, _ in done)
    refused = [(number, tail) for number, status, _, tail in done if status == 2]
    if refused:
        print("\n".join(refused[0][1]), file=sys.stderr)
        return 2
    for number, _, result, _ in done:
        for failure in result["failures"]:
            print(f"could not be read: {failure['object']}: {failure['error']} (shard {number}/{options.shards})")
    # What a scan is incomplete for besides, such as an archive without any object; many shards may say the same.
    others = [tail for _, status, result, tail in done if status == 3 and not result["failures"]]
    print("".join(f"{line}\n" for line in sorted({line for tail in others for line in tail if line.startswith("warning: ")})), end="")
    if not options.store.startswith("s3://"):
        status = merge(options) or status
    listed = ", ".join(f"{sum(result[field] for _, _, result, _ in done)} {name}" for field, name in TOTALS.items())
    print(f"{options.shards} shards into {options.store}, status {status}: {listed}", flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
