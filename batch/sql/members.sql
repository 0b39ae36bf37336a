-- All ids of every person of two or more, the PersonID among them.
select person, id
from (select person, id from mapping union all select distinct person, person from mapping)
order by person, id;
