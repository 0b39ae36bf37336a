-- Pageviews whose event id an earlier one has; earlier is by (partition, offset). They do not count. swa_suspect knows
-- the hashes that the repeat finder saw more than once; here the ids themselves are compared.
create temp table repeat as
select partition_number, "offset"
from (
  select partition_number, "offset", event_id
  from pageviews
  where invalid_reason is null and swa_suspect(hash(event_id))
)
qualify row_number() over (partition by event_id order by partition_number, "offset") > 1;
