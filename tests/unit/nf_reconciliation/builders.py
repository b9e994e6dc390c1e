"""Messages about one PO of one line (PO-1042, two of FS-77 at 19.9025) with its real S2, R and S1."""

import base64
import re
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Any

from deploy.local.partners.documents import SoldLine
from deploy.local.partners.nfe_authority import Rejection, authorise, protocol_number
from schemas.access_key import CODE_BY_UF
from schemas.billing import InvoiceIssued
from schemas.purchase_order import PoLine, PurchaseOrderCreated
from schemas.store import StoreChanged
from schemas.supplier import SupplierChanged, SupplierNfIssued, Terms
from services.billing.document_fields import InvoiceDocument
from services.billing.nfe import build
from services.billing.nfe_signature import sign, with_protocol
from tests.unit.nf_builders import (
    ISSUED_AT,
    PO_CREATED_AT,
    certificate,
    invoice,
    issuing,
    remittance_xml,
    retailer,
    sale_xml,
    sold_line,
    supplier,
)

SINCE = datetime(2026, 1, 1, tzinfo=UTC)
PO, OTHER = "PO-1042", "PO-1043"


def store_changed(**fields: Any) -> StoreChanged:
    changed = {
        "store_id": "store-1",
        "valid_from": SINCE,
        "name": "Loja das Peças",
        "seller": retailer(),
        "mail_sender": "loja@example.com",
    }
    return StoreChanged.model_validate(changed | fields)


def supplier_changed(**fields: Any) -> SupplierChanged:
    changed = {
        "supplier_id": "farol-sul",
        "valid_from": SINCE,
        "company": supplier(),
        "api_url": "http://127.0.0.1:1/suppliers/farol-sul",
        "secret_ref": "farol-sul",
    }
    return SupplierChanged.model_validate(changed | fields)


def po_line(**fields: Any) -> PoLine:
    line = {
        "line": 1,
        "order_line": 1,
        "offer_id": "offer-1",
        "sku": "LP-9",
        "supplier_sku": "FS-77",
        "gtin": "7891234567895",
        "name": "Pastilha",
        "ncm": "87083090",
        "unit": "UN",
        "quantity": 2,
        "unit_cost": "19.9025",
        "total": "39.81",
    }
    return PoLine.model_validate(line | fields)


def po_created(**fields: Any) -> PurchaseOrderCreated:
    number = fields.get("po_number", PO)
    created = {
        "order_id": "order-1",
        "store_id": "store-1",
        "po_id": f"id-of-{number}",
        "po_number": PO,
        "order_po_ids": (f"id-of-{number}",),
        "supplier_id": "farol-sul",
        "supplier_cnpj": supplier().cnpj,
        "lines": (po_line(),),
        "total": "39.81",
        "terms": Terms(),
        "ship_to_uf": "MG",
        "created_at": PO_CREATED_AT,
    }
    return PurchaseOrderCreated.model_validate(created | fields)


def nf_issued(xml: bytes, supplier_id: str = "farol-sul") -> SupplierNfIssued:
    return SupplierNfIssued(supplier_id=supplier_id, xml=base64.b64encode(xml).decode())


@cache
def s2(*lines: SoldLine, own_make: bool = False) -> bytes:
    """The S2 of PO-1042, or of other lines."""
    return sale_xml(lines=lines or (sold_line(),), own_make=own_make)


@cache
def s1(*lines: SoldLine, of: int = 501, number: int | None = None) -> bytes:
    """The S1 of PO-1042, citing the R of `invoice_issued(of)`."""
    sold = lines or (sold_line(unit_price=Decimal("49.90")),)
    numbered = {} if number is None else {"issuing": issuing(supplier(), number=number)}
    return remittance_xml(invoice_of(of).access_key, lines=sold, **numbered)


def silent(xml: bytes, number: str = PO) -> bytes:
    """Without the citations of this PO: a supplier's ERP that does not know xPed."""
    silenced = re.sub(rf"<xPed>{number}</xPed>(<nItemPed>[0-9]+</nItemPed>)?".encode(), b"", xml)
    assert silenced != xml
    return silenced


@cache
def invoice_of(number: int = 501) -> InvoiceDocument:
    return invoice(customer_uf="MG", number=number)


@cache
def invoice_xml(number: int = 501) -> bytes:
    document = invoice_of(number)
    signer = certificate(retailer().cnpj)
    signed = sign(build(document), signer.key_pem, signer.cert_pem)
    protocol = protocol_number(CODE_BY_UF["SP"], ISSUED_AT, number)
    answer = authorise(signed, received_at=ISSUED_AT, protocol_number=protocol)
    assert not isinstance(answer, Rejection), answer
    return with_protocol(signed, answer)


def invoice_issued(number: int = 501, **fields: Any) -> InvoiceIssued:
    issued = {
        "order_id": "order-1",
        "store_id": "store-1",
        "channel_id": "channel-1",
        "invoice_id": f"invoice-{number}",
        "po_ids": (f"id-of-{PO}",),
        "series": 1,
        "number": number,
        "access_key": invoice_of(number).access_key,
        "protocol": "135260000000001",
        "issued_at": ISSUED_AT,
        "total": "99.80",
        "xml": base64.b64encode(invoice_xml(number)).decode(),
    }
    return InvoiceIssued.model_validate(issued | fields)


def without_protocol(xml: bytes) -> bytes:
    """The NF-e as its issuer signed it."""
    return xml[xml.index(b"<NFe ") : xml.index(b"</NFe>") + len(b"</NFe>")]
