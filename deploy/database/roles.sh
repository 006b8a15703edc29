#!/bin/sh
# One database for each service, with two roles: <service>_owner, which migrations use, and <service>, which the
# running service uses and which may not change tables. No role may enter another service's database.
#
# Run by the database's image when its volume is new. Safe to repeat, for instance after a service was added:
#   docker compose exec database sh /docker-entrypoint-initdb.d/roles.sh
set -eu
secrets=${SECRETS:-/run/secrets}
sql() { PGOPTIONS='-c client_min_messages=warning' psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" "$@"; }
password_in() { sed -n 's|^[^:]*://[^:]*:\([^@]*\)@.*|\1|p' "$secrets/$1"; }

for service in access catalogue booking notify usage_stats; do
  owner=${service}_owner
  sql --dbname postgres --set "service=$service" --set "owner=$owner" \
    --set "password=$(password_in "${service}_database_url")" \
    --set "owner_password=$(password_in "${service}_owner_url")" <<'SQL'
SELECT format('CREATE ROLE %I LOGIN', role) FROM unnest(ARRAY[:'service', :'owner']) AS role
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) \gexec
ALTER ROLE :"service" PASSWORD :'password';
ALTER ROLE :"owner" PASSWORD :'owner_password';
SELECT format('CREATE DATABASE %I OWNER %I', :'service', :'owner')
 WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'service') \gexec
REVOKE ALL ON DATABASE :"service" FROM PUBLIC;
GRANT CONNECT ON DATABASE :"service" TO :"service";
SQL
  sql --dbname "$service" --set "service=$service" --set "owner=$owner" <<'SQL'
REVOKE ALL ON SCHEMA public FROM PUBLIC;
ALTER SCHEMA public OWNER TO :"owner";
GRANT USAGE ON SCHEMA public TO :"service";
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" IN SCHEMA public
  GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO :"service";
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" IN SCHEMA public
  GRANT USAGE, SELECT, UPDATE ON SEQUENCES TO :"service";
SQL
done
# The operators that let a constraint refuse overlapping bookings.
sql --dbname booking --command 'CREATE EXTENSION IF NOT EXISTS btree_gist'
sql --dbname postgres --command 'REVOKE ALL ON DATABASE postgres, template1 FROM PUBLIC'
