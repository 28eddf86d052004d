"""Settings of mails on a command line: ``KEY=VALUE``, as :mod:`bridge.model.mail_policy` reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from bridge.model import mail_policy

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def changed(settings: Mapping[str, str], written: Iterable[str]) -> dict[str, str]:
    """Return settings with those that are written changed; ``KEY=`` takes one away. Raises typer.BadParameter."""
    found = dict(settings)
    for one in written:
        name, equals, value = one.partition("=")
        if not equals:
            raise typer.BadParameter(f"{one!r}: write KEY=VALUE")
        name = name.strip()
        if not value and name in mail_policy.NAMES:
            found.pop(name, None)
            continue
        try:
            found[name] = mail_policy.check(name, value)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from error
    return found
