"""The shapes of JSON, forms and calendars. They check form and type; the rules are in `domain`."""
