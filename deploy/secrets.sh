#!/bin/sh
# Make the passwords of an installation, once: what is there already stays as it is. Nobody has to read or remember
# them; only admin_password, with which the first administrator signs in, is meant for a person.
#
#   deploy/secrets.sh [FOLDER]      (deploy/secrets, which git ignores)
#
# To change one, delete its file, run this again, and restart what uses it (for a database: run roles.sh again).
# The folder keeps others out; the files are readable because the containers' users are not the one who runs this.
set -eu
folder=${1:-$(dirname "$0")/secrets}
services="access catalogue booking notify usage_stats"
umask 077
mkdir -p "$folder"
chmod 700 "$folder"

random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
put() { # put NAME: what is read, whole or not at all
  cat >"$folder/.$1"
  chmod 444 "$folder/.$1"
  mv -f "$folder/.$1" "$folder/$1"
}
once() { # once NAME TEXT
  [ -s "$folder/$1" ] || printf '%s\n' "$2" | put "$1"
}
password_in() { sed -n 's|^[^:]*://[^:]*:\([^@]*\)@.*|\1|p' "$folder/$1"; }

once database_admin_password "$(random)"
once service_secret "$(random)"
once admin_password "$(random)"
once broker_admin_url "amqp://administrator:$(random)@broker:5672/infrashare"
for service in $services; do
  once "${service}_database_url" "postgresql+psycopg://$service:$(random)@database:5432/$service"
  once "${service}_owner_url" "postgresql+psycopg://${service}_owner:$(random)@database:5432/$service"
  once "${service}_broker_url" "amqp://$service:$(random)@broker:5672/infrashare"
done

# Each service may read its own queue and tell its own events; only the administrator declares.
{
  users= permissions= topics=
  for service in $services; do
    users="$users,
    {\"name\": \"$service\", \"password\": \"$(password_in "${service}_broker_url")\", \"tags\": \"\"}"
    permissions="$permissions,
    {\"user\": \"$service\", \"vhost\": \"infrashare\", \"configure\": \"^\$\", \"write\": \"^infrashare\\\\.events\$\", \"read\": \"^infrashare\\\\.$service\$\"}"
    topics="$topics
    {\"user\": \"$service\", \"vhost\": \"infrashare\", \"exchange\": \"infrashare.events\", \"write\": \"^$service\\\\.\", \"read\": \"^\$\"},"
  done
  cat <<JSON
{
  "vhosts": [{"name": "infrashare"}],
  "users": [
    {"name": "administrator", "password": "$(password_in broker_admin_url)", "tags": "administrator"}$users
  ],
  "permissions": [
    {"user": "administrator", "vhost": "infrashare", "configure": ".*", "write": ".*", "read": ".*"}$permissions
  ],
  "topic_permissions": [${topics%,}
  ]
}
JSON
} | put broker_definitions.json
