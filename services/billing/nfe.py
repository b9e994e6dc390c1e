"""Builds R: the unsigned NF-e XML of layout 4.00 (model 55) for an `InvoiceDocument`, with nfelib's binding."""

from functools import reduce
from typing import Any

from nfelib.nfe.bindings.v4_0.leiaute_nfe_v4_00 import Tnfe
from nfelib.nfe.bindings.v4_0.nfe_v4_00 import Nfe

from schemas import access_key as keys
from services.billing import nfe_groups as groups
from services.billing.document_fields import InvoiceDocument
from services.billing.invoice_arithmetic import ItemTaxes, access_key, owes_difal, taxes
from services.billing.nfe_writer import write

NAMESPACE = "http://www.portalfiscal.inf.br/nfe"
SOFTWARE = "dropfleet"
_Inf = Tnfe.InfNfe


def build(invoice: InvoiceDocument) -> bytes:
    """The `NFe` element, without signature, XML declaration or spaces between tags; UTF-8.

    Texts are brought to what the layout takes: Latin-1, single spaces, cut to length. Raises ValueError when the key
    disagrees with the document or DIFAL is due at a rate that is no interstate rate.
    """
    difal = owes_difal(invoice)
    amounts = [taxes(item, difal) for item in invoice.items]
    inf = _Inf(
        versao="4.00",
        Id=f"NFe{invoice.access_key}",
        ide=_identification(invoice),
        emit=groups.issuer(invoice),
        dest=groups.receiver(invoice.receiver, invoice.environment),
        retirada=groups.withdrawal(invoice.shipper) if invoice.shipper else None,
        det=[groups.item(n, item, amounts[n - 1], invoice, difal) for n, item in enumerate(invoice.items, 1)],
        total=_Inf.Total(ICMSTot=groups.totals(invoice, reduce(ItemTaxes.__add__, amounts), difal)),
        transp=groups.transport(invoice),
        cobr=groups.bill(invoice) if invoice.instalments else None,
        pag=_Inf.Pag(detPag=[groups.payment(payment) for payment in invoice.payments]),
        infIntermed=groups.intermediary(invoice),
        infAdic=groups.additional(invoice),
        compra=_Inf.Compra(xPed=groups.clean(invoice.order_code, 60)) if invoice.order_code else None,
        infRespTec=groups.technical_contact(invoice),
    )
    return write(Nfe(infNFe=inf), NAMESPACE)


def _identification(invoice: InvoiceDocument) -> Any:
    parts = keys.parts(invoice.access_key)
    issuer = invoice.issuer
    uf_code = keys.CODE_BY_UF[issuer.address.uf]
    expected = access_key(
        uf_code, invoice.issued_at, issuer.cnpj, invoice.series, invoice.number, parts.emission_type, invoice.code
    )
    if invoice.access_key != expected:
        raise ValueError(f"the access key {invoice.access_key} is not this document's, which is {expected}")
    return _Inf.Ide(
        cUF=uf_code,
        cNF=invoice.code,
        natOp=groups.clean(invoice.nature, 60),
        mod="55",
        serie=str(invoice.series),
        nNF=str(invoice.number),
        dhEmi=invoice.issued_at.isoformat(timespec="seconds"),
        tpNF="1",
        idDest="1" if issuer.address.uf == invoice.receiver.address.uf else "2",
        cMunFG=issuer.address.ibge_code,
        tpImp="1",
        tpEmis=parts.emission_type,
        cDV=parts.check_digit,
        tpAmb=invoice.environment,
        finNFe="1",
        indFinal="1" if invoice.receiver.final_consumer else "0",
        indPres=invoice.presence,
        indIntermed=_intermediated(invoice),
        procEmi="0",
        verProc=SOFTWARE,
        NFref=[_Inf.Ide.Nfref(refNFe=key) for key in invoice.cites],
    )


def _intermediated(invoice: InvoiceDocument) -> str | None:
    """indIntermed is asked for exactly when the sale was not made in person (rule B25c-10)."""
    if invoice.presence not in ("2", "3", "4", "9"):
        return None
    return "1" if invoice.intermediary else "0"
