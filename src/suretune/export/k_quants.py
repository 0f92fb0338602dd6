"""Four bits a weight: K-quants by ggml's own code, which the package of llama.cpp brings along.

The `gguf` package reads them and does not make them. Which weights get more bits is the mix that
llama.cpp calls Q4_K_M: six bits for the head, and for half of the layers' values and down
projections, on which most of the quality hangs.
"""

from __future__ import annotations

import ctypes
import importlib.util
from collections.abc import Sequence
from functools import cache
from typing import Any

from suretune.export.llamacpp import SERVER
from suretune.installed import is_installed

PACKAGE = SERVER
TOGETHER = 256  # numbers that a K-quant keeps together; a row has to be a multiple of it
# Where it is none: as many bits, in blocks of 32, and at last sixteen.
INSTEAD = {"Q4_K": "Q5_0", "Q6_K": "Q8_0"}
BLOCK = 32
MORE = ("attn_v.weight", "attn_qkv.weight", "ffn_down.weight")


def here() -> bool:
    """Whether a package has ggml's quantisers, and lets them be called."""
    if not is_installed(PACKAGE):
        return False
    return hasattr(_library(), "ggml_quantize_chunk")


def kind_of(
    name: str,
    shape: Sequence[int],
    layers: int,
    *,
    tied: bool,
) -> str:
    """The type of a weight in the mix, by its name in GGUF and the number of layers."""
    head = name == "output.weight" or (tied and name == "token_embd.weight")
    more = name.endswith(MORE) and _important(int(name.split(".")[1]), layers)
    kind = "Q6_K" if head or more else "Q4_K"
    if shape[-1] % TOGETHER:
        kind = INSTEAD[kind]
    return "F16" if shape[-1] % BLOCK else kind


def _important(layer: int, layers: int) -> bool:
    """The first and the last eighth of the layers, and every third between."""
    eighth = layers // 8
    return layer < eighth or layer >= 7 * layers // 8 or (layer - eighth) % 3 == 2


def quantised(rows: Any, kind: int, stored: Sequence[int]) -> Any:
    """(rows, numbers) float32 as ggml's type of that number: an array of bytes, shaped `stored`."""
    import numpy as np

    flat = np.ascontiguousarray(rows, np.float32)
    made = np.zeros(tuple(stored), np.uint8)
    lib, numbers = _library(), flat.shape[-1]
    lib.ggml_quantize_init(kind)
    places = (flat.ctypes.data, made.ctypes.data)
    rows_and_numbers = (flat.size // numbers, numbers)
    size = lib.ggml_quantize_chunk(
        kind,
        *places,
        0,
        *rows_and_numbers,
        None,
    )
    if size != made.nbytes:
        raise ValueError(f"ggml wrote {size} bytes of {made.nbytes}")
    return made


@cache
def _library() -> Any:
    """The package's library, once more by its C functions."""
    spec = importlib.util.find_spec(f"{PACKAGE}.{PACKAGE}")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(PACKAGE)
    lib = ctypes.CDLL(spec.origin)
    count, pointer = ctypes.c_int64, ctypes.c_void_p
    lib.ggml_quantize_chunk.restype = ctypes.c_size_t
    lib.ggml_quantize_chunk.argtypes = [
        ctypes.c_int,
        pointer,
        pointer,
        count,
        count,
        count,
        pointer,
    ]
    lib.ggml_quantize_init.argtypes = [ctypes.c_int]
    lib.ggml_quantize_init.restype = None
    return lib
