"""Continuous batching of transformers: responses of many lengths in one batch over a paged cache.

A response that ends makes room for the next one at once, so ``max_rows`` rows stay busy until the last problems. It
samples from the very module it is given, so nothing is copied and weights updated in place are seen.

Its random numbers come from one generator for all requests (there are no seeds a request), so a response depends on
which others are sampled with it: the same call gives the same responses on a CPU, but another division of the problems
among calls gives others. Not measured on a GPU; on a CPU it is far slower than our own decoders, because its attention
there is dense over all requests of a batch.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
from collections.abc import Generator, Iterator, Sequence
from dataclasses import fields
from typing import Any

import torch

from tersely.errors import RunError, UserError
from tersely.samplers.base import Prompt, Sampling, row_seeds

PAGE = 256
"""Tokens of a page of the cache (the library's default)."""

PREFILL_TOKENS = 512
"""Least tokens of a batch on a CPU, where the library cannot tell how many are good; a longer prompt is cut up."""

Drawn = tuple[int, list[int], list[float]]
"""Which response (prompt by prompt, siblings in order), its tokens, their log-probabilities."""


def draw_continuously(
    model: Any, prompts: Sequence[Prompt], sampling: Sampling, end_ids: Sequence[int], pad: int, max_rows: int
) -> Generator[Drawn, None, None]:
    """Every response as it ends. Close the iterator to give the cache back before the last one."""
    requests = [list(prompt.tokens) for prompt in prompts for _ in range(sampling.n)]
    manager_class, config = _configuration(model, prompts, sampling, max_rows)
    with _lent(model):
        manager = manager_class(
            model=model, generation_config=_generation(sampling, end_ids, pad), continuous_batching_config=config
        )
        try:
            # All before the start: a batch must not depend on how fast requests come in.
            for row, tokens in enumerate(requests):
                manager.add_request(tokens, str(row), sampling.max_new_tokens, eos_token_id=list(end_ids))
            manager.start()
            for _ in requests:
                yield _next(manager)
        finally:
            if manager.is_running():
                manager.stop(block=True, hard_stop=True)
            manager.destroy()


def _configuration(model: Any, prompts: Sequence[Prompt], sampling: Sampling, max_rows: int) -> tuple[Any, Any]:
    """The manager's class and its configuration."""
    try:
        from transformers import ContinuousBatchingConfig
        from transformers.generation.continuous_batching import ContinuousBatchingManager
    except ImportError as error:
        raise UserError(
            "sampling.decoder = continuous needs transformers 5.16 or newer: pip install -U transformers, or leave "
            "the decoder to itself: --set sampling.decoder=auto"
        ) from error
    digest = hashlib.blake2b(row_seeds(prompts, sampling).tobytes(), digest_size=4).digest()
    options: dict[str, Any] = {
        "return_logprobs": True,
        "seed": int.from_bytes(digest, "little"),
        "max_requests_per_batch": max_rows,
    }
    if "auto_switch_to_flash" in {field.name for field in fields(ContinuousBatchingConfig)}:
        # Its own switch may fetch compiled kernels from the hub; ``_lent`` takes what is installed.
        options["auto_switch_to_flash"] = False
    if model.device.type == "cpu":
        longest = max(len(prompt.tokens) for prompt in prompts) + sampling.max_new_tokens
        options["num_blocks"] = (max_rows + 1) * math.ceil(longest / PAGE)
        options["max_batch_tokens"] = max(PREFILL_TOKENS, max_rows)
    return ContinuousBatchingManager, ContinuousBatchingConfig(**options)


def _generation(sampling: Sampling, end_ids: Sequence[int], pad: int) -> Any:
    from transformers import GenerationConfig

    drawn = sampling.temperature > 0.0
    shape: dict[str, Any] = {"temperature": sampling.temperature, "top_p": sampling.top_p, "top_k": 0} if drawn else {}
    return GenerationConfig(
        do_sample=drawn,
        max_new_tokens=sampling.max_new_tokens,
        eos_token_id=list(end_ids),
        pad_token_id=pad,
        **shape,
    )


def _next(manager: Any) -> Drawn:
    while (result := manager.get_result(timeout=1.0)) is None:
        if not manager.is_running():
            raise RunError("continuous batching of transformers ended early: --set sampling.decoder=auto does without")
    if result.error is not None:
        raise RunError(
            f"continuous batching of transformers failed ({result.error}): --set sampling.decoder=auto does without"
        )
    return int(result.request_id), list(result.generated_tokens), list(result.logprobs)


@contextlib.contextmanager
def _lent(model: Any) -> Iterator[None]:
    """The model with an attention that pages can be read by; its own, its mode and torch's generators come back."""
    attention, training = model.config._attn_implementation, model.training
    devices = [model.device] if model.device.type == "cuda" else []
    try:
        with torch.random.fork_rng(devices):
            model.set_attn_implementation(_attention(model))
            yield
    finally:
        model.set_attn_implementation(attention)
        model.train(training)


def _attention(model: Any) -> str:
    """A flash kernel where one is installed and applies, else torch's own attention."""
    from transformers import ContinuousBatchingConfig
    from transformers.utils.import_utils import is_flash_attn_2_available, is_flash_attn_3_available

    if model.device.type == "cuda" and model.dtype in (torch.bfloat16, torch.float16):
        if is_flash_attn_3_available():
            return "flash_attention_3"
        if is_flash_attn_2_available():
            return "flash_attention_2"
    switches = "auto_switch_to_flash" in {field.name for field in fields(ContinuousBatchingConfig)}
    return "sdpa" if switches else "paged|sdpa"
