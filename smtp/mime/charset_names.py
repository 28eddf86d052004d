"""Names of charsets, as mails write them, and the codecs of Python that read what is meant by them.

A name comes from a stranger, and Python would as well look up compression, escapes and its own file names; it also
remembers every name it is asked for. So only codecs of this module's table are ever used.
"""

from __future__ import annotations

import re
from encodings.aliases import aliases
from functools import lru_cache
from typing import Final

UTF8: Final = ("utf_8",)
WIDE: Final = frozenset({"utf_16", "utf_16_be", "utf_16_le", "utf_32", "utf_32_be", "utf_32_le"})
STATEFUL: Final = frozenset(
    {"utf_7", "hz", "iso2022_jp", "iso2022_jp_1", "iso2022_jp_2", "iso2022_jp_2004", "iso2022_jp_3"}
    | {"iso2022_jp_ext", "iso2022_kr"}
)
"""Codecs in which ASCII bytes say something else than ASCII. (Text in EBCDIC is never all ASCII bytes.)"""

MULTIBYTE: Final = (
    WIDE
    | STATEFUL
    | {"utf_8", "utf_8_sig", "gb2312", "gbk", "gb18030", "big5", "big5hkscs", "cp932", "cp949", "cp950"}
    | {"euc_jp", "euc_jis_2004", "euc_jisx0213", "euc_kr", "johab"}
    | {"shift_jis", "shift_jis_2004", "shift_jisx0213"}
)

_NO_CHARSETS: Final = {
    *("base64_codec", "bz2_codec", "charmap", "hex_codec", "idna", "mbcs", "oem", "palmos", "punycode"),
    *("quopri_codec", "raw_unicode_escape", "rot_13", "undefined", "unicode_escape", "unicode_internal"),
    *("uu_codec", "zlib_codec"),
}
# Python lists codecs by their other names; these have none.
_WITHOUT_ALIAS: Final = {
    *("cp720", "cp737", "cp856", "cp874", "cp875", "cp1006", "iso8859_1", "koi8_t", "koi8_u"),
    *("mac_arabic", "mac_croatian", "mac_farsi", "mac_romanian", "utf_8_sig"),
}
KNOWN: Final = (frozenset(aliases.values()) | _WITHOUT_ALIAS) - _NO_CHARSETS

# Written without what is neither letter nor digit, and without "x-" before it.
ALIASES: Final = {
    "646": "ascii",
    "ansi": "cp1252",
    "ansix341968": "ascii",
    "big5eten": "big5",
    "chinese": "gb18030",
    "cnbig5": "big5",
    "cngb": "gb18030",
    "csiso88598e": "iso8859_8",
    "csiso88598i": "iso8859_8",
    "csksc56011987": "cp949",
    "cswindows31j": "cp932",
    "eucjpms": "euc_jp",
    "eucjpwin": "euc_jp",
    "gb231280": "gb18030",
    "hebrewi": "iso8859_8",
    "iso10646ucs2": "utf_16",
    "iso10646ucs4": "utf_32",
    "iso2022jpms": "iso2022_jp_ext",
    "jis": "iso2022_jp",
    "jis7": "iso2022_jp",
    "koi8": "koi8_r",
    "koi8ru": "koi8_u",
    "ksc5601": "cp949",
    "ksc56011987": "cp949",
    "logical": "iso8859_8",
    "mac": "mac_roman",
    "maccentraleurroman": "mac_latin2",
    "macce": "mac_latin2",
    "macchinesesimp": "gb2312",
    "macchinesetrad": "big5",
    "machebrew": "cp1255",  # the letters are where windows-1255 has them
    "macicelandic": "mac_iceland",
    "macjapanese": "shift_jis",
    "mackorean": "euc_kr",
    "macthai": "cp874",
    "mscp932": "cp932",
    "sjiswin": "cp932",
    "ucs2": "utf_16",
    "ucs2be": "utf_16_be",
    "ucs2le": "utf_16_le",
    "ucs4": "utf_32",
    "unicode": "utf_16",
    "unicode11utf7": "utf_7",
    "unicode11utf8": "utf_8",
    "unicode20utf7": "utf_7",
    "unicodefffe": "utf_16_be",
    "us": "ascii",
    "utf": "utf_8",
    "utf16be": "utf_16_be",
    "utf16le": "utf_16_le",
    "visual": "iso8859_8",
    "windows31j": "cp932",
}
# Code pages of Windows that are no cpNNN of Python.
_PAGES: Final = {
    "1200": "utf_16_le",
    "1201": "utf_16_be",
    "12000": "utf_32_le",
    "12001": "utf_32_be",
    "10000": "mac_roman",
    "10001": "shift_jis",
    "10002": "big5",
    "10003": "euc_kr",
    "10004": "mac_arabic",
    "10005": "cp1255",
    "10006": "mac_greek",
    "10007": "mac_cyrillic",
    "10008": "gb2312",
    "10010": "mac_romanian",
    "10021": "cp874",
    "10029": "mac_latin2",
    "10079": "mac_iceland",
    "10081": "mac_turkish",
    "10082": "mac_croatian",
    "20127": "ascii",
    "20866": "koi8_r",
    "21866": "koi8_u",
    "38598": "iso8859_8",
    **{str(28590 + number): f"iso8859_{number}" for number in (*range(1, 10), 13, 15)},
    "50220": "iso2022_jp_ext",
    "50221": "iso2022_jp_ext",
    "50222": "iso2022_jp_ext",
    "50225": "iso2022_kr",
    "51932": "euc_jp",
    "51936": "gb2312",
    "51949": "euc_kr",
    "52936": "hz",
    "54936": "gb18030",
    "65000": "utf_7",
    "65001": "utf_8",
}
_CODE_PAGE: Final = re.compile(r"(?:windows|win|ibm|ms|cp|dos)?0*(\d{3,5})")
_LABEL: Final = re.compile(r"[^a-z0-9]*([a-z0-9][a-z0-9._:+ -]{0,59})")
_DIRECTION: Final = re.compile(r"(iso8859[68])[ie]")
_MISSPELT: Final = re.compile(r"(?:utf|uft|uff|utff)0?8")
# A name with something behind it: "windows-1252http-equivcontent-type", "latin1_swedish_ci", "gb18030-2005".
_BEGINNING: Final = re.compile(
    r"windows\d{3,4}|iso8859\d(?:[0-6](?!\d))?|utf(?:8|16|32|7)(?:[lb]e)?|koi8[rut]|gb(?:2312|18030|k)|big5"
    r"|euc(?:jp|kr|cn)|shiftjis|latin\d|usascii|ascii"
)

# What programs put on the wire under a name: the superset first, then the charset itself.
MEANT: Final = {
    "ascii": (),
    "big5": ("cp950", "big5hkscs"),
    "euc_kr": ("cp949",),
    "gb2312": ("gb18030",),
    "gbk": ("gb18030",),
    "iso2022_jp": ("iso2022_jp", "iso2022_jp_ext"),
    "iso8859_1": ("cp1252", "latin_1"),
    "iso8859_8": ("cp1255", "iso8859_8"),
    "iso8859_9": ("cp1254", "iso8859_9"),
    "iso8859_11": ("cp874", "iso8859_11"),
    "latin_1": ("cp1252", "latin_1"),
    "shift_jis": ("cp932", "shift_jis_2004"),
    "tis_620": ("cp874", "tis_620"),
    "utf_8_sig": UTF8,
}


def _squeezed(name: str) -> str:
    return re.sub("[^a-z0-9]+", "", name.lower())


_BY_NAME: Final = (
    {_squeezed(codec): codec for codec in KNOWN}
    | {_squeezed(name): codec for name, codec in aliases.items() if codec in KNOWN}
    | ALIASES
)


@lru_cache(maxsize=1024)
def codecs_of(label: str) -> tuple[str, ...]:
    """Return Python's codecs for a name, the first to be tried first; none for ASCII and for unknown names."""
    found = _LABEL.match(label[:200].lower().removeprefix("charset="))
    name = _squeezed(found[1]) if found else ""
    while name:
        codec = _known(name)
        if codec is not None:
            return MEANT.get(codec, (codec,))
        if not name.startswith("x"):
            break
        name = name[1:]
    return ()


def _known(name: str) -> str | None:
    codec = _BY_NAME.get(_DIRECTION.sub(r"\1", name))
    if codec is None and (page := _CODE_PAGE.fullmatch(name)):
        codec = _PAGES.get(page[1]) or _BY_NAME.get(f"cp{page[1]}") or _BY_NAME.get(page[1])
    if codec is None and _MISSPELT.match(name):
        codec = "utf_8"
    if codec is None and (beginning := _BEGINNING.match(name)):
        codec = _BY_NAME.get(beginning[0])
    return codec


def common_name(codec: str) -> str:
    """Return the name of a codec as mails and people write it."""
    if (page := _CODE_PAGE.fullmatch(codec)) and page[1].startswith("125"):
        return f"windows-{page[1]}"
    return codec.replace("_", "-")
