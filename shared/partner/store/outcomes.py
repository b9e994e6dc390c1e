"""What came of a try. Only the lease's token may say it."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from asyncpg import Connection

from shared.broker.outgoing import Outgoing
from shared.partner.store.leases import Leased
from shared.worker.store.outgoing import columns


async def save_answers(con: Connection, answers: Sequence[tuple[Leased, str]]) -> set[UUID]:
    """Stores what partners answered (JSON); the calls for which it was stored.

    The others' leases ran out, and somebody else has them.
    """
    rows = await con.fetch(
        "update partner_call c set status = 'answered', answer = d.answer, finished_at = now(), error = null "
        "from unnest($1::uuid[], $2::uuid[], $3::jsonb[]) as d(id, token, answer) "
        "where c.id = d.id and c.lease_token = d.token and c.status = 'leased' returning c.id",
        [call.id for call, _ in answers],
        [call.lease_token for call, _ in answers],
        [answer for _, answer in answers],
    )
    return {row["id"] for row in rows}


async def save_answers_and_messages(
    con: Connection, answers: Sequence[tuple[Leased, str]], batch: UUID, messages: Sequence[Outgoing]
) -> bool:
    """Stores the answers together with what is said of them, in one statement; nothing where a lease has run out."""
    done = await con.execute(
        "with given as (select * from unnest($1::uuid[], $2::uuid[], $3::jsonb[]) as d(id, token, answer)), "
        "ours as (select c.id from partner_call c join given d on c.id = d.id and c.lease_token = d.token "
        " where c.status = 'leased' for update of c), "
        "whole as (select count(*) = cardinality($1::uuid[]) as is_so from ours), "
        "stored as (update partner_call c set status = 'answered', answer = d.answer, finished_at = now(), "
        " error = null from given d where c.id = d.id and (select is_so from whole)) "
        "insert into outgoing (batch, exchanges, routing_keys, content_types, message_ids, bodies) "
        "select $4, $5::text[], $6::text[], $7::text[], $8::text[], $9::bytea[] from whole where is_so",
        [call.id for call, _ in answers],
        [call.lease_token for call, _ in answers],
        [answer for _, answer in answers],
        batch,
        *columns(messages),
    )
    return str(done) == "INSERT 0 1"


async def save_retry(con: Connection, call: Leased, due: datetime, error: str, uncertain: bool) -> bool:
    """Gives the call back, to be tried again when `due`. `uncertain` says that it may have had its effect."""
    done = await con.execute(
        "update partner_call set status = 'pending', due = $3, error = $4, uncertain = $5 "
        "where id = $1 and lease_token = $2 and status = 'leased'",
        call.id,
        call.lease_token,
        due,
        error,
        uncertain,
    )
    return str(done) == "UPDATE 1"


async def save_exhausted(con: Connection, call: Leased, error: str, occurrence: UUID, uncertain: bool) -> bool:
    """Gives the call up. `uncertain` says that it may have had its effect: whoever makes it again must know."""
    done = await con.execute(
        "update partner_call set status = 'exhausted', error = $3, finished_at = now(), occurrence = $4, "
        "uncertain = $5 where id = $1 and lease_token = $2 and status = 'leased'",
        call.id,
        call.lease_token,
        error,
        occurrence,
        uncertain,
    )
    return str(done) == "UPDATE 1"
