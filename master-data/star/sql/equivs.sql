-- The edges and exclusions of one master file as numbers, one row for each of its rows, in order. An end is 0 if the
-- row is not an edge or the id is a placeholder; kind is 1 for equiv, 2 for retract, 3 for exclude and 4 for include.
-- An excluded subject is numbered as one text: [by, value, from, to] as JSON.
select
  coalesce(swa_ends(a), 0) as a,
  coalesce(swa_ends(b), 0) as b,
  cast(coalesce(case kind when 'equiv' then 1 when 'retract' then 2 when 'exclude' then 3 when 'include' then 4 end, 0) as integer) as kind,
  coalesce(swa_events(event_id), 0) as event,
  case when "by" is null then 0 else swa_exclusions(json_array("by", value, "from", "to")) end as exclusion,
  coalesce(timestamp, -1) as timestamp,
  "offset"
from {source}
