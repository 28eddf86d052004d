"""Where the lawyers' words begin below a text.

Phrases of the account count at the beginning of a line. Those known here count at the beginning of a paragraph below
the text, if the paragraph also uses a word of such notices: "This message is for all drivers" is content.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from smtp.cutting.lines import EDGES, bare, is_rule, last_shown

if TYPE_CHECKING:
    from collections.abc import Sequence

_LOOKED_AT: Final = 1000
"""Characters of a paragraph in which the word has to stand."""
_MOST_TRIES: Final = 50
_DECORATION: Final = "*_-=#<([/|\"'“”«„" + EDGES

_OPENINGS: Final = tuple(
    "this e-mail|this email|this message|this communication|this transmission|this electronic m|this mail |"  # noqa: SIM905
    "the information contained in this|the information in this|the information transmitted|the contents of this|"
    "the content of this|information in this|any views|e-mail confid|email confid|confidentiality|confidential|"
    "notice of confid|legal notice|legal disclaimer|disclaimer|important notice|important: this|notice: this|"
    "note: this|privileged|unless otherwise|if you are not the intended|if you have received this|"
    "please consider the environment|please think of the environment|think before you print|save a tree|"
    "diese e-mail|diese nachricht|diese mail |der inhalt dieser|die in dieser|die information|haftungsausschluss|"
    "vertraulich|wichtiger hinweis|hinweis: diese|ce message|ce courriel|cet e-mail|cet email|ce mail |"
    "l'information contenue|les informations contenues|avis de confid|avertissement|este mensaje|este correo|"
    "este e-mail|esta comunicación|la información contenida|aviso de conf|aviso legal|advertencia legal|"
    "antes de imprimir|esta mensagem|esta comunicação|as informações contidas|a informação contida|"
    "questo messaggio|questa e-mail|questa email|la presente e-mail|le informazioni contenute|ai sensi d|avviso d|"
    "dit bericht|deze e-mail|dit e-mail|de informatie in|de inhoud van d|detta meddelande|detta e-post|denna e-post|"
    "denne e-mail|denne mail|denne e-post|denne meddelelse|tämä viesti|tämä sähköposti|ta wiadomość|"
    "niniejsza wiadomość|wiadomość ta|treść tej|informacje zawarte|tato zpráva|tento e-mail|obsah této|"
    "táto správa|ez az e-mail|ez az üzenet|jelen e-mail|acest mesaj|acest e-mail|acest email|това съобщение|"
    "настоящее сообщение|данное сообщение|это сообщение|это письмо|данное письмо|настоящее электронное|"
    "данное электронное|информация, содержащаяся|це повідомлення|даний лист|το παρόν μήνυμα|το μήνυμα αυτό|"
    "bu e-posta|bu mesaj|bu elektronik posta|bu ileti|הודעה זו|הודעת דוא|הודעת דואר|דואר אלקטרוני זה|"
    'דוא"ל זה|דוא״ל זה|המידע ב|המידע הכלול|המידע המופיע|מסר זה|הודעת סודיות|מייל זה|'
    "هذه الرسالة|هذا البريد|إن هذه|تحتوي هذه|المعلومات الواردة|本邮件|本電子郵件|本电子邮件|此邮件|此電子郵件|此電郵|"
    "この電子メール|本メール|このメール|이 메일|본 메일|이 이메일|본 이메일|thư này|email này".split("|")
)
_FIRSTS: Final = frozenset(opening[:3] for opening in _OPENINGS)
_WORDS: Final = re.compile(
    r"confidential|privileged|intended (?:recipient|only|solely|for the (?:sole|use|exclusive))|legally|proprietary|"
    r"unauthori[sz]ed|disclos|environment before|before you print|save a tree|not the intended|in error|viruses|"
    r"do not necessarily|vertraulich|unbefugt|irrtümlich|empfänger bestimmt|confidentiel|destinataire|confidencial|"
    r"privilegiad|destinatari|medio ambiente|riservat|confidenzial|vertrouwelijk|geadresseerde|konfidentiell|"
    r"fortrolig|luottamuksell|poufn|adresata|důvěrn|dôvern|bizalmas|confidențial|поверителн|конфиденциал|"
    r"конфіденційн|адресат|εμπιστευτικ|gizli|מיועדת|מיועד|סודי|חסוי|הנמען|سري|السري|المرسل إليه|بالخطأ|保密|机密|機密|"
    r"机密信息|誤って|秘密|기밀|비밀|수신인|bảo mật|mật"
)


def disclaimer(lines: list[str], start: int, stop: int, starts: Sequence[int], phrases: Sequence[str]) -> int:
    """Return where the disclaimer of a part begins, a line drawn above it included; ``stop`` when there is none.

    ``starts`` are where its paragraphs begin, but for the first; ``phrases`` the account's own, in lower case.
    """
    own = tuple(phrases)
    first = next((at for at in range(start, stop) if _begin(lines[at]).startswith(own)), stop) if own else stop
    tries = _MOST_TRIES
    for at in starts:
        if at >= first or not tries:
            break
        if _opens(lines[at]):
            tries -= 1
            if _is_known(lines, at, stop):
                return _with_rule(lines, start, at)
    return _with_rule(lines, start, first) if first < stop else stop


def _opens(line: str) -> bool:
    text = line[:100].lstrip(_DECORATION)
    return text[:3].casefold() in _FIRSTS and _begin(text).startswith(_OPENINGS)


def _is_known(lines: list[str], at: int, stop: int) -> bool:
    paragraph: list[str] = []
    length = 0
    for here in range(at, stop):
        text = bare(lines[here][:_LOOKED_AT])
        # "CONFIDENTIALITY NOTICE" is often a heading, with a blank line below it.
        if length >= _LOOKED_AT or (not text and length > 60):
            break
        paragraph.append(text)
        length += len(text)
        if here - at > 30:
            break
    return length >= 40 and _WORDS.search(" ".join(paragraph).casefold()) is not None


def _begin(line: str) -> str:
    return bare(line[:300]).casefold().replace("’", "'").replace("\u2011", "-")


def _with_rule(lines: list[str], start: int, at: int) -> int:
    """Return where a cut begins, with the line that is drawn above it."""
    above = last_shown(lines, start, at) - 1
    return above if above > start and is_rule(lines[above]) and lines[above].strip(EDGES) != "--" else at
