"""What the catalogue sends to nf_reconciliation is what its table takes; its settings name what is missing."""

import pytest

from schemas.catalogue import CATALOGUE, NF
from schemas.decision import Request
from schemas.model import Message
from services.nf_reconciliation.__main__ import SUBSCRIPTIONS, service
from services.nf_reconciliation.settings import Settings
from shared.settings import read
from shared.worker.subscription import Answer, Subscription

ENGINE_ROOM = ("call.", "reminder.", "dead_letter.")


def test_every_message_for_the_service_is_taken_and_no_other() -> None:
    sent: set[type[Message]] = {
        entry.model
        for entry in CATALOGUE
        if NF in entry.consumers and entry.upcast is None and not entry.type.startswith(ENGINE_ROOM)
    }
    assert {s.message for s in SUBSCRIPTIONS if isinstance(s, Subscription)} == sent


def test_every_request_can_be_sent_and_answered() -> None:
    requests: set[type[Request]] = {s.request for s in SUBSCRIPTIONS if isinstance(s, Answer)}
    assert {operation.request for operation in service(Settings(erp_url="http://127.0.0.1:1")).operations} == requests


def test_missing_setting_ends_the_process_with_its_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("FLEET_ERP_URL", raising=False)
    with pytest.raises(SystemExit):
        read(Settings)
    assert "FLEET_ERP_URL" in capsys.readouterr().err
