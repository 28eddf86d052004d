"""The page with the phones."""

import asyncio
import re
import shlex
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import update

from bridge.model.state import State
from bridge.store import accounts
from bridge.store.tables import messages, recipients
from bridge.web.console import STATES
from tests.bridge.web.page import Page, said
from tests.bridge.web.world import DEADLINE, Beside, World, until

NUMBER = "+972502345678"


def _page(world: World, *texts: str) -> Page:
    async def run() -> httpx.Response:
        async with world.open() as client:
            for text in texts:
                await world.submit(NUMBER, text)
            return await client.get("/console")

    answer = asyncio.run(run())
    assert answer.status_code == 200
    return Page(answer.text)


def _set(world: World, receipt: str | None, state: State, reason: str | None = None) -> None:
    with world.store.write() as connection:
        changed = update(recipients).where(recipients.c.message_id == receipt)
        connection.execute(changed.values(state=state, reason=reason, updated_at=recipients.c.updated_at + 1))


def test_it_shows_a_phone_per_number_with_its_texts(tmp_path: Path) -> None:
    """The number that got a text last is first; on a phone the newest is at the end; nothing of a text is lost."""
    hebrew = "הזמנה 4417 בדרך\nתגיע מחר"

    async def run() -> Page:
        world = World(tmp_path, console=True)
        async with world.open() as client:
            await world.approve("ACME")
            await world.submit(NUMBER, "first", "ACME")
            await asyncio.sleep(0.002)  # ids sort by the millisecond
            await world.submit("+14165550123", "x" * 200)
            await asyncio.sleep(0.002)
            receipt = await world.submit(NUMBER, hebrew)
            _set(world, receipt.message_id, State.REFUSED, "the carrier does not serve this number")
            answer = await client.get("/console")
            assert answer.headers["content-type"] == "text/html; charset=utf-8"
            return Page(answer.text)

    page = asyncio.run(run())
    assert page.texts(".//article//h2") == ["+972 50-234-5678", "+1 416-555-0123"]
    phone, other = page.all(".//article")
    bubbles = phone.findall(".//p[@class='bubble']")
    assert [bubble.text for bubble in bubbles] == ["first", hebrew]
    assert {bubble.get("dir") for bubble in bubbles} == {"auto"}
    assert [said(one) for one in phone.findall(".//p[@class='from']/bdi")] == ["ACME", "Text message"]
    assert [said(one) for one in phone.findall(".//*[@class='state']")] == ["Waiting", "Refused"]
    assert said(phone.find(".//p[@class='reason']")) == "the carrier does not serve this number"
    assert "2 parts" in said(other)
    assert said(page.one(".//*[@id='summary']")) == "3 texts on 2 phones"
    assert len(page.values(".//time", "datetime")) == 3


def test_who_has_sent_a_text_sees_it(tmp_path: Path) -> None:
    """Every answer is as new as the question, also right after another answer and while others ask."""

    async def run() -> None:
        world = World(tmp_path, console=True)
        async with world.open() as client:
            for index in range(10):
                crowd = [asyncio.create_task(client.get("/console/phones")) for _ in range(3)]
                await world.submit(NUMBER, f"text {index}")
                assert f"text {index}" in (await client.get("/console")).text
                await asyncio.gather(*crowd)

    asyncio.run(run())


def test_a_text_is_text(tmp_path: Path) -> None:
    """Markup in a text is shown as it was written, and runs nowhere."""
    evil = "<script>alert(1)</script>\"'&amp;<img src=x onerror=alert(1)>"

    async def run() -> str:
        world = World(tmp_path, console=True)
        async with world.open() as client:
            receipt = await world.submit(NUMBER, evil)
            # No submission brings such a name, but an older version may have kept it.
            with world.store.write() as connection:
                named = update(messages).where(messages.c.id == receipt.message_id).values(sender="<b>ACME")
                connection.execute(named)
            return (await client.get("/console")).text

    source = asyncio.run(run())
    page = Page(source)
    assert page.texts(".//p[@class='bubble']") == [evil]
    assert [script.get("src") for script in page.all(".//script")] == ["/console/console.js"]
    assert "<img src=x" not in source
    assert "<b>ACME" not in source


def test_nothing_comes_from_elsewhere(tmp_path: Path) -> None:
    """The page and its files forbid all but themselves, are not stored, and are there without a network."""

    async def run() -> None:
        world = World(tmp_path, console=True)
        async with world.open() as client:
            page = Page((await client.get("/console")).text)
            named = page.values(".//link", "href") + page.values(".//script", "src") + page.values(".//img", "src")
            assert {"/console/console.css", "/console/console.js", "/console/icon.svg"} == set(named)
            for path in ("/console", "/console/phones", *named):
                answer = await client.get(path)
                assert answer.status_code == 200
                policy = answer.headers["content-security-policy"]
                assert policy.startswith("default-src 'none'; ")
                assert "unsafe" not in policy
                assert "http" not in policy
                assert answer.headers["x-content-type-options"] == "nosniff"
                assert answer.headers["cache-control"] == "no-store"
                linked = re.findall(r"(?:src|href|import|url)\W+(?:https?:)?//\S+", answer.text)
                assert linked == []
            assert (await client.get("/console/console.html")).status_code == 404
            home = await client.get("/")
            assert (home.status_code, home.headers["location"]) == (307, "/console")

    asyncio.run(run())


def test_every_state_has_a_word(tmp_path: Path) -> None:
    """A page with any state on it can be made."""
    assert STATES.keys() == set(State)

    async def run() -> str:
        world = World(tmp_path, console=True)
        async with world.open() as client:
            for state in State:
                _set(world, (await world.submit(NUMBER, state)).message_id, state)
            return (await client.get("/console")).text

    page = Page(asyncio.run(run()))
    shown = {text.get("data-state"): said(text.find(".//*[@class='state']")) for text in page.all(".//li")}
    assert shown == {state: STATES[state][0] for state in State}
    icons = {use.removeprefix("#") for use in page.values(".//use", "href")}
    assert icons == set(page.values(".//symbol", "id"))


def test_only_so_many_texts_are_shown(tmp_path: Path) -> None:
    """The last twenty of a number, however many there are."""
    page = _page(World(tmp_path, console=True), *(f"text {index}" for index in range(25)))
    assert len(page.all(".//li")) == 20


@pytest.mark.parametrize(
    ("pattern", "sender"), [("ann@example.com", "ann@example.com"), ("@example.com", "you@example.com")]
)
def test_an_empty_page_says_how_to_send_the_first_mail(tmp_path: Path, pattern: str, sender: str) -> None:
    """One line to paste: our address, our domain, and a mailbox that may send."""
    world = World(tmp_path, console=True, beside=Beside(addresses=("127.0.0.1:8025", "[::1]:8025")))
    with world.store.write() as connection:
        accounts.allow_mailbox(connection, world.account.id, pattern, now=0)
    page = _page(world)
    command = said(page.one(".//pre"))
    assert "\n" not in command
    assert shlex.split(command) == [
        *("swaks", "--server", "127.0.0.1:8025", "--from", sender, "--to", "972502345678@sms.example.com"),
        *("--header", "Subject: Hello", "--body", "This mail became a text."),
    ]
    assert "mailbox allow" not in said(page.root)


@pytest.mark.parametrize(("listens", "told"), [("0.0.0.0:25", "127.0.0.1:25"), ("[::]:2525", "[::1]:2525")])
def test_the_first_mail_when_nobody_may_send_yet(tmp_path: Path, listens: str, told: str) -> None:
    """The page says what is missing; an address of every interface is told as one that can be reached from here."""
    page = _page(World(tmp_path, console=True, beside=Beside(addresses=(listens,))))
    assert shlex.split(said(page.one(".//pre")))[2] == told
    assert "smsbridge mailbox allow ACCOUNT you@example.com" in said(page.root)


def test_an_empty_page_without_a_mail_door(tmp_path: Path) -> None:
    """No command is shown that could not work."""
    page = _page(World(tmp_path, console=True))
    assert page.all(".//pre") == []
    assert "No texts yet" in said(page.root)


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("127.0.0.1:8080", True),
        ("127.0.0.1", True),
        ("localhost:8080", True),
        ("LOCALHOST.", True),
        ("[::1]:8080", True),
        ("sms.example.com", True),
        ("sms.example.com:443", True),
        ("evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("localhost.evil.example:8080", False),
        ("192.0.2.7", False),
        ("", False),
        ("::1", False),
    ],
)
def test_only_its_own_names(tmp_path: Path, host: str, known: bool) -> None:  # noqa: FBT001 - a case
    """A name that somebody else points here gets nothing of the console; health and metrics have no secrets."""

    async def run() -> None:
        async with World(tmp_path, console=True).open() as client:
            for path in ("/console", "/console/phones", "/console/console.js", "/"):
                answer = await client.get(path, headers={"host": host})
                assert (answer.status_code != 421) is known
                if not known:
                    assert answer.json() == {"error": "misdirected request"}
            if not known:
                assert (await client.get("/console/events", headers={"host": host})).status_code == 421
            assert (await client.get("/health/live", headers={"host": host})).status_code == 200

    asyncio.run(run())


@pytest.mark.parametrize(
    ("host", "known"), [("192.0.2.7:8080", True), ("[2001:db8::7]", True), ("evil.example", False)]
)
def test_on_every_interface_any_address_will_do(tmp_path: Path, host: str, known: bool) -> None:  # noqa: FBT001
    """Nobody can point a name of theirs at us and then be asked for by a number."""

    async def run() -> None:
        world = World(tmp_path, console=True, listen="0.0.0.0:0")
        async with world.open():
            port = world.door.addresses[0].rpartition(":")[2]
            async with httpx.AsyncClient(trust_env=False) as client:
                answer = await client.get(f"http://127.0.0.1:{port}/console", headers={"host": host})
            assert answer.status_code == (200 if known else 421)

    asyncio.run(run())


def test_without_a_database_the_page_says_so(tmp_path: Path) -> None:
    """It is no error page: the console stays, and comes back by itself."""

    async def run() -> None:
        world = World(tmp_path, console=True)
        async with world.open() as client:
            world.lose_database()
            for path in ("/console", "/console/phones"):
                answer = await client.get(path)
                assert answer.status_code == 503
                assert "The database does not answer" in answer.text

    asyncio.run(run())


async def _events(stream: httpx.Response) -> AsyncIterator[int]:
    lines = stream.aiter_lines()
    async for line in lines:
        if line.startswith("data: "):
            yield int(line.removeprefix("data: "))


def test_events_tell_of_texts_and_of_their_fate(tmp_path: Path) -> None:
    """A page that listens hears of a new text at once and of an outcome soon, and the phones then show it."""

    async def run() -> None:
        world = World(tmp_path, console=True)
        async with (
            world.open() as client,
            client.stream("GET", "/console/events") as stream,
            asyncio.timeout(DEADLINE),
        ):
            assert stream.headers["content-type"].startswith("text/event-stream")
            assert stream.headers["cache-control"] == "no-store"
            events = _events(stream)
            first = await anext(events)
            assert await anext(events) == first + 1  # the first look at the database
            assert "No texts yet" in (await client.get("/console/phones")).text
            receipt = await world.submit(NUMBER, "hello")
            assert await anext(events) == first + 2
            phones = (await client.get("/console/phones")).text
            assert "hello" in phones
            assert "Waiting" in phones
            _set(world, receipt.message_id, State.DELIVERED)
            assert await anext(events) == first + 3
            assert "Delivered" in (await client.get("/console/phones")).text

    asyncio.run(run())


def test_a_page_that_goes_is_forgotten(tmp_path: Path) -> None:
    """Nobody is told, and the database is not asked, when nobody looks; a HEAD request does not listen either."""

    async def run() -> None:
        world = World(tmp_path, console=True)
        async with world.open() as client:
            assert (await client.head("/console/events")).status_code == 200
            async with client.stream("GET", "/console/events") as stream:
                await anext(_events(stream))
                await until(lambda: len(world.listeners) == 1)
            await until(lambda: not world.listeners)

    asyncio.run(run())


def test_so_many_pages_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One too many is told to come later; it still shows what there is."""
    monkeypatch.setattr("bridge.web.console._MOST_PAGES", 1)

    async def run() -> None:
        world = World(tmp_path, console=True)
        async with world.open() as client, client.stream("GET", "/console/events") as stream:
            await anext(_events(stream))
            answer = await client.get("/console/events")
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")
            assert (await client.get("/console")).status_code == 200

    asyncio.run(run())


def test_an_open_page_does_not_hold_a_stop_up(tmp_path: Path) -> None:
    """Its stream ends in order, well within the grace."""

    async def run() -> None:
        world = World(tmp_path, console=True)
        async with world.open() as client, client.stream("GET", "/console/events") as stream:
            events = _events(stream)
            await anext(events)
            began = time.monotonic()
            await world.door.close(grace=DEADLINE)
            assert time.monotonic() - began < 1.5
            async for _ in events:
                pass  # what was under way; then an end, not a broken connection

    asyncio.run(run())
