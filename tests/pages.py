"""One example of every page, in every shape it can take."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from services.gateway.pages.notices import Notice, Told
from services.gateway.pages.views import (
    AddApp,
    Authenticator,
    Cause,
    EnterCode,
    Happening,
    Home,
    KeepCodes,
    OpenSession,
    Security,
    SecurityEvent,
    SetupApp,
    SetupCode,
    SetupScan,
    ShowCode,
    SignIn,
    Trouble,
    View,
)

NOW = datetime(2026, 11, 24, 9, 32, tzinfo=UTC)
_ADA = "ada@customer-1.example"
_SECRET = "JBSWY3DPEHPK3PXPGEZDGNBVGY3TQOJQ"
_URI = f"otpauth://totp/Globex:ada%40customer-1.example?secret={_SECRET}&issuer=Globex"
_CODES = tuple(f"ABCD-EFGH-IJKL-MNO{last}" for last in "ABCDEFGHIJ")

_SESSIONS = (
    OpenSession("s1", NOW - timedelta(hours=1), NOW, ("pwd", "otp"), is_this=True),
    OpenSession("s2", NOW - timedelta(hours=20), NOW - timedelta(hours=5), ("pwd",), is_this=False),
)
_AUTHENTICATORS = (
    Authenticator("a1", "Phone", NOW - timedelta(days=200), NOW - timedelta(hours=3)),
    Authenticator("a2", "A work phone with a long name", NOW - timedelta(days=2)),
)
_HOME = Home(
    username=_ADA,
    display_name="Ada Løvelace",
    tenant="Globex",
    amr=("pwd", "otp"),
    authenticated_at=NOW,
    expires_at=NOW + timedelta(hours=12),
    codes_unkept=True,
)

_CODE_FOR_REMOVAL = ShowCode(
    now=NOW,
    fields={"then": "remove", "id": "a1"},
    by_app="/account/security/code?then=remove&id=a1",
    by_recovery_code="/account/security/code?then=remove&id=a1&method=recovery_code",
)

VIEWS: Mapping[str, View] = {
    "login": SignIn(),
    "login again": SignIn(Told(Notice.CREDENTIALS_WRONG), username=_ADA),
    "login throttled": SignIn(Told(Notice.TOO_MANY_ATTEMPTS, 42)),
    "setup app": SetupApp(skippable_until=NOW + timedelta(days=6)),
    "setup scan": SetupScan(account=f"Globex:{_ADA}", secret=_SECRET, otpauth_uri=_URI),
    "setup code": SetupCode(now=NOW),
    "setup code again": SetupCode(Told(Notice.CLOCK_BEHIND, 95), now=NOW),
    "setup code throttled": SetupCode(Told(Notice.TOO_MANY_ATTEMPTS, 95), now=NOW),
    "recovery codes": KeepCodes(codes=_CODES),
    "recovery codes again": KeepCodes(Told(Notice.NOT_ONE_OF_THEM), codes=_CODES),
    "code": EnterCode(now=NOW),
    "code again": EnterCode(Told(Notice.CODE_WRONG), now=NOW),
    "code by recovery": EnterCode(Told(Notice.RECOVERY_CODE_WRONG), now=NOW, method="recovery_code"),
    "home": _HOME,
    "security": Security(
        sessions=_SESSIONS,
        authenticators=_AUTHENTICATORS,
        codes_left=7,
        events=tuple(SecurityEvent(what, NOW) for what in Happening),
    ),
    "security with the last app": Security(
        sessions=_SESSIONS[:1], authenticators=_AUTHENTICATORS[:1], codes_left=1, last_is_required=True
    ),
    "security with all apps": Security(sessions=_SESSIONS, authenticators=_AUTHENTICATORS, most_authenticators=2),
    "security code": _CODE_FOR_REMOVAL,
    "security code again": replace(_CODE_FOR_REMOVAL, told=Told(Notice.CODE_WRONG)),
    "security code by recovery": replace(_CODE_FOR_REMOVAL, method="recovery_code"),
    "security without an app": replace(_CODE_FOR_REMOVAL, has_app=False),
    "add app": AddApp(id="a3", account=f"Globex:{_ADA}", secret=_SECRET, otpauth_uri=_URI, now=NOW),
    "security of sessions alone": Security(sessions=_SESSIONS),
    **{f"trouble {cause}": Trouble(cause=cause) for cause in Cause},
    **{f"told {notice}": SignIn(Told(notice, 61)) for notice in Notice},
}
