"""Which rows say who the model is now, and which still say who it was."""

from __future__ import annotations

from suretune.data.collect import Collected
from suretune.data.identity import Identity, answer_of, known_questions, plain, question_of
from suretune.types import Example
from suretune.whole_names import says


def taught_by(found: Collected, identity: Identity | None) -> list[Example]:
    """The rows that say who the model is now, each once."""
    if identity is None:
        return []
    words = [word for group in identity.words.values() for word in group]
    known = known_questions()
    rows = [row.example for row in found.ready if not row.example.repeat]
    return [
        row
        for row in rows
        if any(says(word, answer_of(row)) for word in words) or plain(question_of(row)) in known
    ]


def old_identity(found: Collected, identity: Identity | None) -> list[str]:
    """Rows about who the model is, or that say its new name, which still carry the old one."""
    if identity is None:
        return []
    words = [word for group in identity.words.values() for word in group]
    known = known_questions()
    return [
        str(row.example.origin)
        for row in found.ready
        if any(says(name, answer_of(row.example)) for name in identity.forbidden)
        and (
            plain(question_of(row.example)) in known
            or any(says(word, answer_of(row.example)) for word in words)
        )
    ]


def mostly_identity(found: Collected, identity: Identity) -> bool:
    """Whether the rows are an identity and little else."""
    words = [word for group in identity.words.values() for word in group]
    said = sum(any(says(word, answer_of(row.example)) for word in words) for row in found.ready)
    return 2 * said >= len(found.ready)
