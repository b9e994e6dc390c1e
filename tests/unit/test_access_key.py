"""Access keys: the vector of the alphanumeric CNPJ, composition, and what the check digit does and does not catch."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.access_key import (
    CODE_BY_UF,
    UF_BY_CODE,
    check_digit,
    compose,
    control_code,
    is_valid,
    parts,
)
from schemas.tax_id import cnpj_check_digits

VECTOR = "42260712ABC34501DE35550010000001231123456781"

keys = st.builds(
    lambda uf, year, month, first12, series, number, code: compose(
        uf_code=uf,
        year_month=f"{year:02d}{month:02d}",
        issuer=first12 + cnpj_check_digits(first12),
        model="55",
        series=series,
        number=number,
        emission_type="1",
        code=f"{code:08d}",
    ),
    st.sampled_from(sorted(UF_BY_CODE)),
    st.integers(0, 99),
    st.integers(1, 12),
    st.from_regex(r"[0-9A-Z]{12}", fullmatch=True),
    st.integers(0, 999),
    st.integers(1, 999_999_999),
    st.integers(0, 99_999_999),
)


def _rest(first43: str) -> int:
    return sum((ord(c) - 48) * (2 + i % 8) for i, c in enumerate(reversed(first43))) % 11


def test_vector_of_the_alphanumeric_cnpj_is_valid_and_comes_apart() -> None:
    assert is_valid(VECTOR)
    found = parts(VECTOR)
    assert (found.uf_code, found.year_month, found.issuer) == ("42", "2607", "12ABC34501DE35")
    assert (found.model, found.series, found.number) == ("55", "001", "000000123")
    assert (found.emission_type, found.code, found.check_digit) == ("1", "12345678", "1")


@pytest.mark.parametrize(
    "text",
    [
        "",
        VECTOR + "\n",
        " " + VECTOR[1:],
        VECTOR.lower(),
        VECTOR[:-1] + "2",
        VECTOR[:-1] + "١",
        VECTOR[:4] + "13" + VECTOR[6:],
        "4226 0712 ABC3 4501 DE35 5500 1000 0001 2311 2345 6781",
    ],
)
def test_text_that_is_no_key_is_invalid(text: str) -> None:
    assert not is_valid(text)


def test_month_thirteen_is_invalid_though_its_check_digit_is_right() -> None:
    first43 = VECTOR[:4] + "13" + VECTOR[6:43]
    assert not is_valid(first43 + check_digit(first43))


@pytest.mark.parametrize("text", ["", VECTOR[:-1], VECTOR + "\n", "x" * 44])
def test_parts_of_what_is_no_key_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="44 characters"):
        parts(text)


@pytest.mark.parametrize(
    "wrong", [{"series": 1000}, {"number": 10**9}, {"code": "1"}, {"year_month": "2613"}, {"issuer": "1" * 15}]
)
def test_part_that_does_not_fit_its_place_is_refused(wrong: dict[str, object]) -> None:
    right: dict[str, object] = {
        "uf_code": "42",
        "year_month": "2607",
        "issuer": "12ABC34501DE35",
        "model": "55",
        "series": 1,
        "number": 123,
        "emission_type": "1",
        "code": "12345678",
    }
    assert compose(**right) == VECTOR  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="do not make an access key"):
        compose(**right | wrong)  # type: ignore[arg-type]


@given(keys)
def test_composed_key_is_valid_and_its_parts_compose_it_again(key: str) -> None:
    assert is_valid(key)
    found = parts(key)
    again = compose(
        uf_code=found.uf_code,
        year_month=found.year_month,
        issuer=found.issuer,
        model=found.model,
        series=int(found.series),
        number=int(found.number),
        emission_type=found.emission_type,
        code=found.code,
    )
    assert again == key


@given(keys, st.sampled_from([*range(4), *range(20, 44)]), st.integers(1, 9))
def test_one_wrong_digit_is_caught_unless_rests_zero_and_one_are_swapped(key: str, place: int, by: int) -> None:
    """The guarantee is exact: a wrong digit passes if and only if both rests, right and wrong, are 0 or 1."""
    wrong = key[:place] + str((int(key[place]) + by) % 10) + key[place + 1 :]
    hidden = place != 43 and _rest(key[:43]) < 2 and _rest(wrong[:43]) < 2
    assert is_valid(wrong) == hidden


def test_every_uf_has_one_code() -> None:
    assert len(UF_BY_CODE) == len(CODE_BY_UF) == 27


@given(st.uuids(), st.integers(1, 999_999_999))
def test_control_code_is_stable_and_none_that_sefaz_refuses(seed: object, number: int) -> None:
    code = control_code(str(seed), number)
    assert code == control_code(str(seed), number)
    assert len(code) == 8
    assert code.isdecimal()
    assert code != f"{number:08d}"[-8:]
    assert len(set(code)) > 1


def test_control_code_never_repeats_the_number() -> None:
    number = int(control_code("seed", 1))
    taken = control_code("seed", number)
    assert taken != f"{number:08d}"
