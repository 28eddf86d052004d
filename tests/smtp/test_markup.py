"""The text of a page: what is shown, in the order in which it is read."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from smtp import markup
from smtp.markup import LONGEST, declared_charset, to_text

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
}


@pytest.mark.parametrize(("page", "text"), PAGES.values(), ids=PAGES)
def test_pages(page: str, text: str) -> None:
    """Pages as they come, with all that is wrong in them."""
    assert to_text(page) == text


DEEP = {
    "many levels": "<div>" * 5000 + "x<p>y&amp;</p>" + "</div>" * 5000,
    "many tags": "<p></p>" * 3000 + "x<p>y&amp;</p>",
    "many tables": "<table><tr><td>" * 300 + "x<p>y&amp;</p>",
}


@pytest.mark.parametrize("page", DEEP.values(), ids=DEEP)
def test_pages_nobody_wrote(page: str) -> None:
    """Text is not lost where the parser of HTML would give up."""
    assert to_text(page) == "x\n\ny&"


@pytest.mark.parametrize("page", [page for page, _ in PAGES.values() if "<pre" not in page and "<li" not in page])
def test_without_the_parser(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put together without layout, a page without lists reads the same: so a parser's failure does not show."""
    expected = to_text(page)
    monkeypatch.setattr(markup, "_laid_out", lambda _: None)
    assert to_text(page) == expected


def test_long_page() -> None:
    """What is far beyond any text message is left out."""
    assert to_text("<p>" + "a" * 2 * LONGEST) == "a" * (LONGEST - 3)


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
