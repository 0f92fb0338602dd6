"""What OpenAI's API and others' have and this server does not: refused by name, with the reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TOOLS = (
    "this server answers in text only and calls no functions; what was called before, and what came"
    " of it, may stand in messages"
)
ONE = "a request has one answer; ask again, with another seed"
FORM = (
    "no grammar holds the answer to a form; ask for JSON in the prompt, and check what comes back"
)
WEIGHTS = "answers are drawn from the model's own likelihoods, by temperature and top_p alone"
TEXT_ONLY = "this server reads and writes text only"
TEMPLATE = "the prompt is the one that was trained and proven"
EFFORT = "how much a model thinks is what it was trained to"

# Fields that would change the answer: only the values that change nothing are taken.
NEUTRAL: Mapping[str, tuple[tuple[Any, ...], str]] = {
    "tools": (([],), TOOLS),
    "tool_choice": (("none", "auto"), TOOLS),
    "functions": (([],), TOOLS),
    "function_call": (("none", "auto"), TOOLS),
    "response_format": (({"type": "text"},), FORM),
    "guided_json": ((), FORM),
    "guided_regex": ((), FORM),
    "guided_choice": ((), FORM),
    "guided_grammar": ((), FORM),
    "structured_outputs": ((), FORM),
    "grammar": (("",), FORM),
    "json_schema": ((), FORM),
    "n": ((1,), ONE),
    "best_of": ((1,), ONE),
    "use_beam_search": ((False,), ONE),
    "echo": ((False,), "only /v1/completions repeats its prompt"),
    "suffix": (("",), "the model continues text; it does not fill gaps"),
    "logit_bias": (({},), WEIGHTS),
    "presence_penalty": ((0,), WEIGHTS),
    "frequency_penalty": ((0,), WEIGHTS),
    "repetition_penalty": ((1,), WEIGHTS),
    "top_k": ((-1, 0), WEIGHTS),
    "min_p": ((0,), WEIGHTS),
    "min_tokens": ((0,), WEIGHTS),
    "ignore_eos": ((False,), "an answer ends where the model ends it"),
    "stop_token_ids": (([],), "stop takes text"),
    "skip_special_tokens": ((True,), TEXT_ONLY),
    "modalities": ((["text"],), TEXT_ONLY),
    "audio": ((), TEXT_ONLY),
    "prediction": ((), "nothing is foretold here"),
    "web_search_options": ((), TOOLS),
    "reasoning_effort": ((), EFFORT),
    "reasoning": ((), EFFORT),
    "verbosity": ((), EFFORT),
    "chat_template": ((), TEMPLATE),
    "chat_template_kwargs": (({},), TEMPLATE),
    "add_generation_prompt": ((True,), TEMPLATE),
}

CHAT = "use POST /v1/chat/completions"
ROUTES: Mapping[str, str] = {
    "/v1/responses": (
        f"the Responses API is not served; {CHAT} (openai-agents:"
        " set_default_openai_api('chat_completions'); AI SDK: provider.chat(model))"
    ),
    "/v1/messages": f"Anthropic's API is not served; {CHAT}",
    "/v1/embeddings": "the model answers; it gives no embeddings",
    "/v1/rerank": "the model answers; it ranks nothing",
    "/v1/score": "the model answers; it ranks nothing",
    "/v1/moderations": "the model answers; it judges nothing",
    "/v1/images": TEXT_ONLY,
    "/v1/audio": TEXT_ONLY,
    "/v1/realtime": TEXT_ONLY,
    "/v1/files": f"no files are kept; {CHAT}",
    "/v1/batches": f"no batches are kept; {CHAT}",
    "/v1/fine_tuning": "`suretune sft` trains; this only serves",
    "/v1/assistants": f"no assistants are kept; {CHAT}",
    "/v1/threads": f"no threads are kept; {CHAT}",
    "/v1/vector_stores": "no files are kept",
}
SERVED = ("/v1/chat/completions", "/v1/completions", "/v1/models", "/ask")


def unsupported(name: str, given: Any) -> str:
    """Why this value of a field is not taken; nothing where it changes no answer."""
    values, reason = NEUTRAL[name]
    if given is None or any(_same(given, neutral) for neutral in values):
        return ""
    return f"{name} is not supported: {reason}."


def _same(given: Any, neutral: Any) -> bool:
    """True is not 1 here."""
    return isinstance(given, bool) == isinstance(neutral, bool) and bool(given == neutral)


def no_route(path: str) -> tuple[str, str | None]:
    """(what is said about a path that is no route, its code): the reason, or the path meant."""
    for route, reason in ROUTES.items():
        for known in (route, route.removeprefix("/v1")):
            if path == known or path.startswith(f"{known}/"):
                return f"{route} is not supported: {reason}.", "unsupported_endpoint"
    for route in SERVED:
        tail = route.removeprefix("/v1")
        if path.rstrip("/").endswith(tail):
            return f"There is no such route; {route} is. Mind the client's base_url.", None
    return "There is no such route. GET /openapi.json lists them all.", None
