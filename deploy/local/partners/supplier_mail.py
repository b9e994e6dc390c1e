"""A supplier without an API reads its mail: the PO from the PDF and the CSV, R from its XML, wishes from the subject.

It reads as a person would who has nothing else: the lines from the spreadsheet, the customer from the PDF.
"""

import base64
import csv
import io
import re
import zlib
from collections.abc import Iterator
from email.message import EmailMessage
from functools import partial

from deploy.local.partners.supplier import Supplier
from deploy.local.partners.supplier_orders import HandedOverInvoice, OrderedLine, Recipient, SupplierOrder
from deploy.local.world_data import CITIES, SELLER
from schemas.values import Address

_ORDER, _CANCEL, _REMIND, _INVOICE = (
    re.compile(pattern)
    for pattern in (
        r"Pedido de compra (\S+)",
        r"Cancelamento do pedido de compra (\S+)",
        r"Lembrete: pedido de compra (\S+)",
        r"Nota fiscal do pedido (\S+)",
    )
)
_KEY = re.compile(r"chave (\w{44})")
_REPLACED = re.compile(r"substitui a nota (\w{44})")
_RECIPIENT = re.compile(r"Entregar a: (.+), CPF/CNPJ (\w+)")
_ADDRESS = re.compile(r"(.+), (\S+)(?: (.*?))?, ([^,]+), ([^,]+)/([A-Z]{2}), CEP (\d{8})")


class Unreadable(Exception):
    """A mail from the buyer that its supplier cannot make sense of."""


def read(supplier: Supplier, mail: EmailMessage) -> None:
    """Does what the mail asks for, once per Message-ID. Raises Unreadable."""
    subject, key = str(mail["Subject"]), str(mail["Message-ID"])
    if found := _ORDER.fullmatch(subject):
        order = _order(found[1], mail)
        supplier.sandbox.once(supplier.id, "purchase_order", order.number, key, lambda: supplier.begin(order))
        return
    for pattern, operation in ((_CANCEL, "cancellation"), (_REMIND, "reminder"), (_INVOICE, "invoice")):
        if found := pattern.fullmatch(subject):
            number = found[1]
            do = partial(_done, supplier, operation, number, mail)
            supplier.sandbox.once(supplier.id, operation, number, key, do)
            return
    raise Unreadable(subject)


def _done(supplier: Supplier, operation: str, number: str, mail: EmailMessage) -> dict[str, str]:
    if (deal := supplier.deals.get(number)) is None:
        raise Unreadable(f"{mail['Subject']}: no PO {number}")
    match operation:
        case "cancellation":
            return supplier.consider(deal)
        case "invoice":
            return supplier.go_on(deal, _invoice(mail))
    return {"number": number}


def _order(number: str, mail: EmailMessage) -> SupplierOrder:
    text = "\n".join(_pdf_lines(_attached(mail, "application/pdf")))
    if f"CNPJ {SELLER.cnpj}" not in text:
        raise Unreadable(f"PO {number} is not to be invoiced to our customer")
    recipient, address = _RECIPIENT.search(text), _address(text)
    if recipient is None:
        raise Unreadable(f"PO {number} does not say who gets it")
    return SupplierOrder(
        number=number,
        purpose="resend" if "Finalidade: reenvio" in text else "sale",
        lines=tuple(_lines(number, _attached(mail, "text/csv"))),
        ship_to=address,
        recipient=Recipient(name=recipient[1], tax_id=recipient[2]),
        buyer=SELLER,
    )


def _lines(number: str, content: bytes) -> Iterator[OrderedLine]:
    for row in csv.DictReader(io.StringIO(content.decode("utf-8-sig"))):
        if row["pedido"] != number:
            raise Unreadable(f"the CSV of PO {number} is of {row['pedido']}")
        yield OrderedLine.model_validate(
            {
                "line": row["linha"],
                "supplier_sku": row["codigo"],
                "gtin": row["ean"] or None,
                "name": row["descricao"],
                "ncm": row["ncm"],
                "unit": row["unidade"],
                "quantity": row["quantidade"],
                "unit_cost": row["custo_unitario"],
            }
        )


def _address(text: str) -> Address:
    after = text[text.index("Entregar a:") :].splitlines()[1].strip()
    found = _ADDRESS.fullmatch(after)
    if found is None:
        raise Unreadable(f"no address: {after}")
    street, house, complement, district, city, uf, postal_code = found.groups()
    return Address.model_validate(
        {
            "street": street,
            "number": house,
            "complement": complement or "",
            "district": district,
            "city": city,
            "ibge_code": next(c.ibge_code for c in CITIES if (c.name, c.uf) == (city, uf)),
            "uf": uf,
            "postal_code": postal_code,
        }
    )


def _invoice(mail: EmailMessage) -> HandedOverInvoice:
    body = mail.get_body(("plain",))
    text = body.get_content() if body is not None else ""
    key, replaced = _KEY.search(text), _REPLACED.search(text)
    if key is None:
        raise Unreadable("a nota fiscal without its key")
    xml = base64.b64encode(_attached(mail, "application/xml")).decode()
    return HandedOverInvoice(access_key=key[1], xml=xml, replaces=replaced[1] if replaced else None)


def _attached(mail: EmailMessage, content_type: str) -> bytes:
    for part in mail.iter_attachments():
        if part.get_content_type() == content_type:
            content = part.get_payload(decode=True)
            assert isinstance(content, bytes), "no attachment of ours is multipart"
            return content
    raise Unreadable(f"{mail['Subject']}: no {content_type} attached")


def _pdf_lines(content: bytes) -> Iterator[str]:
    """The texts that a PDF of simple fonts shows, in order: operator Tj of its (deflated) content streams."""
    for stream in re.findall(rb"stream\r?\n(.*?)\r?\nendstream", content, re.DOTALL):
        try:
            plain = zlib.decompress(stream)
        except zlib.error:
            continue
        for shown in re.findall(rb"\(((?:\\.|[^\\()])*)\) Tj", plain, re.DOTALL):
            yield re.sub(rb"\\(.)", rb"\1", shown).decode("latin-1")
