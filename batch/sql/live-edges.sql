-- Edges alive at the cut: of all facts on an unordered pair the latest wins, by (timestamp, partition, offset).
create temp table live_edge as
select lo, hi
from (
  select *
  from edge
  qualify row_number() over (partition by event_id order by partition_number, "offset") = 1
)
qualify row_number() over (partition by lo, hi order by timestamp desc, partition_number desc, "offset" desc) = 1
  and kind = 'equiv';
