"""Every setting with its type, its bounds, its default and the words that explain it.

It says what a value may be, never where it stands: reading files and variables is `config.py`. The
rule that must not break: a setting that is here has a default that works on a fresh machine.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from appliance.persona import DEFAULT_SYSTEM_PROMPT
from appliance.setting_rules import (
    BusinessHours,
    FolderUrl,
    HeaderSecret,
    ModelName,
    Networks,
    ServerUrls,
)

# As browsers write an origin: in small letters, without a path, IPv6 in brackets.
ORIGIN = re.compile(r"https?://(?:[a-z0-9_.-]+|\[[0-9a-f:.]+\])(?::[1-9][0-9]{0,4})?", re.ASCII)
MIN_SECRET_CHARS = 32


class Settings(BaseModel):
    """Every setting with its default; `description` is what `appliance config` prints."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    host: str = Field("0.0.0.0", min_length=1, description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    hosts: str = Field(
        "",
        description="Names under which the appliance may be called, with blanks between, besides "
        "its addresses, localhost and the machine's name with .local.",
    )
    tls_cert: Path | None = Field(
        None, description="File of the TLS certificate; `appliance tls init` makes one."
    )
    tls_key: Path | None = Field(None, description="File of the certificate's private key.")
    chat_access: Literal["open", "key"] = Field(
        "open", description="Who may chat: everybody who reaches the appliance, or who has a key."
    )
    metrics_access: Literal["guarded", "open"] = Field(
        "guarded",
        description="Who may read /metrics: this machine, keys and operators, or everybody.",
    )
    receive_deadline_s: float = Field(
        10.0, ge=0.1, le=600.0, description="Longest time in which a request has to arrive whole."
    )
    address_connections: int = Field(
        16, ge=0, le=65536, description="Open connections of one address; 0 sets no limit."
    )
    address_per_minute: int = Field(
        120,
        ge=0,
        le=1_000_000,
        description="Requests of one address in a minute that change something; 0 sets no limit.",
    )
    session_per_minute: int = Field(
        30, ge=0, le=1_000_000, description="Messages of one conversation in a minute; 0 sets none."
    )
    key_per_minute: int = Field(
        600, ge=0, le=1_000_000, description="Requests of one API key in a minute; 0 sets no limit."
    )
    address_answers: int = Field(
        3, ge=0, le=1024, description="Answers of one address at the same time; 0 sets no limit."
    )
    key_answers: int = Field(
        8, ge=0, le=1024, description="Answers of one API key at the same time; 0 sets no limit."
    )
    trusted_proxies: Networks = Field(
        "",
        description="Addresses or networks of proxies whose X-Forwarded-For is believed, with "
        "blanks between, as 192.168.1.5 10.0.0.0/24; empty believes none.",
    )
    data: Path = Field(Path("data"), description="Folder of the conversations' database.")
    knowledge: Path = Field(
        Path("knowledge"),
        description="Folder of the shop's questions, documents, words and rules; where it is "
        "missing at the start, the example shop is served.",
    )
    model: str = Field(
        "",
        description="Catalogue id or path of a chat GGUF; empty takes what `appliance models use` "
        "chose, else the catalogue's default, else its stand-in.",
    )
    models: Path = Field(Path("models"), description="Folder of the model files.")
    cache: Path | None = Field(
        None,
        description="Shared folder of downloaded models; empty takes the user's cache folder.",
    )
    model_mirror: FolderUrl = Field(
        "",
        description="Folder on the web with model files by name, asked before the hubs, as "
        "http://files.lan/models; empty asks the hubs alone.",
    )
    threads: int = Field(
        0, ge=0, le=256, description="Threads of the engine; 0 takes what the machine gives."
    )
    context_tokens: int = Field(
        0, ge=0, le=131072, description="Cells of the KV cache; 0 takes what the memory gives."
    )
    load_mode: Literal["auto", "memory", "map"] = Field(
        "auto", description="Read the model into memory or map its file; auto reads where it fits."
    )
    parallel: int = Field(4, ge=1, le=64, description="Answers generated at the same time.")
    queue: int = Field(32, ge=0, le=1024, description="Questions that may wait; more are refused.")
    gap_ms: float = Field(
        150.0,
        ge=20.0,
        le=2000.0,
        description="Longest pause of an open stream, in milliseconds, while a new question is "
        "read beside it.",
    )
    drafts: Literal["auto", "off"] = Field(
        "auto",
        description="Verify several guessed tokens at once where one answer is given and it pays: "
        "what it quotes comes faster.",
    )
    parking_mb: int = Field(
        0,
        ge=0,
        le=65536,
        description="Memory for conversations that gave up their place in the KV cache; 0 takes a "
        "tenth of the memory, 256 MB at most.",
    )
    park_on_disk: Literal["auto", "on", "off"] = Field(
        "auto",
        description="Keep parked conversations on disk over a restart; auto does where the data "
        "folder is on no SD card.",
    )
    # Stands before what it bounds: a validator sees only the fields above its own.
    max_new_tokens_cap: int = Field(
        512, ge=1, le=4096, description="Upper bound of max_new_tokens, whoever sets it."
    )
    max_new_tokens: int = Field(
        128, ge=1, le=4096, description="Longest answer, in tokens; at most max_new_tokens_cap."
    )
    answer_deadline_s: float = Field(
        60.0, ge=1.0, le=600.0, description="Longest time one answer may take once begun."
    )
    history_turns: int = Field(
        6, ge=0, le=64, description="Past exchanges that the model is shown."
    )
    history_window: Literal["blocks", "sliding"] = Field(
        "blocks",
        description="How old exchanges leave: history_turns at once, between two questions, so "
        "that what was read stays valid; or one by one.",
    )
    scope: Literal["all", "shop"] = Field(
        "all", description="What the model may answer: all, or only what the documents hold."
    )
    answer_cache_minutes: int = Field(
        60,
        ge=0,
        le=10080,
        description="Minutes that a repeated answer of the model is kept; 0 keeps none.",
    )
    model_wait_s: float = Field(
        20.0,
        ge=0.0,
        le=600.0,
        description="Longest wait for a loading model before other words are said.",
    )
    queue_wait_s: float = Field(
        60.0,
        ge=1.0,
        le=600.0,
        description="Longest wait in the queue before other words are said.",
    )
    engine: Literal["local", "remote"] = Field(
        "local",
        description="Who speaks where a model is needed: this machine, or servers (remote_urls).",
    )
    remote_urls: ServerUrls = Field(
        "",
        description="Addresses of OpenAI-compatible servers (vLLM, llama-server, Ollama), with "
        "blanks between, as http://gpu.lan:8000.",
    )
    remote_model: ModelName = Field(
        "", description="The model to ask these servers for; empty takes the first they list."
    )
    remote_key: HeaderSecret = Field(
        SecretStr(""), description="API key for these servers; empty sends none."
    )
    remote_fallback: Literal["local", "none"] = Field(
        "local",
        description="Who answers while no remote server can: the model of this machine, which is "
        "loaded as well, or only what needs none.",
    )
    remote_context_tokens: int = Field(
        8192,
        ge=512,
        le=1048576,
        description="Longest prompt and answer for these servers; a letter counts as one token.",
    )
    remote_first_token_s: float = Field(
        15.0,
        ge=0.5,
        le=600.0,
        description="Longest wait for a remote server's first word before another is asked.",
    )
    remote_silence_s: float = Field(
        10.0, ge=0.5, le=600.0, description="Longest pause in an answer of a remote server."
    )
    moderation_url: str = Field(
        "",
        description="Address of a moderation service that every message and answer must pass; "
        "empty asks none.",
    )
    moderation_timeout_s: float = Field(
        2.0,
        ge=0.1,
        le=30.0,
        description="Longest wait for the moderation service; late is refused.",
    )
    business_hours: BusinessHours = Field(
        "",
        description="When people answer, as mon-fri 09:00-18:00, sat 10:00-14:00; empty means "
        "always.",
    )
    wait_minutes: int = Field(
        10,
        ge=0,
        le=1440,
        description="Minutes a customer waits for a person before he is asked to leave word; 0 "
        "means for ever.",
    )
    retention_days: int = Field(
        30, ge=0, le=3650, description="Days an untouched conversation stays; 0 keeps it for good."
    )
    network_log_days: int = Field(
        190,
        ge=0,
        le=3650,
        description="Days the log of requests stays, which holds no words; 0 writes none.",
    )
    master_key: Literal["file", "passphrase", "tpm"] = Field(
        "file",
        description="What all keys of the conversations hang on: a file, a passphrase or the "
        "machine's TPM.",
    )
    master_key_file: Path | None = Field(
        None,
        description="File of the master key, best on a USB stick; empty takes `keys/master.key` in "
        "the data folder.",
    )
    passphrase: SecretStr = Field(
        SecretStr(""),
        description="Passphrase of the master key, 12 or more characters; empty asks for it on the "
        "terminal.",
    )
    backup_hours: float = Field(
        24.0, ge=0.0, le=8760.0, description="Hours between two backups; 0 makes none."
    )
    backups: Path | None = Field(
        None, description="Folder of the backups; empty takes `backups` in the data folder."
    )
    backups_kept: int = Field(3, ge=1, le=365, description="Backups that are kept.")
    max_message_chars: int = Field(
        2000, ge=1, le=4000, description="Longest message of a customer, in characters."
    )
    system_prompt: str = Field(
        DEFAULT_SYSTEM_PROMPT,
        min_length=1,
        max_length=4000,
        description="What the model is told before every conversation.",
    )
    temperature: float = Field(
        0.3,
        ge=0.0,
        le=2.0,
        description="Chance in the choice of words; 0 always takes the likeliest.",
    )
    top_k: int = Field(40, ge=1, le=1000, description="Candidates kept for each token.")
    top_p: float = Field(0.8, gt=0.0, le=1.0, description="Probability mass kept for each token.")
    repeat_penalty: float = Field(
        1.1, ge=1.0, le=2.0, description="Divisor for what was already said; 1 is none."
    )
    widget_origins: str = Field(
        "",
        description="Addresses of the sites whose pages may show the widget, with blanks between, "
        "as http://shop.lan:8080; empty allows none but the appliance's own.",
    )
    widget_secret: SecretStr = Field(
        SecretStr(""),
        description="Secret of 32 or more characters by which those sites sign who a visitor is; "
        "empty takes nobody's word for it.",
    )
    log_format: Literal["auto", "text", "json"] = Field(
        "auto", description="Log lines; auto writes text on a terminal and JSON elsewhere."
    )

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_booleans(cls, value: object) -> object:
        """Else `port = true` would be port 1."""
        if isinstance(value, bool):
            raise PydanticCustomError("boolean", "a boolean")
        return value

    @field_validator("cache", "backups", "master_key_file", "tls_cert", "tls_key", mode="before")
    @classmethod
    def _read_empty_as_none(cls, value: object) -> object:
        return None if value == "" else value

    @field_validator("widget_origins")
    @classmethod
    def _hold_origins(cls, value: str) -> str:
        """A slash at the end or a path would be an origin that no browser ever sends."""
        if all(ORIGIN.fullmatch(origin) for origin in value.split()):
            return value
        raise ValueError(
            "addresses such as http://shop.lan or https://shop.lan:8443, in small letters, without "
            "a path or a slash at the end, with blanks between"
        )

    @field_validator("widget_secret")
    @classmethod
    def _hold_secret(cls, value: SecretStr) -> SecretStr:
        if 0 < len(value.get_secret_value()) < MIN_SECRET_CHARS:
            raise ValueError(f"{MIN_SECRET_CHARS} characters or more, or nothing")
        return value

    @field_validator("tls_key")
    @classmethod
    def _hold_pair(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if (value is None) != (info.data.get("tls_cert") is None):
            raise ValueError("a path where tls_cert is one too, else nothing")
        return value

    @field_validator("max_new_tokens")
    @classmethod
    def _hold_cap(cls, value: int, info: ValidationInfo) -> int:
        cap = info.data.get("max_new_tokens_cap", value)
        if value > cap:
            raise ValueError(f"a whole number from 1 to max_new_tokens_cap, which is {cap}")
        return value
