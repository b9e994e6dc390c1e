"""Where a request to a partner goes, before anything is sent."""

import uuid
from datetime import UTC, datetime

import aiohttp
import pytest

from shared.partner.errors import Rejected, Unavailable
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
