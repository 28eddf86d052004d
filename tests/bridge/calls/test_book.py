"""The account's book as programs keep it: sender names, contacts, groups, URLs."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import select

from bridge.calls import book
from bridge.calls.desk import Desk
from bridge.calls.values import ContactEntry, GroupEntry, SenderName
from bridge.model.errors import (
    BridgeError,
    CallbackRefused,
    InvalidNumber,
    InvalidRequest,
    UnknownRecipient,
)
from bridge.model.errors import SenderName as WrongName
from bridge.model.sender import Sender, SenderKind, Verdict
from bridge.store import senders
from bridge.store.tables import accounts
from tests.bridge.calls.office import Office
from tests.support.texts import number

A, B, C = number(5678), number(5679), number(5680)


def entry(to: str, **known: Any) -> ContactEntry:
    """Return a contact as it is written."""
    return ContactEntry(number=to, **known)


# --- senders ---


def test_senders(office: Office) -> None:
    """A name that is asked for is requested; one that is there stays as it stands, refused or approved."""
    shop, bank = (Sender(kind=SenderKind.ALPHANUMERIC, name=name) for name in ("Shop", "Bank"))

    async def work(desk: Desk) -> None:
        me = office.caller()
        asked = await desk.add_sender(me, "Shop")
        assert asked == SenderName(name="Shop", state="requested", reason="", default=False)
        assert await desk.add_sender(me, "SHOP") == asked
        with office.store.write() as connection:
            senders.settle(connection, 1, shop, Verdict.APPROVE, now=0)
            senders.set_default(connection, 1, "Shop")
            senders.settle(connection, 1, bank, Verdict.REQUEST, now=0)
            senders.settle(connection, 1, bank, Verdict.REFUSE, reason="is another's", now=0)
        approved = SenderName(name="Shop", state="approved", reason="", default=True)
        refused = SenderName(name="Bank", state="refused", reason="is another's", default=False)
        assert await desk.senders(me) == [refused, approved]
        assert await desk.add_sender(me, "bank") == refused
        assert await desk.add_sender(me, "shop") == approved
        assert await desk.senders(office.caller(2)) == []
        for wrong in ("", "ab", "*123", "\0\0\0", "שלום", "x" * 12):
            with pytest.raises(WrongName):
                await desk.add_sender(me, wrong)

    office.run(work)


def test_senders_are_bounded(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """No program fills an operator's list."""
    monkeypatch.setattr(book, "MOST_SENDERS", 2)

    async def work(desk: Desk) -> None:
        for name in ("One", "Two", "one"):
            await desk.add_sender(office.caller(), name)
        with pytest.raises(InvalidRequest):
            await desk.add_sender(office.caller(), "Three")

    office.run(work)


# --- contacts ---


def test_contacts(office: Office) -> None:
    """A contact is made, then changed by its number: what is empty stays, fields are added, tags replaced."""

    async def work(desk: Desk) -> None:
        me = office.caller()
        first = await desk.add_contact(
            me,
            entry(
                "050-234-5678",
                name=" Ann  Cohen ",
                email="Ann@Example.com",
                fields={"company": "Acme", "Mailing_address": "1 High St", "birthday": "24/12/1990", "fax": ""},
                tags=("VIP", "vip"),
                groups=("Staff",),
            ),
        )
        assert first == ContactEntry(
            number=A,
            name="Ann Cohen",
            email="ann@example.com",
            fields={"company": "Acme", "Mailing_address": "1 High St", "birthday": "24/12/1990"},
            tags=("vip",),
            groups=("Staff",),
        )
        changed = await desk.add_contact(me, entry(A, name="", fields={"company": "", "city": "Haifa"}, tags=("new",)))
        assert changed.name == "Ann Cohen"
        assert changed.fields == {**first.fields, "city": "Haifa"}
        assert (changed.tags, changed.groups, changed.email) == (("new",), ("Staff",), "ann@example.com")
        assert await desk.contacts(me) == [changed]
        assert await desk.contacts(office.caller(2)) == []
        await desk.delete_contact(me, "0502345678")
        assert await desk.contacts(me) == []
        with pytest.raises(UnknownRecipient):
            await desk.delete_contact(me, A)

    office.run(work)


def test_contacts_by_pages(office: Office) -> None:
    """They come in the order of their numbers, on from any number, whether there is such a contact or not."""

    async def work(desk: Desk) -> None:
        me = office.caller()
        for index in (3, 1, 2):
            await desk.add_contact(me, entry(number(index)))
        await desk.add_contact(office.caller(2), entry(number(2)))
        every = [number(1), number(2), number(3)]
        assert [one.number for one in await desk.contacts(me)] == every
        assert [one.number for one in await desk.contacts(me, limit=2)] == every[:2]
        assert [one.number for one in await desk.contacts(me, after=number(2))] == every[2:]
        assert [one.number for one in await desk.contacts(me, after="+972502340000")] == every
        assert await desk.contacts(me, after=number(3)) == []
        with pytest.raises(InvalidRequest):
            await desk.contacts(me, limit=0)
        with pytest.raises(InvalidNumber):
            await desk.contacts(me, after="Ann")

    office.run(work)


def test_a_contacts_new_number(office: Office) -> None:
    """It keeps all else, its groups too; the same call again comes to the same; a number of another is refused."""

    async def work(desk: Desk) -> None:
        me = office.caller()
        await desk.add_contact(me, entry(A, name="Ann", groups=("Staff",)))
        await desk.add_contact(me, entry(C, name="Cy"))
        for _ in range(2):
            moved = await desk.add_contact(me, entry(A, tags=("moved",)), new_number=B)
            assert (moved.number, moved.name, moved.tags, moved.groups) == (B, "Ann", ("moved",), ("Staff",))
        assert [one.number for one in await desk.contacts(me)] == [B, C]
        with pytest.raises(InvalidRequest):
            await desk.add_contact(me, entry(B, name="Changed"), new_number=C)
        with pytest.raises(UnknownRecipient):
            await desk.add_contact(me, entry(number(1)), new_number=number(2))
        assert [one.name for one in await desk.contacts(me)] == ["Ann", "Cy"]
        assert (await desk.add_contact(me, entry(B, name="Same"), new_number=B)).name == "Same"

    office.run(work)


WRONG_CONTACTS: list[tuple[type[BridgeError], ContactEntry]] = [
    (InvalidNumber, entry("12")),
    (InvalidNumber, entry("")),
    (InvalidNumber, entry("a\0b")),
    (InvalidRequest, entry(A, name="x" * 101)),
    (InvalidRequest, entry(A, email="nobody")),
    (InvalidRequest, entry(A, fields={"name": "x"})),
    (InvalidRequest, entry(A, fields={"": "x"})),
    (InvalidRequest, entry(A, fields={"city": "x" * 501})),
    (InvalidRequest, entry(A, fields={f"f{index}": "x" for index in range(51)})),
    (InvalidRequest, entry(A, tags=("a;b",))),
    (InvalidRequest, entry(A, groups=("123",))),
]


@pytest.mark.parametrize(("error", "wrong"), WRONG_CONTACTS)
def test_contacts_that_are_refused(office: Office, error: type[BridgeError], wrong: ContactEntry) -> None:
    """Nothing of them is kept."""

    async def work(desk: Desk) -> None:
        with pytest.raises(error):
            await desk.add_contact(office.caller(), wrong)
        assert await desk.contacts(office.caller()) == []
        assert await desk.groups(office.caller()) == []

    office.run(work)


# --- groups ---


def test_groups(office: Office) -> None:
    """A group is made with its members, grows by the next call, and goes without them."""

    async def work(desk: Desk) -> None:
        me = office.caller()
        await desk.add_contact(me, entry(A, name="Ann"))
        made = await desk.add_group(me, GroupEntry(name=" Staff ", numbers=("0502345678", A, B)))
        assert made == GroupEntry(name="Staff", numbers=(A, B), groups=())
        assert [one.name for one in await desk.contacts(me)] == ["Ann", ""]
        await desk.add_group(me, GroupEntry(name="All", numbers=(C,), groups=("staff",)))
        grown = await desk.add_group(me, GroupEntry(name="STAFF", numbers=(C,)))
        assert grown == GroupEntry(name="Staff", numbers=(A, B, C), groups=())
        assert await desk.groups(me) == [GroupEntry(name="All", numbers=(C,), groups=("Staff",)), grown]
        assert await desk.groups(office.caller(2)) == []
        await desk.delete_group(me, "staff")
        assert await desk.groups(me) == [GroupEntry(name="All", numbers=(C,), groups=())]
        assert len(await desk.contacts(me)) == 3
        assert (await desk.add_group(me, GroupEntry(name="Empty"))).numbers == ()

    office.run(work)


def test_groups_that_are_refused(office: Office) -> None:
    """A number that is none, a group that is not there, a circle, a name that is none: nothing of it is kept."""

    async def work(desk: Desk) -> None:
        me = office.caller()
        await desk.add_group(me, GroupEntry(name="Inner", numbers=(A,)))
        await desk.add_group(me, GroupEntry(name="Outer", groups=("Inner",)))
        await desk.add_group(office.caller(2), GroupEntry(name="Theirs"))
        before = await desk.groups(me)
        wrong: list[tuple[type[BridgeError], GroupEntry]] = [
            (InvalidNumber, GroupEntry(name="New", numbers=(B, "12"))),
            (UnknownRecipient, GroupEntry(name="New", numbers=(B,), groups=("nope",))),
            (UnknownRecipient, GroupEntry(name="New", groups=("Theirs",))),
            (InvalidRequest, GroupEntry(name="Inner", numbers=(B,), groups=("Outer",))),
            (InvalidRequest, GroupEntry(name="Inner", groups=("Inner",))),
            (InvalidRequest, GroupEntry(name="")),
            (InvalidRequest, GroupEntry(name="a;b")),
            (InvalidRequest, GroupEntry(name="New", numbers=(A,) * 10_001)),
        ]
        for error, group in wrong:
            with pytest.raises(error):
                await desk.add_group(me, group)
        assert await desk.groups(me) == before
        assert [one.number for one in await desk.contacts(me)] == [A]
        for name in ("nope", "", "\0", "\ud800", "Theirs"):
            with pytest.raises(UnknownRecipient):
                await desk.delete_group(me, name)

    office.run(work)


def test_two_make_one_group(office: Office) -> None:
    """Programs that make the same group at once have one, with the members of both."""

    async def work(desk: Desk) -> None:
        me = office.caller()
        await asyncio.gather(*(desk.add_group(me, GroupEntry(name="All", numbers=(one,))) for one in (A, B, C)))
        assert await desk.groups(me) == [GroupEntry(name="All", numbers=(A, B, C))]

    office.run(work)


# --- URLs ---


def urls(office: Office, account: int = 1) -> tuple[str | None, str | None]:
    """Return the URLs of an account: for reports, and for texts from phones."""
    with office.store.read() as connection:
        query = select(accounts.c.report_url, accounts.c.inbound_url).where(accounts.c.id == account)
        row = connection.execute(query).one()
    return row.report_url, row.inbound_url


def test_set_callback(office: Office) -> None:
    """A URL is named for reports, for texts from phones, or both, and taken back the same way."""

    async def work(desk: Desk) -> None:
        me = office.caller()
        await desk.set_callback(me, "https://Example.com")
        assert urls(office) == ("https://example.com/",) * 2
        await desk.set_callback(me, "https://example.com/in", reports=False)
        assert urls(office) == ("https://example.com/", "https://example.com/in")
        await desk.set_callback(me, None, incoming=False)
        assert urls(office) == (None, "https://example.com/in")
        for wrong in ("http://10.0.0.1/", "x", "http://u:p@example.com/", "http://example.com/" + "x" * 2000):
            with pytest.raises(CallbackRefused):
                await desk.set_callback(me, wrong)
        with pytest.raises(InvalidRequest):
            await desk.set_callback(me, "https://example.com", reports=False, incoming=False)
        assert urls(office) == (None, "https://example.com/in")
        await desk.set_callback(me, "")
        assert urls(office) == (None, None)
        assert urls(office, 2) == (None, None)

    office.run(work)
