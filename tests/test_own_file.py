"""The shop's own file over the shipped one: whatever is wrong with it, the shipped one stands."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from appliance.dialogue.own_file import Draft


class Names(Draft):
    def __init__(self, shipped: Path) -> None:
        super().__init__(shipped, "names", max_bytes=64)
        self.names: dict[str, object] = {}

    def lay_over(self, tables: Mapping[str, object]) -> None:
        if "bad" in tables:
            self.complain("bad", "is not possible")
        self.names |= tables


@pytest.fixture
def shipped(tmp_path: Path) -> Path:
    file = tmp_path / "names.toml"
    file.write_text('a = "shipped"\nb = "shipped"\n')
    return file


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"a = ", "at end of document"),
        (b"\xff\xfea = 1", "decode"),
        (b"#" * 65, "larger than 64 bytes"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_and_the_shipped_one_stands(
    shipped: Path, content: bytes, problem: str
) -> None:
    own = shipped.with_name("own.toml")
    own.write_bytes(content)
    draft = Names(shipped)
    draft.read(own)
    assert draft.names == {"a": "shipped", "b": "shipped"}
    [fault] = draft.faults
    assert fault.message.startswith("own.toml cannot be read as TOML in UTF-8, the shipped names")
    assert problem in fault.message


def test_a_folder_in_the_place_of_the_file_is_a_fault(shipped: Path) -> None:
    own = shipped.with_name("own.toml")
    own.mkdir()
    draft = Names(shipped)
    draft.read(own)
    assert [fault.origin.file for fault in draft.faults] == ["own.toml"]
    assert draft.names["a"] == "shipped"


def test_the_own_file_may_begin_with_a_byte_order_mark(shipped: Path) -> None:
    own = shipped.with_name("own.toml")
    own.write_bytes(b'\xef\xbb\xbfa = "own"\n')
    draft = Names(shipped)
    draft.read(own)
    assert draft.names == {"a": "own", "b": "shipped"}
    assert draft.is_own


def test_a_shop_without_the_file_has_the_shipped_one(shipped: Path) -> None:
    draft = Names(shipped)
    draft.read(shipped.with_name("missing.toml"))
    assert draft.names == {"a": "shipped", "b": "shipped"}
    assert not draft.faults
    assert not draft.is_own


def test_a_shipped_file_with_a_fault_stops_the_program(shipped: Path) -> None:
    shipped.write_text("bad = 1\n")
    with pytest.raises(ValueError, match=r"the shipped names are wrong: .*bad is not possible"):
        Names(shipped).read(None)
