"""Rows to plan, without torch: everything that can be known before anything is spent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from suretune.config import Resolved
from suretune.data.anchors import Anchor, make_anchors
from suretune.data.apart import copies, hold_out, row_key
from suretune.data.base import Base, find_base
from suretune.data.choose import (
    choose_breadth,
    choose_length,
    choose_mix,
    choose_schedule,
    choose_split,
    choose_think,
    narrowly,
    settles_after,
    usual_rate,
)
from suretune.data.collect import Collected, Prepared, collect, data_facts, entry_of
from suretune.data.folders import LEARNED, MEASURED
from suretune.data.identity import (
    Identity,
    find_identity,
    plain,
    question_of,
)
from suretune.data.ledger import Entry, one_a_row
from suretune.data.mix import shared
from suretune.data.own_names import own_names
from suretune.data.paraphrase import paraphrased
from suretune.data.plan import make_plan, plan_facts
from suretune.data.render import Rendering
from suretune.data.role_tokens import role_tokens
from suretune.data.rows import NOTES
from suretune.data.sources import Source, none_drawn, parse_sources
from suretune.data.template import ChatTokenizer
from suretune.data.thinking import KEEP, thinking_of
from suretune.data.thoughts import as_learned
from suretune.facts import FlagFacts, PlanFacts
from suretune.guards.guard import some
from suretune.hubs.pull import Fetched
from suretune.preflight.amiss import all_is_said, look_for_rows, tell_faults
from suretune.preflight.asked import (
    asked_by_probes,
    asked_elsewhere,
    asked_faults,
    asks_to_judge,
    names_asked,
    system_faults,
    system_of,
)
from suretune.preflight.basemodel import look_at_model, look_at_tokens, open_base
from suretune.preflight.elsewhere import fetched, on_its_hub, pinned
from suretune.preflight.flags import (
    flags_without_effect,
    idle_anchors,
    idle_think,
    misused_flags,
)
from suretune.preflight.general_rows import asked_only
from suretune.preflight.identity_rows import mostly_identity, old_identity, taught_by
from suretune.preflight.leave import fit_intervals, leave_out, tell_command, with_rate
from suretune.preflight.machine import missing_trackers
from suretune.preflight.outlook import hardware_outlook
from suretune.record.journal import Journal
from suretune.tuning import TUNERS
from suretune.types import Fault, Origin, Plan, Sample, Text


@dataclass(frozen=True, slots=True)
class Checked:
    """A run that can begin."""

    resolved: Resolved
    base: Base
    tokenizer: ChatTokenizer
    train: Sequence[Prepared]
    held_out: Sequence[Prepared]
    entries: Sequence[Entry]  # the ledger: one a row
    samples: Sequence[Sample]  # of the training rows, with their weights in the loss
    plan: Plan
    anchors: Sequence[Anchor]  # general questions, before the base has answered them
    identity: Identity | None
    about_identity: bool  # the rows are an identity and little else
    system: str | None  # the system prompt that training used, if all rows share one
    system_source: str
    from_cache: int = 0  # rows whose ids did not have to be computed again
    general: Sequence[Prepared] = ()  # rows of --general: asked before and after, never learned
    fetched: Sequence[Fetched] = ()  # datasets of hubs, by commit and hashes

    @property
    def narrow(self) -> bool:
        """Whether it learns as a wide model learns who it is, see `choose.narrowly`."""
        return narrowly(self.resolved, self.base, proving=self.proving)

    @property
    def proving(self) -> bool:
        """Whether it learns who it is alone, and stops once that is proven."""
        return self.about_identity and bool(self.plan.probe_steps)


def check(resolved: Resolved, journal: Journal, day: date | None = None) -> Checked:
    """Read, render and plan; stops with every finding at once, not with the first. `day`: the one
    that this run's prompts say it is, where it was begun before."""
    resolved = on_its_hub(leave_out(resolved, list(misused_flags(resolved)), journal))
    tell_command(resolved, journal)  # where the model is not here, this much is known
    config = resolved.config
    base, tokenizer, wrong = open_base(config.model, day, journal)
    base = base.packed_as(TUNERS[config.lora.tuner].packed)
    resolved = look_at_model(choose_length(resolved, base), base, wrong, journal)
    journal.look_at_all((*missing_trackers(config.run.report_to), *hardware_outlook(resolved)))
    journal.look_at_all(asked_faults(resolved, base, tokenizer))
    resolved, how = _rendering(resolved, tokenizer, journal)
    resolved = pinned(resolved, base, journal)
    resolved, (rows, measured, asked_apart), got = _sources(resolved, journal)
    found = _collect(resolved, rows, how)
    how = as_learned(how, (row.samples for row in found.ready))
    general, apart = _general(resolved, asked_apart, found, how, journal)
    if not any(f.origin.line == 0 and f.kind not in NOTES for f in found.faults):
        idle = list(flags_without_effect(resolved, found, names_asked(resolved)))
        resolved = leave_out(resolved, idle, journal)
    identity = _identity(resolved, base, how, found)
    tell_command(resolved, journal)
    _judge_data(resolved, base, found, how, identity, journal)
    look_at_tokens(base, how.tokenizer, found, journal)
    about_identity = identity is not None and mostly_identity(found, identity)
    resolved = choose_split(resolved, identity=about_identity, rows=len(found.ready))
    train, held_out, more = _split(resolved, measured, found, how, journal)
    datasets = len({row.example.dataset for row in train})
    known = identity is not None
    probing = resolved.config.schedule.until_proven and (known or asks_to_judge(resolved))
    proving = probing and about_identity
    resolved = choose_mix(resolved, base, identity=known, datasets=datasets, proving=proving)
    journal.look_at_all(idle_anchors(resolved))
    resolved, train = _asked_anew(resolved, base, train, held_out, how, proving=proving)
    samples = shared([s for row in train for s in row.samples], resolved.config.schedule.mix or "")
    resolved = choose_schedule(resolved, base, len(samples), probing=probing, proving=proving)
    resolved, plan = _plan(resolved, base, samples, held_out, journal, probing, proving=proving)
    journal.gather()
    journal.settle()
    system, source = _system(train, how.system)
    seen = asked_elsewhere(resolved, base, [*train, *held_out, *general])
    anchored = resolved.config.schedule.anchor_ratio or probing
    return Checked(
        resolved,
        base=base,
        tokenizer=how.tokenizer,
        train=train,
        held_out=held_out,
        entries=_ledger(found, train, held_out, [*apart, *more]),
        samples=samples,
        plan=plan,
        anchors=make_anchors(how.tokenizer, system, seen) if anchored else [],
        identity=identity,
        about_identity=about_identity,
        system=system,
        system_source=source,
        from_cache=found.from_cache,
        general=general,
        fetched=got,
    )


def _asked_anew(
    resolved: Resolved,
    base: Base,
    train: list[Prepared],
    held_out: Sequence[Prepared],
    how: Rendering,
    *,
    proving: bool,
) -> tuple[Resolved, list[Prepared]]:
    """With `--paraphrases` of each question that no probe and no held-out row asks."""
    resolved = choose_breadth(resolved, base, len(train), proving=proving)
    if not (count := resolved.config.data.paraphrases):
        return resolved, train
    apart = {plain(question_of(row.example)) for row in held_out} - {""}
    asked = asked_by_probes(resolved) | apart
    return resolved, paraphrased(train, count, how, asked, resolved.config.schedule.seed)


def _ledger(
    found: Collected,
    train: Sequence[Prepared],
    held_out: Sequence[Prepared],
    others: Sequence[Entry],
) -> list[Entry]:
    """What became of every row that was read; one that several flags name is told of once."""
    learned = [entry_of("train", row) for row in train]
    apart = [entry_of("held-out", row) for row in held_out]
    return one_a_row([*found.entries, *learned, *apart, *others])


def _plan(
    resolved: Resolved,
    base: Base,
    samples: Sequence[Sample],
    held_out: Sequence[Prepared],
    journal: Journal,
    probing: bool,
    *,
    proving: bool,
) -> tuple[Resolved, Plan]:
    """The plan, and the config with intervals that come within it; guards judge both."""

    def planned(asked: Resolved) -> tuple[Plan, PlanFacts]:
        made = make_plan(samples, len(held_out), asked.config.schedule, probing=probing)
        wanted = asked.given("eval_steps") or asked.given("early_stopping_patience")
        usual = usual_rate(asked, base.hidden, made.schedule.total)
        alone = settles_after(asked, base, len(samples), proving=proving)
        return made, plan_facts(made, asked.config.schedule, wanted, usual, instead=alone)

    schedule = resolved.config.schedule
    if schedule.budget and schedule.max_steps and not resolved.given("max_steps"):
        return resolved, planned(resolved)[0]  # cut: it is no longer what was asked for
    resolved, plan, facts = fit_intervals(resolved, planned, journal)
    told = tell_command(resolved, journal)
    journal.look(with_rate(facts, resolved, journal, whole=not told))
    return resolved, plan


def with_weights(checked: Checked, journal: Journal) -> Checked:
    """The same run with the base's weights at hand: a check of a hub id fetched words only. They
    are those of the commit whose words were read."""
    before = checked.base
    with journal.judging():
        base = find_base(before.spec, weights=True).packed_as(before.packed)
    if base.fetched and before.fetched:
        base = replace(base, fetched=replace(base.fetched, typed=before.fetched.typed))
    return replace(checked, base=base)


def _rendering(
    resolved: Resolved, tokenizer: ChatTokenizer, journal: Journal
) -> tuple[Resolved, Rendering]:
    """How rows are rendered, and the config without role tokens in its system prompt."""
    data = resolved.config.data
    journal.look_at_all(system_faults(data))
    system = system_of(data)
    if system and (found := role_tokens(tokenizer, system)):
        wrapped = FlagFacts("role-tokens-in-system", "--system", data.system or "", found[0])
        resolved = leave_out(resolved, [wrapped], journal)
        system = system_of(resolved.config.data)
        if system and role_tokens(tokenizer, system):
            system = None  # so that the rows are still looked at
    known = thinking_of(tokenizer)
    resolved = leave_out(resolved, list(idle_think(data, known)), journal)
    resolved = choose_think(resolved, known)
    length = data.max_length or 0
    template = resolved.config.model.chat_template or resolved.config.model.model
    return resolved, Rendering(
        tokenizer,
        system=system,
        max_length=length,
        cut=data.over_long == "cut",
        strip_role_tokens=data.strip_role_tokens,
        template=template,
        think=resolved.config.data.think or KEEP,
    )


def _sources(
    resolved: Resolved, journal: Journal
) -> tuple[Resolved, list[list[Source | Fault]], list[Fetched]]:
    """What --dataset, --val_dataset and --general name, told apart over all of them; those of hubs
    fetched, and from now on named by their commit."""
    data, proof = resolved.config.data, resolved.config.proof
    named = (data.dataset, data.val_dataset, proof.general)
    journal.look_at_all(none_drawn(*named))
    roles = (LEARNED, MEASURED, MEASURED)
    options = ("dataset", "val_dataset", "general")
    flags = [f"--{option}" for option in options]
    groups = parse_sources(*zip(named, roles, flags, strict=True))
    groups, got = fetched(groups, roles, resolved.config.model.hub, journal)
    specs = {one.typed: one.spec for one in got}
    for option, words in zip(options, named, strict=True):
        if any(word in specs for word in words):
            now = tuple(specs.get(word, word) for word in words)
            resolved = resolved.with_values(resolved.origins.get(option, "flag"), **{option: now})
    return resolved, groups, got


def _collect(resolved: Resolved, sources: Sequence[Source | Fault], how: Rendering) -> Collected:
    return collect(sources, resolved.config.data, how, resolved.config.schedule.seed)


def _collect_apart(
    resolved: Resolved,
    sources: Sequence[Source | Fault],
    how: Rendering,
    flag: str,
    named: Sequence[str],
    journal: Journal,
) -> Collected:
    """The rows that `flag` names, judged; they are not learned, and `--dataset_sample` is about
    those that are."""
    whole = replace(resolved.config.data, dataset_sample=None)
    apart = collect(sources, whole, how, resolved.config.schedule.seed)
    tell_faults(apart, resolved, journal)
    if apart.ready:
        facts = data_facts(apart, whole, how, old=[], taught=[], context=0, length_asked=False)
        journal.look(replace(facts, flag=flag))
    look_for_rows(apart, resolved, flag, named, journal)
    return apart


def _identity(resolved: Resolved, base: Base, how: Rendering, found: Collected) -> Identity | None:
    data = resolved.config.data
    examples = [row.example for row in found.ready]
    own = own_names(base, how.tokenizer.default_system)
    names = data.model_name, data.model_author
    return find_identity(examples, frozenset(found.filled), *names, own)


def _judge_data(
    resolved: Resolved,
    base: Base,
    found: Collected,
    how: Rendering,
    identity: Identity | None,
    journal: Journal,
) -> None:
    tell_faults(found, resolved, journal)
    old, taught = old_identity(found, identity), taught_by(found, identity)
    asked = resolved.given("max_length")
    facts = data_facts(
        found,
        asked=resolved.config.data,
        how=how,
        old=old,
        taught=taught,
        context=base.context,
        length_asked=asked,
    )
    if not all_is_said(found, resolved):
        journal.look(facts)
    if not found.ready or found.faults:
        journal.settle()
    if not found.ready:  # whatever may be skipped, dropped or ignored: a plan needs a row
        raise journal.stop(facts)


def _split(
    resolved: Resolved,
    sources: Sequence[Source | Fault],
    found: Collected,
    how: Rendering,
    journal: Journal,
) -> tuple[list[Prepared], list[Prepared], list[Entry]]:
    """(training rows, held-out rows, ledger lines of unused --val_dataset rows)."""
    data, seed = resolved.config.data, resolved.config.schedule.seed
    if not sources:
        return *hold_out(found.ready, data.split_dataset_ratio or 0.0, seed), []
    flag = "--val_dataset"
    apart = _collect_apart(resolved, sources, how, flag, data.val_dataset, journal)
    learned = copies(found.ready)
    kept = [row for row in apart.ready if row_key(row.example) not in learned]
    lines, named = [], []
    for row in apart.ready:
        if twins := learned.get(row_key(row.example)):
            entry = replace(entry_of("also-learned", row), reason=f"= {' = '.join(twins)}")
            lines.append(entry)
            more = f" (+ {len(twins) - 3})" if len(twins) > 3 else ""
            named.append(f"{entry.origin} = {' = '.join(twins[:3])}{more}")
    if lines:
        typed = " ".join(data.val_dataset)
        share = f"{len(lines)} / {len(apart.ready)}"
        pairs = some(named)
        pairs = Text(f"They are {pairs.en}.", f"即 {pairs.zh}。")
        journal.look(Fault("held-out-learned", Origin(typed, 0), found=share, hint=pairs))
        if not kept:
            journal.look(FlagFacts("bad-value", flag, typed, hint=Text(
                "every row of it is learned too, so nothing is left to measure with; to hold rows "
                "out of the training data: `--split_dataset_ratio 0.05` in its place",
                "其中每一行都参与了训练，没有可以用来评估的数据；"
                "请改用 `--split_dataset_ratio 0.05` 从训练数据中留出")))  # fmt: skip
    journal.settle()
    return found.ready, kept, [*apart.entries, *lines]


def _general(
    resolved: Resolved,
    sources: Sequence[Source | Fault],
    found: Collected,
    how: Rendering,
    journal: Journal,
) -> tuple[list[Prepared], list[Entry]]:
    """(rows of `--general`, ledger lines); `found` keeps no row that asks what they ask."""
    if not sources:
        return [], []
    named = resolved.config.proof.general
    apart = _collect_apart(resolved, sources, how, "--general", named, journal)
    journal.settle()
    lines = asked_only(resolved, apart.ready, found, journal)
    return apart.ready, [*apart.entries, *lines]


def _system(train: Sequence[Prepared], flag: str | None) -> tuple[str | None, str]:
    """The system prompt that every training row shares and who wrote it."""
    sources = {row.samples[0].system_source for row in train}
    if sources == {"flag"}:
        return flag, "flag"
    if sources == {"row"}:
        texts = {row.example.messages[0].content for row in train}
        if len(texts) == 1:
            return texts.pop(), "row"
    source = sources.pop() if len(sources) == 1 else "several"
    return (flag if source == "several" else None), source


def asked_questions(checked: Checked) -> list[str]:
    """What the training rows ask, to keep probes apart from them."""
    return [plain(question_of(row.example)) for row in checked.train]
