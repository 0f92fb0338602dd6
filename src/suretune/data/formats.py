"""The kinds of files that are read, told by the ends of their names."""

from __future__ import annotations

import os

FORMATS = (".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".parquet", ".arrow", ".txt")
COMPRESSIONS = (".gz", ".zst")
FOREIGN = (".zip", ".xlsx", ".xls", ".docx", ".pdf", ".rar", ".7z", ".tar", ".tgz")


def format_of(name: str) -> tuple[str, str]:
    """The extension that decides how a file is read, and that of its compression; '' if unknown."""
    stem, last = os.path.splitext(name.lower())
    compression = last if last in COMPRESSIONS else ""
    extension = os.path.splitext(stem)[1] if compression else last
    return (extension if extension in FORMATS else ""), compression
