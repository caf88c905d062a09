#!/usr/bin/env python3
"""Makes the seed corpora out of the made-up fixtures: `python3 fuzz/seeds.py`. Seeds are `seed-*`; other files in a
corpus were found by the fuzzer."""

import base64
import gzip
import hashlib
import io
import json
import pathlib
import random
import zipfile
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
control = text({"messageType": "CONTROL_MESSAGE", "logEvents": [{"id": "", "timestamp": 1, "message": "CWL CONTROL MESSAGE: Checking health of destination Firehose."}]})
numbers = [dict(record, recipientAccountId=42, userIdentity=dict(record["userIdentity"], accountId=111122223333)) for record in few]
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
    "boms": b"\xef\xbb\xbf" + ordinary + b"\r\n\xef\xbb\xbf" + ordinary,
    "utf16": ordinary.decode().encode("utf-16"),
    "control": control + watch + control,
    "strings": text({"Records": [text(record) for record in few]}),
    "within": text({"logEvents": [{"message": text(few)}, {"message": ordinary.decode()}, {"message": few[0]}]}),
    "numbers": text({"Records": numbers}),
    "duplicate": '{"Records":[{"eventName":"DeactivateMFADevice","eventName":"X","eventTime":"2026-10-05T08:00:00Z","eventSource":"iam.amazonaws.com"}]}',
}.items():
    put("containers", name, data)
for record in chosen:
    name = "-".join(str(part) for part in (record["eventName"], (record.get("userIdentity") or {}).get("type"), "errorCode" in record))
    short = {key: value for key, value in record.items() if key not in ("eventName", "eventSource", "eventTime", "userAgent", "tlsDetails", "eventVersion")}
    put("records", name, text(short)[1:-1])

day = "us-east-1/2026/10/05/111122223333_CloudTrail_us-east-1_20261005T0810Z_Ab3dEf6hIj9kLm2n.json.gz"
for name, key in {
    "organization": f"AWSLogs/o-exampleorg/111122223333/CloudTrail/{day}",
    "account": f"AWSLogs/111122223333/CloudTrail/{day}",
    "prefixed": f"some/prefix/AWSLogs/x/AWSLogs/o-exampleorg/000123456789/CloudTrail/{day}",
    "digest": f"AWSLogs/111122223333/CloudTrail-Digest/{day}",
    "config": "AWSLogs/111122223333/Config/us-east-1/2026/1/1/ConfigHistory/x.json.gz",
    "flat": day.rsplit("/", 1)[1],
    "china": "AWSLogs/111122223333/CloudTrail/cn-north-1/2026/02/30/x.json.gz",
    "marker": "AWSLogs/111122223333_$folder$",
    "stray": "AWSLogs/111122223333/CloudTrail/us-east-1/2026/10/05/README.md",
    "git": "copy/.git/objects/ab/cdef",
    "address": "https://trail-bucket.s3.cn-north-1.amazonaws.com.cn/AWSLogs/a%20b?x=1",
    "console": "https://eu-central-1.console.aws.amazon.com/s3/buckets/trail-bucket?prefix=AWSLogs%2F",
    "arn": "arn:aws-us-gov:s3:us-gov-west-1:111122223333:accesspoint/logs/object/AWSLogs/*",
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

# Several files in one input are parted by a byte that no UTF-8 has.
PART = b"\xff"


def prime(chance, bits):
    """A number that is prime for all that twenty rounds of Miller and Rabin can tell."""
    while True:
        n = chance.getrandbits(bits) | 1 | 3 << (bits - 2)
        odd, twos = n - 1, 0
        while odd % 2 == 0:
            odd, twos = odd // 2, twos + 1
        if n % 65537 != 1 and all(witness(n, odd, twos, chance.randrange(2, n)) for _ in range(20)):
            return n


def witness(n, odd, twos, base):
    power = pow(base, odd, n)
    return power in (1, n - 1) or any((power := power * power % n) == n - 1 for _ in range(twos - 1))


def der(tag, body):
    length = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return bytes([tag]) + (length if len(body) < 128 else bytes([0x80 | len(length)]) + length) + body


def integer(n):
    return der(2, n.to_bytes(n.bit_length() // 8 + 1, "big"))


# CloudTrail's key, made up and the same every time.
chance = random.Random(1)
p, q = prime(chance, 1024), prime(chance, 1024)
secret = pow(65537, -1, (p - 1) * (q - 1))
public = der(0x30, integer(p * q) + integer(65537))
fingerprint = hashlib.md5(public, usedforsecurity=False).hexdigest()
printed = text({"PublicKeyList": [{"Value": base64.b64encode(public).decode(), "ValidityStartTime": "2026-09-01T00:00:00Z", "ValidityEndTime": "2026-11-01T00:00:00Z", "Fingerprint": fingerprint}]})


def sign(words):
    info = bytes.fromhex("3031300d060960864801650304020105000420") + hashlib.sha256(words.encode()).digest()
    padded = b"\0\1" + b"\xff" * (256 - 3 - len(info)) + b"\0" + info
    return pow(int.from_bytes(padded, "big"), secret, p * q).to_bytes(256, "big").hex()


def digest(hour, before, name="111122223333_CloudTrail-Digest_us-east-1_trail_us-east-1_20260921T{:02}0501Z.json.gz", **more):
    key = "AWSLogs/111122223333/CloudTrail-Digest/us-east-1/2026/09/21/" + name.format(hour)
    log = f"AWSLogs/111122223333/CloudTrail/{day}".replace("20261005T0810Z", f"20260921T{hour:02}10Z")
    fields = {"awsAccountId": "111122223333", "digestStartTime": f"2026-09-21T{hour - 1:02}:05:01Z", "digestEndTime": f"2026-09-21T{hour:02}:05:01Z",
              "digestS3Bucket": "trail", "digestS3Object": key, "digestPublicKeyFingerprint": fingerprint, "digestSignatureAlgorithm": "SHA256withRSA",
              "previousDigestS3Bucket": None, "previousDigestS3Object": None, "previousDigestHashValue": None, "previousDigestSignature": None,
              "logFiles": [{"s3Bucket": "trail", "s3Object": log, "hashValue": "00" * 32, "hashAlgorithm": "SHA-256"}]}
    if before:
        fields |= {"previousDigestS3Bucket": "trail", "previousDigestS3Object": before[0], "previousDigestHashValue": hashlib.sha256(before[1].encode()).hexdigest(), "previousDigestSignature": before[2]}
    body = text(fields | more)
    end = (fields | more)["digestEndTime"]
    signature = sign(f"{end}\ntrail/{key}\n{hashlib.sha256(body.encode()).hexdigest()}\n{before[2] if before else 'null'}")
    return key, body, signature


def several(*parts):
    return PART.join(part.encode() for part in parts)


first = digest(14, None)
second = digest(15, first)
third = digest(17, second)
late = digest(15, None, name="111122223333_CloudTrail-Digest_us-east-1_trail_us-east-1_20260921T{:02}0501Z_backfill.json.gz")
put("digests", "chain", several(*first[:2], *second[:2], second[0] + ".signature", second[2], printed))
put("digests", "gap", several(*first[:2], *third[:2], third[0] + ".signature", text({"Metadata": {"signature": third[2]}}), printed))
put("digests", "late", several(*late[:2], *first[:2], first[0], first[1].replace("trail/", "other/"), printed + printed))
put("digests", "wrong", several(first[0], first[1].replace("00", "01"), first[0] + ".signature", first[2], printed))
put("digests", "strangers", several(*first[:2], first[0] + ".signature", first[2], text({"PublicKeyList": []})))
put("digests", "elsewhere", several("copy/" + first[0], first[1], "x#" + first[2], "no log at all", printed))

schema = "mfatrail.store/2"
entry = {"path": "events/year=2026/month=10/00000001.parquet", "rows": 1, "bytes": 3830, "sha256": "00" * 32}
snapshot = dict(entry, path="iam/20261102T000000Z-00000002.json")
commit = {"schema": schema, "commit": 1, "checkpoint": False, "add": [entry], "remove": []}
more = dict(commit, commit=2, add=[snapshot], remove=[entry["path"]])
put("store", "two", several(text({"schema": schema}), text(commit), text(more)))
put("store", "checkpoint", several(text({"schema": schema}), text(commit), text(dict(more, checkpoint=True)), text(dict(commit, commit=3))))
put("store", "empty", text({"schema": schema}))
put("store", "newer", several(text({"schema": "mfatrail.store/4"}), text(commit)))
put("store", "hole", several(text({"schema": schema}), text(more)))
put("store", "elsewhere", several(text({"schema": schema}), text(dict(commit, add=[dict(entry, path="events/../../other/x.json")], remove=["/tmp/other"]))))


def listed(name, data):
    return {"name": name, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


members = {"report/report.json": b"{}\n", "evidence/commits/00000001.json": text(commit).encode(), "objects/a/b.json": b"[]"}
head = text({"schema": "mfatrail.bundle/1", "version": "0.1.0", "members": [listed(*member) for member in members.items()]})
packed = io.BytesIO()
with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
    for name, data in {"bundle.json": head.encode(), **members}.items():
        archive.writestr(zipfile.ZipInfo(name, (2026, 11, 2, 0, 0, 0)), data)
put("bundle", "packed", packed.getvalue())
put("bundle", "parts", b"\0" + PART.join([head.encode(), *(part for name, data in members.items() for part in (name.encode(), data))]))
put("bundle", "escape", b"\0" + PART.join([text({"schema": "mfatrail.bundle/1", "members": [listed("../x", b""), listed("/x", b"")]}).encode(), b"../x", b"", b"/x", b""]))
put("bundle", "twice", b"\0" + PART.join([head.encode().replace(b"objects/a/b.json", b"report/report.json"), b"report/report.json", b"{}\n"]))
put("bundle", "empty", b"\0" + text({"schema": "mfatrail.bundle/1", "members": []}).encode())

# A record of the archive that the target makes, and what is added to it: under a new id, its own, or as its update.
for name, members in {
    "copy": "",
    "refused": ',"errorCode":"AccessDenied"',
    "later": ',"eventTime":"2026-09-21T12:00:00Z"',
    "enrollment": ',"eventName":"EnableMFADevice"',
    "other": ',"requestParameters":{"userName":"dave","serialNumber":"arn:aws:iam::111122223333:mfa/dave"}',
    "deletion": ',"eventName":"DeleteUser","requestParameters":{"userName":"alice"}',
    "elsewhere": ',"recipientAccountId":"444455556666","sourceIPAddress":"198.51.100.7"',
    "service": ',"eventSource":"ec2.amazonaws.com","userIdentity":null',
}.items():
    for how in (1, 2, 3):
        for place in (4, 5):
            put("additions", f"{name}-{place}-{how}", bytes([place * 8 + how]) + members.encode())
put("additions", "any", b"\0" + text({"Records": [dict(few[0], eventID="e-4", recipientAccountId="111122223333")]}).encode())

# Names and what stands at them, then the content of files.
for name, entries in {
    "links": [(0, 7), (1, 3), (7, 2)],
    "devices": [(0, 5), (8, 5), (9, 6)],
    "pipes": [(0, 6), (2, 6), (7, 6), (10, 6)],
    "folders": [(0, 0), (2, 0), (7, 0)],
    "account": [(6, 3)],
    "itself": [(0, 4), (1, 4), (6, 4)],
    "store": [(0, 1), (2, 7), (3, 2), (4, 3)],
    "sound": [(0, 1), (7, 1)],
}.items():
    put("strangers", name, bytes([len(entries)]) + bytes(part for entry in entries for part in entry) + b'{"schema":"mfatrail.store/4"}')
