-- Every visitor id of a pageview, its person, and the person's coupon.
create temp table visitor as
with seen as (
  select visitor, coalesce(mapping.person, visitor) as person
  from (select distinct visitor from pageviews where invalid_reason is null)
  left join mapping on mapping.id = visitor
),
person as (
  select person, cast(row_number() over () - 1 as integer) as person_id, swa_coupon(person) as coupon
  from (select distinct person from seen)
)
select seen.visitor, person.person_id, person.coupon
from seen
join person on person.person = seen.person;
