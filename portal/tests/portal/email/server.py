"""A mail server for the tests: aiosmtpd (Debian's python3-aiosmtpd), which takes messages and prints each as a line of JSON.

usage: server.py starttls|tls|plain CERTIFICATE KEY USER PASSWORD [REFUSALS]

Prints `{"port": N}` first. The first REFUSALS messages are refused with 451, as a greylisting server does.
"""
import json
import socket
import ssl
import sys
import time
from email import message_from_bytes, policy

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

way, certificate, key, user, password = sys.argv[1:6]
refusals = int(sys.argv[6]) if len(sys.argv) > 6 else 0


def say(what):
    print(json.dumps(what), flush=True)


class Handler:
    async def handle_DATA(self, server, session, envelope):
        global refusals
        if refusals > 0:
            refusals -= 1
            return "451 come again"
        message = message_from_bytes(envelope.content, policy=policy.default)
        say({
            "from": envelope.mail_from, "to": envelope.rcpt_tos, "tls": session.ssl is not None or way == "tls",
            "user": session.auth_data.decode() if session.auth_data else None,
            "subject": message["subject"], "id": message["message-id"], "body": message.get_content(),
        })
        return "250 taken"


def authenticate(server, session, envelope, mechanism, data):
    good = data.login == user.encode() and data.password == password.encode()
    return AuthResult(success=good, handled=False, auth_data=data.login if good else None)


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
options = {"hostname": "127.0.0.1", "port": port, "server_hostname": "localhost"}
if way == "starttls":
    options |= {"tls_context": context, "require_starttls": True}
if way == "tls":
    options |= {"ssl_context": context}
if way != "plain":
    options |= {"authenticator": authenticate, "auth_required": True, "auth_require_tls": way == "starttls"}
controller = Controller(Handler(), **options)
controller.start()
say({"port": port})
while True:
    time.sleep(60)
