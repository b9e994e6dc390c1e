"""CPF and CNPJ check digits. CNPJs are alphanumeric since July 2026 (IN RFB 2.229/2024), with the same arithmetic.

Only ASCII counts: the patterns name their characters, so other scripts' digits and a trailing newline are refused.
"""

import re
from functools import cache, lru_cache
from itertools import cycle, islice
from operator import mul

CNPJ = re.compile(r"[0-9A-Z]{12}[0-9]{2}")
CPF = re.compile(r"[0-9]{11}")


def modulo_11(text: str, highest_weight: int) -> str:
    """Check digit of `text`: values (code point − 48) weighted 2 … `highest_weight`, over and over, from the right."""
    weights = _weights(len(text), highest_weight)
    rest = (sum(map(mul, text.encode(), weights)) - 48 * sum(weights)) % 11
    return "0" if rest < 2 else str(11 - rest)


@cache
def _weights(length: int, highest_weight: int) -> tuple[int, ...]:
    """From the left."""
    return tuple(islice(cycle(range(2, highest_weight + 1)), length))[::-1]


def cnpj_check_digits(first12: str) -> str:
    """The two digits that complete a CNPJ's first twelve characters."""
    first = modulo_11(first12, 9)
    return first + modulo_11(first12 + first, 9)


def cpf_check_digits(first9: str) -> str:
    """The two digits that complete a CPF's first nine."""
    first = modulo_11(first9, 11)
    return first + modulo_11(first9 + first, 11)


@lru_cache(maxsize=4096)
def is_valid_cnpj(text: str) -> bool:
    """Fourteen characters without punctuation, capitals only; one digit repeated is nobody's CNPJ."""
    return CNPJ.fullmatch(text) is not None and text != text[0] * 14 and cnpj_check_digits(text[:12]) == text[12:]


@lru_cache(maxsize=4096)
def is_valid_cpf(text: str) -> bool:
    """Eleven digits without punctuation; one digit repeated passes the arithmetic but is nobody's CPF."""
    return CPF.fullmatch(text) is not None and text != text[0] * 11 and cpf_check_digits(text[:9]) == text[9:]
