-- depends: 0005_keep_originals_apart

-- A step of an action is one row for all the letters that it was about: who asked for a thousand letters and why, and
-- which of them ended how, are a few rows in place of two thousand.
drop index dead_letter_action_occurrence;
alter table dead_letter_action alter column occurrence type text[] using array[occurrence];
alter table dead_letter_action rename column occurrence to occurrences;
create index dead_letter_action_occurrences on dead_letter_action using gin (occurrences);
create index dead_letter_action_failed on dead_letter_action (split_part(action_id, '/', 1)) where step = 'failed';

-- Only what names no order is looked up by its id; an event's source and id together are its `ref`.
drop index journal_id;
create index journal_id on journal (id) where order_id is null;
