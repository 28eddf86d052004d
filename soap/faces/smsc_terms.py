"""What the SMSC face says: its charsets, error numbers, status codes, and how it writes money and Latin letters.

The numbers are those of smsc.ru's public interface, so that a program written for it understands them. What that
interface leaves open is marked in docs/legacy-apis.md as ours.
"""

from __future__ import annotations

from enum import IntEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from bridge.model import errors
from bridge.model.errors import BridgeError, InvalidRequest, Refusal
from bridge.model.price import show_credit
from bridge.model.state import State

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_CHARSET: Final = "windows-1251"
CHARSETS: Final[Mapping[str, str]] = MappingProxyType(
    {"windows-1251": DEFAULT_CHARSET, "cp1251": DEFAULT_CHARSET, "utf-8": "utf-8", "utf8": "utf-8", "koi8-r": "koi8-r"}
)
"""The three charsets, by the names that ``charset`` may have."""

UNLIMITED: Final = 1_000_000_000
"""The balance told for an account whose texts are only counted: programs that stop at nothing have to go on."""


class Fault(IntEnum):
    """The numbers in ``error_code``. 9 (the same call too often) is not ours to say."""

    PARAMETER = 1
    LOGIN = 2
    MONEY = 3
    BLOCKED = 4
    DATE = 5
    FORBIDDEN = 6
    NUMBER = 7
    UNDELIVERABLE = 8


NO_MESSAGE: Final = 3
"""In the answers of status.php, where nothing costs money, 3 says that there is no such message."""

NOT_DELETED: Final = 5
"""In the answers of status.php, where nothing has a date, 5 says that a message could not be deleted."""

_MEANING: Final[Mapping[Fault, str]] = MappingProxyType(
    {
        Fault.PARAMETER: "parameters error",
        Fault.LOGIN: "invalid login or password",
        Fault.MONEY: "no money",
        Fault.BLOCKED: "blocked for a while",
        Fault.DATE: "invalid date",
        Fault.FORBIDDEN: "message is denied",
        Fault.NUMBER: "invalid number",
        Fault.UNDELIVERABLE: "cannot be delivered to this number",
    }
)

FAULTS: Final[Mapping[type[BridgeError], Fault | None]] = MappingProxyType(
    {
        errors.Refusal: Fault.PARAMETER,
        errors.SenderRefused: Fault.LOGIN,
        errors.LoginFailed: Fault.LOGIN,
        errors.AccountDisabled: Fault.LOGIN,
        errors.LoginBlocked: Fault.BLOCKED,
        errors.NoCredit: Fault.MONEY,
        errors.RateLimited: Fault.BLOCKED,
        errors.SpendLimited: Fault.MONEY,
        errors.InvalidTime: Fault.DATE,
        errors.SenderName: Fault.FORBIDDEN,
        errors.InvalidNumber: Fault.NUMBER,
        errors.PremiumNumber: Fault.UNDELIVERABLE,
        errors.UnknownRecipient: Fault.NUMBER,
        errors.OptedOut: Fault.UNDELIVERABLE,
        errors.CountryRefused: Fault.UNDELIVERABLE,
        errors.QuietHours: Fault.UNDELIVERABLE,
        # Nothing may be said of what we do not know: an empty answer makes programs ask again.
        errors.BridgeError: None,
        errors.Trouble: None,
        errors.OperatorError: None,
    }
)
"""The number for each class of error, or None where the trouble is ours and there is no number for it."""


def fault(error: BridgeError) -> Fault | None:
    """Return the number for an error: the table's for its class, or for the nearest above it."""
    return next(FAULTS[kind] for kind in type(error).__mro__ if kind in FAULTS)


def meaning(number: Fault, error: BridgeError) -> str:
    """Return what is told beside a number: its meaning, and of what the client can mend the reason."""
    if number is Fault.LOGIN or not isinstance(error, Refusal):
        return _MEANING[number]
    reason = " ".join("".join(char if char.isprintable() else " " for char in error.reason).split())
    return f"{_MEANING[number]}: {reason[:200]}"


class Code(IntEnum):
    """The numbers in ``status`` that are ours to say, of all that the original knows."""

    NOT_FOUND = -3
    WAITING = -1
    SENT = 0
    DELIVERED = 1
    EXPIRED = 3
    IMPOSSIBLE = 20


STATUS: Final[Mapping[State, tuple[Code, int]]] = MappingProxyType(
    {
        State.HELD: (Code.WAITING, 0),
        State.SCHEDULED: (Code.WAITING, 0),
        State.QUEUED: (Code.WAITING, 0),
        State.SENDING: (Code.WAITING, 0),
        State.SENT: (Code.SENT, 0),
        State.UNKNOWN: (Code.SENT, 245),
        State.DELIVERED: (Code.DELIVERED, 0),
        State.EXPIRED: (Code.EXPIRED, 0),
        State.UNDELIVERED: (Code.IMPOSSIBLE, 0),
        State.REFUSED: (Code.IMPOSSIBLE, 255),
        # Final, or a program that waits for the end would ask for ever.
        State.CANCELLED: (Code.IMPOSSIBLE, 0),
    }
)
"""``status`` and ``err`` of each state. 245 is *no status received*, 255 *rejected by the operator*."""

NAMES: Final[Mapping[Code, str]] = MappingProxyType(
    {
        Code.NOT_FOUND: "Not found",
        Code.WAITING: "Waiting to be sent",
        Code.SENT: "Sent to operator",
        Code.DELIVERED: "Delivered",
        Code.EXPIRED: "Expired",
        Code.IMPOSSIBLE: "Impossible to deliver",
    }
)


def money(thousandths: int | None) -> str:
    """Return an amount with two decimals, or three where it has them; None is :data:`UNLIMITED`."""
    shown = show_credit(UNLIMITED if thousandths is None else thousandths)
    return shown.removesuffix("0")


def decode(raw: bytes, charset: str) -> str:
    """Return the text of a field. Raises :exc:`~bridge.model.errors.InvalidRequest` for bytes that are none."""
    try:
        return raw.decode(charset)
    except UnicodeDecodeError as error:
        raise InvalidRequest("a parameter has bytes that are none of its charset") from error


# ISO 9 is for librarians; people write texts in the letters of an English keyboard.
_LATIN: Final = (
    dict(zip("абвгдезийклмнопрстуфыэіґў№«»", 'abvgdeziyklmnoprstufyeigu#""', strict=True))
    | {"ё": "yo", "ж": "zh", "х": "kh", "ц": "ts", "ч": "ch", "ш": "sh", "щ": "shch", "ю": "yu", "я": "ya"}
    | {"ъ": "", "ь": "'", "ї": "yi", "є": "ye"}
)
_TO_LATIN: Final = str.maketrans(
    _LATIN | {letter.upper(): latin.capitalize() for letter, latin in _LATIN.items() if letter.upper() != letter}
)


def transliterate(text: str) -> str:
    """Return a text with Cyrillic letters (Russian, Ukrainian, Belarusian) written in Latin ones."""
    return text.translate(_TO_LATIN)
