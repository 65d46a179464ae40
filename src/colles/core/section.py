"""A section of a recipe: frozen, and closed to unknown keys and to numbers without end."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

Share = Annotated[float, Field(ge=0.0, le=1.0)]
LARGEST_SEED = 2**32 - 1  # what every library takes
Seed = Annotated[int, Field(ge=0, le=LARGEST_SEED)]
_LARGEST = 10**18  # beyond that libraries overflow, each in its own words


class Section(BaseModel):
    """A frozen part of a recipe that refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @field_validator("*")
    @classmethod
    def _fits_into_a_machine(cls, value: Any) -> Any:
        numbers = [each for each in (value if isinstance(value, tuple) else (value,)) if isinstance(each, int | float)]
        if any(abs(each) > _LARGEST for each in numbers):
            raise ValueError("must be a number of at most 1e18")
        return value
