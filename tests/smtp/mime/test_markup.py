"""The text of a page: what is shown, in the order in which it is read."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from lxml import etree

from smtp.mime.markup import LONGEST, declared_charset, to_text

PAGES = {
    "nothing": ("", ""),
    "white space": (" \n ", ""),
    "text alone": ("no tags", "no tags"),
    "paragraphs": ("<p>a</p><p>b\nc</p>", "a\n\nb c"),
    "lines": ("a<br>b<BR/>c<div>d</div><div>e</div>f", "a\nb\nc\nd\ne\nf"),
    "blank lines": ("<p>a</p><br><br><br><div>&nbsp;</div><p>b</p>", "a\n\nb"),
    "inline tags": ("<b>bo</b>ld <a href='https://example.com/?a=1'>link</a><span> x</span>", "bold link x"),
    "entities": ("&lt;5 &amp; 6&nbsp;&euro; &#1488;&#x5d1; &shy;", "<5 & 6 € אב \xad"),
    "broken entities": ("AT&T &nosuch; &#; &amp", "AT&T &nosuch; &#; &"),
    "angle brackets": ("5<6 and 7 > 3 <3", "5<6 and 7 > 3 <3"),
    "comments": ("a<!-- b --> c<!--[if mso]>d<![endif]--><!--[if !mso]><!--> e<!--<![endif]-->", "a c e"),
    "doctype and declaration": ('<?xml version="1.0" encoding="utf-8"?><!DOCTYPE html><p>a', "a"),
    "head": ("<html><head><title>t</title><style>p{}</style><script>'<p>'</script></head><body>a</body>", "a"),
    "title that does not end": ("<title><p>a</p>", "a"),
    "hidden by style": ('<div style="color:red; DISPLAY : none !important">x<div>y</div></div>a', "a"),
    "hidden by visibility": ("<p style='visibility:hidden'>x</p>a", "a"),
    "hidden by height": ('<div style="max-height:0px;overflow:hidden">x</div>a', "a"),
    "hidden by attribute": ("<p hidden>x</p><p class=y hidden='hidden'>x</p>a", "a"),
    "not hidden": ('<p title="hidden style=display:none">a</p><p style="max-height:0.5em">b</p>', "a\n\nb"),
    "a layout of no size": ('<td style="font-size:0px"><div style="font-size:13px">a</div></td>', "a"),
    "hidden and never shown again": ('a<div style="display:none">x', "a"),
    "rows and cells": ("x<table><tr><th>a</th><th>b</th></tr><tr><td>c<td>d</table>y", "x\na b\nc d\ny"),
    "tables in tables": ("<table><tr><td>a<table><tr><td>b</td></tr></table></td><td>c</td></tr></table>", "a\nb\nc"),
    "cells of lines keep their order": ("x<table><tr><td>a<br>b</td><td>c</td></tr></table>", "x\na\nb c"),
    "lists": ("<ul><li>a<li>b</ul><ol><li>c</li><li>d</li></ol>", "* a\n* b\n1. c\n2. d"),
    "definitions": ("<dl><dt>a<dd>b<dt>c<dd>d</dl>", "a\nb\nc\nd"),
    "preformatted": ("<pre>a\n  b</pre>", "a\nb"),
    "pictures": ('a <img src="x" alt="pixel"> b', "a b"),
    "tag in an attribute": ('<p title="<b>x</b>">a', "a"),
    "a tag that does not end": ("a<p b<i>c", "a\n\nc"),
    "controls": ("a\0b\x01c", "a b c"),
    "lone surrogate": ("<p>a\ud800b", "a b"),
    "text that is no page": ("a\n  b &amp; c\n\n\n\nd", "a\nb & c\n\nd"),
    "cells with blocks": ("<table><tr><td><div>a</div></td><td><p>b</p></td></tr><tr><td>c</table>", "a b\n\nc"),
    "paragraphs of Word": ("<p class=MsoNormal>a</p><p class=MsoNormal>b</p><p class='x_MsoNormal'>c</p>", "a\nb\nc"),
    "a blank one of Word": (
        "<p class=MsoNormal>a<p class=MsoNormal><o:p>&nbsp;</o:p></p><p class=MsoNormal>b",
        "a\n\nb",
    ),
    "paragraphs without space": ("<p style='margin:0'>a</p><p style='MARGIN: 0cm 0cm 0.0001pt'>b</p>c", "a\nb\nc"),
    "paragraphs with space below": (
        "<p style='margin:0 0 16px'>a</p><p style='margin:0;margin-bottom:9pt'>b</p>c",
        "a\n\nb\n\nc",
    ),
    "numbered items in items": ("<ol><li>a<ol><li>b</ol><li>c<ul><li>d</ul></ol>", "1. a\n1. b\n2. c\n* d"),
    "items without text": ("<ul><li></li><li>a</li></ul>", "* a"),
    "items of paragraphs": ("<ul><li><p>a</p></li><li><p>b</p></li></ul>", "* a\n\n* b"),
    "lines that are kept": ("<div style='white-space: pre-wrap'>a\nb<b>\nc</b></div>d\ne", "a\nb\nc\nd e"),
    "an emoji as a picture": ('ok <img alt="👍" src=x><img alt="logo"><img alt="5">', "ok 👍"),
    "a mail that is answered": ("a<blockquote type=cite>b<br>c<p>d</p></blockquote>e", "a\n\n> b\n> c\n>\n> d\n\ne"),
    "answers to answers": (
        "<blockquote class='gmail_quote'>a<blockquote type='CITE'>b</blockquote>c</blockquote>",
        "> a\n>\n>> b\n>\n> c",
    ),
    "a mail by its id": ("<blockquote cite='mid:1@example.com'>a</blockquote>", "> a"),
    "a quote that is none": ("a<blockquote class=quoted-price style='margin:5px'>b</blockquote>", "a\n\nb"),
    "a quote without an end": ("a<blockquote type=cite>b", "a\n\n> b"),
    "an end without a quote": ("a</blockquote></li></ul></pre></a></td>b", "a\n\nb"),
    "letters of no size": ("<div style='font-size:0;line-height:0'>x <b>y</b></div>a", "a"),
    "letters of no size by shorthand": ("<div style='font:0/0 a'>x</div>a", "a"),
    "letters of a size among those of none": (
        "<div style='font-size:0px'>x<a style='font-size:16px'>a</a>y</div>",
        "a",
    ),
    "a class among letters of no size": ("<td style='font-size:0'><div class=t>a</div>", "a"),
    "a table among letters of no size": ("<div style='font-size:0'><table><tr><td>a</table>x</div>", "a"),
    "small letters": ("<p style='font-size:0.5em'>a</p><p style='font-size:0.0em'>x</p>", "a"),
    "only letters of no size": ("<div style='font-size:0'>a</div>", "a"),
    "letters one sees through": ("<p style='opacity:0'>x</p><p style='opacity:0.5'>a</p>", "a"),
    "hidden from Outlook": ("<a style='mso-hide:all'>a</a>", "a"),
    "hidden from Outlook, and small": ("<p style='mso-hide:all;font-size:1px;overflow:hidden'>x</p>a", "a"),
    "hidden by a class": (
        "<style>p, .pre , x{display:none !important}</style><p class='b PRE'>x</p><p class=b>a</p>",
        "a",
    ),
    "a class hidden on telephones": ("<style>@media (x){.d{display:none}}</style><p class=d>a</p>", "a"),
    "a hidden class that is shown": ("<style>.d{display:none}</style><p class=d style='display:block'>a</p>", "a"),
    "styles in comments": (
        "<style><!-- /* .d{display:none} */ .e{display:none} --></style><p class=d>a<p class=e>x",
        "a",
    ),
    "an answer of Outlook": (
        (
            "<p class=MsoNormal>a</p><div><div style='border:none;border-top:solid #E1E1E1 1.0pt'><p class=MsoNormal>"
            "<b>From:</b> B &lt;b@example.com&gt;<br><b>Sent:</b> Friday</p></div></div>"
        ),
        "a\nFrom: B <b@example.com>\nSent: Friday",
    ),
}


@pytest.mark.parametrize(("page", "text"), PAGES.values(), ids=PAGES)
def test_pages(page: str, text: str) -> None:
    """Pages as they come, with all that is wrong in them."""
    assert to_text(page) == text


LINKS = {
    "says more": ('<a href="https://example.com/a?b=1&amp;c">x</a>', "x (https://example.com/a?b=1&c)"),
    "says the same": ('<a href="https://example.com/">https://example.com</a>', "https://example.com"),
    "without what is left out": ('<a href="https://www.example.com/">Example.com</a>', "Example.com"),
    "a mailbox": ('<a href="mailto:a@example.com?subject=x">Ann</a>', "Ann (a@example.com)"),
    "the same mailbox": ('<a href="mailto:a@example.com">a@example.com</a>', "a@example.com"),
    "a telephone": ('<a href="tel:+972502345678">call</a>', "call (+972502345678)"),
    "within the page": ('<a href="#top">x</a> <a name=y>y</a> <a href="">z</a>', "x y z"),
    "of another kind": ('<a href="javascript:alert(1)">x</a> <a href="cid:1">y</a>', "x y"),
    "a picture": ('<a href="https://example.com"><img src=x></a>a', "a"),
    "without an end": (
        '<a href="https://example.com/1">x<a href="https://example.com/2">y</a>',
        "x (https://example.com/1)y (https://example.com/2)",
    ),
    "over lines": ('<a href="https://example.com/1">x<br>y</a>', "x\ny (https://example.com/1)"),
    "with line ends": ('<a href="https://example.com/\n 1\x07">x</a>', "x (https://example.com/1)"),
    "too long": ('<a href="https://example.com/' + "a" * 2000 + '">x</a>', "x"),
}


@pytest.mark.parametrize(("page", "text"), LINKS.values(), ids=LINKS)
def test_links(page: str, text: str) -> None:
    """The target of a link stands behind its text, where it says more; only where it is asked for."""
    assert to_text(page, links=True) == text
    assert " (" not in to_text(page)


TAGS = ["div", "p", "span", "b", "i", "h1", "td", "center", "font", "section", "blockquote"]
TREES = st.recursive(
    st.text("abגד5", min_size=1, max_size=4).map(lambda text: f" {text} "),
    lambda trees: st.builds(
        lambda tag, inner: f"<{tag} class=x>{''.join(inner)}</{tag}>",
        st.sampled_from(TAGS),
        st.lists(trees, max_size=4),
    ),
    max_leaves=20,
)


@given(TREES)
def test_words_as_another_parser_has_them(page: str) -> None:
    """The words of a well-formed page are those another parser finds, in the same order."""
    tree = etree.HTML(f"<html><body><div>{page}</div></body></html>")
    assert to_text(f"<div>{page}</div>").split() == "".join(map(str, tree.itertext())).split()


DEEP = {
    "many levels": "<div>" * 5000 + "x<p>y&amp;</p>" + "</div>" * 5000,
    "many tags": "<p></p>" * 3000 + "x<p>y&amp;</p>",
    "many tables": "<table><tr><td>" * 300 + "x<p>y&amp;</p>",
}


@pytest.mark.parametrize("page", DEEP.values(), ids=DEEP)
def test_pages_nobody_wrote(page: str) -> None:
    """Text is not lost where the parser of HTML would give up."""
    assert to_text(page) == "x\n\ny&"


def test_long_page() -> None:
    """What is far beyond any text message is left out."""
    assert to_text("<p>" + "a" * 2 * LONGEST) == "a" * (LONGEST - 3)
    assert to_text("<p>abc", longest=5) == "ab"


CHARSETS = {
    "short form": (b'<html><meta charset="windows-1255">', "windows-1255"),
    "long form": (b'<META http-equiv="Content-Type" content="text/html; charset=koi8-r">', "koi8-r"),
    "none": (b"<p>charset=x", None),
    "too late": (b" " * 4096 + b"<meta charset=utf-8>", None),
}


@pytest.mark.parametrize(("page", "charset"), CHARSETS.values(), ids=CHARSETS)
def test_declared_charset(page: bytes, charset: str | None) -> None:
    """A page may name its charset near its beginning."""
    assert declared_charset(page) == charset


PIECES = [
    "<p>",
    "</p>",
    "<div hidden>",
    "</div>",
    "<table><tr><td>",
    "<!--",
    "-->",
    "<b",
    ">",
    "&#",
    ";",
    '"',
    "=",
    "x",
]


@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=4), max_size=40).map("".join))
@example("<?xml version='1.0' encoding='utf-8'?>x")
def test_any_page(page: str) -> None:
    """Whatever the source, there is a tidy text."""
    text = to_text(page)
    assert text == text.strip("\n")
    assert "\n\n\n" not in text
    assert "\0" not in text
