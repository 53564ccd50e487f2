"""Weights between two given models: measured, kept or gone, chosen among; and what cannot be mixed."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from graders import ParityJudge
from tersely.cli import main
from tersely.config import TrainConfig
from tersely.errors import UserError
from tersely.evaluation.records import read_evaluation
from tersely.models.locate import locate_model
from tersely.models.trained_for import read_trained_for
from tersely.page.collect import collect
from tersely.runs.json_file import read_json
from tersely.tune.certificate import Certificate
from tersely.tune.given import choose_among
from tersely.tune.mixing import Mixture, made_mixes, parse_mixture, require_mixable
from tersely.tune.run import Wish
from tersely.tune.target import Target
from tiny_models import make_model_folder, make_task
from training import QUIET, settings, train_for_odd_texts


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base, two runs from it, another base with a run, and held-out problems."""
    folder = tmp_path_factory.mktemp("mixed")
    make_task(folder / "task.jsonl", 12)
    make_task(folder / "held.jsonl", 200, 100)
    make_model_folder(folder / "model")
    make_model_folder(folder / "other/model", seed=7)
    shutil.copy(folder / "task.jsonl", folder / "other/task.jsonl")
    for name, alpha in (("careful", 0.0), ("terse", 0.4)):
        train_for_odd_texts(settings(folder, objective={"alpha": alpha}, run={"steps": 2}), folder / name)
    train_for_odd_texts(settings(folder / "other", run={"steps": 1}), folder / "other/run")
    return folder


def evaluate(
    root: Path, out: Path, *more: str, ends: tuple[str, str] = ("careful", "terse"), task: str = "held"
) -> int:
    mix = ["--mix", *(str(root / end) for end in ends), "0.25,0.75"]
    asked = ["--task", str(root / f"{task}.jsonl"), *(["--size", "6"] if task == "held" else []), "--out", str(out)]
    return main(["evaluate", *mix, *asked, *more])


def weights_of(model: Path) -> dict[str, torch.Tensor]:
    return load_file(locate_model(str(model)) / "model.safetensors")


@pytest.mark.slow
def test_mixes_are_evaluated_and_gone_afterwards(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    assert evaluate(root, tmp_path / "out") == 0
    names = ["mix-0.2500-careful-0.7500-terse", "mix-0.7500-careful-0.2500-terse"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names
    assert all(read_evaluation(tmp_path / "out" / name / "held").summary.overall.responses == 6 for name in names)
    assert list(place.iterdir()) == []
    capsys.readouterr()
    assert evaluate(root, tmp_path / "out") == 0
    assert capsys.readouterr().err.count("finished already") == 2, "the same weights are made again"


@pytest.mark.slow
def test_a_kept_mix_is_an_ordinary_folder_with_the_weighted_sum(root: Path, tmp_path: Path) -> None:
    for _ in range(2):
        assert evaluate(root, tmp_path / "out", "--keep", str(tmp_path / "kept")) == 0
    kept = tmp_path / "kept/mix-0.7500-careful-0.2500-terse"
    first, second, found = (weights_of(folder) for folder in (root / "careful", root / "terse", kept))
    assert all(torch.allclose(0.75 * first[n] + 0.25 * second[n], found[n], atol=1e-6) for n in found)
    trained = read_trained_for(kept)
    assert (trained.template, trained.max_new_tokens, trained.objective) == ("question", 40, None)
    assert main(["evaluate", str(kept), "--task", str(root / "held.jsonl"), "--size", "2", "--out", str(tmp_path)]) == 0


def test_the_ends_themselves_are_weights_too_and_the_base_may_be_an_end(root: Path, tmp_path: Path) -> None:
    mixture = Mixture(root / "model", root / "terse", (0.0, 0.5, 1.0))
    with made_mixes([mixture], tmp_path) as folders:
        assert [folder.name for folder in folders] == ["model", "mix-0.5000-model-0.5000-terse", "terse"]
        assert all(torch.equal(weights_of(root / "terse")[n], w) for n, w in weights_of(folders[2]).items())
        assert read_trained_for(folders[1]).base == str(root / "model")


@pytest.mark.slow
def test_pages_read_mixes_beside_the_base(root: Path, tmp_path: Path) -> None:
    assert evaluate(root, tmp_path, str(root / "model")) == 0
    mixes = sorted(tmp_path.glob("mix-*"))
    found = collect(mixes, tmp_path / "model")
    assert [c.label for c in found.contenders if c.entries and c.label.startswith("mix")] == [m.name for m in mixes]
    assert all(c.entries["held"].results[0].versus is not None for c in found.contenders if c.label.startswith("mix"))


def test_a_problem_that_an_end_was_trained_on_is_refused(root: Path, tmp_path: Path) -> None:
    assert evaluate(root, tmp_path / "out", task="task") == 2
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("weights", ["1.5", "-0.1", "0.5,x", "nan", "0.5,", ""])
def test_weights_that_are_none_are_refused(weights: str) -> None:
    with pytest.raises(UserError, match="is no weight of the second model between 0 and 1"):
        parse_mixture("a", "b", weights)


def test_weights_are_of_the_second_model_each_once() -> None:
    assert parse_mixture("a", "b", "0.5, .25,0.50") == Mixture(Path("a"), Path("b"), (0.5, 0.25))


def test_names_that_are_one_are_told_apart_by_the_folders_around_them(tmp_path: Path) -> None:
    assert Mixture(tmp_path / "seed-0/run", tmp_path / "seed-1/run", ()).names == ("seed-0-run", "seed-1-run")
    with pytest.raises(UserError, match="have one name"):
        Mixture(tmp_path / "run", tmp_path / "run", ()).names  # noqa: B018 - refused when it is asked for


def test_what_lies_between_unrelated_models_is_refused(root: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="did not begin with the same weights"):
        require_mixable(Mixture(root / "careful", root / "other/run", ()))
    with pytest.raises(UserError, match="did not begin with the same weights"):
        require_mixable(Mixture(root / "other/model", root / "terse", ()))
    require_mixable(Mixture(root / "model", root / "other/model", ()))  # of nobody is known where it began
    llama = make_model_folder(tmp_path / "llama", kind="llama")
    with pytest.raises(UserError, match="of different architectures \\(architectures"):
        require_mixable(Mixture(root / "model", llama, ()))
    words = make_model_folder(tmp_path / "words", texts=["another text for other words"])
    shutil.copy(root / "model/config.json", words / "config.json")
    with pytest.raises(UserError, match="have different vocabularies"):
        require_mixable(Mixture(root / "model", words, ()))
    pickled = Path(shutil.copytree(root / "model", tmp_path / "pickled"))
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    with pytest.raises(UserError, match="safetensors"):
        require_mixable(Mixture(root / "model", pickled, ()))


@pytest.mark.slow
def test_models_that_are_asked_otherwise_are_refused(root: Path, tmp_path: Path) -> None:
    train_for_odd_texts(settings(root, run={"steps": 1}, template="boxed"), tmp_path / "boxed")
    with pytest.raises(UserError, match="were trained with another template"):
        require_mixable(Mixture(root / "careful", tmp_path / "boxed", ()))


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--keep", "x", "--out", "y"], "nothing says what to measure"),
        (["model", "--keep", "x"], "there is no --mix"),
        (["--mix", "careful", "terse", "0.5"], "say where with --out DIR"),
        (["--mix", "careful", "terse", "2", "--out", "y"], "no weight of the second model"),
        (["--mix", "careful", "nowhere", "0.5", "--out", "y"], "there is no model at"),
    ],
)
def test_the_command_says_what_is_wrong(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: list[str], why: str
) -> None:
    monkeypatch.chdir(root)
    assert main(["evaluate", *words]) == 2
    assert why in capsys.readouterr().err
    assert not (root / "y").exists()


def test_folders_of_others_are_left_alone(root: Path, tmp_path: Path) -> None:
    theirs = tmp_path / "kept/mix-0.7500-careful-0.2500-terse"
    theirs.mkdir(parents=True)
    (theirs / "file").write_text("x")
    assert evaluate(root, tmp_path / "out", "--keep", str(tmp_path / "kept")) == 2
    assert (theirs / "file").read_text() == "x"


# ---- the choice among given models


def config(root: Path) -> TrainConfig:
    return settings(root, template="boxed", sampling={"max_new_tokens": 20})


def chosen(root: Path, out: Path, wish: Wish, *members: str) -> Certificate:
    wanted = [root / member for member in members or ("careful", "terse")]
    return choose_among(config(root), wish, wanted, out, QUIET, judge=ParityJudge())


@pytest.mark.slow
def test_two_ends_are_enough_to_choose_a_length_or_a_floor(root: Path, tmp_path: Path) -> None:
    held = str(root / "held.jsonl")
    first = chosen(root, tmp_path / "out", Wish(Target(loss=0.3), held_out=held))
    assert first.verdict in ("certified", "not certified")
    assert first.choice.reference == "base"
    screened = {path.name for path in (tmp_path / "out/measured/screen").iterdir()}
    assert {"base", "careful", "terse"} <= screened
    again = chosen(root, tmp_path / "out", Wish(Target(tokens=30), held_out=held))
    assert again.verdict in ("met", "not met")
    names = sorted(path.name for path in (tmp_path / "out/certificates").iterdir())
    assert names == ["lose-at-most-30.json", "tokens-30.json"]
    kept = read_json(tmp_path / "out/certificates/tokens-30.json", "a certificate")
    assert kept["protocol"]["template"] == "question", "as the members were trained"
    assert kept["protocol"]["max_new_tokens"] == 40
    assert not (tmp_path / "out/run").exists(), "nothing is trained"


@pytest.mark.parametrize(
    ("members", "held", "why"),
    [
        (("careful", "careful"), "held", "two models are called careful"),
        (("careful", "other/run"), "held", "did not begin with the same weights"),
        (("careful", "terse"), "task", "so they are not held out"),
    ],
)
def test_members_that_cannot_be_chosen_among_are_refused(
    root: Path, tmp_path: Path, members: tuple[str, ...], held: str, why: str
) -> None:
    with pytest.raises(UserError, match=why):
        chosen(root, tmp_path / "out", Wish(Target(loss=0.3), held_out=str(root / f"{held}.jsonl")), *members)
    assert not (tmp_path / "out").exists()


def test_problems_that_a_member_was_trained_on_do_not_choose(root: Path, tmp_path: Path) -> None:
    rows = [json.loads(line) for name in ("task", "held") for line in (root / f"{name}.jsonl").read_text().splitlines()]
    both = tmp_path / "both.jsonl"
    both.write_text("".join(json.dumps(row) + "\n" for row in rows))
    make_task(tmp_path / "task.jsonl", 12, 1000)
    wanted = config(root).model_copy(update={"task": str(tmp_path / "task.jsonl")})
    with pytest.raises(UserError, match="careful was trained on"):
        choose_among(
            wanted,
            Wish(Target(loss=0.3), held_out=str(both)),
            [root / "careful"],
            tmp_path / "out",
            QUIET,
            judge=ParityJudge(),
        )
