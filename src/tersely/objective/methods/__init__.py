"""Published objectives, one a file, by the name that ``Objective(method=...)`` and a configuration use."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from tersely.objective.methods.base import Method
from tersely.objective.methods.linear import Linear
from tersely.objective.methods.paper import Paper

METHODS: Mapping[str, type[Method]] = MappingProxyType(
    {
        "paper": Paper,
        "linear": Linear,
    }
)
