"""The sandbox's own pages, and its process."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator

import pytest

from deploy.local.partners import hub
from deploy.local.partners.server import serving
from deploy.local.partners.settings import Settings
from shared.settings import read
from tests.integration.sandbox.serving import SECRETS, Partners, partners_at_work


@pytest.fixture
async def partners() -> AsyncIterator[Partners]:
    async with partners_at_work({hub.NAME: hub.create_app}) as running:
        yield running


async def test_faults_are_set_shown_and_take_effect(partners: Partners) -> None:
    url = f"{partners.url}/_sandbox/faults/hub"
    async with partners.session.put(url, json={"error": 1.0}) as response:
        assert response.status == 200
    async with partners.session.get(f"{partners.url}/hub/orders/A", headers={"X-User-Token": "t0ken"}) as response:
        assert response.status == 500
    shown = (await partners.get("/_sandbox/faults"))["hub"]
    assert (shown["error"], shown["injected"]["error"]) == (1.0, 1)
    async with partners.session.put(url, json={"delay": 0.001}) as response:
        assert (await response.json())["error"] == 0.0


@pytest.mark.parametrize(
    ("partner", "body", "status"),
    [
        ("hbu", {}, 404),
        ("suppliers", {}, 404),
        ("hub", {"eror": 1.0}, 400),
        ("hub", {"error": 2}, 400),
        ("hub", "no", 400),
    ],
)
async def test_faults_that_would_inject_nothing_are_refused(
    partners: Partners, partner: str, body: object, status: int
) -> None:
    async with partners.session.put(f"{partners.url}/_sandbox/faults/{partner}", json=body) as response:
        assert response.status == status


async def test_effects_are_listed_by_partner(partners: Partners) -> None:
    partners.sandbox.once("hub", "invoice", "A/1", "call-1", lambda: {"code": "A"})
    partners.sandbox.once("erp", "pagamento", "P1", "call-2", lambda: None)
    assert [e["key"] for e in await partners.get("/_sandbox/effects")] == ["A/1", "P1"]
    [effect] = await partners.get("/_sandbox/effects?partner=hub")
    assert effect == {
        "partner": "hub",
        "operation": "invoice",
        "key": "A/1",
        "idempotency_key": "call-1",
        "times": 1,
        "answer": {"code": "A"},
    }


async def test_health_is_told(partners: Partners) -> None:
    assert await partners.get("/healthz") == {"status": "ok"}


async def test_port_that_is_taken_is_said_and_nothing_is_left_open(partners: Partners) -> None:
    taken = int(partners.url.rpartition(":")[2])
    settings = Settings(sandbox_port=taken, sandbox_smtp_port=0, gateway_url="http://localhost", secrets=SECRETS)
    with pytest.raises(OSError, match=str(taken)):
        async with serving(settings, {}):
            pass


def test_missing_settings_stop_the_start_with_the_variables_names(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("FLEET_SANDBOX_PORT", "FLEET_SANDBOX_SMTP_PORT", "FLEET_GATEWAY_URL", "FLEET_SECRETS"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SystemExit):
        read(Settings)
    assert "FLEET_SANDBOX_PORT is not set" in capsys.readouterr().err


async def test_process_serves_all_partners_and_stops_cleanly_on_sigterm() -> None:
    environment = os.environ | {
        "FLEET_SANDBOX_PORT": "0",
        "FLEET_SANDBOX_SMTP_PORT": "0",
        "FLEET_GATEWAY_URL": "http://127.0.0.1:1",
        "FLEET_SECRETS": json.dumps(SECRETS),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "deploy.local.partners", env=environment, stderr=asyncio.subprocess.PIPE
    )
    try:
        assert process.stderr is not None
        async with asyncio.timeout(30):
            line = (await process.stderr.readline()).decode()
            assert "sandbox partners at http://127.0.0.1:" in line, line
            process.send_signal(signal.SIGTERM)
            rest = (await process.stderr.read()).decode()
            assert await process.wait() == 0
        assert "Traceback" not in rest
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
