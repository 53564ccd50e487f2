"""The golden groups through TRL's own GRPOTrainer, in one process and in two; training end to end; what is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("trl")
pytest.importorskip("datasets")

import trl_golden
from golden_groups import ALPHA, GoldenRow
from golden_sentences import golden_sentence
from tersely import Objective
from tersely.adapters.trl import Accuracy, Grouping, LengthReward, Row, rows
from tersely.errors import UserError
from tersely.tasks import load_task
from tiny_models import make_model, make_tokenizer
from trl_golden import FURTHER, SHOWN, THREES, advantages_of, ids_of, settings, trainer_of, trl_rows

CHILD = Path(trl_golden.__file__)
TOLERANCE = 1e-6


def natively(objective: Objective, of: list[GoldenRow], state: Any = None) -> Any:
    gathered = [Row(row.length, ids_of(row)[-1] != trl_golden.END, " Tok" * row.length, {}) for row in of]
    grouping = Grouping(trl_golden.SIBLINGS, trl_golden.CAP, frozenset([trl_golden.END]))
    scores = [row.score if row.score >= 0 else float("nan") for row in of]
    return grouping.credit(objective, scores, gathered, state)[0]


@pytest.mark.slow
@pytest.mark.parametrize("alone", [False, True], ids=["WholeGroups", "LengthReward"])
def test_the_golden_groups_through_the_real_trainer(alone: bool) -> None:
    trainer, of = trainer_of(SHOWN["paper"], alone), trl_rows()
    found = advantages_of(trainer, of)
    np.testing.assert_allclose(found["advantages"], [row.advantage for row in of], atol=TOLERANCE)
    # TRL keeps as many rows of its log as the batch of its settings has.
    kept = len(found["rewards"])
    np.testing.assert_allclose(found["rewards"], [row.reward for row in of][-kept:], atol=TOLERANCE)


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each of two gloo processes found."""
    out = tmp_path_factory.mktemp("two")
    words = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        str(CHILD),
        str(out),
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    done = subprocess.run(words, capture_output=True, text=True, env=environment, timeout=400, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    return [json.loads((out / f"{rank}.json").read_text()) for rank in range(2)]


@pytest.mark.slow
@pytest.mark.parametrize("name", [*SHOWN, *FURTHER])
def test_groups_that_lie_in_two_processes_are_scored_whole(two: list[dict[str, Any]], name: str) -> None:
    state = None
    for i, names in enumerate(THREES):
        of = trl_rows(names)
        found = [value for rank in two for value in rank[name][i]["advantages"]]
        credit = natively({**SHOWN, **FURTHER}[name], of, state)
        state = credit.state
        np.testing.assert_allclose(found, credit.advantages_N, atol=TOLERANCE)
        if name == "paper":
            np.testing.assert_allclose(found, [row.advantage for row in of], atol=TOLERANCE)


@pytest.mark.slow
def test_a_step_of_training_moves_the_weights_and_a_resumed_run_keeps_the_state(tmp_path: Path) -> None:
    data = {"output_dir": str(tmp_path), "save_strategy": "steps", "save_steps": 1, "max_completion_length": 8}
    trainer = trainer_of(Objective(method="acoer"), max_steps=1, **data)
    trainer.reward_funcs[0] = lambda completions, **_: [float(len(c) % 2) for c in completions]
    trainer.eos_token_ids = list(range(400))  # a model of random weights never ends by itself
    before = {name: p.detach().clone() for name, p in trainer.model.named_parameters()}
    trainer.train()
    state = trainer.state.stateful_callbacks["tersely"]
    assert state
    assert any((p != before[name]).any() for name, p in trainer.model.named_parameters())
    again = trainer_of(Objective(method="acoer"), max_steps=2, **data)
    seen = []
    credit = Grouping.credit

    def spy(self: Grouping, objective: Objective, scores: Any, rows: Any, state: Any) -> Any:
        seen.append(state)
        return credit(self, objective, scores, rows, state)

    again.reward_funcs[0] = trainer.reward_funcs[0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Grouping, "credit", spy)
        again.train(resume_from_checkpoint=str(tmp_path / "checkpoint-1"))
    assert seen == [state]


@pytest.mark.slow
def test_the_example_trains_the_shipped_base(tmp_path: Path) -> None:
    example = Path(__file__).parents[2] / "examples/with_trl.py"
    assert len(example.read_text().splitlines()) <= 31
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, str(example), "2"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "tersely/accuracy" in done.stdout + done.stderr


# --- what is refused, and a data set's rows


@pytest.mark.parametrize(
    ("name", "value"),
    [("scale_rewards", "group"), ("reward_weights", [2.0]), ("multi_objective_aggregation", "normalize_then_sum")],
)
def test_settings_that_would_change_the_advantages_are_refused(name: str, value: Any) -> None:
    with pytest.raises(UserError) as refused:
        LengthReward(Objective(ALPHA), settings(**{name: value}), [1])
    assert str(refused.value) == golden_sentence(f"trl {name}")


def test_a_reward_function_that_sees_half_a_group_says_what_to_use() -> None:
    reward = LengthReward(Objective(ALPHA), settings(), [1], trl_golden.accuracy)
    with pytest.raises(UserError, match=r"has 6 responses, which are no whole groups of 4: .* use WholeGroups"):
        reward(prompts=["p"] * 6, completions=["x"] * 6, completion_ids=[[1]] * 6, score=[1.0] * 6)


def test_a_state_needs_the_mixin() -> None:
    with pytest.raises(UserError, match="method 'leash' needs what it remembers of earlier steps"):
        LengthReward(Objective(method="leash"), settings(), [1])


def test_two_reward_functions_are_refused() -> None:
    tokenizer = make_tokenizer()
    data = trl_golden.Dataset.from_list([{"prompt": "q"}])
    given = {"model": make_model(len(tokenizer)), "args": settings(), "train_dataset": data}
    with pytest.raises(UserError, match="2 reward functions are given: give one, the accuracy"):
        trl_golden.Trainer(
            objective=Objective(ALPHA), reward_funcs=[trl_golden.accuracy] * 2, processing_class=tokenizer, **given
        )


def test_our_judge_is_the_accuracy_of_our_rows() -> None:
    problems = load_task("arithmetic", "train", 2)
    made = rows(problems, "question")
    assert [row["prompt"][0]["content"] for row in made] == [p.question for p in problems]
    texts = [[{"role": "assistant", "content": f"Answer: \\boxed{{{p.answer}}}"}] for p in problems]
    given = {name: [row[name] for row in made] for name in made[0]}
    assert Accuracy()(completions=[texts[0], texts[0]], **given) == [
        1.0,
        float(problems[0].answer == problems[1].answer),
    ]
    with pytest.raises(UserError, match="template 'plain' is no user's turn of a chat template, which TRL applies"):
        rows(problems, "plain")
