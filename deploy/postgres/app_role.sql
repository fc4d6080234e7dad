-- Run once by PostgreSQL's image, when the data volume is still empty. The role of bot and workers: what it may do, the migration
-- grants (APP_ROLE). The password comes through the environment, where no list of processes shows it.
\getenv password APP_PASSWORD
CREATE ROLE neurocards_app LOGIN PASSWORD :'password';
