-- Pages to be recounted: the four busiest and a spread of others. hash() only spreads; any choice would do.
create temp table sample_page as
with counted as (select page_id, count(*) as pageviews from fact group by page_id),
chosen as (
  (select page_id from counted order by pageviews desc, page_id limit 4)
  union
  (select page_id from counted where pageviews <= 100000 order by hash(page_id) limit 20)
)
select page.url, page.domain from chosen join page using (page_id);
