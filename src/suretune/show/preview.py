"""One row as the model reads it, and which of its tokens it learns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from rich.console import Console
from rich.text import Text as Styled

from suretune import labels
from suretune import phrases as p
from suretune.data.decoding import BROKEN, Decoding
from suretune.data.template import ChatTokenizer
from suretune.phrases import words
from suretune.show.console import put, results, safe
from suretune.types import Sample

OPEN, CLOSE, LINE_END = "⟦", "⟧", "↵"
# Signs of the preview itself; where a row has one of them, it is spelled out.
SIGNS = OPEN + CLOSE + LINE_END + "⟨" + "".join(map(chr, range(0x2400, 0x2422)))
SHADES = ("black on #b7e4c7", "black on #95d5b2")  # in turn, so that each token can be seen
LONGEST = 1200  # tokens of a row that are shown; of a longer one, as many from both ends


@dataclass(frozen=True, slots=True)
class Token:
    """Text that `count` tokens make together: a character may take several of them."""

    text: str
    learned: bool
    count: int


def tokens_of(tokenizer: ChatTokenizer, sample: Sample) -> Iterator[Token]:
    """The sample as text, token by token; broken characters come out as U+FFFD."""
    learned = bytearray(len(sample.ids))
    for span in sample.spans:
        learned[span.start : span.end] = b"\1" * (span.end - span.start)
    stream = Decoding(tokenizer, special=True)
    count = 0
    for index, counts in zip(sample.ids, learned, strict=True):
        count += 1
        if text := stream.add(index):
            yield Token(text, bool(counts), count)
            count = 0
    if count:
        yield Token(stream.rest() or BROKEN, bool(learned[-1]), count)


def sample(
    tokenizer: ChatTokenizer,
    sample: Sample,
    to: Console | None = None,
) -> None:
    """One row as the model will read it: learned tokens in colour and between ⟦ ⟧."""
    to = to or results()
    shown = list(tokens_of(tokenizer, sample))
    put(to, _about(sample))
    if len(sample.ids) <= LONGEST:
        put(to, _drawn(shown), wrap=False)
    else:
        half = LONGEST // 2
        left_out = sum(token.count for token in shown[half:-half])
        gap = words(f"… {left_out:,} tokens not shown …", f"…… 省略 {left_out:,} 个 token ……")
        put(
            to,
            _drawn(shown[:half]),
            Styled(gap, "dim"),
            _drawn(shown[-half:]),
            wrap=False,
        )
    legend = words(
        f"{OPEN}learned{CLOSE} counts in the loss, the rest is only read; {LINE_END} ends a line",
        f"{OPEN}参与学习{CLOSE}的部分计入损失，其余只供阅读；{LINE_END} 表示换行",
    )
    put(to, Styled(legend, "dim"), "")


def _about(sample: Sample) -> Styled:
    share = p.share_of(sample.learned, len(sample.ids))
    source = labels.source(sample.system_source)
    facts = [
        words(
            f"{len(sample.ids):,} tokens, {share} learned",
            f"{len(sample.ids):,} 个 token，学习 {share}",
        ),
        words(f"system: {source}", f"系统提示词：{source}")
        if sample.system_source in labels.SOURCES
        else words("no system prompt", "没有系统提示词"),
    ]
    if sample.thinking is not None:
        with_it, without = (
            words("prompt with thoughts", "开启思考的提示词"),
            words(
                "prompt without thoughts",
                "关闭思考的提示词",
            ),
        )
        facts.append(with_it if sample.thinking else without)
    if sample.cut:
        facts.append(words(f"{sample.cut:,} tokens cut", f"截去 {sample.cut:,} 个 token"))
    weights = sorted({span.weight for span in sample.spans} - {1.0})
    if weights:
        facts.append(
            words("loss weight ", "损失权重 ") + labels.listed([f"{w:g}" for w in weights])
        )
    about = "  " + " · ".join(facts)
    return Styled().append_text(safe(sample.origin, "bold")).append(about, "dim")


def _drawn(shown: Sequence[Token]) -> Styled:
    """The text with every run of learned tokens between its brackets."""
    made = Styled()
    for learned, run in groupby(shown, lambda token: token.learned):
        if learned:
            made.append(OPEN, "bold green")
        for number, token in enumerate(run):
            made.append(_visible(token.text), SHADES[number % 2] if learned else "")
        if learned:
            made.append(CLOSE, "bold green")
    return made


def _visible(text: str) -> str:
    return p.printable(text, also=SIGNS, keep="").replace("\u240a", LINE_END + "\n")
