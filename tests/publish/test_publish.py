"""A model card says what is known and no path of this machine; the push sends what a reader needs, and is refused where
it cannot be made. The hub is a stand-in of ``huggingface_hub.HfApi``: nothing leaves this machine."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError

from tersely.cli import main
from tersely.errors import RunError, UserError
from tersely.evaluation.records import read_evaluation
from tersely.models.folder import resolve_model
from tersely.models.trained_for import read_trained_for
from tersely.publish.card import card
from tersely.publish.found import find
from tersely.publish.private import public, public_command, public_json
from tersely.publish.push import files_of, push
from tersely.runs import disk
from tersely.runs.json_file import read_json
from tiny_models import make_model_folder, make_task
from training import settings, train_for_odd_texts

SECRET = "secret place"


class StandIn:
    """As ``HfApi``: remembers what it was given."""

    def __init__(self, user: str | None = "me", refuses: Exception | None = None) -> None:
        self.user, self.refuses, self.unreachable = user, refuses, False
        self.sent: dict[str, bytes] = {}
        self.made: list[tuple[str, bool]] = []

    def whoami(self) -> dict[str, str]:
        if self.unreachable:
            raise HfHubHTTPError.__bases__[0]("connection refused")  # of the library that the client speaks through
        if self.user is None:
            raise LocalTokenNotFoundError("Token is required, but no token found.")
        return {"name": self.user}

    def create_repo(self, repo_id: str, *, private: bool, exist_ok: bool) -> None:
        assert exist_ok
        if self.refuses is not None:
            raise self.refuses
        self.made.append((repo_id, private))

    def create_commit(self, repo_id: str, operations: Any, *, commit_message: str) -> None:
        for one in operations:
            with one.as_file() as content:
                self.sent[one.path_in_repo] = content.read()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained run, measured beside its base, in a folder whose name must not be told."""
    folder = tmp_path_factory.mktemp("publish") / SECRET
    folder.mkdir()
    make_model_folder(folder / "model")
    make_task(folder / "task.jsonl")
    make_task(folder / "held.jsonl", 4, 100)
    train_for_odd_texts(settings(folder, run={"steps": 2}), folder / "run")
    asked = ["--task", str(folder / "held.jsonl"), "--k", "2", "--max-new-tokens", "40", "--template", "question"]
    assert (
        main(["evaluate", str(folder / "model"), str(folder / "run"), *asked, "--out", str(folder / "model-ev")]) == 0
    )
    shutil.move(folder / "model-ev" / "model", folder / "evaluations")
    return folder


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    made = StandIn()
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: made)
    return made


@pytest.mark.slow
def test_the_card_stands_in_the_checkpoint_which_stays_whole(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["publish", str(root / "run")]) == 0
    folder = resolve_model(root / "run")  # verified
    text = (folder / "README.md").read_text()
    assert str(folder / "README.md") in capsys.readouterr().out.replace("\n", "")
    overall = read_evaluation(root / "run/evaluation/held").summary.overall
    assert f"{overall.tokens.value:.1f}" in text
    for said in ("method `paper`, alpha 0.2", "trained to reason", "| alpha | 0.2 |", "| held | k 2,", "## Commands"):
        assert said in text
    (point,) = find(root / "run").points
    assert point.versus is not None
    assert point.versus.token_saving is not None
    assert f"{100 * point.versus.token_saving.value:.1f}" in text
    assert main(["publish", str(root / "run")]) == 0  # again: replaced


def test_no_path_of_this_machine_is_told(root: Path, hub: StandIn) -> None:
    assert main(["publish", str(root / "run"), "--to", "me/short"]) == 0
    told = b"".join(content for name, content in hub.sent.items() if name != "model.safetensors").decode()
    for part in (SECRET, str(root.parent), os.path.expanduser("~") + "/"):
        assert part not in told
    assert read_trained_for(resolve_model(root / "run")).base == str(root / "model")  # here it stays


def test_what_is_sent_loads_and_nothing_of_training_is_in_it(root: Path, hub: StandIn, tmp_path: Path) -> None:
    assert main(["publish", str(root / "run"), "--to", "me/short", "--private"]) == 0
    assert hub.made == [("me/short", True)]
    assert {"README.md", "config.json", "model.safetensors", "tersely.json", "tokenizer.json"} <= set(hub.sent)
    assert not {"MANIFEST.json", "state.json"} & set(hub.sent)
    assert not [name for name in hub.sent if "optimizer" in name]
    for name, content in hub.sent.items():
        (tmp_path / name).write_bytes(content)
    assert resolve_model(tmp_path) == tmp_path
    assert read_trained_for(tmp_path).base == "model"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "--to", "short"], "write OWNER/NAME"),
        (["run", "--private"], "name that with --to"),
        (["model"], "no run folder of tersely"),
        (["nothing"], "no run folder of tersely"),
        (["evaluations"], "no run folder of tersely"),
        (["/"], "no run folder of tersely"),
        (["/nothing"], "no run folder of tersely"),
    ],
)
def test_what_cannot_be_published_is_refused(
    root: Path, hub: StandIn, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["publish", str(root / words[0]), *words[1:]]) == 2
    assert said in " ".join(capsys.readouterr().err.split())
    assert not hub.sent


def test_a_run_without_a_checkpoint_and_a_damaged_one_are_refused(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root / "run", tmp_path / "bare", ignore=shutil.ignore_patterns("step-*"))
    with pytest.raises(UserError, match="checkpoint"):
        find(tmp_path / "bare")
    shutil.copytree(root / "run", tmp_path / "damaged")
    weights = next(iter(sorted((tmp_path / "damaged/checkpoints").glob("step-*"), reverse=True))) / "model.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(UserError, match="damaged"):
        find(tmp_path / "damaged")


def test_without_a_login_nothing_is_written(
    root: Path, hub: StandIn, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    hub.user = None
    shutil.copytree(root / "run", tmp_path / "run")
    (resolve_model(tmp_path / "run") / "README.md").unlink(missing_ok=True)
    assert main(["publish", str(tmp_path / "run"), "--to", "me/short"]) == 2
    assert "hf auth login" in capsys.readouterr().err
    assert not (resolve_model(tmp_path / "run") / "README.md").exists()


def test_a_hub_that_refuses_or_cannot_be_reached_is_one_sentence(
    root: Path, hub: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    for error in (OSError("no route"), HfHubHTTPError.__bases__[0]("connection lost")):
        with pytest.raises(RunError, match="did not take me/short"):
            push(resolve_model(root / "run"), "me/short", StandIn(refuses=error))
    hub.unreachable = True
    assert main(["publish", str(root / "run"), "--to", "me/short"]) == 2
    assert "does not say who you are (connection refused)" in " ".join(capsys.readouterr().err.split())


def test_a_checkpoint_is_published_with_what_measured_its_own_weights(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root / "run", tmp_path / "run")
    newest = resolve_model(tmp_path / "run")
    assert find(newest).points == find(tmp_path / "run").points != ()
    summary = tmp_path / "run/evaluation/held/summary.json"
    disk.write_json_atomic(summary, read_json(summary, "a summary") | {"weights_sha256": 64 * "0"})
    assert find(newest).points == ()


def test_a_base_that_has_other_weights_now_is_compared_with_nothing(tuned: Path) -> None:
    (point,) = find(tuned).points
    assert point.versus is not None
    summary = tuned / "measured/last_word/base/held/summary.json"
    disk.write_json_atomic(summary, read_json(summary, "a summary") | {"weights_sha256": 64 * "0"})
    (point,) = find(tuned).points
    assert (point.base, point.versus) == (None, None)


@pytest.fixture
def tuned(root: Path, tmp_path: Path) -> Path:
    """As `tersely tune` leaves a folder that was moved since: one kept member, asked the last word as the base was."""
    place, member = tmp_path / "tuned", resolve_model(root / "run")
    shutil.copytree(root / "run", place / "run", ignore=shutil.ignore_patterns("evaluation"))
    shutil.copytree(member, place / "run/members" / member.name)
    (place / "run/screen.jsonl").touch()
    shutil.copytree(root / "run/evaluation/held", place / "measured/last_word" / member.name / "held")
    shutil.copytree(root / "evaluations/held", place / "measured/last_word/base/held")
    said = {"member": member.name, "model": f"/elsewhere/{member.name}", "sentence": f"{member.name} loses 1 point."}
    write_certificate(place, "lose-at-most-1", said | {"weights_sha256": find(root / "run").weights_sha256})
    return place


def write_certificate(tuned: Path, name: str, content: dict[str, str]) -> None:
    (tuned / "certificates").mkdir(exist_ok=True)
    (tuned / f"certificates/{name}.json").write_text(json.dumps(content))


def test_the_certified_model_is_published_with_its_last_word(tuned: Path) -> None:
    assert main(["publish", str(tuned)]) == 0
    (text,) = [path.read_text() for path in (tuned / "run/members").glob("*/README.md")]
    assert "loses 1 point." in text
    assert "| held | k 2," in text
    (point,) = find(tuned).points
    assert point.versus is not None
    assert "\n| alpha |" not in text  # that of the end of the run, which is not the member's
    shutil.rmtree(tuned / "measured")
    assert find(tuned / "certificates/lose-at-most-1.json").points == ()


def test_of_several_answers_one_is_named_and_must_be_what_it_says(
    tuned: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = json.loads((tuned / "certificates/lose-at-most-1.json").read_text())
    for name, other, said in (
        ("a-base", {"member": "base"}, "is the base itself"),
        ("a-other", {"weights_sha256": "0"}, "does not hold the weights that were certified"),
    ):
        write_certificate(tuned, name, told | other)
        assert main(["publish", str(tuned)]) == 2
        assert f"name the one that is meant, as in tersely publish {tuned}/certificates/{name}.json" in plain(capsys)
        assert main(["publish", str(tuned / f"certificates/{name}.json")]) == 2
        assert said in plain(capsys)
        (tuned / f"certificates/{name}.json").unlink()
    write_certificate(tuned, "lose-at-most-1", {"member": "x"})
    assert main(["publish", str(tuned)]) == 4
    assert "lose-at-most-1.json" in plain(capsys)


def plain(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().err.split())


def test_a_base_of_the_hub_is_named_to_the_hub_and_a_folder_is_not(root: Path) -> None:
    found = find(root / "run")
    assert "base_model" not in card(found)
    named = replace(found, trained_for=replace(found.trained_for, base="org/Model-1.5B"))
    assert "\nbase_model: org/Model-1.5B\n" in card(named)
    # As it was named where training ran, which is not here.
    beside = replace(found, trained_for=replace(found.trained_for, base="run/evaluation"))
    assert "base_model" not in card(beside)
    assert "run/evaluation" not in card(beside)


def test_a_step_on_the_way_says_which_it_is(root: Path) -> None:
    found = find(root / "run")
    assert "| steps | 2 |" in card(found)
    early = replace(found, config={**found.config, "run": {"steps": 60}})
    assert "| steps | 2 of 60 |" in card(early)


def test_the_settings_of_a_baseline_are_told(root: Path) -> None:
    config = {"tuning": {"learning_rate": 1e-5, "epochs": 2, "batch": 32}, "sampling": {"prompts": 32}}
    told = card(replace(find(root / "run"), config=config))
    for row in ("| learning rate | 1e-05 |", "| epochs | 2 |", "| examples of an optimizer step | 32 |"):
        assert row in told
    assert "prompts a step" not in told  # It draws for all of its problems at once.


def test_the_name_of_a_base_does_nothing_in_the_card(root: Path) -> None:
    found = find(root / "run")
    odd = replace(found, trained_for=replace(found.trained_for, base="/x/a`\n# Ours\n<script>*b*"))
    told = card(odd)
    assert "\n# Ours" not in told
    assert "# a' # Ours &lt;script&gt;\\*b\\*, trained to reason" in told
    assert "`a' # Ours <script>*b*`" in told


def test_the_optimizer_of_an_older_checkpoint_stays_here(root: Path, tmp_path: Path) -> None:
    shutil.copytree(resolve_model(root / "run"), tmp_path / "old")
    (tmp_path / "old/optimizer.safetensors").write_bytes(b"moments")  # beside the weights, as it used to be
    assert "optimizer.safetensors" not in dict(files_of(tmp_path / "old"))


def test_a_certificate_is_told_in_its_own_words(root: Path) -> None:
    told = card(
        replace(find(root / "run"), certificate={"sentence": f"step-000002 of /home/me/{SECRET[:6]}/x loses 1."})
    )
    assert "## Certificate\n\nstep-000002 of x loses 1." in told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("/home/me/base", "base"),
        ("~/models/base", "base"),
        ("../other/base", "base"),
        (r"C:\Users\me\base", "base"),
        ("org/Model-1.5B", "org/Model-1.5B"),
        (
            "see https://arxiv.org/abs/2502.04463 and 3/4 </think>",
            "see https://arxiv.org/abs/2502.04463 and 3/4 </think>",
        ),
        ("made from /data/me/a.jsonl, then", "made from a.jsonl, then"),
        ("made from file:///home/me/a.jsonl, then", "made from a.jsonl, then"),
    ],
)
def test_a_path_is_told_by_its_last_part(text: str, told: str) -> None:
    assert public(text) == told


def test_a_command_is_cut_word_by_word_and_json_at_every_depth() -> None:
    given = "tersely evaluate '/home/me/my place/base' --data gsm8k=/data/x/g.jsonl --k 3"
    assert public_command(given) == "tersely evaluate base --data gsm8k=g.jsonl --k 3"
    content = {"_name_or_path": "/home/me/base", "a": [{"b": "/x/y"}], "chat_template": "/no\n/path", "n": 3}
    assert public_json(content) == {"_name_or_path": "base", "a": [{"b": "y"}], "chat_template": "/no\n/path", "n": 3}


def test_files_without_paths_are_sent_as_they_are(root: Path) -> None:
    folder = resolve_model(root / "run")
    sent = dict(files_of(folder))
    assert sent["config.json"] == (folder / "config.json").read_bytes()
    text = sent["tersely.json"]
    assert isinstance(text, bytes)
    assert json.loads(text)["base"] == "model"
