"""What mail programs write around the mails they quote and forward, in the languages they speak.

These are facts about programs: Outlook, Gmail, Apple Mail, Thunderbird and their like, as their users' mails show
them. All is compared in lower case, and without what is not seen.
"""

from __future__ import annotations

from enum import Enum
from typing import Final


def _all(written: str) -> frozenset[str]:
    return frozenset(written.split("|"))


class Role(Enum):
    """What a line in the header of a quoted mail says."""

    FROM = 1
    DATE = 2
    TO = 3
    SUBJECT = 4
    OTHER = 5


_FIELDS: Final = {
    Role.FROM: (
        "from|von|de|da|van|från|fra|lähettäjä|od|odesílatel|odosielateľ|feladó|de la|expéditeur|remitente|"
        "remetente|mittente|afzender|absender|avsändare|nadawca|от|від|отправитель|от кого|від кого|από|kimden|"
        "gönderen|מאת|من|المرسل|差出人|送信者|보낸 사람|보낸사람|发件人|寄件者|"
        "寄件人|từ|người gửi|จาก|dari|šalje|pošiljatelj"
    ),
    Role.DATE: (
        "sent|date|date/time sent|gesendet|gesendet am|datum|envoyé|date d'envoi|enviado|enviado el|enviado em|"
        "enviada em|enviado a|fecha|data|inviato|verzonden|skickat|skickat den|dato|sendt|dato sendt|lähetetty|"
        "päiväys|päivämäärä|pvm|wysłano|data wysłania|wysłane|odesláno|odoslané|dátum|elküldve|küldve|trimis|"
        "trimis pe|дата|отправлено|отправлен|дата отправки|надіслано|відправлено|изпратено|ημερομηνία|στάλθηκε|"
        "αποστολή|gönderildi|gönderme tarihi|gönderim tarihi|tarih|נשלח|נשלח ב|תאריך|تاريخ الإرسال|التاريخ|"
        "تم الإرسال|أرسلت|送信日時|日付|日時|보낸 날짜|날짜|发送时间|发送日期|发件日期|日期|寄件日期|傳送日期|"
        "đã gửi|ngày|ngày gửi|ส่ง|ส่งเมื่อ|วันที่|dikirim|tanggal|poslano|išsiųsta|nosūtīts|saatmisaeg"
    ),
    Role.TO: (
        "to|an|à|a|para|pour|aan|till|til|vastaanottaja|do|komu|címzett|către|catre|la|destinataire|destinatario|"
        "destinatário|odbiorca|кому|до|προς|kime|alıcı|אל|ל|إلى|المستلم|宛先|받는 사람|받는사람|收件人|收件者|"
        "đến|tới|ถึง|kepada|prima|za|kam|saaja|gavėjas"
    ),
    Role.SUBJECT: (
        "subject|betreff|objet|asunto|assunto|oggetto|onderwerp|ämne|emne|aihe|temat|předmět|predmet|tárgy|subiect|"
        "тема|относно|θέμα|konu|נושא|הנדון|الموضوع|موضوع|件名|표제|제목|主题|主題|主旨|chủ đề|tiêu đề|เรื่อง|"
        "ชื่อเรื่อง|subjek|perihal|naslov|zadeva|tema|temats|teema"
    ),
    Role.OTHER: (
        "cc|bcc|kopie|kopia|copie|copia|cópia|kopi|kopio|másolat|копия|копія|κοιν|κοινοποίηση|bilgi|עותק|העתק|نسخة|"
        "نسخة إلى|抄送|副本|참조|dw|udw|cci|cco|ccn|kk|reply-to|antwort an|antwort|répondre à|responder a|rispondi a|"
        "kopia till|kopi til|importance|priority|wichtigkeit|priorität|importancia|priorité|attachments|anlagen|"
        "pièces jointes|adjuntos|anexos|allegati|bijlagen|bilagor|załączniki|вложения|קבצים מצורפים|organization|"
        "organisation|organización|message-id|resent-from|resent-to|resent-date|resent-subject|list-id|sender|when|"
        "категории|категория|categories"
    ),
}
ROLES: Final = {name: role for role, names in _FIELDS.items() for name in names.split("|")}
"""What the name of a field says. Some names mean one thing here and another there; a whole header tells."""

PLAIN_DATES: Final = _all(
    "date|datum|data|fecha|dato|dátum|дата|ημερομηνία|tarih|תאריך|التاريخ|日付|日時|날짜|日期|ngày"
)
"""What a date is called in many a header; Outlook says when a mail was sent."""

# A name is written small, with a capital, or in capitals.
FROM_HEADS: Final = frozenset(
    mark + form + space
    for name in _FIELDS[Role.FROM].split("|")
    for form in (name, name.capitalize(), name.upper())
    for mark in ("", "*", "**")
    for space in ("", " ", "\xa0")
)
"""How the line begins, up to its colon, with which Outlook opens the header of a mail that it quotes."""

FORWARDED: Final = _all(
    "forwarded message|begin forwarded message|forwarded mail|forwarded email|start of forwarded message|"
    "weitergeleitete nachricht|anfang der weitergeleiteten nachricht|anfang der weitergeleiteten e-mail|"
    "beginn der weitergeleiteten nachricht|message transféré|début du message réexpédié|début du message transféré|"
    "message réexpédié|mensaje reenviado|inicio del mensaje reenviado|mensagem encaminhada|mensagem reencaminhada|"
    "início da mensagem encaminhada|início da mensagem reencaminhada|messaggio inoltrato|inizio messaggio inoltrato|"
    "doorgestuurd bericht|begin doorgestuurd bericht|vidarebefordrat meddelande|vidarebefordrat brev|"
    "vidarebefordrat mejl|videresendt meddelelse|videresendt besked|start på videresendt besked|videresendt melding|"
    "videresendt e-post|välitetty viesti|välitetty viesti alkaa|wiadomość przekazana dalej|przekazana wiadomość|"
    "treść przekazanej wiadomości|początek przekazywanej wiadomości|přeposlaná zpráva|začátek přeposlané zprávy|"
    "preposlaná správa|továbbított üzenet|továbbított levél|mesaj redirecționat|mesaj transmis mai departe|"
    "пересланное сообщение|пересылаемое сообщение|начало переадресованного сообщения|"
    "начало пересылаемого сообщения|переслане повідомлення|препратено съобщение|προωθημένο μήνυμα|"
    "iletilen mesaj|yönlendirilmiş ileti|yönlendirilen ileti|iletilen ileti|הודעה שהועברה|הודעה מועברת|"
    "תחילת ההודעה שהועברה|رسالة تمت إعادة توجيهها|رسالة معاد توجيهها|الرسالة المُعاد توجيهها|"
    "بدء الرسالة المُعاد توجيهها|転送メッセージ|転送されたメッセージ|転送されたメール|전달된 메시지|转发的邮件|"
    "转发邮件|转发信息|轉寄郵件|轉寄的郵件|已轉寄的郵件|开始转发邮件|以下是转发的邮件|"
    "tin nhắn đã chuyển tiếp|thư được chuyển tiếp|ข้อความที่ส่งต่อ|pesan terusan|"
    "pesan yang diteruskan|proslijeđena poruka|posredovano sporočilo"
)
"""What stands, between dashes or with a colon, above a mail that is sent on."""

ORIGINAL: Final = _all(
    "original message|original appointment|ursprüngliche nachricht|originalnachricht|urspr. nachricht|"
    "message d'origine|message d’origine|message original|mensaje original|mensagem original|messaggio originale|"
    "oorspronkelijk bericht|ursprungligt meddelande|originalmeddelande|oprindelig meddelelse|original meddelelse|"
    "opprinnelig melding|alkuperäinen viesti|oryginalna wiadomość|wiadomość oryginalna|původní zpráva|"
    "pôvodná správa|eredeti üzenet|mesaj original|mesajul original|исходное сообщение|оригинальное сообщение|"
    "первоначальное сообщение|вихідне повідомлення|оригінальне повідомлення|оригинално съобщение|αρχικό μήνυμα|"
    "orijinal mesaj|özgün ileti|asıl mesaj|הודעה מקורית|ההודעה המקורית|الرسالة الأصلية|رسالة أصلية|元のメッセージ|"
    "オリジナル メッセージ|오리지널 메시지|원본 메시지|원본 메일|邮件原件|原始邮件|原始郵件|原始消息|"
    "thư gốc|ข้อความต้นฉบับ|pesan asli|izvorna poruka|izvirno sporočilo"
)
"""What stands between dashes above a mail that is answered, or sent on."""

WROTE: Final = _all(
    "wrote|writes|schrieb|schrieben|geschrieben|écrit|escribió|escribio|escreveu|scritto|scrive|schreef|skrev|"
    "kirjoitti|pisze|napisał|napisała|napisał(a)|napisał/a|napsal|napsala|napsal(a)|napísal|napísala|napísal(a)|írta|"
    "scris|написал|написала|написал(а)|написал(-а)|пишет|написав|написала|написав(-ла)|пише|написа|έγραψε|yazdı|"
    "כתב|כתבה|כתב/ה|כתב(ה)|كتب|كتبت|كتب/ت|بواسطة|نوشت|viết|menulis|napisao|napisao/la|napisal|napisala|rašė|parašė|"
    "rakstīja|kirjutas|escriure"
)
"""The word for what somebody did whose text is quoted, in the line above it."""

WROTE_SPACELESS: Final = ("書きました", "のメール", "のメッセージ", "작성", "写道", "寫道", "写到", "เขียนว่า")
"""The same, where words are not set apart, or endings follow."""

OPENERS: Final = tuple(
    _all(
        "on |at |am |le |el |em |no dia |il |il giorno |op |den |dne |dňa |w dniu |dnia |în |la |в |у |на |στις |"
        "בתאריך |ב-|ב־|ביום |في |بتاريخ |يوم |در |在|于|於|vào |เมื่อ |ในวันที่ |pada |dana |quoting |zitat von "
    )
)
"""How such a line begins, apart from a number, a day or a name."""
