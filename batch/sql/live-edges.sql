-- Edges alive at the cut: of all facts on an unordered pair that are no repeats the latest wins, by (timestamp, partition,
-- offset).
create temp table live_edge as
select lo, hi
from edge
anti join repeated_edge using (partition, "offset")
group by lo, hi
having max_by(kind, (timestamp, partition, "offset")) = 1;
