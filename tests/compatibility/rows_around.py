"""What is around a run: logins, CI, Nix, Python."""

from __future__ import annotations

from typing import Final

from tests.compatibility.recorded import recorded_action, recorded_nix
from tests.compatibility.row import Row

_LOGINS: Final = "e2e/test_credentials.py::"
_BY_HAND: Final = "made by hand"

CREDENTIALS: Final = (
    Row(
        "`docker login`",
        "docker",
        (f"{_LOGINS}test_what_docker_login_leaves",),
        programs=("docker, the command", "dockerd"),
    ),
    Row("`podman login`", "podman", (f"{_LOGINS}test_what_podman_login_leaves",), programs=("podman",)),
    Row(
        "`skopeo login --authfile`",
        "skopeo",
        (f"{_LOGINS}test_what_skopeo_login_leaves",),
        programs=("skopeo",),
    ),
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
)


CI: Final = (
    Row(
        "workflows on GitHub: the action, its image, the native action",
        "act, which runs them in docker",
        (
            "e2e/test_act_docs.py::test_workflows_for_images_deployments_and_going_back",
            "e2e/test_act.py::test_the_native_action_uses_the_nix_of_the_runner",
            "e2e/test_act_metadata.py::test_one_step_or_two_give_the_same_image_the_same_names",
        ),
        programs=("act", "dockerd", "Nix in the action's image", "Python in the action's image"),
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
        programs=("gitlab-ci-local", "dockerd", "Nix in the action's image", "git in the action's image"),
    ),
    Row(
        "a job for each platform, which pushes by digest, and a job that merges",
        "act, gitlab-ci-local",
        (
            "e2e/test_act_docs.py::test_two_jobs_push_by_digest_and_a_third_merges",
            "e2e/test_gitlab_docs.py::test_two_jobs_push_by_digest_and_a_third_merges",
            "e2e/test_merge.py::test_two_jobs_at_once_and_a_merge_give_an_index",
        ),
        programs=("act", "gitlab-ci-local", "dockerd", "docker-registry"),
    ),
    Row(
        "variables, sections of the log and reports of GitLab",
        "GitLab and its runner",
        (
            "ci/gitlab/test_event.py::test_each_kind_of_pipeline_has_its_ref",
            "ci/test_shipped_folder.py::test_variables_read_back_as_they_were_meant_or_are_refused",
            "rendering/test_gitlab_docs.py::test_whatever_pipeline_a_job_of_a_user_is_in_ours_is_in_it_too",
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
        (
            "ci/local/test_git.py::test_a_branch",
            "ci/local/test_git.py::test_a_shallow_clone_is_described_all_the_same",
        ),
        programs=("git",),
        kinds=("flakeship.ci.local",),
    ),
    Row(
        "tags, labels and annotations that a step before handed over",
        "docker/metadata-action",
        ("e2e/test_act.py::test_outputs_of_metadata_action_are_taken_verbatim",),
        recorded=recorded_action(),
    ),
)


NIX: Final = (
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
        "an attribute for each of several systems, and programs of another processor",
        "Nix, which another setting lets build for aarch64; qemu, which runs such a program",
        (
            "e2e/test_platforms.py::test_two_platforms_of_one_attribute",
            "e2e/test_platforms.py::test_a_program_of_another_processor_is_built_and_runs",
        ),
        programs=("Nix",),
        imitated="what nixpkgs would build for aarch64",
    ),
    Row(
        "the JSON and the messages of other versions",
        "Nix",
        (
            "nix/test_build_forms.py::test_the_json_of_each_version_is_read",
            "nix/test_flake.py::test_the_json_of_each_version_is_read",
            "nix/test_explain.py::test_each_message_of_the_catalogue_is_recognised",
        ),
        recorded=recorded_nix(),
    ),
    Row(
        "refusals of unfree, insecure and broken packages",
        "nixpkgs until 2025, and since 2026",
        ("nix/test_refusals.py::test_a_refusal_of_nixpkgs_names_the_package_and_the_way_out",),
        imitated="its words, as its source has them",
    ),
    Row(
        "a store on another machine, over ssh: its NARs, its answers, and how it fails",
        "Nix and OpenSSH",
        (
            "e2e/test_far_store.py::test_the_same_image_as_from_here",
            "e2e/test_far_store.py::test_a_machine_with_a_newer_nix",
            "e2e/test_newer_client.py::test_a_far_store_builds_for_it",
            "nix/test_far_store.py::test_a_lost_connection_is_made_once_more",
            "image/nar/test_same_tar.py::test_any_tree",
        ),
        programs=("Nix",),
    ),
    Row(
        "a binary cache: signed, on a disk, by http, and down in every way",
        "Nix",
        (
            "caches/test_substituters.py::test_a_package_in_the_cache_is_not_built",
            "caches/test_faults.py::test_nix_28_builds_with_a_cache_that_has_a_fault",
            "caches/test_faults.py::test_newer_nix_builds_with_a_cache_that_has_a_fault",
        ),
        programs=("Nix",),
        kinds=("flakeship.caches.substituters",),
    ),
    Row(
        "the results of builds kept in a registry, and read by an empty store",
        "Nix, distribution",
        (
            "e2e/test_nix_cache.py::test_a_cold_runner_builds_nothing_that_another_has_built_and_a_fork_writes_nothing",
            "caches/test_pushed.py::test_nix_reads_what_was_written_to_a_plain_cache",
            "image/nar/test_writer.py::test_a_nar_is_the_one_that_nix_writes",
        ),
        programs=("Nix",),
        kinds=("flakeship.caches.nix_cache",),
    ),
    Row(
        "a cache's tags removed where the registry removes none, and its versions without a tag",
        "GHCR, GitLab",
        (
            "commands/cache/test_platform_api.py::test_github_removes_the_version_with_the_tag",
            "commands/cache/test_platform_api.py::test_gitlab_removes_the_tag",
        ),
        imitated="both APIs, after their documentation",
    ),
    Row(
        "an image of what caches have, without its closure in the store",
        "Nix",
        (
            "e2e/test_without_closure.py::test_the_same_image_and_nothing_in_the_store",
            "e2e/test_without_closure.py::test_a_cache_that_fails_in_the_middle",
            "caches/test_substitutes.py::test_a_path_is_believed_where_nix_believes_it",
        ),
        programs=("Nix",),
    ),
    Row(
        "Cachix: reading and pushing",
        "cachix.org and its client",
        (
            "caches/test_cachix.py::test_the_client_is_handed_what_was_built_and_the_closure_and_alone_sees_the_secrets",
            "e2e/test_cachix.py::test_what_was_built_is_pushed_by_the_client",
        ),
        imitated="the service and the client; Nix is real",
        kinds=("flakeship.caches.cachix",),
    ),
    Row(
        "the image of the action, and docker alone instead of a Nix",
        "docker",
        (
            "e2e/test_action_image.py::test_runs_as_github_runs_it_and_leaves_the_workspace_clean",
            "e2e/test_without_nix.py::test_the_image_is_loaded_into_docker",
        ),
        programs=(
            "dockerd",
            "Nix in the action's image",
            "Python in the action's image",
            "git in the action's image",
        ),
    ),
    Row(
        "the program itself, from its wheel",
        "Python",
        ("test_distribution.py::test_the_wheel_runs_anywhere_and_brings_manual_and_completions",),
        programs=("Python",),
    ),
)
