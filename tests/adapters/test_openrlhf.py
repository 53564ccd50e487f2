"""The golden groups through OpenRLHF's own executor and its own rloo; run by ``scripts/engines openrlhf``.

flash-attn, deepspeed and vLLM need a GPU: where they are absent, mocks stand for them, so that OpenRLHF's experience
maker can be imported. Nothing that is tested here calls them.
"""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest

pytest.importorskip("openrlhf", reason="scripts/engines openrlhf")

import numpy as np
import torch

from golden_groups import ALPHA, CAP, GROUPS, PADDING, RIGHT, TRUNCATED, UNJUDGED, GoldenRow, golden
from tersely.adapters import openrlhf as adapter
from tersely.adapters.openrlhf import agent_executor
from tersely.errors import UserError
from tiny_models import make_tokenizer

ABSENT = [n for n in ("flash_attn", "deepspeed", "vllm", "ring_flash_attn") if importlib.util.find_spec(n) is None]


class StandIns(MetaPathFinder, Loader):
    """Finds every module below the absent libraries; each is a mock."""

    def find_spec(self, name: str, path: Any, target: Any = None) -> ModuleSpec | None:
        return ModuleSpec(name, self, is_package=True) if name.split(".")[0] in ABSENT else None

    def create_module(self, spec: ModuleSpec) -> Any:
        return MagicMock(__path__=[], __version__="0.29.0")

    def exec_module(self, module: Any) -> None:
        return None


DRAWN = [name for name in GROUPS if name != PADDING]


class Engine:
    """vLLM's answers: the rows of a group in an order of their own, each after a while."""

    def __init__(self, rows: list[GoldenRow]) -> None:
        self.rows, self.asked = rows, 0

    async def generate(self, prompt_ids: list[int], params: Any, multi_modal_data: Any = None) -> Any:
        row, self.asked = self.rows[self.asked], self.asked + 1
        await asyncio.sleep(0.001 * (row.length % 7))
        finish = "length" if row.was == TRUNCATED else "stop"
        ids = [10 + self.rows.index(row)] * row.length
        return SimpleNamespace(outputs=[SimpleNamespace(token_ids=ids, text="", finish_reason=finish, logprobs=None)])


def params() -> Any:
    return SimpleNamespace(max_tokens=CAP, logprobs=None)


@pytest.fixture(autouse=True)
def scored(monkeypatch: pytest.MonkeyPatch) -> None:
    """The judge says what the golden row is; everything around it is as in a run."""
    plain = adapter.judged

    def judged(drawn: Any, tokenizer: Any, verifier: Any, opened: bool) -> Any:
        response = plain({**drawn, "label": "2"}, tokenizer, verifier, opened)
        row = golden([drawn["label"]])[drawn["observation_tokens"][-1] - 10]
        return adapter.Response(row.score, response.length, response.truncated, response.text)

    monkeypatch.setattr(adapter, "judged", judged)


def drawn(names: list[str], **objective: Any) -> list[list[dict[str, Any]]]:
    """Groups drawn at once, as RolloutRayActor.generate_responses draws them: all siblings gathered."""
    tokenizer = make_tokenizer()

    async def draw() -> Any:
        executor = agent_executor(**objective)()

        async def group(name: str) -> Any:
            rows, own = golden([name]), params()
            engine = Engine(rows)
            tasks = [
                executor.execute(prompt="What is 1+1?", label=name, sampling_params=own, max_length=4096,
                                 hf_tokenizer=tokenizer, llm_engine=engine, images=None) for _ in rows
            ]  # fmt: skip
            return await asyncio.gather(*tasks)

        return await asyncio.gather(*[group(name) for name in names])

    return list(asyncio.run(draw()))


def test_the_golden_groups_behind_the_barrier() -> None:
    for name, group in zip(DRAWN, drawn(DRAWN, alpha=ALPHA), strict=True):
        rows = golden([name])
        np.testing.assert_allclose(
            [r["extra_logs"]["shaped_reward"] for r in group], [r.reward for r in rows], atol=1e-6
        )
        np.testing.assert_allclose(
            [r["extra_logs"]["advantage"] for r in group], [r.advantage for r in rows], atol=1e-6
        )
        assert [r["scores"] for r in group] == [float(row.was == RIGHT) for row in rows]
        assert [r["extra_logs"]["unjudged"] for r in group] == [float(row.was == UNJUDGED) for row in rows]


def test_many_groups_of_one_prompt_keep_apart() -> None:
    names = DRAWN * 5
    for name, group in zip(names, drawn(names, alpha=ALPHA), strict=True):
        found = [response["extra_logs"]["advantage"] for response in group]
        np.testing.assert_allclose(found, [row.advantage for row in golden([name])], atol=1e-6)


@pytest.fixture
def maker(monkeypatch: pytest.MonkeyPatch) -> Any:
    """OpenRLHF's experience maker."""
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, StandIns()])
    return importlib.import_module("openrlhf.trainer.ppo_utils.experience_maker")


def own_advantages(maker: Any, group: list[dict[str, Any]]) -> list[float]:
    """OpenRLHF's own way from the rewards of a group to advantages, with --algo.advantage.estimator rloo."""
    from openrlhf.trainer.ppo_utils.experience import Experience

    n = len(group)
    namespace = SimpleNamespace
    args = namespace(
        rollout=namespace(n_samples_per_prompt=n), reward=namespace(
            clip_range=(-10, 10), overlong_buffer_len=None, stop_properly_penalty_coef=None, overlong_penalty_factor=1),
        algo=namespace(advantage=namespace(estimator="rloo", gamma=1.0, lambd=1.0, no_std_norm=False)),
    )  # fmt: skip
    experience = Experience(
        index=list(range(n)), rewards=torch.tensor([r["reward"] for r in group]), kl=torch.zeros(n, 3),
        action_mask=torch.ones(n, 3, dtype=torch.bool), info={},
    )  # fmt: skip
    own = maker.RemoteExperienceMaker.__new__(maker.RemoteExperienceMaker)
    own.strategy, own.args, own.advantage_estimator = namespace(args=args), args, "rloo"
    own.kl_ctl = namespace(value=0.0)
    (found,) = own.compute_advantages_and_returns([experience])
    return list(found.advantages[:, 0].tolist())


@pytest.mark.parametrize("name", [name for name in DRAWN if len(GROUPS[name]) > 1])
def test_openrlhfs_own_rloo_makes_the_golden_advantages(maker: Any, name: str) -> None:
    (group,) = drawn([name], alpha=ALPHA)
    np.testing.assert_allclose(own_advantages(maker, group), [row.advantage for row in golden([name])], atol=1e-6)


def test_a_sibling_that_fails_ends_the_others() -> None:
    tokenizer = make_tokenizer()

    class Failing(Engine):
        async def generate(self, *args: Any, **more: Any) -> Any:
            if self.asked == 2:
                raise ValueError("the engine died")
            return await super().generate(*args, **more)

    async def draw() -> list[Any]:
        executor, own, engine = agent_executor(alpha=ALPHA)(), params(), Failing(golden(["mixed"]))
        tasks = [executor.execute("q", "mixed", own, 4096, tokenizer, engine) for _ in range(3)]
        return await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 20)

    found = asyncio.run(draw())
    assert all(isinstance(one, Exception) for one in found)
    assert "the engine died" in str(found)


def test_the_agents_file_is_one_that_openrlhf_loads(tmp_path: Path) -> None:
    from openrlhf.utils.agent import AgentExecutorBase

    from tersely.adapters.openrlhf_recipe import agent_file
    from tersely.config import assemble

    path = tmp_path / "agent.py"
    path.write_text(agent_file(assemble("paper-1.5b", {}, ["objective.alpha=0.2"]), opened=False))
    spec = importlib.util.spec_from_file_location("agent_module", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert issubclass(module.AgentExecutor, AgentExecutorBase)
    assert isinstance(module.AgentExecutor(), AgentExecutorBase)


def test_a_state_and_a_scale_over_the_batch_are_refused() -> None:
    with pytest.raises(UserError, match=r"method 'leash' needs what it remembers .* openrlhf does not hand"):
        agent_executor(method="leash")
    with pytest.raises(UserError, match="normalize = batch shifts a group's advantages"):
        agent_executor(normalize="batch")
