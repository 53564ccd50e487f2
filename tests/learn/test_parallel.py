"""Two real processes, started by torchrun, on gloo: what one process would have done, within rounding."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

import tersely.rollouts as rollouts
from graders import ParityJudge
from tersely.cli import main
from tersely.errors import RunError
from tersely.learn.group_codec import decode, encode
from tersely.learn.parallel import World
from tersely.models.agreement import MODEL_CHECK
from tersely.records import Finish, Group, Kind, Problem, Rollout, Status, Verdict
from tersely.runs.folder import read_log, verify_checkpoint
from tiny_architectures import save_tiny
from tiny_models import make_model_folder, make_task

CHILD = Path(__file__).parents[1] / "support" / "parallel_child.py"
TOLERANCE = 1e-5
"""Largest difference to one process (1e-7 is usual). Sums are taken in another order; Adam's epsilon (1e-4 here) keeps
it from blowing up the rounding of gradients that are almost zero."""

STEPS, KEPT = 3, 2
"""Of a run, and up to its first checkpoint."""
SHORT = {"run.steps": 2, "run.checkpoint_every": 1}
"""Where the first step is looked at: bf16 takes long on a CPU."""
SETTINGS = {
    # Two gradient steps; micro-batches so small that their number differs from process to process.
    "zero2": {"learner.token_budget": 80, "learner.old_logprobs": "trainer"},
    "zero3": {
        "learner.token_budget": 80,
        "learner.old_logprobs": "sampler",
        "learner.kl_in": "loss",
        "learner.sharding": "zero3",
        "learner.gradient_checkpointing": "true",
        "objective.normalize": "batch",
    },
    "skipping": {"learner.kl_coefficient": 0.0, "learner.averaging": "token"},
    "odd": {"sampling.prompts": 5, "learner.updates": 1, "run.steps": 2},
    # Tokens are ranked together: each process holds some of the largest covariances.
    "kl_cov": {"learner.token_budget": 80, "learner.loss": "kl_cov", "learner.kl_cov_share": 0.1},
    "streams": {
        "learner.token_budget": 80,
        "learner.sharding": "zero3",
        "sampling.engine": "streaming_engine:SPEC",
        "run.probe": 1,
    },
    "bf16": {"run.dtype": "bfloat16", **SHORT},
    # The reference pass comes first and with the adapter off: weights must train nevertheless.
    "lora": {"learner.token_budget": 80, "learner.lora.rank": 4, "learner.learning_rate": 1e-2},
    "lora-zero3": {
        "learner.token_budget": 80,
        "learner.lora.rank": 4,
        "learner.learning_rate": 1e-2,
        "learner.sharding": "zero3",
        "learner.gradient_checkpointing": "true",
    },
    "lora-bf16": {"learner.lora.rank": 4, "run.dtype": "bfloat16", **SHORT},
}


OTHER_HEADS = ("granite", "llama4_text")
"""A scale behind the head, and a base that gives logits: sharded with zero3."""
OF_OTHER_HEADS = {**SETTINGS["zero3"], "run.steps": 2}


def make_half(folder: Path) -> None:
    """The same model with weights that bfloat16 holds exactly, as those of a base that is published in it."""
    shutil.copytree(folder.parent / "model", folder / "model")
    shutil.copy(folder.parent / "task.jsonl", folder)
    weights = folder / "model/model.safetensors"
    save_file({name: w.bfloat16().float() for name, w in load_file(weights).items()}, weights, {"format": "pt"})


def home(root: Path, name: str) -> Path:
    """Where model and task of a scenario lie."""
    return root / "half" if name == "bf16" else root


def make_other(folder: Path, architecture: str) -> None:
    save_tiny(folder / "model", architecture)
    make_task(folder / "task.jsonl")


def command(root: Path, out: Path, **over: Any) -> list[str]:
    common = {
        "sampling.prompts": 4,
        "sampling.n": 4,
        "sampling.max_new_tokens": 40,
        "learner.learning_rate": 1e-3,
        "learner.adam_epsilon": 1e-4,
        "learner.kl_coefficient": 0.01,
        "run.steps": STEPS,
        "run.checkpoint_every": KEPT,
        "run.judge_workers": 1,
        "run.threads": 1,
        "run.all_wrong_stop": 0,
    }
    words = ["train", "--model", str(root / "model"), "--task", str(root / "task.jsonl"), "--template", "question"]
    # With this seed no draw falls within rounding of the border between two tokens: there another order of sums samples
    # another token, and everything after it differs.
    words += ["--seed", "5", "--alpha", "0.2", "--out", str(out)]
    return words + [w for key, value in {**common, **over}.items() for w in ("--set", f"{key}={value}")]


class Ran:
    """What the one launch of two processes left behind."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.names: list[str] = []
        self.scenarios: list[dict[str, Any]] = []

    def add(self, name: str, argv: list[str], stop_after: int | None = None) -> None:
        self.names.append(name)
        self.scenarios.append({"argv": argv, "stop_after": stop_after})

    def result(self, name: str, rank: int) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.root / f"{self.names.index(name)}.{rank}.json").read_text())
        return found


def last_checkpoint(run: Path) -> Path:
    return max((run / "checkpoints").iterdir())


def forget_the_end(run: Path) -> None:
    """As if the run had been killed after its first checkpoint."""
    shutil.rmtree(last_checkpoint(run))
    (run / "done.json").unlink()


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    root = tmp_path_factory.mktemp("parallel")
    make_model_folder(root / "model")
    make_task(root / "task.jsonl")
    make_half(root / "half")
    judge, threads = rollouts.Judge, torch.get_num_threads()
    rollouts.Judge = ParityJudge  # type: ignore[misc]
    try:
        for name, over in SETTINGS.items():
            if name != "odd":  # the shares of two processes are looked at, and nothing else
                assert main(command(home(root, name), root / f"one-{name}", **over)) == 0
        for name in OTHER_HEADS:
            make_other(root / name, name)
            assert main(command(root / name, root / f"one-{name}", **OF_OTHER_HEADS)) == 0
        # Begun by one process, to be ended by two.
        shutil.copytree(root / "one-zero2", root / "one-then-two")
        forget_the_end(root / "one-then-two")
        shutil.copytree(root / "one-lora", root / "lora-one-then-two")
        forget_the_end(root / "lora-one-then-two")
        ran = Ran(root)
        for name, over in SETTINGS.items():
            ran.add(name, command(home(root, name), root / f"two-{name}", **over))
        for name in OTHER_HEADS:
            ran.add(name, command(root / name, root / f"two-{name}", **OF_OTHER_HEADS))
        ran.add("one-then-two", command(root, root / "one-then-two", **SETTINGS["zero2"]))
        ran.add("lora-one-then-two", command(root, root / "lora-one-then-two", **SETTINGS["lora"]))
        ran.add("stopped", command(root, root / "stopped", **SETTINGS["zero2"]), stop_after=1)
        ran.add("again", command(root, root / "stopped", **SETTINGS["zero2"]))
        ran.add("finished", command(root, root / "stopped", **SETTINGS["zero2"]))
        ran.add("few", command(root, root / "few", **{"sampling.prompts": 1, "learner.updates": 1}))
        ran.add("tail", command(root, root / "tail", **{"learner.under_the_tail": "true"}))
        for name in ("sick", "sick again"):
            ran.add(name, command(root, root / "sick", **{"health.truncation": 0.01}))
        ran.add("no-model", command(root / "nowhere", root / "no-model"))
        ran.add("other", command(root, root / "stopped", **SETTINGS["zero3"]))
        (root / "scenarios.json").write_text(json.dumps(ran.scenarios))
        launch(root)
        # Begun by two processes, ended by one.
        shutil.copytree(root / "two-zero3", root / "two-then-one")
        forget_the_end(root / "two-then-one")
        assert main(command(root, root / "two-then-one", **SETTINGS["zero3"])) == 0
    finally:
        rollouts.Judge = judge  # type: ignore[misc]
        torch.set_num_threads(threads)
    return ran


def launch(root: Path, processes: int = 2) -> None:
    words = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    words.append(str(CHILD))
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*words, str(root / "scenarios.json"), str(root)], capture_output=True, text=True, env=environment, timeout=300
    )
    assert done.returncode == 0, done.stderr[-4000:]


def assert_alike(one: Path, two: Path, tolerance: float = TOLERANCE) -> None:
    """Journal, samples, weights and optimizer of two run folders, within rounding."""
    for name in ("journal.jsonl", "samples.jsonl"):
        lines, others = read_log(one / name), read_log(two / name)
        assert [list(line) for line in lines] == [list(line) for line in others]
        for line, other in zip(lines, others, strict=True):
            assert line == {k: pytest.approx(v, abs=tolerance) if isinstance(v, float) else v for k, v in other.items()}
    for name in ("model.safetensors", "training/optimizer.safetensors"):
        found, wanted = (load_file(last_checkpoint(run) / name) for run in (two, one))
        assert found.keys() == wanted.keys()
        for key in wanted.keys() - {"rng.torch"}:
            assert found[key].dtype == wanted[key].dtype
            torch.testing.assert_close(found[key], wanted[key], rtol=0, atol=tolerance)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["zero2", "zero3", "skipping", "kl_cov", "streams", "lora", "lora-zero3"])
def test_two_processes_do_what_one_does(ran: Ran, name: str) -> None:
    assert ran.result(name, 0)["code"] == ran.result(name, 1)["code"] == 0, ran.result(name, 0)["err"]
    assert_alike(ran.root / f"one-{name}", ran.root / f"two-{name}")
    assert verify_checkpoint(last_checkpoint(ran.root / f"two-{name}")) == []
    before = load_file(ran.root / "model/model.safetensors")
    after = load_file(last_checkpoint(ran.root / f"two-{name}") / "model.safetensors")
    assert max(float((before[k] - after[k]).abs().max()) for k in before) > 10 * TOLERANCE


@pytest.mark.slow
@pytest.mark.parametrize("name", ["zero2", "odd"])
def test_processes_compute_as_many_tokens_whoever_sampled_them(ran: Ran, name: str) -> None:
    ours, theirs = (ran.result(name, rank)["tokens"] for rank in (0, 1))
    steps, updates = (SETTINGS[name].get(key, usual) for key, usual in (("run.steps", STEPS), ("learner.updates", 2)))
    assert len(ours) == len(theirs) == steps * updates
    for one, other in zip(ours, theirs, strict=True):
        assert max(one, other) <= 1.05 * (one + other) / 2


@pytest.mark.slow
@pytest.mark.parametrize("name", OTHER_HEADS)
def test_a_sharded_model_is_scored_through_the_head_that_was_right_for_the_whole(ran: Ran, name: str) -> None:
    assert ran.result(name, 0)["code"] == ran.result(name, 1)["code"] == 0, ran.result(name, 0)["err"]
    assert_alike(ran.root / f"one-{name}", ran.root / f"two-{name}")
    one, two = (json.loads((ran.root / f"{which}-{name}" / MODEL_CHECK).read_text()) for which in ("one", "two"))
    assert one == two
    assert two["output head"]["chosen"] != "weights"


@pytest.mark.slow
def test_an_engine_that_takes_shares_is_handed_nothing_else_and_compared_with_them(ran: Ran) -> None:
    leader, follower = (ran.result("streams", rank) for rank in (0, 1))
    assert leader["shares"] == follower["shares"]
    assert all(leader["shares"])
    assert len(leader["shares"]) >= 4
    found = json.loads((ran.root / "two-streams" / MODEL_CHECK).read_text())["engine"]
    assert found["tried"][0]["gap"] < 1e-5


@pytest.mark.slow
def test_files_are_those_of_one_process(ran: Ran) -> None:
    one, two = (
        {str(p.relative_to(run)) for p in run.rglob("*") if p.is_file()}
        for run in (ran.root / "one-bf16", ran.root / "two-bf16")
    )
    assert one == two


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bf16", "lora-bf16"])
def test_bfloat16_on_sharded_masters_starts_where_one_process_does(ran: Ran, name: str) -> None:
    """bf16 rounds sums of another order apart within steps; the first step's numbers are of the same weights. Those
    that are gathered in bf16 are what autocast casts in one process, and lie between fp32 sums there too."""
    one, two = (read_log(ran.root / run / "journal.jsonl")[0] for run in (f"one-{name}", f"two-{name}"))
    assert one["response_tokens"] == two["response_tokens"]
    for key in ("reward", "loss", "entropy", "grad_norm", "logprob_gap_mean"):
        assert two[key] == pytest.approx(one[key], rel=0.05, abs=1e-3)
    found = load_file(last_checkpoint(ran.root / f"two-{name}") / "training/optimizer.safetensors")
    assert {v.dtype for k, v in found.items() if k.startswith("master.")} == {torch.float32}


@pytest.mark.slow
def test_a_run_goes_on_with_another_number_of_processes(ran: Ran) -> None:
    result = ran.result("one-then-two", 0)
    assert result["code"] == 0, result["err"]
    assert f"going on from step {KEPT}" in result["err"]
    assert "cannot be bit-exact: processes was 1" in result["err"]
    assert_alike(ran.root / "one-zero2", ran.root / "one-then-two")
    assert_alike(ran.root / "one-lora", ran.root / "lora-one-then-two")
    assert_alike(ran.root / "one-zero3", ran.root / "two-then-one")


@pytest.mark.long
def test_a_run_begun_by_two_processes_is_ended_by_four(ran: Ran) -> None:
    shutil.copytree(ran.root / "two-zero2", ran.root / "then-four")
    forget_the_end(ran.root / "then-four")
    four = ran.root / "four"
    four.mkdir()
    scenario = {"argv": command(ran.root, ran.root / "then-four", **SETTINGS["zero2"]), "stop_after": None}
    (four / "scenarios.json").write_text(json.dumps([scenario]))
    launch(four, processes=4)
    last = json.loads((four / "0.0.json").read_text())
    assert last["code"] == 0, last["err"]
    assert "processes was 2 when the checkpoint was made and is 4 now" in last["err"]
    assert_alike(ran.root / "one-zero2", ran.root / "then-four")


@pytest.mark.slow
def test_a_signal_to_one_process_stops_all_after_saving_and_the_same_command_goes_on(ran: Ran) -> None:
    leader, follower = (ran.result("stopped", rank) for rank in (0, 1))
    assert leader["code"] == follower["code"] == 128 + 15
    assert f"step 1 of {STEPS} is saved" in leader["err"]
    assert "is saved" not in follower["err"]
    assert ran.result("again", 0)["code"] == ran.result("again", 1)["code"] == 0
    assert_alike(ran.root / "one-zero2", ran.root / "stopped")
    assert "finished already" in ran.result("finished", 0)["err"]
    assert ran.result("finished", 1) == {"code": 0, "out": "", "err": "", "tokens": [], "shares": []}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("few", "sampling.prompts = 1 leaves some of 2 processes without a problem to sample"),
        ("tail", "learner.under_the_tail works in one process, and here are 2"),
        ("no-model", "nowhere"),
        ("other", "another configuration"),
    ],
)
def test_mistakes_end_all_processes_with_one_sentence(ran: Ran, name: str, said: str) -> None:
    leader, follower = (ran.result(name, rank) for rank in (0, 1))
    assert leader["code"] == follower["code"] == 2
    assert said in leader["err"]
    assert leader["err"].count("\n") == 1
    assert follower["err"] == ""
    assert not (ran.root / name).exists()


@pytest.mark.slow
def test_a_health_rule_ends_all_processes_and_one_of_them_says_why(ran: Ran) -> None:
    for name, begins in (("sick", "health rule"), ("sick again", "nothing was done, for health rule")):
        leader, follower = (ran.result(name, rank) for rank in (0, 1))
        assert leader["code"] == follower["code"] == 5
        assert leader["err"].splitlines()[-1].startswith(f"tersely: {begins}")
        assert follower["err"] == ""


# ---- without processes


def test_a_process_alone_tells_itself_and_raises_its_own_errors() -> None:
    world = World()
    assert world.all_gather({"a": 1}) == [{"a": 1}]
    assert world.all_sum(0.1) == 0.1
    assert world.broadcast(lambda: 7) == 7
    with pytest.raises(RunError), world.collective_errors():
        raise RunError("x")
    assert isinstance(world.raise_on_rank0(RunError("x")), RunError)


@given(st.integers(1, 8), st.integers(0, 70))
def test_shares_make_up_the_whole_again(size: int, count: int) -> None:
    items = list(range(count))
    worlds = [World(rank, size) for rank in range(size)]
    assert worlds[0].merge([w.share(items) for w in worlds]) == items


@given(
    st.lists(st.integers(0, 2**31 - 1), min_size=1, max_size=5),
    st.text(max_size=20),
    st.booleans(),
    st.lists(st.floats(-50, 0), min_size=5, max_size=5),
)
def test_groups_travel_exactly(tokens: list[int], text: str, known: bool, logprobs: list[float]) -> None:
    problem = Problem("p", "?", "42", Kind.MATH, "test")
    given_ = tuple(logprobs[: len(tokens)]) if known else None
    rollout = Rollout("p", 3, (1, 2), tuple(tokens), given_, text, Finish.LENGTH, 7)
    group = Group(problem, (rollout,), (Verdict(Status.UNJUDGED, None, "timeout", 0.25),))
    assert decode(problem, (1, 2), json.loads(json.dumps(encode(group)))) == group
