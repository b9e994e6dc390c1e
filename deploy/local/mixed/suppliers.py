"""Who sells what in the mixed scenario, and in which manner. Names are invented.

Products of the mixed scenario are apart from those of the happy one, so that each case meets the supplier it needs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Literal

from deploy.local.partners.manners import AS_ORDERED, BankManner, Manner
from deploy.local.world_data import SUPPLIERS, D, Part, SupplierFacts, address
from deploy.local.world_orders import gtin
from schemas.supplier import OfferChanged, SupplierChanged, Terms, Tolerance
from schemas.values import Company

SINCE = datetime(2026, 1, 1, tzinfo=UTC)
STOCK = 1_000_000
BANK_SECONDS = 25.0
"""How long the bank thinks about payments to Conta Lenta: longer than the impatient store waits."""


@dataclass(frozen=True, slots=True)
class MixedSupplier:
    facts: SupplierFacts
    terms: Literal["on_s2", "prepaid"] = "on_s2"
    order_email: str | None = None


def _facts(supplier_id: str, name: str, cnpj: str, registration: str, city: str, priority: int = 5) -> SupplierFacts:
    """Preferred to all suppliers of the happy scenario, who are the second choice."""
    return SupplierFacts(
        supplier_id,
        Company(
            name=name,
            cnpj=cnpj,
            state_registration=registration,
            address=address(city, "Rua das Indústrias", "100", "Distrito Industrial"),
        ),
        family=2,
        priority=priority,
        ufs=(),
        markup=0,
        lead_time_days=2,
        terms_days=28,
        own_make=False,
    )


CHOOSY = "vidro-fino"
SLOW = "passo-lento"
SILENT = "mudo"
PREPAID = "pague-antes"
BROKE = "sem-saldo"
LATE_BANK = "conta-lenta"
BY_MAIL = "por-correio"
SECOND = "auto-leste"
"""The second choice, of the happy scenario's suppliers: delivers everywhere."""

MIXED = (
    MixedSupplier(_facts(CHOOSY, "Vidro Fino Autopeças Ltda", "43464098000140", "110042490220", "Campinas")),
    MixedSupplier(_facts(SLOW, "Passo Lento Peças Ltda", "20246634000136", "110042490331", "Guarulhos")),
    MixedSupplier(_facts(SILENT, "Mudo Distribuidora Ltda", "52992313000177", "1234567851", "Curitiba")),
    MixedSupplier(_facts(PREPAID, "Pague Antes Ltda", "87366947000107", "110042490442", "São Paulo"), terms="prepaid"),
    MixedSupplier(
        _facts(BROKE, "Sem Saldo Peças Ltda", "06480895000195", "110042490553", "São Paulo"), terms="prepaid"
    ),
    MixedSupplier(
        _facts(LATE_BANK, "Conta Lenta Peças Ltda", "09722234000117", "110042490664", "Campinas"), terms="prepaid"
    ),
    MixedSupplier(
        _facts(BY_MAIL, "Por Correio Autopeças Ltda", "71924866000137", "110042490775", "Guarulhos"),
        order_email="pedidos@por-correio.example.com",
    ),
)
SECOND_MARKUP = 6

BANK: Mapping[str, BankManner] = {
    "06480895000195": BankManner(refuses=True),
    "09722234000117": BankManner(after=BANK_SECONDS),
}
"""By the payee's CNPJ."""


@dataclass(frozen=True, slots=True)
class Product:
    """A part, who offers it (first choice first), and how the first treats a PO with it."""

    part: Part
    offered_by: tuple[str, ...]
    manner: Manner = AS_ORDERED
    stock: int = STOCK
    kind: str = ""
    """Of a product of one order alone: which of `KINDS` is its manner."""


KINDS: Mapping[str, Manner] = {
    "ENV": Manner(pauses_before="confirmation"),
    "CONF": Manner(pauses_before="sale_nf"),
    "DIV": Manner(bills="too_much"),
}
"""How its first choice treats a product of one order alone, by the end of its supplier's SKU."""


def _product(
    sku: str, name: str, number: int, offered_by: Sequence[str], manner: Manner = AS_ORDERED, stock: int = STOCK
) -> Product:
    part = Part(sku, name, "87089990", f"7891003{number:05d}", 2, D("40.00") + number % 50, D("79.90") + number % 50)
    return Product(part, tuple(offered_by), manner, stock)


PRODUCTS: Mapping[str, Product] = {
    product.part.sku: product
    for product in (
        _product("REC-ALL", "Vidro lateral, recusado no pedido", 1, [CHOOSY, SECOND], Manner(refuses="order")),
        _product("REC-LINE", "Vidro traseiro, linha recusada", 2, [CHOOSY, SECOND], Manner(refuses="line")),
        _product("REC-UNIT", "Borracha de porta, falta uma", 3, [CHOOSY, SECOND], Manner(refuses="unit")),
        _product("REC-R", "Vidro lateral, avariado na saída", 21, [CHOOSY, SECOND], Manner(refuses="order_after_r")),
        _product("VIDRO-1", "Vidro dianteiro", 4, [CHOOSY, SECOND]),
        _product("PRE-OK", "Central multimídia", 5, [PREPAID]),
        _product("PRE-BROKE", "Alto-falante", 6, [BROKE, SECOND]),
        _product("PRE-LATE", "Câmera de ré", 7, [LATE_BANK, SECOND]),
        _product("MUDO-1", "Sensor de estacionamento", 8, [SILENT, SECOND], Manner(silent=True)),
        _product("CAN-SENT", "Para-choque", 9, [CHOOSY], Manner(pauses_before="confirmation")),
        _product("CAN-REC", "Retrovisor, recusado antes da resposta", 37, [CHOOSY], Manner(pauses_before="answer")),
        _product("CAN-LATE", "Capô", 10, [SLOW], Manner(pauses_before="sale_nf", cancels="too_late")),
        _product("CAN-R", "Grade dianteira", 11, [CHOOSY], Manner(pauses_before="remittance_nf")),
        _product("CAN-SHIP", "Spoiler", 12, [SLOW], Manner(pauses_before="remittance_nf", cancels="ships")),
        _product("VOL-2", "Kit de suspensão em dois volumes", 13, [CHOOSY], Manner(parcels=2, delays=True)),
        _product("MUDO-2", "Sensor de chuva", 15, [SILENT, SECOND], Manner(silent=True, wakes=True)),
        _product("PRE-CAN", "Rádio", 16, [PREPAID], Manner(pauses_before="confirmation")),
        _product("PRE-ALL", "Antena, recusada no pedido", 17, [PREPAID, SECOND], Manner(refuses="order")),
        _product("PRE-UNIT", "Cabo, falta um", 18, [PREPAID, SECOND], Manner(refuses="unit")),
        _product("CED-1", "Tapete", 19, [CHOOSY], Manner(leaves_early=True)),
        _product("PER-1", "Capa de banco", 20, [CHOOSY], Manner(is_lost_for_a_while=True)),
        _product("DIV-1", "Amortecedor, faturado a maior", 22, [CHOOSY], Manner(bills="too_much")),
        _product("DIV-2", "Mola, nota sem protocolo", 23, [CHOOSY], Manner(bills="without_protocol")),
        _product("DIV-REP", "Batente, a outra escolha fatura a maior", 38, [SLOW, CHOOSY], Manner(bills="too_much")),
        _product("DIV-PRE", "Coxim, faturado a maior", 24, [CHOOSY, PREPAID], Manner(bills="too_much")),
        _product("ENV-PRE", "Bandeja, recusada depois", 25, [CHOOSY, PREPAID], Manner(pauses_before="confirmation")),
        _product("CONF-1", "Pivô", 26, [CHOOSY], Manner(pauses_before="sale_nf")),
        _product("CONF-PRE", "Terminal de direção", 27, [CHOOSY, PREPAID], Manner(pauses_before="sale_nf")),
        _product("PRE-ONLY", "Buzina", 28, [BROKE]),
        _product("NF-SO", "Retrovisor, nunca confirmado", 29, [CHOOSY], Manner(confirms=False)),
        _product("CAN-S1", "Calota", 30, [CHOOSY], Manner(pauses_before="parcel")),
        _product(
            "VOL-PER", "Kit de freio, um volume perdido", 31, [CHOOSY], Manner(parcels=2, is_lost_for_a_while=True)
        ),
        _product("VOL-APA", "Kit de pneus, em partes", 33, [CHOOSY], Manner(apart="when_told")),
        _product(
            "VOL-2PER",
            "Kit de rodas, a segunda parte perdida",
            34,
            [CHOOSY],
            Manner(apart="at_once", is_lost_for_a_while=True),
        ),
        _product(
            "PER-3",
            "Teto solar, entregue na segunda vez",
            35,
            [CHOOSY],
            Manner(is_lost_for_a_while=True, moves_again=True),
        ),
        _product(
            "VOL-PDA", "Kit de molas, a segunda parte perdida", 36, [CHOOSY], Manner(apart="when_told", is_lost=True)
        ),
        _product("PER-2", "Volante", 32, [CHOOSY], Manner(is_lost=True)),
        _product("COR-1", "Manual do proprietário", 14, [BY_MAIL]),
    )
}


def unstocked(sku: str, number: int) -> Product:
    """A product of its own for one order: offered, but nowhere in stock."""
    return _product(sku, "Peça sem estoque", 1000 + number % 90_000, [SECOND], stock=0)


def unknown(sku: str, number: int) -> Product:
    """A product of its own for one order, that nobody offers (yet)."""
    return _product(sku, "Peça sem fornecedor", 1000 + number % 90_000, [])


def awaited(number: int, kind: str) -> Product:
    """A product of its own for one order, that its only supplier treats as `KINDS` says."""
    product = _product(f"RET-{number:06d}", "Peça retirada", 1000 + number % 90_000, [CHOOSY])
    return replace(product, kind=kind)


def offer(
    supplier_id: str, product: Product, *, stock: int | None = None, since: datetime = SINCE, active: bool = True
) -> OfferChanged:
    part = product.part
    is_first = supplier_id in product.offered_by[:1]
    markup = 0 if is_first else SECOND_MARKUP
    return OfferChanged(
        valid_from=since,
        offer_id=f"{supplier_id}:{part.sku}",
        supplier_id=supplier_id,
        sku=part.sku,
        supplier_sku=supplier_sku(supplier_id, part) + (f"-{product.kind}" if product.kind and is_first else ""),
        gtin=gtin(part),
        name=part.name,
        ncm=part.ncm,
        cost=(part.cost * (100 + markup) / 100).quantize(Decimal("0.0001"), ROUND_HALF_UP),
        stock=product.stock if stock is None else stock,
        lead_time_days=2,
        active=active,
    )


def offers() -> list[OfferChanged]:
    return [offer(supplier_id, product) for product in PRODUCTS.values() for supplier_id in product.offered_by]


def suppliers(base_url: str) -> list[SupplierChanged]:
    return [
        SupplierChanged(
            valid_from=SINCE,
            supplier_id=mixed.facts.supplier_id,
            company=mixed.facts.company,
            api_url=f"{base_url}/suppliers/{mixed.facts.supplier_id}",
            secret_ref=mixed.facts.supplier_id,
            priority=mixed.facts.priority,
            terms=Terms(kind=mixed.terms, days=0 if mixed.terms == "prepaid" else mixed.facts.terms_days),
            tolerance=Tolerance(absolute=Decimal("0.05"), percent=Decimal("0.5")),
            api="email" if mixed.order_email else "http",
            order_email=mixed.order_email,
        )
        for mixed in MIXED
    ]


def supplier_sku(supplier_id: str, part: Part) -> str:
    return f"{supplier_id[:2].upper()}{part.gtin_stem[-6:]}"


def manners(supplier_id: str) -> dict[str, Manner]:
    """A supplier's manners by its own SKU: it has them for what it is the first choice for."""
    return {
        supplier_sku(supplier_id, product.part): product.manner
        for product in PRODUCTS.values()
        if product.offered_by[0] == supplier_id and product.manner != AS_ORDERED
    }


def manner_of(known: Mapping[str, Manner], sku: str) -> Manner:
    """By a supplier's own SKU, of a product of one order alone too."""
    return known.get(sku, KINDS.get(sku.rpartition("-")[2], AS_ORDERED))


def every_supplier() -> list[SupplierFacts]:
    """Those of both scenarios, as the sandbox runs them."""
    return [*SUPPLIERS, *(mixed.facts for mixed in MIXED)]


def by_mail() -> dict[str, str]:
    """Supplier ids by the address to which their POs are mailed."""
    return {mixed.order_email: mixed.facts.supplier_id for mixed in MIXED if mixed.order_email}
