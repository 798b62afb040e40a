"""The owner's folder as `appliance init` makes it: templates that explain themselves.

It writes into a new folder only. The rule that must not break: no file of the owner's is ever
written over.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from appliance.errors import ApplianceError

FAQ = """\
# One question a row. Lines that begin with # are remarks. Part other phrasings by |
# 每行一个问题。以 # 开头的行是备注。其他问法之间用 | 隔开
# Columns may be named in English or in Chinese: 问题 其他问法 答案 标签 链接 生效日期 失效日期 语言
question,phrasings,answer,tags,links,valid_from,valid_to,language
你们几点开门？,营业时间|几点关门,示例：每天 9:00 到 21:00 营业。,营业,,,,zh
When do you open?,opening hours,Example: from 9:00 to 21:00 every day.,hours,,,,en
"""
DOCUMENTS_NOTE = """\
Put documents here: .md .txt .html .pdf .docx, also in folders of their own.
They are read within seconds; `appliance knowledge check` tells what was not understood.

把文档放在这里：.md .txt .html .pdf .docx，也可以放在子文件夹里。
几秒之内就会读入；`appliance knowledge check` 会说明哪些内容没有读懂。
"""


class FolderError(ApplianceError):
    """The owner's folder cannot be made or written."""

    code = "knowledge_folder"


def make_folder(folder: Path, shipped: Iterable[Path]) -> list[Path]:
    """The files it wrote; those in `shipped` are copied. Raises FolderError."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FolderError(f"{folder} is there already and not empty; nothing was written.")
    try:
        documents = folder / "documents"
        documents.mkdir(parents=True, exist_ok=True)
        # With a BOM, because spreadsheets take a file without one for another encoding.
        (folder / "faq.csv").write_text(FAQ, "utf-8-sig", newline="\r\n")
        # Without a suffix: it is no document of the shop's.
        (documents / "README").write_text(DOCUMENTS_NOTE, "utf-8")
        written = [folder / "faq.csv", documents / "README"]
        written += [Path(shutil.copyfile(file, folder / file.name)) for file in shipped]
    except OSError as error:
        raise FolderError(f"{folder} cannot be made ({error.strerror}).") from None
    return written


def copy_into(folder: Path, file: Path, data: bytes, is_forced: bool) -> Path:
    """The file's new place; its bytes are those that were checked. Raises FolderError."""
    target = folder / file.name
    # Hidden while it is written, so that no half of it is read.
    new = folder / f".{file.name}.new"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if target.exists() and target.resolve() == file.resolve():
            return target
        if target.exists() and not is_forced:
            raise FolderError(f"{target} is there already. Try: --force")
        new.write_bytes(data)
        new.replace(target)
    except OSError as error:
        with suppress(OSError):
            new.unlink()
        raise FolderError(f"{target} cannot be written ({error.strerror}).") from None
    return target
