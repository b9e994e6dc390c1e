-- depends: 0003_find_dead_letters

-- Without these the planner takes each letter for an hour, and a day, of its own.
create statistics dead_letter_facts_hour on (date_trunc('hour', last_at at time zone 'UTC')) from dead_letter_facts;
create statistics dead_letter_facts_day on (date_trunc('day', last_at at time zone 'UTC')) from dead_letter_facts;
