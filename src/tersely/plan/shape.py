"""What a model's config.json alone says about its size: parameters, cache bytes, floating point operations.

Pure arithmetic for the Llama family of decoders (Llama, Mistral, Qwen2, Qwen3): grouped-query attention, a gated
feed-forward block, two norms a layer and one at the end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tersely.errors import UserError

SUPPORTED = ("llama", "mistral", "qwen2", "qwen3")

_NEEDED = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "vocab_size")


@dataclass(frozen=True, slots=True)
class ModelShape:
    """The numbers of a config.json that decide memory and time.

    Example: ``ModelShape.of(json.loads(path.read_text()))``
    """

    kind: str
    hidden: int
    ffn: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    vocabulary: int
    tied: bool
    """The output head is the embedding matrix."""
    attention_biases: int
    """Bias values of the projections of one layer's attention."""
    mlp_biases: int
    qk_norm: bool
    positions: int | None
    """Longest sequence the model is made for, or None where the config does not say."""

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> ModelShape:
        """Read a config.json. UserError for an architecture without formulas here, or a number that is missing."""
        kind = str(config.get("model_type"))
        if kind not in SUPPORTED:
            raise UserError(
                f"no memory formulas for models of type {kind!r} (known: {', '.join(SUPPORTED)}): nothing is planned "
                "for this model, train it without a plan"
            )
        missing = [name for name in _NEEDED if not isinstance(config.get(name), int) or config[name] < 1]
        if missing:
            raise UserError(f"config.json has no usable {missing[0]}, which a {kind} model needs: download it again")
        heads, hidden = config["num_attention_heads"], config["hidden_size"]
        kv_heads = config.get("num_key_value_heads") or (8 if kind == "mistral" else heads)
        head_dim = config.get("head_dim") or (128 if kind == "qwen3" else hidden // heads)
        q, kv = heads * head_dim, kv_heads * head_dim
        every_bias = q + 2 * kv + hidden if kind in ("llama", "qwen3") and config.get("attention_bias") else 0
        return cls(
            kind=kind,
            hidden=hidden,
            ffn=config["intermediate_size"],
            layers=config["num_hidden_layers"],
            heads=heads,
            kv_heads=kv_heads,
            head_dim=head_dim,
            vocabulary=config["vocab_size"],
            tied=bool(config.get("tie_word_embeddings", False)),
            attention_biases=q + 2 * kv if kind == "qwen2" else every_bias,
            mlp_biases=2 * config["intermediate_size"] + hidden if config.get("mlp_bias") and kind == "llama" else 0,
            qk_norm=kind == "qwen3",
            positions=config.get("max_position_embeddings"),
        )

    @property
    def q_width(self) -> int:
        return self.heads * self.head_dim

    @property
    def kv_width(self) -> int:
        return self.kv_heads * self.head_dim

    @property
    def body_parameters(self) -> int:
        """Layers and norms, without embedding and head.

        A layer: query and output ``2 h q``, key and value ``2 h kv``, gate, up and down ``3 h f``, its biases, two
        norms of h (and for Qwen3 two of the head dimension); after the last layer one norm of h.
        """
        projections = 2 * self.hidden * self.q_width + 2 * self.hidden * self.kv_width + 3 * self.hidden * self.ffn
        norms = 2 * self.hidden + (2 * self.head_dim if self.qk_norm else 0)
        return self.layers * (projections + self.attention_biases + self.mlp_biases + norms) + self.hidden

    @property
    def head_parameters(self) -> int:
        """One vocabulary matrix, V h: the head, and as many again for an embedding of its own."""
        return self.vocabulary * self.hidden

    @property
    def parameters(self) -> int:
        """All of them; a tied head counts once."""
        return self.body_parameters + self.head_parameters * (1 if self.tied else 2)

    @property
    def read_per_step(self) -> int:
        """Parameters read for each decoded token: body and head. Of the embedding only a row a sequence is read."""
        return self.body_parameters + self.head_parameters

    def adapter_parameters(self, rank: int, targets: Sequence[str]) -> int:
        """Of LoRA: ``rank (in + out)`` for every linear layer named; "all-linear" is the seven of each layer."""
        h, q, kv, f = self.hidden, self.q_width, self.kv_width, self.ffn
        widths = {"q_proj": h + q, "k_proj": h + kv, "v_proj": h + kv, "o_proj": q + h}
        widths |= dict.fromkeys(("gate_proj", "up_proj", "down_proj"), h + f)
        names = widths.keys() if list(targets) == ["all-linear"] else {name.rpartition(".")[2] for name in targets}
        head = h + self.vocabulary if "lm_head" in names else 0
        return rank * (self.layers * sum(widths.get(name, 0) for name in names) + head)

    def kv_bytes(self, element: int) -> int:
        """Cache bytes of one token of one sequence: keys and values of every layer. ``element``: bytes a number."""
        return 2 * self.layers * self.kv_width * element

    def activation_bytes(self, element: int, stream: int) -> int:
        """Bytes that one layer keeps of one token for the backward pass, as transformers computes it.

        b = ``element`` of the products, r = ``stream`` of the residual stream: r = 4 with b = 2 is autocast over fp32
        weights. Gate, its SiLU, up and their product ``4 f b``. Two norms, each its input in fp32 and the normalised
        one ``8 h + 2 h r + 8``. What the projections read: ``2 h b``, but ``5 h b`` under autocast, which casts it
        for each of query, key, value, gate and up anew. Query and attention output ``2 q b``, key and value
        ``2 kv b``, the softmax's log-sum ``4`` a head; Qwen3's norms of query and key ``(4 + b)(q + kv) + 4`` a head.
        Source: counted from the saved tensors of transformers 5.17 with torch's scaled-dot-product attention
        (tests/plan/test_plan.py counts them again).
        """
        copies = 2 if element == stream else 5
        norms = 8 * self.hidden + 2 * self.hidden * stream + 8 + copies * self.hidden * element
        attention = 2 * (self.q_width + self.kv_width) * element + 4 * self.heads
        if self.qk_norm:
            attention += (4 + element) * (self.q_width + self.kv_width) + 4 * (self.heads + self.kv_heads)
        return 4 * self.ffn * element + norms + attention

    def adapter_activation_bytes(self, rank: int, element: int) -> int:
        """What LoRA on every linear layer adds to ``activation_bytes``, residual stream and products in ``element``.

        Frozen norms keep no normalised input, ``-2 h b``; each adapter keeps its narrow product, ``7 rank b``; in bf16
        autocast casts the input of every adapter anew, ``(3 h + q) b``. Fewer targets, and Qwen3, keep less.
        Source: counted from saved tensors, peft 0.21 (tests/learn/test_lora.py).
        """
        casts = 3 * self.hidden + self.q_width if element == 2 else 0
        return (7 * rank - 2 * self.hidden + casts) * element

    def linear_flops(self, tokens: float) -> float:
        """Forward pass without attention: two operations a parameter read and token."""
        return 2.0 * self.read_per_step * tokens

    def attention_flops(self, squares: float) -> float:
        """Forward causal attention, ``2 q`` a layer for each ``length^2`` (two products, half of the square each)."""
        return 2.0 * self.q_width * self.layers * squares
