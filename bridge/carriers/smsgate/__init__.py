"""SMS Gate, Android phones as carriers: ``kind = "smsgate"``."""
