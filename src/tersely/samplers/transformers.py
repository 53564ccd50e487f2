"""Sampling with transformers models: batched KV-cache decoding, finished rows dropped as they end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tersely.config import DecoderName
from tersely.models.agreement import Truth
from tersely.models.end_tokens import end_tokens
from tersely.models.text import ResponseText
from tersely.records import Finish, Rollout
from tersely.samplers.base import (
    EngineSpec,
    Finished,
    Progress,
    Prompt,
    SamplerRequest,
    Sampling,
    require_numbers,
    row_seeds,
    uniforms,
)
from tersely.samplers.decoder_check import DECODERS, check_decoder
from tersely.samplers.decoders import Decoder
from tersely.samplers.decoding import OPTIONS
from tersely.samplers.decoding.steer import Options
from tersely.samplers.weights import cast_copy

COMPACT_BELOW = 0.85
"""Ended rows are dropped once the living ones are under this share of the batch: copying the cache costs about one
step, so dropping at every end would pay more than it saves."""

RANDOM_BLOCK = 64
"""Decode steps whose random numbers are drawn at once."""

FIRST_ROOM = 1024
"""Tokens a response for which memory is taken at first; doubled when it is full."""


class TransformersSampler:
    """The ``Sampler`` protocol on a transformers causal language model.

    ``decoder``: one of ``samplers.decoder_check.DECODERS``, taken as given; "auto" compares with the model's own
    forward before the first response and takes the fastest that is right. ``max_rows`` bounds how many responses are
    decoded at once. ``dtype``: of the weights sampled from (None: the model's own).
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        decoder: DecoderName = "auto",
        max_rows: int = 256,
        dtype: torch.dtype | None = None,
    ) -> None:
        self.tokenizer = tokenizer
        self.decoder_name: str = decoder
        self.max_rows = max_rows
        self.dtype = dtype
        self._copy: Any = None
        self.end_ids = end_tokens(model, tokenizer)
        self.text = ResponseText(tokenizer, self.end_ids)
        self.options = Options(tokenizer, self.end_ids)
        pad = tokenizer.pad_token_id
        self.pad = self.end_ids[0] if pad is None else int(pad)
        self.load_weights(model, 0)

    def load_weights(self, model: Any, version: int) -> None:
        """Weights of another dtype than ours (fp32 masters) are copied into a model of our own, in place after the
        first time; of the same dtype they are shared."""
        self.model, self.version = model, version
        if self.dtype is None or model.dtype == self.dtype:
            return
        if self._copy is None:
            self._copy = cast_copy(model, self.dtype).requires_grad_(False)
        else:
            for copied, trained in zip(self._copy.parameters(), model.parameters(), strict=True):
                copied.data.copy_(trained.data)
        self.model = self._copy

    def close(self) -> None:
        self.model = self._copy = None

    def generate(
        self,
        prompts: Sequence[Prompt],
        sampling: Sampling,
        on_progress: Progress | None = None,
        on_finished: Finished | None = None,
    ) -> list[Rollout]:
        decoder = self._make_decoder()
        block = max(1, self.max_rows // sampling.n)
        rollouts: list[Rollout] = []
        for start in range(0, len(prompts), block):
            chunk = prompts[start : start + block]
            done = len(rollouts)

            def report(finished: int, done: int = done) -> None:
                if on_progress is not None:
                    on_progress(done + finished, len(prompts) * sampling.n)

            rollouts += self._generate_block(decoder, chunk, sampling, report, on_finished)
        return rollouts

    def _make_decoder(self) -> Decoder:
        """Reads the weights as they are now."""
        if self.decoder_name == "auto":
            self.decoder_name = check_decoder(Truth(self.model)).chosen
        return DECODERS[self.decoder_name](self.model)

    @torch.no_grad()
    def _generate_block(
        self,
        decoder: Decoder,
        prompts: Sequence[Prompt],
        sampling: Sampling,
        report: Callable[[int], None],
        on_finished: Finished | None,
    ) -> list[Rollout]:
        device = self.model.device
        seeds_B = row_seeds(prompts, sampling)
        steering = self.options.steering(sampling, [p.tokens for p in prompts])
        drawn = DrawnRows(len(seeds_B), sampling.max_new_tokens, self.end_ids)
        rollouts: dict[int, Rollout] = {}

        def hand_on(responses: NDArray[np.int64]) -> None:
            for b in responses.tolist():
                rollouts[b] = self._rollout(prompts[b // sampling.n], b % sampling.n, *drawn.response(b))
                if on_finished is not None:
                    on_finished(rollouts[b])

        rows = np.arange(len(seeds_B))  # rows[i] is the response that the decoder's row i belongs to
        logits = decoder.start([p.tokens for p in prompts], sampling.n, self.pad)
        for t in range(sampling.max_new_tokens):
            if t % RANDOM_BLOCK == 0:
                random_BT = uniforms(seeds_B, t, RANDOM_BLOCK)
            u_B = torch.from_numpy(random_BT[rows, t % RANDOM_BLOCK]).to(device)
            logits, forced_B = steering.before(t, rows, logits)
            chosen_B, chosen_logprobs_B = draw(logits, u_B, sampling, forced_B)
            logprobs_B = chosen_logprobs_B.float().cpu().numpy()
            require_numbers(logprobs_B)
            picked = chosen_B.cpu().numpy()
            steering.after(rows, picked)
            hand_on(drawn.record(t, rows, picked, logprobs_B))
            alive = np.flatnonzero(~drawn.ended_B[rows])
            if len(alive) == 0 or t + 1 == sampling.max_new_tokens:
                break
            if len(alive) < COMPACT_BELOW * len(rows):
                kept = torch.from_numpy(alive).to(device)
                decoder.keep(kept)
                rows, chosen_B = rows[alive], chosen_B[kept]
                report(len(seeds_B) - len(alive))
            logits = decoder.step(chosen_B)
        hand_on(np.flatnonzero(~drawn.ended_B))
        report(len(seeds_B))
        return [rollouts[b] for b in range(len(seeds_B))]

    def _rollout(
        self, prompt: Prompt, sample: int, tokens: list[int], logprobs: list[float], finish: Finish
    ) -> Rollout:
        return Rollout(
            problem_id=prompt.problem_id,
            index=prompt.first_sample + sample,
            prompt_tokens=prompt.tokens,
            tokens=tuple(tokens),
            logprobs=tuple(logprobs),
            text=self.text(tokens),
            finish=finish,
            policy_version=self.version,
        )


def make(request: SamplerRequest) -> TransformersSampler:
    settings = request.settings
    return TransformersSampler(request.model, request.tokenizer, settings.decoder, settings.max_rows, request.dtype)


SPEC = EngineSpec(make, bit_exact=True, decodes=frozenset(OPTIONS))
"""The reference of the others: always there, and a response is a function of (weights, seed, problem, sample)."""


class DrawnRows:
    """What a batch of responses has sampled so far, and which of them have ended."""

    def __init__(self, total: int, cap: int, end_ids: Sequence[int]) -> None:
        self.tokens_BT = np.zeros((total, min(cap, FIRST_ROOM)), np.int64)
        self.logprobs_BT = np.zeros(self.tokens_BT.shape, np.float32)
        self.lengths_B = np.zeros(total, np.int64)
        self.ended_B = np.zeros(total, np.bool_)
        self.end_ids = np.array(end_ids)

    def record(
        self, t: int, rows: NDArray[np.int64], picked: NDArray[np.int64], logprobs: NDArray[np.float32]
    ) -> NDArray[np.int64]:
        """Token t of the decoder's rows; returns the responses that end with it. Those ended before but not yet
        dropped go on decoding: what they say is not recorded."""
        if t == self.tokens_BT.shape[1]:
            self.tokens_BT = np.pad(self.tokens_BT, ((0, 0), (0, t)))
            self.logprobs_BT = np.pad(self.logprobs_BT, ((0, 0), (0, t)))
        live = ~self.ended_B[rows]
        owners = rows[live]
        self.tokens_BT[owners, t] = picked[live]
        self.logprobs_BT[owners, t] = logprobs[live]
        self.lengths_B[owners] = t + 1
        ending: NDArray[np.int64] = owners[np.isin(picked[live], self.end_ids)]
        self.ended_B[ending] = True
        return ending

    def response(self, b: int) -> tuple[list[int], list[float], Finish]:
        """Tokens, log-probabilities and finish of response b."""
        length = self.lengths_B[b]
        finish = Finish.EOS if self.ended_B[b] else Finish.LENGTH
        return self.tokens_BT[b, :length].tolist(), self.logprobs_BT[b, :length].tolist(), finish


def draw(logits_BV: Tensor, u_B: Tensor, sampling: Sampling, forced_B: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """One token a row by inverting the cumulative distribution at u, and its log-probability.

    The log-probability is that of softmax(logits / temperature), before any top-p cut; at temperature 0 the argmax is
    taken and the log-probability is the untempered one. Where ``forced_B`` is no -1, that token is taken instead.
    """
    if sampling.temperature == 0.0:
        logprobs_BV = logits_BV.log_softmax(-1)
        chosen_B = _forced(logits_BV.argmax(-1), forced_B)
        return chosen_B, logprobs_BV.gather(-1, chosen_B[:, None])[:, 0]
    logprobs_BV = (logits_BV / sampling.temperature).log_softmax(-1)
    probabilities_BV = logprobs_BV.exp().double()
    if sampling.top_p < 1.0:
        probabilities_BV = cut_tail(probabilities_BV, sampling.top_p)
    cumulative_BV = probabilities_BV.cumsum(-1)
    target_B1 = (u_B * cumulative_BV[:, -1])[:, None]
    chosen_B = torch.searchsorted(cumulative_BV, target_B1, right=True)[:, 0].clamp_max(logits_BV.shape[-1] - 1)
    chosen_B = _forced(chosen_B, forced_B)
    return chosen_B, logprobs_BV.gather(-1, chosen_B[:, None])[:, 0]


def _forced(chosen_B: Tensor, forced_B: Tensor | None) -> Tensor:
    return chosen_B if forced_B is None else torch.where(forced_B < 0, chosen_B, forced_B)


def cut_tail(probabilities_BV: Tensor, top_p: float) -> Tensor:
    """Nucleus sampling (Holtzman et al. 2020): zero all but the fewest most probable tokens that reach top_p."""
    ordered, order = probabilities_BV.sort(-1, descending=True)
    before = ordered.cumsum(-1) - ordered
    ordered = ordered.masked_fill(before >= top_p, 0.0)
    return torch.zeros_like(probabilities_BV).scatter(-1, order, ordered)
