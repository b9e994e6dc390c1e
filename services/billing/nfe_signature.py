"""Signs an NF-e (enveloped XML signature, RSA-SHA1 and C14N 1.0 as the layout prescribes) and adds SEFAZ's protocol.

xmlsec does the cryptography. The Signature is laid out here without spaces between its tags: SEFAZ refuses them.
"""

from functools import cache
from importlib.resources import files
from typing import Any

import xmlsec
from lxml import etree

from services.billing.document_fields import Protocol

NAMESPACE = "http://www.portalfiscal.inf.br/nfe"
_DS = "http://www.w3.org/2000/09/xmldsig#"
_C14N = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
_VERSION = {"versao": "4.00"}
_NFE_DEFAULT: Any = {None: NAMESPACE}
_DS_DEFAULT: Any = {None: _DS}


def sign(xml: bytes, key_pem: bytes, cert_pem: bytes) -> bytes:
    """`xml` (an `NFe`) with its Signature as last child. Raises xmlsec.Error for a key that cannot be read."""
    root = etree.fromstring(xml)
    inf = root[0]
    xmlsec.tree.add_ids(root, ["Id"])
    signature = _signature(root, inf.get("Id", ""))
    context = xmlsec.SignatureContext()
    context.key = _key(key_pem, cert_pem)
    context.sign(signature)
    for part in signature.iterchildren(
        f"{{{_DS}}}SignatureValue", f"{{{_DS}}}KeyInfo"
    ):  # SignatureValue and KeyInfo: xmlsec breaks their lines; they are not signed themselves
        for element in part.iter():
            element.text, element.tail = "".join((element.text or "").split()) or None, None
    return etree.tostring(root, encoding="unicode").encode()


@cache
def _key(key_pem: bytes, cert_pem: bytes) -> xmlsec.Key:
    """Read once: that takes as long as a signature. A context works with a copy."""
    key = xmlsec.Key.from_memory(key_pem, xmlsec.constants.KeyDataFormatPem)
    key.load_cert_from_memory(cert_pem, xmlsec.constants.KeyDataFormatCertPem)
    return key


def _signature(root: etree._Element, identifier: str) -> etree._Element:
    signature = etree.SubElement(root, f"{{{_DS}}}Signature", nsmap=_DS_DEFAULT)
    info = _add(signature, "SignedInfo")
    _add(info, "CanonicalizationMethod", Algorithm=_C14N)
    _add(info, "SignatureMethod", Algorithm=f"{_DS}rsa-sha1")
    reference = _add(info, "Reference", URI=f"#{identifier}")
    transforms = _add(reference, "Transforms")
    _add(transforms, "Transform", Algorithm=f"{_DS}enveloped-signature")
    _add(transforms, "Transform", Algorithm=_C14N)
    _add(reference, "DigestMethod", Algorithm=f"{_DS}sha1")
    _add(reference, "DigestValue")
    _add(signature, "SignatureValue")
    _add(_add(_add(signature, "KeyInfo"), "X509Data"), "X509Certificate")
    return signature


def _add(parent: etree._Element, name: str, **attributes: str) -> etree._Element:
    return etree.SubElement(parent, f"{{{_DS}}}{name}", attributes)


def digest_value(signed: bytes) -> str:
    """DigestValue of a signed `NFe`, which the protocol repeats as digVal."""
    return etree.fromstring(signed).findtext(f".//{{{_DS}}}DigestValue", "")


def with_protocol(signed: bytes, protocol: Protocol) -> bytes:
    """The `nfeProc` to hand over. The signed bytes are wrapped, never parsed and written again."""
    envelope = b'<?xml version="1.0" encoding="UTF-8"?><nfeProc xmlns="%s" versao="4.00">' % NAMESPACE.encode()
    return envelope + signed + protocol_xml(protocol) + b"</nfeProc>"


def protocol_xml(protocol: Protocol) -> bytes:
    """`protNFe` as SEFAZ answers it."""
    root = etree.Element(f"{{{NAMESPACE}}}protNFe", _VERSION, nsmap=_NFE_DEFAULT)
    inf = etree.SubElement(root, f"{{{NAMESPACE}}}infProt", {"Id": f"ID{protocol.number}"})
    fields = {
        "tpAmb": protocol.environment,
        "verAplic": protocol.application,
        "chNFe": protocol.access_key,
        "dhRecbto": protocol.received_at.isoformat(timespec="seconds"),
        "nProt": protocol.number,
        "digVal": protocol.digest,
        "cStat": protocol.status,
        "xMotivo": protocol.reason,
    }
    for name, text in fields.items():
        etree.SubElement(inf, f"{{{NAMESPACE}}}{name}").text = text
    return etree.tostring(root, encoding="unicode").encode()


def schema_problems(xml: bytes) -> tuple[str, ...]:
    """What the official schema says against a signed `NFe` or an `nfeProc`; empty when it is valid.

    Raises lxml.etree.XMLSyntaxError when it is not XML at all.
    """
    root = etree.fromstring(xml)
    schema = _schema("procNFe_v4.00.xsd" if root.tag == f"{{{NAMESPACE}}}nfeProc" else "nfe_v4.00.xsd")
    if schema.validate(root):
        return ()
    log: Any = schema.error_log
    return tuple(f"line {entry.line}: {entry.message.replace(f'{{{NAMESPACE}}}', '')}" for entry in log)


@cache
def _schema(name: str) -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(str(files("nfelib.nfe") / "schemas" / "v4_0" / name)))
