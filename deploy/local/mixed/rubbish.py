"""Cases of events that say nothing possible: each must become one dead letter, and stop nobody."""

from typing import Any

from deploy.local.mixed.expected import Expected
from deploy.local.mixed.sale import Place, placed
from deploy.local.mixed.script import Rubbish, Script
from deploy.local.mixed.suppliers import PRODUCTS, SECOND, offer

_DEAD = Expected("dead letter")


def negative_offer(case: str, place: Place) -> Script:
    said = offer(SECOND, PRODUCTS["VIDRO-1"]).model_dump(mode="json")
    id = f"{SECOND}:bad-{place.seed}-{place.number:06d}"
    return _script(case, "offer.changed.v1", id, said | {"offer_id": id, "cost": "-1.00"})


def unknown_state(case: str, place: Place) -> Script:
    said = placed(place, {"VIDRO-1": 1}).model_dump(mode="json")
    said["ship_to"]["uf"] = "XX"
    return _script(case, "order.placed.v2", place.order_id, said)


def no_lines(case: str, place: Place) -> Script:
    said = placed(place, {"VIDRO-1": 1}).model_dump(mode="json")
    return _script(case, "order.placed.v2", place.order_id, said | {"items": [], "total": "19.90"})


def _script(case: str, type: str, key: str, data: dict[str, Any]) -> Script:
    return Script(case, key, _DEAD, rubbish=Rubbish(type, key, data))
