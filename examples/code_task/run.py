"""Train a model to write functions that pass tests, and measure it: own task, own verifier, through ``tersely`` alone.

    python examples/code_task/run.py MODEL --out runs/code       # MODEL: a Hugging Face folder or hub id

This executes what the model writes, as you: README.md says what the limits do not protect against. Eight problems are
too few to learn anything, and the last two are no measurement: put your own file in the place of code.jsonl.
"""

import argparse
import json
from pathlib import Path

from verifier import check

import tersely

HERE = Path(__file__).parent
TEMPLATE = "Write a Python function `{signature}`. {question} Answer with one code block."
"""The places in braces are columns of code.jsonl; its column ``tests`` is for the verifier alone."""


def show(step: tersely.StepRecord) -> bool:
    print(
        f"step {step.step}: {step.accuracy:.1%} pass, {step.length:.0f} tokens a response, cut off {step.truncated:.1%}"
    )
    return False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="Hugging Face folder or hub id")
    parser.add_argument("--out", type=Path, default=Path("runs/code"), help="run folder")
    parser.add_argument("--alpha", type=float, default=0.1)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--cap", type=int, default=2048, help="most tokens of a response")
    args = parser.parse_args()

    problems = [json.loads(line) for line in (HERE / "code.jsonl").read_text(encoding="utf-8").splitlines()]
    sizes = {"sampling.prompts": 6, "sampling.max_new_tokens": args.cap, "run.steps": args.steps}
    run = tersely.train(
        model=args.model,
        task=problems[:6],
        judge=check,
        alpha=args.alpha,
        out=args.out,
        callbacks=[show],
        settings={"template": TEMPLATE, **sizes},
    )
    measured = tersely.evaluate(run.path, task=problems[6:], judge=check, k=4).summary.overall
    unjudged = measured.unjudged_responses
    print(f"held out: {measured.accuracy.value:.1%} pass, {measured.tokens.value:.0f} tokens, {unjudged} not judged")


if __name__ == "__main__":
    main()
