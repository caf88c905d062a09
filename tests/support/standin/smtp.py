"""A mail server (aiosmtpd) that does what its one argument, JSON, says; the mails that it took go to a file, a line of JSON each.

starttls, implicit: whether it encrypts, and how; key, certificate: the files. auth: [user, password], demanded if it is there.
mail, rcpt, data: what it answers, by sender or recipient, or to each mail in turn; null is yes. An answer to a mail can be "drop" (taken, and
the connection ends), "lose" (not taken, and it ends), "silence" (taken, and no answer), or an SMTP answer.
"""

import asyncio
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

how = json.loads(sys.argv[1])


def context():
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(how["certificate"], how["key"])
    return made


def authenticate(_server, _session, _envelope, _mechanism, data):
    if isinstance(data, LoginPassword):
        given = [data.login.decode(), data.password.decode()]
        return AuthResult(success=given == how["auth"], auth_data=given[0], handled=False)
    return AuthResult(success=False, handled=False)


def next_of(answers):
    return answers.pop(0) if answers else None


class Handler:
    async def handle_MAIL(self, _server, _session, envelope, address, options):
        refusal = next_of(how.get("mail", []))
        if refusal:
            return refusal
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(self, server, _session, envelope, address, options):
        refusal = next_of(how.get("rcpt", {}).get(address, []))
        if refusal == "drop":
            server.transport.abort()
            return "421 gone"
        if refusal:
            return refusal
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        answer = next_of(how.get("data", []))
        if answer in (None, "drop", "silence"):
            taken = {
                "from": envelope.mail_from,
                "to": envelope.rcpt_tos,
                "mail": envelope.original_content.decode(),
                "encrypted": session.ssl is not None or bool(how.get("implicit")),
                "signed_in": bool(session.authenticated),
            }
            with open(how["taken"], "a") as file:
                file.write(json.dumps(taken) + "\n")
        if answer in ("drop", "lose"):
            server.transport.abort()
        if answer == "silence":
            await asyncio.sleep(60)
        return answer if answer and answer[0].isdigit() else "250 OK"


async def serve():
    options = {"hostname": "mail.example.com", "enable_SMTPUTF8": False}
    if how.get("starttls"):
        options.update(tls_context=context(), require_starttls=True)
    if how.get("auth"):
        options.update(authenticator=authenticate, auth_required=True, auth_require_tls=not how.get("implicit"))
    loop = asyncio.get_running_loop()
    made = lambda: SMTP(Handler(), loop=loop, **options)
    server = await loop.create_server(made, "127.0.0.1", 0, ssl=context() if how.get("implicit") else None)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(serve())
