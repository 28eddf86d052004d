"""Whom a name in an address stands for: asked of the account's own book, on each kind of database."""

from __future__ import annotations

import pytest

from bridge.calls.desk import Desk
from bridge.calls.values import ContactEntry, GroupEntry
from bridge.model.errors import BridgeError, InvalidRequest, StoreUnavailable, TooManyRecipients, UnknownRecipient
from bridge.model.mail_policy import STANDARD
from bridge.store.engine import Store
from smtp.address import Destination, parse_recipient
from smtp.config import SmtpSettings
from smtp.contacts import resolve
from smtp.places import Places
from tests.bridge.calls.office import Office
from tests.support.clock import HandClock
from tests.support.texts import number

PLACES = Places(SmtpSettings(domains=("sms.example.com",)))
DANA, OREN, NOA, GUY = (number(index) for index in (5678, 5679, 5680, 5681))


async def asked(desk: Desk, local: str, *, account_id: int = 1, room: int = 10, most: int = 10) -> object:
    """Return the numbers of an address, or why it has none."""
    meant = parse_recipient(f"{local}@sms.example.com", places=PLACES, region="IL", policy=STANDARD)
    try:
        return await resolve(desk, account_id, meant, room=room, most=most)
    except BridgeError as error:
        return error


async def filled(office: Office, desk: Desk) -> None:
    """Write the book: four contacts, two groups, one of them in the other, and an empty one."""
    me = office.caller()
    for to, name, tags in (
        (DANA, "Dana Levi", ("vip",)),
        (OREN, "oren", ()),
        (NOA, "Noa.B", ("vip", "on call")),
        (GUY, "דנה", ()),
    ):
        await desk.add_contact(me, ContactEntry(number=to, name=name, tags=tags))
    await desk.add_group(me, GroupEntry(name="Night Shift", numbers=(OREN, NOA)))
    await desk.add_group(me, GroupEntry(name="all", numbers=(DANA, OREN), groups=("Night Shift",)))
    await desk.add_group(me, GroupEntry(name="empty"))


FOUND = {
    "0502345678": (DANA,),
    "0502345690": (number(5690),),
    "oren": (OREN,),
    "OREN": (OREN,),
    "dana.levi": (DANA,),
    "Dana_Levi": (DANA,),
    "dana%20levi": (DANA,),
    '"Dana  Levi"': (DANA,),
    "contact.dana.levi": (DANA,),
    "noa.b": (NOA,),
    "דנה": (GUY,),
    "%D7%93%D7%A0%D7%94": (GUY,),
    "group.night.shift": (OREN, NOA),
    "night.shift": (OREN, NOA),
    '"group:Night Shift"': (OREN, NOA),
    "GROUP.ALL": (DANA, OREN, NOA),
    "all+flash": (DANA, OREN, NOA),
    "tag.vip": (DANA, NOA),
    "tag.on.call": (NOA,),
}

UNKNOWN = {
    "dana": "nobody of the account has that name",
    "noa_b": "nobody of the account has that name",
    "contact.all": "nobody of the account has that name",
    "group.oren": "nobody of the account has that name",
    "tag.nobody": "nobody of the account has that name",
    "postmaster": "nobody of the account has that name",
    "group.empty": "nobody is in that group",
    "empty": "nobody is in that group",
}


def test_names(any_store: Store, clock: HandClock) -> None:
    """A name finds its contact, group or tag in any spelling, and only in its own account; a number is itself."""
    office = Office(any_store, clock)
    office.account()
    office.account("other")

    async def work(desk: Desk) -> None:
        await filled(office, desk)
        for local, numbers in FOUND.items():
            found = await asked(desk, local)
            assert isinstance(found, tuple), (local, found)
            assert set(found) == set(numbers), local
            assert len(found) == len(numbers), local
        for local, reason in UNKNOWN.items():
            refused = await asked(desk, local)
            assert isinstance(refused, UnknownRecipient), (local, refused)
            assert refused.reason == reason, local
        for local in ("oren", "group.all", "tag.vip"):
            assert isinstance(await asked(desk, local, account_id=2), UnknownRecipient)
        assert await asked(desk, "0502345678", account_id=2) == (DANA,)

    office.run(work)


def test_names_of_several(any_store: Store, clock: HandClock) -> None:
    """What may be two is nobody, and the reason says what to write; the words before a dot tell them apart."""
    office = Office(any_store, clock)
    office.account()

    async def work(desk: Desk) -> None:
        await filled(office, desk)
        me = office.caller()
        await desk.add_contact(me, ContactEntry(number=number(1), name="Night Shift"))
        await desk.add_contact(me, ContactEntry(number=number(2), name="Oren"))
        both = await asked(desk, "night.shift")
        assert isinstance(both, UnknownRecipient)
        assert both.reason == "a contact and a group have that name; say which is meant"
        assert await asked(desk, "contact.night.shift") == (number(1),)
        team = await asked(desk, "group.night.shift")
        assert isinstance(team, tuple)
        assert set(team) == {OREN, NOA}
        two = await asked(desk, "oren")
        assert isinstance(two, UnknownRecipient)
        assert two.reason == "2 contacts have that name; write the number"
        # As it is written comes before a space for the dot.
        await desk.add_contact(me, ContactEntry(number=number(3), name="dana.levi"))
        assert await asked(desk, "dana.levi") == (number(3),)
        assert await asked(desk, "dana_levi") == (DANA,)

    office.run(work)


def test_room(any_store: Store, clock: HandClock) -> None:
    """A group that this mail has no room for comes in another; one that no mail has room for never does."""
    office = Office(any_store, clock)
    office.account()

    async def work(desk: Desk) -> None:
        await filled(office, desk)
        assert isinstance(await asked(desk, "group.all", room=3, most=3), tuple)
        later = await asked(desk, "group.all", room=2, most=3)
        assert isinstance(later, TooManyRecipients)
        assert later.reason == "At most 3 recipients in one mail; send the rest in another"
        assert isinstance(await asked(desk, "0502345678", room=0, most=3), TooManyRecipients)
        never = await asked(desk, "group.all", room=2, most=2)
        assert isinstance(never, InvalidRequest)
        assert never.reason == "the group has more than 2 numbers, and one mail no more recipients"
        assert await resolve(desk, 1, Destination(domain="sms.example.com"), room=0, most=1) == ()

    office.run(work)


def test_a_broken_database_is_our_trouble(any_store: Store, clock: HandClock) -> None:
    """A name that cannot be looked up is no name that nobody has."""
    office = Office(any_store, clock)
    office.account()

    async def work(desk: Desk) -> None:
        await filled(office, desk)
        with any_store.write() as connection:
            connection.exec_driver_sql("ALTER TABLE contacts RENAME TO contacts_gone")
        try:
            assert isinstance(await asked(desk, "oren"), StoreUnavailable)
            assert await asked(desk, "0502345678") == (DANA,)
        finally:
            with any_store.write() as connection:
                connection.exec_driver_sql("ALTER TABLE contacts_gone RENAME TO contacts")

    office.run(work)


@pytest.mark.parametrize("local", ["oren%00", "contact.%00", "group.\udcff", "x" * 201])
def test_what_no_database_keeps(local: str) -> None:
    """Names that would be an error of the database never get there."""
    with pytest.raises(UnknownRecipient):
        parse_recipient(f"{local}@sms.example.com", places=PLACES, region="IL", policy=STANDARD)
