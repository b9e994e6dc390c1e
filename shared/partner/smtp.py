"""A mail server. What failed before the message's text went out was not taken; later, nobody knows.

A mail sent again carries the same Message-ID and Date, so receivers that know doubles show it once.
"""

from email.message import Message
from email.utils import format_datetime
from time import monotonic
from urllib.parse import unquote, urlsplit

import aiosmtplib

from shared.partner.errors import Rejected, Unavailable, Uncertain
from shared.partner.operation import Attempt

KEPT_SECONDS = 20.0
"""An open connection waits so long for the next mail: servers close what is idle, after minutes by RFC 5321."""


class MailServer:
    """Sends mails, one after the other on connections that stay open. Raises Unavailable, Uncertain or Rejected."""

    def __init__(self, url: str, timeout: float) -> None:
        """`smtp[s]://[user:password@]host[:port]`; seconds for each step of the conversation."""
        parts = urlsplit(url)
        self._tls = parts.scheme == "smtps"
        self._host = parts.hostname or "localhost"
        self._port = parts.port
        self._user = unquote(parts.username) if parts.username else None
        self._password = unquote(parts.password) if parts.password else None
        self._timeout = timeout
        self._idle: list[tuple[float, aiosmtplib.SMTP]] = []
        """Open connections, with when the last mail went through."""

    async def send(self, sender: str, recipient: str, mail: bytes) -> str | None:
        """Why the recipient is refused for good; None where the server took the mail, which is sent as it is."""
        client = self._take()
        taken = False
        try:
            refusal = await self._address(client, sender, recipient)
            if refusal is None:
                await _hand_over(client, mail)
                taken = True
            return refusal
        finally:
            if taken:
                self._idle.append((monotonic(), client))
            else:
                client.close()

    def close(self) -> None:
        """Closes the connections that wait for a mail."""
        while self._idle:
            self._idle.pop()[1].close()

    def _take(self) -> aiosmtplib.SMTP:
        """The connection that was used last, or a new one that is not open yet; closes those that waited too long."""
        since = monotonic() - KEPT_SECONDS
        while self._idle and self._idle[0][0] < since:
            self._idle.pop(0)[1].close()
        return self._idle.pop()[1] if self._idle else self._client()

    def _client(self) -> aiosmtplib.SMTP:
        return aiosmtplib.SMTP(
            hostname=self._host,
            port=self._port,
            username=self._user,
            password=self._password,
            use_tls=self._tls,
            timeout=self._timeout,
        )

    async def _address(self, client: aiosmtplib.SMTP, sender: str, recipient: str) -> str | None:
        """Names sender and recipient; why the recipient is refused for good, None where it is not."""
        utf8 = needs_utf8(sender, recipient)
        try:
            if not (client.is_connected and await _begin_again(client, sender, utf8)):
                client.close()
                await client.connect()
                if utf8 and not client.supports_extension("smtputf8"):
                    return "the address is not ASCII and the mail server takes only ASCII"
                await _begin(client, sender, utf8)
            await client.rcpt(recipient, encoding="utf-8")
        except aiosmtplib.SMTPRecipientRefused as error:
            if error.code >= 500:
                return f"{error.code} {error.message}"
            raise Unavailable(f"{error.code} {error.message}") from error
        except aiosmtplib.SMTPResponseException as error:
            raise _failure(error) from error
        except (aiosmtplib.SMTPException, OSError) as error:
            raise Unavailable(f"{self._host}: {type(error).__name__} {error}") from error
        return None


async def _begin(client: aiosmtplib.SMTP, sender: str, utf8: bool) -> None:
    await client.mail(sender, options=["SMTPUTF8"] if utf8 else None, encoding="utf-8")


async def _begin_again(client: aiosmtplib.SMTP, sender: str, utf8: bool) -> bool:
    """The next mail on an open connection. False: the server had enough of it, and wants another one."""
    if utf8 and not client.supports_extension("smtputf8"):
        return False
    try:
        await _begin(client, sender, utf8)
    except (aiosmtplib.SMTPException, OSError):
        return False
    return True


def needs_utf8(*addresses: str) -> bool:
    return not all(address.isascii() for address in addresses)


def mark(message: Message, sender: str, attempt: Attempt) -> None:
    """Gives it what makes it the same mail on every try."""
    message["Date"] = format_datetime(attempt.created_at)
    message["Message-ID"] = f"<{attempt.call_id}@{sender.rpartition('@')[2]}>"
    message["X-Fleet-Id"] = attempt.call_id
    message["Auto-Submitted"] = "auto-generated"


async def _hand_over(client: aiosmtplib.SMTP, mail: bytes) -> None:
    try:
        await client.data(mail)
    except aiosmtplib.SMTPResponseException as error:
        raise _failure(error) from error
    except (aiosmtplib.SMTPException, OSError) as error:
        raise Uncertain(f"{type(error).__name__} {error}") from error


def _failure(error: aiosmtplib.SMTPResponseException) -> Exception:
    detail = f"{error.code} {error.message}"
    return Rejected(detail) if error.code >= 500 else Unavailable(detail)
