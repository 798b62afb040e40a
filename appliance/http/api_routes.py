"""The open interface as lines of the surface: what programs call that speak OpenAI or Ollama.

It answers nothing itself. The rule that must not break: every line here asks for a key with the
scope of the interface, wherever the appliance asks for keys.
"""

from __future__ import annotations

from appliance.errors import (
    AnswerIncomplete,
    Busy,
    ContextTooLong,
    EngineFailure,
    InvalidField,
    ModelUnavailable,
    NotOffered,
    Restarting,
    SchemaRefused,
    SessionNotFound,
    StoreUnavailable,
    TurnRunning,
)
from appliance.http.ollama import LINES, Ollama
from appliance.http.ollama_shapes import (
    OllamaChat,
    OllamaGenerate,
    OllamaLine,
    OllamaTags,
    OllamaVersion,
)
from appliance.http.openai import OpenAi
from appliance.http.openai_shapes import (
    ChatChunk,
    ChatCompletion,
    ChatWish,
    Completion,
    CompletionWish,
    EmbeddingList,
    EmbeddingWish,
    ModelCard,
    ModelList,
)
from appliance.http.openapi import EVENT_STREAM, Operation, Parameter, Reply
from appliance.http.policies import Policy
from appliance.http.response_shapes import (
    ResponseDeleted,
    ResponseObject,
    ResponseStep,
    ResponseWish,
)
from appliance.http.responses import Responses

BARE = (ContextTooLong, AnswerIncomplete, SchemaRefused, Busy, Restarting, ModelUnavailable)
TURN = (SessionNotFound, TurnRunning, StoreUnavailable, EngineFailure)


def list_openai(openai: OpenAi) -> list[Operation]:
    return [
        Operation(
            "GET",
            "/v1/models",
            openai.list_models,
            "The appliance, and the model it has loaded.",
            (Reply(200, "Both", ModelList),),
            policy=Policy.API,
        ),
        Operation(
            "GET",
            "/v1/models/{model:path}",
            openai.show_model,
            "One of them.",
            (Reply(200, "It", ModelCard),),
            errors=(NotOffered,),
            policy=Policy.API,
        ),
        Operation(
            "POST",
            "/v1/embeddings",
            openai.embed,
            "Texts as numbers, where an embedder is installed.",
            (Reply(200, "One row for each", EmbeddingList),),
            body=EmbeddingWish,
            errors=(NotOffered,),
            policy=Policy.API,
        ),
        *_list_texts(openai),
    ]


def _list_texts(openai: OpenAi) -> list[Operation]:
    return [
        Operation(
            "POST",
            "/v1/chat/completions",
            openai.chat,
            "The next message of a chat, by the appliance or, with X-Appliance-Rungs: off, by its "
            "model alone. X-Session-Id keeps the conversation here.",
            (
                Reply(200, "The answer", ChatCompletion),
                Reply(200, "The answer", ChatChunk, EVENT_STREAM),
            ),
            body=ChatWish,
            errors=(*BARE, *TURN),
            policy=Policy.API,
        ),
        Operation(
            "POST",
            "/v1/completions",
            openai.complete,
            "What the model writes behind a text.",
            (
                Reply(200, "The text", Completion),
                Reply(200, "The text", Completion, EVENT_STREAM),
            ),
            body=CompletionWish,
            errors=(*BARE, EngineFailure),
            policy=Policy.API,
        ),
    ]


def list_responses(responses: Responses) -> list[Operation]:
    gone = (NotOffered, StoreUnavailable)
    return [
        Operation(
            "POST",
            "/v1/responses",
            responses.create,
            "An answer that is kept, told as named events.",
            (
                Reply(200, "The response", ResponseObject),
                Reply(200, "Its events", ResponseStep, EVENT_STREAM),
            ),
            body=ResponseWish,
            errors=(NotOffered, *BARE, *TURN),
            policy=Policy.API,
        ),
        Operation(
            "GET",
            "/v1/responses/{response_id}",
            responses.show,
            "A kept response as far as it is; with stream=true its events after starting_after.",
            (
                Reply(200, "The response", ResponseObject),
                Reply(200, "Its events", ResponseStep, EVENT_STREAM),
            ),
            errors=(*gone, InvalidField),
            parameters=(Parameter("starting_after", "query", "The last number that was seen."),),
            policy=Policy.API,
        ),
        Operation(
            "POST",
            "/v1/responses/{response_id}/cancel",
            responses.cancel,
            "End a response that is under way.",
            (Reply(200, "The response as it stands", ResponseObject),),
            errors=gone,
            policy=Policy.API,
        ),
        Operation(
            "DELETE",
            "/v1/responses/{response_id}",
            responses.forget,
            "Delete a response with its conversation.",
            (Reply(200, "It is deleted", ResponseDeleted),),
            errors=gone,
            policy=Policy.API,
        ),
    ]


def list_ollama(ollama: Ollama) -> list[Operation]:
    lines = (Reply(200, "Lines of JSON", None, LINES), Reply(200, "The answer", OllamaLine))
    return [
        Operation(
            "POST",
            "/api/chat",
            ollama.chat,
            "The next message of a chat, as Ollama writes it.",
            lines,
            body=OllamaChat,
            errors=(*BARE, *TURN),
            policy=Policy.API,
        ),
        Operation(
            "POST",
            "/api/generate",
            ollama.generate,
            "One question and its answer, as Ollama writes it.",
            lines,
            body=OllamaGenerate,
            errors=(*BARE, *TURN),
            policy=Policy.API,
        ),
        Operation(
            "GET",
            "/api/tags",
            ollama.list_models,
            "The appliance, and the model it has loaded.",
            (Reply(200, "Both", OllamaTags),),
            policy=Policy.API,
        ),
        Operation(
            "GET",
            "/api/version",
            ollama.show_version,
            "The version of the appliance.",
            (Reply(200, "It", OllamaVersion),),
            policy=Policy.API,
        ),
    ]
