"""SMSC (smsc.ru, smscentre.com and their sister sites): ``kind = "smsc"``."""
