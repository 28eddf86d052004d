"""What texts are in GSM 7 bit, and which stay as they are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.model.text import clean, measure, outside_gsm7
from bridge.model.transliterate import to_gsm7

WRITTEN = {
    "Spanish": ("Mañana habrá café en el jardín, ¿sí?", "Mañana habra café en el jardin, ¿si?"),
    "Portuguese": ("Não há conexão, ação já", "Nao ha conexao, açao ja".replace("ç", "c")),
    "French": ("Ça va à l'hôtel où naît l'œuvre, ÊTRE", "Ça va à l'hotel où nait l'oeuvre, ETRE"),
    "German": ("Größe „20“ – ÄÖÜ ẞ", 'Größe "20" - ÄÖÜ ß'),
    "Turkish": ("İstanbul'da ışık ağır, şimdi çık", "Istanbul'da isik agir, simdi cik"),
    "Polish": ("Zażółć gęślą jaźń, Łódź", "Zazolc gesla jazn, Lodz"),
    "Czech": ("Příliš žluťoučký kůň", "Prilis zlutoucky kun"),
    "Hungarian": (
        "Árvíztűrő tükörfúrógép",
        "Arvíztürö tükörfúrógép".replace("í", "i").replace("ú", "u").replace("ó", "o"),
    ),
    "Romanian": ("Știri: țară, înalt", "Stiri: tara, inalt"),
    "Icelandic": ("Þór á ðí", "Thor a di"),
    "Vietnamese": ("Điện thoại của tôi ở đây", "Dien thoai cua toi o day"),
    "Greek": ("Καλημέρα, ο διακομιστής έπεσε ϊΐ", "KAΛHMEPA, O ΔIAKOMIΣTHΣ EΠEΣE II"),
    "Russian": ("Сервер упал, объём 5 ГБ", "Server upal, obem 5 GB"),
    "Ukrainian": ("Сервер впав, їжа", "Server vpav, izha"),
    "typographic": ("“Disk” ‘full’… – see • a\u00a0b ‑ «c»", '"Disk" \'full\'... - see * a b - "c"'),
    "signs": (
        "23°C ±5 → ≤ 90 % × 2 ½ m² №5 ™ ₪5",
        "23degC +-5 -> <= 90 % * 2 1/2 m2 No5 TM NIS5".replace(" * ", " x "),
    ),
    "micro": ("5 µs, 7 μs, 1 Ω", "5 us, 7 us, 1 Ω"),
    "emoji": ("🔥 web01 ✅", ":fire: web01 :white_check_mark:"),
    "emoji of several": ("⚠️ down", ":warning: down"),
    "boxes": ("│ a ─ b", "| a - b"),
    "wide": ("ＡＢＣ１２３", "ABC123"),
    "ligature": ("ﬁle", "file"),
    "not joined": ("cafe\u0301 i\u0301", "café i"),
    "invisible": ("a\u200bb\u00adc\ufeffd\u200e", "abcd"),
    "backtick": ("`ls`", "'ls'"),
    "extension": ("[€] {x} ğ", "[€] {x} g"),
}
KEPT = {
    "GSM": "Ça va? à è ì ò ù é ñ ß Δ @£$¥ [€]",
    "Hebrew": "השרת נפל – í",
    "Arabic": "الخادم معطل í",
    "Chinese": "服务器宕机 í",
    "Japanese": "サーバー停止 í",
    "Korean": "서버 다운 í",
    "Thai": "เซิร์ฟเวอร์ í",
    "Hindi": "सर्वर í",
    "nothing": "",
}


@pytest.mark.parametrize(("text", "written"), WRITTEN.values(), ids=WRITTEN)
def test_written_with_other_letters(text: str, written: str) -> None:
    """A text of Latin, Greek or Cyrillic letters and signs is in the alphabet, and can still be read."""
    assert to_gsm7(text) == written
    assert not outside_gsm7(written)


@pytest.mark.parametrize("text", KEPT.values(), ids=KEPT)
def test_kept(text: str) -> None:
    """A text that is in the alphabet, or has a letter of another script, comes back as it is, all of it."""
    assert to_gsm7(text) is text


@given(
    st.text() | st.text(st.characters(max_codepoint=0x24FF)) | st.text(st.sampled_from("aé íğ–“щΩλ🔥\u200d\u0301\n"))
)
def test_all_or_nothing(text: str) -> None:
    """Whatever the text: it comes back as it was, or in GSM 7 bit, and is not changed a second time."""
    written = to_gsm7(text)
    assert written == text or not outside_gsm7(written)
    assert to_gsm7(written) == written


@given(st.text(st.characters(max_codepoint=0x24F)).map(clean))
def test_saves_parts(text: str) -> None:
    """A clean text of Latin letters takes no more parts for it."""
    assert measure(to_gsm7(text)).parts <= max(measure(text).parts, 1)
