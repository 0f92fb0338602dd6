"""`--config FILE`: options from YAML, each as it is written there."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from pathlib import Path

from suretune.because import in_words
from suretune.config import Option, Resolved, options
from suretune.data.nearby import files_near, not_there
from suretune.data.yamltext import BadYaml, Listing, Node, Scalar, Table, read_yaml
from suretune.facts import FlagFacts
from suretune.option import FORMER
from suretune.types import Text
from suretune.values import bad_value, set_value, twice, value_of

UNASKED = re.compile(r"^(\w+): .*  # (default$|auto(?=: .*$))", re.MULTILINE)
MANY = 20  # such lines: a run's config.yaml, and nobody's own file with a comment in it
LIST = Text("It takes one value, not a list.", "它只接受一个值，不接受列表。")
NESTED = Text("It takes text, not lists or names inside.", "它只接受文字，里面不能再有列表或映射。")


def read_file(file: str, known: Mapping[str, Option]) -> tuple[Resolved | None, list[FlagFacts]]:
    """The options of a file that are among `known`, None if it cannot be read at all; and every
    fault of its lines."""
    resolved = Resolved.default()
    try:
        text, tree = read_yaml(Path(file).expanduser())
    except BadYaml as error:
        return None, [_unreadable(file, error)]
    except FileNotFoundError:
        near = next(iter(files_near(file)), "")
        hint = not_there(file, "--config")
        return None, [FlagFacts("bad-config-file", "--config", file, near, hint)]
    except (OSError, RuntimeError, ValueError) as error:  # no home folder; a NUL in the name
        return None, [_bad_file(file, 0, in_words(error))]
    if not isinstance(tree, Table):
        line = tree.line if tree else 0
        return None, [
            _bad_file(
                file,
                line,
                Text("it must have `name: value` lines", "里面应当是 `名称: 值` 这样的行"),
            )
        ]
    spelled = {name: spec for spec in known.values() for name in (spec.name, *spec.aliases)}
    ours = options()
    unasked = _unasked(text)
    faults: list[FlagFacts] = []
    seen: dict[str, str] = {}
    for key, node in tree.pairs:
        name, where = key.text.replace("-", "_"), f"{file}:{key.line}"
        spec = spelled.get(name)
        if spec is None:
            if name in FORMER:
                faults += _former(name, node, known)
            elif name not in ours:  # another verb's: a run's config.yaml has them all
                close = difflib.get_close_matches(name, spelled, n=1)
                flag = f"{where}: {key.text[:40]}"
                faults.append(FlagFacts("unknown-flag", flag, "", close[0] if close else ""))
            continue
        if isinstance(node, Scalar) and node.null:
            continue  # as if the line were not there
        if spec.name in seen:
            faults.append(twice(spec, seen[spec.name], where, flag=False))
            continue
        seen[spec.name] = where
        changed, wrong = _set(resolved, spec, node, where)
        if unasked.get(key.text) == "auto" and not wrong:
            continue
        if unasked.get(key.text) == "default" and value_of(changed, spec) == spec.default:
            continue
        resolved = changed
        faults += wrong
    return resolved, faults


def _former(
    name: str,
    node: Node,
    known: Mapping[str, Option],
) -> list[FlagFacts]:
    """What is said of a line that no version heeded; nothing of one without a value."""
    if not isinstance(node, Scalar) or node.null:
        return []
    from suretune.importing.single import known_elsewhere

    said = known_elsewhere(name, (node.text,), known)
    return [said] if isinstance(said, FlagFacts) else []


def _unasked(text: str) -> Mapping[str, str]:
    """Lines of a run's config.yaml that nobody asked for, with who chose: they are chosen anew."""
    found = {name: who for name, who in UNASKED.findall(text)}
    return found if len(found) >= MANY else {}


def _set(
    resolved: Resolved,
    spec: Option,
    node: Node,
    where: str,
) -> tuple[Resolved, list[FlagFacts]]:
    items = node.items if isinstance(node, Listing) else (node,)
    words = [item.text for item in items if isinstance(item, Scalar)]
    if len(words) < len(items):
        return resolved, [bad_value(spec, _shown(node), NESTED, where)]
    if isinstance(node, Listing) and not spec.many:
        return resolved, [bad_value(spec, _shown(node), LIST, where)]
    text = spec.kind is str and not spec.many and not spec.choices
    if text and isinstance(node, Scalar) and node.quoted:  # "none" in quotes is a word
        return resolved.with_values("file", **{spec.name: node.text}), []
    return set_value(resolved, spec, words, "file", where)


def _shown(node: Node) -> str:
    """A value as it may stand in a sentence."""
    if isinstance(node, Scalar):
        return node.text
    return f"[{', '.join(map(_shown, node.items))}]" if isinstance(node, Listing) else "{...}"


def _unreadable(file: str, error: BadYaml) -> FlagFacts:
    name = error.twice.replace("-", "_")
    spec = next((s for n, s in options().items() if name in (n, *s.aliases)), None)
    if error.twice and spec is not None:
        return twice(
            spec,
            f"{file}:{error.first}",
            f"{file}:{error.line}",
            flag=False,
        )
    return _bad_file(file, error.line, error.why)


def _bad_file(file: str, line: int, why: Text) -> FlagFacts:
    return FlagFacts(
        "bad-config-file",
        "--config",
        f"{file}:{line}" if line else file,
        hint=why,
    )
