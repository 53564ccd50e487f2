"""With the library of lighteval itself; run by ``scripts/logs lighteval``, which makes the log in ``TERSELY_MADE``."""

from __future__ import annotations

import json
import os
from pathlib import Path

from datasets import load_dataset

from tersely.imported.as_ours import as_ours
from tersely.imported.formats import read_log

MADE = Path(os.environ["TERSELY_MADE"])
(DETAILS,) = MADE.glob("details/*/*/*.parquet")


def test_its_own_accuracy_is_reproduced_exactly() -> None:
    (results,) = MADE.glob("results/*/*.json")
    own = json.loads(results.read_text(encoding="utf-8"))["results"]["sums|0"]["boxed"]
    found = as_ours(read_log(DETAILS), None, None, None)
    assert found.as_logged.accuracy == found.as_logged.of_scores == own


def test_tokens_are_those_that_its_own_reader_finds() -> None:
    rows = load_dataset("parquet", data_files=str(DETAILS), split="train")
    counted = [len(row["model_response"]["output_tokens"][0]) for row in rows]
    assert [record.tokens for record in as_ours(read_log(DETAILS), None, None, None).records] == counted
