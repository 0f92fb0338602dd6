"""Figures for Prometheus, named as vLLM names them where they mean the same."""

from __future__ import annotations

from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from suretune.serve.desk import Desk, Member

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
MODEL = "model_name"
TEXT = "text/plain; version=0.0.4; charset=utf-8"


def _running(one: Member) -> float:
    return one.running


def _waiting(one: Member) -> float:
    return one.waiting


def _slots(one: Member) -> float:
    return one.rows


def _answers(one: Member) -> float:
    return one.condition == "ready"


def _figures_of_each(engine: Desk, here: CollectorRegistry) -> None:
    """What every engine of several does; their sums are the figures above."""
    for name, about, value in (
        ("engine_requests_running", "Requests that this engine answers.", _running),
        ("engine_requests_waiting", "Requests that wait for a slot of it.", _waiting),
        ("engine_slots", "Slots it has.", _slots),
        ("engine_answers", "1 while it answers, 0 while it is built again or dead.", _answers),
    ):
        gauge = Gauge(f"suretune:{name}", about, ("engine",), registry=here)
        for number, one in enumerate(engine.members):
            gauge.labels(str(number)).set_function(partial(value, one))


class Metrics:
    """Counters of one server; labels are only names that it serves."""

    def __init__(self, engine: Desk, slots: int) -> None:
        self.registry = here = CollectorRegistry()
        if len(engine.members) > 1:
            _figures_of_each(engine, here)
        for name, about, value in (
            ("num_requests_running", "Requests that are being answered.", lambda: engine.running),
            ("num_requests_waiting", "Requests that wait for a slot.", lambda: engine.waiting),
            ("slots_in_use", "Slots in use.", lambda: engine.running),
            ("slots", "Slots there are.", lambda: slots),
            ("engine_up", "1 while the engine answers.", lambda: engine.state != "dead"),
        ):
            Gauge(f"suretune:{name}", about, registry=here).set_function(value)

        def counter(name: str, about: str, *labels: str) -> Counter:
            return Counter(f"suretune:{name}", about, labels, registry=here)

        def seconds(name: str, about: str) -> Histogram:
            name = f"suretune:{name}_seconds"
            return Histogram(
                name,
                about,
                (MODEL,),
                registry=here,
                buckets=SECONDS,
            )

        self.prompt_tokens = counter(
            "prompt_tokens",
            "Tokens read.",
            MODEL,
        )
        self.tokens = counter("generation_tokens", "Tokens said.", MODEL)
        self.success = counter(
            "request_success",
            "Requests answered.",
            MODEL,
            "finished_reason",
        )
        self.refused = counter(
            "request_refused",
            "Answers that were errors.",
            "status",
        )
        # A stream that broke off had its status, 200, before: no other counter knows of it.
        self.failed = counter(
            "request_failed",
            "Answers that broke off.",
            MODEL,
            "sent",
        )
        self.cancelled = counter(
            "request_cancelled",
            "Requests whose client left.",
            MODEL,
        )
        self.first = seconds("time_to_first_token", "From arrival to the first token.")
        self.whole = seconds("e2e_request_latency", "From arrival to the last token.")

    def page(self) -> bytes:
        """What GET /metrics gives."""
        return generate_latest(self.registry)
