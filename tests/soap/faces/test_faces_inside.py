"""The faces in this process, on a clock in hand: our own troubles, the minute of a repeat, and whatever comes in."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree
from starlette.applications import Starlette

from bridge.store.engine import Store
from bridge.store.schema import migrate
from soap.faces.routes import routes
from soap.faces.smsc_soap import NAMESPACE
from tests.soap.house import PASSWORD, USER, House

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from bridge.doors import Services

PHONE = "972502345678"
SMSC = {"login": USER, "psw": PASSWORD, "phones": PHONE, "mes": "Hello", "fmt": "1"}
LEGACY = {"username": USER, "password": PASSWORD, "service": "send_sms", "dest": PHONE, "message": "Hello"}
SOAP = (
    '<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body>'
    f'<send xmlns="{NAMESPACE}"><login>{USER}</login><psw>{PASSWORD}</psw><phones>{PHONE}</phones><mes>x</mes></send>'
    "</e:Body></e:Envelope>"
)


@asynccontextmanager
async def faces(house: House) -> AsyncIterator[httpx.AsyncClient]:
    """Serve the faces of a house that is open."""
    services = SimpleNamespace(intake=house.intake, clock=house.clock, settings=SimpleNamespace(public_url=""))
    app = Starlette(routes=list(routes(house.visits, cast("Services", services))))
    transport = httpx.ASGITransport(app, client=("192.0.2.7", 40_000))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        yield client


def through(house: House, work: Callable[[httpx.AsyncClient], Awaitable[None]]) -> None:
    """Do ``work`` with the faces, in a loop of its own."""

    async def open_and_work(opened: House) -> None:
        async with faces(opened) as client:
            await work(client)

    house.through(open_and_work)


def kept(house: House) -> int:
    """Return how many texts were taken."""
    return house.read(
        lambda connection: int(connection.exec_driver_sql("SELECT count(*) FROM recipients").scalar_one())
    )


# --- repeats ---


def test_the_minute_of_a_repeat(house: House) -> None:
    """The same call is one text for just a minute, also over the turn of the clock's; then it is another."""

    async def work(client: httpx.AsyncClient) -> None:
        house.clock.advance(seconds=40)
        ids = []
        for seconds in (0, 19, 40.9, 0.1, 59):
            house.clock.advance(seconds=seconds)
            ids.append((await client.post("/sys/send.php", data=SMSC)).text)
        assert ids[0] == ids[1] == ids[2] != ids[3]
        assert ids[3] == ids[4]
        assert {told.rpartition(",")[2] for told in ids} == {"1"}
        assert kept(house) == 2
        for told in (ids[0], ids[3]):
            asked = SMSC | {"id": told.partition(",")[0], "phone": PHONE}
            assert (await client.get("/sys/status.php", params=asked)).text.startswith("-1,")

    through(house, work)


def test_a_repeat_after_a_restart(house: House) -> None:
    """A process that remembers nothing still knows it, within the clock's minute."""
    told = []

    async def work(client: httpx.AsyncClient) -> None:
        told.append((await client.post("/sys/send.php", data=SMSC)).text)

    for _ in range(2):
        through(house, work)
    assert told[0] == told[1]
    assert kept(house) == 1


def test_a_repeat_that_was_refused_is_tried_again(house: House) -> None:
    """What was not taken is no order that could be known again."""

    async def work(client: httpx.AsyncClient) -> None:
        call = SMSC | {"sender": "SHOP"}
        assert (await client.post("/sys/send.php", data=call)).text == "0,-6"
        house.approve("SHOP")
        await house.intake.snapshot.renew()
        assert (await client.post("/sys/send.php", data=call)).text.endswith(",1")

    through(house, work)


def test_a_repeat_of_which_a_part_was_taken(house: House) -> None:
    """The rest is sent, and the count is of all that the phones get of it."""

    async def work(client: httpx.AsyncClient) -> None:
        call = SMSC | {"list": f"{PHONE}:One\n12:Two", "cost": "2"}
        first = (await client.post("/sys/send.php", data=call)).text
        assert first.endswith(",1,1.00")
        assert (await client.post("/sys/send.php", data=call)).text == first
        assert kept(house) == 1

    through(house, work)


# --- our own troubles ---


def test_a_bridge_that_stops_takes_nothing(house: House) -> None:
    """The SMSC face says nothing at all, so that its programs ask again; the others say when to come again."""

    async def work(client: httpx.AsyncClient) -> None:
        await house.writer.stop()
        for fmt in range(4):
            answer = await client.post("/sys/send.php", data=SMSC | {"fmt": fmt})
            assert (answer.status_code, answer.content) == (503, b"")
        legacy = await client.get("/ws.php", params=LEGACY)
        assert (legacy.status_code, legacy.headers["retry-after"]) == (503, "5")
        assert etree.fromstring(legacy.content).findtext("status") == "904"
        login = {"username": USER, "password": PASSWORD}
        bulk = await client.post("/ws_json_bulk.php", params=login, json=[{"dest": PHONE, "message": "x"}])
        assert (bulk.status_code, bulk.json()["status_code"]) == (503, 904)
        soap = await client.post("/sys/soap.php", content=SOAP)
        assert (soap.status_code, b"env:Server.Stopping" in soap.content) == (500, True)

    through(house, work)
    assert kept(house) == 0


def test_a_bug_shows_nothing(house: House, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither to the client nor, of what the client wrote, in the log."""

    async def work(client: httpx.AsyncClient) -> None:
        def fails(*_: Any, **__: Any) -> None:
            raise RuntimeError(f"{SMSC['mes']} {PHONE}")

        monkeypatch.setattr(house.desk, "send", fails)
        monkeypatch.setattr(house.desk, "send_many", fails)
        smsc = await client.post("/sys/send.php", data=SMSC)
        assert (smsc.status_code, smsc.content) == (503, b"")
        legacy = await client.post("/ws.php", data=LEGACY)
        assert (legacy.status_code, etree.fromstring(legacy.content).findtext("status")) == (503, "905")
        login = {"username": USER, "password": PASSWORD}
        bulk = await client.post("/ws_json_bulk.php", params=login, json=[{"dest": PHONE, "message": "x"}])
        assert (bulk.status_code, bulk.json()["status_code"]) == (503, 905)
        soap = await client.post("/sys/soap.php", content=SOAP)
        assert (soap.status_code, b"env:Server.Internal" in soap.content) == (500, True)
        for answer in (smsc, legacy, bulk, soap):
            assert "RuntimeError" not in answer.text

    through(house, work)
    said = capsys.readouterr()
    assert "call failed" in said.out + said.err
    assert f"Hello {PHONE}" not in said.out + said.err


# --- whatever comes ---

_NAMES = (
    "login",
    "psw",
    "apikey",
    "phones",
    "mes",
    "id",
    "sender",
    "time",
    "tz",
    "valid",
    "maxsms",
    "translit",
    "list",
)
_MORE = ("cost", "fmt", "op", "err", "charset", "phone", "all", "del", "cur", "service", "dest", "message", "fields[a]")
_LAST = ("items", "sendtime", "reference", "test", "limit", "after_id", "username", "password", "callback_url")
_VALUES = st.one_of(
    st.sampled_from([b"", b"0", b"1", b"-1", b"3", USER.encode(), PASSWORD.encode(), PHONE.encode(), b"utf-8", b"+5"]),
    st.sampled_from([b"send_sms", b"send_sms_bulk", b"get_credit", b"[{}]", b"9-21", b"\xff", b"\x00", b"x" * 300]),
    st.binary(max_size=40),
    st.text(max_size=40).map(lambda text: text.encode("utf-8", "surrogatepass")),
)
_FIELDS = st.dictionaries(st.sampled_from(_NAMES + _MORE + _LAST), _VALUES, max_size=10)
_PATHS = st.sampled_from(["/ws.php", "/sys/send.php", "/sys/status.php", "/sys/balance.php"])
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from([*_MORE, "fields", "service", "sender"]) | st.text(max_size=8), inner, max_size=5
        )
    ),
    max_leaves=12,
)
_TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=30)


def once(tmp_path: Path) -> House:
    """Return a house for all the examples of a test."""
    store = Store(f"sqlite:///{tmp_path}/fuzz.db")
    migrate(store)
    return House(store)


def no_trouble(answer: httpx.Response) -> None:
    """Fail for an answer that says that something of ours went wrong."""
    assert answer.status_code < 500, answer.text
    assert "Traceback" not in answer.text


def fuzzed(tmp_path: Path, examples: Any, send: Callable[[httpx.AsyncClient, Any], Awaitable[None]], most: int) -> None:
    """Send what hypothesis makes, to one bridge, in one loop."""
    house = once(tmp_path)
    calls: list[Any] = []

    @settings(max_examples=most, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(examples)
    def collect(example: Any) -> None:
        calls.append(example)

    collect()

    async def work(client: httpx.AsyncClient) -> None:
        for call in calls:
            try:
                await send(client, call)
            except BaseException as error:
                error.add_note(f"call: {call!r}")
                raise

    through(house, work)
    house.store.close()
    assert len(calls) >= most


def test_any_fields(tmp_path: Path) -> None:
    """Whatever stands in a form is answered, in XML that can be parsed and JSON that can be read."""

    async def send(client: httpx.AsyncClient, call: tuple[str, dict[str, bytes], bool]) -> None:
        path, fields, known = call
        login = {"login": USER, "psw": PASSWORD, "username": USER, "password": PASSWORD} if known else {}
        given = {name: value.encode() for name, value in login.items()} | fields
        body = b"&".join(
            f"{name}=".encode() + b"".join(b"%%%02x" % byte for byte in value) for name, value in given.items()
        )
        answer = await client.post(path, content=body, headers={"content-type": "application/x-www-form-urlencoded"})
        no_trouble(answer)
        if "xml" in answer.headers["content-type"]:
            etree.fromstring(answer.content)
        elif "json" in answer.headers["content-type"]:
            answer.json()

    fuzzed(tmp_path, st.tuples(_PATHS, _FIELDS, st.booleans()), send, 300)


def test_any_body(tmp_path: Path) -> None:
    """Whatever a body is, and says that it is."""
    kinds = [
        "",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=b",
        "multipart/form-data",
        "text/x",
    ]
    bodies = st.one_of(
        st.binary(max_size=200),
        st.lists(
            st.sampled_from([b"--b", b"\r\n", b"--", b'Content-Disposition: form-data; name="mes"', b"x", b"&="])
        ).map(b"".join),
    )

    async def send(client: httpx.AsyncClient, call: tuple[str, str, bytes]) -> None:
        path, kind, body = call
        no_trouble(await client.post(path, content=body, headers={"content-type": kind}))

    fuzzed(tmp_path, st.tuples(_PATHS, st.sampled_from(kinds), bodies), send, 150)


def test_any_json(tmp_path: Path) -> None:
    """Each element of any array is answered in its place; what is no array is refused."""
    login = {"username": USER, "password": PASSWORD}

    async def send(client: httpx.AsyncClient, call: Any) -> None:
        body = json.dumps(call).encode()
        answer = await client.post("/ws_json_bulk.php", params=login, content=body)
        no_trouble(answer)
        told = answer.json()
        if isinstance(call, list):
            assert len(told) == len(call)
            assert {one["service"] for one in told} <= {"send_sms"}
        else:
            assert (answer.status_code, told["status_code"]) == (400, 101)

    fuzzed(tmp_path, st.lists(_JSON, max_size=5) | _JSON, send, 200)


def test_any_envelope(tmp_path: Path) -> None:
    """Texts of any kind in any element, and what is broken: an answer in an envelope, and never our fault."""
    names = st.sampled_from(["login", "psw", "phones", "mes", "id", "sender", "time", "query", "phone", "all", "x"])
    calls = st.tuples(
        st.sampled_from(["send", "send2", "cost", "cost2", "status", "status2", "balance", "other"]),
        st.lists(st.tuples(names, _TEXTS), max_size=8),
        st.sampled_from([(b"", b""), (b"<", b""), (b"</", b"<!"), (b"&x;", b""), (b"\xff", b""), (b"<mes>", b"<a>")]),
    )

    async def send(client: httpx.AsyncClient, call: Any) -> None:
        name, fields, (wrong, other) = call
        element = etree.Element(f"{{{NAMESPACE}}}{name}")
        for field, text in (("login", USER), ("psw", PASSWORD), *fields):
            etree.SubElement(element, f"{{{NAMESPACE}}}{field}").text = text.replace("\ufffe", "").replace("\uffff", "")
        body = (
            SOAP.partition("<send")[0].encode() + etree.tostring(element, encoding="utf-8") + b"</e:Body></e:Envelope>"
        )
        answer = await client.post("/sys/soap.php", content=body.replace(wrong, other, 3) if wrong else body)
        content = etree.fromstring(answer.content)[-1][0]
        if answer.status_code == 500:
            assert (content[0].text or "").startswith("env:Client"), answer.text

    fuzzed(tmp_path, calls, send, 200)
