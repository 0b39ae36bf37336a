-- The live edges of some persons, as texts, for verification: numbers are those of all their ids.
select encode(lo), encode(hi)
from live_edge
where lo in (select id from edge_id where rowid in ({numbers}))
order by lo, hi;
