"""What guards found, and what follows from it: go on, or stop with an exit status."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from suretune import rundir, typed
from suretune.events import Event, Found, Listener, Noted, Stream
from suretune.facts import (
    DataFacts,
    ExportFacts,
    Facts,
    Finding,
    FlagFacts,
    JudgedFacts,
    PlanFacts,
    ProofFacts,
    RecoveryFacts,
    ReplayFacts,
    ServedFacts,
    SetupFacts,
    StepFacts,
)
from suretune.guards import all_guards, judge
from suretune.record.record import RunRecord
from suretune.refusal import Refusal
from suretune.retention import RetentionFacts, RowsFacts
from suretune.types import Fault, Hint, Text

OK, INTERNAL, USAGE, DATA, ENVIRONMENT, GUARD, UNVERIFIED, NETWORK, UNMEASURED = range(9)
EXIT = {
    FlagFacts: USAGE,
    PlanFacts: USAGE,
    Fault: DATA,
    DataFacts: DATA,
    SetupFacts: ENVIRONMENT,
    StepFacts: GUARD,
    RecoveryFacts: GUARD,
    ProofFacts: UNVERIFIED,
    JudgedFacts: UNVERIFIED,
    ReplayFacts: UNVERIFIED,
    ServedFacts: UNVERIFIED,
    ExportFacts: UNVERIFIED,
    RetentionFacts: UNVERIFIED,
    RowsFacts: UNVERIFIED,
}
LOOK = re.compile(r"`(suretune check --dataset [^`]+)`")
NOT_MEASURED = "forgetting-not-measured"  # the one finding with a status of its own
# Told of all flags together, in one finding, however many there are.
TOGETHER = (
    *("words-mended", "stray-argument", "not-here", "harmless-no-effect", "left-out"),
    "strictly-refused",
)
STOP = ("stray-argument", "not-here", "strictly-refused")  # of those
SHOWS = ("left-out", "not-here")  # the first of these that is told shows the command that runs
ELSEWHERE = (
    "hub-unreachable",
    "hub-busy",
    "hub-damaged",
    "process-lost",
    "server-unreachable",
    "key-refused",
    "odd-server",
)


def status_of(facts: Facts) -> int:
    """With what a command ends that these facts stop."""
    if isinstance(facts, SetupFacts) and facts.problem in ELSEWHERE:
        return NETWORK
    if isinstance(facts, SetupFacts) and facts.problem in ("hub-dataset", "hub-no-dataset"):
        return DATA
    if isinstance(facts, SetupFacts) and facts.problem == "not-sealed":
        return UNVERIFIED
    return EXIT[type(facts)]


class Stopped(Exception):
    """The run ends here, on purpose; `findings` say why."""

    def __init__(
        self,
        status: int,
        findings: Sequence[Finding],
    ) -> None:
        super().__init__(", ".join(f"{f.code} {f.name}" for f in findings))
        self.status = status
        self.findings = list(findings)


class Journal:
    """Every finding of a run, in order; written to the run folder once there is one.

    `verb` is the command whose flags are judged: its own --help is named.
    """

    def __init__(
        self,
        ignore: Sequence[str] = (),
        verb: str = "",
    ) -> None:
        self.verb = verb
        self.ignore: frozenset[str] = frozenset()
        self.heed(ignore)
        self.findings: list[Finding] = []
        self.run: Path | None = None
        self.began: float | None = None  # perf_counter from which seconds count; else the process
        self.environment: tuple[str, ...] = ()  # `NAME=value` words in front of the command
        self.again: Callable[[str, Sequence[str]], str] | None = None  # looks at rows: `look_again`
        self._held: dict[str, list[FlagFacts]] = {}  # what is told together, by its problem
        self._told: tuple[Finding, ...] = ()  # what has been shown
        self._command = ""  # that runs without the flags that were left out
        self._status = OK
        self._stopping: list[Finding] = []
        self._stream = Stream(self._lost)

    def join(self, *listeners: Listener) -> None:
        """From now on these are told what happens in the run, too."""
        self._stream.join(*listeners)

    def on(self, event: Event) -> None:
        """Keep it in the run folder, if there is one, then tell whoever listens.

        Raises OSError where it cannot be kept; nothing that a listener does.
        """
        if self.run:
            RunRecord(self.run).on(event)
        self._stream.on(event)

    def _lost(self, listener: Listener, error: Exception) -> None:
        """A listener raised: told once, and what it says of itself if it refused on purpose."""
        name = getattr(listener, "name", type(listener).__name__)
        found = f"{type(error).__name__}: {error}"
        facts = SetupFacts(
            "listener-failed",
            str(name),
            found=" ".join(found.split()),
        )
        self.look(error.facts if isinstance(error, Refusal) else facts, stops=False)

    def heed(self, ignore: Sequence[str]) -> None:
        """Codes that shall not stop the run."""
        self.ignore = frozenset(_codes_in(ignore))

    def look_at_codes(self, ignore: Sequence[str]) -> None:
        """Speak of codes that no finding has: a slip would heed nothing, and nobody would know."""
        known = {name: guard.code for guard in all_guards() for name in (guard.code, guard.name)}
        for code in _codes_in(ignore):
            if code in known.values() or not code:
                continue
            near = get_close_matches(code, [name.upper() for name in known], n=1)
            found = next((known[name] for name in known if [name.upper()] == near), "D015")
            hint = Text(
                f"It takes the codes of findings, as `{found}`.",
                f"它的值是检查结果的代码，例如 `{found}`。",
            )
            self.look(FlagFacts("bad-value", "--ignore", code, hint=hint))

    def look(
        self,
        facts: Facts,
        *,
        stops: bool = True,
        fate: str = "",
    ) -> list[Finding]:
        """Let the guards judge; `stops=False` records what would stop otherwise, `fate` says why
        it does not."""
        if isinstance(facts, FlagFacts) and not facts.verb:
            facts = replace(facts, verb=self.verb)
        if isinstance(facts, FlagFacts) and facts.problem in TOGETHER and stops:
            self._held.setdefault(facts.problem, []).append(facts)
            return []
        return self._judged(facts, stops, fate)

    def holds(self, problem: str) -> bool:
        """Whether something of this kind waits to be told."""
        return problem in self._held

    def show_command(self, command: str) -> None:
        """The command that runs without the flags that were left out, or have to be."""
        self._command = command

    def gather(self) -> None:
        """Tell what was held back to be told together."""
        before, self.findings = self.findings, []
        shows = next((problem for problem in SHOWS if self.holds(problem)), "")
        for problem in TOGETHER:
            if held := self._held.pop(problem, None):
                first, *others = list(dict.fromkeys(held))
                facts = replace(first, others=(*first.others, *others))
                self._judged(
                    facts,
                    True,
                    "",
                    self._command if problem == shows else "",
                )
        line = [finding for finding in before if finding.code.startswith("C")]
        rest = [finding for finding in before if finding not in line]
        self.findings = [*line, *self.findings, *rest]  # of the command line is spoken first

    def _judged(
        self,
        facts: Facts,
        stops: bool,
        fate: str,
        command: str = "",
    ) -> list[Finding]:
        if isinstance(facts, FlagFacts) and command:
            facts = replace(facts, command=command)
        hint = facts.hint if isinstance(facts, Fault) else None
        columns = hint.columns if isinstance(hint, Hint) else ()
        told = (self._typed(each, columns) for each in judge(facts))
        found = [self._decided(each, stops, fate) for each in told]
        for finding in found:
            self.findings.append(finding)
            self.on(Found(finding, self.ignored(finding)))
            if finding.stops and not self.ignored(finding):
                self._stopping.append(finding)
                status = UNMEASURED if finding.name == NOT_MEASURED else status_of(facts)
                if self._status in (OK, UNMEASURED):  # any other reason says more
                    self._status = status
        return found

    def _typed(self, finding: Finding, columns: Sequence[str]) -> Finding:
        """With its commands whole: how to look again, in which language, no guard knows."""
        again = self.again

        def told(advice: str) -> str:
            if again is not None:
                advice = LOOK.sub(lambda found: f"`{again(found[1], columns)}`", advice)
            return typed.all_in_language(advice)

        return replace(finding, fix=Text(told(finding.fix.en), told(finding.fix.zh)))

    def _decided(
        self,
        finding: Finding,
        stops: bool,
        fate: str,
    ) -> Finding:
        if finding.stops and not stops:
            return replace(finding, stops=False, fate=fate)
        return (
            replace(finding, fate="ignored") if finding.stops and self.ignored(finding) else finding
        )

    def look_at_all(
        self,
        facts: Iterable[Facts],
        *,
        stops: bool = True,
    ) -> None:
        """Let the guards judge each of these facts; see `look`."""
        for item in facts:
            self.look(item, stops=stops)

    def ignored(self, finding: Finding) -> bool:
        """Whether `--ignore` names this finding's code."""
        return finding.code in self.ignore

    def settle(self) -> None:
        """Stop here if anything so far must; several findings are told together."""
        if self._stopping or any(map(self.holds, STOP)):
            self.gather()
        if self._stopping:
            stopping, self._stopping = self._stopping, []
            raise Stopped(self._status, [*self._noted(), *stopping])

    def _noted(self) -> list[Finding]:
        """What was said of the command line without a stop: it is told before what stops."""
        noted = [f for f in self.findings if f.code.startswith("C") and not f.stops and not f.fate]
        return [] if self._told else noted

    def stop(self, facts: Facts) -> Stopped:
        """The exception for facts that always stop: `raise journal.stop(facts)`."""
        found = [*self.look(facts)]
        self.gather()
        kept = [f for f in self._stopping if f not in found and f.code.startswith("C")]
        found = [*self._noted(), *kept, *found]
        return Stopped(status_of(facts), found)

    @contextmanager
    def judging(self) -> Iterator[None]:
        """What is refused inside ends here: `Refusal` becomes the `Stopped` of its facts."""
        try:
            yield
        except Refusal as refusal:
            raise self.stop(refusal.facts) from refusal

    def shown(self) -> None:
        """What was found so far stands on the screen: a later stop does not repeat it."""
        self._told = tuple(self.findings)

    def untold(self) -> list[Finding]:
        """What was found since then."""
        return [finding for finding in self.findings if finding not in self._told]

    def open(self, run: Path) -> None:
        """From now on findings are also kept in this folder."""
        self.run = run
        rundir.write_jsonl(run / "findings.jsonl", (self.line(f) for f in self.findings))

    def event(self, name: str, **about: Any) -> None:
        """A figure of the machinery, for events.jsonl."""
        self.on(Noted(name, about))

    def found(self) -> tuple[Found, ...]:
        """Every finding so far, as listeners are told."""
        return tuple(Found(finding, self.ignored(finding)) for finding in self.findings)

    def line(self, finding: Finding) -> dict[str, Any]:
        """A line of findings.jsonl."""
        return Found(finding, self.ignored(finding)).line()


def _codes_in(ignore: Sequence[str]) -> list[str]:
    return [word.strip().upper() for code in ignore for word in code.split(",")]
