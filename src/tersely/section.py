"""What every part of the configuration is."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, model_validator


class Section(BaseModel):
    """A part of the configuration: frozen, and no unknown key passes. What stands below a field is its description."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)

    @model_validator(mode="after")
    def _is_text(self) -> Self:
        for name, value in self:
            if isinstance(value, str) and ("\0" in value or value != value.encode("utf-8", "replace").decode()):
                raise ValueError(f"setting {name} = {value!r} is no text that a file can hold (UTF-8 without NUL)")
        return self
