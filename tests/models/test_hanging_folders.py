"""Model folders that would wait for ever or fill the memory: one sentence, soon."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from unittest import mock

import pytest

from tersely.cli import main
from tersely.errors import UserError
from tersely.models.load import load_tokenizer
from tersely.models.locate import locate_model
from tersely.records import Problem
from tersely.tasks import chat
from tersely.tasks.prompts import render_all
from tersely.tasks.template_answers import answer
from tiny_models import CHAT, make_model_folder, make_task, make_tokenizer

ENDLESS = "{% for a in range(99999) %}{% for b in range(99999) %}{{ a }}{% endfor %}{% endfor %}"
HUGE = "{% set ns = namespace(x='x' * 1000000) %}{% for i in range(40) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}"
HUGE_AT_ONCE = "{{ 'x' * 10000000000 }}"
LONG_ONLY = "{% if messages[0]['content'] | length > 1000 %}" + ENDLESS + "{% endif %}" + CHAT
MARKED = "{% generation %}" + ENDLESS + "{% endgeneration %}"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model_folder(tmp_path_factory.mktemp("model") / "model")


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "model"))


@pytest.mark.parametrize(
    "template",
    [
        ENDLESS,
        *(pytest.param(template, marks=pytest.mark.slow) for template in (HUGE, HUGE_AT_ONCE, LONG_ONLY, MARKED)),
    ],
    ids=lambda t: t[:20],
)
def test_a_template_that_does_not_end_is_one_sentence(
    template: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat, "TEMPLATE_SECONDS", 0.5)
    (folder / "chat_template.jinja").write_text(template)
    make_task(tmp_path / "task.jsonl", 2)
    options = ["--task", str(tmp_path / "task.jsonl"), "--max-new-tokens", "4", "--out", str(tmp_path / "out")]
    assert main(["evaluate", str(folder), *options]) == 2
    assert "the model's chat template does not end within 0.5 CPU seconds and 1024 MiB" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_pipe_in_place_of_weights_is_one_sentence(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "model.safetensors").unlink()
    os.mkfifo(folder / "model.safetensors")
    with pytest.raises(UserError, match=r"model.safetensors is no regular file"):
        locate_model(str(folder))
    assert main(["plan", "--model", str(folder), "--task", "arithmetic"]) == 2
    assert "is no regular file" in capsys.readouterr().err


def test_templates_that_end_are_tried_once_and_none_where_there_is_no_template(folder: Path) -> None:
    chat._endless.cache_clear()
    with mock.patch.object(chat, "Pool", wraps=chat.Pool) as pool:
        tokenizer = load_tokenizer(folder)
        problems = [Problem(str(i), f"{i}+1", "2", "math", "test") for i in range(5)]
        render_all(problems, tokenizer, "question")
        assert pool.call_count == 1
        plain = make_tokenizer()
        plain.chat_template = None
        render_all(problems, plain, "plain")
        assert pool.call_count == 1


@pytest.mark.parametrize(
    ("template", "reason"),
    [(CHAT, "it ends"), ("{{ raise_exception('no') }}", "it ends by ValueError"), ("{% if %}", "it ends by Template")],
)
def test_what_ends_is_left_to_the_rendering_that_counts(template: str, reason: str) -> None:
    said = answer({"template": template, "contents": ["?"]})
    assert said["status"] == "CORRECT"
    assert said["reason"].startswith(reason)
