"""What is said to run next, and what is said before a model is trained otherwise than it was."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tersely.cli import main
from tersely.commands.verb import next_evaluation
from tiny_models import make_model_folder, make_task

FEWEST = ["sampling.max_new_tokens=8", "sampling.prompts=2", "sampling.n=2", "run.threads=1", "run.steps=1"]
GOES_ON = "run.all_wrong_stop=0"


def test_what_was_trained_on_is_never_what_to_evaluate_next() -> None:
    """Such problems are refused, and so is a foreign model without a place for its evaluation."""
    assert next_evaluation("m", Path("r"), "train.jsonl", None) == (
        "tersely evaluate m r --task HELD_OUT --out evaluations"
    )
    assert next_evaluation("m", Path("r"), "arithmetic", "a:B") == (
        "tersely evaluate m r --task arithmetic --out evaluations --verifier a:B"
    )


@pytest.mark.parametrize("verb", ["train", "plan"])
@pytest.mark.parametrize("template", ["boxed", "question"])
def test_another_template_than_the_model_was_trained_with_is_said(
    verb: str, template: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = make_model_folder(tmp_path / "model")
    (model / "tersely.json").write_text(json.dumps({"template": "question"}))
    task = make_task(tmp_path / "task.jsonl", count=4)
    command = [verb, "--model", str(model), "--task", str(task), "--template", template]
    out = ["--out", str(tmp_path / "run")] if verb == "train" else []
    assert main([*command, *out, *(word for setting in [*FEWEST, GOES_ON] for word in ("--set", setting))]) == 0
    printed = " ".join("".join(capsys.readouterr()).split())
    assert ("--template question goes on as it was" in printed) == (template == "boxed")


@pytest.mark.parametrize(("option", "hint"), [("--k", ""), ("--problm", " (did you mean '--problem'?)")])
def test_the_dashes_of_options_make_no_two_alike(option: str, hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["show", "model", option, "1"])
    assert f"show has no option {option}{hint}; see" in capsys.readouterr().err
