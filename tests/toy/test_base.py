"""The supervised base: batches by (seed, step) alone, bit-identical resumes, a gate whose retries are on record."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tersely.errors import RunError
from tersely.models.load import load_model, load_tokenizer
from tersely.models.locate import locate_model
from tersely.records import Finish, Rollout
from tersely.rollouts import respond
from tersely.samplers.base import Prompt, Sampling
from tersely.sections import LEVEL_LINE
from tersely.tasks.efforts import Efforts
from tersely.tasks.sources.arithmetic import arithmetic_problems
from tersely.toy import arithmetic
from tersely.toy.base import NEXT_SEED, make_base
from tersely.toy.gate import FixedFormGrader, Gate, GateNumbers
from tersely.toy.settings import SftSettings
from tersely.toy.sft import IGNORED, SftState, passes_at, sft_loss, tiny_model
from tersely.toy.tokenizer import EFFORT, LEVELS, VOCABULARY, WITH_LEVELS

SHORT = SftSettings(practice_steps=8, straight_steps=4, verbose_steps=8, pool_steps=4, warmup_steps=5)
OPEN = Gate(problems=6, max_new_tokens=8, accuracy=0.0, hardest=0.0, checks=0.0)


class Quiet:
    """A display that remembers its notes; can stop the work like a crash at one step."""

    def __init__(self, crash_at: int | None = None) -> None:
        self.notes: list[str] = []
        self.crash_at = crash_at

    def __enter__(self) -> Quiet:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def note(self, text: str) -> None:
        self.notes.append(text)

    def phase(self, name: str, done: int, total: int) -> None:
        return None

    def step(self, done: int, total: int, numbers: object) -> None:
        if done == self.crash_at:
            raise KeyboardInterrupt


@pytest.fixture(autouse=True)
def one_thread() -> object:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_batches_depend_on_seed_and_step_alone() -> None:
    settings = SftSettings(seed=3)
    [first] = passes_at(settings, 40)
    passes_at(settings, 7)
    [again] = passes_at(SftSettings(seed=3), 40)
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    [other] = passes_at(SftSettings(seed=4), 40)
    assert first[0].shape != other[0].shape or not torch.equal(first[0], other[0])


def test_loss_covers_the_response_and_nothing_else() -> None:
    [(inputs_BT, labels_BT)] = passes_at(SftSettings(), 1500)
    think, pad = VOCABULARY["<think>"], VOCABULARY["<pad>"]
    for inputs, labels in zip(inputs_BT.tolist(), labels_BT.tolist(), strict=True):
        start = inputs.index(think) + 1
        end = inputs.index(pad) if pad in inputs else len(inputs)
        assert labels[:start] == [IGNORED] * start
        assert labels[start:end] == inputs[start:end]
        assert labels[end:] == [IGNORED] * (len(labels) - end)


def test_padding_does_not_change_the_loss() -> None:
    model = tiny_model(0)
    [(inputs_BT, labels_BT)] = passes_at(SftSettings(), 1500)
    wide = torch.nn.functional.pad(inputs_BT, (0, 9), value=VOCABULARY["<pad>"])
    wide_labels = torch.nn.functional.pad(labels_BT, (0, 9), value=IGNORED)
    with torch.no_grad():
        assert torch.allclose(sft_loss(model, inputs_BT, labels_BT), sft_loss(model, wide, wide_labels), atol=1e-6)


def test_initialisation_leaves_the_global_random_state_alone() -> None:
    before = torch.get_rng_state()
    one, same, other = tiny_model(1), tiny_model(1), tiny_model(2)
    assert torch.equal(before, torch.get_rng_state())
    weights = [m.model.layers[0].mlp.up_proj.weight for m in (one, same, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_the_documents_give_the_model_s_true_size() -> None:
    size = f"{tiny_model(0).num_parameters():,} parameters"
    for page in ("README.md", "docs/method.md", "docs/results/reading.md"):
        assert size in (Path(__file__).parents[2] / page).read_text(encoding="utf-8"), page


def test_gate_counts_only_finished_right_answers() -> None:
    problems = arithmetic_problems("gate", 6, 0)
    answers = [int(problem.gold) for problem in problems]
    texts = [f" Wait, Let me check: so </think> \\boxed{{ {answer} }}" for answer in answers[:3]]
    texts += [
        f" </think> \\boxed{{ {answers[3]} }}",
        f" </think> \\boxed{{ {(answers[4] + 1) % 10} }}",
        str(answers[5]),
    ]

    class Recited:
        """A sampler that says these texts; the fourth is cut."""

        def generate(self, prompts: Sequence[Prompt], *_: object) -> list[Rollout]:
            ends = [Finish.LENGTH if i == 3 else Finish.EOS for i in range(6)]
            said = zip(prompts, texts, ends, strict=True)
            return [Rollout(p.problem_id, 0, (1,), (1, 2), None, text, end, 0) for p, text, end in said]

    prompts = {problem.id: (1,) for problem in problems}
    groups = respond(problems, prompts, Recited(), FixedFormGrader(), Sampling(n=1, max_new_tokens=2))
    numbers = GateNumbers.of(groups, arithmetic.behaviours)
    assert numbers.accuracy == 0.5
    assert numbers.accuracy_by_level == {"1": 1.0, "2": 1.0, "3": 1.0, "4": 0.0, "5": 0.0, "6": 0.0}
    assert numbers.checks == 1.0


@pytest.mark.slow
def test_twenty_steps_lower_the_loss() -> None:
    state = SftState(SHORT)
    losses = [state.advance().loss for _ in range(20)]
    assert losses[0] == pytest.approx(torch.log(torch.tensor(len(VOCABULARY))).item(), abs=0.5)
    assert losses[-1] < losses[0] - 0.5


@pytest.mark.slow
def test_a_crash_and_a_resume_end_with_the_same_bits(tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    make_base(whole, 5, 1, Quiet(), settings=SHORT, gate=OPEN, save_every=5, log_every=1)
    with pytest.raises(KeyboardInterrupt):
        make_base(broken, 5, 1, Quiet(crash_at=13), settings=SHORT, gate=OPEN, save_every=5, log_every=1)
    display = Quiet()
    make_base(broken, 5, 1, display, settings=SHORT, gate=OPEN, save_every=5, log_every=1)
    assert any("step 10 " in note for note in display.notes)
    name = "checkpoints/step-000020/model.safetensors"
    assert (whole / name).read_bytes() == (broken / name).read_bytes()
    assert (whole / "journal.jsonl").read_bytes() == (broken / "journal.jsonl").read_bytes()


@pytest.mark.slow
def test_the_saved_base_is_an_ordinary_checkpoint_and_is_not_made_twice(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    made = make_base(tmp_path / "base", 6, 1, Quiet(), settings=SHORT, gate=OPEN)
    folder = tmp_path / "base" / "checkpoints" / "step-000020"
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    assert model.config.model_type == "qwen2"
    assert model.get_input_embeddings().num_embeddings == len(tokenizer) == len(VOCABULARY)
    assert model.generation_config.eos_token_id == tokenizer.eos_token_id
    display = Quiet()
    assert make_base(tmp_path / "base", 6, 1, display, settings=SHORT, gate=OPEN) == made
    assert any("finished already" in note for note in display.notes)


@pytest.mark.slow
def test_a_failed_gate_tries_the_next_seed_and_says_so(tmp_path: Path) -> None:
    closed = Gate(problems=6, max_new_tokens=8, accuracy=1.1, attempts=2)
    with pytest.raises(RunError, match="no base was made"):
        make_base(tmp_path / "base", 7, 1, Quiet(), settings=SHORT, gate=closed)
    records = [json.loads(line) for line in (tmp_path / "base" / "journal.jsonl").read_text().splitlines()]
    tried = [r["seed"] for r in records if r["event"] == "GATE"]
    assert tried == [7, 7 + NEXT_SEED]
    assert not (tmp_path / "base" / "done.json").exists()


def test_words_for_levels_leave_the_base_without_them_as_it_is() -> None:
    assert "levels" not in SftSettings(seed=1).to_json()
    assert tiny_model(1).get_input_embeddings().num_embeddings == len(VOCABULARY)
    plain, named = (
        [row.tolist() for row in passes_at(replace(SHORT, levels=levels), 14)[0][0]] for levels in (False, True)
    )
    assert max(map(max, plain)) < len(VOCABULARY)
    assert max(map(max, named)) >= len(VOCABULARY)


@pytest.mark.slow
def test_a_base_with_words_for_levels_reads_the_line_that_asks_for_one(tmp_path: Path) -> None:
    make_base(tmp_path / "base", 0, 1, Quiet(), settings=replace(SHORT, levels=True), gate=OPEN, save_every=10)
    folder = locate_model(str(tmp_path / "base"))
    tokenizer, [problem] = load_tokenizer(folder), arithmetic_problems("train", 1, 0)
    efforts = Efforts(LEVELS, 0, LEVEL_LINE)
    prompts = efforts.render([problem], tokenizer, "question")
    assert {ids[-3:-1] for ids in prompts.values()} == {(WITH_LEVELS[EFFORT], WITH_LEVELS[level]) for level in LEVELS}
    assert load_model(folder, torch.device("cpu"), torch.float32).config.vocab_size == len(WITH_LEVELS)
