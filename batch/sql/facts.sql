-- What is counted: no repeats, no bots, no refused URLs.
create temp table fact as
select
  page.page_id,
  domain.domain_id,
  cast(floor(timestamp / 3600000) as integer) as hour,
  pageviews.timestamp,
  visitor.person_id,
  visitor.coupon
from pageviews
join raw_url on raw_url.url = pageviews.url
join page on page.url = raw_url.page
join domain on domain.domain = page.domain
join visitor on visitor.visitor = pageviews.visitor
anti join repeat on repeat.partition_number = pageviews.partition_number and repeat."offset" = pageviews."offset"
where pageviews.invalid_reason is null
  and (pageviews.user_agent is null or pageviews.user_agent not in (select user_agent from bot));
