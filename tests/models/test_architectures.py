"""The check at load, on small random models: each architecture is computed as its own forward does, or refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from run_files import content_of
from tersely.config import TrainConfig
from tersely.errors import RunError, UserError
from tersely.facts import Facts
from tersely.learn.heads import BehindBase, OutputLayer, head_logprobs
from tersely.learn.scorer_check import BaseCheck, check_base, check_head, scorer_gap
from tersely.models.agreement import FP32_BOUND, MODEL_CHECK, PartCheck, Tried, Truth, first_right, own_logprobs
from tersely.models.positions import Room, switch_of
from tersely.models.tokenizer_check import TokenizerCheck
from tersely.samplers.decoder_check import DECODERS, check_decoder, decoder_gap
from tiny_architectures import LONGROPE, tiny_config, tiny_model

CPU = Facts(torch.device("cpu"), torch.float32, "transformers")


def checked(model: Any, layout: str = "auto", decoder: str = "auto", dtype: torch.dtype = torch.float32) -> BaseCheck:
    learner, sampling = {"layout": layout}, {"decoder": decoder}
    return check_base(
        model, TrainConfig(model="m", task="arithmetic", learner=learner, sampling=sampling), replace(CPU, dtype=dtype)
    )


@pytest.mark.parametrize(
    ("architecture", "decoder", "head"),
    [
        ("llama", "fused", "weights"),
        ("qwen3", "model", "weights"),
        ("gemma2", "model", "weights"),  # soft caps, sliding windows
        ("gpt2", "model", "weights"),
        ("mixtral", "model", "weights"),
        ("cohere", "model", "forward"),  # a scale behind the head
        ("granite", "model", "forward"),
        ("granitemoe", "model", "forward"),
        ("hyperclovax", "model", "forward"),
        ("modernbert-decoder", "model", "forward"),  # a head of several layers
        ("llama4_text", "equal", "logits"),  # its base is the whole model; attention within chunks of columns
        ("lfm2", "model", "weights"),  # convolutions
        ("jamba", "model", "weights"),  # a recurrent state in some layers
        ("qwen3_next", "model", "weights"),
        ("mamba", "generate", "weights"),  # a recurrent state and nothing else
        ("rwkv", "recompute", "weights"),
    ],
)
def test_every_part_agrees_with_the_models_own_forward(architecture: str, decoder: str, head: str) -> None:
    found = checked(tiny_model(architecture))
    assert found.decoder is not None
    assert (found.decoder.chosen, found.head.chosen, found.layout.chosen) == (decoder, head, "padded")
    assert max(found.decoder.gap, found.head.gap, found.layout.gap) < FP32_BOUND


@pytest.mark.parametrize("architecture", ["cohere", "granite", "hyperclovax", "modernbert-decoder"])
def test_the_output_layer_alone_would_be_wrong_by_more_than_a_nat(architecture: str) -> None:
    """What such a run was trained with: the check must see it, and the note must name it."""
    head = check_head(Truth(tiny_model(architecture)))
    assert head.tried[0].path == "weights"
    assert head.tried[0].gap is not None
    assert head.tried[0].gap > 1.0
    assert "output head: weights is off by" in str(head.note())


@pytest.mark.parametrize("architecture", ["lfm2", "jamba", "qwen3_next", "mamba", "falcon_h1", "bloom"])
def test_packing_is_refused_by_name_where_rows_would_change_one_another(architecture: str) -> None:
    model = tiny_model(architecture)
    with pytest.raises(UserError, match=rf"packed is off by .* nats on this {architecture} model.*layout=padded"):
        checked(model, layout="packed")


@pytest.mark.parametrize("architecture", ["llama", "qwen3", "gemma2", "granite"])
def test_packing_is_taken_where_the_models_own_forward_agrees(architecture: str) -> None:
    found = checked(tiny_model(architecture), layout="packed")
    assert found.layout.chosen == "packed"
    assert found.layout.gap < FP32_BOUND


def test_attention_within_chunks_meets_no_padding_and_is_not_packed_though_the_rows_compared_are_shorter() -> None:
    """Of 64 columns here, 8,192 in Llama 4: beyond them padding on the left was off by 0.4 nats, packing by 0.3."""
    model = tiny_model("llama4_text")
    rows = [[50 + (7 * i) % 60 for i in range(length)] for length in (90, 71)]
    found = check_decoder(Truth(model))
    with torch.no_grad():
        decoder = DECODERS[found.chosen](model)
        logprobs = [decoder.start([row[:-2] for row in rows], 1, 0), decoder.step(torch.tensor([r[-2] for r in rows]))]
        for b, row in enumerate(rows):
            own = own_logprobs(model, [row])[0]
            for t, ours in enumerate(logprobs):
                assert float((ours[b].log_softmax(-1) - own[len(row) - 3 + t]).abs().max()) < FP32_BOUND
    with pytest.raises(UserError, match=r"packed fails on this llama4_text model.*layout=padded"):
        checked(model, layout="packed")


def test_biases_that_are_zero_when_a_model_is_loaded_are_not_left_out_once_they_are_trained() -> None:
    model = tiny_model("llama", mlp_bias=True)
    found = check_decoder(Truth(model)).chosen
    model.model.layers[0].mlp.down_proj.bias.data += torch.linspace(-1, 1, 32)
    truth = Truth(model)
    with torch.no_grad():
        assert decoder_gap(DECODERS[found](model), truth) < FP32_BOUND


@pytest.mark.parametrize("name", list(DECODERS))
def test_every_decoder_gives_a_models_own_logprobs_whatever_the_lengths(name: str) -> None:
    truth = Truth(tiny_model("llama"))
    with torch.no_grad():
        assert decoder_gap(DECODERS[name](truth.model), truth) < FP32_BOUND


def test_a_decoder_that_does_not_know_the_model_is_refused_and_a_wrong_one_repaired() -> None:
    with pytest.raises(UserError, match="does not know models of type 'gpt2'"):
        checked(tiny_model("gpt2"), decoder="fused")
    # A variant of a known architecture that the fused decoder would compute wrongly without noticing.
    model = tiny_model("llama")
    model.model.layers[0].mlp.act_fn = torch.nn.GELU()
    found = check_decoder(Truth(model))
    assert [tried.path for tried in found.tried] == ["fused", "model"]
    assert "decoder: fused is off by" in str(found.note())


def test_where_no_way_is_right_one_sentence_names_part_difference_and_cure() -> None:
    truth = Truth(tiny_model("llama"))

    def fails() -> float:
        raise AttributeError("no such cache")

    with pytest.raises(UserError) as refused:
        first_right("decoder", truth, [("fast", lambda: 0.5), ("slow", fails)], "take another engine")
    assert str(refused.value) == (
        "the decoder cannot reproduce this llama model's own log-probabilities (fast is off by 0.5 nats, slow fails; "
        "allowed are 0.0001 nats): take another engine"
    )


def test_a_model_whose_logits_are_no_numbers_is_refused_before_anything_is_sampled() -> None:
    model = tiny_model("llama")
    model.model.norm.weight.data[0] = float("nan")
    with pytest.raises(RunError, match="not numbers"):
        checked(model)


def test_a_model_without_a_gradient_is_refused_before_it_is_trained() -> None:
    """Reformer answers a backward pass outside its training mode with an assertion."""
    with pytest.raises(UserError, match=r"no gradient can be taken of this reformer model \(.*model.train"):
        checked(tiny_model("reformer"))
    model = tiny_model("llama")
    checked(model)
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.slow
def test_a_forward_that_fails_in_a_smaller_type_is_one_sentence() -> None:
    """The weights train in fp32 under autocast, but the copy that is sampled from is in bfloat16."""
    with pytest.raises(UserError, match=r"the own forward of this xlstm model fails in bfloat16 \(.*run in float32"):
        checked(tiny_model("xlstm"), dtype=torch.bfloat16)
    found = checked(tiny_model("mamba"), dtype=torch.bfloat16).decoder
    assert found is not None
    assert found.bound > FP32_BOUND  # that of the copy
    assert [tried.path for tried in found.tried] == ["model", "equal", "generate"]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("architecture", ["llama", "qwen3_moe", "granite"])
def test_in_a_smaller_type_the_models_own_rounding_is_the_measure(architecture: str, dtype: torch.dtype) -> None:
    truth = Truth(tiny_model(architecture).to(dtype))
    assert FP32_BOUND < truth.bound < 0.2
    head = check_head(truth)
    assert head.chosen == ("forward" if architecture == "granite" else "weights")
    assert check_decoder(truth).chosen in ("fused", "model")


def test_the_check_leaves_model_and_random_state_as_they_were() -> None:
    model = tiny_model("granite")
    weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    state = torch.get_rng_state()
    checked(model)
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(tensor, weights[name]) for name, tensor in model.state_dict().items())
    assert "forward" not in vars(model.base_model)


def test_what_was_compared_stands_in_the_folder(tmp_path: Path) -> None:
    notes: list[str] = []
    checked(tiny_model("granite")).whole(TokenizerCheck("Fast", None)).record(tmp_path, notes.append)
    found = content_of(tmp_path / MODEL_CHECK)
    assert {part: content["chosen"] for part, content in found.items()} == {
        "decoder": "model",
        "output head": "forward",
        "layout": "padded",
        "tokenizer": "Fast",
    }
    assert [tried["path"] for tried in found["output head"]["tried"]] == ["weights", "forward"]
    assert len(notes) == 1
    assert PartCheck("decoder", 1e-4, (Tried("fused", 1e-6),)).note() is None


# --- rotary embeddings that change


def test_a_cap_beyond_which_attention_chooses_from_later_tokens_is_refused() -> None:
    """Doge's own log-probabilities of a token change with what follows, by 2 to 4 nats, in rows of more than that."""
    model = tiny_model("doge", keep_window_size=4)
    row = [64 + (37 * i) % 32 for i in range(30)]
    with torch.no_grad():
        whole, beginning = (own_logprobs(model, [row[:n]])[0][:20] for n in (30, 20))
    assert float((whole - beginning).abs().max()) > 0.1
    room = Room.of(model.config.to_dict())
    assert room.refusal(2, 2, "cap=") is None
    sentence = str(room.refusal(2, 3, "cap="))
    assert "beyond 4 tokens, where this model's attention reads a part" in sentence
    assert sentence.endswith("use cap=2 or less")


def test_a_cap_beyond_the_switch_of_a_long_rope_is_refused() -> None:
    config = tiny_config("phi3")
    config.original_max_position_embeddings = 32
    config.rope_parameters = {**LONGROPE, "original_max_position_embeddings": 32}
    assert switch_of(config.to_dict()) == 32
    assert Room.of(config.to_dict()).refusal(12, 20, "cap=") is None
    assert "beyond 32 tokens" in str(Room.of(config.to_dict()).refusal(12, 21, "cap="))
    assert str(Room.of(config.to_dict()).refusal(12, 21, "cap=")).endswith("use cap=20 or less")
    assert str(Room.of(config.to_dict()).refusal(40, 1, "cap=")).endswith("leave the longest problems out")


@pytest.mark.parametrize(
    ("config", "switch"),
    [
        ({"rope_scaling": {"type": "su"}, "original_max_position_embeddings": 4096}, 4096),
        ({"rope_scaling": {"rope_type": "longrope", "original_max_position_embeddings": 8}}, 8),
        ({"text_config": {"rope_parameters": {"rope_type": "longrope", "original_max_position_embeddings": 8}}}, 8),
        ({"rope_parameters": {"full_attention": {"rope_type": "default"}}}, None),
        ({"rope_scaling": None}, None),
        ({"rope_scaling": {"rope_type": "yarn", "original_max_position_embeddings": 8}}, None),
    ],
)
def test_the_switch_is_read_wherever_a_configuration_keeps_it(config: dict[str, Any], switch: int | None) -> None:
    assert switch_of(config) == switch


# --- the head's gradient


def test_the_heads_gradient_over_chunks_is_as_exact_as_over_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """In bfloat16, against the gradient in float64: 73 chunks added one to another in bfloat16 lost 1 %."""
    model = tiny_model("llama").bfloat16()
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(73 * 4, 32, generator=generator).bfloat16()
    targets = torch.randint(0, 128, (len(hidden),), generator=generator)

    def gradient(limit: int, dtype: torch.dtype) -> torch.Tensor:
        monkeypatch.setattr("tersely.learn.heads.CHUNK_LOGITS", limit)
        model.to(dtype).zero_grad()
        logprobs_N, _ = head_logprobs(OutputLayer(model), hidden.to(dtype), targets, 1.0)
        logprobs_N.sum().backward()
        return model.lm_head.weight.grad.double().clone()

    right, one, many = (
        gradient(2**26, torch.float64),
        gradient(2**26, torch.bfloat16),
        gradient(128 * 4, torch.bfloat16),
    )
    error = [float((found - right).norm() / right.norm()) for found in (one, many)]
    assert error[1] < 1.4 * error[0]
    assert error[1] < 0.004  # 0.010 before


def test_a_head_behind_the_base_gives_its_weights_their_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_model("modernbert-decoder").double()
    hidden = torch.randn(20, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    targets = torch.arange(20)
    found = []
    for limit in (2**26, 128 * 3):
        monkeypatch.setattr("tersely.learn.heads.CHUNK_LOGITS", limit)
        model.zero_grad()
        logprobs_N, _ = head_logprobs(BehindBase(model), hidden, targets, 1.0)
        logprobs_N.sum().backward()
        found.append({n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None})
    assert {"lm_head.dense.weight", "lm_head.norm.weight", "decoder.weight"} <= set(found[0])
    for name, one in found[0].items():
        torch.testing.assert_close(one, found[1][name])


def test_the_reference_is_not_the_padded_batch() -> None:
    """The truth is each row alone: a scorer that agrees with a wrong batch only would be found out."""
    truth = Truth(tiny_model("llama"))
    with torch.no_grad():
        assert scorer_gap(truth, "weights") < FP32_BOUND
        truth.logprobs[1] = truth.logprobs[1].roll(1, 0)
        assert scorer_gap(truth, "weights") > 0.1


@pytest.mark.slow
def test_a_model_that_autocast_changes_is_refused_in_the_smaller_type() -> None:
    """Kimi Linear's state, in fp32 in its own code, is rounded at every step: five times what bfloat16 weights cost."""
    model = tiny_model("kimi_linear")
    with pytest.raises(UserError, match=r"bfloat16 is off by 0\.\d+ nats from this kimi_linear .*run.dtype=float32"):
        checked(model, dtype=torch.bfloat16)
    assert checked(model).precision is None


@pytest.mark.parametrize("architecture", ["llama", "qwen3_next", "mixtral"])
def test_the_rounding_of_a_smaller_type_is_allowed_and_recorded(architecture: str) -> None:
    found = checked(tiny_model(architecture), dtype=torch.bfloat16).precision
    assert found is not None
    assert found.part == "precision"
    assert 0 < found.gap <= found.bound
