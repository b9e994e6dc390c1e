"""Puts the sandbox partners on one HTTP port, each under its prefix, with the mailboxes on an SMTP port."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web

from deploy.local.partners import smtp
from deploy.local.partners.control import Control
from deploy.local.partners.sandbox import Sandbox
from deploy.local.partners.settings import Settings

CreateApp = Callable[[Sandbox], web.Application]


@dataclass(frozen=True, slots=True)
class Serving:
    """A running sandbox and where it listens."""

    sandbox: Sandbox
    url: str
    smtp_url: str


def assemble(sandbox: Sandbox, partners: Mapping[str, CreateApp], mailboxes: smtp.Mailboxes) -> web.Application:
    """`partners`: URL prefix without the slash → its application."""
    app = web.Application()
    app.add_routes([*Control(sandbox).routes(), web.get("/mail", mailboxes.list_mails)])
    for name, create in partners.items():
        app.add_subapp(f"/{name}", create(sandbox))
    return app


@asynccontextmanager
async def serving(settings: Settings, partners: Mapping[str, CreateApp]) -> AsyncIterator[Serving]:
    """Listens until the block ends. OSError: a port is taken."""
    sandbox = Sandbox(settings.gateway_url.rstrip("/"), dict(settings.secrets), pace=settings.sandbox_pace)
    mailboxes = smtp.Mailboxes(sandbox)
    runner = web.AppRunner(assemble(sandbox, partners, mailboxes), access_log=None, shutdown_timeout=2.0)
    await runner.setup()
    mail_server = None
    try:
        await web.TCPSite(runner, settings.sandbox_host, settings.sandbox_port).start()
        mail_server = await smtp.start(mailboxes, settings.sandbox_host, settings.sandbox_smtp_port)
        host, port = runner.addresses[0][:2]
        mail_host, mail_port = mail_server.sockets[0].getsockname()[:2]
        yield Serving(sandbox, f"http://{host}:{port}", f"smtp://{mail_host}:{mail_port}")
    finally:
        if mail_server is not None:
            mail_server.close()
        await sandbox.close()
        await runner.cleanup()
