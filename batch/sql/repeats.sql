-- Pageviews that repeat an earlier one: same partition, event id, visitor and page as one that itself counts
-- (lib/facts/repeat.ts). Earlier is by offset. They do not count. swa_suspect knows the hashes of event ids that the repeat
-- finder saw more than once; here the texts themselves are compared.
create temp table repeat as
select partition_number, "offset"
from (
  select partition_number, "offset", event_id, visitor, swa_page(url) as page
  from pageviews
  where invalid_reason is null
    and swa_is_time(timestamp)
    and not swa_is_nobody(visitor)
    and swa_suspect(hash(event_id))
    and coalesce(swa_agent(user_agent), 0) = 0
)
where page > 0
qualify row_number() over (partition by partition_number, event_id, visitor, page order by "offset") > 1;
