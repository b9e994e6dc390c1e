"""The mail server. What failed before the message's text went out was not taken; later, nobody knows.

A mail sent again carries the same Message-ID and Date, so receivers that know doubles show it once.
"""

from email.message import EmailMessage
from email.policy import SMTPUTF8
from email.utils import format_datetime
from urllib.parse import unquote, urlsplit

import aiosmtplib

from schemas.channel import Mail
from services.channel_sync.requests import MailAnswered, SendMail
from shared.partner.errors import Rejected, Unavailable, Uncertain
from shared.partner.operation import Attempt


class MailServer:
    """Sends one mail per connection. Raises Unavailable, Uncertain or Rejected."""

    def __init__(self, url: str, timeout: float) -> None:
        """`smtp[s]://[user:password@]host[:port]`; seconds for each step of the conversation."""
        parts = urlsplit(url)
        self._tls = parts.scheme == "smtps"
        self._host = parts.hostname or "localhost"
        self._port = parts.port
        self._user = unquote(parts.username) if parts.username else None
        self._password = unquote(parts.password) if parts.password else None
        self._timeout = timeout

    async def send(self, asked: SendMail, attempt: Attempt) -> MailAnswered:
        client = aiosmtplib.SMTP(
            hostname=self._host,
            port=self._port,
            username=self._user,
            password=self._password,
            use_tls=self._tls,
            timeout=self._timeout,
        )
        try:
            refusal = await self._address(client, asked.mail)
            if refusal is None:
                await _hand_over(client, asked.mail, attempt)
            return MailAnswered(taken=refusal is None, detail=refusal or "")
        finally:
            client.close()

    async def _address(self, client: aiosmtplib.SMTP, mail: Mail) -> str | None:
        """Connects and names sender and recipient; why the recipient is refused for good, None where it is not."""
        try:
            await client.connect()
            utf8 = not (mail.recipient.isascii() and mail.sender.isascii())
            if utf8 and not client.supports_extension("smtputf8"):
                return "the address is not ASCII and the mail server takes only ASCII"
            await client.mail(mail.sender, options=["SMTPUTF8"] if utf8 else None, encoding="utf-8")
            await client.rcpt(mail.recipient, encoding="utf-8")
        except aiosmtplib.SMTPRecipientRefused as error:
            if error.code >= 500:
                return f"{error.code} {error.message}"
            raise Unavailable(f"{error.code} {error.message}") from error
        except aiosmtplib.SMTPResponseException as error:
            raise _failure(error) from error
        except (aiosmtplib.SMTPException, OSError) as error:
            raise Unavailable(f"{self._host}: {type(error).__name__} {error}") from error
        return None


async def _hand_over(client: aiosmtplib.SMTP, mail: Mail, attempt: Attempt) -> None:
    try:
        await client.data(_compose(mail, attempt).as_bytes(policy=SMTPUTF8))
    except aiosmtplib.SMTPResponseException as error:
        raise _failure(error) from error
    except (aiosmtplib.SMTPException, OSError) as error:
        raise Uncertain(f"{type(error).__name__} {error}") from error


def _compose(mail: Mail, attempt: Attempt) -> EmailMessage:
    message = EmailMessage(policy=SMTPUTF8)
    message["From"] = mail.sender
    message["To"] = mail.recipient
    message["Subject"] = mail.subject
    message["Date"] = format_datetime(attempt.created_at)
    message["Message-ID"] = f"<{attempt.call_id}@{mail.sender.rpartition('@')[2]}>"
    message["X-Fleet-Id"] = attempt.call_id
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.text)
    return message


def _failure(error: aiosmtplib.SMTPResponseException) -> Exception:
    detail = f"{error.code} {error.message}"
    return Rejected(detail) if error.code >= 500 else Unavailable(detail)
