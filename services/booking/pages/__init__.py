"""The pages of booking."""

from services.booking.pages import bookings, downtime, inbox, request, terms

BLUEPRINTS = (request.blueprint, bookings.blueprint, inbox.blueprint, downtime.blueprint, terms.blueprint)
