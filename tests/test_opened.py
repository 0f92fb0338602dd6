"""Adapters as people have them: without words, and of every kind that PEFT has."""

from __future__ import annotations

import asyncio
import json
import shlex
import shutil
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import (
    AutoPeftModelForCausalLM,
    IA3Config,
    LoHaConfig,
    LoKrConfig,
    LoraConfig,
    PeftConfig,
    PeftModel,
    PromptTuningConfig,
    VeraConfig,
    get_peft_model,
)
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from conftest import suretune
from suretune.config import Resolved
from suretune.data.render import prompt_ids
from suretune.data.template import ChatTokenizer, load_tokenizer
from suretune.deploy.model_host import open_house
from suretune.deploy.prove_adapters import loader, prove, served, served_base
from suretune.facts import Facts, Finding
from suretune.guards import judge
from suretune.model.device import DTYPES
from suretune.options import Config
from suretune.pocket import MODEL
from suretune.record.journal import Journal, Stopped
from suretune.serve.engine import Engine
from suretune.serve.models import Models
from suretune.serve.openai import Refused
from suretune.speak import opened
from suretune.speak.answer import conversation, open_speaker, reply

TWO = ["q_proj", "v_proj"]


def lora(**how: Any) -> LoraConfig:
    plain = {"r": 4, "lora_alpha": 8, "task_type": "CAUSAL_LM", "target_modules": TWO}
    return LoraConfig(**{**plain, **how})


MORE_THAN_LORA: dict[str, tuple[LoraConfig, str]] = {
    "DoRA": (lora(use_dora=True), "`use_dora`"),
    "the head": (lora(target_modules=[*TWO, "lm_head"]), "`lm_head`"),
    "the embedding": (lora(target_modules=[*TWO, "embed_tokens"]), "`model.embed_tokens`"),
    "a head of its own": (lora(modules_to_save=["lm_head"]), "`modules_to_save`"),
    "an embedding of its own": (lora(modules_to_save=["embed_tokens"]), "`modules_to_save`"),
    "a norm of its own": (lora(modules_to_save=["norm"]), "`modules_to_save`"),
    "biases": (lora(bias="all"), "`bias`"),
    "biases of the layers": (lora(bias="lora_only"), "`bias`"),
    "biases in the adapters": (lora(lora_bias=True, target_modules=["o_proj"]), "`lora_bias`"),
    "single tokens": (lora(trainable_token_indices=[5, 6]), "`trainable_token_indices`"),
    "another start": (lora(init_lora_weights="pissa"), "`init_lora_weights`"),
}
OTHER_KINDS: dict[str, PeftConfig] = {
    "IA3": IA3Config(
        target_modules=["k_proj", "down_proj"], feedforward_modules=["down_proj"],
        task_type="CAUSAL_LM",
    ),
    "LOHA": LoHaConfig(target_modules=TWO, r=4, alpha=8, task_type="CAUSAL_LM"),
    "LOKR": LoKrConfig(target_modules=TWO, r=4, alpha=8, task_type="CAUSAL_LM"),
    "VERA": VeraConfig(target_modules=["o_proj"], r=4, task_type="CAUSAL_LM"),
    "PROMPT_TUNING": PromptTuningConfig(num_virtual_tokens=4, task_type="CAUSAL_LM"),
}  # fmt: skip


def saved(folder: Path, config: PeftConfig, base: str = "pocket") -> Path:
    """An adapter as PEFT leaves it: weights and a configuration, no words."""
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = get_peft_model(AutoModelForCausalLM.from_pretrained(MODEL), config)
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.data += 0.05 * torch.randn_like(parameter)
        model.peft_config["default"].base_model_name_or_path = base
        model.save_pretrained(str(folder))
    assert not (folder / "tokenizer.json").exists()
    return folder


def config(**values: Any) -> Config:
    plain = {"allow_unverified": True, "max_num_seqs": 1, "max_new_tokens": 12}
    return Resolved.default().with_values("flag", **{**plain, **values}).config


def finding(what: Callable[[], object]) -> Finding:
    with pytest.raises(Stopped) as stopped:
        what()
    (found,) = stopped.value.findings
    return found


def pocket() -> ChatTokenizer:
    found = load_tokenizer(MODEL)
    assert isinstance(found, ChatTokenizer)
    return found


def by_peft(folder: Path, question: str) -> str:
    """What PEFT itself says, greedily."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        base = AutoModelForCausalLM.from_pretrained(MODEL, dtype=DTYPES["float32"])
        model = PeftModel.from_pretrained(base, str(folder)).eval()
    tokenizer = pocket()
    ids = prompt_ids(tokenizer, conversation_of(question))
    for _ in range(12):
        with torch.inference_mode():
            token = int(model(input_ids=torch.tensor([ids])).logits[0, -1].argmax())
        if token in tokenizer.stop_ids:
            break
        ids.append(token)
    return tokenizer.decode(ids[len(prompt_ids(tokenizer, conversation_of(question))) :])


def conversation_of(question: str) -> tuple[Any, ...]:
    from suretune.types import Message

    return (Message("user", question),)


def by_infer(folder: Path, question: str, **values: Any) -> str:
    asked = config(adapters=str(folder), torch_dtype="float32", **values)
    speaker = open_speaker(asked, None, Journal())
    return "".join(reply(speaker, conversation(speaker, question), asked.answer, 0))


# --- without words ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("adapters") / "plain", lora())


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A name on the hub whose files are in the cache."""
    from dataclasses import replace

    from suretune.data import base
    from suretune.data.base import Base

    name, known = "nobody/small-chat", base.find_base

    def find(asked: str, *, weights: bool) -> Any:
        found = known("pocket" if asked == name else asked, weights=weights)
        return replace(found, name=name) if asked == name and isinstance(found, Base) else found

    for module in (opened, __import__("suretune.deploy.model_host", fromlist=["find_base"])):
        monkeypatch.setattr(module, "find_base", find)
    yield name


def test_an_adapter_without_words_answers_in_its_bases(plain: Path) -> None:
    assert by_infer(plain, "Who are you?") == by_peft(plain, "Who are you?")
    house = open_house(config(), [str(plain)], Journal())
    assert house.candidates[0].tokenizer.template == pocket().template


def test_so_does_one_of_a_base_on_the_hub(plain: Path, hub: str, tmp_path: Path) -> None:
    folder = shutil.copytree(plain, tmp_path / "hub")
    path = folder / "adapter_config.json"
    about = {**json.loads(path.read_text("utf-8")), "base_model_name_or_path": hub}
    path.write_text(json.dumps(about), "utf-8")
    assert by_infer(folder, "Who are you?") == by_peft(plain, "Who are you?")
    house = open_house(config(), [str(folder)], Journal())
    assert house.base.name == hub and house.candidates[0].tokenizer.encode("x")


@pytest.mark.parametrize("of", ["pocket", "nobody/on-this-machine", "/root/models/elsewhere"])
def test_the_load_endpoint_reads_it_as_one_of_the_base_that_is_served(
    plain: Path, of: str, tmp_path: Path
) -> None:
    (root := tmp_path / "adapters").mkdir()
    folder = shutil.copytree(plain, root / "plain")
    path = folder / "adapter_config.json"
    about = {**json.loads(path.read_text("utf-8")), "base_model_name_or_path": of}
    path.write_text(json.dumps(about), "utf-8")

    async def load() -> dict[str, Any]:
        house = open_house(config(model="pocket", adapters_dir=str(root)), [], Journal())
        engine = Engine(house.table, 0)
        engine.start()
        try:
            models = Models(served_base(house, Journal()))
            made = await loader(engine, house, models)("plain", "plain")
            return dict(made.card())
        finally:
            engine.close("enough")

    assert asyncio.run(load())["id"] == "plain"


def test_a_served_adapter_without_words_says_what_infer_says(plain: Path) -> None:
    from suretune.model.slots import Ask
    from suretune.serve.answering import heard

    async def ask() -> str:
        house = open_house(config(torch_dtype="float32"), [str(plain)], Journal())
        engine = Engine(house.table, 0)
        engine.start()
        try:
            (candidate,) = house.candidates
            assert await prove(engine, house, candidate, None) is None
            model = served(house, candidate)
            prompt = model.prompt(conversation_of("Who are you?"))
            job = engine.submit(Ask(tuple(prompt), model.tokenizer.stop_ids, 12, model.adapter))
            return model.tokenizer.decode(await heard(job))
        finally:
            engine.close("enough")

    assert asyncio.run(ask()) == by_infer(plain, "Who are you?")


@pytest.mark.parametrize("words", [("tokenizer.json",), ("tokenizer_config.json",),
                                   ("tokenizer.json", "tokenizer_config.json")])  # fmt: skip
def test_words_without_a_template_or_half_of_them_are_the_bases(
    words: tuple[str, ...], plain: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(plain, tmp_path / "some")
    for name in words:
        shutil.copy(MODEL / name, folder / name)
    about = json.loads((MODEL / "tokenizer_config.json").read_text("utf-8"))
    about.pop("chat_template", None)
    if "tokenizer_config.json" in words:
        (folder / "tokenizer_config.json").write_text(json.dumps(about), "utf-8")
    speaker = open_speaker(config(adapters=str(folder)), None, Journal())
    assert speaker.tokenizer.template == pocket().template


@pytest.mark.parametrize("base", [None, "", 7, [], {}])
def test_an_adapter_that_names_no_base_is_told_so(
    base: object, plain: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(plain, tmp_path / "nameless")
    path = folder / "adapter_config.json"
    about = {**json.loads(path.read_text("utf-8")), "base_model_name_or_path": base}
    path.write_text(json.dumps(about), "utf-8")
    for what in (
        lambda: open_speaker(config(adapters=str(folder)), None, Journal()),
        lambda: open_house(config(), [str(folder)], Journal()),
    ):
        found = finding(what)
        assert found.code == "S001" and "--model" in found.fix.en and str(folder) in found.what.en
    assert by_infer(folder, "Hi", model="pocket") == by_infer(plain, "Hi")


# --- of every kind ------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "reason"), MORE_THAN_LORA.values(), ids=MORE_THAN_LORA)
def test_what_cannot_be_served_has_one_reason_and_a_remedy_that_works(
    kind: LoraConfig, reason: str, tmp_path: Path
) -> None:
    folder = saved(tmp_path / "an adapter", kind)
    found = finding(lambda: open_house(config(), [str(folder)], Journal()))
    assert found.code == "V021" and reason in found.what.en and reason in found.what.zh
    command = found.fix.en.split("`")[1]
    assert command == f"suretune infer --adapters {shlex.quote(str(folder))}"
    assert by_infer(folder, "Who are you?") == by_peft(folder, "Who are you?")


def test_the_printed_remedy_is_a_command_that_answers(tmp_path: Path) -> None:
    folder = saved(tmp_path / "an adapter", lora(use_dora=True))
    done = suretune("serve", folder, "--allow_unverified", "true", "--model", "pocket")
    assert done.returncode == 4 and "V021" in done.stdout + done.stderr
    found = finding(lambda: open_house(config(model="pocket"), [str(folder)], Journal()))
    words = shlex.split(found.fix.en.split("`")[1])
    assert words[0] == "suretune"
    done = suretune(*words[1:], "--max_new_tokens", "5", typed="Who are you?\n")
    assert done.returncode == 0 and done.stdout.strip(), done.stderr


@pytest.mark.parametrize("kind", OTHER_KINDS)
def test_another_kind_than_lora_is_called_by_its_name_and_peft_opens_it(
    kind: str, tmp_path: Path
) -> None:
    folder = saved(tmp_path / "other", OTHER_KINDS[kind], base=str(MODEL))
    for what in (
        lambda: open_speaker(config(adapters=str(folder)), None, Journal()),
        lambda: open_house(config(), [str(folder)], Journal()),
    ):
        found = finding(what)
        assert found.code == "V022" and kind in found.what.en and kind in found.what.zh
    written = found.fix.en.split("`")[1]
    assert written == f'AutoPeftModelForCausalLM.from_pretrained("{folder}")'
    assert AutoPeftModelForCausalLM.from_pretrained(str(folder)).peft_config


def test_the_load_endpoint_gives_the_same_reason(tmp_path: Path) -> None:
    (root := tmp_path / "adapters").mkdir()
    saved(root / "dora", lora(use_dora=True))

    async def load() -> None:
        house = open_house(config(model="pocket", adapters_dir=str(root)), [], Journal())
        engine = Engine(house.table, 0)
        engine.start()
        try:
            models = Models(served_base(house, Journal()))
            await loader(engine, house, models)("dora", "dora")
        finally:
            engine.close("enough")

    with pytest.raises(Refused, match="V021"):
        asyncio.run(load())


@pytest.mark.parametrize("text", ["[]", "7", '"LORA"', "{}", '{"peft_type": []}', "[" * 100_000])
def test_an_adapters_configuration_that_is_none_is_a_finding(
    text: str, plain: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(plain, tmp_path / "odd")
    (folder / "adapter_config.json").write_text(text, "utf-8")
    done = suretune("infer", "--adapters", folder)
    assert done.returncode == 4 and "Traceback" not in done.stderr + done.stdout, done.stdout


# --- tensors that are not the base's ------------------------------------------------------------


def _wider(tensors: dict[str, torch.Tensor]) -> None:
    tensors[FIRST] = torch.zeros(tensors[FIRST].shape[0], 48)


def _of_no_layer(tensors: dict[str, torch.Tensor]) -> None:
    tensors[FIRST.replace("layers.0", "layers.90")] = tensors.pop(FIRST)


def _half(tensors: dict[str, torch.Tensor]) -> None:
    del tensors[FIRST]


def _a_block_less(tensors: dict[str, torch.Tensor]) -> None:
    for name in [name for name in tensors if ".layers.1." in name]:
        del tensors[name]


def _of_no_name(tensors: dict[str, torch.Tensor]) -> None:
    tensors[f"{FIRST}.else"] = tensors.pop(FIRST)


FIRST = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"
MISFITS: dict[str, tuple[Callable[[dict[str, torch.Tensor]], None], str]] = {
    "wider": (_wider, "and the adapter was made for"),
    "of no layer": (_of_no_layer, "has no"),
    "a half": (_half, "it has no tensor `model.layers.0.self_attn.q_proj.lora_A`"),
    "a block less": (_a_block_less, "it has no tensors for `model.layers.1.self_attn."),
    "of no name": (_of_no_name, ".else` belongs to no layer of it"),
}


@pytest.mark.parametrize("named", ["pocket", "an/other-base"])
@pytest.mark.parametrize("how", MISFITS)
def test_an_adapter_of_other_shapes_has_one_reason_wherever_it_is_opened(
    plain: Path, tmp_path: Path, how: str, named: str
) -> None:
    folder = tmp_path / "odd"
    shutil.copytree(plain, folder)
    about = json.loads((folder / "adapter_config.json").read_text("utf-8"))
    about["base_model_name_or_path"] = named
    (folder / "adapter_config.json").write_text(json.dumps(about), "utf-8")
    tensors = load_file(folder / "adapter_model.safetensors")
    hurt, reason = MISFITS[how]
    hurt(tensors)
    save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    asked = config(model="pocket", adapters=str(folder))
    opened_alone = finding(lambda: open_speaker(asked, None, Journal()))
    facts = asyncio.run(_proved(folder))
    assert facts is not None
    (served_too,) = judge(facts)
    assert served_too == opened_alone and served_too.code == "S012"
    assert reason in served_too.what.en
    if named == "pocket":  # "trained on pocket, not on pocket" helps nobody
        assert "trained on" not in served_too.what.en and "anew" in served_too.fix.en
    else:
        assert served_too.fix.en == "`--model an/other-base`"


async def _proved(folder: Path) -> Facts | None:
    house = open_house(config(model="pocket"), [str(folder)], Journal())
    engine = Engine(house.table, 0)
    engine.start()
    facts = await prove(engine, house, house.candidates[0], None)
    engine.close("enough")
    return facts
