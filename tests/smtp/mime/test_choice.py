"""What a part of a mail is for: text, a word to programs without HTML, a banner, a footer."""

import time

import pytest

from smtp.mime import choice

PLACEHOLDERS = [
    "To view this message, please use an HTML compatible email viewer!",
    "This is an HTML-only message. To view it, activate HTML in your email application.",
    "Your email client does not support HTML.",
    "Please enable HTML to read this mail",
    "This message is in HTML format",
    "View this email in your browser: https://example.com/x",
    "Having trouble? Click to view it\nin a web browser.",
    "Ihr E-Mail-Programm unterstützt kein HTML. Bitte verwenden Sie ein Programm mit HTML-Darstellung.",
    "Diese Nachricht im Browser ansehen",
    "Pour lire ce message, ouvrez-le dans votre navigateur",
    "Ce message est au format HTML",
    "Vea este correo en su navegador",
    "Veja este e-mail no seu navegador",
    "Leggi nel tuo browser",
    "להצגת ההודעה יש לצפות בה בדפדפן",
    "הודעה זו נשלחה בפורמט HTML",
    "Открыть письмо в браузере",
    "Ваша программа не показывает письма в HTML",
    "اعرض الرسالة في المتصفح",
    "请在浏览器中查看。如无法显示，请在浏览器打开",
    "このメールはブラウザで見る",
]

TEXTS = [
    "",
    "Disk full on db-3",
    "The HTML job failed at 07:00",
    "Chrome browser was updated to 140 on kiosk 2",
    "https://example.com/index.html is down",
    "הדפדפן בעמדה 2 קפא",
    "Browser crashed. View the log.",
    "Please enable HTML to read this mail. " + "x" * 1500,
]


def test_placeholders() -> None:
    """A plain part that only asks for another program is known in many languages."""
    assert [text for text in PLACEHOLDERS if not choice.is_placeholder(text)] == []


def test_no_placeholders() -> None:
    """A text that speaks of HTML or of browsers is a text."""
    assert [text for text in TEXTS if choice.is_placeholder(text)] == []


PAGES = ["<html><p>a", " \n<!DOCTYPE html>\n<p>a", "<!doctype HTML PUBLIC>", '<?xml version="1.0"?>\n<html lang=he>']


def test_pages() -> None:
    """The source of a page is told by how it begins, other tags by their number."""
    assert all(map(choice.is_page, PAGES))
    assert not any(map(choice.is_page, ["a <html>", "<htmlx>", "<p>a</p>", ""]))
    assert choice.is_source("<b>a</b><br>b")
    assert not choice.is_source("<a@example.com> <b@example.com> <p@example.com>")
    assert not choice.is_source("if a < b and b > c or <br>, <hr>")


MASKED = {
    "two marks": ("Hi ??", "Hi 🎉", True),
    "one for each letter": ("???? ????", "שלום עולם", True),
    "within a word": ("caf?s", "cafés", True),
    "the end of a word": ("caf? is", "café is", True),
    "one alone": ("Done ? by", "Done 🎉 by", True),
    "a replacement": ("caf\ufffd", "café", True),
    "beside signs": ("(caf?) no", "(café) no", False),
    "more than one word": ("a?b and c??d", "aéb and cüd", True),
    "a question": ("Are you there? Yes", "Are you theré Yes", False),
    "marks that are meant": ("What?? ü", "What?? ü", False),
    "other words": ("a?b", "xéy", False),
    "an address": ("https://example.com/?a", "é", False),
}


@pytest.mark.parametrize(("plain", "page", "lost"), MASKED.values(), ids=MASKED)
def test_lost_letters(plain: str, page: str, lost: bool) -> None:  # noqa: FBT001
    """Question marks stand for letters where the page has the same words with letters."""
    words = choice.masked_words(plain)
    assert (bool(words) and choice.lost_letters(words, page)) is lost


BANNERS = [
    "CAUTION: This email originated from outside of the organization. Do not click links or open attachments.",
    "[EXTERNAL]",
    "External email",
    "*** EXTERNAL SENDER ***",
    "Achtung: externe E-Mail. Anhänge nur öffnen, wenn Sie dem Absender vertrauen.",
    "Attention : courriel externe. N'ouvrez pas les pièces jointes.",
    "Precaución: correo externo. No abra enlaces ni adjuntos.",
    "זהירות: הודעה זו נשלחה מחוץ לארגון. אין ללחוץ על קישורים.",
    "Внешняя почта! Не переходите по ссылкам и не открывайте вложения.",
    "تحذير: هذه الرسالة من خارج المؤسسة",
    "外部邮件，请勿点击链接",
]
NO_BANNERS = [
    "The alarm came from outside door 3",
    "External disk full on db-3",
    "Caution: wet floor",
    "Click on Restart",
    "דלת חיצונית פתוחה",
    "CAUTION: outside line. Do not click. " + "x" * 700,
]


def test_banners() -> None:
    """A banner says where the mail is from, and warns of it, in few words."""
    assert [text for text in BANNERS if not choice.is_banner(text)] == []
    assert [text for text in NO_BANNERS if choice.is_banner(text)] == []


FOOTERS = [
    "_______________________________________________\nOps mailing list\nOps@lists.example.com",
    "\n-- \nThis email has been checked for viruses.",
    "---\nScanned by a gateway",
    "=====\nList home page",
    "To unsubscribe send a mail to leave@example.com",
    "להסרה מרשימת התפוצה",
]
NO_FOOTERS = [
    "Second floor, behind the door.",
    "- one\n- two",
    "We talked of this; unsubscribe is another matter. " + "x" * 400,
    "-----\n" + "x" * 1000,
]


def test_footers() -> None:
    """A footer begins with a rule, or says in few words how to leave a list."""
    assert [text for text in FOOTERS if not choice.is_footer(text)] == []
    assert [text for text in NO_FOOTERS if choice.is_footer(text)] == []


EVIL = {
    "tags": "<p " * 300_000,
    "open tags": "<a <" * 200_000,
    "blanks before a page": " " * 1_000_000,
    "marks": "?a " * 300_000,
    "words for a browser": ("view " * 290 + "browser")[:1500],
    "html": "html " * 300,
    "rules": "_" * 1000,
    "external": ("[" + " " * 690 + "external")[:700],
}


@pytest.mark.parametrize("text", EVIL.values(), ids=EVIL)
def test_no_text_takes_long(text: str) -> None:
    """A text made to take long does not."""
    begin = time.process_time()
    choice.is_page(text)
    choice.is_source(text)
    choice.is_placeholder(text)
    choice.lost_letters(choice.masked_words(text), text)
    choice.is_banner(text)
    choice.is_footer(text)
    assert time.process_time() - begin < 0.8
