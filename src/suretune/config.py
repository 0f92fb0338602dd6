"""A config and where each of its values came from: default, file, flag, or auto with its reason.

Parsed once, refused if unknown, never edited: every change is a copy. `config.yaml` in the run
folder keeps all of it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import Field, dataclass, field, fields, replace
from functools import cache
from typing import Any, get_args, get_type_hints

from suretune.options import Config
from suretune.types import Text


@dataclass(frozen=True, slots=True)
class Option:
    """One option as the command line, YAML and help need it."""

    name: str
    group: str
    kind: type  # str, int, float or bool
    many: bool
    auto: bool  # `auto` is a value
    default: Any
    help: Text
    aliases: tuple[str, ...]
    choices: tuple[str, ...]
    least: float | None
    most: float | None
    above: float | None
    once: bool
    values: Mapping[str, str]
    elsewhere: Mapping[str, Text]
    pattern: str

    def parse(self, word: str) -> Any:
        """One word of a command line or YAML as a value; ValueError when it cannot be one."""
        if self.auto and word.lower() in ("auto", "none", "null"):
            return None
        if self.kind is bool:
            return _truth(word)
        if self.choices:
            return self._chosen(word)
        value = self._value(word)
        if self.kind is not str:
            self._within(value)
        return value

    def elsewhere_only(self, word: str) -> Text | None:
        """What there is in place of a value that other tools have; None for any other value."""
        return self.elsewhere.get(_plain(word))

    def _chosen(self, word: str) -> str:
        """A choice is a word of a program: capitals, hyphens and blanks around it mean nothing."""
        written = _plain(word)
        choice = self.values.get(written, written)
        if choice not in self.choices and not (self.pattern and re.fullmatch(self.pattern, choice)):
            raise ValueError(" | ".join(self.choices))
        return choice

    def _value(self, word: str) -> Any:
        if self.kind is int and not _WHOLE.fullmatch(word):
            return _whole(word)
        return self.kind(word)

    def _within(self, value: float) -> None:
        """ValueError, with the bounds, for a number outside them or one that is none (nan, inf)."""
        above, most = self.above, self.most
        good = math.isfinite(value) and (self.least is None or value >= self.least)
        if good and (above is None or value > above) and (most is None or value <= most):
            return
        raise ValueError(self.bounds or "> -inf")

    @property
    def bounds(self) -> str:
        """What a number must be, as `>= 0 and <= 1`; empty where any will do."""
        ends = ((">", self.above), (">=", self.least), ("<=", self.most))
        return " and ".join(f"{sign} {_short(end)}" for sign, end in ends if end is not None)


def _plain(word: str) -> str:
    return word.strip().lower().replace("-", "_")


_WHOLE = re.compile(r"\s*[+-]?[0-9][0-9_]{0,39}\s*")


def _whole(word: str) -> int:
    """`1e3` and `2048.0` are whole numbers, too."""
    value = float(word)
    if abs(value) > 2**53 or not value.is_integer():
        raise ValueError(word[:20])
    return int(value)


def _short(bound: float) -> str:
    return str(int(bound)) if float(bound).is_integer() else f"{bound:g}"


def _truth(word: str) -> bool:
    if word.lower() in ("true", "1", "yes", "on"):
        return True
    if word.lower() in ("false", "0", "no", "off"):
        return False
    raise ValueError("true | false")


@cache
def options() -> Mapping[str, Option]:
    """All options by name, in the order of the help."""
    found = {}
    for group in fields(Config):
        cls = group.default_factory
        hints = get_type_hints(cls)
        for item in fields(cls):  # type: ignore[arg-type]
            found[item.name] = _option(
                group.name,
                item,
                hints[item.name],
            )
    return found


def _option(group: str, item: Field[Any], hint: Any) -> Option:
    parts = get_args(hint) or (hint,)
    many = parts[-1] is Ellipsis
    return Option(
        name=item.name,
        group=group,
        kind=parts[0],
        many=many,
        auto=type(None) in parts,
        default=item.default,
        help=item.metadata["help"],
        aliases=item.metadata["aliases"],
        choices=item.metadata["choices"],
        least=item.metadata["least"],
        most=item.metadata["most"],
        above=item.metadata["above"],
        once=item.metadata["once"],
        values=item.metadata["values"],
        elsewhere=item.metadata["elsewhere"],
        pattern=item.metadata["pattern"],
    )


def groups() -> Iterator[tuple[str, Callable[..., Any]]]:
    """(name, class) of each group; the class's docstring is its title."""
    for group in fields(Config):
        yield group.name, group.default_factory  # type: ignore[misc]


@dataclass(frozen=True, slots=True)
class Resolved:
    """A config and where each of its values came from: `default`, `file`, `flag`, `auto: why`."""

    config: Config
    origins: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def default(cls) -> Resolved:
        """Nothing asked: every option at its default."""
        return cls(Config())

    def given(self, name: str) -> bool:
        """Whether the user asked for it, by flag or file."""
        return self.origins.get(name, "default") in ("flag", "file")

    def chosen(self, name: str) -> bool:
        """Whether it was chosen from rows and model, where nobody had asked for it."""
        return self.origins.get(name, "default").startswith("auto")

    def with_values(self, origin: str, **values: Any) -> Resolved:
        """A copy with these options set, each remembering `origin`."""
        config = self.config
        for name, value in values.items():
            group = options()[name].group
            config = replace(config, **{group: replace(getattr(config, group), **{name: value})})
        return Resolved(config, {**self.origins, **dict.fromkeys(values, origin)})

    def items(self) -> Iterator[tuple[str, Any, str]]:
        """(name, value, origin) of every option."""
        for name, spec in options().items():
            value = getattr(getattr(self.config, spec.group), name)
            yield name, value, self.origins.get(name, "default")
