-- Every spelling of a URL once, with the page it means by the shared URL rules; null where they refuse it.
create temp table raw_url as
select url, swa_normalize(url) as page
from (select distinct url from pageviews where invalid_reason is null);
