"""Which ids end a response: everything that the model's own files say, in whatever file it stands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from tersely.config import resolve
from tersely.display import PlainDisplay
from tersely.errors import UserError
from tersely.learn.loop import train
from tersely.models.end_tokens import end_tokens, end_tokens_of, turn_end
from tersely.models.load import load_model, load_tokenizer
from tersely.plan.run import make_plan
from tersely.samplers import Prompt, Sampling
from tersely.samplers.transformers import TransformersSampler
from tersely.toy.tokenizer import build_tokenizer
from tiny_models import make_model, make_model_folder, make_task, make_tokenizer

CHATML = (
    "{% for m in messages %}<|user|>{{ m['content'] }}<|turn|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def tokenizer_of(template: str | None = CHATML) -> Any:
    tokenizer = make_tokenizer()
    tokenizer.add_tokens(["<|turn|>", "<|other|>"], special_tokens=True)
    tokenizer.chat_template = template
    return tokenizer


def folder_with(folder: Path, **ends: Any) -> Path:
    """A model folder; ``config``, ``generation`` and ``tokenizer`` say what each file names (None: nothing)."""
    tokenizer = tokenizer_of(ends.get("template", CHATML))
    model = make_model(len(tokenizer) + 2, "llama")
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    edit(folder / "config.json", eos_token_id=ends.get("config"))
    edit(folder / "generation_config.json", eos_token_id=ends.get("generation"))
    edit(folder / "tokenizer_config.json", eos_token=ends.get("tokenizer"))
    return folder


def edit(path: Path, **values: Any) -> None:
    """None takes a key away, but for config.json, where the class would put an id of its own there."""
    content = json.loads(path.read_text())
    for key, value in values.items():
        content[key] = value
        if value is None and path.name != "config.json":
            del content[key]
    path.write_text(json.dumps(content))


def ids_of(folder: Path) -> tuple[int, ...]:
    """By the files and by the loaded model, which must agree."""
    tokenizer = load_tokenizer(folder)
    loaded = end_tokens(load_model(folder, torch.device("cpu"), torch.float32), tokenizer)
    assert loaded == end_tokens_of(folder, tokenizer)
    return loaded


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        ({"generation": 1}, {"<|end|>", "<|turn|>"}),
        ({"generation": [1, 3]}, {"<|end|>", "<|assistant|>", "<|turn|>"}),
        ({"config": 1}, {"<|end|>", "<|turn|>"}),
        ({"tokenizer": "<|end|>"}, {"<|end|>", "<|turn|>"}),
        ({"generation": 3, "config": 1, "tokenizer": "<|user|>"}, {"<|assistant|>", "<|end|>", "<|user|>", "<|turn|>"}),
        ({}, {"<|turn|>"}),
        ({"generation": 1, "template": None}, {"<|end|>"}),
    ],
)  # fmt: skip
def test_all_that_the_files_name_ends_a_response(tmp_path: Path, ends: dict[str, Any], expected: set[str]) -> None:
    folder = folder_with(tmp_path / "model", **ends)
    found = ids_of(folder)
    assert len(set(found)) == len(found)
    assert set(load_tokenizer(folder).convert_ids_to_tokens(list(found))) == expected


def test_the_id_that_a_class_of_configurations_has_by_itself_is_no_end_where_it_is_a_word(tmp_path: Path) -> None:
    folder = folder_with(tmp_path / "model", generation=1)
    content = json.loads((folder / "config.json").read_text())
    del content["eos_token_id"]
    (folder / "config.json").write_text(json.dumps({**content, "eos_token_id": 100}))
    assert 100 not in ids_of(folder)


@pytest.mark.parametrize("where", ["config", "generation"])
@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "is an empty list, so no response could ever end"),
        (99999, r"holds 99999, which is no token of the model \(its ids are 0 to 273\)"),
        ([1, -1], "holds -1, which is no token"),
        (["</s>"], "holds '</s>', which is no token"),
    ],
)
def test_what_cannot_be_an_end_token_is_refused_by_file(tmp_path: Path, where: str, value: Any, message: str) -> None:
    model = make_model(274)
    part = model.config if where == "config" else model.generation_config
    object.__setattr__(part, "eos_token_id", value)  # Some classes check what they are given, others do not.
    file = "config.json" if where == "config" else "generation_config.json"
    with pytest.raises(UserError, match=f"eos_token_id in {file} {message}"):
        end_tokens(model, tokenizer_of())


def test_a_model_without_any_end_is_refused(tmp_path: Path) -> None:
    tokenizer = tokenizer_of(None)
    tokenizer.eos_token = None
    model = make_model(274)
    model.config.eos_token_id = model.generation_config.eos_token_id = None
    with pytest.raises(UserError, match="no response could ever end"):
        end_tokens(model, tokenizer)


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        (CHATML, "<|turn|>"),
        ("{% for m in messages %}{{ m['content'] }}{{ eos_token }}{% endfor %}", "<|end|>"),
        ("{% for m in messages %}[{{ m['role'] }}] {{ m['content'] | trim }} <|other|>\n{% endfor %}", "<|other|>"),
        ("{% for m in messages %}{{ m['content'] }}\n{% endfor %}", None),
        ("{% for m in messages %}{{ m['content'] }} is all.{% endfor %}", None),
        ("{% for m in messages if m['role'] == 'user' %}{{ m['content'] }}<|turn|>{% endfor %}", None),
        ("{{ raise_exception('no') }}", None),
        (None, None),
    ],
)
def test_the_turn_end_is_the_control_token_behind_an_assistants_message(
    template: str | None, expected: str | None
) -> None:
    found = turn_end(tokenizer_of(template))
    assert (None if found is None else tokenizer_of().convert_ids_to_tokens(found)) == expected


def test_the_embedded_reasoner_ends_where_it_always_did() -> None:
    tokenizer = build_tokenizer()
    assert end_tokens(make_model(len(tokenizer)), tokenizer) == (tokenizer.eos_token_id,) == (1,)


def test_a_response_ends_at_the_turn_end_that_the_generation_configuration_lacks(tmp_path: Path) -> None:
    folder = folder_with(tmp_path / "model", generation=1, config=1, tokenizer="<|end|>")
    tokenizer = load_tokenizer(folder)
    model = load_model(folder, torch.device("cpu"), torch.float32)
    turn = tokenizer.convert_tokens_to_ids("<|turn|>")
    with torch.no_grad():
        model.lm_head.weight[turn] = 0
        model.lm_head.weight[turn] = model.lm_head.weight.abs().max(0).values * 50
    drawn = TransformersSampler(model, tokenizer, "model").generate([Prompt("p", (5, 6, 7))], Sampling(16, 40))
    ended = [r for r in drawn if turn in r.tokens]
    assert ended
    assert all(r.tokens.index(turn) == r.length - 1 and "<|turn|>" not in r.text for r in ended)


def test_plan_and_train_refuse_an_empty_list_alike(tmp_path: Path) -> None:
    folder = make_model_folder(tmp_path / "model")
    edit(folder / "generation_config.json", eos_token_id=[])
    task = str(make_task(tmp_path / "task.jsonl", 6))
    sampling = {"max_new_tokens": 20, "prompts": 2, "n": 2}
    config = resolve({"model": str(folder), "task": task, "template": "question", "sampling": sampling})
    with pytest.raises(UserError, match=r"generation_config.json is an empty list"):
        make_plan(config)
    with pytest.raises(UserError, match=r"generation_config.json is an empty list"):
        train(config, tmp_path / "run", PlainDisplay("test"))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("generation", "said"), [(1, True), ([1], True), ([1, 270], False)])
def test_plan_says_where_the_generation_configuration_lacks_the_turn_end(
    tmp_path: Path, generation: Any, said: bool
) -> None:
    folder = folder_with(tmp_path / "model", generation=generation, config=1, tokenizer="<|end|>")
    turn = load_tokenizer(folder).convert_tokens_to_ids("<|turn|>")
    assert turn == 270
    sampling = {"max_new_tokens": 20, "prompts": 2, "n": 2}
    task = str(make_task(tmp_path / "task.jsonl", 6))
    plan = make_plan(resolve({"model": str(folder), "task": task, "template": "question", "sampling": sampling}))
    notes = [note for note in plan.notes if "generation_config.json does not name it" in note]
    assert len(notes) == said
    assert all("'<|turn|>' (id 270)" in note for note in notes)


@pytest.mark.parametrize("content", [b"", b"[" * 100_000, b"\xff\xfe{\x00}\x00", b'{"a": "\x1b"}', b"[1]"])
def test_generation_settings_that_cannot_be_read_are_one_sentence(tmp_path: Path, content: bytes) -> None:
    folder = folder_with(tmp_path / "model", generation=1)
    (folder / "generation_config.json").write_bytes(content)
    with pytest.raises(
        UserError, match=r"generation_config\.json cannot be used \(.*mend it, or move it away"
    ) as caught:
        end_tokens_of(folder, make_tokenizer())
    assert "\n" not in str(caught.value)
