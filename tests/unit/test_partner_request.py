"""Where a request to a partner goes, and what is known of it where that is nowhere."""

import uuid
from datetime import UTC, datetime

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from shared.partner.errors import Rejected, Unavailable, Uncertain
from shared.partner.http import request
from shared.partner.operation import Attempt

NOBODY = "http://127.0.0.1:9"


async def get(url: str) -> None:
    async with aiohttp.ClientSession() as session:
        await request(Attempt(session, uuid.uuid4().hex, 1, datetime.now(UTC)), "GET", url)


@pytest.mark.parametrize("path", ["/orders/../invoice", "/orders/..", "/orders/./invoice", "/orders/..?all=yes"])
async def test_path_that_dots_would_lead_elsewhere_is_not_asked_for(path: str) -> None:
    with pytest.raises(Rejected, match="only dots"):
        await get(NOBODY + path)


@pytest.mark.parametrize("path", ["/orders/a..b/.c/...", "/orders?from=/../", "/orders#/../"])
async def test_other_dots_are_sent_as_they_are(path: str) -> None:
    with pytest.raises(Unavailable):
        await get(NOBODY + path)


@pytest.mark.parametrize("url", ["http://[::1", "http://:80/", "http://example.com:99999/"])
async def test_address_that_is_none_is_given_up_at_once(url: str) -> None:
    with pytest.raises(Rejected, match="not a URL"):
        await get(url)


@pytest.mark.parametrize("elsewhere", ["http://[::1", "http://:80/", "mailto:suporte@example.com"])
async def test_request_that_is_led_to_an_address_that_is_none_may_have_been_taken(elsewhere: str) -> None:
    async def redirect(asked: web.Request) -> web.Response:
        return web.Response(status=303, headers={"Location": elsewhere})

    app = web.Application()
    app.router.add_get("/orders", redirect)
    async with TestServer(app) as server:
        with pytest.raises(Uncertain):
            await get(str(server.make_url("/orders")))
