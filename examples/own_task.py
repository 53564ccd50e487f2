"""A task of one's own in five steps on a CPU, in less than a minute: own problems, own verifier, own callback.

    python examples/own_task.py            # makes a model of random weights, trains, evaluates; leaves runs/own-task

Each problem names two digits, and a response is right if it says both. The model has the quickstart's architecture and
random weights: it says words at random until one of them ends the response. Five steps show that all parts work; they
teach it next to nothing.
"""

import argparse
from pathlib import Path

from own_verifier import says_both

import tersely
from tersely.toy.sft import tiny_model
from tersely.toy.tokenizer import build_tokenizer


def make_problems() -> list[dict]:
    """All pairs of digits. There is no answer: the column ``digits`` is for the verifier, which decides."""
    return [{"problem": f"Say {a} and {b} .", "digits": [str(a), str(b)]} for a in range(10) for b in range(a)]


def make_model(folder: Path) -> Path:
    """Random weights in the quickstart's architecture, an ordinary Hugging Face folder. Put yours in its place."""
    tiny_model(seed=0).save_pretrained(folder)
    build_tokenizer().save_pretrained(folder)
    return folder


def show(step: tersely.StepRecord) -> bool:
    """A callback: given every step's record. Returning True would ask the run to save and end."""
    print(f"step {step.step}: accuracy {step.accuracy:.1%}, {step.length:.1f} tokens a response")
    return False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("runs/own-task"), help="folder for model and run")
    parser.add_argument("--steps", type=int, default=5)
    args = parser.parse_args()

    problems = make_problems()
    training, held_out = problems[:32], problems[32:]
    tersely.train(
        model=make_model(args.out / "model"),
        task=training,
        judge=says_both,
        alpha=0.2,
        out=args.out / "run",
        callbacks=[show],
        settings={
            "template": "question",  # the question alone; the default asks for a boxed answer
            "sampling.max_new_tokens": 128,
            "learner.learning_rate": 1e-3,  # for a tiny model; the default is the paper's, for billions of weights
            "run.steps": args.steps,
        },
    )

    run = tersely.load_run(args.out / "run")
    print(f"finished: {run.finished}; the trained model, an ordinary Hugging Face folder: {run.checkpoint}")
    measured = tersely.evaluate(run.path, task=held_out, judge=says_both, k=8, temperature=1.0).summary.overall
    accuracy, tokens = measured.accuracy, measured.tokens
    print(f"held out: accuracy {shown(accuracy, '.1%')}, {shown(tokens, '.1f')} tokens")


def shown(estimate: tersely.Estimate, form: str) -> str:
    """With its 95 % interval over problems, where there are enough of them for one."""
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:{form}} ({estimate.method})"
    return f"{estimate.value:{form}} [{estimate.low:{form}}, {estimate.high:{form}}]"


if __name__ == "__main__":
    main()
