"""Probes: questions, and what an answer must and must not say.

They come from a file (`probefile.py`); without one they are derived from the rows.
Every probe is a conversation of its own: no answer sees another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from suretune.data.identity import MAKER, WHO, Identity, plain
from suretune.data.render import with_system
from suretune.data.template import ChatTokenizer
from suretune.data.thinking import behind_thought, thinks
from suretune.pocket import identity as phrasings
from suretune.types import Message
from suretune.verify.patterns import found_in
from suretune.whole_names import says

AS_TRAINED = "as-trained"
TEMPLATE_DEFAULT = "template-default"
MUST_PASS = "must-pass"
PARAPHRASE = "paraphrase"
ONLY_SHOWN = "shown"
PROBE_TOKENS = 96  # of an answer
THOUGHT_TOKENS = 416  # more, of the thought before it
SHOWN: Mapping[str, tuple[str, ...]] = {"zh": ("你能联网吗？",), "en": ("Can you go online?",)}


@dataclass(frozen=True, slots=True)
class Probe:
    """One question. `must`: at least one of these words; `must_not`: none of them; `whole`: those
    among them that are names and count as words of their own alone, see `whole_names`.

    `variant` says which system prompt goes with it: the one trained with, or none, so that the
    template puts in its own default. `kind`: must-pass, paraphrase (held out), or shown (not
    judged).
    """

    question: str
    kind: str
    variant: str = AS_TRAINED
    system: str | None = None
    must: tuple[str, ...] = ()
    must_not: tuple[str, ...] = ()
    regex: str = ""
    if_fails: str = ""  # what its author wants to be told then
    whole: tuple[str, ...] = ()

    def messages(self, trained_system: str | None) -> tuple[Message, ...]:
        """The conversation that is sent."""
        system = self.system
        if system is None and self.variant == AS_TRAINED:
            system = trained_system
        return with_system((Message("user", self.question),), system)

    @property
    def judged(self) -> bool:
        """Whether an answer can be right or wrong."""
        return bool(self.must or self.must_not or self.regex)

    def finds(self, word: str, text: str) -> bool:
        """Whether a text has one of its words; in any case, in other words too unless `whole`."""
        return says(word, text) if word in self.whole else word.lower() in text.lower()

    def judge(self, answer: str) -> bool | None:
        """Whether this answer passes; None for a probe that asks for nothing.

        What must be said stands behind the thought, what must not be said in neither of the two.
        An answer on which the regex comes to no end in a second does not pass.
        """
        if not self.judged:
            return None
        said = behind_thought(answer)
        return (
            (not self.must or any(self.finds(word, said) for word in self.must))
            and not any(self.finds(word, answer) for word in self.must_not)
            and (not self.regex or found_in(self.regex, said) is True)
        )

    def line(self) -> Mapping[str, Any]:
        """As `probes.jsonl` has it; without `whole` where nothing is, as earlier versions wrote."""
        return {key: value for key, value in asdict(self).items() if key != "whole" or value}


def probe_tokens(tokenizer: ChatTokenizer, thinking: bool | None = None) -> int:
    """How long an answer may be: with room for a thought where the prompt asks for one, or where
    this mode does."""
    room = thinks(tokenizer) if thinking is None else thinking
    return PROBE_TOKENS + THOUGHT_TOKENS if room else PROBE_TOKENS


def proven_tokens(request: Mapping[str, Any]) -> int:
    """How long an answer could be in a proof, by its `request.json`: in one of an earlier version,
    which does not say, PROBE_TOKENS."""
    return int(request.get("most") or PROBE_TOKENS)


def from_line(line: Mapping[str, Any]) -> Probe:
    """A probe as JSON holds it; an earlier version's is judged as it was then."""
    lists = {key: tuple(line[key]) for key in ("must", "must_not")}
    lists["whole"] = tuple(line.get("whole", ()))
    return Probe(**{**line, **lists})


def identity_probes(identity: Identity, asked: Sequence[str]) -> list[Probe]:
    """The articles' questions, and every held-out phrasing that is not in the rows.

    `asked`: the questions of the training rows.
    """
    makers = identity.makers
    seen = {plain(question) for question in asked}
    made: list[Probe] = []
    for lang, words in identity.words.items():
        held_out = phrasings.HELD_OUT_ZH if lang == "zh" else phrasings.HELD_OUT_EN
        fresh = [question for question in held_out if plain(question) not in seen]
        questions = [(WHO[lang], MUST_PASS, words), (MAKER[lang], MUST_PASS, makers[lang])]
        questions += [(question, "paraphrase", words) for question in fresh]
        made += [
            Probe(
                question,
                kind,
                must=must,
                must_not=identity.forbidden,
                whole=tuple(dict.fromkeys((*must, *identity.forbidden))),
            )
            for question, kind, must in questions
        ]
        made += [Probe(question, ONLY_SHOWN) for question in SHOWN[lang]]
    return made


def with_twins(probes: Sequence[Probe]) -> list[Probe]:
    """Every judged probe a second time, with the template's own system prompt."""
    judged = [p for p in probes if p.system is None and p.judged]
    return [*probes, *(replace(probe, variant=TEMPLATE_DEFAULT) for probe in judged)]


def asked_on_the_way(probes: Sequence[Probe]) -> list[Probe]:
    """The judged ones that may end a training: every third paraphrase is kept for the proof alone,
    so that what chose the checkpoint is not all that judges it."""
    judged = [p for p in probes if p.variant == AS_TRAINED and p.judged]
    others = [p for p in judged if p.kind != MUST_PASS]
    apart = {id(p) for p in others[2::3]}
    return [p for p in judged if id(p) not in apart]


def own_answers(probes: Sequence[Probe], answers: Sequence[str]) -> list[str]:
    """Of these answers, those to "Who are you?"."""
    who = {plain(question) for question in WHO.values()}
    return [said for p, said in zip(probes, answers, strict=True) if plain(p.question) in who]


def held_out_probes(questions: Sequence[str]) -> list[Probe]:
    """For data that is no identity: held-out questions, shown before and after."""
    return [Probe(question, ONLY_SHOWN) for question in questions]
