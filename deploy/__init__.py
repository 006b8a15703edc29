"""The one place that knows all services: it puts them together and runs them."""
