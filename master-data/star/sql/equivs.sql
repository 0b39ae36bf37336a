-- The edges of one master file in numbers, a row for each of its rows and in their order. An end is 0 in a row that is no
-- fact, or where the id is a placeholder; kind is 1 for equiv and 2 for retract.
select
  coalesce(swa_ends(a), 0) as a,
  coalesce(swa_ends(b), 0) as b,
  cast(coalesce(case kind when 'equiv' then 1 when 'retract' then 2 end, 0) as integer) as kind,
  coalesce(swa_events(event_id), 0) as event,
  coalesce(timestamp, -1) as timestamp,
  "offset"
from {source}
