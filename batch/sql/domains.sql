-- Registrable domains numbered in UTF-8 byte order.
create temp table domain as
select domain, cast(row_number() over (order by domain) - 1 as integer) as domain_id
from (select distinct domain from page);
