"""Where suretune judges an adapter of the zoo: the one function that joins the two."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from suretune import rundir
from suretune.data.template import ChatTokenizer, load_tokenizer
from suretune.model.device import let_go
from suretune.preflight.check import Checked
from suretune.record.journal import Journal, Stopped
from suretune.run.kept import judge_kept
from suretune.run.prove import EXACT, Proven, proof_facts
from suretune.run.resume import reopen
from suretune.verify.measure import answers_of
from suretune.verify.reload import REQUEST, RESULT, Request, main, read_questions
from zoo.runs import REPORT, NotProved

IN_MEMORY = ("R001",)  # logits in memory: there is no memory of an adapter that nobody trained here


def prove(run: Path) -> Mapping[str, Any]:
    """Prove a run folder whose adapter was replaced, as the command line does but in this process.

    The result has `verdict` ("sealed", or any other word), `reasons` (codes and names of what
    stopped it) and `measured` (figures by name, kept as they are). Raises NotProved where nothing
    could be measured.
    """
    request = Request(**rundir.read_json(run / "proof" / REQUEST))
    path = run / "proof" / RESULT
    try:
        main(run, path)
    except SystemExit as refused:  # of a process of its own; others wait for what this one does
        raise NotProved(f"{run.name}: {refused}") from refused
    finally:
        let_go(torch.device(request.device))
    return judge(run, request, rundir.read_json(path))


def told(run: Path) -> Mapping[str, Any]:
    """The same of a run that the command line proved itself, with the verdict that it gave."""
    request = Request(**rundir.read_json(run / "proof" / REQUEST))
    found = judge(run, request, rundir.read_json(run / "proof" / RESULT))
    report = rundir.read_json(run / REPORT)
    verdict = report["verdict"] if report["verdict"] == "sealed" else "refused"
    return {**found, "verdict": verdict, "reasons": report["reasons"]}


def judge(run: Path, request: Request, result: Mapping[str, Any]) -> Mapping[str, Any]:
    """The verdict on what was measured: also of a zoo that was measured before."""
    tokenizer = load_tokenizer(run / "adapter")
    assert isinstance(tokenizer, ChatTokenizer)
    questions = read_questions(run, request, tokenizer)
    before = answers_of(rundir.read_json(run / "base_answers.json"))
    proven = Proven(questions, before, answers_of(result["answers"]), result, EXACT)
    kept = judge_kept(run, result)
    assert kept is not None
    journal = Journal(IN_MEMORY)
    journal.look(proof_facts(proven, kept, _checked(run), []))
    journal.look_at_all(kept.all_facts)
    try:
        journal.settle()
        verdict = "sealed"
    except Stopped:
        verdict = "refused"
    reasons = [f"{f.code} {f.name}" for f in journal.findings if f.stops and not journal.ignored(f)]
    noted = [f"{f.code} {f.name}" for f in journal.findings if not f.stops]
    facts = {key: value for key, value in asdict(kept.facts).items() if not key.startswith("first")}
    rows = kept.compared.line() if kept.compared else None
    return {
        "verdict": verdict,
        "reasons": reasons,
        "measured": {**facts, "rows": rows, "noted": noted},
    }


_KNOWN: dict[bytes, Checked] = {}


def _checked(run: Path) -> Checked:
    """The rows of the run; all adapters of one template share them."""
    config = (run / "config.yaml").read_bytes()
    if config not in _KNOWN:
        _KNOWN[config] = reopen(run, Journal())
    return _KNOWN[config]
