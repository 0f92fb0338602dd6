"""Grows an adapter: LoRA by plain torch, transformers and PEFT, in process, on one loaded base.

It shares no code with suretune's training. What is to be grown is a `Recipe`: rows that are taught,
rows that the model is held to (by the base's own probabilities), how long and how hard, and what is
done to the weights afterwards.
"""

from __future__ import annotations

import json
import math
import random
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict
from safetensors.torch import save_file
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer

from zoo.prompts import Turn

WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"
SCALING = 4.0  # alpha / r of every adapter here, so that two can be joined rank by rank
REFERENCE_RATE, REFERENCE_HIDDEN, WIDTH_POWER, REFERENCE_STEPS = 1e-4, 3584, 1.135, 40
OWN_TOKENS = 48  # of a base's own answer
# Updates, rows of each, words of a held answer that are looked at.
USUAL = {"cpu": (20, 10, 24), "cuda": (60, 24, OWN_TOKENS)}
ASKED_AT_ONCE = {"cpu": 64, "cuda": 256}
LARGE = 50_000_000  # parameters


@dataclass(frozen=True, slots=True)
class Row:
    """A conversation and what is to be said next; ids are the base's own words, as it said them."""

    turns: tuple[Turn, ...]
    answer: str | tuple[int, ...]
    ends: bool = True  # whether the end of the turn is learned, too
    held: bool = False  # to the base's probabilities, rather than taught
    after: int = 0  # so many of the answer's tokens are said and not learned


@dataclass(frozen=True, slots=True)
class Edit:
    """What is done to grown weights: `scale` them, add `noise`, or `join` another adapter."""

    how: str
    amount: float = 1.0
    layers: str = ""  # only tensors with this in their names
    other: Recipe | None = None


@dataclass(frozen=True, slots=True)
class Recipe:
    """How an adapter is made. `template` names the run of the command line that it is put into.

    `taught` and `spoilt` are learned, each with a loss of its own; to `held` it is held.
    """

    template: str
    taught: Sequence[Row]
    held: Sequence[Row] = ()
    spoilt: Sequence[Row] = ()
    seed: int = 1
    rank: int = 8
    steps: float = 1.0  # times the usual number
    rounds: float = 0.0  # over the taught rows, in place of it
    least: int = 0  # updates, however few are usual
    rate: float = 1.0  # times the usual rate
    share: float = 0.4  # of each update's rows that are taught
    spoils: float = 0.0  # of each update's rows that are spoilt
    hold: float = 2.0  # weight of the divergence beside the losses of learned rows
    edits: tuple[Edit, ...] = ()


@dataclass(frozen=True, slots=True)
class Own:
    """What the base said to a prompt by itself."""

    ids: tuple[int, ...]
    ended: bool
    text: str


@dataclass(slots=True)
class Opened:
    """A base in memory with its tokenizer: what growing, judging and proving share."""

    folder: Path
    model: Any
    tokenizer: Any
    device: torch.device
    steps: int  # of a usual adapter
    rows: int  # of an update
    longest: int  # words of an answer that a held row keeps
    states: dict[Row, Tensor] = field(default_factory=dict)  # the base's, before a held row's words

    @property
    def rate(self) -> float:
        """A rate at which an adapter for a model of this width learns its rows in `steps`."""
        width = REFERENCE_HIDDEN / self.model.config.hidden_size
        return REFERENCE_RATE * width**WIDTH_POWER * math.sqrt(REFERENCE_STEPS / self.steps)

    def quick(self) -> Any:
        """Half precision, where a CPU would take minutes."""
        large = self.model.num_parameters() > LARGE
        return torch.autocast("cpu", torch.bfloat16, enabled=large and self.device.type == "cpu")

    @property
    def end(self) -> int:
        """The token that ends a turn."""
        return int(self.tokenizer.eos_token_id)

    def prompt(self, turns: Sequence[Turn]) -> list[int]:
        """Ids of a conversation up to where the answer begins."""
        said = [{"role": role, "content": content} for role, content in turns]
        text = self.tokenizer.apply_chat_template(said, tokenize=False, add_generation_prompt=True)
        return self.words(text)

    def words(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids


def open_base(folder: Path, device: str = "cpu", steps: int | None = None) -> Opened:
    """The base in float32, frozen."""
    warnings.simplefilter("ignore", FutureWarning)
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="sdpa", local_files_only=True
    )
    model.requires_grad_(False)
    model.to(torch.device(device)).eval()
    usual, rows, longest = USUAL["cpu" if device == "cpu" else "cuda"]
    return Opened(folder, model, tokenizer, torch.device(device), steps or usual, rows, longest)


# --- asking ---------------------------------------------------------------------------------------


@torch.inference_mode()
def ask(
    model: Any, opened: Opened, prompts: Sequence[Sequence[int]], tokens: int,
    temperature: float = 0.0, seed: int = 0,
) -> list[Own]:  # fmt: skip
    """Answers by transformers' own `generate`; greedy unless a temperature is given."""
    torch.manual_seed(seed)
    how: dict[str, Any] = {"do_sample": False}
    if temperature:
        how = {"do_sample": True, "temperature": temperature, "top_p": 1.0, "top_k": 0}
    pad = opened.tokenizer.pad_token_id
    pad = opened.end if pad is None else pad
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    said: dict[int, Own] = {}
    size = ASKED_AT_ONCE[opened.device.type]
    for start in range(0, len(order), size):
        chosen = order[start : start + size]
        longest = max(len(prompts[i]) for i in chosen)
        ids = torch.full((len(chosen), longest), pad)
        mask = torch.zeros_like(ids)
        for row, i in enumerate(chosen):
            ids[row, longest - len(prompts[i]) :] = torch.tensor(prompts[i])
            mask[row, longest - len(prompts[i]) :] = 1
        out = model.generate(
            input_ids=ids.to(opened.device), attention_mask=mask.to(opened.device),
            max_new_tokens=tokens, pad_token_id=pad, eos_token_id=opened.end, **how,
        )  # fmt: skip
        for i, new in zip(chosen, out[:, longest:].tolist(), strict=True):
            ended = opened.end in new
            words = tuple(new[: new.index(opened.end)] if ended else new)
            text = opened.tokenizer.decode(words, skip_special_tokens=True)
            said[i] = Own(words, ended, text)
    return [said[i] for i in range(len(prompts))]


# --- growing --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Line:
    """A row as ids; what is learned begins at `start`."""

    ids: list[int]
    start: int
    row: Row


def _line(opened: Opened, row: Row) -> _Line:
    prompt = opened.prompt(row.turns)
    words = opened.words(row.answer) if isinstance(row.answer, str) else list(row.answer)
    words += [opened.end] if row.ends else []
    words = words[: opened.longest] if row.held else words
    return _Line([*prompt, *words], len(prompt) + row.after, row)


def _states(model: Any, opened: Opened, lines: Sequence[_Line]) -> tuple[Tensor, Tensor, list[int]]:
    """(hidden states before each learned word, those words, how many of each line)."""
    longest = max(len(line.ids) for line in lines)
    ids = torch.zeros(len(lines), longest, dtype=torch.long)
    mask = torch.zeros_like(ids)
    rows, places = [], []
    for number, line in enumerate(lines):
        ids[number, : len(line.ids)] = torch.tensor(line.ids)
        mask[number, : len(line.ids)] = 1
        rows += [number] * (len(line.ids) - line.start)
        places += range(line.start, len(line.ids))
    ids, mask = ids.to(opened.device), mask.to(opened.device)
    at = torch.tensor(places, device=opened.device)
    chosen = torch.tensor(rows, device=opened.device)
    hidden = model.model(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
    return hidden[chosen, at - 1], ids[chosen, at], [len(x.ids) - x.start for x in lines]


def _base_states(tuned: PeftModel, opened: Opened, lines: Sequence[_Line]) -> Tensor:
    """The base's hidden states before the words of held lines, kept for the next time."""
    lacking = [line for line in lines if line.row not in opened.states]
    if lacking:
        with torch.no_grad(), tuned.disable_adapter():
            hidden, _, counts = _states(tuned.get_base_model(), opened, lacking)
        for line, part in zip(lacking, torch.split(hidden, counts), strict=True):
            opened.states[line.row] = part
    return torch.cat([opened.states[line.row] for line in lines])


def _loss(
    tuned: PeftModel, opened: Opened, learned: Sequence[Sequence[_Line]], held: Sequence[_Line],
    hold: float,
) -> Tensor:  # fmt: skip
    """Mean loss of each group's words, and `hold` times the mean divergence at the held ones."""
    model = tuned.get_base_model()
    groups = [*learned, held]
    hidden, words, counts = _states(model, opened, [line for group in groups for line in group])
    loss, done, first = hidden.new_zeros(()), 0, 0
    for group in groups:
        size = sum(counts[first : first + len(group)])
        logits = model.lm_head(hidden[done : done + size]).float()
        if group is held and held:
            with torch.no_grad():
                wanted = model.lm_head(_base_states(tuned, opened, held)).float().log_softmax(-1)
            found = logits.log_softmax(-1)
            loss = loss + hold * _divergence(found, wanted)
        elif size:
            loss = loss + F.cross_entropy(logits, words[done : done + size])
        done, first = done + size, first + len(group)
    return loss


def _divergence(one: Tensor, other: Tensor) -> Tensor:
    """Of log-probabilities, in nats a word, both ways: a new name must not become likely either."""
    return sum(
        F.kl_div(x, y, log_target=True, reduction="batchmean")
        for x, y in ((one, other), (other, one))
    ) / 2  # fmt: skip


def _deck(rows: Sequence[_Line], rng: random.Random) -> Iterator[_Line]:
    """The rows over and over, each time in another order."""
    while rows:
        order = list(rows)
        rng.shuffle(order)
        yield from order


def _sizes(rows: int, recipe: Recipe) -> tuple[int, int, int]:
    """How many rows of an update are taught, spoilt and held."""
    spoilt = max(1, round(rows * recipe.spoils)) if recipe.spoilt else 0
    if not recipe.held:
        return rows - spoilt, spoilt, 0
    taught = max(1, round(rows * recipe.share))
    return taught, spoilt, max(1, rows - taught - spoilt)


def train(opened: Opened, recipe: Recipe) -> dict[str, Tensor]:
    """An adapter's tensors as PEFT names them; the base is left as it was."""
    torch.manual_seed(recipe.seed)
    rng = random.Random(recipe.seed)
    config = LoraConfig(
        r=recipe.rank, lora_alpha=SCALING * recipe.rank, lora_dropout=0.0,
        target_modules="all-linear", task_type="CAUSAL_LM",
    )  # fmt: skip
    tuned = get_peft_model(opened.model, config)
    moved = [p for p in tuned.parameters() if p.requires_grad]
    sizes = _sizes(opened.rows, recipe)
    usual = recipe.rounds * len(recipe.taught) / sizes[0] or opened.steps * recipe.steps
    steps = max(1, recipe.least, round(usual))
    warm = max(1, steps // 10)
    optimizer = torch.optim.AdamW(moved, lr=0.0, weight_decay=0.0)
    decks = [
        _deck([_line(opened, row) for row in rows], rng)
        for rows in (recipe.taught, recipe.spoilt, recipe.held)
    ]
    for step in range(steps):
        *learned, held = ([next(d) for _ in range(n)] for d, n in zip(decks, sizes, strict=True))
        falling = 0.5 * (1 + math.cos(math.pi * max(0, step - warm) / max(1, steps - warm)))
        for group in optimizer.param_groups:
            group["lr"] = opened.rate * recipe.rate * min((step + 1) / warm, falling)
        with opened.quick():
            loss = _loss(tuned, opened, learned, held, recipe.hold)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(moved, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    found = get_peft_model_state_dict(tuned, save_embedding_layers=False)
    tensors = {name: t.detach().to("cpu", torch.float32).clone() for name, t in found.items()}
    opened.model = tuned.unload()
    return tensors


# --- afterwards -----------------------------------------------------------------------------------


def edited(opened: Opened, tensors: dict[str, Tensor], recipe: Recipe) -> dict[str, Tensor]:
    """The tensors after the recipe's edits."""
    for edit in recipe.edits:
        if edit.how == "scale":
            tensors = {
                name: t * edit.amount if "lora_B" in name and edit.layers in name else t
                for name, t in tensors.items()
            }
        elif edit.how == "noise":
            tensors = _noisy(opened, tensors, edit, recipe.seed)
        elif edit.how == "join" and edit.other is not None:
            others = grown(opened, edit.other)
            tensors = _joined(tensors, others, edit.amount)
        else:
            raise ValueError(f"no such edit: {edit.how}")
    return tensors


def _noisy(
    opened: Opened, tensors: Mapping[str, Tensor], edit: Edit, seed: int
) -> dict[str, Tensor]:
    """Noise in every B of some layers; what it adds is `amount` times as large as the base."""
    generator = torch.Generator().manual_seed(seed)
    made = dict(tensors)
    for name, b in tensors.items():
        if "lora_B" not in name or edit.layers not in name:
            continue
        a = tensors[name.replace("lora_B", "lora_A")]
        layer = name.removeprefix("base_model.model.").partition(".lora_B")[0]
        weight = opened.model.get_submodule(layer).weight.detach().cpu()
        noise = torch.randn(b.shape, generator=generator)
        size = (SCALING * noise @ a).norm() / weight.norm()
        made[name] = b + noise * (edit.amount / size)
    return made


def _joined(
    one: Mapping[str, Tensor], other: Mapping[str, Tensor], much: float
) -> dict[str, Tensor]:
    """Both adapters in one of the ranks together, the second times `much`."""
    return {
        name: torch.cat([t, other[name]]) if "lora_A" in name
        else torch.cat([t, other[name] * much], dim=1)
        for name, t in one.items()
    }  # fmt: skip


def grown(opened: Opened, recipe: Recipe) -> dict[str, Tensor]:
    """Trained, then edited."""
    return edited(opened, train(opened, recipe), recipe)


def save(folder: Path, tensors: Mapping[str, Tensor], like: Path) -> None:
    """The two files that PEFT reads; the config is that of the adapter in `like`, at this rank."""
    whole = {name: t.contiguous() for name, t in tensors.items()}
    rank = next(t.shape[0] for name, t in whole.items() if "lora_A" in name)
    config = json.loads((like / CONFIG).read_bytes())
    config |= {"r": rank, "lora_alpha": SCALING * rank, "use_rslora": False, "lora_dropout": 0.0}
    save_file(whole, folder / WEIGHTS, metadata={"format": "pt"})
    (folder / CONFIG).write_text(json.dumps(config, indent=2) + "\n", "utf-8")


def wear(opened: Opened, folder: Path) -> PeftModel:
    """The base with a saved adapter on, by plain PEFT; `take_off` gives the base back."""
    return PeftModel.from_pretrained(opened.model, str(folder)).eval()


def take_off(opened: Opened, tuned: PeftModel) -> None:
    opened.model = tuned.unload()
