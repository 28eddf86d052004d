"""Texts as mail programs write them, what is sent of them, and what kinds of things are cut off, from top to bottom."""

from __future__ import annotations

from typing import Any, Final, NamedTuple


class Case(NamedTuple):
    """``settings`` are those of the mailbox that differ from the default."""

    text: str
    sent: str
    kinds: tuple[str, ...] = ()
    settings: dict[str, Any] = {}  # noqa: RUF012 - a case is data, and nobody changes it


Q, S, M, D, B, F = "quotes", "signature", "mobile", "disclaimer", "banner", "footer"
END, BLANK, FIRST = "end marker", "blank lines", "first lines"

LEGAL = (
    "This e-mail and any attachments are confidential and intended solely for the\n"
    "addressee. If you have received it in error, please delete it."
)
CAUTION = (
    "CAUTION: This email originated from outside of the organization. Do not click links or open attachments "
    "unless you recognize the sender and know the content is safe."
)
LIST = (
    "_______________________________________________\nops mailing list\nops@lists.example.com\n"
    "https://lists.example.com/mailman/listinfo/ops"
)
OUTLOOK = "From: Dana Levi <dana@example.com>\nSent: Friday, January 3, 2025 10:00 AM\nTo: Ops\nSubject: web01"


def kept(text: str, **settings: Any) -> Case:
    """Return a case in which nothing is cut."""
    return Case(text, text, (), settings)


CONTENT: Final = {
    "one line": kept("Server web01 is down."),
    "nothing": kept(""),
    "blank lines around": kept("\n\nServer down\n\n"),
    "nagios": kept(
        "***** Nagios *****\n\nNotification Type: PROBLEM\n\nService: Disk /\nHost: web01\nAddress: 10.0.0.1\n"
        "State: CRITICAL\n\nDate/Time: Fri Jan 3 10:00:00 IST 2025\n\nAdditional Info:\n\nDISK CRITICAL - free: 2%\n"
    ),
    "zabbix": kept(
        "Problem started at 10:00:00 on 2025.01.03\nProblem name: High CPU\nHost: web01\nSeverity: High\n\n"
        "Original problem ID: 4711\n"
    ),
    "grafana": kept(
        "**Firing**\n\nValue: A=93.2\nLabels:\n - alertname = CPU\n - instance = web01\nAnnotations:\n"
        "Source: https://grafana.example.com/a\nSilence: https://grafana.example.com/s\n"
    ),
    "alertmanager": kept("[FIRING:2] DiskFull (prod)\n\nLabels\nalertname = DiskFull\n\n--\n\nLabels\nx = y\n\n--\n"),
    "one line of >": kept("Disk of web01:\n> 90% used\nPlease clean up."),
    "lines of > that compare": kept("Limits reached.\n> 90% disk\n> 80% memory\nPlease clean up."),
    "lines of > with >=": kept("Rules\n>= 5 errors\n>= 7 warnings"),
    "nothing but lines of >": kept("> SELECT 1\n> SELECT 2"),
    "output below a colon": kept("The script said:\n> no route to host\n> giving up\nEnd."),
    "diff of cron": kept("3c3\n< PermitRoot no\n---\n> PermitRoot yes\n5a6,7\n> Port 22\n> Port 23"),
    "table with dashes": kept("Name   State\n-----------------\nweb01  down\n-----------------\nTotal  1"),
    "table with underscores": kept("Report\n____________________________________________\nweb01 down\nweb02 up"),
    "dashes apart": kept("CPU high\n--\nMemory high\n--\nDisk full"),
    "two dashes first": kept("--\nServer down"),
    "many lines below two dashes": kept("Report\n--\n" + "\n".join(f"web{n:02} down" for n in range(20))),
    "a sentence with On": kept("On Monday the vendor wrote:\n\nFans of rack 7 will be replaced."),
    "a program that wrote": kept("Backup done.\nOn 2025-01-03 10:00 the daemon wrote:\n\n300 files."),
    "a sentence about a telephone": kept("The order was sent from my iPhone app"),
    "the end of such a sentence": kept("The order that failed was\nsent from my iPhone app"),
    "sent from a machine": kept("Backup failed.\n\nSent from host web01"),
    "sent from a gateway": kept("Queue is full.\n\nSent via gateway gw1: see the log"),
    "sent from my server": kept("Queue is full.\n\nSent from my server web01"),
    "a text to a telephone": kept("התראה\n\nנשלח מהמערכת לטלפון 0502345678"),
    "a number that it came from": kept("התראה\n\nנשלח מטלפון 0502345678"),
    "get it": kept("Update available\n\nGet Outlook fixed for room 12"),
    "firewall": kept("Packet dropped\n\nFrom: 10.0.0.1\nTo: 10.0.0.2\nPort: 22\n\nRule 7"),
    "a mail that was stopped": kept(
        "A message was stopped:\n\nFrom: x@example.com\nDate: Friday\nTo: ops@example.com\nSubject: win\n\nVirus found."
    ),
    "a mail that was stopped, no colon": kept(
        "Stopped:\n\nqueue 7\nFrom: x@example.com\nDate: Friday\nTo: ops@example.com\nSubject: win\n\nVirus found."
    ),
    "a header and no more": kept("Mail stopped.\n\nFrom: x@example.com\nDate: Friday\nTo: ops\nSubject: win"),
    "four fields among others": kept("From: web01\nDate: Friday\nSubject: disk\nState: full\n\nClean up."),
    "caution that is content": kept("CAUTION: pump 3 is hot.\n\nStop it."),
    "traffic from outside": kept("Warning: 300 logins came from outside the building.\n\nSee the log."),
    "this message is content": kept("Meeting at 9.\n\nThis message is for all drivers of the day shift."),
    "notice that is content": kept("Fire drill.\n\nImportant notice: use the stairs."),
    "tags": kept("[web01] [disk] full"),
    "price": kept("cost $$ 5\nsecond line"),
    "money at a word": kept("pay US$$\nsecond line"),
    "an option at a word": kept("run it with x--end\nsecond line"),
    "a link": kept("See\nhttps://example.com/unsubscribe?x=1\nfor more."),
    "greeting": kept("Pump 3 is hot.\n\nBest regards,\nDana"),
    "list": kept("Buy:\n- milk\n- bread\n-- and so on"),
    "python prompt": kept(">>> 1/0\nZeroDivisionError"),
    "time and colon": kept("At 10:00:\nfan 3 stopped\nOn 10:05:\nfan 3 runs"),
    "all switched off": kept(
        f"{CAUTION}\n\nok\n\n-- \nDana\n\nOn Fri, Jan 3, 2025 Dana <d@example.com> wrote:\n> a\n> b\n", cut=frozenset()
    ),
}

ANSWERS: Final = {
    "above": Case(
        "Yes.\n\nOn Fri, Jan 3, 2025 at 10:00 AM Dana <dana@example.com> wrote:\n\n> Restart?\n> D\n", "Yes.", (Q,)
    ),
    "above, line wrapped": Case(
        "Yes.\n\nOn Fri, Jan 3, 2025 at 10:00 AM Dana Levi of Operations <\ndana@example.com> wrote:\n\n> Restart?\n",
        "Yes.",
        (Q,),
    ),
    "above, verb wrapped": Case(
        "Yes, do it\nOn Fri, 3 Jan 2025, Dana <d@example.com>\nwrote:\n> Restart?", "Yes, do it", (Q,)
    ),
    "below": Case("On 3/1/25 10:00, Dana wrote:\n> Restart web01?\nYes, now.", "Yes, now.", (Q,)),
    "between": Case("On 3/1/25, Dana wrote:\n> Restart web01?\n\nYes.\n\n> And web02?\n\nNo.\n", "Yes.\nNo.", (Q, Q)),
    "name alone": Case("Yes.\nDana wrote:\n> Restart?", "Yes.", (Q,)),
    "two levels": Case("Yes.\n\nOn Friday Dana wrote:\n> Restart?\n>> It is down.\n> > Really.\n", "Yes.", (Q,)),
    "nobody named": Case("Yes.\n\n> Shall we restart\n> web01 now?\n", "Yes.", (Q,)),
    "no marks, an address": Case(
        "Yes.\n\nOn Fri, Jan 3, 2025, Dana <dana@example.com> wrote:\n\nRestart?\nD", "Yes.", (Q,)
    ),
    "no marks, nothing above": kept("On Fri, Jan 3, 2025, Dana <dana@example.com> wrote:\n\nRestart web01."),
    "nothing of its own": Case("On Fri, Jan 3, 2025, Dana wrote:\n> Restart?\n> Dana\n", "", (Q,)),
    "a telephone and nothing of its own": Case(
        "\n\nSent from my iPhone\n\n> On 3 Jan 2025, at 10:00, Dana <d@example.com> wrote:\n> \n> Restart?\n",
        "",
        (M, Q),
    ),
    "signature below a quotation": Case("Yes.\n\nOn Friday Dana wrote:\n> Restart?\n--\nRon\nOps\n", "Yes.", (Q, S)),
    "signature of a program below a quotation": Case(
        "Yes.\n\nOn Friday Dana wrote:\n>Restart?\n--\nSent from my Android device with K-9 Mail.", "Yes.", (Q, S)
    ),
    "bare header right below the text": Case(f"Yes.\n{OUTLOOK}\n\nRestart?", "Yes.", (Q,)),
    "original message": Case(f"Yes.\n\n-----Original Message-----\n{OUTLOOK}\n\nRestart?", "Yes.", (Q,)),
    "bare header": Case(f"Yes.\n\n{OUTLOOK}\n\nRestart?", "Yes.", (Q,)),
    "header in bold": Case(
        "Yes.\n\n*From:* Dana\n*Sent:* Friday\n*To:* Ops\n*Subject:* web01\n\nRestart?", "Yes.", (Q,)
    ),
    "header below a line": Case(
        "Yes.\n\n________________________________\nFrom: Dana\nSent: Friday\nTo: Ops\n\nRestart?", "Yes.", (Q,)
    ),
    "header with lines between": Case(
        "Yes.\n\nFrom: Dana\n\nSent: Friday\n\nTo: Ops\n\nSubject: web01\n\nRestart?", "Yes.", (Q,)
    ),
    "header with long lists": Case(
        f"Yes.\n\nFrom: Dana\nSent: Friday\nTo: {'a@example.com; ' * 5}\nb@example.com\nSubject: web01\n\nRestart?",
        "Yes.",
        (Q,),
    ),
    "signature above": Case("Yes.\n\n-- \nDana\nOps\n\nOn Friday Ron wrote:\n> Restart?", "Yes.", (S, Q)),
    "quotes kept": Case(
        "Yes.\n\n-- \nDana\n\nOn Friday Ron wrote:\n> Restart?",
        "Yes.\nOn Friday Ron wrote:\n> Restart?",
        (S,),
        {"cut": frozenset({S})},
    ),
}

LANGUAGES: Final = {
    "de": "Am Fr., 3. Jan. 2025 um 10:00 Uhr schrieb Dana Levi <dana@example.com>:",
    "fr": "Le ven. 3 janv. 2025 à 10:00, Dana Levi <dana@example.com> a écrit :",
    "es": "El vie, 3 ene 2025 a las 10:00, Dana Levi (<dana@example.com>) escribió:",
    "pt": "Em sex., 3 de jan. de 2025 às 10:00, Dana Levi <dana@example.com> escreveu:",
    "it": "Il giorno ven 3 gen 2025 alle ore 10:00 Dana Levi <dana@example.com> ha scritto:",
    "nl": "Op vr 3 jan 2025 om 10:00 schreef Dana Levi <dana@example.com>:",
    "sv": "Den fre 3 jan. 2025 kl 10:00 skrev Dana Levi <dana@example.com>:",
    "da": "Den fre. 3. jan. 2025 kl. 10.00 skrev Dana Levi <dana@example.com>:",
    "fi": "pe 3. tammik. 2025 klo 10.00 Dana Levi (dana@example.com) kirjoitti:",
    "pl": "pt., 3 sty 2025 o 10:00 Dana Levi <dana@example.com> napisał(a):",
    "cs": "pá 3. 1. 2025 v 10:00 odesílatel Dana Levi <dana@example.com> napsal:",
    "hu": "Dana Levi <dana@example.com> ezt írta (időpont: 2025. jan. 3., P, 10:00):",
    "ro": "În vin., 3 ian. 2025 la 10:00, Dana Levi <dana@example.com> a scris:",
    "ru": "пт, 3 янв. 2025 г. в 10:00, Dana Levi <dana@example.com>:",
    "ru, Apple": "3 янв. 2025 г., в 10:00, Dana Levi <dana@example.com> написал(а):",
    "uk": "пт, 3 січ. 2025 р. о 10:00 Dana Levi <dana@example.com> пише:",
    "el": "Στις Παρ 3 Ιαν 2025 στις 10:00 π.μ., ο χρήστης Dana Levi <dana@example.com> έγραψε:",
    "tr": "Dana Levi <dana@example.com>, 3 Oca 2025 Cum, 10:00 tarihinde şunu yazdı:",
    "he": (
        "\u202bבתאריך יום ו׳, 3 בינו׳ 2025 ב-10:00 מאת "
        "\u202aDana Levi\u202c\u200f <\u202adana@example.com\u202c\u200f>:\u202c"
    ),
    "he, Apple": "ב-3 בינו׳ 2025, בשעה 10:00, \u200fDana Levi <dana@example.com> כתב/ה:",
    "ar": "في الجمعة، 3 يناير 2025 في 10:00 ص Dana Levi <dana@example.com> كتب:",
    "ja": "2025年1月3日(金) 10:00 Dana Levi <dana@example.com>:",
    "ja, Apple": "2025/01/03 10:00、Dana Levi <dana@example.com>のメール：",
    "ko": "2025년 1월 3일 (금) 오전 10:00, Dana Levi <dana@example.com>님이 작성:",
    "zh": "Dana Levi <dana@example.com> 于2025年1月3日周五 10:00写道：",
    "zh, Taiwan": "Dana Levi <dana@example.com> 於 2025年1月3日 週五 上午10:00寫道：",
    "vi": "Vào 10:00, Th 6, 3 thg 1, 2025 Dana Levi <dana@example.com> đã viết:",
}
"""The line above a quotation."""

HEADERS: Final = {
    "de": ("Von: Dana", "Gesendet: Freitag, 3. Januar 2025 10:00", "An: Ops", "Betreff: web01"),
    "fr": ("De : Dana", "Envoyé : vendredi 3 janvier 2025 10:00", "À : Ops", "Objet : web01"),
    "es": ("De: Dana", "Enviado: viernes, 3 de enero de 2025 10:00", "Para: Ops", "Asunto: web01"),
    "pt": ("De: Dana", "Enviada em: sexta-feira, 3 de janeiro de 2025", "Para: Ops", "Assunto: web01"),
    "it": ("Da: Dana", "Inviato: venerdì 3 gennaio 2025 10:00", "A: Ops", "Oggetto: web01"),
    "nl": ("Van: Dana", "Verzonden: vrijdag 3 januari 2025 10:00", "Aan: Ops", "Onderwerp: web01"),
    "sv": ("Från: Dana", "Skickat: den 3 januari 2025 10:00", "Till: Ops", "Ämne: web01"),
    "pl": ("Od: Dana", "Wysłano: piątek, 3 stycznia 2025 10:00", "Do: Ops", "Temat: web01"),
    "cs": ("Od: Dana", "Odesláno: pátek 3. ledna 2025 10:00", "Komu: Ops", "Předmět: web01"),
    "ru": ("От: Dana", "Отправлено: 3 января 2025 г. 10:00", "Кому: Ops", "Тема: web01"),
    "tr": ("Kimden: Dana", "Gönderildi: 3 Ocak 2025 Cuma 10:00", "Kime: Ops", "Konu: web01"),
    "he": ("\u200fמאת: Dana", "\u200fנשלח: יום שישי 03 ינואר 2025 10:00", "\u200fאל: Ops", "\u200fנושא: web01"),
    "ar": ("من: Dana", "تاريخ الإرسال: 3 يناير 2025", "إلى: Ops", "الموضوع: web01"),
    "ja": ("差出人: Dana", "送信日時: 2025年1月3日 10:00", "宛先: Ops", "件名: web01"),
    "ko": ("보낸 사람: Dana", "보낸 날짜: 2025년 1월 3일", "받는 사람: Ops", "제목: web01"),
    "zh": ("发件人： Dana", "发送时间： 2025年1月3日 10:00", "收件人： Ops", "主题： web01"),
    "zh, Taiwan": ("寄件者: Dana", "寄件日期: 2025年1月3日 10:00", "收件者: Ops", "主旨: web01"),
}
"""The header of a mail that Outlook quotes."""

FORWARDS: Final = {
    "Gmail": Case(
        "---------- Forwarded message ---------\nFrom: Dana <d@example.com>\nDate: Fri, Jan 3, 2025 at 10:00 AM\n"
        "Subject: web01\nTo: <ops@example.com>\n\n\nServer down.\nCall me.\n",
        "Server down.\nCall me.",
        (Q,),
    ),
    "Gmail, Hebrew": Case(
        "---------- הודעה שהועברה ----------\nמאת: Dana <d@example.com>\nתאריך: יום ו׳, 3 בינו׳ 2025\nנושא: web01\n"
        "אל: <ops@example.com>\n\n\nהשרת נפל\n",
        "השרת נפל",
        (Q,),
    ),
    "Apple": Case(
        "\n\nBegin forwarded message:\n\nFrom: Dana <d@example.com>\nSubject: web01\nDate: January 3, 2025\nTo: ops\n\n"
        "Server down.\n",
        "Server down.",
        (Q,),
    ),
    "iPhone": Case(
        "\n\nSent from my iPhone\n\nBegin forwarded message:\n\n> From: Dana <d@example.com>\n> Date: January 3, 2025\n"
        "> To: ops@example.com\n> Subject: web01\n> \n> \ufeffServer down.\n> Call me.\n",
        "\ufeffServer down.\nCall me.",
        (M, Q),
    ),
    "Thunderbird": Case(
        "\n-------- Forwarded Message --------\nSubject: \tweb01\nDate: \tFri, 3 Jan 2025\n"
        "From: \tDana <d@example.com>\nTo: \tops@example.com\n\nServer down.\n",
        "Server down.",
        (Q,),
    ),
    "Outlook": Case(f"\n\n{OUTLOOK}\n\nServer down.\n", "Server down.", (Q,)),
    "Outlook, with a signature": Case(f"\n-- \nRon\n\n{OUTLOOK}\n\nServer down.\n", "Server down.", (S, Q)),
    "Outlook on a telephone": Case(
        f"Get Outlook for iOS<https://aka.ms/o0ukef>\n________________________________\n{OUTLOOK}\n\nServer down.\n",
        "Server down.",
        (M, Q),
    ),
    "twice": Case(
        f"---------- Forwarded message ---------\nFrom: Dana\nSubject: web01\n\n"
        f"-----Original Message-----\n{OUTLOOK}\n\nServer down.\n\n-- \nDana",
        "Server down.",
        (Q, Q, S),
    ),
    "with a comment": Case(
        "Please look at it.\n\n---------- Forwarded message ---------\nFrom: Dana\nSubject: web01\n\nServer down.",
        "Please look at it.",
        (Q,),
    ),
    "of an answer": Case(
        "---------- Forwarded message ---------\nFrom: Dana\nSubject: web01\n\nYes.\n\n"
        "On Friday Ron wrote:\n> Restart?",
        "Yes.",
        (Q, Q),
    ),
    "with nothing in it": Case("---------- Forwarded message ---------\nFrom: Dana\nSubject: web01\n", "", (Q,)),
    "kept": kept("---------- Forwarded message ---------\nFrom: Dana\nSubject: web01\n\nDown", cut=frozenset({S})),
}

BELOW: Final = {
    "signature": Case("Server down.\n-- \nDana Levi\nOps\n", "Server down.", (S,)),
    "signature of many lines": Case("Down.\n-- \n" + "line\n" * 30, "Down.", (S,)),
    "signature without its space": Case("Server down.\n\n--\nDana Levi\nOps", "Server down.", (S,)),
    "signature alone": Case("-- \nDana", "", (S,)),
    "disclaimer": Case(f"Server down.\n\n{LEGAL}\n", "Server down.", (D,)),
    "disclaimer in Hebrew": Case(
        "השרת נפל\n\nהודעה זו מיועדת לנמען בלבד ועלולה להכיל מידע חסוי. אם קיבלת אותה בטעות, נא למחוק.",
        "השרת נפל",
        (D,),
    ),
    "disclaimer with a heading": Case(
        f"Server down.\n\n________________________________\nCONFIDENTIALITY NOTICE\n\n{LEGAL}", "Server down.", (D,)
    ),
    "disclaimer of the account": Case(
        "Server down.\nLEGAL: Acme Ltd, Tel Aviv\nReg. 123", "Server down.", (D,), {"disclaimers": ("legal:",)}
    ),
    "disclaimer alone": kept(LEGAL),
    "signature and disclaimer": Case(f"Server down.\n-- \nDana\n\n{LEGAL}", "Server down.", (S, D)),
    "telephone, disclaimer and list": Case(
        f"Server down.\n\nSent from my iPhone\n\n{LEGAL}\n{LIST}", "Server down.", (M, D, F)
    ),
    "Mailman": Case(f"Server down.\n{LIST}\n", "Server down.", (F,)),
    "Google Groups": Case(
        'Down.\n\n-- \nYou received this message because you are subscribed to the Google Groups "ops" group.\n'
        "To unsubscribe from this group, send an email to ops+unsubscribe@googlegroups.com.",
        "Down.",
        (S,),
    ),
    "GitHub": Case(
        "Build failed.\n\n—\nReply to this email directly, view it on GitHub <https://github.example.com/1>, or "
        "unsubscribe <https://github.example.com/2>.",
        "Build failed.",
        (F,),
    ),
    "unsubscribe": Case("Sale ends today.\n\nTo unsubscribe visit https://example.com/u", "Sale ends today.", (F,)),
    "scanner": Case(
        "Down.\n\nThis email has been checked for viruses by Avast antivirus software.\nwww.avast.com", "Down.", (F,)
    ),
    "all switched off but footers": Case(
        f"Down.\n\n-- \nDana\n{LIST}", "Down.\n\n-- \nDana", (F,), {"cut": frozenset({F})}
    ),
}

PHONES: Final = (
    "Sent from my iPhone",
    "Sent from my iPad.",
    "Sent from my Samsung Galaxy smartphone.",
    "Sent from my Verizon, Samsung Galaxy smartphone",
    "Sent from my BlackBerry 10 smartphone.",
    "Sent from my mobile",
    "Sent from my Android device with K-9 Mail. Please excuse my brevity.",
    "Sent from Mail for Windows",
    "Sent from Yahoo Mail on Android",
    "Sent from Outlook for Android<https://aka.ms/AAb9ysg>",
    "Sent with Proton Mail secure email.",
    "Sent from ProtonMail Mobile",
    "Get Outlook for iOS",
    "Get Outlook for Android<https://aka.ms/ghei36>",
    "<Sent from my Nokia phone>",
    "Von meinem iPhone gesendet",
    "Gesendet von meinem Samsung Galaxy Smartphone.",
    "Diese Nachricht wurde von meinem Android-Gerät mit K-9 Mail gesendet.",
    "Outlook für Android beziehen",
    "Envoyé de mon iPhone",
    "Envoyé depuis mon smartphone Samsung Galaxy.",
    "Télécharger Outlook pour Android",
    "Enviado desde mi iPhone",
    "Enviado do meu iPhone",
    "Obtener Outlook para iOS",
    "Inviato da iPhone",
    "Inviato dal mio telefono Huawei",
    "Verstuurd vanaf mijn iPhone",
    "Skickat från min iPhone",
    "Sendt fra min iPhone",
    "Lähetetty iPhonesta",
    "Wysłane z iPhone’a",
    "Odesláno z iPhonu",
    "Отправлено с iPhone",
    "Отправлено с моего Samsung",
    "Отправлено из мобильного приложения",
    "Надіслано з iPhone",
    "iPhone’umdan gönderildi",
    "Az iPhone-omról küldve",
    "נשלח מה-iPhone שלי",
    "נשלח מהטלפון שלי",
    "\u200fנשלח מ-Outlook עבור Android",
    "أُرسلت من الـ iPhone",
    "أرسلت من هاتفي",
    "iPhoneから送信",
    "나의 iPhone에서 보냄",
    "发自我的iPhone",
    "从我的 iPhone 发送",
    "從我的 iPhone 傳送",
    "获取 Outlook for iOS",
)
"""Lines of telephones and mail programs."""

ABOVE: Final = {
    "banner": Case(f"{CAUTION}\n\nServer down.", "Server down.", (B,)),
    "banner that is wrapped": Case(
        "CAUTION: This email originated from outside of the organization. Do not\nclick links or open attachments "
        "unless you recognize the sender and know\nthe content is safe.\n\nServer down.",
        "Server down.",
        (B,),
    ),
    "banner with no blank line": Case(f"{CAUTION}\nServer down.", "Server down.", (B,)),
    "banner between lines": Case(
        f"--------------------\n{CAUTION}\n--------------------\n\nServer down.", "Server down.", (B,)
    ),
    "two banners": Case(
        f"You don't often get email from dana@example.com. Learn why this is important\n\n{CAUTION}\n\nServer down.",
        "Server down.",
        (B,),
    ),
    "banner in Hebrew": Case("זהירות: הודעה זו נשלחה מחוץ לארגון.\n\nהשרת נפל", "השרת נפל", (B,)),
    "banner in German": Case(
        "ACHTUNG: Diese E-Mail stammt von einem externen Absender.\n\nServer aus.", "Server aus.", (B,)
    ),
    "banner alone": kept(CAUTION),
    "banner of the account": Case(
        "Acme scanned this.\nAll clear.\n\nServer down.", "Server down.", (B,), {"banners": ("acme scanned",)}
    ),
    "banner above a forward": Case(f"{CAUTION}\n\n{OUTLOOK}\n\nServer down.", "Server down.", (B, Q)),
    "tag": Case("[EXTERNAL] Server down.", "Server down.", (B,)),
    "tag on a line of its own": Case("[External Email]\nServer down.", "Server down.", (B,)),
    "tag alone": kept("[EXTERNAL]"),
}

ENDS: Final = {
    "end marker on a line": Case("Server down.\n$$\nDana\nOps", "Server down.", (END,)),
    "end marker at the end of a line": Case("Server down. $$\nDana", "Server down.", (END,)),
    "end marker in capitals": Case("Server down.\n--END\nDana", "Server down.", (END,)),
    "end marker of the account": Case("Down ###\nDana $$", "Down", (END,), {"end_markers": ("###",)}),
    "end marker that is quoted": Case("On Friday Dana wrote:\n> Restart?\n> $$\nYes.", "Yes.", (Q,)),
    "end marker first": Case("$$\nServer down", "", (END,)),
    "end marker in a forward": Case(f"{OUTLOOK}\n\nServer down $$\nDana", "Server down", (Q, END)),
    "no end markers": kept("Server down.\n$$\nDana", end_markers=()),
    "blank lines": Case("a\n\n\n\nb\n \n\t\nc\n\nd", "a\n\nb\n\nc\n\nd", (BLANK,)),
    "blank lines kept": kept("a\n\n\n\nb", fold_blank=False),
    "first lines": Case("a\n\nb\nc\nd", "a\n\nb", (FIRST,), {"first_lines": 2}),
    "fewer than the first lines": kept("a\nb", first_lines=2),
    "first lines of what is left": Case(f"{CAUTION}\n\na\nb", "a", (B, FIRST), {"first_lines": 1}),
}

ALL: Final = {
    f"{group}: {name}": case
    for group, cases in (
        ("content", CONTENT),
        ("answer", ANSWERS),
        ("forward", FORWARDS),
        ("below", BELOW),
        ("above", ABOVE),
        ("end", ENDS),
    )
    for name, case in cases.items()
}
