"""What `tersely plan` predicts, against counts made another way, and the refusals with their cures.

Golden numbers of the 1.5B and 7B shapes come from a derivation made before this code: a lognormal trace of 256 seeded
responses on an H200 with ceilings of 790 TFLOP/s and 4.3 TB/s, computed step by step.
"""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from saved_memory import TINY, saved_bytes
from tersely.cli import main
from tersely.config import LearnerConfig, TrainConfig, merge, read_recipe, resolve, set_key
from tersely.errors import UserError
from tersely.learn.batch import micro_batches
from tersely.learn.heads import CHUNK_LOGITS
from tersely.learn.placing import recompute_activations
from tersely.plan import (
    ASSUMED,
    FLOOR,
    Layout,
    LengthProfile,
    ModelShape,
    check_plan,
    check_tokenizer,
    default_profile,
    layout_of,
    lognormal,
    predict_memory,
    predict_seconds,
    read_lengths,
    read_machine,
)
from tersely.plan import memory as plan_memory
from tersely.plan.checks import Setup, check_engine_room, check_memory
from tersely.plan.lengths import REFERENCE_CAP
from tersely.plan.machine import cpu_memory
from tersely.plan.memory import STATE, block_rows, cache_bytes, micro_batch_tokens
from tersely.plan.time import optimizer_bytes_moved, padded_widths
from tersely.samplers.transformers import COMPACT_BELOW
from tiny_models import make_model_folder, make_task

SMALL: dict[str, Any] = {
    "model_type": "qwen2",
    "hidden_size": 1536,
    "intermediate_size": 8960,
    "num_hidden_layers": 28,
    "num_attention_heads": 12,
    "num_key_value_heads": 2,
    "vocab_size": 151936,
    "tie_word_embeddings": False,
    "max_position_embeddings": 131072,
}
LARGE: dict[str, Any] = {
    **SMALL,
    "hidden_size": 3584,
    "intermediate_size": 18944,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
    "vocab_size": 152064,
}
KINDS: list[tuple[Any, Any, dict[str, Any]]] = [
    (Qwen2ForCausalLM, Qwen2Config, {}),
    (Qwen2ForCausalLM, Qwen2Config, {"tie_word_embeddings": True}),
    (LlamaForCausalLM, LlamaConfig, {}),
    (LlamaForCausalLM, LlamaConfig, {"attention_bias": True, "mlp_bias": True}),
    (MistralForCausalLM, MistralConfig, {"head_dim": 16}),
    (Qwen3ForCausalLM, Qwen3Config, {"head_dim": 16, "tie_word_embeddings": True}),
    (Qwen3ForCausalLM, Qwen3Config, {"attention_bias": True}),
]


def config(**over: Any) -> TrainConfig:
    return resolve(merge({"model": "m", "task": "t"}, over))


# ---- sizes


@pytest.mark.parametrize(("model", "kind", "over"), KINDS)
def test_parameters_are_those_of_the_model_that_transformers_builds(
    model: Any, kind: Any, over: dict[str, Any]
) -> None:
    made = kind(**{**TINY, **over})
    with torch.device("meta"):
        built = model(made)
    shape = ModelShape.of(json.loads(made.to_json_string(use_diff=False)))
    assert shape.parameters == sum(p.numel() for p in built.parameters())
    head = built.get_output_embeddings().weight.numel()
    layers = sum(p.numel() for name, p in built.named_parameters() if "layers" in name or name == "model.norm.weight")
    assert (shape.body_parameters, shape.head_parameters) == (layers, head)


def test_the_1_5b_and_7b_shapes_have_their_published_sizes() -> None:
    # Derivation: 1.310 + 2 x 0.233 and 6.525 + 2 x 0.545 (cut, not rounded), in all 1.78 B and 7.62 B; the exact counts
    # are what transformers builds from these configs.
    small, large = ModelShape.of(SMALL), ModelShape.of(LARGE)
    with torch.device("meta"):
        built = [
            Qwen2ForCausalLM(Qwen2Config(**{k: v for k, v in c.items() if k != "model_type"})) for c in (SMALL, LARGE)
        ]
    assert [s.parameters for s in (small, large)] == [sum(p.numel() for p in m.parameters()) for m in built]
    assert [round(s.parameters / 1e9, 2) for s in (small, large)] == [1.78, 7.62]
    assert [round(s.body_parameters / 1e9, 3) for s in (small, large)] == [1.310, 6.526]
    assert [round(s.head_parameters / 1e9, 3) for s in (small, large)] == [0.233, 0.545]
    assert [s.kv_bytes(2) for s in (small, large)] == [28_672, 57_344]


@pytest.mark.parametrize(("model", "kind"), [(Qwen2ForCausalLM, Qwen2Config), (Qwen3ForCausalLM, Qwen3Config)])
@pytest.mark.parametrize(("element", "stream"), [(2, 2), (4, 4), (2, 4)])
@pytest.mark.parametrize("checkpointing", [False, True])
def test_activations_are_what_autograd_keeps(
    model: Any, kind: Any, element: int, stream: int, checkpointing: bool
) -> None:
    """Differences between 3 and 2 layers and between two lengths leave what one layer keeps of one token."""
    total: dict[tuple[int, int], int] = {}
    for layers in (2, 3):
        made = model(kind(**{**TINY, "num_hidden_layers": layers})).to(torch.float32 if stream == 4 else torch.bfloat16)
        if checkpointing:
            recompute_activations(made)
            made.train()
        for tokens in (128, 192):
            total[layers, tokens] = saved_bytes(made, 300, tokens, autocast=element < stream)
    per_token = ((total[3, 192] - total[2, 192]) - (total[3, 128] - total[2, 128])) / 64
    shape = ModelShape.of(json.loads(kind(**TINY).to_json_string(use_diff=False)))
    assert per_token == (shape.hidden * stream if checkpointing else shape.activation_bytes(element, stream))


def test_constants_are_those_of_the_code_that_is_planned_for() -> None:
    assert (plan_memory.CHUNK_LOGITS, plan_memory.COMPACT_BELOW) == (CHUNK_LOGITS, COMPACT_BELOW)


def test_kinds_of_optimizer_are_those_of_the_configuration() -> None:
    assert tuple(STATE) == get_args(LearnerConfig.model_fields["optimizer"].annotation)


def test_training_state_by_kind_of_optimizer() -> None:
    # 7.616e9 parameters: 16 bytes each with adam; 4 + 4 + 1 + 1 with 8-bit moments and their scales (8 / 256); in bf16
    # 2 + 2 for the master's halves, 4 for the gradient, the moments as before.
    found = [
        sum(Layout(element, kind).state_bytes) * 7.616
        for element, kind in ((2, "adam"), (4, "adam8bit"), (2, "adam8bit"))
    ]
    assert found == pytest.approx([121.856, 76.398, 76.398], abs=1e-3)


def test_adam8bit_in_bfloat16_needs_no_copies() -> None:
    whole, split = Layout(2, "adam"), Layout(2, "adam8bit")
    assert (whole.stream, whole.cast, split.stream, split.cast) == (4, True, 2, False)


@pytest.mark.parametrize("engine", ["transformers", "vllm"])
def test_the_7b_recipe_fits_on_eight_gpus_of_80_gb(engine: str) -> None:
    recipe = merge_config(
        resolve(merge(read_recipe("paper-7b"), {"model": "m", "task": "t"})), f"sampling.engine={engine}"
    )
    layout = layout_of(recipe, "cuda", 8)
    assert (layout.shard, layout.optimizer, layout.vllm) == ("zero3", "adam", engine == "vllm")
    shape, lengths = ModelShape.of(LARGE), default_profile(10**10)
    setup = Setup(recipe, layout)
    assert list(check_memory(shape, setup, lengths, 500, 80e9, "cuda")) == []
    # Today's 16 bytes a parameter and a whole copy of it in fp32 while loading are not on any of them.
    assert predict_memory(shape, recipe, layout, lengths, 500, "cuda", 80e9).loading < 40e9


def test_the_7b_recipe_fits_on_one_gpu_with_8_bit_moments_as_it_is_told() -> None:
    recipe = resolve(merge(read_recipe("paper-7b"), {"model": "m", "task": "t"}))
    said = check_plan(recipe, LARGE, prompt=500, available=141e9)
    assert "use --set learner.optimizer=adam8bit (" in said[0]
    assert check_plan(cured(recipe, said[0]), LARGE, prompt=500, available=141e9) == []


def test_several_processes_are_told_to_take_adam() -> None:
    lean = config(learner={"optimizer": "adam8bit"})
    said = check_plan(lean, SMALL, gpus=2)
    assert len(said) == 1
    assert check_plan(cured(lean, said[0]), SMALL, gpus=2) == []


def test_the_layout_follows_the_configuration() -> None:
    assert layout_of(config(run={"dtype": "bfloat16"}), "cpu").cast
    fp32 = layout_of(config(), "cpu")
    assert (fp32.element, fp32.stream, fp32.cast, fp32.reference) == (4, 4, False, True)
    gpu = layout_of(config(learner={"kl_coefficient": 0, "gradient_checkpointing": True, "layout": "packed"}), "cuda")
    assert (gpu.element, gpu.stream, gpu.reference, gpu.checkpointing, gpu.packed) == (2, 4, False, True, True)


# ---- lengths


def test_default_lengths_are_those_of_the_seeded_trace() -> None:
    # Trace of 1.5B: mean 4.77K, median 3.2K, p90 9.6K, E[L^2] 5.07e7; 7B: mean 3.97K, median 2.6K, p90 7.8K, 3.9e7.
    # The trace is one draw of 256, so 5 % is about its own sampling error.
    for shape, golden in ((SMALL, (4770, 3200, 9600, 5.07e7)), (LARGE, (3970, 2600, 7800, 3.9e7))):
        lengths_Q = default_profile(ModelShape.of(shape).parameters).at(32_000)
        found = (lengths_Q.mean(), np.median(lengths_Q), np.quantile(lengths_Q, 0.9), (lengths_Q**2).mean())
        assert found == pytest.approx(golden, rel=0.05)
    # Alive of 256 after 1K, 2K, 4K, 6K, 8K, 16K, 24K steps.
    alive = 256 * default_profile(10**9).alive(32_000)[[1000, 2000, 4000, 6000, 8000, 16_000, 24_000]]
    assert alive == pytest.approx([234, 180, 99, 60, 37, 10, 6], abs=3)


def test_a_given_mean_is_met_under_its_cap_and_truncation_is_counted() -> None:
    for mean, cap in ((100, 320), (900, 1000), (4770, 32_000)):
        profile = lognormal(mean, cap)
        assert profile.mean(cap) == pytest.approx(mean, rel=1e-6)
        assert profile.truncated(cap) == (profile.lengths_Q > cap).mean()
    with pytest.raises(UserError, match="between"):
        lognormal(400, 320)


def test_the_cap_for_a_share_is_the_smallest_one() -> None:
    profile = LengthProfile(np.array([1.0, 2, 3, 4, 5, 6, 7, 8, 9, 10]), "test", True)
    assert profile.cap_for(0.2) == 8
    assert profile.truncated(8) == pytest.approx(0.2)
    assert profile.truncated(7) > 0.2
    assert LengthProfile(np.array([1.0, np.inf]), "test", True).cap_for(0.4) is None


def test_alive_sums_to_the_mean_length() -> None:
    profile = LengthProfile(np.array([2.0, 5.0, np.inf]), "test", True)
    assert profile.alive(6) == pytest.approx([1, 1, 2 / 3, 2 / 3, 2 / 3, 1 / 3])
    assert profile.alive(6).sum() == pytest.approx(profile.mean(6))


# ---- time


@pytest.mark.parametrize(
    ("machine", "small", "large"), [("floor", 68.4, 174.5), ("good", 127, 304), ("typical", 217, 428)]
)
def test_seconds_of_sampling_are_those_of_the_derivation(machine: str, small: float, large: float) -> None:
    for config_json, golden in ((SMALL, small), (LARGE, large)):
        shape = ModelShape.of(config_json)
        found = predict_seconds(shape, config(), Layout(2), default_profile(shape.parameters), 180, ASSUMED[machine])
        assert found.sampling == pytest.approx(golden, rel=0.02)


def test_seconds_of_training_are_those_of_the_derivation() -> None:
    # Floor: forward and backward 20.1 and 66.5 s, recompute 5.7 and 20.2 s (layers only there, the head too here),
    # reference 6.4 and 21.8 s, old log-probabilities of the second half 3.2 and 10.9 s.
    golden = ((SMALL, (20.1, 6.4, 6.4, 3.2)), (LARGE, (66.5, 21.8, 21.8, 10.9)))
    for config_json, seconds in golden:
        shape = ModelShape.of(config_json)
        lengths = default_profile(shape.parameters)
        found = predict_seconds(shape, config(), Layout(2, checkpointing=True), lengths, 180, FLOOR)
        assert (found.gradients, found.recompute, found.reference, found.old) == pytest.approx(seconds, rel=0.02)


def test_cost_scales_as_the_derivation_says() -> None:
    # Whole iteration of 1.5B on the "good" machine, forward-backward and reference, without checking answers:
    # mean 1.2K / 2.4K / 4.8K / 9.6K at n = 8: 89, 112, 182, 405 s; n = 4 / 8 / 16 / 32: 116, 182, 321, 605 s.
    shape = ModelShape.of(SMALL)

    def cost(mean: float, n: int) -> float:
        over = {"sampling": {"n": n, "max_rows": 32 * n}, "learner": {"old_logprobs": "sampler"}}
        found = predict_seconds(shape, config(**over), Layout(2), lognormal(mean, 32_000), 180, ASSUMED["good"])
        return found.total - found.judge

    assert [cost(m, 8) for m in (1200, 2400, 4770, 9600)] == pytest.approx([89, 112, 182, 405], rel=0.15)
    assert [cost(4770, n) for n in (4, 8, 16, 32)] == pytest.approx([116, 182, 321, 605], rel=0.06)


def test_an_optimizer_step_moves_the_bytes_of_the_derivation() -> None:
    # Weights, gradients and two moments in fp32, read and written: 32 bytes; the sampler's copy: 4 read, 2 written.
    # In 8 bits: master 2 + 2, gradient 4, moments and scales 2 + 8 / 256, read and written, and no copy.
    layouts = (Layout(2), Layout(2, "adam8bit"))
    found = [optimizer_bytes_moved(ModelShape.of(SMALL), layout) / 1_777_088_000 for layout in layouts]
    assert found == pytest.approx([38, 20.0625])


def test_padding_is_what_the_learner_pads() -> None:
    widths_Q = np.sort(np.random.default_rng(0).integers(20, 4000, 48).astype(float))
    widths = [int(w) for w in widths_Q]
    batches = micro_batches(widths, 5000)
    paid = sum(len(index) * max(widths[i] for i in index) for index in batches)
    assert padded_widths(widths_Q, 48, 5000).sum() == paid
    assert paid > sum(widths)


def test_more_gpus_shorten_the_work_but_not_the_tail() -> None:
    shape, lengths = ModelShape.of(SMALL), default_profile(10**9)
    one, four = (predict_seconds(shape, config(), Layout(2, gpus=g), lengths, 180, FLOOR) for g in (1, 4))
    assert four.gradients == pytest.approx(one.gradients / 4)
    assert four.cache == pytest.approx(one.cache / 4)
    assert one.weights / 1.1 < four.weights <= one.weights


def test_under_the_tail_only_passes_over_the_last_response_are_waited_for() -> None:
    shape, lengths = ModelShape.of(SMALL), default_profile(10**9)
    both = [config(learner={"under_the_tail": tail, "updates": 4}) for tail in (False, True)]
    off, on = (predict_seconds(shape, wanted, Layout(2), lengths, 180, FLOOR) for wanted in both)
    drawn = lengths.at(32_000)[np.random.default_rng(0).integers(0, len(lengths.at(32_000)), (4000, 256))]
    longest = 180 + drawn.max(axis=1).mean()
    # Two operations a weight and token, and 2 q layers length^2 of attention.
    forward = 2 * shape.read_per_step * longest + 2 * 1536 * 28 * longest**2
    assert on.reference == pytest.approx(forward / 790e12, rel=0.02)
    assert on.old == pytest.approx(0.75 * on.reference)
    assert on.total == pytest.approx(off.total - off.old - off.reference + on.old + on.reference)


# ---- memory


def test_a_pass_under_the_tail_lies_beside_the_cache() -> None:
    # 32,500 tokens of one response: a layer in full, its fp32 input (4 x 1536), 14 x 1536 around the head; a chunk of
    # logits; the policy's weights as autocast casts them, where old log-probabilities are the trainer's.
    shape, n = ModelShape.of(SMALL), 1_777_088_000

    def needs(**learner: Any) -> plan_memory.Memory:
        return predict_memory(shape, config(learner=learner), Layout(2), default_profile(n), 500, "cuda")

    off, on, reference = needs(), needs(under_the_tail=True), needs(under_the_tail=True, old_logprobs="sampler")
    passing = 32_500 * (shape.activation_bytes(2, 4) + 4 * 1536 + 14 * 1536) + 1_207_959_552
    assert (off.tail, on.tail, reference.tail) == (0, passing + 3_087_428_608, passing)
    assert (on.sampling, on.updating) == (off.sampling + on.tail, off.updating)
    short = {"sampling": {"max_new_tokens": 8000}, "learner": {"under_the_tail": True, "token_budget": 1024}}
    setup = Setup(config(**short), Layout(2, checkpointing=True))
    lean = predict_memory(shape, setup.config, setup.layout, default_profile(n), 500, "cuda")
    assert lean.peak == lean.sampling
    (said,) = check_memory(shape, setup, default_profile(n), 500, lean.sampling - 1e9, "cuda")
    assert "use --set learner.under_the_tail=false (" in said
    assert not cured(setup.config, said).learner.under_the_tail


def test_the_cache_peak_is_that_of_the_derivation() -> None:
    # Peak of the live cache: 12 GB (1.5B) and 20 GB (7B); what the sampler holds besides is taken out here.
    for config_json, golden in ((SMALL, 12e9), (LARGE, 20e9)):
        shape = ModelShape.of(config_json)
        held = cache_bytes(shape, default_profile(shape.parameters), 256, 32_000, 180, 2)
        live = held * COMPACT_BELOW / (1 + 1 / shape.layers)
        assert live == pytest.approx(golden, rel=0.06)


def test_the_cache_is_never_more_than_if_no_response_ended() -> None:
    shape = ModelShape.of(SMALL)
    endless = LengthProfile(np.array([np.inf]), "test", True)
    for lengths in (endless, default_profile(10**9), LengthProfile(np.array([1.0]), "test", True)):
        found = predict_memory(shape, config(), Layout(2), lengths, 180, "cuda")
        assert found.cache <= found.cache_worst * (1 + 1e-12)
    assert predict_memory(shape, config(), Layout(2), endless, 180, "cuda").cache == pytest.approx(
        256 * 32_180 * 28_672 * 29 / 28
    )


def test_the_uses_of_memory_of_the_1_5b_shape_by_hand() -> None:
    # N = 1,777,088,000 parameters, 1,543,714,304 of them without the embedding; fp32 masters, gradients and moments
    # (4 + 4 + 8 bytes), bf16 copy for the sampler, reference, and casts (2 each); 256 rows of 151,936 logits at 24
    # bytes; a chunk of 2^26 logits at 2 + 4 x 4 bytes.
    shape, n = ModelShape.of(SMALL), 1_777_088_000
    found = predict_memory(shape, config(), Layout(2), default_profile(n), 500, "cuda")
    assert (found.weights, found.gradients, found.optimizer) == (4 * n, 4 * n, 8 * n)
    assert (found.copy, found.reference, found.casts) == (2 * n, 2 * n, 3_087_428_608)
    assert (found.sampling_logits, found.chunk) == (933_494_784, 1_207_959_552)
    assert found.state == 16 * n + 2e9
    assert found.sampling == found.state + found.cache + 933_494_784
    assert found.updating == found.state + 4 * n + found.activations + 3_087_428_608 + 1_207_959_552
    fp32 = predict_memory(shape, config(), Layout(4, reference=False), default_profile(n), 500, "cpu")
    assert (fp32.copy, fp32.casts, fp32.reference) == (0, 0, 0)


def test_a_response_longer_than_the_token_budget_goes_alone_but_whole() -> None:
    sizes = [
        micro_batch_tokens(config(sampling={"max_new_tokens": cap, "prompts": 2, "n": 2}), 500)
        for cap in (40_000, 20_000, 1000)
    ]
    # Above the budget of 32,768; below it, two such rows reach past it; two rows of 1500 are all there is.
    assert sizes == [40_500, 32_768, 3000]


def test_sharding_divides_what_it_says() -> None:
    shape, lengths = ModelShape.of(LARGE), default_profile(10**10)
    whole = predict_memory(shape, config(), Layout(2), lengths, 180, "cuda")
    zero2 = predict_memory(shape, config(), Layout(2, gpus=8, shard="zero2"), lengths, 180, "cuda")
    zero3 = predict_memory(shape, config(), Layout(2, gpus=8, shard="zero3"), lengths, 180, "cuda")
    for shared in (zero2, zero3):
        for use in ("weights", "optimizer", "gradients", "reference"):
            assert getattr(shared, use) == getattr(whole, use) / 8
        # Every GPU has all that it samples from, if that is not vLLM's.
        assert shared.copy == whole.copy
        # Weights are gathered in the type that they are computed with, and so not cast.
        assert (shared.casts, whole.casts) == (0, 2 * ModelShape.of(LARGE).read_per_step)
        assert shared.reducing == 6 * (1_089_994_752 + 3584)
    # By hand: of 28 layers of 233,057,792 two are there, and the parameters of embedding, head and last norm.
    assert zero2.gathered == 2 * 7_615_616_512
    assert zero3.gathered == 2 * (2 * 233_057_792 + 1_089_994_752 + 3584)
    assert (whole.gathered, whole.reducing) == (0, 0)
    with_vllm = predict_memory(shape, config(), Layout(2, gpus=8, shard="zero3", vllm=True), lengths, 180, "cuda", 80e9)
    assert (with_vllm.copy, with_vllm.engine, with_vllm.asleep) == (0, 0.5 * 80e9, 1.5e9)
    assert with_vllm.sampling == with_vllm.state + with_vllm.engine
    assert predict_memory(shape, config(), Layout(4, gpus=8, shard="zero2"), lengths, 180, "cpu").copy == whole.copy * 2


def test_vllm_is_given_room_for_its_weights_and_one_response() -> None:
    # 2 x 7.6e9 of weights, 57,344 bytes for each of 32,180 tokens, 1.5 GB of graphs: 18.6 GB.
    wanted = config(sampling={"engine": "vllm", "engine_memory": 0.2})
    shape, layout = ModelShape.of(LARGE), layout_of(wanted, "cuda", 8)
    (said,) = check_engine_room(shape, Setup(wanted, layout), 180, 80e9, "cuda")
    assert "leaves vLLM 16.0 GB" in said
    assert "need 18.6 GB: use --set sampling.engine_memory=0.24" in said
    enough = Setup(cured(wanted, said), layout)
    assert list(check_engine_room(shape, enough, 180, 80e9, "cuda")) == []
    (tight,) = check_engine_room(shape, Setup(wanted, layout), 180, 20e9, "cuda")
    together = Setup(cured(wanted, tight), layout)
    assert "tensor_parallel_size=2" in tight
    (still,) = check_engine_room(shape, together, 180, 20e9, "cuda")
    assert "need 10.0 GB: use --set sampling.engine_memory=0.51" in still


def test_vllm_gives_up_what_the_trainer_needs() -> None:
    shape, lengths = ModelShape.of(LARGE), default_profile(10**10)

    def said_of(**sampling: Any) -> tuple[TrainConfig, list[str]]:
        asked = {"sampling": {"engine": "vllm", **sampling}, "learner": {"sharding": "zero3"}}
        wanted = resolve(merge(read_recipe("paper-7b"), {"model": "m", "task": "t", **asked}))
        return wanted, check_memory(shape, Setup(wanted, layout_of(wanted, "cuda", 8)), lengths, 500, 80e9, "cuda")

    greedy, (sentence,) = said_of(engine_memory=0.85)
    assert "sampling needs 83.3 GB and 80.0 GB are there; use --set sampling.engine_memory=0.8 (" in sentence
    assert cured(greedy, sentence).sampling.engine_memory == 0.8
    _, (sentence,) = said_of(engine_sleep=False)
    assert (
        "updating needs 101.9 GB and 80.0 GB are there; use --set sampling.engine_sleep=true (then 63.4 GB)" in sentence
    )


def test_sharding_is_the_one_of_the_configuration() -> None:
    zero3 = config(learner={"sharding": "zero3"})
    assert [layout_of(c, "cuda", gpus).shard for c, gpus in ((zero3, 1), (zero3, 2), (config(), 2))] == [
        "none",
        "zero3",
        "zero2",
    ]


def test_two_models_in_fp32_must_fit_before_the_first_step() -> None:
    # Of a resume, base and checkpoint. Shared out none is whole on any GPU: 4 GB of shares, the copy that is sampled
    # from, and two layers with all that lies outside them, in fp32 and bf16, to be compared.
    shape = ModelShape.of(LARGE)
    small = config(sampling={"max_new_tokens": 64, "prompts": 32, "n": 2}, learner={"kl_coefficient": 0.0})
    alone, shared = (Layout(2, reference=False, gpus=n, shard=s) for n, s in ((1, "none"), (16, "zero3")))
    one, many = (predict_memory(shape, small, some, lognormal(32, 64), 20, "cuda").loading for some in (alone, shared))
    assert one == 8 * 7_615_616_512 + 2e9
    compared = 1_089_994_752 + 3584 + 2 * 233_057_792
    assert many == pytest.approx((4 / 16 + 2) * 7_615_616_512 + 6 * compared + 2e9)


def test_blocks_are_whole_groups() -> None:
    assert block_rows(config(sampling={"max_rows": 100})) == 96
    assert block_rows(config(sampling={"max_rows": 3})) == 8
    assert block_rows(config(), gpus=4) == 64


def test_free_memory_is_the_smaller_of_machine_and_container(tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text("MemTotal: 100 kB\nMemAvailable:   50 kB\n")
    limit, used = tmp_path / "max", tmp_path / "current"
    used.write_text("1024\n")
    limit.write_text("max\n")
    assert cpu_memory(tmp_path / "meminfo", (limit, used))[0] == 50 * 1024
    limit.write_text("5120\n")
    assert cpu_memory(tmp_path / "meminfo", (limit, used))[0] == 4 * 1024


# ---- refusals


def test_a_run_that_can_be_done_is_not_refused() -> None:
    over = {"learner": {"gradient_checkpointing": True}}
    assert check_plan(config(**over), SMALL, prompt=500, available=141e9) == []


def test_positions_and_division_are_refused_with_a_cure_that_works() -> None:
    said = check_plan(config(), {**SMALL, "max_position_embeddings": 32_768}, prompt=1000)
    assert len(said) == 1
    assert "sampling.max_new_tokens=31768" in said[0]
    assert check_plan(config(), {**SMALL, "max_position_embeddings": 500}, prompt=1000)[0].endswith("problems out")
    assert check_plan(config(), SMALL, gpus=6) == []
    said = check_plan(config(), SMALL, gpus=36)
    assert "sampling.prompts=36" in said[0]
    assert check_plan(cured(config(), said[0]), SMALL, gpus=36) == []


def test_several_processes_have_no_passes_under_the_tail() -> None:
    wanted = config(learner={"under_the_tail": True})
    assert check_plan(wanted, SMALL) == []
    (said,) = check_plan(wanted, SMALL, gpus=8)
    assert "works in one process, and here are 8" in said
    assert "leave it out (it would save 3 to 4 %" in said


def test_truncation_is_refused_only_where_it_was_measured() -> None:
    lengths = np.concatenate((np.linspace(10, 1000, 990), [np.inf] * 10))
    short = config(sampling={"max_new_tokens": 500})
    assert check_plan(short, SMALL, lengths=LengthProfile(lengths, "assumed", False)) == []
    said = check_plan(short, SMALL, lengths=LengthProfile(lengths, "measured", True))
    assert len(said) == 1
    assert "truncate 51." in said[0]
    assert check_plan(cured(short, said[0]), SMALL, lengths=LengthProfile(lengths, "measured", True)) == []
    loops = LengthProfile(np.array([10.0, np.inf]), "measured", True, known_to=500.0)
    assert "above 500" in check_plan(short, SMALL, lengths=loops)[0]


@pytest.mark.parametrize("device", ["cuda", "cpu"])
@pytest.mark.parametrize("gigabytes", [24, 48, 60, 80, 100, 120, 141])
def test_a_cure_for_memory_cures(gigabytes: int, device: str) -> None:
    said = check_plan(config(), SMALL, prompt=500, available=gigabytes * 1e9, device=device)
    assert len(said) == 1
    assert "\n" not in said[0]
    if "no setting" in said[0]:
        assert gigabytes < 48
        return
    assert check_plan(cured(config(), said[0]), SMALL, prompt=500, available=gigabytes * 1e9, device=device) == []


def test_what_leaves_the_result_alone_is_proposed_first() -> None:
    ready = config(learner={"gradient_checkpointing": True})
    wide = check_plan(merge_config(ready, "sampling.max_rows=4096", "sampling.prompts=512"), SMALL, available=120e9)
    assert "sampling.max_rows=" in wide[0]
    assert "max_new_tokens" not in wide[0]
    assert "learner.gradient_checkpointing=true" in check_plan(config(), SMALL, available=141e9)[0]


def test_nothing_is_proposed_that_does_not_help() -> None:
    assert "no setting makes it fit" in check_plan(config(), LARGE, available=20e9)[0]


def test_architectures_without_formulas_are_not_held_up() -> None:
    assert check_plan(config(), {"model_type": "gemma9", "max_position_embeddings": 10**6}, available=1.0) == []
    with pytest.raises(UserError, match="gemma9"):
        ModelShape.of({"model_type": "gemma9"})
    with pytest.raises(UserError, match="hidden_size"):
        ModelShape.of({**SMALL, "hidden_size": None})


def test_a_missing_end_token_or_template_is_refused() -> None:
    whole = {"config.json": {}, "tokenizer_config.json": {"eos_token": "</s>", "chat_template": "x"}}
    assert check_tokenizer(whole, "boxed") == []
    bare = {"config.json": {"eos_token_id": 0}, "tokenizer_config.json": {}}
    assert ["chat template" in said for said in check_tokenizer(bare, "boxed")] == [True]
    assert check_tokenizer(bare, "plain") == []
    assert check_tokenizer({**bare, "chat_template.jinja": {}}, "boxed") == []
    assert "end-of-sequence" in check_tokenizer({"config.json": {}}, "plain")[0]


def cured(before: TrainConfig, sentence: str) -> TrainConfig:
    """The configuration with every ``--set`` of the sentence."""
    return merge_config(before, *re.findall(r"--set (\S+?=[\w.]+)", sentence))


def merge_config(before: TrainConfig, *assignments: str) -> TrainConfig:
    settings = before.model_dump()
    assert assignments
    for assignment in assignments:
        set_key(settings, assignment)
    return resolve(settings)


# ---- files and the command


def test_a_machine_file_replaces_the_assumptions(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({"flops": 1e15, "bandwidth": 3e12, "step_overhead": 0.001}))
    machine = read_machine(path)
    assert (machine.name, machine.flops, machine.train_efficiency) == ("mine", 1e15, 1.0)
    for wrong in ('{"flops": 1}', '{"flops": 0, "bandwidth": 1}', "[]", '{"flops": "x", "bandwidth": 1}', "{"):
        path.write_text(wrong)
        with pytest.raises(UserError, match=r"machine|ceiling"):
            read_machine(path)


def test_a_profile_is_read_back_as_the_lengths_it_was_made_from(tmp_path: Path) -> None:
    content = json.loads((Path(__file__).parents[1] / "data" / "analysis_golden.json").read_bytes())["profile"]
    content["overall"]["lengths"]["quantiles"] = list(np.linspace(10, 500, 201))
    content["overall"]["truncated"]["value"] = 0.1
    content["protocol"]["max_new_tokens"] = 500
    (tmp_path / "profile.json").write_text(json.dumps(content))
    profile = read_lengths(tmp_path)
    assert profile.truncated(500) == pytest.approx(0.1, abs=1e-3)
    assert profile.truncated(255) == pytest.approx(0.5, abs=1e-3)
    assert math.isclose(profile.known_to, 500)
    capless = {**content, "protocol": {"task": "toy"}}
    for damaged in ({}, {**content, "overall": {}}, capless):
        (tmp_path / "profile.json").write_text(json.dumps(damaged))
        with pytest.raises(UserError, match="profile the model again"):
            read_lengths(tmp_path)
    with pytest.raises(UserError, match="tersely profile"):
        read_lengths(tmp_path / "none.json")


def test_the_command_plans_a_folder_and_a_config_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, task = make_model_folder(tmp_path / "model"), make_task(tmp_path / "task.jsonl")
    arguments = ["plan", "--task", str(task), "--set", "sampling.prompts=4", "--set", "sampling.max_new_tokens=64"]
    assert main([*arguments, "--model", str(model), "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    weights = sum(p.numel() for p in Qwen2ForCausalLM.from_pretrained(model).parameters())
    assert plan["model"]["parameters"] == weights
    assert plan["refusals"] == []
    assert plan["prompt_tokens"]["largest"] > plan["prompt_tokens"]["mean"] / 2 > 5
    assert set(plan["gpu_hours"]) == {m.name for m in ASSUMED.values()}

    alone = tmp_path / "config.json"
    alone.write_text(json.dumps(LARGE))
    said = main(["plan", "--task", str(task), "--model", str(alone), "--gpu-memory", "141"])
    shown = " ".join(capsys.readouterr().out.split())
    assert said == 2
    assert "7.62 B parameters" in shown
    assert "refused: memory does not suffice" in shown


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--model", "nowhere"], "no model at"),
        (["--model", "CONFIG", "--gpus", "0"], "--gpus"),
        (["--model", "CONFIG", "--gpu-memory", "-1"], "--gpu-memory"),
        (["--model", "CONFIG", "--mean-length", "99999"], "mean length"),
        (["--model", "CONFIG", "--mean-length", "9", "--profile", "x"], "one of them"),
        (["--model", "CONFIG", "--machine", "none.json"], "machine"),
    ],
)
def test_mistakes_are_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], word: str
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(SMALL))
    given = [str(tmp_path / "config.json") if a == "CONFIG" else a for a in arguments]
    assert main(["plan", "--task", str(make_task(tmp_path / "t.jsonl")), *given]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert word in said.err
    assert said.err.count("\n") == 1


def test_the_reference_cap_is_the_paper_s() -> None:
    assert config().sampling.max_new_tokens == REFERENCE_CAP
