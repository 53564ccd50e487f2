"""One evaluation of a model behind a server: the server is looked at, and nothing is written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from tersely.errors import UserError
from tersely.evaluation.growth import more_of_it
from tersely.evaluation.protocol import EvalProtocol, identity
from tersely.evaluation.records import evaluation_folder
from tersely.evaluation.source import ServedSource, counter_of
from tersely.evaluation.terms import BOXED, Asking
from tersely.models.load import load_tokenizer
from tersely.models.locate import locate_model
from tersely.models.prompt_identity import prompts_digest
from tersely.models.text import ResponseText, opens_thoughts
from tersely.rollouts import Grader, load_problems, verifier_of
from tersely.samplers.endpoint import Endpoint
from tersely.samplers.endpoint.characters import Characters
from tersely.samplers.endpoint.look import look
from tersely.tasks import task_digest
from tersely.tasks.prompts import PromptIds, find_template, render_all
from tersely.tasks.strata import strata_of

if TYPE_CHECKING:
    from tersely.evaluation.work import Choices, Work


def prepare_served(
    endpoint: Endpoint, protocol: EvalProtocol, out: Path | None, grader: Grader, **more: Unpack[Choices]
) -> Work:
    """``evaluation.work.prepare`` for a server. UserError besides for a server that cannot be used (``look``)."""
    from tersely.evaluation.work import MAX_ROWS, Work, is_done

    folder = evaluation_folder(Path(endpoint.label), protocol.name, require_out(endpoint, out))
    asking = Asking.unread(protocol, protocol.template or BOXED)
    task, drop = more.get("source") or protocol.task, more.get("drop_unjudgeable", False)
    problems = more.get("problems") or task
    loaded = load_problems(problems, "held_out", protocol.size, grader, asking.template, drop=drop)
    asked, tokenizers = loaded.problems, Tokenizers.of(endpoint, asking.template)
    prompts = render_all(asked, tokenizers.writes, asking.template, asking.sentence)
    source = tokenizers.source(endpoint, prompts, protocol)
    rules = protocol.facts(protocol.template or BOXED, task_digest(asked)).asked_with(protocol.request)
    rules = rules.judged_by(verifier_of(grader)).counted_by(more.get("policy")).drawn_by(strata_of(asked))
    wanted = {**identity(rules), **served_identity(source, prompts), **loaded.identity}
    grows = more_of_it(wanted, asked, lambda problem: {problem.id: prompts[problem.id]})
    return Work(
        source=source,
        folder=folder,
        problems=asked,
        protocol=protocol,
        prompts=prompts,
        judge=grader,
        rules=rules.of_model(endpoint.model),
        identity=wanted,
        grows=grows,
        made={"data": task, "endpoint": wanted["endpoint"], "engine": source.engine, **loaded.report,
              "command": more["command"]},
        notes=tuple(filter(None, [loaded.words()])),
        max_rows=more.get("max_rows", MAX_ROWS),
        sampler=None,
        earlier=None,
        is_done=is_done(folder, wanted, grows),
    )  # fmt: skip


def require_out(endpoint: Endpoint, out: Path | None) -> Path:
    """UserError where nobody says where to write."""
    if out is None:
        raise UserError(f"{endpoint.model} is behind a server, so nothing is written there: say where with --out DIR")
    return out


def served_identity(source: ServedSource, prompts: PromptIds) -> dict[str, object]:
    """What decides, besides the protocol, whether a folder is gone on with."""
    endpoint = source.endpoint.identity(source.looked.reported)
    return {"endpoint": endpoint, "prompts_sha256": prompts_digest(prompts), "engine": source.engine}


class Tokenizers:
    """Who writes the prompts of a server, and who counts where it does not."""

    def __init__(self, writes: Any, own: Any | None, opens: bool) -> None:
        self.writes, self.own, self.opens = writes, own, opens

    @classmethod
    def of(cls, endpoint: Endpoint, template: str) -> Tokenizers:
        """UserError for a template that does not go with the kind of request, and a tokenizer that cannot be read."""
        whole = find_template(template).around is not None
        own = None if endpoint.tokenizer is None else load_tokenizer(locate_model(endpoint.tokenizer))
        if not endpoint.completions:
            if whole:
                raise UserError(
                    f"the template {template!r} is a whole prompt, and a chat server puts its own around what it is "
                    "sent: leave --template out, or add --completions"
                )
            return cls(Characters(), own, own is not None and opens_thoughts(own))
        if own is None and not whole:
            raise UserError(
                f"--completions sends our own prompt, and the template {template[:60]!r} needs the model's chat "
                "template for it: give --tokenizer FOLDER, or --template plain"
            )
        return cls(Characters() if own is None else own, own, False)

    def source(self, endpoint: Endpoint, prompts: PromptIds, protocol: EvalProtocol) -> ServedSource:
        """The server, looked at with the first prompt."""
        first = next(iter(prompts.values()))
        ids = self.own is not None and self.writes is self.own
        opens = self.opens or (ids and ResponseText(self.own).opens_thinking(first))
        looked = look(endpoint, first, protocol.sampling, counter_of(self.own), ids)
        looked.require_room(protocol.max_new_tokens)
        return ServedSource(endpoint, looked, self.writes, self.own, ids, opens)
