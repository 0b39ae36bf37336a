-- Edge facts that may join, by the numbers of their ids: no invalid records, and nothing that a record is refused for today (files of
-- earlier versions hold it as facts). No edge of an erased id joins.
create temp table edge as
select least(a, b) as lo, greatest(a, b) as hi, kind, timestamp, partition, "offset", event
from equivs
where a > 0 and b > 0 and kind in (1, 2) and swa_is_time(timestamp) and a not in ({erased}) and b not in ({erased});
