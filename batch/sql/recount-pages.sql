-- Independent recount of the sampled pages (table sample_page), straight from the facts: what each hour must hold.
with counted as (
  select pageviews.*
  from pageviews
  anti join repeat using (partition_number, "offset")
  where invalid_reason is null
    and not coalesce(swa_is_bot(user_agent), false)
    and url in (select url from raw_url where page in (select url from sample_page))
)
select
  swa_normalize(url) as page,
  cast(floor(timestamp / 3600000) as integer) as hour,
  cast(count(*) as integer) as pageviews,
  list(distinct swa_coupon(coalesce(mapping.person, visitor))) as coupons
from counted
left join mapping on mapping.id = visitor
group by all;
