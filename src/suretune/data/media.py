"""Pictures, sounds and films, which a model of text never gets: fields of them, and the places
where texts say that one comes."""

from __future__ import annotations

import re

from suretune.data.key_names import MEDIA, folded

_FIELD = re.compile(
    r"(?:image|video|audio|picture|photo)s?_"
    r"(?:list|path|file|file_?name|url|uri|bytes|base64|data)s?"
)
# People write about tags, too: then in code, beside what it is, or as what it belongs to.
_CODE = re.compile(r"`|</|/>|\b(?:html5?|svg|xml|jsx)\b", re.IGNORECASE)
_NAMED = re.compile(
    r"(?:\b(?:tag|element|token)s?|标签|元素)\s*<|>\s*(?:(?:tag|element|token)s?\b|标签|元素)",
    re.IGNORECASE,
)
_PLACE = re.compile(  # in `vector<Image>` none stands
    r"(?<![A-Za-z0-9_])(?:<(?:image|IMAGE)(?:[_ ]?\d+|_placeholder)?>|<ImageHere>)"
    r"|<\|(?:image|video|audio|vision)\w*\|>"
    r"|^<(?:video|audio)>(?=\s*$|[A-Za-z])",
    re.MULTILINE,
)
_WITHIN = re.compile(  # Qwen's, with an address; in HTML such an element holds none
    r"<(img|audio|video)>[^<>\s]*[./][^<>\s]*</\1>"
    r"|(?<!url\()(?<![\"'])data:(?:image|audio|video)/[\w.+-]+;base64,(?=[\w+/]{20})"
)


def is_media(key: str) -> bool:
    """Whether a field, by its name, holds pictures, sounds or films."""
    name = folded(key)
    return name in MEDIA or _FIELD.fullmatch(name) is not None


def media_in(text: str) -> str:
    """The place in a question where a picture, a sound or a film would be; '' where none is."""
    if "<" not in text and "base64" not in text:
        return ""
    found = None if "`" in text else _WITHIN.search(text)
    if not (found or _CODE.search(text) or _NAMED.search(text)):
        found = _PLACE.search(text)
    return found[0] if found else ""
