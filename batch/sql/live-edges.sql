-- Edges alive at the cut: of all facts on an unordered pair the latest wins, by (timestamp, partition, offset).
-- Placeholder ids join nobody: a foreign producer may have written edges that our door would have refused.
create temp table live_edge as
select lo, hi
from (
  select
    least(a, b) as lo, greatest(a, b) as hi, kind, timestamp, partition_number, "offset", event_id
  from equivs
  where invalid_reason is null and not swa_is_nobody(a) and not swa_is_nobody(b)
  qualify row_number() over (partition by event_id order by partition_number, "offset") = 1
)
qualify row_number() over (partition by lo, hi order by timestamp desc, partition_number desc, "offset" desc) = 1
  and kind = 'equiv';
