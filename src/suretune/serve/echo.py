"""A prompt that its answer repeats, as OpenAI's older API can: text, and how likely each token was.

Evaluations that score given answers (lm-evaluation-harness's `local-completions`) ask for this.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from suretune.data.decoding import Decoding
from suretune.data.template import ChatTokenizer
from suretune.model.slots import Said
from suretune.serve.text import Likely


@dataclass(frozen=True, slots=True)
class Echo:
    """One prompt: its text, its tokens, and where in the text each begins."""

    text: str
    tokens: tuple[int, ...]
    offsets: tuple[int, ...]

    def likely(self, said: Said) -> list[Likely]:
        """The prompt's tokens; the first follows nothing, so nobody knows how likely it was."""
        logs = ((None, ()), *said.prompt)
        return [
            Likely(token, logprob, top, offset)
            for token, offset, (logprob, top) in zip(self.tokens, self.offsets, logs, strict=True)
        ]

    def behind(self, likely: Sequence[Likely]) -> list[Likely]:
        """The answer's tokens, as they lie behind the prompt."""
        return [replace(each, offset=each.offset + len(self.text)) for each in likely]


def echoed(
    tokenizer: ChatTokenizer,
    prompt: str | Sequence[int],
    ids: Sequence[int],
) -> Echo:
    """The echo of a prompt that was given as text or as `ids`; control tokens are written out."""
    decoding = Decoding(tokenizer, special=True)
    offsets, text = [], ""
    for token in ids:
        offsets.append(len(text))
        text += decoding.add(token)
    text += decoding.rest()
    if isinstance(prompt, str):
        text = prompt  # what a tokenizer leaves out of it was said all the same
    return Echo(
        text,
        tuple(ids),
        tuple(min(offset, len(text)) for offset in offsets),
    )
