-- Edges alive at the cut: of all facts on an unordered pair the latest wins, by (timestamp, partition, offset). Facts with
-- one event id count once: the first of them by (partition, offset).
create temp table live_edge as
with repeated as (
  select event_id from edge group by event_id having count(*) > 1
),
counted as (
  select * from edge anti join repeated using (event_id)
  union all
  select *
  from edge semi join repeated using (event_id)
  qualify row_number() over (partition by event_id order by partition_number, "offset") = 1
)
select lo, hi
from counted
group by lo, hi
having max_by(kind, (timestamp, partition_number, "offset")) = 'equiv';
