"""Python source as trees, parsed once a process: several tests walk the whole package."""

from __future__ import annotations

import ast
from functools import cache


@cache
def parse(source: str) -> ast.Module:
    """Shared by all who ask for the same source, so nobody may change it."""
    return ast.parse(source)
