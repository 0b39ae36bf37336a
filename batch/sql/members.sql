-- All ids of every person of two or more, the PersonID among them, with the hashes that facts are collected by.
select person, id, hash(id) as id_hash
from (select person, id from mapping union all select distinct person, person from mapping)
order by person, id;
