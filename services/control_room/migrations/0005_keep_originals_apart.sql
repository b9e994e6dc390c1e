-- depends: 0003_find_dead_letters 0004_create_replay_campaign

-- A dead letter as it was recorded, written once: an action on it changes its narrow row in `dead_letter` only.
create table dead_letter_original (
    occurrence text primary key,
    service text generated always as (letter ->> 'service') stored,
    kind text generated always as (letter ->> 'kind') stored,
    reason text generated always as (letter ->> 'reason') stored,
    event_type text generated always as (letter ->> 'event_type') stored,
    event_source text generated always as (letter ->> 'event_source') stored,
    event_id text generated always as (letter ->> 'event_id') stored,
    service_version text generated always as (letter ->> 'service_version') stored,
    letter jsonb not null
) with (toast_tuple_target = 256);
insert into dead_letter_original (occurrence, letter)
select key, body -> 'letter' from dead_letter where body ? 'letter';
update dead_letter set body = (body - 'letter') || '{"recorded": true}' where body ? 'letter';
alter table dead_letter reset (toast_tuple_target);
-- Rows are narrow now. Without an index on what an action changes, a new status is a new version in the same page.
drop index dead_letter_now;
drop index dead_letter_over;
create trigger dead_letter_original_is_written_once before update on dead_letter_original
for each row execute function refuse_change();

-- An action's step is known by its key; nothing looked entries of the journal up by their correlation.
alter table dead_letter_action drop column row_id;
drop index journal_correlation;

-- What a campaign is made of goes with the campaign, long after it is over. Its turns stay, as actions do.
drop trigger replay_letter_is_append_only on replay_letter;
drop trigger replay_edit_is_append_only on replay_edit;
drop trigger replay_finding_is_append_only on replay_finding;
create trigger replay_letter_is_written_once before update on replay_letter
for each row execute function refuse_change();
create trigger replay_edit_is_written_once before update on replay_edit
for each row execute function refuse_change();
create trigger replay_finding_is_written_once before update on replay_finding
for each row execute function refuse_change();
create index replay_edit_campaign on replay_edit (campaign);
