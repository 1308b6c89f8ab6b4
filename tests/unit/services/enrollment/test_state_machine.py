"""Whatever happens in whatever order: a code is good once, nothing is active that was not proved, nobody guesses on."""

import hashlib
import itertools
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from services.enrollment.domain.enrollment import MOST_SETS, PENDING_FOR, confirm, resume, start
from services.enrollment.domain.ledger import Attempts
from services.enrollment.domain.owner import Account, Authenticator, Decision, Occasion, Owner
from services.enrollment.domain.vault import Vault
from services.enrollment.domain.verification import verify
from shared.contracts.attempts import FREE, MOST_IN_A_DAY, WAITS, Proof
from shared.contracts.enrollment import (
    EnrollmentConfirmed,
    EnrollmentRejected,
    EnrollmentStarted,
    OtpRejected,
    OtpVerified,
    RecoveryCodeUsed,
)
from shared.contracts.message import Event, MessageId
from shared.contracts.policy import OtpRequired
from shared.contracts.refusals import TooManyAttempts
from shared.contracts.vocabulary import AuthenticatorType, CodeFailure, FlowId, Sealed
from shared.crypto import otp
from shared.crypto.keyring import Keyring
from shared.crypto.recovery_codes import new_recovery_codes
from tests.examples import ADA, NOON
from tests.keys import Keys

KEYS = Keys()
ACCOUNT = Account("The customer-1", ADA.username)
CODES = new_recovery_codes()
FLOWS = st.sampled_from([FlowId(f"login {number}") for number in range(3)])
STEPS = st.integers(-2, 2)

WRONG = "ADA2-ADA2-ADA2-ADA2"

Decide = Callable[[Owner, Occasion], Decision]


def apart_from_the_count(owner: Owner) -> Owner:
    return replace(owner, attempts=Attempts())


class GlassVault(Vault):
    """Shows the secret as it is: with a QR code drawn at every step there would be time for few steps."""

    def provisioning(self, owner: Owner, authenticator: Authenticator, flow: FlowId) -> Sealed:
        del flow
        return otp.to_base32(self.secret_of(owner, authenticator))


class Logins(RuleBasedStateMachine):
    """Three logins of one user, his phone, and time."""

    def __init__(self) -> None:
        super().__init__()
        told = (hashlib.sha256(str(number).encode()).digest()[:20] for number in itertools.count())
        self.vault = GlassVault(
            Keyring.parse(KEYS.keyring), KEYS.sealer(), new_secret=lambda: next(told), new_codes=lambda: CODES
        )
        self.now = NOON
        self.owner = Owner(ADA.tenant_id, ADA.user_id)
        self.shown: EnrollmentStarted | None = None
        self.accepted: dict[int, FlowId] = {}
        self.spent: dict[str, FlowId] = {}
        self.last: tuple[Decide, Occasion, type[Event]] | None = None
        self.failures: dict[Proof, list[datetime]] = {Proof.TOTP: [], Proof.RECOVERY_CODE: []}
        self.last_success = Proof.TOTP
        self.numbers = itertools.count()

    @property
    def secret(self) -> bytes:
        assert self.shown is not None
        return otp.from_base32(self.shown.provisioning)

    @initialize(flow=FLOWS)
    def a_login_must_enroll(self, flow: FlowId) -> None:
        self.enrollment_shown(self.decide(flow, lambda owner, occasion: start(owner, ACCOUNT, occasion, self.vault)))

    @rule(seconds=st.sampled_from([10, 30, 60, 90, 900]))
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)
        if self.last is not None and not issubclass(self.last[2], OtpVerified | EnrollmentConfirmed):
            self.last = None  # only a yes stays what it was, however late its message comes again

    @rule(flow=FLOWS, is_new=st.booleans())
    def the_page_is_loaded(self, flow: FlowId, *, is_new: bool) -> None:
        if is_new:
            self.a_login_must_enroll(flow)
        else:
            self.enrollment_shown(self.decide(flow, lambda owner, occasion: resume(owner, occasion, self.vault)))

    @rule(flow=FLOWS, steps=STEPS)
    def a_first_code_is_typed(self, flow: FlowId, steps: int) -> None:
        code = self.code(steps)
        before, over = self.owner, self.is_over()

        event = self.attempt(Proof.TOTP, flow, lambda owner, occasion: confirm(owner, code, occasion, self.vault))

        if event is None:
            return
        if isinstance(event, EnrollmentConfirmed):
            assert before.active or not over
            self.is_accepted(code, flow)
        elif isinstance(event, EnrollmentRejected):
            assert over or self.is_no_good(code, flow) or len(before.recovery) == MOST_SETS
            assert apart_from_the_count(self.owner) == apart_from_the_count(before)
        else:
            assert isinstance(event, OtpRequired)
            assert before.active
            assert not before.confirmed_by(flow)

    @rule(flow=FLOWS, steps=STEPS)
    def a_code_is_typed(self, flow: FlowId, steps: int) -> None:
        code, before = self.code(steps), self.owner

        event = self.attempt(
            Proof.TOTP,
            flow,
            lambda owner, occasion: verify(owner, AuthenticatorType.TOTP, code, occasion, self.vault),
        )

        if event is None:
            return
        if isinstance(event, OtpVerified | EnrollmentConfirmed):
            self.is_accepted(code, flow)
            may_see_codes = before.confirmed_by(flow) and len(before.recovery) < MOST_SETS
            assert isinstance(event, EnrollmentConfirmed) == bool(may_see_codes)
        elif isinstance(event, OtpRejected):
            assert self.is_no_good(code, flow)
            assert apart_from_the_count(self.owner) == apart_from_the_count(before)
        else:
            assert not before.active
            self.enrollment_shown(event)

    @precondition(lambda self: self.owner.active)
    @rule(flow=FLOWS, code=st.sampled_from((*CODES[0][:3], WRONG)))
    def a_recovery_code_is_typed(self, flow: FlowId, code: str) -> None:
        before = self.owner

        event = self.attempt(
            Proof.RECOVERY_CODE,
            flow,
            lambda owner, occasion: verify(owner, AuthenticatorType.RECOVERY_CODE, code, occasion, self.vault),
        )

        if event is not None:
            is_good = code != WRONG and self.spent.setdefault(code, flow) == flow
            assert isinstance(event, OtpVerified) == is_good
        assert self.owner.active == before.active

    @precondition(lambda self: self.last)
    @rule()
    def the_message_comes_again(self) -> None:
        assert self.last is not None
        decide, occasion, answer = self.last
        before = self.owner

        try:
            after, events = decide(before, replace(occasion, now=self.now))
        except TooManyAttempts:
            assert any(self.must_wait(proof) for proof in self.failures)
            return

        if issubclass(answer, OtpVerified | EnrollmentConfirmed):
            self.failures[self.last_success] = []
        else:
            assert after.attempts == before.attempts
        # There are so many sets of recovery codes at most; then the same code is no more than good, or used up.
        instead = EnrollmentRejected | OtpVerified if answer is EnrollmentConfirmed else answer
        assert isinstance(events[0], answer | instead)
        assert not any(isinstance(event, RecoveryCodeUsed) for event in events)
        assert (after.authenticators, after.account) == (before.authenticators, before.account)
        self.owner = after

    @invariant()
    def there_is_one_authenticator_at_most(self) -> None:
        assert len(self.owner.authenticators) <= 1

    @invariant()
    def nothing_is_active_without_a_right_code(self) -> None:
        assert bool(self.owner.active) == bool(self.accepted)

    @invariant()
    def the_last_step_is_the_latest_that_was_accepted(self) -> None:
        for authenticator in self.owner.active:
            assert authenticator.last_step == max(self.accepted)

    @invariant()
    def the_secret_is_the_one_that_was_shown(self) -> None:
        for authenticator in self.owner.authenticators:
            assert self.vault.secret_of(self.owner, authenticator) == self.secret

    @invariant()
    def the_failures_are_those_that_were_told(self) -> None:
        for proof, failures in self.failures.items():
            assert self.owner.attempts.of(proof).in_a_row == len(failures)

    def decide(self, flow: FlowId, decide: Decide) -> Event:
        occasion = Occasion(flow, self.now, MessageId(UUID(int=next(self.numbers))))
        self.owner, events = decide(self.owner, occasion)
        self.last = (decide, occasion, type(events[0]))
        return events[0]

    def attempt(self, proof: Proof, flow: FlowId, decide: Decide) -> Event | None:
        """What is told of an attempt; nothing where it must wait."""
        try:
            event = self.decide(flow, decide)
        except TooManyAttempts:
            assert self.must_wait(proof)
            return None
        # Who has no app yet is shown how to set one up. That tells nothing of the code, so it need not wait.
        assert isinstance(event, EnrollmentStarted) or not self.must_wait(proof)
        match event:
            case OtpVerified() | EnrollmentConfirmed():
                self.failures[proof] = []
                self.last_success = proof
            case OtpRejected(reason=reason) | EnrollmentRejected(reason=reason):
                if reason in {CodeFailure.WRONG, CodeFailure.CLOCK_OUT_OF_STEP}:
                    self.failures[proof].append(self.now)
        return event

    def must_wait(self, proof: Proof) -> bool:
        failures = self.failures[proof]
        over = len(failures) - FREE
        if over < 0:
            return False
        is_of_a_day = len([at for at in failures if self.now < at + timedelta(days=1)]) >= MOST_IN_A_DAY
        return is_of_a_day or self.now < failures[-1] + (*WAITS, *[WAITS[-1]] * over)[over]

    def code(self, steps: int) -> str:
        return otp.code_at(self.secret, otp.step_at(self.now) + steps)

    def is_over(self) -> bool:
        return self.shown is None or self.now >= self.shown.expires_at

    def enrollment_shown(self, event: Event) -> None:
        if isinstance(event, OtpRequired):
            assert self.owner.active
            return
        assert isinstance(event, EnrollmentStarted)
        assert self.shown is None or self.is_over() or event.provisioning == self.shown.provisioning
        assert self.now < event.expires_at <= self.now + PENDING_FOR
        self.shown = event

    def is_accepted(self, code: str, flow: FlowId) -> None:
        (active,) = self.owner.active
        step = active.last_step
        assert otp.code_at(self.secret, step) == code
        assert self.accepted.get(step, flow) == flow
        if step not in self.accepted:
            assert step > max(self.accepted, default=-1)
            assert abs(step - otp.step_at(self.now)) <= 1
        self.accepted[step] = flow

    def is_no_good(self, code: str, flow: FlowId) -> bool:
        """Whether no step of this code could have been accepted."""
        last = max(self.accepted, default=-1)
        current = otp.step_at(self.now)
        fresh = [step for step in range(current - 1, current + 2) if step > last]
        own = [last] if self.accepted.get(last) == flow else []
        return all(otp.code_at(self.secret, step) != code for step in (*fresh, *own))


TestLogins = Logins.TestCase
TestLogins.settings = settings(max_examples=150, stateful_step_count=30)
