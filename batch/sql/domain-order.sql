select domain from domain order by domain_id;
