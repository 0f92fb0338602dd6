"""Which repository a name means, and on which hub.

    [hf::|ms::]owner/name[:subset1/subset2][@revision][#N]

In this order: what lies on disk (the caller looks); the prefix; `--hub`; `USE_HF` or
`USE_MODELSCOPE_HUB`; an owner who is on one hub only; the hub whose cache holds it, where only one
does; Hugging Face. Contents differ from hub to hub under one name, so it is never switched later.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pkgutil import iter_modules

import suretune.hubs
from suretune.hubs.door import Hub, Kind, Repo

AUTO = "auto"
SPEC = re.compile(
    r"(?:(?P<hub>hf|ms)::)?(?P<id>[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95})"
    r"(?::(?P<subsets>[\w.+-]+(?:/[\w.+-]+)*))?(?:@(?P<revision>[\w./+-]{1,200}))?"
)
REVISION = re.compile(r"\w[\w.+-]*(?:/\w[\w.+-]*)*")
# Owners that are ModelScope's own: no such names are on Hugging Face, or others have taken them.
OWNERS = {
    "AI-ModelScope": "ms",
    "LLM-Research": "ms",
    "ZhipuAI": "ms",
    "damo": "ms",
    "iic": "ms",
    "modelscope": "ms",
    "swift": "ms",
}
_ON = ("1", "ON", "YES", "TRUE")


@dataclass(frozen=True, slots=True)
class HubName:
    """What a name with a slash means: `hub` as it was written, '' where none was."""

    hub: str
    id: str
    subsets: tuple[str, ...] = ()
    revision: str = ""

    def repo(self, kind: Kind, hub: str) -> Repo:
        """The repository of this name on a hub."""
        return Repo(hub, kind, self.id, self.revision)


def parse_name(name: str) -> HubName | None:
    """None for what is no name on a hub."""
    found = SPEC.fullmatch(name)
    if found is None or ".." in found["id"]:
        return None
    if not REVISION.fullmatch(found["revision"] or "main") or ".." in (found["revision"] or ""):
        return None  # it names a file of the cache
    subsets = tuple((found["subsets"] or "").split("/")) if found["subsets"] else ()
    return HubName(
        found["hub"] or "",
        found["id"],
        subsets,
        found["revision"] or "",
    )


@cache
def hubs() -> Mapping[str, Hub]:
    """Every hub by its prefix: the modules of this room that have a `HUB`."""
    found: dict[str, Hub] = {}
    for module in iter_modules(suretune.hubs.__path__):
        hub = getattr(
            import_module(f"suretune.hubs.{module.name}"),
            "HUB",
            None,
        )
        if hub is not None:
            found[hub.name] = hub
    return found


def which_hub(
    name: HubName,
    kind: Kind,
    asked: str = AUTO,
) -> tuple[str, str]:
    """(prefix of the hub, why that one): one of `prefix`, `--hub`, `environment`, `owner`,
    `cache`, `default`."""
    if name.hub:
        return name.hub, "prefix"
    if asked != AUTO:
        return asked, "--hub"
    if chosen := _by_environment():
        return chosen, "environment"
    if hub := OWNERS.get(name.id.partition("/")[0]):
        return hub, "owner"
    holding = list(_holding(name, kind))
    if len(holding) == 1:
        return holding[0], "cache"
    return "hf", "default"


def _by_environment() -> str:
    """The hub that `USE_HF` or `USE_MODELSCOPE_HUB` names; '' where neither or both are set."""
    said = os.environ.get("USE_HF", "").upper()
    hf = said in _ON
    ms = os.environ.get("USE_MODELSCOPE_HUB", "").upper() in _ON or (said != "" and not hf)
    return "" if hf == ms else ("hf" if hf else "ms")


def _holding(name: HubName, kind: Kind) -> Iterator[str]:
    for prefix, hub in hubs().items():
        if any(True for _ in hub.cached(name.repo(kind, prefix))):
            yield prefix
