"""The SMSC files, called over HTTP as programs call them: libraries, hand-made queries, forms, in their charsets."""

from __future__ import annotations

import itertools
import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest

from tests.soap.faces.shop import DIGEST, PASSWORD, POOR, QUIET, RICH, TOKEN, Shop, query
from tests.support.served import until
from tests.support.smsc_client import SmscClient

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.e2e

PHONE = "972502345678"
SHOP = {"login": "shop", "psw": TOKEN, "charset": "utf-8"}

_places = itertools.count(1)


def elsewhere() -> dict[str, str]:
    """Return the header of a proxy that tells of another client than before."""
    return {"x-forwarded-for": f"192.0.2.{next(_places)}"}


def client(shop: Shop, user: str = "shop", secret: str = TOKEN, **options: Any) -> SmscClient:
    """Return a library's client."""
    return SmscClient(hosts=[shop.served.http], login=user, password=secret, **options)


# --- as libraries do ---


@pytest.mark.parametrize("charset", ["windows-1251", "utf-8", "koi8-r"])
def test_a_library_sends_asks_and_reads_its_balance(shop: Shop, charset: str) -> None:
    """Id, count, cost and balance come back as numbers, and the id leads to the status."""
    library = client(shop, "rich", RICH, charset=charset)
    before = float(library.get_balance() or "")
    text = f"Привет из {charset}"
    id_, count, cost, balance = library.send_sms(PHONE, text)
    assert 1 <= int(id_) < 2**31
    assert (int(count), float(cost), float(balance)) == (1, 1.0, before - 1)
    assert shop.arrived(text) == [f"+{PHONE}"]
    ((status, when, err),) = until(
        lambda: found if (found := library.get_status(id_, PHONE))[0][0] == "0" else None, seconds=10
    )
    assert (status, err) == ("0", "0")
    assert int(when) > 1_700_000_000
    assert set(library.methods) == {"GET"}


def test_a_library_takes_post_when_it_gets_long(shop: Shop) -> None:
    """The whole of it arrives, and is counted in parts."""
    library = client(shop)
    text = ("длинный текст " * 30).strip()  # 419 characters, each of them six in the query
    id_, count, *_ = library.send_sms(f"{PHONE},{PHONE[:-1]}9", text)
    assert (library.methods, count) == (["POST"], "14")  # seven parts of 67 characters, twice
    assert shop.arrived(text, 2) == [f"+{PHONE}", f"+{PHONE[:-1]}9"]
    assert len(library.get_status(f"{id_},{id_}", f"{PHONE},{PHONE[:-1]}9")) == 2


@pytest.mark.parametrize(
    ("phones", "more", "error"),
    [
        ("12", {}, "-7"),
        (PHONE, {"sender": "NOBODY"}, "-6"),
        (PHONE, {"time": "3102261000"}, "-5"),
        (PHONE, {"query": "hlr=1"}, "-1"),
        (QUIET, {}, "-8"),
    ],
)
def test_a_library_is_told_of_errors(shop: Shop, phones: str, more: dict[str, str], error: str) -> None:
    """As 0 and the number below 0."""
    text = f"never sent: {error}"
    assert client(shop).send_sms(phones, text, **more) == ["0", error]  # type: ignore[arg-type]
    assert shop.sent(text) == 0


def test_a_library_asks_for_the_price(shop: Shop) -> None:
    """And nothing is sent, nor is credit taken."""
    library = client(shop, "rich", RICH)
    before = library.get_balance()
    assert library.get_sms_cost(f"{PHONE};{PHONE[:-1]}9", "x" * 161) == ["4.00", "4"]
    assert library.get_sms_cost("12", "x") == ["0", "-7"]
    assert library.get_balance() == before
    assert shop.sent("x" * 161) == 0


def test_a_library_with_a_wrong_password(shop: Shop) -> None:
    """Error 2 for all that may be wrong with a login; no balance."""
    for user, secret in (("shop", "wrong"), ("nobody", TOKEN), ("gone", "token-of-the-gone")):
        fields = {"login": user, "psw": secret, "phones": PHONE, "mes": "x", "fmt": "1"}
        assert shop.get("/sys/send.php", fields, headers=elsewhere()).body == b"0,-2"
    answer = shop.get("/sys/balance.php", {"fmt": "0"}, headers=elsewhere())
    assert answer.body == b"ERROR = 2 (invalid login or password)"


def test_an_md5_counts_for_a_key_of_kind_digest_alone(shop: Shop) -> None:
    """Of all others the password is not known; that is told as a wrong one."""
    assert client(shop, "old", DIGEST, md5=True).get_balance() == "1000000.00"
    assert client(shop, "old", DIGEST).get_balance() == "1000000.00"
    assert client(shop, "till", PASSWORD).get_balance() == "1000000.00"
    hashed = client(shop, "till", PASSWORD, md5=True)
    assert hashed.get_balance() is None


class Silent:
    """A host that takes a call, hands it on, and loses the answer."""

    def __init__(self, behind: str) -> None:
        self._behind = behind.removeprefix("http://").split(":")
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.calls = 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            try:
                came, _ = self._socket.accept()
            except OSError:
                return
            with came, socket.create_connection((self._behind[0], int(self._behind[1]))) as there:
                there.sendall(came.recv(65_536))
                there.recv(65_536)
                self.calls += 1

    def close(self) -> None:
        self._socket.close()
        self._thread.join(0.1)


@pytest.fixture
def silent(shop: Shop) -> Iterator[Silent]:
    """A host before the bridge that loses every answer."""
    host = Silent(shop.served.http)
    yield host
    host.close()


def test_a_lost_answer_costs_no_second_text(shop: Shop, silent: Silent) -> None:
    """A library asks again, on its next host: it is told that its text was taken, and the phone has it once."""
    library = SmscClient(hosts=[silent.url, shop.served.http], login="rich", password=RICH)
    text = "the answer to this is lost"
    id_, count, cost, _ = library.send_sms(PHONE, text)
    assert silent.calls == 1
    assert (int(id_) > 0, count, cost) == (True, "1", "1.00")
    assert shop.arrived(text) == [f"+{PHONE}"]
    assert shop.sent(text) == 1
    assert library.get_status(id_, PHONE)[0][0] in {"-1", "0"}


# --- formats and forms ---


def test_formats_of_success(shop: Shop) -> None:
    """Text, numbers, XML and JSON, each with its own type of content."""
    told = {
        fmt: shop.post("/sys/send.php", SHOP | {"phones": PHONE, "mes": f"format {fmt}", "id": "77", "fmt": fmt})
        for fmt in range(4)
    }
    assert told[0].text == "OK - 1 SMS, ID - 77"
    assert told[1].text == "77,1"
    assert [(one.tag, one.text) for one in told[2].xml] == [("id", "77"), ("cnt", "1")]
    assert told[3].json == {"id": 77, "cnt": 1}
    kinds = [answer.headers["content-type"] for answer in told.values()]
    assert kinds == [f"{kind}; charset=utf-8" for kind in ("text/plain", "text/plain", "text/xml", "application/json")]
    assert {answer.headers["cache-control"] for answer in told.values()} == {"no-store"}


def test_the_charset_is_windows_1251_unless_it_is_told(shop: Shop) -> None:
    """In queries, in forms and in their parts, and in the answer."""
    fields = {"login": "shop", "psw": TOKEN, "phones": PHONE}
    text = "Заказ №5 готов"
    told = shop.get("/sys/send.php", fields | {"mes": text}, charset="windows-1251")
    assert told.headers["content-type"] == "text/plain; charset=windows-1251"
    assert shop.arrived(text) == [f"+{PHONE}"]
    form = shop.post("/sys/send.php", fields | {"mes": f"{text}!"}, charset="windows-1251")
    assert (form.status, shop.arrived(f"{text}!")) == (200, [f"+{PHONE}"])
    parts = b"".join(
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode("windows-1251")
        for name, value in (fields | {"mes": f"{text}!!"}).items()
    )
    kind = {"content-type": "multipart/form-data; boundary=b"}
    assert shop.ask("POST", "/sys/send.php", body=parts + b"--b--", headers=kind).status == 200
    assert shop.arrived(f"{text}!!") == [f"+{PHONE}"]
    wrong = shop.get("/sys/send.php", fields | {"mes": "x", "phones": "Вася"}, charset="windows-1251")
    assert wrong.body.startswith(b"ERROR = 7 (invalid number: ")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"charset": "utf-16"}, b"ERROR = 1 (parameters error: charset: windows-1251, utf-8, koi8-r)"),
        ({"fmt": "4"}, b"ERROR = 1 (parameters error: fmt: 0 to 3)"),
        ({"fmt": "json"}, b"ERROR = 1 (parameters error: fmt: 0 to 3)"),
        ({"mes": b"\xff\xfe"}, b"ERROR = 1 (parameters error: a parameter has bytes that are none of its charset)"),
        ({"mes": ""}, b"ERROR = 1 (parameters error: "),
        ({"phones": ""}, b"ERROR = 1 (parameters error: phones: missing)"),
        ({"mes": "x" * 5000}, b"ERROR = 1 (parameters error: "),
        ({"maxsms": "1", "mes": "x" * 161}, b"ERROR = 1 (parameters error: "),
        ({"id": "a b"}, b"ERROR = 1 (parameters error: id: "),
        ({"op": "2"}, b"ERROR = 1 (parameters error: op: 0 to 1)"),
        ({"time": "soon"}, b"ERROR = 5 (invalid date: "),
        ({"sender": "ACME BUT LONGER"}, b"ERROR = 6 (message is denied: "),
        ({"phones": "0501234567"}, b"ERROR = 7 (invalid number: "),
        ({"phones": "G17"}, b"ERROR = 7 (invalid number: "),
        ({"phones": "+14155552671"}, b"ERROR = 8 (cannot be delivered to this number: "),
        ({"phones": "1900123456"}, b"ERROR = 8 (cannot be delivered to this number: "),
    ],
)
def test_errors_in_words(shop: Shop, fields: dict[str, object], said: bytes) -> None:
    """Each error of the table that a call can bring about; the HTTP status is 200, for programs read the body."""
    answer = shop.post("/sys/send.php", SHOP | {"phones": PHONE, "mes": "x"} | fields)
    assert answer.status == 200
    assert answer.body.startswith(said), answer.body


def test_without_money(shop: Shop) -> None:
    """Error 3, in every format."""
    fields = {"apikey": POOR, "phones": PHONE, "mes": "no money"}
    told = [shop.get("/sys/send.php", fields | {"fmt": fmt}) for fmt in range(4)]
    assert told[0].body.startswith(b"ERROR = 3 (no money: ")
    assert told[1].body == b"0,-3"
    assert told[2].xml.findtext("error_code") == "3"
    assert told[3].json["error_code"] == 3
    assert {answer.status for answer in told} == {200}
    assert shop.get("/sys/balance.php", {"apikey": POOR}).body == b"0.00"


def test_after_too_many_failures(shop: Shop) -> None:
    """Error 4, from that address; the right login is let in from others."""
    place = elsewhere()
    fields = {"login": "till", "psw": "wrong", "fmt": "1"}
    told = [shop.get("/sys/balance.php", fields, headers=place).body for _ in range(4)]
    assert told == [b"0,-2"] * 3 + [b"0,-4"]
    assert shop.get("/sys/balance.php", fields | {"psw": PASSWORD}, headers=elsewhere()).body == b"1000000.00"


@pytest.mark.parametrize("method", ["HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_other_methods_send_nothing(shop: Shop, method: str) -> None:
    """HEAD too: who only looks at an address gets no text sent."""
    fields = SHOP | {"phones": PHONE, "mes": f"by {method}"}
    answer = shop.ask(method, f"/sys/send.php?{query(fields)}")
    assert (answer.status, answer.headers["allow"]) == (405, "GET, POST")
    assert shop.sent(f"by {method}") == 0


def test_a_body_that_is_too_long(shop: Shop) -> None:
    """Is refused by its length alone, in the face's own words."""
    body = b"mes=" + b"x" * (2 << 20)
    kind = {"content-type": "application/x-www-form-urlencoded"}
    answer = shop.ask("POST", f"/sys/send.php?fmt=1&{query(SHOP)}", body=body, headers=kind)
    assert answer.status == 413
    assert answer.body.startswith(b"ERROR = 1 (parameters error: ")
    assert shop.post("/sys/send.php", headers={"content-type": "application/json"}, charset="utf-8").status == 200


def test_half_of_the_numbers_are_good(shop: Shop) -> None:
    """The call is a success with as many texts; ``err`` and ``op`` tell of the others."""
    fields = SHOP | {"phones": f"{PHONE}; 12, {QUIET}\n+{PHONE}", "mes": "half", "fmt": "3", "err": "1", "op": "1"}
    told = shop.post("/sys/send.php", fields).json
    assert told["cnt"] == 1
    assert [(one["phone"], one["error"]) for one in told["errors"]] == [("12", 7), (QUIET, 8)]
    assert [one["phone"] for one in told["phones"]] == [PHONE, "12", QUIET, PHONE]
    assert shop.arrived("half") == [f"+{PHONE}"]


def test_a_list(shop: Shop) -> None:
    """A text for each line, under one id; each number has its own status."""
    listed = f"{PHONE}:to one\n{PHONE[:-1]}9,{PHONE[:-1]}7:to: two\n"
    told = shop.post("/sys/send.php", SHOP | {"list": listed, "id": "list-1", "fmt": "3"}).json
    assert told == {"id": "list-1", "cnt": 3}
    assert shop.arrived("to one") == [f"+{PHONE}"]
    assert shop.arrived("to: two", 2) == [f"+{PHONE[:-1]}7", f"+{PHONE[:-1]}9"]
    asked = {"id": "list-1", "phone": f"{PHONE},{PHONE[:-1]}9,{PHONE[:-1]}6", "fmt": "3"}
    assert [one["status"] for one in shop.get("/sys/status.php", SHOP | asked).json][2] == -3


def test_the_largest_call(shop: Shop) -> None:
    """10,000 numbers are taken in one; one more is refused whole."""
    numbers = [f"+97250236{number:04d}" for number in range(10_000)]
    fields = SHOP | {"phones": ",".join(numbers), "mes": "to many", "fmt": "1", "time": "+60", "id": "many"}
    assert shop.post("/sys/send.php", fields).text == "many,10000"
    fields |= {"phones": fields["phones"] + ",+972502350000", "mes": "to more"}
    assert shop.post("/sys/send.php", fields).text == "0,-1"
    assert shop.sent("to more") == 0
    asked = SHOP | {"id": "many", "phone": "972502369999", "fmt": "3"}
    assert shop.get("/sys/status.php", asked).json["status"] == -1


def test_transliteration_and_sender(shop: Shop) -> None:
    """The phone has Latin letters, from the approved name."""
    told = shop.post(
        "/sys/send.php", SHOP | {"phones": PHONE, "mes": "Ваш код 5", "translit": "1", "sender": "acme", "fmt": "1"}
    )
    assert told.text.endswith(",1")
    assert shop.arrived("Vash kod 5") == [f"+{PHONE}"]
    (one,) = (text for text in shop.served.texts() if text["text"] == "Vash kod 5")
    assert one["from"] == "ACME"


# --- ids and repeats ---


def test_an_id_is_no_guard(shop: Shop) -> None:
    """Other texts under the same id to the same number are sent; the status is that of the latest."""
    for text in ("order 5 is taken", "order 5 is on its way"):
        assert shop.post("/sys/send.php", SHOP | {"phones": PHONE, "mes": text, "id": "5", "fmt": "1"}).text == "5,1"
        assert shop.arrived(text) == [f"+{PHONE}"]
    later = SHOP | {"phones": PHONE, "mes": "order 5 later", "id": "5", "fmt": "1", "time": "+60"}
    assert shop.post("/sys/send.php", later).text == "5,1"
    assert shop.get("/sys/status.php", SHOP | {"id": "5", "phone": PHONE, "fmt": "3"}).json["status"] == -1


def test_the_same_call_again_is_answered_as_before(shop: Shop) -> None:
    """Whatever format and method it comes in: the same id and count, and one text."""
    call = {"apikey": RICH, "charset": "utf-8", "phones": f"{PHONE},12", "mes": "again", "cost": "2"}
    first = shop.get("/sys/send.php", call | {"fmt": "3"}).json
    second = shop.post("/sys/send.php", call | {"fmt": "3"}).json
    assert first == second
    assert first["cost"] == "1.00"
    assert shop.get("/sys/send.php", call | {"fmt": "1"}).text == f"{first['id']},1,1.00"
    assert shop.sent("again") == 1


# --- status.php ---


@pytest.mark.parametrize(
    ("ending", "status", "err"), [("71", 1, 0), ("72", 20, 0), ("73", 3, 0), ("74", 20, 255), ("75", -1, 0)]
)
def test_ends(shop: Shop, ending: str, status: int, err: int) -> None:
    """What becomes of a text, in the numbers of the face. One whose answer was lost is asked for again, and waits."""
    phone = f"9725023456{ending}"
    id_ = shop.post("/sys/send.php", SHOP | {"phones": phone, "mes": f"end {ending}", "fmt": "1"}).text.split(",")[0]
    asked = SHOP | {"id": id_, "phone": phone, "fmt": "3", "all": "2"}

    def ended() -> dict[str, Any] | None:
        told: dict[str, Any] = shop.get("/sys/status.php", asked).json
        return told if told["status"] == status else None

    told = until(ended, seconds=15)
    assert (told["err"], told["phone"], told["cost"], told["sender_id"]) == (err, phone, "1.00", "")
    assert told["last_timestamp"] >= told["send_timestamp"] - 1
    assert len(told["last_date"]) == 19


def test_local_numbers_and_our_own_ids_name_a_text(shop: Shop) -> None:
    """The number may be written as the client wrote it; the id may be the bridge's."""
    fields = SHOP | {"phones": "050-234-5678", "mes": "by any name", "id": "any", "fmt": "1"}
    assert shop.post("/sys/send.php", fields).text == "any,1"
    assert shop.arrived("by any name") == [f"+{PHONE}"]
    (own,) = (one["id"] for one in shop.served.texts() if one["text"] == "by any name")
    for id_ in ("any", own, own.partition("-")[0]):
        for phone in (PHONE, f"+{PHONE}", "0502345678", f"00{PHONE}", "050-234-5678"):
            told = shop.get("/sys/status.php", SHOP | {"id": id_, "phone": phone, "fmt": "1"}).text
            assert told.startswith(("0,", "-1,")), (id_, phone, told)


def test_what_is_not_there(shop: Shop) -> None:
    """Another number, another id, another account: error 3, or a status in a list."""
    fields = SHOP | {"phones": PHONE, "mes": "whose is it", "id": "mine", "fmt": "1"}
    shop.post("/sys/send.php", fields)
    for asked in (
        SHOP | {"id": "mine", "phone": "972502345679"},
        SHOP | {"id": "thine", "phone": PHONE},
        {"apikey": RICH, "id": "mine", "phone": PHONE},
    ):
        assert shop.get("/sys/status.php", asked).body == b"ERROR = 3 (no such message)"
        assert shop.get("/sys/status.php", asked | {"id": asked["id"] + ","}).text == "Status = -3"
    for bad in ({"id": "1"}, {"phone": PHONE}, {"id": "1,2", "phone": "1,2,3"}, {"id": "1", "phone": "1", "all": "3"}):
        assert shop.get("/sys/status.php", SHOP | bad | {"fmt": "1"}).text == "0,-1"
    asked = SHOP | {"id": ",".join(map(str, range(1001))), "phone": PHONE, "fmt": "1"}
    assert shop.post("/sys/status.php", asked).text == "0,-1"


def test_del_cancels_what_has_not_left(shop: Shop) -> None:
    """Then it has an end, and cannot be deleted twice."""
    fields = {"apikey": RICH, "charset": "utf-8", "phones": PHONE, "mes": "deleted", "time": "+90", "fmt": "3"}
    before = shop.get("/sys/balance.php", {"apikey": RICH}).body
    id_ = shop.post("/sys/send.php", fields).json["id"]
    asked = {"apikey": RICH, "id": id_, "phone": PHONE, "fmt": "3"}
    assert shop.get("/sys/status.php", asked).json["status"] == -1
    assert shop.get("/sys/status.php", asked | {"del": "1"}).json == {"result": "OK"}
    assert shop.get("/sys/status.php", asked).json["status"] == 20
    assert shop.get("/sys/status.php", asked | {"del": "1"}).json == {"error": "cannot be deleted", "error_code": 5}
    assert shop.get("/sys/status.php", asked | {"del": "1", "id": "nothing", "fmt": "0"}).text == (
        "ERROR = 3 (no such message)"
    )
    assert shop.get("/sys/balance.php", {"apikey": RICH}).body == before


def test_balances(shop: Shop) -> None:
    """A bare number, or one with its name; a token in HTTP's own header does for a login."""
    bearer = {"authorization": f"Bearer {RICH}"}
    plain = shop.get("/sys/balance.php", headers=bearer).text
    assert shop.get("/sys/balance.php", {"fmt": "3", "cur": "1"}, headers=bearer).json == {
        "balance": plain,
        "currency": "credits",
    }
    assert shop.get("/sys/balance.php", {"fmt": "2"}, headers=bearer).xml.findtext("balance") == plain
    assert client(shop).get_balance() == "1000000.00"


def test_other_files_are_not_there(shop: Shop) -> None:
    """What the face does not serve is 404."""
    for name in ("get", "jobs", "phones", "senders", "info"):
        assert shop.get(f"/sys/{name}.php", SHOP).status == 404
