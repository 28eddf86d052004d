"""The command ``smsbridge``: one module per noun."""
