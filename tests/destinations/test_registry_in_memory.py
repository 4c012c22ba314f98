"""Rules of a push, fast: the tests of the modules beside this one that need no real registry, with one in memory."""

from __future__ import annotations

from flakeship.events import Retry
from tests.destinations.faults import REQUESTS_OF_A_PUSH, push_past
from tests.destinations.pushing import Pusher
from tests.destinations.test_registry_check import (
    test_a_check_leaves_nothing_behind,
    test_a_repository_that_must_exist_first,
    test_an_unknown_host_is_tried_twice,
    test_credentials_that_may_only_pull,
    test_each_registry_has_its_own_hint,
    test_missing_credentials,
    test_no_secret_shows_in_any_representation,
    test_nobody_listens,
    test_the_platform_is_asked_of_registries_that_are_not_known_otherwise,
    test_who_asks_for_no_credentials_is_asked_once,
    test_wrong_credentials,
)
from tests.destinations.test_registry_faults import (
    test_a_commit_that_counted_and_whose_answer_was_lost,
    test_a_commit_that_is_refused_for_good_is_not_tried_again,
    test_a_commit_that_was_lost_with_its_session,
    test_a_limit_on_requests_pauses_every_worker,
    test_a_lost_commit_where_no_patch_is_taken,
    test_a_registry_that_never_takes_a_blob_is_not_sent_it_for_ever,
    test_a_reset_before_any_answer,
    test_a_wait_that_is_too_long_fails_at_once_and_names_it,
    test_bursts_of_trouble_halve_the_uploads_at_once,
    test_every_error_names_the_repository_or_its_url,
)
from tests.destinations.test_registry_push import (
    test_a_blob_of_a_neighbour_is_mounted,
    test_a_changed_config_sends_config_and_manifest_alone,
    test_a_layer_that_comes_twice_is_sent_once,
    test_a_second_push_sends_nothing,
    test_an_image_of_no_layers_can_be_pushed,
    test_an_index_of_images_that_are_there,
    test_an_open_registry_gets_the_image_under_its_tags,
    test_basic_and_bearer_let_the_right_password_in,
    test_events_tell_what_became_of_each_layer,
    test_tags_come_last,
    test_what_is_there_is_known_by_the_tag_that_led_to_it,
    test_without_tags_the_image_is_there_by_its_digest,
)
from tests.destinations.test_registry_questions import (
    test_a_dry_run_asks_again_too,
    test_a_dry_run_needs_no_right_to_look,
    test_a_look_at_what_can_be_used_again_is_tried_again,
    test_a_manifest_that_may_not_be_looked_at_is_pushed,
    test_a_tag_that_was_refused_tells_why_although_it_may_not_be_looked_at,
    test_an_index_that_may_not_be_looked_at_is_pushed,
    test_an_upload_that_leads_astray_is_no_withheld_push,
    test_blobs_that_may_not_be_looked_at_are_sent,
    test_the_put_still_decides,
    test_trouble_is_no_refusal,
    test_what_a_registry_says_of_its_root_is_a_hint,
)
from tests.destinations.test_registry_refusals import (
    test_a_blob_that_the_registry_only_thought_it_had,
    test_a_config_that_the_registry_only_thought_it_had,
    test_a_file_that_can_not_be_opened_is_no_fault_of_the_disk,
    test_a_file_that_changed_is_told_and_not_sent_again,
    test_a_file_that_shrank_does_not_hang,
    test_a_flipped_bit_is_sent_again_once,
    test_a_manifest_that_is_accepted_and_thrown_away_is_no_success,
    test_a_name_that_the_registry_refuses_is_told_in_its_words,
    test_a_put_that_is_refused_is_no_upload,
    test_a_refusal_is_not_tried_again_and_its_words_are_shown,
    test_a_registry_that_never_finds_its_blobs_is_not_asked_for_ever,
    test_a_registry_that_refuses_to_be_asked,
    test_a_registry_that_stores_something_else,
    test_a_registry_that_takes_no_patch_gets_one_put,
    test_a_request_too_large_for_a_proxy_names_the_proxy,
    test_a_server_that_accepts_everything_and_keeps_nothing_is_found_out,
    test_a_success_without_a_location_is_tried_again,
    test_a_tag_that_someone_else_moved_meanwhile_is_told,
    test_an_immutable_tag_that_differs,
    test_an_immutable_tag_whose_first_answer_was_lost,
    test_patches_that_fail_now_and_then_where_put_never_works_are_tried_again,
    test_whatever_goes_wrong_with_mounting_the_blob_is_sent,
)
from tests.testbed.registry_memory import (
    MemoryRegistry,
    _token_registry,
    basic_registry,
    registry,
)
from tests.testbed.registry_proxy import FaultProxy


def test_one_server_error_at_each_request(
    proxy: FaultProxy, registry: MemoryRegistry, pusher: Pusher
) -> None:
    for method, pattern in REQUESTS_OF_A_PUSH:
        proxy.fail_next(method, pattern, status=503)
    push_past(proxy, registry, pusher)
    assert len(pusher.of(Retry)) == len(REQUESTS_OF_A_PUSH)
