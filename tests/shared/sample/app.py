"""The sample services as the web server finds them."""

from __future__ import annotations

import os

from flask import Flask

from shared.service import Instance, Service
from shared.web.app import build_app
from tests.shared.sample import LISTENER, TELLER
from tests.shared.sample.notes import NOTES


def by_name(name: str) -> Service:
    return next(service for service in (TELLER, LISTENER, NOTES) if service.name == name)


def create_app() -> Flask:
    return build_app(Instance.from_env(by_name(os.environ["SAMPLE"])))
