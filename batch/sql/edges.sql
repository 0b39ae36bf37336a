-- Edge facts that may join, by the numbers of their ids: without invalid records, records that are refused today (files of earlier
-- versions contain them as facts), and edges of erased ids.
create temp table edge as
select least(a, b) as lo, greatest(a, b) as hi, kind, timestamp, partition, "offset", event
from equivs
where a > 0 and b > 0 and kind in (1, 2) and swa_is_time(timestamp) and a not in ({erased}) and b not in ({erased});
