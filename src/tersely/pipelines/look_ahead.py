"""Before a chain's first sample: whatever one of its commands would refuse later, perhaps after hours of training.

The checks are those of the commands themselves, made here in one process; no weights are loaded, nothing is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tersely.config import TrainConfig
from tersely.evaluation.protocol import EvalProtocol


def look_at_training(config: TrainConfig, runs: Sequence[tuple[Path, TrainConfig]], protocol: EvalProtocol) -> None:
    """UserError where the base or the problems cannot be trained and evaluated on, or a run folder is of other work.

    ``config`` is what all ``runs`` share, ``protocol`` how they will be evaluated.
    """
    from tersely.learn.run_setup import more_steps, run_identity
    from tersely.models.load import load_config, load_tokenizer
    from tersely.models.locate import locate_model
    from tersely.models.positions import Room
    from tersely.models.prompt_identity import prompt_identity_of
    from tersely.rollouts import judge_for, load_problems, verifier_of
    from tersely.runs.folder import RunFolder
    from tersely.runs.kinds import RunKind
    from tersely.tasks.order import problems_of_step
    from tersely.tasks.overlap import refuse_shared, refuse_trained_on
    from tersely.tasks.prompts import render_all

    folder = locate_model(config.model, config.revision)
    with judge_for(None, 1, config.verifier) as judge:
        drop = config.drop_unjudgeable
        loaded = load_problems(config.task, "train", config.train_size, judge, config.template, drop=drop)
        asked = load_problems(protocol.task, "held_out", protocol.size, judge, config.template).problems
        verifier = verifier_of(judge)
    trained = loaded.problems
    refuse_shared(config.task, trained, protocol.task, asked)
    refuse_trained_on(Path(config.model), asked, allow=False)
    tokenizer = load_tokenizer(folder)
    prompts, more = (render_all(problems, tokenizer, config.template) for problems in (trained, asked))
    longest = max(len(prompt) for prompt in (*prompts.values(), *more.values()))
    Room.of(load_config(folder).to_dict()).require(
        longest, config.sampling.max_new_tokens, "--set sampling.max_new_tokens=", config.template
    )
    asking = prompt_identity_of(folder, tokenizer, prompts)
    for run, its in runs:
        problems_of_step(trained, its.sampling.prompts, its.seed, 0)
        identity = run_identity(its, folder, loaded, verifier, asking)
        RunFolder.look(run, RunKind.TRAIN, identity, more_steps(identity))


def look_at_evaluation(
    model: Path,
    protocol: EvalProtocol,
    out: Path | None,
    verifier: str | None = None,
    *,
    measured_as_its_runs: bool = False,
) -> None:
    """UserError where `tersely evaluate` would refuse this model, or its evaluation's folder is of other work.

    ``measured_as_its_runs``: a base, whatever it was itself trained with.
    """
    from tersely.evaluation.work import prepare
    from tersely.rollouts import judge_for

    with judge_for(None, 1, verifier) as judge:
        other = measured_as_its_runs
        prepare(model, protocol, out, judge, command="", other_template=other, other_verifier=other)
