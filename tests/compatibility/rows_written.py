"""What is written: to registries, and for engines and tools that read it."""

from __future__ import annotations

from typing import Final

from tests.compatibility.row import Row

_REFUSALS: Final = "destinations/test_registry_refusals.py::"
_QUESTIONS: Final = "destinations/test_registry_questions.py::"
_FAULTS: Final = "destinations/test_registry_faults.py::"
_AUTHORIZATION: Final = "registry/test_authorization.py::"
_CHECK: Final = "destinations/test_registry_check.py::"
_CONSUMERS: Final = "e2e/test_consumers.py::"
_ANSWERS: Final = "its answers, before a real docker-registry"

REGISTRIES: Final = (
    Row(
        "a push: open, with Basic, with a token server; by http, by https",
        "docker-registry",
        (
            "destinations/test_registry_push.py::test_an_open_registry_gets_the_image_under_its_tags",
            "destinations/test_registry_push.py::test_basic_and_bearer_let_the_right_password_in",
            "e2e/test_encryption.py::test_a_certificate_that_only_ca_vouches_for",
        ),
        programs=("docker-registry",),
        kinds=("flakeship.destinations.registry",),
    ),
    Row(
        "a push past one fault at a time",
        "`crane registry serve`",
        figures=("before `crane registry serve`",),
    ),
    Row(
        "a commit that counts and is refused when it is sent again, or was lost; relative Locations",
        "GHCR ([jib#4301](https://github.com/GoogleContainerTools/jib/issues/4301))",
        (
            f"{_FAULTS}test_a_commit_that_counted_and_was_refused_all_the_same",
            f"{_FAULTS}test_a_lost_commit_in_every_dialect",
            "http/test_origin.py::test_everyday_locations_are_followed",
        ),
        imitated=_ANSWERS,
    ),
    Row(
        "a repository that must exist first, tags that can't be changed",
        "ECR ([containers-roadmap#2380](https://github.com/aws/containers-roadmap/issues/2380))",
        (
            f"{_CHECK}test_a_repository_that_must_exist_first",
            f"{_REFUSALS}test_an_immutable_tag_that_differs",
            f"{_REFUSALS}test_an_immutable_tag_whose_first_answer_was_lost",
        ),
        imitated=_ANSWERS,
    ),
    Row(
        "404 for data now and then, no PUT without PATCH, 403 for a tag that is not there, no OAuth 2",
        "Artifactory ([jib#3399](https://github.com/GoogleContainerTools/jib/issues/3399), "
        "[buildx#196](https://github.com/docker/buildx/issues/196))",
        (
            f"{_REFUSALS}test_patches_that_fail_now_and_then_where_put_never_works_are_tried_again",
            f"{_QUESTIONS}test_a_manifest_that_may_not_be_looked_at_is_pushed",
            f"{_AUTHORIZATION}test_a_token_server_without_oauth2_is_asked_by_get",
        ),
        imitated=_ANSWERS,
    ),
    Row(
        "401 for a mount, a manifest whose blobs are not found yet",
        "Harbor ([harbor#13973](https://github.com/goharbor/harbor/issues/13973))",
        (
            f"{_REFUSALS}test_whatever_goes_wrong_with_mounting_the_blob_is_sent",
            f"{_REFUSALS}test_a_blob_that_the_registry_only_thought_it_had",
        ),
        imitated=_ANSWERS,
    ),
    Row(
        "200 without a Location for the start of an upload",
        "Quay ([kubevirt#16844](https://github.com/kubevirt/kubevirt/issues/16844))",
        (
            f"{_REFUSALS}test_a_success_without_a_location_is_tried_again",
            f"{_CHECK}test_each_registry_has_its_own_hint",
        ),
        imitated=_ANSWERS,
    ),
    Row(
        "one family of media types alone",
        "zot ([zot#724](https://github.com/project-zot/zot/issues/724))",
        (
            f"{_QUESTIONS}test_a_registry_that_knows_no_image_of_oci_is_told_by_a_hint",
            "registry/test_answers.py::test_a_refused_manifest_may_be_of_a_type_that_is_not_known_there",
        ),
        imitated=_ANSWERS,
    ),
    Row(
        "a token that runs out while a layer is sent, one that lacks a scope",
        "GitLab ([moby#33558](https://github.com/moby/moby/issues/33558))",
        (
            f"{_AUTHORIZATION}test_a_token_that_runs_out_before_the_commit_costs_no_second_upload",
            f"{_AUTHORIZATION}test_a_wider_scope_that_is_refused_is_given_up",
        ),
        imitated=_ANSWERS,
    ),
    Row(
        "a limit on requests, another name in files than in references",
        "Docker Hub",
        (
            f"{_FAULTS}test_a_limit_on_requests_pauses_every_worker",
            "registry/test_reference.py::test_the_hub_is_served_elsewhere",
        ),
        imitated=_ANSWERS,
    ),
    Row(
        "failures when several layers are sent at once",
        "Nexus ([nexus-public#967](https://github.com/sonatype/nexus-public/issues/967)), "
        "Gitea ([gitea#31964](https://github.com/go-gitea/gitea/issues/31964))",
        (f"{_FAULTS}test_bursts_of_trouble_halve_the_uploads_at_once",),
        imitated=_ANSWERS,
    ),
)


READERS: Final = (
    Row(
        "what was pushed: pulled, run, inspected",
        "docker, skopeo",
        (
            f"{_CONSUMERS}test_docker_pulls_and_runs_what_was_pushed",
            f"{_CONSUMERS}test_skopeo_reads_what_was_pushed",
        ),
        programs=("dockerd", "docker, the command", "skopeo"),
    ),
    Row(
        "an index of several platforms: pulled and inspected for each, and given to an engine for its own",
        "docker, podman, skopeo",
        ("e2e/test_platforms.py::test_an_engine_is_given_its_own_platform",),
        programs=("dockerd", "docker, the command", "podman", "skopeo"),
    ),
    Row(
        "signatures, as bundles and under the tag `sha256-HEX.sig`: verified, and those of cosign read",
        "cosign",
        (
            "e2e/test_signing.py::test_cosign_verifies_what_we_sign",
            "e2e/test_signing.py::test_what_cosign_signs_is_ours_to_read_and_to_keep",
            "commands/verify/test_with_cosign.py::test_what_cosign_signs_is_verified",
            "commands/verify/test_with_cosign.py::test_cosign_verifies_our_provenance",
        ),
        programs=("cosign",),
    ),
    Row(
        "signatures without a key, as bundles: verified by cosign and by us",
        "Sigstore",
        (
            "commands/publish/test_keyless.py::test_what_a_job_signs_is_verified_by_its_identity_and_by_no_other",
            "commands/publish/test_keyless.py::test_github_is_asked_for_the_identity",
        ),
        programs=("cosign",),
        imitated="Fulcio and Rekor",
    ),
    Row(
        "`oci:`, an OCI layout",
        "skopeo, umoci",
        (
            "destinations/test_oci_layout.py::test_other_tools_read_it",
            f"{_CONSUMERS}test_umoci_unpacks_the_layout",
        ),
        programs=("skopeo", "umoci"),
        kinds=("flakeship.destinations.oci_layout",),
    ),
    Row(
        "`docker-archive:` and `oci-archive:`",
        "docker, podman, skopeo",
        (
            "destinations/test_archive_file.py::test_skopeo_copies_what_was_written",
            "e2e/test_destinations.py::test_docker_and_podman_load_the_same_archive_whatever_its_compression",
        ),
        programs=("skopeo", "dockerd", "docker, the command", "podman"),
        kinds=("flakeship.destinations.archive",),
    ),
    Row(
        "`docker-daemon:`, by its API",
        "dockerd",
        (
            "destinations/test_docker_daemon.py::test_an_image_is_loaded_with_its_id_and_names",
            "e2e/test_destinations.py::test_docker_runs_what_was_loaded_with_its_overrides",
            "e2e/test_config_in_docker.py::test_what_is_taken_docker_loads",
        ),
        programs=("dockerd",),
        kinds=("flakeship.destinations.docker_daemon",),
    ),
    Row(
        "`containers-storage:`, by podman's service and by its command",
        "podman",
        (
            "destinations/test_podman.py::test_the_service_takes_an_image",
            "destinations/test_podman.py::test_the_command_takes_an_image",
            "e2e/test_destinations.py::test_podman_has_what_was_loaded",
        ),
        programs=("podman",),
        kinds=("flakeship.destinations.podman",),
    ),
    Row(
        "every document of an image",
        "the schemas of the image-spec",
        (
            "e2e/test_bytes.py::test_every_document_is_valid",
            "destinations/test_oci_layout.py::test_its_documents_are_valid",
        ),
        programs=("schemas of the image-spec",),
    ),
)
