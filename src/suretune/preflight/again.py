"""The user's own options as a command again, with what is changed: composed and quoted here alone.

What runs, what to type next, a trial of a sweep and the best of its trials are all made here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from suretune import typed
from suretune.config import Resolved, options
from suretune.data.choose import SIZES
from suretune.tuning import TUNERS

SILENT = ("template",)  # taken, and changes nothing
# Of these the default, said, is another wish than nothing said.
TELLING = (*SIZES, "lora_rank", "lora_alpha")
READING = ("model", "hub", "columns", "encoding", "ignore_fields", "think")
BOTH = ("tuner", "adapter_dose")  # of the adapters' options: what full training heeds as well
LOOKING = ("dry_run", "preview")  # options of a look that a run has no use for


def flags_of(
    resolved: Resolved,
    *,
    file: str = "",
    changes: Mapping[str, Any] | None = None,
    without: Collection[str] = (),
    idle: bool = False,
    stuck: bool = False,
) -> list[str]:
    """The words behind a verb, one word of a command line each, without any quoting.

    `file`: a YAML file that goes with them; what stands in it is not said again. `changes`: other
    values for some options, whether they were asked for or not. `idle`: also flags that
    say what happens anyway. `stuck`: a value in one word with its flag, for a program to pass on.
    """
    changed = changes or {}
    tuner = changed.get("tuner", resolved.config.lora.tuner)
    silent = (*SILENT, *of_other_training(tuner))
    words = ["--config", file] if file else []
    for name, value, origin in resolved.items():
        usual = not file and value == options()[name].default and name not in TELLING
        nothing = name in silent or usual
        wanted = _asked(origin, file) and name not in without and (idle or not nothing)
        if name in changed or wanted:
            words += flag(name, changed.get(name, value), stuck=stuck)
    return words


def command_of(
    verb: str,
    resolved: Resolved,
    file: str = "",
    changes: Mapping[str, Any] | None = None,
    environment: Sequence[str] = (),
) -> str:
    """`suretune VERB` with the options that were asked for, `--config FILE`, and the changes.

    Parsed again, it means the same run but for the changes and what is only a look: of what is
    left out each is the default or does nothing. `environment`: `NAME=value` words in front of it.
    """
    words = flags_of(
        resolved,
        file=file,
        changes=changes,
        without=LOOKING,
    )
    before = [f"{name}={typed.word(value)} " for name, _, value in map(_parted, environment)]
    return "".join(before) + typed.in_language(typed.command("suretune", verb, *words))


def look_again(
    resolved: Resolved,
    look: str,
    columns: Sequence[str] = (),
    *,
    file: str = "",
    environment: Sequence[str] = (),
) -> str:
    """Of a finding about rows, the command that looks at them once more: all that was asked for,
    and in `columns` how the fields are to be read, where it advises that. `look`: the command about
    the one file, for whoever asked for no rows."""
    data = resolved.config.data
    if not (data.dataset and resolved.config.model.model):
        return look + reading_flags(resolved)
    named = {word.rpartition("=")[0] for word in columns}
    kept = [word for word in data.columns if word.rpartition("=")[0] not in named]
    return command_of(
        "check",
        resolved,
        file,
        {"columns": (*kept, *columns)} if columns else {},
        environment,
    )


def reading_flags(resolved: Resolved) -> str:
    """The flags that say how rows are read and with which model, behind a command that has none;
    empty where no model was asked for: no look at rows goes without."""
    if not resolved.config.model.model:
        return ""
    others = [name for name in options() if name not in READING]
    words = flags_of(resolved, without=others)
    return f" {typed.command(*words)}"


def of_other_training(tuner: str) -> list[str]:
    """The options that do nothing where this trains: adapters' where it has none, and those of
    full training beside adapters."""
    group = "lora" if TUNERS[tuner].whole else "full"
    return [name for name, spec in options().items() if spec.group == group and name not in BOTH]


def _parted(word: str) -> tuple[str, str, str]:
    return word.partition("=")


def _asked(origin: str, file: str) -> bool:
    """Whether somebody wanted this value, and it does not stand in the file anyway."""
    return origin not in ("default", "file" if file else "") and not origin.startswith("auto")


def flag(name: str, value: Any, *, stuck: bool = False) -> list[str]:
    """`--name value`, so that a value that begins with a dash is none the less a value."""
    values = [word_of(one) for one in (value if isinstance(value, tuple) else (value,))]
    dashed = any(text.startswith("-") for text in values)
    if len(values) == 1:
        (text,) = values
        return [f"--{name}={text}"] if stuck or dashed else [f"--{name}", text]
    if dashed and not options()[name].once:
        return [f"--{name}={text}" for text in values]  # given again, a list goes on
    return [f"--{name}", *values]


def word_of(value: Any) -> str:
    """As `Option.parse` reads it back; a number as short as it can be said exactly."""
    if value is None:
        return "auto"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        short = f"{value:.12g}"
        return short if float(short) == value else repr(value)
    return str(value)
