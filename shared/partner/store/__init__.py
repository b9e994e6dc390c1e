"""The SQL of partner calls: stored with the state, leased by the caller, fenced by the lease's token."""

from shared.partner.store.calls import NewCall, close_calls, revive_calls, save_calls
from shared.partner.store.gates import Gate, load_open_partners, lock_gate, save_circuit, save_next_at
from shared.partner.store.leases import Leased, Wanted, lease_calls, lease_over, lease_unknown_over, renew_leases
from shared.partner.store.outcomes import save_answers, save_answers_and_messages, save_exhausted, save_retry

__all__ = [
    "Gate",
    "Leased",
    "NewCall",
    "Wanted",
    "close_calls",
    "lease_calls",
    "lease_over",
    "lease_unknown_over",
    "load_open_partners",
    "lock_gate",
    "renew_leases",
    "revive_calls",
    "save_answers",
    "save_answers_and_messages",
    "save_calls",
    "save_circuit",
    "save_exhausted",
    "save_next_at",
    "save_retry",
]
