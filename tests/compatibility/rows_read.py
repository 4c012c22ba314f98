"""What is read: results of Nix, archives, layouts and images of others."""

from __future__ import annotations

from typing import Final

from tests.compatibility.recorded import recorded_nix
from tests.compatibility.row import Row
from tests.nix import samples

_ARCHIVES: Final = "sources/test_odd_archives.py::"
_DIALECTS: Final = "sources/test_dialects.py::"
_LAYOUT: Final = "sources/test_oci_layout.py::"
_STREAM: Final = "sources/test_stream_plan.py::"
_BY_HAND: Final = "made by hand"

NIX_RESULTS: Final = (
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
        programs=("Nix",),
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
        (
            "e2e/test_package.py::test_an_engine_runs_a_package",
            "nix/test_closure.py::test_the_json_of_each_version_is_read",
        ),
        programs=("Nix", "dockerd"),
        recorded=f"{recorded_nix(samples.PATH_INFO)}, for their JSON",
        kinds=("flakeship.sources.closure",),
    ),
)


ARCHIVES_AND_LAYOUTS: Final = (
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
        (
            f"{_LAYOUT}test_attestations_are_left_out",
            "sources/test_indexes.py::test_an_artifact_beside_images_is_left_out",
        ),
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
        (
            "sources/test_oci_layout_compressed.py::test_its_layers_stay_as_they_are",
            f"{_ARCHIVES}test_other_ways_to_compress",
        ),
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
        "the modules in a program of Go, in the form of Go 1.18 and newer",
        "Go's linker; the older form is made by hand",
        (
            "sbom/test_carried.py::test_a_real_program_of_go",
            "sbom/test_carried.py::test_each_form_of_elf_and_of_go",
        ),
        recorded="act, a program of Go 1.26",
    ),
    Row(
        "the crates in a program of Rust, and the packages of Python in dist-info",
        "cargo-auditable 0.6, wheel",
        (
            "sbom/test_carried.py::test_crates_that_only_build_are_no_part_of_a_program",
            "sbom/test_carried.py::test_packages_inside_are_components_below_their_own",
        ),
        imitated="their formats by our tests; uv 0.13.9, read once by hand, gave the 532 crates that syft 1.18 finds in it",
    ),
    Row(
        "an image in a registry, also an index",
        "docker-registry",
        (
            "e2e/test_registry_source.py::test_a_new_tag_of_the_same_image",
            "e2e/test_sources.py::test_an_index_is_published_as_one",
        ),
        programs=("docker-registry",),
    ),
)
