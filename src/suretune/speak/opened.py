"""Which base an adapter belongs to, what kind it is, and whose words it is asked with.

One answer for every verb: `infer`, `ask`, `serve`, the server's load endpoint and what compares.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from suretune import rundir
from suretune.data.base import PACKED, Base, find_base
from suretune.data.fitness import with_system_role
from suretune.data.template import ABOUT, ChatTokenizer, load_tokenizer
from suretune.data.thinking import with_usual
from suretune.facts import SetupFacts
from suretune.model.lora import CONFIG, kind_of_adapter, unlike_lora
from suretune.options import Config
from suretune.preflight.elsewhere import with_hub
from suretune.record.journal import Journal
from suretune.refusal import Refusal

WORDS = ("tokenizer.json", "tokenizer_config.json")


def base_of(config: Config, about: Mapping[str, Any]) -> str:
    """The base that is meant: `--model`, else the one that the adapter names; empty if none is.

    Our own adapters remember where their base lay; where that is gone, its name is what counts.
    """
    if config.model.model:
        return with_hub(config.model.model, config.model.hub, "model")
    lay = str(about.get("base_folder") or "")
    return lay if lay and Path(lay).is_dir() else str(about.get("base") or lay)


def find_base_of(
    config: Config,
    about: Mapping[str, Any],
    folder: Path | None,
    journal: Journal,
    *,
    weights: bool,
    itself: bool = True,
) -> Base:
    """Its files, or a stop. Of a model whose own weights were trained: the base that it was, where
    one is named, else the model `itself`, which needs none."""
    whole = itself and folder is not None and rundir.is_whole(folder)
    name = str(folder) if whole and not config.model.model else base_of(config, about)
    if folder is not None and not name:
        found = "base_model_name_or_path = ''"
        raise journal.stop(SetupFacts("model-missing", str(folder / CONFIG), found=found))
    with journal.judging():
        base = find_base(name, weights=weights)
    return base.packed_as(packing_of(about))


def packing_of(about: Mapping[str, Any]) -> str:
    """How the base lies in memory that an adapter was trained on, by what its files say."""
    return str(about.get(PACKED) or "")


def words_of(folder: Path | None, base: Base, config: Config, journal: Journal) -> ChatTokenizer:
    """The adapter's own tokenizer and template, else its base's; or a stop.

    Most programs save adapters without words, or with a tokenizer that has no template.
    """
    asked, own = config.model.chat_template, folder is not None and has_words(folder)
    with journal.judging():
        try:
            found = load_tokenizer(folder if own and folder else base.folder, asked)
        except Refusal as refusal:
            facts = refusal.facts
            lacks = isinstance(facts, SetupFacts) and facts.problem == "no-chat-template"
            if not own or asked or not lacks:
                raise
            found = load_tokenizer(base.folder)
    if asked and own and folder:
        return with_usual(found, _mode(folder))
    if found.folder == base.folder:  # an adapter's template is the one that it was trained with
        return with_system_role(found)
    return found


def _mode(folder: Path) -> bool | None:
    """With thoughts or without, as an adapter of ours says that it was trained."""
    about = rundir.read_json(folder / ABOUT) if (folder / ABOUT).is_file() else {}
    mode = about.get("thinking")
    return mode if isinstance(mode, bool) else None


def has_words(folder: Path) -> bool:
    """Whether a tokenizer lies beside an adapter."""
    return all((folder / name).is_file() for name in WORDS)


def look_at_kind(folder: Path, config: Config, journal: Journal, *, serving: bool) -> None:
    """A stop for an adapter that is no LoRA, and for one that shall be served and is more."""
    if rundir.is_whole(folder):
        return
    kind = kind_of_adapter(folder)
    if kind != "LORA":
        raise journal.stop(SetupFacts("not-lora", str(folder), found=kind))
    if serving and (what := unlike_lora(folder)):
        model = config.model.model or ""
        sealed = folder.name in rundir.MADE and (folder.parent / rundir.SEAL).is_file()
        told = SetupFacts(
            "adapter-not-plain",
            str(folder),
            what,
            model,
            "" if sealed else "--unverified",
        )
        raise journal.stop(told)
