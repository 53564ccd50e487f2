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

NO_OTHERS = "intervals over other problems mean nothing here"

T = TypeVar("T")


def stratified(protocol: ProtocolFacts | None) -> str:
    """What the protocol's task holds in exact shares, in words; empty where its problems were drawn.

    The maker of an embedded task says so (``EmbeddedTask``), a task file names the column of its strata.
    """
    if protocol is None:
        return ""
    if protocol.strata is not None:
        return f"the values of its column {protocol.strata!r}"
    task = None if protocol.task is None else EMBEDDED_TASKS.get(protocol.task)
    return "" if task is None else task.stratified


def marked(found: T, protocol: ProtocolFacts | None) -> T:
    """A record with ``STRATIFIED`` said in every estimate, if the protocol's task is such a set (``stratified``)."""
    return cast(T, _said(found)) if stratified(protocol) else found


def _said(found: Any) -> Any:
    if isinstance(found, Estimate):
        return replace(found, method=f"{found.method}; {STRATIFIED}")
    if isinstance(found, Mapping):
        return {key: _said(item) for key, item in found.items()}
    if is_dataclass(found) and not isinstance(found, type | ProtocolFacts):
        return replace(found, **{f.name: _said(getattr(found, f.name)) for f in fields(found)})
    return found
