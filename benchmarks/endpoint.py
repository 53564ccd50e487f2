"""What our client leaves of a server's speed: requests by the endpoint engine and by the server's own benchmark client.

    python benchmarks/endpoint.py --vllm ENV/bin/vllm      # starts the server, both clients in turn; writes the table
    python benchmarks/endpoint.py --vllm ENV/bin/vllm --url http://127.0.0.1:8000/v1 --model FOLDER --name NAME

Both sides: the same questions as chats, streamed, exactly ``--tokens`` tokens each (the end token is ignored) at
temperature 1, ``--concurrency`` at once, on one server and one machine. The server's own speed is what `vllm bench
serve` reports; ours is tokens over the seconds of ``EndpointSampler.generate``, each in a process of its own, after the
same warm-up. The sides alternate, each round with another one first, and the ratio is taken within a round; its
interval is t over the logarithms of the rounds' ratios. Ours is measured as it is, with a seed for every response, and
without seeds (`--with seed=none`), which the other side sends neither. A small model on the client's own cores, as
here by default (random weights, 365,000 parameters), is the worst case: the client is dear beside it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import platform
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

import numpy as np
from scipy.special import stdtrit

SIDES = ("server", "ours", "ours without seeds")
PATIENCE = 900
"""Seconds for a server to start."""
ALONE = {"HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "OMP_NUM_THREADS": "1", "VLLM_CPU_KVCACHE_SPACE": "1",
         "VLLM_CPU_OMP_THREADS_BIND": "nobind"}  # fmt: skip
"""For the server: one thread, which is no slower with so small a model and leaves the other core to the client."""

Measured = dict[str, float]
"""tokens_s, and of ours cpu_ms a request."""


def make_model(folder: Path, hidden: int, layers: int) -> None:
    """Random weights whose heads are as wide as vLLM's kernels ask for."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from tersely.toy.tokenizer import build_tokenizer

    torch.manual_seed(0)
    tokenizer = build_tokenizer()
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=hidden, intermediate_size=2 * hidden, num_hidden_layers=layers,
        num_attention_heads=hidden // 64, num_key_value_heads=hidden // 128, max_position_embeddings=1024,
        eos_token_id=tokenizer.eos_token_id, pad_token_id=0, bos_token_id=None,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


@contextlib.contextmanager
def served(vllm: Path, model: Path, name: str, log: Path) -> Iterator[str]:
    """The address of a server that lives as long as the block."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["serve", model, "--served-model-name", name, "--port", port, "--dtype", "float32", "--enforce-eager"]
    with log.open("w") as said:
        server = subprocess.Popen([vllm, *map(str, words)], stdout=said, stderr=said, env={**os.environ, **ALONE})
        try:
            _wait(f"http://127.0.0.1:{port}/health", server, log)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            server.terminate()
            server.wait()


def _wait(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and server.poll() is None:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(url, timeout=5).close()
            return
        time.sleep(1)
    raise SystemExit(f"the server does not answer:\n{log.read_text()[-2000:]}")


def questions(count: int, salt: int) -> list[str]:
    """No two alike, so that no server finds a prompt in its cache."""
    return [f"{salt}: what is {i} + {7 * i + salt}?" for i in range(count)]


def measure_server(args: argparse.Namespace, url: str, salt: int, place: Path) -> Measured:
    rows = [json.dumps({"prompt": question}) for question in questions(args.requests, salt)]
    (place / "asked.jsonl").write_text("\n".join(rows) + "\n")
    words = [
        "bench", "serve", "--backend", "openai-chat", "--base-url", url.removesuffix("/v1"),
        "--endpoint", "/v1/chat/completions", "--model", args.model, "--served-model-name", args.name,
        "--dataset-name", "custom", "--dataset-path", place / "asked.jsonl", "--skip-chat-template",
        "--disable-shuffle", "--custom-output-len", args.tokens, "--num-prompts", args.requests,
        "--max-concurrency", args.concurrency,
        "--num-warmups", args.concurrency, "--ignore-eos", "--temperature", 1.0, "--save-result", "--disable-tqdm",
        "--result-dir", place, "--result-filename", "result.json",
    ]  # fmt: skip
    done = subprocess.run(
        [args.vllm, *map(str, words)], capture_output=True, text=True, check=False, env={**os.environ, **ALONE}
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, done.args))}:\n{done.stderr[-2000:]}")
    found = json.loads((place / "result.json").read_text())
    if found["total_output_tokens"] != args.requests * args.tokens:
        raise SystemExit(f"{found['total_output_tokens']} tokens came, not {args.requests * args.tokens}")
    return {"tokens_s": found["total_output_tokens"] / found["duration"]}


def measure_ours(args: argparse.Namespace, url: str, salt: int, seeds: bool) -> Measured:
    names = ("vllm", "model", "name", "requests", "tokens", "concurrency")
    same = [word for name in names for word in (f"--{name}", str(getattr(args, name)))]
    words = [sys.executable, __file__, "--side", str(salt), "--url", url, *same, *([] if seeds else ["--no-seeds"])]
    return dict(json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout))


def one_side(args: argparse.Namespace) -> Measured:
    """Ours, in this process."""
    from tersely.samplers import Prompt, Sampling
    from tersely.samplers.endpoint import endpoint_at
    from tersely.samplers.endpoint.characters import Characters
    from tersely.samplers.endpoint.sampler import EndpointSampler

    options = {"ignore_eos": True, **({"seed": None} if args.no_seeds else {})}
    sampler = EndpointSampler(endpoint_at(args.url, args.name, options=options, concurrency=args.concurrency))
    sampling, write = Sampling(1, args.tokens, 1.0), Characters().encode
    warm = [Prompt(f"w{i}", tuple(write(q))) for i, q in enumerate(questions(args.concurrency, args.side + 1))]
    sampler.generate(warm, sampling)
    prompts = [Prompt(f"p{i}", tuple(write(q))) for i, q in enumerate(questions(args.requests, args.side))]
    began, cpu = time.perf_counter(), time.process_time()
    found = sampler.generate(prompts, sampling)
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    if any(rollout.length != args.tokens for rollout in found):
        raise SystemExit(f"responses are not of {args.tokens} tokens each")
    return {"tokens_s": args.requests * args.tokens / seconds, "cpu_ms": 1000 * cpu / args.requests}


def measure(args: argparse.Namespace, url: str, place: Path) -> dict[str, list[Measured]]:
    found: dict[str, list[Measured]] = {side: [] for side in SIDES}
    for number in range(args.rounds):
        first = number % len(SIDES)
        for side in (*SIDES[first:], *SIDES[:first]):
            salt = 1000 * number + 100 * SIDES.index(side)
            if side == "server":
                found[side].append(measure_server(args, url, salt, place))
            else:
                found[side].append(measure_ours(args, url, salt, seeds=side == "ours"))
            print(side, {name: round(value, 2) for name, value in found[side][-1].items()}, flush=True)
    return found


def ratio(ours: Sequence[Measured], theirs: Sequence[Measured]) -> str:
    """Geometric mean over rounds with its 95 % t interval; without one for a single round."""
    logs = np.log([one["tokens_s"] / other["tokens_s"] for one, other in zip(ours, theirs, strict=True)])
    if len(logs) < 2:
        return f"{math.exp(logs.mean()):.2f}"
    reach = stdtrit(len(logs) - 1, 0.975) * logs.std(ddof=1) / math.sqrt(len(logs))
    value, low, high = np.exp(logs.mean() + reach * np.array([0, -1, 1]))
    return f"{value:.2f} [{low:.2f}, {high:.2f}]"


def page(args: argparse.Namespace, found: dict[str, list[Measured]], load: float) -> str:
    version = subprocess.run([args.vllm, "--version"], capture_output=True, text=True, check=True).stdout.split()[-1]
    lines = ["| client | tokens/s, median | ratio to the server's own | CPU ms a request |", "|---|---:|---:|---:|"]
    for side, rounds in found.items():
        middle = np.median([one["tokens_s"] for one in rounds])
        cpu = "" if side == "server" else f"{np.median([one['cpu_ms'] for one in rounds]):.2f}"
        lines.append(
            f"| {side} | {middle:,.0f} | {'' if side == 'server' else ratio(rounds, found['server'])} | {cpu} |"
        )
    head = [
        "# A server's speed, as its own client and as ours see it",
        "",
        f"{date.today()}, vLLM {version}, Python {platform.python_version()}, {os.cpu_count()} cores "
        f"{platform.machine()} for server and client together; load {load:.1f} before. Command: "
        f"`python benchmarks/endpoint.py --vllm ENV/bin/vllm --rounds {args.rounds} --hidden {args.hidden} --layers "
        f"{args.layers} --requests {args.requests} --tokens {args.tokens}`.",
        "",
        f"{args.requests} chats of {args.tokens} tokens, streamed, {args.concurrency} at once; {args.rounds} rounds in "
        "which the sides alternate. Ratio: geometric mean over rounds, 95 % t interval over their logarithms. The "
        "server's own speed is that of `vllm bench serve`.",
        "",
    ]
    return "\n".join([*head, *lines]) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--vllm", type=Path, required=True, help="its command")
    parser.add_argument("--url", default=None, help="of a server that runs already")
    parser.add_argument("--model", type=Path, default=None, help="what is served (default: made here)")
    parser.add_argument("--name", default="reasoner", help="what the server calls it")
    parser.add_argument("--requests", type=int, default=512)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--hidden", type=int, default=128, help="width of the model that is made, in steps of 128")
    parser.add_argument("--layers", type=int, default=2, help="of the model that is made")
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results" / "endpoint.md")
    parser.add_argument("--side", type=int, default=None, help=argparse.SUPPRESS)
    parser.add_argument("--no-seeds", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.side is not None:
        print(json.dumps(one_side(args)))
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the server ends too
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        if args.model is None:
            args.model = place / "model"
            make_model(args.model, args.hidden, args.layers)
        with contextlib.ExitStack() as stack:
            url = args.url or stack.enter_context(served(args.vllm, args.model, args.name, place / "server.log"))
            found = measure(args, url, place)
    args.results.write_text(page(args, found, load))
    print(page(args, found, load))


if __name__ == "__main__":
    main()
