"""The service ``SmsBridge``: every operation of the contract, as Spyne serves it and as other faces call it.

What is wrong with a call stands in its answer, as ``status`` and ``status_text``. Raised, and so a Fault over SOAP, are
a failed login, a call that lacks something it needs, and our own trouble.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from spyne import Service, rpc

from bridge.model.errors import InvalidRequest, LoginBlocked, LoginFailed, Refusal
from soap import schema
from soap.asked import Asked
from soap.operations import account, following, sending
from soap.operations.call import Call, said
from soap.results import TAKEN, result

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from soap.visit import Visit

OPERATIONS: Final[Mapping[str, Callable[[Call], Awaitable[Any]]]] = MappingProxyType(
    {
        operation.__name__: operation
        for operation in (
            sending.send_sms,
            sending.send_sms_bulk,
            following.get_sms_status,
            following.get_sms_report,
            following.update_sms,
            following.cancel_sms,
            following.get_incoming_sms,
            sending.preview_sms,
            account.get_credit,
            account.get_senders,
            account.add_sender_text,
            account.add_contact,
            account.get_contacts,
            account.delete_contact,
            account.add_group,
            account.get_groups,
            account.delete_group,
            account.set_callback,
        )
    }
)
"""What the desk is asked for, by the name of the operation; ``ping`` asks for nothing."""


async def perform(name: str, visit: Visit, values: Mapping[str, Any]) -> Any:
    """Do what an operation of the contract says, and return its answer; see :mod:`soap.schema` for the types.

    ``values`` are the elements of the request by name, the login's among them. Raises
    :exc:`~bridge.model.errors.LoginFailed`, :exc:`~bridge.model.errors.LoginBlocked`,
    :exc:`~bridge.model.errors.InvalidRequest` and what is our own :exc:`~bridge.model.errors.Trouble`.
    """
    asked = Asked(values)
    if name == "ping":
        return await _ping(visit, asked)
    try:
        caller = await visit.caller(*map(asked.text, schema.LOGIN))
        return await OPERATIONS[name](Call(desk=visit.desk, caller=caller, asked=asked, door=visit.door))
    except (InvalidRequest, LoginBlocked, LoginFailed):
        raise
    except Refusal as refusal:
        return said(schema.REQUESTS[name].answer, result(refusal))


async def _ping(visit: Visit, asked: Asked) -> Any:
    """Say that the service is there; a login that comes along is tried."""
    login = [asked.text(name) for name in schema.LOGIN]
    extra = []
    if any(login) or visit.brings_login:
        caller = await visit.caller(*login)
        extra.append(("account", caller.account))
    return said(schema.PlainAnswer, TAKEN, extra=schema.pairs(extra))


def _exposed(name: str) -> Any:
    """Return an operation as Spyne serves it: it makes a coroutine of the answer, which the transport awaits."""
    request = schema.REQUESTS[name]

    async def operation(context: Any, *values: Any) -> Any:
        return await perform(name, context.udc, dict(zip(request.names, values, strict=True)))

    operation.__name__ = name
    operation.__doc__ = None  # what an operation does is said in the frozen contract
    return rpc(*request.types, _args=request.names, _returns=request.answer)(operation)


SmsBridge: Final = type("SmsBridge", (Service,), {name: _exposed(name) for name in schema.REQUESTS})
"""The Spyne service. ``context.udc`` is the :class:`~soap.visit.Visit` of the call."""
