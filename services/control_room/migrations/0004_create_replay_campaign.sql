-- depends: 0001_create_control_room

create table replay_campaign (
    key text primary key,
    version int not null,
    body jsonb not null,
    updated_at timestamptz not null default now(),
    status text not null generated always as (body ->> 'status') stored
) with (fillfactor = 50);

-- The frozen set of a campaign, in the order in which it is replayed.
create table replay_letter (
    campaign text not null,
    place int not null,
    occurrence text not null,
    edited bytea,
    primary key (campaign, place)
);

-- Turns of campaigns: who ordered them, what campaigns did by themselves. Append-only, as what follows.
create table replay_campaign_step (
    row_id uuid primary key,
    campaign text not null,
    step text not null,
    at timestamptz not null,
    actor text,
    reason text,
    outcome text
);
create index replay_campaign_step_campaign on replay_campaign_step (campaign, at);

create table replay_edit (
    campaign text not null,
    occurrence text not null,
    at timestamptz not null,
    original bytea not null,
    edited bytea not null,
    difference text not null,
    primary key (occurrence, campaign)
);

create table replay_finding (
    campaign text not null,
    place int not null,
    occurrence text not null,
    finding text not null,
    detail text not null,
    at timestamptz not null,
    primary key (campaign, place)
);

create trigger replay_letter_is_append_only before update or delete on replay_letter
for each row execute function refuse_change();
create trigger replay_campaign_step_is_append_only before update or delete on replay_campaign_step
for each row execute function refuse_change();
create trigger replay_edit_is_append_only before update or delete on replay_edit
for each row execute function refuse_change();
create trigger replay_finding_is_append_only before update or delete on replay_finding
for each row execute function refuse_change();
