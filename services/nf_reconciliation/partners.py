"""The ERP: the only place that knows how it calls the fields of an incoming NF."""

from dataclasses import dataclass

from services.nf_reconciliation.settings import Settings
from services.nf_reconciliation.state import BookSupplierNf, SupplierNfBooked
from shared.partner.errors import Rejected
from shared.partner.http import request
from shared.partner.operation import Attempt, Operation, Policy

# The ERP has no way to ask for an entry; it answers the same again under the same idempotency key.
BOOK = Policy(timeout=10.0, concurrency=8, uncertain="resend")


@dataclass(frozen=True, slots=True)
class Erp:
    url: str

    async def book(self, asked: BookSupplierNf, attempt: Attempt) -> SupplierNfBooked:
        """Raises Unavailable, Uncertain, Rejected."""
        form = {
            "chave": asked.access_key,
            "pedido_compra": asked.po_number,
            "cfop": asked.cfop,
            "valor": str(asked.amount),
        }
        reply = await request(attempt, "POST", f"{self.url}/notas-entrada", json=form)
        answer = reply.expect(201).json()
        entry = answer.get("lancamento") if isinstance(answer, dict) else None
        if not isinstance(entry, str) or not entry:
            raise Rejected(f"answered without the entry's number: {str(answer)[:200]}")
        return SupplierNfBooked(entry=entry)


def operations(settings: Settings) -> tuple[Operation, ...]:
    erp = Erp(settings.erp_url.rstrip("/"))
    return (Operation(BookSupplierNf, erp.book, BOOK),)
