"""The shop that is served until the owner brings one: its files are whole and agree.

It reads the files as they are; only one test asks the importer. The rule that
must not break: a figure that the FAQ and the documents both name is the same in both.
"""

from __future__ import annotations

import csv
import re
import tomllib
import unicodedata
from collections import Counter
from datetime import date
from pathlib import Path

import pytest

from appliance.dialogue.shop import read_shop
from appliance.knowledge.importer import read_folder

SHOP = Path(__file__).parents[1] / "examples" / "shop"
HEADER = ["question", "phrasings", "answer", "tags", "links"]
HEADER += ["valid_from", "valid_to", "language"]
FAQS = {"faq.csv": "zh", "faq-en.csv": "en"}
DOCUMENTS = sorted(path for path in (SHOP / "documents").iterdir() if path.is_file())
LINK = re.compile(r"https?://[^\s\"<>|]+")
MAIL = re.compile(r"[\w.+-]+@([\w.-]+\w)")
PHONE = re.compile(r"(?<!\d)(?:400|0\d{2,3})-\d{3,4}-\d{4}(?!\d)")
HOURS = re.compile(r"\d+:\d\d–\d+:\d\d")
# What both sides say, in the words of the FAQ and of the documents of its language.
SAME_FIGURES = {
    "zh": (
        "不满99元",
        "加收12元",
        "5天内把商品寄回|在5天内寄出",
        "签收后48小时内",
        "2个工作日内审核",
        "1–5个工作日原路退回",
        "签收后15天内、没有使用过的商品可以换一次",
        "10元新人券",
        "100分抵1元",
        "12个月内有效",
        "10:00–21:00",
        "10:00–20:00",
        "青禾路88号1楼",
        "竹影街16号",
        "保留7天",
        "2月4日至13日停发",
    ),
    "en": (
        "3–5 days",
        "7–10 days",
        "¥99",
        "2 years",
        "10:00–20:00, closed on Tuesdays",
        "1/F, 88 Qinghe Road, Gongshu District",
        "16 Zhuying Street, Gusu District",
        "Xinjiang and Tibet",
    ),
}


def read_rows(name: str) -> list[dict[str, str]]:
    with (SHOP / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def squeeze(text: str) -> str:
    return re.sub(r"\s+", "", unicodedata.normalize("NFKC", text)).casefold()


def read_documents(language: str) -> str:
    """The documents of `language` in one piece, blanks left out."""
    parts = [
        path.read_text("utf-8") for path in DOCUMENTS if path.stem.rpartition("-")[2] == language
    ]
    return squeeze("\n".join(parts))


def list_questions(row: dict[str, str]) -> list[str]:
    return [row["question"], *row["phrasings"].split("|")]


@pytest.mark.parametrize(("name", "language"), FAQS.items())
def test_every_row_of_the_faq_is_whole(name: str, language: str) -> None:
    with (SHOP / name).open(encoding="utf-8", newline="") as file:
        lines = list(csv.reader(file))
    assert lines[0] == HEADER
    assert {len(line) for line in lines} == {len(HEADER)}
    for row in read_rows(name):
        assert row["question"].strip() and row["answer"].strip() and row["tags"].strip()
        assert row["language"] == language
        assert 3 <= len(row["phrasings"].split("|")) <= 5, row["question"]
        assert all(phrasing.strip() for phrasing in row["phrasings"].split("|")), row["question"]
        days = [date.fromisoformat(row[key]) for key in ("valid_from", "valid_to") if row[key]]
        assert days == sorted(days)


def test_there_are_about_sixty_entries_and_six_documents() -> None:
    entries = [row for name in FAQS for row in read_rows(name)]
    assert 60 <= len(entries) <= 75
    assert len(DOCUMENTS) == 6
    assert {path.suffix for path in DOCUMENTS} == {".html", ".md", ".txt"}


def test_some_entries_hold_for_a_time_only() -> None:
    dated = [row for name in FAQS for row in read_rows(name) if row["valid_from"]]
    assert {row["language"] for row in dated} == {"zh", "en"}
    assert all(row["valid_to"] for row in dated)


def test_no_two_entries_are_asked_for_in_the_same_words() -> None:
    asked = [
        squeeze(one) for name in FAQS for row in read_rows(name) for one in list_questions(row)
    ]
    assert [one for one, count in Counter(asked).items() if count > 1] == []


@pytest.mark.parametrize("language", SAME_FIGURES)
def test_the_documents_say_the_same_as_the_faq(language: str) -> None:
    name = next(name for name, one in FAQS.items() if one == language)
    answers = squeeze("\n".join(row["answer"] for row in read_rows(name)))
    documents = read_documents(language)
    for figure in SAME_FIGURES[language]:
        spellings = [squeeze(one) for one in figure.split("|")]
        assert any(one in answers for one in spellings), figure
        assert any(one in documents for one in spellings), figure


@pytest.mark.parametrize(("name", "language"), FAQS.items())
def test_the_way_to_the_shop_is_the_one_in_the_faq(name: str, language: str) -> None:
    shop = tomllib.loads((SHOP / "shop.toml").read_text("utf-8"))["shop"]
    facts = {key: one if isinstance(one, str) else one[language] for key, one in shop.items()}
    assert set(facts) == {"name", "phone", "wechat", "address", "email", "hours"}
    said = squeeze("\n".join(row["answer"] for row in read_rows(name)) + read_documents(language))
    for key in ("phone", "wechat", "address", "email"):
        assert squeeze(facts[key]) in said, key
    hours = HOURS.findall(facts["hours"])
    assert len(hours) == 3
    assert all(one in said for one in hours)


def test_addresses_and_numbers_belong_to_nobody() -> None:
    for path in [*DOCUMENTS, *(SHOP / name for name in (*FAQS, "shop.toml"))]:
        text = path.read_text("utf-8")
        for link in LINK.findall(text):
            assert link.startswith("https://xiaoman.example"), (path.name, link)
        assert set(MAIL.findall(text)) <= {"xiaoman.example"}, path.name
        for number in PHONE.findall(text):
            assert "-5555-" in number or "-555-" in number, (path.name, number)


def test_the_appliance_reads_all_of_it_without_a_fault() -> None:
    reading = read_folder(SHOP)
    assert reading.faults == ()
    assert len(reading.entries) == sum(len(read_rows(name)) for name in FAQS)
    assert len({passage.origin.file for passage in reading.passages}) == len(DOCUMENTS)
    assert read_shop(SHOP / "shop.toml").faults == ()
