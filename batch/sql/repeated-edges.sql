-- Edge facts that repeat an earlier one: same event id, kind and pair (lib/facts/repeat.ts). Earlier is by (partition,
-- offset). They do not count.
create temp table repeated_edge as
select partition_number, "offset"
from edge
semi join (select event_id from edge group by event_id having count(*) > 1) using (event_id)
qualify row_number() over (partition by event_id, kind, lo, hi order by partition_number, "offset") > 1;
