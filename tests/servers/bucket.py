"""A bucket on the loopback interface, over HTTP/1.1 connections that stay open, by Python's own server.

Its settings are JSON in the first argument: objects (how many), latency_s, slow (GETs from the first of these two numbers on, up to
before the second, are answered with 503 SlowDown), certificate and key (files, for TLS). Prints its port; when standard input ends,
prints what it was asked for and ends.
"""

import gzip
import json
import os
import ssl
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SETTINGS = json.loads(sys.argv[1])
LOCK = threading.Lock()
COUNTS = {"gets": 0, "direct": 0, "slow": 0, "connections": 0}


def made(number):
    key = f"AWSLogs/111122223333/CloudTrail/us-east-1/2026/10/01/{number:06}.json.gz"
    record = {
        "eventTime": "2026-10-01T10:00:00Z", "eventSource": "iam.amazonaws.com", "eventName": "DeactivateMFADevice",
        "eventID": f"{number:08x}-0000-4000-8000-000000000000", "awsRegion": "us-east-1", "recipientAccountId": "111122223333",
        "requestParameters": {"userName": f"user-{number}", "serialNumber": f"arn:aws:iam::111122223333:mfa/user-{number}"},
    }  # fmt: skip
    return key, gzip.compress(json.dumps({"Records": [record]}).encode(), 1)


OBJECTS = dict(made(number) for number in range(SETTINGS["objects"]))


class Bucket(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def setup(self):
        super().setup()
        with LOCK:
            COUNTS["connections"] += 1

    def do_GET(self):
        path, _, query = self.path.partition("?")
        key = path.removeprefix("/trail").removeprefix("/")
        if not key:
            return self.answer(200, self.page(query).encode())
        time.sleep(SETTINGS.get("latency_s", 0))
        first, end = SETTINGS.get("slow", (0, 0))
        with LOCK:
            number = COUNTS["gets"]
            COUNTS["gets"] += 1
            # The SDK numbers its attempts.
            COUNTS["direct"] += "amz-sdk-request" not in self.headers
            slow = first <= number < end
            COUNTS["slow"] += slow
        if slow:
            return self.answer(503, b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>")
        return self.answer(200, OBJECTS[key])

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def page(self, query):
        asked = dict(pair.partition("=")[::2] for pair in query.split("&"))
        prefix = asked.get("prefix", "").replace("%2F", "/")
        after = asked.get("continuation-token", "").replace("%2F", "/")
        keys = [key for key in OBJECTS if key.startswith(prefix) and key > after]
        folders = ""
        if "delimiter" in asked and keys and "/" in keys[0][len(prefix):]:
            folder = prefix + keys[0][len(prefix):].partition("/")[0] + "/"
            folders, keys = f"<CommonPrefixes><Prefix>{folder}</Prefix></CommonPrefixes>", []
        page = keys[:1000]
        more = len(keys) > len(page)
        names = "".join(f"<Contents><Key>{key}</Key><Size>{len(OBJECTS[key])}</Size></Contents>" for key in page)
        token = f"<NextContinuationToken>{page[-1]}</NextContinuationToken>" if more else ""
        truncated = str(more).lower()
        return f"<ListBucketResult><Name>trail</Name><IsTruncated>{truncated}</IsTruncated>{token}{names}{folders}</ListBucketResult>"

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512

    def handle_error(self, *_):
        """A client that breaks off is its own matter."""


server = Server(("127.0.0.1", 0), Bucket)
if "certificate" in SETTINGS:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(SETTINGS["certificate"], SETTINGS["key"])
    # The handshake is the handler's, so that one that fails or hangs holds up nobody.
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_address[1], flush=True)
sys.stdin.buffer.read()
with LOCK:
    print(json.dumps(COUNTS), flush=True)
os._exit(0)
