"""The endpoint engine: requests, replies, and a server that errs in every way we know of."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stand_in import THOUGHT, serving
from tersely.errors import RunError, UserError
from tersely.records import Finish, LengthSource, Rollout
from tersely.samplers import Prompt, Sampling
from tersely.samplers.endpoint import Endpoint, endpoint_at
from tersely.samplers.endpoint.characters import Characters
from tersely.samplers.endpoint.look import look
from tersely.samplers.endpoint.points import Point, requests
from tersely.samplers.endpoint.points import at as point
from tersely.samplers.endpoint.reply import Broken, Reply, read_stream, read_whole
from tersely.samplers.endpoint.sampler import EndpointSampler
from tersely.samplers.engines import require_engine
from tiny_models import make_tokenizer

GREEDY = Sampling(n=1, max_new_tokens=64, temperature=0.0)
DRAWN = Sampling(n=2, max_new_tokens=64, temperature=0.6, seed=3)
TOKENIZER = make_tokenizer()
CHAT = Characters()


def count(text: str) -> int:
    return len(TOKENIZER.encode(text))


def prompts(number: int) -> list[Prompt]:
    return [Prompt(f"p{i}", tuple(CHAT.encode(f"What is {i} + {i}?"))) for i in range(number)]


def at(url: str, model: str = "stand-in", **more: Any) -> Endpoint:
    return endpoint_at(url, model, **{"pause": 0.0, "retries": 3, "timeout": 5.0, "concurrency": 4, **more})


def ask(url: str, number: int = 3, sampling: Sampling = GREEDY, **more: Any) -> list[Rollout]:
    return EndpointSampler(at(url, **more)).generate(prompts(number), sampling)


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TERSELY_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)


# --- what comes back ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("streams", [True, False])
@pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
def test_a_response_has_its_text_its_counts_and_its_times(streams: bool, field: str) -> None:
    with serving(streams=streams, reasoning=field) as (url, _):
        one = ask(url, 3)[2]
    assert one.text == f"<think>{THOUGHT}</think>The answer is \\boxed{{4}}."
    # 4 words of the answer at 10 tokens each, 4 words of thinking at 1
    assert (one.length, one.length_source, one.finish, one.tokens) == (44, LengthSource.USAGE, Finish.EOS, ())
    assert one.served is not None
    assert (one.served.prompt_tokens, one.served.reasoning_tokens) == (7, 4)
    assert one.served.seconds > 0
    assert (one.served.first_token_s is not None) == streams


def test_siblings_come_in_order_whatever_ends_first_and_each_is_drawn_from_its_own_seed() -> None:
    with serving() as (url, manners):
        found = ask(url, 5, DRAWN)
    assert [(r.problem_id, r.index) for r in found] == [(f"p{i}", j) for i in range(5) for j in range(2)]
    assert [f"boxed{{{2 * i}}}" in r.text for r, i in zip(found[::2], range(5), strict=True)] == [True] * 5
    seeds = {body["seed"] for body in manners.bodies}
    assert len(seeds) == 10
    assert all(0 <= seed < 2**31 for seed in seeds)


def test_a_later_call_asks_for_the_siblings_that_the_first_would_have_asked_for() -> None:
    with serving() as (url, manners):
        ask(url, 1, replace(DRAWN, n=3))
        whole = {body["seed"] for body in manners.bodies}
        manners.bodies.clear()
        late = [replace(prompt, first_sample=2) for prompt in prompts(1)]
        (one,) = EndpointSampler(at(url)).generate(late, replace(DRAWN, n=1))
        assert one.index == 2
        assert manners.bodies[0]["seed"] in whole


@pytest.mark.parametrize(
    ("finish", "content", "thinking", "text", "ended"),
    [
        ("stop", "4", "hm", "<think>hm</think>4", Finish.EOS),
        ("stop", "", "hm", "<think>hm</think>", Finish.EOS),
        ("length", "", "hm", "<think>hm", Finish.LENGTH),
        ("length", "4", "hm", "<think>hm</think>4", Finish.LENGTH),
        ("stop", "4", "", "4", Finish.EOS),
        ("content_filter", "4", "", "4", Finish.ABORTED),
        ("tool_calls", "", "", "", Finish.ABORTED),
    ],
)
def test_thinking_is_joined_and_left_open_where_the_cap_came_first(
    finish: str, content: str, thinking: str, text: str, ended: Finish
) -> None:
    reply = Reply(content, thinking, finish, "m", 3, None, None, seconds=0.1)
    assert (reply.text, reply.finish) == (text, ended)
    assert Reply.from_json(reply.to_json()) == reply


def test_as_many_requests_are_under_way_as_allowed_and_no_more() -> None:
    gate = threading.Barrier(3)

    def together(body: dict[str, Any]) -> str:
        with contextlib.suppress(threading.BrokenBarrierError):
            gate.wait(2)
        return "\\boxed{1}"

    with serving(answer=together, streams=False) as (url, manners):
        ask(url, 3, concurrency=3)
        assert manners.most == 3
        manners.most = 0
        gate.abort()
        ask(url, 6, concurrency=2)
    assert manners.most <= 2


# --- what is sent ------------------------------------------------------------------------------------------------


def test_all_of_the_protocol_is_sent_and_options_come_last() -> None:
    options = {"top_k": 20, "seed": None, "chat_template_kwargs": {"enable_thinking": False}}
    with serving() as (url, manners):
        ask(url, 1, DRAWN, options=options, system="Be brief.")
    assert manners.paths == ["/v1/chat/completions"] * 2
    assert manners.bodies[0] == {
        "model": "stand-in",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is 0 + 0?"}],
        "max_tokens": 64,
        "temperature": 0.6,
        "top_p": 1.0,
        "stream": True,
        "stream_options": {"include_usage": True},
        "top_k": 20,
        "chat_template_kwargs": {"enable_thinking": False},
    }


def test_whole_answers_are_asked_for_without_the_options_of_a_stream() -> None:
    with serving() as (url, manners):
        (one,) = ask(url, 1, options={"stream": None})
    assert not {"stream", "stream_options"} & set(manners.bodies[0])
    assert one.served is not None
    assert one.served.first_token_s is None


def test_completions_send_text_or_the_ids_of_the_models_own_tokenizer() -> None:
    with serving() as (url, manners):
        (one,) = ask(url, 1, completions=True)
        assert one.text.endswith("\\boxed{0}.")
        EndpointSampler(at(url, completions=True), ids=True).generate([Prompt("p", (5, 6, 7))], GREEDY)
    assert manners.paths == ["/v1/completions"] * 2
    assert [body["prompt"] for body in manners.bodies] == ["What is 0 + 0?", [5, 6, 7]]


# --- a server that errs ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", ["429", "500", "drop", "cut", "torn", "html", "error"])
@pytest.mark.parametrize("streams", [True, False])
def test_what_fails_for_a_while_is_asked_again_and_nothing_is_lost(wrong: str, streams: bool) -> None:
    if not streams and wrong in ("cut", "error"):
        wrong = "torn"
    with serving(fail=lambda number: wrong if number < 3 else None, streams=streams) as (url, manners):
        found = ask(url, 4, concurrency=1)
    assert [r.finish for r in found] == [Finish.EOS] * 4
    assert len(manners.bodies) == 7


def test_a_hanging_request_fails_after_the_silence_allowed_and_is_asked_again() -> None:
    with serving(fail=lambda number: "hang" if number == 0 else None) as (url, manners):
        assert len(ask(url, 2, concurrency=1, timeout=0.3)) == 2
    assert len(manners.bodies) == 3


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("429", "it answers 429 (busy)"),
        ("500", "it answers 500 (busy)"),
        ("drop", "closed the connection"),
        ("cut", "breaks off"),
        ("torn", "which is no JSON"),
        ("html", "'<html>Welcome</html>', which is no JSON"),
        ("error", "out of memory"),
        ("hang", "not a byte came within 0.2 seconds"),
    ],
)
def test_what_fails_for_good_is_one_sentence_after_the_last_try(wrong: str, words: str) -> None:
    with serving(fail=lambda number: wrong) as (url, _), pytest.raises(RunError) as caught:
        ask(url, 1, timeout=0.2, retries=1)
    said = str(caught.value)
    assert words in said
    assert "after 2 tries" in said
    assert "run the same command again" in said
    assert "\n" not in said


def test_a_stream_without_its_usual_end_is_whole_where_the_counts_came() -> None:
    """`transformers serve` sends no [DONE]."""
    with serving(done=False) as (url, _):
        assert [r.length for r in ask(url, 2)] == [44, 44]


def test_the_server_says_how_long_to_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr(threading.Event, "wait", lambda self, seconds=None: bool(waited.append(seconds or 0)))
    from tersely.samplers.endpoint.wire import Failed, Wire

    failures = iter([Failed("busy", after=7.0), Failed("busy"), Failed("busy", after=10_000.0)])

    def attempt() -> str:
        for failure in failures:
            raise failure
        return "done"

    wire = Wire(at("http://127.0.0.1:1/v1", pause=2.0))
    assert wire._patiently(attempt, threading.Event(), begun=True) == "done"
    # what is asked for, else 2 s doubled, and never more than ten minutes
    assert waited == [7.0, 4.0, 600.0]


def test_replies_are_kept_one_by_one_and_not_asked_for_again(tmp_path: Path) -> None:
    kept: list[Any] = []
    with serving(fail=lambda number: "400" if number >= 5 else None) as (url, manners):
        first = EndpointSampler(at(url, concurrency=1))
        first.keep([], kept.append)
        with pytest.raises(UserError, match="too long"):
            first.generate(prompts(8), GREEDY)
        assert len(kept) == 5
        manners.fail, asked = (lambda number: None), len(manners.bodies)
        second = EndpointSampler(at(url))
        second.keep(list(kept), kept.append)
        found = second.generate(prompts(8), GREEDY)
        assert len(manners.bodies) == asked + 3
        other = EndpointSampler(at(url, options={"top_k": 5}))  # asked otherwise: no reply to this
        other.keep(list(kept), kept.append)
        other.generate(prompts(2), GREEDY)
        assert len(manners.bodies) == asked + 5
    assert [r.problem_id for r in found] == [f"p{i}" for i in range(8)]


def test_whoever_stops_waiting_leaves_no_request_to_be_begun() -> None:
    def stop(done: int, total: int) -> None:
        if done >= 2:
            raise InterruptedError

    with serving() as (url, manners), pytest.raises(InterruptedError):
        EndpointSampler(at(url, concurrency=1)).generate(prompts(50), GREEDY, stop)
    assert len(manners.bodies) < 10


# --- counts ------------------------------------------------------------------------------------------------------


def test_without_usage_the_tokenizer_counts_and_says_so_and_without_one_nothing_is_invented() -> None:
    with serving(usage=False) as (url, _):
        with pytest.raises(UserError, match="nothing is invented: give the model's tokenizer, --tokenizer"):
            ask(url, 1)
        (one,) = EndpointSampler(at(url), count).generate(prompts(1), GREEDY)
    assert (one.length, one.length_source) == (count(one.text), LengthSource.RETOKENISED)


# --- looking at a server -----------------------------------------------------------------------------------------


def looked(endpoint: Endpoint) -> Any:
    return look(endpoint, prompts(1)[0].tokens, DRAWN, None, ids=False)


@contextlib.contextmanager
def refused(words: str) -> Iterator[None]:
    with pytest.raises(UserError) as caught:
        yield
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_look_finds_the_models_own_name_and_its_room() -> None:
    with serving(room=100) as (url, manners):
        found = looked(at(url))
        assert (found.reported, found.cap_name, found.room, found.prompt_tokens) == (
            "stand-in-0801", "max_tokens", 100, 7,
        )  # fmt: skip
        assert manners.bodies[0]["max_tokens"] == 16
        found.require_room(93)
        with refused("give at most 93"):
            found.require_room(94)


def test_a_model_that_reasons_may_call_the_cap_otherwise() -> None:
    with serving(refuses="max_tokens") as (url, manners):
        found = looked(at(url))
        assert found.cap_name == "max_completion_tokens"
        EndpointSampler(at(url), cap_name=found.cap_name).generate(prompts(1), GREEDY)
    assert manners.bodies[-1]["max_completion_tokens"] == 64


@pytest.mark.parametrize(
    ("how", "more", "words"),
    [
        (
            {"key": "sk-right"},
            {},
            "asks for a key (401), and none is set: set the environment variable TERSELY_API_KEY",
        ),
        ({}, {"model": "stand-on"}, "serves no model 'stand-on' (did you mean 'stand-in'?)"),
        (
            {"models": ("a", "b")},
            {"model": "qwen"},
            "name one of those that it serves with --model (baseline samples: --served-as): a, b",
        ),
        ({"lists": False}, {"model": "qwen"}, "has no chat/completions for the model 'qwen' (404"),
        ({"refuses": "top_k"}, {"options": {"top_k": 5}}, "Unsupported parameter: 'top_k')"),
        ({"usage": False}, {}, "nothing is invented"),
        ({"fail": lambda number: "500"}, {"retries": 1}, "does not serve after 2 tries: it answers 500 (busy)"),
        ({"fail": lambda number: "html"}, {"retries": 0}, "does not serve at the first try"),
        ({"fail": lambda number: "hang"}, {"retries": 0, "timeout": 0.2}, "not a byte came within 0.2 seconds"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_it_begins(
    how: dict[str, Any], more: dict[str, Any], words: str
) -> None:
    with serving(**how) as (url, _), refused(words):
        looked(at(url, **more))


def test_an_address_without_v1_is_told_so() -> None:
    with serving() as (url, _), refused(f"give --endpoint {url}"):
        looked(at(url.removesuffix("/v1")))


def test_nobody_there_is_said_at_once() -> None:
    with serving() as (url, _):
        pass
    with refused("no server answers at http://127.0.0.1:"):
        looked(at(url, retries=100, pause=60.0))


def test_a_path_is_served_though_it_is_not_listed() -> None:
    """As `transformers serve` does, which lists what came from the hub."""

    class Anything(tuple[str, ...]):
        def __contains__(self, name: object) -> bool:
            return True

    with serving(models=Anything(("hub/model",))) as (url, _):
        assert looked(at(url, model="/models/mine")).reported == "stand-in-0801"


# --- the key -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["TERSELY_API_KEY", "OPENAI_API_KEY"])
def test_a_key_comes_from_the_environment(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, " sk-right\n")
    with serving(key="sk-right") as (url, _):
        assert len(ask(url, 1)) == 1


def test_a_wrong_key_is_refused_and_never_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-wrong")
    # This server repeats the key in its error.
    with serving(key="sk-right") as (url, _), refused("(401, Incorrect API key provided: Bearer ***)"):
        looked(at(url))
    monkeypatch.setenv("OPENAI_API_KEY", "sk-ümlaut")
    with refused("OPENAI_API_KEY holds a blank or a character that no key has"):
        EndpointSampler(at("http://127.0.0.1:1/v1"))


def test_a_key_does_not_follow_a_redirect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-right")
    with serving() as (elsewhere, other):
        from http.server import BaseHTTPRequestHandler, HTTPServer

        class Away(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(302)
                self.send_header("Location", f"{elsewhere}/models")
                self.end_headers()

            do_POST = do_GET

            def log_message(self, *_: Any) -> None:
                """Silent."""

        server = HTTPServer(("127.0.0.1", 0), Away)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            with pytest.raises(UserError):
                looked(at(f"http://127.0.0.1:{server.server_port}/v1"))
        finally:
            server.shutdown()
            server.server_close()
        assert other.keys == set()


# --- addresses, and what the engine is not -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("127.0.0.1:8000/v1", "is no address"),
        ("ftp://host/v1", "is no address"),
        ("http://", "is no address"),
        ("http://host:port/v1", "is no address"),
        ("http://[::1/v1", "is no address"),
        ("http://me:sk-1@host/v1", "holds more than an address"),
        ("http://host/v1?key=sk-1", "holds more than an address"),
    ],
)
def test_an_address_is_one(url: str, words: str) -> None:
    with refused(words):
        endpoint_at(url, "m")


@pytest.mark.parametrize("end", ["", "/", "/chat/completions", "/completions/", "/models"])
def test_an_address_may_be_given_with_its_path(end: str) -> None:
    assert endpoint_at(f"http://host:8000/v1{end}", "m").url == "http://host:8000/v1"


@pytest.mark.parametrize("more", [{"concurrency": 0}, {"retries": -1}, {"timeout": 0.0}, {"options": {"api_key": "x"}}])
def test_settings_that_mean_nothing_are_refused(more: dict[str, Any]) -> None:
    with pytest.raises(UserError):
        endpoint_at("http://host/v1", "m", **more)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("temperature", 0, "--temperature"),
        ("max_tokens", 5, "--max-new-tokens"),
        ("n", 4, "--k"),
        ("seed", 1, "--seed"),
        ("messages", [], "--task"),
        ("extra_headers", {"Authorization": "Bearer sk-1"}, "looks like a key"),
        ("more", [{"access_token": "sk-1"}], "looks like a key"),
        ("api_key", "sk-1", "looks like a key"),
        ("echo", True, "judged as if the model had said it"),
    ],
)
def test_no_point_says_another_protocol_than_is_recorded_nor_holds_a_key(name: str, value: Any, words: str) -> None:
    with refused(words):
        endpoint_at("http://host/v1", "m", options={name: value})
    with refused(words):
        point(endpoint_at("http://host/v1", "m"), Point(f"{name}=...", name, value))
    assert endpoint_at("http://host/v1", "m", options={"temperature": None, "top_k": 5}).options["top_k"] == 5


def test_a_list_or_an_object_is_one_value_of_a_request() -> None:
    given = ['stop=["a","b"]', 'thinking={"type":"enabled","budget":5}', "reasoning_effort=low,high"]
    assert [one.value for one in requests(given)] == [["a", "b"], {"type": "enabled", "budget": 5}, "low", "high"]


ODD: list[Any] = [5, -1, "x", [None], {"a": 1}, True, float("inf"), float("nan"), 2.5, 10**30]


@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_whatever_stands_in_an_answer_it_is_a_reply_or_no_answer(odd: Any) -> None:
    choice = {"message": {"content": "4"}, "finish_reason": "stop", "token_ids": [1]}
    usage = {"completion_tokens": 60, "completion_tokens_details": {"reasoning_tokens": 40}}
    whole = {"model": "m", "choices": [{**choice, "logprobs": {"token_logprobs": [-1]}}], "usage": usage}
    for place in paths(whole):
        data = json.dumps(put(whole, place, odd)).encode()
        with contextlib.suppress(Broken):
            found = read_whole(data, 0.0)
            assert isinstance(found.model, str)
            assert isinstance(found.text, str)
            assert isinstance(found.finish, Finish)
            json.dumps(found.to_json(), allow_nan=False)
        with contextlib.suppress(Broken):
            read_stream([b"data: " + data + b"\n\ndata: [DONE]\n\n"], 0.0, lambda: None)


def paths(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield place
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, part in inside:
        yield from paths(part, (*place, name))


def put(value: Any, place: tuple[Any, ...], odd: Any) -> Any:
    if not place:
        return odd
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[place[0]] = put(copy[place[0]], place[1:], odd)
    return copy


def test_an_answer_nested_without_end_is_none() -> None:
    with pytest.raises(Broken, match="which is no JSON"):
        read_whole(b'{"a":' + b"[" * 100_000, 0.0)


def test_halves_of_a_character_are_put_together_and_a_lone_one_is_shown_as_missing() -> None:
    said = ["so \ud83d", "\ude00 is ", "\ud800", " it"]
    events = [{"model": "m", "choices": [{"delta": {"content": part}}]} for part in said]
    end = {"choices": [{"delta": {}, "finish_reason": "stop"}], "usage": {"completion_tokens": 5}}
    lines = [b"data: " + json.dumps(event).encode() + b"\n\n" for event in [*events, end]]
    reply = read_stream([*lines, b"data: [DONE]\n\n"], 0.0, lambda: None)
    assert reply.text == "so \N{GRINNING FACE} is \N{REPLACEMENT CHARACTER} it"


@pytest.mark.parametrize(("total", "tokens"), [(107, 100), (None, 60), (67, 60)])
def test_thinking_that_a_server_counts_beside_the_answer_is_part_of_the_response(total: int, tokens: int) -> None:
    usage = {"prompt_tokens": 7, "completion_tokens": 60, "total_tokens": total}
    usage["completion_tokens_details"] = {"reasoning_tokens": 40}
    answer = {"model": "m", "choices": [{"message": {"content": "4"}, "finish_reason": "stop"}], "usage": usage}
    reply = read_whole(json.dumps(answer).encode(), 0.0)
    assert (reply.tokens, reply.reasoning_tokens) == (tokens, 40)


def test_who_it_is_does_not_depend_on_where_it_is_nor_on_how_fast_it_is_asked() -> None:
    here = endpoint_at("http://a:1/v1", "org/m", options={"top_k": 5}, concurrency=3)
    there = endpoint_at("https://b/v1", "org/m", options={"top_k": 5}, retries=9)
    assert here.identity("m-1") == there.identity("m-1")
    assert here.identity("m-1") != here.identity("m-2")
    assert here.identity("m") != replace(here, system="Be brief.").identity("m")
    assert (here.label, replace(here, model="../..").label) == ("m", "model")


def test_nothing_is_trained_with_it() -> None:
    with refused("the endpoint engine only samples"):
        require_engine("endpoint")
    with refused("nothing can be trained with it"):
        EndpointSampler(at("http://127.0.0.1:1/v1")).load_weights(None, 1)


@pytest.mark.parametrize(
    "data", [b"", b"[]", b'{"choices": [5]}', b'{"choices": [{"message": 5}]}', b'{"choices": []}', b"\xff"]
)
def test_what_is_no_completion_is_never_read_as_one(data: bytes) -> None:
    with pytest.raises(Broken):
        read_whole(data, 0.0)
    with pytest.raises(Broken):
        read_stream([b"data: " + data + b"\n", b"data: [DONE]\n"], 0.0, lambda: None)
