"""Sets that were not drawn: their makers fixed how many problems of each kind they hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar, cast

from tersely.analysis.facts import ProtocolFacts
from tersely.records import Estimate
from tersely.tasks.sources.embedded import EMBEDDED_TASKS

STRATIFIED = "set stratified exactly, not drawn"
"""Said after the method of every estimate on such a set: its interval takes for chance what the maker fixed, so it is
no statement about other problems."""

T = TypeVar("T")


def marked(found: T, protocol: ProtocolFacts | None) -> T:
    """A record with ``STRATIFIED`` said in every estimate, if the protocol's task is such a set (``EmbeddedTask``)."""
    task = None if protocol is None or protocol.task is None else EMBEDDED_TASKS.get(protocol.task)
    return found if task is None or not task.stratified else cast(T, _said(found))


def _said(found: Any) -> Any:
    if isinstance(found, Estimate):
        return replace(found, method=f"{found.method}; {STRATIFIED}")
    if isinstance(found, Mapping):
        return {key: _said(item) for key, item in found.items()}
    if is_dataclass(found) and not isinstance(found, type | ProtocolFacts):
        return replace(found, **{f.name: _said(getattr(found, f.name)) for f in fields(found)})
    return found
