"""openapi.com's SMS, in its two versions: ``kind = "openapi"``."""
