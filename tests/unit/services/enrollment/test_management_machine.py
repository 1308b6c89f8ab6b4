"""Whatever two sessions do with the authenticators of one user, in whatever order, and told twice."""

import hashlib
import itertools
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from services.enrollment.domain.ledger import Attempts
from services.enrollment.domain.management import add, confirm_added, remove, rename, step_up
from services.enrollment.domain.owner import NAME, Account, Decision, Occasion, Owner, State
from services.enrollment.domain.vault import Vault
from shared.contracts.enrollment import EnrollmentRejected, EnrollmentStarted, OtpRejected
from shared.contracts.management import (
    MOST_AUTHENTICATORS,
    AdditionAllowed,
    AuthenticatorAdded,
    AuthenticatorRemoved,
    ConfirmAuthenticator,
    InSession,
    RemovalAllowed,
    RenameAuthenticator,
    StepUp,
    StepUpVerified,
)
from shared.contracts.message import Event
from shared.contracts.refusals import LastAuthenticator, NameTaken, NotFound, TooManyAuthenticators
from shared.contracts.vocabulary import AuthenticatorId, FlowId
from shared.crypto import otp
from shared.crypto.keyring import Keyring
from shared.crypto.recovery_codes import new_recovery_codes
from tests.examples import ADA, NOON
from tests.keys import Keys
from tests.unit.services.enrollment.test_state_machine import GlassVault

KEYS = Keys()
ACCOUNT = Account("The customer-1", ADA.username)
CODES = new_recovery_codes()
LOGINS = st.sampled_from([FlowId("one session"), FlowId("another session")])
WHICH = st.integers(0, MOST_AUTHENTICATORS - 1)
NAMES = st.sampled_from([NAME, f"{NAME} 2", "Tablet", "tablet"])


class Management(RuleBasedStateMachine):
    """Two sessions of one user who began with one authenticator; one is required."""

    def __init__(self) -> None:
        super().__init__()
        told = (hashlib.sha256(str(number).encode()).digest()[:20] for number in itertools.count())
        self.vault: Vault = GlassVault(
            Keyring.parse(KEYS.keyring), KEYS.sealer(), new_secret=lambda: next(told), new_codes=lambda: CODES
        )
        self.now = NOON
        self.requests = itertools.count()
        owner = Owner(ADA.tenant_id, ADA.user_id, ACCOUNT)
        first = self.vault.authenticator(owner, ACCOUNT, self.vault.new_secret(), NOON)
        self.owner = owner.given(replace(first, state=State.ACTIVE))
        self.shown: dict[FlowId, EnrollmentStarted] = {}
        self.accepted: dict[AuthenticatorId, int] = {}
        self.bindings: dict[int, frozenset[AuthenticatorId]] = {}

    def asked(self, login: FlowId) -> dict[str, Any]:
        return {"flow_id": FlowId(f"request {next(self.requests)}"), "login": login, **dict(ADA.named)}

    def decide(self, message: InSession, decide: Callable[[Owner, Occasion], Decision]) -> Event:
        """Decide, and decide once more: told again, the same is told and nothing more is done."""
        occasion = Occasion(message.flow_id, self.now)
        self.owner, events = decide(self.owner, occasion)
        again, told_again = decide(self.owner, occasion)
        assert again.authenticators == self.owner.authenticators
        assert again.bindings == self.owner.bindings
        assert isinstance(told_again[0], type(events[0]))
        self.owner = replace(again, recovery=self.owner.recovery, attempts=Attempts())
        return events[0]

    @rule(seconds=st.sampled_from([30, 90, 900]))
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule(login=LOGINS)
    def one_is_started(self, login: FlowId) -> None:
        event = AdditionAllowed(
            **self.asked(login), occurred_at=self.now, username=ADA.username, issuer="A tenant", by_code=True
        )
        try:
            told = self.decide(event, lambda owner, occasion: add(owner, event, occasion, self.vault))
        except TooManyAuthenticators:
            assert len(self.owner.active) == MOST_AUTHENTICATORS
            return
        assert isinstance(told, EnrollmentStarted)
        others = [shown.provisioning for by, shown in self.shown.items() if by != login]
        assert told.provisioning not in others, "shown to another session"
        self.shown[login] = told

    @rule(login=LOGINS, shown_to=LOGINS, steps=st.integers(-2, 2))
    def a_first_code_is_typed(self, login: FlowId, shown_to: FlowId, steps: int) -> None:
        shown = self.shown.get(shown_to)
        if shown is None:
            return
        step = otp.step_at(self.now) + steps
        code = otp.code_at(otp.from_base32(shown.provisioning), step)
        command = ConfirmAuthenticator(**self.asked(login), authenticator_id=shown.authenticator_id, code="sealed")
        before = self.owner
        try:
            told = self.decide(
                command, lambda owner, occasion: confirm_added(owner, command, code, occasion, self.vault)
            )
        except (NotFound, TooManyAuthenticators):
            assert self.owner.active == before.active
            return
        if isinstance(told, AuthenticatorAdded):
            assert login == shown_to
            assert abs(steps) <= 1 or self.accepted.get(shown.authenticator_id) == step
            self.accepted[shown.authenticator_id] = max(step, self.accepted.get(shown.authenticator_id, step))
        else:
            assert isinstance(told, EnrollmentRejected)
            assert self.owner.active == before.active

    @rule(login=LOGINS, which=WHICH)
    def one_is_removed(self, login: FlowId, which: int) -> None:
        if which >= len(self.owner.active):
            return
        event = RemovalAllowed(
            **self.asked(login),
            occurred_at=self.now,
            authenticator_id=self.owner.active[which].id,
            even_the_last=False,
        )
        try:
            told = self.decide(event, lambda owner, occasion: remove(owner, event, occasion))
        except LastAuthenticator:
            assert len(self.owner.active) == 1
            return
        assert isinstance(told, AuthenticatorRemoved)
        assert told.left == len(self.owner.active)

    @rule(login=LOGINS, which=WHICH, name=NAMES)
    def one_is_renamed(self, login: FlowId, which: int, name: str) -> None:
        if which >= len(self.owner.active):
            return
        command = RenameAuthenticator(**self.asked(login), authenticator_id=self.owner.active[which].id, name=name)
        try:
            self.decide(command, lambda owner, occasion: rename(owner, command, occasion))
        except NameTaken:
            assert name.casefold() in {one.name.casefold() for one in self.owner.active}

    @rule(login=LOGINS, which=WHICH, steps=st.integers(-1, 1))
    def a_code_is_shown_anew(self, login: FlowId, which: int, steps: int) -> None:
        if which >= len(self.owner.active):
            return
        one = self.owner.active[which]
        step = otp.step_at(self.now) + steps
        code = otp.code_at(self.vault.secret_of(self.owner, one), step)
        command = StepUp(**self.asked(login), code="sealed")

        told = self.decide(command, lambda owner, occasion: step_up(owner, command, code, occasion, self.vault))

        if isinstance(told, OtpRejected):
            assert step <= one.last_step
        else:
            assert isinstance(told, StepUpVerified)
            assert step > one.last_step, "a code is good once"

    @invariant()
    def there_is_always_one_and_never_a_sixth(self) -> None:
        assert 1 <= len(self.owner.active) <= MOST_AUTHENTICATORS
        assert len(self.owner.authenticators) - len(self.owner.active) <= 1

    @invariant()
    def no_two_have_one_name_or_one_id(self) -> None:
        assert len({one.name.casefold() for one in self.owner.active}) == len(self.owner.active)
        assert len({one.id for one in self.owner.authenticators}) == len(self.owner.authenticators)

    @invariant()
    def nothing_is_active_without_its_own_first_code(self) -> None:
        assert all(one.started_by is None or one.id in self.accepted for one in self.owner.active)

    @invariant()
    def one_count_of_changes_stands_for_one_set_of_authenticators(self) -> None:
        active = frozenset(one.id for one in self.owner.active)
        assert self.bindings.setdefault(self.owner.bindings, active) == active


TestManagement = Management.TestCase
TestManagement.settings = settings(max_examples=80, stateful_step_count=30)
