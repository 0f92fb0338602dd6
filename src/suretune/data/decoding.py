"""Tokens to text while they come, whole characters only: in the server, the terminal, the preview.

`tokenizers` has a stream of its own. It gives up ("Invalid prefix encountered") where a decoder
writes a text differently once it goes on: byte-fallback, or blanks in front that are stripped.
"""

from __future__ import annotations

from suretune.data.template import ChatTokenizer

BROKEN = "\ufffd"  # what a decoder writes for a character that is not whole


class Decoding:
    """Text of one answer, token by token; the pieces and the rest are the text of all its tokens.

    A token is decoded behind those before it, because a tokenizer may write it differently alone.
    """

    def __init__(
        self,
        tokenizer: ChatTokenizer,
        special: bool = False,
    ) -> None:
        self._tokenizer = tokenizer
        self._special = special  # control tokens are shown
        self._ids: list[int] = []
        self._before = 0  # where decoding begins: some tokens back
        self._told = 0  # tokens whose text was given

    def add(self, token: int) -> str:
        """What this token adds; nothing while it ends in half a character."""
        self._ids.append(token)
        piece = self._new()
        if not piece or piece.endswith(BROKEN):
            return ""
        self._before, self._told = self._told, len(self._ids)
        return piece

    def rest(self) -> str:
        """What was held back when the answer ended."""
        piece = self._new()
        self._before = self._told = len(self._ids)
        return piece

    def _new(self) -> str:
        decode = self._tokenizer.decode
        known = decode(self._ids[self._before : self._told], special=self._special)
        return decode(self._ids[self._before :], special=self._special)[len(known) :]
