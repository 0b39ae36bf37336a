-- Pageviews whose event id an earlier one has; earlier is by (partition, offset). They do not count.
create temp table repeat as
select partition_number, "offset"
from pageviews
where invalid_reason is null and hash(event_id) in (select event_hash from suspect)
qualify row_number() over (partition by event_id order by partition_number, "offset") > 1;
