"""What a run kept and lost, judged from its folder: by the run that trained, and by `verify`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from suretune import rundir
from suretune.battery.items import recorded_question
from suretune.config import Resolved
from suretune.preflight.check import Checked
from suretune.retention import HeldAnswer, HeldAnswers, RetentionFacts, RowsFacts
from suretune.run.questions import answers_of_rows
from suretune.types import Text
from suretune.verify.compare import compare, kind_of, label_keys, row_of
from suretune.verify.compared_rows import KINDS, Comparison
from suretune.verify.forms import Form, form_of
from suretune.verify.kept import Bounds, General, Judged, judge_all, retention_facts
from suretune.verify.leaks import Learned, phrases_of, read_phrases, write_phrases
from suretune.verify.measure import Answers, Questions, held_row
from suretune.verify.probes import from_line, own_answers, probe_tokens
from suretune.verify.reload import ROWS

JUDGING = "judging.json"  # in the folder of the proof: all that judging needs beside the answers
PHRASES = "phrases.bin"
LONG = 0.01  # share of the rows whose answers may be longer than those that are asked for
MOST_TRAINED = 20_000  # rows that show what a label is, and which questions have several answers
MOST_LINES = 60  # answers of one kind that the report shows side by side


@dataclass(frozen=True, slots=True)
class Kept:
    """The general answers, judged; and the held-out rows' where there are any."""

    judged: Sequence[Judged]
    facts: RetentionFacts
    compared: Comparison | None
    rows: Sequence[HeldAnswer] = ()

    @property
    def all_facts(self) -> list[RetentionFacts | RowsFacts]:
        """What the guards look at."""
        return [self.facts, _rows_facts(self.compared)] if self.compared else [self.facts]


def _rows_facts(found: Comparison) -> RowsFacts:
    return RowsFacts(
        asked=found.asked,
        compared=found.judged,
        right_before=found.right_before,
        right_after=found.right_after,
        lost=found.lost,
        gained=found.gained,
        kinds=tuple(KINDS[tally.kind] for tally in found.kinds if tally.kind),
        p=found.all.p,
        open=found.open,
        same=found.same,
    )


def learned_on_the_way(checked: Checked, questions: Questions, base: Answers) -> Learned:
    """What general answers must not say while it trains: names, which need no reading of rows."""
    own = phrases_of(own_answers(questions.probes, base.probes))
    old = checked.identity.forbidden if checked.identity else ()
    return Learned(names_of(checked), (), old, own)


def names_of(checked: Checked) -> list[str]:
    """The new name and its maker, in every language that the rows have."""
    identity = checked.identity
    named = (identity.words, identity.makers) if identity else ()
    return sorted({word for group in named for words in group.values() for word in words})


def names_known(run: Path) -> tuple[Sequence[str], Sequence[str]]:
    """(the new names, the base's own) of a run, however far it came; none where it does not say."""
    if (run / "proof" / JUDGING).is_file() or (run / "probes.jsonl").is_file():
        told = _judging(run)
        return told["names"], told["old"]
    begun = run / "questions.json"
    told = rundir.read_json(begun) if begun.is_file() else {}
    return told.get("names", ()), told.get("old", ())


def answers_fit(checked: Checked) -> bool:
    """Whether the rows' answers are shorter than what a question may be answered with: whoever
    learns long answers gives long answers."""
    lengths = [s.end - s.start for row in checked.train for x in row.samples for s in x.spans]
    most = probe_tokens(checked.tokenizer)
    return sum(n > most for n in lengths) <= LONG * len(lengths)


def write_judging(run: Path, checked: Checked, questions: Questions) -> None:
    """Everything that judging needs and the questions do not have, without the rows' text."""
    proof = checked.resolved.config.proof
    answers = answers_of_rows(checked)
    form = form_of(answers) if not checked.about_identity else None
    pairs = (row_of(row.example) for row in checked.train[:MOST_TRAINED])
    trained = [pair for pair in pairs if pair is not None] if questions.rows else []
    write_phrases(run / "proof" / PHRASES, phrases_of(answers))
    rundir.write_json(
        run / "proof" / JUDGING,
        {
            "names": names_of(checked),
            "old": list(checked.identity.forbidden) if checked.identity else [],
            "margin": proof.max_skill_drop,
            "max_drift": proof.max_drift,
            "scope": proof.scope,
            "judge_length": answers_fit(checked),
            "voided": questions.voided,
            "form": asdict(form) if form else None,
            "kinds": kind_of([(row.prompt, row.reference) for row in questions.rows], trained),
            "label_keys": label_keys([answer for _, answer in trained]),
        },
    )


def _judging(run: Path) -> Mapping[str, Any]:
    """What `write_judging` wrote; of an earlier version's run, what its probes ask for."""
    path = run / "proof" / JUDGING
    if path.is_file():
        return dict(rundir.read_json(path))
    probes = [from_line(line) for line in rundir.read_jsonl(run / "probes.jsonl")]
    proof = Resolved.default().config.proof
    return {
        "names": sorted({word for probe in probes for word in probe.must}),
        "old": sorted({word for probe in probes for word in probe.must_not}),
        "margin": proof.max_skill_drop,
        "max_drift": proof.max_drift,
        "scope": proof.scope,
        "judge_length": False,
        "voided": 0,
        "form": None,
        "kinds": [],
    }


def _form(line: Mapping[str, Any]) -> Form:
    return Form(line["name"], Text(**line["said"]), tuple(line["details"]))


def _finite(said: General) -> General:
    """JSON has no NaN: what came back as null is as far from the base as can be."""
    return replace(
        said,
        drift=[math.inf if nats is None else nats for nats in said.drift],
        likelihood=[-math.inf if nats is None else nats for nats in said.likelihood],
    )


def judge_kept(run: Path, result: Mapping[str, Any]) -> Kept | None:
    """Judge what a fresh process heard; None where it was asked nothing general."""
    folder = run / "proof"
    if not result.get("general"):
        return None
    told = _judging(run)
    said = _finite(General(**result["general"]))
    questions = [recorded_question(line) for line in said.questions]
    bounds = Bounds(told["margin"], told["max_drift"], told["scope"], told["judge_length"])
    form = _form(told["form"]) if told["form"] else None
    before = rundir.read_json(run / "base_answers.json")
    probes = [from_line(line) for line in rundir.read_jsonl(run / "probes.jsonl")]
    own = phrases_of(own_answers(probes, before["probes"]))
    learned = Learned(told["names"], read_phrases(folder / PHRASES), told["old"], own)
    judged = judge_all(questions, said, learned, bounds, form.shown_by if form else None)
    facts = retention_facts(judged, said, bounds, told["voided"], form.said if form else None)
    if not learned.tells:  # short answers without a name: nothing was looked for
        facts = replace(facts, leaked=None)
    then, now = before.get("rows") or (), result["answers"].get("rows") or ()
    return Kept(judged, facts, *_rows(run, told, then, now))


def _rows(
    run: Path, told: Mapping[str, Any], before: Sequence[str], after: Sequence[str]
) -> tuple[Comparison | None, list[HeldAnswer]]:
    """The held-out rows' answers beside the rows' own; nothing where none were asked."""
    kinds = told["kinds"]
    if not kinds or not len(kinds) == len(before) == len(after):
        return None, []
    held = [held_row(line) for line in rundir.read_jsonl(run / "proof" / ROWS)]
    pairs = [(row.prompt, row.reference) for row in held]
    found = compare(kinds, pairs, before, after, told.get("label_keys", ()))
    rows = zip(held, before, after, found.rows, strict=True)
    return found, [
        HeldAnswer(
            row=row.row,
            question=row.messages[-1].content,
            reference=row.reference,
            before=then,
            after=now,
            right_before=judged.before,
            right_after=judged.after,
        )
        for row, then, now, judged in rows
    ]


# --- for the report -------------------------------------------------------------------------------


def general_figures(kept: Kept, measured: Mapping[str, Any]) -> dict[str, Any]:
    """Every figure of the general questions, and single answers side by side."""
    lines = [one.line() for one in kept.judged]
    kinds = ("leaked", "broken", "formed", "lost", "gained")
    examples = {kind: [line for line in lines if line[kind]][:MOST_LINES] for kind in kinds}
    about = {name: measured[name] for name in ("seconds", "from_cache")}
    return {**asdict(kept.facts), **about, "examples": examples}


def rows_figures(kept: Kept) -> dict[str, Any] | None:
    """The held-out rows' answers, counted, and some of them; None where none were asked."""
    if kept.compared is None:
        return None
    told = HeldAnswers(**kept.compared.line(), examples=kept.rows[:MOST_LINES])
    return asdict(told)
