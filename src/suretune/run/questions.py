"""Which questions a run asks: its own, general ones on the way and in the proof, held-out rows."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson

from suretune import rundir
from suretune.battery.items import Question, proof_questions, way_questions
from suretune.data.collect import Prepared
from suretune.data.identity import language_of, plain, question_of
from suretune.data.render import with_system
from suretune.facts import SetupFacts
from suretune.options import ProofOptions
from suretune.preflight.asked import probes_of, skills_of
from suretune.preflight.check import Checked, asked_questions
from suretune.record.journal import Journal
from suretune.record.meant import made_again
from suretune.types import Example
from suretune.verify.compare import kind_of
from suretune.verify.compared_rows import Kind
from suretune.verify.general import askable
from suretune.verify.measure import HeldRow, Questions
from suretune.verify.probes import Probe, held_out_probes, identity_probes, with_twins

SHOWN_ROWS = 8  # held-out questions shown before and after
COMPARED = 64  # held-out rows whose answers are compared
LONGEST = 256  # tokens of an answer to one of them
ROOM = 16  # tokens beyond the row's own answer
ON_THE_WAY = 5  # of the questions of a skills file, one in so many is asked on the way alone
FEW_SKILLS = 10  # a file of fewer is asked by the proof alone
QUESTIONS = "questions.json"  # of a run folder
OWN_TOKENS = 96  # of an answer to a row of --general
NEAR = "near"  # the category whose shapes are the identity's


def make_questions(
    checked: Checked,
    journal: Journal,
    run: Path | None = None,
) -> Questions:
    """What will be asked before and after, and on the way; as `run` was begun, if it was."""
    probes = _probes(checked, journal)
    general, way, mine = _general(checked, journal, run)
    seen = _asked_by_rows(checked)
    kept = [q for q in general if not _overlaps(q, seen)]
    way = [q for q in way if not _overlaps(q, seen)]
    held_out = [sample for row in checked.held_out for sample in row.samples]
    return Questions(
        probes=probes,
        system=checked.system,
        held_out=held_out,
        general=_as_many(kept, checked.resolved.config.proof.general_questions),
        way=way,
        rows=held_rows(checked),
        voided=len(general) - len(kept),
        apart=None if mine is None else sum(q.id in mine for q in way),
    )


def keep_questions(
    run: Path,
    questions: Questions,
    names: Sequence[str],
    old: Sequence[str],
    journal: Journal,
    derived: Collection[str] = (),
) -> None:
    """The same questions before and after, and after a resume: easier ones would prove less.

    `names`, `old`: the new ones and the base's, for whoever asks an unfinished run. `derived`: the
    parts that no flag gives: they also change with suretune's version.
    """
    held_out = [sample.ids.tolist() for sample in questions.held_out]
    probes = [probe.line() for probe in questions.probes]
    asked = [[q.line() for q in group] for group in (questions.general, questions.way)]
    parts = {
        "probes": rundir.digest_of([probes, questions.system]),
        "skills": rundir.digest_of(asked),
        "rows": rundir.digest_of(held_out),
    }
    digest = rundir.digest_of([probes, questions.system, asked, held_out])
    path = run / QUESTIONS
    if path.exists() and rundir.recorded(path, "digest") != digest:
        told = rundir.read_json(path).get("parts")  # runs of earlier versions do not tell
        known = told if isinstance(told, dict) else {}
        changed = [name for name, now in parts.items() if known.get(name, now) != now]
        by = "derived" if changed and derived and set(changed) <= set(derived) else ""
        which = ", ".join(changed or ["probes", "skills"])
        anew = made_again(run)
        facts = SetupFacts(
            "changed-since",
            which,
            found=str(run),
            nearest=anew,
            spare=by,
        )
        raise journal.stop(facts)
    named = {"names": list(names), "old": list(old)}
    kept = {"digest": digest, "parts": parts, "probes": len(probes), "asked": probes}
    rundir.write_json(path, kept | named | {"apart": questions.apart})


def derived_parts(proof: ProofOptions) -> list[str]:
    """Which kinds of questions no flag gives: suretune's own, or what lies beside the model."""
    given = {"probes": proof.probes, "skills": proof.skills or proof.general}
    return [part for part, file in given.items() if not file]


def _probes(checked: Checked, journal: Journal) -> list[Probe]:
    proof = checked.resolved.config.proof
    if proof.probes:
        with journal.judging():
            probes = probes_of(checked.resolved)
        if checked.identity and not any(p.judged for p in probes):
            probes = [*probes, *identity_probes(checked.identity, asked_questions(checked))]
    elif checked.identity:
        probes = identity_probes(checked.identity, asked_questions(checked))
    else:
        asked = [question_of(row.example) for row in checked.held_out[:SHOWN_ROWS]]
        probes = held_out_probes([question for question in asked if question])
    if checked.system is not None:  # as plain vLLM, Ollama or transformers would ask
        probes = with_twins(probes)
    return probes


# --- general questions ----------------------------------------------------------------------------


def _shares(checked: Checked, run: Path | None, skills: int) -> bool:
    """Whether the way asks some of so many skills that the proof then does not ask: what steered
    the training proves less. Where nothing is asked on the way, the proof asks all."""
    path = run / QUESTIONS if run else None
    if path is None or not path.exists():
        return bool(checked.plan.probe_steps) and skills >= FEW_SKILLS
    told = rundir.read_json(path)  # earlier versions always shared, and did not tell
    return not isinstance(told, dict) or told.get("apart", 0) is not None


def _general(
    checked: Checked,
    journal: Journal,
    run: Path | None,
) -> tuple[list[Question], list[Question], set[str] | None]:
    """(asked by the proof, asked on the way, the skills that the way alone asks).

    A model with a skills file beside it has a battery of its own: of the package's only the near
    misses are asked then, for what they leak. `--skills` takes that file's place.
    """
    apart = None
    shipped, way = list(proof_questions()), list(way_questions())
    with journal.judging():
        skills = skills_of(checked.resolved, checked.base)
    if skills is not None:
        if (checked.base.folder / "skills.jsonl").is_file():
            shipped, way = ([q for q in qs if q.category == NEAR] for qs in (shipped, way))
        if _shares(checked, run, len(skills)):
            proof = [q for n, q in enumerate(skills) if n % ON_THE_WAY]
            twice = {plain(q.asked) for q in proof}  # a file may ask the same again further on
            mine = [q for q in skills[::ON_THE_WAY] if plain(q.asked) not in twice]
            shipped += proof
            way += mine
            apart = {q.id for q in mine}
        else:
            shipped += skills
    shipped += _own(checked.general)
    words, system = checked.tokenizer, checked.system
    return askable(words, shipped, system), askable(words, way, system), apart


def _own(rows: Sequence[Prepared]) -> list[Question]:
    """The rows of `--general` as questions; judged where their answers can be compared."""
    held = [made for row in rows if (made := _held(row.example, _learned(row))) is not None]
    kinds = kind_of([(row.prompt, row.reference) for row in held])
    return [
        Question(
            id=f"own-{number}",
            category="own",
            lang=language_of(row.messages[-1].content),
            template="",
            entities=(),
            messages=row.messages,
            check=_check(kind, row.reference.strip()),
            tokens=OWN_TOKENS,
        )
        for number, (row, kind) in enumerate(zip(held, kinds, strict=True), 1)
    ]


def _check(kind: Kind | None, reference: str) -> Mapping[str, Any]:
    """What an answer must be to be as right as this one; nothing where only a reader can say."""
    if kind == "json":
        keys = orjson.loads(reference)
        return {"kind": "json", "keys": dict.fromkeys(keys)} if isinstance(keys, dict) else {}
    if kind == "label":
        return {"kind": "exact", "any": [reference]}
    return {"kind": "says", "any": [reference]} if kind == "short" else {}


def _asked_by_rows(checked: Checked) -> frozenset[str]:
    """Everything that a user says in the training rows, whole and sentence by sentence, plain."""
    turns = {
        message.content
        for row in checked.train
        for message in row.example.messages
        if message.role == "user"
    }
    return frozenset(plain(part) for turn in turns for part in (turn, *turn.splitlines()))


def _overlaps(question: Question, seen: Collection[str]) -> bool:
    return plain(question.asked) in seen


def _as_many(questions: Sequence[Question], most: int | None) -> list[Question]:
    """So many of them, of every category and language its share, always the same ones."""
    if most is None or most >= len(questions):
        return list(questions)
    cells: dict[tuple[str, str], list[Question]] = {}
    for question in sorted(questions, key=lambda q: hashlib.blake2b(q.id.encode()).digest()):
        cells.setdefault((question.category, question.lang), []).append(question)
    ranked = [
        ((place + 1) / len(cell), question.id)
        for cell in cells.values()
        for place, question in enumerate(cell)
    ]
    chosen = {name for _, name in sorted(ranked)[:most]}
    return [question for question in questions if question.id in chosen]


# --- held-out rows --------------------------------------------------------------------------------


def held_rows(checked: Checked) -> list[HeldRow]:
    """Held-out rows to be answered and compared; an identity's are proven by its probes."""
    if checked.about_identity:
        return []
    rows = checked.held_out[:: max(1, -(-len(checked.held_out) // COMPARED))]
    made = (_held(row.example, _learned(row)) for row in rows)
    return [
        replace(held, messages=with_system(held.messages, checked.system))
        for held in made
        if held is not None
    ]


def _learned(row: Prepared) -> int:
    """Tokens of its longest answer."""
    return max((span.end - span.start for s in row.samples for span in s.spans), default=0)


def _held(example: Example, length: int) -> HeldRow | None:
    """The row's last answer apart from what stands before it; None for rows without turns."""
    *before, last = example.messages
    if last.role != "assistant" or not before or before[-1].role == "assistant":
        return None
    tokens = min(LONGEST, length + length // 2 + ROOM)
    # An answer that cannot be as long as the row's own is shown, and judged by nobody.
    reference = last.content if length <= LONGEST else ""
    return HeldRow(str(example.origin), tuple(before), reference, tokens)


def answers_of_rows(checked: Checked) -> list[str]:
    """What the training rows answer: what must not turn up elsewhere."""
    return [
        message.content
        for row in checked.train
        for message in row.example.messages
        if message.role == "assistant"
    ]
