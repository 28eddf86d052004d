"""OpenPGP written into the text."""

import pytest

from smtp.mime import pgp

SIGNATURE = "-----BEGIN PGP SIGNATURE-----\n\niHUEARYIAB0\n=AbCd\n-----END PGP SIGNATURE-----\n"
CHECKED = "the PGP signature is not checked"

SIGNED = {
    "a signed text": (f"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\na\nb\n{SIGNATURE}", "a\nb\n", [CHECKED]),
    "without a hash": (f"-----BEGIN PGP SIGNED MESSAGE-----\n\na\n{SIGNATURE}", "a\n", [CHECKED]),
    "dashes": (
        f"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA1\n\n- -- \n- - a\n- -----BEGIN PGP MESSAGE-----\n{SIGNATURE}",
        "-- \n- a\n-----BEGIN PGP MESSAGE-----\n",
        [CHECKED],
    ),
    "text around": (f"x\n-----BEGIN PGP SIGNED MESSAGE-----\n\na\n{SIGNATURE}y\n", "x\na\ny\n", [CHECKED]),
    "two": (f"-----BEGIN PGP SIGNED MESSAGE-----\n\na\n{SIGNATURE}" * 2, "a\na\n", [CHECKED, CHECKED]),
    "no signature": ("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA1\n\na\n", "a\n", [CHECKED]),
    "a signature without end": (
        "-----BEGIN PGP SIGNED MESSAGE-----\n\na\n-----BEGIN PGP SIGNATURE-----\nx",
        "a\n",
        [CHECKED],
    ),
    "a blank text line like a header": ("-----BEGIN PGP SIGNED MESSAGE-----\n\nNote: a\n", "Note: a\n", [CHECKED]),
    "a key": (
        "a\n-----BEGIN PGP PUBLIC KEY BLOCK-----\nx\n-----END PGP PUBLIC KEY BLOCK-----\nb",
        "a\nb",
        ["a PGP key ignored"],
    ),
    "in a sentence": ("it says -----BEGIN PGP SIGNED MESSAGE-----", "it says -----BEGIN PGP SIGNED MESSAGE-----", []),
    "quoted": ("> -----BEGIN PGP SIGNED MESSAGE-----\n> a", "> -----BEGIN PGP SIGNED MESSAGE-----\n> a", []),
}


@pytest.mark.parametrize(("text", "read", "notes"), SIGNED.values(), ids=SIGNED)
def test_readable(text: str, read: str, notes: list[str]) -> None:
    """Signed text reads as it was written; signatures and keys go."""
    assert pgp.marked(text)
    assert not pgp.is_encrypted(text.replace("- ---", ""))
    assert pgp.readable(text) == (read, notes)


def test_encrypted() -> None:
    """A block that is encrypted is found, wherever it stands by itself."""
    assert pgp.is_encrypted("Hi\n\n-----BEGIN PGP MESSAGE-----\n\nx\n-----END PGP MESSAGE-----")
    assert pgp.is_encrypted("-----BEGIN PGP MESSAGE, PART 1/2-----\nx")
    assert not pgp.is_encrypted("> -----BEGIN PGP MESSAGE-----")
    assert not pgp.is_encrypted("is -----BEGIN PGP MESSAGE----- what it said?")
    assert not pgp.marked("a text")
