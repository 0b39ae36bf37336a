-- Edge facts that may join, by the numbers of their ids: without invalid records, records that are refused today (files of earlier
-- versions contain them as facts), edges of erased ids, and edges that are too old: neither of their ids has a pageview since {keptFrom}.
create temp table edge as
with fact as (
  select least(a, b) as lo, greatest(a, b) as hi, kind, timestamp, partition, "offset", event
  from equivs
  where a > 0 and b > 0 and kind in (1, 2) and swa_is_time(timestamp) and a not in ({erased}) and b not in ({erased})
),
old_id as (select distinct unnest([lo, hi]) as visitor from fact where timestamp < {keptFrom}),
seen as (select distinct visitor from pageviews semi join old_id using (visitor) where timestamp >= {keptFrom} and swa_is_time(timestamp))
select * from fact where timestamp >= {keptFrom} or lo in (from seen) or hi in (from seen);
