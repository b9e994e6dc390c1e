"""The event that cancels R: as the official schema wants it, and what SEFAZ says against it."""

import shutil
from datetime import datetime, timedelta
from importlib.resources import files
from pathlib import Path

import pytest
from lxml import etree

from deploy.local.partners.certificate import self_signed
from deploy.local.partners.event_authority import Claim, cancellation_claim, event_objection
from deploy.local.partners.nfe_authority import Rejection
from schemas.access_key import compose
from services.billing.document_fields import Protocol
from services.billing.nfe_event import batch, cancellation
from services.billing.nfe_signature import sign
from tests.unit.nf_builders import BRASILIA, retailer

AT = datetime(2026, 7, 20, 12, 0, tzinfo=BRASILIA)
CERTIFICATE = self_signed("LOJA DAS PECAS", retailer().cnpj)


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> etree.XMLSchema:
    """The official one; its parts lie in two folders of nfelib."""
    folder: Path = tmp_path_factory.mktemp("xsd")
    for package in ("nfe_evento_generico", "nfe_evento_cancel"):
        for xsd in Path(str(files("nfelib") / package / "schemas" / "v1_0")).glob("*.xsd"):
            shutil.copy(xsd, folder)
    return etree.XMLSchema(etree.parse(str(folder / "envEventoCancNFe_v1.00.xsd")))


def signed(key: str, reason: str = "Pedido cancelado pelo cliente") -> bytes:
    event = cancellation(key, "135260000000001", reason, AT, "1")
    return batch(sign(event, CERTIFICATE.key_pem, CERTIFICATE.cert_pem), 1)


def own_key() -> str:
    return compose(
        uf_code="35", year_month="2607", issuer=retailer().cnpj, model="55", series=1, number=7,
        emission_type="1", code="12345670",
    )  # fmt: skip


def test_event_fits_the_official_schema(schema: etree.XMLSchema) -> None:
    schema.assertValid(etree.fromstring(signed(own_key())))


def test_event_is_read_by_the_authority_as_it_was_meant() -> None:
    claim = cancellation_claim(signed(own_key()))
    assert isinstance(claim, Claim), claim
    assert (claim.access_key, claim.protocol, claim.at) == (own_key(), "135260000000001", AT)


def test_event_changed_after_it_was_signed_is_refused() -> None:
    forged = signed(own_key()).replace(b"135260000000001", b"135260000000002")
    found = cancellation_claim(forged)
    assert isinstance(found, Rejection)
    assert found.status == "297"


def test_event_of_another_company_is_refused() -> None:
    found = cancellation_claim(signed("42260712ABC34501DE35550010000001231123456781"))
    assert isinstance(found, Rejection)
    assert found.status == "213"


def protocol() -> Protocol:
    return Protocol(
        environment="1", application="T", access_key=own_key(), received_at=AT, number="135260000000001", digest="x",
        status="100", reason="Autorizado",
    )  # fmt: skip


def test_event_within_the_window_has_nothing_against_it() -> None:
    claim = Claim(own_key(), "135260000000001", "Pedido cancelado", AT)
    assert event_objection(claim, protocol(), AT + timedelta(hours=23), timedelta(hours=24)) is None


def test_event_after_the_window_is_too_late() -> None:
    claim = Claim(own_key(), "135260000000001", "Pedido cancelado", AT)
    found = event_objection(claim, protocol(), AT + timedelta(hours=25), timedelta(hours=24))
    assert found is not None
    assert found[0] == "501"
