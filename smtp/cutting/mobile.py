"""The line that a telephone or a mail program puts below the text: "Sent from my iPhone", in the languages they speak.

Such a line is whole, short, names a device or a product, and stands last. It begins as the program wrote it, with a
capital where there are any, or below a blank line: the end of a sentence that was wrapped stays. In Latin letters it
says that the device is somebody's, or names a product at once: "Sent from host web01" is content.
"""

from __future__ import annotations

import re
from typing import Final

from smtp.cutting.lines import bare, is_blank, last_shown

_LONGEST: Final = 200
_MOST_WORDS: Final = 16
_MOST_LINES: Final = 4
_PLAIN: Final = str.maketrans({"’": "'", "\u2011": "-", "־": "-", "ё": "е"})
_LATIN_ENDS: Final = "\u0370"

_PRODUCT: Final = (
    r"iphon[eu]|ipad|ipod|apple watch|macbook|imac|samsung|galaxy|android|huawei|xiaomi|redmi|oppo|oneplus|nokia|"
    r"lumia|motorola|xperia|htc|google pixel|pixel|blackberry|windows ?phone|windows ?mail|outlook|yahoo|aol|"
    r"gmail|mail (?:for|für|pour|para|per|voor|för|til) windows|correo para windows|courrier pour windows|"
    r"proton(?: ?mail)?|"
    r"tutanota|tuta|k-9|k9|thunderbird|blue ?mail|typeapp|aqua ?mail|mymail|fairemail|edison mail|airmail|spark|"
    r"superhuman|zoho mail|hotmail|icloud|gmx|web\.de|freenet|t-online|mail\.ru|mail\.com|яндекс|yandex|"
    r"почты для windows|почты mail\.ru|fastmail|newton mail|mailspring|qq邮箱|网易"
)
_DEVICE: Final = (
    r"phone|smart ?phone|mobile|cell|cell ?phone|handheld|tablet|device|watch|mac|handy|mobiltelefon|mobilgerät|"
    r"téléphone|portable|móvil|celular|teléfono|telemóvel|cellulare|telefono|dispositivo|telefoon|mobiel|mobil|"
    r"telefon|telefonu|puhelimesta|смартфона|телефона|мобильного|планшета|устройства|телефону|κινητό|הנייד|נייד|"
    r"הטלפון|טלפון|הסלולרי|האייפון|אייפון|גלקסי|אנדרואיד|هاتفي|هاتف|جوالي|آيفون|الآيفون|手机|手機|行動裝置|スマートフォン|"
    r"携帯|휴대폰|스마트폰|아이폰|갤럭시|điện thoại|โทรศัพท์"
)
_PLATFORM: Final = re.compile(r"\b(?:ios|android|iphone|ipad|mobile|windows|mac)\b")
_APP: Final = re.compile(
    r"(?:the |l'|aplikaci |app )?(?:outlook|blue ?mail|yahoo mail|spark|typeapp|mymail|edison mail)\b"
)
_BEGINS_WITH_PRODUCT: Final = re.compile(rf"(?:(?:the|a|an|un|mobile) )?(?:{_PRODUCT})[a-z']{{0,4}}(?![a-z])")
_BEGINS_WITH_DEVICE: Final = re.compile(
    rf"[ -]*+(?:ה-?|ال|الـ |моего |моей |мого |моєї |το |我的|내 |나의 )?[ -]*+(?:{_PRODUCT}|{_DEVICE})"
)
_NUMBER: Final = re.compile(r"\d{5}")
_DEVICE_WORD: Final = re.compile(rf"(?<![a-z])(?:{_PRODUCT}|{_DEVICE})(?![a-z])")

_SENT: Final = tuple(
    "sent from |sent via |sent with |sent using |sent by |gesendet von |gesendet mit |gesendet aus |"  # noqa: SIM905
    "diese nachricht wurde von |versendet von |envoyé de |envoyé depuis |envoyé à partir de |envoyé à partir d'|"
    "envoyé du |envoyé avec |envoyé via |enviado desde |enviado de |enviado do |enviado da |enviado por |"
    "enviado pelo |enviado via |enviado con |enviado com |enviado a partir de |enviado a partir do |inviato da |"
    "inviato dal |inviato dall'|inviato con |verzonden vanaf |verstuurd vanaf |verzonden vanuit |verzonden via |"
    "verzonden met |skickat från |skickades från |skickat med |sendt fra |sendt med |lähetetty |wysłano z |"
    "wysłane z |odesláno z |odesláno ze |odoslané z |odoslané zo |trimis de pe |trimis din |poslano s |poslano sa |"
    "poslano iz |отправлено с |отправлено со |отправлено из |отправлено через |надіслано з |надіслано із |"
    "відправлено з |изпратено от |στάλθηκε από |εστάλη από |απεσταλμένο από |נשלח מ|נשלחה מ|נשלח באמצעות |נשלח דרך |"
    "أرسلت من |أُرسلت من |ارسلت من |مرسل من |مرسلة من |تم الإرسال من |تم الارسال من |تم إرسالها من |ارسال شده از |"
    "发自|从我的|從我的|傳送自|传送自|寄件自|gửi từ |đã gửi từ |được gửi từ |ส่งจาก|dikirim dari ".split("|")
)
_GET: Final = tuple(
    "get |download |obtener |obtenir |obtenez |télécharger |téléchargez |obter |obtenha |baixar |scarica |"  # noqa: SIM905
    "ottieni |hämta |skaffa |hent |få |hanki |pobierz |získat |získejte |získať |скачать |скачайте |отримати |"
    "λήψη του |קבל את |להורדת |הורד את |احصل على |الحصول على |تنزيل |获取|取得|下载|下載|tải |dapatkan ".split("|")
)
_MINE: Final = (
    *("my ", "meinem ", "meiner ", "mein ", "mon ", "ma ", "mi ", "meu ", "minha ", "mio ", "il mio ", "mijn ", "min "),
    *("mit ", "mitt ", "mojego ", "mojej ", "mého ", "môjho ", "mog ", "saya "),
)
# The device first, the verb behind it.
_MINE_FIRST: Final = ("von meinem ", "vanaf mijn ", "az ", "outlook ")
_MINE_ENDS: Final = ("gesendet", "geschickt", "beziehen", "herunterladen", "verzonden", "downloaden", "küldve")
_PRODUCT_ENDS: Final = (
    *(
        "から送信",
        "から送信されました",
        "から送信しました",
        "より送信",
        "を入手",
        "에서 보냄",
        "에서 전송됨",
        "다운로드",
    ),
    *("gönderildi", "edinin", "indirin", "küldve", "傳送", "传送", "发送", "發送", "寄出"),
)
_EXCUSES: Final = (
    *("please excuse ", "please forgive ", "please pardon ", "excuse ", "pls excuse ", "bitte entschuldigen sie "),
    *("merci d'excuser ", "disculpe "),
)
_ADVERTS: Final = frozenset(
    {
        "yahoo mail: search, organize, conquer",
        "yahoo mail: search, organise, conquer",
        "secured with tuta mail",
    }
)


def mobile_lines(lines: list[str], start: int, stop: int) -> int:
    """Return where the last lines of a part begin to be such ones; ``stop`` when they are not."""
    cut = stop
    for _ in range(_MOST_LINES):
        end = last_shown(lines, start, cut)
        if end == start:
            break
        text = _folded(lines[end - 1])
        if text.startswith(_EXCUSES) and ":" not in text:
            # It belongs to the line above it, or is what somebody says.
            end = last_shown(lines, start, end - 1)
            text = _folded(lines[end - 1]) if end > start else ""
        if end == start or not _is_one(lines, start, end - 1, text):
            break
        cut = end - 1
    return cut


def _is_one(lines: list[str], start: int, at: int, text: str) -> bool:
    if text.startswith(_SENT):
        named = _says_sent(text)
    elif text.startswith(_GET):
        named = _says_get(text)
    elif text.endswith(_MINE_ENDS + _PRODUCT_ENDS):
        named = _says_last(text)
    else:
        return text in _ADVERTS
    shown = bare(lines[at]).lstrip("<( *_-")
    return named and (
        not shown[0].islower() or _BEGINS_WITH_PRODUCT.match(text) is not None or at == start or is_blank(lines[at - 1])
    )


def _says_sent(text: str) -> bool:
    rest = text[max(len(phrase) for phrase in _SENT if text.startswith(phrase)) :]
    if ":" in rest.partition("http")[0] or rest.count(" ") > _MOST_WORDS or _NUMBER.search(rest):
        return False
    if text[0] >= _LATIN_ENDS:
        return _BEGINS_WITH_DEVICE.match(rest) is not None
    return _BEGINS_WITH_PRODUCT.match(rest) is not None or (
        rest.startswith(_MINE) and _DEVICE_WORD.search(rest) is not None
    )


def _says_get(text: str) -> bool:
    rest = text[max(len(phrase) for phrase in _GET if text.startswith(phrase)) :].lstrip()
    return _APP.match(rest) is not None and rest.count(" ") <= 5 and _PLATFORM.search(rest) is not None


def _says_last(text: str) -> bool:
    if text.count(" ") > 5:
        return False
    if text.startswith(_MINE_FIRST) and _DEVICE_WORD.search(text) is not None:
        return True
    return (
        text.endswith(_PRODUCT_ENDS)
        and _BEGINS_WITH_PRODUCT.match(text.removeprefix("내 ").removeprefix("나의 ")) is not None
    )


def _folded(line: str) -> str:
    if len(line) > _LONGEST:
        return ""
    text = bare(line).casefold()
    return (text if text.isascii() else text.translate(_PLAIN)).rstrip(".!>)。 ").lstrip("<( *_-")
