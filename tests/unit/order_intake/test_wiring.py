"""The subscription table against the catalogue, and the settings."""

from typing import Any

import pytest
from pydantic import ValidationError

from schemas.catalogue import CATALOGUE
from services.order_intake.__main__ import SUBSCRIPTIONS, order_of_divergence, service
from services.order_intake.settings import Settings
from shared.settings import read
from shared.worker.subscription import Answer, Subscription
from tests.builders import CUSTOMER, order_placed
from tests.unit.order_intake import builders as b


def test_table_takes_exactly_what_the_catalogue_sends() -> None:
    sent = {e.type for e in CATALOGUE if "order_intake" in e.consumers and e.kind != "command" and e.upcast is None}
    taken = [s.message.TYPE for s in SUBSCRIPTIONS if isinstance(s, Subscription)]
    assert sorted(taken) == sorted(sent)


def test_every_request_has_an_operation_and_a_decision_on_its_answer() -> None:
    operations = {operation.request for operation in service(Settings(erp_url="http://erp")).operations}
    answers = {s.request for s in SUBSCRIPTIONS if isinstance(s, Answer)}
    assert operations == answers


def test_divergence_without_an_order_has_its_own_key() -> None:
    assert order_of_divergence(b.s2_diverged()) == "order-1"
    assert order_of_divergence(b.s2_diverged(order_id=None)) == b.key(1)


def test_missing_erp_url_stops_the_start_with_the_variables_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[Any]
) -> None:
    monkeypatch.delenv("FLEET_ERP_URL", raising=False)
    with pytest.raises(SystemExit):
        read(Settings)
    assert "FLEET_ERP_URL is not set" in capsys.readouterr().err


def test_customer_name_with_a_control_character_is_invalid_and_reaches_no_decision() -> None:
    with pytest.raises(ValidationError):
        order_placed(customer=CUSTOMER | {"name": "Maria\tda Silva"})
