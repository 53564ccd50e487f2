"""Files of settings that people write: recipes, suites, lists of phrases."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from tersely.errors import UserError


def read_toml(path: Path, what: str) -> dict[str, Any]:
    """A TOML file that a person wrote; UserError in one sentence where it cannot be read, ``what`` opens it."""
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise UserError(f"{what} {path} cannot be read: {(error.strerror or 'unknown reason').lower()}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{what} {path} is not UTF-8 (byte {error.start}): save it as UTF-8") from error
    except RecursionError as error:
        raise UserError(f"{what} {path} is nested too deeply") from error
    except ValueError as error:
        raise UserError(f"{what} {path} is not valid TOML: {error}") from error
