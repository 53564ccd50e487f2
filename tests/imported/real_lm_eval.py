"""With the library of lm-eval itself; run by ``scripts/logs lm-eval``, which makes the logs in ``TERSELY_MADE``."""

from __future__ import annotations

import json
import os
from pathlib import Path

import lm_eval
import pytest

from tersely.imported.as_ours import as_ours
from tersely.imported.formats import read_log

(BASE,) = Path(os.environ["TERSELY_MADE"]).glob("base/*/samples_*.jsonl")


@pytest.mark.parametrize("scorer", ["exact_match,boxed", "exact_match,last"])
def test_its_own_accuracy_is_reproduced_exactly(scorer: str) -> None:
    results = json.loads(next(BASE.parent.glob("results_*.json")).read_text(encoding="utf-8"))
    log = read_log(BASE)
    assert log.made_by == f"lm_eval {lm_eval.__version__}"
    found = as_ours(log, scorer, None, lambda text: len(text.split())).as_logged
    assert found.accuracy == found.of_scores == results["results"]["sums"][scorer]
