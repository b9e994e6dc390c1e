"""What Prometheus may ask of a worker. One noun a metric, seconds and bytes as units."""

from prometheus_client import Counter, Gauge, Histogram

EVENTS = Counter("fleet_events_total", "Events by what became of them", ["outcome"])
BATCH_SECONDS = Histogram(
    "fleet_batch_seconds",
    "Time of a batch by stage",
    ["stage"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
BATCH_EVENTS = Histogram("fleet_batch_events", "Events a batch", buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256))
EVENT_AGE_SECONDS = Histogram(
    "fleet_event_age_seconds",
    "Time from when an event says it was published until it is handled",
    ["type"],
    buckets=(0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 30, 60, 300, 3600),
)
DEAD_LETTERS = Counter("fleet_dead_letters_total", "Dead letters by reason", ["reason"])
READY = Gauge(
    "fleet_ready", "1 for a part (broker, database, setup, blocked, paused) that is as it should be", ["part"]
)
SESSION = Gauge("fleet_session_state", "1 for the state that the session with the broker is in", ["state"])
SESSIONS_LOST = Counter("fleet_sessions_lost_total", "Sessions with the broker that ended unasked or never began")
PAUSED = Gauge("fleet_paused", "1 while the worker is paused after many dead letters running")
DATABASE_RETRIES = Counter("fleet_database_retries_total", "Batches tried again because of the database", ["sqlstate"])
KEPT = Gauge("fleet_kept_events", "Events in the inbox that are not handled", ["status"])
OUTGOING = Gauge("fleet_outgoing_rows", "Batches whose messages are not known to be sent")
TABLE_BYTES = Gauge("fleet_table_bytes", "Size of a table that is partitioned by time, with its indexes", ["table"])
PARTITIONS_OVERDUE = Gauge("fleet_partitions_overdue", "Partitions past their time, not yet dropped", ["table"])
PARTITIONS_FAILED = Counter(
    "fleet_partitions_failed_total", "Times that partitions could not be looked after", ["table"]
)
CALLS = Counter("fleet_partner_calls_total", "Tries of partner calls by outcome", ["partner", "operation", "outcome"])
CALL_SECONDS = Histogram("fleet_partner_call_seconds", "Time of one try of a partner call", ["partner"])
CALLS_OPEN = Gauge("fleet_partner_calls_open", "Partner calls that have no answer yet")
