"""The contract in Spyne's models: what each operation is asked and what it answers.

The contract that clients get is the frozen file ``wsdl/smsbridge.wsdl``. These models say the same, and a test
compares the two. They differ on purpose in this: here everything may be absent or nil, so that Spyne takes whatever
clients send for "not given"; what a call cannot do without, :mod:`soap.asked` asks for by name.

Everything in a request is a string, also numbers and dates: then "not given", empty and 0 can mean the same, and a
client whose stub has a flag beside each number cannot forget it. New elements of requests go to the end, for some
clients pass them by position. Types of answers do not change within the namespace; what comes later goes into
``extra``.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal as Number
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

from spyne.model.complex import ComplexModel
from spyne.model.primitive import Boolean, DateTime, Decimal, Integer32, Unicode

from soap.writing import Writer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

NAMESPACE: Final = "urn:smsbridge:1"

LOGIN: Final = ("username", "password", "token")
"""The elements that every request begins with."""


_WRITER: Final = Writer()


def _record(name: str, /, **members: Any) -> Any:
    """Make a type with one element for each member."""
    made = ComplexModel.produce(NAMESPACE, name, list(members.items()))
    made.Attributes.prot = _WRITER
    return made


def _list(name: str, /, **member: Any) -> Any:
    """Make a type that holds one repeated element. Spyne's own arrays have other names, and share them."""
    ((element, kind),) = member.items()
    return _record(name, **{element: kind.customize(max_occurs="unbounded")})


# --- what several have ---

KeyValue: Final = _record("KeyValue", key=Unicode, value=Unicode)
KeyValueList: Final = _list("KeyValueList", item=KeyValue)


def _answer(name: str, /, **members: Any) -> Any:
    """Make the type of an answer: status and text first, ``extra`` last."""
    return _record(name, status=Integer32, status_text=Unicode, **members, extra=KeyValueList)


PlainAnswer: Final = _answer("PlainAnswer")

# --- sending ---

Recipient: Final = _record(
    "Recipient",
    dest=Unicode,
    status=Integer32,
    status_text=Unicode,
    recipient_id=Unicode,
    parts=Integer32,
    price=Decimal,
    number=Unicode,
    state=Unicode,
    extra=KeyValueList,
)
RecipientList: Final = _list("RecipientList", recipient=Recipient)
SendAnswer: Final = _answer("SendAnswer", message_id=Unicode, recipients=RecipientList, credit=Decimal)
PreviewAnswer: Final = _answer(
    "PreviewAnswer", parts=Integer32, encoding=Unicode, price=Decimal, recipients=RecipientList, credit=Decimal
)

BulkItem: Final = _record(
    "BulkItem",
    dest=Unicode,
    message=Unicode,
    sender=Unicode,
    sendtime=Unicode,
    reference=Unicode,
    callback_url=Unicode,
    fields=KeyValueList,
)
BulkItemList: Final = _list("BulkItemList", item=BulkItem)
BulkResult: Final = _record(
    "BulkResult",
    position=Integer32,
    reference=Unicode,
    status=Integer32,
    status_text=Unicode,
    message_id=Unicode,
    recipients=RecipientList,
    extra=KeyValueList,
)
BulkResultList: Final = _list("BulkResultList", result=BulkResult)
BulkAnswer: Final = _answer("BulkAnswer", results=BulkResultList, credit=Decimal)

# --- what became of it ---

RecipientStatus: Final = _record(
    "RecipientStatus",
    recipient_id=Unicode,
    message_id=Unicode,
    reference=Unicode,
    dest=Unicode,
    sender=Unicode,
    state=Unicode,
    reason=Unicode,
    parts=Integer32,
    price=Decimal,
    created_at=DateTime,
    due_at=DateTime,
    updated_at=DateTime,
    extra=KeyValueList,
)
RecipientStatusList: Final = _list("RecipientStatusList", recipient=RecipientStatus)
StatusAnswer: Final = _answer("StatusAnswer", recipients=RecipientStatusList)
ReportAnswer: Final = _answer("ReportAnswer", recipients=RecipientStatusList, next_id=Unicode)

ChangedRecipient: Final = _record(
    "ChangedRecipient",
    recipient_id=Unicode,
    dest=Unicode,
    status=Integer32,
    status_text=Unicode,
    state=Unicode,
    state_before=Unicode,
    extra=KeyValueList,
)
ChangedRecipientList: Final = _list("ChangedRecipientList", recipient=ChangedRecipient)
ChangeAnswer: Final = _answer("ChangeAnswer", recipients=ChangedRecipientList)

IncomingText: Final = _record(
    "IncomingText",
    incoming_id=Unicode,
    sender=Unicode,
    dest=Unicode,
    message=Unicode,
    sent_at=DateTime,
    received_at=DateTime,
    recipient_id=Unicode,
    extra=KeyValueList,
)
IncomingTextList: Final = _list("IncomingTextList", text=IncomingText)
IncomingAnswer: Final = _answer("IncomingAnswer", texts=IncomingTextList, last_id=Unicode)

# --- the account ---

CreditAnswer: Final = _answer("CreditAnswer", credit=Decimal)

SenderName: Final = _record(
    "SenderName", name=Unicode, state=Unicode, reason=Unicode, is_default=Boolean, extra=KeyValueList
)
SenderNameList: Final = _list("SenderNameList", sender=SenderName)
SendersAnswer: Final = _answer("SendersAnswer", senders=SenderNameList)
SenderAnswer: Final = _answer("SenderAnswer", sender=Unicode, state=Unicode, reason=Unicode)

CONTACT_FIELDS: Final = (
    "company",
    "phone",
    "fax",
    "birthday",
    "anniversary",
    "gender",
    "mailing_address",
    "mailing_city",
    "website",
    "user_field1",
    "user_field2",
    "user_field3",
)
"""Fields of a contact that have elements of their own. Templates ask for them by these names."""

Contact: Final = _record(
    "Contact",
    sms_phone=Unicode,
    email=Unicode,
    name=Unicode,
    **dict.fromkeys(CONTACT_FIELDS, Unicode),
    tag_names=Unicode,
    group_names=Unicode,
    fields=KeyValueList,
    extra=KeyValueList,
)
ContactList: Final = _list("ContactList", contact=Contact)
ContactsAnswer: Final = _answer("ContactsAnswer", contacts=ContactList, next_id=Unicode)
ContactAnswer: Final = _answer("ContactAnswer", sms_phone=Unicode)

NumberList: Final = _list("NumberList", number=Unicode)
ContactGroup: Final = _record(
    "ContactGroup", group_name=Unicode, numbers=NumberList, group_names=Unicode, extra=KeyValueList
)
ContactGroupList: Final = _list("ContactGroupList", group=ContactGroup)
GroupsAnswer: Final = _answer("GroupsAnswer", groups=ContactGroupList)
GroupAnswer: Final = _answer("GroupAnswer", group_name=Unicode, members=Integer32)

# --- requests ---


class Request(NamedTuple):
    """What an operation is asked, in order, after the login; and the type that it answers with."""

    elements: Mapping[str, Any]
    required: frozenset[str]
    answer: Any

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all elements, the login's first."""
        return (*LOGIN, *self.elements)

    @property
    def types(self) -> tuple[Any, ...]:
        """The type of each."""
        return (*(Unicode,) * len(LOGIN), *self.elements.values())


def _request(answer: Any, names: str = "", **typed: Any) -> Request:
    """Make a request of the names of its elements, those that are required with a ``!``; strings if not ``typed``."""
    written = names.split()
    plain = [name.rstrip("!") for name in written]
    required = frozenset(name.rstrip("!") for name in written if name.endswith("!"))
    return Request(MappingProxyType({name: typed.get(name, Unicode) for name in plain}), required, answer)


REQUESTS: Final[Mapping[str, Request]] = MappingProxyType(
    {
        "send_sms": _request(
            SendAnswer,
            "dest! message! sender sendtime callback_url reference test priority lifetime max_parts placeholders"
            " fields",
            fields=KeyValueList,
        ),
        "send_sms_bulk": _request(
            BulkAnswer, "items! test priority lifetime max_parts placeholders", items=BulkItemList
        ),
        "get_sms_status": _request(StatusAnswer, "message_id reference"),
        "get_sms_report": _request(ReportAnswer, "after_id limit from_time to_time"),
        "update_sms": _request(ChangeAnswer, "message_id! message sender sendtime"),
        "cancel_sms": _request(ChangeAnswer, "message_id!"),
        "get_incoming_sms": _request(IncomingAnswer, "after_id limit acknowledge_id"),
        "preview_sms": _request(
            PreviewAnswer, "dest message! sender priority max_parts placeholders fields", fields=KeyValueList
        ),
        "get_credit": _request(CreditAnswer),
        "get_senders": _request(SendersAnswer),
        "add_sender_text": _request(SenderAnswer, "sender!"),
        "add_contact": _request(
            ContactAnswer,
            f"sms_phone! email name {' '.join(CONTACT_FIELDS)} tag_names group_names new_mobile_number fields",
            fields=KeyValueList,
        ),
        "get_contacts": _request(ContactsAnswer, "after_id limit"),
        "delete_contact": _request(PlainAnswer, "sms_phone!"),
        "add_group": _request(GroupAnswer, "group_name! dest group_names"),
        "get_groups": _request(GroupsAnswer),
        "delete_group": _request(PlainAnswer, "group_name!"),
        "set_callback": _request(PlainAnswer, "callback_url kind"),
        "ping": _request(PlainAnswer),
    }
)
"""Every operation, by name."""

# --- filling answers ---


class Moment(datetime):
    """A time in UTC that is written with a ``Z``, to the second."""

    @classmethod
    def of(cls, moment: datetime) -> Self:
        """Make one of an aware time."""
        utc = moment.astimezone(UTC)
        return cls(utc.year, utc.month, utc.day, utc.hour, utc.minute, utc.second, tzinfo=UTC)

    def isoformat(self, *_: Any, **__: Any) -> str:
        """Write ``2026-11-20T07:00:00Z``."""
        return f"{self:%Y-%m-%dT%H:%M:%S}Z"

    __str__ = isoformat


def amount(thousandths: int | None) -> Number | None:
    """Return money as the contract has it: a decimal with three digits behind the point, never an exponent."""
    return None if thousandths is None else Number(thousandths).scaleb(-3)


def pairs(given: Iterable[tuple[str, str]]) -> list[Any]:
    """Return keys and values, as :func:`fill` takes them for a list."""
    return [fill(KeyValue, key=key, value=value) for key, value in given]


def fill(kind: Any, /, **values: Any) -> Any:
    """Return an answer, or a record of one, as the contract wants it.

    Strings that are not given, or None, are empty; lists too; numbers and times are left out. What is given for a
    list is put into it. Raises TypeError for an element that the type has not.
    """
    strings, lists, others = _plan(kind)
    given = {name: values.pop(name, None) or "" for name in strings}
    for name, list_kind, element, empty in lists:
        content = values.pop(name, ())
        given[name] = _of(list_kind, {element: list(content)}) if content else empty
    given |= {name: values.pop(name, None) for name in others}
    if values:
        message = f"{kind.get_type_name()} has no {', '.join(values)}"
        raise TypeError(message)
    return _of(kind, given)


def _of(kind: Any, given: dict[str, Any]) -> Any:
    """Make an instance. Spyne's own way sets each attribute by itself, and takes ten times as long."""
    made = kind.__new__(kind)
    made.__dict__.update(given)
    return made


@cache
def _plan(kind: Any) -> tuple[tuple[str, ...], tuple[tuple[str, Any, str, Any], ...], tuple[str, ...]]:
    """Return a type's strings, its lists (each with its type, its element, and an empty one), and the others."""
    strings, lists, others = [], [], []
    for name, member in kind.get_flat_type_info(kind).items():
        if issubclass(member, ComplexModel):
            (element,) = member.get_flat_type_info(member)
            lists.append((name, member, element, _of(member, {element: ()})))
        elif issubclass(member, Unicode):
            strings.append(name)
        else:
            others.append(name)
    return tuple(strings), tuple(lists), tuple(others)
