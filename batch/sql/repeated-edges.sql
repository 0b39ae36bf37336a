-- Edge facts that repeat an earlier one, by (partition, offset), with the same event id, kind and pair (facts/repeat.ts). They do
-- not count.
create temp table repeated_edge as
select partition, "offset"
from edge
semi join (select event from edge where event > 0 group by event having count(*) > 1) using (event)
qualify row_number() over (partition by event, kind, lo, hi order by partition, "offset") > 1;
