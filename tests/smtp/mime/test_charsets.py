"""What bytes say under a name that is right, wrong, odd or missing."""

import codecs
import encodings.aliases

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtp.mime import charset_names
from smtp.mime.charsets import decode, plausible, read

HEBREW = "שלום עולם, 5 ₪"
RUSSIAN = "Сервер недоступен"

NAMES = {
    "iso-8859-8-i": ("cp1255", HEBREW),
    "ISO-8859-8-E": ("cp1255", HEBREW),
    "csISO88598I": ("iso8859_8", "שלום"),
    "logical": ("iso8859_8", "שלום"),
    "iso-8859-6-i": ("iso8859_6", "مرحبا"),
    "windows-1255": ("cp1255", HEBREW),
    "Win-1251": ("cp1251", RUSSIAN),
    "x-cp1251": ("cp1251", RUSSIAN),
    "1251": ("cp1251", RUSSIAN),
    "windows-874": ("cp874", "สวัสดี"),
    "tis-620": ("cp874", "สวัสดี"),
    "x-mac-cyrillic": ("mac_cyrillic", RUSSIAN),
    "macintosh": ("mac_roman", "café"),
    "cp-850": ("cp850", "Größe"),
    "IBM00850": ("cp850", "Größe"),
    "DOS-862": ("cp862", "שלום"),
    "koi8-u": ("koi8_u", "Їжак і ґанок"),
    "x-gbk": ("gbk", "服务器"),
    "gb2312": ("gb18030", "镕服务器"),
    "GB_2312-80": ("gb2312", "服务器"),
    "hz-gb-2312": ("hz", "服务器 ok"),
    "cn-big5": ("big5", "伺服器"),
    "ks_c_5601-1987": ("cp949", "똠방각하"),
    "x-windows-949": ("cp949", "똠방각하"),
    "shift-jis": ("cp932", "①サーバー"),
    "windows-31j": ("cp932", "①サーバー"),
    "x-euc-jp": ("euc_jp", "サーバー"),
    "_iso-2022-jp$esc": ("iso2022_jp", "サーバー"),
    "cp50221": ("iso2022_jp_ext", "サーバー"),
    "iso-2022-kr": ("iso2022_kr", "서버"),
    "unicode-1-1-utf-7": ("utf_7", HEBREW),
    "utf8mb4": ("utf_8", HEBREW),
    '"UTF-8"': ("utf_8", HEBREW),
    "charset=utf-8": ("utf_8", HEBREW),
    "UTF-8;": ("utf_8", HEBREW),
    "utf-16": ("utf_16", HEBREW),
    "UTF-16BE": ("utf_16_be", HEBREW),
    "utf-16 ": ("utf_16_le", HEBREW),
    "ucs-2": ("utf_16_be", HEBREW),
    "utf-32": ("utf_32_be", HEBREW),
    "iso-8859-1": ("cp1252", "“café” – 5 €"),
    "iso_8859-1:1987": ("cp1252", "“café” – 5 €"),
    "iso-8859-9": ("cp1254", "“İstanbul” ğ"),
    "ansi": ("cp1252", "café"),
    "x-x-big5": ("big5", "伺服器"),
    "big5-eten": ("big5", "伺服器"),
    "x-mac-hebrew": ("cp1255", "שלום"),
    "x-mac-ce": ("mac_latin2", "Łódź"),
    "x-mac-japanese": ("shift_jis", "サーバー"),
    "x-mac-chinesetrad": ("big5", "伺服器"),
    "x-mac-chinesesimp": ("gb2312", "服务器"),
    "x-mac-korean": ("euc_kr", "서버"),
    "cp65001": ("utf_8", HEBREW),
    "cp20866": ("koi8_r", RUSSIAN),
    "cp28598": ("iso8859_8", "שלום"),
    "cp38598": ("iso8859_8", "שלום"),
    "cp28605": ("iso8859_15", "5 €"),
    "cp10007": ("mac_cyrillic", RUSSIAN),
    "cp1201": ("utf_16_be", HEBREW),
    "cp54936": ("gb18030", "服务器"),
    "dos-866": ("cp866", RUSSIAN),
    "koi8": ("koi8_r", RUSSIAN),
    "koi8-ru": ("koi8_u", "Їжак"),
    "csKSC56011987": ("cp949", "똠방각하"),
    "ksc_5601": ("cp949", "똠방각하"),
    "unicode": ("utf_16", HEBREW),
    "unicodeFFFE": ("utf_16_be", HEBREW),
    "utf16le": ("utf_16_le", HEBREW),
    "iso-8859-8i": ("cp1255", HEBREW),
    "iso88598e": ("cp1255", HEBREW),
    "windows-1255-i": ("cp1255", HEBREW),
    "gb18030-2005": ("gb18030", "服务器"),
    "latin1_swedish_ci": ("cp1252", "café"),
    "iso-8859-1-unix": ("cp1252", "café"),
    "iso8859_13_x": ("iso8859_13", "Ąžuolas"),
    "windows-1252http-equivcontent-type": ("cp1252", "“café”"),
    "utf-8http-equivcontent-type": ("utf_8", HEBREW),
    "utf8_unicode_ci": ("utf_8", HEBREW),
    "uft-8": ("utf_8", HEBREW),
    "utf-08": ("utf_8", HEBREW),
    "utf 8": ("utf_8", HEBREW),
    "ansi_x3.4-1968": ("ascii", "door 3"),
    "646": ("ascii", "door 3"),
}


def test_known_in_full() -> None:
    """Text in every charset that Python has reads under that charset's name, and under its other names."""
    samples = [
        HEBREW,
        RUSSIAN,
        "café Größe",
        "Łódź ęść",
        "مرحبا",
        "Καλημέρα",
        "สวัสดี",
        "サーバー",
        "服务器",
        "서버",
        "ğüş",
        "Ąž",
    ]
    names = {codec: {codec} for codec in charset_names.KNOWN}
    for alias, codec in encodings.aliases.aliases.items():
        if codec in names:
            names[codec].add(alias)
    counted = 0
    for codec, aliases in names.items():
        for sample in samples:
            try:
                data = sample.encode(codec)
            except UnicodeError:
                continue
            if data.decode(codec) != sample:
                continue
            counted += 1
            for alias in aliases:
                assert decode(data, alias) == sample, (codec, alias)
    assert counted >= len(names)


@pytest.mark.parametrize(("label", "made"), NAMES.items(), ids=NAMES)
def test_names(label: str, made: tuple[str, str]) -> None:
    """The names that are found in mails mean the charset that programs mean by them."""
    codec, text = made
    assert decode(text.encode(codec), label) == text


BAD = ["rot13", "base64", "zlib", "hex", "bz2", "uu", "quopri", "idna", "punycode", "unicode_escape", "mbcs", "oem"]
BAD += ["raw_unicode_escape", "undefined", "charmap", "palmos", "aliases", "__init__", "", "\0", "..", "x-unknown"]


@pytest.mark.parametrize("label", BAD)
def test_names_of_no_charset(label: str) -> None:
    """Names of compressions, escapes and the like are as good as none."""
    assert decode(b"Uryyb \\u0041 +AEE- eJw=", label) == "Uryyb \\u0041 +AEE- eJw="
    assert decode(HEBREW.encode(), label) == HEBREW


def test_table_holds_charsets_alone() -> None:
    """Each codec that may be used is one of text, and Python has it."""
    for name in charset_names.KNOWN | {each for meant in charset_names.MEANT.values() for each in meant}:
        info = codecs.lookup(name)
        assert info._is_text_encoding, name
        assert name not in {"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined"}
    assert set(charset_names.ALIASES.values()) <= charset_names.KNOWN


def test_unknown_names_are_not_remembered() -> None:
    """Python keeps each name it is asked for; strangers' names do not get so far."""
    before = len(encodings._cache)
    for number in range(100):
        decode(b"\xe9t\xe9", f"x-stranger-{number}")
    assert len(encodings._cache) - before < 20


LIES = {
    "UTF-8 called latin": (HEBREW.encode(), "iso-8859-1", HEBREW),
    "UTF-8 called Hebrew": (HEBREW.encode(), "windows-1255", HEBREW),
    "UTF-8 called ASCII": (HEBREW.encode(), "us-ascii", HEBREW),
    "UTF-8 called ISO 2022": (HEBREW.encode(), "iso-2022-jp", HEBREW),
    "Hebrew called UTF-8": (HEBREW.encode("cp1255"), "utf-8", HEBREW),
    "Hebrew called ASCII": (HEBREW.encode("cp1255"), "us-ascii", HEBREW),
    "Hebrew called nothing": (HEBREW.encode("cp1255"), None, HEBREW),
    "one Hebrew word": ('צה"ל'.encode("cp1255"), None, 'צה"ל'),
    "Russian called nothing": (RUSSIAN.encode("cp1251"), None, RUSSIAN),
    "KOI8 called nothing": (RUSSIAN.encode("koi8_r"), None, RUSSIAN),
    "Greek called nothing": ("Καλημέρα κόσμε".encode("cp1253"), None, "Καλημέρα κόσμε"),
    "Arabic called nothing": ("مرحبا بالعالم".encode("cp1256"), None, "مرحبا بالعالم"),
    "French called nothing": ("Déjà vu à 10 €".encode("cp1252"), None, "Déjà vu à 10 €"),
    "Japanese called nothing": ("サーバーが停止しました。".encode("cp932"), None, "サーバーが停止しました。"),
    "one letter": ("Rendez-vous à 10h".encode("cp1252"), "utf-8", "Rendez-vous à 10h"),
    "UTF-8 cut within a letter": (HEBREW.encode()[:-1], "utf-8", HEBREW[:-1] + "\ufffd"),
    "Hebrew with one undefined byte": (HEBREW.encode("cp1255") + b"\xff", "windows-1255", HEBREW + "\ufffd"),
    "ASCII called UTF-16": (b"door 3", "utf-16", "door 3"),
    "ASCII called UTF-7, with a plus": (b"+972 50", "utf-7", "+972 50"),
    "ASCII called EBCDIC": (b"door 3", "cp037", "door 3"),
    "mark of UTF-8": (codecs.BOM_UTF8 + HEBREW.encode(), "windows-1255", HEBREW),
    "mark of UTF-16": (HEBREW.encode("utf_16"), "utf-8", HEBREW),
    "mark of UTF-32": (HEBREW.encode("utf_32"), None, HEBREW),
    "UTF-16 called nothing": ("door 3".encode("utf_16_le"), None, "door 3"),
    "UTF-16 called latin": ("door 3".encode("utf_16_be"), "iso-8859-1", "door 3"),
    "UTF-16 cut within a letter": ("door 3".encode("utf_16_le")[:-1], "utf-16", "door "),
    "a zero within": (b"a\0bcdef", "utf-8", "a\0bcdef"),
    "nothing": (b"", "utf-8", ""),
}


@pytest.mark.parametrize(("data", "label", "text"), LIES.values(), ids=LIES)
def test_lies(data: bytes, label: str | None, text: str) -> None:
    """A wrong name, or none, does not keep a text from being read."""
    assert decode(data, label) == text


def test_guesses_are_told() -> None:
    """A guess is told by the name people know; a name, a fallback and UTF-8 are no guesses."""
    data = HEBREW[:10].encode("cp1255")
    assert read(data, None) == (HEBREW[:10], "windows-1255")
    assert read(RUSSIAN.encode("koi8_r"), "x-unknown") == (RUSSIAN, "koi8-r")
    assert read(data, "iso-8859-8") == (HEBREW[:10], "")
    assert read(data, None, "windows-1255") == (HEBREW[:10], "")
    assert read(HEBREW.encode(), "iso-8859-1") == (HEBREW, "")
    assert decode(data, None, quick=True) == HEBREW[:10]
    assert decode("サーバー".encode("cp932"), None, quick=True).count("\ufffd")


def test_fallback_comes_before_guesses() -> None:
    """What an operator knows of the senders counts for more than a guess, but less than UTF-8."""
    assert decode(RUSSIAN.encode("cp866"), None, "cp866") == RUSSIAN
    assert decode(RUSSIAN.encode("cp866"), "x-unknown", "cp866") == RUSSIAN
    assert decode(RUSSIAN.encode(), None, "cp866") == RUSSIAN
    assert decode(RUSSIAN.encode("cp1251"), "cp1251", "cp866") == RUSSIAN


@given(st.binary(max_size=200), st.none() | st.sampled_from(sorted(NAMES)) | st.text(max_size=30))
def test_any_bytes(data: bytes, label: str | None) -> None:
    """Whatever the bytes and the name, there is a text; plain ASCII is itself, UTF-8 by its name too."""
    assert isinstance(decode(data, label), str)
    assert isinstance(plausible(data, label), bool)


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc"], exclude_characters="\ufeff")))
def test_utf8(text: str) -> None:
    """UTF-8 under its own name, or none, comes back as it was."""
    assert decode(text.encode(), "utf-8") == text
    assert decode(text.encode(), None) == text
