"""The page on the address says what the code does: each of its examples is read as it says."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from bridge.calls.logins import Password
from bridge.model.mail_policy import STANDARD, MailPolicy, Option, SecretPlace
from smtp.address import Destination, parse_recipient
from smtp.config import SmtpSettings
from smtp.key_in_mail import find_secret
from smtp.places import CARRIER_DOMAINS, Places
from smtp.smsc_line import read_line

PAGE = (Path(__file__).parent.parent.parent / "docs" / "addresses.md").read_text(encoding="utf-8")
PLACES = Places(SmtpSettings(domains=("sms.example.com",), carrier_domains=True))
SECRETS = replace(STANDARD, secrets=frozenset(SecretPlace))


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the tables below a heading, without heads."""
    found = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found, heading
    lines = [line for line in found[1].splitlines() if line.startswith("|")]
    heads = {at + step for at, line in enumerate(lines) if set(line) <= set("| -") for step in (-1, 0)}
    return [[cell.strip() for cell in line.strip("|").split("|")] for at, line in enumerate(lines) if at not in heads]


def read(address: str, policy: MailPolicy = STANDARD) -> Destination:
    """Read an address of the page."""
    return parse_recipient(address.strip("`"), places=PLACES, region="IL", policy=policy)


@pytest.mark.parametrize(("written", "number"), rows("Numbers"))
def test_numbers(written: str, number: str) -> None:
    """Each way to write a number is that number."""
    assert read(written) == Destination(domain="sms.example.com", number=number)


@pytest.mark.parametrize(("written", "who"), rows("Names"))
def test_names(written: str, who: str) -> None:
    """Each name is of what the page says."""
    meant = read(written)
    kind = "group" if "group *" in who else "tag" if "tag" in who else "contact" if "where a group" in who else "name"
    assert getattr(meant, kind)
    assert meant.number is None


def test_options() -> None:
    """The table of options has all of them; each example asks for those that it says, and no other."""
    table = rows("Options")
    known = [cells for cells in table if "@" not in cells[0]]
    assert {cells[0].strip("`").partition("=")[0] for cells in known} == set(Option)
    examples = [cells for cells in table if "@" in cells[0]]
    assert examples
    for written, asked in examples:
        assert read(written).options.asked() == {Option(name) for name in re.findall("`([a-z]+)`", asked)}, written
    for cells in known:
        assert len(read(f"0502345678+{cells[0].strip('`')}@sms.example.com").options.asked()) == 1


def test_carriers_domains() -> None:
    """The list of domains is that of the code."""
    told = {
        domain: region
        for (_, listed), region in zip(rows("Domains of carriers' gateways"), ("US", "CA"), strict=True)
        for domain in re.findall("`([^`]+)`", listed)
    }
    assert told == dict(CARRIER_DOMAINS)


def test_keys() -> None:
    """The table of places has all of them, and each example is a key there."""
    table = {cells[0].strip("`"): re.findall("`([^`]+)`", cells[2]) for cells in rows("Keys in the mail")[:4]}
    assert set(table) == set(SecretPlace)
    for subject in table["subject"]:
        assert find_secret(frozenset({SecretPlace.SUBJECT}), subject=subject, text="")
    first, *two = table["body"]
    for body in (first, "\n".join(two)):
        assert find_secret(frozenset({SecretPlace.BODY}), subject="", text=f"{body}\nText")
    (address,) = table["address"]
    assert read(address, SECRETS).secret == Password(user="erp", password="hunter2")
    (line,) = table["line"]
    assert read_line(line)
