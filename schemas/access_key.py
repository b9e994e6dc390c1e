"""NF-e access key (chave de acesso), 44 characters: cUF 2, AAMM 4, CNPJ 14, model 2, series 3, number 9, tpEmis 1,
cNF 8, DV 1 (Manual de Orientação do Contribuinte 7.0; letters in the CNPJ since NT 2025.001).

The DV catches every wrong digit but one kind: rests 0 and 1 both give DV 0, so of keys that end in 0 a change from
one rest to the other passes. A letter for a digit eleven or twenty-two places before it ('A' for '6') passes too.
"""

import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache

from schemas.tax_id import modulo_11

PATTERN = re.compile(r"[0-9]{6}[0-9A-Z]{12}[0-9]{26}")

UF_BY_CODE = {
    "11": "RO", "12": "AC", "13": "AM", "14": "RR", "15": "PA", "16": "AP", "17": "TO",
    "21": "MA", "22": "PI", "23": "CE", "24": "RN", "25": "PB", "26": "PE", "27": "AL", "28": "SE", "29": "BA",
    "31": "MG", "32": "ES", "33": "RJ", "35": "SP", "41": "PR", "42": "SC", "43": "RS",
    "50": "MS", "51": "MT", "52": "GO", "53": "DF",
}  # fmt: skip
CODE_BY_UF = {uf: code for code, uf in UF_BY_CODE.items()}


@dataclass(frozen=True, slots=True)
class KeyParts:
    """What a key says, as text and without losing leading zeros."""

    uf_code: str
    year_month: str
    issuer: str
    """CNPJ, or a CPF with three zeros before it."""
    model: str
    series: str
    number: str
    emission_type: str
    code: str
    check_digit: str


def check_digit(first43: str) -> str:
    """DV of a key's first 43 characters."""
    return modulo_11(first43, 9)


@lru_cache(maxsize=4096)
def is_valid(key: str) -> bool:
    """Right shape, a month that exists, right DV. Whether the UF and the issuer exist is not looked at.

    Remembered: an order's messages and states name the same few keys a hundred times.
    """
    return PATTERN.fullmatch(key) is not None and "01" <= key[4:6] <= "12" and check_digit(key[:43]) == key[43]


@lru_cache(maxsize=4096)
def parts(key: str) -> KeyParts:
    """Take a key apart. Raises ValueError when its shape is not a key's; the DV is not looked at."""
    if PATTERN.fullmatch(key) is None:
        raise ValueError("an access key has 44 characters: [0-9]{6}[0-9A-Z]{12}[0-9]{26}")
    ends = (2, 6, 20, 22, 25, 34, 35, 43, 44)
    return KeyParts(*(key[start:end] for start, end in zip((0, *ends), ends, strict=False)))


def compose(
    *, uf_code: str, year_month: str, issuer: str, model: str, series: int, number: int, emission_type: str, code: str
) -> str:
    """Put a key together and add its DV. Raises ValueError when a part does not fit its place."""
    first43 = f"{uf_code}{year_month}{issuer:0>14}{model}{series:03d}{number:09d}{emission_type}{code}"
    key = first43 + check_digit(first43)
    if not is_valid(key):
        raise ValueError(f"these parts do not make an access key: {first43}")
    return key


def control_code(seed: str, number: int) -> str:
    """cNF for the document with this number: the same for the same seed, hard to guess when the seed is a random id.

    Never one of the codes that SEFAZ refuses (rule B03-10): the number itself, eight equal digits, a run of digits.
    """
    digits = "0123456789"
    refused = {f"{number:08d}"[-8:], *(digit * 8 for digit in digits), *((digits * 2)[i : i + 8] for i in range(10))}
    for attempt in range(100):
        digest = hashlib.sha256(f"{seed}/{number}/{attempt}".encode()).digest()
        code = f"{int.from_bytes(digest[:8], 'big') % 10**8:08d}"
        if code not in refused:
            return code
    raise AssertionError("a hundred digests in a row fell on a refused code")
