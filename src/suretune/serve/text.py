"""Tokens to text while they come: whole characters only, stop strings never shown, exact bytes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from suretune.data.decoding import Decoding
from suretune.data.template import ChatTokenizer

BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")  # a byte, as sentencepiece spells it


@dataclass(slots=True)
class Stops:
    """Holds back what may be the beginning of a stop string, and ends before the first whole."""

    words: Sequence[str]
    held: str = ""
    found: bool = False

    def add(self, piece: str) -> str:
        """What may be shown now; nothing more once a stop string was found."""
        if self.found:
            return ""
        text = self.held + piece
        # That which is whole first, so that it does not matter in which pieces the text came.
        found = [(at + len(w), at) for w in self.words if (at := text.find(w)) >= 0]
        if found:
            self.found, self.held = True, ""
            return text[: min(found)[1]]
        cut = len(text) - max((_overlap(text, word) for word in self.words), default=0)
        self.held = text[cut:]
        return text[:cut]

    def rest(self) -> str:
        """What was held back and turned out to be no stop string."""
        text, self.held = self.held, ""
        return text


def _overlap(text: str, word: str) -> int:
    """How much of the end of a text is the beginning of a word, the whole word not counted."""
    for length in range(min(len(text), len(word) - 1), 0, -1):
        if text.endswith(word[:length]):
            return length
    return 0


@dataclass(frozen=True, slots=True)
class Likely:
    """A token with its log-probability; `offset` is where its text begins in the answer."""

    token: int
    logprob: float | None  # None: of a prompt's first token
    top: tuple[tuple[int, float], ...] = ()
    offset: int = 0


@dataclass(slots=True)
class Answer:
    """One answer as a client sees it grow: text, and the log-probabilities of the tokens in it."""

    tokenizer: ChatTokenizer
    stops: Stops
    shown: int = 0  # characters
    tokens: int = 0
    decoding: Decoding = field(init=False)
    decoded: int = 0  # characters, those held back included
    _waiting: list[Likely] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.decoding = Decoding(self.tokenizer)

    def add(
        self,
        token: int,
        logprob: float | None,
        top: tuple[tuple[int, float], ...],
    ) -> tuple[str, list[Likely]]:
        """What may be shown after this token."""
        self.tokens += 1
        if logprob is not None:
            self._waiting.append(Likely(token, logprob, top, self.decoded))
        piece = self.decoding.add(token)
        self.decoded += len(piece)
        return self._show(self.stops.add(piece), ended=self.stops.found)

    def end(self) -> tuple[str, list[Likely]]:
        """The rest, when the model has ended by itself or at its limit."""
        text = self.stops.add(self.decoding.rest())
        if not self.stops.found:
            text += self.stops.rest()
        return self._show(text, ended=True)

    def _show(
        self,
        text: str,
        *,
        ended: bool,
    ) -> tuple[str, list[Likely]]:
        self.shown += len(text)
        whole = ended and not self.stops.found
        told = [each for each in self._waiting if whole or each.offset < self.shown]
        self._waiting = self._waiting[len(told) :]  # offsets only grow
        return text, told


class Words:
    """Single tokens as log-probabilities name them: their text, and the bytes they stand for."""

    def __init__(self, tokenizer: ChatTokenizer) -> None:
        self._tokenizer = tokenizer
        self._special = {index: text for text, index in tokenizer.special.items()}
        self.longest = max(map(len, tokenizer.vocabulary.get_vocab()))  # token, in characters
        self._bytes = _byte_alphabet() if "ByteLevel" in str(tokenizer.vocabulary.decoder) else None

    def bytes_of(self, token: int) -> bytes:
        """Exactly what the token adds to an answer's bytes."""
        if token in self._special:
            return self._special[token].encode()
        word = self._tokenizer.vocabulary.id_to_token(token)
        if word is None:  # beyond the vocabulary: rows of the matrix that fill it up
            return b""
        if self._bytes is not None:
            return b"".join(
                bytes([self._bytes[c]]) if c in self._bytes else c.encode() for c in word
            )
        if spelled := BYTE.fullmatch(word):
            return bytes([int(spelled[1], 16)])
        return str(word).replace("\u2581", " ").encode()

    def text_of(self, token: int) -> str:
        """Its text; half a character is shown as the sign for one."""
        return self.bytes_of(token).decode("utf-8", "replace")

    def name_of(self, token: int) -> str:
        """Its text, or its bytes as OpenAI names them: two halves must not have one name."""
        spelled = self.bytes_of(token)
        try:
            return spelled.decode()
        except UnicodeDecodeError:
            return "bytes:" + "".join(f"\\x{byte:02x}" for byte in spelled)


def _byte_alphabet() -> dict[str, int]:
    """The printable characters by which byte-level BPE (GPT-2) spells each byte."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in plain]
    shifted = {chr(256 + index): byte for index, byte in enumerate(others)}
    return {**{chr(byte): byte for byte in plain}, **shifted}
