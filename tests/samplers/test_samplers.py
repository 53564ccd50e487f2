"""Samplers: what is recorded is what the model says, whatever the batch and the decoder."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tersely.errors import UserError
from tersely.learn.batch import TrainingRow
from tersely.learn.logprobs import token_logprobs
from tersely.records import Finish
from tersely.samplers import Prompt, Sampling, row_seeds, uniforms
from tersely.samplers.decoders import FusedDecoder, ModelDecoder
from tersely.samplers.transformers import TransformersSampler, cut_tail, draw
from tiny_models import make_model, make_tokenizer

TOKENIZER = make_tokenizer()
PROMPTS = [Prompt("a", (5, 6, 7, 8, 9)), Prompt("b", (11, 12)), Prompt("c", (20, 21, 22))]


def sampler(kind: str = "qwen2", decoder: str = "model", **options: int) -> TransformersSampler:
    model = make_model(len(TOKENIZER), kind)
    # Several end tokens, so that a random model's responses end at many different lengths.
    model.generation_config.eos_token_id = list(range(1, 12))
    return TransformersSampler(model, TOKENIZER, decoder, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["qwen2", "llama"])
def test_fused_decoder_gives_the_models_logits_through_prefill_steps_and_dropped_rows(kind: str) -> None:
    model = make_model(300, kind)
    prompts = [[5, 6, 7, 8, 9], [11, 12], [20, 21, 22]]
    found = []
    with torch.no_grad():
        for decoder in (ModelDecoder(model), FusedDecoder(model)):
            logits = [decoder.start(prompts, 2, 0)]
            for token in range(70):
                if token == 3:
                    decoder.keep(torch.tensor([0, 3, 5]))
                logits.append(decoder.step(torch.full((3 if token >= 3 else 6,), 30 + token)))
            found.append(torch.cat(logits))
    torch.testing.assert_close(found[0], found[1], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("decoder", ["model", "fused"])
@pytest.mark.parametrize("kind", ["qwen2", "llama"])
def test_recorded_logprobs_are_those_of_a_plain_forward_pass_over_the_sampled_ids(kind: str, decoder: str) -> None:
    drawn = sampler(kind, decoder)
    for rollout in drawn.generate(PROMPTS, Sampling(n=3, max_new_tokens=40, temperature=0.7, seed=3)):
        row = TrainingRow(rollout.prompt_tokens, rollout.tokens, None, 0.0, True)
        with torch.no_grad():
            alone = token_logprobs(drawn.model, [row], temperature=0.7).logprobs_N
        np.testing.assert_allclose(rollout.logprobs, alone.numpy(), atol=2e-5)


@pytest.mark.slow
def test_response_does_not_depend_on_which_others_share_its_batch() -> None:
    whole = sampler().generate(PROMPTS, Sampling(n=4, max_new_tokens=30, seed=1))
    one_by_one = sampler(max_rows=4).generate(PROMPTS, Sampling(n=4, max_new_tokens=30, seed=1))
    assert [r.tokens for r in whole] == [r.tokens for r in one_by_one]


def test_later_samples_of_a_prompt_continue_where_earlier_ones_stopped() -> None:
    whole = sampler().generate(PROMPTS[:1], Sampling(n=4, max_new_tokens=30, seed=1))
    rest = sampler().generate(
        [Prompt("a", PROMPTS[0].tokens, first_sample=2)], Sampling(n=2, max_new_tokens=30, seed=1)
    )
    assert [r.tokens for r in whole[2:]] == [r.tokens for r in rest]
    assert [r.index for r in rest] == [2, 3]


def test_finish_says_eos_only_where_the_last_token_ends_and_nothing_follows_it() -> None:
    ends = set(range(1, 12))
    rollouts = sampler().generate(PROMPTS, Sampling(n=8, max_new_tokens=25, seed=5))
    assert {r.finish for r in rollouts} == {Finish.EOS, Finish.LENGTH}
    for r in rollouts:
        assert not ends & set(r.tokens[:-1])
        assert (r.finish is Finish.EOS) == (r.tokens[-1] in ends)
        assert r.finish is Finish.EOS or r.length == 25
        assert len(r.logprobs or ()) == r.length


def test_other_seed_gives_other_responses() -> None:
    one, other = (sampler().generate(PROMPTS, Sampling(n=2, max_new_tokens=20, seed=s)) for s in (1, 2))
    assert [r.tokens for r in one] != [r.tokens for r in other]


def test_greedy_takes_the_argmax_and_agrees_with_transformers_generate() -> None:
    drawn = sampler()
    rollout = drawn.generate(PROMPTS[:1], Sampling(n=1, max_new_tokens=12, temperature=0.0))[0]
    ids = torch.tensor([PROMPTS[0].tokens])
    expected = drawn.model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=12)
    assert list(rollout.tokens) == expected[0, ids.shape[1] :].tolist()


def test_draw_follows_the_distribution() -> None:
    logits = torch.log(torch.tensor([0.5, 0.3, 0.2])).repeat(30_000, 1)
    u = torch.from_numpy(uniforms(np.arange(30_000, dtype=np.uint64), 0, 1)[:, 0])
    chosen, logprobs = draw(logits, u, Sampling(n=1, max_new_tokens=1))
    shares = [Counter(chosen.tolist())[i] / 30_000 for i in range(3)]
    # Four standard errors of a share of 0.5 over 30,000 draws: 0.0115.
    np.testing.assert_allclose(shares, [0.5, 0.3, 0.2], atol=0.0115)
    np.testing.assert_allclose(logprobs.exp().numpy(), torch.tensor([0.5, 0.3, 0.2])[chosen].numpy(), rtol=1e-5)


def test_top_p_keeps_the_fewest_tokens_that_reach_it() -> None:
    kept = cut_tail(torch.tensor([[0.1, 0.5, 0.15, 0.25]], dtype=torch.float64), 0.7)
    assert (kept > 0).tolist() == [[False, True, False, True]]


@given(st.integers(0, 2**64 - 1), st.integers(0, 10_000), st.integers(1, 50))
def test_uniforms_can_be_read_from_any_position(seed: int, start: int, count: int) -> None:
    seeds = np.array([seed], dtype=np.uint64)
    part = uniforms(seeds, start, count)
    assert ((part >= 0) & (part < 1)).all()
    assert part[0, -1] == uniforms(seeds, start + count - 1, 1)[0, 0]


def test_uniforms_are_splitmix64() -> None:
    # First outputs of SplitMix64 seeded with 1234567, as published with the reference C code's test vectors
    # (6457827717110365317, 3203168211198807973, 9817491932198370423), shifted to 53 bits.
    expected = [(z >> 11) * 2.0**-53 for z in (6457827717110365317, 3203168211198807973, 9817491932198370423)]
    assert uniforms(np.array([1234567], dtype=np.uint64), 0, 3)[0].tolist() == expected


def test_row_seeds_are_distinct_and_depend_on_problem_sample_and_seed() -> None:
    sampling = Sampling(n=8, max_new_tokens=1, seed=1)
    seeds = row_seeds(PROMPTS, sampling)
    assert len(set(seeds.tolist())) == 24
    assert seeds[8] == row_seeds([PROMPTS[1]], sampling)[0]
    assert seeds[0] != row_seeds(PROMPTS, Sampling(n=8, max_new_tokens=1, seed=2))[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n": 0, "max_new_tokens": 1}, "at least one response"),
        ({"n": 2, "max_new_tokens": 1, "temperature": 0.0}, "equal responses"),
        ({"n": 2, "max_new_tokens": 0}, "at least one token"),
        ({"n": 2, "max_new_tokens": 1, "top_p": 0.0}, "top_p"),
        ({"n": 2, "max_new_tokens": 1, "temperature": float("nan")}, "temperature"),
    ],
)
def test_impossible_sampling_is_refused_in_a_sentence(options: dict[str, float], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Sampling(**options)  # type: ignore[arg-type]
