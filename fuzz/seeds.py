#!/usr/bin/env python3
"""Makes the seed corpora out of the made-up fixtures: `python3 fuzz/seeds.py`. Seeds are `seed-*`; other files in a
corpus were found by the fuzzer."""

import gzip
import json
import pathlib
import zlib

ROOT = pathlib.Path(__file__).resolve().parent.parent
CORPUS = ROOT / "fuzz" / "corpus"


def put(target, name, data):
    folder = CORPUS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"seed-{name}").write_bytes(data if isinstance(data, bytes) else data.encode())


def gz(data, **more):
    return gzip.compress(data, mtime=0, **more)


logs = sorted((ROOT / "fixtures/archive").rglob("*.json.gz"))
kinds = {}
for path in logs:
    if "Digest" in str(path) or "Insight" in str(path):
        continue
    try:
        document = json.loads(gzip.decompress(path.read_bytes()))
    except (OSError, EOFError, zlib.error, ValueError):
        continue
    for record in document.get("Records", []) if isinstance(document, dict) else []:
        kind = (record.get("eventName"), (record.get("userIdentity") or {}).get("type"), "errorCode" in record)
        kinds.setdefault(kind, record)
chosen = [kinds[kind] for kind in sorted(kinds, key=str)]


def text(value):
    return json.dumps(value, separators=(",", ":"))


few = chosen[:3]
ordinary = text({"Records": few}).encode()
put("inflate", "plain", ordinary)
put("inflate", "one", gz(ordinary))
put("inflate", "two", gz(ordinary[:400]) + gz(ordinary[400:]))
put("inflate", "stored", gz(ordinary, compresslevel=0))
head = b"\x1f\x8b\x08\x1e\0\0\0\0\0\xff\x04\0ab\x01\x02name\0note\0"
put("inflate", "named", head + (zlib.crc32(head) & 0xFFFF).to_bytes(2, "little") + gz(ordinary)[10:])
put("inflate", "bomb", gz(b" " * 3_000_000))
put("inflate", "trailing", gz(ordinary) + b"more")
put("inflate", "cut", gz(ordinary)[:-9])

lines = "\n".join(text(record) for record in few)
lookup = text({"Events": [{"EventId": "1", "CloudTrailEvent": text(record)} for record in few]})
bridge = "\n".join(text({"version": "0", "detail-type": "AWS API Call via CloudTrail", "detail": record}) for record in few)
watch = text({"logEvents": [{"id": "1", "timestamp": 1, "message": text(record)} for record in few]})
filtered = text({"events": [{"message": text(record)} for record in few]})
for name, data in {
    "ordinary": ordinary,
    "indented": json.dumps({"Records": few}, indent=1),
    "array": text(few),
    "one": text(few[0]),
    "lines": lines,
    "lookup": lookup,
    "bridge": bridge,
    "watch": watch,
    "filtered": filtered,
    "mixed": ordinary.decode() + "\n" + lines + "\n" + lookup,
    "escaped": ordinary.decode().replace("MFADevice", "\\u004dFADevice"),
    "digest": text({"digestStartTime": "2026-10-01T00:00:00Z", "digestS3Bucket": "trail", "logFiles": [], "awsAccountId": "111122223333"}),
    "insight": text({"Records": [dict(few[0], eventType="AwsCloudTrailInsight", eventCategory="Insight")]}),
    "bom": b"\xef\xbb\xbf" + ordinary,
    "duplicate": '{"Records":[{"eventName":"DeactivateMFADevice","eventName":"X","eventTime":"2026-10-05T08:00:00Z","eventSource":"iam.amazonaws.com"}]}',
}.items():
    put("containers", name, data)
for record in chosen:
    name = "-".join(str(part) for part in (record["eventName"], (record.get("userIdentity") or {}).get("type"), "errorCode" in record))
    short = {key: value for key, value in record.items() if key not in ("eventName", "eventSource", "eventTime", "userAgent", "tlsDetails", "eventVersion")}
    put("records", name, text(short)[1:-1])

day = "us-east-1/2026/10/05/111122223333_CloudTrail_us-east-1_20261005T0810Z_Ab3dEf6hIj9kLm2n.json.gz"
for name, key in {
    "organisation": f"AWSLogs/o-exampleorg/111122223333/CloudTrail/{day}",
    "account": f"AWSLogs/111122223333/CloudTrail/{day}",
    "prefixed": f"some/prefix/AWSLogs/x/AWSLogs/o-exampleorg/000123456789/CloudTrail/{day}",
    "digest": f"AWSLogs/111122223333/CloudTrail-Digest/{day}",
    "config": "AWSLogs/111122223333/Config/us-east-1/2026/1/1/ConfigHistory/x.json.gz",
    "flat": day.rsplit("/", 1)[1],
    "china": "AWSLogs/111122223333/CloudTrail/cn-north-1/2026/02/30/x.json.gz",
    "marker": "AWSLogs/111122223333_$folder$",
    "odd": "AWSLogs//111122223333/./CloudTrail/../us-gov-west-1/2026/13/01/é +%25\n.json",
}.items():
    put("keys", name, key)

iam = ROOT / "fixtures/iam/111122223333"
kinds = [
    ("credential-report.csv", None),
    (None, text({"Content": "dXNlcixhcm4K", "ReportFormat": "text/csv", "GeneratedTime": "2026-11-02T00:00:00+00:00"})),
    ("account-authorization-details.json", None),
    ("virtual-mfa-devices.json", None),
    (sorted(path.name for path in iam.glob("mfa-devices-*.json"))[0], None),
    (None, text({"Users": [{"Path": "/", "UserName": "alice", "UserId": "AIDAEXAMPLE", "Arn": "arn:aws:iam::111122223333:user/alice", "CreateDate": "2026-01-01T00:00:00+00:00"}]})),
]
for number, (file, data) in enumerate(kinds):
    data = (iam / file).read_bytes() if file else data.encode()
    put("iam", f"{number}", bytes([number]) + data[:20000])

device = {"serial": "arn:aws:iam::111122223333:mfa/alice", "enabled_at": "2026-01-01T00:00:00Z"}
put("snapshot", "empty", text({"schema": "mfatrail.iam-snapshot/1", "taken_at": "2026-11-02T00:00:00Z", "accounts": {}, "missing": []}))
put("snapshot", "other", text({"schema": "mfatrail.iam-snapshot/2", "device": device}))

for name, statement in {
    "deny-all": {"Effect": "Deny", "Action": "*", "Resource": "*"},
    "allow-all": {"Effect": "Allow", "Action": ["*"], "Resource": ["*"]},
    "iam": {"Effect": "Allow", "Action": "iam:*", "Resource": "*"},
    "mfa": {"Sid": "x", "Effect": "Deny", "NotAction": ["iam:CreateVirtualMFADevice", "sts:GetSessionToken"], "Resource": "*", "Condition": {"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}}},
    "principal": {"Effect": "Deny", "Principal": {"AWS": "*"}, "NotResource": "arn:aws:s3:::x/*", "Action": "s?:*"},
}.items():
    policy = text({"Version": "2012-10-17", "Statement": [statement]})
    put("policies", name, policy)
    put("policies", f"{name}-one", text({"Version": "2012-10-17", "Statement": statement}))
    put("policies", f"{name}-url", policy.replace("{", "%7B").replace("}", "%7D").replace('"', "%22"))

put("approvals", "csv", (ROOT / "fixtures/approvals.csv").read_bytes())
put("approvals", "json", text([{"ticket": "CHG-1", "account": "000123456789", "user": "root", "approver": "a", "valid_from": "2026-10-01T00:00:00Z", "valid_to": "2026-10-02T00:00:00+02:00"}]))
put("approvals", "quoted", 'ticket,account,user,approver,valid_from,valid_to\r\n"CHG ""1"", b",111122223333,"a\nb",x,2026-10-01T00:00:00Z,2026-10-02T00:00:00Z\r\n')
put("detections", "csv", (ROOT / "fixtures/detections.csv").read_bytes())
put("detections", "json", text([{"detected_at": "2026-10-14T02:25:00Z", "source": "siem", "reference": "A-1", "event_id": "x"}, {"detected_at": "2026-10-14T02:25:00Z", "source": "siem", "reference": "A-2", "account": "111122223333", "user": "root"}]))
put("settings", "all", '''offboarding_grace = "24h"
replacement_grace = "1h"
lookback = "30d"
takeover_signals = ["actor_without_mfa", "new_source", "root_user"]
takeover_threshold = 2
owner_tags = ["owner-email", "owner"]
''')
put("settings", "wrong", 'lookback = 3\n[x]\ny = "\\u00e9"\n')
for number, value in enumerate(["7d", "36h", "90s", "36500d", "256MiB", "1500B", "18446744073709551615B", "2026-10-01", "2024-02-30", "2026-10-01T08:00:00.123+02:00", "9999-12-31T23:59:60Z", "2026-10-01T08:00:00"]):
    put("units", str(number), value)
