"""What every database must do for contacts, groups, recipients by name, and sender names."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest
from sqlalchemy import func, select

from bridge.model.contacts import Change, Contact, change
from bridge.model.errors import Conflict, NotFound, TooManyRecipients, UnknownRecipient
from bridge.model.sender import SenderKind, SenderRules, SenderState, Verdict, parse_sender
from bridge.store import contacts, groups, senders
from bridge.store import revision as directory_revision
from bridge.store.contacts import Written
from bridge.store.engine import Store
from bridge.store.tables import contact_tags, group_members
from tests.support import texts
from tests.support.nodes import run_together
from tests.support.texts import number

ANN, BOB, EVE = number(1), number(2), number(3)


@pytest.fixture
def account(any_store: Store) -> int:
    """The account acme."""
    return texts.add_account(any_store)


def put(store: Store, account: int, *changes: Change, now: int = 1000) -> Written:
    """Commit changes."""
    with store.write() as connection:
        return contacts.put(connection, account, changes, now=now)


def people(store: Store, account: int, names: Sequence[str], limit: int = 100) -> list[str]:
    """Return the numbers that names stand for."""
    with store.read() as connection:
        return [one.number for one in contacts.resolve(connection, account, names, limit=limit)]


def group(store: Store, account: int, name: str, *members: str) -> int:
    """Make a group that holds contacts, and groups where a member is the name of one."""
    with store.write() as connection:
        made = groups.add(connection, account, name, now=0)
        for member in members:
            if member.startswith("+"):
                groups.join(connection, [(made, contacts.find(connection, account, member).id)])
            else:
                groups.join_group(connection, account, made, groups.find(connection, account, member).id)
        return made


def test_a_contact_is_kept_as_it_was_given(any_store: Store, account: int) -> None:
    """Every value comes back, in every script, whatever characters a field holds."""
    odd = "שלום \"'\\ {}[]:,\n%s :x 🙂"
    made = put(
        any_store,
        account,
        change(ANN, name="Ann שרה", email="ann@example.com", tags=["vip", "b"], fields=[("x", odd)], groups=["Team"]),
    )
    assert made == Written(added=1, updated=0, repeated=0, refused=())
    with any_store.read() as connection:
        kept = contacts.find(connection, account, ANN)
    assert kept.contact == Contact(
        number=ANN, name="Ann שרה", email="ann@example.com", tags=frozenset({"vip", "b"}), fields={"x": odd}
    )
    assert (kept.groups, kept.created_at, kept.updated_at) == (("Team",), 1000, 1000)


def test_the_same_number_again_changes_the_contact(any_store: Store, account: int) -> None:
    """What is given changes, what is not stays, and so do its id and its groups."""
    put(any_store, account, change(ANN, name="Ann", tags=["a"], fields=[("x", "1"), ("y", "2")], groups=["Team"]))
    with any_store.read() as connection:
        before = contacts.find(connection, account, ANN)
    made = put(any_store, account, change(ANN, email="ann@example.com", fields=[("y", "")], groups=["Other"]), now=2000)
    assert made == Written(added=0, updated=1, repeated=0, refused=())
    with any_store.read() as connection:
        after = contacts.find(connection, account, ANN)
    assert after.id == before.id
    assert after.contact == Contact(
        number=ANN, name="Ann", email="ann@example.com", tags=frozenset({"a"}), fields={"x": "1"}
    )
    assert (after.groups, after.created_at, after.updated_at) == (("Other", "Team"), 1000, 2000)
    put(any_store, account, change(ANN, tags=["b"]), now=3000)
    with any_store.read() as connection:
        assert contacts.find(connection, account, ANN).contact.tags == {"b"}


def test_of_two_for_one_number_the_later_wins(any_store: Store, account: int) -> None:
    """In one batch and over the batches of one piece of work; each is counted once, and as what it was."""
    put(any_store, account, change(BOB, name="old"), now=500)
    first = put(any_store, account, change(ANN, name="1", tags=["a"]), change(BOB, name="new"), change(ANN, name="2"))
    assert first == Written(added=1, updated=1, repeated=1, refused=())
    second = put(any_store, account, change(BOB, name="3"), change(EVE, name="4"))
    assert second == Written(added=1, updated=0, repeated=1, refused=())
    with any_store.read() as connection:
        known = contacts.among(connection, account, [ANN, BOB, EVE, number(9)])
        assert contacts.find(connection, account, ANN).contact.tags == {"a"}
    assert {key: one.name for key, one in known.items()} == {ANN: "2", BOB: "3", EVE: "4"}


def test_a_refused_change_leaves_the_others(any_store: Store, account: int) -> None:
    """It is told by its place, and what the contact was before stays."""
    put(any_store, account, change(ANN, name="Ann", fields=[(f"f{i}", "x") for i in range(50)]))
    made = put(any_store, account, change(BOB), change(ANN, name="no", fields=[("g", "x")]), change(EVE), now=2000)
    assert made == Written(added=2, updated=0, repeated=0, refused=((1, "51 fields; a contact has 50 at most"),))
    with any_store.read() as connection:
        assert contacts.find(connection, account, ANN).contact.name == "Ann"


def test_nothing_is_a_change_too(any_store: Store, account: int) -> None:
    """An empty batch, as of lines that were all refused."""
    assert put(any_store, account) == Written(added=0, updated=0, repeated=0, refused=())


def test_accounts_do_not_meet(any_store: Store, account: int) -> None:
    """The same numbers, names, tags and groups in two accounts are two of each."""
    other = texts.add_account(any_store, "other")
    for owner, name in ((account, "Ann"), (other, "Anna")):
        put(any_store, owner, change(ANN, name=name, tags=["vip"], groups=["Team"]))
    put(any_store, other, change(BOB, name="Bob", tags=["vip"], groups=["Team"]))
    assert people(any_store, account, ["tag:vip"]) == people(any_store, account, ["Team"]) == [ANN]
    with pytest.raises(UnknownRecipient):
        people(any_store, account, ["Bob"])
    with any_store.write() as connection:
        contacts.remove(connection, other, ANN)
    with any_store.read() as connection:
        assert [one.contact.name for one in contacts.listed(connection, account, limit=10)] == ["Ann"]
        with pytest.raises(NotFound):
            contacts.find(connection, account, BOB)


def test_contacts_are_listed_by_name(any_store: Store, account: int) -> None:
    """All, those with a tag, those in a group at any depth; as many as are asked for."""
    put(any_store, account, change(ANN, name="c", tags=["x"]), change(BOB, name="A"), change(EVE, name="b", tags=["x"]))
    inner = group(any_store, account, "inner", ANN)
    outer = group(any_store, account, "outer", EVE, "inner")
    with any_store.read() as connection:

        def names(tag: str | None = None, group_id: int | None = None, limit: int = 10) -> list[str]:
            found = contacts.listed(connection, account, tag=tag, group_id=group_id, limit=limit)
            return [one.contact.name for one in found]

        assert names() == ["A", "b", "c"]
        assert names(limit=2) == ["A", "b"]
        assert names(tag="x") == ["b", "c"]
        assert names(group_id=inner) == ["c"]
        assert names(group_id=outer) == ["b", "c"]


def test_a_contact_that_is_removed_leaves_nothing(any_store: Store, account: int) -> None:
    """No tag and no membership of it stays."""
    put(any_store, account, change(ANN, tags=["x"], groups=["Team"]))
    with any_store.write() as connection:
        contacts.remove(connection, account, ANN)
        for table in (contact_tags, group_members):
            assert connection.scalar(select(func.count()).select_from(table)) == 0
        with pytest.raises(NotFound):
            contacts.remove(connection, account, ANN)


def test_recipients_by_name(any_store: Store, account: int) -> None:
    """A contact, a group and a tag, in whatever spelling; each number comes once, contacts first."""
    put(
        any_store,
        account,
        change(ANN, name="Ann Lee", tags=["vip"], groups=["Team"], fields=[("city", "Haifa")]),
        change(BOB, name="Bob", tags=["vip"], groups=["TEAM"]),
        change(EVE, name="Eve"),
    )
    assert people(any_store, account, ["ann  LEE"]) == [ANN]
    assert people(any_store, account, ["team"]) == people(any_store, account, ["group:Team"]) == [ANN, BOB]
    assert people(any_store, account, ["TAG: VIP"]) == [ANN, BOB]
    assert people(any_store, account, ["Team", "contact:eve", "tag:vip", "Ann Lee", "ann lee"]) == [ANN, EVE, BOB]
    assert people(any_store, account, []) == []
    with any_store.read() as connection:
        (ann,) = contacts.resolve(connection, account, ["Ann Lee"], limit=1)
        assert (ann.name, ann.fields) == ("Ann Lee", {"city": "Haifa"})


@pytest.mark.parametrize("name", ["nobody", "", "tag:nobody", "group:Ann", "contact:Team", "tag:", "%", "An_"])
def test_an_unknown_recipient_is_named(any_store: Store, account: int, name: str) -> None:
    """A name of the wrong kind is unknown too, and a nameless contact is not found by no name."""
    put(any_store, account, change(ANN, name="Ann", groups=["Team"]), change(BOB))
    with pytest.raises(UnknownRecipient) as caught:
        people(any_store, account, ["Ann", name])
    assert caught.value.reason == f"no contact, group or tag is named {name}"


def test_a_name_that_may_be_two_is_refused(any_store: Store, account: int) -> None:
    """Two contacts of one name, or a contact and a group, until it is said which."""
    put(
        any_store,
        account,
        change(ANN, name="Sales"),
        change(BOB, name="Dan"),
        change(EVE, name="DAN", groups=["sales"]),
    )
    with pytest.raises(UnknownRecipient, match="Sales is a contact and a group; write contact:Sales or group:Sales"):
        people(any_store, account, ["Sales"])
    assert people(any_store, account, ["contact:Sales"]) == [ANN]
    assert people(any_store, account, ["group:Sales"]) == [EVE]
    for name in ("dan", "contact:dan"):
        with pytest.raises(UnknownRecipient, match=f"2 contacts are named {name}; write the number"):
            people(any_store, account, [name])


def test_the_limit_is_exact(any_store: Store, account: int) -> None:
    """As many as are allowed are returned, one more is refused, wherever they come from."""
    put(any_store, account, *(change(number(i), name=f"n{i}", tags=["all"], groups=["Team"]) for i in range(10)))
    names = [f"n{i}" for i in range(10)]
    for wanted in (["Team"], ["tag:all"], names, ["n0", "Team", "tag:all"]):
        assert len(people(any_store, account, wanted, limit=10)) == 10
        with pytest.raises(TooManyRecipients, match="at most 9 recipients"):
            people(any_store, account, wanted, limit=9)


def test_groups_within_groups(any_store: Store, account: int) -> None:
    """A group brings the contacts of all groups within, each once, however they are reached."""
    put(any_store, account, change(ANN), change(BOB), change(EVE))
    group(any_store, account, "a", ANN)
    group(any_store, account, "b", BOB, "a")
    group(any_store, account, "c", EVE, "a")
    group(any_store, account, "d", "b", "c")
    assert people(any_store, account, ["b"]) == [ANN, BOB]
    assert people(any_store, account, ["d"]) == people(any_store, account, ["d", "a", "c"]) == [ANN, BOB, EVE]
    with any_store.read() as connection:
        told = [(each.name, each.contacts, each.groups) for each in groups.listed(connection, account)]
        assert groups.within(connection, groups.find(connection, account, "d").id) == ["b", "c"]
    assert told == [("a", 1, 0), ("b", 1, 1), ("c", 1, 1), ("d", 0, 2)]


def test_a_group_never_holds_itself(any_store: Store, account: int) -> None:
    """Not directly, and not through others at any depth; joining twice is no circle."""
    names = ["a", "b", "c", "d"]
    ids = [group(any_store, account, name, *names[place - 1 : place]) for place, name in enumerate(names)]
    for holder in ids:
        with any_store.write() as connection, pytest.raises(Conflict, match="a group cannot hold itself"):
            groups.join_group(connection, account, holder, ids[-1])
    with any_store.write() as connection:
        groups.join_group(connection, account, ids[3], ids[2])
        groups.join_group(connection, account, ids[3], ids[0])


_JOIN = """
from bridge.model.errors import Conflict
from bridge.store import groups
from bridge.store.engine import Store
store = Store(sys.argv[1])
account, one, other = map(int, sys.argv[2:])
ready()
try:
    with store.write() as connection:
        groups.join_group(connection, account, one, other)
    answer("joined")
except Conflict:
    answer("conflict")
"""


def test_two_at_once_make_no_circle(any_store: Store, account: int) -> None:
    """Of two processes that put two groups into each other, one is refused."""
    one, other = group(any_store, account, "one"), group(any_store, account, "other")
    url = any_store.url
    answers = run_together(
        _JOIN, [[url, str(account), str(one), str(other)], [url, str(account), str(other), str(one)]]
    )
    assert sorted(answers) == ["conflict", "joined"]


def test_an_empty_group_reaches_nobody(any_store: Store, account: int) -> None:
    """That is told, not taken for success; beside others it is no trouble."""
    put(any_store, account, change(ANN, name="Ann"))
    group(any_store, account, "empty")
    with pytest.raises(UnknownRecipient, match="nobody is in empty"):
        people(any_store, account, ["empty"])
    assert people(any_store, account, ["empty", "Ann"]) == [ANN]


def test_groups_are_made_left_and_removed(any_store: Store, account: int) -> None:
    """A name is one group in whatever spelling; contacts and inner groups outlive it."""
    put(any_store, account, change(ANN, name="Ann"))
    inner = group(any_store, account, "Inner", ANN)
    outer = group(any_store, account, "Outer", ANN, "Inner")
    with any_store.write() as connection:
        with pytest.raises(Conflict, match="group OUTER exists already"):
            groups.add(connection, account, "OUTER", now=0)
        ann = contacts.find(connection, account, ANN).id
        assert groups.leave(connection, outer, ann)
        assert not groups.leave(connection, outer, ann)
        assert groups.leave_group(connection, outer, inner)
        assert not groups.leave_group(connection, outer, inner)
        groups.join_group(connection, account, outer, inner)
        groups.remove(connection, outer)
        with pytest.raises(NotFound, match="no group is named Outer"):
            groups.find(connection, account, "Outer")
    assert people(any_store, account, ["inner"]) == [ANN]


_PUT = """
from bridge.model.contacts import change
from bridge.store import contacts
from bridge.store.engine import Store
store = Store(sys.argv[1])
account, first = int(sys.argv[2]), int(sys.argv[3])
numbers = [f"+97250234{place:04d}" for place in range(500)]
ready()
for begin in range(0, 500, 100):
    batch = numbers[begin:begin + 100]
    batch = batch if first else batch[::-1]
    wanted = [change(number, name=str(first), tags=["all"], groups=["Team"]) for number in batch]
    with store.write() as connection:
        contacts.put(connection, account, wanted, now=first)
answer("done")
"""


def test_two_imports_at_once(any_store: Store, account: int) -> None:
    """Two processes that write the same contacts in other orders both come through, and each contact is there once."""
    arguments = [[any_store.url, str(account), first] for first in ("0", "1")]
    assert run_together(_PUT, arguments) == ["done", "done"]
    assert people(any_store, account, ["Team"], limit=500) == people(any_store, account, ["tag:all"], limit=500)
    assert len(people(any_store, account, ["Team"], limit=500)) == 500


@pytest.mark.slow
def test_a_large_group_is_fast(any_store: Store, account: int) -> None:
    """Ten thousand contacts are found through a group within a group in a second, on however busy a machine."""
    for begin in range(0, 10_000, 1_000):
        batch = range(begin, begin + 1_000)
        put(any_store, account, *(change(number(i), name=f"n{i}", fields=[("x", "y")], groups=["big"]) for i in batch))
    group(any_store, account, "top", "big")
    took = []
    for _ in range(3):
        began = time.perf_counter()
        assert len(people(any_store, account, ["top"], limit=10_000)) == 10_000
        took.append(time.perf_counter() - began)
    assert min(took) < 1


def revision(store: Store) -> int:
    """Return the directory's revision."""
    with store.read() as connection:
        return directory_revision.current(connection)


def settle(
    store: Store, account: int, name: str, verdict: Verdict, *, reason: str = "", now: int = 1000
) -> SenderState:
    """Request, approve, refuse or revoke a name."""
    with store.write() as connection:
        sender = parse_sender(name, kinds=frozenset(SenderKind))
        return senders.settle(connection, account, sender, verdict, reason=reason, now=now).state


def test_a_sender_name_from_request_to_revocation(any_store: Store, account: int) -> None:
    """Each step is kept with its time and reason, and each counts in the directory's revision."""
    before = revision(any_store)
    settle(any_store, account, "ACME", Verdict.REQUEST)
    settle(any_store, account, "acme", Verdict.APPROVE, now=2000)
    with any_store.read() as connection:
        assert senders.approved(connection) == {account: {"acme": "acme"}}
        (listed,) = senders.listed(connection, account)
        assert (listed.state, listed.created_at, listed.decided_at) == (SenderState.APPROVED, 1000, 2000)
    settle(any_store, account, "Acme", Verdict.REVOKE, reason="misused", now=3000)
    with any_store.read() as connection:
        assert senders.approved(connection) == {}
        known = senders.find(connection, account, "ACME")
        assert known is not None
        assert (known.name, known.state, known.reason, known.decided_at) == (
            "acme",
            SenderState.REFUSED,
            "misused",
            3000,
        )
    assert revision(any_store) == before + 3
    with pytest.raises(Conflict):
        settle(any_store, account, "acme", Verdict.REQUEST)
    assert settle(any_store, account, "ACME", Verdict.APPROVE, now=4000) is SenderState.APPROVED
    with any_store.read() as connection:
        assert senders.approved(connection) == {account: {"acme": "ACME"}}


def test_what_changes_nothing_is_no_change(any_store: Store, account: int) -> None:
    """Asking for an approved name, or approving it again, leaves the revision and the time as they are."""
    settle(any_store, account, "ACME", Verdict.APPROVE)
    before = revision(any_store)
    for verdict in (Verdict.REQUEST, Verdict.APPROVE):
        assert settle(any_store, account, "ACME", verdict, now=9000) is SenderState.APPROVED
    with any_store.read() as connection:
        assert senders.listed(connection)[0].decided_at == 1000
    assert revision(any_store) == before


def test_defaults(any_store: Store, account: int) -> None:
    """One for the account, one for each mailbox or domain; only approved names, and gone with the approval."""
    settle(any_store, account, "ACME", Verdict.APPROVE)
    settle(any_store, account, "Asked", Verdict.REQUEST)
    with any_store.write() as connection:
        senders.set_default(connection, account, "acme")
        senders.set_default(connection, account, "ACME", pattern="@example.com")
        senders.set_default(connection, account, "ACME", pattern="@example.com")
        assert senders.defaults(connection) == {account: {"": "ACME", "@example.com": "ACME"}}
        for name in ("Asked", "nobody"):
            with pytest.raises(NotFound, match="is not approved"):
                senders.set_default(connection, account, name)
        senders.set_default(connection, account, None, pattern="@example.com")
        with pytest.raises(NotFound, match=r"@example\.com has no default"):
            senders.set_default(connection, account, None, pattern="@example.com")
    settle(any_store, account, "ACME", Verdict.REVOKE)
    with any_store.read() as connection:
        assert senders.defaults(connection) == {}


def test_the_rules_of_all_accounts(any_store: Store, account: int) -> None:
    """Kinds, approved names and defaults of each; an account without any has the usual rules."""
    other = texts.add_account(any_store, "other")
    texts.add_account(any_store, "plain")
    kinds = frozenset({SenderKind.STAR, SenderKind.ALPHANUMERIC})
    settle(any_store, account, "ACME", Verdict.APPROVE)
    before = revision(any_store)
    with any_store.write() as connection:
        senders.set_kinds(connection, other, kinds)
        senders.set_default(connection, account, "ACME")
        assert senders.kinds_of(connection, other) == kinds
        assert senders.rules(connection) == {
            account: SenderRules(approved={"acme": "ACME"}, defaults={"": "ACME"}),
            other: SenderRules(kinds=kinds),
        }
        senders.set_kinds(connection, other, frozenset({SenderKind.ALPHANUMERIC, SenderKind.NUMERIC}))
        assert other not in senders.rules(connection)
    assert revision(any_store) == before + 3


def test_a_name_belongs_to_its_account(any_store: Store, account: int) -> None:
    """Two accounts may have the same name, each with its own state."""
    other = texts.add_account(any_store, "other")
    settle(any_store, account, "ACME", Verdict.APPROVE)
    settle(any_store, other, "ACME", Verdict.REQUEST)
    with any_store.read() as connection:
        assert senders.approved(connection) == {account: {"acme": "ACME"}}
        assert len(senders.listed(connection)) == 2
        assert [known.state for known in senders.listed(connection, other)] == [SenderState.REQUESTED]
        assert [known.account_id for known in senders.listed(connection, state=SenderState.APPROVED)] == [account]
