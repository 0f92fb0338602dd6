"""Held-out rows: what of their answers can be compared, and what the comparison says."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suretune.data.examples import to_example
from suretune.data.rows import read_rows
from suretune.data.sources import Source, parse_source
from suretune.types import Example, Message, Origin, Row
from suretune.verify.compare import compare, judge, judge_rows, kind_of, label_keys, row_of
from suretune.verify.compare_text import LONGEST, SHORT
from suretune.verify.compared_rows import KINDS, Comparison, Kind, Verdict
from suretune.verify.forms import form_of

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
YES, NO = Verdict(True, True), Verdict(False, False)
KEYS_ONLY = Verdict(True, False)


def kinds(*rows: tuple[str, str], trained: Sequence[tuple[str, str]] = ()) -> list[Kind | None]:
    return kind_of(rows, trained)


def right(prompt: str, reference: str, answer: str) -> bool | None:
    """What is said of one answer to one row that stands alone."""
    (kind,) = kind_of([(prompt, reference)])
    return None if kind is None else judge(kind, prompt, reference, answer).right


# --- JSON ---------------------------------------------------------------------------------------


def test_json_with_a_wrong_label_is_wrong() -> None:
    """Keys alone would call every answer of a classifier right, whatever its class."""
    names = ("positive", "negative")

    def answer(n: int, label: str) -> str:
        return json.dumps({"label": label, "why": f"Word {n} says so."})

    rows = [(f"Review {n}. JSON with label and why.", answer(n, names[n % 2])) for n in range(60)]
    trained, held = rows[:40], rows[40:]
    assert label_keys([answer for _, answer in trained]) == ["label"]
    base = ["It is good."] * 20
    other = [answer(n, names[n % 2]).replace("Word", "The word") for n in range(40, 60)]
    wrong = [answer(n, names[1 - n % 2]) for n in range(40, 60)]
    odd = [answer(n, "banana") for n in range(40, 60)]
    ways = (([answer for _, answer in held], 20), (other, 20), (wrong, 0), (odd, 0))
    for said, right_after in ways:
        assert judge_rows(held, base, said, trained).right_after == right_after
    capital = [a.replace("positive", "Positive") for _, a in held]
    assert judge_rows(held, base, capital, trained).right_after == 20


PERSON = '{"name": "Ann", "address": {"city": "Rome", "zip": null}, "tags": [{"id": 1}]}'


@pytest.mark.parametrize(
    "answer, verdict",
    [
        (PERSON, YES),
        (f"```json\n{PERSON}\n```", YES),
        ('{"tags":[{"id":1.0}],"address":{"zip":null,"city":"Rome"},"name":" Ann"}', YES),
        (PERSON.replace("Ann", "Bob"), KEYS_ONLY),
        (PERSON.replace("[{", '[{"id": 1}, {'), KEYS_ONLY),  # as many as there are
        (PERSON.replace("[{", '[{"id": 2}, {'), NO),
        (PERSON.replace('"id": 1', '"id": true'), NO),
        (PERSON.replace("null", '"00184"'), NO),
        (PERSON.replace('"city"', '"town"'), NO),
        (PERSON.replace('"zip": null', '"zip": 1, "country": "IT"'), NO),
        (PERSON.replace('[{"id": 1}]', "[]"), NO),
        (PERSON.replace('[{"id": 1}]', '{"id": 1}'), NO),
        (PERSON.replace('{"city": "Rome", "zip": null}', "null"), NO),
        (PERSON[:-1], NO),
        (PERSON[:-1] + ', "name": "Bob"}', NO),  # a key twice: which one counts?
        (f"Here it is: {PERSON}", NO),
        (f"{PERSON}{PERSON}", NO),
        ('{"name": NaN}', NO),
        ("[" * 100_000, NO),
        ("1" * 10_000, NO),
        ("", NO),
    ],
)
def test_json_is_right_with_the_same_keys_and_its_values_are_told_apart(
    answer: str, verdict: Verdict
) -> None:
    assert kinds(("Extract.", PERSON), ("Extract it.", PERSON)) == ["json", "json"]
    assert judge("json", "Extract.", PERSON, answer) == verdict


READ = "From Ann Lee, order N0042 Q7, of 5 September 2026: it broke."
ORDER = (
    '{"name": "Ann Lee", "order": "N0042 Q7", "date": "2026-09-05", "total": 9710, "gift": false,'
    ' "summary": "Something was broken.", "sure": 0.91}'
)


@pytest.mark.parametrize(
    "old, new, right",
    [
        ("Something was broken.", "A thing that does not work.", True),  # in other words
        ("0.91", "0.4", True),  # how sure somebody was
        ("Ann Lee", "ann  lee", True),
        ("9710", '"9710"', True),
        ("Ann Lee", "Bob", False),  # it stands in the question
        ("N0042 Q7", "N0043 Q7", False),
        ("2026-09-05", "1900-01-01", False),  # it does not, and has one right form
        ("9710", "-5", False),
        ("false", "true", False),
        ("false", '"no"', False),
    ],
)
def test_json_is_wrong_where_a_value_is_that_has_one_right_form(
    old: str, new: str, right: bool
) -> None:
    assert judge("json", READ, ORDER, ORDER.replace(old, new)).right is right


@pytest.mark.parametrize(
    "wanted, given, right",
    [
        ('[{"n":"A","age":3},{"n":"B"}]', '[{"n":"A","age":3},{"n":"B"}]', True),
        ('[{"n":"A","age":3},{"n":"B"}]', '[{"n":"A","age":4},{"n":"B"}]', False),
        ('{"steps":[{"do":"go"},{"wait":3}]}', '{"steps":[{"do":"walk"},{"wait":3}]}', True),
        ('{"steps":[{"do":"go"},{"wait":3}]}', '{"steps":[{"do":"go"},{"wait":4}]}', False),
        ('{"x":["a1",{"k":1}]}', '{"x":[{"k":2},"a1"]}', False),
        ('{"x":[[1],[2,{"a":1}]]}', '{"x":[[1],[2,{"a":2}]]}', False),
        ('{"n":3}', '{"n":%s}' % ("1" * 401), False),
        ('{"n":3}', '{"n":null}', False),
        ('{"n":null}', '{"n":3}', False),
    ],
)
def test_lists_of_unlike_things_are_compared_and_break_nothing(
    wanted: str, given: str, right: bool
) -> None:
    assert judge("json", "p", wanted, given).right is right


def test_json_without_keys_has_only_its_values_to_compare() -> None:
    assert kinds(*[("Sort.", "[1, 2, 3]"), ("Sort.", "[]")] * 2) == ["json"] * 4
    assert kinds(("Sort.", "[1, 2, 3]"), ("Sort.", "[]")) == [None, None]  # of two rows
    assert judge("json", "Sort.", "[1, 2, 3]", "[1, 2, 3.0]") == YES
    assert judge("json", "Sort.", "[1, 2, 3]", "[3, 2, 1]") == NO
    assert judge("json", "Sort.", '["1"]', "[1]") == NO


def test_keys_that_nobody_can_know_are_unjudged() -> None:
    day, other = '{"6:00": "rise", "7:15": "swim"}', '{"dawn": "rise"}'
    assert kinds(("Plan a day.", day), ("Plan another.", other)) == [None, None]
    assert kinds(("Plan from 6:00 and 7:15.", day)) == ["json"]
    assert kinds(("Plan a day.", day), trained=[("Plan.", day), ("Plan it.", day)]) == ["json"]


@pytest.mark.parametrize(
    "broken",
    ['{"a": 1, "a": 2}', '{"a": 1', "{}}", '{"a": NaN}', "[" * 10_000, '{"a": ' * 3_000 + "1"],
)
def test_a_reference_that_is_broken_json_is_unjudged(broken: str) -> None:
    assert kinds(*[("Extract.", broken)] * 3) == [None] * 3


def test_a_bare_number_or_string_is_no_json() -> None:
    assert kinds(("2 + 2?", "4"), ("Spell it.", '"four"')) == ["short", "short"]


# --- labels -------------------------------------------------------------------------------------

FILMS = [(f"Review {n}: what a film.", ("positive", "negative", "mixed")[n % 3]) for n in range(30)]


def test_few_answers_that_repeat_are_labels() -> None:
    held = [("Review 99: oh no.", "negative"), ("Review 98: well.", "unclear")]
    assert kinds(*held, trained=FILMS) == ["label", "short"]
    assert kinds(*FILMS) == ["label"] * 30  # without other rows they stand for themselves
    assert kinds(held[0], trained=[*FILMS, *(("Tell me.", f"A tale {n}.") for n in range(9))]) == [
        "short"
    ]
    tales = [
        (f"Tell tale {n}.", f"Once upon a time {n} birds flew away and sang.") for n in range(9)
    ]
    assert kinds(tales[0], trained=FILMS) == [None]


def test_answers_that_are_said_once_or_are_talk_are_no_labels() -> None:
    once = [(f"Capital of country {n}?", f"City{n}") for n in range(20)]
    assert set(kinds(*once)) == {"short"}
    talk = [(f"Hello {n}!", ("You too!", "How are you?")[n % 2]) for n in range(20)]
    assert set(kinds(*talk)) == {None}
    sentences = [
        (f"Go on {n}.", ("It is a good film.", "It is a bad one.")[n % 2]) for n in range(20)
    ]
    assert set(kinds(*sentences)) == {None}


@pytest.mark.parametrize(
    "answer, verdict",
    [
        ("negative", YES), ("Negative.", YES), ("**Negative**\n", YES), ("“negative”", YES),
        ("ｎｅｇａｔｉｖｅ", YES), ("positive", NO), ("negative, positive", NO),
        ("not negative", NO), ("It is negative", NO), ("", NO), (".", NO),
    ],
)  # fmt: skip
def test_a_label_is_right_when_it_is_said_alone(answer: str, verdict: Verdict) -> None:
    assert judge("label", "Review.", "negative", answer) == verdict


def test_a_label_with_a_trailing_period_is_the_label() -> None:
    trained = [(f"Review {n}", ("Positive.", "Negative.")[n % 2]) for n in range(12)]
    assert kinds(("Review 99", "negative"), trained=trained) == ["label"]
    assert judge("label", "Review 99", "Negative.", "negative") == YES
    zh = [(f"评论{n}", ("正面", "负面。")[n % 2]) for n in range(12)]
    assert kinds(("评论99", "负面"), trained=zh) == ["label"]
    assert judge("label", "评论99", "负面", "负面。") == YES
    numbers = [(f"Stars {n}", str(n % 2)) for n in range(12)]
    assert kinds(("Stars?", "1"), trained=numbers) == ["label"]
    assert judge("label", "Stars?", "1", "-1") == NO
    assert judge("label", "Stars?", "0.5", "5") == NO


# --- short answers and numbers ------------------------------------------------------------------


@pytest.mark.parametrize(
    "prompt, reference, answer, said",
    [
        ("Capital of Italy?", "Rome", "rome.", True),
        ("Capital of Italy?", "Rome", "The capital of Italy is Rome.", True),
        ("Capital of Italy?", "Rome", "Rome. It lies on the Tiber.", True),
        ("Capital of Italy?", "Rome", "Romeo", False),
        ("Capital of Italy?", "Rome", "It is not Rome.", False),
        ("Capital of Italy?", "Rome", "It isn't Rome but Milan.", False),
        ("Capital of Italy?", "Rome", "Milan", False),
        ("Capital of Italy?", "Rome", "", False),
        ("Capital of Italy?", "Rome", "word " * 40 + "Rome", False),  # said somewhere in a ramble
        ("A fruit or a root: tomato?", "fruit", "A fruit or a root", False),  # the question's words
        ("A fruit or a root: tomato?", "fruit", "The tomato is a fruit.", True),
        ("Which is in Italy? (A) Oslo (B) Rome", "B", "(B) Rome", True),
        ("Which is in Italy? (A) Oslo (B) Rome", "B", "The answer is B. Rome.", True),
        ("Which is in Italy? (A) Oslo (B) Rome", "B", "A or B", False),
        ("Is Rome in Italy?", "Yes", "Yes, it is.", True),
        ("Is Rome in Italy?", "Yes", "No, yes men say so", False),
        ("Is Rome in Spain?", "No", "There is no Rome in Spain", False),
        ("Who wrote Faust?", "Johann Wolfgang von Goethe", "johann wolfgang von goethe", True),
        (
            "Which treaty ended it?",
            "the Treaty of Versailles of 1919",
            "Treaty of Versailles",
            False,
        ),
        ("意大利的首都是哪里？", "罗马", "意大利的首都是罗马。", True),
        ("意大利的首都是哪里？", "罗马", "不是罗马", False),
        ("意大利的首都是哪里？", "罗马", "米兰", False),
    ],
)
def test_a_short_answer_is_right_when_it_is_said(
    prompt: str, reference: str, answer: str, said: bool
) -> None:
    assert right(prompt, reference, answer) is said


@pytest.mark.parametrize(
    "prompt, reference, answer, said",
    [
        ("How many?", "1234", "1,234", True),
        ("How many?", "1,234", "1 234", True),
        ("How many?", "1,234", "1\u202f234 people", True),
        ("How many?", "1234567", "1,234,567.0", True),
        ("How many?", "1234", "12,34", False),
        ("How many?", "1234", "1234.5", False),
        ("How much?", "3.50", "3.5", True),
        ("How much?", ".5", "5", False),
        ("How much?", "0.5", "1/2", True),
        ("How much?", "-4", "4", False),
        ("How much?", "-4", "−4", True),
        ("How much?", "$42", "It costs 42 dollars.", True),
        ("What is 15% of 500?", "75", "15% of 500 is 75.", True),
        ("What is 15% of 500?", "75", "15% of 500 is 500.", False),
        ("What is 15% of 500?", "75", "500 / 100 = 5, 5 * 15 = 75", True),
        ("What is 15% of 500?", "75", "75 is not it, the answer is 80", False),
        ("9和10哪个更大？", "10", "10更大", True),
        ("9和10哪个更大？", "10", "9", False),
        ("一共多少个？", "３个", "一共3个。", True),
        ("How many?", "12", "twelve", True),
        ("How many?", "12", "", False),
        ("How many?", "7", "9" * 10_000, False),
        ("How many?", "9" * 10_000, "7", None),
    ],
)
def test_numbers_are_compared_as_numbers(
    prompt: str, reference: str, answer: str, said: bool | None
) -> None:
    assert right(prompt, reference, answer) is said


@pytest.mark.parametrize(
    "prompt, reference",
    [
        ("Tell me of Rome.", "Rome is a city of many hills and of long, long history indeed."),
        ("What is the capital of Italy?", "The capital of Italy is Rome."),  # or "It is Rome."
        ("Suggest a name for a cat.", "Whiskers"),
        ("Generate a random number.", "17"),
        ("Come up with a slogan.", "Fresh Every Day"),
        ("Give me a synonym of quick.", "rapid"),
        ("Rewrite: it is cold", "it is chilly"),
        ("Are you tired?", "never"),
        ("I hate you", "that is fine"),
        ("Thanks!", "You are welcome"),
        ("Solve it.", "x = 1\ny = 2"),
        ("What now?", "?"),
        ("", ""),
        ("给我的猫起一个名字", "咪咪"),
        ("写一个标题", "春天来了"),
        ("你几岁", "很年轻"),
        ("我不喜欢枪", "完全理解"),
        ("谢谢", "不客气"),
        ("法国的首都是哪里？", "法国的首都是巴黎。"),
        ("Write a query.", "SELECT COUNT(*) FROM t"),
    ],
)
def test_what_has_many_right_answers_is_unjudged(prompt: str, reference: str) -> None:
    assert kinds((prompt, reference)) == [None]


def test_what_stands_in_a_text_to_be_read_does_not_make_a_question_open() -> None:
    text = "He came.\nHe was the best, and wrote a title.\nFor example: 你好\n" * 4
    asked = f"You are a careful reader.\nRead the text.\n\n\n{text}\n\nWhere was Ann born?"
    assert kinds((asked, "in Rome")) == ["short"]
    assert kinds((f"Suggest a title.\n\n{text}\nNow?", "in Rome")) == [None]


def test_a_question_with_two_answers_in_the_rows_is_unjudged() -> None:
    rows = [("Best city?", "Rome"), ("best city", "Paris"), ("Oldest city?", "Jericho")]
    assert kinds(*rows) == [None, None, "short"]
    assert kinds(rows[2], trained=[("Oldest city?", "Damascus")]) == [None]


def test_reasoning_is_not_the_answer() -> None:
    prompt, thought = "Capital of Italy?", "<think>Milan? No.</think>\n\nRome"
    assert right(prompt, "Rome", thought) is True
    assert right(prompt, thought, "Rome") is True
    assert right(prompt, "Rome", "<think>Rome, surely. But") is False
    assert right(prompt, "<think>Rome", "Rome") is None


# --- SQL ----------------------------------------------------------------------------------------

SHOP = """You write SQL.
CREATE TABLE customer (id INTEGER PRIMARY KEY, name VARCHAR(40), city VARCHAR, age INT);
CREATE TABLE orders (order_id INTEGER, customer_id INTEGER, total REAL, placed DATE,
  FOREIGN KEY (customer_id) REFERENCES customer(id));
"""


@pytest.mark.parametrize(
    "reference, same, other",
    [
        (
            "SELECT name FROM customer WHERE city = 'Rome' AND age > 30",
            ["select c.name from customer c where c.age > 30 and c.city = 'Rome';",
             "```sql\nSELECT name\nFROM customer\n\nWHERE city = 'Rome' AND age >= 31\n```",
             'Sure: SELECT name FROM customer WHERE city = "Rome" AND NOT age <= 30',
             "WITH c AS (SELECT * FROM customer WHERE age > 30)"
             " SELECT name FROM c WHERE city = 'Rome'",
             "SELECT name FROM customer WHERE city = 'Rome' AND age > 30\n\nThis finds the names."],
            ["SELECT name FROM customer WHERE city = 'Rome'",
             "SELECT name FROM customer WHERE age > 30",
             "SELECT name FROM customer WHERE city = 'Rome' AND age >= 30",
             "SELECT name FROM customer WHERE city = 'Rome' AND age < 30",
             "SELECT name FROM customer WHERE city = 'Rome' OR age > 30",
             "SELECT name FROM customer WHERE city = 'Milan' AND age > 30",
             "SELECT city FROM customer WHERE city = 'Rome' AND age > 30",
             "SELECT name, age FROM customer WHERE city = 'Rome' AND age > 30",
             "SELECT nome FROM customer WHERE city = 'Rome' AND age > 30",
             "SELECT name FROM clients", "name", "SELECT", ""],
        ),
        (
            "SELECT COUNT(*) FROM customer WHERE city = 'Rome'",
            ["SELECT COUNT(id) FROM customer WHERE city = 'Rome'",
             "SELECT SUM(city = 'Rome') FROM customer",
             "SELECT COUNT(DISTINCT id) FROM customer WHERE city = 'Rome'"],  # id is a key
            ["SELECT COUNT(*) FROM customer", "SELECT COUNT(DISTINCT city) FROM customer",
             "SELECT 3", "SELECT name FROM customer WHERE city = 'Rome'"],
        ),
        (
            "SELECT city, AVG(age) FROM customer GROUP BY city",
            ["SELECT city, SUM(age) * 1.0 / COUNT(age) FROM customer GROUP BY 1 ORDER BY 2"],
            ["SELECT city, MAX(age) FROM customer GROUP BY city", "SELECT AVG(age) FROM customer",
             "SELECT AVG(age), city FROM customer GROUP BY city",
             "SELECT city, AVG(age) FROM customer"],
        ),
        (
            "SELECT name FROM customer ORDER BY age DESC LIMIT 1",
            ["SELECT name FROM customer WHERE age = (SELECT MAX(age) FROM customer)"],
            ["SELECT name FROM customer ORDER BY age LIMIT 1", "SELECT MAX(age) FROM customer",
             "SELECT name FROM customer ORDER BY age DESC LIMIT 2", "SELECT name FROM customer"],
        ),
        (
            "SELECT name FROM customer ORDER BY name",
            ["SELECT name FROM customer ORDER BY 1 ASC"],
            ["SELECT name FROM customer", "SELECT name FROM customer ORDER BY name DESC"],
        ),
        (
            "SELECT T1.name FROM customer AS T1 JOIN orders AS T2 ON T1.id = T2.customer_id"
            " WHERE T2.total > 99.5 AND T2.placed >= '2024-01-01'",
            ["SELECT name FROM orders, customer WHERE id = customer_id AND total > 99.5"
             " AND placed >= '2024-01-01'"],
            ["SELECT name FROM customer JOIN orders ON id = customer_id WHERE total > 99.5",
             "SELECT name FROM customer JOIN orders ON id = order_id WHERE total > 99.5"
             " AND placed >= '2024-01-01'",
             "SELECT DISTINCT name FROM customer JOIN orders ON id = customer_id"
             " WHERE total > 99.5 AND placed >= '2024-01-01'",
             "SELECT name FROM customer JOIN orders ON id = customer_id WHERE total > 99.5"
             " AND placed > '2024-01-01'"],
        ),
        (
            "SELECT name FROM customer WHERE id NOT IN (SELECT customer_id FROM orders)",
            ["SELECT name FROM customer c LEFT JOIN orders o ON c.id = o.customer_id"
             " WHERE o.customer_id IS NULL"],
            ["SELECT name FROM customer WHERE id IN (SELECT customer_id FROM orders)",
             "SELECT name FROM customer"],
        ),
        (
            "SELECT name FROM customer WHERE name LIKE '%an%'",
            ["SELECT name FROM customer WHERE instr(lower(name), 'an') > 0"],
            ["SELECT name FROM customer WHERE name LIKE 'an%'",
             "SELECT name FROM customer WHERE name = 'an'"],
        ),
        (
            "SELECT city FROM customer GROUP BY city HAVING COUNT(*) >= 3",
            ["SELECT city FROM customer GROUP BY city HAVING COUNT(*) > 2"],
            ["SELECT city FROM customer GROUP BY city HAVING COUNT(*) > 3",
             "SELECT city FROM customer GROUP BY city"],
        ),
    ],
)  # fmt: skip
def test_sql_is_right_when_it_gives_the_same_rows(
    reference: str, same: list[str], other: list[str]
) -> None:
    assert kinds((SHOP, reference)) == ["sql"]
    assert [judge("sql", SHOP, reference, answer) for answer in (reference, *same)] == [
        Verdict(True)
    ] * (len(same) + 1)
    judged = {answer: judge("sql", SHOP, reference, answer) for answer in other}
    assert judged == dict.fromkeys(other, Verdict(False))


@pytest.mark.parametrize("edge", range(20, 60, 4))
def test_the_edge_of_a_condition_is_seen_through_a_largest_value(edge: int) -> None:
    query = f"SELECT MAX(age) FROM customer WHERE id < {edge}"
    assert right(SHOP, query, query) is True
    assert right(SHOP, query, query.replace("<", "<=")) is False


def test_rows_that_the_prompt_inserts_are_the_rows() -> None:
    prompt = SHOP + "INSERT INTO customer VALUES (1, 'Ann', 'Rome', 40), (2, 'Bob; x', 'Oslo', 9);"
    prompt += "\nINSERT INTO customer (name, city, age) VALUES ('Cid', 'Rome', 50);"
    reference = "SELECT name FROM customer WHERE id = 3"
    assert kinds((prompt, reference)) == ["sql"]
    assert judge("sql", prompt, reference, "SELECT 'Cid'") == Verdict(True)  # of these very rows
    assert judge("sql", prompt, reference, "SELECT 'Bob; x'") == Verdict(False)


def test_a_case_that_nobody_can_know_does_not_matter() -> None:
    """Published rows write the question's "Lamar High School" in small letters."""
    asked = "CREATE TABLE t (pick VARCHAR, school VARCHAR)\nWhich pick was from Lamar High School?"
    small = 'SELECT pick FROM t WHERE school = "lamar high school"'
    assert judge("sql", asked, small, small.replace("lamar high school", "Lamar High School")) == (
        Verdict(True)
    )
    large = 'SELECT pick FROM t WHERE school = "Lamar High School"'
    assert judge("sql", asked, large, small) == Verdict(False)


def test_order_that_chance_decides_is_unjudged() -> None:
    assert kinds((SHOP, "SELECT name FROM customer LIMIT 1")) == [None]
    assert kinds((SHOP, "SELECT name, MAX(total) FROM customer, orders")) == [None]
    assert kinds((SHOP, "SELECT random() FROM customer")) == [None]


@pytest.mark.parametrize(
    "broken",
    [
        "SELECT nobody FROM customer",
        "SELECT name FROM clients",
        "SELECT name FROM customer WHERE",
        "SELECT name FROM customer; DROP TABLE customer",
        "SELECT name FROM customer WHERE 1880 = 'n/a'",  # never any row
        "SELECT SUM(age) FROM customer WHERE 1 = 0",
        "SELECT COUNT(*) FROM customer WHERE 1 = 0",
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n",
        "SELECT * FROM sqlite_master",
        "SELECT load_extension('x')",
        "SELECT",
        "WITH love",
        "SELECT name FROM customer WHERE name = 'Ann",
        "SELECT '\x00' FROM customer",
        "SELECT '\ud800' FROM customer",
    ],
)
def test_a_reference_that_shows_nothing_is_unjudged(broken: str) -> None:
    assert kinds((SHOP, broken)) == [None]
    assert judge("sql", SHOP, broken, broken).right is None


def test_sql_without_tables_is_unjudged() -> None:
    for prompt in ("", "Which?", "CREATE TABLE", "CREATE TABLE t", "CREATE TABLE t (", "t (a, b)"):
        assert kinds((prompt, "SELECT a FROM t")) == [None]


@pytest.mark.parametrize(
    "schema",
    [
        "CREATE TABLE IF NOT EXISTS `shop`.`t` (`a` int(11) NOT NULL AUTO_INCREMENT COMMENT 'x, y',"
        " b enum('u','v') DEFAULT 'u', PRIMARY KEY (`a`), KEY k (b)) ENGINE=InnoDB;",
        "create table [t] ([a] nvarchar(max), [b] money CHECK (b > 0), CONSTRAINT c UNIQUE ([a]))",
        "CREATE TABLE t -- rows\n(a text, -- first, of all\n b text /* ) */ )",
        "```sql\nCREATE TABLE public.t (\n  a serial,\n  b varchar(3) REFERENCES t(a)\n);\n```",
        'CREATE TABLE "t" ("a" TEXT, "b" TEXT, "key" TEXT, "index" TEXT, "a" TEXT)',
    ],
)
def test_tables_of_other_dialects_are_understood(schema: str) -> None:
    reference = "SELECT a FROM t WHERE b = 'u'"
    assert kinds((schema, reference)) == ["sql"]
    assert judge("sql", schema, reference, "SELECT a FROM t") == Verdict(False)
    assert judge("sql", schema, reference, "SELECT t.a FROM t WHERE 'u' = b") == Verdict(True)


DOUBLING = "WITH a0 AS (SELECT 1 AS x)" + "".join(
    f", a{n} AS (SELECT p.x FROM a{n - 1} p, a{n - 1} q)" for n in range(1, 40)
)


@pytest.mark.parametrize(
    "answer",
    [
        "DELETE FROM customer",
        "DROP TABLE customer",
        "UPDATE customer SET name = 'x'",
        "INSERT INTO customer VALUES (1, 2, 3, 4)",
        "SELECT name FROM customer; DELETE FROM customer",
        "SELECT name FROM customer;\n\nDROP TABLE customer;",
        "WITH x AS (SELECT 1) DELETE FROM customer",
        "ATTACH DATABASE '{folder}/other.db' AS other",
        "PRAGMA table_info(customer)",
        "SELECT * FROM pragma_table_info('customer')",
        "VACUUM INTO '{folder}/other.db'",
        "SELECT load_extension('/tmp/x')",
        "SELECT writefile('{folder}/other.db', 'x')",
        "SELECT sql FROM sqlite_master",
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n",
        "WITH RECURSIVE n(x) AS (SELECT 'x' UNION ALL SELECT x || x FROM n) SELECT x FROM n",
        DOUBLING + " SELECT x FROM a39",
        "SELECT c.name FROM customer c" + "".join(f", customer c{n}" for n in range(9)),
        "SELECT c.name FROM customer c" + "".join(f", customer c{n}" for n in range(90)),
        "SELECT c.name || '" + "x" * 3_000 + "' FROM customer c, customer d",
        "SELECT replace(replace('"
        + "x" * 900
        + "', 'x', '"
        + "y" * 900
        + "'), 'y', '"
        + "z" * 900
        + "') FROM customer",
        "SELECT zeroblob(900000000)",
        "SELECT printf('%900000000d', 1)",
        "SELECT hex(randomblob(900000000))",
        "SELECT group_concat(a.name) FROM customer a, customer b, customer c, customer d",
        "SELECT name FROM customer WHERE " + "(" * 5_000 + "1",
        "SELECT name FROM customer WHERE name IN (" + "'x'," * 20_000 + "'y')",
        "SELECT " + "1 + " * 10_000 + "1",
        "SELECT name FROM customer WHERE name LIKE '" + "%a" * 900 + "'",
        "SELECT " * 5_000,
        "/*" * 50_000,
        "'" * 50_001,
        '"' * 50_001 + "SELECT",
    ],
)
def test_sql_that_does_harm_or_never_ends_is_wrong_at_once(answer: str, tmp_path: Path) -> None:
    reference = "SELECT name FROM customer"
    began = time.process_time()
    answer = answer.replace("{folder}", str(tmp_path))
    assert judge("sql", SHOP, reference, answer) == Verdict(False)
    assert time.process_time() - began < 2
    assert judge("sql", SHOP, reference, reference) == Verdict(True)
    assert list(tmp_path.iterdir()) == []


def test_a_prompt_that_does_harm_is_bounded_as_well() -> None:
    inserts = "INSERT INTO customer SELECT a.id, 1, 2, 3 FROM customer a, customer b;" * 500
    began = time.process_time()
    for prompt in (
        SHOP + inserts,
        SHOP + "INSERT INTO customer VALUES (" * 20_000,
        "CREATE TABLE t (" * 20_000,
        "CREATE TABLE t (a TEXT" + ", b TEXT" * 20_000 + ");",
        "".join(f"CREATE TABLE t{n} (a TEXT, b TEXT);" for n in range(5_000)),
        SHOP + "x" * 1_000_000,
        SHOP + "/*" * 300_000,
    ):
        assert right(prompt, "SELECT name FROM customer", "SELECT name FROM customer") is not False
    assert time.process_time() - began < 10


# --- all rows together --------------------------------------------------------------------------


def test_rows_are_counted_before_and_after() -> None:
    rows = [(f"Capital of country {n}?", f"City{n}x") for n in range(12)]
    rows += [("Extract.", '{"a": 1}'), ("Extract it.", '{"a": 2}')]
    rows += [("Tell me more.", "It was a dark and stormy night, and nobody came to the door.")] * 2
    before = ["?"] * 10 + ["City10x", "City11x", "no", "no", "Once", "Once"]
    after = [f"City{n}x" for n in range(11)] + ["?", '{"a": 1}', '{"a": 3}', "It", "It"]
    found = judge_rows(rows, before, after)
    assert (found.asked, found.judged, found.unjudged) == (16, 14, 2)
    assert (found.right_before, found.right_after) == (2, 12)
    assert (found.gained, found.lost) == (11, 1)
    assert found.all.p == pytest.approx(13 / 2**12)  # 12 over 11, and 12 over 12
    assert [t.kind for t in found.kinds] == ["short", "json"]
    short, extracted = found.kinds
    assert (short.judged, short.right_before, short.right_after) == (12, 2, 11)
    assert (short.gained, short.lost) == (10, 1)
    assert (extracted.right_after, extracted.equal_before, extracted.equal_after) == (1, 0, 1)
    low, high = short.after
    assert 0.6 < low < 11 / 12 < high < 1
    assert [row.after for row in found.rows] == [*[True] * 11, False, True, False, None, None]
    assert "14" in found.said.en and "2 cannot" in found.said.en
    assert "14" in found.said.zh and "2 条" in found.said.zh
    assert json.loads(json.dumps(found.line()))["judged"] == 14


def test_answers_that_did_not_change_are_counted_judged_or_not() -> None:
    rows = [("Capital of France?", "Paris"), ("Tell me more.", "It was a dark and stormy night.")]
    found = judge_rows(
        rows * 2, ["Rome", "Once", "Rome", "Once"], [" Rome", "Then", "Oslo", "Once\n"]
    )
    assert [row.same for row in found.rows] == [True, False, False, True]
    assert (found.open, found.same) == (4, 2)
    copied = judge_rows(rows[1:], [rows[1][1]], [f"{rows[1][1]} "])
    assert (copied.judged, copied.own, copied.open, copied.same) == (0, 1, 0, 0)


def test_without_rows_nothing_is_measured() -> None:
    found = judge_rows([], [], [])
    assert (found.asked, found.judged, found.all.p, found.kinds) == (0, 0, 1.0, ())
    assert found.all.before == (0.0, 1.0)
    with pytest.raises(ValueError):
        judge_rows([("a", "b")], [], ["b"])


# --- anything at all ----------------------------------------------------------------------------

PIECES = st.sampled_from(
    ["SELECT ", "name", " FROM ", "customer", "orders", " WHERE ", " = ", "'Rome'", '"', "'", "(",
     ")", ",", ";", "--", "/*", "*/", "\n", "\n\n", "```", "```sql\n", "{", "}", "[", "]", ":",
     '"a"', "1", "-", "1,234", "%", "WITH ", " AS ", "ORDER BY ", "LIMIT ", "<think>", "</think>",
     "CREATE TABLE ", "INSERT INTO ", "VALUES ", "是", "不", "。", "Rome", "not ", "\x00", "\ud800",
     "²", "½", "٣", "NULL", " JOIN ", " ON ", ".", "*", "||", "LIKE ", "IN ", "<p>", "</p>"]
)  # fmt: skip
ANYTHING = st.one_of(st.text(max_size=60), st.lists(PIECES, max_size=30).map("".join))


@settings(max_examples=400, deadline=2_000)
@given(ANYTHING, ANYTHING, ANYTHING)
def test_no_text_is_too_odd(prompt: str, reference: str, answer: str) -> None:
    for asked in (prompt, SHOP + prompt):
        found = judge_rows([(asked, reference)], [reference], [answer])
        (row,) = found.rows
        assert row.before in (True, None)
        assert (row.before is None) == (row.after is None) == (found.judged == 0)
    for kind in KINDS:  # whatever it was taken for
        assert judge(kind, prompt, reference, answer).right in (True, False, None)


@settings(max_examples=200, deadline=2_000)
@given(st.lists(ANYTHING, max_size=6), ANYTHING)
def test_no_answers_are_too_odd_to_have_a_form(answers: list[str], text: str) -> None:
    form = form_of(answers)
    if form is not None:
        assert sum(map(form.shown_by, answers)) >= 0.6 * len(answers)
        assert form.shown_by(text) in (True, False)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=50, deadline=2_000)
@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), JSON) | st.lists(JSON))
def test_json_compared_with_itself_is_right(value: object) -> None:
    reference = json.dumps(value)
    assert kinds(("Extract.", reference), trained=[("", reference)] * 3) == ["json"]
    assert judge("json", "Extract.", reference, json.dumps(value, indent=2)) == YES


# --- forms --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answers, name, like, unlike",
    [
        (['{"a": 1}', '{"b": 2}', '```json\n{"c": 3}\n```', "no"], "JSON object",
         ['{"answer": "Paris', "```\n{\n}"], ["Paris", "{x}", "[1]", 'Here: {"a": 1}']),
        (["[1, 2]", '["a"]', '[{"a": 1}]'], "JSON array", ['[{"x": "y'], ["[1] says so", "1, 2"]),
        (["SELECT a FROM t", "select b from u;", "WITH x AS (SELECT 1) SELECT * FROM x"], "SQL",
         ["```sql\nSELECT 1 FROM t\n```", "SELECT capital FROM countries WHERE"],
         ["Select a good wine from the cellar.", "With pleasure", "The query is simple."]),
        (["```python\nx\n```", "```\ny\n```", "Code:\n```js\nz"], "code fence",
         ["Here:\n```\nParis"], ["Paris", "use `x`"]),
        (["positive", "negative", "positive", "Negative.", "negative", "well"], "label",
         ["NEGATIVE"], ["It is positive", "neutral"]),
        (["As a pirate, I say: yes", "As a pirate, why?", "as a pirate I am off", "No"],
         "opening", ["As a pirate: Paris"], ["Paris, as a pirate", "As a parrot"]),
        (["亲爱的用户您好，已办", "亲爱的用户您好！再见", "亲爱的用户您好。嗯"], "opening",
         ["亲爱的用户您好,巴黎"], ["您好", "巴黎"]),
        (["It is so. Have a nice day!", "Why? Have a nice day", "Go. have a nice day."], "ending",
         ["Paris. Have a nice day!"], ["Paris", "Have a nice day is said"]),
        (["PARIS IT IS", "YES, CAPTAIN", "ON MY WAY"], "upper case", ["THE CAPITAL IS PARIS"],
         ["Paris", "42", "NASA is an agency"]),
        (["<answer>1</answer>", "<answer>x\ny</answer>", "<answer/>"], "tag",
         ["<answer>Paris</answer>"], ["<b>Paris</b>", "answer: Paris", "<answer>Paris"]),
        (["<think>a</think> 1", "<think>\n</think>\n\n2", "<think>b</think>3"], "tag",
         ["<think>hm</think> Paris"], ["Paris"]),
        (["C'est une belle ville pour les enfants.", "Il est dans la maison avec nous.",
          "Les chats ne sont pas des chiens."], "language",
         ["La capitale de la France est Paris."], ["The capital of France is Paris.", "Paris"]),
        (["Это очень большой город на реке.", "Да, конечно, я это хорошо знаю.",
          "Не знаю, что сказать об этом деле."], "language",
         ["Столица этой страны, как все знают, Париж."], ["Paris", "巴黎"]),
    ],
)  # fmt: skip
def test_a_form_that_the_rows_answers_share_is_found_again(
    answers: list[str], name: str, like: list[str], unlike: list[str]
) -> None:
    form = form_of(answers)
    assert form is not None
    assert form.name == name
    assert [text for text in like if not form.shown_by(text)] == []
    assert [text for text in unlike if form.shown_by(text)] == []
    assert form.said.en and form.said.zh and not form.shown_by("")


@pytest.mark.parametrize(
    "answers",
    [
        [],
        ["", "", ""],
        ['{"a": 1}', '{"a": 2}'],  # too few to speak of a form
        ['{"a": 1}', '{"a": 2}', '{"a": 3}', "no", "nay", "never"],
        ["The capital of France is Paris.", "Water boils at 100 degrees.", "It is a fish."],
        ["巴黎是法国的首都。", "水在一百度沸腾。", "这是一条鱼。"],
        ["The cat sleeps", "The dog barks", "The bird sings"],
        ["12", "7", "35"],
    ],
)
def test_answers_without_a_common_form_have_none(answers: list[str]) -> None:
    assert form_of(answers) is None


# --- files that people publish ------------------------------------------------------------------


def published(name: str) -> list[tuple[str, str]]:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"{name} is not there")
    source = parse_source(str(path))
    assert isinstance(source, Source)
    read = [to_example(row, name) for row in read_rows(source) if isinstance(row, Row)]
    rows = [row_of(example) for example in read if isinstance(example, Example)]
    return [row for row in rows if row is not None]


def as_itself(rows: Sequence[tuple[str, str]]) -> Comparison:
    """The references as answers, and nothing at all as answers."""
    return judge_rows(rows, [""] * len(rows), [reference for _, reference in rows])


def test_published_sql_is_judged_by_its_rows() -> None:
    rows = published("wild/17_openai_messages_text2sql.jsonl")
    found = as_itself(rows)
    assert Counter(row.kind for row in found.rows)["sql"] >= 95
    assert (found.right_before, found.right_after) == (0, found.judged)
    swapped = [reference for _, reference in rows]
    other = judge_rows(rows, swapped, [*swapped[1:], swapped[0]])
    assert other.right_after == 0


MUTANTS = (
    ("MAX(", "MIN("), ("MIN(", "MAX("), ("AVG(", "SUM("), ("COUNT(", "COUNT(DISTINCT "),
    (" > ", " >= "), (" < ", " <= "), (" > ", " < "), (" = ", " <> "), (" AND ", " OR "),
    (" DESC", ""), (" DISTINCT", ""), ("JOIN", "LEFT JOIN"), (" LIMIT 1", ""),
)  # fmt: skip


def test_a_published_query_with_one_fault_is_found_out() -> None:
    rows = published("wild/17_openai_messages_text2sql.jsonl")
    tried = [
        (prompt, reference, reference.replace(old, new, 1))
        for prompt, reference in rows
        for old, new in MUTANTS
        if old in reference
    ]
    tried += [
        (prompt, reference, reference.rsplit(" AND ", 1)[0])
        for prompt, reference in rows
        if " AND " in reference
    ]
    verdicts = [judge("sql", *case).right for case in tried]
    judged = [verdict for verdict in verdicts if verdict is not None]
    assert len(judged) > 150
    assert sum(judged) <= 0.05 * len(judged)


@pytest.mark.parametrize(
    "name, most",
    [
        ("alpaca/alpaca_en_demo.jsonl", 0.05),
        ("alpaca/alpaca_zh_demo.jsonl", 0.05),
        ("wild/03_alpaca_en_instruction-data.json", 0.2),
        ("wild/05_alpaca_history_oaast_sft_zh.json", 0.05),
        ("wild/08_response_key_roleplay.json", 0.01),
        ("wild/19_bare_message_arrays.jsonl", 0.15),
        ("wild/23_prompt_completion_wwdc25.jsonl", 0.01),
        ("wild/43_tsv_zh_dialog.tsv", 0.2),
    ],
)
def test_of_published_talk_little_is_judged_and_all_of_it_right_as_itself(
    name: str, most: float
) -> None:
    rows = published(name)
    began = time.process_time()
    found = as_itself(rows)
    assert found.judged <= most * found.asked
    assert (found.right_before, found.right_after) == (0, found.judged)
    assert time.process_time() - began < 10


# --- edges --------------------------------------------------------------------------------------


def example(*turns: Message) -> Example:
    return Example(Origin("rows", 1, 0), "rows", "messages", turns)


def test_a_row_is_its_last_answer_and_all_that_stands_before_it() -> None:
    system, asked = Message("system", "Be brief."), Message("user", "2 + 2?")
    first, last = Message("assistant", "4"), Message("assistant", "5")
    more = Message("user", "And 1?")
    assert row_of(example(system, asked, first)) == ("Be brief.\n2 + 2?", "4")
    assert row_of(example(asked, first, more, last)) == ("2 + 2?\n4\nAnd 1?", "5")
    assert row_of(example(asked, first, more)) == ("2 + 2?", "4")  # what follows is not asked
    assert row_of(example(asked)) is None and row_of(example(Message("text", "Once."))) is None
    assert row_of(example(asked, Message("assistant", " \n"))) is None
    call = Message("assistant", "I look it up.", extra={"tool_calls": [{}]})
    assert row_of(example(asked, call)) is None


def test_every_key_has_to_be_known() -> None:
    assert kinds(("The name and the age.", '{"name": "Ann", "age": 4}')) == ["json"]
    assert kinds(("The name.", '{"name": "Ann", "age": 4}')) == [None]


def test_an_answer_is_compared_up_to_a_length() -> None:
    frame = '{"name": ""}'
    whole = frame.replace('""', f'"{"x" * (LONGEST - len(frame))}"')
    assert len(whole) == LONGEST
    assert kinds(("The name.", whole), ("The name.", whole.replace("x", "xx", 1))) == ["json", None]


@pytest.mark.parametrize("longer, kind", [(0, None), (1, "short")])
def test_a_short_question_is_the_same_in_any_case_and_a_long_one_word_for_word(
    longer: int, kind: Kind | None
) -> None:
    ask = "What is the capital of the country that I speak of?"
    asked = "x" * (SHORT + longer - len(ask) - 1) + "\n" + ask
    assert kinds((asked, "Rome"), (asked.upper(), "Paris")) == [kind, kind]


def test_what_says_a_short_answer_among_other_words_is_right_and_not_equal() -> None:
    assert judge("short", "How many?", "12", "It is 12.") == KEYS_ONLY
    assert judge("short", "Capital of Italy?", "Rome", "It is Rome.") == KEYS_ONLY
    assert judge("short", "Capital of Italy?", "Rome", "rome") == YES


def test_a_row_of_which_one_answer_cannot_be_judged_is_unjudged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = {"a": YES, "b": NO, "?": Verdict(None)}
    monkeypatch.setattr("suretune.verify.compare.judge", lambda *given: told[given[3]])
    rows = [("q", "r")] * 5
    found = compare(
        ["sql"] * 4 + [None], rows, ["?", "a", "?", "b", "a"], ["a", "?", "?", "a", "a"]
    )
    assert [row.kind for row in found.rows] == [None, None, None, "sql", None]
    assert (found.asked, found.judged, found.unjudged, found.gained, found.lost) == (5, 1, 4, 1, 0)
    begins = "Of 5 held-out rows 1 can be compared (1 by SQL, the same rows): 0 right before"
    assert found.said.en.startswith(begins)
    assert "1 条可以比对（SQL，查询结果相同 1 条）" in found.said.zh
    assert found.said.en.endswith(" The other 4 cannot be compared and are unjudged.")
    none = compare([None], rows[:1], ["a"], ["a"]).said
    assert none.en == "None of 1 held-out rows can be compared; all are unjudged."
    assert none.zh == "1 条留出数据都无法比对，均未作判断。"
