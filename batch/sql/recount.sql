-- Independent recount of sampled pages, straight from the facts: what each hour must hold. The days are statements of
-- recount-day.sql, united.
select encode(url), hour, encode(user_agent), encode(visitor)
from ({days})
order by hour;
