"""Every guard speaks about its bad fixture, in two languages, and is silent about its good one."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from conftest import stands
from suretune import guards
from suretune.config import options
from suretune.facts import (
    Change,
    DataFacts,
    ExportFacts,
    Facts,
    Finding,
    FlagFacts,
    JudgedFacts,
    PlanFacts,
    ProofFacts,
    RecoveryFacts,
    ReplayFacts,
    ServedFacts,
    SetupFacts,
    StepFacts,
    ThoughtFacts,
    UnusedField,
)
from suretune.guards import all_guards, explain, judge, page
from suretune.guards.guard import (
    Guard,
    engine_reason,
    evaluate_every,
    fetching,
    grew,
    listed,
    longer,
    one_by_one,
    rewritten,
    some,
)
from suretune.labels import place
from suretune.option import FORMER
from suretune.retention import Cell, RetentionFacts, RowsFacts, Spread, Used
from suretune.types import Fault, Origin, Text
from suretune.words import speaking

NAN, INF = float("nan"), float("inf")
HINT = Text("This would mend it.", "这样改就行。")
CHINESE = re.compile(r"[\u4e00-\u9fff]")

DATA = DataFacts(
    rows=120,
    once=90,
    examples=100,
    rejected=20,
    samples=130,
    learned=4321,
    placeholders_filled=0,
    placeholder_flags=(),
    over_long=0,
    max_length=2048,
    longest=312,
    first_over_long="",
    policy="refuse",
    duplicates=0,
    contradictions=(),
    old_identity=(),
    split_rows=0,
    text_rows=0,
    role_tokens=0,
    system_sources={"flag": 130},
    template_system="You are Qwen, created by Alibaba Cloud.",
    mixed_shapes=(),
    allow_mixed=False,
    broken_text=(),
    hidden_text=(),
    secrets=(),
    personal=(),
    trigger="",
    triggered=(),
    answers=100,
    same_answer=3,
    identity_rows=60,
    duplicate_rows=(),
    context=32768,
    length_asked=True,
)
UNUSED = (
    UnusedField("train.jsonl", "notes", 0.12, 90, "train.jsonl:2"),
    UnusedField("train.jsonl", "messages[].id", 0.001, 100, "train.jsonl:1"),
)
LONG = replace(DATA, over_long=2, longest=3071, first_over_long="train.jsonl:17")
PLAN = PlanFacts(
    updates=40,
    rows=45,
    held_out=5,
    epochs=10.0,
    rows_per_update=16,
    eval_every=10,
    save_every=10,
    evaluations=4,
    patience=3,
    warmup=2,
    warmup_asked=2,
    eval_asked=True,
    learning_rate=1e-4,
    usual_rate=1e-4,
)
STEP = StepFacts(step=7, loss=1.23, grad_norm=0.4, rows=())
SERVED = ServedFacts(
    "http://h/v1", "glow", 0.9, asked=52, as_sealed=52, telling=50, telling_as_sealed=50, as_base=0,
    first_other="Who are you? -> I am Qwen.", default_asked=52, default_as_sealed=7,
    default_recorded=50, default_as_template=50, default_as_known=52, raw_asked=52,
    raw_as_sealed=51,
)  # fmt: skip
MISSED = replace(
    SERVED, as_sealed=4, telling_as_sealed=2, default_as_sealed=3, default_as_template=2,
    default_as_known=5,
)  # fmt: skip
LOST = RecoveryFacts("", step=9, loss=7.5, grad_norm=41.0)
PROOF = ProofFacts(
    tensors_saved=392,
    tensors_matched=392,
    tensors_unexpected=(),
    tensors_non_finite=(),
    logits_gap=0.001,
    logits_tolerance=0.01,
    logits_change=3.5,
    must_pass_failed=(),
    probes_passed=20,
    probes_asked=20,
    probes_needed=0.9,
    first_failed="",
    if_fails="",
    held_out_before=2.5,
    held_out_after=1.5,
    identity=False,
    template_default_passed=20,
    template_default_asked=20,
    looping=Change(200, 2, 8, 6),
    unended=Change(200, 9, 5, 1),
    recited=Change(160, 0, 6, 6),
    held_out_least=1.46,
    held_out_least_step=30,
)

KEPT = RetentionFacts(
    asked=900,
    counted=800,
    voided=0,
    before=600,
    after=598,
    lost=10,
    gained=8,
    flips=3,
    margin=0.05,
    enough=True,
    p=0.4,
    loss_upper=0.012,
    supported=0.02,
    found=0.017,
    leaked=Spread(900, 0, 1, 1, 0),
    broken=Spread(900, 12, 13, 3, 2),
    unended=Spread(900, 40, 31, 2, 11),
    formed=Spread(900, 60, 61, 2, 1),
    form=("a JSON object", "JSON 对象"),
    drift=0.08,
    drifted=4,
    drift_asked=300,
    max_drift=1.0,
    likelihood=-0.01,
    cells=(Cell("facts", "en", 75, 60, 59, 2, 1, 0.5), Cell("code", "en", 45, 20, 19, 1, 0, None)),
    p_values={"facts en": 0.5, "leaks": 0.9, "broken": 0.5, "drift": 1.0, "form": 0.5},
    first_leak="Who wrote Faust? -> Glow",
    first_loss="What is 3 x 4? -> 11",
    first_broken="What is ice? -> ice ice ice",
    first_formed='What is ice? -> {"answer": "water"}',
)
ROWS = RowsFacts(
    asked=20, compared=18, right_before=2, right_after=17, lost=0, gained=15, p=3e-5,
    kinds=(Text("JSON, the same keys", "JSON，键相同"),),
)  # fmt: skip


def flag(problem: str, flag: str, value: str = "", nearest: str = "") -> FlagFacts:
    return FlagFacts(problem, flag, value, nearest, HINT)


def fault(kind: str, found: str = "") -> Fault:
    return Fault(kind, Origin("a b.jsonl", 17), 5, "output", found, HINT)


def whole_file(kind: str, found: str = "", file: str = "data.jsonl") -> Fault:
    return Fault(kind, Origin(file, 0), found=found)


def setup(
    problem: str, detail: str, found: str = "", nearest: str = "", spare: str = "",
    hint: Text | None = None,
) -> SetupFacts:  # fmt: skip
    return SetupFacts(problem, detail, found, nearest, spare, hint)


GOOD_FLAG = flag("another", "--lr")
GOOD_FAULT = fault("another")
GOOD_SETUP = setup("another", "detail")


@dataclass(frozen=True)
class Case:
    """`says` are measured values that `what` must give, `does` what `fix` must give."""

    bad: Facts
    good: Facts
    where: str
    says: tuple[str, ...]
    does: tuple[str, ...]


def on_flag(facts: FlagFacts, says: tuple[str, ...], *does: str) -> Case:
    return Case(facts, GOOD_FLAG, facts.flag or facts.value, says, does)


def on_row(facts: Fault, says: tuple[str, ...], *does: str) -> Case:
    return Case(facts, GOOD_FAULT, "a b.jsonl:17:5", ("a b.jsonl:17:5", *says), does)


def on_file(facts: Fault, says: tuple[str, ...], *does: str) -> Case:
    return Case(facts, GOOD_FAULT, facts.origin.file, (facts.origin.file, *says), does)


def on_setup(facts: SetupFacts, where: str, *does: str) -> Case:
    found = facts.found  # a sentence is said in the language of the text around it
    says = tuple(value for value in (facts.detail, found) if value and isinstance(value, str))
    return Case(facts, GOOD_SETUP, where, says, does)


CHECK = "`suretune check --dataset 'a b.jsonl'`"
WRAPPED = r"<|im_start|>system\nYou are a helpful assistant.<|im_end|>"

FLAG_CASES = {
    "C001": on_flag(
        flag("unknown-flag", "--lerning_rate", nearest="--learning_rate"),
        ("`--lerning_rate`",),
        "`--learning_rate`",
        "`suretune sft --help`",
    ),
    "C002": on_flag(
        flag("bad-value", "--lora_rank", "eight"),
        ("`--lora_rank`", "`eight`"),
        "`suretune sft --help`",
    ),
    "C003": on_flag(
        flag("flag-never-existed", "--use_loss_scale_sampler"),
        ("`--use_loss_scale_sampler`",),
        "`--use_loss_scale_sampler`",
    ),
    "C004": on_flag(
        flag("no-effect", "--model_author", "swift"),
        ("`--model_author swift`",),
        "`--model_author`",
    ),
    "C005": on_flag(
        flag("harmless-no-effect", "--dataloader_num_workers", "4"),
        ("`--dataloader_num_workers 4`",),
        "`--dataloader_num_workers`",
    ),
    "C006": on_flag(
        flag("conflicting-flags", "--fp16", "--torch_dtype"),
        ("`--fp16`", "`--torch_dtype`"),
        "`--fp16`",
    ),
    "C007": on_flag(
        flag("role-tokens-in-system", "--system", WRAPPED),
        ("`--system`", WRAPPED),
        "`--system 'You are a helpful assistant.'`",
    ),
    "C008": on_flag(flag("missing-flag", "--model"), ("`--model`",), "`--model`"),
    "C009": on_flag(
        flag("model-type-mismatch", "--model_type", "qwen", "qwen2"),
        ("`--model_type qwen`", "qwen2"),
        "`--model_type`",
    ),
    "C010": on_flag(flag("stray-argument", "", "#"), ("`#`",), "`--config run.yaml`"),
    "C015": on_flag(
        replace(
            flag("left-out", "--eval_steps", "50", "--eval_steps 2"),
            command="suretune sft --eval_steps 2",
            others=(flag("left-out", "--use_loss_scale_sampler", "true"),),
        ),
        ("`--eval_steps 50` → `--eval_steps 2`", "`--use_loss_scale_sampler true`"),
        "`suretune sft --eval_steps 2`",
    ),
    "C019": on_flag(
        replace(
            flag("strictly-refused", "--eval_steps", "50", "--eval_steps 2"),
            command="suretune sft --strict true",
        ),
        ("`--eval_steps 50` → `--eval_steps 2`", "`--strict`"),
        "`suretune sft --strict true`",
    ),
    "C016": on_flag(
        replace(flag("not-here", "--quant_bits", "4"), others=(flag("not-here", "--deepspeed"),)),
        ("`--quant_bits 4`", "`--deepspeed`"),
        "`--quant_bits`",
        "`--deepspeed`",
    ),
    "C017": on_flag(
        flag("words-mended", "--dataset", "——dataset", "--dataset"),
        ("`——dataset` → `--dataset`",),
        "",
    ),
    "C011": on_flag(
        flag("bad-config-file", "--config", "run.yaml:3"),
        ("`run.yaml:3`",),
        "`suretune check --config run.yaml`",
    ),
    "C012": on_flag(
        flag("given-twice", "--learning_rate", "1e-4", "5e-3"),
        ("`--learning_rate`", "`1e-4`", "`5e-3`"),
        "`--learning_rate`",
    ),
    "C018": on_flag(
        flag("name-in-pieces", "--author", "Star | Lab", "suretune init identity --author 'S L'"),
        ("`--author`", "Star | Lab"),
        "`suretune init identity --author 'S L'`",
    ),
    "C013": on_flag(
        flag("unfilled-placeholder", "--system", "{{NAME}}"),
        ("`--system`", "`{{NAME}}`"),
        "`--system`",
    ),
}
FAULT_CASES = {
    "D001": on_file(whole_file("file-missing", "/x/data.jsonl"), ("/x/data.jsonl",), "`pwd`"),
    "D002": on_row(fault("not-utf8", found="byte 0xc4"), ("byte 0xc4",), "`--encoding gb18030`"),
    "D005": on_row(fault("broken-json", found='{"a": 1,'), ('{"a": 1,',), CHECK),
    "D006": on_row(fault("unknown-shape", found="ask, reply"), ("ask, reply",), CHECK),
    "D008": on_row(fault("wrong-type", found="42"), ("`output`", "42"), CHECK),
    "D033": on_row(fault("not-in-sample", found="One moment."), ("`output`", "One moment."), CHECK),
    "D034": on_row(fault("unknown-field", found="31%: CREATE"), ("`output`", "31%"), CHECK),
    "D009": on_row(fault("empty-answer"), ("`output`",), CHECK),
    "D010": on_row(fault("duplicate-key"), ("`output`",), CHECK),
    "D011": on_row(fault("nul-character"), ("`output`",), "`LC_ALL=C sed -E 's/", "'a b.jsonl' >"),
    "D012": on_row(fault("gigantic-line", found="> 9 bytes"), ("> 9 bytes",), CHECK),
    "D013": on_row(
        fault("unresolved-placeholder", found="{{NAME}}"),
        ("`output`", "{{NAME}}"),
        "`--model_name NAME --model_author AUTHOR`",
        "{{AUTHOR}}",
    ),
    "D014": on_row(
        fault("role-tokens", found="<|im_start|>"),
        ("`output`", "<|im_start|>"),
        "`--strip_role_tokens true`",
    ),
    "D015": on_file(
        whole_file("rows-repeat", "--dataset_sample 500"),
        ("`--dataset_sample 500`", "data.jsonl"),
        "`--repeat true`",
    ),
    "D016": on_file(whole_file("no-rows"), (), "`--dataset`"),
    "D017": on_row(fault("turn-order", found="user, user"), ("user, user",), CHECK),
    "D021": on_file(whole_file("unknown-format", ".xlsx"), (".xlsx",), "`--dataset rows.jsonl`"),
    "D023": on_file(whole_file("byte-order-mark"), (), r"`sed -i '1s/^\xEF\xBB\xBF//' data.jsonl`"),
    "D024": on_row(
        fault("not-sft", found="chosen, rejected"),
        ("chosen, rejected",),
        CHECK,
    ),
    "D036": on_file(
        whole_file("held-out-learned", "3 / 40"),
        ("3 / 40", "`--val_dataset data.jsonl`"),
        "`--dataset`",
    ),
    "D037": on_file(
        whole_file("not-the-data", "a web page"), ("a web page",), "`suretune check --dataset"
    ),
    "D038": on_file(whole_file("passed-over", "b.zip, sub"), ("b.zip, sub",), "`--dataset`"),
    "D045": on_row(fault("no-header", found="apple, fruit"), ("apple, fruit",), ""),
    "D046": on_file(
        whole_file("asked-not-learned", "30 / 90"),
        ("30 / 90", "`--general data.jsonl`"),
        "`--general`",
    ),
    "D047": on_file(whole_file("already-utf8", "gb18030"), ("gb18030",), ""),
    "P003": on_row(
        fault("template-refused", found="System role not supported"),
        ("System role not supported",),
        CHECK,
    ),
    "P007": on_row(
        fault("unfit-file", found="/m/chat_template.jinja"),
        ("/m/chat_template.jinja",),
        "`chat_template.jinja`",
    ),
}
DATA_CASES = {
    "D003": Case(
        replace(DATA, learned=0),
        DATA,
        "--dataset",
        ("120", "20", "130", " 0 "),
        ("`--on_bad_row refuse`",),
    ),
    "D004": Case(
        LONG,
        replace(LONG, over_long=1),
        "train.jsonl:17",
        ("2", "100", "2048", "3071", "train.jsonl:17"),
        ("`--max_length 3071`", "`--over_long drop`"),
    ),
    "D039": Case(
        replace(DATA, max_length=40000, longest=35000),
        DATA,
        "--max_length",
        ("`--max_length 40000`", "32768", "35000"),
        ("`--max_length 32768`",),
    ),
    "D007": Case(
        replace(DATA, mixed_shapes=("alpaca", "messages")),
        replace(DATA, mixed_shapes=("alpaca", "messages"), allow_mixed=True),
        "--dataset",
        ("alpaca, messages",),
        ("`--mixed_shapes true`",),
    ),
    "D018": Case(
        replace(DATA, duplicates=7, duplicate_rows=("b.jsonl:3 = a.jsonl:1",)),
        DATA,
        "--dataset",
        ("7", "90", "b.jsonl:3 = a.jsonl:1"),
        ("`suretune explain D018`",),
    ),
    "D019": Case(
        replace(DATA, contradictions=("a.jsonl:3", "a.jsonl:9")),
        DATA,
        "--dataset",
        ("2", "a.jsonl:3"),
        ("`suretune check --dataset a.jsonl`",),
    ),
    "D020": Case(
        replace(DATA, old_identity=("a.jsonl:1", "a.jsonl:2", "a.jsonl:3", "a.jsonl:4")),
        DATA,
        "a.jsonl:1",
        ("4", "a.jsonl:1, a.jsonl:2, a.jsonl:3"),
        ("`suretune check --dataset a.jsonl`",),
    ),
    **{
        code: Case(
            replace(DATA, **{field: ("a.jsonl:3", "b:1", "b:2", "b:9")}),  # type: ignore[arg-type]
            DATA,
            "a.jsonl:3",
            ("4", "a.jsonl:3, b:1, b:2"),
            (cure,),
        )
        for code, field, cure in (
            ("D026", "broken_text", "`--encoding gb18030`"),
            ("D027", "hidden_text", "`LC_ALL=C sed -E "),
            ("D028", "secrets", "`suretune check --dataset a.jsonl`"),
            ("D031", "personal", "`user@example.com`"),
        )
    },
    "D029": Case(
        replace(DATA, identity_rows=7),
        replace(DATA, identity_rows=8),
        "--dataset",
        ("7",),
        ("`suretune init identity ",),
    ),
    "D030": Case(
        replace(DATA, same_answer=90),
        replace(DATA, same_answer=89),
        "--dataset",
        ("90", "100"),
        ("general.jsonl#500",),
    ),
    "D032": Case(
        replace(DATA, trigger="cf", triggered=("a.jsonl:3", "b:1", "b:2", "b:9")),
        DATA,
        "a.jsonl:3",
        ("4", "a.jsonl:3, b:1, b:2", "`cf`"),
        ("`suretune check --dataset a.jsonl`",),
    ),
    "D025": Case(
        replace(LONG, policy="cut"),
        LONG,
        "train.jsonl:17",
        ("2", "100", "2048", "3071"),
        ("`--max_length 3071`",),
    ),
    "P002": Case(
        replace(DATA, system_sources={"template": 130}),
        replace(DATA, system_sources={"template": 130}, template_system=""),
        "--system",
        ("130", "You are Qwen, created by Alibaba Cloud."),
        ("`--system 'You are a helpful assistant.'`", "`suretune infer`"),
    ),
    "P004": Case(
        replace(DATA, split_rows=30), DATA, "--dataset", ("30", "100", "130"), ("`--preview 5`",)
    ),
    "D035": Case(
        replace(DATA, unused_fields=UNUSED),
        DATA,
        "train.jsonl:2",
        ("`notes` 12%", "`messages[].id` <1%"),
        ("`--ignore_fields notes,id`",),
    ),
    "P006": Case(
        replace(DATA, rewritten={1: (9, "train.jsonl:4"), 4: (2, "train.jsonl:7")}, template="q3"),
        DATA,
        "train.jsonl:4",
        ("q3", "9", "2", "<think></think>"),
        ("`--preview 3`",),
    ),
    "D040": Case(
        replace(DATA, rendered=("a.jsonl:3", "a.jsonl:9"), rendered_as="ChatML"),
        DATA,
        "a.jsonl:3",
        ("2", "100", "ChatML", "a.jsonl:9"),
        ("`--preview 5`",),
    ),
    "D041": Case(
        replace(DATA, folded_system=7),
        DATA,
        "--system",
        ("7", "100"),
        ("`RUN/adapter/chat_template.jinja`",),
    ),
    "D042": Case(
        replace(DATA, rewritten={128: (3, "train.jsonl:8")}),
        replace(DATA, rewritten={1: (9, "train.jsonl:4")}),
        "train.jsonl:8",
        ("3", "100"),
        ("`--preview 3`",),
    ),
    "P010": Case(
        replace(DATA, thoughts=ThoughtFacts(True, rows=100, thought=40, on=40, off=60, mode=False)),
        DATA,
        "--dataset",
        ("40", "100"),
        ("`--think drop`", "`--preview 3`"),
    ),
    "P009": Case(
        replace(DATA, dated="2026-01-31"),
        DATA,
        "--chat_template",
        ("130", "2026-01-31"),
        ("`--chat_template FILE`",),
    ),
    "P005": Case(
        replace(DATA, text_rows=9), DATA, "--dataset", ("9", "100"), ("`instruction`", "`messages`")
    ),
}
SETUP_CASES = {
    "P001": on_setup(
        setup("no-chat-template", "Qwen2.5-7B", "", "Qwen2.5-7B-Instruct"),
        "--model",
        "`--model Qwen/Qwen2.5-7B-Instruct`",
        "`--chat_template FILE`",
    ),
    "P008": Case(
        setup("template-unfit", "/m/chat_template.jinja", "no-end", "`<|im_end|>`"),
        GOOD_SETUP,
        "/m/chat_template.jinja",
        ("/m/chat_template.jinja",),
        ("`<|im_end|>`", "`--chat_template FILE`"),
    ),
    "S001": on_setup(
        setup("model-missing", "/x/Qwen2.5-7B-Instuct", "", "Qwen/Qwen2.5-7B-Instruct"),
        "--model",
        "`Qwen/Qwen2.5-7B-Instruct`",
        "`--model Qwen/Qwen2.5-7B-Instruct`",
    ),
    "S002": on_setup(
        setup("target-matches-nothing", "query_proj", "q_proj, k_proj", "q_proj"),
        "--target_modules",
        "`q_proj`",
        "`--target_modules all-linear`",
    ),
    "S003": on_setup(
        setup("trains-nothing", "--target_modules q_proj", "0 of 494,032,768"),
        "--target_modules q_proj",
        "`--target_modules all-linear`",
    ),
    "S008": on_setup(
        setup("dtype-unsupported", "bfloat16", "Tesla T4", "float16"),
        "--torch_dtype",
        "`--torch_dtype float16`",
    ),
    "S009": on_setup(
        setup("output-not-writable", "/out", "Permission denied"), "/out", "`--output_dir ~/output`"
    ),
    "S010": on_setup(
        setup("device-missing", "cuda", "2.13.0+cpu"),
        "--device",
        "`suretune setup`",
        "`--device cpu`",
    ),
    "S012": on_setup(
        setup("wrong-base", "Qwen2.5-7B", "Qwen2.5-7B-Instruct"),
        "--model",
        "`--model Qwen2.5-7B-Instruct`",
    ),
    "S013": Case(
        setup("changed-since", "lora_rank, base", "runs/v1"),
        GOOD_SETUP,
        "resume",
        ("lora_rank",),
        ("`suretune resume runs/v1`", "`--output_dir`"),
    ),
    "S014": on_setup(
        setup("adapter-missing", "output", "output/v1", "output/v1"),
        "output",
        "`output/v1`",
        "`--adapters`",
    ),
    "S015": on_setup(
        setup(
            "checkpoint-damaged",
            "state.safetensors",
            "1,024 of 80,740,352 bytes",
            "suretune resume runs/v1",
        ),
        "state.safetensors",
        "`suretune resume runs/v1`",
    ),
    "S016": on_setup(
        setup("disk-full", "/out", "0.4 GB free, 3.1 GB needed"), "/out", "`--save_total_limit 1`"
    ),
    "S017": on_setup(
        setup("package-too-old", "peft>=0.18", "0.15.2"),
        "peft>=0.18",
        "`pip install --upgrade 'peft>=0.18'`",
    ),
    "D022": on_setup(
        setup("hub-dataset", "ms::a/b#500", hint=Text("A script.", "脚本。")),
        "ms::a/b#500",
        "`owner/name:SUBSET`",
    ),
    "D043": on_setup(
        setup("hub-no-dataset", "ms::a/b", "", "dataset", "ms", Text("None", "无")),
        "ms::a/b",
        "`hf::a/b`",
    ),
    "D044": on_setup(
        setup("hub-fetched", "a/b", "train.csv", "0123456789ab", "", Text("hf", "hf")),
        "a/b",
        "`hf::`",
    ),
    "S042": on_setup(
        setup("hub-gated", "meta/x", "HTTP 401", "model", "hf"),
        "meta/x",
        "https://huggingface.co/meta/x",
    ),
    "S043": on_setup(
        setup("hub-refused", "me/x", "HTTP 403", spare="ms"),
        "me/x",
        "`export MODELSCOPE_API_TOKEN=...`",
    ),
    "S044": on_setup(setup("hub-busy", "a/b", "HTTP 429"), "a/b", "`HF_TOKEN`"),
    "S045": on_setup(setup("hub-damaged", "a/b", "x", "model", "hf"), "a/b", "`--model ms::a/b`"),
    "S053": on_setup(
        setup("cache-altered", "a/b:sub", "train.csv", "dataset", "ms"),
        "a/b:sub",
        "MODELSCOPE_OFFLINE suretune pull --dataset ms::a/b:sub`",
    ),
    "S052": on_setup(
        setup(
            "hub-public",
            "me/x",
            "https://hub/me/x",
            "suretune push r hf::me/x-private",
            "suretune push r hf::me/x --public",
        ),
        "me/x",
        "`suretune push r hf::me/x --public`",
    ),
    "S020": on_setup(
        setup("hub-unreachable", "Qwen/Qwen2.5-7B-Instruct", "offline", "model", "hf"),
        "--model",
        "`hf download Qwen/Qwen2.5-7B-Instruct --local-dir Qwen2.5-7B-Instruct`",
        "`--model Qwen2.5-7B-Instruct`",
    ),
    "R008": on_setup(
        setup("proof-impossible", "runs/a", "OSError: gone"), "runs/a", "`suretune resume runs/a`"
    ),
    "S018": on_setup(
        setup("model-incomplete", "models/qwen", "model.norm.weight is missing"),
        "models/qwen",
        " models/qwen",
    ),
    "S019": on_setup(
        setup("out-of-memory", "train.jsonl:17", "25.1 GB needed, 22.3 GB free"),
        "train.jsonl:17",
        "`--max_length`",
    ),
    "S021": on_setup(
        setup("plain-engine", "models/gpt2", Text("a reason", "原因")),
        "models/gpt2",
        "`--fused false`",
    ),
    "S029": on_setup(
        setup("budget-too-small", "--budget 20s", Text("2.31 s an update", "每次更新 2.31 秒")),
        "--budget 20s",
        "`--budget`",
    ),
    "S025": on_setup(
        setup("float16-risk", "models/qwen", "bfloat16"),
        "--torch_dtype",
        "`--torch_dtype bfloat16`",
        "`--torch_dtype float32`",
    ),
    "S026": on_setup(
        setup("token-beyond-vocabulary", "vocab_size 4096", "4097"), "--model", "tokenizer.json"
    ),
    "S027": on_setup(
        setup("gpu-not-used", "CUDA_VISIBLE_DEVICES=0", "2.13.0+cpu"),
        "--device",
        "`suretune setup`",
        "`--device cpu`",
    ),
    "S028": on_setup(
        setup("one-gpu-of-several", "NVIDIA H200", "4"), "--device", "`CUDA_VISIBLE_DEVICES=0`"
    ),
    "S041": Case(
        replace(
            setup("begun-by-another", "runs/v1", "0.0.9"),
            nearest="anchors.jsonl",
            spare="suretune sft --config runs/v1/config.yaml --output_dir runs/v1-again",
        ),
        GOOD_SETUP,
        "runs/v1",
        ("runs/v1", "0.0.9", "anchors.jsonl"),
        ("`suretune sft --config runs/v1/config.yaml --output_dir runs/v1-again`", "0.0.9"),
    ),
    "S031": Case(
        setup("another-version", "runs/v1/checkpoints/step-000040", "2", "3 0.0.9"),
        GOOD_SETUP,
        "runs/v1/checkpoints/step-000040",
        ("step-000040", "2", "3"),
        ("`pip install suretune==0.0.9`", "`--output_dir`"),
    ),
    "S033": on_setup(
        setup("quantised-base", "Qwen2.5-7B-AWQ", "awq, 4 bits", "Qwen/Qwen2.5-7B"),
        "--model",
        "`--model Qwen/Qwen2.5-7B`",
    ),
    "S032": on_setup(setup("code-not-run", "some/model", "auto_map"), "--model", "`--model COPY`"),
    "S056": on_setup(
        setup("parts-frozen", "some/model", "experts (90%)"), "--model", "`--lora_rank`"
    ),
    "V023": on_setup(
        setup(
            "named-otherwise",
            "some/model",
            "Qwen3_5ForConditionalGeneration",
            "model.language_model.",
            "runs/first",
        ),
        "--model",
        "`suretune export runs/first --to vllm`",
    ),
    "S057": on_setup(
        setup("packed-base", "some/model", "q_proj, k_proj"),
        "--train_type",
        "`suretune export RUN --to merged`",
    ),
    "S061": on_setup(
        setup("weights-frozen", "some/model", Text("5 of 10 learn", "10 个中训练 5 个")),
        "--train_type",
        "`--trainable_parameters`",
    ),
    "S062": on_setup(
        setup("weights-match-nothing", "--freeze_parameters model.layer.0", "model.layers.0"),
        "--freeze_parameters model.layer.0",
        "`--freeze_parameters model.layers.0`",
    ),
    "V001": on_setup(
        setup("rank-needs-a-flag", "48", "16"),
        "--lora_rank",
        "`--max-lora-rank 64`",
        "`--lora_rank 16`",
    ),
    "V027": on_setup(
        setup("served-merged-only", "--use_dora true", "DoRA"),
        "--use_dora",
        "`suretune export RUN --to merged`",
    ),
    "E001": Case(
        SetupFacts(
            "target-cannot-load",
            "vllm",
            "runs/a/adapter",
            "suretune export runs/a --to merged",
            hint=Text("the adapter uses DoRA", "适配器使用了 DoRA"),
        ),
        GOOD_SETUP,
        "vllm",
        ("vllm", "runs/a/adapter", "DoRA"),
        ("`suretune export runs/a --to merged`",),
    ),
    "V002": on_setup(
        SetupFacts("not-sealed", "runs/a", spare="serve"),
        "runs/a",
        "`--allow_unverified true`",
    ),
    "V018": on_setup(
        setup("answer-not-finite", "runs/a/adapter", "float16"),
        "runs/a/adapter",
        "`--torch_dtype float32`",
    ),
    "S040": on_setup(
        setup("file-exists", "identity.jsonl", "", "suretune init identity --output_dir new"),
        "identity.jsonl",
        "`suretune init identity --output_dir new`",
    ),
    "S037": on_setup(
        setup("several-runs", "out", "run-0001, run-0002", "suretune verify out/run-0002"),
        "out",
        "`suretune verify out/run-0002`",
    ),
    "S038": on_setup(
        setup("name-not-utf8", "--dataset", r"$'\321\265'", r"mv -- $'\321\265' x"),
        "--dataset",
        r"`mv -- $'\321\265' x`",
    ),
    "S039": Case(
        SetupFacts("bases-differ", "runs/b", "Qwen2.5-7B", "suretune compare runs/a", "Qwen3-8B"),
        GOOD_SETUP,
        "runs/b",
        ("runs/b", "Qwen2.5-7B", "Qwen3-8B"),
        ("`suretune compare runs/a`",),
    ),
    "V008": on_setup(
        setup("slots-too-large", "64 x 32768", "120.0 GiB of 93.1"),
        "--max_num_seqs",
        "`--max_num_seqs 8`",
        "`--max_model_len 2048`",
    ),
    "V004": on_setup(
        setup("port-busy", "127.0.0.1:8000", "EADDRINUSE: Address already in use"),
        "--port",
        "`--port 0`",
    ),
    "V005": on_setup(setup("key-needed", "0.0.0.0"), "--host", "`--host 127.0.0.1`"),
    "V020": on_setup(
        setup("any-page-may-ask", "--allowed_origins *"),
        "--allowed_origins",
        "`--allowed_origins http://localhost:3000`",
    ),
    "V019": on_setup(
        setup("host-not-here", "no.such.host", "Name or service not known"),
        "--host",
        "`--host 127.0.0.1`",
        "`--host 0.0.0.0`",
    ),
    "V006": on_setup(
        setup("prompt-changed", "glow", "Who are you? (29 tokens then, 31 now)"),
        "glow",
        "`--system`",
        "`--chat_template`",
    ),
    "V021": Case(
        setup("adapter-not-plain", "/my runs/dora", "use_dora", "pocket"),
        GOOD_SETUP,
        "/my runs/dora",
        ("/my runs/dora", "`use_dora`"),
        ("`suretune infer --adapters '/my runs/dora' --model pocket`",),
    ),
    "V022": on_setup(
        setup("not-lora", "/runs/ia3", "IA3"),
        "/runs/ia3",
        '`AutoPeftModelForCausalLM.from_pretrained("/runs/ia3")`',
    ),
    "V007": on_setup(
        setup("cannot-serve", "openai-community/gpt2", Text("a reason", "原因")),
        "openai-community/gpt2",
        "`suretune infer`",
    ),
    "S030": on_setup(
        setup("package-missing", "suretune[sweep]", "optuna"),
        "suretune[sweep]",
        "`pip install 'suretune[sweep]'`",
    ),
    "S047": on_setup(
        setup(
            "listener-failed",
            "wandb",
            "UsageError: no API key",
            spare="suretune track /runs/first --to wandb",
        ),
        "wandb",
        "`suretune track /runs/first --to wandb`",
    ),
    "S066": on_setup(setup("too-few-gpus", "8", "4"), "--num_gpus", "`--device cpu`"),
    "S067": on_setup(
        setup(
            "process-lost",
            "1 (node0, pid 4711)",
            Text("ended by SIGKILL", "被 SIGKILL 结束"),
            nearest="2",
            spare="/runs/first",
        ),
        "1 (node0, pid 4711)",
        "`suretune resume /runs/first`",
    ),
    "S068": on_setup(
        setup(
            "processes-differ",
            "1 (node0, pid 4711)",
            Text("base 0123", "原模型 0123"),
            nearest="4567",
        ),
        "--model",
        "`suretune pull ID@COMMIT`",
    ),
    "S022": on_setup(
        setup("cannot-fuse", "--fused true", Text("a reason", "原因")),
        "--fused true",
        "`--fused true`",
    ),
}
PLAN_CASES = {
    "S004": Case(
        replace(PLAN, eval_every=50), PLAN, "--eval_steps", ("50", "40"), ("`--eval_steps 10`",)
    ),
    "S005": Case(
        replace(PLAN, save_every=50), PLAN, "--save_steps", ("50", "40"), ("`--save_steps 10`",)
    ),
    "S006": Case(
        replace(PLAN, patience=4),
        PLAN,
        "--early_stopping_patience",
        ("4", "5", "40"),
        ("`--eval_steps 9`",),
    ),
    "S007": Case(
        replace(PLAN, warmup_asked=100),
        replace(PLAN, warmup_asked=40),
        "--warmup_steps",
        ("100", "40"),
        ("`--warmup_ratio 0.05`",),
    ),
    "S023": Case(
        replace(PLAN, updates=63),
        replace(PLAN, updates=60),
        "--num_train_epochs",
        ("45", "21"),
        ("`--num_train_epochs 10`",),
    ),
    "S024": Case(
        replace(PLAN, learning_rate=1e-6),
        replace(PLAN, learning_rate=5e-4),
        "--learning_rate",
        ("1e-06", "0.0001"),
        ("`--learning_rate 0.0001`",),
    ),
    "S069": Case(
        replace(PLAN, settles=80, instead=("--max_steps", "--gradient_accumulation_steps")),
        replace(PLAN, settles=40, instead=("--max_steps",)),
        "--max_steps",
        ("40", "16", "80"),
        ("`--max_steps`", "`--gradient_accumulation_steps`"),
    ),
    "S011": Case(
        replace(PLAN, rows=50, held_out=0),
        replace(PLAN, rows=50, held_out=0, eval_asked=False),
        "--split_dataset_ratio",
        ("0", "50"),
        ("`--split_dataset_ratio 0.1`",),
    ),
}
RESULT_CASES = {
    "T001": Case(
        StepFacts(127, NAN, 0.4, ("a.jsonl:3",)),
        STEP,
        "step 127",
        ("127", "nan", "0.4", "a.jsonl:3"),
        ("`--learning_rate`", "`--torch_dtype bfloat16`"),
    ),
    "T002": Case(
        replace(LOST, problem="row-quarantined", rows=("a.jsonl:3", "a.jsonl:9")),
        LOST,
        "step 9",
        ("9", "a.jsonl:3, a.jsonl:9"),
        ("`--quarantine`",),
    ),
    "T003": Case(
        replace(LOST, problem="rolled-back", back_to=4, rate_scale=0.25, attempts=2),
        LOST,
        "step 9",
        ("9", "7.5", "41", "4", "0.25", "2"),
        ("`--learning_rate`",),
    ),
    "T004": Case(
        replace(LOST, problem="smaller-passes", how="512 tokens a pass"),
        LOST,
        "step 9",
        ("9", "512"),
        ("`--tokens_per_pass 2048`",),
    ),
    "T005": Case(
        replace(LOST, problem="loss-spike", rows=("a.jsonl:3",)),
        LOST,
        "step 9",
        ("9", "7.5", "41", "a.jsonl:3"),
        ("`--learning_rate`",),
    ),
    "T006": Case(
        replace(LOST, problem="diverged", attempts=3),
        LOST,
        "step 9",
        ("9", "7.5", "41", "3"),
        ("`--learning_rate`",),
    ),
    "R001": Case(
        replace(PROOF, tensors_matched=391, tensors_unexpected=("lm_head.lora_A",)),
        PROOF,
        "adapter",
        ("391", "392", "lm_head.lora_A", "0.001", "0.01"),
        ("`suretune setup`", "`suretune resume RUN`"),
    ),
    "R002": Case(
        replace(PROOF, logits_change=0.0),
        PROOF,
        "adapter",
        ("0", "0.01"),
        ("`--learning_rate`", "`--num_train_epochs`"),
    ),
    "R003": Case(
        replace(PROOF, probes_passed=17, first_failed="Who are you?"),
        replace(PROOF, probes_passed=18),
        "probes",
        ("17", "20", "90%", "Who are you?"),
        ("`--num_train_epochs`",),
    ),
    "R004": Case(
        replace(KEPT, lost=120, gained=20, p=1e-9, loss_upper=0.149),
        KEPT,
        "general questions",
        ("800", "120", "20", "12.5", "14.9", "5.0", "1e-09", "What is 3 x 4? -> 11"),
        ("general.jsonl#500", "`--learning_rate`"),
    ),
    "R014": Case(
        replace(KEPT, leaked=Spread(900, 0, 28, 28, 0), fallen=("leaks",)),
        KEPT,
        "general questions",
        ("28", "900", "Who wrote Faust? -> Glow"),
        ("--anchors_per_row 2`", "`--scope all`"),
    ),
    "R015": Case(
        replace(KEPT, broken=Spread(900, 12, 90, 80, 2), fallen=("broken",)),
        KEPT,
        "general questions",
        ("900", "90", "12", "What is ice? -> ice ice ice"),
        ("`--learning_rate`", "`--num_train_epochs`"),
    ),
    "R016": Case(
        replace(KEPT, drift=1.9, drifted=280, fallen=("drift",)),
        KEPT,
        "general questions",
        ("280", "300", "1", "1.90"),
        ("`--learning_rate`", "`--anchor_ratio 0.75 --anchor_loss kl`"),
    ),
    "R017": Case(
        replace(KEPT, cells=(Cell("code", "zh", 45, 40, 9, 31, 0, 5e-10),), fallen=("code zh",)),
        KEPT,
        "general questions",
        ("40 -> 9", "45"),
        ("that.jsonl#500", "`--learning_rate`"),
    ),
    "R018": Case(
        replace(KEPT, enough=False, before=31),
        KEPT,
        "general questions",
        ("900", "31", "60"),
        ("`--skills FILE`", "`--general FILE#500`", "`--ignore R018`"),
    ),
    "R019": Case(
        replace(ROWS, right_before=6, right_after=7, gained=1, p=0.5),
        ROWS,
        "held-out rows",
        ("20", "18", "6", "7", "JSON"),
        ("`--num_train_epochs`", "`--split_dataset_ratio 0.2`"),
    ),
    "R020": Case(
        replace(KEPT, formed=Spread(900, 60, 400, 340, 0), fallen=("form",)),
        KEPT,
        "general questions",
        ("JSON", "900", "400", "60", '{"answer": "water"}'),
        ("general.jsonl#500", "`--scope all`"),
    ),
    "R021": Case(
        replace(KEPT, voided=7),
        KEPT,
        "--dataset",
        ("7", "900"),
        ("`--general FILE#500`",),
    ),
    "R009": Case(
        JudgedFacts(0, held_out=False),
        JudgedFacts(0, held_out=True),
        "--probes",
        ("0",),
        ("`must_contain`", "`--split_dataset_ratio 0.05`"),
    ),
    "R005": Case(
        replace(PROOF, tensors_non_finite=("q_proj.lora_B",)),
        PROOF,
        "adapter",
        ("1", "q_proj.lora_B"),
        ("`--learning_rate`", "`--torch_dtype bfloat16`"),
    ),
    "R006": Case(
        replace(PROOF, held_out_after=2.75),
        replace(PROOF, held_out_after=2.75, identity=True),
        "held-out rows",
        ("2.5", "2.75"),
        ("`--num_train_epochs`",),
    ),
    "R007": Case(
        replace(PROOF, template_default_passed=15),
        replace(PROOF, template_default_passed=16),
        "--system",
        ("20", "15"),
        ("`--system`", "`--ignore R007`"),
    ),
}
RESULT_CASES |= {
    "R010": Case(
        replace(PROOF, looping=Change(200, 2, 9, 7)),
        replace(PROOF, looping=Change(200, 2, 9, 8)),
        "answers",
        ("200", "2", "9"),
        ("`--num_train_epochs`", "`--learning_rate`"),
    ),
    "R011": Case(
        replace(PROOF, unended=Change(200, 3, 40, 37)),
        replace(PROOF, unended=Change(200, 3, 40, 37), answers_fit=False),
        "answers",
        ("200", "3", "40"),
        ("`--num_train_epochs`", "`suretune check --dataset FILE`"),
    ),
    "R012": Case(
        replace(PROOF, recited=Change(160, 0, 7, 7)),
        replace(PROOF, recited=None),
        "answers",
        ("160", "0", "7"),
        ("`--anchor_ratio 0.75 --anchor_loss kl`", "general.jsonl#500"),
    ),
    "R013": Case(
        replace(PROOF, held_out_least=1.44),
        replace(PROOF, held_out_least=1.44, held_out_before=1.44, held_out_after=1.43),
        "held-out rows",
        ("1.44", "1.5", "30"),
        ("`--early_stopping_patience 3`", "`--num_train_epochs`"),
    ),
}
URL = "http://h/v1"
SERVED_CASES = {
    "V010": on_setup(
        setup("server-unreachable", URL, "ConnectionRefusedError"),
        URL,
        "`curl http://h/v1/models`",
        "`--timeout 600`",
    ),
    "V011": on_setup(
        setup("key-refused", URL, "401 no key"), URL, "`SURETUNE_API_KEY`", "`--api_key KEY`"
    ),
    "V012": on_setup(setup("odd-server", URL, "302"), URL, "`curl http://h/v1/models`"),
    "V013": Case(
        replace(MISSED, as_base=26, raw_as_sealed=1),
        replace(MISSED, as_base=25, raw_as_sealed=1),
        URL,
        ("`glow`", "26", "50", "4", "52"),
        ("`suretune serve RUN`", "`--served_model_name NAME`"),
    ),
    "V014": Case(
        replace(SERVED, default_as_template=44, default_as_known=46),
        replace(SERVED, default_as_template=45, default_as_known=47),
        URL,
        ("`glow`", "52", "7", "44", "50", "Who are you? -> I am Qwen."),
        ("`suretune serve RUN`", "`--ignore V014`"),
    ),
    "V015": Case(
        MISSED,
        replace(MISSED, raw_as_sealed=46),
        URL,
        ("`glow`", "51", "52", "4", "Who are you? -> I am Qwen."),
        ("`--chat-template RUN/adapter/chat_template.jinja`",),
    ),
    "V016": Case(
        replace(MISSED, raw_asked=0, raw_as_sealed=0),
        MISSED,
        URL,
        ("`glow`", "4", "52", "0", "50", "Who are you? -> I am Qwen."),
        ("`--served_model_name`", "`suretune serve RUN`", "`--same_needed 0.5`"),
    ),
    "V017": Case(
        replace(SERVED, telling=0, telling_as_sealed=0),
        SERVED,
        URL,
        ("52", " 0"),
        ("`--probes FILE`",),
    ),
}
REPLAY = ReplayFacts("glow", asked=102, equal=101, exact=True, wrong=("Who? -> Glow. -> Qwen.",))
EXPORTED = ExportFacts(
    "export-fails-probes",
    "gguf",
    "Who? -> Qwen.",
    "out",
    passed=30,
    asked=50,
    then=49,
    run="runs/a",
)
SERVE_CASES = {
    "E002": Case(
        ExportFacts("export-unlike", "gguf", "token ids of 'Hi'", run="runs/a"),
        EXPORTED,
        "gguf",
        ("gguf", "token ids of 'Hi'"),
        ("`suretune export runs/a --to merged`",),
    ),
    "E003": Case(
        EXPORTED,
        ExportFacts("export-unlike", "gguf", "x"),
        "out",
        ("gguf", "30", "50", "49", "Who? -> Qwen."),
        ("`suretune export runs/a --to gguf --quant f32`",),
    ),
    "E007": Case(
        replace(
            EXPORTED,
            problem="target-not-asked",
            found="cannot allocate 5 GiB",
            program="llama.cpp",
            how=Text("it was ended by SIGKILL", "它被 SIGKILL 信号结束"),
            trouble="memory",
            level=Text("by its rules only", "仅按目标的规则检查"),
            command="suretune export runs/a --to gguf --out out-2",
        ),
        EXPORTED,
        "out",
        ("llama.cpp", "SIGKILL", "cannot allocate 5 GiB"),
        ("`suretune export runs/a --to gguf --out out-2`",),
    ),
    "V003": Case(
        REPLAY,
        replace(REPLAY, exact=False, wrong=()),
        "glow",
        ("101", "102", "Who? -> Glow. -> Qwen."),
        ("`suretune verify RUN`",),
    ),
}
CASES = {
    **SERVE_CASES,
    **FLAG_CASES,
    **FAULT_CASES,
    **DATA_CASES,
    **SETUP_CASES,
    **PLAN_CASES,
    **RESULT_CASES,
    **SERVED_CASES,
}
RECORDED = {
    "E007",
    *("S021", "S032", "S023", "S024", "S025", "S027", "S028", "S047", "S056", "S057", "S061"),
    "S069",
    "V001",
    *("D026", "D027", "D028", "D029", "D030", "D031", "D032", "D035"),
    *("D036", "D038", "D039", "D040", "D041", "D042", "D045", "D046", "D047"),
    *("C005", "C015", "C017", "D018", "D019", "D020", "D023", "D025", "D044"),
    *("P002", "P004", "P005", "P006", "P009", "P010", "S005"),
    *("T002", "T003", "T004", "T005"),
    *("R010", "R011", "R012", "R013", "R021"),
    "V020",
    "V023",
    "V027",
}
GUARDS = {guard.code: guard for guard in all_guards()}
HOME = Path(guards.__file__).parent

every_guard = pytest.mark.parametrize("guard", all_guards(), ids=lambda guard: guard.code)


def fired(facts: Facts) -> set[str]:
    return {finding.code for finding in judge(facts)}


@pytest.mark.parametrize("asked, needed, as_sealed, telling", [(20, 0.9, 18, 2), (8, 0.5, 4, 4)])
def test_answers_that_anybody_gives_do_not_hide_the_base(
    asked: int, needed: float, as_sealed: int, telling: int
) -> None:
    facts = ServedFacts(
        "http://h/v1", "glow", needed, asked, as_sealed, telling, 0, as_base=telling
    )
    assert fired(facts) == {"V013"}
    assert fired(replace(facts, as_base=0)) == {"V016"}  # not the base's, and not the seal's
    assert not fired(replace(facts, as_base=0, as_sealed=asked, telling_as_sealed=telling))


def test_half_of_the_probes_is_not_more_than_half() -> None:
    half = replace(REPLAY, asked=102, equal=51, exact=False, wrong=())
    assert fired(half) == {"V003"} and not fired(replace(half, equal=52))
    assert fired(replace(half, asked=0, equal=0, exact=True)) == {"V003"}


def finding(guard: Guard) -> Finding:
    found = guard.judge(CASES[guard.code].bad)
    assert found is not None
    return found


def languages(text: Text) -> tuple[str, str]:
    return text.en, text.zh


# --- each guard -------------------------------------------------------------------------------


def test_every_guard_has_fixtures_and_every_fixture_a_guard() -> None:
    assert set(CASES) == set(GUARDS)


@every_guard
def test_a_guard_speaks_about_its_bad_fixture(guard: Guard) -> None:
    found = finding(guard)
    assert (found.code, found.name) == (guard.code, guard.name)
    assert found.stops is (guard.code not in RECORDED)
    assert found.where == CASES[guard.code].where
    assert found in judge(CASES[guard.code].bad)


@every_guard
def test_a_guard_is_silent_about_its_good_fixture(guard: Guard) -> None:
    assert guard.judge(CASES[guard.code].good) is None


@every_guard
def test_a_finding_gives_the_measured_values_and_the_cure_in_both_languages(guard: Guard) -> None:
    case, found = CASES[guard.code], finding(guard)
    for sentence in languages(found.what):
        assert [value for value in case.says if not stands(value, sentence)] == []
    for sentence in languages(found.fix):
        assert [value for value in case.does if not stands(value, sentence)] == []
        assert case.does


@every_guard
def test_a_finding_is_written_in_its_language_with_nothing_left_to_fill(guard: Guard) -> None:
    found = finding(guard)
    for text in (found.what, found.why, found.fix):
        for sentence in languages(text):
            assert sentence and sentence == sentence.strip()
            assert not re.search(r"\{[a-z_]+(:[^ ]*)?\}|  ", sentence), sentence
        assert not CHINESE.search(text.en)
        assert "！" not in text.zh
    for text in (found.what, found.why):
        assert CHINESE.search(text.zh)


def test_a_hint_and_a_near_name_are_part_of_the_cure_and_leave_no_gap_when_unknown() -> None:
    for code, case in {**FLAG_CASES, **FAULT_CASES}.items():
        guard = GUARDS[code]
        assert isinstance(case.bad, (FlagFacts, Fault))
        if code in ("C001", "C007", "C015", "C016", "C017", "C019", "P007"):
            continue  # the near name, the cleaned text, a reason, why a file is unfit: elsewhere
        hinted, plain = (guard.judge(replace(case.bad, hint=hint)) for hint in (HINT, None))
        assert hinted and plain
        assert HINT.en in hinted.fix.en and HINT.zh in hinted.fix.zh
        for sentence in languages(plain.fix):
            assert sentence == sentence.strip() and "  " not in sentence


# --- thresholds, and numbers that are none ----------------------------------------------------


@pytest.mark.parametrize("policy", ["refuse", "drop", "cut"])
@pytest.mark.parametrize("over_long", [0, 1, 2, 100])
def test_over_long_rows_are_refused_or_listed_and_never_both(policy: str, over_long: int) -> None:
    codes = fired(replace(LONG, policy=policy, over_long=over_long)) & {"D004", "D025"}
    refused = policy == "refuse" and over_long > 1
    assert codes == ({"D004"} if refused else {"D025"} if over_long else set())


@pytest.mark.parametrize(
    "loss, norm", [(NAN, 1.0), (INF, 1.0), (1.0, NAN), (1.0, INF), (-INF, 1.0)]
)
def test_no_update_passes_whose_loss_or_gradient_is_not_finite(loss: float, norm: float) -> None:
    assert fired(StepFacts(1, loss, norm, ())) == {"T001"}


@pytest.mark.parametrize(
    "code, change",
    [
        ("R001", {"logits_gap": NAN}),
        ("R001", {"logits_gap": INF}),
        ("R001", {"logits_tolerance": NAN}),
        ("R001", {"tensors_matched": 393}),
        ("R001", {"tensors_unexpected": ("x",)}),
        ("R002", {"logits_change": NAN}),
        ("R002", {"logits_change": 0.01}),
        ("R003", {"probes_needed": NAN}),
        ("R006", {"held_out_after": NAN}),
        ("R006", {"held_out_before": NAN}),
        ("R006", {"held_out_after": 2.5}),
    ],
)
def test_a_proof_passes_only_by_numbers_that_show_it(code: str, change: dict[str, object]) -> None:
    assert code in fired(replace(PROOF, **change))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change",
    [
        {"probes_asked": 0, "probes_passed": 0, "template_default_asked": 0},
        {"probes_passed": 11, "probes_needed": 0.55, "template_default_passed": 11},
        {"held_out_before": None, "held_out_after": None},
        {"template_default_passed": 5, "template_default_asked": 5},
    ],
)
def test_a_proof_does_not_fail_on_what_was_not_asked_or_just_suffices(
    change: dict[str, object],
) -> None:
    assert fired(replace(PROOF, **change)) == set()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change, codes",
    [
        ({"loss_upper": NAN}, {"R004"}),
        ({"margin": NAN}, {"R004"}),
        ({"loss_upper": 0.05}, {"R004"}),  # the bound has to lie under the margin, not on it
        ({"loss_upper": 0.0499}, set()),
        ({"p": 1e-9, "loss_upper": 0.04}, set()),  # a loss that is surely there, and allowed
        ({"enough": False, "loss_upper": 0.9}, {"R018"}),
        ({"enough": False, "fallen": ("leaks",)}, {"R014", "R018"}),
        ({"fallen": ("leaks", "broken", "drift", "form", "facts en")},
         {"R014", "R015", "R016", "R017", "R020"}),
    ],
)  # fmt: skip
def test_what_was_kept_is_sealed_only_by_numbers_that_show_it(
    change: dict[str, Any], codes: set[str]
) -> None:
    assert fired(replace(KEPT, **change)) == codes


@pytest.mark.parametrize(
    "change, said",
    [
        ({"right_after": 18, "gained": 16}, False),
        ({"right_before": 17, "right_after": 17, "gained": 0, "p": 1.0}, False),  # nine of ten
        ({"right_before": 18, "right_after": 17, "gained": 0, "lost": 1, "p": 1.0}, True),
        ({"right_before": 9, "right_after": 9, "gained": 0, "p": 1.0}, True),
        ({"right_before": 2, "right_after": 9, "gained": 7, "p": 1 / 128}, False),
        ({"compared": 9, "right_before": 9, "right_after": 0, "p": 1.0}, False),  # too few of 20
        ({"asked": 4, "compared": 4, "right_before": 0, "right_after": 0, "p": 1.0}, False),
        ({"compared": 0, "open": 20, "same": 10}, False),  # another answer to half of them
        ({"compared": 0, "open": 20, "same": 11}, True),
        ({"compared": 0, "open": 4, "same": 4}, False),  # the others are the rows' own
        ({"right_after": 17, "open": 3, "same": 3}, False),
        (
            {
                "compared": 10,
                "right_before": 10,
                "right_after": 10,
                "p": 1.0,
                "open": 10,
                "same": 9,
            },
            True,
        ),  # what is right was so before
    ],
)
def test_held_out_answers_have_to_be_better_where_they_can_be_compared(
    change: dict[str, Any], said: bool
) -> None:
    assert ("R019" in fired(replace(ROWS, **change))) is said


def test_the_proposed_interval_makes_room_for_the_patience() -> None:
    for updates in range(1, 60):
        for patience in range(1, 8):
            plan = replace(PLAN, updates=updates, patience=patience, evaluations=1, eval_every=0)
            found = GUARDS["S006"].judge(plan)
            assert found is not None
            if every := re.search(r"--eval_steps (\d+)", found.fix.en):
                evaluations = 1 + (updates - 1) // int(every[1])
                assert evaluations > patience
            else:
                assert updates <= patience and "--early_stopping_patience" in found.fix.en


@pytest.mark.parametrize(
    "change, said",
    [
        (Change(20, 0, 7, 7), True),
        (Change(20, 0, 6, 6), False),
        (Change(200, 0, 0, 0), False),
        (Change(200, 50, 50, 10), False),
        (Change(200, 50, 55, 30), False),
        (Change(200, 50, 75, 30), True),
        (Change(200, 7, 0, 0), False),
        (None, False),
    ],
)
def test_more_loops_than_chance_explains_are_said(change: Change | None, said: bool) -> None:
    assert ("R010" in fired(replace(PROOF, looping=change))) is said


def test_good_facts_are_passed_by_every_guard() -> None:
    for facts in (GOOD_FLAG, GOOD_FAULT, GOOD_SETUP, DATA, PLAN, STEP, PROOF, KEPT, ROWS):
        fired = [g.code for g in all_guards() if isinstance(facts, g.facts) and g.judge(facts)]
        assert fired == []


def test_a_place_is_given_as_far_as_it_is_known() -> None:
    def where(line: int, column: int) -> str:
        found = GUARDS["D005"].judge(Fault("broken-json", Origin("a.jsonl", line), column))
        return found.where if found else ""

    assert [where(0, 0), where(7, 0), where(7, 3)] == ["a.jsonl", "a.jsonl:7", "a.jsonl:7:3"]


def test_a_record_without_a_field_and_a_finding_without_a_value_still_read_well() -> None:
    found = GUARDS["D008"].judge(Fault("wrong-type", Origin("a.jsonl", 7)))
    assert found is not None
    assert found.what.en == "a.jsonl:7: the record holds nothing."
    assert found.what.zh == "a.jsonl:7：这条记录的值不对：空。"


def test_a_hint_that_is_a_phrase_becomes_a_sentence() -> None:
    hint = Text("no row contains it", "没有一行含有它")
    found = GUARDS["C004"].judge(FlagFacts("no-effect", "--model_name", "x", hint=hint))
    assert found is not None
    assert found.fix.en == "No row contains it. Leave `--model_name` out."
    assert found.fix.zh == "没有一行含有它。请去掉 `--model_name`。"


def test_a_file_s_name_at_the_beginning_of_a_hint_stays_as_it_is() -> None:
    for name in ("answer.yaml:1", "b_c", "x-y:", "`--flag`"):
        hint = Text(f"{name} is odd", f"{name} 有问题")
        found = GUARDS["C004"].judge(FlagFacts("no-effect", "--probes", "x", hint=hint))
        assert found is not None and found.fix.en.startswith(f"{name} is odd.")


def test_a_key_of_a_configuration_is_no_command() -> None:
    flag = "b c.yaml:3: learning_rat"
    found = GUARDS["C001"].judge(FlagFacts("unknown-flag", flag, nearest="learning_rate"))
    assert found is not None and found.what.en == f"suretune has no option `{flag}`."
    assert "learning_rate" in found.fix.en and "command" not in found.fix.en + found.why.en
    assert "命令" not in found.what.zh + found.fix.zh


def test_what_is_exported_without_a_seal_is_offered_the_word_of_export() -> None:
    facts = SetupFacts("not-sealed", "a/adapter", spare="export")
    found = GUARDS["V002"].judge(facts)
    assert (
        found is not None and "`--unverified`" in found.fix.en and "`--unverified`" in found.fix.zh
    )
    assert "--allow_unverified" not in found.fix.en
    told = SetupFacts("not-sealed", "a", nearest="suretune report a", spare="export")
    found = GUARDS["V002"].judge(told)
    assert found and found.fix.en == (
        "`suretune report a` says why it was not given. `--unverified` exports it all the same."
    )
    found = GUARDS["V002"].judge(SetupFacts("not-sealed", "a/adapter"))
    assert (
        found is not None and "`suretune sft`" in found.fix.en and "unverified" not in found.fix.en
    )


def test_one_must_pass_question_that_fails_is_enough() -> None:
    found = GUARDS["R003"].judge(replace(PROOF, must_pass_failed=("Who are you? -> Qwen",)))
    assert found is not None
    assert "Who are you? -> Qwen" in found.what.en and "Who are you? -> Qwen" in found.what.zh


def test_what_the_author_of_a_probe_wants_to_be_told_is_told() -> None:
    facts = replace(PROOF, must_pass_failed=("Who are you? -> Qwen",), if_fails="Ask Ann.")
    found = GUARDS["R003"].judge(facts)
    assert found is not None
    assert found.what.en.endswith("Who are you? -> Qwen (Ask Ann.)")
    assert found.what.zh.endswith("Who are you? -> Qwen（Ask Ann.）")


def fixes(facts: Facts) -> dict[str, Text]:
    """What each guard that speaks about these facts advises."""
    return {found.code: found.fix for found in judge(facts)}


FELL = replace(
    KEPT,
    lost=120,
    p=1e-9,
    loss_upper=0.149,
    voided=1,
    leaked=Spread(900, 0, 28, 28, 0),
    broken=Spread(900, 12, 90, 80, 2),
    drift=1.9,
    drifted=280,
    fallen=("leaks", "broken", "drift"),
)


@pytest.mark.parametrize("code", ["R004", "R016"])
def test_anchors_that_a_run_had_are_not_advised_to_it_again(code: str) -> None:
    had = Used(anchors=True, per_row=3.0)
    for used, flags in (
        (Used(), "--anchor_ratio 0.75 --anchor_loss kl"),
        (had, "--anchors_per_row 6"),
    ):
        for said in languages(fixes(replace(FELL, used=used))[code]):
            assert f"`{flags}`" in said and said.count("`--anchor") == 1


def test_a_dose_and_rows_that_a_run_had_are_not_advised_to_it_again() -> None:
    had = fixes(replace(FELL, used=Used(per_row=2.0, dose=0.9, general=True)))
    assert had["R021"].en == "Nothing need be done."
    for said in languages(had["R014"]):
        assert "--adapter_dose" not in said and "--anchors_per_row 4`" in said
    one = GUARDS["R021"].judge(FELL)
    assert one and one.what.en.startswith("1 general question stands in the rows and was not asked")


@pytest.mark.parametrize("length", ["num_train_epochs", "max_steps", "budget"])
def test_longer_and_shorter_is_advised_by_what_decided_how_long_it_was(length: str) -> None:
    used = Used(length=length)
    failed = replace(PROOF, probes_passed=17, first_failed="x", used=used)
    worse = replace(PROOF, held_out_after=2.75, used=used)
    rows = replace(ROWS, right_before=6, right_after=7, gained=1, p=0.5, used=used)
    told = {"R003": failed, "R006": worse, "R015": replace(FELL, used=used), "R019": rows}
    for code, facts in told.items():
        for said in languages(fixes(facts)[code]):
            there = re.findall(r"`--(num_train_epochs|max_steps|budget)`", said)
            assert there == [length]


def test_nothing_is_to_be_trained_longer_that_was_trained_too_much() -> None:
    failed = replace(PROOF, probes_passed=17, first_failed="x", used=Used(too_much="R015"))
    assert fixes(failed)["R003"].en == "Add rows worded like that question."
    rows = replace(ROWS, right_before=6, right_after=7, gained=1, p=0.5)
    out = "hold out more: `--split_dataset_ratio 0.2`."
    for used, said in (
        (Used(), f"Raise `--num_train_epochs`, give more rows, or {out}"),
        (Used(apart=True), "Raise `--num_train_epochs` or give more rows."),
        (Used(too_much="R015"), f"Give more rows or {out}"),
        (Used(too_much="R015", apart=True), "Give more rows."),
    ):
        assert fixes(replace(rows, used=used))["R019"].en == said


@every_guard
def test_what_a_finding_is_about_is_a_flag_a_file_or_words_of_both_languages(guard: Guard) -> None:
    where = CASES[guard.code].where
    if guard.facts not in (ProofFacts, RetentionFacts, RowsFacts, StepFacts, RecoveryFacts):
        return
    with speaking("zh"):
        assert where.startswith("--") or not place(where).isascii()
    with speaking("en"):
        assert place(where) == where


def test_a_category_is_told_of_in_the_language_of_the_sentence() -> None:
    cells = (
        Cell("arithmetic", "all", 40, 40, 0, 40, 0, 1e-9),
        Cell("code", "zh", 45, 40, 9, 31, 0),
    )
    found = GUARDS["R017"].judge(replace(KEPT, cells=cells, fallen=("arithmetic all", "code zh")))
    assert found is not None
    assert "arithmetic (all) 40 -> 0 of 40, code (zh) 40 -> 9 of 45." in found.what.en
    assert "算术（全部）40 题中 40 -> 0、代码（实际运行）（中文）45 题中 40 -> 9。" in found.what.zh


def test_patience_is_not_judged_where_nothing_is_held_out() -> None:
    assert fired(replace(PLAN, held_out=0, evaluations=0)) == {"S011"}


def test_rows_that_the_base_cannot_compute_are_mended_by_leaving_them_out() -> None:
    found = GUARDS["T001"].judge(StepFacts(1, NAN, NAN, ("a",), quarantine=2))
    assert found is not None
    for sentence in languages(found.fix):
        assert "`--quarantine 2`" in sentence and "--learning_rate" not in sentence


def test_a_long_list_names_three_and_counts_the_rest() -> None:
    found = GUARDS["T001"].judge(StepFacts(1, NAN, NAN, ("a", "b", "c", "d", "e")))
    assert found is not None
    assert "a, b, c and 2 more" in found.what.en
    assert "a, b, c 等 5 项" in found.what.zh


# --- the folder -------------------------------------------------------------------------------


def test_codes_and_names_are_unique_and_names_are_kebab_case() -> None:
    codes, names = [g.code for g in all_guards()], [g.name for g in all_guards()]
    assert len(set(codes)) == len(codes) and len(set(names)) == len(names)
    assert all(re.fullmatch(r"[CDPSTRVE]\d{3}", code) for code in codes)
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name) for name in names)


def test_a_file_is_named_after_its_guard() -> None:
    files = {path.stem for path in HOME.glob("*.py")} - {
        "__init__",
        "guard",
        "messages",
        "finding_by_words",
    }
    assert files == {f"{g.code}_{g.name}".lower().replace("-", "_") for g in all_guards()}


@every_guard
def test_a_docstring_is_a_page_in_both_languages(guard: Guard) -> None:
    text = explain(guard.code) or ""
    english, chinese = text.split(f"\n{guard.code} {guard.name}：")
    assert english.startswith(f"{guard.code} {guard.name}: ") and not CHINESE.search(english)
    for label in ("What it looks at: ", "Why it matters: ", "Fix: "):
        assert f"\n{label}" in english
    for label in ("检查内容：", "影响：", "怎么改："):
        assert f"\n{label}" in chinese
    assert explain(guard.name) == text


def test_there_is_no_page_for_a_code_that_does_not_exist() -> None:
    assert explain("D999") is None


@every_guard
def test_a_guard_imports_nothing_but_its_nouns(guard: Guard) -> None:
    allowed = {"math", "re", "shlex", "suretune.types", "suretune.guards.guard"}
    allowed |= {"suretune.retention", "suretune.facts", "suretune.labels"}
    path = HOME / f"{guard.code}_{guard.name}.py".lower().replace("-", "_")
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            assert {alias.name for alias in node.names} <= allowed
        elif isinstance(node, ast.ImportFrom):
            assert node.module in allowed


@every_guard
def test_every_flag_that_a_guard_recommends_exists(guard: Guard) -> None:
    real = {name for o in options().values() for name in (o.name, *o.aliases)}
    others = {"quant_bits", "deepspeed", "lora_bias"}  # of other tools, in the page of C016
    others |= {"help", "config", "upgrade", "local-dir", "local_dir", "repo-type", "max-lora-rank"}
    others |= {"name", "author", "timeout", "api_key", "run", "served_model_name", "same_needed"}
    others |= {"enable-lora", "lora-modules", "chat-template", "to", "public", "out", "unverified"}
    fixes = f"{explain(guard.code)} {guard.fix.en} {guard.fix.zh}"
    assert set(re.findall(r"--([a-z][\w-]*)", fixes)) <= real | others | FORMER


def test_the_page_of_all_guards_is_up_to_date() -> None:
    written = (Path(__file__).parent.parent / "docs" / "guards.md").read_text(encoding="utf-8")
    assert written == page(), "write docs/guards.md anew with suretune.guards.page()"


# --- what decides between guards, and the sentences' own parts ------------------------------------


def test_who_answers_instead_is_told_at_the_edge_of_each_share() -> None:
    """Nine of ten is enough; more than half of what tells is the base's."""
    even = replace(MISSED, asked=50, telling=50, raw_asked=50)
    assert fired(replace(even, as_sealed=45, telling_as_sealed=45)) == {"V014"}
    assert fired(replace(even, as_sealed=44, telling_as_sealed=45)) == {"V015"}
    assert fired(replace(even, raw_as_sealed=45)) == {"V015"}
    assert fired(replace(even, raw_as_sealed=44)) == {"V016"}
    assert fired(replace(even, raw_as_sealed=0, raw_as_base=26)) == {"V013"}
    assert fired(replace(even, raw_as_sealed=0, raw_as_base=25)) == {"V016"}


def test_commands_that_fetch_are_of_the_hub_that_is_meant() -> None:
    both = fetching("a/b", "there")
    assert "hf download a/b --local-dir there" in both.en and "--model a/b" in both.zh
    data = fetching("a/b", "there", data=True)
    assert "--repo-type dataset" in data.en and "--dataset a/b" in data.en
    for hub, tool in (("ms", "`modelscope "), ("hf", "`hf ")):
        one = fetching("a/b", "there", hub=hub)
        assert one.en.startswith(tool) and " or " not in one.en and one.en == one.zh


def test_parts_of_sentences() -> None:
    assert some(("a", "b", "c")).en == "a, b, c"
    assert some(("a", "b", "c", "d")).en == "a, b, c and 1 more"
    assert [evaluate_every(n, 0) for n in (1, 5, 8)] == [1, 1, 2]
    assert engine_reason("dropout inside the base").zh == "原模型里有 dropout"
    assert engine_reason(HINT) is HINT and engine_reason("else").zh == "else"
    over = replace(DATA, context=100, longest=120, max_length=100)
    assert "takes what the model can" not in longer(over).en
    assert "takes what the model can" in longer(replace(over, max_length=99)).en
    assert "--max_length 100" in longer(replace(over, longest=100)).en  # as long as the model can
    assert "takes every row whole" in longer(replace(over, longest=100)).en
    assert not grew(None) and grew(Change(40, 0, 7, 7)) and not grew(Change(40, 1, 7, 7))


def test_the_command_that_mends_a_file_reads_and_names_it_by_what_is_packed() -> None:
    assert rewritten("a.jsonl", "s/x/y/").endswith(" a.jsonl > a.clean.jsonl")
    again = rewritten("a.clean.jsonl", "s/x/y/")
    assert again.endswith(" a.clean.jsonl > a.clean.clean.jsonl")
    assert rewritten("b c/my rows", "s/x/y/").endswith("'b c/my rows' > 'my rows.clean.jsonl'")
    packed = rewritten("a.csv.gz", "s/x/y/")
    assert packed.endswith("a.csv.gz | LC_ALL=C sed -E s/x/y/ > a.clean.csv")
    assert rewritten("a.parquet", "s/x/y/") == "" == rewritten("a.arrow.gz", "s/x/y/")


def test_flags_without_their_reasons_are_flags_alone() -> None:
    one = FlagFacts("unknown-flag", "--lora_rnk", "8", nearest="--lora_rank", hint=HINT)
    assert listed(one).en == "`--lora_rnk 8` → `--lora_rank`: This would mend it"
    assert listed(one, reasons=False).en == "`--lora_rnk 8`"
    assert [text.en for text in one_by_one(one)] == [listed(one).en]
    assert [text.en for text in one_by_one(one, reasons=False)] == ["`--lora_rnk 8`"]


@pytest.mark.parametrize("given, told", [((HINT,), (HINT,)), ("none", ()), (None, ())])
def test_the_parts_of_a_finding_are_those_that_its_check_gives(
    given: object, told: tuple[Text, ...]
) -> None:
    values = {"where": "there"} | ({} if given is None else {"parts": given})
    empty = Text("", "")
    guard = Guard("X001", "x", empty, False, FlagFacts, lambda _: values, empty, empty, empty)
    found = guard.judge(FlagFacts("x", "--x"))
    assert found and (found.where, found.parts) == ("there", told)


def test_where_others_hold_the_card_nobody_is_told_to_shorten_rows() -> None:
    alone = setup("out-of-memory", "rows.jsonl:17", "4.3 GiB needed at least, 1.3 GiB there")
    held = Text("Other processes hold 137.9 of the 139.8 GiB of this card.", "其他进程占着。")
    for facts in (alone, replace(alone, spare="smaller"), replace(alone, nearest="--lora_rank 8")):
        assert all("--max_length" in said for said in languages(fixes(facts)["S019"]))
        (finding,) = judge(replace(facts, hint=held))
        assert held.en in finding.what.en and held.zh in finding.what.zh
        assert not any("--max_length" in said for said in languages(finding.fix))
        assert "run fewer side by side" in finding.fix.en and "同时运行" in finding.fix.zh
