"""NF-e access key (chave de acesso): cUF 2, AAMM 4, CNPJ 14, model 2, series 3, number 9, tpEmis 1, cNF 8, DV 1."""

import re

PATTERN = re.compile(r"[0-9]{6}[0-9A-Z]{12}[0-9]{26}")


def check_digit(first43: str) -> str:
    weights = (2, 3, 4, 5, 6, 7, 8, 9)
    total = sum((ord(c) - 48) * weights[i % 8] for i, c in enumerate(reversed(first43)))
    rest = total % 11
    return "0" if rest < 2 else str(11 - rest)


def is_valid(key: str) -> bool:
    return PATTERN.fullmatch(key) is not None and check_digit(key[:43]) == key[43]
