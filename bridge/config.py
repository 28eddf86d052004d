"""Settings: one frozen object, from bridge.toml and the environment, all right or refused with all that is wrong.

Every key may also come from the environment: ``SMSBRIDGE_SMTP__LISTEN`` is ``listen`` in ``[smtp]``. Lists and tables
are written there as in TOML (``["a", "b"]``), all else plainly (``5``, ``true``, ``some text``). Relative paths
count from the folder of the configuration file.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    InstanceOf,
    SecretStr,
    ValidationError,
    create_model,
    model_validator,
)

from bridge import doors
from bridge.calls.throttle import Patience
from bridge.carriers.base import CarrierSettings
from bridge.carriers.registry import KINDS
from bridge.fields import Listed, Network, Region, Section, Span
from bridge.model.errors import ConfigError, InvalidTime
from bridge.model.limits import Limit, parse_limits
from bridge.model.message import Priority
from bridge.model.price import PriceTable
from bridge.model.when import Quiet, country_zone, parse_hours
from bridge.pipeline.accept import Rules
from bridge.pipeline.inbound import fold
from bridge.pipeline.routing import Match, Route, Router

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DEFAULT_FILE = "bridge.toml"
_PREFIX = "SMSBRIDGE_"
_FILE_VARIABLE = "SMSBRIDGE_CONFIG"


def _limits(value: object) -> object:
    return parse_limits(str(each) for each in value) if isinstance(value, list | tuple) else value


def _prices(value: object) -> PriceTable:
    if isinstance(value, PriceTable):
        return value
    if not isinstance(value, dict):
        raise ValueError("a table of prices by prefix")  # noqa: TRY004 - pydantic collects ValueError
    factors = value.get("priority", {})
    if not isinstance(factors, dict):
        raise ValueError("priority: a table of factors by priority")  # noqa: TRY004 - pydantic collects ValueError
    return PriceTable.of({key: price for key, price in value.items() if key != "priority"}, factors)


def _quiet(value: object) -> object:
    """Return quiet hours by country, each in that country's time. Raises ValueError with all that is wrong."""
    if not isinstance(value, dict):
        raise ValueError("a table of hours by country")  # noqa: TRY004 - pydantic collects ValueError
    found: dict[str, Quiet] = {}
    problems = []
    for written, hours in value.items():
        region = str(written).upper()
        if region in found:
            problems.append(f"{region}: is there twice")
        try:
            found[region] = hours if isinstance(hours, Quiet) else _quiet_in(region, hours)
        except (ValueError, InvalidTime) as error:
            problems.append(f"{written}: {error}")
    if problems:
        raise ValueError("; ".join(problems))
    return found


def _quiet_in(region: str, hours: object) -> Quiet:
    zone = country_zone(region)
    if zone is None:
        raise ValueError("no country with a time zone of its own; write IL or DE")
    listed = hours if isinstance(hours, list | tuple) else [hours]
    if not all(isinstance(each, str) for each in listed):
        raise ValueError('write hours as "22:00-07:00", or a list of such')
    return Quiet(windows=parse_hours(map(str, listed)), zone=zone)


def _words(words: tuple[str, ...]) -> tuple[str, ...]:
    for word in words:
        if not fold(word):
            message = f"{word!r} has no letter and no digit: it would be any answer without one"
            raise ValueError(message)
    return words


class DispatchSettings(Section):
    """How texts leave."""

    enabled: bool = Field(default=True, description="off: texts are taken and kept, and none is sent")
    lease: Span = Field(
        default=timedelta(seconds=30),
        ge=timedelta(seconds=1),
        description="how long a text whose process died waits before it is taken over",
    )
    batch: int = Field(default=200, ge=1, le=10_000, description="texts claimed at once, at most")
    lifetime: Span = Field(default=timedelta(hours=24), gt=timedelta(0), description="a text not sent by then expires")
    first_retry: Span = Field(
        default=timedelta(seconds=5),
        gt=timedelta(0),
        description="wait before the second try of a deferred text",
    )
    longest_retry: Span = Field(
        default=timedelta(minutes=15), gt=timedelta(0), description="longest wait between two tries"
    )


class LogSettings(Section):
    """What goes to stderr."""

    level: str = Field(
        default="info", pattern="^(debug|info|warning|error)$", description="least level that is written"
    )
    form: str = Field(default="auto", pattern="^(auto|json|text)$", description="auto: text on a terminal, else JSON")


class LimitSettings(Section):
    """How many texts may go to one number."""

    mail_per_number: Annotated[tuple[Limit, ...], BeforeValidator(_limits), Listed] = Field(
        default_factory=lambda: parse_limits(["10/1m", "30/15m", "60/1h"]),
        description="texts from mail to one number, per account; empty is off",
    )


class OptOutSettings(Section):
    """Which answers of a phone ask for no more texts, and which take that back."""

    stop: Annotated[tuple[str, ...], Listed, AfterValidator(_words)] = Field(
        default=("STOP", "STOPALL", "UNSUBSCRIBE", "END", "QUIT", "CANCEL", "הסר", "СТОП", "ΣΤΟΠ", "توقف", "ARRET"),
        description="words, in any case, that alone make up the answer",
    )
    start: Annotated[tuple[str, ...], Listed, AfterValidator(_words)] = Field(
        default=("START", "UNSTOP", "חזור", "СТАРТ"), description="words that open the number again"
    )

    @model_validator(mode="after")
    def _one_meaning(self) -> Self:
        if both := set(map(fold, self.stop)) & set(map(fold, self.start)):
            message = f"the same word in stop and in start: {', '.join(sorted(both))}"
            raise ValueError(message)
        return self


class LoginSettings(Section):
    """How failed logins of programs are borne."""

    failures: int = Field(
        default=10, ge=1, le=1000, description="failed logins of a user from one address before it is blocked"
    )
    window: Span = Field(
        default=timedelta(minutes=15),
        ge=timedelta(seconds=1),
        le=timedelta(days=1),
        description="time in which they are counted",
    )
    delay: Span = Field(
        default=timedelta(seconds=1),
        ge=timedelta(0),
        le=timedelta(seconds=10),
        description="wait before the second failure is answered; each further one waits twice as long",
    )

    @property
    def patience(self) -> Patience:
        """The same, for the throttle."""
        return Patience(failures=self.failures, window=self.window, delay=self.delay)


class CallbackSettings(Section):
    """How customers' URLs are called."""

    allow_networks: Annotated[tuple[Network, ...], Listed] = Field(
        default=(), description="networks that are called although they are not public: 10.0.0.0/8"
    )
    timeout: Span = Field(
        default=timedelta(seconds=10),
        ge=timedelta(seconds=1),
        le=timedelta(minutes=1),
        description="a call that is not answered by then has failed",
    )
    lifetime: Span = Field(
        default=timedelta(hours=24), gt=timedelta(0), description="a call that fails is made again until it is that old"
    )


def _prefix(value: str) -> str:
    digits = value.removeprefix("+")
    if not (digits.isascii() and digits.isdigit() and 1 <= len(digits) <= 15 and digits[0] != "0"):
        message = f"{value!r} is no beginning of a number; write 1 to 15 digits as 972 or +97250"
        raise ValueError(message)
    return digits


_Weight = Annotated[int, Field(ge=1, le=1000)]


class RouteSettings(Section):
    """A way out."""

    name: str | None = Field(default=None, pattern="^[A-Za-z0-9_-]{1,40}$", description="its name; default: its place")
    carriers: tuple[str, ...] = Field(min_length=1, description="in the order in which they are tried")
    weights: dict[str, _Weight] = Field(
        default_factory=dict, description="shares of the texts, by carrier; one without takes over only"
    )
    prefixes: tuple[Annotated[str, AfterValidator(_prefix)], ...] = Field(
        default=(), description="beginnings of numbers it is for"
    )
    countries: tuple[Region, ...] = Field(default=(), description="countries of numbers it is for")
    accounts: tuple[str, ...] = Field(default=(), description="accounts it is for")
    senders: tuple[str, ...] = Field(default=(), description="sender names it is for, in any case")
    priority: Literal["bulk", "normal", "high", "urgent"] = Field(
        default="bulk", description="least priority it is for"
    )

    @model_validator(mode="after")
    def _weighs_its_own(self) -> Self:
        if strange := [name for name in self.weights if name not in self.carriers]:
            message = f"weights: {', '.join(map(repr, strange))} not among the route's carriers"
            raise ValueError(message)
        return self

    def match(self) -> Match:
        """Return for which texts it is."""
        return Match(
            prefixes=self.prefixes,
            countries=frozenset(self.countries),
            accounts=frozenset(self.accounts),
            senders=frozenset(name.casefold() for name in self.senders),
            priority=Priority[self.priority.upper()],
        )


class BaseSettings(Section):
    """The keys outside the doors' own tables."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    database: SecretStr = Field(
        default=SecretStr("sqlite:///bridge.db"), description="sqlite:///file or postgresql://user@host/name"
    )
    public_url: str = Field(default="", pattern="^(https?://[^/].*)?$", description="where clients reach the HTTP port")
    default_region: Region | None = Field(
        default=None, description="country of numbers written without one, for accounts that name none"
    )
    secret_key: SecretStr | None = Field(
        default=None, min_length=32, description="what passwords of digest logins are encrypted under"
    )
    carriers: dict[str, Any] = Field(default_factory=dict, description="[carriers.NAME]: one table per carrier")
    routes: tuple[RouteSettings, ...] = Field(default=(), description="[[routes]]: default is all carriers in order")
    prices: Annotated[InstanceOf[PriceTable], BeforeValidator(_prices)] = Field(
        default_factory=PriceTable,
        description="credits for a part of a text: default, by prefix of the number, and [prices.priority] factors",
    )
    quiet_hours: Annotated[dict[str, Quiet], BeforeValidator(_quiet)] = Field(
        default_factory=dict, description="hours, by country of the recipient and in its time, in which nothing leaves"
    )
    limits: LimitSettings = LimitSettings()
    opt_out: OptOutSettings = OptOutSettings()
    login: LoginSettings = LoginSettings()
    callbacks: CallbackSettings = CallbackSettings()
    dispatch: DispatchSettings = DispatchSettings()
    log: LogSettings = LogSettings()

    def door(self, name: str) -> Any:
        """Return the settings of a door."""
        return getattr(self, name)

    def secret(self) -> bytes | None:
        """Return the secret key, or None where there is none."""
        return self.secret_key.get_secret_value().encode() if self.secret_key is not None else None

    def rules(self) -> Rules:
        """Return the rules that bind every submission. Raises :exc:`ConfigError` when there is no way out."""
        return Rules(
            router=Router(self.ways()),
            lifetime=self.dispatch.lifetime,
            prices=self.prices,
            per_number={"smtp": self.limits.mail_per_number},
            quiet=self.quiet_hours,
        )

    def ways(self) -> tuple[Route, ...]:
        """Return the routes; where none is configured, one with all the carriers in their order."""
        if not self.routes:
            return (Route(name="1", carriers=tuple(self.carriers)),) if self.carriers else ()
        return tuple(
            Route(name=route.name or str(place), carriers=route.carriers, weights=route.weights, match=route.match())
            for place, route in enumerate(self.routes, start=1)
        )


def model() -> type[BaseSettings]:
    """Return the settings' model with a table for each door that is installed."""
    tables: dict[str, Any] = {
        name: (kind.settings, Field(default_factory=kind.settings)) for name, kind in doors.kinds().items()
    }
    return create_model("Settings", __base__=BaseSettings, **tables)


def find_file(given: str | None, environment: Mapping[str, str] = os.environ) -> Path | None:
    """Return the configuration file: the one given, the environment's, or bridge.toml here if it exists.

    Raises :exc:`ConfigError` for a file that was named and is not there, and when there is nothing at all to go by.
    """
    named = given or environment.get(_FILE_VARIABLE)
    path = Path(named or DEFAULT_FILE)
    if path.is_file():
        return path
    if named is None and any(name.startswith(_PREFIX) for name in environment):
        return None
    reason = f"{path}: no such file; make one with: smsbridge init"
    raise ConfigError(reason)


def load(path: Path | None, environment: Mapping[str, str] = os.environ) -> BaseSettings:
    """Read the settings. Raises :exc:`ConfigError` with every problem, each with its place and what is allowed."""
    raw = _read(path) if path is not None else {}
    _overlay(raw, environment)
    problems: list[str] = []
    carriers = raw.get("carriers", {})
    made: dict[str, CarrierSettings] = {}
    if isinstance(carriers, dict):
        for name, table in carriers.items():
            problems += _carrier(name, table, made)
        raw["carriers"] = made
    settings_model = model()
    settings = None
    try:
        settings = settings_model.model_validate(raw)
    except ValidationError as error:
        problems += list(_explain(error, settings_model, ()))
    problems += _dangling(raw, carriers if isinstance(carriers, dict) else {})
    if settings is None or problems:
        count = f"{len(problems)} problem{'s' if len(problems) > 1 else ''}"
        reason = f"{path or 'environment'}: {count} in the configuration"
        raise ConfigError(reason, tuple(problems))
    return _anchor(settings, path.resolve().parent if path is not None else Path.cwd())


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        reason = f"{path}: cannot be read: {error.strerror or error}"
        raise ConfigError(reason) from error
    except UnicodeDecodeError as error:
        reason = f"{path}: not UTF-8"
        raise ConfigError(reason) from error
    except tomllib.TOMLDecodeError as error:
        reason = f"{path}: not TOML: {error}"
        raise ConfigError(reason) from error


def _overlay(raw: dict[str, Any], environment: Mapping[str, str]) -> None:
    for name, value in environment.items():
        if not name.startswith(_PREFIX) or name == _FILE_VARIABLE:
            continue
        *tables, key = name.removeprefix(_PREFIX).lower().split("__")
        place = raw
        for table in tables:
            known = _known(place, table)
            if not isinstance(place.get(known), dict):
                place[known] = {}
            place = place[known]
        place[_known(place, key)] = _value(value)


def _known(table: Mapping[str, Any], key: str) -> str:
    """Return the key as the file spells it: the environment has no small letters."""
    return next((known for known in table if known.lower() == key), key)


def _value(written: str) -> object:
    """Return what a variable says: a list, a table or a quoted string as in TOML, anything else as it is written.

    A bare ``5`` or ``true`` stays text: the setting knows whether it is a number, or a password of digits.
    """
    try:
        value = tomllib.loads(f"value = {written}")["value"] if "\n" not in written else written
    except tomllib.TOMLDecodeError:
        return written
    return value if isinstance(value, list | dict | str) else written


def _carrier(name: str, table: object, made: dict[str, CarrierSettings]) -> Iterator[str]:
    place = ("carriers", name)
    kind = table.get("kind") if isinstance(table, dict) else None
    if not isinstance(kind, str) or kind not in KINDS:
        yield f"{'.'.join((*place, 'kind'))}: required; one of {', '.join(sorted(KINDS))}"
        return
    settings_model = KINDS[kind][0]
    try:
        made[name] = settings_model.model_validate(table)
    except ValidationError as error:
        yield from _explain(error, settings_model, place)


def _explain(error: ValidationError, root: type[BaseModel], place: tuple[str, ...]) -> Iterator[str]:
    for problem in error.errors(include_input=False, include_url=False):
        where = [str(step) for step in problem["loc"]]
        said = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            known = sorted(_fields(root, where[:-1]))
            near = difflib.get_close_matches(where[-1], known, n=1)
            said = f"unknown key{f' (did you mean {near[0]}?)' if near else ''}; allowed: {', '.join(known)}"
        yield f"{'.'.join((*place, *where))}: {said}"


def _fields(root: type[BaseModel], steps: list[str]) -> set[str]:
    """Return the keys a table may have; ``steps`` lead to it from the root."""
    for step in steps:
        field = root.model_fields.get(step)
        inner = field.annotation if field is not None else None
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            root = inner
        elif step == "routes":
            root = RouteSettings
    return set(root.model_fields)


_CONDITIONS = frozenset({"prefixes", "countries", "accounts", "senders", "priority"})


def _dangling(raw: Mapping[str, Any], carriers: Mapping[str, Any]) -> Iterator[str]:
    routes = raw.get("routes", [])
    names: set[str] = set()
    takes_all: int | None = None
    for index, route in enumerate(routes if isinstance(routes, list | tuple) else []):
        if not isinstance(route, dict):
            continue
        named = route.get("carriers", [])
        for place, carrier in enumerate(named if isinstance(named, list | tuple) else []):
            if not isinstance(carrier, str):
                continue  # the model says so
            if carrier in named[:place]:
                yield f"routes.{index}.carriers: {carrier!r} is named twice"
            elif carrier not in carriers:
                there = ", ".join(carriers) or "none"
                yield f"routes.{index}.carriers: {carrier!r} is not configured; there is {there}"
        if takes_all is not None:
            yield f"routes.{index}: never used: routes.{takes_all} before it takes all texts; give that one a condition"
        elif not route.keys() & _CONDITIONS:
            takes_all = index
        name = str(route.get("name") or index + 1)
        if name in names:
            yield f"routes.{index}.name: {name!r} is taken by another route"
        names.add(name)


def _anchor(settings: BaseSettings, folder: Path) -> BaseSettings:
    """Make relative paths count from ``folder``."""
    database = settings.database.get_secret_value()
    scheme, separator, file = database.partition(":///")
    update: dict[str, Any] = {}
    if separator and scheme == "sqlite" and file and file != ":memory:":
        update["database"] = SecretStr(f"{scheme}:///{folder / file}")
    update["carriers"] = {name: carrier.anchored(folder) for name, carrier in settings.carriers.items()}
    tables = {name: settings.door(name) for name in doors.kinds()}
    update |= {name: table.anchored(folder) for name, table in tables.items() if hasattr(table, "anchored")}
    return settings.model_copy(update=update)
