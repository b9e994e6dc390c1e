"""The groups of an NF-e's infNFe beside `ide` and the taxes: parties, items, totals, transport, payment, texts."""

import re
import unicodedata
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from nfelib.nfe.bindings.v4_0.leiaute_nfe_v4_00 import Tendereco, TenderEmi, TinfRespTec, Tlocal, Tnfe

from schemas.values import Address
from services.billing.document_fields import ZERO, InvoiceDocument, InvoiceItem, Payment, Receiver, Shipper
from services.billing.invoice_arithmetic import ItemTaxes, cents, document_total, item_total
from services.billing.nfe_tax import tax_groups

HOMOLOGATION = "NF-E EMITIDA EM AMBIENTE DE HOMOLOGACAO - SEM VALOR FISCAL"
_Inf = Tnfe.InfNfe


def clean(text: str, length: int) -> str:
    """`text` as TString takes it: printable Latin-1 (others by their nearest letters, else dropped), single spaces."""
    composed = unicodedata.normalize("NFC", text).translate({0x2013: "-", 0x2014: "-", 0x2018: "'", 0x2019: "'"})
    latin = "".join(c if c <= "\xff" else unicodedata.normalize("NFKD", c) for c in composed)
    printable = re.sub(r"[^\x20-\x7e\xa1-\xac\xae-\xff]", " ", latin)
    return " ".join(printable.split())[:length].strip()


def address(kind: Any, address: Address, phone: str | None = None) -> Any:
    return kind(
        xLgr=clean(address.street, 60),
        nro=clean(address.number, 60) or "S/N",
        xCpl=clean(address.complement, 60) or None,
        xBairro=clean(address.district, 60),
        cMun=address.ibge_code,
        xMun=clean(address.city, 60),
        UF=address.uf,
        CEP=address.postal_code,
        cPais="1058",
        xPais="BRASIL",
        fone=phone,
    )


def issuer(invoice: InvoiceDocument) -> Any:
    issuer = invoice.issuer
    return _Inf.Emit(
        CNPJ=issuer.cnpj,
        xNome=clean(issuer.name, 60),
        enderEmit=address(TenderEmi, issuer.address, issuer.phone),
        IE=issuer.state_registration,
        CRT=issuer.regime,
    )


def receiver(receiver: Receiver, environment: str) -> Any:
    return _Inf.Dest(
        **{"CPF" if len(receiver.tax_id) == 11 else "CNPJ": receiver.tax_id},
        xNome=HOMOLOGATION if environment == "2" else clean(receiver.name, 60),
        enderDest=address(Tendereco, receiver.address, receiver.phone),
        indIEDest="1" if receiver.state_registration else "9",
        IE=receiver.state_registration,
        email=clean(receiver.email, 60) if receiver.email else None,
    )


def withdrawal(shipper: Shipper) -> Any:
    """`retirada`: the layout's own place for goods that leave from somebody else."""
    place = address(Tlocal, shipper.address)
    place.CNPJ, place.xNome, place.IE = shipper.cnpj, clean(shipper.name, 60), shipper.state_registration
    return place


def item(number: int, item: InvoiceItem, amounts: ItemTaxes, invoice: InvoiceDocument, difal: bool) -> Any:
    quantity, price = _quantity(item.quantity), _price(item.unit_price)
    product = _Inf.Det.Prod(
        cProd=clean(item.sku, 60),
        cEAN=item.gtin or "SEM GTIN",
        xProd=HOMOLOGATION if invoice.environment == "2" and number == 1 else clean(item.description, 120),
        NCM=item.ncm,
        CEST=item.cest,
        CFOP=item.cfop,
        uCom=item.unit,
        qCom=quantity,
        vUnCom=price,
        vProd=str(item_total(item)),
        cEANTrib=item.gtin or "SEM GTIN",
        uTrib=item.unit,
        qTrib=quantity,
        vUnTrib=price,
        vFrete=_unless_zero(item.freight),
        vSeg=_unless_zero(item.insurance),
        vDesc=_unless_zero(item.discount),
        vOutro=_unless_zero(item.other),
        indTot="1",
        xPed=item.po_number,
        nItemPed=str(item.po_line) if item.po_line is not None else None,
    )
    return _Inf.Det(nItem=str(number), prod=product, imposto=tax_groups(item, amounts, difal))


def _quantity(quantity: Decimal) -> str:
    return format(quantity.quantize(Decimal("0.0001")), "f")


def _price(price: Decimal) -> str:
    """Two to ten places."""
    text = format(price.quantize(Decimal("0.0000000001")), "f").rstrip("0")
    return text.ljust(text.index(".") + 3, "0")


def _unless_zero(amount: Decimal) -> str | None:
    return str(cents(amount)) if amount else None


def totals(invoice: InvoiceDocument, sums: ItemTaxes, difal: bool) -> Any:
    items = invoice.items
    zero = dict.fromkeys(
        ("vICMSDeson", "vFCP", "vBCST", "vST", "vFCPST", "vFCPSTRet", "vII", "vIPI", "vIPIDevol"), "0.00"
    )
    destination = {
        "vFCPUFDest": str(sums.destination_fcp),
        "vICMSUFDest": str(sums.destination_icms),
        "vICMSUFRemet": "0.00",
    }
    return _Inf.Total.Icmstot(
        vBC=str(sums.icms_base),
        vICMS=str(sums.icms),
        vProd=str(sum((item_total(item) for item in items), ZERO)),
        vFrete=_sum(items, "freight"),
        vSeg=_sum(items, "insurance"),
        vDesc=_sum(items, "discount"),
        vPIS=str(sums.pis),
        vCOFINS=str(sums.cofins),
        vOutro=_sum(items, "other"),
        vNF=str(document_total(invoice)),
        **zero,
        **(destination if difal else {}),
    )


def _sum(items: Sequence[InvoiceItem], name: str) -> str:
    return str(sum((getattr(item, name) for item in items), ZERO))


def transport(invoice: InvoiceDocument) -> Any:
    carrier = invoice.carrier
    if carrier is None:
        return _Inf.Transp(modFrete=invoice.freight_mode)
    who = _Inf.Transp.Transporta(
        CNPJ=carrier.cnpj,
        xNome=clean(carrier.name, 60),
        IE=carrier.state_registration,
        xMun=clean(carrier.city, 60) if carrier.city else None,
        UF=carrier.uf,
    )
    return _Inf.Transp(modFrete=invoice.freight_mode, transporta=who)


def bill(invoice: InvoiceDocument) -> Any:
    total = str(sum((instalment.amount for instalment in invoice.instalments), ZERO))
    return _Inf.Cobr(
        fat=_Inf.Cobr.Fat(nFat=str(invoice.number), vOrig=total, vDesc="0.00", vLiq=total),
        dup=[
            _Inf.Cobr.Dup(nDup=instalment.number, dVenc=instalment.due.isoformat(), vDup=str(instalment.amount))
            for instalment in invoice.instalments
        ],
    )


def payment(payment: Payment) -> Any:
    if payment.method == "90":
        return _Inf.Pag.DetPag(tPag="90", vPag="0.00")
    return _Inf.Pag.DetPag(
        indPag="1" if payment.deferred else "0",
        tPag=payment.method,
        xPag=clean(payment.description or "Outros", 60) if payment.method == "99" else None,
        vPag=str(payment.amount),
        card=_Inf.Pag.DetPag.Card(tpIntegra="2") if payment.method in ("03", "04", "17") else None,
    )


def intermediary(invoice: InvoiceDocument) -> Any:
    marketplace = invoice.intermediary
    return marketplace and _Inf.InfIntermed(CNPJ=marketplace.cnpj, idCadIntTran=clean(marketplace.seller_id, 60))


def additional(invoice: InvoiceDocument) -> Any:
    text = clean(" ".join((shipping_text(invoice.shipper) if invoice.shipper else "", invoice.text)), 5000)
    return _Inf.InfAdic(infCpl=text) if text else None


def shipping_text(shipper: Shipper) -> str:
    """Who ships, as R of a venda à ordem must name it (Ajuste SINIEF s/nº of 1970, art. 40 § 3º)."""
    place = shipper.address
    return (
        f"Venda a ordem: mercadoria remetida por {shipper.name}, CNPJ {shipper.cnpj}, IE {shipper.state_registration}, "
        f"{place.street}, {place.number}, {place.district}, {place.city}/{place.uf}, CEP {place.postal_code}."
    )


def technical_contact(invoice: InvoiceDocument) -> Any:
    contact = invoice.technical_contact
    return contact and TinfRespTec(
        CNPJ=contact.cnpj, xContato=clean(contact.name, 60), email=contact.email, fone=contact.phone
    )
