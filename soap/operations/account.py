"""What an account has: credit, senders, contacts, groups, and the URL that is called back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bridge.calls.values import ContactEntry, GroupEntry
from bridge.model.errors import InvalidRequest
from soap import schema
from soap.operations.call import said
from soap.results import TAKEN

if TYPE_CHECKING:
    from soap.operations.call import Call

KINDS: Final = {"": (True, True), "report": (True, False), "incoming": (False, True)}
"""What a callback URL may be for: reports, texts from phones; both when it is not said."""


async def get_credit(call: Call) -> Any:
    """Return the balance; none for an account whose texts are only counted."""
    return said(schema.CreditAnswer, TAKEN, credit=schema.amount(await call.desk.credit(call.caller)))


async def get_senders(call: Call) -> Any:
    """Return the names that texts may come from, of every state."""
    found = await call.desk.senders(call.caller)
    return said(
        schema.SendersAnswer,
        TAKEN,
        senders=(
            schema.fill(schema.SenderName, name=one.name, state=one.state, reason=one.reason, is_default=one.default)
            for one in found
        ),
    )


async def add_sender_text(call: Call) -> Any:
    """Ask for a name that texts may come from."""
    found = await call.desk.add_sender(call.caller, call.asked.required_word("sender"))
    return said(schema.SenderAnswer, TAKEN, sender=found.name, state=found.state, reason=found.reason)


async def add_contact(call: Call) -> Any:
    """Keep a contact, or change the one with that number; what is empty stays as it was."""
    asked = call.asked
    own = {name: value for name in schema.CONTACT_FIELDS if (value := asked.word(name))}
    entry = ContactEntry(
        number=asked.required_word("sms_phone"),
        name=asked.word("name") or "",
        email=asked.word("email") or "",
        fields=asked.fields("fields") | own,
        tags=asked.several("tag_names"),
        groups=asked.several("group_names"),
    )
    kept = await call.desk.add_contact(call.caller, entry, new_number=asked.word("new_mobile_number"))
    return said(schema.ContactAnswer, TAKEN, sms_phone=kept.number)


async def get_contacts(call: Call) -> Any:
    """Return contacts, page by page, in the order of their numbers."""
    limit = call.limit
    found = await call.desk.contacts(call.caller, after=call.asked.word("after_id"), limit=limit)
    following = found[-1].number if len(found) == limit else ""
    return said(schema.ContactsAnswer, TAKEN, contacts=map(_contact, found), next_id=following)


async def delete_contact(call: Call) -> Any:
    """Forget a contact."""
    await call.desk.delete_contact(call.caller, call.asked.required_word("sms_phone"))
    return said(schema.PlainAnswer, TAKEN)


async def add_group(call: Call) -> Any:
    """Make a group, or add members to the one with that name."""
    entry = GroupEntry(
        name=call.asked.required_word("group_name"),
        numbers=call.asked.several("dest"),
        groups=call.asked.several("group_names"),
    )
    kept = await call.desk.add_group(call.caller, entry)
    return said(schema.GroupAnswer, TAKEN, group_name=kept.name, members=len(kept.numbers))


async def get_groups(call: Call) -> Any:
    """Return the groups with their members."""
    found = await call.desk.groups(call.caller)
    return said(schema.GroupsAnswer, TAKEN, groups=map(_group, found))


async def delete_group(call: Call) -> Any:
    """Forget a group, not its members."""
    await call.desk.delete_group(call.caller, call.asked.required_word("group_name"))
    return said(schema.PlainAnswer, TAKEN)


async def set_callback(call: Call) -> Any:
    """Name the URL that is called with reports, with texts from phones, or both; none ends it."""
    kind = (call.asked.word("kind") or "").lower()
    if kind not in KINDS:
        raise InvalidRequest("kind: write report or incoming; neither is both")
    reports, incoming = KINDS[kind]
    await call.desk.set_callback(call.caller, call.asked.word("callback_url"), reports=reports, incoming=incoming)
    return said(schema.PlainAnswer, TAKEN)


def _contact(one: ContactEntry) -> Any:
    fields = dict(one.fields)
    named = {}
    for name in list(fields):
        # A sheet that was imported may have "Company".
        if name.casefold() in schema.CONTACT_FIELDS:
            named[name.casefold()] = fields.pop(name)
    return schema.fill(
        schema.Contact,
        sms_phone=one.number,
        name=one.name,
        email=one.email,
        **named,
        tag_names=";".join(one.tags),
        group_names=";".join(one.groups),
        fields=schema.pairs(fields.items()),
    )


def _group(one: GroupEntry) -> Any:
    return schema.fill(schema.ContactGroup, group_name=one.name, numbers=one.numbers, group_names=";".join(one.groups))
