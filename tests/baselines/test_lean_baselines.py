"""Baselines with adapters and with 8-bit moments, and what does not fit into memory."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tersely.baselines.memory import require_memory, tuning_bytes
from tersely.baselines.settings import BaselineConfig, from_recipe, resolve_baseline
from tersely.baselines.trainers import Example, tune
from tersely.config import LoraConfig, read_recipe
from tersely.errors import UserError
from tersely.plan.memory import RESERVE
from tersely.plan.shape import ModelShape
from tersely.stop import StopRequest
from tiny_models import make_model, make_tokenizer

QWEN_7B = {
    "model_type": "qwen2",
    "vocab_size": 152064,
    "hidden_size": 3584,
    "intermediate_size": 18944,
    "num_hidden_layers": 28,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
    "tie_word_embeddings": False,
}
GB = 1e9


def config(method: str = "sft", **tuning: Any) -> BaselineConfig:
    """The 7B recipe on one GPU, as its plan says."""
    recipe = read_recipe("paper-7b")
    settings = from_recipe({**recipe, "learner": {**recipe["learner"], "optimizer": "adam8bit"}})
    own = {**settings["tuning"], "learning_rate": 1e-5, **tuning}
    return resolve_baseline(
        method, {**settings, "model": "m", "task": "t", "tuning": own, "run": {"dtype": "bfloat16"}}
    )


def test_the_recipe_of_training_gives_baselines_its_lean_optimizer() -> None:
    tuning = config().tuning
    assert (tuning.optimizer, tuning.gradient_checkpointing, tuning.lora) == ("adam8bit", True, None)


@pytest.mark.parametrize(
    ("method", "tuning", "held"),
    [
        # 7.616 G parameters. fp32 masters and gradients, two moments: 4 + 4 + 8; the casts of 7.07 G weights in bf16.
        ("sft", {"optimizer": "adam"}, 16 * 7.616 + 2 * 7.071),
        ("sft", {"optimizer": "adam8bit"}, 10.03125 * 7.616 + 2 * 7.071),
        ("dpo", {"optimizer": "adam8bit"}, 10.03125 * 7.616 + 2 * 7.071 + 2 * 7.616),
        # Ours: bf16 weights, fp32 gradients, the lower half of the masters and the moments: 2 + 4 + 4.03; no casts.
        ("o1-pruner", {"optimizer": "adam8bit"}, 10.03125 * 7.616),
        # The frozen base and its merged copy; 80.7 M parameters of adapters in fp32 with Adam.
        ("sft", {"optimizer": "adam", "lora": {"rank": 32}}, 4 * 7.616 + 16 * 0.0807),
        ("dpo", {"optimizer": "adam", "lora": {"rank": 32}}, 6 * 7.616 + 16 * 0.0807),
    ],
)
def test_bytes_held_are_those_counted_by_hand(method: str, tuning: dict[str, Any], held: float) -> None:
    shape, asked = ModelShape.of(QWEN_7B), config(method, token_budget=1, **tuning)
    tiny = asked.model_copy(update={"sampling": asked.sampling.model_copy(update={"max_new_tokens": 1})})
    # One token, or two: next to nothing beside what is held.
    assert tuning_bytes(method, shape, tiny, 2) / GB == pytest.approx(held, rel=0.005)


def test_what_does_not_fit_is_refused_with_numbers_and_a_mend_that_works() -> None:
    available = lambda kind: (int(80e9), "a GPU of 80 GB")  # noqa: E731
    with pytest.raises(UserError, match=r"sft needs (\d+) GB while it learns and 80 GB are there; use --set ") as said:
        require_memory("sft", config(), QWEN_7B, "cuda", available)
    assert str(said.value).endswith("--set tuning.gradient_checkpointing=true --set tuning.lora.rank=32")
    require_memory("sft", config(optimizer="adam", lora={"rank": 32}), QWEN_7B, "cuda", available)
    with pytest.raises(
        UserError, match=r"use --set tuning\.optimizer=adam --set .*lora\.rank=32$"
    ):  # adapters take no other
        require_memory("sft", config(optimizer="adam8bit"), QWEN_7B, "cuda", available)
    with pytest.raises(UserError, match="no setting makes it fit"):
        require_memory("dpo", config(), QWEN_7B, "cuda", lambda kind: (int(30e9), ""))
    require_memory("sft", config(), QWEN_7B, "cuda", lambda kind: (int(141e9), ""))
    # What has no formula, and memory that nobody knows, is not judged.
    require_memory("sft", config(), {**QWEN_7B, "model_type": "own"}, "cuda", available)
    require_memory("sft", config(), QWEN_7B, "cpu", lambda kind: (0, ""))


def test_where_adapters_do_not_fit_the_mend_is_one_that_they_take() -> None:
    wide = config(optimizer="adam", lora={"rank": 4096, "targets": "q_proj,v_proj"}, gradient_checkpointing=False)
    shape = ModelShape.of(QWEN_7B)
    narrow = wide.tuning.model_copy(update={"lora": LoraConfig(rank=32, targets="q_proj,v_proj")})
    narrow = narrow.model_copy(update={"gradient_checkpointing": True})
    fits = tuning_bytes("sft", shape, wide.model_copy(update={"tuning": narrow}), 2) + RESERVE["cuda"] + 1e6
    with pytest.raises(UserError, match=r"tuning\.gradient_checkpointing=true --set tuning\.lora\.rank=32$"):
        require_memory("sft", wide, QWEN_7B, "cuda", lambda kind: (int(fits), ""))
    with pytest.raises(UserError, match="no setting makes it fit"):
        require_memory("sft", wide, QWEN_7B, "cuda", lambda kind: (int(10e9), ""))


def test_adapters_take_adam() -> None:
    with pytest.raises(UserError, match=r"tuning\.optimizer = adam8bit would save next to nothing with tuning.lora"):
        config(lora={"rank": 4})


@pytest.mark.slow
def test_8_bit_moments_learn_what_adam_learns() -> None:
    """Through TRL: the loss of the same examples falls alike."""
    tokenizer = make_tokenizer()
    examples = [Example((5, 6, 7), (20 + i, 30, 31, 32)) for i in range(4)]
    last = {}
    for optimizer in ("adam", "adam8bit"):
        losses: list[float] = []
        found = config(optimizer=optimizer, learning_rate=1e-2, epochs=4, batch=4, gradient_checkpointing=False)
        with StopRequest() as stop:
            tune(
                "sft", make_model(len(tokenizer)), None, tokenizer, examples, found.tuning, dtype=torch.float32,
                seed=0, on_step=lambda done, losses=losses: losses.append(done.numbers["loss"]), stop=stop,
            )  # fmt: skip
        assert losses[-1] < losses[0] - 0.5
        last[optimizer] = losses[-1]
    assert last["adam8bit"] == pytest.approx(last["adam"], rel=0.05)
