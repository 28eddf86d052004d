"""SMSC's numbers, hashes and answers, each as its pages have it; what they leave open is borne in every form."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from bridge.carriers.base import (
    Asked,
    Call,
    Called,
    Fetched,
    Forged,
    Funded,
    Pending,
    Recall,
    Recalled,
    Received,
    Unreadable,
)
from bridge.carriers.smsc import callback as smsc_callback
from bridge.carriers.smsc.carrier import Smsc, SmscSettings, lifetime
from bridge.carriers.smsc.codes import DETAILS, ERRORS, STATES
from bridge.model.errors import Trouble
from bridge.model.message import Outgoing, Verdict
from bridge.model.state import State
from tests.contract.carriers.case import REPLY_TEXT, Told
from tests.contract.test_carriers import NOW, NUMBER, OTHER, Ear, outgoing
from tests.support import smsc_server
from tests.support.smsc_server import KEY, SmscServer, form, signed, status_call, text_call
from tests.support.upstream import Wrong, refusing

PHONE = NUMBER.removeprefix("+")
OURS = "01a1f7df4a693b96124b9b87c3-1"


def carrier(**table: Any) -> Smsc:
    """Make one that needs no upstream."""
    login = {} if "apikey" in table else {"login": "myshop", "password": "x"}
    own = {"callback_secret": smsc_server.SECRET} | login | table
    return Smsc("main", SmscSettings.model_validate({"kind": "smsc"} | own), clock=lambda: NOW)


def call(body: bytes, query: bytes = b"") -> Call:
    """Make a call of the provider."""
    return Call(method="POST", inbound=False, query=query, body=body, headers={})


def heard(told: dict[str, bytes], **table: Any) -> Received:
    """Return what a carrier reads in a call."""
    return carrier(**{"callback_key": KEY} | table).receive(call(form(told)))


def served(main: Callable[[SmscServer, Smsc], Coroutine[Any, Any, None]], *, apikey: bool = False, **more: Any) -> None:
    """Run a test with a server and an open carrier; the table may have more, made from the server's URL."""

    async def whole() -> None:
        async with asyncio.timeout(10), SmscServer(apikey=apikey).serving() as server:
            table = server.table() | {key: value(server) if callable(value) else value for key, value in more.items()}
            made = Smsc("main", SmscSettings.model_validate(table), clock=lambda: NOW)
            await made.open(Ear())
            try:
                await main(server, made)
            finally:
                await made.close()

    asyncio.run(whole())


def pending(text: Outgoing, carrier_id: str | None) -> Pending:
    """Make what the pipeline asks about."""
    return Pending(id=text.id, carrier_id=carrier_id, number=text.number, sent_at=NOW)


# --- sending ---


def test_what_it_can_do() -> None:
    """Each of the protocols that the provider has something for."""
    made = carrier()
    for protocol in (Called, Asked, Fetched, Funded, Recalled):
        assert isinstance(made, protocol)
    assert not made.takes_own_id
    assert made.fetch_every == 0
    assert carrier(fetch_every="10m").fetch_every == 600


def test_parameters_of_a_text() -> None:
    """As send.php names them, in UTF-8, and by POST alone: a login is in no URL."""

    async def main(server: SmscServer, made: Smsc) -> None:
        text = outgoing(text="שלום 👍", sender="+972722345678")
        assert (await made.send(text)).carrier_id == text.id
        ((path, told),) = server.calls_seen
        assert path == "/sys/send.php"
        assert told == {
            "login": smsc_server.LOGIN,
            "psw": smsc_server.PASSWORD,
            "charset": "utf-8",
            "fmt": "3",
            "cost": "3",
            # With the plus sign numbers are not corrected.
            "phones": NUMBER,
            "mes": "שלום 👍",
            "id": text.id,
            "sender": "972722345678",
            "valid": "01:00",
            "flash": "1",
            "translit": "2",
            "maxsms": "3",
        }
        assert smsc_server.PASSWORD not in server.seen[0].target

    served(main, flash=True, translit=2, maxsms=3)


@pytest.mark.parametrize("always", [False, True])
@pytest.mark.parametrize("wanted", [False, True])
def test_flash_is_asked_for_by_the_text_or_for_all(*, always: bool, wanted: bool) -> None:
    """Either is enough; without both nothing is said of it."""

    async def main(server: SmscServer, made: Smsc) -> None:
        assert (await made.send(dataclasses.replace(outgoing(), flash=wanted))).verdict is Verdict.ACCEPTED
        ((_, told),) = server.calls_seen
        assert told.get("flash") == ("1" if always or wanted else None)

    served(main, flash=always)


def test_the_raw_answer_keeps_the_price() -> None:
    """What it cost and what is left stands beside the state, without text and number."""

    async def main(server: SmscServer, made: Smsc) -> None:
        outcome = await made.send(outgoing(text="secret words"))
        assert '"cost": "1.40"' in outcome.raw
        assert "balance" in outcome.raw

    served(main, apikey=True)


@pytest.mark.parametrize(
    ("left", "written"),
    [
        (timedelta(0), "00:01"),
        (timedelta(seconds=-5), "00:01"),
        (timedelta(seconds=119), "00:01"),
        (timedelta(minutes=61), "01:01"),
        (timedelta(hours=23, minutes=59, seconds=59), "23:59"),
        (timedelta(hours=24), "24:00"),
        (timedelta(days=3), "24:00"),
    ],
)
def test_lifetime(left: timedelta, written: str) -> None:
    """From a minute to a day, never longer than the text has."""
    assert lifetime(left) == written


def test_each_error_of_sending_has_its_outcome() -> None:
    """As the table of the provider says; 9 and what is not in it may have been taken, money and login defer."""
    wanted = {
        1: Verdict.REFUSED,
        2: Verdict.DEFERRED,
        3: Verdict.DEFERRED,
        4: Verdict.DEFERRED,
        5: Verdict.REFUSED,
        6: Verdict.REFUSED,
        7: Verdict.REFUSED,
        8: Verdict.REFUSED,
        9: Verdict.UNKNOWN,
    }
    assert list(ERRORS) == list(wanted)

    async def main(server: SmscServer, made: Smsc) -> None:
        for code, verdict in (wanted | {10: Verdict.UNKNOWN, 0: Verdict.UNKNOWN}).items():
            server.error = code
            outcome = await made.send(outgoing())
            assert (outcome.verdict, outcome.carrier_id) == (verdict, None)
            assert f"error {code}" in outcome.reason
            assert (outcome.retry_after is not None) is (verdict is Verdict.DEFERRED)
        assert server.arrived() == []

    served(main)
    waits = [ERRORS[code].wait for code in (2, 3, 4)]
    assert waits == [timedelta(minutes=5), timedelta(minutes=5), timedelta(minutes=15)]


@pytest.mark.parametrize(
    ("said", "verdict"),
    [
        (b'{"id": 1234, "cnt": 1, "cost": "1.40", "balance": "100.50"}', Verdict.ACCEPTED),
        (b'\xef\xbb\xbf{"id": "a.b_c-1"}', Verdict.ACCEPTED),
        (b"ERROR = 3 (no money), ID - 275", Verdict.DEFERRED),
        (b"ERROR=9 (duplicate request)\r\n", Verdict.UNKNOWN),
        ("ERROR = 7 (неверный номер)".encode("cp1251"), Verdict.REFUSED),
        (b'{"error": "invalid number", "error_code": "7"}', Verdict.REFUSED),
        (b'{"error": "invalid number", "error_code": "seven"}', Verdict.UNKNOWN),
        (b'{"error": "what is it", "id": 5}', Verdict.UNKNOWN),
        (b'{"error_code": null}', Verdict.UNKNOWN),
        (b'{"cnt": 1}', Verdict.UNKNOWN),
        (b"[]", Verdict.UNKNOWN),
        (b"null", Verdict.UNKNOWN),
        (b"1234,1", Verdict.UNKNOWN),
        (b"", Verdict.UNKNOWN),
        (b" \n", Verdict.UNKNOWN),
        (b'{"id": "' + b"9" * 300 + b'"}', Verdict.UNKNOWN),
    ],
)
def test_forms_of_an_answer(said: bytes, verdict: Verdict) -> None:
    """JSON, or a line where it fails; the status is 200 for both, and what cannot be read is no answer."""

    async def main(server: SmscServer, made: Smsc) -> None:
        server.said = said
        assert (await made.send(outgoing())).verdict is verdict

    served(main)


# --- hosts ---


def test_an_empty_answer_is_unknown_and_the_next_text_goes_elsewhere() -> None:
    """The text may have been taken: no other host gets it. The one that fell silent gets no text after it."""

    async def whole() -> None:
        async with AsyncExitStack() as stack:
            first, second = [await stack.enter_async_context(SmscServer().serving()) for _ in range(2)]
            table = first.table() | {"backup_hosts": [second.url]}
            made = Smsc("main", SmscSettings.model_validate(table), clock=lambda: NOW)
            await made.open(Ear())
            stack.push_async_callback(made.close)
            for silent in (Wrong.EMPTY, Wrong.CLOSE):
                first.wrong = silent
                outcomes = await asyncio.gather(*(made.send(outgoing()) for _ in range(4)))
                assert {outcome.verdict for outcome in outcomes} == {Verdict.UNKNOWN}
                assert second.arrived() == []
                assert (await made.send(outgoing())).verdict is Verdict.ACCEPTED
                assert [len(first.seen), len(second.arrived())] == [4, 1]
                # From the last one it goes on with the first.
                second.wrong, first.wrong = silent, None
                assert (await made.send(outgoing())).verdict is Verdict.UNKNOWN
                assert (await made.send(outgoing())).verdict is Verdict.ACCEPTED
                second.wrong = None
                first.seen.clear()
                second._arrived.clear()

    asyncio.run(whole())


def test_a_host_that_is_not_reached_is_left_too() -> None:
    """That text surely did not leave: it is deferred, and goes to the next host when it is tried again."""
    with refusing() as port:

        async def main(server: SmscServer, made: Smsc) -> None:
            text = outgoing()
            assert (await made.send(text)).verdict is Verdict.DEFERRED
            assert (await made.send(text)).verdict is Verdict.ACCEPTED
            assert len(server.arrived()) == 1
            assert await made.credit() == "100.50 RUB"

        served(main, host=f"http://127.0.0.1:{port}", backup_hosts=lambda server: [server.url])


def test_a_late_failure_does_not_move_the_turn() -> None:
    """Other hosts were left since: the one that answers now keeps its turn."""
    made = carrier(backup_hosts=["www2.example.com", "www3.example.com"])
    for turn in (0, 0, 1, 0):
        made._pass_by(turn)
    assert made._host == 2


# --- asking ---


def test_each_status_has_its_state() -> None:
    """As the provider's table says; not found is none, and so is one that is not in the table."""
    wanted = {
        -3: None,
        -2: State.SENT,
        -1: State.SENT,
        0: State.SENT,
        1: State.DELIVERED,
        2: State.DELIVERED,
        3: State.EXPIRED,
        4: State.DELIVERED,
        20: State.UNDELIVERED,
        22: State.UNDELIVERED,
        23: State.UNDELIVERED,
        24: State.UNDELIVERED,
        25: State.UNDELIVERED,
    }
    assert {code: state for code, (state, _) in STATES.items()} == wanted
    for code, state in wanted.items():
        received = heard(status_call("1234", PHONE, code))
        assert [report.state for report in received.reports] == ([] if state is None else [state])
    assert len(DETAILS) == 28


@pytest.mark.parametrize("status", [6, 5, 21, 26, 999])
def test_an_unknown_status_is_no_report(status: int) -> None:
    """It changes nothing, and it is logged; 6 is one library's."""
    with capture_logs() as logs:
        assert heard(status_call("1234", PHONE, status)).reports == []
    (line,) = logs
    assert (line["event"], line["carrier"], line["state"]) == ("unknown state", "main", str(status))


@pytest.mark.parametrize("lists_ids", [True, False])
def test_texts_are_asked_about_in_one_call(*, lists_ids: bool) -> None:
    """By id and number, with what the list names or in its order; news of what is on its way only where in doubt."""

    async def main(server: SmscServer, made: Smsc) -> None:
        server.lists_ids = lists_ids
        numbers = [f"+9725023456{place:02}" for place in range(100)]
        texts = [outgoing(number) for number in numbers]
        for text in texts:
            assert (await made.send(text)).verdict is Verdict.ACCEPTED
        for place, status in {0: 1, 1: 20, 2: 3, 3: 0, 4: -1}.items():
            server.texts[place].status = status
        server.texts[1].err = 6
        gone = server.texts.pop(99)
        server.calls_seen.clear()
        asked = [pending(text, text.id) for text in texts]
        asked[4] = pending(texts[4], None)
        reports = await made.states_of(asked)
        ((path, told),) = server.calls_seen
        assert path == "/sys/status.php"
        assert told["id"].endswith(f"{gone.id},")
        assert told["phone"].startswith("972502345600,972502345601,")
        assert {(report.recipient_id, report.state, report.raw) for report in reports} == {
            (texts[0].id, State.DELIVERED, "status 1 (delivered)"),
            (texts[1].id, State.UNDELIVERED, "status 20 (cannot be delivered), err 6 (out of network)"),
            (texts[2].id, State.EXPIRED, "status 3 (expired)"),
            (texts[4].id, State.SENT, "status -1 (waiting)"),
        }
        assert {report.at for report in reports} == {datetime.fromtimestamp(smsc_server.NOW, UTC)}

    served(main)


def test_a_lost_answer_is_found_out_by_our_id() -> None:
    """The text went with our id, so it can be asked about though nobody answered."""

    async def main(server: SmscServer, made: Smsc) -> None:
        server.tell(NUMBER, Told.DELIVERED)
        text = outgoing()
        await made.send(text)
        (report,) = await made.states_of([pending(text, None)])
        assert (report.recipient_id, report.state) == (text.id, State.DELIVERED)

    served(main)


def test_a_status_of_another_number_is_nobodys() -> None:
    """What a list says in its order is believed only of the number it names."""

    async def main(server: SmscServer, made: Smsc) -> None:
        server.said = f'[{{"status": 1, "phone": "{OTHER[1:]}"}}]'.encode()
        assert await made.states_of([pending(outgoing(), None)]) == []
        server.said = f'[{{"status": 1, "phone": "{OTHER[1:]}", "id": "{OURS}"}}]'.encode()
        assert await made.states_of([pending(outgoing(), OURS)]) == []
        server.said = b'[{"status": 1}]'
        assert len(await made.states_of([pending(outgoing(), None)])) == 1

    served(main)


@pytest.mark.parametrize(
    "said",
    [
        b'{"error": "too many", "error_code": 9}',
        b"ERROR = 2 (authorise error)",
        b'[{"status": 1}, {"status": 1}, {"status": 1}]',
        b"[1, 2]",
        b'{"status": 1}',
        b'{"error_code": []}',
        b"<html>",
        b"",
    ],
)
def test_questions_that_are_not_answered(said: bytes) -> None:
    """Trouble, for another time; nothing is made of it."""

    async def main(server: SmscServer, made: Smsc) -> None:
        text = pending(outgoing(), None)
        server.said = said
        for question in (made.states_of([text, text]), made.credit(), made.fetch() if said[:1] != b"[" else None):
            if question is not None:
                with pytest.raises(Trouble, match="main: "):
                    await question
        with pytest.raises(Trouble):
            await made.recall(text) if said[:2] != b"[{" else await made.states_of([text, text])

    served(main)


def test_no_such_message_is_no_news() -> None:
    """An error of its own in status.php, not one of sending."""

    async def main(server: SmscServer, made: Smsc) -> None:
        server.said = b'{"error": "no such message", "error_code": 3}'
        assert await made.states_of([pending(outgoing(), None)]) == []
        assert await made.recall(pending(outgoing(), None)) == Recall(done=False, words="there is no such text")

    served(main)


def test_credit() -> None:
    """The balance as they write it, with its currency."""

    async def main(server: SmscServer, made: Smsc) -> None:
        assert await made.credit() == "100.50 RUB"
        server.said = b'{"balance": "150.00"}'
        assert await made.credit() == "150.00"

    served(main, apikey=True)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (-1, ""),
        (-2, ""),
        (0, "status 0: given to the operator"),
        (1, "status 1: delivered"),
        (3, "status 3: expired"),
        (20, "status 20: cannot be delivered"),
        (77, "status 77: not in the list"),
    ],
)
def test_only_a_waiting_text_is_taken_back(*, status: int, words: str) -> None:
    """One that is on its way could be deleted there, and arrive: it is left."""

    async def main(server: SmscServer, made: Smsc) -> None:
        text = outgoing()
        await made.send(text)
        server.texts[0].status = status
        assert await made.recall(pending(text, text.id)) == Recall(done=not words, words=words)
        assert len(server.texts) == (1 if words else 0)
        assert len([told for _, told in server.calls_seen if told.get("del")]) == (0 if words else 1)

    served(main)


def test_texts_from_phones_are_fetched_and_known_again() -> None:
    """Each with the same id every time; their time is in the zone of the settings."""

    async def main(server: SmscServer, made: Smsc) -> None:
        server.tell(NUMBER, Told.REPLY)
        await made.send(outgoing(sender="972722345678"))
        server.answers += [{"id": 9, "phone": None}, {"phone": "1234", "message": "short code", "to_phone": None}]
        first, again = await made.fetch(), await made.fetch()
        assert [one.carrier_id for one in first] == [one.carrier_id for one in again]
        answer, other = first
        assert (answer.sender, answer.to, answer.text) == (NUMBER, "+972722345678", REPLY_TEXT)
        assert answer.at == datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
        assert (other.sender, other.to, other.at) == ("1234", "", NOW)

    served(main, apikey=True, time_zone="Asia/Jerusalem")


# --- calls ---


def test_vectors_of_the_reference() -> None:
    """The hashes of one string, as computed from the provider's rule."""
    signed_ = b"1234:79990001122:1:s3cret_key"
    assert smsc_callback.digests(signed_, "md5") == ("078a53b923a47e787294c61b3186ebf2",)
    assert smsc_callback.digests(signed_, "sha1") == ("975caee41f2bd27916fbda282ea5c852c1151921",)
    assert smsc_callback.digests(signed_, "crc32") == ("1259291535", "1259291535", "4b0f438f", "4b0f438f")


@pytest.mark.parametrize(
    ("algorithm", "given"),
    [
        ("md5", b"078a53b923a47e787294c61b3186ebf2"),
        ("md5", b"078A53B923A47E787294C61B3186EBF2"),
        ("sha1", b"975caee41f2bd27916fbda282ea5c852c1151921"),
        ("crc32", b"1259291535"),
        ("crc32", b"4b0f438f"),
    ],
)
def test_the_call_of_the_reference(algorithm: str, given: bytes) -> None:
    """The example of the reference, signed each way, is a report."""
    body = b"id=1234&phone=79990001122&status=1&time=20.11.2026+10%3A00%3A00&ts=1795158000&err=0&charset=utf-8"
    made = carrier(callback_key="s3cret_key", callback_hash=algorithm)
    (report,) = made.receive(call(body + b"&" + algorithm.encode() + b"=" + given)).reports
    assert (report.carrier_id, report.recipient_id, report.state) == ("1234", None, State.DELIVERED)
    assert report.at == datetime.fromtimestamp(1_795_158_000, UTC)
    assert report.raw == "status 1 (delivered)"


def test_crc32_in_all_its_forms() -> None:
    """Unsigned, signed and hexadecimal are the same value; one of them above 2³¹ shows the difference."""
    told = {name: value.encode() for name, value in {"id": "7", "phone": PHONE, "status": "1"}.items()}
    place = 7
    while int(signed(told, ("id", "phone", "status"), algorithm="crc32")) < 1 << 31:
        place += 1
        told["id"] = str(place).encode()
    value = int(signed(told, ("id", "phone", "status"), algorithm="crc32"))
    for form_ in (str(value), str(value - (1 << 32)), f"{value:x}", f"{value:08X}"):
        assert heard(told | {"crc32": form_.encode()}, callback_hash="crc32").reports
    for form_ in (str(-value), str(value + 1), f"0x{value:x}", ""):
        with pytest.raises(Forged):
            heard(told | {"crc32": form_.encode()}, callback_hash="crc32")


def changed(told: dict[str, bytes], **more: bytes | None) -> dict[str, bytes]:
    """Return a call with other parameters; None takes one away."""
    return {name: value for name, value in {**told, **more}.items() if value is not None}


@pytest.mark.parametrize(
    "change",
    [
        {"status": b"20"},
        {"id": b"1235"},
        {"phone": OTHER[1:].encode()},
        {"sha1": None},
        {"sha1": b""},
        {"sha1": KEY.encode()},
        {"sha1": b"0" * 40},
        {"sha1": None, "md5": b"078a53b923a47e787294c61b3186ebf2"},
        {"sha1": "ё".encode()},
        {"mes": b"a status that would be a text", "to": b""},
        {"waitcall": b"1"},
    ],
)
def test_forged_calls(change: dict[str, bytes | None]) -> None:
    """Whatever is changed under the hash, taken from it or made of it: no report, and no secret in the reason."""
    with pytest.raises(Forged) as caught:
        heard(changed(status_call("1234", PHONE, 1), **change))
    assert KEY not in str(caught.value)


def test_a_hash_in_the_query_proves_nothing() -> None:
    """The URL that was entered holds the secret in that place: who knows the request line knows no hash."""
    told = changed(status_call("1234", PHONE, 1), sha1=None)
    with pytest.raises(Forged):
        carrier(callback_key=KEY).receive(call(form(told), query=f"sha1={KEY}&charset=utf-8".encode()))


def test_without_a_key_the_path_is_the_proof() -> None:
    """Then no hash is looked at."""
    told = changed(status_call("1234", PHONE, 1), sha1=b"anything")
    assert carrier().receive(call(form(told))).reports


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"&&&",
        b"id=1&phone=2",
        b"mes=hi&phone=1",
        b"waitcall=1",
        b'{"id": 1}',
        b"[1]",
        b"<status/>",
        b"\xff\xfe=1",
        b"id=1&id=2&phone=3&status=1",
        b"&".join(b"id=%d&phone=%d&status=1" % (place, place) for place in range(100)),
        b"a=1&" * 300,
    ],
)
def test_calls_that_are_none(body: bytes) -> None:
    """No form, a part of it, parameters twice (a hundred recipients in one report, too): refused aloud."""
    with pytest.raises(Unreadable):
        carrier(callback_key=KEY).receive(call(body))


def test_a_replayed_call_says_the_same() -> None:
    """Nothing in a status is new the second time: what it moved, it moves no more."""
    told = status_call(OURS, PHONE, 1)
    assert heard(told) == heard(told)
    (report,) = heard(told).reports
    assert (report.recipient_id, report.carrier_id) == (OURS, None)
    text = text_call(PHONE, "yes", "1234", time=b"20.11.2026 10:00:00")
    assert heard(text).inbounds[0].carrier_id == heard(text).inbounds[0].carrier_id


@pytest.mark.parametrize(
    ("text", "charset", "named", "read"),
    [
        ("Привет, №1", "windows-1251", None, "Привет, №1"),
        ("Привет 👍", "utf-8", "utf-8", "Привет 👍"),
        ("Привет 👍", "utf-8", "UTF-8", "Привет 👍"),
        ("Привет", "koi8-r", "koi8-r", "Привет"),
        # Named wrongly: what can be read is kept.
        ("Привет", "windows-1251", "utf-8", "Привет"),
        ("Привет", "utf-8", "martian", "Привет"),
        ("\u200f", "utf-8", None, "вЂЏ"),
    ],
)
def test_charsets_of_a_text(text: str, charset: str, named: str | None, read: str) -> None:
    """Windows-1251 where nothing is named; the hash is over the bytes, whatever they mean."""
    told = text_call(PHONE, text, "1234", charset=charset)
    told.pop("charset", None)
    more = {} if named is None else {"charset": named.encode()}
    (inbound,) = heard(told | more).inbounds
    assert (inbound.text, inbound.sender, inbound.to) == (read, NUMBER, "1234")


def test_a_byte_that_no_charset_has_loses_no_text() -> None:
    """It is read as far as it can be."""
    told = {"phone": PHONE.encode(), "mes": b"yes \x98", "to": b"1234"}
    told["sha1"] = signed(told, ("phone", "mes", "to"))
    assert heard(told).inbounds[0].text == "yes \ufffd"


def test_texts_of_one_phone_are_told_apart() -> None:
    """By their id or time; the same call twice is one text."""
    first = heard(text_call(PHONE, "yes", "1234", id=b"1")).inbounds[0]
    assert heard(text_call(PHONE, "yes", "1234", id=b"1")).inbounds[0] == first
    others = [
        text_call(PHONE, "yes", "1234", id=b"2"),
        text_call(PHONE, "yes", "1234", id=b"1", sent=b"20.11.2026 10:00:00"),
        text_call(OTHER[1:], "yes", "1234", id=b"1"),
        text_call(PHONE, "no", "1234", id=b"1"),
    ]
    assert len({heard(told).inbounds[0].carrier_id for told in others} | {first.carrier_id}) == 5


def test_a_call_to_confirm_a_number_is_answered_and_ignored() -> None:
    """It is signed in its own way, and nothing to us."""
    told = {"waitcall": b"1", "phone": PHONE.encode(), "ts": b"1795158000"}
    told["sha1"] = signed(told, ("phone", "ts"))
    received = heard(told)
    assert (list(received.reports), list(received.inbounds), received.answer) == ([], [], b"OK")


@pytest.mark.parametrize(
    ("number", "read"),
    [("+972502345678", NUMBER), ("972 50-234-5678", NUMBER), ("MyBank", "MyBank"), ("1234", "1234"), ("", "")],
)
def test_numbers_in_other_forms(number: str, read: str) -> None:
    """An international number in any form is ours; what is none stays as it is."""
    assert heard(text_call(number, "yes", "")).inbounds[0].sender == read


@pytest.mark.parametrize(
    ("err", "said"),
    [
        (b"0", ""),
        (b"6", ", err 6 (out of network)"),
        (b"77", ", err 77"),
        (b"x" * 200, f", err {'x' * 100}"),
        (b"972502345678", ", err ***"),
    ],
)
def test_details_stand_beside_the_state(err: bytes, said: str) -> None:
    """With their name where they have one; nobody's words get long, and no number shows."""
    told = changed(status_call("1234", PHONE, 20), err=err)
    assert heard(told).reports[0].raw == f"status 20 (cannot be delivered){said}"


@pytest.mark.parametrize("ts", [b"", b"soon", b"-1", b"0", b"99999999999999"])
def test_a_report_without_a_time_is_of_now(ts: bytes) -> None:
    """A time that is none loses no report."""
    assert heard(changed(status_call("1234", PHONE, 1), ts=ts)).reports[0].at == NOW
