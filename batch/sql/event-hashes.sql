-- Hands the hash of every event id to the repeat finder.
select count(swa_seen(hash(event_id))) from pageviews where invalid_reason is null;
