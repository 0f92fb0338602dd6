"""The report: one mapping in, one self-contained HTML page or Markdown text out.

Rows and answers are hostile input. Every text goes through `_clean` or `_plain` on its way out, and
the page's own policy forbids scripts, requests and any style but the one whose hash it carries.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Sequence
from functools import cache
from html import escape
from importlib.resources import files

from suretune import phrases as p
from suretune import report_words
from suretune.phrases import Report, words
from suretune.types import Text
from suretune.verify.account import account
from suretune.verify.blocks import (
    Answer,
    Block,
    Charts,
    Command,
    Drawing,
    Facts,
    Line,
    More,
    Paragraph,
    Piece,
    Section,
    Table,
    ticked,
)
from suretune.verify.outcome import Headline, headline, outcome
from suretune.words import language, say

TAGS = {
    "must": '<mark class="must">{}</mark>',
    "must-not": '<mark class="must-not">{}</mark>',
    "strong": "<strong>{}</strong>",
    "code": "<code>{}</code>",
}
ALONE = 36  # characters of a value that needs a line to itself
MARKDOWN = {"must": "**{}**", "must-not": "~~{}~~", "strong": "**{}**", "code": "{}"}


def sections(report: Report) -> tuple[Section, ...]:
    """All that a report says under its headline, in the language of this process."""
    return (*outcome(report), *account(report))


# --- HTML ---------------------------------------------------------------------------------------


def html(report: Report) -> str:
    """The whole page. It needs no script and no other file, and makes no request."""
    said, top = sections(report), headline(report)
    run = _clean(report.get("run") or "suretune")
    return document(
        f"{_clean(top.word)} · {run}",
        _headline(report, top, run),
        said,
    )


def document(title: str, top: str, said: Sequence[Section]) -> str:
    """A page of sections under `top`, which is HTML already, as is the title."""
    style = _style()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    return "".join(
        [
            f'<!doctype html>\n<html lang="{"zh-CN" if language() == "zh" else "en"}">\n<head>\n',
            '<meta charset="utf-8">\n',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n',
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n',
            '<meta name="color-scheme" content="light dark">\n',
            '<meta name="referrer" content="no-referrer">\n<link rel="icon" href="data:,">\n',
            f"<title>{title}</title>\n<style>{style}</style>\n</head>\n<body>\n",
            top,
            _contents(said),
            "<main>\n",
            *(_section(section) for section in said),
            f"</main>\n<footer>suretune · {_clean(_footer())}</footer>\n</body>\n</html>\n",
        ]
    )


@cache
def _style() -> str:
    return files("suretune.verify").joinpath("report.css").read_text(encoding="utf-8")


def _clean(text: object) -> str:
    return escape(p.printable(text))


def _footer() -> str:
    return words(
        "This page is one file. It runs no script and asks nothing of any server.",
        "本页是单个文件，不运行脚本，也不访问任何服务器。",
    )


def _headline(report: Report, top: Headline, run: str) -> str:
    kind = top.kind if top.kind in report_words.VERDICTS else "unknown"
    reasons = "".join(
        f"<li><strong>{_clean(cause.name)}</strong> {_inline(ticked(cause.what))}"
        + "".join(
            f'<p class="fix"><span>{_label(label)}</span>{_inline(ticked(said))}</p>'
            for label, said in cause.more()
        )
        + "</li>"
        for cause in top.reasons
    )
    remarks = words(" ", "").join(map(_clean, top.remarks))
    figures = "".join(
        f"<div><dt>{_clean(name)}</dt><dd>{_piece(Piece(value))}</dd></div>"
        for name, value in top.figures
    )
    created = _clean(p.moment(report.get("created")))
    model = _clean(p.part(report, "model", "name") or "")
    about = " · ".join(item for item in (run, model, created) if item)
    return (
        f'<header class="{kind}">\n<p class="about">{about}</p>\n'
        f'<h1><span class="word"><span class="sign">{_clean(top.sign)}</span> '
        f"{_clean(top.word)}{words('.', '。')}</span> {_clean(top.sentence)}</h1>\n"
        + (f'<ul class="reasons">{reasons}</ul>\n' if reasons else "")
        + f'<dl class="figures">{figures}</dl>\n'
        + (f'<p class="remarks">{remarks}</p>\n' if remarks else "")
        + "</header>\n"
    )


def _label(label: Text) -> str:
    return say(Text(f"{label.en}: ", f"{label.zh}："))


def _contents(said: Sequence[Section]) -> str:
    links = "".join(f'<a href="#{s.name}">{_clean(s.title)}</a> ' for s in said)
    return f'<nav aria-label="{words("contents", "目录")}">{links}</nav>\n'


def _section(section: Section) -> str:
    inside = "".join(_block(block) for block in section.blocks)
    return (
        f'<section id="{section.name}">\n<h2>{_clean(section.title)}</h2>\n'
        f'<div class="body">{inside}</div>\n</section>\n'
    )


def _block(block: Block) -> str:
    match block:
        case Paragraph(content):
            return f"<p>{_inline(content)}</p>\n"
        case Facts(rows):
            return f'<dl class="facts">{"".join(_fact(k, v) for k, v in rows)}</dl>\n'
        case Table():
            return _table(block)
        case Answer():
            return _answer(block)
        case Charts(charts):
            return f'<div class="charts">{"".join(_chart(c) for c in charts)}</div>\n'
        case Command(what, command):
            typed = f"<pre><code>{_clean(command)}</code></pre>"
            return f'<div class="command"><p>{_clean(what)}</p>{typed}</div>\n'
        case More(summary, blocks):
            inside = "".join(_block(b) for b in blocks)
            return f"<details><summary>{_clean(summary)}</summary>{inside}</details>\n"


def _fact(name: str, value: Line) -> str:
    """A label and its value; long ones have a line to themselves, short ones stand in pairs."""
    length = sum(len(item.text) if isinstance(item, Piece) else 12 for item in value)
    kind = ' class="long"' if length > ALONE else ""
    return f"<div{kind}><dt>{_clean(name)}</dt><dd>{_inline(value)}</dd></div>"


def _inline(content: Line) -> str:
    return "".join(item.svg if isinstance(item, Drawing) else _piece(item) for item in content)


def _piece(piece: Piece) -> str:
    style = piece.style or ("faint" if piece.text == p.not_measured() else "")
    text = _clean(piece.text)
    if not text or not style:
        return text
    return TAGS.get(style, f'<span class="{style}">{{}}</span>').format(text)


def _table(table: Table) -> str:
    def cells(tag: str, inside: Iterable[str], labels: bool) -> str:
        return "".join(
            f"<{tag}{' class=number' if i in table.numbers else ''}"
            f"{f' data-label={chr(34)}{_clean(table.head[i])}{chr(34)}' if labels else ''}>"
            f"{text}</{tag}>"
            for i, text in enumerate(inside)
        )

    head = cells("th", (_clean(name) for name in table.head), False)
    rows = "".join(
        f"<tr>{cells('td', (_inline(cell) for cell in row), table.prose)}</tr>\n"
        for row in table.rows
    )
    kind = "prose" if table.prose else "plain"
    return (
        f'<div class="scroll"><table class="{kind}"><thead><tr>{head}</tr></thead>'
        f"<tbody>\n{rows}</tbody></table></div>\n"
    )


def _answer(answer: Answer) -> str:
    def side(kind: str, name: str, mark: Piece, said: Line) -> str:
        return (
            f'<div class="{kind}"><h4>{name} {_piece(mark)}</h4>'
            f"<blockquote>{_inline(said)}</blockquote></div>"
        )

    required = f'<p class="required">{_inline(answer.required)}</p>' if answer.required else ""
    return (
        f'<article><h3>{_clean(answer.question)}</h3>{required}<div class="sides">'
        + side("before", words("before", "训练前"), answer.before_mark, answer.before)
        + side("after", words("after", "训练后"), answer.after_mark, answer.after)
        + "</div></article>\n"
    )


def _chart(chart: object) -> str:
    title, remark, narrow, wide = (getattr(chart, k) for k in ("title", "remark", "svg", "wide"))
    caption = f"<figcaption><strong>{_clean(title)}</strong> {_clean(remark)}</figcaption>"
    if not wide:
        return f"<figure>{caption}{narrow}</figure>"
    shapes = f'<div class="narrow">{narrow}</div><div class="wide">{wide}</div>'
    return f'<figure class="first">{caption}{shapes}</figure>'


# --- Markdown -----------------------------------------------------------------------------------


def markdown(report: Report) -> str:
    """The same words for terminals, issues and model cards."""
    top, colon = headline(report), words(": ", "：")
    lines = [f"# {_plain(top.sign)} {_plain(top.word)}", "", _plain(top.sentence), ""]
    for cause in top.reasons:
        lines.append(f"- **{_plain(cause.name)}** {_plain(cause.what)}".rstrip())
        lines += [f"  {_label(label)}{_plain(said)}" for label, said in cause.more()]
    lines += [
        "",
        *(f"- {_plain(name)}{colon}**{_plain(value)}**" for name, value in top.figures),
        "",
    ]
    lines += [*(_plain(remark) for remark in top.remarks), ""]
    for section in sections(report):
        lines += [f"## {_plain(section.title)}", ""]
        for block in section.blocks:
            lines += [*_lines(block), ""]
    text = "\n".join(line.rstrip() for line in lines)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def _plain(text: object) -> str:
    """Text that Markdown and the HTML inside it leave alone; line ends become `<br>`."""
    safe = p.printable(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    safe = re.sub(r"([\\`*_{}\[\]#|~!])", r"\\\1", safe)
    safe = re.sub(r"(?m)^(\s*)([-+]|\d+[.)])(?=\s)", r"\1\\\2", safe)
    return safe.replace("\n", "<br>")


def _span(content: Line) -> str:
    said = []
    for item in content:
        if isinstance(item, Drawing):
            said.append(item.words)
        elif item.text.strip():
            said.append(MARKDOWN.get(item.style, "{}").format(_plain(item.text)))
        else:
            said.append(_plain(item.text))
    return "".join(said).strip()


def _lines(block: Block) -> list[str]:
    colon = words(": ", "：")
    match block:
        case Paragraph(content):
            return [_span(content)]
        case Facts(rows):
            return [f"- {_plain(name)}{colon}{_span(value)}" for name, value in rows]
        case Table(head, rows):
            return _grid([_plain(name) for name in head], [[_span(c) for c in row] for row in rows])
        case Answer():
            before, after = words("before", "训练前"), words("after", "训练后")
            return _grid(
                [_plain(block.question), before, after],
                [
                    [
                        _span(block.required),
                        *(
                            f"{_span((mark,))}{colon}{_span(said)}"
                            for mark, said in (
                                (block.before_mark, block.before),
                                (block.after_mark, block.after),
                            )
                        ),
                    ]
                ],
            )
        case Charts(charts):
            return [f"- {_plain(c.title)}{colon}{_plain(c.remark)}" for c in charts]
        case Command(what, command):
            return [_plain(what), "", *(f"    {part}" for part in p.printable(command).split("\n"))]
        case More(summary, blocks):
            return [_plain(summary), "", *(text for b in blocks for text in (*_lines(b), ""))]


def _grid(head: list[str], rows: list[list[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows)]
