"""Rules of the transport, fast: the tests of the module beside this one that need no real registry, with one in memory."""

from __future__ import annotations

from tests.http.test_transport import (
    test_a_body_is_sent_again_after_307,
    test_a_circle_of_redirects_ends,
    test_a_large_error_page_is_read_in_part,
    test_a_limit_of_open_files_is_named_where_a_connection_fails,
    test_a_long_url_is_shown_in_part,
    test_a_proxy_that_refuses,
    test_a_put_is_never_turned_into_a_get,
    test_a_reader_never_hands_out_more_than_it_said,
    test_a_redirect_keeps_credentials_at_home,
    test_a_redirect_to_an_inner_address_is_refused,
    test_a_request_says_who_asks_and_wants_no_compression,
    test_an_answer_that_ends_early_is_a_failure,
    test_eleven_hops_are_too_many,
    test_urls_are_shown_without_secrets,
    test_which_proxy,
)
from tests.testbed.registry_memory import registry
