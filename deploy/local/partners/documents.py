"""The suppliers' notas fiscais, as a supplier's ERP would issue them: S2 (sale to the retailer) and S1 (remessa to
the customer), signed, authorised by the sandbox's SEFAZ, ready to post.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal

from deploy.local.partners.certificate import Certificate
from deploy.local.partners.nfe_authority import Rejection, authorise, protocol_number
from schemas import access_key as keys
from schemas.values import Address, Company
from services.billing.document_fields import (
    Instalment,
    InvoiceDocument,
    InvoiceItem,
    Issuer,
    ItemTax,
    Payment,
    Receiver,
)
from services.billing.invoice_arithmetic import access_key, item_total
from services.billing.nfe import build
from services.billing.nfe_signature import sign, with_protocol

_TAXED = ItemTax(icms_code="00", icms_rate=Decimal(12), pis_code="01", cofins_code="01", pis_rate=Decimal("1.65"),
                 cofins_rate=Decimal("7.6"))  # fmt: skip
_UNTAXED = ItemTax(icms_code="41", pis_code="08", cofins_code="08")


@dataclass(frozen=True, slots=True)
class SoldLine:
    """A line as the supplier's PO has it."""

    po_number: str
    po_line: int
    sku: str
    name: str
    ncm: str
    quantity: Decimal
    unit_price: Decimal
    gtin: str | None = None
    unit: str = "UN"


@dataclass(frozen=True, slots=True)
class Issuing:
    """Who issues, under which number, when. `issued_at` carries the issuer's offset."""

    supplier: Company
    certificate: Certificate
    series: int
    number: int
    issued_at: datetime


@dataclass(frozen=True, slots=True)
class Customer:
    """Who receives the goods."""

    name: str
    tax_id: str
    address: Address


@dataclass(frozen=True, slots=True)
class CitedInvoice:
    """R, as S1 must cite it."""

    access_key: str
    issued_on: date
    issuer: Company


def dearer(line: SoldLine) -> SoldLine:
    """At a tenth more than was ordered."""
    return replace(line, unit_price=(line.unit_price * Decimal("1.1")).quantize(Decimal("0.0001")))


def without_protocol(nfe_proc: bytes) -> bytes:
    """The NF-e in it as its issuer signed it, which is worth nothing yet."""
    start, end = nfe_proc.index(b"<NFe"), nfe_proc.index(b"</NFe>")
    return nfe_proc[start : end + len(b"</NFe>")]


class RejectedBySefaz(Exception):
    """The sandbox's SEFAZ does not authorise this document."""


def supplier_sale_nf(
    issuing: Issuing,
    retailer: Company,
    lines: Sequence[SoldLine],
    *,
    delivery_uf: str,
    own_make: bool = False,
    instalments: Sequence[tuple[date, Decimal]] = (),
) -> bytes:
    """S2 as nfeProc: CFOP x.118 (own make) or x.119 (resale), 5 within the state or when the goods stay in it.

    Without `instalments` the whole amount is owed on the day of issue.
    """
    here = issuing.supplier.address.uf
    digit = "5" if here in (retailer.address.uf, delivery_uf) else "6"
    cfop = f"{digit}{'118' if own_make else '119'}"
    items = tuple(_item(line, cfop, _TAXED) for line in lines)
    receiver = Receiver(
        tax_id=retailer.cnpj,
        name=retailer.name,
        address=retailer.address,
        state_registration=_taxpayer(retailer.state_registration),
        final_consumer=False,
    )
    total = sum((item_total(item) for item in items), Decimal(0))
    owed = instalments or ((issuing.issued_at.date(), total),)
    nature = "VENDA DE PRODUCAO A ORDEM" if own_make else "VENDA DE MERCADORIA A ORDEM"
    return _issue(
        issuing,
        receiver,
        items,
        nature=f"{nature} - REMESSA SIMBOLICA",
        payments=(Payment(method="15", amount=sum((amount for _, amount in owed), Decimal(0)), deferred=True),),
        instalments=tuple(
            Instalment(number=f"{n:03d}", due=due, amount=amount) for n, (due, amount) in enumerate(owed, 1)
        ),
        text=f"Pedido de compra: {', '.join(dict.fromkeys(line.po_number for line in lines))}.",
    )


def remittance_nf(issuing: Issuing, customer: Customer, lines: Sequence[SoldLine], invoice: CitedInvoice) -> bytes:
    """S1 as nfeProc: CFOP x.923, citing R by its key and in the text. Not paid: the customer paid the retailer."""
    digit = "5" if issuing.supplier.address.uf == customer.address.uf else "6"
    cited = keys.parts(invoice.access_key)
    return _issue(
        issuing,
        Receiver(tax_id=customer.tax_id, name=customer.name, address=customer.address),
        tuple(_item(line, f"{digit}923", _UNTAXED) for line in lines),
        nature="REMESSA POR CONTA E ORDEM DE TERCEIROS",
        payments=(Payment(method="90", amount=Decimal("0.00")),),
        cites=(invoice.access_key,),
        text=(
            f"Remessa por conta e ordem de {invoice.issuer.name}, CNPJ {invoice.issuer.cnpj}, "
            f"IE {invoice.issuer.state_registration}. NF-e de venda numero {int(cited.number)}, "
            f"serie {int(cited.series)}, de {invoice.issued_on:%d/%m/%Y}."
        ),
    )


def _issue(
    issuing: Issuing,
    receiver: Receiver,
    items: tuple[InvoiceItem, ...],
    *,
    nature: str,
    payments: tuple[Payment, ...],
    text: str,
    instalments: tuple[Instalment, ...] = (),
    cites: tuple[str, ...] = (),
) -> bytes:
    supplier = issuing.supplier
    uf_code = keys.CODE_BY_UF[supplier.address.uf]
    code = keys.control_code(supplier.cnpj, issuing.number)
    document = InvoiceDocument(
        series=issuing.series,
        number=issuing.number,
        code=code,
        access_key=access_key(uf_code, issuing.issued_at, supplier.cnpj, issuing.series, issuing.number, "1", code),
        issued_at=issuing.issued_at,
        nature=nature,
        issuer=Issuer(
            cnpj=supplier.cnpj,
            name=supplier.name,
            state_registration=supplier.state_registration,
            address=supplier.address,
            regime="3",
        ),
        receiver=receiver,
        items=items,
        payments=payments,
        instalments=instalments,
        cites=cites,
        presence="9",
        text=text,
    )
    return _authorised(build(document), issuing, uf_code)


def _authorised(xml: bytes, issuing: Issuing, uf_code: str) -> bytes:
    signed = sign(xml, issuing.certificate.key_pem, issuing.certificate.cert_pem)
    number = protocol_number(uf_code, issuing.issued_at, issuing.series * 10**7 + issuing.number % 10**7)
    answer = authorise(signed, received_at=issuing.issued_at, protocol_number=number)
    if isinstance(answer, Rejection):
        raise RejectedBySefaz(f"{answer.status}: {answer.reason}")
    return with_protocol(signed, answer)


def _item(line: SoldLine, cfop: str, tax: ItemTax) -> InvoiceItem:
    return InvoiceItem(
        sku=line.sku,
        gtin=line.gtin,
        description=line.name,
        ncm=line.ncm,
        cfop=cfop,
        unit=line.unit,
        quantity=line.quantity,
        unit_price=line.unit_price,
        po_number=line.po_number,
        po_line=line.po_line,
        tax=tax,
    )


def _taxpayer(state_registration: str) -> str | None:
    return None if state_registration == "ISENTO" else state_registration
