"""End-to-end encryption between us and the phone (SMS Gate: encryption), so that the server in between reads nothing.

A value is ``$aes-256-cbc/pbkdf2-sha1$i=ITERATIONS$SALT$CIPHERTEXT``, both in base64: AES-256-CBC with PKCS 7 padding
under a key made of the passphrase by PBKDF2-SHA1; the salt is the initialisation vector, too.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from functools import lru_cache
from typing import Final

from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

ITERATIONS: Final = 75_000
_MOST_ITERATIONS: Final = 1_000_000
_BLOCK: Final = 16
_VALUE: Final = re.compile(r"\$aes-256-cbc/pbkdf2-sha1\$i=([0-9]{1,7})\$([A-Za-z0-9+/=]{1,64})\$([A-Za-z0-9+/=]+)")


class Undecipherable(ValueError):
    """A value that this passphrase does not open."""


def encrypt(plain: str, passphrase: str) -> str:
    """Return a value in encrypted form, another one each time. Takes tens of milliseconds: for a thread."""
    salt = secrets.token_bytes(_BLOCK)
    padder = padding.PKCS7(_BLOCK * 8).padder()
    padded = padder.update(plain.encode()) + padder.finalize()
    encryptor = Cipher(algorithms.AES(_key(passphrase, salt, ITERATIONS)), modes.CBC(salt)).encryptor()
    sealed = encryptor.update(padded) + encryptor.finalize()
    return f"$aes-256-cbc/pbkdf2-sha1$i={ITERATIONS}${_written(salt)}${_written(sealed)}"


def is_encrypted(value: str) -> bool:
    """Whether a value has the encrypted form."""
    return value.startswith("$aes-256-cbc/")


def decrypt(value: str, passphrase: str) -> str:
    """Return what was encrypted. Raises :exc:`Undecipherable`."""
    found = _VALUE.fullmatch(value)
    if found is None or not 0 < int(found[1]) <= _MOST_ITERATIONS:
        raise Undecipherable("not of the encrypted form")
    try:
        salt, sealed = base64.b64decode(found[2], validate=True), base64.b64decode(found[3], validate=True)
        decryptor = Cipher(algorithms.AES(_key(passphrase, salt, int(found[1]))), modes.CBC(salt)).decryptor()
        unpadder = padding.PKCS7(_BLOCK * 8).unpadder()
        plain = unpadder.update(decryptor.update(sealed) + decryptor.finalize()) + unpadder.finalize()
        return plain.decode()
    except ValueError as error:  # wrong lengths, padding, base64, or no UTF-8
        raise Undecipherable("another passphrase, or a broken value") from error


@lru_cache(maxsize=256)
def _key(passphrase: str, salt: bytes, iterations: int) -> bytes:
    return hashlib.pbkdf2_hmac("sha1", passphrase.encode(), salt, iterations, 32)


def _written(octets: bytes) -> str:
    return base64.b64encode(octets).decode()
