"""CPF and CNPJ: the official vectors, and what other libraries let pass."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.tax_id import cnpj_check_digits, cpf_check_digits, is_valid_cnpj, is_valid_cpf


@pytest.mark.parametrize("cnpj", ["12ABC34501DE35", "11222333000181", "06117473000150", "27373722000148"])
def test_cnpj_with_right_check_digits_is_valid(cnpj: str) -> None:
    assert is_valid_cnpj(cnpj)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "12ABC34501DE36",
        "12abc34501de35",
        "12.ABC.345/01DE-35",
        "12ABC34501DE35\n",
        " 12ABC34501DE35",
        "1122233300018",
        "١١٢٢٢٣٣٣٠٠٠١٨١",
        "１１２２２３３３０００１８１",
        "00000000000000",
        "12ABC34501DEAB",
    ],
)
def test_text_that_is_no_cnpj_is_invalid(text: str) -> None:
    assert not is_valid_cnpj(text)


@pytest.mark.parametrize("cpf", ["52998224725", "11144477735"])
def test_cpf_with_right_check_digits_is_valid(cpf: str) -> None:
    assert is_valid_cpf(cpf)


@pytest.mark.parametrize(
    "text", ["", "52998224726", "529.982.247-25", "52998224725\n", "٥٢٩٩٨٢٢٤٧٢٥", "11111111111", "00000000000"]
)
def test_text_that_is_no_cpf_is_invalid(text: str) -> None:
    assert not is_valid_cpf(text)


@given(st.from_regex(r"[0-9A-Z]{12}", fullmatch=True))
def test_cnpj_completed_with_its_check_digits_is_valid(first12: str) -> None:
    cnpj = first12 + cnpj_check_digits(first12)
    assert is_valid_cnpj(cnpj) == (len(set(cnpj)) > 1)


@given(st.from_regex(r"[0-9]{9}", fullmatch=True), st.integers(0, 10), st.integers(1, 9))
def test_cpf_with_one_wrong_digit_is_nearly_always_caught(first9: str, place: int, by: int) -> None:
    """Two check digits: a wrong digit passes only if both hide it behind rests 0 and 1."""
    cpf = first9 + cpf_check_digits(first9)
    wrong = cpf[:place] + str((int(cpf[place]) + by) % 10) + cpf[place + 1 :]
    assert not is_valid_cpf(wrong) or "0" in cpf[9:]
