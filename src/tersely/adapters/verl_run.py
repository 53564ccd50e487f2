"""``tersely train RECIPE --trainer verl``: its files written, its command shown or started, its run taken over."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from tersely.adapters.recipe import opens_thoughts, problems_of, require_expressible
from tersely.adapters.verl import VERL
from tersely.adapters.verl_import import LOG_NAME, import_run
from tersely.adapters.verl_recipe import UNLIKE, hydra_word, rows, settings, write_parquet
from tersely.config import TrainConfig
from tersely.errors import RunError, UserError
from tersely.learn.run_setup import TrainSummary

PLUGIN = "tersely.adapters.verl_plugin"
"""Imported by verl in every process, where the entry point of an installed tersely is not seen."""


@dataclass(frozen=True, slots=True)
class VerlRun:
    """A recipe to be trained by verl, whose files stand beside the run folder ``out``, in ``out.verl``."""

    config: TrainConfig
    out: Path
    overrides: Sequence[str] = ()
    """Further words of verl's own, ``key=value``; they win over ours."""

    @property
    def work(self) -> Path:
        return self.out.with_name(f"{self.out.name}.verl")

    @property
    def parquet(self) -> Path:
        return self.work / "train.parquet"

    @property
    def checkpoints(self) -> Path:
        return self.work / "checkpoints"

    @property
    def logs(self) -> list[Path]:
        """Of each launch, oldest first."""
        return sorted(self.work.glob("log-*.jsonl"))

    def command(self) -> list[str]:
        """verl's own command, which a person can start elsewhere. UserError for what verl cannot express."""
        found = settings(self.config, self.parquet.absolute(), self.checkpoints.absolute())
        words = [hydra_word(key, value) for key, value in found.items()]
        return [sys.executable, "-m", "verl.trainer.main_ppo", *words, *self.overrides]

    def environment(self) -> Mapping[str, str]:
        """What verl is told by environment variables, for the next launch."""
        log = self.work.absolute() / LOG_NAME.format(len(self.logs))
        return {"VERL_USE_EXTERNAL_MODULES": PLUGIN, "VERL_FILE_LOGGER_PATH": str(log)}

    def shown(self) -> str:
        """The command as it can be pasted, a setting a line; a dry look at it writes nothing."""
        told = [f"{name}={shlex.quote(value)}" for name, value in self.environment().items()]
        python, *rest = self.command()
        words = [shlex.join([python, *rest[:2]]), *map(shlex.quote, rest[2:])]
        return " \\\n  ".join([*told, *words])

    def write(self) -> None:
        """The problems as verl's parquet file, once all that verl cannot express is refused."""
        require_expressible(VERL, self.config, UNLIKE)
        problems = problems_of(self.config)
        write_parquet(self.parquet, rows(problems, self.config.template, opens_thoughts(self.config.model)))

    def launch(self) -> TrainSummary:
        """Train with verl, then take its run over. UserError where verl or a GPU is absent."""
        VERL.require()
        import torch

        if not torch.cuda.is_available():
            raise UserError(
                "verl trains on GPUs and there is none here: start the command that --print shows where there are, and "
                "take its run over with --import"
            )
        self.write()
        done = subprocess.run(self.command(), env={**os.environ, **self.environment()}, check=False)
        if done.returncode:
            raise RunError(f"verl ended with code {done.returncode}: the same command goes on from its last checkpoint")
        return self.take_over()

    def take_over(self) -> TrainSummary:
        """The run folder, from what verl has written so far. UserError where that is nothing."""
        if not self.logs:
            raise UserError(
                f"{self.work} holds no log of verl (log-000.jsonl): train with verl first, or give its --out"
            )
        problems = problems_of(self.config)
        return import_run(self.out, self.config, problems, self.logs, self.checkpoints, _release())


def _release() -> str:
    try:
        return version("verl")
    except ImportError:  # taken over where verl is not installed
        return "of another machine"
