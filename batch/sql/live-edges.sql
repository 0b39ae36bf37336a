-- Live edges at the cut: for each unordered pair, the latest fact that is not a repeat wins, by (timestamp, partition,
-- offset).
create temp table live_edge as
select lo, hi
from edge
anti join repeated_edge using (partition, "offset")
group by lo, hi
having max_by(kind, (timestamp, partition, "offset")) = 1;
