"""Thousands of files that are nearly right: no traceback, and no row lost without a word.

Real files and made-up ones are cut, flipped, spliced and re-encoded; Hypothesis makes up bytes.
Each is read as `check` reads it, to the ledger, in a child with little memory. Two things are
then counted. Inside: every row that was read is in the ledger once. Outside, by a reader of three
lines that shares nothing with the real one: every line that is not blank, or every element of
what `json.loads` makes of the file, is a row or a fault, up to the place that a fault names.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import random
import re
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from chaos import nursery, rows

PER_CHILD = 100  # files
ROOM = nursery.GIB  # of address space beyond the libraries
SLOW = 10.0  # seconds that one file may take
GIVEN_UP = 1000  # faults of one file, after which reading stops
TEXTS = (".jsonl", ".json", ".csv", ".tsv", ".txt")

# --- files --------------------------------------------------------------------------------------

Seed = tuple[str, bytes]  # name, content


def seeds() -> list[Seed]:
    """What is mutated: the head of every real file, and small files of every format."""
    made = [(path.name, _head(path)) for path in _real()]
    items = [*rows.tasks(6), {"instruction": "你是谁", "input": "", "output": "我是小光。"}]
    chats = [{"messages": [{"role": "user", "content": "Hi"},
                           {"role": "assistant", "content": f"Hello {i}"}]} for i in range(5)]  # fmt: skip
    lines = "".join(json.dumps(item, ensure_ascii=False) + "\n" for item in items).encode()
    sheet = io.StringIO()
    writer = csv.writer(sheet)
    writer.writerow(["instruction", "output"])
    writer.writerows([i["instruction"], i["output"] + ' "x",\ny'] for i in items)
    made += [
        ("a.jsonl", lines),
        ("b.jsonl", "".join(json.dumps(c) + "\r\n" for c in chats).encode()),
        ("c.json", json.dumps(items, ensure_ascii=False, indent=1).encode()),
        ("d.json", json.dumps({"version": 1, "data": items}).encode()),
        ("e.csv", sheet.getvalue().encode()),
        ("f.tsv", sheet.getvalue().replace(",", "\t").encode("utf-8-sig")),
        ("g.jsonl.gz", gzip.compress(lines, mtime=0)),
        ("h.jsonl.zst", _zstd(lines)),
        ("i.parquet", _parquet(items)),
        ("j.txt", "One line.\n\n另一行。\n".encode()),
    ]
    return made


def _real() -> list[Path]:
    folders = ("wild", "wild/tiny_formats", "alpaca", "self_cognition")
    found = [path for name in folders for path in sorted((rows.SHARED / name).glob("*.*"))]
    return [path for path in found if path.is_file() and path.suffix in (*TEXTS, ".parquet")]


def _head(path: Path) -> bytes:
    """The first few kilobytes, to a line's end; a table that compresses itself stays whole."""
    data = path.read_bytes()
    return data if path.suffix == ".parquet" else data[: data.find(b"\n", 4000) + 1 or 6000]


def _zstd(data: bytes) -> bytes:
    import zstandard

    return bytes(zstandard.compress(data))


def _parquet(items: Sequence[Any]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([{k: str(v) for k, v in i.items()} for i in items]), sink)
    return sink.getvalue()


TOKENS = (
    b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b"\n", b"\r", b"\r\n", b"\0", b"\\u0000",
    b"\\ud800", b"NaN", b"Infinity", b"1e999", b"null", b"-", b"'", b"\xef\xbb\xbf", b"\xff\xfe",
    b"\xff", b"\x80", b"\xc0\xaf", "“".encode(), "，".encode(), b"\t", b"#", b"//", b"\x1b[31m",
    "\u2028".encode(), "\u202e".encode(), b"<|im_start|>", b"{{NAME}}", b"9" * 400, b"[" * 300,
    b'{"a":' * 80, b'"output": ', b"\x1a", b"\x85",
)  # fmt: skip


def mutated(data: bytes, chance: random.Random, other: bytes) -> bytes:
    """One to four small accidents."""
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(data) + 1)
        end = min(len(data), at + chance.choice((1, 1, 2, 5, 40, 400)))
        how = chance.randrange(9)
        if how == 0:
            data = data[:at]
        elif how == 1:
            data = data[:at] + data[end:]
        elif how == 2:
            data = data[:at] + chance.choice(TOKENS) + data[at:]
        elif how == 3 and data[at:end]:
            data = data[:at] + bytes(chance.randrange(256) for _ in data[at:end]) + data[end:]
        elif how == 4 and at < len(data):
            data = data[:at] + bytes([data[at] ^ (1 << chance.randrange(8))]) + data[at + 1 :]
        elif how == 5:
            data = data[:at] + data[at:end] * 2 + data[end:]
        elif how == 6:
            lines = data.splitlines(keepends=True)
            chance.shuffle(lines)
            data = b"".join(lines)
        elif how == 7:
            data = data[:at] + other[chance.randrange(len(other) + 1) :][:500] + data[at:]
        else:
            data = data.replace(*chance.choice(((b"\n", b"\r\n"), (b"\n", b""), (b'"', b"'"),
                                                (b", ", b","), (b"\n", b"\n\n"))))  # fmt: skip
    return data


def made_up(seed: int, number: int) -> list[Seed]:
    """What Hypothesis thinks of: bytes, text, JSON values, rows with anything in them."""
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import seed as seeded
    from hypothesis import strategies as st

    text = st.text(max_size=40)
    value = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | text,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
        max_leaves=12,
    )
    key = st.sampled_from(("instruction", "input", "output", "messages", "conversations", "text",
                           "prompt", "completion", "system", "history", "role", "content")) | text  # fmt: skip
    row = st.dictionaries(key, value, max_size=5)
    turn = st.fixed_dictionaries({"role": st.sampled_from(("user", "assistant", "system")) | text,
                                  "content": value | text})  # fmt: skip
    chat = st.fixed_dictionaries({"messages": st.lists(turn, max_size=4) | value})
    lines = st.lists(row | chat | value, max_size=6).map(
        lambda items: "".join(json.dumps(i) + "\n" for i in items).encode()
    )
    content = st.binary(max_size=300) | text.map(lambda t: t.encode("utf-8", "replace")) | lines
    content |= value.map(lambda v: json.dumps(v, indent=1).encode())
    ending = st.sampled_from((*TEXTS, ".jsonl", ".json", ".jsonl.gz", ".jsonl.zst", ".parquet"))
    found: list[Seed] = []

    @seeded(seed)
    @settings(max_examples=number, database=None, deadline=None, phases=[Phase.generate],
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(content, ending)
    def collect(data: bytes, ending: str) -> None:
        found.append((f"made{ending}", data))

    collect()
    return found


def files(seed: int, number: int) -> Iterator[Seed]:
    """A quarter made up, the rest mutated; the same for the same seed."""
    chance = random.Random(seed)
    sources, invented = seeds(), made_up(seed, max(1, number // 4))
    for index in range(number):
        if index % 4 == 0 and index // 4 < len(invented):
            name, data = invented[index // 4]
            yield f"{index}-{name}", data
            continue
        name, data = chance.choice(sources)
        yield f"{index}-{name}", mutated(data, chance, chance.choice(sources)[1])


# --- what must hold -----------------------------------------------------------------------------


def judge(path: Path, how: Any) -> dict[str, Any]:
    """Read a file as `check` does; what was lost, if anything."""
    from suretune.data.collect import NOTES, collect
    from suretune.data.sources import parse_source
    from suretune.options import DataOptions

    found = collect([parse_source(str(path))], DataOptions(mixed_shapes=True), how, 1)
    ready = [row.example.origin for row in found.ready]
    told = [entry.origin for entry in found.entries]
    read = sum(found.read.values())
    faults = [fault for fault in found.faults if fault.kind not in NOTES]
    wrong = []
    places = [*ready, *told]
    # A fault may stand on a row's line, a stray comma for example; two rows have two names.
    rows_only = [*ready, *(entry.origin for entry in found.entries if entry.state != "rejected")]
    if len(set(rows_only)) != len(rows_only):
        wrong.append("a row is in the ledger twice")
    if read != len(places):
        wrong.append(f"{read} rows read, {len(places)} in the ledger")
    if not places and not faults:
        wrong.append("nothing was read and nothing said")
    wrong += lost(path, {*(p.line for p in places), *(f.origin.line for f in faults)},
                  len(places), faults)  # fmt: skip
    return {"wrong": wrong, "rows": read, "faults": len(faults)}


def plain_text(path: Path) -> str | None:
    """The file as text, where that is beyond doubt."""
    data = path.read_bytes()
    try:
        if path.suffix == ".gz":
            data = gzip.decompress(data)
        elif path.suffix == ".zst":
            import zstandard

            data = zstandard.ZstdDecompressor().decompress(data, max_output_size=1 << 26)
        return data.decode("utf-8-sig")
    except Exception:  # damaged: then the reader must have said so, which `judge` looks at
        return None


def lost(path: Path, lines: set[int], count: int, faults: Sequence[Any]) -> list[str]:
    """What the plain reader sees and the real one does not mention."""
    ending = next((e for e in (*TEXTS, ".parquet") if e in path.name), "")
    text = None if ending == ".parquet" else plain_text(path)
    if text is None:
        if ending == ".parquet" and not faults:
            import pyarrow.parquet as pq

            stored = pq.ParquetFile(path).metadata.num_rows
            return [] if stored == count else [f"{stored} rows stored, {count} read"]
        return [] if faults else ["undecodable, and nothing said"]
    if ending in (".jsonl", ".txt") and not _printed(text):
        return _lost_lines(text, lines, faults)
    if ending in (".json", ".jsonl"):
        return _lost_elements(text, count, faults)
    if ending in (".csv", ".tsv") and not faults:
        return _lost_records(text, count)
    return []


def _printed(text: str) -> bool:
    """Whether JSON lines may also be read as one document, so that lines are no measure."""
    first = next((line.strip() for line in re.split("[\r\n]", text) if line.strip()), "")
    if first[:1] not in ("{", "["):
        return False
    try:
        return not isinstance(json.loads(first), dict)
    except ValueError:
        return True


def _lost_lines(text: str, lines: set[int], faults: Sequence[Any]) -> list[str]:
    """Lines that are not blank and that nobody mentions, up to where reading stopped."""
    ended = len(faults) >= GIVEN_UP or any(f.ends or f.origin.line == 0 for f in faults)
    whole = re.sub("\r\n?", "\n", text).split("\n")
    silent = [n for n, line in enumerate(whole, 1) if line.strip(" \t\ufeff") and n not in lines]
    if not silent or (ended and min(silent) > max(lines, default=0)):
        return []
    return [f"line {silent[0]} is in no ledger: {whole[silent[0] - 1][:60]!r}"]


def _lost_elements(text: str, count: int, faults: Sequence[Any]) -> list[str]:
    """Elements of a document, where it is one that was read to its end."""
    if any(fault.ends or fault.origin.line == 0 for fault in faults):
        return []
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        if count or not faults:
            return _lost_values(text, count)
        return []
    if isinstance(value, dict) and count != 1:
        value = next((v for v in value.values() if isinstance(v, list) and v), [])
    if isinstance(value, list) and count != len(value) and count != 1:
        return [f"{len(value)} elements, {count} in the ledger"]
    return []


def _lost_values(text: str, count: int) -> list[str]:
    """Values one after another: the plain decoder counts them, too."""
    decoder, at, number, most = json.JSONDecoder(), 0, 0, 0
    while (rest := text[at:].lstrip()) and number <= count:
        try:
            value, end = decoder.raw_decode(rest)
        except (ValueError, RecursionError):
            return [] if number <= count else ["more rows than values"]
        at, number, most = len(text) - len(rest) + end, number + 1, most + _most_rows(value)
    lines = sum(bool(line.strip()) for line in text.split("\n"))
    # Where one line is damaged the file is read line by line, and a line is a row or a refusal.
    fits = count == lines or number <= count <= most
    return [] if fits else [f"{number} values, {count} in the ledger"]


def _most_rows(value: Any) -> int:
    """As many as a value can be: one, or the elements of a list that it holds."""
    if isinstance(value, list):
        return max([1, len(value), *map(_most_rows, value)])
    return max([1, *map(_most_rows, value.values())]) if isinstance(value, dict) else 1


def _lost_records(text: str, count: int) -> list[str]:
    """Records of a table, by any delimiter that may have been meant, with or without a header."""
    text = re.sub("\r\n?", "\n", text)
    possible = set()
    for delimiter in ",;\t":
        try:
            records = list(csv.reader(io.StringIO(text), delimiter=delimiter, strict=True))
        except csv.Error:
            continue
        full = sum(any(cell.strip() for cell in record) for record in records)
        possible |= {full, full - 1}
    return [] if count in possible or not possible else [f"{count} rows, not one of {possible}"]


# --- the run ------------------------------------------------------------------------------------


def part(folder: Path, *, amount: int, seed: int, more_time: Any) -> dict[str, Any]:
    """Read `amount` files in children of `PER_CHILD` each; then damaged models and adapters."""
    batch: list[Seed] = []
    told: dict[str, Any] = {"fuzzed_files": 0, "tracebacks": 0, "rows_lost": 0, "fuzzed_rows": 0,
                            "fuzzed_faults": 0, "slowest": 0.0, "largest_mb": 0}  # fmt: skip
    problems: list[str] = []
    for item in files(seed, amount):
        batch.append(item)
        if len(batch) == PER_CHILD:
            _read(folder, batch, told, problems)
            batch = []
            if not more_time():
                break
    if batch:
        _read(folder, batch, told, problems)
    told["real_files"] = len(_real())
    return {**told, "problems": problems}


def _read(folder: Path, batch: Sequence[Seed], told: dict[str, Any], problems: list[str]) -> None:
    """One child for many files; one that ends it is read again alone, and the rest after it."""
    home = folder / "files"
    home.mkdir(exist_ok=True)
    ended = nursery.forked(lambda: _child(home, batch), folder, timeout=SLOW * len(batch))
    results = [json.loads(line) for line in ended.out.splitlines() if line.startswith("{")]
    told["largest_mb"] = max(told["largest_mb"], ended.grown >> 20)
    for (name, data), result in zip(batch, results, strict=False):
        told["fuzzed_files"] += 1
        told["fuzzed_rows"] += result.get("rows", 0)
        told["fuzzed_faults"] += result.get("faults", 0)
        told["slowest"] = max(told["slowest"], result["seconds"])
        if "error" in result:
            told["tracebacks"] += 1
            problems.append(f"{name}: {result['error']} {_kept(name, data)}")
        for wrong in result.get("wrong", ()):
            told["rows_lost"] += 1
            problems.append(f"{name}: {wrong} {_kept(name, data)}")
    if len(results) < len(batch):
        name, data = batch[len(results)]
        told["tracebacks"] += 1
        told["fuzzed_files"] += 1
        problems.append(f"{name}: ended the process ({ended.signal or ended.last_words}) "
                        f"{_kept(name, data)}")  # fmt: skip
        if batch[len(results) + 1 :]:
            _read(folder, batch[len(results) + 1 :], told, problems)


def _kept(name: str, data: bytes) -> str:
    """Where a file lies that found something."""
    home = Path(os.environ.get("CHAOS_KEEP", "/tmp/chaos-found"))
    home.mkdir(parents=True, exist_ok=True)
    (home / name).write_bytes(data)
    return f"[{home / name}]"


def _child(home: Path, batch: Sequence[Seed]) -> int:
    from suretune.data.render import Rendering
    from suretune.data.template import ChatTokenizer, load_tokenizer
    from suretune.pocket import MODEL

    tokenizer = load_tokenizer(MODEL)
    assert isinstance(tokenizer, ChatTokenizer)
    how = Rendering(tokenizer, None, 1024, False, False)
    look: Callable[[Path], dict[str, Any]] = lambda path: judge(path, how)  # noqa: E731
    nursery.limit_address_space(ROOM)
    for name, data in batch:
        path = home / name
        path.write_bytes(data)
        start = time.monotonic()
        try:
            result = look(path)
        except BaseException as error:
            result = {"error": f"{type(error).__name__}: {error}"[:300]}
        result["seconds"] = round(time.monotonic() - start, 3)
        print(json.dumps(result), flush=True)
        path.unlink()
    return 0
