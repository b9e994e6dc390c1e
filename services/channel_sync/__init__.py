"""channel_sync: what each channel was told, has confirmed and says; and the customer's mails.

Consumes  the milestones of all others (`order.*`, `purchase_order.*`, `sourcing.given_up`, `invoice.*`, `shipment.*`,
          `refund.*`), what channels report (`channel.order_reported`), `channel.sync_requested`, and the reference
          data `channel.changed` and `store.changed`.
Publishes to inbound `order.placed`, `order.change_requested`, `payment.approved` and `order.cancellation_requested` of
          channels with a queue (`giving.py`), and `order.refused` or `.change_refused` where one cannot be read;
          `channel.updated` and `.update_refused` (a channel's answer), `channel.label_available` and
          `.delivery_reported` (what a marketplace said), `customer.notified` (the mail server took the mail).
Calls     each channel's API (`channel:<channel_id>`; its queue of orders is `queue:<channel_id>`) and the mail server
          (`mail`).
Owns      one projection per order (`ChannelOrder`): what is to be told, was sent, was confirmed, and why a fact waits;
          one `Queue` per channel that gives its orders one at a time (`polling.py`).

How it decides: every message is folded into the projection, in whatever order they come; then `release.py` says for
each fact whether the channel may be told it, `mails.py` writes what the customer gets, and what is due and was not sent
yet becomes a call.

Invariants
* One telling per (fact, reference): access key, tracking code, parcel (of a delivery; the PO, when all of it is there,
  where the channel knows no tracking), refund. Sent once, confirmed once, published once.
* A refund is told to the channel that took the money, of an order that goes on; a cancelled order is told as such, and
  a channel that has no call for refunds refuses them, as it were: a person pays it there. That it was paid, its
  statement of account says, through billing.
* A hold always explains itself (`Telling.why`).
* Tracking follows its own shipment's NF, matched by PO; a channel that says "delivered" itself is not told.
* One mail per (fact, reference). SMTP knows no idempotency: a mail whose fate is unknown is sent again under the same
  Message-ID, by which the receiving side knows doubles. A customer who hears nothing is worse than a mail twice.
"""
