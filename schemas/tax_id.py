"""CPF and CNPJ; CNPJs are alphanumeric since July 2026 (same arithmetic)."""

import re

CNPJ = re.compile(r"[0-9A-Z]{12}[0-9]{2}")
CPF = re.compile(r"[0-9]{11}")


def _digit(text: str, weights: tuple[int, ...]) -> str:
    rest = sum((ord(c) - 48) * w for c, w in zip(text, weights, strict=True)) % 11
    return "0" if rest < 2 else str(11 - rest)


_CNPJ = (6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2)


def is_valid_cnpj(text: str) -> bool:
    if CNPJ.fullmatch(text) is None or len(set(text)) == 1:
        return False
    return _digit(text[:12], _CNPJ[1:]) == text[12] and _digit(text[:13], _CNPJ) == text[13]


def is_valid_cpf(text: str) -> bool:
    if CPF.fullmatch(text) is None or len(set(text)) == 1:
        return False
    first = _digit(text[:9], tuple(range(10, 1, -1)))
    return first == text[9] and _digit(text[:10], tuple(range(11, 1, -1))) == text[10]
