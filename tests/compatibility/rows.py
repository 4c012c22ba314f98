"""What is read, written and run, whose it is, and the tests that show it: a row each.

A row says how its tests come by the other side: `programs` are run by them, `recorded` is what one printed elsewhere and
is kept with the tests, `imitated` is made by the tests in its name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.nix import samples

TESTS: Final = Path(__file__).parent.parent


@dataclass(frozen=True, slots=True)
class Row:
    """`whose` says who writes what we read, or reads what we write. `figures` are names in docs/reliability.json, of what
    `./dev faults` measures. `kinds` are modules of ours that are shown by this row.
    """

    what: str
    whose: str
    tests: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    recorded: str = ""
    imitated: str = ""
    figures: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()


def _recorded_nix() -> str:
    """The versions of Nix whose words or JSON are kept."""
    kept = (value for value in vars(samples).values() if isinstance(value, Mapping))
    found = {key for value in kept for key in value if re.fullmatch(r"\d+\.\d+", str(key))}
    return f"Nix {', '.join(sorted(found, key=lambda text: tuple(map(int, text.split('.')))))}"


def _recorded_action() -> str:
    (file,) = (TESTS / "e2e/recorded").glob("metadata-action-*.txt")
    return f"docker/metadata-action {file.stem.rpartition('-')[2]}"


_ARCHIVES: Final = "sources/test_odd_archives.py::"
_DIALECTS: Final = "sources/test_dialects.py::"
_LAYOUT: Final = "sources/test_oci_layout.py::"
_STREAM: Final = "sources/test_stream_plan.py::"
_REFUSALS: Final = "destinations/test_registry_refusals.py::"
_QUESTIONS: Final = "destinations/test_registry_questions.py::"
_FAULTS: Final = "destinations/test_registry_faults.py::"
_AUTHORIZATION: Final = "registry/test_authorization.py::"
_CHECK: Final = "destinations/test_registry_check.py::"
_LOGINS: Final = "e2e/test_credentials.py::"
_CONSUMERS: Final = "e2e/test_consumers.py::"
_ANSWERS: Final = "its answers, before a real docker-registry"
_BY_HAND: Final = "made by hand"

_NIX_RESULTS: Final = (
    Row(
        "an archive of `buildImage`, `buildLayeredImage`, `mergeImages`: plain, gzip, zstd, xz, bzip2",
        "nixpkgs' dockerTools",
        (
            "sources/test_nix_results.py::test_images",
            f"{_ARCHIVES}test_other_ways_to_compress",
            "image/test_shapes.py::test_the_compression_of_the_archive_makes_no_difference",
        ),
        programs=("Nix",),
        imitated="the archives; a real Nix hands them over",
        kinds=("flakeship.sources.docker_archive",),
    ),
    Row(
        "a script of `streamLayeredImage`, planned or run",
        "nixpkgs' dockerTools, before and since 24.05",
        (
            f"{_STREAM}test_the_same_image_as_the_script_writes",
            "sources/test_stream_recognition.py::test_nixpkgs_scripts_are_recognised",
            "e2e/test_stream_plan.py::test_the_script_itself_gives_the_same_layers",
        ),
        programs=("Nix", "Python"),
        imitated="the script, its wrapper and its conf.json",
        kinds=("flakeship.sources.stream_script",),
    ),
    Row(
        "the JSON of `buildImage`",
        "nix2container",
        (
            "sources/test_nix2container.py::test_golden_digests",
            "sources/test_nix2container.py::test_older_versions_wrote_other_headers",
            "e2e/test_sources.py::test_docker_runs_an_image_of_nix2container",
        ),
        programs=("dockerd",),
        recorded="digests of the tars that its code of July 2026 wrote",
        imitated="the JSON",
        kinds=("flakeship.sources.nix2container",),
    ),
    Row(
        "a plain package: its closure",
        "Nix",
        ("e2e/test_package.py::test_an_engine_runs_a_package", "nix/test_closure.py::test_the_json_of_each_version_is_read"),
        programs=("Nix", "dockerd"),
        recorded=_recorded_nix(),
        kinds=("flakeship.sources.closure",),
    ),
)  # fmt: skip

_ARCHIVES_AND_LAYOUTS: Final = (
    Row(
        "`docker save` before 25: docker's own archive",
        "docker",
        ("sources/test_saved_by_engines.py::test_docker_save",),
        programs=("dockerd", "docker, the command"),
    ),
    Row(
        "`docker save` since 25: an archive and a layout in one",
        "docker",
        (
            "sources/test_halves.py::test_a_broken_half_of_docker_save",
            f"{_LAYOUT}test_docker_save_leaves_out_the_platforms_it_has_not",
            "e2e/test_sources.py::test_an_archive_of_ours_is_a_layout_again",
        ),
        imitated=_BY_HAND,
    ),
    Row(
        "`podman save`: docker-archive, oci-archive, docker-dir, oci-dir",
        "podman",
        ("sources/test_saved_by_engines.py::test_podman_save",),
        programs=("podman",),
    ),
    Row(
        "`skopeo copy` to docker-archive:, oci-archive:, oci: and dir:",
        "skopeo",
        (f"{_DIALECTS}test_what_programs_in_go_write", "sources/test_skopeo_folder.py::test_one_image"),
        programs=("skopeo",),
        kinds=("flakeship.sources.skopeo_folder",),
    ),
    Row(
        "`skopeo copy --all` to dir:",
        "skopeo",
        ("sources/test_skopeo_folder.py::test_an_index",),
        imitated=_BY_HAND,
    ),
    Row("an OCI layout", "umoci", (f"{_DIALECTS}test_what_programs_in_go_write",), programs=("umoci",)),
    Row("`crane pull`", "crane", (f"{_ARCHIVES}test_odd_archives",), imitated=_BY_HAND),
    Row(
        "an OCI layout of several platforms, with attestations and other artifacts",
        "buildx, oras",
        (f"{_LAYOUT}test_attestations_are_left_out", "sources/test_indexes.py::test_an_artifact_beside_images_is_left_out"),
        imitated=_BY_HAND,
    ),
    Row(
        "an OCI layout in a folder, in a tar, and in a folder of a tar; plain and gzip",
        "whoever packs a folder",
        (f"{_DIALECTS}test_an_image_layout", f"{_DIALECTS}test_what_bsdtar_writes"),
        programs=("GNU tar", "busybox", "bsdtar", "Python"),
        kinds=("flakeship.sources.oci_layout",),
    ),
    Row(
        "an OCI layout in a tar that is compressed with gzip, zstd, xz, bzip2",
        "whoever compresses it",
        ("sources/test_oci_layout_compressed.py::test_its_layers_stay_as_they_are", f"{_ARCHIVES}test_other_ways_to_compress"),
        programs=("Python",),
    ),
    Row(
        "tar: V7, USTAR, GNU's and pax, with holes, labels, links, with and without the mark at the end",
        "GNU tar, bsdtar, busybox, Python",
        (
            f"{_DIALECTS}test_an_archive_of_docker",
            f"{_DIALECTS}test_what_bsdtar_writes",
            "image/tar/test_sparse.py::test_every_form_is_read_whole",
        ),
        programs=("GNU tar", "bsdtar", "busybox", "Python"),
    ),
    Row(
        "an image in a registry, also an index",
        "docker-registry",
        ("e2e/test_registry_source.py::test_a_new_tag_of_the_same_image", "e2e/test_sources.py::test_an_index_is_published_as_one"),
        programs=("docker-registry",),
    ),
)  # fmt: skip

_REGISTRIES: Final = (
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
    Row("a push past one fault at a time", "`crane registry serve`", figures=("before `crane registry serve`",)),
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
        (f"{_REFUSALS}test_a_success_without_a_location_is_tried_again", f"{_CHECK}test_each_registry_has_its_own_hint"),
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
)  # fmt: skip

_READERS: Final = (
    Row(
        "what was pushed: pulled, run, inspected",
        "docker, skopeo",
        (f"{_CONSUMERS}test_docker_pulls_and_runs_what_was_pushed", f"{_CONSUMERS}test_skopeo_reads_what_was_pushed"),
        programs=("dockerd", "docker, the command", "skopeo"),
    ),
    Row(
        "`oci:`, an OCI layout",
        "skopeo, umoci",
        ("destinations/test_oci_layout.py::test_other_tools_read_it", f"{_CONSUMERS}test_umoci_unpacks_the_layout"),
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
        ("e2e/test_bytes.py::test_every_document_is_valid", "destinations/test_oci_layout.py::test_its_documents_are_valid"),
        programs=("schemas of the image-spec",),
    ),
)  # fmt: skip

_CREDENTIALS: Final = (
    Row("`docker login`", "docker", (f"{_LOGINS}test_what_docker_login_leaves",), programs=("docker, the command", "dockerd")),
    Row("`podman login`", "podman", (f"{_LOGINS}test_what_podman_login_leaves",), programs=("podman",)),
    Row("`skopeo login --authfile`", "skopeo", (f"{_LOGINS}test_what_skopeo_login_leaves",), programs=("skopeo",)),
    Row(
        "files in older and other forms, DOCKER_AUTH_CONFIG",
        "docker before 1.7, people, GitLab",
        (f"{_LOGINS}test_each_place", "registry/test_auth_file.py::test_what_docker_and_podman_read_is_read"),
        imitated=_BY_HAND,
    ),
    Row(
        "credential helpers of any name",
        "docker-credential-ecr-login, -gcr, -desktop.exe and their like",
        (
            "registry/test_credential_helper.py::test_a_helper_may_have_any_name",
            "registry/test_credential_helper.py::test_what_docker_takes_for_an_answer",
        ),
        imitated="scripts that answer as helpers do",
    ),
    Row(
        "`docker context create` and `use`",
        "docker",
        (
            "destinations/test_docker_context.py::test_a_context_that_docker_wrote_is_followed",
            "destinations/test_docker_daemon.py::test_the_engine_of_dockers_context_answers",
        ),
        programs=("docker, the command", "dockerd"),
    ),
    Row(
        "certificates in `certs.d`",
        "docker, podman",
        (
            "http/test_trust.py::test_the_folder_of_a_host",
            "http/test_trust.py::test_certificates_of_a_host_are_for_that_host_alone",
        ),
        imitated=_BY_HAND,
    ),
)  # fmt: skip

_CI: Final = (
    Row(
        "workflows on GitHub: the action, its image, the native action",
        "act, which runs them in docker",
        (
            "e2e/test_act.py::test_the_workflow_of_the_readme",
            "e2e/test_act.py::test_the_native_action_uses_the_nix_of_the_runner",
            "e2e/test_act_metadata.py::test_one_step_or_two_give_the_same_image_the_same_names",
        ),
        programs=("act", "dockerd"),
    ),
    Row(
        "events, log, outputs and summary of GitHub",
        "GitHub's runner",
        (
            "ci/github/test_log.py::test_no_text_commands_anything",
            "ci/github/test_event.py::test_a_push_is_described_whole",
            "e2e/test_github.py::test_a_builder_can_not_speak_to_the_runner",
        ),
        imitated="its environment, its payloads and its rules",
        kinds=("flakeship.ci.github",),
    ),
    Row(
        "pipelines on GitLab: the component, a later job",
        "gitlab-ci-local, which runs them in docker",
        (
            "e2e/test_gitlab.py::test_a_pipeline_ships_and_a_later_job_reads_what",
            "e2e/test_gitlab.py::test_the_same_text_is_included_as_a_file",
        ),
        programs=("gitlab-ci-local", "dockerd"),
    ),
    Row(
        "variables, sections of the log and reports of GitLab",
        "GitLab and its runner",
        (
            "ci/gitlab/test_event.py::test_each_kind_of_pipeline_has_its_ref",
            "ci/gitlab/test_outputs.py::test_variables_read_back_as_they_were_meant_or_are_refused",
            "e2e/test_gitlab_events.py::test_each_kind_of_pipeline_has_its_tags",
        ),
        imitated="its environment and its rules",
        kinds=("flakeship.ci.gitlab",),
    ),
    Row(
        "workflows on Forgejo",
        "Forgejo's runner",
        (
            "ci/test_platforms.py::test_each_platform_is_told_from_the_others",
            "metadata/test_situations.py::test_on_forgejo",
            "e2e/test_success_means_pushed.py::test_every_place_tells_whether_it_was_pushed",
        ),
        imitated="its environment",
        kinds=("flakeship.ci.forgejo",),
    ),
    Row(
        "a clone on a laptop: branch, tag, commit, remote",
        "git",
        ("ci/local/test_git.py::test_a_branch", "ci/local/test_git.py::test_a_shallow_clone_is_described_all_the_same"),
        programs=("git",),
        kinds=("flakeship.ci.local",),
    ),
    Row(
        "tags, labels and annotations that a step before handed over",
        "docker/metadata-action",
        ("e2e/test_act.py::test_outputs_of_metadata_action_are_taken_verbatim",),
        recorded=_recorded_action(),
    ),
)  # fmt: skip

_NIX: Final = (
    Row(
        "builds, evaluations, logs and their failures",
        "Nix",
        (
            "nix/test_build.py::test_log_lines_arrive_while_the_builder_runs",
            "nix/test_attribute_path.py::test_nix_reads_the_names_that_we_write",
            "e2e/test_attributes.py::test_attributes_are_taken_as_nix_build_takes_them",
        ),
        programs=("Nix", "git"),
    ),
    Row(
        "the JSON and the messages of other versions",
        "Nix",
        (
            "nix/test_build_forms.py::test_the_json_of_each_version_is_read",
            "nix/test_flake.py::test_the_json_of_each_version_is_read",
            "nix/test_explain.py::test_each_message_of_the_catalogue_is_recognised",
        ),
        recorded=_recorded_nix(),
    ),
    Row(
        "refusals of unfree, insecure and broken packages",
        "nixpkgs until 2025, and since 2026",
        ("nix/test_refusals.py::test_a_refusal_of_nixpkgs_names_the_package_and_the_way_out",),
        recorded="its words",
    ),
    Row(
        "a binary cache: signed, on a disk, by http, and down in every way",
        "Nix",
        ("caches/test_substituters.py::test_a_package_in_the_cache_is_not_built",),
        programs=("Nix",),
        kinds=("flakeship.caches.substituters",),
    ),
    Row(
        "Cachix: reading and pushing",
        "cachix.org and its client",
        ("caches/test_cachix.py::test_the_client_runs_the_build_and_nix_does_not_see_its_secrets",
         "e2e/test_cachix.py::test_the_build_runs_under_the_client"),
        imitated="the service and the client; Nix is real",
        kinds=("flakeship.caches.cachix",),
    ),
    Row(
        "the program itself, from its wheel",
        "Python",
        ("test_distribution.py::test_the_wheel_runs_anywhere_and_brings_manual_and_completions",),
        programs=("Python",),
    ),
)  # fmt: skip

SECTIONS: Final[Mapping[str, Sequence[Row]]] = {
    "What Nix hands over": _NIX_RESULTS,
    "Archives, layouts and images of others": _ARCHIVES_AND_LAYOUTS,
    "Registries": _REGISTRIES,
    "Who reads what flakeship writes": _READERS,
    "Logins, contexts and certificates": _CREDENTIALS,
    "CI": _CI,
    "Nix and Python": _NIX,
}
"""By the heading that the page has for them."""
