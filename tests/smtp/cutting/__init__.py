"""Cutting quotes, signatures, disclaimers, banners and footers off texts."""
