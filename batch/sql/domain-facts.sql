select domain_id as subject, hour, coupon from fact order by domain_id, hour, coupon;
