"""The one public door: suppliers, carriers, the ERP and channels post what happened; it becomes a message.

Takes      `POST /v1/suppliers/{supplier_id}/events`, `/v1/carriers/{carrier}/events`, `/v1/erp/events`,
           `/v1/channels/{channel_id}/events`, each signed with HMAC-SHA256 (`signature.py`).
           `GET /docs/suppliers`: the suppliers' contract as a page, `…/openapi.json` for programs.
Publishes  to `fleet.inbound`: what `partners.DOORS` lists, as single CloudEvents of the newest version,
           or of the version that the partner names.
Owns       nothing. Any number of replicas run side by side.

Invariants
* 202 is answered only after the broker has confirmed the message; 503 with Retry-After otherwise: post it again.
* `(source, id)` depend on the partner and on its own event id, or on the body where there is none: a repeated
  request is the same message, and every inbox drops it.
* A partner says things only in its own name: the id in the path is the one whose secret signed, and a body that names
  another is refused.
* Nothing of a body is ever logged or repeated in an answer.
"""
