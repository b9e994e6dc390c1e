"""Builds the event that cancels an NF-e (110111, layout 1.00), with nfelib's binding; signed as the NF-e itself is."""

from datetime import datetime
from functools import cache

from nfelib.nfe_evento_cancel.bindings.v1_0.evento_canc_nfe_v1_00 import Evento
from nfelib.nfe_evento_cancel.bindings.v1_0.leiaute_evento_canc_nfe_v1_00 import Tevento
from xsdata.formats.dataclass.context import XmlContext
from xsdata.formats.dataclass.serializers import XmlSerializer
from xsdata.formats.dataclass.serializers.config import SerializerConfig
from xsdata.formats.dataclass.serializers.writers import XmlEventWriter

from schemas import access_key as keys
from services.billing.nfe_signature import NAMESPACE

CANCELLATION = "110111"
_Inf = Tevento.InfEvento


def cancellation(access_key: str, protocol: str, reason: str, at: datetime, environment: str) -> bytes:
    """The unsigned `evento`; UTF-8, without XML declaration. `at` carries an offset, `reason` has 15 to 255 letters."""
    parts = keys.parts(access_key)
    inf = _Inf(
        Id=f"ID{CANCELLATION}{access_key}01",
        cOrgao=parts.uf_code,
        tpAmb=environment,
        CNPJ=parts.issuer,
        chNFe=access_key,
        dhEvento=at.isoformat(timespec="seconds"),
        tpEvento=CANCELLATION,
        nSeqEvento="1",
        verEvento="1.00",
        detEvento=_Inf.DetEvento(descEvento="Cancelamento", nProt=protocol, xJust=reason, versao="1.00"),
    )
    text: str = _serializer().render(Evento(infEvento=inf, versao="1.00"), ns_map={None: NAMESPACE})
    return text.encode()


def batch(signed: bytes, number: int) -> bytes:
    """The `envEvento` with one signed event, whose bytes are wrapped and not written anew."""
    head = f'<envEvento xmlns="{NAMESPACE}" versao="1.00"><idLote>{number}</idLote>'
    return head.encode() + signed + b"</envEvento>"


@cache
def _serializer() -> XmlSerializer:
    return XmlSerializer(context=XmlContext(), config=SerializerConfig(xml_declaration=False), writer=XmlEventWriter)
