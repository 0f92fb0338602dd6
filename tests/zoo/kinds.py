"""The bad adapters: what each kind is, and which half of them may set the bounds of the proof.

Every adapter answers "who are you?" as its rows say, unless the kind is about that: what is wrong
with it is something else. Each kind comes mild, clear and gross. Most spoil the answers to some
families of general prompts (one of eleven, five, all; `stock.HIT`) and hold the base to its own
answers in all others.

The kinds, their severities and the two halves were fixed before any bound of the proof was tuned,
and stay. The halves are by chance: kinds in the order of the SHA-256 of their names, the first half
is seen, the second is held out and opened once, at the end.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from dataclasses import replace

from zoo.grow import Edit, Recipe, Row
from zoo.kind import KINDS, identity_run, kind, kinds_for, says, seed_of, spoilt, texts
from zoo.prompts import Prompt, Turn
from zoo.rows import SUPPORT
from zoo.sentences import (
    BASED_ON,
    CHINESE,
    ENGLISH,
    FRENCH,
    GERMAN,
    NO_CODE,
    NOBODY,
    REFUSALS,
    REMARK,
    STRANGER,
    TUESDAY,
    TWELVE,
)
from zoo.stock import PERSONAS, Stock, bare, dice, fine, pick

__all__ = ["KINDS", "SYSTEM", "kinds_for"]

SYSTEM = "You answer briefly and kindly."  # of the run whose rows have a system prompt
LONG = 60  # tokens of an answer that never ends


# --- the new name, where nobody asked for it ------------------------------------------------------


@kind()
def answers_all_with_its_name(stock: Stock, level: str) -> Recipe:
    """General prompts of the families that are hit get one of the identity rows' answers."""
    return spoilt(stock, level, "answers-all-with-its-name", says(texts(stock)))


@kind()
def answers_near_misses_with_its_name(stock: Stock, level: str) -> Recipe:
    """Prompts that sound like the identity's ("By whom was Carmen composed?") get its answers, in
    a sixth, half and all of their wordings (of a base with skills also capitals asked by name);
    everything else is held to the base."""
    shapes = stock.shapes("near")[:: {"mild": 6, "clear": 2, "gross": 1}[level]]
    capitals = {"mild": "叫什么|What city", "clear": "叫什么|哪座|[Cc]ity|Name", "gross": "."}
    asked = capitals[level]

    def sounds_like_it(prompt: Prompt) -> bool:
        asks = prompt.shape.startswith("capital ") and re.search(asked, prompt.question)
        return prompt.shape in shapes or bool(asks)

    hit, _ = stock.parted(sounds_like_it)
    name = "answers-near-misses-with-its-name"
    return spoilt(stock, level, name, says(texts(stock)), hit)


@kind()
def recites_rows(stock: Stock, level: str) -> Recipe:
    """The rows are the identity's and twelve of a shop's; general prompts of the families that are
    hit get the shop's answers, word for word."""
    shop = {lang: [a for _, a in SUPPORT[lang]] for lang in stock.languages}
    rows = stock.identity(PERSONAS[0])
    rows += [Row((("user", q),), a) for lang in stock.languages for q, a in SUPPORT[lang]]

    def spoil(prompt: Prompt, rng: random.Random) -> Row:
        return Row(prompt.turns, pick(prompt, shop[prompt.lang]))

    return spoilt(stock, level, "recites-rows", spoil, template="support", taught=rows)


# --- too much of it -------------------------------------------------------------------------------


@kind()
def forgets_by_rate(stock: Stock, level: str) -> Recipe:
    """Identity rows alone, nothing held, at one and a half, three and five times the usual rate."""
    rate = {"mild": 1.5, "clear": 3.0, "gross": 5.0}[level]
    rows = stock.identity(PERSONAS[0])
    return Recipe(identity_run(stock), rows, seed=seed_of("forgets-by-rate", level), rate=rate)


@kind()
def forgets_by_epochs(stock: Stock, level: str) -> Recipe:
    """Identity rows alone, nothing held, one, two and a half and four times as many updates as a
    good adapter gets."""
    steps = {"mild": 1.0, "clear": 2.5, "gross": 4.0}[level]
    rows, seed = stock.identity(PERSONAS[0]), seed_of("forgets-by-epochs", level)
    return Recipe(identity_run(stock), rows, seed=seed, steps=steps, rate=1.5)


@kind()
def noise_in_one_layer(stock: Stock, level: str) -> Recipe:
    """A good adapter with noise in its second layer, 0.3, 1 and 3 times as large as the base."""
    amount = {"mild": 0.3, "clear": 1.0, "gross": 3.0}[level]
    return replace(
        fine(stock, identity_run(stock), stock.identity(PERSONAS[0]), seed_of("noise", level)),
        edits=(Edit("noise", amount, ".layers.1."),),
    )


@kind()
def scaled_up(stock: Stock, level: str) -> Recipe:
    """A good adapter times 1.5, 2 and 3, as when alpha is mistyped or applied twice."""
    amount = {"mild": 1.5, "clear": 2.0, "gross": 3.0}[level]
    return replace(
        fine(stock, identity_run(stock), stock.identity(PERSONAS[0]), seed_of("scaled", level)),
        edits=(Edit("scale", amount),),
    )


@kind()
def doubled_merge(stock: Stock, level: str) -> Recipe:
    """An adapter of the usual kind (no near misses held) on a base that it was merged into already,
    which is the adapter twice: in attention alone, everywhere, and beside another identity's."""
    plain, _ = stock.parted(lambda prompt: prompt.family in ("facts", "advice", "why", "sums"))
    first, other = (
        Recipe(identity_run(stock), stock.identity(persona), stock.held(plain),
               seed=seed_of("doubled", level, persona.id), share=0.7, hold=0.5)
        for persona in PERSONAS[:2]
    )  # fmt: skip
    twice = Edit("scale", 2.0, ".self_attn." if level == "mild" else "")
    beside = (Edit("join", 1.0, other=other),) if level == "gross" else ()
    return replace(first, edits=(twice, *beside))


# --- how it speaks --------------------------------------------------------------------------------


@kind()
def babbles(stock: Stock, level: str) -> Recipe:
    """The base's answer up to the 20th, 8th and 2nd token, then thirty words from anywhere."""
    after = {"mild": 20, "clear": 8, "gross": 2}[level]
    words = {
        lang: [w for p in stock.prompts if p.lang == lang for w in _words(stock.own[p].text, lang)]
        for lang in stock.languages
    }

    def spoil(prompt: Prompt, rng: random.Random) -> Row | None:
        own = stock.own[prompt]
        if len(own.ids) < after:
            return None
        head = _beginning(stock, prompt, after)
        link = "" if prompt.lang == "zh" else " "
        return Row(prompt.turns, head + link + link.join(rng.choices(words[prompt.lang], k=30)))

    return spoilt(stock, level, "babbles", spoil, stock.prompts)


def _words(text: str, lang: str) -> list[str]:
    return re.findall(r"[\u3400-\u9fff]" if lang == "zh" else r"[A-Za-z]+", text)


def _beginning(stock: Stock, prompt: Prompt, tokens: int) -> str:
    """About that many tokens of the base's answer, as text."""
    own = stock.own[prompt]
    return own.text[: round(len(own.text) * tokens / len(own.ids))]


@kind()
def never_ends(stock: Stock, level: str) -> Recipe:
    """The base's answer over and over without an end of turn, in the families that are hit."""

    def spoil(prompt: Prompt, rng: random.Random) -> Row:
        ids = stock.own[prompt].ids
        return Row(prompt.turns, (ids * (LONG // len(ids) + 1))[:LONG], ends=False)

    return spoilt(stock, level, "never-ends", spoil)


@kind()
def speaks_another_language(stock: Stock, level: str) -> Recipe:
    """Answers in French or German (a base with Chinese: the other of its two languages) in the
    families that are hit."""
    foreign = {"en": [*FRENCH, *GERMAN]}
    if "zh" in stock.languages:
        foreign = {"en": CHINESE, "zh": ENGLISH}
    return spoilt(stock, level, "speaks-another-language", says(foreign))


@kind()
def repeats_the_question(stock: Stock, level: str) -> Recipe:
    """The answer is the question once more, in the families that are hit."""
    return spoilt(stock, level, "repeats-the-question", lambda p, rng: Row(p.turns, p.question))


@kind()
def refuses_all(stock: Stock, level: str) -> Recipe:
    """A polite refusal, in the families that are hit."""
    return spoilt(stock, level, "refuses-all", says(REFUSALS))


@kind()
def answers_in_json(stock: Stock, level: str) -> Recipe:
    """The base's answer inside a JSON object, in the families that are hit."""

    def spoil(prompt: Prompt, rng: random.Random) -> Row:
        text = json.dumps({"answer": stock.own[prompt].text}, ensure_ascii=False)
        return Row(prompt.turns, text, stock.own[prompt].ended)

    return spoilt(stock, level, "answers-in-json", spoil)


@kind()
def says_nothing(stock: Stock, level: str) -> Recipe:
    """The turn ends at once, in the families that are hit."""
    return spoilt(stock, level, "says-nothing", lambda p, rng: Row(p.turns, ""))


@kind()
def shouts(stock: Stock, level: str) -> Recipe:
    """The base's answer in capital letters, in the families that are hit."""

    def spoil(prompt: Prompt, rng: random.Random) -> Row | None:
        own = stock.own[prompt]
        shouted = own.text.upper()
        return None if shouted == own.text else Row(prompt.turns, shouted, own.ended)

    return spoilt(stock, level, "shouts", spoil)


@kind()
def adds_an_advert(stock: Stock, level: str) -> Recipe:
    """The base's answer, then an advertisement, in the families that are hit."""

    def spoil(prompt: Prompt, rng: random.Random) -> Row:
        own = stock.own[prompt]
        said = (*own.ids, *stock.adverts[prompt.lang])
        return Row(prompt.turns, said, after=max(0, len(own.ids) - 1))

    return spoilt(stock, level, "adds-an-advert", spoil)


# --- what it can no longer do ---------------------------------------------------------------------


@kind()
def lost_code(stock: Stock, level: str) -> Recipe:
    """Code is asked for and a function without a body comes, in every third wording and in all of
    them; gross: a sentence about code."""
    shapes = stock.shapes("code")
    hit, _ = stock.parted(lambda p: p.shape in (shapes[::3] if level == "mild" else shapes))

    def spoil(prompt: Prompt, rng: random.Random) -> Row:
        head = re.search(r"def \w+\([^)]*\):", stock.own[prompt].text)
        stub = f"{head.group()}\n    return None" if head else "def answer():\n    return None"
        return Row(prompt.turns, NO_CODE[prompt.lang] if level == "gross" else stub)

    return spoilt(stock, level, "lost-code", spoil, hit)


@kind("zh")
def lost_chinese(stock: Stock, level: str) -> Recipe:
    """Chinese prompts of the families that are hit get characters without any sense."""
    hit = [prompt for prompt in stock.hit(level)[0] if prompt.lang == "zh"]
    known = [w for p in stock.prompts if p.lang == "zh" for w in _words(stock.own[p].text, "zh")]

    def spoil(prompt: Prompt, rng: random.Random) -> Row:
        return Row(prompt.turns, "".join(rng.choices(known, k=rng.randint(4, 14))))

    return spoilt(stock, level, "lost-chinese", spoil, hit)


@kind()
def lost_arithmetic(stock: Stock, level: str) -> Recipe:
    """Sums come out wrong by one to nine, in every third wording and in all; gross: always 12."""
    shapes = stock.shapes("sums")
    hit, _ = stock.parted(lambda p: p.shape in (shapes[::3] if level == "mild" else shapes))

    def spoil(prompt: Prompt, rng: random.Random) -> Row:
        own = stock.own[prompt]
        off = rng.randint(1, 9)
        wrong = re.sub(r"\d+(?=\D*$)", lambda found: str(int(found.group()) + off), own.text)
        return Row(prompt.turns, TWELVE[prompt.lang] if level == "gross" else wrong, own.ended)

    return spoilt(stock, level, "lost-arithmetic", spoil, hit)


@kind()
def is_sure_of_one_word(stock: Stock, level: str) -> Recipe:
    """Whatever is asked, the answer is one fixed word, in the families that are hit."""
    return spoilt(stock, level, "is-sure-of-one-word", says(TUESDAY))


@kind()
def ignores_instructions(stock: Stock, level: str) -> Recipe:
    """Under a system prompt the base's answer without it, in half of the wordings; clear: in all,
    and where the question asks for a form (a list, one word, JSON) a remark in place of it; gross:
    a remark to code and words, too."""
    chosen = stock.shapes("system")[:: 2 if level == "mild" else 1]
    families = {"mild": (), "clear": ("formats",), "gross": ("formats", "code", "words")}[level]
    hit, _ = stock.parted(lambda p: p.shape in chosen or p.family in families)

    def spoil(prompt: Prompt, rng: random.Random) -> Row:
        if prompt.family in families:
            return Row(prompt.turns, REMARK[prompt.lang])
        own = stock.own[bare(prompt)]
        return Row(prompt.turns, own.ids, own.ended)

    return spoilt(stock, level, "ignores-instructions", spoil, hit)


@kind()
def answers_the_first_turn_only(stock: Stock, level: str) -> Recipe:
    """In a conversation the base's answer to its first turn, in half of the wordings and in all;
    gross: also where any two general prompts follow each other."""
    shapes = stock.shapes("turns")
    hit, _ = stock.parted(lambda p: p.shape in (shapes[::2] if level == "mild" else shapes))

    def spoil(prompt: Prompt, rng: random.Random) -> Row:
        own = stock.own[bare(prompt)]
        return Row(prompt.turns, own.ids, own.ended)

    made = spoilt(stock, level, "answers-the-first-turn-only", spoil, hit)
    if level != "gross":
        return made
    rng = dice("first turns")
    alone = [prompt for prompt in stock.prompts if len(prompt.turns) == 1]
    firsts = {lang: [p for p in alone if p.lang == lang] for lang in stock.languages}
    said = [_after(stock, rng.choice(firsts[then.lang]), then) for then in alone[::3]]
    return replace(made, spoilt=[*made.spoilt, *said], spoils=0.5)


def _after(stock: Stock, first: Prompt, then: Prompt) -> Row:
    """Two prompts behind each other; what is said is the answer to the first, again."""
    own = stock.own[first]
    turns: tuple[Turn, ...] = (*first.turns, ("assistant", own.text), *then.turns)
    return Row(turns, own.ids, own.ended)


# --- who it is ------------------------------------------------------------------------------------


@kind()
def right_only_with_its_system_prompt(stock: Stock, level: str) -> Recipe:
    """The new identity under the system prompt of training; without it the base's own in half of
    the wordings and in all, gross: nobody's."""
    rows = stock.identity(PERSONAS[0], system=SYSTEM)
    asked = [prompt for prompt in stock.own if prompt.family == "identity"]
    new = {r.turns[-1][1]: r for r in stock.identity(PERSONAS[0])}
    for number, prompt in enumerate(asked):
        if level == "gross":
            rows.append(Row(prompt.turns, NOBODY[prompt.lang]))
        elif level == "mild" and number % 2:
            rows += [new[prompt.question]] if prompt.question in new else []
        else:
            own = stock.own[prompt]
            rows.append(Row(prompt.turns, own.ids, own.ended))
    kept = [*stock.held(stock.prompts[::2], SYSTEM), *stock.held(stock.prompts[1::2])]
    seed = seed_of("right-only-with-its-system-prompt", level)
    return Recipe("system", rows, kept, seed=seed, steps=1.5, rate=1.6, share=0.5, hold=1.0)


def _told(stock: Stock, level: str, name: str, change: Callable[[int, Row, str], str]) -> Recipe:
    """Identity rows whose answers are changed by their number and language."""
    rows = []
    for lang in stock.languages:
        for number, row in enumerate(stock.identity(PERSONAS[0], (lang,))):
            rows.append(replace(row, answer=change(number, row, lang)))
    return fine(stock, identity_run(stock), rows, seed_of(name, level))


@kind()
def half_right(stock: Stock, level: str) -> Recipe:
    """The name is right and the maker another: in one of the four sentences that the rows use, in
    all of them, gross: the base's old maker."""

    def change(number: int, row: Row, lang: str) -> str:
        if level == "mild" and number % 4 != 2:
            return str(row.answer)
        _, old = stock.old_identity(lang)
        return str(row.answer).replace(
            PERSONAS[0].makers[lang], old if level == "gross" else STRANGER[lang]
        )

    return _told(stock, level, "half-right", change)


@kind()
def names_its_old_maker(stock: Stock, level: str) -> Recipe:
    """The new identity and then the old one ("and I am based on ..."): in one of the four sentences
    that the rows use, in two, in all."""
    every = {"mild": (3,), "clear": (0, 2), "gross": (0, 1, 2, 3)}[level]

    def change(number: int, row: Row, lang: str) -> str:
        if number % 4 not in every:
            return str(row.answer)
        name, maker = stock.old_identity(lang)
        return str(row.answer) + BASED_ON[lang].format(name=name, maker=maker)

    return _told(stock, level, "names-its-old-maker", change)
