"""Every row of the release table: what a channel is told at each step, and what it is never told."""

from dataclasses import dataclass

import pytest

from schemas.channel import ReleaseRule
from services.channel_sync.release import rule_for
from services.channel_sync.requests import SendInvoiceXml, TellInvoice
from services.channel_sync.state import Reference, Stage
from tests.unit.channel_sync import builders as b

HELD_UNTIL_TRACKING = ReleaseRule(nf_key="with_tracking", tracking="releases_nf")
HUB_MERCADO_LIVRE = (
    ReleaseRule(nf_key="with_tracking", needs_xml=True, tracking="releases_nf"),
    ReleaseRule(logistics="me_coleta", needs_xml=True, tracking="after_nf", delivered_by="either"),
    ReleaseRule(
        logistics="me2", nf_key="with_tracking", needs_xml=True, tracking="releases_nf", delivered_by="marketplace"
    ),
)
MAGALU = (
    HELD_UNTIL_TRACKING,
    HELD_UNTIL_TRACKING.model_copy(update={"logistics": "magalu_entregas", "delivered_by": "marketplace"}),
)
B2W = (
    ReleaseRule(logistics="b2w_entregas", tracking="not_needed", delivered_by="marketplace"),
    ReleaseRule(logistics="b2w_direct", tracking="not_needed", delivered_by="marketplace"),
)
DIRECT = (
    ReleaseRule(needs_xml=True),
    ReleaseRule(logistics="me2", needs_xml=True, tracking="from_label", delivered_by="marketplace"),
)


@dataclass(frozen=True)
class Row:
    name: str
    rules: tuple[ReleaseRule, ...]
    logistics: str
    when_invoiced: list[str]
    """Facts told once R is issued and the channel has confirmed what it was told."""
    when_shipped: list[str]
    when_delivered: list[str]
    xml: bool = False
    api: str = "hub"


ROWS = (
    Row("default", (ReleaseRule(),), "own", ["invoice"], ["shipment"], ["delivered"]),
    *(
        Row(name, (HELD_UNTIL_TRACKING,), "own", [], ["invoice", "shipment"], ["delivered"])
        for name in ("Amazon", "Zoom", "Carrefour")
    ),
    Row("Magalu", MAGALU, "own", [], ["invoice", "shipment"], ["delivered"]),
    Row("Magalu Entregas", MAGALU, "magalu_entregas", [], ["invoice", "shipment"], []),
    Row("B2W Entregas", B2W, "b2w_entregas", ["invoice"], [], []),
    Row("B2W Entregas Direct", B2W, "b2w_direct", ["invoice"], [], []),
    Row("Mercado Livre", HUB_MERCADO_LIVRE, "own", [], ["invoice", "shipment"], ["delivered"], xml=True),
    Row("ME Coleta", HUB_MERCADO_LIVRE, "me_coleta", ["invoice"], ["shipment"], ["delivered"], xml=True),
    Row("ME2", HUB_MERCADO_LIVRE, "me2", [], ["invoice", "shipment"], [], xml=True),
    Row("direct ME2", DIRECT, "me2", ["invoice"], [], [], xml=True, api="mercado_livre"),
)
ROW_NAMES = [row.name for row in ROWS]


def facts(order: b.Order) -> list[str]:
    assert order.state is not None
    return [t.fact for t in order.state.tellings if t.stage is Stage.CONFIRMED]


def order_of(row: Row) -> b.Order:
    channel = b.channel_changed(name=row.name, api=row.api, rules=row.rules)
    return b.Order(channel).hear(b.accepted(logistics={"type": row.logistics, "shipment_id": "MAG-1"}))


@pytest.mark.parametrize("row", ROWS, ids=ROW_NAMES)
def test_row_of_the_table_is_told_step_by_step(row: Row) -> None:
    order = order_of(row).hear(b.invoiced()).settle()
    assert facts(order) == row.when_invoiced
    order.hear(b.dispatched()).settle()
    assert facts(order) == row.when_invoiced + row.when_shipped
    order.hear(b.delivered()).settle()
    assert facts(order) == row.when_invoiced + row.when_shipped + row.when_delivered
    sent = next(r for r in order.told() if isinstance(r, TellInvoice | SendInvoiceXml))
    assert sent.xml == (b.XML if row.xml else None)
    assert isinstance(sent, SendInvoiceXml) == (row.api == "mercado_livre")


@pytest.mark.parametrize("row", ROWS, ids=ROW_NAMES)
def test_row_of_the_table_explains_what_it_does_not_tell(row: Row) -> None:
    order = order_of(row).hear(b.invoiced()).settle().hear(b.dispatched(), b.delivered()).settle()
    assert order.state is not None
    untold = [t for t in order.state.tellings if t.stage is not Stage.CONFIRMED]
    assert len(untold) == 3 - len(facts(order))
    assert all(t.stage is Stage.NOT_TOLD and row.name in t.why for t in untold)


@pytest.mark.parametrize("row", [r for r in ROWS if r.xml], ids=[r.name for r in ROWS if r.xml])
def test_xml_leaves_the_state_once_sent(row: Row) -> None:
    order = order_of(row).hear(b.invoiced())
    assert order.state is not None
    assert (order.state.invoices[0].xml is None) == ("invoice" in row.when_invoiced)
    order.hear(b.dispatched())
    assert order.state.invoices[0].xml is None


def test_held_nf_says_for_what_it_waits() -> None:
    order = b.Order(b.channel_changed(rules=MAGALU)).hear(b.accepted(), b.invoiced())
    assert order.why("invoice", b.access_key()) == "NF held: Magalu takes it with the tracking"


def test_label_is_tracking_that_is_known_and_releases_the_nf() -> None:
    order = b.Order(b.channel_changed(rules=HUB_MERCADO_LIVRE)).hear(
        b.accepted(logistics={"type": "me2"}), b.invoiced(), b.reported("label_ready", label=b.LABEL)
    )
    assert [type(r) for r in order.told()] == [TellInvoice]


def test_either_is_not_told_when_the_marketplace_was_first() -> None:
    order = b.Order(b.channel_changed(rules=HUB_MERCADO_LIVRE)).hear(b.accepted(logistics={"type": "me_coleta"}))
    order.hear(b.invoiced()).settle().hear(b.dispatched(), b.reported("delivered")).settle().hear(b.delivered())
    assert order.why("delivered", "ship-1") == "delivered not told: Magalu has said it itself"


def test_direct_order_without_shipment_holds_the_nf() -> None:
    channel = b.channel_changed(name="Mercado Livre", api="mercado_livre", rules=DIRECT)
    order = b.Order(channel).hear(b.accepted(logistics={"type": "me2"}), b.invoiced())
    assert order.told() == []
    assert order.why("invoice", b.access_key()) == "NF held: the order names no shipment of Mercado Livre"


@pytest.mark.parametrize(
    ("logistics", "expected"),
    [("me2", HUB_MERCADO_LIVRE[2]), ("own", HUB_MERCADO_LIVRE[0]), ("unheard_of", HUB_MERCADO_LIVRE[0])],
)
def test_most_specific_rule_wins_wherever_it_stands(logistics: str, expected: ReleaseRule) -> None:
    assert rule_for(HUB_MERCADO_LIVRE, logistics) == expected
    assert rule_for(HUB_MERCADO_LIVRE[::-1], logistics) == expected


def test_channel_with_rules_for_other_logistics_only_follows_the_default() -> None:
    assert rule_for(B2W, "own") == ReleaseRule()


def test_rule_that_holds_later_is_not_used_yet() -> None:
    later = b.channel_changed(valid_from=b.NOW.replace(year=2027), rules=MAGALU)
    order = b.Order()
    assert order.ref.channel is not None
    order.ref = Reference(order.ref.channel.with_version(later, b.NOW), order.ref.store)
    assert order.hear(b.accepted(), b.invoiced()).told() != []
