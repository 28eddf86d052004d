"""SMSC (smsc.ru, smscentre.com and their sister sites) over its HTTP API: ``kind = "smsc"``.

Source: smscentre.com/api/http. Its failures have the HTTP status 200 too, and its content types are not documented: the
body alone counts.

An empty answer is *unknown*, for the text may have been taken: clients that ask the next host for it then may send it
twice. Here such a host is left for the next of ``backup_hosts`` from the next text on. So is one that is not reached:
that text surely did not leave, and the dispatcher tries it again.

Our id goes with the text, and it is no guard: two texts under one id are two texts. But a text whose answer was lost
can be asked for by it, and reports name it.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from bridge.carriers.base import Recall, Received
from bridge.carriers.http import HttpCarrier, UpstreamSettings
from bridge.carriers.smsc import callback
from bridge.carriers.smsc.codes import (
    ERRORS,
    NO_MESSAGE,
    NOT_DELETED,
    NOT_FOUND,
    STATES,
    WAITING,
    Failure,
)
from bridge.carriers.smsc.news import NewsReader, digits, moment, number
from bridge.carriers.wire import BadReply, NoAnswer, Reply
from bridge.fields import HttpHost, Span, TimeZone, base_url
from bridge.model.errors import Trouble
from bridge.model.message import Inbound, Outcome, Report, Verdict
from bridge.model.state import State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bridge.carriers.base import Call, CarrierSettings, Pending
    from bridge.clock import Clock
    from bridge.model.message import Outgoing

_LONGEST_LIFE: Final = 24 * 60
_HOURS_BACK: Final = 72
"""Of texts that are fetched; they are told apart for a week."""
_TYPES: Final = ("text/html", "text/plain", "text/javascript", "application/javascript", "")
_PLAIN_ERROR: Final = re.compile(r"\s*ERROR\s*=\s*(\d{1,4})\b")


class SmscSettings(UpstreamSettings):
    """``[carriers.NAME]`` with ``kind = "smsc"``."""

    host: HttpHost = Field(default="smsc.ru", description="the site of the account")
    backup_hosts: tuple[HttpHost, ...] = Field(default=(), description="hosts for when one does not answer, in turn")
    login: str | None = Field(default=None, min_length=1, description="login name")
    password: SecretStr | None = Field(default=None, min_length=1, description="its password, or the MD5 of that")
    apikey: SecretStr | None = Field(default=None, min_length=1, description="API key, in place of both")
    flash: bool = Field(default=False, description="all texts are shown at once, and not kept by the phone")
    translit: Literal[0, 1, 2] = Field(default=0, description="texts in Latin letters, by their table 1 or 2")
    maxsms: int | None = Field(default=None, ge=1, le=255, description="most parts of a text")
    callback_key: SecretStr | None = Field(default=None, description="secret of the hash in their calls")
    callback_hash: Literal["md5", "sha1", "crc32"] = Field(default="sha1", description="which hash that is")
    fetch_every: Span | None = Field(
        default=None,
        ge=timedelta(minutes=1),
        le=timedelta(hours=6),
        description="pause between fetches of texts from phones; without it they are not fetched",
    )
    time_zone: TimeZone = Field(default="Europe/Moscow", description="of the times in fetched texts")

    @field_validator("apikey")
    @classmethod
    def _one_login(cls, apikey: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if not {"login", "password"} <= info.data.keys():
            return apikey
        login, password = info.data["login"], info.data["password"]
        if apikey is not None and (login is not None or password is not None):
            raise ValueError("either login and password, or apikey, not both")
        if apikey is None and (login is None or password is None):
            raise ValueError("write login and password, or apikey")
        return apikey

    @field_validator("callback_key")
    @classmethod
    def _of_their_letters(cls, key: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if key is not None and not re.fullmatch(r"[A-Za-z0-9_-]{8,100}", key.get_secret_value()):
            raise ValueError("8 to 100 letters, digits, - and _: it is a part of the URL that is entered there")
        if key is not None and info.data.get("callback_secret", "") is None:
            raise ValueError("needs callback_secret, the last part of the URL that is called")
        return key


class Smsc(HttpCarrier):
    """Implements :class:`~bridge.carriers.base.Carrier`; is called, asked, fetched from, funded and recalled."""

    most_asked = 100

    def __init__(self, name: str, settings: CarrierSettings, *, clock: Clock) -> None:
        """Touch nothing yet."""
        if not isinstance(settings, SmscSettings):
            raise TypeError("an smsc carrier needs SmscSettings")
        self._hosts = [base_url(host) for host in (settings.host, *settings.backup_hosts)]
        super().__init__(name, settings, clock=clock, urls=self._hosts)
        self._settings = settings
        self._host = 0
        self._news = NewsReader(name, time_zone=settings.time_zone, clock=clock)
        self._always = {"charset": "utf-8", "fmt": "3"} | _login(settings)
        self.fetch_every = 0.0 if settings.fetch_every is None else settings.fetch_every.total_seconds()

    async def submit(self, outgoing: Outgoing) -> Reply:
        """Send one text by send.php."""
        settings = self._settings
        told = {
            # With the plus sign it is not "corrected" there, by rules that are not told: it is whole already.
            "phones": outgoing.number,
            "mes": outgoing.text,
            "id": outgoing.id,
            "cost": "3",
            "valid": lifetime(outgoing.expires_at - self.clock()),
        }
        if outgoing.sender:
            told["sender"] = outgoing.sender.removeprefix("+")
        if settings.flash or outgoing.flash:
            told["flash"] = "1"
        if settings.translit:
            told["translit"] = str(settings.translit)
        if settings.maxsms is not None:
            told["maxsms"] = str(settings.maxsms)
        return await self._call("send", told)

    def read(self, reply: Reply, outgoing: Outgoing) -> Outcome:  # noqa: ARG002 - the contract's
        """Read what send.php says."""
        said, code = _said(reply)
        if code is None:
            if not isinstance(said["id"], int | str) or said["id"] == "":
                raise BadReply("the answer has no id")
            return Outcome.accepted(str(said["id"]))
        failure = ERRORS.get(code, Failure(words="not in the list", verdict=Verdict.UNKNOWN))
        return Outcome(verdict=failure.verdict, reason=f"error {code}: {failure.words}", retry_after=failure.wait)

    def receive(self, call: Call) -> Received:
        """Read a call: a status, a text from a phone, or the notice of a call, which is nothing to us."""
        told = callback.fields(call.body)
        about = callback.kind(told)
        if (key := self._settings.callback_key) is not None:
            algorithm = self._settings.callback_hash
            callback.verify(told, about=about, algorithm=algorithm, key=key.get_secret_value())
        return self._news.called(told, about)

    async def states_of(self, texts: Sequence[Pending]) -> Sequence[Report]:
        """Return how texts stand. That one is still on its way is news only of a text whose answer was lost."""
        known = await self._records(texts)
        reports = []
        for text in texts:
            item = known.get(text.id, {})
            if number(item.get("status")) == NOT_FOUND or not item:
                continue
            at = moment(item.get("last_timestamp"))
            report = self._news.report(_name(text), str(item.get("status")), str(item.get("err", 0)), at=at)
            if report is not None and (report.state is not State.SENT or text.carrier_id is None):
                reports.append(report)
        return reports

    async def _records(self, texts: Sequence[Pending]) -> Mapping[str, Mapping[str, Any]]:
        """Return what status.php says of each text that it knows, by our id. Raises :exc:`Trouble`."""
        told = {
            # The comma at the end makes a list of one, too. all=1 tells the number, which is compared.
            "id": "".join(f"{_name(text)}," for text in texts),
            "phone": "".join(f"{digits(text.number)}," for text in texts),
            "all": "1",
        }
        said, code = await self._question("status", told)
        if code == NO_MESSAGE:
            return {}
        items = said if code is None and isinstance(said, list) else None
        if items is None or not all(isinstance(item, dict) for item in items):
            raise self._trouble(code)
        if all("id" in item for item in items):
            # One id may have been used for several numbers.
            by_name = {(str(item["id"]), digits(item.get("phone"))): item for item in items}
            found = [by_name.get((_name(text), digits(text.number)), by_name.get((_name(text), ""))) for text in texts]
        elif len(items) == len(texts):
            found = items
        else:
            raise self._trouble(code)
        return {
            text.id: item
            for text, item in zip(texts, found, strict=True)
            if item is not None and digits(item.get("phone")) in {"", digits(text.number)}
        }

    async def credit(self) -> str:
        """Return the balance. Raises :exc:`Trouble`."""
        said, code = await self._question("balance", {"cur": "1"})
        if code is not None or not isinstance(said, dict) or "balance" not in said:
            raise self._trouble(code)
        return " ".join(str(said[name]) for name in ("balance", "currency") if name in said)

    async def recall(self, text: Pending) -> Recall:
        """Delete a text that waits, and look whether it is gone. Raises :exc:`Trouble`.

        One that is on its way may be deleted there too, and arrive. Between the look and the deletion is a moment.
        """
        before = (await self._records([text])).get(text.id)
        status = NOT_FOUND if before is None else number(before.get("status"))
        if status == NOT_FOUND:
            return Recall(done=False, words="there is no such text")
        if status is None or status not in WAITING:
            known = None if status is None else STATES.get(status)
            return Recall(done=False, words=f"status {status}: {known[1] if known else 'not in the list'}")
        told = {"id": _name(text), "phone": digits(text.number), "del": "1"}
        reply = await self._asked("status", told)
        try:
            _, code = _said(reply)
        except (ValueError, TypeError):
            # What a success looks like is not documented; that it is gone can be seen.
            code = None
        if code in {NO_MESSAGE, NOT_DELETED}:
            return Recall(done=False, words=f"error {code}: it cannot be deleted")
        if code is not None:
            raise self._trouble(code)
        after = (await self._records([text])).get(text.id, {"status": NOT_FOUND})
        gone = number(after.get("status")) == NOT_FOUND
        return Recall(done=gone, words="" if gone else "it is still there")

    async def fetch(self) -> Sequence[Inbound]:
        """Return the texts from phones of the last days. Raises :exc:`Trouble`."""
        said, code = await self._question("get", {"get_answers": "1", "hour": str(_HOURS_BACK)})
        if code is not None or not isinstance(said, list) or not all(isinstance(item, dict) for item in said):
            raise self._trouble(code)
        # The names are known from clients only.
        items = [{name: str(value) for name, value in item.items() if value is not None} for item in said]
        return [
            self._news.inbound(item, text=item["message"], to=item.get("to_phone", ""), sent=item.get("sent"))
            for item in items
            if item.get("phone") and "message" in item
        ]

    async def _call(self, file: str, told: Mapping[str, str]) -> Reply:
        """Make one call of the host whose turn it is; one that does not answer has none any more."""
        turn = self._host
        url = f"{self._hosts[turn % len(self._hosts)]}/sys/{file}.php"
        try:
            reply = await self.wire.call("POST", url, form={**self._always, **told})
        except NoAnswer:
            self._pass_by(turn)
            raise
        if not reply.body:
            self._pass_by(turn)
        return reply

    def _pass_by(self, turn: int) -> None:
        # A call that ends late says nothing of the host that has the turn by then.
        if self._host == turn:
            self._host = turn + 1

    async def _asked(self, file: str, told: Mapping[str, str]) -> Reply:
        try:
            reply = await self._call(file, told)
        except NoAnswer as lost:
            raise Trouble(f"{self.name}: {lost.reason}") from None
        if not 200 <= reply.status < 300:
            raise Trouble(f"{self.name}: {self.reason(reply)}")
        return reply

    async def _question(self, file: str, told: Mapping[str, str]) -> tuple[Any, int | None]:
        reply = await self._asked(file, told)
        try:
            return _said(reply)
        except (ValueError, TypeError) as error:
            words = str(error) if isinstance(error, BadReply) else "the answer cannot be read"
            raise Trouble(f"{self.name}: {words}") from None

    def _trouble(self, code: int | None) -> Trouble:
        if code is None:
            return Trouble(f"{self.name}: the answer cannot be read")
        failure = ERRORS.get(code)
        return Trouble(f"{self.name}: error {code}: {failure.words if failure else 'not in the list'}")


def lifetime(left: timedelta) -> str:
    """Return what is left of a text's life as ``valid`` has it: hh:mm, from a minute to a day."""
    minutes = min(max(int(left.total_seconds()) // 60, 1), _LONGEST_LIFE)
    return f"{minutes // 60:02}:{minutes % 60:02}"


def _login(settings: SmscSettings) -> dict[str, str]:
    if settings.apikey is not None:
        return {"apikey": settings.apikey.get_secret_value()}
    password = "" if settings.password is None else settings.password.get_secret_value()
    return {"login": settings.login or "", "psw": password}


def _said(reply: Reply) -> tuple[Any, int | None]:
    """Return what an answer says, and the number of its error. Some errors come as a line whatever was asked for."""
    if not reply.body.strip():
        raise BadReply("the answer is empty")
    if (plain := _PLAIN_ERROR.match(reply.text("latin-1"))) is not None:
        return None, int(plain[1])
    said = reply.json(also=_TYPES)
    if isinstance(said, dict) and "error_code" in said:
        return said, int(said["error_code"])
    if isinstance(said, dict) and "error" in said:
        raise BadReply("an error without a number")
    return said, None


def _name(text: Pending) -> str:
    return text.carrier_id or text.id
