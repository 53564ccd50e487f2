"""The tokenizer in use is that of the model's file, and it travels into checkpoints unchanged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, decoders
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from tersely.errors import UserError
from tersely.models.load import load_model, load_tokenizer
from tersely.models.save import save_model
from tersely.models.tokenizer_check import PROBES, difference, tokenizer_check
from tersely.models.tokenizer_files import PATTERNS
from tersely.toy.tokenizer import build_tokenizer
from tiny_models import make_model_folder


def edit(path: Path, **values: Any) -> None:
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, **values}))


def file_ids(folder: Path, text: str) -> list[int]:
    return list(Tokenizer.from_file(str(folder / "tokenizer.json")).encode(text, add_special_tokens=False).ids)


def test_a_class_that_overrules_the_file_is_found_and_replaced(tmp_path: Path) -> None:
    """Beside a Qwen2 model transformers makes a Qwen2Tokenizer, which splits numbers its own way."""
    folder = make_model_folder(tmp_path / "model", "qwen2")
    picked = AutoTokenizer.from_pretrained(folder)
    assert picked.encode(PROBES[0]) != file_ids(folder, PROBES[0])
    assert "instead of" in str(difference(folder, picked))
    loaded = load_tokenizer(folder)
    assert difference(folder, loaded) is None
    for text in PROBES:
        assert loaded.encode(text, add_special_tokens=False) == file_ids(folder, text)


def test_what_was_found_of_a_tokenizer_is_kept_with_it(tmp_path: Path) -> None:
    qwen = tokenizer_check(load_tokenizer(make_model_folder(tmp_path / "qwen", "qwen2")))
    found = qwen.to_json()
    assert (found["against"], found["overruled"]) == ("tokenizer.json", "Qwen2Tokenizer")
    assert "instead of" in found["difference"]
    assert (
        f"transformers takes Qwen2Tokenizer, which is not what the model's tokenizer.json says ({found['difference']}"
        in str(qwen.note())
    )
    llama = tokenizer_check(load_tokenizer(make_model_folder(tmp_path / "llama", "llama")))
    assert set(llama.to_json()) == {"chosen", "against"}
    assert llama.note() is None
    assert tokenizer_check(build_tokenizer()).to_json()["against"] is None


def test_a_byte_level_file_under_llamas_class_keeps_its_spaces_in_every_version(tmp_path: Path) -> None:
    """R1-Distill-Llama's files; AutoTokenizer of transformers below 5.20 reads them wrong."""
    folder = make_model_folder(tmp_path / "model", "llama")
    edit(folder / "tokenizer_config.json", tokenizer_class="LlamaTokenizerFast", legacy=True)
    loaded = load_tokenizer(folder)
    for text in PROBES:
        assert loaded.decode(loaded.encode(text, add_special_tokens=False)) == text


class WithoutSpaces:
    """What AutoTokenizer of transformers below 5.20 makes of R1-Distill-Llama's files: the spaces get lost."""

    def __init__(self, folder: Path) -> None:
        self._right = PreTrainedTokenizerFast.from_pretrained(folder)
        self.chat_template = None

    def encode(self, text: str, **options: Any) -> list[int]:
        return list(self._right.encode(text.replace(" ", ""), **options))

    def decode(self, ids: list[int], **options: Any) -> str:
        return str(self._right.decode(ids, **options))


@pytest.fixture
def spaceless(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "tersely.models.load.AutoTokenizer.from_pretrained", lambda folder, **_: WithoutSpaces(folder), raising=True
    )


def test_lost_spaces_are_mended_by_the_class_that_only_reads_the_file(tmp_path: Path, spaceless: None) -> None:
    folder = make_model_folder(tmp_path / "model", "llama")
    loaded = load_tokenizer(folder)
    assert loaded.decode(loaded.encode(PROBES[0])) == PROBES[0]


def test_what_no_class_reads_right_is_refused_with_the_first_difference(
    tmp_path: Path, spaceless: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_model_folder(tmp_path / "model", "llama")
    wrong = WithoutSpaces(folder)
    monkeypatch.setattr("tersely.models.load.PreTrainedTokenizerFast.from_pretrained", lambda *_, **__: wrong)
    with pytest.raises(UserError) as refused:
        load_tokenizer(folder)
    said = str(refused.value)
    assert "is not that of its tokenizer.json" in said
    assert "makes 'Whatis12+3456?Thenx=' instead of 'What is 12 + 3456? T' of 'What is 12 + 3456?" in said
    assert "another version of transformers" in said


def test_a_decoder_that_reads_back_otherwise_is_a_difference(tmp_path: Path) -> None:
    folder = make_model_folder(tmp_path / "model", "llama")
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    tokenizer.backend_tokenizer.decoder = decoders.Fuse()
    assert "reads the ids of" in str(difference(folder, tokenizer))


def test_a_tokenizer_that_drops_words_by_design_is_right(tmp_path: Path) -> None:
    tokenizer = build_tokenizer()
    tokenizer.save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "qwen2"}')
    loaded = load_tokenizer(tmp_path)
    assert loaded.decode(loaded.encode(PROBES[0])) != PROBES[0]
    assert difference(tmp_path, loaded) is None
    assert type(loaded) is type(tokenizer)


def test_a_prompt_is_compared_too(tmp_path: Path) -> None:
    """A control token that the file does not know is text to it."""
    folder = make_model_folder(tmp_path / "model", "llama")
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    tokenizer.add_tokens(["<|turn|>"], special_tokens=True)
    assert difference(folder, tokenizer) is None
    tokenizer.chat_template = "<|turn|>{{ messages[0]['content'] }}"
    assert "<|turn|>" in str(difference(folder, tokenizer))


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"tekken.json": "{}"}, "as tekken.json alone, which needs mistral-common: pip install mistral-common"),
        ({"tokenizer.json": '{"a": 1}'}, "no usable tokenizer"),
        ({"tokenizer.json": "{"}, "no usable tokenizer"),
    ],
)
def test_files_that_are_no_tokenizer_are_one_sentence(tmp_path: Path, files: dict[str, str], message: str) -> None:
    folder = make_model_folder(tmp_path / "model", "llama")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()
    for name, content in files.items():
        (folder / name).write_text(content)
    with pytest.raises(UserError, match=message) as refused:
        load_tokenizer(folder)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("kind", ["qwen2", "llama"])
def test_a_checkpoint_has_the_files_of_its_base_byte_for_byte(tmp_path: Path, kind: str) -> None:
    base = make_model_folder(tmp_path / "base", kind)
    edit(base / "tokenizer_config.json", tokenizer_class="LlamaTokenizerFast", legacy=False, a_key_of_their_own=[1, 2])
    # Settings that transformers would refuse to write again.
    edit(base / "generation_config.json", do_sample=False, temperature=0.6, of_their_own="kept")
    (base / "additional_chat_templates").mkdir()
    (base / "additional_chat_templates" / "tool.jinja").write_text("{{ messages[0]['content'] }}")
    tokenizer = load_tokenizer(base)
    model = load_model(base, torch.device("cpu"), torch.float32)
    before = {str(p.relative_to(base)): p.read_bytes() for name in PATTERNS for p in base.glob(name)}
    # What happens to the base while a run goes on is nothing to its checkpoints.
    (base / "chat_template.jinja").write_text("changed")
    save_model(tmp_path / "checkpoint", model, tokenizer, torch.float32)
    after = {name: (tmp_path / "checkpoint" / name).read_bytes() for name in before}
    assert after == before
    assert len(before) >= 5
    again = load_tokenizer(tmp_path / "checkpoint")
    assert again.chat_template == tokenizer.chat_template
    assert again.encode(PROBES[1]) == tokenizer.encode(PROBES[1])


def test_a_tokenizer_made_in_memory_is_saved_by_transformers(tmp_path: Path) -> None:
    base = make_model_folder(tmp_path / "base", "llama")
    model = load_model(base, torch.device("cpu"), torch.float32)
    save_model(tmp_path / "made", model, build_tokenizer(), torch.float32)
    assert (tmp_path / "made" / "tokenizer.json").is_file()
