"""Releases of transformers that engines of others pin are too old for our own loading, and it says so."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import tersely.models.load
from tersely.errors import UserError
from tersely.models.load import load_model
from tersely.models.release import require_release


@pytest.mark.parametrize("found", ["5.16.0", "5.23.0", "6.0.0.dev0"])
def test_newer_ones_will_do(found: str) -> None:
    require_release(found)


def test_older_ones_are_refused_before_anything_is_loaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tersely.models.load.transformers, "__version__", "5.9.0")
    with pytest.raises(UserError) as refused:
        load_model(tmp_path, torch.device("cpu"), torch.float32)
    assert str(refused.value) == (
        "transformers 5.9.0 is installed, and tersely loads models with 5.16 or newer: use another environment than "
        "that of verl, SkyRL or OpenRLHF, whose pins are older (docs/engines.md)"
    )
