"""The engineers' door: what happened to an order, which events could not be handled, and their replay.

Consumes   `<service>.dead` of every service (`dead_letter.recorded`, and what the broker itself dead-lettered),
           `dead_letter.resolved`, `.failed`, `.released`, `.batch_answered`, `.inspected`, and the engineers' orders:
           `replay.campaign_ordered`, `.letters_listed`, `.campaign_steered`;
           beside the cycle, `control_room.journal`: everything that both entry exchanges carry.
Publishes  `dead_letter.batch_requested` and `.inspect_requested` to the service concerned; `replay.step_due` and
           `.inspection_due` to itself.
Owns       the ledger of dead letters (`dead_letter`; each as it was recorded in `dead_letter_original`, what it is
           found by in `dead_letter_facts`; every step of an action, with all its letters, in `dead_letter_action`,
           append-only),
           campaigns (`replay_campaign`, their sets, turns, findings and edits in `replay_letter`,
           `replay_campaign_step`, `replay_finding`, `replay_edit`: written once, turns for ever; see `campaign/`),
           the journal (`journal`, a partition a day), the orders as the journal saw them (`order_summary`; what
           else they are called by in `order_name`), and what suppliers and stores are called (`described`).

Invariants
* A dead letter is known by its occurrence; it is never reopened, and never deleted before it has long been over. What a
  failed replay becomes is a new occurrence, which the old one names.
* Every action has its rows: ordered (who, when, why, which letters), then resolved or failed.
* A campaign never waits for ever: what nobody answers for is asked again, then it stops and says so; an order of it
  that dies itself answers for its letters.
* The journal keeps what it cannot read, drops what it has already, and stays silent about what messages say:
  personal data is in bodies only, and bodies are shown by `show` only.
"""
