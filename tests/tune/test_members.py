"""Weights between models: what they are called, what they are, and that they are whole."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM

from tersely.cli import main
from tersely.errors import StorageError
from tersely.models.trained_for import TrainedFor, write_trained_for
from tersely.runs.manifest import verify_checkpoint
from tersely.tune.members import KEPT, Blend, Models, blended_terms
from tiny_models import make_model_folder

FIVE, TEN = Blend.one("step-000005"), Blend.one("step-000010")


def test_a_blend_is_called_by_its_parts_and_blends_of_blends_are_of_the_same_parts() -> None:
    half = FIVE.towards(TEN, 0.5)
    assert half.name == "mix-0.5000-step-000005-0.5000-step-000010"
    assert half.towards(TEN, 0.5) == FIVE.towards(TEN, 0.75)
    assert half.towards(Blend.one("base"), 0.5).parts == (("base", 0.5), ("step-000005", 0.25), ("step-000010", 0.25))
    assert FIVE.towards(TEN, 0.0) == FIVE
    assert FIVE.towards(TEN, 1.0) == TEN


@example([0.96875, 0.9609375, 0.9375])
@given(st.lists(st.floats(0, 1), min_size=1, max_size=5))
def test_the_weights_of_a_blend_are_one_together(shares: list[float]) -> None:
    blend = FIVE
    for number, share in enumerate(shares):
        blend = blend.towards(Blend.one(f"step-{number:06d}"), share)
    assert sum(weight for _, weight in blend.parts) == pytest.approx(1.0, abs=1e-9)
    assert all(0 < weight <= 1 for _, weight in blend.parts)


def test_a_blend_is_the_weighted_sum_and_made_again_where_it_was_damaged(tmp_path: Path) -> None:
    base = make_model_folder(tmp_path / "base", seed=1)
    other = make_model_folder(tmp_path / "run" / KEPT / "step-000005", seed=2)
    models = Models(base, tmp_path / "run", tmp_path / "mixes")
    with pytest.raises(StorageError, match="restore"):
        models.folder("step-000005")  # nobody sealed it
    other.rename(tmp_path / "other")
    models = Models(tmp_path / "other", tmp_path / "run", tmp_path / "mixes")
    twice = models.made(Blend((("base", 0.25), ("base", 0.75))))
    assert verify_checkpoint(twice) == []
    found, wanted = (
        AutoModelForCausalLM.from_pretrained(folder).state_dict() for folder in (twice, tmp_path / "other")
    )
    assert all(torch.allclose(found[name], wanted[name], atol=1e-6) for name in wanted)
    (twice / "model.safetensors").write_bytes(b"torn")
    assert verify_checkpoint(models.made(Blend((("base", 0.25), ("base", 0.75))))) == []


def test_a_mix_says_of_what_it_is_and_which_alpha_each_part_was_trained_at(tmp_path: Path) -> None:
    base = make_model_folder(tmp_path / "base", seed=1)
    # The base came from an earlier tune, which is not this one.
    write_trained_for(base, TrainedFor(template="question", tune={"member": "step-000090", "step": 90, "alpha": 0.4}))
    folders = [base]
    for step, alpha in ((5, 0.025), (10, 0.05)):
        known = {"member": f"step-{step:06d}", "step": step, "alpha": alpha}
        folders.append(make_model_folder(tmp_path / f"step-{step:06d}", seed=step))
        write_trained_for(folders[-1], TrainedFor(template="question", objective={"alpha": alpha}, tune=known))
    mix = FIVE.towards(TEN, 0.5).towards(Blend.one("base"), 0.5)
    found = blended_terms(mix, folders)
    assert (found.template, found.objective) == ("question", None)
    assert found.tune == {
        "member": mix.name,
        "parts": [
            {"member": "base", "weight": 0.5},
            {"member": "step-000005", "step": 5, "alpha": 0.025, "weight": 0.25},
            {"member": "step-000010", "step": 10, "alpha": 0.05, "weight": 0.25},
        ],
    }


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--lose-at-most", "0"], "no number of problems proves"),
        ([], "say what is wanted"),
        (["--tokens", "30", "--save", "20"], "one thing"),
        (["--lose-at-most", "1", "--alpha", "0.1"], "tune moves alpha by itself"),
        (["--lose-at-most", "1", "--set", "objective.normalize=group"], "objective.normalize=none"),
    ],
)
def test_the_command_says_what_is_wrong_in_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    given = ["tune", "tiny", "--model", str(tmp_path), "--out", str(tmp_path / "out"), *options]
    with pytest.raises(SystemExit, match="2"):
        raise SystemExit(main(given))
    told = capsys.readouterr().err
    assert said in told
    assert "Traceback" not in told
    assert not (tmp_path / "out").exists()
