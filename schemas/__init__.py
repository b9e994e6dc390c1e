"""The contract of the fleet: every message, what it is made of, and what a decision may answer.

One module per subject. `catalogue` lists every message with its producer and consumers; `envelope`
is how a message travels (CloudEvents 1.0); `decision` is what a service's pure code returns.
"""
