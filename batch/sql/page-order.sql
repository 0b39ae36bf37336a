select url from page order by page_id;
