"""Passwords that must be known in clear, encrypted under a key from the configuration.

A digest of WS-Security is made of the password itself, so no hash of it will do. Such a password is kept with AES-256
in GCM, bound to its user name, under a key derived by HKDF (RFC 5869) from the setting ``secret_key``.
"""

from __future__ import annotations

import base64
import binascii
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_FORM = "gcm1:"
"""Says how it was encrypted, should there be another way some day."""
_PURPOSE = b"smsbridge key digest 1"
_NONCE = 12


class Vault:
    """Encrypts and decrypts passwords."""

    def __init__(self, secret_key: bytes) -> None:
        """Derive the key; ``secret_key`` has to be hard to guess by itself."""
        self._cipher = AESGCM(HKDF(algorithm=SHA256(), length=32, salt=None, info=_PURPOSE).derive(secret_key))

    def seal(self, password: str, *, user: str) -> str:
        """Return what may be kept of a user's password."""
        nonce = os.urandom(_NONCE)
        sealed = nonce + self._cipher.encrypt(nonce, password.encode(), user.encode())
        return _FORM + base64.b64encode(sealed).decode()

    def open(self, sealed: str, *, user: str) -> str | None:
        """Return the password, or None: sealed under another key, for another user, or no such thing."""
        try:
            raw = base64.b64decode(sealed.removeprefix(_FORM), validate=True)
            return self._cipher.decrypt(raw[:_NONCE], raw[_NONCE:], user.encode()).decode()
        except (InvalidTag, binascii.Error, ValueError):
            return None
