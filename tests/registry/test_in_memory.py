"""Rules of the registry's client, fast: the tests of the modules beside this one that need no real registry, with one in memory."""

from __future__ import annotations

from tests.registry.test_authorization import (
    test_401_for_ever_is_no_storm,
    test_a_realm_that_must_not_get_the_password,
    test_a_registry_token_is_sent_as_it_is,
    test_a_token_is_renewed_before_it_runs_out,
    test_a_token_server_in_trouble_is_asked_again,
    test_a_token_server_that_leads_elsewhere,
    test_a_token_server_without_oauth2_is_asked_by_get,
    test_a_token_that_is_refused_is_renewed_once,
    test_a_token_that_runs_out_before_the_commit_costs_no_second_upload,
    test_a_wider_scope_is_asked_for_in_front,
    test_a_wider_scope_that_is_refused_is_given_up,
    test_an_identity_token_is_exchanged_by_post,
    test_basic_is_not_asked_twice,
    test_one_token_serves_a_whole_push,
    test_the_password_is_in_no_event_and_no_error,
    tokens,
)
from tests.registry.test_client import (
    test_a_first_contact_that_failed_is_not_remembered,
    test_a_manifest_beyond_the_limit_is_refused,
    test_a_manifest_of_the_limit_is_read,
    test_a_patch_that_names_no_location_stays_where_it_was,
    test_a_patch_with_an_empty_location_is_no_answer,
    test_a_registry_that_names_no_digest_is_read,
    test_a_session_may_be_opened_by_other_words,
    test_a_warning_is_passed_on_once,
    test_what_is_not_there_is_none,
    test_what_was_pushed_can_be_read,
)
from tests.registry.test_reading import (
    reader,
    repository,
    test_a_blob_that_breaks_off_goes_on,
    test_a_reader_asks_for_no_right_to_push,
    test_a_registry_without_ranges_is_read_from_the_start,
    test_a_server_that_drips_is_left,
    test_another_part_than_was_asked_for_is_no_answer,
    test_sizes_and_manifests_are_asked_for_again,
    test_who_sends_on_what_is_read_does_not_try_all_again,
    test_whose_the_password_is,
)
from tests.registry.test_retry_policy import (
    other,
    policed,
    test_a_pause_that_a_host_asks_for,
    test_reading_a_source,
    test_tokens,
    test_uploads_and_manifests,
)
from tests.testbed.registry_memory import _token_registry, basic_registry, registry
