"""The pocket model's first layers: for laws of training that hold whatever the model says.

A third of the layers is a third of the time of every pass. It has the pocket model's tokenizer and
template, and says nothing that anybody could use: where answers matter, take the pocket model.
"""

from __future__ import annotations

import atexit
import json
import shutil
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from safetensors.torch import load_file, save_file

from suretune.data.base import Base, find_base
from suretune.pocket import MODEL

WEIGHTS, CONFIG, SKILLS = "model.safetensors", "config.json", "skills.jsonl"


def shallow(folder: Path, layers: int = 2) -> Path:
    """The folder, made, with a model of so many layers and no skills file."""
    folder.mkdir()
    for path in MODEL.iterdir():
        if path.name not in (WEIGHTS, CONFIG, SKILLS):
            (folder / path.name).symlink_to(path)
    config = json.loads((MODEL / CONFIG).read_text("utf-8"))
    kinds = config["layer_types"][:layers]
    told = {**config, "num_hidden_layers": layers, "layer_types": kinds}
    (folder / CONFIG).write_text(json.dumps(told), "utf-8")
    kept = {
        name: weight
        for name, weight in load_file(MODEL / WEIGHTS).items()
        if not name.startswith("model.layers.") or int(name.split(".")[2]) < layers
    }
    save_file(kept, folder / WEIGHTS, metadata={"format": "pt"})
    return folder


@cache
def shallow_pocket(layers: int = 2) -> Base:
    """It, opened; the folder is there as long as the process."""
    folder = Path(mkdtemp(prefix="shallow-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    base = find_base(str(shallow(folder / "pocket", layers)), weights=True)
    assert isinstance(base, Base)
    return base
