"""Writes nfelib's bindings as XML: attributes and elements in the schema's order, and an NF-e has nothing else.

xsdata's serializer, which knows every case of XML, takes several times as long for the same bytes (a test compares).
"""

from enum import Enum
from functools import cache
from typing import Any

from lxml import etree
from xsdata.formats.dataclass.context import XmlContext

_CONTEXT = XmlContext()
Named = tuple[tuple[str, str], ...]
"""Field → name in the XML."""


def write(document: Any, namespace: str) -> bytes:
    """The element of a binding's object in this default namespace; no declaration, no spaces between tags."""
    root = etree.Element(_CONTEXT.build(type(document)).qname, nsmap={None: namespace})  # type: ignore[dict-item]
    _fill(root, document)
    return etree.tostring(root, encoding="unicode").encode()


def _fill(element: etree._Element, binding: object) -> None:
    attributes, elements = _plan(type(binding))  # type: ignore[arg-type]  # classes are hashable
    for name, written in attributes:
        if (value := getattr(binding, name)) is not None:
            element.set(written, _text(value))
    for name, written in elements:
        value = getattr(binding, name)
        if value is None:  # as most are
            continue
        for one in value if isinstance(value, list | tuple) else (value,):
            child = etree.SubElement(element, written)
            if isinstance(one, str | Enum):
                child.text = _text(one) or None
            else:
                _fill(child, one)


@cache
def _plan(binding: Any) -> tuple[Named, Named]:
    """Attributes and elements of a class. TypeError: it has something that is neither, or that is written otherwise."""
    meta = _CONTEXT.build(binding)
    elements = meta.get_element_vars()
    if any(not var.is_element or var.sequence or var.wrapper_qname or var.tokens for var in elements):
        raise TypeError(f"{binding.__qualname__} is more than attributes and elements")
    return (
        tuple((var.name, var.qname) for var in meta.get_attribute_vars()),
        tuple((var.name, var.qname) for var in elements),
    )


def _text(value: str | Enum) -> str:
    return value if isinstance(value, str) else str(value.value)
