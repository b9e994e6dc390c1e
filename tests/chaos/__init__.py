"""The whole fleet under load while things break around it, and a ledger check at the end.

`faults` is the table of what can break; `play` breaks it in a seeded order on a `field` (fleet, servers, wires between
them); `ledger` says what is not as it must be. `python -m tests.chaos --help` runs any part of it.
"""
