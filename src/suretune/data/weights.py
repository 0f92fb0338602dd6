"""The base's weights as files, looked at without loading them: whole, plain, and the config's.

What a loader would refuse minutes later, or would fail on in its own words, is said here: weights
packed into fewer bits, other formats than safetensors, pointers in place of files, missing or
truncated shards, layers that the config names and no file holds.
"""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import orjson

from suretune import typed
from suretune.because import in_words
from suretune.data.base import INDEX, Base, is_pointer, not_whole, pointed
from suretune.data.yamltext import BadYaml, parse_yaml, written
from suretune.facts import SetupFacts
from suretune.families import hub_id, is_wrapper
from suretune.hubs.names import parse_name
from suretune.types import Text

WHOLE = "model.safetensors"
LONGEST = 100 << 20  # bytes of a header; safetensors itself takes no longer ones
OTHERS = ("*.bin", "*.pt", "*.pth", "*.h5", "*.msgpack", "*.ckpt", "*.onnx", "*.gguf")
_LAYER = re.compile(r"(?:^|\.)layers\.(\d+)\.")
_PACKED = re.compile(
    r"\.(qweight|qzeros|weight_scale(_inv)?|weight_packed|absmax|quant_map|SCB|scales)$"
    r"|_(blocks|scales)$|\.weight\.(absmax|quant_map|nested_absmax)$"
)
_CONVERT = (
    "from transformers import AutoModelForCausalLM as M;"
    " M.from_pretrained({0!r}, dtype='auto').save_pretrained({0!r})"
)
# What makers of quantised models put behind the name of the one they began with.
_MARK = re.compile(
    r"[-_.](?:unsloth-)?(?:gptq|awq|bnb|nf4|fp8|fp4|mxfp4|nvfp4|int4|int8|[348]bits?|w\d+a\d+|gguf|mlx"
    r"|hqq|aqlm|eetq|exl2|exl3|quantized|quantised|autoround|q\d(?:_[0-9a-z]+)*|dynamic|g\d+|128g)"
    r"(?=[-_.]|$)",
    re.IGNORECASE,
)
REPACKERS = frozenset(
    {
        "thebloke",
        "bartowski",
        "mlx-community",
        "lmstudio-community",
        "casperhansen",
        "neuralmagic",
        "redhatai",
        "hugging-quants",
        "nm-testing",
        "modelcloud",
        "quanttrio",
        "nvidia",
    }
)


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor of a file: its type, as safetensors names it, and its shape."""

    dtype: str
    shape: tuple[int, ...]


def weight_files(folder: Path) -> list[Path]:
    """The files that transformers would load; beside them may lie the same weights once more."""
    whole, index = folder / WHOLE, folder / INDEX
    if whole.is_file():
        return [whole]
    if not index.is_file():
        return []
    names = set(orjson.loads(index.read_bytes()).get("weight_map", {}).values())
    return sorted(folder / name for name in names)


def bytes_on_disk(folder: Path) -> int:
    """What `weight_files` take together."""
    return sum(path.stat().st_size for path in weight_files(folder))


def wrong_weights(base: Base, *, fetched: bool = False) -> SetupFacts | None:
    """What a loader would refuse; None where nothing is wrong. Unless they are `fetched`, a hub's
    model may have no weights here yet."""
    if kind := quantised(base):
        return _packed(base, kind)
    if _unknown(base):
        family = base.config.get("model_type")
        found = Text(
            f"config.json: transformers has no language model `{family}`",
            f"config.json：transformers 里没有 `{family}` 这种语言模型",
        )
        return SetupFacts(
            "model-incomplete",
            str(base.folder),
            found=found,
        )
    files = weight_files(base.folder)
    if not files:
        return None if not fetched and _on_hub(base) else _no_files(base)
    if gone := [path.name for path in files if not path.is_file()]:
        if not fetched and _on_hub(base) and len(gone) == len(files):
            return None
        return _incomplete(base, ", ".join(gone[:5]))
    tensors: dict[str, Tensor] = {}
    for path in files:
        try:
            tensors.update(header(path))
        except (OSError, ValueError) as error:
            return _broken_file(base, path, in_words(error))
    if packed := _packed_names(tensors):
        return _packed(base, packed)
    if wrong := _other_shape(base, files, tensors):
        return _incomplete(base, wrong)
    return None


def header(path: Path) -> Mapping[str, Tensor]:
    """What a safetensors file says it holds; ValueError unless the file is as long as that, OSError
    where it cannot be read. A run asks many times, and a file that is as it was is read once."""
    about = path.stat()
    return _header(path, about.st_size, about.st_ino, about.st_mtime_ns, about.st_ctime_ns)


@lru_cache(maxsize=256)
def _header(
    path: Path,
    size: int,
    *written: int,
) -> Mapping[str, Tensor]:
    """`header` of a file that is so long, and was written then."""
    with path.open("rb") as file:
        first = file.read(8)
        length = int.from_bytes(first, "little")
        if len(first) < 8 or not 0 < length <= min(LONGEST, size - 8):
            raise ValueError("no header of safetensors")
        about = orjson.loads(file.read(length))
    if not isinstance(about, dict):
        raise ValueError("no header of safetensors")
    made, end = {}, 0
    for name, told in about.items():
        if name == "__metadata__":
            continue
        try:
            made[name] = Tensor(str(told["dtype"]), tuple(int(n) for n in told["shape"]))
            end = max(end, int(told["data_offsets"][1]))
        except (KeyError, TypeError, IndexError) as error:
            raise ValueError(f"{name}: {error}") from error
    if size != 8 + length + end:
        raise ValueError(f"{size:,} bytes of {8 + length + end:,}")
    return MappingProxyType(made)


# --- packed into fewer bits ---------------------------------------------------------------------


def quantised(base: Base) -> str:
    """How the base's weights are packed, by what lies beside them; empty where they are plain."""
    config = base.config
    text = config.get("text_config")
    for about in (config, text if isinstance(text, dict) else {}):
        for key in ("quantization_config", "compression_config", "quantization"):
            if isinstance(told := about.get(key), dict) and told:
                return _kind(told)
    for name, kind in (
        ("quantize_config.json", "gptq"),
        ("quant_config.json", "awq"),
        ("hf_quant_config.json", "modelopt"),
    ):
        if (base.folder / name).is_file():
            return kind
    if not weight_files(base.folder) and (files := sorted(base.folder.glob("*.gguf"))):
        return f"gguf, {files[0].name}"
    return ""


def _kind(told: Mapping[str, Any]) -> str:
    method = str(told.get("quant_method") or told.get("format") or "")
    if not method:
        method = "bitsandbytes" if any(str(key).startswith("load_in_") for key in told) else "mlx"
    bits = told.get("bits") or told.get("w_bit")
    if told.get("load_in_4bit") or told.get("_load_in_4bit"):
        bits = 4
    elif told.get("load_in_8bit") or told.get("_load_in_8bit"):
        bits = 8
    return f"{method}, {bits} bits" if bits else method


def _packed_names(tensors: Mapping[str, Tensor]) -> str:
    for name, tensor in tensors.items():
        if _PACKED.search(name) or tensor.dtype.startswith(("F8", "F6", "F4")):
            return f"{name}: {tensor.dtype}"
    return ""


def _packed(base: Base, kind: str) -> SetupFacts:
    return SetupFacts(
        "quantised-base",
        base.name,
        found=kind,
        nearest=unquantised(base),
    )


def unquantised(base: Base) -> str:
    """The model that this one was made from: as its page says, its config, or its name."""
    said = str(base.config.get("_name_or_path") or "")
    for name in (_from_page(base.folder / "README.md"), said):
        if parse_name(name) and not _MARK.search(name):
            return name
    name = base.name.rstrip("/")
    plain = name
    while (shorter := _MARK.sub("", plain)) != plain:
        plain = shorter
    if plain == name:
        return ""
    if os.path.isdir(typed.place(plain)):
        return plain
    owner, _, last = plain.rpartition("/")
    if parse_name(plain) and not os.path.isdir(name):
        return "" if owner.lower() in REPACKERS else plain
    return hub_id(last)


def _from_page(page: Path) -> str:
    """`base_model` of a model's page, if it names one."""
    try:
        with page.open("rb") as file:
            text = file.read(1 << 16).decode("utf-8", "replace")
        front = text.split("---", 2)[1] if text.startswith("---") else ""
        about = written(parse_yaml(front))
    except (OSError, IndexError, BadYaml):  # a page is no part of the model
        return ""
    told = about.get("base_model") if isinstance(about, dict) else ""
    told = told[0] if isinstance(told, list) and told else told
    return told if isinstance(told, str) else ""


# --- other files than there should be -----------------------------------------------------------


def _on_hub(base: Base) -> bool:
    """Whether its name is a hub's: the folder is a cache of what was fetched so far."""
    if base.fetched:
        return True
    return parse_name(base.name) is not None and not os.path.isdir(typed.place(base.name))


def _no_files(base: Base) -> SetupFacts:
    shards = sorted(path.name for path in base.folder.glob("*.safetensors"))
    if shards:
        return _incomplete(
            base,
            Text(f"{INDEX} ({shards[0]}, ... have no index)", f"{INDEX}（{shards[0]} 等没有索引）"),
        )
    others = sorted(path.name for kind in OTHERS for path in base.folder.glob(kind))
    if not others:
        return _incomplete(base, "*.safetensors")
    cure = ""
    if any(name.startswith("pytorch_model") for name in others):
        cure = f"python -c {shlex.quote(_CONVERT.format(str(base.folder)))}"
    return _incomplete(
        base,
        Text(
            f"*.safetensors (only {', '.join(others[:3])})",
            f"*.safetensors（只有 {'、'.join(others[:3])}）",
        ),
        cure,
    )


def _broken_file(base: Base, path: Path, why: Text) -> SetupFacts:
    if is_pointer(path):
        return pointed(path)
    return _incomplete(base, Text(f"{path.name}: {why.en}", f"{path.name}：{why.zh}"))


def _incomplete(
    base: Base,
    found: str | Text,
    cure: str = "",
) -> SetupFacts:
    if not cure and _on_hub(base):
        cure = f"hf download {base.name} --force-download"
        if base.fetched:  # the hub's own hashes say what is to be fetched anew
            cure = typed.command("suretune", "pull", base.spec)
    facts = not_whole(base.folder, found)
    return replace(facts, nearest=cure) if cure else facts


# --- what the config says -----------------------------------------------------------------------


def _other_shape(
    base: Base,
    files: list[Path],
    tensors: Mapping[str, Tensor],
) -> str | Text:
    """The first thing that the config or the index names and the files do not hold."""
    if len(files) > 1 or files[0].name != WHOLE:
        mapped = orjson.loads((base.folder / INDEX).read_bytes())["weight_map"]
        if gone := [name for name in mapped if name not in tensors]:
            return ", ".join(gone[:5])
    count = base.text.get("num_hidden_layers")
    there = {int(found[1]) for name in tensors if (found := _LAYER.search(name))}
    if isinstance(count, int) and there and len(there) < count <= 10_000:
        gap = f"layers.{min(set(range(count)) - there)}"
        return Text(f"{gap} of {count}", f"共 {count} 层，缺少 {gap}")
    words, size = base.text.get("vocab_size"), base.text.get("hidden_size")
    table = tensors.get("model.embed_tokens.weight")
    if table and isinstance(words, int) and isinstance(size, int) and table.shape != (words, size):
        return Text(
            f"model.embed_tokens.weight is {table.shape}, not {(words, size)}",
            f"model.embed_tokens.weight 的形状是 {table.shape}，应为 {(words, size)}",
        )
    return ""


def _unknown(base: Base) -> bool:
    known = language_models()
    kinds = [base.config.get("model_type")]
    if is_wrapper(kinds[0]):
        kinds.append(base.text.get("model_type"))
    return bool(known) and not any(str(kind) in known for kind in kinds)


@cache
def language_models() -> frozenset[str]:
    """The types of language models that transformers has, read from its text: importing it would
    take seconds, and torch. Empty where it is not installed."""
    found = importlib.util.find_spec("transformers")
    if found is None or not found.submodule_search_locations:
        return frozenset()
    path = Path(found.submodule_search_locations[0]) / "models" / "auto" / "modeling_auto.py"
    try:
        tree = ast.parse(path.read_text("utf-8"))
    except (OSError, ValueError, SyntaxError):  # another version's layout: whoever loads it, tells
        return frozenset()
    return frozenset(_keys(tree, "MODEL_FOR_CAUSAL_LM_MAPPING_NAMES"))


def _keys(tree: ast.Module, name: str) -> Iterator[str]:
    """The keys of `name = OrderedDict([(key, ...), ...])`."""
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else ()
        if not any(isinstance(t, ast.Name) and t.id == name for t in targets):
            continue
        for pair in ast.walk(node):
            if isinstance(pair, ast.Tuple) and pair.elts:
                key = pair.elts[0]
                if isinstance(key, ast.Constant) and isinstance(key.value, str):
                    yield key.value
