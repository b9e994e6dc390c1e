"""What a service keeps is read back as it was: states are stored without what is None, so None must be the default."""

import importlib
from collections.abc import Iterator
from types import NoneType
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from schemas.catalogue import SERVICES
from shared.worker.subscription import Aggregate


def states() -> Iterator[Any]:
    """The model of every aggregate of every service."""
    for service in SERVICES:
        module = importlib.import_module(f"services.{service}.__main__")
        yield from (found.model for found in vars(module).values() if isinstance(found, Aggregate))


def models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models in an annotation."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from models(part)


def reached() -> list[type[BaseModel]]:
    """Every model that some state is made of."""
    left = [model for state in states() for model in models(state)]
    known: list[type[BaseModel]] = []
    while left:
        model = left.pop()
        if model not in known:
            known.append(model)
            left += [part for field in model.model_fields.values() for part in models(field.annotation)]
    return sorted(known, key=lambda model: (model.__module__, model.__qualname__))


@pytest.mark.parametrize("model", reached(), ids=lambda model: f"{model.__module__}.{model.__qualname__}")
def test_field_of_a_state_that_may_be_none_is_none_where_it_is_missing(model: type[BaseModel]) -> None:
    optional = [name for name, field in model.model_fields.items() if NoneType in get_args(field.annotation)]
    assert [name for name in optional if model.model_fields[name].is_required()] == []
