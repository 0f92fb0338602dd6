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
_CODE = re.compile(
    r"`|</|/>|<\w+\s+[\w-]+=|\b(?:html5?|css|svg|xml|jsx|docker|podman)\b"
    r"|\bmy (?:web ?)?(?:page|site)\b|小程序|网页里|页面里|镜像",
    re.IGNORECASE,
)
_IS = "(?:tag|element|component|attribute|token)s?"
_IS_ZH = "标签|元素|组件|控件|属性"
_NAMED = re.compile(
    rf"(?:\b{_IS}|{_IS_ZH})\s*<|>\s*(?:{_IS}\b|{_IS_ZH})",
    re.IGNORECASE,
)
_TAG = r"<(?:image|IMAGE|video|audio)\d*>"
_SURE = re.compile(  # in `vector<Image>` none stands
    r"(?<![A-Za-z0-9_])(?:<(?:image|IMAGE)(?:[_ ]\d+|_placeholder)>|<ImageHere>)"
    r"|<\|(?:image|video|audio|vision)\w*\|>"
)
# In the middle of a sentence `<image>` is a word for something, as in `mount <image> /mnt`.
_ASKS = r"\s*$|\s?[A-Z]|[^\W\d_]|\s[这图请描视音语]"  # `<video> 怎么全屏？` is about the tag
_BEFORE = re.compile(rf"^{_TAG}(?=(?:\s*{_TAG})*(?:{_ASKS}))", re.MULTILINE)
_BEHIND = re.compile(rf"(?<=[.?!:。？！：])\s*{_TAG}(?=\s*$)", re.MULTILINE)
_AGAIN = re.compile(r"<image\d*>(?=\s*(?:,|and|or|with|to|vs\.?|[和与跟、，])\s*<image\d*>)", re.I)
_WITHIN = re.compile(  # Qwen's, with an address; in HTML such an element holds none
    r"<(img|audio|video)>[^<>\s]*[./][^<>\s]*</\1>"
    r"|(?:^|(?<=\]\())data:(?:image|audio|video)/[\w.+-]+;base64,(?=[\w+/]{20})",
    re.MULTILINE,
)
_PLACES = (_SURE, _BEFORE, _BEHIND, _AGAIN)


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
        found = next(filter(None, (place.search(text) for place in _PLACES)), None)
    return found[0].strip() if found else ""
