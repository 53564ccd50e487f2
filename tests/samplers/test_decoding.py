"""Options of decoding: equal to a plain, slow writing of their formulas, and nothing else changes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import slow_decoding
from tersely.errors import UserError
from tersely.learn.batch import TrainingRow
from tersely.learn.logprobs import token_logprobs
from tersely.samplers import Prompt, Sampling
from tersely.samplers.decoding import OPTIONS, Decoding
from tersely.samplers.decoding.brake import ends_sentence
from tersely.samplers.decoding.steer import Options
from tersely.samplers.transformers import TransformersSampler
from tersely.toy.tokenizer import build_tokenizer
from tiny_models import make_model, make_tokenizer

TOY = build_tokenizer()
MARK = TOY.convert_tokens_to_ids(" </think>")
PROMPTS = [Prompt("a", (5, 6, 7, 8, 9)), Prompt("b", (11, 12)), Prompt("c", (20, 21, 22))]
CLOSE = " </think> \\boxed{"
ASKED = [
    Decoding("budget:0"),
    Decoding("budget:5"),
    Decoding("budget:5", CLOSE),
    Decoding("brake:any:1.5"),
    Decoding("brake:any:2.5", CLOSE),
    Decoding("nowait:wait,let,alternatively"),
]


def sampler(kind: str = "qwen2", decoder: str = "model", **more: int) -> TransformersSampler:
    """Random weights over the words of the embedded task; some of them end a response, so that rows are dropped."""
    model = make_model(len(TOY), kind)
    model.generation_config.eos_token_id = [1, 40, 41]
    return TransformersSampler(model, TOY, decoder, **more)  # type: ignore[arg-type]


def asked(decoding: Decoding) -> Sampling:
    return Sampling(1, 24, seed=5, decoding=decoding)


@pytest.mark.slow
@pytest.mark.parametrize("temperature", [0.0, 1.3])
@pytest.mark.parametrize("decoding", ASKED, ids=lambda one: one.variant)
@pytest.mark.parametrize("decoder", ["model", "fused"])
def test_a_batch_says_what_the_plain_reference_says(decoder: str, decoding: Decoding, temperature: float) -> None:
    drawn = sampler(decoder=decoder)
    n = 1 if temperature == 0 else 4
    sampling = Sampling(n, 24, temperature, seed=5, decoding=decoding)
    found = drawn.generate(PROMPTS, sampling)
    closing = TOY.encode(decoding.close or " </think>", add_special_tokens=False)
    wanted = [
        slow_decoding.respond(drawn.model, TOY, prompt, i, sampling, drawn.end_ids, closing)
        for prompt in PROMPTS
        for i in range(n)
    ]
    assert [list(rollout.tokens) for rollout in found] == wanted
    plain = sampler(decoder=decoder).generate(PROMPTS, Sampling(n, 24, temperature, seed=5))
    assert [rollout.tokens for rollout in found] != [rollout.tokens for rollout in plain]  # it did something


def test_up_to_the_budget_a_response_is_what_it_would_have_been() -> None:
    plain = sampler().generate(PROMPTS, Sampling(6, 24, seed=5))
    cut = sampler().generate(PROMPTS, Sampling(6, 24, seed=5, decoding=Decoding("budget:7")))
    closed = 0
    for free, forced in zip(plain, cut, strict=True):
        assert forced.tokens[:7] == free.tokens[:7]
        if len(forced.tokens) > 7 and MARK not in free.tokens[:7]:
            assert forced.tokens[7] == MARK
            closed += 1
        else:
            assert forced.tokens == free.tokens  # ended, or closed by itself: never closed again
    assert closed > 3


def test_a_budget_beyond_the_cap_and_a_brake_that_never_holds_change_nothing() -> None:
    plain = sampler().generate(PROMPTS, Sampling(4, 24, seed=5))
    for spec in ("budget:24", "brake:0"):
        assert sampler().generate(PROMPTS, Sampling(4, 24, seed=5, decoding=Decoding(spec))) == plain


def test_a_response_does_not_depend_on_its_batch() -> None:
    sampling = Sampling(4, 24, seed=5, decoding=Decoding("budget:5", CLOSE))
    together = sampler().generate(PROMPTS, sampling)
    alone = [one for prompt in PROMPTS for one in sampler(max_rows=4).generate([prompt], sampling)]
    assert [one.tokens for one in together] == [one.tokens for one in alone]


def test_a_prompt_that_ended_the_thought_is_not_closed() -> None:
    asked = [Prompt("a", (5, MARK)), Prompt("b", (5, 6))]
    found = sampler().generate(asked, Sampling(3, 12, seed=5, decoding=Decoding("budget:0")))
    plain = sampler().generate(asked, Sampling(3, 12, seed=5))
    assert found[:3] == plain[:3]
    assert all(rollout.tokens[0] == MARK for rollout in found[3:])


def test_the_log_probability_of_a_forced_token_is_the_models_own() -> None:
    drawn = sampler()
    for rollout in drawn.generate(PROMPTS, Sampling(2, 12, seed=5, decoding=Decoding("budget:3", CLOSE))):
        row = TrainingRow(rollout.prompt_tokens, rollout.tokens, None, 0.0, True)
        with torch.no_grad():
            alone = token_logprobs(drawn.model, [row], temperature=1.0).logprobs_N
        np.testing.assert_allclose(rollout.logprobs, alone.numpy(), atol=2e-5)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("budgt:5", "did you mean 'budget'"),
        ("budget", "whole number"),
        ("budget:-1", "whole number"),
        ("budget:٣", "whole number"),
        ("brake", "margin in nats"),
        ("brake:nan", "margin in nats"),
        ("brake:-1", "margin in nats"),
        ("brake:all:1", "only any"),
        ("nowait:,", "each needs a letter"),
        ("nowait:", "nothing stands behind"),
    ],
)
def test_an_option_that_means_nothing_is_refused(spec: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        Decoding(spec)


def test_closing_text_belongs_to_what_closes_and_to_what_the_tokenizer_writes() -> None:
    with pytest.raises(UserError, match="ends none"):
        Decoding("nowait", close="</think>")
    options = Options(TOY, (1,))
    with pytest.raises(UserError, match="cannot write"):
        options.steering(asked(Decoding("budget:3", "Final Answer:")))
    with pytest.raises(UserError, match="ends no thinking: it needs this model's own mark, </think>"):
        options.steering(asked(Decoding("budget:3", " so")))
    with pytest.raises(UserError, match="ends the response"):
        options.steering(asked(Decoding("budget:3", " </think><eos>")))
    with pytest.raises(UserError, match="none of the words"):
        options.steering(asked(Decoding("nowait:perhaps")))
    with pytest.raises(UserError, match="none of the words"):  # a mark is no word
        options.steering(asked(Decoding("nowait:think,eos")))


def test_a_tokenizer_without_a_mark_of_its_own_is_refused() -> None:
    with pytest.raises(UserError, match="no token that does"):
        Options(make_tokenizer(), (1,)).steering(asked(Decoding("budget:3")))


@pytest.mark.parametrize(("text", "ends"), [(".", True), ("ok.", True), ("?\n", True), (". ", True), ("3.1", False)])
def test_a_sentence_ends_with_its_mark(text: str, ends: bool) -> None:
    assert ends_sentence(text) is ends


def test_every_option_is_a_file_with_formula_and_source() -> None:
    for name, option in OPTIONS.items():
        text = (Path(slow_decoding.__file__).parents[2] / f"src/tersely/samplers/decoding/{name}.py").read_text()
        assert "arXiv:" in text
        assert "\n    " in text.split('"""')[1]
        assert option.example.partition(":")[0] == name
