"""Where the master key comes from: a file, a passphrase, or the machine's TPM.

It wraps nothing; that is `keyring.py`'s. A key file on the disk that it protects keeps a thief of
that disk from nothing, and says so. The rule that must not break: a master key is in memory and
where its owner chose to have it, in no log, no error and no other file.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from appliance.errors import StoreUnavailable
from appliance.settings import Settings
from appliance.store.folder import sync_folder
from appliance.store.key_files import KEY_BYTES, replace_file

KEYS_FOLDER = "keys"
KEY_NAME = "master.key"
CREDENTIAL = "appliance-master"
CREDENTIAL_NAME = "master.cred"
# 32 MiB and about a tenth of a second: what each guess costs a thief of the disk.
SCRYPT_N, SCRYPT_R, SCRYPT_BYTES = 1 << 15, 8, 64 << 20
LEAST_PASSPHRASE_CHARS = 12
TPM_S = 30.0
ON_SAME_DISK = (
    "The master key stands on the same disk as the conversations, so whoever takes the disk reads "
    "them. Set master_key to tpm or passphrase, or master_key_file to a file on a USB stick. "
    "主密钥与对话保存在同一块磁盘上，拿到磁盘的人就能读到对话。请把 master_key 设为 tpm 或 "
    "passphrase，或把 master_key_file 设到 U 盘上的文件。"
)


class MasterSource(Protocol):
    def has(self) -> bool:
        """Whether it can give a master key without making one."""
        ...

    def read(self, salt: bytes) -> bytes:
        """Raises StoreUnavailable with what to do."""
        ...

    def make(self, salt: bytes) -> bytes:
        """A new one, which is not kept yet. Raises StoreUnavailable."""
        ...

    def keep(self, master: bytes) -> None:
        """Raises StoreUnavailable."""
        ...

    def warn(self) -> str:
        """What its owner should know; empty where nothing."""
        ...

    def find_file(self) -> Path | None:
        """The file that it keeps, if it keeps one."""
        ...


class FileMaster:
    """In a file of its own: on the disk of the data, or better on a stick that can be taken out."""

    def __init__(self, path: Path, data: Path) -> None:
        self._path = path
        self._data = data

    def has(self) -> bool:
        return self._path.exists()

    def read(self, salt: bytes) -> bytes:
        try:
            master = bytes.fromhex(self._path.read_text("ascii").strip())
        except FileNotFoundError:
            raise StoreUnavailable(
                f"The master key {self._path} is missing: put in the stick or put back the file it "
                "stands on, or set APPLIANCE_MASTER_KEY_FILE to where it is."
            ) from None
        except (OSError, ValueError) as error:
            raise StoreUnavailable(
                f"The master key {self._path} cannot be read: {_explain(error)}."
            ) from None
        if len(master) != KEY_BYTES:
            raise StoreUnavailable(f"{self._path} holds no master key of {KEY_BYTES} bytes.")
        return master

    def make(self, salt: bytes) -> bytes:
        return secrets.token_bytes(KEY_BYTES)

    def keep(self, master: bytes) -> None:
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            replace_file(self._path, master.hex().encode() + b"\n")
        except OSError as error:
            raise StoreUnavailable(
                f"The master key {self._path} cannot be written: {error.strerror}."
            ) from error

    def warn(self) -> str:
        try:
            is_same = self._path.stat().st_dev == self._data.stat().st_dev
        except OSError:
            return ""
        return ON_SAME_DISK if is_same else ""

    def find_file(self) -> Path | None:
        return self._path


class PassphraseMaster:
    """Kept nowhere: told by a variable of the environment, or typed at the start."""

    def __init__(self, passphrase: str, ask: Callable[[], str]) -> None:
        self._passphrase = passphrase
        self._ask = ask

    def has(self) -> bool:
        return False

    def read(self, salt: bytes) -> bytes:
        self._passphrase = self._passphrase or self._ask()
        if len(self._passphrase) < LEAST_PASSPHRASE_CHARS:
            raise StoreUnavailable(
                f"The passphrase of the master key needs {LEAST_PASSPHRASE_CHARS} or more "
                "characters; set APPLIANCE_PASSPHRASE, or start it on a terminal and type it."
            )
        return hashlib.scrypt(
            self._passphrase.encode(),
            salt=salt,
            n=SCRYPT_N,
            r=SCRYPT_R,
            p=1,
            maxmem=SCRYPT_BYTES,
            dklen=KEY_BYTES,
        )

    def make(self, salt: bytes) -> bytes:
        return self.read(salt)

    def keep(self, master: bytes) -> None:
        """There is nothing to keep."""

    def warn(self) -> str:
        return ""

    def find_file(self) -> Path | None:
        return None


class TpmMaster:
    """Sealed to this machine's TPM by `systemd-creds`; systemd may have opened it already."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def has(self) -> bool:
        return self._path.exists() or self._find_given() is not None

    def read(self, salt: bytes) -> bytes:
        given = self._find_given()
        plain = given.read_bytes() if given else self._run("decrypt", str(self._path), "-")
        try:
            master = bytes.fromhex(plain.decode("ascii").strip())
        except ValueError:
            master = b""
        if len(master) != KEY_BYTES:
            raise StoreUnavailable("The credential appliance-master holds no master key.")
        return master

    def make(self, salt: bytes) -> bytes:
        return secrets.token_bytes(KEY_BYTES)

    def keep(self, master: bytes) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = self._path.with_suffix(".part")
        part.unlink(missing_ok=True)
        self._run("encrypt", "--with-key=tpm2", "-", str(part), given=master.hex().encode())
        os.chmod(part, 0o600)
        part.replace(self._path)
        sync_folder(self._path.parent)

    def warn(self) -> str:
        return ""

    def find_file(self) -> Path | None:
        return self._path

    def _find_given(self) -> Path | None:
        """What the unit's LoadCredentialEncrypted= opened for this process."""
        folder = os.environ.get("CREDENTIALS_DIRECTORY")
        given = Path(folder) / CREDENTIAL if folder else None
        return given if given and given.exists() else None

    def _run(self, verb: str, *arguments: str, given: bytes = b"") -> bytes:
        command = ["systemd-creds", verb, f"--name={CREDENTIAL}", *arguments]
        try:
            done = subprocess.run(
                command, input=given, capture_output=True, timeout=TPM_S, check=True
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise StoreUnavailable(
                f"The TPM cannot {verb} the master key ({type(error).__name__}); see "
                "`systemd-creds has-tpm2`, or set APPLIANCE_MASTER_KEY to passphrase."
            ) from None
        return done.stdout


def choose_source(settings: Settings, ask: Callable[[], str] = lambda: "") -> MasterSource:
    """As the settings say; `ask` has a person type the passphrase."""
    keys = settings.data / KEYS_FOLDER
    if settings.master_key == "passphrase":
        return PassphraseMaster(settings.passphrase.get_secret_value(), ask)
    if settings.master_key == "tpm":
        return TpmMaster(keys / CREDENTIAL_NAME)
    return FileMaster(settings.master_key_file or keys / KEY_NAME, settings.data)


def _explain(error: OSError | ValueError) -> str:
    return str(error.strerror) if isinstance(error, OSError) else "it is not hexadecimal"
