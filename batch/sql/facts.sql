-- Hands every counted pageview to the fact collector. swa_page and swa_agent number the texts of URLs and user agents: of a
-- column that lies in the file as a dictionary and numbers, DuckDB asks for the dictionary alone.
select count(swa_take(swa_page(url), visitor, coalesce(swa_agent(user_agent), 0), timestamp)) from counted;
