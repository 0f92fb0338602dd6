"""The model that is to be trained: its files, looked at before its weights are loaded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

from suretune.config import Resolved
from suretune.data.base import Base, find_base
from suretune.data.collect import Collected
from suretune.data.fitness import flaw, with_system_role
from suretune.data.parts import Frozen, file_prefix, frozen_parts, linear_layers
from suretune.data.template import ChatTokenizer, load_tokenizer
from suretune.data.weights import weight_files, wrong_weights
from suretune.facts import FlagFacts, SetupFacts
from suretune.families import fused_layers
from suretune.options_input import ModelOptions
from suretune.options_lora import ALL_LINEAR, LoraOptions
from suretune.preflight.leave import leave_out
from suretune.preflight.machine import model_notes
from suretune.preflight.whole import is_whole, whole_notes
from suretune.record.journal import Journal
from suretune.refusal import Refusal
from suretune.types import Text


def open_base(
    asked: ModelOptions,
    day: date | None,
    journal: Journal,
) -> tuple[Base, ChatTokenizer, SetupFacts | None]:
    """The base's files, its tokenizer, and what is wrong with its weights; or a stop.

    `day`: the one that prompts say it is; today where none is given.
    """
    template = asked.chat_template
    with journal.judging():
        base = find_base(asked.model, weights=False)
    if (wrong := wrong_weights(base)) is not None and wrong.problem == "quantised-base":
        raise journal.stop(wrong)  # nothing else of it matters
    with journal.judging():
        tokenizer = load_tokenizer(base.folder, template)
    if amiss := flaw(tokenizer):
        place, spare = tokenizer.template_file, _spare(base, tokenizer, template)
        raise journal.stop(SetupFacts("template-unfit", place, amiss.reason, amiss.found, spare))
    tokenizer = with_system_role(tokenizer)
    if tokenizer.dated:  # proof and server send the same prompts on any later day
        tokenizer.day = day or date.today()
    return base, tokenizer, wrong


def _spare(
    base: Base,
    tokenizer: ChatTokenizer,
    template: str | None,
) -> str:
    """The model's own template, where that one is without fault; empty where it is not."""
    try:
        own = load_tokenizer(base.folder) if template else tokenizer
    except Refusal:
        return ""
    return "" if flaw(own) else own.template_file


def look_at_model(
    resolved: Resolved,
    base: Base,
    wrong: SetupFacts | None,
    journal: Journal,
) -> Resolved:
    """`--model_type`, targets and weights against the model's own files; without what was left
    out."""
    asked, real = resolved.config.model.model_type, base.config.get("model_type", "")
    if asked and asked not in (real, real.replace("_", "")):
        other = FlagFacts("model-type-mismatch", "--model_type", asked, nearest=real)
        resolved = leave_out(resolved, [other], journal)
    journal.look_at_all(model_notes(resolved, base))
    if is_whole(resolved):
        journal.look_at_all(whole_notes(resolved, base) if wrong is None else ())
    else:
        if wrong is None:
            journal.look_at_all(part_notes(base, resolved.config.run.output_dir))
        wrong = wrong or _targets_nothing(resolved.config.lora.target_modules, base)
        journal.look_at_all(_layers_beyond(resolved.config.lora, base))
    if wrong:
        journal.look(wrong)
    return resolved


def part_notes(base: Base, run: str) -> Iterator[SetupFacts]:
    """What of the model stays as it is, and whether others call the rest by other names; `run`:
    where the adapter will lie, as it was asked."""
    if parts := frozen_parts(base):
        yield SetupFacts("parts-frozen", base.name, found=_listed(parts))
    if prefix := file_prefix(base):
        told = base.config.get("architectures")
        names = told if isinstance(told, list) and told else [base.config.get("model_type")]
        yield SetupFacts(
            "named-otherwise",
            base.name,
            found=str(names[0]),
            nearest=prefix,
            spare=run,
        )


def _listed(parts: Sequence[Frozen]) -> Text:
    """Each part, with its share of the model's numbers where that is known."""
    shares = [f"{part.share:.1%}" for part in parts]
    en = [f"{p.name.en} ({s} of its numbers)" for p, s in zip(parts, shares, strict=True)]
    zh = [f"{p.name.zh}（占参数的 {s}）" for p, s in zip(parts, shares, strict=True)]
    if not any(part.share for part in parts):
        en, zh = [part.name.en for part in parts], [part.name.zh for part in parts]
    return Text("; ".join(en), "；".join(zh))


def _layers_beyond(asked: LoraOptions, base: Base) -> Iterator[FlagFacts]:
    """Layers that the model does not have."""
    layers, count = asked.layers, base.layers
    if layers and count and max(layers) >= count:
        hint = Text(
            f"this model has {count} layers, 0 to {count - 1}",
            f"这个模型有 {count} 层，编号 0 到 {count - 1}",
        )
        words = " ".join(asked.layers_to_transform)
        yield FlagFacts("bad-value", "--layers_to_transform", words, hint=hint)


def _targets_nothing(targets: Sequence[str], base: Base) -> SetupFacts | None:
    """A target that no layer has, where the files of a family of models tell which it has."""
    if not targets:
        return SetupFacts(
            "trains-nothing",
            "--target_modules",
            found="0",
        )
    known = fused_layers(base.text.get("model_type")) and weight_files(base.folder)
    layers = linear_layers(base) if known and tuple(targets) != (ALL_LINEAR,) else []
    odd = [target for target in targets if target.rpartition(".")[2] not in layers]
    if not (layers and odd):
        return None
    return SetupFacts(
        "target-matches-nothing",
        odd[0],
        found=", ".join(layers),
    )


def look_at_tokens(
    base: Base,
    tokenizer: ChatTokenizer,
    found: Collected,
    journal: Journal,
) -> None:
    """Added tokens may have no row in the embedding: fatal only if a row has one."""
    words = base.text.get("vocab_size")
    if not isinstance(words, int) or tokenizer.vocabulary.get_vocab_size() <= words:
        return
    highest = max((max(s.ids) for row in found.ready for s in row.samples), default=0)
    if highest >= words:
        about = SetupFacts(
            "token-beyond-vocabulary",
            f"vocab_size {words}",
            found=str(highest),
        )
        raise journal.stop(about)
