"""Runs what the manifests of `deploy/` run, with the variables that the engine would set, one shard after the other: BINARY KIND ARCHIVE
STORE COUNT. Prints the statuses as a JSON list."""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

BINARY, KIND, ARCHIVE, STORE, COUNT = sys.argv[1:]
DEPLOY = Path(__file__).resolve().parents[2] / "deploy"


class Template(yaml.SafeLoader):
    """CloudFormation's short functions, as what they are given."""


Template.add_multi_constructor("!", lambda loader, tag, node: (tag, node.value))


def of_batch(index):
    """The command of the job definition behind the entry point, with its parameters."""
    properties = yaml.load((DEPLOY / "batch/scan.yaml").read_text(), Template)["Resources"]["Scan"]["Properties"]
    given = {f"Ref::{name}": value for name, value in properties["Parameters"].items()}
    given |= {("Ref", "Source"): ARCHIVE, ("Sub", "s3://${StoreBucket}/${StorePrefix}"): STORE}
    command = [given.get(word, word) for word in properties["ContainerProperties"]["Command"]]
    return [DEPLOY / "batch/scan-shard", *command], {
        "AWS_BATCH_JOB_ARRAY_INDEX": str(index),
        "AWS_BATCH_JOB_ARRAY_SIZE": COUNT,
    }


def of_kubernetes(index):
    """The container's command, with references to variables put in as the kubelet does: unknown ones stay."""
    _, job = yaml.safe_load_all((DEPLOY / "kubernetes/scan.yaml").read_text())
    container = job["spec"]["template"]["spec"]["containers"][0]
    variables = {one["name"]: one["value"] for one in container["env"]}
    assert variables["SHARDS"] == str(job["spec"]["completions"])
    variables |= {"JOB_COMPLETION_INDEX": str(index), "SHARDS": COUNT, "SOURCE": ARCHIVE, "STORE": STORE}
    put_in = lambda word: re.sub(r"\$\(([A-Za-z_][A-Za-z0-9_]*)\)", lambda found: variables.get(found[1], found[0]), word)
    return [put_in(word) for word in container["command"]], variables


def status(index, path):
    command, variables = {"batch": of_batch, "kubernetes": of_kubernetes}[KIND](index)
    environment = {"PATH": f"{path}:{os.environ['PATH']}", "HOME": path, "AWS_EC2_METADATA_DISABLED": "true", **variables}
    return subprocess.run(list(map(str, command)), env=environment, stdout=sys.stderr, check=False).returncode


with tempfile.TemporaryDirectory() as place:
    os.symlink(BINARY, f"{place}/mfatrail")
    print(json.dumps([status(index, place) for index in range(int(COUNT))]))
