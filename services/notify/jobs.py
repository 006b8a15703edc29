"""What notify does by the clock."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from services.notify import commands, gateways, queries
from services.notify.config import NotifyConfig
from services.notify.domain import mail
from services.notify.domain.delivery import Outcome
from services.notify.domain.mail import BadAddress, Letter
from shared.clock import utc_now
from shared.service import Instance, Job

log = logging.getLogger(__name__)

TOGETHER = 50  # mails taken at once, over one connection
BATCHES = 4  # a run; what is left waits for the next one, so that a stop is never far


def deliver_notices(notify: Instance, *, now: datetime | None = None) -> None:
    """Send what is due.

    No transaction is open while the mail server is spoken to, and each mail is noted as soon as it was
    taken. A crash in between sends that one mail twice, with the same Message-ID, rather than never.
    """
    for _ in range(BATCHES):
        if not _deliver_batch(notify, now=now or utc_now()):
            return


def _deliver_batch(notify: Instance, *, now: datetime) -> bool:
    """Whether there may be more to send at once."""
    config = notify.config
    assert isinstance(config, NotifyConfig)
    with notify.snapshot() as session:
        if not queries.is_due(session, now=now):
            return False
    with notify.begin(now=now) as uow:
        letters = commands.take_due(
            uow, limit=TOGETHER, sender=mail.address(config.mail_sender), public_url=config.public_url
        )
    with gateways.open_post(config.smtp_url) as post:
        for letter in letters:
            if not _deliver(notify, post, letter, now=now):
                return False
    return True


def _deliver(notify: Instance, post: gateways.Post, letter: Letter, *, now: datetime) -> bool:
    """Whether the next one is worth trying."""
    outcome, code, detail, down = Outcome.SENT, None, "", False
    try:
        post.send(mail.message(letter))
    except BadAddress as error:
        outcome, detail = Outcome.REFUSED, str(error)
    except gateways.NotSent as error:
        outcome = Outcome.REFUSED if error.final else Outcome.POSTPONED
        code, detail, down = error.code, str(error), error.down
        log.warning("mail for notice %s was not sent: %s %s", letter.notice_id, code or "", detail)
    with notify.begin(now=now, correlation_id=letter.correlation_id) as uow:
        commands.note_attempt(uow, letter, outcome=outcome, code=code, detail=detail)
    return not down


JOBS = (Job(deliver_notices, every=timedelta(seconds=3)),)
