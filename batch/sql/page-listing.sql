-- Pages with pageviews by domain, for the listings.
select domain.domain, page.url, count(*) as pageviews
from fact
join page using (page_id)
join domain on domain.domain_id = fact.domain_id
group by domain.domain, page.url, page.page_id
order by domain.domain, page.page_id;
