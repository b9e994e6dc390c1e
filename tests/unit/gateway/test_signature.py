"""Only the partner's own, fresh signature over this very body is taken."""

import pytest

from deploy.local.partners.sandbox import signature as signed
from services.gateway.signature import flaw

BODY = b'{"type":"supplier.po_confirmed"}'
NOW = 1_780_000_000.0


def headers(secret: str = "secret", body: bytes = BODY, at: float = NOW) -> dict[str, str]:
    return signed(secret, body, int(at))


def test_own_signature_is_taken() -> None:
    assert flaw(headers(), BODY, "secret", NOW, 300) is None


def test_signature_in_capitals_is_taken() -> None:
    given = headers()
    given["X-Fleet-Signature"] = "v1=" + given["X-Fleet-Signature"][3:].upper()
    assert flaw(given, BODY, "secret", NOW, 300) is None


@pytest.mark.parametrize("off", [-300, 300])
def test_timestamp_at_the_edge_of_the_window_is_taken(off: int) -> None:
    assert flaw(headers(at=NOW + off), BODY, "secret", NOW, 300) is None


@pytest.mark.parametrize("off", [-301, 301])
def test_timestamp_outside_the_window_is_refused_both_ways(off: int) -> None:
    assert "off our clock" in (flaw(headers(at=NOW + off), BODY, "secret", NOW, 300) or "")


def test_another_body_is_refused() -> None:
    assert flaw(headers(), BODY + b" ", "secret", NOW, 300) is not None


def test_another_secret_is_refused() -> None:
    assert flaw(headers("guess"), BODY, "secret", NOW, 300) is not None


def test_old_signature_under_a_new_timestamp_is_refused() -> None:
    given = {**headers(at=NOW - 1000), "X-Fleet-Timestamp": str(int(NOW))}
    assert flaw(given, BODY, "secret", NOW, 300) is not None


@pytest.mark.parametrize("stamp", ["", "-1", "1e9", "now", "１７８０００００００", "9" * 30, str(NOW + 0.5)])
def test_timestamp_that_is_no_number_of_seconds_is_refused(stamp: str) -> None:
    assert flaw({**headers(), "X-Fleet-Timestamp": stamp}, BODY, "secret", NOW, 300) is not None


@pytest.mark.parametrize("text", ["", "v1=", "v1=zz", "v2=" + "0" * 64, "0" * 64, "v1=" + "é" * 64])
def test_malformed_signature_is_refused(text: str) -> None:
    assert "X-Fleet-Signature" in (flaw({**headers(), "X-Fleet-Signature": text}, BODY, "secret", NOW, 300) or "")
