select id, person from mapping order by id;
