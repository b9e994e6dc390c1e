"""The five consumers as their own composition roots make them."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from deploy.local.world_data import SELLER
from services.billing import __main__ as billing
from services.billing.settings import Settings as BillingSettings
from services.channel_sync import __main__ as channel_sync
from services.channel_sync.settings import Settings as ChannelSettings
from services.nf_reconciliation import __main__ as nf_reconciliation
from services.nf_reconciliation.reading import key_of
from services.nf_reconciliation.settings import Settings as NfSettings
from services.order_intake import __main__ as order_intake
from services.order_intake.settings import Settings as IntakeSettings
from services.po_dispatch import __main__ as po_dispatch
from services.po_dispatch.settings import Settings as DispatchSettings
from shared.worker.routes import Routes
from shared.worker.subscription import Service
from tests.simulation import documents
from tests.simulation.scenario import BASE_URL


@cache
def fleet() -> tuple[Service, ...]:
    """No partner is ever reached under these URLs."""
    with TemporaryDirectory() as folder:
        certificate = documents.certificate(SELLER.name, SELLER.cnpj)
        key, cert = Path(folder, "key.pem"), Path(folder, "cert.pem")
        key.write_bytes(certificate.key_pem)
        cert.write_bytes(certificate.cert_pem)
        url = BASE_URL
        services = (
            order_intake.service(IntakeSettings(erp_url=url)),
            po_dispatch.service(DispatchSettings(erp_url=url, secrets={})),
            nf_reconciliation.service(NfSettings(erp_url=url)),
            billing.service(BillingSettings(erp_url=url, sefaz_url=url, signing_key_file=key, signing_cert_file=cert)),
            channel_sync.service(ChannelSettings(smtp_url="smtp://mail.example.com", secrets={})),
        )
    return tuple(replace(s, subscriptions=tuple(_with_known_keys(one) for one in s.subscriptions)) for s in services)


def routes_of(services: tuple[Service, ...]) -> Mapping[str, Routes]:
    """By service; those of the whole fleet are made once for all worlds."""
    return _fleet_routes() if services is fleet() else _routes(services)


@cache
def _fleet_routes() -> Mapping[str, Routes]:
    return _routes(fleet())


def _routes(services: tuple[Service, ...]) -> Mapping[str, Routes]:
    return {service.name: Routes(service) for service in services}


def _with_known_keys(subscription: Any) -> Any:
    """The key of an XML that the simulation made itself is not read out of it each time."""
    reads = getattr(subscription, "key", None) is key_of
    return replace(subscription, key=documents.key_of) if reads else subscription
