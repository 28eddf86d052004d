"""``[carriers.NAME]`` with ``kind = "http"``: a provider's API, said in a table.

What contradicts itself is refused under the key that stands later in the table.
"""

from __future__ import annotations

import codecs
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal
from urllib.parse import parse_qsl, urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationInfo, field_validator

from bridge.carriers.generic.placeholders import names_in
from bridge.carriers.http import UpstreamSettings
from bridge.fields import Listed, Pattern, Region, TimeZone, pattern
from bridge.model.message import Verdict
from bridge.model.state import State

if TYPE_CHECKING:
    from collections.abc import Iterable

_SECRET_NAME: Final = re.compile(r"api[_-]?key|token|secret|passw|pwd|psw|authorization", re.IGNORECASE)
_PLACE: Final = re.compile(r"/.*|header [!#$%&'*+.^_`|~0-9A-Za-z-]+|pattern .+", re.DOTALL)
_TEMPLATES: Final = ("url", "headers", "query", "fields", "body")

Sign = Literal["accepted", "refused", "deferred", "unknown"]
News = Literal["sent", "delivered", "undelivered", "expired", "nothing"]
assert set(Sign.__args__) == set(Verdict)  # type: ignore[attr-defined]  # noqa: S101 - two lists of the same words
assert set(News.__args__) - {"nothing"} < set(State)  # type: ignore[attr-defined]  # noqa: S101 - the same


def _templates(value: Any) -> Any:
    for _ in names_in(value):
        pass
    return value


def _place(value: str) -> str:
    if not _PLACE.fullmatch(value):
        raise ValueError('write /a/b/0 (JSON pointer), "header NAME" or "pattern REGEX"')
    if value.startswith("pattern "):
        pattern(value.removeprefix("pattern "))
    return value


def _charset(value: str) -> str:
    try:
        codecs.lookup(value)
    except LookupError as error:
        raise ValueError(f"no charset is called {value!r}") from error
    return value


def _url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or "{" in parts.netloc:
        raise ValueError("write https://host/path, the host without placeholders")
    if "@" in parts.netloc:
        raise ValueError("a login in the URL would be shown: write user, password and auth")
    try:
        _ = parts.port
    except ValueError as error:
        raise ValueError("a port is a number up to 65535") from error
    _hidden(dict(parse_qsl(parts.query)))
    return value


def _hidden(value: dict[str, Any]) -> dict[str, Any]:
    for name, each in value.items():
        if _SECRET_NAME.search(name) and isinstance(each, str) and "{{" not in each:
            raise ValueError(
                f"{name}: a secret written here would be shown; write it under token and {{{{token}}}} here"
            )
    return value


_Templates = Annotated[dict[str, str], AfterValidator(_templates), AfterValidator(_hidden)]
_Place = Annotated[str, AfterValidator(_place)]


class GenericSettings(UpstreamSettings):
    """``[carriers.NAME]`` with ``kind = "http"``."""

    user: str | None = Field(default=None, description="login name")
    password: SecretStr | None = Field(default=None, min_length=1, description="its password")
    token: SecretStr | None = Field(default=None, min_length=1, description="token or API key")
    secrets: dict[str, SecretStr] = Field(default_factory=dict, description="more of them, as {{secrets.NAME}}")
    auth: Literal["none", "basic", "bearer"] = Field(default="none", description="how the login is sent by itself")
    method: Literal["GET", "POST", "PUT"] = Field(default="POST", description="method of the call")
    url: Annotated[str, AfterValidator(_templates), AfterValidator(_url)] = Field(description="where it goes")
    headers: _Templates = Field(default_factory=dict, description="headers, with placeholders")
    query: _Templates = Field(default_factory=dict, description="parameters of the URL, with placeholders")
    encoding: Literal["none", "form", "json", "xml", "text"] = Field(default="json", description="form of the body")
    fields: Annotated[dict[str, Any], AfterValidator(_templates), AfterValidator(_hidden)] = Field(
        default_factory=dict, description="what a form or JSON body holds, with placeholders"
    )
    body: Annotated[str, AfterValidator(_templates)] = Field(default="", description="an XML or text body")
    content_type: str | None = Field(default=None, pattern="^[!-~ ]+/[!-~ ]+$", description="the body's type")
    charset: Annotated[str, AfterValidator(_charset)] = Field(default="utf-8", description="of all but JSON")
    region: Region | None = Field(default=None, description="country whose numbers are written as there")
    number_form: Literal["e164", "digits", "00", "local"] = Field(default="e164", description="how numbers are written")
    number_prefixes: dict[str, str] = Field(default_factory=dict, description="beginnings of numbers to be replaced")
    default_sender: str | None = Field(default=None, description="sender of texts that have none")
    takes_own_id: bool = Field(default=False, description="a text sent twice under one {{id}} arrives once")
    statuses: dict[int, Sign] = Field(default_factory=dict, description="what HTTP statuses mean")
    refused_pattern: Pattern | None = Field(default=None, description="in answers that refuse for good")
    deferred_pattern: Pattern | None = Field(default=None, description="in answers of a text that was not taken now")
    id: _Place | None = Field(default=None, description="where the provider's id is")
    result: _Place | None = Field(default=None, description="where the answer says how it went")
    results: dict[str, Sign] = Field(default_factory=dict, description="what that means; * is any other")
    answer: Literal["json", "text", "none"] = Field(default="json", description="form of the answer")
    answer_types: Annotated[tuple[str, ...], Listed] = Field(default=(), description="more content types for it")
    callback_items: str | None = Field(default=None, pattern="^(/.*)?$", description="where a list of news is")
    callback_id: str | None = Field(default=None, description="parameter with the provider's id")
    callback_own_id: str | None = Field(default=None, description="parameter with our id")
    callback_states: dict[str, News] = Field(default_factory=dict, description="what states mean; * is any other")
    callback_state: str | None = Field(default=None, description="parameter with the state")
    callback_error: str | None = Field(default=None, description="parameter with an error, kept beside the state")
    callback_time: str | None = Field(default=None, description="parameter with the time")
    inbound_from: str | None = Field(default=None, description="parameter with the phone's number")
    inbound_to: str | None = Field(default=None, description="parameter with the number that was texted")
    inbound_text: str | None = Field(default=None, description="parameter with the text")
    inbound_id: str | None = Field(default=None, description="parameter with the id of it")
    inbound_time: str | None = Field(default=None, description="parameter with the time")
    time_format: str | None = Field(default=None, description="form of times, as strptime has it")
    time_zone: TimeZone = Field(default="UTC", description="of times without one")
    callback_charset: Annotated[str, AfterValidator(_charset)] = Field(default="utf-8", description="of their calls")
    callback_answer: str = Field(default="OK", description="what we answer")

    @field_validator("auth")
    @classmethod
    def _one_login(cls, auth: str, info: ValidationInfo) -> str:
        if not _all(info, "user", "password", "token"):
            return auth
        user, password, token = (info.data[name] for name in ("user", "password", "token"))
        if password is not None and token is not None:
            raise ValueError("either user and password, or token, not both; more secrets go under secrets")
        if auth == "basic" and (user is None or password is None):
            raise ValueError("basic needs user and password")
        if auth == "bearer" and token is None:
            raise ValueError("bearer needs token")
        return auth

    @field_validator("encoding")
    @classmethod
    def _body_where_it_may_be(cls, encoding: str, info: ValidationInfo) -> str:
        if info.data.get("method") == "GET" and encoding != "none":
            raise ValueError('GET has no body: write "none", and the parameters under query')
        return encoding

    @field_validator("fields")
    @classmethod
    def _fields_in_their_encoding(cls, fields: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        encoding = info.data.get("encoding")
        if fields and encoding in {"none", "xml", "text"}:
            raise ValueError(f"no fields with encoding = {encoding!r}")
        if encoding == "form" and not all(isinstance(each, str) for each in fields.values()):
            raise ValueError("a form has strings only")
        return fields

    @field_validator("body")
    @classmethod
    def _request_is_whole(cls, body: str, info: ValidationInfo) -> str:
        encoding = info.data.get("encoding")
        if body and encoding in {"none", "form", "json"}:
            raise ValueError(f"no body with encoding = {encoding!r}")
        if not _all(info, *_TEMPLATES[:-1], "user", "password", "token", "secrets", "auth", "encoding"):
            return body
        used = frozenset(names_in([body, *(info.data[name] for name in _TEMPLATES[:-1])]))
        if missing := {"to", "text"} - used:
            raise ValueError(f"nothing in the request has {{{{{min(missing)}}}}}")
        if lacking := sorted(_given(used) - _has(info.data)):
            raise ValueError(f"{{{{{lacking[0]}}}}} is used, and not set")
        sent = {"basic": {"user", "password"}, "bearer": {"token"}}.get(info.data.get("auth", ""), set())
        if unused := sorted(_has(info.data) - used - sent):
            raise ValueError(
                f"{unused[0]} is set and nothing sends it: write auth, or {{{{{unused[0]}}}}} in the request"
            )
        return body

    @field_validator("number_form")
    @classmethod
    def _local_somewhere(cls, form: str, info: ValidationInfo) -> str:
        if _all(info, "region") and (form == "local") is not (info.data["region"] is not None):
            raise ValueError("local and region go together: numbers of that country are written as there")
        return form

    @field_validator("number_prefixes")
    @classmethod
    def _digits(cls, prefixes: dict[str, str]) -> dict[str, str]:
        for prefix, instead in prefixes.items():
            if not re.fullmatch(r"[1-9][0-9]{0,14}", prefix) or not re.fullmatch(r"\+?[0-9]{0,15}", instead):
                raise ValueError('write digits, as "972" = "0"')
        return prefixes

    @field_validator("takes_own_id")
    @classmethod
    def _id_is_sent(cls, takes: bool, info: ValidationInfo) -> bool:  # noqa: FBT001 - pydantic's signature
        if takes and _all(info, *_TEMPLATES) and "id" not in names_in([info.data[name] for name in _TEMPLATES]):
            raise ValueError("needs {{id}} in the request")
        return takes

    @field_validator("results")
    @classmethod
    def _results_of_a_result(cls, results: dict[str, Sign], info: ValidationInfo) -> dict[str, Sign]:
        if _all(info, "result") and bool(results) is not (info.data["result"] is not None):
            raise ValueError("result and results go together: where the answer says it, and what that means")
        return results

    @field_validator("answer")
    @classmethod
    def _a_sign(cls, answer: str, info: ValidationInfo) -> str:
        if not _all(info, "id", "result"):
            return answer
        places = [info.data[name] for name in ("id", "result") if info.data[name] is not None]
        in_body = [place for place in places if not place.startswith("header ")]
        if answer == "none":
            if in_body:
                raise ValueError("none does not read the answer, and id or result is in it")
        elif not places:
            raise ValueError("say where the id or the result is; with none the status alone counts")
        if answer == "text" and any(place.startswith("/") for place in in_body):
            raise ValueError("a place /a/b is in JSON")
        return answer

    @field_validator("callback_state")
    @classmethod
    def _reports(cls, state: str | None, info: ValidationInfo) -> str | None:
        named = info.data.get("callback_id") or info.data.get("callback_own_id")
        if _all(info, "callback_states") and bool(info.data["callback_states"]) is not (state is not None):
            raise ValueError("callback_state and callback_states go together: where it is, and what it means")
        if state is not None and named is None:
            raise ValueError("needs callback_id or callback_own_id: which text it is")
        if state is not None and info.data.get("callback_secret", "") is None:
            raise ValueError("needs callback_secret, the last part of the URL that is called")
        return state

    @field_validator("inbound_text")
    @classmethod
    def _replies(cls, text: str | None, info: ValidationInfo) -> str | None:
        if (text is None) is not (info.data.get("inbound_from") is None):
            raise ValueError("inbound_from and inbound_text go together")
        if text is not None and info.data.get("callback_secret", "") is None:
            raise ValueError("needs callback_secret, the last part of the URL that is called")
        return text

    @field_validator("time_format")
    @classmethod
    def _a_time(cls, form: str | None) -> str | None:
        if form is not None:
            now = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)
            try:
                datetime.strptime(now.strftime(form), form)  # noqa: DTZ007 - whether it can be read at all
            except ValueError as error:
                raise ValueError(f"no form of a time: {error}") from error
        return form


def _all(info: ValidationInfo, *names: str) -> bool:
    """Whether these are good by themselves. Where one is not, that is said, and nothing of what follows from it."""
    return all(name in info.data for name in names)


def _has(data: dict[str, Any]) -> set[str]:
    own = {name for name in ("user", "password", "token") if data.get(name) is not None}
    return own | {f"secrets.{name}" for name in data.get("secrets", {})}


def _given(used: Iterable[str]) -> set[str]:
    return {name for name in used if name in {"user", "password", "token"} or name.startswith("secrets.")}
