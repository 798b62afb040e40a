"""Every error the appliance raises on purpose, each with its code, HTTP status and plain words.

    ApplianceError
    ├── SettingsError            a setting stops the start
    ├── InvalidRequest           the client sent something malformed (400)
    │   ├── InvalidField         one field is wrong; `field` is its path (422)
    │   │   ├── ContextTooLong   more than the model can read at once (400)
    │   │   └── UnknownOperator  nobody who could take a conversation has this name (422)
    │   ├── BodyTooLarge         (413)
    │   └── WrongContentType     (415)
    ├── NotAuthenticated         no key or session, or one that does not count (401)
    │   └── LoginRefused         wrong name, password or setup code (401)
    ├── AccessDenied             a key or an operator that may not do this (403)
    ├── ForeignOrigin            a page of another site asks for it (403)
    ├── InsecureConnection       what must not pass an open network unencrypted (403)
    ├── SessionNotFound          (404)
    ├── NotOffered               a model, or an ability, that this appliance does not have (404)
    ├── TurnRunning              a second message while one is answered (409)
    ├── HandoffRefused           a conversation cannot go over from its state to that one (409)
    ├── AlreadyTaken             another operator has the conversation; `account` names him (409)
    ├── PublishRefused           what was to be published or undone cannot be, and why (409)
    ├── IdentityRefused          nobody who may has signed who the visitor is (403)
    ├── UnknownHost              called by a name that is not its own (421)
    ├── TooManyRequests          more than one address, conversation or key may ask for (429)
    ├── HeadersTooLarge          (431)
    ├── Busy                     the queue is full; `retry_after_s` says when to come back (503)
    ├── Restarting               the appliance stops; a turn goes on after the restart (503)
    ├── StoreUnavailable         the conversation cannot be saved now (503)
    │   └── PassphraseWanted     the one who can ask for it is the process above
    ├── ModelUnavailable         no model is loaded, and why (503)
    │   └── ModelFileError       the file was refused before llama.cpp saw it; `remedy` mends it
    └── EngineFailure            a generation failed in the engine (503)

Foreign errors are translated where the foreign library is imported: llama.cpp's in
`engine/llama.py`, SQLite's in `store/`, pydantic's in `config.py` and `http/body.py`. The rule
that must not break: every error's sentence may be shown to a customer as it stands.
"""

from __future__ import annotations


class ApplianceError(Exception):
    """The root; `str(error)` is one plain English sentence that may be shown to a customer."""

    code = "internal"
    status = 500
    retry_after_s: int | None = None

    @property
    def detail(self) -> dict[str, object] | None:
        """Machine-readable particulars, or None."""
        return None


class SettingsError(ApplianceError):
    """A setting that stops the start; the sentence names key, value and what is allowed."""

    code = "invalid_setting"


class InvalidRequest(ApplianceError):
    code = "invalid_request"
    status = 400


class InvalidField(InvalidRequest):
    code = "invalid_field"
    status = 422

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(sentence)
        self.field = field

    @property
    def detail(self) -> dict[str, object]:
        return {"field": self.field}


class ContextTooLong(InvalidField):
    """The model cannot read so much at once."""

    code = "context_length_exceeded"
    status = 400


class UnknownOperator(InvalidField):
    code = "unknown_operator"

    def __init__(self, account: str) -> None:
        super().__init__("account", f"{account} is no operator who could take it.")


class BodyTooLarge(InvalidRequest):
    code = "body_too_large"
    status = 413


class SchemaRefused(InvalidField):
    """A JSON Schema that is not in the subset; `path` names the place."""

    code = "schema_refused"

    def __init__(self, path: str, message: str) -> None:
        super().__init__(path, f"{path} {message}")
        self.path = path


class AnswerIncomplete(ApplianceError):
    """A structured answer that was cut off; no part of it is given out."""

    code = "answer_incomplete"
    status = 422


class WrongContentType(InvalidRequest):
    code = "wrong_content_type"
    status = 415


class NotAuthenticated(ApplianceError):
    code = "not_authenticated"
    status = 401


class LoginRefused(NotAuthenticated):
    code = "login_refused"


class AccessDenied(ApplianceError):
    code = "access_denied"
    status = 403


class ForeignOrigin(ApplianceError):
    code = "foreign_origin"
    status = 403


class InsecureConnection(ApplianceError):
    code = "insecure_connection"
    status = 403


class UnknownHost(ApplianceError):
    code = "unknown_host"
    status = 421


class HeadersTooLarge(ApplianceError):
    code = "headers_too_large"
    status = 431


class TooManyRequests(ApplianceError):
    code = "too_many_requests"
    status = 429

    def __init__(self, sentence: str, retry_after_s: int) -> None:
        super().__init__(sentence)
        self.retry_after_s = retry_after_s


class SessionNotFound(ApplianceError):
    code = "session_not_found"
    status = 404


class NotOffered(ApplianceError):
    code = "not_offered"
    status = 404


class TurnRunning(ApplianceError):
    code = "turn_running"
    status = 409


class HandoffRefused(ApplianceError):
    code = "handoff_refused"
    status = 409


class AlreadyTaken(ApplianceError):
    code = "already_taken"
    status = 409

    def __init__(self, account: str) -> None:
        super().__init__(f"This conversation is {account}'s.")
        self.account = account

    @property
    def detail(self) -> dict[str, object]:
        return {"account": self.account}


class PublishRefused(ApplianceError):
    """`reason` and what `told` names say the same to a page, which has its own words."""

    code = "publish_refused"
    status = 409

    def __init__(self, sentence: str, reason: str = "", **told: str | int) -> None:
        super().__init__(sentence)
        self.reason = reason
        self._told = told

    @property
    def detail(self) -> dict[str, object] | None:
        return {"reason": self.reason, **self._told} if self.reason else None


class IdentityRefused(ApplianceError):
    code = "identity_refused"
    status = 403


class Busy(ApplianceError):
    code = "busy"
    status = 503

    def __init__(self, sentence: str, retry_after_s: int) -> None:
        super().__init__(sentence)
        self.retry_after_s = retry_after_s


class Restarting(ApplianceError):
    code = "restarting"
    status = 503
    retry_after_s = 2


class StoreUnavailable(ApplianceError):
    code = "store_unavailable"
    status = 503
    retry_after_s = 5


class PassphraseWanted(StoreUnavailable):
    """Nobody's fault: the process ends, and is started again with what was typed."""


class ModelUnavailable(ApplianceError):
    code = "model_unavailable"
    status = 503


class ModelFileError(ModelUnavailable):
    """A model file that must not reach llama.cpp; `remedy` is the command that mends it."""

    code = "model_file_refused"

    def __init__(self, sentence: str, remedy: str) -> None:
        super().__init__(sentence)
        self.remedy = remedy


class EngineFailure(ApplianceError):
    code = "engine_failed"
    status = 503
    retry_after_s = 5
