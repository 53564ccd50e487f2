"""The small files of a model: config, generation settings, tokenizer. Weights are never needed to plan."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

from tersely.config import TrainConfig
from tersely.errors import UserError
from tersely.models.small_files import read_object, require_readable
from tersely.plan.checks import check_tokenizer
from tersely.records import Json

ModelFiles: TypeAlias = Mapping[str, Json]
"""Name -> content of a model's small files; empty for files that are not JSON."""

ASSUMED_PROMPT = 180
"""Tokens of a prompt where the model's tokenizer is not there to count them."""

_READ = ("config.json", "generation_config.json", "tokenizer_config.json", "special_tokens_map.json")
_TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json", "tokenizer_config.json")


def locate_files(name: str, revision: str | None = None) -> Path:
    """Where the small files of a model lie: a model folder, the newest checkpoint of a run folder, a config.json by
    itself, or a snapshot of the hub's repository without its weights. UserError where there are none."""
    from tersely.models.folder import require_no_adapter, resolve_model
    from tersely.models.locate import HUB_ID, NEEDED, hub_errors
    from tersely.runs.identity import is_run_folder

    path = Path(name)
    if path.exists():
        require_no_adapter(path)
        return resolve_model(path) if is_run_folder(path) else path
    if not HUB_ID.fullmatch(name):
        raise UserError(f"there is no model at {name}: name a model folder, a run folder or a config.json")
    from huggingface_hub import snapshot_download

    small = [pattern for pattern in NEEDED if "safetensors" not in pattern]
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=small))
    except hub_errors() as error:
        what = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        raise UserError(
            f"{name} is no folder here, and it could not be downloaded from the hub ({what}): check the name and the "
            "connection, or give the path of a model folder or of a config.json"
        ) from error


def folder_files(place: Path) -> ModelFiles:
    """Name -> content of the JSON files that matter here, and an empty content for every other file.

    ``place`` is a folder or a config.json. UserError where there is no readable config.json.
    """
    if place.is_file():
        return {"config.json": read_object(place)}
    if not (place / "config.json").is_file():
        raise UserError(f"{place} has no config.json, so it is no Hugging Face model folder: name another")
    require_readable(place)
    names = sorted(path.name for path in place.iterdir() if path.is_file())
    return {name: read_object(place / name) if name in _READ else {} for name in names}


def has_tokenizer(files: ModelFiles) -> bool:
    return any(name in files for name in _TOKENIZERS)


def prompt_tokens(config: TrainConfig, place: Path, files: ModelFiles) -> tuple[tuple[float, int], list[str]]:
    """((mean, largest) prompt tokens of the task, notes): counted with the model's tokenizer, else assumed.

    The problems are those that training would take. UserError for a task that cannot be had.
    """
    from tersely.tasks import load_task
    from tersely.tasks.sources.hub import parse_name
    from tersely.verify import Judge

    if place == Path(config.model) and parse_name(config.task) is not None:
        note = f"the hub is not asked for {config.task}: prompts are assumed to have {ASSUMED_PROMPT} tokens, and "
        return (float(ASSUMED_PROMPT), ASSUMED_PROMPT), [f"{note}--task FILE.jsonl counts those of a file"]
    size, own = config.train_size, config.verifier is not None
    with Judge(workers=1) as judge:
        # A verifier is not even loaded: where it decides, golds are not looked at.
        check = None if own else judge.check_golds
        left_out = (lambda _: None) if config.drop_unjudgeable else None
        problems = load_task(
            config.task, "train", size, check, template=config.template, verified=own, left_out=left_out
        )
    if not has_tokenizer(files) or check_tokenizer(files, config.template):
        note = f"the tokenizer cannot be used: prompts are assumed to have {ASSUMED_PROMPT} tokens"
        return (float(ASSUMED_PROMPT), ASSUMED_PROMPT), [note]
    from tersely.models.end_tokens import end_tokens_of, unnamed_turn_end
    from tersely.models.load import load_tokenizer
    from tersely.models.trained_for import template_note
    from tersely.tasks.training_prompts import TrainingPrompts

    tokenizer = load_tokenizer(place)
    end_tokens_of(place, tokenizer)
    widths = [len(prompt) for prompt in TrainingPrompts.of(config).render(problems, tokenizer).values()]
    notes = (unnamed_turn_end(place, tokenizer), template_note(place, config.template))
    return (sum(widths) / len(widths), max(widths)), [note for note in notes if note is not None]
