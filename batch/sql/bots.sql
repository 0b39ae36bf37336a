-- User agents that the versioned rule keeps out of the views.
create temp table bot as
select user_agent
from (select distinct user_agent from pageviews where user_agent is not null)
where swa_is_bot(user_agent);
