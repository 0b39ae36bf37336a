-- Independent recount of sampled pages, straight from the facts: what each hour must hold. The days are statements of
-- recount-day.sql, united.
select url, hour, user_agent, visitor
from ({days})
order by hour;
