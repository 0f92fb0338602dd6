"""The probes once more with thoughts, where they are judged without; or the other way round."""

from __future__ import annotations

from collections.abc import Mapping

from suretune import phrases as p
from suretune.phrases import Report, part, several, words
from suretune.verify.blocks import Facts, Paragraph, Piece, Section, Table, line


def other_mode(report: Report) -> tuple[Section, ...]:
    """What was answered in the mode that was not learned; shown, and never judged. Nothing for a
    template that knows one way only."""
    asked = [one for one in several(report, "other_mode", "answers") if isinstance(one, Mapping)]
    if not asked:
        return ()
    thinking = part(report, "other_mode", "thinking")
    passed = sum(bool(one.get("passed")) for one in asked)
    mode = words("with thoughts", "开启思考") if thinking else words("without thoughts", "关闭思考")
    learned = (
        words("without thoughts", "关闭思考") if thinking else words("with thoughts", "开启思考")
    )
    title = words(f"The same questions {mode}", f"同样的问题，{mode}")
    note = words(
        f"Rows are learned, and the verdict is given, {learned}. These answers are only shown.",
        f"训练和结论都以{learned}为准；这里的回答只作展示。",
    )
    counted = p.passed_of({"passed": passed, "asked": len(asked)})
    rows = tuple(
        (
            line(str(one.get("question") or "")),
            (
                Piece(p.passed_mark(one.get("passed")), "faint"),
                Piece(f"\n{p.printable(one.get('answer') or words('(empty)', '（空）'))}"),
            ),
        )
        for one in asked
    )
    head = (words("question", "问题"), mode)
    blocks = (
        Paragraph(line(Piece(note, "faint"))),
        Facts(((words("passed", "通过"), line(counted)),)),
        Table(head, rows, prose=True),
    )
    return (Section("other-mode", title, blocks),)
