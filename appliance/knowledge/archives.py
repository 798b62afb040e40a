""".docx and .xlsx are ZIP files: how much they hold is measured before any library opens them.

It extracts nothing to disk. The rule that must not break: the sizes a file declares are not
believed; what comes out is counted while it is inflated, and thrown away.
"""

from __future__ import annotations

import io
import zipfile
import zlib

from appliance.knowledge.readings import FileRefused

MAX_INFLATED_BYTES = 96 << 20
# The markup is held as a tree of objects, many times its size.
MAX_MARKUP_BYTES = 48 << 20
MAX_MEMBERS = 5000
PIECE_BYTES = 1 << 16
DAMAGED = "The file is damaged, or not what its name says. Save it again in its program."
TOO_LARGE = "Unpacked the file is far larger than a document is; it was not opened."
LOCKED = "The file is locked with a password. Save a copy without one."
# A password turns an Office file into a container of another kind.
OLE_MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


def check_archive(data: bytes) -> None:
    """Raises FileRefused."""
    if data.startswith(OLE_MAGIC):
        raise FileRefused(f"{LOCKED} (Or it is of an older kind: save it as .docx or .xlsx.)")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            declared = sum(member.file_size for member in members)
            if len(members) > MAX_MEMBERS or declared > MAX_INFLATED_BYTES:
                raise FileRefused(TOO_LARGE)
            _inflate(archive, members)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, ValueError):
        raise FileRefused(DAMAGED) from None
    except RuntimeError:
        # How zipfile says that a member is encrypted.
        raise FileRefused(LOCKED) from None


def _inflate(archive: zipfile.ZipFile, members: list[zipfile.ZipInfo]) -> None:
    total = markup = 0
    for member in members:
        with archive.open(member) as opened:
            while piece := opened.read(PIECE_BYTES):
                total += len(piece)
                if member.filename.lower().endswith((".xml", ".rels")):
                    markup += len(piece)
                if total > MAX_INFLATED_BYTES or markup > MAX_MARKUP_BYTES:
                    raise FileRefused(TOO_LARGE)
