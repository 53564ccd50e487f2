"""One of several processes that train a tiny model, for tests/learn/test_bytes.py: what it holds, by term of the plan.

Each scenario is {"learner": settings, "dtype": name, "streams": bool}. The bytes that rank r held in scenario i are
written to OUT/i.r.json.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.distributed.fsdp._fully_shard import _fsdp_param_group as fsdp

from tersely.config import LearnerConfig, TrainConfig
from tersely.facts import Facts
from tersely.learn.base_model import load_weights
from tersely.learn.batch import TrainingRow
from tersely.learn.learner import Learner
from tersely.learn.parallel import World
from tersely.models.shares import is_share

CPU = torch.device("cpu")
ROWS = [TrainingRow((5, 6, 7), (10 + i, 40, 41, 42), None, (-1.0) ** i, has_signal=True) for i in range(8)]


def held(tensors: Iterable[Any]) -> int:
    """Bytes of the memory behind the tensors, each counted once; of one that is shared out, of this process's share."""
    local = [tensor.to_local() if is_share(tensor) else tensor for tensor in tensors]
    storages = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in local if not t.is_meta}
    return sum(storages.values())


class Passing:
    """The most that was there at once of whole weights, and of gradients of whole weights with their fp32 copies."""

    def __init__(self) -> None:
        self.groups: set[Any] = set()
        self.gathered = self.reducing = 0

    def look(self, group: Any) -> None:
        self.groups.add(group)
        on_their_way = [g._all_gather_result.all_gather_output for g in self.groups if g._all_gather_result]
        here = [p._unsharded_param for g in self.groups if g.is_unsharded for p in g.fsdp_params]
        self.gathered = max(self.gathered, held([*on_their_way, *here]))

    @contextmanager
    def watching(self) -> Iterator[None]:
        unshard, wait, reduce = fsdp.FSDPParamGroup.unshard, fsdp.FSDPParamGroup.wait_for_unshard, fsdp.foreach_reduce

        def looked(done: Any) -> Any:
            def call(group: Any, *given: Any, **named: Any) -> None:
                done(group, *given, **named)
                self.look(group)

            return call

        def reducing(params: Any, gradients: list[Tensor], *given: Any, **named: Any) -> Any:
            self.reducing = max(self.reducing, sum(g.nbytes + 4 * g.numel() for g in gradients))
            return reduce(params, gradients, *given, **named)

        fsdp.FSDPParamGroup.unshard, fsdp.FSDPParamGroup.wait_for_unshard = looked(unshard), looked(wait)
        fsdp.foreach_reduce = reducing
        try:
            yield
        finally:
            fsdp.FSDPParamGroup.unshard, fsdp.FSDPParamGroup.wait_for_unshard = unshard, wait
            fsdp.foreach_reduce = reduce


def measure(folder: Path, scenario: dict[str, Any], world: World) -> dict[str, int]:
    learner_settings = LearnerConfig(**scenario["learner"])
    config = TrainConfig(model=str(folder), task="arithmetic", learner=learner_settings)
    facts = Facts(CPU, getattr(torch, scenario["dtype"]), "transformers")
    model = load_weights(folder, config, facts, world)
    found = {"loaded": held(model.parameters())}
    parts = (learner_settings, 1.0, 64, facts.dtype, world)
    learner = Learner(model, None, *parts, device=CPU, streams=scenario["streams"])
    served, passing = learner.served_model(), Passing()

    def count_gradients(optimizer: Any, *_: Any) -> None:
        weights = [p for group in optimizer.param_groups for p in group["params"]]
        found["gradients"] = held([p.grad for p in weights])

    learner.optimizer.register_step_pre_hook(count_gradients)
    with passing.watching():
        learner.update([ROWS])
    assert learner.reference is not None
    return found | {
        "weights": held(learner.model.parameters()),
        "optimizer": held(t for state in learner.optimizer.state.values() for t in state.values()),
        "reference": held(learner.reference.model.parameters()),
        "copy": 0 if served is learner.model else held(served.parameters()),
        "gathered": passing.gathered,
        "reducing": passing.reducing,
    }


def measure_all(folder: Path, scenarios: Sequence[dict[str, Any]], out: Path) -> None:
    torch.set_num_threads(1)
    with World.joined() as world:
        for i, scenario in enumerate(scenarios):
            (out / f"{i}.{world.rank}.json").write_text(json.dumps(measure(folder, scenario, world)))
