"""Documents as messages carry them: base64 in, what was read out, remembered for a while.

An XML is read where its key is asked for and again where its decision's references are loaded: once, thanks to this.
"""

import base64
import binascii
import hashlib
from collections import OrderedDict
from collections.abc import Sequence

from asyncpg import Connection

from schemas.billing import InvoiceIssued
from schemas.supplier import SupplierNfIssued
from schemas.values import Problem
from services.nf_reconciliation.document import read
from services.nf_reconciliation.document_fields import Document, Unreadable

REMEMBERED = 256
"""As many as a batch has events."""
_recent: OrderedDict[bytes, Document | Unreadable] = OrderedDict()


def document_of(xml: str) -> Document | Unreadable:
    """What base64 text holds. Nothing here raises."""
    digest = hashlib.sha256(xml.encode()).digest()
    if (known := _recent.get(digest)) is not None:
        _recent.move_to_end(digest)
        return known
    found = _recent[digest] = _read(xml)
    if len(_recent) > REMEMBERED:
        _recent.popitem(last=False)
    return found


def key_of(event: SupplierNfIssued) -> str:
    """The access key that the XML names; of what cannot be read, its digest."""
    match document_of(event.xml):
        case Document(access_key=key):
            return key
        case Unreadable(sha256=sha256):
            return f"unreadable:{sha256}"


async def load_invoices(
    con: Connection, keys: Sequence[str], messages: Sequence[InvoiceIssued]
) -> list[Document | Unreadable]:
    """Each R as its own XML says it."""
    return [document_of(message.xml) for message in messages]


def _read(xml: str) -> Document | Unreadable:
    try:
        return read(base64.b64decode(xml, validate=True))
    except binascii.Error as error:
        problem = Problem(code="not_base64", where="xml", detail=str(error))
        return Unreadable(problems=(problem,), sha256=hashlib.sha256(xml.encode()).hexdigest())
