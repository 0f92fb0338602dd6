"""Keys that say what is learned, whatever tool a file was written for, and keys that nobody knows.

To learn a turn that is marked as wrong teaches the mistake, so a mark is read, or refused by name.
"""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Iterator, Mapping, Set
from typing import Any

from suretune.data.refusal import Refused, shown
from suretune.types import Fault, Origin, Text

# True, or how much: learn it. Folded: `trainOnTurn` and `train-on-turn` are `train_on_turn`.
LEARNS = frozenset(
    (
        "weight",
        "loss",
        "loss_weight",
        "loss_scale",
        "loss_mask",
        "train",
        "trainable",
        "is_trainable",
        "training",
        "is_training",
        "train_on_turn",
        "train_on",
        "train_this",
        "do_train",
        "learn",
        "learnable",
        "learned",
        "is_learned",
        "to_learn",
        "supervise",
        "supervised",
        "compute_loss",
        "calculate_loss",
        "calc_loss",
        "with_loss",
        "has_loss",
        "use_loss",
        "in_loss",
        "output_with_loss",
        "is_target",
    )
)
# True: do not.
SPARES = frozenset(
    (
        "masked",
        "is_masked",
        "mask_out",
        "masked_out",
        "mask_loss",
        "loss_masked",
        "no_loss",
        "skip_loss",
        "ignore_loss",
        "exclude_loss",
        "exclude_from_loss",
        "no_train",
        "no_training",
        "skip_train",
        "skip_training",
        "dont_train",
        "do_not_train",
        "exclude_from_training",
        "not_trainable",
        "untrainable",
        "no_learn",
        "dont_learn",
        "do_not_learn",
        "not_learned",
    )
)
_SCALES = frozenset(("weight", "loss_weight", "loss_scale"))  # of a row: any number
_WORDS = {"true": 1.0, "yes": 1.0, "1": 1.0, "false": 0.0, "no": 0.0, "0": 0.0}
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

# What files write down about a row or a turn without anything in it that could be learned.
_ABOUT = frozenset(
    (
        "id",
        "ids",
        "_id",
        "uid",
        "uuid",
        "guid",
        "sha",
        "sha1",
        "sha256",
        "md5",
        "hash",
        "checksum",
        "idx",
        "index",
        "row",
        "line",
        "number",
        "no",
        "nr",
        "num",
        "position",
        "order",
        "rank",
        "turn",
        "round",
        "depth",
        "step",
        "part",
        "chunk",
        "page",
        "version",
        "revision",
        "parent",
        "children",
        "thread",
        "session",
        "conversation",
        "time",
        "timestamp",
        "ts",
        "date",
        "datetime",
        "created",
        "updated",
        "modified",
        "published",
        "source",
        "sources",
        "origin",
        "dataset",
        "data_source",
        "subset",
        "split",
        "file",
        "filename",
        "path",
        "url",
        "uri",
        "link",
        "license",
        "licence",
        "copyright",
        "author",
        "authors",
        "user",
        "username",
        "annotator",
        "annotators",
        "annotation",
        "annotations",
        "labeler",
        "worker",
        "speaker",
        "model",
        "models",
        "engine",
        "generator",
        "provider",
        "category",
        "categories",
        "subcategory",
        "topic",
        "topics",
        "subtopic",
        "tag",
        "tags",
        "label",
        "labels",
        "class",
        "type",
        "kind",
        "task",
        "tasks",
        "task_type",
        "task_name",
        "skill",
        "domain",
        "subject",
        "field",
        "area",
        "level",
        "difficulty",
        "grade",
        "complexity",
        "intent",
        "title",
        "name",
        "key",
        "keyword",
        "keywords",
        "department",
        "lang",
        "language",
        "languages",
        "locale",
        "country",
        "state",
        "region",
        "translated",
        "synthetic",
        "score",
        "scores",
        "rating",
        "ratings",
        "vote",
        "votes",
        "likes",
        "stars",
        "quality",
        "reward",
        "rewards",
        "confidence",
        "toxicity",
        "toxic",
        "safety",
        "moderation",
        "openai_moderation",
        "detoxify_moderation",
        "sentiment",
        "emotion",
        "emojis",
        "feedback",
        "review_count",
        "status",
        "redacted",
        "finish_reason",
        "stop_reason",
        "stop",
        "usage",
        "cost",
        "latency",
        "duration",
        "temperature",
        "top_p",
        "seed",
        "max_tokens",
        "logprobs",
        "refusal",
        "length",
        "size",
        "tokens",
        "words",
        "chars",
        "token_count",
        "meta",
        "metadata",
        "_meta",
        "extra_info",
        "info",
        "markdown",
        "avatar",
        "hashed_ip",
        "header",
        "system_fingerprint",
        "citations",
        "db",
        "db_id",
        "parallel_tool_calls",
        "tool_choice",
        "is_classification",
        "recipient",
        "channel",
    )
)
_ABOUT_ENDS = (
    "_id",
    "_ids",
    "_uuid",
    "_idx",
    "_index",
    "_hash",
    "_at",
    "_time",
    "_date",
    "_timestamp",
    "_ts",
    "_score",
    "_scores",
    "_rating",
    "_count",
    "_counts",
    "_len",
    "_length",
    "_tokens",
    "_url",
    "_source",
    "_lang",
    "_language",
    "_version",
    "_type",
    "_category",
    "_tag",
    "_tags",
    "_label",
    "_name",
    "_model",
    "_metadata",
    "_meta",
    "_identifier",
    "_info",
    "_level",
    "_split",
)
_ABOUT_STARTS = ("num_", "n_", "meta_", "metadata_", "created_", "updated_", "__")

MEDIA = frozenset(
    (
        "image",
        "images",
        "img",
        "imgs",
        "picture",
        "pictures",
        "photo",
        "photos",
        "image_path",
        "image_paths",
        "image_file",
        "image_files",
        "image_url",
        "image_urls",
        "image_bytes",
        "pixel_values",
        "video",
        "videos",
        "video_path",
        "video_paths",
        "video_url",
        "video_urls",
        "frames",
        "audio",
        "audios",
        "audio_path",
        "audio_paths",
        "audio_url",
        "audio_urls",
        "input_audio",
        "speech",
    )
)
NO_MEDIA = Text(
    "A model of text cannot see or hear it: it would learn to answer about what it never got. "
    "Take these rows out of the file, or leave them out with `--on_bad_row skip`.",
    "文本模型看不到图片，也听不到声音：它会学着回答自己从未收到的内容。"
    "请从文件中去掉这些数据，或用 `--on_bad_row skip` 略过。",
)
MARKED = Text(
    "A mark of what is learned is true or false, or a number from 0 up.",
    "标记是否学习的字段只能是 true、false，或不小于 0 的数。",
)


def folded(key: str) -> str:
    """A key as the lists here write it."""
    return _HUMP.sub("_", key).lower().replace("-", "_").replace(" ", "_")


def is_about(key: str) -> bool:
    """Whether a key, by its name, only keeps books of where a row or turn comes from."""
    name = folded(key)
    return (
        name in _ABOUT or name.endswith(_ABOUT_ENDS) or name.startswith(_ABOUT_STARTS)
    ) and name not in LEARNS | SPARES


def is_mark(key: str) -> bool:
    """Whether a key, by its name, says what is learned."""
    name = folded(key)
    return name in LEARNS or name in SPARES


def filled(value: Any) -> bool:
    """Whether a field holds anything."""
    return value is not None and value != "" and value != [] and value != {}


def refuse_unknown(item: Mapping[str, Any], known: Set[str], field: str, origin: Origin) -> None:
    """Raises Refused for a key of a turn or call that is neither known nor bookkeeping."""
    said = [item[key] for key in ("content", "value") if key in known and key in item]
    for key, value in item.items():
        if key in known or not filled(value) or value in said:
            continue
        name = folded(str(key))
        if name in MEDIA:
            found = f"{key}: {shown(value, 40)}"
            raise Refused(
                Fault("wrong-type", origin, field=f"{field}.{key}", found=found, hint=NO_MEDIA)
            )
        judged = name == "label" and isinstance(value, bool)  # good or bad: not for the books only
        if is_mark(name) or (is_about(str(key)) and not judged):
            continue
        typed = shlex.quote(str(key))
        hint = Text(
            "It may well say that the turn is not to be learned (that is written `weight: 0`), or"
            f" hold text that belongs into `content`. `--ignore_fields {typed}` reads the turns"
            " without it.",
            "它也许表示这一轮不该学习（应写成 `weight: 0`），也许是应当写进 `content` 的文字。"
            f"加上 `--ignore_fields {typed}`，读取时就不理会它。",
        )
        raise Refused(
            Fault(
                "unknown-field", origin, field=f"{field}.{key}", found=shown(value, 40), hint=hint
            )
        )


def weight_of(item: Mapping[str, Any], field: str, origin: Origin) -> float:
    """How much the loss of a turn counts: what all marks of it say together; 1 without any."""
    weight = 1.0
    for key, value in item.items():
        if value is not None and is_mark(str(key)):
            weight *= _marked(folded(str(key)), value, f"{field}.{key}", origin)
    return weight


def row_weight(row: Mapping[str, Any], origin: Origin) -> float:
    """The same of a whole row. What is plainly no mark there (`loss: 0.37` that somebody measured,
    `train` as the name of a split) is one more field that is not used."""
    weight = 1.0
    for key, value in row_marks(row):
        weight *= _marked(folded(key), value, key, origin)
    return weight


def row_marks(row: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The keys of a row that say whether it is learned."""
    for key, value in row.items():
        name = folded(str(key))
        if value is None or not is_mark(name):
            continue
        if name in _SCALES and isinstance(value, str):  # a table's cells are text
            value = _number(value)
        yes_or_no = isinstance(value, bool) or (isinstance(value, (int, float)) and value in (0, 1))
        scale = name in _SCALES and isinstance(value, (int, float))
        if yes_or_no or scale or isinstance(value, list) or str(value).lower() in _WORDS:
            yield str(key), value


def _number(text: str) -> Any:
    """The number that a text is, else the text."""
    try:
        return float(text)
    except ValueError:
        return text


def _marked(name: str, value: Any, field: str, origin: Origin) -> float:
    if isinstance(value, str) and name != "weight" and value.strip().lower() in _WORDS:
        number = _WORDS[value.strip().lower()]
    elif isinstance(value, (int, float)) and math.isfinite(value) and value >= 0:
        if name == "weight" and isinstance(value, bool):
            raise _not_a_mark(value, field, origin)
        number = float(value)
    else:
        raise _not_a_mark(value, field, origin)
    if name not in SPARES:
        return number
    if number not in (0.0, 1.0):
        raise _not_a_mark(value, field, origin)
    return 1.0 - number


def _not_a_mark(value: Any, field: str, origin: Origin) -> Refused:
    found = shown(value, 40)
    return Refused(Fault("wrong-type", origin, field=field, found=found, hint=MARKED))
