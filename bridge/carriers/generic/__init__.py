"""Any provider, from a table of the configuration alone: ``kind = "http"``."""
