"""Base class of all parameter groups, and types that also accept single values for lists."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator


class Parameters(BaseModel):
    """Base of all parameter groups: unknown keys are refused, and values cannot be changed.

    The text below an attribute is its description in the documentation.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True
    )

    @model_validator(mode="before")
    @classmethod
    def _name_unknown_keys(cls, values: Any) -> Any:
        unknown = sorted(set(values) - set(cls.model_fields)) if isinstance(values, dict) else []
        if unknown:
            raise ValueError(
                f"unknown key {', '.join(map(str, unknown))}; use {', '.join(cls.model_fields)}"
            )
        return values


def as_list(value: object) -> object:
    """Wrap a single value in a list; `--params` passes it as a plain string or number."""
    return [value] if isinstance(value, str | int | float) else value


def _as_texts(value: object) -> object:
    listed = as_list(value)
    return [str(item) for item in listed] if isinstance(listed, list) else listed


Texts = Annotated[list[str], BeforeValidator(_as_texts)]
Numbers = Annotated[list[float], BeforeValidator(as_list)]
Integers = Annotated[list[int], BeforeValidator(as_list)]
Counts = Annotated[tuple[int, ...], BeforeValidator(as_list)]
Share = Annotated[float, Field(gt=0, lt=1)]
