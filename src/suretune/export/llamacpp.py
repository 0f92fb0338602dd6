"""llama.cpp itself, from a package, in a process of its own: it answers from a GGUF file.

Run as `python -m suretune.export.llamacpp`, it reads one line of JSON and prints one. Where it
cannot go on it ends the process it is in, so it is never the one that has a folder half written.
"""

from __future__ import annotations

import json
import os
import re
import sys
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from suretune.export import apart
from suretune.export.apart import Program, ask_apart
from suretune.export.door import COMPARED, Conversations, Heard
from suretune.installed import is_installed

SERVER = "xllamacpp"  # the package that holds the whole of llama-server
TOP = 40  # tokens whose probabilities are told
ROOM = 256  # tokens of a context beside the longest question
LOG = re.compile(r"\d+\.\d+\.\d+\.\d+ [DIW] ")  # what it tells of its work
# What it says of files that it has read and does not take.
REFUSES = re.compile(r"error loading model|invalid magic|failed to (apply|load) lora|gguf_init")
PROGRAM = Program(
    "llama.cpp",
    "suretune.export.llamacpp",
    is_noise=lambda line: LOG.match(line) is not None,
    refuses=REFUSES,
    last=2,
)


def here() -> bool:
    """Whether the package is installed."""
    return is_installed(SERVER)


def ask(
    target: str,
    model: Path,
    conversations: Conversations,
    tokens: int,
    adapter: Path | None = None,
    thinking: bool | None = None,
    seconds: float = 0.0,
) -> Heard:
    """Its answers, its token ids and its scores. `thinking`: what its template is told, which it
    would tell itself otherwise (None: nothing). Raises Refusal if it does not take the files,
    NotAsked if it ends otherwise."""
    talks = [[{"role": t.role, "content": t.content} for t in talk] for talk in conversations]
    longest = max(sum(len(turn["content"]) for turn in talk) for talk in talks)
    request = {
        "model": str(model),
        "adapter": str(adapter) if adapter else None,
        "talks": talks,
        "tokens": tokens,
        "template": {} if thinking is None else {"enable_thinking": thinking},
        "context": ROOM + tokens + 2 * longest,
    }
    heard: Mapping[str, Any] = ask_apart(
        target,
        PROGRAM,
        request,
        questions=len(talks),
        seconds=seconds,
    )
    scores = [{int(token): score for token, score in told} for told in heard["scores"]]
    return Heard(heard["answers"], heard["ids"], scores=scores)


def main() -> None:
    """In the process of its own."""
    import xllamacpp

    request = apart.asked()
    asked = xllamacpp.CommonParams()
    asked.model.path = request["model"]
    asked.n_ctx, asked.n_parallel, asked.warmup = request["context"], 1, False
    asked.cpuparams.n_threads = int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1)
    if request["adapter"]:
        asked.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(request["adapter"], 1.0)]
    server = xllamacpp.Server(asked)
    apart.tell_read()
    address = server.listening_address
    ids, answers, scores = [], [], []
    for place, talk in enumerate(request["talks"]):
        said = {"messages": talk, "chat_template_kwargs": request["template"]}
        prompt = _post(address, "/apply-template", said)["prompt"]
        words = {"content": prompt, "add_special": True, "parse_special": True}
        ids.append(_post(address, "/tokenize", words)["tokens"])
        asked_so = {**said, "temperature": 0, "max_tokens": request["tokens"]}
        told = _post(address, "/v1/chat/completions", asked_so)
        answers.append(told["choices"][0]["message"]["content"] or "")
        if place < COMPARED:
            scores.append(_scores(address, ids[-1]))
    sys.stdout.flush()
    apart.tell({"ids": ids, "answers": answers, "scores": scores})
    os._exit(0)  # its threads are not waited for


def _scores(address: str, prompt: Sequence[int]) -> list[tuple[int, float]]:
    """The likeliest next tokens and their log-probabilities, before anything is sampled; none where
    the answer ends with the first token."""
    told = _post(
        address,
        "/v1/completions",
        {
            "prompt": prompt,
            "temperature": 0,
            "max_tokens": 1,
            "logprobs": TOP,
        },
    )
    first = (told["choices"][0].get("logprobs") or {}).get("content") or []
    return [(each["id"], each["logprob"]) for each in (first[0]["top_logprobs"] if first else ())]


def _post(address: str, path: str, body: Mapping[str, Any]) -> Any:
    head = {"Content-Type": "application/json"}
    request = urllib.request.Request(
        address + path,
        json.dumps(body).encode(),
        head,
    )
    with urllib.request.urlopen(request) as answer:
        return json.loads(answer.read())


if __name__ == "__main__":
    main()
