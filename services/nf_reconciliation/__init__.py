"""nf_reconciliation matches the suppliers' notas fiscais with POs: S2 (their sale to us) and S1 (the remessa).

consumes  `supplier.nf_issued` (XML), `purchase_order.created`, `.refused`, `.cancelled`, `invoice.issued`,
          `.cancelled`, `supplier.changed`, `store.changed`;
          from itself `nf.match_requested`, `.match_answered`, `.match_settled`, `.po_noted`, `.invoice_noted`
publishes `supplier_nf.matched` (per S2 and PO), `.diverged`, `.refused`; `remittance_nf.matched`, `.diverged`
calls     the ERP: the booking of an S2, per PO, once it matched (where the store has an ERP)
owns      `nota_fiscal` by access key; `purchase_order` by PO number: what was ordered, invoiced and shipped of it;
          `order_pos` by order id: which PO numbers an order has, and its R

How they talk: an NF asks every PO that it is about (`match_requested`); a PO answers as soon as it can, and reserves
the quantities it agrees with (`match_answered`); the NF settles with all of them (`match_settled`): kept when every PO
and the document's totals agree, given back when anything diverges. A PO publishes what it keeps.

Invariants
* A key has one content: the same bytes twice are one NF, other bytes under the same key are a dead letter (an alarm).
* Whatever comes before what it needs waits in the state for as long as it takes: a claim in its PO until the PO is
  created (S2) or billed by R (S1); an R in its order until its POs are created. Only an NF that names no PO waits on
  the ladder.
* What a supplier refused is no part of its PO any more; an S2 or S1 for a void PO diverges with `po_cancelled`.
* Of a PO's line never more is reserved or kept than was ordered, by S2 and by S1 each.
* One divergent line holds an NF whole. What several POs owe for an S2 adds up to what it asks, to the cent.
"""
