"""The engine room: the worker cycle, the broker, the database, partner calls, settings, logs, metrics.

Nothing here knows an order, a supplier or a nota fiscal.
"""
