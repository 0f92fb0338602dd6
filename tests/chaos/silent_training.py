"""Silent faults of weights, schedules and proofs: real runs of real, damaged models."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from chaos import bases, rows
from chaos.bench import Bench, Planted, change_json, cut
from chaos.fault import Silent

EMBEDDING = "model.embed_tokens.weight"
NORM = "model.layers.0.input_layernorm.weight"


def run(*more: object, damage: Callable[[Bench, Path], Any] | None = None, **changed: Any) -> Any:
    """`sft` of the toy on tasks; its base is damaged first."""

    def plant(bench: Bench) -> Planted:
        base = bench.own(**changed) if damage or changed else bench.toy
        if damage:
            damage(bench, base)
        return Planted(bench.sft(base, bench.file(rows.tasks(24)), *more))

    return plant


def tensors(change: Callable[[dict[str, Any]], None]) -> Callable[[Bench, Path], Any]:
    return lambda bench, base: bases.edit(base, change)


def fill(name: str, value: float) -> Callable[[dict[str, Any]], None]:
    """One number of a tensor becomes this."""

    def change(found: dict[str, Any]) -> None:
        found[name].view(-1)[0] = value

    return change


def _poisoned_word(value: float) -> Callable[[Bench], Planted]:
    """A word that one row alone uses has an embedding that is no number."""

    def plant(bench: Bench) -> Planted:
        from suretune.data.template import load_tokenizer

        base = bench.own(tie_word_embeddings=False)
        tokenizer = load_tokenizer(base)
        items = rows.tasks(24)
        items[13]["instruction"] += " 龙"
        plain = {i for n, r in enumerate(items) if n != 13 for i in tokenizer.encode(str(r))}
        only = [i for i in tokenizer.encode(" 龙") if i not in plain]

        def change(found: dict[str, Any]) -> None:
            found[EMBEDDING][only] = value

        bases.edit(base, change)
        flags = ("--max_steps", 12, "--split_dataset_ratio", 0, "--probes",
                 bench.file("Sort 3 1 2\n", "probes.txt"))  # fmt: skip
        return Planted(bench.sft(base, bench.file(items), *flags))

    return plant


def _identity(*more: object) -> Callable[[Bench], Planted]:
    """The pocket model taught a name; 120 general questions are asked."""

    def plant(bench: Bench) -> Planted:
        data = bench.file(rows.identity())
        return Planted(bench.sft("pocket", data, "--general_questions", 120, *more))

    return plant


def _before_proof(change: Callable[[Path], Any]) -> Callable[[Bench], Planted]:
    """The published adapter changes before the fresh process reads it."""

    def plant(bench: Bench) -> Planted:
        def patch() -> None:
            from suretune.run import compose

            ready = compose.ready_proof

            def meddle(job: Any, *more: Any) -> None:
                ready(job, *more)
                change(job.run / "adapter")

            compose.ready_proof = meddle

        return Planted(bench.sft(bench.toy, bench.file(rows.tasks(24))), patch)

    return plant


def _set(value: float) -> Callable[[Path], Any]:
    def change(found: dict[str, Any]) -> None:
        next(iter(found.values())).view(-1)[0] = value

    return lambda folder: bases.edit(folder, change)


def _scale(factor: float) -> Callable[[Path], Any]:
    def change(found: dict[str, Any]) -> None:
        for name, tensor in found.items():
            if "lora_B" in name:
                found[name] = tensor * factor

    return lambda folder: bases.edit(folder, change)


def _drop_one(found: dict[str, Any]) -> None:
    del found[next(name for name in found if "lora_B" in name)]


def _rename(found: dict[str, Any]) -> None:
    for name in list(found):
        found[name.replace("base_model.model", "base_model")] = found.pop(name)


def _unjudged(bench: Bench) -> Planted:
    probes = bench.file("hello\n", "probes.txt")
    flags = ("--probes", probes, "--split_dataset_ratio", 0)
    return Planted(bench.sft(bench.toy, bench.file(rows.tasks(24)), *flags))


def _wrong_labels(bench: Bench) -> Planted:
    """What the held-out rows want cannot follow from what the others teach."""
    learned = bench.file([{"instruction": f"Number {i}", "output": "yes " * 20} for i in range(24)])
    others = [{"instruction": f"Number {i}", "output": "QZX 47 _ % @ 9"} for i in range(50, 58)]
    flags = (
        "--val_dataset",
        bench.file(others, "val.jsonl"),
        "--learning_rate",
        0.5,
        "--max_steps",
        12,
    )
    return Planted(bench.sft(bench.toy, learned, *flags))


def _shard_cut(bench: Bench, base: Path) -> None:
    cut(base / "model.safetensors", 0.9)


def _lying_index(bench: Bench, base: Path) -> None:
    """The index names a shard that is not there."""
    (base / "model.safetensors").rename(base / "model-00001-of-00002.safetensors")
    names = {
        EMBEDDING: "model-00001-of-00002.safetensors",
        NORM: "model-00002-of-00002.safetensors",
    }
    about = {"metadata": {}, "weight_map": names}
    (base / "model.safetensors.index.json").write_text(json.dumps(about))


def _lora_name(found: dict[str, Any]) -> None:
    found["model.layers.0.self_attn.q_proj.extra"] = found[NORM].clone()


TRAINING = (
    Silent("misspelt-target", "one of two `--target_modules` is misspelt",
           run("--target_modules", "q_proj,v_prj"), ("S002",), 4),
    Silent("base-nan-weight", "one weight of the base is NaN: every loss is",
           run(damage=tensors(fill(NORM, float("nan")))), ("T001",), 5),
    Silent("base-inf-weight", "one weight of the base is infinite",
           run(damage=tensors(fill(NORM, float("inf")))), ("T001",), 5),
    Silent("row-alone-nan", "one row alone makes NaN of its update (a poisoned word)",
           _poisoned_word(float("nan")), ("T001",), 5, "rows.jsonl:14"),
    Silent("row-alone-inf", "one row alone overflows",
           _poisoned_word(3e38), ("T001",), 5, "rows.jsonl:14"),
    Silent("base-tensor-missing", "a tensor of the base is missing; some tools make one up",
           run(damage=tensors(lambda found: found.pop(NORM))), ("S018",), 4),
    Silent("base-tensor-unexpected", "the base has a tensor that its architecture does not know",
           run(damage=tensors(_lora_name)), ("S018",), 4),
    Silent("base-truncated", "the base's weights were cut off", run(damage=_shard_cut),
           ("S018",), 4),
    Silent("base-index-lies", "the base's index names a shard that is not there",
           run(damage=_lying_index), ("S018",), 4),
    Silent("base-other-shape", "`config.json` describes other layers than the weights",
           run(damage=lambda bench, base: change_json(base / "config.json", num_hidden_layers=3)),
           ("S018",), 4),
    Silent("model-name-typo", "the base's folder is mistyped",
           lambda b: Planted(b.sft(str(b.toy) + "s", b.file(rows.tasks(24)))), ("S001",), 4),
    Silent("no-op-adapter", "the learning rate is 1e-12: the adapter changes nothing",
           run("--learning_rate", 1e-12), ("R002",), 6),
    Silent("nothing-learned", "a tiny learning rate: the model gives its old name",
           _identity("--learning_rate", 1e-6, "--max_steps", 2), ("R003",), 6),
    Silent("skills-lost", "a large learning rate: the name is learned, all else is lost",
           _identity("--learning_rate", 0.02, "--max_steps", 20, "--anchor_ratio", 0,
                     "--adapter_dose", 1), ("R004",), 6),
    Silent("held-out-not-better", "what was learned does not carry over", _wrong_labels,
           ("R006",), 6),
    Silent("nothing-judged", "no question and no row could tell whether it worked", _unjudged,
           ("R009",), 6),
    Silent("reload-differs", "the adapter on disk is not the one that was trained",
           _before_proof(_scale(1.5)), ("R001",), 6),
    Silent("reload-no-op", "the adapter was saved with B all zero", _before_proof(_scale(0.0)),
           ("R002",), 6),
    Silent("reload-nan", "the adapter was saved with NaN", _before_proof(_set(float("nan"))),
           ("R005",), 6),
    Silent("reload-tensor-missing", "the adapter was saved without one of its tensors",
           _before_proof(lambda folder: bases.edit(folder, _drop_one)), ("R001",), 6),
    Silent("reload-other-names", "the adapter's tensors were saved under other names",
           _before_proof(lambda folder: bases.edit(folder, _rename)), ("R001",), 6),
)  # fmt: skip
