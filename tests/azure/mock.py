#!/usr/bin/env python3
"""Stand-in for the parts of Azure that a sensor speaks to: provisioning, IoT Hub, Event Hubs. One process, TLS only.

Files go to Azurite, whose container it makes and whose blobs it reads for the test; the device twin's MQTT goes on to
mosquitto once the login is right, and the test is the hub's side of it there.

It checks signatures by its own reading of Microsoft's description (hmac, urllib), refuses what the services refuse, and
appends everything it accepts to a journal that is on disk before the sender hears of it. Faults are asked for on a
second, plain port on the loopback: POST /fault {"where": "hub", "kind": "429", "times": 3}; GET /blobs there gives names and
contents.

usage: mock.py --listen ADDRESS:PORT --control PORT --certificate FILE --key FILE --journal FILE
               --hub HOST --event-hub-host HOST --storage-host HOST [--azurite PORT] [--mosquitto PORT]
example: mock.py --listen 192.0.2.1:443 --control 9000 --certificate c.pem --key k.pem --journal j.ndjson \
                 --hub lab.azure-devices.net --event-hub-host lab.servicebus.windows.net \
                 --storage-host lab.blob.core.windows.net --azurite 10000 --mosquitto 9001
Secrets come by the environment: EYOT_MOCK_KEY (base64, of the group), EYOT_MOCK_RULE_KEY, EYOT_MOCK_STORAGE_KEY.
"""

import argparse
import base64
import hashlib
import hmac
import http.client
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
import xml.etree.ElementTree

MAX_HUB_BODY = 256 * 1024
MAX_EVENT_HUB_BODY = 256 * 1024
SLOW_SECONDS = 3
CONTAINER = "uploads"
STORAGE_VERSION = "2021-08-06"


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
        self.account = options.storage_host.split(".")[0]

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
        if path == "/$iothub/websocket" and name == "hub":
            name, routes = "mqtt", self.mqtt
        fault = service.due(name)
        self.inject_before(fault)
        status, answer, headers = routes(path, query, body)
        if status is None:
            self.close_connection = True
            return
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
        if not self.service.options.azurite:
            raise Refused(400, "no storage container is configured")
        if rest == "/files":
            correlation = hashlib.sha256(os.urandom(16)).hexdigest()
            blob = f"{device}/{body['blobName']}"
            self.service.uploads[correlation] = blob
            return 200, {
                "correlationId": correlation,
                "hostName": self.service.options.storage_host,
                "containerName": CONTAINER,
                "blobName": blob,
                "sasToken": blob_signature(self.service.storage_key, self.service.account, blob),
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


    # the device twin: MQTT 3.1.1 on WebSocket

    def mqtt(self, _path, query, _body):
        if self.headers.get("Sec-WebSocket-Protocol") != "mqtt" or query != {"iothub-no-client-cert": "true"}:
            raise Refused(400, "not MQTT on WebSocket with a signature")
        if not self.service.options.mosquitto:
            raise Refused(404, "no twin here")
        broker = socket.create_connection(("127.0.0.1", self.service.options.mosquitto))
        broker = unverified().wrap_socket(broker, server_hostname=self.service.options.hub)
        lines = [f"{self.command} /mqtt HTTP/1.1", "Host: localhost"]
        lines += [f"{n}: {v}" for n, v in self.headers.items() if n.lower() == "upgrade" or n.lower().startswith("sec-")]
        broker.sendall(("\r\n".join([*lines, "Connection: Upgrade"]) + "\r\n\r\n").encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += broker.recv(1) or self.gone()
        self.wfile.write(head)
        if not head.startswith(b"HTTP/1.1 101 "):
            return None, None, ()
        first, packet = self.first_packet()
        try:
            expiry = self.check_login(packet)
        except Refused as refused:
            self.service.record("refused", [{"status": refused.status, "message": refused.message}])
            # CONNACK: not authorised
            self.wfile.write(bytes([0x82, 4, 0x20, 2, 0, 5]))
            return None, None, ()
        broker.sendall(first)
        threading.Thread(target=self.relay, args=(broker, self.connection), daemon=True).start()
        # as the hub does when a signature is over
        over = threading.Timer(expiry - time.time(), self.end_login, (broker,))
        over.daemon = True
        over.start()
        self.relay(self.rfile, broker)
        over.cancel()
        return None, None, ()

    def gone(self):
        raise ConnectionError("the other side is gone")

    def end_login(self, broker):
        self.service.record("mqtt_over", [{}])
        broker.close()

    @staticmethod
    def relay(source, target):
        read = source.recv if hasattr(source, "recv") else source.read1
        try:
            while data := read(65536):
                target.sendall(data)
        except (OSError, ValueError):
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except (OSError, AttributeError):
                pass

    def first_packet(self):
        """The first MQTT packet out of the client's frames (RFC 6455), and the bytes it came in."""
        raw, payload = b"", b""
        while True:
            head = self.rfile.read(2)
            length, extended = head[1] & 127, b""
            if length == 126:
                extended = self.rfile.read(2)
                length = int.from_bytes(extended, "big")
            mask = self.rfile.read(4)
            data = self.rfile.read(length)
            raw += head + extended + mask + data
            payload += bytes(byte ^ mask[at % 4] for at, byte in enumerate(data))
            body, at, shift = 0, 1, 0
            while at < len(payload):
                body |= (payload[at] & 127) << shift
                at, shift = at + 1, shift + 7
                if payload[at - 1] < 128:
                    break
            if at > 1 and len(payload) >= at + body:
                return raw, payload[:1] + payload[at : at + body]

    def check_login(self, packet):
        """CONNECT (MQTT 3.1.1 section 3.1): the device's id, the hub's user name, a signature as password."""
        def text(at):
            length = int.from_bytes(packet[at : at + 2], "big")
            return packet[at + 2 : at + 2 + length].decode(), at + 2 + length

        protocol, at = text(1)
        level, flags = packet[at], packet[at + 1]
        if packet[0] != 0x10 or (protocol, level) != ("MQTT", 4) or flags & 0xC0 != 0xC0:
            raise Refused(400, "not MQTT 3.1.1 with user name and password")
        device, at = text(at + 4)
        username, at = text(at)
        password, at = text(at)
        hub = self.service.options.hub
        if username != f"{hub}/{device}/?api-version=2021-04-12":
            raise Refused(401, f"user name {username}")
        check_signature(password, self.service.device_key(device), f"{hub}/devices/{device}", None)
        expiry = int(re.search(r"&se=(\d+)", password).group(1))
        self.service.record("mqtt", [{"device": device, "expiry": expiry}])
        return expiry


def unverified():
    """For the way from here to the servers behind, whose certificates are this test's own."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def blob_signature(key, account, blob):
    """A service signature that may create and write this one blob for an hour (Azure Storage, version 2018-11-09)."""
    start, expiry = (
        time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + shift)) for shift in (-300, 3600)
    )
    version, rights = "2018-11-09", "cw"
    resource = f"/blob/{account}/{CONTAINER}/{blob}"
    signed = "\n".join([rights, start, expiry, resource, "", "", "https", version, "b", "", "", "", "", "", ""])
    signature = base64.b64encode(hmac.new(key, signed.encode(), hashlib.sha256).digest()).decode()
    fields = {"sv": version, "sr": "b", "st": start, "se": expiry, "sp": rights, "spr": "https", "sig": signature}
    return "?" + urllib.parse.urlencode(fields)


def storage(service, method, path, query):
    """Asks the storage as its owner (Azure Storage, authorisation with the shared key)."""
    date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime())
    headers = {"x-ms-date": date, "x-ms-version": STORAGE_VERSION, "Host": service.options.storage_host}
    resource = f"/{service.account}{path}" + "".join(f"\n{k}:{v}" for k, v in sorted(query.items()))
    signed = f"{method}{chr(10) * 12}x-ms-date:{date}\nx-ms-version:{STORAGE_VERSION}\n{resource}"
    signature = base64.b64encode(hmac.new(service.storage_key, signed.encode(), hashlib.sha256).digest()).decode()
    headers["Authorization"] = f"SharedKey {service.account}:{signature}"
    connection = http.client.HTTPSConnection("127.0.0.1", service.options.azurite, context=unverified(), timeout=20)
    connection.request(method, f"{path}?{urllib.parse.urlencode(query)}", headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


def blobs(service):
    """Names and contents of everything in the container."""
    status, body = storage(service, "GET", f"/{CONTAINER}", {"restype": "container", "comp": "list"})
    if status != 200:
        raise RuntimeError(f"the storage lists nothing: {status} {body[:300]}")
    names = [name.text for name in xml.etree.ElementTree.fromstring(body.decode("utf-8-sig")).iter("Name")]
    return {name: storage(service, "GET", f"/{CONTAINER}/{name}", {})[1].decode() for name in names}


def make_container(service):
    """Waits for the storage, then makes the container."""
    until = time.time() + 30
    while True:
        try:
            status, body = storage(service, "PUT", f"/{CONTAINER}", {"restype": "container"})
            if status == 201:
                return
            raise RuntimeError(f"the storage makes no container: {status} {body[:300]}")
        except OSError:
            if time.time() > until:
                raise
            time.sleep(0.2)


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
        body = json.dumps(blobs(self.service)).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("listen", "certificate", "key", "journal", "hub", "event-hub-host", "storage-host"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("control", "azurite", "mosquitto"):
        parser.add_argument(f"--{name}", required=name == "control", type=int)
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
    # without Azurite the hub has no storage container, without mosquitto no twin
    if options.azurite:
        make_container(service)
    print("ready", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    sys.exit(main())
