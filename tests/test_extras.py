"""The command that adds an extra works where the package stands."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest

import tersely.extras
from tersely.extras import install_command


class Installed:
    """What importlib.metadata says of a distribution."""

    def __init__(self, origin: Any = None, requires: Sequence[str] = ()) -> None:
        self.origin, self.requires = origin, list(requires)

    def read_text(self, name: str) -> str | None:
        assert name == "direct_url.json"
        return None if self.origin is None else json.dumps(self.origin)


def command(monkeypatch: pytest.MonkeyPatch, installed: Installed) -> str:
    monkeypatch.setattr(tersely.extras, "distribution", lambda name: installed)
    return install_command("vllm")


def test_from_an_index_the_name_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    assert command(monkeypatch, Installed()) == "pip install 'tersely[vllm]'"


@pytest.mark.parametrize(("is_editable", "flag"), [(True, "-e "), (False, "")])
def test_a_clone_is_installed_from_where_it_lies(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, is_editable: bool, flag: str
) -> None:
    clone = tmp_path / "my clone"
    clone.mkdir()
    origin = {"url": clone.as_uri(), "dir_info": {"editable": True} if is_editable else {}}
    assert command(monkeypatch, Installed(origin)) == f"pip install {flag}'{clone}[vllm]'"


def test_a_wheel_is_installed_again_from_its_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    wheel = tmp_path / "tersely-0.1.0-py3-none-any.whl"
    wheel.touch()
    origin = {"url": wheel.as_uri(), "archive_info": {}}
    assert command(monkeypatch, Installed(origin)) == f"pip install '{wheel}[vllm]'"


def test_where_the_wheel_is_gone_what_it_asks_for_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    origin = {"url": (tmp_path / "gone.whl").as_uri(), "archive_info": {}}
    requires = ["torch>=2.11", "vllm<0.33,>=0.31; extra == 'vllm'", 'peft>=0.17 ; extra == "lora"']
    assert command(monkeypatch, Installed(origin, requires)) == "pip install 'vllm<0.33,>=0.31'"


@pytest.mark.parametrize(
    ("origin", "where"),
    [
        ({"url": "https://a.org/t.whl", "archive_info": {}}, "https://a.org/t.whl"),
        ({"url": "https://a.org/t.git", "vcs_info": {"vcs": "git", "commit_id": "c0"}}, "git+https://a.org/t.git@c0"),
    ],
)
def test_from_the_web_the_address_is_repeated(monkeypatch: pytest.MonkeyPatch, origin: Any, where: str) -> None:
    assert command(monkeypatch, Installed(origin)) == f"pip install 'tersely[vllm] @ {where}'"


def test_run_from_its_source_the_clone_is_the_one_of_the_code(monkeypatch: pytest.MonkeyPatch) -> None:
    def distribution(name: str) -> Installed:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(tersely.extras, "distribution", distribution)
    clone = Path(__file__).parents[1]
    assert (clone / "pyproject.toml").is_file()
    assert install_command("lora").replace("'", "") == f"pip install -e {clone}[lora]"


def test_nobody_else_prints_such_a_command() -> None:
    sources = Path(tersely.extras.__file__).parent
    assert [
        path.name
        for path in sources.rglob("*.py")
        if "pip install" in path.read_text() and "tersely[" in path.read_text()
    ] == []
