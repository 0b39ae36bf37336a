-- Exclusions in force at the cut, by the numbers of their rules: for each rule, the latest fact wins, by (timestamp,
-- partition, offset). Also returns the number of facts per rule.
select exclusion, cast(max_by(kind, (timestamp, partition, "offset")) = 3 as integer) as lives, cast(count(*) as integer) as facts
from equivs
where exclusion > 0 and kind in (3, 4) and swa_is_time(timestamp)
group by exclusion
order by exclusion;
