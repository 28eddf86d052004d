"""The durable store: one schema for SQLite and PostgreSQL, one module of queries per concern."""
