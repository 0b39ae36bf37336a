-- Hands every counted pageview to the fact collector, which keeps dictionaries by hash and looks at a string once.
select count(
  swa_collect(hash(url), url, hash(visitor), visitor, timestamp, hash(user_agent), user_agent)
)
from counted;
