"""The customers' mails, over the mail server."""

from email.mime.text import MIMEText
from email.policy import SMTPUTF8, compat32

from schemas.channel import Mail
from services.channel_sync.requests import MailAnswered, SendMail
from shared.partner import smtp
from shared.partner.operation import Attempt

ASCII = compat32.clone(linesep="\r\n")
"""Headers that are not ASCII become encoded words. The newer policies parse each header first: four times the CPU."""


class MailServer:
    """Sends mails, one after the other on connections that stay open. Raises Unavailable, Uncertain or Rejected."""

    def __init__(self, url: str, timeout: float) -> None:
        """`smtp[s]://[user:password@]host[:port]`; seconds for each step of the conversation."""
        self._server = smtp.MailServer(url, timeout)

    async def send(self, asked: SendMail, attempt: Attempt) -> MailAnswered:
        mail = asked.mail
        refusal = await self._server.send(mail.sender, mail.recipient, _compose(mail, attempt).as_bytes())
        return MailAnswered(taken=refusal is None, detail=refusal or "")

    def close(self) -> None:
        """Closes the connections that wait for a mail."""
        self._server.close()


def _compose(mail: Mail, attempt: Attempt) -> MIMEText:
    policy = SMTPUTF8 if smtp.needs_utf8(mail.sender, mail.recipient) else ASCII
    message = MIMEText(mail.text, "plain", "utf-8", policy=policy)
    message["From"] = mail.sender
    message["To"] = mail.recipient
    message["Subject"] = mail.subject
    smtp.mark(message, mail.sender, attempt)
    return message
