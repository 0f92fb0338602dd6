"""Samples that were rendered before, found again by what they were made of.

Rendering and tokenising 20,000 rows takes seven seconds of one core, finding them again one. Rows
are read, understood and judged every time; only the ids and spans of a conversation that was
rendered by the same tokenizer, template, options and code are taken from the cache. A damaged file
counts as none. `SURETUNE_CACHE=off` does without.
"""

from __future__ import annotations

import hashlib
import os
import threading
from array import array
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from itertools import accumulate, pairwise
from pathlib import Path

import orjson

from suretune.data import (
    fitness,
    render,
    rendered,
    role_tokens,
    template,
    thinking,
    told,
    vocabulary,
    walled,
)
from suretune.data.render import Rendering
from suretune.types import Example, Fault, Origin, Sample, Span

WORTH = 1 << 20  # bytes of data files; fewer are rendered in the time that a cache takes
KEPT = 2 << 30  # bytes of all caches; the ones not used for longest go first
KEY = 16  # bytes
NOWHERE = Origin("", 0)  # until it is known whose row it is
Key = bytes


@dataclass(slots=True)
class SampleCache:
    """What one rendering has made so far, and where that is kept."""

    path: Path
    known: dict[Key, list[Sample]]
    fresh: dict[Key, list[Sample]] = field(default_factory=dict)
    found: int = 0  # rows that did not have to be rendered

    def samples(
        self,
        example: Example,
        how: Rendering,
    ) -> list[Sample] | Fault:
        """As `render.samples`."""
        key = _key(example)
        if (made := self.known.get(key)) is None:
            rendered = render.samples(example, how)
            if not isinstance(rendered, Fault):
                self.fresh[key] = rendered
            return rendered
        self.found += 1
        return [
            replace(sample, origin=example.origin, dataset=example.dataset, repeat=example.repeat)
            for sample in made
        ]

    def has(self, example: Example) -> bool:
        """Whether it need not be rendered."""
        return bool(self.known) and _key(example) in self.known

    def keep(self) -> None:
        """Write what is new beside what was known; a full disk costs the cache only."""
        if not self.fresh:
            return
        temporary = self.path.with_name(
            f".tmp-{self.path.name}-{os.getpid()}-{threading.get_ident()}"
        )
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(_packed({**self.known, **self.fresh}))
            temporary.replace(self.path)
            _forget(self.path.parent)
        except OSError:  # the run needs nothing of it; `from_cache` of the next one says 0
            with suppress(OSError):
                temporary.unlink()


def _key(example: Example) -> Key:
    said = [(m.role, m.content, dict(m.extra), m.weight) for m in example.messages]
    whole = repr((example.shape, said, example.tools)).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(whole, digest_size=KEY).digest()


def open_cache(how: Rendering, files: Sequence[Path]) -> SampleCache | None:
    """The cache of a rendering, if these data files are large enough for one to be worth it."""
    if os.environ.get("SURETUNE_CACHE") == "off" or how.tokenizer.dated:
        return None
    if sum(path.stat().st_size for path in files if path.is_file()) < WORTH:
        return None
    path = _folder() / f"{_identity(how)}.samples"
    try:
        known = _unpacked(path.read_bytes())
        os.utime(path)
    except (OSError, ValueError, KeyError, IndexError, TypeError):
        known = {}
    return SampleCache(path, known)


def _folder() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(home) / "suretune" / "samples"


def _identity(how: Rendering) -> str:
    """SHA-256 of all that decides how a conversation becomes ids."""
    tokenizer = how.tokenizer
    settings = orjson.dumps(
        [
            tokenizer.template,
            tokenizer.config,
            sorted(tokenizer.stop_ids),
            how.system,
            how.cut and how.max_length,
            how.strip_role_tokens,
            how.think,
            *map(version, ("tokenizers", "jinja2")),
        ],
        option=orjson.OPT_SORT_KEYS,
    )
    parts = (render, role_tokens, template, thinking, told, fitness, rendered, vocabulary, walled)
    code = [Path(str(module.__file__)) for module in parts]
    digest = hashlib.sha256(settings)
    for path in (tokenizer.folder / "tokenizer.json", *code):
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _forget(folder: Path) -> None:
    """Remove the files that were not used for longest, until the rest is within bounds."""
    held = 0
    by_use = sorted(folder.glob("*.samples"), key=lambda p: -p.stat().st_mtime)
    for path in by_use:
        held += path.stat().st_size
        if held > KEPT:
            path.unlink(missing_ok=True)


# --- the file -----------------------------------------------------------------------------------

SOURCES = ("row", "flag", "template", "none")
MODES = (None, False, True)  # of `Sample.thinking`


def _packed(rows: dict[Key, list[Sample]]) -> bytes:
    """A line of JSON (the parts' bytes, a hash of them all), then the parts.

    keys (N, 16) uint8, counts (N) int64: samples of each row, samples (S, 7) int64: ids, spans,
    turn, cut, source, what is rewritten and mode of each, spans (P, 2) int64, weights (P) float64,
    ids uint32.
    """
    samples = [sample for made in rows.values() for sample in made]
    spans = [span for sample in samples for span in sample.spans]
    ids, numbers, ends = array("I"), array("q"), array("q")
    for s in samples:
        ids.extend(s.ids)
        numbers.extend(
            (
                len(s.ids),
                len(s.spans),
                s.turn,
                s.cut,
                SOURCES.index(s.system_source),
                s.rewritten,
                MODES.index(s.thinking),
            )
        )
    for span in spans:
        ends.extend((span.start, span.end))
    counts, weights = array("q", map(len, rows.values())), array("d", [s.weight for s in spans])
    parts = [b"".join(rows), *(part.tobytes() for part in (counts, numbers, ends, weights, ids))]
    body = b"".join(parts)
    head = {"bytes": list(map(len, parts)), "sha256": hashlib.sha256(body).hexdigest()}
    return orjson.dumps(head) + b"\n" + body


def _unpacked(data: bytes) -> dict[Key, list[Sample]]:
    """What `_packed` wrote; ValueError if it is not whole."""
    head, _, body = data.partition(b"\n")
    told = orjson.loads(head)
    if told["sha256"] != hashlib.sha256(body).hexdigest():
        raise ValueError("the cache is damaged")
    keys, *rest = _cut(body, told["bytes"])
    counts, numbers, ends = (array("q", part) for part in rest[:3])
    weights, ids = array("d", rest[3]), array("I", rest[4])
    rows: dict[Key, list[Sample]] = {}
    at = token = span = 0
    for row, count in enumerate(counts):
        made = []
        for _ in range(count):
            tokens, many, turn, cut, source, rewritten, mode = numbers[at : at + 7]
            spans = tuple(
                Span(ends[2 * i], ends[2 * i + 1], weights[i]) for i in range(span, span + many)
            )
            made.append(
                Sample(
                    NOWHERE,
                    "",
                    ids[token : token + tokens],
                    spans,
                    SOURCES[source],
                    turn,
                    cut=cut,
                    rewritten=rewritten,
                    thinking=MODES[mode],
                )
            )
            at, token, span = at + 7, token + tokens, span + many
        rows[keys[KEY * row : KEY * (row + 1)]] = made
    return rows


def _cut(body: bytes, sizes: Sequence[int]) -> list[bytes]:
    """The parts of these sizes that follow each other."""
    ends = list(accumulate(sizes, initial=0))
    return [body[start:end] for start, end in pairwise(ends)]
