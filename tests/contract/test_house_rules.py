"""Rules of the house that import-linter cannot see: who acks, who has SQL, who reads the environment."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PRODUCT = sorted(p for folder in ("schemas", "shared", "services") for p in (ROOT / folder).rglob("*.py"))
SQL = re.compile(
    r"^\s*(with\s+\w+\s+as\s*\(|select\s.+|insert\s+into\s|update\s+\w+\s.*\bset\b|delete\s+from\s|create\s+(table|role|schema)\s)",
    re.IGNORECASE | re.DOTALL,
)
MIGRATES = ROOT / "shared" / "migrate.py"
"""It makes roles and schemas, for which no store is the place."""


def names(paths: list[Path]) -> list[str]:
    return [str(path.relative_to(ROOT)) for path in paths]


def strings(path: Path) -> list[str]:
    tree = ast.parse(path.read_text())
    docs = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    found = [n for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    return [str(node.value) for node in found if id(node) not in docs]


@pytest.mark.parametrize("path", PRODUCT, ids=names(PRODUCT))
def test_sql_stands_in_store_only(path: Path) -> None:
    if path.name == "store.py" or path.parent.name == "store" or path == MIGRATES:
        return
    assert [text for text in strings(path) if SQL.match(text)] == []


def test_sql_is_recognised() -> None:
    for text in ("select 1 from t", " insert into t values", "update t set a = 1", "with a as (select 1) select 2"):
        assert SQL.match(text)
    assert not SQL.match("selected by the customer")


def mentions(pattern: str) -> set[str]:
    return {str(p.relative_to(ROOT)) for p in PRODUCT if re.search(pattern, p.read_text())}


def test_only_the_worker_acks() -> None:
    assert mentions(r"\.basic_(ack|nack|reject)\(") == {"shared/broker/link.py"}
    assert mentions(r"\.(ack_up_to|give_back)\(") == {"shared/worker/session.py", "shared/worker/tap.py"}
    assert mentions(r"\.(ack|nack|reject)\(") == set()


def test_only_settings_read_the_environment() -> None:
    assert {Path(name).name for name in mentions(r"BaseSettings")} == {"settings.py"}
    assert mentions(r"os\.environ|getenv") == set()


def test_no_message_is_made_of_a_partners_words_outside_partners() -> None:
    """The ERP's Portuguese field names are a good witness."""
    found = mentions(r"\"(pedido_externo|situacao|favorecido_cnpj|lancamento|pedido_compra)\"")
    assert {name for name in found if "/partners" not in name} == set()
