"""The subscription table against the catalogue, and the settings."""

from typing import Any

import pytest

from schemas.catalogue import CATALOGUE
from schemas.channel import ChannelOrderGiven, ChannelOrderUnreadable, ChannelPollDue
from services.channel_sync.__main__ import SUBSCRIPTIONS, service
from services.channel_sync.settings import Settings
from shared.settings import read
from shared.worker.subscription import Answer, Subscription
from tests.unit.channel_sync import builders as b


def settings() -> Settings:
    return Settings(smtp_url="smtp://localhost:2525", secrets={})


def test_table_takes_exactly_what_the_catalogue_sends() -> None:
    own = {ChannelOrderGiven.TYPE, ChannelOrderUnreadable.TYPE, ChannelPollDue.TYPE}
    sent = {e.type for e in CATALOGUE if "channel_sync" in e.consumers and e.kind != "command" and e.upcast is None}
    taken = [s.message.TYPE for s in SUBSCRIPTIONS if isinstance(s, Subscription) and s.message.TYPE not in own]
    assert sorted(taken) == sorted(sent)


def test_every_request_has_an_operation_and_a_decision_on_its_answer() -> None:
    operations = {operation.request for operation in service(settings()).operations}
    answers = {s.request for s in SUBSCRIPTIONS if isinstance(s, Answer)}
    assert operations == answers


def test_missing_settings_stop_the_start_with_the_variables_names(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[Any]
) -> None:
    monkeypatch.delenv("FLEET_SMTP_URL", raising=False)
    monkeypatch.delenv("FLEET_SECRETS", raising=False)
    with pytest.raises(SystemExit):
        read(Settings)
    said = capsys.readouterr().err
    assert "FLEET_SMTP_URL is not set" in said
    assert "FLEET_SECRETS is not set" in said


def test_states_and_requests_come_back_from_the_database_as_they_went() -> None:
    """Both are kept without their empty fields."""
    order = (
        b.Order().hear(b.accepted(), b.invoiced(), b.dispatched(tracking_url=None, estimated_delivery=None)).settle()
    )
    order.hear(b.delivered(), b.reported("label_ready", label=b.LABEL), b.po_sent()).settle()
    order.hear(b.refund_ordered(), b.given_up({1: 1})).settle()
    for model in (order.state, *order.requests):
        assert type(model).model_validate_json(model.model_dump_json(exclude_none=True)) == model
