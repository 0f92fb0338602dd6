"""Which of the known shapes a row has, and what to say about one that has none."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from suretune.data.calls import from_json
from suretune.data.columns import (
    ANSWERS,
    BESIDE,
    CONTEXTS,
    INPUTS,
    MESSAGE_LISTS,
    PAIRS,
    PREFERENCE,
    QUESTIONS,
    context_of,
    has_turns,
    is_filled,
    is_label,
    is_message,
    only_names,
    turns_of,
)
from suretune.data.compared import Compared, alike, compared, worse_first
from suretune.data.field_words import SAYS, SYSTEM, bare
from suretune.data.grades import skipping
from suretune.data.headers import OF_MESSAGES, is_of_messages
from suretune.data.key_names import is_about
from suretune.data.refusal import shown
from suretune.data.renames import (
    as_pair,
    chosen_kept,
    question_beside,
    suggested,
    unwritten,
    words_of,
)
from suretune.types import Fault, Hint, Origin, Text

_ID = re.compile(r"(?=.*\d)[0-9a-fA-F-]{12,}\Z")  # a number or a hash that names something
_CONTENT = frozenset((*QUESTIONS, *ANSWERS))
_TELLING = frozenset((*PREFERENCE, "kto_tag", "label", "prompt"))
_REQUIRED = {
    "alpaca": ("instruction", "output"),
    "query-response": ("query", "response"),
    "prompt-completion": ("prompt", "completion"),
    "messages": ("messages",),
    "sharegpt": ("conversations",),
    "text": ("text",),
}


def shape_of(value: Any) -> str | None:
    """The shape of a row by its field names; None for one that cannot be learned from."""
    if isinstance(value, Mapping) and None in value.values():
        shape = _shape_of(without_empty(value))
        if shape not in (None, "text"):
            return shape
    return _shape_of(value)


def without_empty(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """The row without its null fields, which a union of several shapes has, if it is a row still:
    an answer that is missing is a fault, not another shape."""
    filled = {key: item for key, item in value.items() if item is not None}
    return value if _shape_of(filled) in (None, "text") else filled


def _shape_of(value: Any) -> str | None:
    if isinstance(value, list):
        return _turns_shape(value)
    if not isinstance(value, Mapping) or _not_for_sft(value) or _rivals(value):
        return None
    if has_turns(value):
        return _listed_shape(value[turns_of(value)])
    if "instances" in value and "instruction" in value:
        return "alpaca"
    if "instruction" in value and any(name in value for name in ANSWERS):
        return "alpaca"
    if pair := pair_of(value):
        return "prompt-completion" if pair == PAIRS[0] else "query-response"
    if "text" in value:
        return None if _prompts(value) else "text"
    if turns_of(value):  # without a turn, and nothing else to read
        return "messages"
    # A lone `response` is plain text, but not beside its question under another name.
    return "text" if "response" in value and not question_beside(value) else None


def _prompts(value: Mapping[str, Any]) -> bool:
    """Whether a row has a prompt that its text does not say again."""
    prompt = value.get("prompt")
    again = isinstance(prompt, str) and prompt.strip() in str(value["text"])
    return is_filled(value, "prompt") and not again


def pair_of(value: Mapping[str, Any]) -> tuple[str, str] | None:
    """The fields of the question and its answer."""
    return next((pair for pair in PAIRS if pair[0] in value and pair[1] in value), None)


def _listed_shape(turns: Any) -> str:
    found = from_json(turns) if isinstance(turns, str) else turns
    # What is no list of turns at all is best explained as messages gone wrong.
    return (_turns_shape(found) if isinstance(found, list) else None) or "messages"


def _turns_shape(turns: list[Any]) -> str | None:
    first = turns[0] if turns else None
    if not isinstance(first, Mapping):
        return None
    if "role" in first:
        return "messages"
    if "from" in first or ("human" in first and "assistant" in first):
        return "sharegpt"
    return "xtuner" if "output" in first else None


def _rivals(value: Mapping[str, Any]) -> list[str]:
    """Fields that would be passed over although they look like the question or the answer."""
    if "instruction" in value:
        chosen: tuple[str, ...] = ("instruction", *instruction_fields(value))
    else:
        pair = pair_of(value)
        chosen = (*pair, context_of(value)) if pair else ()
    fields = (_CONTENT | set(CONTEXTS)) & value.keys() - set(chosen)
    others = [name for name in fields if not only_names(value, name)]
    if not others or not chosen or "instances" in value:
        return []
    if has_turns(value):
        return []
    return sorted(name for name in others if is_filled(value, name))


def _first(value: Mapping[str, Any], names: tuple[str, ...]) -> str:
    """The first of these fields that is filled, else the first that is there."""
    there = [name for name in names if name in value]
    for name in there:
        if is_filled(value, name):
            return name
    return there[0] if there else ""


def instruction_fields(value: Mapping[str, Any]) -> tuple[str, str]:
    """(input, answer) of a row with an instruction; '' for a field that is not there."""
    inputs = tuple(name for name in INPUTS if name in value and not only_names(value, name))
    return _first(value, inputs), _first(value, ANSWERS)


# --- rows that have none ------------------------------------------------------------------------


def _not_for_sft(value: Mapping[str, Any]) -> tuple[str, Text] | None:
    """(the fields that tell, what the data is) when a row was made for another kind of training."""
    if not _TELLING & value.keys():
        return None
    if found := [name for name in PREFERENCE if value.get(name) is not None]:
        return ", ".join(found), _compared(value)
    if "kto_tag" in value or (
        isinstance(value.get("label"), bool) and not is_filled(value, "text")
    ):
        name = "kto_tag" if "kto_tag" in value else "label"
        return name, Text(
            "This is KTO data: answers marked good or bad. To learn the good ones: "
            f"`{skipping(name)}`. To learn all of them: `--ignore_fields {name}`.",
            f"这是 KTO 数据：回答带有好坏标记。只学好的：`{skipping(name)}`。"
            f"全部都学：`--ignore_fields {name}`。",
        )
    if "label" in value and "text" in value and not pair_of(value) and "instruction" not in value:
        columns = ("text=query", "label=response")
        flag = f"`{shlex.join(('--columns', *columns))}`"
        if not isinstance(value["label"], str):
            return "text, label", Hint(
                f"This is classification data. Write the label as text, then add {flag}.",
                f"这是分类数据。请先把标签写成文本，再加上 {flag}。",
                columns,
            )
        return "text, label", Hint(
            f"This is classification data. Add {flag}.",
            f"这是分类数据。请加上 {flag}。",
            columns,
        )
    if "prompt" in value and not has_turns(value) and not _may_answer(value):
        return "prompt", Text(
            "There are prompts without answers. Learning needs the answer too: add completion.",
            "只有提示，没有回答。学习还需要回答：请加上 completion。",
        )
    return None


def _may_answer(value: Mapping[str, Any]) -> bool:
    """Whether a prompt has something beside it that may be its answer."""
    answers = {*ANSWERS, *(answer for _, answer in PAIRS)}
    names = [str(name) for name in value]
    if any(name in answers or get_close_matches(name.lower(), answers, 1, 0.75) for name in names):
        return True
    if suggested(value):
        return True
    texts = _texts(value)
    return len(texts) == 2 and texts[0] == "prompt"


def _texts(value: Mapping[str, Any]) -> list[str]:
    """The fields that say something in words: what a question is about only where two are meant to
    be a pair, and no books (an id, a link, where it comes from)."""
    texts = [str(name) for name, held in value.items() if isinstance(held, str)]
    texts = [n for n in texts if n in CONTEXTS or (n not in BESIDE and bare(n) not in SYSTEM)]
    texts = [n for n in texts if not (is_about(n) and is_label(value[n]))]
    texts = [n for n in texts if not _ID.match(value[n])]
    return texts if len(texts) < 3 else [n for n in texts if n not in CONTEXTS]


def _pair(value: Mapping[str, Any], pair: Compared) -> Text:
    """What to say of two answers that are compared under names of their own."""
    one, two = pair.names
    flag = suggested(value) if pair.better else ""
    if flag:
        return Hint(
            f"This is preference data (DPO): `{one}` and `{two}` are two answers compared. "
            f"To learn the better one: `{flag}`.",
            f"这是偏好数据（DPO）：`{one}` 和 `{two}` 是两个对比的回答。"
            f"若只学习较好的那个：`{flag}`。",
            words_of(flag),
        )
    if pair.better:
        return Text(
            f"This is preference data (DPO): `{one}` and `{two}` are two answers compared. To "
            f"learn the better one, put the question and what `{pair.better}` says into messages.",
            f"这是偏好数据（DPO）：`{one}` 和 `{two}` 是两个对比的回答。若要学习较好的那个，"
            f"请把问题和 `{pair.better}` 的内容写成 messages。",
        )
    return Text(
        f"This is preference data (DPO): `{one}` and `{two}` are two answers to compare, and their "
        "names do not say which is better. Write the one to learn into a field `response`.",
        f"这是偏好数据（DPO）：`{one}` 和 `{two}` 是两个对比的回答，从名字看不出哪个更好。"
        "请把要学习的那个写进 `response` 字段。",
    )


def _compared(value: Mapping[str, Any]) -> Text:
    named = "chosen" in value or "chosen_response" in value or has_turns(value)
    if not named and (pair := compared(value)):
        return _pair(value, pair)
    if flag := chosen_kept(value):
        return Hint(
            f"This is preference data (DPO): two answers compared. To learn the better one: "
            f"`{flag}`.",
            f"这是偏好数据（DPO）：比较两个回答。若只学习较好的那个：`{flag}`。",
            words_of(flag),
        )
    return Text(
        "This is preference data (DPO): two answers compared. To learn the better one, put the "
        "question and the chosen answer into messages.",
        "这是偏好数据（DPO）：比较两个回答。若要学习较好的那个，"
        "请把问题和 chosen 回答写成 messages。",
    )


def no_shape(value: Any, origin: Origin) -> Fault:
    """The fault of a row that `shape_of` gave None for."""
    if isinstance(value, Mapping):
        if unsuitable := _not_for_sft(value):
            return Fault(
                "not-sft",
                origin,
                found=unsuitable[0],
                hint=unsuitable[1],
            )
        if rivals := _rivals(value):
            return Fault(
                "unknown-shape",
                origin,
                found=shown(", ".join(value)),
                hint=_one_too_many(value, rivals),
            )
        if pair := compared(value):
            return Fault(
                "not-sft",
                origin,
                found=shown(", ".join(pair.names)),
                hint=_pair(value, pair),
            )
        found = shown(", ".join(map(str, value))) or "{}"
        return Fault(
            "unknown-shape",
            origin,
            found=found,
            hint=_ways(value),
        )
    hint = Text(
        'A row is an object, for example `{"query": "...", "response": "..."}`.',
        '每一行应当是一个对象，例如 `{"query": "...", "response": "..."}`。',
    )
    return Fault(
        "unknown-shape",
        origin,
        found=shown(value),
        hint=hint,
    )


def _one_too_many(value: Mapping[str, Any], rivals: list[str]) -> Text:
    """What to do with fields that look like the question or the answer, beside those that are."""
    names = ", ".join(rivals)
    flag = "--columns " + " ".join(shlex.quote(f"{name}=") for name in rivals)
    if "=input" in (all_of_it := suggested(value)):
        return Text(
            f"`instruction` already is the question, so `{names}` would be ignored. To ask it "
            f"behind the instruction: `{all_of_it}`. To leave it out: `{flag}`.",
            f"`instruction` 已经是问题，`{names}` 会被忽略。跟在 `instruction` 后面一起问："
            f"`{all_of_it}`。确定不用：`{flag}`。",
        )
    return Hint(
        f"Other fields of this row already are the question and the answer, so {names} "
        f"would be ignored. To leave it out: `{flag}`; or rename one of them.",
        f"这一行已有别的字段作为问题和回答，{names} 会被忽略。确定不用：`{flag}`；"
        f"或给其中一个改名。",
        words_of(flag),
    )


def _ways(value: Mapping[str, Any]) -> Text:
    """How this row's own fields could be read."""
    near = _nearest(value)
    if flag := suggested(value):
        out = "= " in f"{flag} ".replace("'", "")
        left_out = Text(
            " (an empty name leaves a field out)" * out, "（等号后面留空表示不使用这个字段）" * out
        )
        return Hint(
            f"{near.en} Or leave the file as it is: `{flag}`{left_out.en}.",
            f"{near.zh}或者不改文件，加上 `{flag}`{left_out.zh}。",
            words_of(flag),
        )
    names = [str(name) for name in value]
    alone = is_of_messages(names) and not any(bare(name) in SAYS for name in names)
    if alone or any(map(is_message, value.values())):
        return OF_MESSAGES
    texts = worse_first(_texts(value))
    if (listed := unwritten(value)) != ("", ""):
        return _written_out(*listed)
    if not (flag := as_pair(texts)) or "←" in near.en or alike(*texts):
        return near
    first, second = texts
    return Hint(
        f"If `{first}` is the question and `{second}` its answer: `{flag}`.",
        f"如果 `{first}` 是问题、`{second}` 是回答：`{flag}`。",
        words_of(flag),
    )


def _written_out(asks: str, says: str) -> Text:
    return Text(
        f"`{asks}` and `{says}` seem to be the question and its answer, but not both of them are "
        "text. Write them as text into `query` and `response`.",
        f"`{asks}` 和 `{says}` 像是问题和回答，但不都是文本。"
        "请写成文本，放进 `query` 和 `response`。",
    )


def _is_list(held: Any) -> bool:
    return isinstance(held, list) or (isinstance(held, str) and held.lstrip().startswith("["))


def _nearest(value: Mapping[str, Any]) -> Text:
    """The known shape that needs the fewest changes, and which."""
    held = {str(name).lower(): str(name) for name in value if bare(str(name)) not in SYSTEM}
    lists = [name for name in held if _is_list(value.get(held[name]))]
    best, best_share, best_missing = "query-response", 0.0, ["query", "response"]
    for shape, required in _REQUIRED.items():
        can = lists if required[0] in MESSAGE_LISTS else list(held)
        near = {r: get_close_matches(r, can, 1, 0.75) for r in required}
        share = sum(bool(match) for match in near.values()) / len(required)
        if share > best_share:
            missing = [
                r + (f" ← {held[near[r][0]]}?" if near[r] else "")
                for r in required
                if r not in value
            ]
            best, best_share, best_missing = shape, share, missing
    lacking = ", ".join(best_missing)
    return Text(
        f"The nearest known shape is {best}; missing: {lacking}. Rename or add the field.",
        f"最接近的已知格式是 {best}，缺少：{lacking}。请改名或补上字段。",
    )
