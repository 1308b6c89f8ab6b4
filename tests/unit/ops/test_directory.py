"""A directory file is read whole, and everything that is wrong with it is said at once, with its line."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.directory import MOST_OF_LOGOS, MOST_SHOWN, Directory, DirectoryError, read_directory, understood
from ops.forms import Wrong
from ops.marked_yaml import NotYaml
from shared.contracts.branding import LARGEST_LOGO, Branding
from shared.contracts.policy import Enforcement, Rule
from shared.contracts.vocabulary import Mode, TenantKind
from tests.examples import LOGO

VENDOR = "- {id: vendor, kind: vendor, name: Northwind Cloud}"
BCRYPT = "$2b$12$KIXQ4U8s1qVY1rYq0p0O9u3bS8j0lJc8c1p9k9m3Xh0e0n1u2v3w."


def directory(tenants: str = "", users: str = "") -> Directory:
    """A directory of a vendor and these; the first of `tenants` stands in line 3, the first of `users` in line 100."""
    accounts = ["tenants:", VENDOR, *tenants.strip().splitlines()]
    padding = [""] * (98 - len(accounts))
    return understood("\n".join([*accounts, *padding, "users:", *users.strip().splitlines()]).encode())


def wrong(tenants: str = "", users: str = "") -> list[tuple[int, str]]:
    """What is wrong with it: lines, and the text of each finding."""
    with pytest.raises(Wrong) as refused:
        directory(tenants, users)
    return [(found.line, found.text) for found in refused.value.findings]


def test_accounts_and_users_are_read_as_the_file_names_them() -> None:
    read = directory(
        """
- {id: reseller-a, kind: reseller, parent: vendor, name: "Åre & Söhne: IT",
   enforcement: {staff: inherit, customers: required}}
- id: customer-1
  kind: customer
  parent: reseller-a
  name: Customer
  enforcement: {staff: {mode: required, grace_days: 7}}
""",
        f"""
- {{username: ada@customer-1.example, tenant: customer-1, display_name: Ada, password: "a # b"}}
- {{username: bob@reseller-a.example, tenant: reseller-a, password_hash: "{BCRYPT}",
   totp_secret: gezd gnbv gy3t qojq gezd gnbv gy3t qojq, disabled: true}}
""",
    )

    reseller, customer = read.tenants[1:]
    assert (reseller.kind, reseller.parent, reseller.name) == (TenantKind.RESELLER, "vendor", "Åre & Söhne: IT")
    assert reseller.enforcement == Enforcement(customers=Rule(mode=Mode.REQUIRED))
    assert customer.enforcement == Enforcement(staff=Rule(mode=Mode.REQUIRED, grace_days=7))
    ada, bob = read.users
    assert (ada.display_name, ada.password, ada.disabled) == ("Ada", "a # b", False)
    assert (bob.display_name, bob.password_hash, bob.disabled) == ("bob@reseller-a.example", BCRYPT, True)
    assert bob.totp_secret == "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    assert read.tenant_lines == {"vendor": 2, "reseller-a": 3, "customer-1": 5}
    assert read.user_lines == {"ada@customer-1.example": 100, "bob@reseller-a.example": 101}


def test_what_is_not_set_is_inherited_and_never_off() -> None:
    unset = directory(
        """
- {id: a, kind: customer, parent: vendor, name: A}
- {id: b, kind: customer, parent: vendor, name: B, enforcement: {}}
- {id: c, kind: customer, parent: vendor, name: C, enforcement: {staff: , customers: ~}}
- {id: d, kind: customer, parent: vendor, name: D, enforcement: null}
"""
    )

    assert {tenant.enforcement for tenant in unset.tenants} == {Enforcement()}


def test_an_account_may_have_a_logo_and_an_accent_or_one_of_them_or_none() -> None:
    read = directory(
        f"""
- {{id: a, kind: customer, parent: vendor, name: A, branding: {{logo: "{LOGO}", accent: "#2A5BD0"}}}}
- id: b
  kind: customer
  parent: vendor
  name: B
  branding:
    logo: {LOGO}
- {{id: c, kind: customer, parent: vendor, name: C, branding: {{accent: "2a5bd0"}}}}
- {{id: d, kind: customer, parent: vendor, name: D, branding: }}
"""
    )

    assert [tenant.branding for tenant in read.tenants[1:]] == [
        Branding(logo=LOGO, accent="2a5bd0"),
        Branding(logo=LOGO),
        Branding(accent="2a5bd0"),
        None,
    ]


@pytest.mark.parametrize(
    ("branding", "text"),
    [
        ('accent: "#fff"', 'branding: accent: must be a colour of six hexadecimal digits, in quotes: "#2a5bd0"'),
        ("accent: red", 'branding: accent: must be a colour of six hexadecimal digits, in quotes: "#2a5bd0"'),
        ("accent: #2a5bd0", "branding: accent: is missing or empty; a text with a # needs quotes"),
        ("logo:", "branding: logo: is missing or empty; a text with a # needs quotes"),
        (
            "logo: https://a.example/logo.png",
            "branding: logo: must be a PNG, JPEG or WebP in one line, in quotes: data:",
        ),
        ("logo: data:image/svg+xml;base64,PHN2Zz4=", "branding: logo: must be a PNG, JPEG or WebP in one line"),
        ("logo: data:image/png;base64,AAAAA", "branding: logo: must be whole base64 after the comma"),
        ("logo: data:image/png;base64,PHN2Zz4=", "branding: logo: says that it is image/png and does not begin as one"),
        ("logo: data:image/png;base64," + "A" * LARGEST_LOGO * 2, "branding: logo: must have at most 48 KiB"),
        ("logo: [a]", "branding: logo: must be a single text"),
        ("colour: red", "branding: a key that is not known; known are accent, logo"),
    ],
)
def test_a_branding_that_pages_could_not_show_is_named_with_its_line(branding: str, text: str) -> None:
    [(line, said)] = wrong(
        f"""
- id: a
  kind: customer
  parent: vendor
  name: A
  branding:
    {branding}
"""
    )

    assert line == 8
    assert said.startswith(text)


def test_a_branding_that_is_no_mapping_is_named_with_its_line() -> None:
    assert wrong("- {id: a, kind: customer, parent: vendor, name: A, branding: blue}") == [
        (3, "branding: must be a mapping with the keys accent, logo")
    ]


def test_logos_that_would_not_fit_into_one_message_are_refused_at_the_first_that_is_too_many() -> None:
    logo = LOGO[: len("data:image/png;base64,")] + "iVBORw0KGgoA".ljust(LARGEST_LOGO, "A")
    fit = MOST_OF_LOGOS // len(logo)

    found = wrong(
        "\n".join(
            f"- {{id: a{number}, kind: customer, parent: vendor, name: A, branding: {{logo: '{logo}'}}}}"
            for number in range(fit + 2)
        )
    )

    assert [line for line, _ in found] == [3 + fit]
    assert found[0][1].startswith("branding: logo: the logos of a file may have 6 MiB together")


def test_a_password_is_the_text_that_stands_there() -> None:
    read = directory(
        users="""
- {username: a, tenant: vendor, password: 007}
- {username: b, tenant: vendor, password: true}
- {username: c, tenant: vendor, password: 1_000}
- {username: d, tenant: vendor, password: 2026-03-02}
- {username: e, tenant: vendor, password: "null"}
- {username: f, tenant: vendor, password: " x "}
"""
    )

    assert [user.password for user in read.users] == ["007", "true", "1_000", "2026-03-02", "null", " x "]


@pytest.mark.parametrize(
    ("entry", "finding"),
    [
        ("- {kind: customer, parent: vendor, name: A}", "id: is missing"),
        ("- {id: , kind: customer, parent: vendor, name: A}", "id: is missing"),
        ("- {id: a, parent: vendor, name: A}", "kind: is missing"),
        ("- {id: a, kind: customer, parent: vendor}", "name: is missing"),
        ("- {id: a b, kind: customer, parent: vendor, name: A}", "id: an id has"),
        ("- {id: a, kind: partner, parent: vendor, name: A}", "kind: must be one of vendor, reseller, customer"),
        ("- {id: a, kind: customer, parent: vendr, name: A}", "parent: no account of this file has that id"),
        ("- {id: a, kind: reseller, name: A}", "parent: is missing; only a vendor is the root"),
        ("- {id: a, kind: vendor, parent: vendor, name: A}", "parent: a vendor is the root of its tree"),
        ("- {id: a, kind: customer, parent: a, name: A}", "parent: a circle of accounts"),
        ("- {id: a, kind: customer, parent: vendor, name: [A]}", "name: must be a single text"),
        ('- {id: a, kind: customer, parent: vendor, name: "A\\eB"}', "name: must have 1 to 256 printable"),
        ("- {id: vendor, kind: vendor, name: A}", "id: the same as in line 2"),
        ("- {id: a, id: b, kind: customer, parent: vendor, name: A}", "id: stands here twice"),
        ("- {id: a, kind: customer, parent: vendor, name: A, city: B}", "a key that is not known; known are id,"),
        (
            "- {id: a, kind: customer, parent: vendor, name: A, brand: B}",
            "a key that is not known; did you mean branding?",
        ),
        ("- {id: a, kind: customer, parent: vendor, nmae: A, name: B}", "a key that is not known; did you mean name?"),
        ("- vendor", "must be a mapping with the keys id, kind"),
    ],
)
def test_what_is_wrong_with_an_account_is_said_with_its_line(entry: str, finding: str) -> None:
    [(line, text)] = wrong(entry)

    assert line == 3
    assert text.startswith(finding)


@pytest.mark.parametrize(
    ("enforcement", "finding"),
    [
        ("required", "must be a mapping with the keys staff, customers"),
        ("{guests: required}", "a key that is not known"),
        ("{staff: off}", "staff: must be one of inherit, optional, required"),
        ("{staff: {mode: require}}", "staff: mode: must be one of inherit, optional, required"),
        ("{staff: {grace_days: 7}}", "staff: mode: is missing"),
        ("{customers: {mode: required, grace_days: 366}}", "customers: grace_days: must be a number of days"),
        ("{customers: {mode: required, grace_days: -1}}", "customers: grace_days: must be a number of days"),
        ("{customers: {mode: optional, grace_days: 7}}", "customers: grace_days: goes with the mode required only"),
    ],
)
def test_what_is_wrong_with_an_enforcement_is_said_with_its_line(enforcement: str, finding: str) -> None:
    [(line, text)] = wrong(f"- {{id: a, kind: customer, parent: vendor, name: A, enforcement: {enforcement}}}")

    assert line == 3
    assert text.startswith(f"enforcement: {finding}")


@pytest.mark.parametrize(
    ("entry", "finding"),
    [
        ("- {tenant: vendor, password: x}", "username: is missing"),
        ("- {username: a, password: x}", "tenant: is missing"),
        ("- {username: a, tenant: vendr, password: x}", "tenant: no account of this file has that id"),
        ("- {username: a, tenant: vendor}", "password: give either"),
        ("- {username: a, tenant: vendor, password: }", "password: give either"),
        (f'- {{username: a, tenant: vendor, password: x, password_hash: "{BCRYPT}"}}', "password: give either"),
        ("- {username: a, tenant: vendor, password_hash: 5f4dcc3b5aa765d61d83}", "password_hash: must be a whole hash"),
        (f"- {{username: a, tenant: vendor, password: {'x' * 1025}}}", "password: has more than 1024 characters"),
        ("- {username: a, tenant: vendor, password: x, totp_secret: GEZDGNBV}", "totp_secret: a secret has 16 to"),
        ("- {username: a, tenant: vendor, password: x, totp_secret: 0189}", "totp_secret: the secret is not base32"),
        ("- {username: a, tenant: vendor, password: x, disabled: no}", "disabled: must be true or false"),
        ("- {username: a, tenant: vendor, password: x, role: admin}", "a key that is not known"),
        (f"- {{username: {'a' * 257}, tenant: vendor, password: x}}", "username: must have 1 to 256"),
    ],
)
def test_what_is_wrong_with_a_user_is_said_with_his_line(entry: str, finding: str) -> None:
    [(line, text)] = wrong(users=entry)

    assert line == 100
    assert text.startswith(finding)


def test_usernames_that_are_compared_as_equal_are_duplicates() -> None:
    people = """
- {username: ada, tenant: vendor, password: x}
- {username: " ADA ", tenant: vendor, password: x}
- {username: "\\uFF41da", tenant: vendor, password: x}
"""

    found = wrong(users=people)

    assert found == [(line, "username: the same as in line 100; each must be another") for line in (101, 102)]


def test_two_entries_in_one_line_are_told_apart() -> None:
    content = b"{tenants: [{id: a, kind: vendor, name: A}, {id: a, kind: vendor, name: A}]}"

    with pytest.raises(Wrong) as refused:
        understood(content)

    assert [found.text for found in refused.value.findings] == ["id: the same as in line 1; each must be another"]


def test_a_line_within_an_entry_is_the_line_of_the_field() -> None:
    found = wrong(
        """
- id: a
  kind: customer
  parent: vendor
  name: A
  enforcement:
    staff: inherit
    customers: sometimes
"""
    )

    assert found == [(9, "enforcement: customers: must be one of inherit, optional, required")]


def test_a_circle_of_accounts_is_said_once_with_all_its_lines() -> None:
    found = wrong(
        """
- {id: below, kind: customer, parent: a, name: N}
- {id: a, kind: customer, parent: b, name: N}
- {id: b, kind: customer, parent: c, name: N}
- {id: c, kind: customer, parent: a, name: N}
- {id: beside, kind: customer, parent: c, name: N}
"""
    )

    assert found == [(4, "parent: a circle of accounts above each other, in the lines 4, 5, 6")]


def test_several_vendors_are_several_trees() -> None:
    forest = directory("- {id: other, kind: vendor, name: Other}\n- {id: a, kind: customer, parent: other, name: A}")

    assert [tenant.parent for tenant in forest.tenants] == [None, None, "other"]


def test_a_tree_may_be_deep_and_its_file_in_any_order() -> None:
    depth = 2_000
    levels = [f"- {{id: t{n}, kind: customer, parent: t{n - 1}, name: N}}" for n in range(depth, 0, -1)]
    content = "\n".join(["tenants:", *levels, "- {id: t0, kind: vendor, name: N}"]).encode()

    assert len(understood(content).tenants) == depth + 1


def test_everything_that_is_wrong_is_said_at_once() -> None:
    found = wrong(
        "- {id: a, kind: partner, parent: vendor, name: }\n- {id: b, kind: customer, parent: nobody, name: B}",
        "- {username: x, tenant: a}\n- {username: y, tenant: nobody, password: x}",
    )

    assert sorted(line for line, _ in found) == [3, 3, 4, 100, 101]


def test_an_account_that_is_wrong_otherwise_is_still_one_that_others_may_name() -> None:
    found = wrong("- {id: a, kind: partner, parent: vendor, name: A}", "- {username: x, tenant: a, password: x}")

    assert [line for line, _ in found] == [3]


@pytest.mark.parametrize(
    ("content", "line", "text"),
    [
        (b"", 1, "the file is empty"),
        (b"# nothing\n", 1, "the file is empty"),
        (b"tenants: [\n\n", 3, "not YAML: did not find expected node content"),
        (b"tenants:\n- {id: a\n  kind: b}\n", 3, "not YAML: did not find expected ',' or '}'"),
        (b"tenants: []\n---\ntenants: []\n", 2, "a second document begins here"),
        (b"tenants: \xff\n", 1, "a character that YAML does not allow"),
        (b"\n\ntenants: \x07\n", 3, "a character that YAML does not allow"),
        (b"tenants: []\nusers: *all\n", 2, "tags, anchors and aliases are not read"),
        (b"tenants: &all []\n", 1, "tags, anchors and aliases are not read"),
        (b"tenants: !!python/object:os.system []\n", 1, "tags, anchors and aliases are not read"),
        (b"tenants: []\n[a, b]: c\n", 2, "a key must be a word"),
        (b"[" * 5_000, 1, "more than 16 levels within each other"),
    ],
)
def test_what_is_not_yaml_is_said_with_its_line(content: bytes, line: int, text: str) -> None:
    with pytest.raises(NotYaml) as refused:
        understood(content)

    assert refused.value.line == line
    assert refused.value.text.startswith(text)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"[]", "must be a mapping with the keys tenants, users"),
        (b"users: []", "tenants: is missing"),
        (b"tenants: {a: b}", "tenants: must be a list"),
        (b"tenants: []\nusers: all", "users: must be a list"),
        (b"tenants: []\ngroups: []", "a key that is not known; known are tenants, users"),
    ],
)
def test_a_file_of_another_form_is_refused(content: bytes, text: str) -> None:
    with pytest.raises(Wrong) as refused:
        understood(content)

    assert refused.value.findings[0].text.startswith(text)


def test_the_message_names_file_and_lines_and_counts_what_it_does_not_list(tmp_path: Path) -> None:
    file = tmp_path / "directory.yaml"
    file.write_text("tenants: []\nusers:\n" + "- {username: , tenant: x}\n" * (MOST_SHOWN + 5))

    with pytest.raises(DirectoryError) as refused:
        read_directory(file)

    first, second, *_, last = str(refused.value).splitlines()
    assert first == f"Nothing was loaded. {file} is not right:"
    assert second.startswith("  line 3: username: is missing or empty")
    assert last == "  and 5 more"


def test_a_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(DirectoryError, match=r"nowhere\.yaml cannot be read: No such file"):
        read_directory(tmp_path / "nowhere.yaml")
    with pytest.raises(DirectoryError, match="cannot be read: Is a directory"):
        read_directory(tmp_path)


@pytest.mark.parametrize(
    "secret",
    [
        "password: *CANARY",
        "password: &CANARY",
        "password: !CANARY x",
        "password: @CANARY",
        'password: "CANARY',
        "password: ok,CANARY",
        "password: {CANARY: x}",
        "password: [CANARY]",
        "password: CANARY, password_hash: CANARY",
        "password CANARY",
        "pasword: CANARY",
        "password_hash: $2b$CANARY",
        "password: ok, totp_secret: CANARY01",
        "password: ok, disabled: CANARY",
        "CANARY: password",
    ],
)
def test_a_secret_is_in_no_message_however_it_is_mistyped(secret: str, tmp_path: Path) -> None:
    file = tmp_path / "directory.yaml"
    file.write_text(f"tenants: [{VENDOR.removeprefix('- ')}]\nusers:\n- {{username: a, tenant: vendor, {secret}}}\n")

    with pytest.raises(DirectoryError) as refused:
        read_directory(file)

    assert "CANARY" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_a_user_is_shown_without_his_secrets() -> None:
    [user] = directory(
        users="- {username: a, tenant: vendor, password: CANARY, totp_secret: " + "CANARY22" * 4 + "}"
    ).users

    assert "CANARY" not in repr(user)


@given(st.binary(max_size=200) | st.text(alphabet="tenats:usr[]{},-&*!#'\"\n idv x", max_size=200).map(str.encode))
def test_whatever_stands_in_a_file_it_is_taken_or_said_to_be_wrong(content: bytes) -> None:
    try:
        understood(content)
    except Wrong as refused:
        assert all(found.line for found in refused.findings)  # noqa: PT017 - to be taken is as well
    except NotYaml as refused:
        assert refused.line  # noqa: PT017 - likewise
