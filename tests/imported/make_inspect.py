"""Makes small logs with the library of inspect-ai and its mock model: no network. ``scripts/logs inspect`` runs it.

A reasoning model answers sums, two epochs of them. base: some are wrong, one is cut off although its answer stands.
"""

from __future__ import annotations

import random
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from inspect_ai import Epochs, Task, eval
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.log import EvalLog, read_eval_log, write_eval_log
from inspect_ai.model import (
    ChatMessageAssistant,
    ContentReasoning,
    ContentText,
    GenerateConfig,
    ModelAPI,
    ModelOutput,
    ModelUsage,
    get_model,
    modelapi,
)
from inspect_ai.scorer import Score, accuracy, includes, match, scorer
from inspect_ai.solver import Generate, TaskState, generate, solver, system_message

from tersely.adapters.inspect import judge

SUMS = [(12, 30), (7, 8), (100, 11), (3, 4)]


@modelapi("sums")
class Sums(ModelAPI):
    """Adds as its name says: ``seed-longest-share_right``."""

    async def generate(self, input: Any, tools: Any, tool_choice: Any, config: GenerateConfig) -> ModelOutput:
        seed, longest, right = self.model_name.split("-")
        asked = input[-1].text
        self.count = getattr(self, "count", 0) + 1
        draw = random.Random(f"{seed} {asked} {self.count}")
        a, b = (int(word) for word in asked.removeprefix("What is ").removesuffix("?").split(" + "))
        said = a + b + (draw.random() >= float(right))
        thought = f"{a} and {b} {'wait ' * draw.randint(1, int(longest))}"
        cut = self.count == 3 and seed == "base"
        return answer(f"The answer is {said}.", thought, "max_tokens" if cut else "stop")


def answer(text: str, thought: str, stop: Any = "stop") -> ModelOutput:
    content = [ContentReasoning(reasoning=thought), ContentText(text=text)]
    made = ModelOutput.from_message(ChatMessageAssistant(content=content), stop_reason=stop)
    reasoning, written = len(thought.split()), len(text.split())
    made.usage = ModelUsage(
        input_tokens=12, output_tokens=reasoning + written, total_tokens=12 + reasoning + written,
        reasoning_tokens=reasoning,
    )  # fmt: skip
    return made


@scorer(metrics=[accuracy()])
def graded() -> Any:
    """Right, partly, no answer and unscored in turn."""

    async def score(state: TaskState, target: Any) -> Score:
        value: Any = ["C", "P", "N", float("nan")][int(state.sample_id) - 1]
        return Score(value=value, answer=state.output.completion)

    return score


@solver
def think_again() -> Any:
    """Two calls for one answer."""

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        state = await generate(state)
        state.messages.append(state.messages[1])
        return await generate(state)

    return solve


@solver
def fail_sometimes() -> Any:
    async def solve(state: TaskState, generate: Generate) -> TaskState:
        if state.sample_id == 2 and state.epoch == 1:
            raise RuntimeError("the sandbox is gone")
        return await generate(state)

    return solve


def made(model: str, sums: Any = tuple(SUMS), version: int = 1, solvers: Any = None, **more: Any) -> EvalLog:
    scorers, epochs = more.pop("scorer", includes()), more.pop("epochs", Epochs(2))
    samples = [
        Sample(id=i, input=f"What is {a} + {b}?", target=str(a + b), metadata={"level": 1 + (a > 9)})
        for i, (a, b) in enumerate(sums, 1)
    ]
    dataset = MemoryDataset(samples, name="sums")
    task = Task(dataset=dataset, solver=solvers or generate(), scorer=scorers, name="sums", version=version)
    with tempfile.TemporaryDirectory() as place:
        # An instance of its own, which begins to count anew.
        adder, in_turn = get_model(f"sums/{model}", memoize=False), {"max_samples": 1, "max_connections": 1}
        options: dict[str, Any] = {"temperature": 0.6, "max_tokens": 200, **in_turn, **more}
        (log,) = eval(task, model=adder, epochs=epochs, log_dir=place, log_realtime=False, display="none", **options)
        return read_eval_log(log.location)


LOGS: dict[str, Callable[[], EvalLog]] = {
    "base": lambda: made("base-40-0.8"),
    "short": lambda: made("short-9-0.8"),
    "low": lambda: made("base-9-0.6", reasoning_effort="low"),
    "other_problems": lambda: made("short-9-0.8", [(a + 1, b) for a, b in SUMS]),
    "next_version": lambda: made("short-9-0.8", version=2),
    "other_cap": lambda: made("short-9-0.8", max_tokens=100),
    "other_prompt": lambda: made("short-9-0.8", solvers=[system_message("Add."), generate()]),
    "two_scorers": lambda: made("short-9-0.8", scorer=[includes(), match()], epochs=Epochs(2, "max")),
    "graded": lambda: made("short-9-1", scorer=graded()),
    "twice": lambda: made("short-9-0.8", solvers=[system_message("Add."), think_again()]),
    "failed": lambda: made("short-9-1", solvers=fail_sometimes(), fail_on_error=False),
    "judged": lambda: made("base-40-0.8", scorer=judge()),
    "stopped": lambda: made("short-9-1", solvers=fail_sometimes()),
}
WHOLE = "base"
"""Written as it comes, and as JSON too."""
EVENTFUL = "twice"
"""Keeps its events, by far the most of a log: they tell one call from another."""


def write(log: EvalLog, path: Path) -> None:
    """By deflate, as releases before 0.3.2xx did, and small."""
    for sample in log.samples or []:
        if path.stem != EVENTFUL:
            sample.events, sample.events_data, sample.attachments = [], None, {}
    with tempfile.TemporaryDirectory() as place:
        packed = Path(place) / "log.eval"
        write_eval_log(log, str(packed))
        with zipfile.ZipFile(packed) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
            for name in old.namelist():
                new.writestr(name, old.read(name))
    read_eval_log(str(path))  # it is one


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, make in LOGS.items():
        log = make()
        if name == WHOLE:
            write_eval_log(log, str(folder / "whole.eval"))
        write(log, folder / f"{name}.eval")
        if name == WHOLE:
            write_eval_log(log, str(folder / f"{name}.json"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
