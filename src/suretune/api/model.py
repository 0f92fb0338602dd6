"""`load(...)`: a model that answers, as `suretune ask` has it answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from suretune import rundir, typed
from suretune.api.arguments import path_of, talk_of
from suretune.api.asked import resolved_of
from suretune.api.errors import refusing
from suretune.config import Resolved
from suretune.data.render import with_system
from suretune.families import hub_names
from suretune.record.journal import Journal
from suretune.types import Message
from suretune.words import Language

if TYPE_CHECKING:
    from suretune.speak.answer import Speaker

ANSWER = ("model", "answer", "data", "schedule")  # groups of which `load` takes single options
TAKEN = ("temperature", "top_p", "max_new_tokens", "seed")
Talk = str | Sequence[Message | Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Model:
    """A base, with or without an adapter, that answers. For one thread at a time."""

    speaker: Speaker
    resolved: Resolved
    language: Language | None

    @property
    def system(self) -> str | None:
        """The system prompt that a question by itself is asked with: the training's."""
        return self.speaker.system

    def ask(self, talk: Talk, **asked: Any) -> str:
        """The answer to a question, or to a conversation of {"role": ..., "content": ...}.

        A question is a fresh conversation with the training's system prompt; a conversation is
        taken as it stands. `asked`: temperature (0: the likeliest token each time), top_p,
        max_new_tokens, seed; else as `load` was told. Raises Refused.
        """
        return "".join(self.stream(talk, **asked))

    def stream(self, talk: Talk, **asked: Any) -> Iterator[str]:
        """As `ask`, in pieces of whole characters, each as soon as it is made."""
        from suretune.model.generate import NotFinite
        from suretune.speak.answer import not_finite, reply

        journal = Journal(verb="ask")
        with refusing(self.language, "ask"):
            config = self._asked(asked, journal).config
            pieces = reply(
                self.speaker,
                self._messages(talk),
                config.answer,
                config.schedule.seed,
            )
        while True:
            with refusing(self.language, "ask"):
                try:
                    piece = next(pieces, None)
                except NotFinite as error:
                    raise journal.stop(not_finite(self.speaker)) from error
            if piece is None:
                return
            yield piece

    def _messages(self, talk: Talk) -> tuple[Message, ...]:
        asked = talk_of(talk)
        if isinstance(asked, str):
            return with_system((Message("user", asked),), self.speaker.system)
        return asked

    def _asked(
        self,
        asked: Mapping[str, Any],
        journal: Journal,
    ) -> Resolved:
        if not asked:
            return self.resolved
        before = self.resolved.config.answer
        usual = {name: getattr(before, name) for name in TAKEN if name != "seed"}
        given = {**usual, "seed": self.resolved.config.schedule.seed, **asked}
        resolved = resolved_of(given, journal, ("answer", "schedule"))
        journal.settle()
        return resolved


def load(
    run_or_adapter: str | PathLike[str],
    *,
    model: str | PathLike[str] | None = None,
    system: str | None = None,
    language: Language | None = None,
    **options: Any,
) -> Model:
    """A model that answers: of a run, a checkpoint, an adapter's folder, or a base by itself.

    `model`: the base, where the adapter does not say it. `system`: in place of the training's
    system prompt. `options`: device, torch_dtype, checkpoint, temperature, top_p, max_new_tokens,
    seed, chat_template. Raises Refused for what cannot be loaded.
    """
    with refusing(language, "ask"):
        journal = Journal(verb="ask")
        word = path_of(run_or_adapter, "run_or_adapter")
        base = _is_base(word)
        named = {"model": word} if base else {"model": model, "adapters": word}
        resolved = resolved_of(
            {**named, "system": system, **options},
            journal,
            ANSWER,
        )
        journal.settle()
        if not base:
            from suretune.record.meant import meant

            there = str(meant(word, journal, "suretune ask --adapters").path)
            resolved = resolved.with_values("flag", adapters=there)
        from suretune.api.process import as_it_was
        from suretune.speak.answer import open_speaker

        with as_it_was():
            speaker = open_speaker(
                resolved.config,
                resolved.config.data.system,
                journal,
            )
        return Model(replace(speaker), resolved, language)


def _is_base(word: str) -> bool:
    """Whether it names a base and no adapter: a folder with weights of its own, or no path here.
    A word by itself is rather a run that is not here, but for names that bases have."""
    path = typed.place(word)
    if path.is_dir():
        ours = rundir.is_run(path) or (path / "adapter_config.json").is_file()
        itself = word == "pocket" or (path / "config.json").is_file()
        return itself and not ours
    if path.parent == Path():
        called = ["pocket", *hub_names()]
        return bool(get_close_matches(word.lower(), called, n=1, cutoff=0.85))
    return not (word.startswith(("/", ".", "~", "runs/")) or path.parent.is_dir())
