"""channel_sync's mails against the sandbox's mailboxes, over SMTP."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP

from deploy.local.partners import smtp
from schemas.channel import Mail
from services.channel_sync.partners.smtp import MailServer
from services.channel_sync.requests import SendMail
from shared.partner.errors import Rejected, Unavailable, Uncertain
from tests.integration.sandbox.serving import Partners, partners_at_work


@pytest.fixture
async def partners() -> AsyncIterator[Partners]:
    async with partners_at_work({}) as running:
        yield running


def client(partners: Partners) -> MailServer:
    return MailServer(partners.smtp_url, timeout=5)


def mail(**fields: Any) -> SendMail:
    letter = Mail(
        sender="pedidos@example.com",
        recipient="maria@example.org",
        subject="Pedido 1 confirmado – obrigado, João",
        text="Olá, João,\n\n.uma linha que começa com ponto\n\nAtenciosamente,\nEstrada Boa\n",
    )
    return SendMail(mail=letter.model_copy(update=fields), fact="confirmed", reference="")


async def test_mail_arrives_as_it_was_written(partners: Partners) -> None:
    assert (await client(partners).send(mail(), partners.attempt("call-7"))).taken
    [received] = await partners.get("/mail")
    assert received["to"] == "maria@example.org"
    assert received["subject"] == "Pedido 1 confirmado – obrigado, João"
    assert received["text"].replace("\r\n", "\n") == mail().mail.text
    assert received["X-Fleet-Id"] == "call-7"
    assert received["Message-ID"] == "<call-7@example.com>"


async def test_mail_whose_answer_was_lost_is_uncertain_and_lies_in_the_mailbox_once_after_all(
    partners: Partners,
) -> None:
    faults = partners.sandbox.faults["mail"]
    faults.lost_answer = 1.0
    with pytest.raises(Uncertain):
        await client(partners).send(mail(), partners.attempt("call-7"))
    assert faults.injected["lost_answer"] == 1
    faults.lost_answer = 0.0
    assert (await client(partners).send(mail(), partners.attempt("call-7", 2))).taken
    assert len(await partners.get("/mail")) == 1
    assert [times for _, _, times in partners.effects()] == [2]


@pytest.mark.parametrize("fault", ["error", "too_many"])
async def test_mail_that_is_not_taken_now_is_tried_again(partners: Partners, fault: str) -> None:
    setattr(partners.sandbox.faults["mail"], fault, 1.0)
    with pytest.raises(Unavailable):
        await client(partners).send(mail(), partners.attempt())
    assert partners.sandbox.faults["mail"].injected[fault] == 1
    assert await partners.get("/mail") == []


async def test_server_that_is_away_is_tried_again(partners: Partners) -> None:
    with pytest.raises(Unavailable):
        await MailServer("smtp://127.0.0.1:1", timeout=2).send(mail(), partners.attempt())


async def test_address_with_accents_is_mailed_where_the_server_can(partners: Partners) -> None:
    assert (await client(partners).send(mail(recipient="joão@exämple.org"), partners.attempt())).taken
    assert (await partners.get("/mail"))[0]["to"] == "joão@exämple.org"


async def test_mails_go_one_after_the_other_on_a_connection_that_stays_open(partners: Partners) -> None:
    handler = Picky(data="250 ok")
    async with served(handler) as url:
        sender = MailServer(url, timeout=5)
        for number in range(3):
            assert (await sender.send(mail(), partners.attempt(f"call-{number}"))).taken
        sender.close()
    assert [len(handler.sessions), handler.mails] == [1, 3]


@pytest.mark.parametrize("mood", ["hangs_up", "has_had_enough"])
async def test_connection_that_the_server_ended_is_replaced_by_a_new_one(partners: Partners, mood: str) -> None:
    handler = Picky(data="250 ok")
    async with served(handler) as url:
        sender = MailServer(url, timeout=5)
        assert (await sender.send(mail(), partners.attempt("call-1"))).taken
        if mood == "hangs_up":
            transport: Any = handler.sessions[0].transport
            transport.abort()
        else:
            handler.weary = handler.sessions[0]
        assert (await sender.send(mail(), partners.attempt("call-2"))).taken
        sender.close()
    assert [len(handler.sessions), handler.mails] == [2, 2]


async def test_recipient_that_is_refused_does_not_spoil_the_next_mail(partners: Partners) -> None:
    handler = Picky(data="250 ok")
    async with served(handler) as url:
        sender = MailServer(url, timeout=5)
        assert (await sender.send(mail(), partners.attempt("call-1"))).taken
        handler.rcpt = "550 5.1.1 no such user"
        assert not (await sender.send(mail(), partners.attempt("call-2"))).taken
        handler.rcpt = ""
        assert (await sender.send(mail(), partners.attempt("call-3"))).taken
        sender.close()
    assert handler.mails == 2


class Picky:
    """A mail server's handler that answers a recipient, or a text, with a code."""

    def __init__(self, rcpt: str = "", data: str = "") -> None:
        self.rcpt, self.data = rcpt, data
        self.sessions: list[SMTP] = []
        self.weary: SMTP | None = None
        """Takes no mail any more on this connection."""
        self.mails = 0

    async def handle_EHLO(
        self, server: SMTP, session: Any, envelope: Any, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        self.sessions.append(server)
        return responses

    async def handle_MAIL(self, server: SMTP, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        if server is self.weary:
            return "421 4.7.0 too many mails on this connection"
        envelope.mail_from = address
        return "250 ok"

    async def handle_RCPT(self, server: SMTP, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        if self.rcpt:
            return self.rcpt
        envelope.rcpt_tos.append(address)
        return "250 ok"

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Any) -> str:
        self.mails += 1
        return self.data


@asynccontextmanager
async def served(handler: Picky) -> AsyncIterator[str]:
    """The URL of a mail server with this handler."""
    server = await smtp.start(handler, "127.0.0.1", 0)
    try:
        host, port = server.sockets[0].getsockname()[:2]
        yield f"smtp://{host}:{port}"
    finally:
        server.close()


async def send_to(handler: Picky, partners: Partners) -> Any:
    async with served(handler) as url:
        return await MailServer(url, timeout=5).send(mail(), partners.attempt())


async def test_unknown_recipient_is_an_answer_not_a_failure(partners: Partners) -> None:
    answer = await send_to(Picky(rcpt="550 5.1.1 no such user"), partners)
    assert (answer.taken, answer.detail) == (False, "550 5.1.1 no such user")


async def test_full_mailbox_is_tried_again(partners: Partners) -> None:
    with pytest.raises(Unavailable, match="452"):
        await send_to(Picky(rcpt="452 4.2.2 mailbox full"), partners)


async def test_text_that_is_refused_for_good_is_shown_to_a_person(partners: Partners) -> None:
    with pytest.raises(Rejected, match="554"):
        await send_to(Picky(data="554 5.7.1 looks like spam"), partners)
