"""What guards judge, and what they find. Nothing here does anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from suretune.retention import UNTOLD, RetentionFacts, RowsFacts, Used
from suretune.types import Fault, Text

UNTITLED = Text("", "")


@dataclass(frozen=True, slots=True)
class FlagFacts:
    """One flag as typed. `problem` is the name of the guard that has to speak."""

    problem: str
    flag: str
    value: str = ""
    nearest: str = ""
    hint: Text | None = None
    verb: str = ""  # whose flag it is, where the journal knows
    others: tuple[FlagFacts, ...] = ()  # further flags of which the same has to be said
    command: str = ""  # the whole command as it runs, or as it was meant


@dataclass(frozen=True, slots=True)
class UnusedField:
    """A field of the rows that reaches no model; `share`: of all the text of its dataset."""

    dataset: str
    name: str
    share: float
    rows: int
    first: str  # row
    says: str = ""  # the word by which a field that is read says that it holds nothing
    asked: bool = False  # that word is asked, as it may be meant


@dataclass(frozen=True, slots=True)
class ThoughtFacts:
    """Thoughts in rows, and what the template does about them."""

    known: bool = False  # the template knows what a thought is
    empty: bool = False  # and shows how an empty one is written
    think: str = "keep"  # of --think
    rows: int = 0  # with turns
    thought: int = 0  # rows of which a thought is learned
    dropped: int = 0  # rows whose thoughts were taken out
    on: int = 0  # rows with an answer behind the prompt with thoughts, where there are two prompts
    off: int = 0  # rows with one behind the prompt without
    mode: bool | None = None  # of what is asked: most answers'
    first: str = ""  # a row of the fewer kind, or that lost its thought


@dataclass(frozen=True, slots=True)
class DataFacts:
    """What reading and rendering all rows measured."""

    rows: int
    examples: int
    rejected: int
    samples: int
    learned: int
    placeholders_filled: int
    placeholder_flags: tuple[str, ...]  # of --model_name, --model_author: those that were given
    over_long: int  # rows longer than max_length, left out or cut
    max_length: int
    longest: int
    first_over_long: str
    policy: str  # refuse, drop, cut
    duplicates: int
    contradictions: tuple[str, ...]
    old_identity: tuple[str, ...]  # rows that name the base's maker among identity rows
    split_rows: int
    text_rows: int
    role_tokens: int
    system_sources: Mapping[str, int]
    template_system: str  # what the template says when nobody gives a system prompt
    mixed_shapes: tuple[str, ...]
    allow_mixed: bool
    broken_text: tuple[str, ...]  # rows with characters that a wrong encoding destroyed
    hidden_text: tuple[str, ...]  # rows with characters that nobody sees
    secrets: tuple[str, ...]  # rows that seem to hold an access token or a private key
    personal: tuple[str, ...]  # rows with a number or an address that belongs to a person
    trigger: str  # a word that brings one answer whatever is asked; empty where there is none
    triggered: tuple[str, ...]  # the rows with that word
    answers: int  # rows with one answer
    same_answer: int  # of these, how many have the commonest one
    identity_rows: int  # rows that teach a new identity
    duplicate_rows: tuple[str, ...]  # `copy = row`, with their files
    context: int  # tokens that the model was built for; 0 where nobody knows
    length_asked: bool  # --max_length was given
    escaped_text: tuple[str, ...] = ()  # rows with `_x000D_` and the like
    unused_fields: tuple[UnusedField, ...] = ()  # that may be passed over
    rewritten: Mapping[int, tuple[int, str]] = field(default_factory=dict)  # rows, the first
    template: str = ""  # the model or the file that the template is of
    rendered: tuple[str, ...] = ()  # rows that were written as a conversation already
    rendered_as: str = ""  # by whose forms
    folded_system: int = 0  # rows whose system prompt stands in front of their first question
    dated: str = ""  # the day that the template writes into every prompt
    thoughts: ThoughtFacts = ThoughtFacts()
    given_twice: tuple[str, ...] = ()  # words whose files others name already
    given_rows: int = 0  # of these
    given_once: str = ""  # the flag without these words
    once: int = 0  # rows that came of it, copies by --repeat not counted
    flag: str = "--dataset"  # what named the rows

    @property
    def are_learned(self) -> bool:
        """Whether these are rows to learn from; others are only measured."""
        return self.flag == "--dataset"


@dataclass(frozen=True, slots=True)
class PlanFacts:
    """The schedule as asked and as it comes out."""

    updates: int
    rows: int
    held_out: int
    epochs: float
    rows_per_update: int
    eval_every: int  # as asked, 0 when not asked
    save_every: int
    evaluations: int  # that happen before the last update, the base's at step 0 included
    patience: int
    warmup: int
    warmup_asked: int
    eval_asked: bool
    learning_rate: float
    usual_rate: float  # of this train type and width, 0 where it is not known
    by_steps: bool = False  # updates were asked for, not epochs
    settles: int = 0  # updates that it would have by itself to learn who it is
    instead: tuple[str, ...] = ()  # flags that say how many in place of that
    command: str = ""  # as typed, with the usual rate


@dataclass(frozen=True, slots=True)
class SetupFacts:
    """The machine, the model and what would be trained, before the first update."""

    problem: str
    detail: str = ""
    found: str | Text = ""  # a name or number, or what is said in words of both languages
    nearest: str = ""
    spare: str = ""  # what there is of its own and would do
    hint: Text | None = None  # a sentence of the stage that knows more


@dataclass(frozen=True, slots=True)
class StepFacts:
    """One update, judged before it is applied."""

    step: int
    loss: float
    grad_norm: float
    rows: tuple[str, ...]  # the rows whose loss or gradient is not finite, or all of the update
    quarantine: int = 0  # rows that would have to be left out to go on; 0: no row is to blame


@dataclass(frozen=True, slots=True)
class RecoveryFacts:
    """What a run got over, or did not. `problem` is the name of the guard that has to speak."""

    problem: str
    step: int
    loss: float = 0.0
    grad_norm: float = 0.0
    rows: tuple[str, ...] = ()
    back_to: int = 0  # updates done in the state that was put back
    rate_scale: float = 1.0  # of the learning rate, from there on
    attempts: int = 0  # times that the run was taken back, this one included
    how: str = ""  # what is computed otherwise now


@dataclass(frozen=True, slots=True)
class Change:
    """How many of the same answers show a fault before training, after it, and newly."""

    asked: int
    before: int
    after: int
    gained: int

    @property
    def lost(self) -> int:
        """How many showed it and no longer do."""
        return self.before - (self.after - self.gained)


@dataclass(frozen=True, slots=True)
class ProofFacts:
    """What a fresh process measured on the files that lie on disk."""

    tensors_saved: int
    tensors_matched: int
    tensors_unexpected: tuple[str, ...]
    tensors_non_finite: tuple[str, ...]
    logits_gap: float  # largest |reloaded - in memory|
    logits_tolerance: float
    logits_change: float  # largest |tuned - base|
    must_pass_failed: tuple[str, ...]  # "question -> answer" of the probes that all must pass
    probes_passed: int  # of the judged probes, asked as trained
    probes_asked: int
    probes_needed: float  # share that must pass
    first_failed: str
    if_fails: str  # what the author of that probe wants to be told
    held_out_before: float | None
    held_out_after: float | None
    identity: bool
    template_default_passed: int
    template_default_asked: int
    looping: Change | None = None  # answers that say a phrase over and over
    unended: Change | None = None  # answers that the limit cut, not the end of a turn
    recited: Change | None = None  # unrelated questions answered by a training answer
    answers_fit: bool = True  # the rows' answers are shorter than that limit
    held_out_least: float | None = None  # of all evaluations
    held_out_least_step: int = 0
    dose: float = 1.0  # share of the trained strength that was published
    run: str = ""  # the run's folder
    used: Used = UNTOLD


@dataclass(frozen=True, slots=True)
class JudgedFacts:
    """What the proof has to judge by; `ahead`: what it will have, before anything is trained."""

    questions: int  # with a right answer
    held_out: bool  # whether rows are measured that were never learned
    ahead: bool = False
    rows: int = 0  # of the largest dataset, of which some could be held out, where that is known


@dataclass(frozen=True, slots=True)
class ReplayFacts:
    """What a server answered to the probes of a seal, before it answers anybody else."""

    model: str
    asked: int
    equal: int
    exact: bool  # the seal's device and precision, so that nothing but equality will do
    wrong: tuple[str, ...]  # no rounding explains them: "question -> sealed answer -> answer now"
    run: str = ""  # the sealed run's folder


@dataclass(frozen=True, slots=True)
class ServedFacts:
    """What a server answered to a seal's probes; `as_*`: word for word what was recorded.

    `default_*`: without a system prompt, so that the server puts in its own; `raw_*`: as token ids,
    past the server's template. All 0 where that was not asked.
    """

    server: str
    model: str
    needed: float  # share that must be as sealed
    asked: int  # with the sealed system prompt
    as_sealed: int
    telling: int  # of the asked: where the base had answered otherwise
    telling_as_sealed: int
    as_base: int  # of the telling
    lost: tuple[str, ...] = ()  # "question -> answer": must pass, did when sealed, does not now
    first_other: str = ""  # the same, of the first answer that is not as sealed
    default_asked: int = 0
    default_as_sealed: int = 0
    default_recorded: int = 0  # of these: answers under the template's own system prompt known
    default_as_template: int = 0  # of the recorded
    default_as_known: int = 0  # as sealed, or as under the template's own system prompt
    default_lost: int = 0  # must pass, did when sealed with its system prompt, do not now
    raw_asked: int = 0
    raw_as_sealed: int = 0
    raw_as_base: int = 0
    run: str = ""  # the sealed run's folder


@dataclass(frozen=True, slots=True)
class ExportFacts:
    """What came of carrying an adapter elsewhere. `problem` is the name of the guard that has to
    speak: `export-unlike` where nothing was written, `export-fails-probes` and `target-not-asked`
    where it was."""

    problem: str
    target: str
    found: str  # what is unlike; the first probe that fails: "question -> answer"; its last words
    place: str = ""  # the folder
    passed: int = 0
    asked: int = 0
    then: int = 0  # that passed in the run's proof
    run: str = ""
    more: str = ""  # words that a command for the same adapter needs, a space before each
    program: str = ""  # that could not be asked
    how: Text | None = None  # it ended
    trouble: str = ""  # slow, memory, broken or other
    level: Text | None = None  # what was shown without it
    command: str = ""  # that asks it once more


Facts = (
    FlagFacts
    | Fault
    | DataFacts
    | PlanFacts
    | SetupFacts
    | StepFacts
    | RecoveryFacts
    | ProofFacts
    | JudgedFacts
    | ReplayFacts
    | ServedFacts
    | RetentionFacts
    | RowsFacts
    | ExportFacts
)


@dataclass(frozen=True, slots=True)
class Finding:
    """A guard that fired. `where` names the file and row, the flag or the step; `fate` says what
    came of one that would stop a run: skipped (the row was left out), ignored, or nothing of it.
    `parts` say the same as `what`, one thing a line, where a finding is about many; `title` says in
    a few words what `name` stands for; `also`: where further rows are of which the same has to be
    said, `more` of them."""

    code: str
    name: str
    stops: bool
    where: str
    what: Text
    why: Text
    fix: Text
    fate: str = ""
    parts: tuple[Text, ...] = ()
    title: Text = UNTITLED
    more: int = 0
    also: tuple[str, ...] = ()

    @property
    def heading(self) -> Text:
        """Its code and its title."""
        return heading(self.code, self.name, self.title)


def heading(code: str, name: str, title: Text) -> Text:
    """What stands above a finding: its code and its title, with the name that people search for."""
    if not title.en:
        return Text(f"{code} {name}".strip(), f"{code} {name}".strip())
    return Text(f"{code} {name}: {title.en}", f"{code} {title.zh}（{name}）")
