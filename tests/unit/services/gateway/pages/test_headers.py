from services.gateway.pages.headers import page_headers


def test_a_page_may_run_no_script_and_wear_no_style_that_stands_in_itself() -> None:
    policy = page_headers()["Content-Security-Policy"]

    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "base-uri 'none'" in policy
    assert "unsafe" not in policy


def test_a_sign_in_may_end_only_where_it_is_allowed_to() -> None:
    policy = page_headers(("https://app.example",))["Content-Security-Policy"]

    assert "form-action 'self' https://app.example;" in policy


def test_our_own_forms_still_say_where_they_come_from() -> None:
    assert page_headers()["Referrer-Policy"] == "same-origin"
