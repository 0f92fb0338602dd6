"""suretune's own words: each in both languages, in one sentence, with what the field calls it.

`suretune explain seal` reads it, docs/glossary.md is printed from it, and a test holds the screens
to it.
"""

from __future__ import annotations

from dataclasses import dataclass

from suretune.types import Text


@dataclass(frozen=True, slots=True)
class Term:
    """`name` is the word itself, `field` what others call it, `also` other ways to ask for it."""

    name: Text
    about: Text
    field: str
    also: tuple[str, ...] = ()

    def page(self) -> Text:
        """What `explain` prints."""
        return Text(
            f"{self.name.en}: {self.about.en}\n\nThe field's term: {self.field}."
            f" In Chinese: {self.name.zh}.",
            f"{self.name.zh}：{self.about.zh}\n\n通行的说法：{self.field}。英文：{self.name.en}。",
        )


def _term(en: str, zh: str, field: str, about: str, about_zh: str, *also: str) -> Term:
    return Term(Text(en, zh), Text(about, about_zh), field, also)


TERMS = (
    _term(
        "proof", "验证", "evaluation before and after",
        "a fresh process loads the adapter from disk, asks what the base was asked before training,"
        " and checks that it learned what it should and lost nothing else.",
        "用全新的进程从磁盘加载适配器，把训练前问过原模型的问题再问一遍，看该学的学会了没有，"
        "别的能力丢了没有。",
        "prove", "proven",
    ),
    _term(
        "sealed", "验证通过", "verified",
        "the verdict of a run whose adapter passed every check of the proof.",
        "一次运行的结论：适配器通过了验证的每一项检查。",
        "已验证", "verified", "not sealed", "没有通过验证",
    ),
    _term(
        "seal", "验证记录", "proof record",
        "the file VERIFIED.json of a run folder: hashes, questions and answers, so that anybody can"
        " check them again (`suretune verify RUN`).",
        "运行文件夹里的 VERIFIED.json：文件的哈希值、问题和回答，谁都可以据此重新验证"
        "（`suretune verify 运行`）。",
        "VERIFIED.json", "重新验证",
    ),
    _term(
        "probe", "验证问题", "evaluation prompt",
        "a question with words that a right answer contains and words that it does not.",
        "一个问题，连同答对时应有的词和不应有的词。",
        "probes",
    ),
    _term(
        "must-pass probe", "必过的验证问题", "required evaluation prompt",
        "a probe without which no run is sealed.",
        "有一个没通过，就不算验证通过的验证问题。",
        "must-pass", "must pass", "必过",
    ),
    _term(
        "held-out phrasing", "没学过的问法", "held-out paraphrase",
        "a probe in words that stand in no row: it shows that no text was"
        " merely learned by heart.",
        "换一种数据里没有的问法来问：看模型是学会了，还是只背下了原文。",
        "held-out paraphrases", "paraphrase",
    ),
    _term(
        "held-out rows", "留出数据", "validation split",
        "rows that are never trained on; the loss on them tells whether more than these rows was"
        " learned.",
        "不参与训练的数据；看它们的损失，就知道学到的是不是只有训练过的那些。",
        "held out", "held-out", "留出", "held-out loss",
    ),
    _term(
        "general questions", "通用问题", "forgetting benchmark",
        "questions that have nothing to do with your rows, asked before and after: they show what"
        " was lost.",
        "与你的数据无关的问题，训练前后各问一遍：看丢掉了哪些原有的能力。",
        "通用能力", "skills",
    ),
    _term(
        "net loss", "净损失", "accuracy drop",
        "general questions right before and wrong now, less those wrong before and right now.",
        "原来答对、现在答错的通用问题，减去原来答错、现在答对的。",
    ),
    _term(
        "drift", "与原模型的差异（KL）", "KL divergence to the base",
        "how far the answers to general questions moved away from the base's, in nats a token; 0 is"
        " the base itself.",
        "回答通用问题时，与原模型相差多少；越小越接近原模型，0 表示与原模型相同。",
        "KL", "与原模型的差异",
    ),
    _term(
        "leaked", "泄漏", "overgeneralisation",
        "the new name, or the rows' words, in an answer that is about something else.",
        "在别的问题上，也说出了新名字或训练数据里的话。",
        "leak", "leaks",
    ),
    _term(
        "near miss", "近似问题", "hard negative",
        "a question shaped like yours about something else, such as who wrote a book: the new name"
        " must not be its answer.",
        "样子相近、问的却是别的事的问题，例如“这本书是谁写的”：回答里不能出现新名字。",
        "near misses",
    ),
    _term(
        "broken speech", "回答异常", "degenerate output",
        "an answer that goes round in circles, is empty, or is in another language.",
        "原地打转、空白，或换了语言的回答。",
    ),
    _term(
        "anchors", "锚定问答", "rehearsal, self-distillation",
        "general questions that the base itself answered, learned along with your rows, so that it"
        " stays as it is elsewhere.",
        "由原模型自己回答的通用问答，和你的数据一起训练，让模型在别的问题上保持原样。",
        "anchor", "anchor_ratio",
    ),
    _term(
        "dose", "适配器强度", "adapter scale",
        "the share of the trained adapter that is published: the least that passes, and a margin;"
        " `--adapter_dose` sets it.",
        "发布的适配器取训练所得的几成：够通过验证的最小值，再留余量；可用 `--adapter_dose` 指定。",
        "adapter_dose", "强度",
    ),
    _term(
        "base", "原模型", "base model",
        "the model as it was downloaded, without an adapter.",
        "下载下来的那个模型，没有加载适配器。",
        "基座", "基座模型",
    ),
    _term(
        "adapter", "适配器", "LoRA adapter",
        "the small set of weights that training makes; the base stays as it is.",
        "训练得到的一小组权重；原模型本身不变。",
        "lora",
    ),
    _term(
        "ledger", "数据清单", "data manifest",
        "the file ledger.jsonl of a run folder: what became of every row, and why.",
        "运行文件夹里的 ledger.jsonl：每一行数据的去向和原因。",
        "ledger.jsonl", "台账",
    ),
    _term(
        "finding", "检查结果", "diagnostic",
        "something that a check found: an error stops the run, a note is recorded.",
        "检查发现的情况：错误会让运行停下，提示只是记下来。",
        "error", "note", "错误", "提示",
    ),
    _term(
        "update", "更新", "optimizer step",
        "one step of the optimizer, over some rows together.",
        "优化器走一步；一次更新用若干行数据。",
        "optimizer step", "优化器步",
    ),
    _term(
        "pass", "前向", "micro-batch",
        "the part of an update that is computed at once; its size changes no result.",
        "一次更新里一起计算的一部分（微批）；分成几部分不影响结果。",
        "micro-batch", "微批",
    ),
    _term(
        "patience", "早停容忍次数", "early stopping patience",
        "how many evaluations in a row may be no better before training stops"
        " (`--early_stopping_patience`).",
        "连续多少次评估没有变好就停止训练（`--early_stopping_patience`）。",
        "early stopping", "early_stopping_patience", "早停",
    ),
    _term(
        "quarantine", "跳过算不出结果的数据", "bad-sample exclusion",
        "rows for which the base itself computes NaN or Inf are left out and listed, as many as"
        " `--quarantine` allows.",
        "原模型自己就会算出 NaN 或 Inf 的数据，跳过并逐行列出；最多几行由 `--quarantine` 决定。",
    ),
    _term(
        "NaN or Inf", "NaN 或 Inf", "non-finite value",
        "a loss or a gradient that is no number any more; what follows from it is worthless.",
        "损失或梯度不再是正常的数，继续下去的结果没有用。",
        "nan", "inf", "not finite",
    ),
    _term(
        "budget", "时间预算", "wall-clock budget",
        "the time for the whole run, proof included (`--budget 10m`).",
        "整个运行可用的时间，含验证（`--budget 10m`）。",
    ),
    _term(
        "run", "运行", "training run, output directory",
        "one training with its proof, and the folder with all that belongs to it.",
        "一次训练连同验证，以及存放它的一切的运行文件夹。",
        "run folder", "运行文件夹",
    ),
)  # fmt: skip


def find(word: str) -> Term | None:
    """The term that is called so in either language; None where it is no word of suretune's own."""
    asked = _plain(word)
    for term in TERMS:
        if asked in map(_plain, (term.name.en, term.name.zh)):
            return term
    return next((term for term in TERMS if asked in map(_plain, term.also)), None)


def _plain(word: str) -> str:
    return " ".join(word.split()).casefold().replace("(", "（").replace(")", "）")


def page() -> str:
    """docs/glossary.md, both languages side by side."""
    lines = [
        "# Glossary · 术语表",
        "",
        "suretune's own words, and what the field calls them. `suretune explain seal` prints one."
        " · 本工具的用语，以及通行的说法；`suretune explain 验证记录` 显示其中一个。",
        "",
        "| | 中文 | the field | meaning | 含义 |",
        "|---|---|---|---|---|",
    ]
    for term in TERMS:
        cells = (term.name.en, term.name.zh, term.field, term.about.en, term.about.zh)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
