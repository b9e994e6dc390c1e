"""The sandbox's mailboxes: an SMTP server that keeps every mail, and `GET /mail` that lists them.

A mail that comes again under the Message-ID it had is the same mail, as receiving mail programs have it; how often it
came shows in its effect. Faults (partner `mail`): `error` answers 451, `too_many` 421, `lost_answer` keeps the mail and
then cuts the connection, `delay` waits before the answer.
"""

import asyncio
import hashlib
import random
from dataclasses import asdict, dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiohttp import web
from aiosmtpd.smtp import SMTP, Envelope, Session

from deploy.local.partners.sandbox import Sandbox

NAME = "mail"


@dataclass(frozen=True, slots=True)
class Received:
    """A mail as it lies in the mailbox."""

    to: str
    sender: str
    subject: str
    fleet_id: str
    message_id: str
    text: str
    attachments: tuple[str, ...] = ()
    """Names of the files that came with it."""


@dataclass(slots=True)
class Mailboxes:
    sandbox: Sandbox
    mails: list[Received] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.sandbox.partners.add(NAME)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """aiosmtpd calls it when a mail's text has arrived."""
        faults = self.sandbox.faults[NAME]
        if faults.delay:
            await asyncio.sleep(random.random() * faults.delay)
        if random.random() < faults.error:
            faults.injected["error"] += 1
            return "451 4.3.0 try again later"
        if random.random() < faults.too_many:
            faults.injected["too_many"] += 1
            return "421 4.7.0 too many mails"
        self._keep(envelope)
        if random.random() < faults.lost_answer and isinstance(server.transport, asyncio.WriteTransport):
            faults.injected["lost_answer"] += 1
            server.transport.abort()
        return "250 2.0.0 kept"

    async def list_mails(self, request: web.Request) -> web.Response:
        return web.json_response([_shown(mail) for mail in self.mails])

    def _keep(self, envelope: Envelope) -> None:
        assert isinstance(envelope.content, bytes), "decode_data is off"
        message = message_from_bytes(envelope.content, policy=default)
        assert isinstance(message, EmailMessage)
        mail = Received(
            to=", ".join(envelope.rcpt_tos),
            sender=envelope.mail_from or "",
            subject=str(message.get("Subject", "")),
            fleet_id=str(message.get("X-Fleet-Id", "")),
            message_id=str(message.get("Message-ID", "")),
            text=body.get_content() if (body := message.get_body(("plain",))) is not None else "",
            attachments=tuple(part.get_filename() or "" for part in message.iter_attachments()),
        )
        said = hashlib.sha256(mail.text.encode()).hexdigest()[:12]  # two parcels of one order are two mails
        key = f"{mail.to}: {mail.subject} ({said})"
        self.sandbox.once(NAME, "send", key, mail.message_id, lambda: self._arrived(mail, message))

    def _arrived(self, mail: Received, message: EmailMessage) -> None:
        """A supplier without an API reads it at once."""
        self.mails.append(mail)
        if (read := self.sandbox.readers.get(mail.to)) is not None:
            read(message)


def _shown(mail: Received) -> dict[str, Any]:
    shown = asdict(mail)
    shown["X-Fleet-Id"] = shown.pop("fleet_id")
    shown["Message-ID"] = shown.pop("message_id")
    return shown


async def start(handler: Any, host: str, port: int) -> asyncio.Server:
    """Listens for SMTP and gives the mails to an aiosmtpd handler; port 0 takes a free one."""
    loop = asyncio.get_running_loop()
    return await loop.create_server(lambda: SMTP(handler, enable_SMTPUTF8=True, loop=loop, ident="sandbox"), host, port)
