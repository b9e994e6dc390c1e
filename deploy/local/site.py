"""A site: one database and one virtual host of a stack, made ready for the fleet (users, topology, tables, keys)."""

import asyncio
import json
import secrets
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import aiohttp
import asyncpg

from deploy.database import READERS, folders_of
from deploy.local.partners.certificate import self_signed
from deploy.local.stack import Addresses
from deploy.local.world import PARTNERS_WITH_SECRETS
from deploy.local.world_data import SELLER
from schemas.catalogue import SERVICES
from shared.broker import users
from shared.broker.apply import apply
from shared.migrate import migrate, reader_url, service_url


@dataclass(frozen=True, slots=True)
class Site:
    """Where everything of one fleet is. URLs are an administrator's; `amqp_url_of` and `database_url_of` a user's."""

    name: str
    folder: Path
    amqp_url: str
    management_url: str
    database_url: str
    passwords: dict[str, str]
    partner_secrets: dict[str, str]

    def amqp_url_of(self, user: str) -> str:
        parts = urlsplit(self.amqp_url)
        place = parts.netloc.rpartition("@")[2]
        return urlunsplit(parts._replace(netloc=f"{user}:{quote(self.passwords[user], safe='')}@{place}"))

    def database_url_of(self, service: str) -> str:
        return service_url(self.database_url, service, self.passwords[service])

    def reading_url_of(self, service: str) -> str:
        """As the role that only looks."""
        return reader_url(self.database_url, service, self.passwords[READERS[service]])

    @property
    def key_file(self) -> Path:
        return self.folder / "signing-key.pem"

    @property
    def certificate_file(self) -> Path:
        return self.folder / "signing-cert.pem"

    @property
    def logs(self) -> Path:
        return self.folder / "logs"


async def prepare(addresses: Addresses, folder: Path, name: str, *, afresh: bool) -> Site:
    """Makes the site, or brings it up to date. `afresh` removes what an earlier run left in it."""
    site = Site(
        name=name,
        folder=folder,
        amqp_url=_with_path(addresses.amqp_url, name),
        management_url=addresses.management_url,
        database_url=_with_path(addresses.database_url, name),
        **_credentials(folder),
    )
    site.logs.mkdir(parents=True, exist_ok=True)
    _write_certificate(site)
    await asyncio.gather(
        _prepare_database(addresses, site, afresh=afresh), _prepare_broker(addresses, site, afresh=afresh)
    )
    return site


async def _prepare_database(addresses: Addresses, site: Site, *, afresh: bool) -> None:
    await _make_database(addresses.database_url, site.name, afresh=afresh)
    for service in SERVICES:
        folders = folders_of(service)
        reader = site.passwords.get(READERS.get(service, ""))
        await asyncio.to_thread(migrate, site.database_url, service, folders, site.passwords[service], reader)


async def _prepare_broker(addresses: Addresses, site: Site, *, afresh: bool) -> None:
    await _make_vhost(addresses, site.name, afresh=afresh)
    await apply(site.amqp_url, site.management_url, {user.name: site.passwords[user.name] for user in users.table()})


def _credentials(folder: Path) -> dict[str, dict[str, str]]:
    """Passwords of the fleet's users and secrets of the partners, made once for a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "credentials.json"
    known = json.loads(file.read_text()) if file.exists() else {}
    names = {
        "passwords": [*(user.name for user in users.table()), *READERS.values()],
        "partner_secrets": list(PARTNERS_WITH_SECRETS),
    }
    made = {
        kind: {name: known.get(kind, {}).get(name) or secrets.token_urlsafe(24) for name in wanted}
        for kind, wanted in names.items()
    }
    if made != known:
        file.touch(mode=0o600)
        file.write_text(json.dumps(made))
    return made


def _write_certificate(site: Site) -> None:
    if site.key_file.exists() and site.certificate_file.exists():
        return
    made = self_signed(SELLER.name, SELLER.cnpj)
    site.key_file.touch(mode=0o600)
    site.key_file.write_bytes(made.key_pem)
    site.certificate_file.write_bytes(made.cert_pem)


async def _make_database(admin_url: str, name: str, *, afresh: bool) -> None:
    connection = await asyncpg.connect(admin_url)
    try:
        if afresh:
            await connection.execute(f'drop database if exists "{name}" with (force)')
        if not await connection.fetchval("select 1 from pg_database where datname = $1", name):
            await connection.execute(f'create database "{name}"')
    finally:
        await connection.close()


async def _make_vhost(addresses: Addresses, name: str, *, afresh: bool) -> None:
    async with aiohttp.ClientSession(f"{addresses.management_url}/api/") as session:
        if afresh:
            await _empty_queues(session, name)
            await _ask(session, "DELETE", f"vhosts/{name}")
        await _ask(session, "PUT", f"vhosts/{name}")


async def _empty_queues(session: aiohttp.ClientSession, vhost: str) -> None:
    """Returns when each queue has a leader: only a leader can purge.

    A node that has just started elects them. RabbitMQ 3.10 then loses the supervisor of all at-least-once dead
    lettering when a queue is deleted in between, and no such queue can be declared until the node starts again.
    """
    async with session.get(f"queues/{vhost}", params={"columns": "name"}) as answer:
        queues = await answer.json() if answer.status == 200 else []
    for queue in queues:
        await _ask(session, "DELETE", f"queues/{vhost}/{queue['name']}/contents")


async def _ask(session: aiohttp.ClientSession, method: str, path: str) -> None:
    async with session.request(method, path, json={}) as answer:
        if answer.status not in (201, 204, 404):
            raise RuntimeError(f"{method} {path}: {answer.status} {await answer.text()}")


def _with_path(url: str, path: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{path}"))
