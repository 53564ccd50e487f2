"""One example for every verb: it stands under ``tersely VERB --help``."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

EXAMPLES: Mapping[str, str] = MappingProxyType(
    {
        "quickstart": "tersely quickstart --fast",
        "base": "tersely base --out base",
        "prepare": "tersely prepare numina --size 3200 --out train.jsonl",
        "plan": "tersely plan --model FOLDER --task train.jsonl --gpu-memory 80",
        "profile": "tersely profile FOLDER --task train.jsonl --out profiles",
        "train": "tersely train --model FOLDER --task train.jsonl --alpha 0.1 --out runs/a01",
        "tune": "tersely tune --model FOLDER --task train.jsonl --lose-at-most 1 --out runs/tuned",
        "baseline": "tersely baseline sft --model FOLDER --task train.jsonl --learning-rate 5e-6 --out runs/sft",
        "distill": (
            "tersely distill --teacher LARGE --student SMALL --task train.jsonl --learning-rate 1e-5 --out runs/taught"
        ),
        "sweep": "tersely sweep --model FOLDER --objectives paper,kimi --alphas 0,0.1,0.2 --seeds 0,1 --out runs/all",
        "ablate": "tersely ablate normalize --model FOLDER --out ablation",
        "evaluate": "tersely evaluate FOLDER runs/a01 --task held_out.jsonl --k 3 --out evaluations",
        "behaviours": "tersely behaviours evaluations/FOLDER runs/a01",
        "faithfulness": "tersely faithfulness FOLDER runs/a01 --task commonsense_qa --out hints",
        "show": 'tersely show FOLDER runs/a01 --ask "What is 1+1?"',
        "report": "tersely report runs/a01 --base evaluations/FOLDER --out report",
        "compare": "tersely compare runs/a01 runs/sft --base evaluations/FOLDER --out comparison",
        "verify": "tersely verify answers.jsonl",
        "waste": "tersely waste log.jsonl --tokenizer FOLDER --price 2",
        "import": "tersely import logs/base.eval logs/short.eval --out evaluations",
        "score": "tersely score lengths.jsonl --alpha 0.2",
        "settings": "tersely settings learning_rate",
        "replay": "tersely replay runs/a01 --to tensorboard",
        "publish": "tersely publish runs/a01 --to OWNER/NAME",
    }
)
