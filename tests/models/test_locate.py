"""A model is a folder or a hub id; the hub is never needed for a folder, and its absence is one clear sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tersely.errors import UserError
from tersely.models.locate import locate_model
from tiny_models import make_model_folder


def test_folder_never_asks_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_model_folder(tmp_path / "org" / "name")
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda *a, **k: pytest.fail("the hub was asked"))
    monkeypatch.chdir(tmp_path)
    assert locate_model("org/name").resolve() == folder.resolve()


def test_hub_id_is_fetched_at_its_revision_without_code_or_pickles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_model_folder(tmp_path / "snapshot")
    asked: dict[str, Any] = {}

    def download(name: str, **options: Any) -> str:
        asked.update(options, name=name)
        return str(folder)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    assert locate_model("deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B", "ad9f0ae") == folder
    assert asked["revision"] == "ad9f0ae"
    assert not any(pattern.endswith((".py", ".bin", ".pt")) for pattern in asked["allow_patterns"])


def test_unreachable_hub_says_how_to_pass_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    def download(name: str, **options: Any) -> str:
        raise ConnectionError("no route\nand more")

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    with pytest.raises(UserError, match=r"could not be downloaded from the hub \(no route\).*path of a model folder"):
        locate_model("some/model")


def test_revision_of_a_folder_is_refused(tmp_path: Path) -> None:
    folder = make_model_folder(tmp_path / "model")
    with pytest.raises(UserError, match="pins a hub repository"):
        locate_model(str(folder), "main")
