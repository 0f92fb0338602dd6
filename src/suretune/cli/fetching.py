"""What is fetched from a hub, on stderr: which files and how large before, how far and how fast."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from suretune.cli.out import tell
from suretune.hubs.door import File, Listing
from suretune.hubs.fetch import Progress
from suretune.hubs.pull import Watching
from suretune.phrases import size
from suretune.types import Text
from suretune.words import say

MANY = 6  # files that are named
EVERY = 10.0  # seconds between two lines where nobody watches a terminal


class Fetching(Watching):
    """Lines for people; on a terminal the last one moves, in a file there is one now and then."""

    def __init__(self) -> None:
        self._moving = sys.stderr.isatty()
        self._told = 0.0  # seconds since it began after which the last line was written

    def chosen(self, listing: Listing, files: Sequence[File]) -> None:
        """The files that are wanted, with sizes; nothing where there is nothing to fetch."""
        if sum(file.size for file in files) == 0:
            return
        named = ", ".join(f"{file.path} ({size(file.size)})" for file in files[:MANY])
        more = len(files) - MANY
        rest = Text(f" and {more} more", f" 等 {len(files)} 个文件") if more > 0 else Text("", "")
        total = size(sum(file.size for file in files))
        told = Text(
            f"{listing.repo.spec} at {listing.commit[:12]}: {named}{rest.en}; {total} in all",
            f"{listing.repo.spec}（版本 {listing.commit[:12]}）：{named}{rest.zh}；共 {total}",
        )
        tell(say(told), err=True)

    def arrived(self, progress: Progress) -> None:
        """How far and how fast: on one line that moves, or on a new one every so often."""
        if not progress.total:
            return
        done = progress.here >= progress.total
        line = f"{size(progress.here)} / {size(progress.total)}  {size(int(progress.rate))}/s"
        if self._moving:
            tell(
                f"\r{line:<60}",
                keep="\r",
                end="\n" if done else "",
                err=True,
            )
            return
        seconds = time.monotonic() - progress.began
        if done:
            self._told = 0.0
        elif seconds - self._told >= EVERY:
            self._told = seconds
            tell(line, err=True)
