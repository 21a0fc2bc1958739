#!/usr/bin/env python3
"""Stand-in for the parts of Azure that a sensor speaks to: provisioning, IoT Hub, Event Hubs. One process, TLS only.

It checks signatures by its own reading of Microsoft's description (hmac, urllib), refuses what the services refuse, and
appends everything it accepts to a journal that is on disk before the sender hears of it. Faults are asked for on a
second, plain port on the loopback: POST /fault {"where": "hub", "kind": "429", "times": 3}.

usage: mock.py --listen ADDRESS:PORT --control PORT --certificate FILE --key FILE --journal FILE
               --hub HOST --event-hub-host HOST --storage HOST:PORT
example: mock.py --listen 192.0.2.1:443 --control 9000 --certificate c.pem --key k.pem --journal j.ndjson \
                 --hub lab.azure-devices.net --event-hub-host lab.servicebus.windows.net --storage 127.0.0.1:10000
Secrets come by the environment: EYOT_MOCK_KEY (base64, of the group), EYOT_MOCK_RULE_KEY, EYOT_MOCK_STORAGE_KEY.
"""

import argparse
import base64
import hashlib
import hmac
import http.server
import json
import os
import re
import socket
import ssl
import sys
import threading
import time
import urllib.parse

MAX_HUB_BODY = 256 * 1024
MAX_EVENT_HUB_BODY = 256 * 1024
SLOW_SECONDS = 3
ACCOUNT = "devstoreaccount1"  # the emulator's own
CONTAINER = "uploads"


class Refused(Exception):
    """An answer that is not a success."""

    def __init__(self, status, message, headers=()):
        super().__init__(message)
        self.status, self.message, self.headers = status, message, headers


class Service:
    """What is known, what was received, and which faults are due."""

    def __init__(self, options):
        self.options = options
        self.group_key = base64.b64decode(os.environ["EYOT_MOCK_KEY"])
        self.rule_key = os.environ["EYOT_MOCK_RULE_KEY"].encode()
        self.storage_key = base64.b64decode(os.environ["EYOT_MOCK_STORAGE_KEY"])
        self.lock = threading.Lock()
        self.journal = open(options.journal, "a", encoding="utf-8")
        self.faults = []  # [where, kind, times]
        self.operations = {}  # operation id -> [registration id, questions until it is assigned]
        self.uploads = {}  # correlation id -> blob name

    def record(self, where, entries):
        """On disk before anybody hears of it."""
        with self.lock:
            for entry in entries:
                self.journal.write(json.dumps({"where": where, **entry}) + "\n")
            self.journal.flush()
            os.fsync(self.journal.fileno())

    def due(self, where):
        """The fault to commit now, if any."""
        with self.lock:
            for fault in self.faults:
                if fault[0] in (where, "all") and fault[2] > 0:
                    fault[2] -= 1
                    return fault[1]
        return None

    def device_key(self, registration):
        return hmac.new(self.group_key, registration.encode(), hashlib.sha256).digest()


def check_signature(header, key, resource, rule):
    """Refuses a shared access signature that is not for this resource, not by this key, or over."""
    match = re.fullmatch(r"SharedAccessSignature (.+)", header or "")
    if not match:
        raise Refused(401, "no shared access signature")
    fields = dict(part.split("=", 1) for part in match.group(1).split("&"))
    claimed = urllib.parse.unquote(fields.get("sr", ""))
    if claimed.lower() != resource.lower():
        raise Refused(401, f"signed for {claimed}, not for {resource}")
    if fields.get("skn") != rule:
        raise Refused(401, f"policy {fields.get('skn')}, expected {rule}")
    expiry = fields.get("se", "")
    if not expiry.isdigit() or int(expiry) <= time.time():
        raise Refused(401, "the signature is over")
    if int(expiry) > time.time() + 24 * 3600:
        raise Refused(401, "the signature lives longer than this test allows")
    signed = f"{fields['sr']}\n{expiry}".encode()
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    if not hmac.compare_digest(urllib.parse.unquote(fields.get("sig", "")), expected):
        raise Refused(401, "the signature is not by this key")


class Handler(http.server.BaseHTTPRequestHandler):
    """The services, told apart by the Host field as the real ones are by their addresses."""

    protocol_version = "HTTP/1.1"
    service = None

    def log_message(self, *_):
        pass

    def handle_one(self):
        service, options = self.service, self.service.options
        host = (self.headers.get("Host") or "").split(":")[0].lower()
        path, _, query = self.path.partition("?")
        query = dict(urllib.parse.parse_qsl(query))
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        name, routes = {
            options.hub: ("hub", self.hub),
            options.event_hub_host: ("event_hub", self.event_hub),
        }.get(host, ("dps", self.dps))
        if "/files" in path and name == "hub":
            name = "upload"
        fault = service.due(name)
        self.inject_before(fault)
        status, answer, headers = routes(path, query, body)
        if fault == "half_closed":
            # accepted, and the sender never hears of it
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        self.answer(status, answer, headers)

    def inject_before(self, fault):
        answers = {
            "401": Refused(401, "injected"),
            "403": Refused(403, "injected: quota"),
            "429": Refused(429, "injected: throttled", (("Retry-After", "1"),)),
            "500": Refused(500, "injected"),
            "503": Refused(503, "injected", (("Retry-After", "1"),)),
        }
        if fault in answers:
            raise answers[fault]
        if fault == "slow":
            time.sleep(SLOW_SECONDS)

    def answer(self, status, value, headers=()):
        body = b"" if value is None else json.dumps(value).encode()
        self.send_response(status)
        for name, text in headers:
            self.send_header(name, text)
        if body:
            self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def dispatch(self):
        try:
            self.handle_one()
        except Refused as refused:
            self.service.record("refused", [{"status": refused.status, "message": refused.message}])
            self.answer(refused.status, {"message": refused.message}, refused.headers)
        except (ConnectionError, ssl.SSLError, OSError):
            self.close_connection = True

    do_GET = do_POST = do_PUT = dispatch

    # provisioning

    def dps(self, path, query, body):
        if query.get("api-version") != "2021-06-01":
            raise Refused(400, "api-version")
        match = re.fullmatch(r"/([A-Za-z0-9]+)/registrations/([^/]+)/(register|operations/([^/]+))", path)
        if not match:
            raise Refused(404, "no such resource")
        scope, registration = match.group(1), urllib.parse.unquote(match.group(2))
        key = self.service.device_key(registration)
        check_signature(self.headers.get("Authorization"), key, f"{scope}/registrations/{registration}", "registration")
        wait = (("Retry-After", "1"),)
        if match.group(3) == "register":
            if self.command != "PUT" or json.loads(body) != {"registrationId": registration}:
                raise Refused(400, "registrationId")
            operation = f"4.{len(self.service.operations)}.{registration}"
            self.service.operations[operation] = [registration, 1]
            return 202, {"operationId": operation, "status": "assigning"}, wait
        known = self.service.operations.get(urllib.parse.unquote(match.group(4)))
        if not known or known[0] != registration:
            raise Refused(404, "no such operation")
        if known[1] > 0:
            known[1] -= 1
            return 202, {"operationId": match.group(4), "status": "assigning"}, wait
        state = {"assignedHub": self.service.options.hub, "deviceId": registration, "status": "assigned"}
        self.service.record("dps", [{"device": registration}])
        return 200, {"operationId": match.group(4), "status": "assigned", "registrationState": state}, ()

    # IoT Hub

    def hub(self, path, query, body):
        if query.get("api-version") != "2021-04-12":
            raise Refused(400, "api-version")
        match = re.fullmatch(r"/devices/([^/]+)(/messages/events|/files|/files/notifications)", path)
        if not match:
            raise Refused(404, "no such resource")
        device = urllib.parse.unquote(match.group(1))
        resource = f"{self.service.options.hub}/devices/{device}"
        check_signature(self.headers.get("Authorization"), self.service.device_key(device), resource, None)
        if match.group(2) == "/messages/events":
            return self.messages(device, body)
        return self.files(device, match.group(2), json.loads(body))

    def messages(self, device, body):
        if self.headers.get("Content-Type") != "application/vnd.microsoft.iothub.json":
            raise Refused(400, "not a batch")
        if len(body) > MAX_HUB_BODY:
            raise Refused(413, "larger than 256 KiB")
        entries = []
        for item in json.loads(body):
            properties = item["properties"]
            if properties["iothub-contenttype"] != "application/json" or item["base64Encoded"] is not True:
                raise Refused(400, "content type")
            message = json.loads(base64.b64decode(item["body"], validate=True))
            if message["id"] != properties["iothub-messageid"] or message["kind"] != properties["iothub-app-kind"]:
                raise Refused(400, "properties differ from the body")
            entries.append({"device": device, "message": message})
        self.service.record("hub", entries)
        return 204, None, ()

    def files(self, device, rest, body):
        if rest == "/files":
            correlation = hashlib.sha256(os.urandom(16)).hexdigest()
            blob = f"{device}/{body['blobName']}"
            self.service.uploads[correlation] = blob
            storage = self.service.options.storage
            return 200, {
                "correlationId": correlation,
                "hostName": storage,
                # the emulator has the account's name in the path
                "containerName": f"{ACCOUNT}/{CONTAINER}",
                "blobName": blob,
                "sasToken": blob_signature(self.service.storage_key, blob),
            }, ()
        blob = self.service.uploads.pop(body["correlationId"], None)
        if blob is None:
            raise Refused(404, "no such upload")
        self.service.record("upload", [{"blob": blob, "success": body["isSuccess"], "status": body["statusCode"]}])
        return 204, None, ()

    # Event Hubs

    def event_hub(self, path, query, body):
        match = re.fullmatch(r"/([^/]+)/messages", path)
        if not match or query.get("api-version") != "2014-01":
            raise Refused(404, "no such resource")
        resource = f"https://{self.service.options.event_hub_host}/{match.group(1)}"
        check_signature(self.headers.get("Authorization"), self.service.rule_key, resource, "send")
        if self.headers.get("Content-Type") != "application/vnd.microsoft.servicebus.json":
            raise Refused(400, "not a batch")
        if len(body) > MAX_EVENT_HUB_BODY:
            raise Refused(413, "larger than 256 KiB")
        entries = []
        for item in json.loads(body):
            message = json.loads(item["Body"])
            if item["UserProperties"] != {"id": message["id"], "kind": message["kind"]}:
                raise Refused(400, "properties differ from the body")
            entries.append({"message": message})
        self.service.record("event_hub", entries)
        return 201, None, ()


def blob_signature(key, blob):
    """A service signature that may create and write this one blob for an hour (Azure Storage, version 2018-11-09)."""
    start, expiry = (
        time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + shift)) for shift in (-300, 3600)
    )
    version, rights = "2018-11-09", "cw"
    resource = f"/blob/{ACCOUNT}/{CONTAINER}/{blob}"
    signed = "\n".join([rights, start, expiry, resource, "", "", "https,http", version, "b", "", "", "", "", "", ""])
    signature = base64.b64encode(hmac.new(key, signed.encode(), hashlib.sha256).digest()).decode()
    fields = {"sv": version, "sr": "b", "st": start, "se": expiry, "sp": rights, "spr": "https,http", "sig": signature}
    return "?" + urllib.parse.urlencode(fields)


class Control(http.server.BaseHTTPRequestHandler):
    """Faults, asked for by the test."""

    service = None

    def log_message(self, *_):
        pass

    def do_POST(self):
        wanted = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.service.lock:
            self.service.faults.append([wanted["where"], wanted["kind"], wanted["times"]])
        self.send_response(204)
        self.end_headers()

    def do_GET(self):
        with self.service.lock:
            left = sum(f[2] for f in self.service.faults)
        body = json.dumps({"faults_left": left}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("listen", "certificate", "key", "journal", "hub", "event-hub-host", "storage"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--control", required=True, type=int)
    options = parser.parse_args()
    service = Service(options)
    Handler.service = Control.service = service
    address, _, port = options.listen.rpartition(":")
    server = http.server.ThreadingHTTPServer((address, int(port)), Handler)
    server.daemon_threads = True
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(options.certificate, options.key)
    # the handshake belongs to the connection's own thread, so that a slow one holds up nobody
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    control = http.server.ThreadingHTTPServer(("127.0.0.1", options.control), Control)
    threading.Thread(target=control.serve_forever, daemon=True).start()
    print("ready", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    sys.exit(main())
