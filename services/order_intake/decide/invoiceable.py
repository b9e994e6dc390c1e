"""What of an order no nota fiscal can say: it is refused before anything is bought. Pure."""

import unicodedata
from collections.abc import Iterator

from schemas.order import OrderPlaced
from schemas.values import Problem


def unsayable(sale: OrderPlaced) -> Iterator[Problem]:
    """The layout's least lengths (xNome, xLgr, xBairro, xMun 2; xProd 1) in Latin letters, and vDesc up to vProd."""
    texts = [("customer/name", sale.customer.name, 2)]
    texts += [(f"ship_to/{name}", getattr(sale.ship_to, name), 2) for name in ("street", "district", "city")]
    texts += [(f"items/{place}/name", item.name, 1) for place, item in enumerate(sale.items)]
    for where, text, least in texts:
        if _is_short(text, least):
            detail = f"a nota fiscal needs {least} Latin characters here at least"
            yield Problem(code="not_printable", where=where, detail=detail)
    for place, item in enumerate(sale.items):
        if item.total < 0:
            yield Problem(
                code="discount_too_high",
                where=f"items/{place}/discount",
                expected=f"{item.total + item.discount} at most",
                found=str(item.discount),
            )


def _is_short(text: str, least: int) -> bool:
    if text.isascii() and text.isprintable():
        return len(text.strip()) < least
    composed = unicodedata.normalize("NFKD", text)
    return sum("\x20" < c < "\x7f" or ("\xa0" < c <= "\xff" and c != "\xad") for c in composed) < least
