"""tersely: train reasoning models to reach the right answer with fewer tokens, and prove what was gained and lost.

``import tersely`` is light: torch and transformers are loaded by the first call that needs them.

>>> import tersely
>>> tersely.Objective(alpha=0.2).credit([True, True, False], [120, 480, 300]).rewards_G.round(3).tolist()
[0.946, 0.854, 0.0]
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tersely.analysis.intervals import (
        clustered_mean,
        clustered_rate,
        paired_difference,
        paired_ratio,
        paired_saving,
    )
    from tersely.api import RunResult, evaluate, load_run, sweep, train
    from tersely.errors import RunError, StorageError, TerselyError, UserError
    from tersely.evaluation.records import Evaluation
    from tersely.journal import StepRecord
    from tersely.objective import Objective
    from tersely.records import Credit, Estimate, Group, Problem, Rollout, Status, Verdict
    from tersely.samplers.endpoint import Endpoint, endpoint_at
    from tersely.verify import Judge

__version__ = "0.1.0"

_HOMES = {
    "train": "tersely.api",
    "evaluate": "tersely.api",
    "sweep": "tersely.api",
    "load_run": "tersely.api",
    "RunResult": "tersely.api",
    "Endpoint": "tersely.samplers.endpoint",
    "endpoint_at": "tersely.samplers.endpoint",
    "Evaluation": "tersely.evaluation.records",
    "Objective": "tersely.objective",
    "Judge": "tersely.verify",
    "Problem": "tersely.records",
    "Rollout": "tersely.records",
    "Verdict": "tersely.records",
    "Status": "tersely.records",
    "Group": "tersely.records",
    "Credit": "tersely.records",
    "StepRecord": "tersely.journal",
    "Estimate": "tersely.records",
    "clustered_mean": "tersely.analysis.intervals",
    "clustered_rate": "tersely.analysis.intervals",
    "paired_difference": "tersely.analysis.intervals",
    "paired_ratio": "tersely.analysis.intervals",
    "paired_saving": "tersely.analysis.intervals",
    "TerselyError": "tersely.errors",
    "UserError": "tersely.errors",
    "RunError": "tersely.errors",
    "HealthError": "tersely.errors",
    "StorageError": "tersely.errors",
}
"""Each public name and the module it lives in; docs/api.md is made from these."""

__all__ = [
    "Credit",
    "Endpoint",
    "Estimate",
    "Evaluation",
    "Group",
    "HealthError",
    "Judge",
    "Objective",
    "Problem",
    "Rollout",
    "RunError",
    "RunResult",
    "Status",
    "StepRecord",
    "StorageError",
    "TerselyError",
    "UserError",
    "Verdict",
    "clustered_mean",
    "clustered_rate",
    "endpoint_at",
    "evaluate",
    "load_run",
    "paired_difference",
    "paired_ratio",
    "paired_saving",
    "sweep",
    "train",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'tersely' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
