"""What the views of pages share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import redirect, render_template, request
from marshmallow import ValidationError, fields
from werkzeug.wrappers import Response

from shared.errors import DomainError, Fault
from shared.web.errors import faults_of, status_of

EMPTY = str(fields.Field.default_error_messages["required"])


def is_htmx() -> bool:
    """Whether a part of a page is asked for, rather than a page."""
    return "HX-Request" in request.headers and "HX-Boosted" not in request.headers


def render(page: str, *, fragment: str = "", **context: Any) -> str:
    """The page; or, for htmx, the part of it that `fragment` names."""
    return render_template(fragment if fragment and is_htmx() else page, **context)


def redirect_to(address: str) -> Response:
    """Where to go after a form was accepted; the browser asks for it anew."""
    return redirect(address, 303)


def form_errors(error: ValidationError | DomainError) -> tuple[list[dict[str, Any]], int]:
    """What to say beside the fields of a form that was refused, and the status to say it with."""
    if isinstance(error, ValidationError):
        messages = error.normalized_messages()  # type: ignore[no-untyped-call]  # with the field, where it has one
        return _shown([_for_people(fault) for fault in faults_of(messages)]), 422
    return _shown(error.faults or (Fault(error.code, str(error)),)), int(status_of(error))


def _for_people(fault: Fault) -> Fault:
    """marshmallow speaks of an empty field to programs; forms say which one it is."""
    if fault.detail != EMPTY:
        return fault
    return Fault(fault.code, f"Fill in: {fault.field.replace('_', ' ')}.", fault.field)


def _shown(faults: Sequence[Fault]) -> list[dict[str, Any]]:
    return [{"field": fault.field, "code": fault.code, "detail": fault.detail} for fault in faults]
