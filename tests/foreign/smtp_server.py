"""A mail server for reports/tasks/tests/deliveries/real_parts.rs: aiosmtpd on a free port of the loopback.

Arguments: JSON {"answers": [...], "certificate": path, "key": path, "user": text, "password": text}, all
optional. An answer is a line such as "451 later", or "lose": the message is taken and the connection cut
before the answer. When answers run out, each message is taken. The port is the first line printed; each
message that was taken is one line of JSON.
"""

import asyncio
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult

asked = json.loads(sys.argv[1])
answers = list(asked.get("answers", []))


class Taker:
    async def handle_DATA(self, server, session, envelope):
        answer = answers.pop(0) if answers else "250 taken"
        if answer.startswith("250") or answer == "lose":
            message = {
                "from": envelope.mail_from,
                "to": envelope.rcpt_tos,
                "tls": session.ssl is not None,
                "user": (session.auth_data or b"").decode() if session.authenticated else None,
                "content": envelope.content.decode("utf-8", "replace"),
            }
            print(json.dumps(message), flush=True)
        if answer == "lose":
            server.transport.abort()
        return answer


def authenticate(server, session, envelope, mechanism, data):
    is_known = (data.login, data.password) == (asked["user"].encode(), asked["password"].encode())
    # Not handled: the server itself says no.
    return AuthResult(success=is_known, handled=False, auth_data=data.login)


def server():
    options = {}
    if "certificate" in asked:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(asked["certificate"], asked["key"])
        options = {"tls_context": context, "require_starttls": True}
    if "user" in asked:
        options |= {"authenticator": authenticate, "auth_required": True}
    return SMTP(Taker(), hostname="mail.example.com", enable_SMTPUTF8=True, **options)


async def serve():
    loop = asyncio.get_running_loop()
    serving = await loop.create_server(server, "127.0.0.1", 0)
    print(serving.sockets[0].getsockname()[1], flush=True)
    # Until whoever started it goes.
    await loop.run_in_executor(None, sys.stdin.read)


asyncio.run(serve())
