"""The keys that sign access tokens: there is always one, and the next is known before it signs."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.exc import IntegrityError

from services.access import queries
from services.access.domain import tokens
from services.access.models import SigningKey
from shared.unit_of_work import UnitOfWork


def signing_key(uow: UnitOfWork) -> SigningKey:
    """The key that signs now; the first one is made when there is none."""
    keys = queries.signing_keys(uow.session) or _added(uow, generation=1)
    return next((key for key in keys if key.signs_from <= uow.now), keys[-1])


def rotate_keys(uow: UnitOfWork) -> None:
    """Publish the next key when it is time, retire those that no longer sign, forget those nobody needs."""
    signing = signing_key(uow)
    newest = queries.signing_keys(uow.session)[0]
    if newest.created_at <= uow.now - tokens.KEY_LIFE:
        _added(uow, generation=newest.generation + 1)
    for key in queries.signing_keys(uow.session):
        if key.generation < signing.generation and key.retired_at is None:
            key.retired_at = uow.now
        elif key.retired_at is not None and key.retired_at <= uow.now - tokens.KEY_AFTERLIFE:
            uow.session.delete(key)


def _added(uow: UnitOfWork, *, generation: int) -> Sequence[SigningKey]:
    """All keys, newest first, after adding one; somebody else may have added it at the same moment."""
    private = tokens.new_key()
    signs_from = uow.now if generation == 1 else uow.now + tokens.KEY_AHEAD
    try:
        with uow.session.begin_nested():
            uow.session.add(
                SigningKey(
                    generation=generation,
                    kid=private["kid"],
                    private_jwk=private,
                    created_at=uow.now,
                    signs_from=signs_from,
                )
            )
    except IntegrityError:
        pass
    return queries.signing_keys(uow.session)
