-- Edge facts that may join: no invalid records, and nothing that a record is refused for today (files of earlier versions
-- hold it as facts).
create temp table edge as
select least(a, b) as lo, greatest(a, b) as hi, kind, timestamp, partition_number, "offset", event_id
from equivs
where invalid_reason is null
  and not contains(a, chr(31)) and not contains(b, chr(31)) -- ids have no control characters; this one separates packed texts
  and not swa_is_nobody(a) and not swa_is_nobody(b)
  and swa_is_time(timestamp);
