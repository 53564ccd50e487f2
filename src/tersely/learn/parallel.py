"""Several processes as one: who they are and what they tell each other.

Started by torchrun, every process runs the same program on its share of the prompts. What they tell each other travels
as JSON in byte tensors over gloo; how weights are shared out among them is ``tersely.learn.shards``'s. With one process
nothing here does anything.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import nn

from tersely.errors import RunError, TerselyError, UserError

T = TypeVar("T")

PATIENCE = timedelta(hours=6)
"""How long a process waits for the others: the longest response of a step decides who is last."""


@dataclass(frozen=True, slots=True)
class World:
    """The processes of one run, as one of them sees it. Example: ``World()`` is a single process."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    """Place on this machine: which GPU is ours."""

    @classmethod
    @contextlib.contextmanager
    def joined(cls) -> Iterator[World]:
        """The world that torchrun's environment describes, for as long as the context lasts."""
        size = int(os.environ.get("WORLD_SIZE", "1"))
        if size == 1:
            yield cls()
            return
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
        dist.init_process_group(backend, timeout=PATIENCE)
        try:
            yield cls(dist.get_rank(), size, int(os.environ.get("LOCAL_RANK", "0")))
        finally:
            dist.destroy_process_group()

    @property
    def is_main(self) -> bool:
        """Whether this process writes the run folder and speaks to the user."""
        return self.rank == 0

    def own_device(self, device: torch.device) -> torch.device:
        """The same kind of device, but ours: each process of a machine has a GPU of its own."""
        if self.size == 1 or device.type != "cuda":
            return device
        torch.cuda.set_device(self.local_rank)
        return torch.device("cuda", self.local_rank)

    # ---- what the processes tell each other

    def all_gather(self, record: T) -> list[T]:
        """The record (JSON values) of every rank, in order of rank. Every rank must call."""
        if self.size == 1:
            return [record]
        data = torch.frombuffer(bytearray(json.dumps(record).encode()), dtype=torch.uint8)
        lengths = [torch.zeros(1, dtype=torch.int64) for _ in range(self.size)]
        try:
            dist.all_gather(lengths, torch.tensor([len(data)]))
            longest = int(max(lengths))
            found = [torch.empty(longest, dtype=torch.uint8) for _ in range(self.size)]
            dist.all_gather(found, nn.functional.pad(data, (0, longest - len(data))))
        except RuntimeError as error:
            raise RunError(
                f"process {self.rank} lost the others ({str(error).splitlines()[0]}): what the first of them to end "
                "said is the cause; the last checkpoint stands"
            ) from error
        return [json.loads(bytes(f[: int(n)].numpy())) for f, n in zip(found, lengths, strict=True)]

    def all_sum(self, value: float) -> float:
        return sum(self.all_gather(value))

    def broadcast(self, make: Callable[[], T]) -> T:
        """What ``make`` (JSON values) gives on rank 0, on every rank; its error ends them all."""
        with self.collective_errors():
            made = make() if self.is_main else None
        return self.all_gather(made)[0]  # type: ignore[return-value]

    @contextlib.contextmanager
    def collective_errors(self) -> Iterator[None]:
        """What one rank cannot do ends all of them: the first that failed raises its error, the others leave silently
        with the same exit code. Nothing inside may wait for another rank."""
        if self.size == 1:
            yield
            return
        error: TerselyError | None = None
        try:
            yield
        except TerselyError as raised:
            error = raised
        codes = self.all_gather(0 if error is None else error.exit_code)
        failed = [rank for rank, code in enumerate(codes) if code]
        if failed and failed[0] != self.rank:
            raise SystemExit(codes[failed[0]])
        if error is not None:
            raise error

    def raise_on_rank0(self, error: Any) -> BaseException:
        """To be raised where every rank has come upon the same end: rank 0 says it, the others leave with its code."""
        return error if self.is_main else SystemExit(error.exit_code)

    # ---- shares

    def share(self, items: Sequence[T], together: int = 1) -> Sequence[T]:
        """Every so manieth item, ours first. So many neighbouring processes as work ``together`` have the same share,
        and ``size`` is a multiple of them."""
        return items[self.rank // together :: self.size // together]

    def merge(self, shares: Sequence[Sequence[T]], together: int = 1) -> list[T]:
        """The whole that was shared out: of processes that worked together, what the first of them says."""
        firsts = shares[::together]
        return [firsts[i % len(firsts)][i // len(firsts)] for i in range(sum(map(len, firsts)))]


def require_teams(world: World, together: int) -> None:
    """UserError where the processes cannot be shared out among engines of ``together`` processes each."""
    if world.size % together:
        raise UserError(
            f"one engine takes {together} processes together (its options say so), and {world.size} cannot be shared "
            f"out so: start a multiple of {together} with torchrun --nproc-per-node, or leave the option out"
        )
