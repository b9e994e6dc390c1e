"""The SQL of the worker cycle, a table or two a module. Bulk only."""

from shared.worker.store.attempts import begin_attempt, end_attempts, load_attempts, take_back_attempt
from shared.worker.store.inbox import KNOWN_IN_INBOX, load_known, load_traces, save_done, settle_kept
from shared.worker.store.kept import LARGEST_DUE, load_dead, load_due, load_held, load_holders, load_kept, save_kept
from shared.worker.store.locks import locked
from shared.worker.store.outgoing import columns, delete_outgoing, load_outgoing, load_unsent, save_outgoing
from shared.worker.store.reminders import delete_reminders, save_reminders, take_due_reminders
from shared.worker.store.states import load_states, lock_series, save_series, save_states
from shared.worker.store.upkeep import keep_partitions, load_bytes, load_sizes

__all__ = [
    "KNOWN_IN_INBOX",
    "LARGEST_DUE",
    "begin_attempt",
    "columns",
    "delete_outgoing",
    "delete_reminders",
    "end_attempts",
    "keep_partitions",
    "load_attempts",
    "load_bytes",
    "load_dead",
    "load_due",
    "load_held",
    "load_holders",
    "load_kept",
    "load_known",
    "load_outgoing",
    "load_sizes",
    "load_states",
    "load_traces",
    "load_unsent",
    "lock_series",
    "locked",
    "save_done",
    "save_kept",
    "save_outgoing",
    "save_reminders",
    "save_series",
    "save_states",
    "settle_kept",
    "take_back_attempt",
    "take_due_reminders",
]
