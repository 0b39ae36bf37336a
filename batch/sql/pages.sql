-- Pages numbered in the order of their keys in the index (serving/index-file.ts, textKey).
create temp table page as
select
  page as url,
  swa_domain(page) as domain,
  cast(row_number() over (
    order by case when strlen(page) > 1900 then page[:1900] || chr(0) || sha256(page) else page end
  ) - 1 as integer) as page_id
from (select distinct page from raw_url where page is not null);
