select page_id as subject, hour, coupon from fact order by page_id, hour, coupon;
