"""The pages of access."""

from services.access.pages import account, administration, door, organisation

BLUEPRINTS = (door.blueprint, account.blueprint, organisation.blueprint, administration.blueprint)
