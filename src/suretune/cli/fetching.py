"""What is fetched from a hub, on stderr: which files and how large before, how far and how fast."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from suretune.cli.out import tell
from suretune.hubs.door import File, Listing
from suretune.hubs.fetch import Progress
from suretune.hubs.pull import Watching
from suretune.phrases import size
from suretune.types import Text
from suretune.words import say

MANY = 6  # files that are named


class Fetching(Watching):
    """Lines for people; on a terminal the last one moves."""

    def __init__(self) -> None:
        self._moving = sys.stderr.isatty()

    def chosen(self, listing: Listing, files: Sequence[File]) -> None:
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
        if not self._moving or not progress.total:
            return
        done = progress.here >= progress.total
        line = f"{size(progress.here)} / {size(progress.total)}  {size(int(progress.rate))}/s"
        tell(f"\r{line:<60}", keep="\r", end="\n" if done else "", err=True)
