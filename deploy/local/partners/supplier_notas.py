"""A sandbox supplier's notas fiscais: S2, which it sells by, and S1, under which the goods leave."""

import itertools
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

from deploy.local.partners.certificate import Certificate, self_signed
from deploy.local.partners.documents import (
    CitedInvoice,
    Customer,
    Issuing,
    SoldLine,
    remittance_nf,
    supplier_sale_nf,
)
from deploy.local.partners.supplier_orders import Deal, invoice_date
from deploy.local.world_data import SupplierFacts
from services.billing.invoice_arithmetic import cents

BRASILIA = timezone(timedelta(hours=-3))
SERIES = 1
_NUMBERS_SINCE = datetime(2026, 1, 1, tzinfo=UTC).timestamp()


class Notas:
    """Issues under one supplier's certificate, which is made when it is first needed, and numbers."""

    def __init__(self, facts: SupplierFacts) -> None:
        self._facts = facts
        self._certificate: Certificate | None = None
        self._numbers = itertools.count(_first_number(time.time()))

    def sale(self, deal: Deal, lines: Sequence[SoldLine]) -> bytes:
        """S2 of these lines, owed as a whole after the supplier's term."""
        issuing = self._issuing()
        due = issuing.issued_at.date() + timedelta(days=self._facts.terms_days)
        order = deal.order
        total = sum((cents(line.quantity * line.unit_price) for line in lines), Decimal("0.00"))
        return supplier_sale_nf(
            issuing,
            order.buyer,
            lines,
            delivery_uf=order.ship_to.uf,
            own_make=self._facts.own_make,
            instalments=[(due, total)],
        )

    def remittance(self, deal: Deal, lines: Sequence[SoldLine]) -> bytes:
        """S1 of these lines, citing R."""
        order, invoice = deal.order, deal.invoice
        assert invoice is not None, "only what R was handed over for is shipped"
        customer = Customer(order.recipient.name, order.recipient.tax_id, order.ship_to)
        cited = CitedInvoice(invoice.access_key, invoice_date(invoice, order.buyer), order.buyer)
        return remittance_nf(self._issuing(), customer, lines, cited)

    def _issuing(self) -> Issuing:
        company = self._facts.company
        if self._certificate is None:
            self._certificate = self_signed(company.name, company.cnpj)
        now = datetime.now(BRASILIA).replace(microsecond=0)
        return Issuing(company, self._certificate, SERIES, next(self._numbers), now)


def _first_number(now: float) -> int:
    """Tenths of seconds since 2026, so that a restarted process does not use an NF number again."""
    return int((now - _NUMBERS_SINCE) * 10) % 900_000_000 + 1
