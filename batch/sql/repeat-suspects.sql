-- Hashes that more than one pageview's event id has: all true repeats, and a few strangers that share a hash.
create temp table suspect as
select hash(event_id) as event_hash
from pageviews
where invalid_reason is null
group by event_hash
having count(*) > 1;
