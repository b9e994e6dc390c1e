"""Runs all sandbox partners in this process until SIGTERM or SIGINT: `python -m deploy.local.partners`."""

import asyncio
import logging
import signal

import uvloop

from deploy.local.partners import erp, hub, mercado_livre, sefaz, suppliers
from deploy.local.partners.server import CreateApp, serving
from deploy.local.partners.settings import Settings
from shared.settings import read

PARTNERS: dict[str, CreateApp] = {
    "erp": erp.create_app,
    "suppliers": suppliers.create_app,
    "sefaz": sefaz.create_app,
    hub.NAME: hub.create_app,
    mercado_livre.NAME: mercado_livre.create_app,
}


async def serve(settings: Settings) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with serving(settings, PARTNERS) as running:
        logging.getLogger(__name__).info("sandbox partners at %s, mail at %s", running.url, running.smtp_url)
        await stop.wait()


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("mail.log").setLevel(logging.WARNING)  # aiosmtpd tells every command of every mail
    uvloop.run(serve(read(Settings)))


if __name__ == "__main__":
    main()
