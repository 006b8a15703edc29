"""The JSON API of access."""

from services.access.api import me, organisations, people, tokens

BLUEPRINTS = (
    tokens.blueprint,
    tokens.registrations,
    me.blueprint,
    organisations.blueprint,
    people.blueprint,
)
