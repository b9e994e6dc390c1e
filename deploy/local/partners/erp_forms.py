"""What the sandbox's ERP takes: its forms, strict, in its own field names."""

from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from schemas.model import Model
from schemas.values import AccessKey, Amount, Cfop, Cnpj, Id, TaxId, Text, UnitPrice, Units

Data = Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}")]
"""A date, with or without a time."""


class Cliente(Model):
    nome: Text
    documento: TaxId


class ItemVenda(Model):
    sku: Id
    quantidade: Units
    preco: UnitPrice
    desconto: Amount = Decimal("0.00")

    @property
    def total(self) -> Decimal:
        return (self.quantidade * self.preco).quantize(Decimal("0.01")) - self.desconto


class PedidoVenda(Model):
    pedido_externo: Id
    loja: Id
    canal: Id
    codigo_canal: Id
    cliente: Cliente
    itens: Annotated[tuple[ItemVenda, ...], Field(min_length=1)]
    frete: Amount = Decimal("0.00")
    desconto: Amount = Decimal("0.00")
    total: Amount

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        if sum((item.total for item in self.itens), Decimal(0)) + self.frete - self.desconto != self.total:
            raise ValueError("total não confere com os itens, frete e desconto")
        return self


class Situacao(Model):
    situacao: Literal["despachado", "concluido", "cancelado"]
    chave_nfe: AccessKey | None = None


class Cancelamento(Model):
    situacao: Literal["cancelado"]


class ItemCompra(Model):
    item: Annotated[int, Field(ge=1, le=990)]
    sku: Id
    quantidade: Units
    custo: UnitPrice


class PedidoCompra(Model):
    referencia: Id
    fornecedor_cnpj: Cnpj
    itens: Annotated[tuple[ItemCompra, ...], Field(min_length=1)]
    total: Amount


class AlteracaoCompra(Model):
    itens: Annotated[tuple[ItemCompra, ...], Field(min_length=1)]
    total: Amount


class NotaEntrada(Model):
    chave: AccessKey
    pedido_compra: Annotated[str, Field(min_length=1, max_length=15)]
    cfop: Cfop
    valor: Amount


class Pagamento(Model):
    referencia: Id
    favorecido_cnpj: Cnpj
    valor: Amount
    vencimento: Data


class Estorno(Model):
    referencia: Id
    pedido_externo: Id
    pagamento: Id
    forma: Text
    valor: Amount
