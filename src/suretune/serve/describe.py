"""The OpenAPI description: made from the very classes that read the requests."""

from __future__ import annotations

from functools import cache
from typing import Any

from suretune import __version__
from suretune.serve.openai import (
    Body,
    ChatRequest,
    CompletionRequest,
    LoadRequest,
    Question,
    UnloadRequest,
)

REF = "#/components/schemas/{model}"
POSTS: tuple[tuple[str, type[Body], str], ...] = (
    ("/v1/chat/completions", ChatRequest, "An answer to a conversation."),
    ("/v1/completions", CompletionRequest, "A continuation of text as it is."),
    ("/ask", Question, "An answer to one question."),
    ("/v1/load_lora_adapter", LoadRequest, "Serve one more adapter (with --adapters_dir)."),
    ("/v1/unload_lora_adapter", UnloadRequest, "Serve an adapter no longer."),
)
GETS = (
    ("/v1/models", "What is served."),
    ("/health", "Whether the engine lives."),
    ("/ready", "Whether new requests are taken."),
    ("/metrics", "Figures for Prometheus."),
)
STATUSES = (
    "400",
    "401",
    "403",
    "404",
    "405",
    "408",
    "413",
    "414",
    "415",
    "429",
    "431",
    "500",
    "503",
)
ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": ["string", "null"]},
            },
        }
    },
}


@cache
def describe() -> dict[str, Any]:
    """OpenAPI 3.1."""
    schemas: dict[str, Any] = {"Error": ERROR}
    paths: dict[str, Any] = {}
    for path, kind, about in POSTS:
        schema = kind.model_json_schema(ref_template=REF)
        schemas.update(schema.pop("$defs", {}))
        schemas[kind.__name__] = schema
        ref = {"schema": {"$ref": REF.format(model=kind.__name__)}}
        body = {"required": True, "content": {"application/json": ref}}
        paths[path] = {"post": {**_operation(about), "requestBody": body}}
    for path, about in GETS:
        paths[path] = {"get": _operation(about)}
    name = {"name": "model", "in": "path", "required": True, "schema": {"type": "string"}}
    paths["/v1/models/{model}"] = {"get": {**_operation("One model."), "parameters": [name]}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "suretune", "version": __version__},
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"key": []}, {}],
    }


def _operation(about: str) -> dict[str, Any]:
    error = {"application/json": {"schema": {"$ref": REF.format(model="Error")}}}
    refused = {status: {"description": "Refused.", "content": error} for status in STATUSES}
    kinds = ("application/json", "text/event-stream", "text/plain")
    answer = {"description": about, "content": {kind: {"schema": {}} for kind in kinds}}
    return {"summary": about, "responses": {"200": answer, **refused}}
