"""What a hub shows of an adapter: base, data, recipe, verdict, what was kept and lost, how to load.

Every figure is the report's. No row, no question and no path of this machine is in it.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from suretune import rundir, typed
from suretune.data.base import PACKED
from suretune.data.template import ABOUT
from suretune.hubs.door import Repo
from suretune.hubs.names import parse_name, which_hub
from suretune.hubs.push import Local, local_files
from suretune.reported import Dataset, Report
from suretune.run.folder import PACKED_CARD

CARD = "README.md"
CONFIG = "adapter_config.json"
VERDICTS = {
    "sealed": "verified: it answered as taught, and kept what the base could do",
    "forgetting-not-measured": "it answered as taught; what it forgot was not measured",
    "not-verified": "NOT verified",
    "stopped": "NOT verified: the run was stopped",
}
LOAD = """```python
from peft import AutoPeftModelForCausalLM
from transformers import AutoTokenizer

model = AutoPeftModelForCausalLM.from_pretrained("{id}")
tokenizer = AutoTokenizer.from_pretrained("{id}")
```
"""
# Where base and adapter do not both lie on Hugging Face, each is had from where it is.
LOAD_APART = """{lay}```python
{imports}from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

adapter = {adapter}
model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained({base}), adapter)
tokenizer = AutoTokenizer.from_pretrained(adapter)
```
"""
# A model whose own weights were trained needs nothing beside itself.
WHOLE_LOAD = """```python
from {library} import AutoModelForCausalLM, AutoTokenizer

model = AutoModelForCausalLM.from_pretrained("{id}")
tokenizer = AutoTokenizer.from_pretrained("{id}")
```
"""
WHOLE_SERVE = """
```bash
{variable}vllm serve {id}
```
"""
MADE = ("LoRA adapter of `{base}`", "`{base}` with its own weights trained (full fine-tuning)")
LAY = "`{base}` lay in a folder: BASE is where that model is on your machine.\n\n"
FROM_MODELSCOPE = "from modelscope import snapshot_download  # pip install modelscope\n"
SERVE = """
```bash
{fetch}{variable}vllm serve {base} --enable-lora --lora-modules {name}={adapter} \
    --max-lora-rank {rank}
```
"""
NOT_SERVED = """
vLLM does not serve this adapter as it is: {why}. From the run that it came from, `suretune export
RUN --to vllm` writes one that it does, or says why there is none.
"""
FETCH = "modelscope download --model {id} --local_dir {name}\n"


@dataclass(frozen=True, slots=True)
class BaseName:
    """The base as others find it: its id on a hub and the revision there; without a hub, the name
    of the folder that it lay in."""

    name: str
    hub: str = ""  # hf, ms
    revision: str = ""

    @property
    def spec(self) -> str:
        """As suretune finds it again."""
        if not self.hub:
            return self.name
        return Repo(self.hub, "model", self.name, self.revision).spec


@contextmanager
def to_give(run: Path, repo: Repo) -> Iterator[list[Local]]:
    """The files of the run's adapter or model for a hub, with this card, and without where the base
    lay."""
    lies = rundir.published(run)
    files = local_files(lies, _is_given)
    about = rundir.read_json(lies / ABOUT)
    about.pop("base_folder", None)
    base = base_of(about)
    about["base"] = base.spec
    with tempfile.TemporaryDirectory(prefix="suretune-card-") as made:
        folder = Path(made)
        (folder / CARD).write_text(model_card(run, repo), encoding="utf-8")
        (folder / ABOUT).write_bytes(orjson.dumps(about, option=orjson.OPT_INDENT_2))
        if lies.name == rundir.ADAPTER:
            config = rundir.read_json(lies / CONFIG)
            # PEFT asks Hugging Face, where no commit of another hub is known.
            revision = base.revision if base.hub == "hf" else ""
            config |= {"base_model_name_or_path": base.name, "revision": revision or None}
            (folder / CONFIG).write_bytes(orjson.dumps(config, option=orjson.OPT_INDENT_2))
        yield [*files, *local_files(folder, lambda path: True)]


def base_of(about: Mapping[str, Any]) -> BaseName:
    """Where `suretune.json` says that the base is from; a name without a hub is looked up."""
    named = str(about.get("base", ""))
    meant = None if os.path.exists(typed.place(named)) else parse_name(named)
    if meant is None:
        return BaseName(Path(named).name)
    return BaseName(
        meant.id,
        which_hub(meant, "model")[0],
        meant.revision,
    )


def _is_given(path: str) -> bool:
    return not path.startswith(".") and path not in (CARD, ABOUT, CONFIG, rundir.MANIFEST)


def model_card(run: Path, repo: Repo) -> str:
    """Markdown with the front matter that hubs read."""
    report = Report.read(run / "report.json")
    about = rundir.read_json(rundir.published(run) / ABOUT)
    whole = rundir.published(run).name == rundir.MODEL
    of, name = base_of(about), repo.id.rpartition("/")[2]
    base, here = of.name, of.hub == repo.hub  # a name of another hub would link to another model
    head = ["---", *([f"base_model: {base}"] if here else [])]
    head += [
        f"library_name: {'transformers' if whole else 'peft'}",
        "pipeline_tag: text-generation",
    ]
    head += [f"tags: [{'' if whole else 'lora, '}sft, suretune]", "---", f"# {name}", ""]
    rank = (report.adapter and report.adapter.rank) or typed.VLLM_RANKS[-1]
    load = WHOLE_LOAD.format(**_of_itself(repo)) if whole else _load(of, repo)
    if whole:
        load += WHOLE_SERVE.format(**_of_itself(repo))
    elif report.adapter and report.adapter.vllm.loads is False:
        load += NOT_SERVED.format(why=report.adapter.vllm.why["en"])
    else:
        load += _serve(of, repo, typed.vllm_rank(rank))
    return "\n".join(
        [
            *head,
            f"{MADE[whole].format(base=base)}, trained and measured by suretune "
            f"{about.get('suretune', '')}.",
            "",
            f"**{VERDICTS.get(report.verdict, 'NOT verified')}**",
            *(f"- {reason}" for reason in report.reasons),
            "",
            "| | |",
            "|---|---|",
            *(f"| {label} | {value} |" for label, value in _rows(report, about, run)),
            "",
            "## Load",
            "",
            load,
            *([PACKED_CARD.en] if about.get(PACKED) else []),
            f"It was trained with the system prompt: {_system(about)}.",
            "",
        ]
    )


def _load(of: BaseName, repo: Repo) -> str:
    """Python that loads adapter and base, each from the hub where it is."""
    if of.hub == repo.hub == "hf":
        return LOAD.format(id=repo.id)

    def had(name: str, hub: str, revision: str = "") -> str:
        at = f', revision="{revision}"' if revision else ""
        return f'snapshot_download("{name}"{at})' if hub == "ms" else f'"{name}"{at}'

    return LOAD_APART.format(
        lay="" if of.hub else LAY.format(base=of.name),
        imports=FROM_MODELSCOPE if "ms" in (of.hub, repo.hub) else "",
        adapter=had(repo.id, repo.hub),
        base=had(of.name, of.hub, of.revision) if of.hub else "BASE",
    )


def _of_itself(repo: Repo) -> Mapping[str, str]:
    """A model by its own name, and how vLLM is told of another hub."""
    return {
        "id": repo.id,
        "library": "modelscope" if repo.hub == "ms" else "transformers",
        "variable": "VLLM_USE_MODELSCOPE=True " if repo.hub == "ms" else "",
    }


def _serve(of: BaseName, repo: Repo, rank: int) -> str:
    """A command of vLLM's, which looks for an adapter on Hugging Face or in a folder."""
    name, fetched = repo.id.rpartition("/")[2], repo.hub == "ms"
    return SERVE.format(
        fetch=FETCH.format(id=repo.id, name=name) if fetched else "",
        variable="VLLM_USE_MODELSCOPE=True " if of.hub == "ms" else "",
        base=of.name if of.hub else "BASE",
        name=name,
        adapter=f"./{name}" if fetched else repo.id,
        rank=rank,
    )


def _rows(
    report: Report,
    about: Mapping[str, Any],
    run: Path,
) -> Iterator[tuple[str, str]]:
    """Label and value of everything that was measured; what was not is left out."""
    plan, adapter = report.plan, report.adapter
    made = sum(1 for _ in rundir.read_jsonl(run / "steps.jsonl"))
    yield "updates made", f"{made} of {plan.updates} planned"
    yield "learning rate", f"{plan.learning_rate} ({plan.schedule})"
    if adapter:
        targets = ", ".join(adapter.targets)
        if adapter.layers:
            targets += f" of layers {adapter.layers}"
        model = report.model
        if adapter.rank is None and model:
            yield "numbers that learned", f"{model.trainable:,} of {model.parameters:,}"
        else:
            yield "rank, alpha, targets", f"{adapter.rank}, {adapter.alpha}, {targets}"
    yield "rows", "; ".join(_datasets(report.data.datasets))
    yield from _fetched(run)
    yield "ledger of rows (sha256)", f"`{rundir.sha256(run / 'ledger.jsonl')}`"
    yield "base (fingerprint)", f"`{about.get('base_fingerprint', '')}`"
    asked = report.paraphrases
    if asked and asked.asked:
        yield "new phrasings answered as taught", f"{asked.passed} of {asked.asked}"
    general = report.general
    if general:
        yield "general questions asked", f"{general['asked']}"
        yield "lost / gained", f"{general['lost']} / {general['gained']} of {general['counted']}"
        yield "net loss, upper 95 % bound", f"{100 * general['loss_upper']:.1f} points"
        leaked = general.get("leaked") or {}
        yield "general answers with what the rows teach", f"{leaked.get('after')}"
    if general and general.get("drift") is not None:
        yield "drift (KL from the base, nats a token)", f"{general['drift']:.3f}"
    weights = (report.hashes or {}).get("adapter/adapter_model.safetensors")
    if weights:
        yield "weights (sha256)", f"`{weights}`"


def _datasets(sets: Sequence[Dataset]) -> Sequence[str]:
    return [f"{one.train} of {one.read} of {Path(one.name).name}" for one in sets]


def _fetched(run: Path) -> Iterator[tuple[str, str]]:
    for one in rundir.read_json(run / "run.json").get("fetched") or ():
        kind = "base" if one.get("kind") == "model" else "data"
        yield kind, f"{one['hub']}::{one['id']} at commit `{one['commit']}`"


def _system(about: Mapping[str, Any]) -> str:
    said = about.get("system") or about.get("template_default_system")
    return f"`{' '.join(str(said).split())}`" if said else "none"
