-- The pageviews that are facts and no repeats.
create temp view counted as
select *
from pageviews
anti join repeat using (partition_number, "offset")
where invalid_reason is null;
