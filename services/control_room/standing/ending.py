"""PURE: what a cancellation waits for, and what is left for a person where R is in force."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from services.control_room.entry import instant
from services.control_room.standing.facts import Fact, Facts, Names, listed, living, problems, span, started_at
from services.control_room.timeline import Told

TO_SETTLE = "a person must settle it; `fleet orders settle` tells"


def undecided(lines: Sequence[Told]) -> bool:
    """Whether R in force waits for a person's decision: a cancellation found it, or it bills goods that do not come."""
    facts = Facts(lines)
    if not is_under_way(facts):
        return bool(_unsettled(facts))
    if facts.last("order.cancelled"):
        return False
    stopped = [fact for fact in facts.all("billing.stopped") if _is_of_the_last(facts, started_at(fact))]
    return bool(stopped) and bool(listed(stopped[-1][1], "invoices_in_force"))


def is_under_way(facts: Facts) -> bool:
    """Whether a cancellation was started and not refused since."""
    started = [started_at(fact) for fact in facts.all("order.cancellation_started")]
    refused = [instant(data.get("refused_at")) or at for at, data in facts.all("order.cancellation_refused")]
    return bool(started) and all(at < max(started) for at in refused)


def _is_of_the_last(facts: Facts, at: datetime) -> bool:
    return all(at >= started_at(fact) for fact in facts.all("order.cancellation_started"))


def cancelling(facts: Facts, names: Names, now: datetime) -> str | None:
    """What the cancellation under way waits for; words of an earlier one, which was refused, are none of it."""
    started = facts.last("order.cancellation_started")
    if started is None or not is_under_way(facts):
        return None
    since = f"being cancelled since {span(now - started[0])}"
    stopped = [fact for fact in facts.all("billing.stopped") if _is_of_the_last(facts, started_at(fact))]
    if stopped:
        if kept := listed(stopped[-1][1], "invoices_in_force"):
            what = f"R {kept[0]} cannot be cancelled any more ({problems(stopped[-1])})"
            return f"{since}: a person must decide, {what}; `fleet orders settle` tells"
        return f"{since}: waiting for the order to be closed"
    if any(_is_of_the_last(facts, started_at(fact)) for fact in facts.all("fulfilment.stopped")):
        return f"{since}: waiting for SEFAZ to cancel the invoice"
    asked = [po for po in living(facts) if facts.last("purchase_order.sent", po_id=po["po_id"])]
    if asked:
        who = ", ".join(f"{names.supplier(po)} (PO {po.get('po_number')})" for po in asked)
        return f"{since}: waiting for the answer of {who}"
    return f"{since}: waiting for purchasing to stop"


def undone_at(facts: Facts) -> datetime | None:
    """When R's in force were last taken back by a person's decision."""
    settled = [at for at, data in facts.all("billing.stopped") if data.get("decision")]
    settled += [at for at, _ in (*facts.all("invoice.cancelled", how="entry_nf"), *facts.all("invoice.reduced"))]
    return max(settled, default=None)


def unsettled(facts: Facts) -> str | None:
    """The R in force that bills goods which do not come, wherever the order stands otherwise."""
    left = _unsettled(facts)
    if not left:
        return None
    data = left[-1][1]
    which = f"R {data.get('series')}/{data.get('number')}"
    return f"{which} is in force and bills goods that do not come ({money_at_stake(facts, left[-1])}): {TO_SETTLE}"


def _unsettled(facts: Facts) -> list[Fact]:
    """What was told of R in force that bill goods which do not come, and was not settled since."""
    cancelled = {data.get("invoice_id") for _, data in facts.all("invoice.cancelled")}
    undone = undone_at(facts)
    told = [fact for fact in facts.all("invoice.refused") if "bills_void_goods" in problems(fact)]
    told = [fact for fact in told if undone is None or fact[0] > undone]
    return [fact for fact in told if fact[1].get("invoice_id") not in cancelled]


def money_at_stake(facts: Facts, told: Fact) -> str:
    """Why R is not cancelled, and the money and the POs concerned, where they were said."""
    number = {data.get("po_id"): data.get("po_number") for _, data in facts.all("purchase_order.created")}
    pos = ", ".join(str(number.get(id) or id) for id in listed(told[1], "po_ids"))
    money = told[1].get("at_stake")
    parts = (problems(told), f"BRL {money}" if money else "", f"of PO {pos}" if pos else "")
    return ", ".join(part for part in parts if part)


def withheld(facts: Facts) -> str | None:
    """What suppliers' NFs ask for goods that do not come, and nobody paid."""
    paid = {data.get("payable_id") for _, data in facts.all("supplier_payment.settled")}
    amounts = {str(data.get("payable_id")): data.get("amount") for _, data in facts.all("payable.withheld")}
    left = " and ".join(f"BRL {amount}" for id, amount in amounts.items() if id not in paid)
    if not left:
        return None
    lost = [parcel for _, data in facts.all("payable.withheld") for parcel in listed(data, "lost_parcels")]
    if parcels := _named(lost):
        return (
            f"{left} withheld: lost by {parcels}; the supplier must cancel its NF or credit that, or the carrier pay it"
        )
    return f"{left} withheld: the supplier must cancel its NF or credit that"


def found(facts: Facts) -> str | None:
    """What the store had given up as lost, and the customer has now."""
    parcels = _named([data for _, data in facts.all("shipment.found")])
    return (
        f"given up as lost and delivered after all by {parcels}: a person must say who pays for it" if parcels else None
    )


def _named(parcels: Sequence[Any]) -> str:
    """Each once, with who carried it."""
    names = (f"{parcel.get('carrier')} (parcel {parcel.get('tracking_code')})" for parcel in parcels)
    return " and ".join(dict.fromkeys(names))


def not_paid_back(facts: Facts) -> str | None:
    """What a channel would not pay back of an order that goes on, and nobody has since."""
    settled = {data.get("refund_id") for _, data in facts.all("refund.settled")}
    refused = {data.get("reference"): data for _, data in facts.all("channel.update_refused", fact="refunded")}
    ordered = {data.get("refund_id"): data.get("amount") for _, data in facts.all("refund.ordered", by="channel")}
    left = {id: data for id, data in refused.items() if id not in settled}
    if not left:
        return None
    money = " and ".join(f"BRL {ordered[id]}" if id in ordered else f"refund {id}" for id in left)
    who = ", ".join(dict.fromkeys(f"{data.get('channel_id')} ({data.get('code')})" for data in left.values()))
    return f"{money} not paid back by {who}: a person must pay it back there"
