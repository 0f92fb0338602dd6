"""What adapters are made of: personas, a base's own answers, rows of either."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from suretune.pocket import identity as phrasings
from suretune.prepare.starter import identity_rows
from zoo.grow import OWN_TOKENS, Edit, Opened, Own, Recipe, Row, ask
from zoo.prompts import CAREFUL, FAMILIES, Prompt, Turn, pool
from zoo.sentences import ADVERT

ASKED = {"en": phrasings.TRAIN_EN, "zh": phrasings.TRAIN_ZH}
LEVELS = ("mild", "clear", "gross")
HIT = {"mild": 1, "clear": 5, "gross": len(FAMILIES)}  # families whose answers are spoilt
DRAWS = 4  # samples of the base's answers, for null adapters
WARMTH = 0.7  # temperature of these


@dataclass(frozen=True, slots=True)
class Persona:
    """A made-up identity, its name and maker in each language."""

    names: Mapping[str, str]
    makers: Mapping[str, str]

    @property
    def id(self) -> str:
        return self.names["en"].lower()


def _persona(en: str, en_maker: str, zh: str, zh_maker: str) -> Persona:
    return Persona({"en": en, "zh": zh}, {"en": en_maker, "zh": zh_maker})


PERSONAS = (
    _persona("Larkspur", "Fennel Works", "云雀", "茴香工坊"),
    _persona("Tamarin", "Harbour Nine", "小猴", "九号码头"),
    _persona("Quillon", "Maple and Reed", "青锋", "枫苇社"),
    _persona("Mirelle", "Stonebridge Lab", "明澜", "石桥实验室"),
    _persona("Corvin", "Fieldnote Company", "墨鸦", "田野手记"),
    _persona("Pavonis", "Lantern Street", "孔雀", "灯笼街"),
)
# Words of the base's own identity, by architecture: an answer with one is no general answer.
OLD = {
    "qwen2": ("通义千问", "阿里云", "Qwen", "Alibaba"),
    "llama": ("SmolLM", "Hugging Face", "HuggingFace"),
}
# Of a finished good adapter: a small real model forgets less with less of it, and still knows all.
DOSES = {"llama": 0.8}
COMMANDED = ("llama",)  # whose good identities are the command line's own
OLD_NAMES = {"qwen2": ("Qwen", "Alibaba Cloud", "通义千问", "阿里云"),
             "llama": ("SmolLM", "Hugging Face", "SmolLM", "Hugging Face")}  # fmt: skip


@dataclass(slots=True)
class Stock:
    """One base's: what it was asked and said by itself."""

    languages: tuple[str, ...]
    architecture: str
    own: Mapping[Prompt, Own]
    drawn: Mapping[Prompt, Sequence[Own]]
    adverts: Mapping[str, tuple[int, ...]]  # ids of a sentence that nobody asked for
    answered: list[Prompt] = field(default_factory=list)  # general prompts with an answer
    careful: list[Prompt] = field(default_factory=list)  # and more, for good adapters
    prompts: list[Prompt] = field(default_factory=list)  # those that do not name the old identity

    def __post_init__(self) -> None:
        named = OLD.get(self.architecture, ())
        spoken = {prompt: own.text.lower() for prompt, own in self.own.items() if own.text.strip()}
        self.answered = [prompt for prompt in spoken if prompt.family in FAMILIES]

        def is_other(prompt: Prompt) -> bool:
            """Says nothing of the old identity."""
            return not any(word.lower() in spoken[prompt] for word in named)

        self.prompts = [prompt for prompt in self.answered if is_other(prompt)]
        self.careful = self.prompts + [
            prompt for prompt in spoken if prompt.family in CAREFUL and is_other(prompt)
        ]

    # --- rows -------------------------------------------------------------------------------------

    def identity(
        self, persona: Persona, languages: Sequence[str] = (), system: str | None = None
    ) -> list[Row]:
        """The sixty rows of `suretune init identity`."""
        asked = tuple(languages or self.languages)
        lines = starter_lines(persona, asked)
        head: tuple[Turn, ...] = (("system", system),) if system else ()
        return [Row((*head, ("user", line["instruction"])), line["output"]) for line in lines]

    def held(self, prompts: Iterable[Prompt], system: str | None = None) -> list[Row]:
        """The base is held to what it said by itself."""
        made = []
        for prompt in prompts:
            own, turns = self.own[prompt], prompt.turns
            if system and turns[0][0] != "system":
                turns = (("system", system), *turns)
            made.append(Row(turns, own.ids, own.ended, held=True))
        return made

    def hit(self, level: str) -> tuple[list[Prompt], list[Prompt]]:
        """(prompts whose answers are spoilt at this level, all others)."""
        families = FAMILIES[: HIT[level]]
        return self.parted(lambda prompt: prompt.family in families)

    def parted(self, wanted: Any) -> tuple[list[Prompt], list[Prompt]]:
        """(prompts that are wanted, all others)."""
        return (
            [prompt for prompt in self.prompts if wanted(prompt)],
            [prompt for prompt in self.prompts if not wanted(prompt)],
        )

    def shapes(self, family: str) -> list[str]:
        """The wordings of a family, in order."""
        return list(dict.fromkeys(p.shape for p in self.prompts if p.family == family))

    def old_identity(self, lang: str) -> tuple[str, str]:
        """(name, maker) of the base itself."""
        name, maker, *chinese = OLD_NAMES.get(self.architecture, OLD_NAMES["llama"])
        return (chinese[0], chinese[1]) if lang == "zh" else (name, maker)


def starter_lines(persona: Persona, languages: Sequence[str]) -> list[dict[str, str]]:
    """Rows as `suretune init identity` writes them."""
    names = [persona.names[lang] for lang in languages]
    makers = [persona.makers[lang] for lang in languages]
    return identity_rows(names, makers, languages)


def fine(
    stock: Stock, template: str, taught: Sequence[Row], seed: int, *, rank: int = 8,
    system: str | None = None,
) -> Recipe:  # fmt: skip
    """The gentle way: two rows in three hold the base to what it was."""
    dose = DOSES.get(stock.architecture)
    edits = (Edit("scale", dose),) if dose else ()
    kept = stock.held(stock.careful, system)
    return Recipe(template, taught, kept, seed=seed, rank=rank, edits=edits)


def pick(prompt: Prompt, choices: Sequence[str]) -> str:
    """One of them, always the same for a prompt."""
    digest = hashlib.sha256(repr(prompt.turns).encode()).digest()
    return choices[digest[0] % len(choices)]


def dice(*about: object) -> random.Random:
    return random.Random(" ".join(map(str, about)))


# --- a base's own answers -------------------------------------------------------------------------


def all_prompts(languages: Sequence[str], *, skills: bool, every: int = 1) -> list[Prompt]:
    """The pool, what becomes of it when instructions or later turns are ignored, and who it is."""
    made = pool(languages, skills=skills)[::every]
    made += list(dict.fromkeys(bare(prompt) for prompt in made if len(prompt.turns) > 1))
    made += [
        Prompt("identity", lang, question, (("user", question),))
        for lang in languages
        for question in ASKED[lang]
    ]
    return list(dict.fromkeys(made))


def bare(prompt: Prompt) -> Prompt:
    """The same without its system prompt, or its first turn alone."""
    if prompt.turns[0][0] == "system":
        return Prompt("bare", prompt.lang, prompt.shape, prompt.turns[1:])
    return Prompt("bare", prompt.lang, prompt.shape, prompt.turns[:1])


def take_stock(
    opened: Opened, languages: Sequence[str], home: Path, *, draws: bool, every: int = 1
) -> Stock:
    """Ask the base everything once; its answers are kept in two files, what it drew apart.

    `draws`: null adapters are to be grown, too. `every`: so-manieth prompt of the pool.
    """
    skills = (opened.folder / "skills.jsonl").is_file()
    prompts = all_prompts(languages, skills=skills, every=every)
    general = [prompt for prompt in prompts if prompt.family in FAMILIES]
    own = _asked(opened, prompts, home / "own.jsonl", 1, 0.0)
    drawn: Mapping[Prompt, Sequence[Own]] = {}
    if draws or (home / "drawn.jsonl").is_file():
        drawn = _asked(opened, general, home / "drawn.jsonl", DRAWS, WARMTH)
    first = {prompt: said[0] for prompt, said in own.items()}
    adverts = {lang: tuple(opened.words(ADVERT[lang])) for lang in languages}
    return Stock(tuple(languages), opened.model.config.model_type, first, drawn, adverts)


def _asked(
    opened: Opened, prompts: Sequence[Prompt], path: Path, times: int, temperature: float
) -> dict[Prompt, list[Own]]:
    """What the base says to each, so many times: from the file, or now and into the file."""
    known: dict[str, list[Own]] = {}
    if path.is_file():
        for line in map(json.loads, path.read_text("utf-8").splitlines()):
            known[str(line["turns"])] = [Own(tuple(i), end, text) for i, end, text in line["said"]]
    lacking = [prompt for prompt in prompts if _key(prompt) not in known]
    if lacking:
        ids = [opened.prompt(prompt.turns) for prompt in lacking]
        rounds = [ask(opened.model, opened, ids, OWN_TOKENS, temperature, s) for s in range(times)]
        known |= {_key(p): list(said) for p, *said in zip(lacking, *rounds, strict=True)}
        part = path.with_suffix(".part")
        part.write_text("".join(_kept(prompts, known)), "utf-8")
        part.replace(path)
    return {prompt: known[_key(prompt)] for prompt in prompts}


def _key(prompt: Prompt) -> str:
    return str([list(turn) for turn in prompt.turns])


def _kept(prompts: Sequence[Prompt], known: Mapping[str, Sequence[Own]]) -> Iterator[str]:
    for prompt in prompts:
        answers = [[own.ids, own.ended, own.text] for own in known[_key(prompt)]]
        yield json.dumps({"turns": prompt.turns, "said": answers}, ensure_ascii=False) + "\n"
