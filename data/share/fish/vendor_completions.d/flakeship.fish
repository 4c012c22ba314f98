# Rendered from the declaration of inputs: flakeship completion fish | source
complete -c flakeship -f -n 'not __fish_seen_subcommand_from publish merge plan inspect diff why layers cache doctor completion verify sbom metadata' -a publish -d 'Build a flake attribute, stamp the image and send it where it goes'
complete -c flakeship -f -n 'not __fish_seen_subcommand_from publish merge plan inspect diff why layers cache doctor completion verify sbom metadata' -a merge -d 'Join the images of several platforms, each pushed by its digest, under one tag'
complete -c flakeship -f -n 'not __fish_seen_subcommand_from publish merge plan inspect diff why layers cache doctor completion verify sbom metadata' -a plan -d 'Tell which images and platforms are not published yet, as JSON or as CI jobs'
complete -c flakeship -f -n 'not __fish_seen_subcommand_from publish merge plan inspect diff why layers cache doctor completion verify sbom metadata' -a inspect -d 'Show an image: config, labels, and what each layer holds'
complete -c flakeship -f -n 'not __fish_seen_subcommand_from publish merge plan inspect diff why layers cache doctor completion verify sbom metadata' -a diff -d 'Compare two images: packages, layers, settings'
complete -c flakeship -f -n 'not __fish_seen_subcommand_from publish merge plan inspect diff why layers cache doctor completion verify sbom metadata' -a why -d 'Show why a package is in an image: what refers to it, from the image\'s roots on'
complete -c flakeship -f -n 'not __fish_seen_subcommand_from publish merge plan inspect diff why layers cache doctor completion verify sbom metadata' -a layers -d 'List the packed layers that are kept for later runs, or prune them to `layer-cache-size`'
complete -c flakeship -f -n 'not __fish_seen_subcommand_from publish merge plan inspect diff why layers cache doctor completion verify sbom metadata' -a cache -d 'List what the Nix cache in a registry or a folder holds, prune it, or verify all of it'
complete -c flakeship -f -n 'not __fish_seen_subcommand_from publish merge plan inspect diff why layers cache doctor completion verify sbom metadata' -a doctor -d 'Look at all that a publish with these inputs needs, and say what to do'
complete -c flakeship -f -n 'not __fish_seen_subcommand_from publish merge plan inspect diff why layers cache doctor completion verify sbom metadata' -a completion -d 'Print what completes command lines in a shell'
complete -c flakeship -f -n 'not __fish_seen_subcommand_from publish merge plan inspect diff why layers cache doctor completion verify sbom metadata' -a verify -d 'Compare an image in a registry with its digests, signatures and SBOM'
complete -c flakeship -f -n 'not __fish_seen_subcommand_from publish merge plan inspect diff why layers cache doctor completion verify sbom metadata' -a sbom -d 'Print an SBOM: the packages in an image, with licences and sources'
complete -c flakeship -f -n 'not __fish_seen_subcommand_from publish merge plan inspect diff why layers cache doctor completion verify sbom metadata' -a metadata -d 'Print tags, labels and annotations, as docker/metadata-action gives them'
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l flake -d 'The flake attribute to build' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l file -d 'A file of Nix to build from, where there is no flake' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l attr -d 'The attribute of `file` to build' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l nix-path -d 'What `<NAME>` means in `file`, written NAME=PATH-OR-URL' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l source -d 'An image that exists already, and nothing is built' -x -a 'docker:// oci:'
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l image-in-archive -d 'The image to take from an archive that holds several' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l platforms -d 'The platforms to build an attribute for' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l images -d 'Image names without a tag, one a line' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l tags -d 'Tags for the image' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l flavor -d 'Settings for all tags' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l labels -d 'Labels for the image, written KEY=VALUE' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l auto-labels -d 'Add the labels that git, CI and the flake provide' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l annotations -d 'Annotations for the image, written KEY=VALUE, or LEVEL' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l annotations-levels -d 'The levels for annotations that name none' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l annotations-from-labels -d 'Write every label as an annotation too' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l context -d 'Where to read branch, tag and commit' -x -a 'workflow git'
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l github-api -d 'Ask GitHub\'s API, with `github-token`, for what the event lacks' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l created -d 'The creation date of the image' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l to -d 'Where to write the image' -x -a 'oci: oci-archive: docker-archive: docker-daemon: containers-storage:'
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l load -d 'Load the image into this engine too, under the names in `tags`' -x -a 'docker podman'
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l push -d 'Whether to push the image' -x -a 'auto true false'
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l allow-untrusted -d 'Push even if a stranger may have written the code' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l push-by-digest -d 'Push without a tag, for `merge` to join with the images of other platforms, and write what it reads to `flakeship-IMAGE-PLATFORM' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l media-types -d 'The family of media types' -x -a 'oci docker'
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l sbom -d 'The SBOMs to attach to the image' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l sign -d 'Whether to sign the image before a tag names it' -x -a 'key keyless keyless-public false'
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l signing-key-file -d 'The private key that signs' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l signing-password-file -d 'The password of `signing-key`' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l provenance -d 'Attach provenance (SLSA v1)' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l registry -d 'The registry that `username` and `password` are for' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l username -d 'The user name at the registry' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l password-file -d 'The password or token at the registry' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l password-stdin -d 'The password or token at the registry'
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l github-token-file -d 'The token for ghcr' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l authfile -d 'A file with credentials, in the format of docker\'s config' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l plain-http -d 'Registries to speak to without TLS, written HOST or HOST' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l ca -d 'A file with certificates (PEM) to trust in addition to those of the system' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l nix-config -d 'Lines to add to nix' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l impure -d 'Evaluate with `--impure`' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l allow-unfree -d 'Allow packages with an unfree licence' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l accept-flake-config -d 'Accept the nixConfig of the flake (`accept-flake-config` of Nix)' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l pass-env -d 'Names of environment variables to give to Nix and its builders' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l builders -d 'Machines that build for this one, as Nix writes them' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l store -d 'The machine where Nix builds and keeps everything' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l ssh-key-file -d 'The private key to reach `builders` and `store`, and to fetch flakes and inputs over ssh (`git+ssh' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l ssh-known-hosts -d 'The hosts that ssh may speak to, as lines of known_hosts' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l sandbox -d '`required`' -x -a 'auto required'
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l cachix -d 'The name of a Cachix cache to pull from' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l cachix-auth-token-file -d 'The token of the Cachix cache' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l cachix-signing-key-file -d 'The signing key of the Cachix cache, if you keep the key yourself' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l substituters -d 'URLs of further binary caches' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l trusted-public-keys -d 'The public keys of these binary caches, written NAME' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l nix-cache -d 'Where the results of builds are kept for later runs' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l nix-cache-key-file -d 'The secret key that signs what `nix-cache` keeps, as `nix key generate-secret` prints it' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l layer-cache -d 'The folder that keeps packed layers for later runs, or `off`' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l layer-cache-size -d 'The size that the layer cache may have' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l compression -d 'The compression of layers' -x -a 'auto gzip zstd none'
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l compression-level -d 'The level of compression' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l reuse -d 'Whether to use layers again that are published' -x -a 'trust verify off'
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l reuse-from -d 'Further images of the same registry to take layers from' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l rebuild -d 'Whether to build an image that is published' -x -a 'auto always compare'
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l max-concurrent-uploads -d 'How many layers are sent at the same time' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l dry-run -d 'Build and pack the image, ask the registry, print what would be sent, and send nothing' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l lint -d 'Check the image for what images from Nix commonly lack (CA bundle, /tmp, passwd)' -x -a 'off warn strict'
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l metadata-file -d 'The file to write the result to, as JSON' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l pr-comment -d 'Keep a comment on the pull request that says what changed in the image' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l log-level -d 'How much to write to the log' -x -a 'error warn info debug'
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l entrypoint -d 'The program to run' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l cmd -d 'The arguments of the entrypoint, written like `entrypoint`' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l env -d 'Environment variables' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l user -d 'The user that the program runs as' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l workdir -d 'The working directory' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l expose -d 'Ports' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l volumes -d 'Folders for data' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l stop-signal -d 'The signal that asks the program to end' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l healthcheck -d 'The health check, written as in a Dockerfile' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l override-platform -d 'The platform to write into a single image that states a wrong one' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l contents -d 'Packages to link into `/`' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l base -d 'What to add to the root' -x -a 'minimal none'
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l base-image -d 'An image to put the package on' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l max-layers -d 'The largest number of layers' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l debug -d 'Publish a second image that has a shell, under the same tags with `-debug` at the end' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l debug-shell -d 'The package that the `-debug` image has linked into `/`' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l help -d 'show the help and exit'
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l help-all -d 'show every input and exit'
complete -c flakeship -n '__fish_seen_subcommand_from merge' -l platforms -d 'The platforms to build an attribute for' -x
complete -c flakeship -n '__fish_seen_subcommand_from merge' -l legs -d 'What to merge, one platform a line' -x
complete -c flakeship -n '__fish_seen_subcommand_from merge' -l images -d 'Image names without a tag, one a line' -x
complete -c flakeship -n '__fish_seen_subcommand_from merge' -l tags -d 'Tags for the image' -x
complete -c flakeship -n '__fish_seen_subcommand_from merge' -l flavor -d 'Settings for all tags' -x
complete -c flakeship -n '__fish_seen_subcommand_from merge' -l annotations -d 'Annotations for the image, written KEY=VALUE, or LEVEL' -x
complete -c flakeship -n '__fish_seen_subcommand_from merge' -l annotations-levels -d 'The levels for annotations that name none' -x
complete -c flakeship -n '__fish_seen_subcommand_from merge' -l annotations-from-labels -d 'Write every label as an annotation too' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from merge' -l context -d 'Where to read branch, tag and commit' -x -a 'workflow git'
complete -c flakeship -n '__fish_seen_subcommand_from merge' -l github-api -d 'Ask GitHub\'s API, with `github-token`, for what the event lacks' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from merge' -l push -d 'Whether to push the image' -x -a 'auto true false'
complete -c flakeship -n '__fish_seen_subcommand_from merge' -l allow-untrusted -d 'Push even if a stranger may have written the code' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from merge' -l sign -d 'Whether to sign the image before a tag names it' -x -a 'key keyless keyless-public false'
complete -c flakeship -n '__fish_seen_subcommand_from merge' -l signing-key-file -d 'The private key that signs' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from merge' -l signing-password-file -d 'The password of `signing-key`' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from merge' -l provenance -d 'Attach provenance (SLSA v1)' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from merge' -l registry -d 'The registry that `username` and `password` are for' -x
complete -c flakeship -n '__fish_seen_subcommand_from merge' -l username -d 'The user name at the registry' -x
complete -c flakeship -n '__fish_seen_subcommand_from merge' -l password-file -d 'The password or token at the registry' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from merge' -l password-stdin -d 'The password or token at the registry'
complete -c flakeship -n '__fish_seen_subcommand_from merge' -l github-token-file -d 'The token for ghcr' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from merge' -l authfile -d 'A file with credentials, in the format of docker\'s config' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from merge' -l plain-http -d 'Registries to speak to without TLS, written HOST or HOST' -x
complete -c flakeship -n '__fish_seen_subcommand_from merge' -l ca -d 'A file with certificates (PEM) to trust in addition to those of the system' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from merge' -l dry-run -d 'Build and pack the image, ask the registry, print what would be sent, and send nothing' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from merge' -l metadata-file -d 'The file to write the result to, as JSON' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from merge' -l pr-comment -d 'Keep a comment on the pull request that says what changed in the image' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from merge' -l log-level -d 'How much to write to the log' -x -a 'error warn info debug'
complete -c flakeship -n '__fish_seen_subcommand_from merge' -l help -d 'show the help and exit'
complete -c flakeship -n '__fish_seen_subcommand_from merge' -l help-all -d 'show every input and exit'
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l flake -d 'The flake attribute to build' -x
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l file -d 'A file of Nix to build from, where there is no flake' -x
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l attr -d 'The attribute of `file` to build' -x
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l nix-path -d 'What `<NAME>` means in `file`, written NAME=PATH-OR-URL' -x
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l source -d 'An image that exists already, and nothing is built' -x -a 'docker:// oci:'
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l image-in-archive -d 'The image to take from an archive that holds several' -x
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l platforms -d 'The platforms to build an attribute for' -x
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l images -d 'Image names without a tag, one a line' -x
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l tags -d 'Tags for the image' -x
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l flavor -d 'Settings for all tags' -x
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l labels -d 'Labels for the image, written KEY=VALUE' -x
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l auto-labels -d 'Add the labels that git, CI and the flake provide' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l annotations -d 'Annotations for the image, written KEY=VALUE, or LEVEL' -x
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l annotations-levels -d 'The levels for annotations that name none' -x
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l annotations-from-labels -d 'Write every label as an annotation too' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l context -d 'Where to read branch, tag and commit' -x -a 'workflow git'
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l github-api -d 'Ask GitHub\'s API, with `github-token`, for what the event lacks' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l created -d 'The creation date of the image' -x
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l to -d 'Where to write the image' -x -a 'oci: oci-archive: docker-archive: docker-daemon: containers-storage:'
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l load -d 'Load the image into this engine too, under the names in `tags`' -x -a 'docker podman'
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l push -d 'Whether to push the image' -x -a 'auto true false'
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l allow-untrusted -d 'Push even if a stranger may have written the code' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l push-by-digest -d 'Push without a tag, for `merge` to join with the images of other platforms, and write what it reads to `flakeship-IMAGE-PLATFORM' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l media-types -d 'The family of media types' -x -a 'oci docker'
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l sbom -d 'The SBOMs to attach to the image' -x
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l sign -d 'Whether to sign the image before a tag names it' -x -a 'key keyless keyless-public false'
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l signing-key-file -d 'The private key that signs' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l signing-password-file -d 'The password of `signing-key`' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l provenance -d 'Attach provenance (SLSA v1)' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l registry -d 'The registry that `username` and `password` are for' -x
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l username -d 'The user name at the registry' -x
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l password-file -d 'The password or token at the registry' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l password-stdin -d 'The password or token at the registry'
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l github-token-file -d 'The token for ghcr' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l authfile -d 'A file with credentials, in the format of docker\'s config' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l plain-http -d 'Registries to speak to without TLS, written HOST or HOST' -x
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l ca -d 'A file with certificates (PEM) to trust in addition to those of the system' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l nix-config -d 'Lines to add to nix' -x
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l impure -d 'Evaluate with `--impure`' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l allow-unfree -d 'Allow packages with an unfree licence' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l accept-flake-config -d 'Accept the nixConfig of the flake (`accept-flake-config` of Nix)' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l pass-env -d 'Names of environment variables to give to Nix and its builders' -x
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l builders -d 'Machines that build for this one, as Nix writes them' -x
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l store -d 'The machine where Nix builds and keeps everything' -x
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l ssh-key-file -d 'The private key to reach `builders` and `store`, and to fetch flakes and inputs over ssh (`git+ssh' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l ssh-known-hosts -d 'The hosts that ssh may speak to, as lines of known_hosts' -x
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l sandbox -d '`required`' -x -a 'auto required'
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l cachix -d 'The name of a Cachix cache to pull from' -x
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l cachix-auth-token-file -d 'The token of the Cachix cache' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l cachix-signing-key-file -d 'The signing key of the Cachix cache, if you keep the key yourself' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l substituters -d 'URLs of further binary caches' -x
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l trusted-public-keys -d 'The public keys of these binary caches, written NAME' -x
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l nix-cache -d 'Where the results of builds are kept for later runs' -x
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l nix-cache-key-file -d 'The secret key that signs what `nix-cache` keeps, as `nix key generate-secret` prints it' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l layer-cache -d 'The folder that keeps packed layers for later runs, or `off`' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l layer-cache-size -d 'The size that the layer cache may have' -x
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l compression -d 'The compression of layers' -x -a 'auto gzip zstd none'
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l compression-level -d 'The level of compression' -x
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l reuse -d 'Whether to use layers again that are published' -x -a 'trust verify off'
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l reuse-from -d 'Further images of the same registry to take layers from' -x
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l rebuild -d 'Whether to build an image that is published' -x -a 'auto always compare'
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l max-concurrent-uploads -d 'How many layers are sent at the same time' -x
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l dry-run -d 'Build and pack the image, ask the registry, print what would be sent, and send nothing' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l lint -d 'Check the image for what images from Nix commonly lack (CA bundle, /tmp, passwd)' -x -a 'off warn strict'
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l metadata-file -d 'The file to write the result to, as JSON' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l pr-comment -d 'Keep a comment on the pull request that says what changed in the image' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l log-level -d 'How much to write to the log' -x -a 'error warn info debug'
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l format -d 'How to print it' -x -a 'json github gitlab cyclonedx spdx'
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l entrypoint -d 'The program to run' -x
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l cmd -d 'The arguments of the entrypoint, written like `entrypoint`' -x
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l env -d 'Environment variables' -x
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l user -d 'The user that the program runs as' -x
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l workdir -d 'The working directory' -x
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l expose -d 'Ports' -x
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l volumes -d 'Folders for data' -x
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l stop-signal -d 'The signal that asks the program to end' -x
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l healthcheck -d 'The health check, written as in a Dockerfile' -x
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l override-platform -d 'The platform to write into a single image that states a wrong one' -x
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l contents -d 'Packages to link into `/`' -x
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l base -d 'What to add to the root' -x -a 'minimal none'
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l base-image -d 'An image to put the package on' -x
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l max-layers -d 'The largest number of layers' -x
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l debug -d 'Publish a second image that has a shell, under the same tags with `-debug` at the end' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l debug-shell -d 'The package that the `-debug` image has linked into `/`' -x
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l help -d 'show the help and exit'
complete -c flakeship -n '__fish_seen_subcommand_from plan' -l help-all -d 'show every input and exit'
complete -c flakeship -n '__fish_seen_subcommand_from inspect' -l image-in-archive -d 'The image to take from an archive that holds several' -x
complete -c flakeship -n '__fish_seen_subcommand_from inspect' -l platforms -d 'The platforms to build an attribute for' -x
complete -c flakeship -n '__fish_seen_subcommand_from inspect' -l registry -d 'The registry that `username` and `password` are for' -x
complete -c flakeship -n '__fish_seen_subcommand_from inspect' -l username -d 'The user name at the registry' -x
complete -c flakeship -n '__fish_seen_subcommand_from inspect' -l password-file -d 'The password or token at the registry' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from inspect' -l password-stdin -d 'The password or token at the registry'
complete -c flakeship -n '__fish_seen_subcommand_from inspect' -l github-token-file -d 'The token for ghcr' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from inspect' -l authfile -d 'A file with credentials, in the format of docker\'s config' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from inspect' -l plain-http -d 'Registries to speak to without TLS, written HOST or HOST' -x
complete -c flakeship -n '__fish_seen_subcommand_from inspect' -l ca -d 'A file with certificates (PEM) to trust in addition to those of the system' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from inspect' -l log-level -d 'How much to write to the log' -x -a 'error warn info debug'
complete -c flakeship -n '__fish_seen_subcommand_from inspect' -l json -d 'Print JSON' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from inspect' -l help -d 'show the help and exit'
complete -c flakeship -n '__fish_seen_subcommand_from diff' -l platforms -d 'The platforms to build an attribute for' -x
complete -c flakeship -n '__fish_seen_subcommand_from diff' -l registry -d 'The registry that `username` and `password` are for' -x
complete -c flakeship -n '__fish_seen_subcommand_from diff' -l username -d 'The user name at the registry' -x
complete -c flakeship -n '__fish_seen_subcommand_from diff' -l password-file -d 'The password or token at the registry' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from diff' -l password-stdin -d 'The password or token at the registry'
complete -c flakeship -n '__fish_seen_subcommand_from diff' -l github-token-file -d 'The token for ghcr' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from diff' -l authfile -d 'A file with credentials, in the format of docker\'s config' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from diff' -l plain-http -d 'Registries to speak to without TLS, written HOST or HOST' -x
complete -c flakeship -n '__fish_seen_subcommand_from diff' -l ca -d 'A file with certificates (PEM) to trust in addition to those of the system' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from diff' -l log-level -d 'How much to write to the log' -x -a 'error warn info debug'
complete -c flakeship -n '__fish_seen_subcommand_from diff' -l json -d 'Print JSON' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from diff' -l help -d 'show the help and exit'
complete -c flakeship -n '__fish_seen_subcommand_from why' -l image-in-archive -d 'The image to take from an archive that holds several' -x
complete -c flakeship -n '__fish_seen_subcommand_from why' -l platforms -d 'The platforms to build an attribute for' -x
complete -c flakeship -n '__fish_seen_subcommand_from why' -l registry -d 'The registry that `username` and `password` are for' -x
complete -c flakeship -n '__fish_seen_subcommand_from why' -l username -d 'The user name at the registry' -x
complete -c flakeship -n '__fish_seen_subcommand_from why' -l password-file -d 'The password or token at the registry' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from why' -l password-stdin -d 'The password or token at the registry'
complete -c flakeship -n '__fish_seen_subcommand_from why' -l github-token-file -d 'The token for ghcr' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from why' -l authfile -d 'A file with credentials, in the format of docker\'s config' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from why' -l plain-http -d 'Registries to speak to without TLS, written HOST or HOST' -x
complete -c flakeship -n '__fish_seen_subcommand_from why' -l ca -d 'A file with certificates (PEM) to trust in addition to those of the system' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from why' -l substituters -d 'URLs of further binary caches' -x
complete -c flakeship -n '__fish_seen_subcommand_from why' -l log-level -d 'How much to write to the log' -x -a 'error warn info debug'
complete -c flakeship -n '__fish_seen_subcommand_from why' -l json -d 'Print JSON' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from why' -l help -d 'show the help and exit'
complete -c flakeship -n '__fish_seen_subcommand_from layers' -l layer-cache -d 'The folder that keeps packed layers for later runs, or `off`' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from layers' -l layer-cache-size -d 'The size that the layer cache may have' -x
complete -c flakeship -n '__fish_seen_subcommand_from layers' -l log-level -d 'How much to write to the log' -x -a 'error warn info debug'
complete -c flakeship -n '__fish_seen_subcommand_from layers' -l json -d 'Print JSON' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from layers' -l help -d 'show the help and exit'
complete -c flakeship -n '__fish_seen_subcommand_from cache' -l images -d 'Image names without a tag, one a line' -x
complete -c flakeship -n '__fish_seen_subcommand_from cache' -l registry -d 'The registry that `username` and `password` are for' -x
complete -c flakeship -n '__fish_seen_subcommand_from cache' -l username -d 'The user name at the registry' -x
complete -c flakeship -n '__fish_seen_subcommand_from cache' -l password-file -d 'The password or token at the registry' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from cache' -l password-stdin -d 'The password or token at the registry'
complete -c flakeship -n '__fish_seen_subcommand_from cache' -l github-token-file -d 'The token for ghcr' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from cache' -l authfile -d 'A file with credentials, in the format of docker\'s config' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from cache' -l plain-http -d 'Registries to speak to without TLS, written HOST or HOST' -x
complete -c flakeship -n '__fish_seen_subcommand_from cache' -l ca -d 'A file with certificates (PEM) to trust in addition to those of the system' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from cache' -l nix-cache -d 'Where the results of builds are kept for later runs' -x
complete -c flakeship -n '__fish_seen_subcommand_from cache' -l log-level -d 'How much to write to the log' -x -a 'error warn info debug'
complete -c flakeship -n '__fish_seen_subcommand_from cache' -l json -d 'Print JSON' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from cache' -l help -d 'show the help and exit'
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l flake -d 'The flake attribute to build' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l file -d 'A file of Nix to build from, where there is no flake' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l attr -d 'The attribute of `file` to build' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l nix-path -d 'What `<NAME>` means in `file`, written NAME=PATH-OR-URL' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l source -d 'An image that exists already, and nothing is built' -x -a 'docker:// oci:'
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l image-in-archive -d 'The image to take from an archive that holds several' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l platforms -d 'The platforms to build an attribute for' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l images -d 'Image names without a tag, one a line' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l tags -d 'Tags for the image' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l flavor -d 'Settings for all tags' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l labels -d 'Labels for the image, written KEY=VALUE' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l auto-labels -d 'Add the labels that git, CI and the flake provide' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l annotations -d 'Annotations for the image, written KEY=VALUE, or LEVEL' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l annotations-levels -d 'The levels for annotations that name none' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l annotations-from-labels -d 'Write every label as an annotation too' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l context -d 'Where to read branch, tag and commit' -x -a 'workflow git'
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l github-api -d 'Ask GitHub\'s API, with `github-token`, for what the event lacks' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l created -d 'The creation date of the image' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l to -d 'Where to write the image' -x -a 'oci: oci-archive: docker-archive: docker-daemon: containers-storage:'
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l load -d 'Load the image into this engine too, under the names in `tags`' -x -a 'docker podman'
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l push -d 'Whether to push the image' -x -a 'auto true false'
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l allow-untrusted -d 'Push even if a stranger may have written the code' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l push-by-digest -d 'Push without a tag, for `merge` to join with the images of other platforms, and write what it reads to `flakeship-IMAGE-PLATFORM' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l media-types -d 'The family of media types' -x -a 'oci docker'
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l sbom -d 'The SBOMs to attach to the image' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l sign -d 'Whether to sign the image before a tag names it' -x -a 'key keyless keyless-public false'
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l signing-key-file -d 'The private key that signs' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l signing-password-file -d 'The password of `signing-key`' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l provenance -d 'Attach provenance (SLSA v1)' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l registry -d 'The registry that `username` and `password` are for' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l username -d 'The user name at the registry' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l password-file -d 'The password or token at the registry' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l password-stdin -d 'The password or token at the registry'
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l github-token-file -d 'The token for ghcr' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l authfile -d 'A file with credentials, in the format of docker\'s config' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l plain-http -d 'Registries to speak to without TLS, written HOST or HOST' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l ca -d 'A file with certificates (PEM) to trust in addition to those of the system' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l nix-config -d 'Lines to add to nix' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l impure -d 'Evaluate with `--impure`' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l allow-unfree -d 'Allow packages with an unfree licence' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l accept-flake-config -d 'Accept the nixConfig of the flake (`accept-flake-config` of Nix)' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l pass-env -d 'Names of environment variables to give to Nix and its builders' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l builders -d 'Machines that build for this one, as Nix writes them' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l store -d 'The machine where Nix builds and keeps everything' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l ssh-key-file -d 'The private key to reach `builders` and `store`, and to fetch flakes and inputs over ssh (`git+ssh' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l ssh-known-hosts -d 'The hosts that ssh may speak to, as lines of known_hosts' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l sandbox -d '`required`' -x -a 'auto required'
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l cachix -d 'The name of a Cachix cache to pull from' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l cachix-auth-token-file -d 'The token of the Cachix cache' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l cachix-signing-key-file -d 'The signing key of the Cachix cache, if you keep the key yourself' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l substituters -d 'URLs of further binary caches' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l trusted-public-keys -d 'The public keys of these binary caches, written NAME' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l nix-cache -d 'Where the results of builds are kept for later runs' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l nix-cache-key-file -d 'The secret key that signs what `nix-cache` keeps, as `nix key generate-secret` prints it' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l layer-cache -d 'The folder that keeps packed layers for later runs, or `off`' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l layer-cache-size -d 'The size that the layer cache may have' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l compression -d 'The compression of layers' -x -a 'auto gzip zstd none'
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l compression-level -d 'The level of compression' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l reuse -d 'Whether to use layers again that are published' -x -a 'trust verify off'
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l reuse-from -d 'Further images of the same registry to take layers from' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l rebuild -d 'Whether to build an image that is published' -x -a 'auto always compare'
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l max-concurrent-uploads -d 'How many layers are sent at the same time' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l dry-run -d 'Build and pack the image, ask the registry, print what would be sent, and send nothing' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l lint -d 'Check the image for what images from Nix commonly lack (CA bundle, /tmp, passwd)' -x -a 'off warn strict'
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l metadata-file -d 'The file to write the result to, as JSON' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l pr-comment -d 'Keep a comment on the pull request that says what changed in the image' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l log-level -d 'How much to write to the log' -x -a 'error warn info debug'
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l json -d 'Print JSON' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l entrypoint -d 'The program to run' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l cmd -d 'The arguments of the entrypoint, written like `entrypoint`' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l env -d 'Environment variables' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l user -d 'The user that the program runs as' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l workdir -d 'The working directory' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l expose -d 'Ports' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l volumes -d 'Folders for data' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l stop-signal -d 'The signal that asks the program to end' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l healthcheck -d 'The health check, written as in a Dockerfile' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l override-platform -d 'The platform to write into a single image that states a wrong one' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l contents -d 'Packages to link into `/`' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l base -d 'What to add to the root' -x -a 'minimal none'
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l base-image -d 'An image to put the package on' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l max-layers -d 'The largest number of layers' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l debug -d 'Publish a second image that has a shell, under the same tags with `-debug` at the end' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l debug-shell -d 'The package that the `-debug` image has linked into `/`' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l help -d 'show the help and exit'
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l help-all -d 'show every input and exit'
complete -c flakeship -n '__fish_seen_subcommand_from completion' -l help -d 'show the help and exit'
complete -c flakeship -n '__fish_seen_subcommand_from verify' -l key -d 'The public key that must have signed the image' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from verify' -l certificate-identity -d 'Who must have signed the image without a key' -x
complete -c flakeship -n '__fish_seen_subcommand_from verify' -l certificate-oidc-issuer -d 'Who must have told Sigstore who that is' -x
complete -c flakeship -n '__fish_seen_subcommand_from verify' -l registry -d 'The registry that `username` and `password` are for' -x
complete -c flakeship -n '__fish_seen_subcommand_from verify' -l username -d 'The user name at the registry' -x
complete -c flakeship -n '__fish_seen_subcommand_from verify' -l password-file -d 'The password or token at the registry' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from verify' -l password-stdin -d 'The password or token at the registry'
complete -c flakeship -n '__fish_seen_subcommand_from verify' -l github-token-file -d 'The token for ghcr' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from verify' -l authfile -d 'A file with credentials, in the format of docker\'s config' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from verify' -l plain-http -d 'Registries to speak to without TLS, written HOST or HOST' -x
complete -c flakeship -n '__fish_seen_subcommand_from verify' -l ca -d 'A file with certificates (PEM) to trust in addition to those of the system' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from verify' -l log-level -d 'How much to write to the log' -x -a 'error warn info debug'
complete -c flakeship -n '__fish_seen_subcommand_from verify' -l json -d 'Print JSON' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from verify' -l help -d 'show the help and exit'
complete -c flakeship -n '__fish_seen_subcommand_from sbom' -l image-in-archive -d 'The image to take from an archive that holds several' -x
complete -c flakeship -n '__fish_seen_subcommand_from sbom' -l platforms -d 'The platforms to build an attribute for' -x
complete -c flakeship -n '__fish_seen_subcommand_from sbom' -l registry -d 'The registry that `username` and `password` are for' -x
complete -c flakeship -n '__fish_seen_subcommand_from sbom' -l username -d 'The user name at the registry' -x
complete -c flakeship -n '__fish_seen_subcommand_from sbom' -l password-file -d 'The password or token at the registry' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from sbom' -l password-stdin -d 'The password or token at the registry'
complete -c flakeship -n '__fish_seen_subcommand_from sbom' -l github-token-file -d 'The token for ghcr' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from sbom' -l authfile -d 'A file with credentials, in the format of docker\'s config' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from sbom' -l plain-http -d 'Registries to speak to without TLS, written HOST or HOST' -x
complete -c flakeship -n '__fish_seen_subcommand_from sbom' -l ca -d 'A file with certificates (PEM) to trust in addition to those of the system' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from sbom' -l log-level -d 'How much to write to the log' -x -a 'error warn info debug'
complete -c flakeship -n '__fish_seen_subcommand_from sbom' -l format -d 'How to print it' -x -a 'json github gitlab cyclonedx spdx'
complete -c flakeship -n '__fish_seen_subcommand_from sbom' -l output -d 'The file to write the SBOM to' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from sbom' -l help -d 'show the help and exit'
complete -c flakeship -n '__fish_seen_subcommand_from metadata' -l flake -d 'The flake attribute to build' -x
complete -c flakeship -n '__fish_seen_subcommand_from metadata' -l file -d 'A file of Nix to build from, where there is no flake' -x
complete -c flakeship -n '__fish_seen_subcommand_from metadata' -l attr -d 'The attribute of `file` to build' -x
complete -c flakeship -n '__fish_seen_subcommand_from metadata' -l nix-path -d 'What `<NAME>` means in `file`, written NAME=PATH-OR-URL' -x
complete -c flakeship -n '__fish_seen_subcommand_from metadata' -l source -d 'An image that exists already, and nothing is built' -x -a 'docker:// oci:'
complete -c flakeship -n '__fish_seen_subcommand_from metadata' -l images -d 'Image names without a tag, one a line' -x
complete -c flakeship -n '__fish_seen_subcommand_from metadata' -l tags -d 'Tags for the image' -x
complete -c flakeship -n '__fish_seen_subcommand_from metadata' -l flavor -d 'Settings for all tags' -x
complete -c flakeship -n '__fish_seen_subcommand_from metadata' -l labels -d 'Labels for the image, written KEY=VALUE' -x
complete -c flakeship -n '__fish_seen_subcommand_from metadata' -l auto-labels -d 'Add the labels that git, CI and the flake provide' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from metadata' -l annotations -d 'Annotations for the image, written KEY=VALUE, or LEVEL' -x
complete -c flakeship -n '__fish_seen_subcommand_from metadata' -l annotations-levels -d 'The levels for annotations that name none' -x
complete -c flakeship -n '__fish_seen_subcommand_from metadata' -l annotations-from-labels -d 'Write every label as an annotation too' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from metadata' -l context -d 'Where to read branch, tag and commit' -x -a 'workflow git'
complete -c flakeship -n '__fish_seen_subcommand_from metadata' -l github-api -d 'Ask GitHub\'s API, with `github-token`, for what the event lacks' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from metadata' -l github-token-file -d 'The token for ghcr' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from metadata' -l ca -d 'A file with certificates (PEM) to trust in addition to those of the system' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from metadata' -l nix-config -d 'Lines to add to nix' -x
complete -c flakeship -n '__fish_seen_subcommand_from metadata' -l impure -d 'Evaluate with `--impure`' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from metadata' -l allow-unfree -d 'Allow packages with an unfree licence' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from metadata' -l accept-flake-config -d 'Accept the nixConfig of the flake (`accept-flake-config` of Nix)' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from metadata' -l pass-env -d 'Names of environment variables to give to Nix and its builders' -x
complete -c flakeship -n '__fish_seen_subcommand_from metadata' -l builders -d 'Machines that build for this one, as Nix writes them' -x
complete -c flakeship -n '__fish_seen_subcommand_from metadata' -l store -d 'The machine where Nix builds and keeps everything' -x
complete -c flakeship -n '__fish_seen_subcommand_from metadata' -l ssh-key-file -d 'The private key to reach `builders` and `store`, and to fetch flakes and inputs over ssh (`git+ssh' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from metadata' -l ssh-known-hosts -d 'The hosts that ssh may speak to, as lines of known_hosts' -x
complete -c flakeship -n '__fish_seen_subcommand_from metadata' -l explain -d 'Print the rule that gave each tag' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from metadata' -l bake -d 'Print a definition for `docker buildx bake`' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from metadata' -l bake-target -d 'The name of the target in definitions for bake' -x
complete -c flakeship -n '__fish_seen_subcommand_from metadata' -l bake-folder -d 'The folder for the files for bake' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from metadata' -l sep-tags -d 'The text between two tags in the outputs' -x
complete -c flakeship -n '__fish_seen_subcommand_from metadata' -l sep-labels -d 'The text between two labels in the outputs' -x
complete -c flakeship -n '__fish_seen_subcommand_from metadata' -l sep-annotations -d 'The text between two annotations in the outputs' -x
complete -c flakeship -n '__fish_seen_subcommand_from metadata' -l log-level -d 'How much to write to the log' -x -a 'error warn info debug'
complete -c flakeship -n '__fish_seen_subcommand_from metadata' -l json -d 'Print JSON' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from metadata' -l help -d 'show the help and exit'
complete -c flakeship -f -n '__fish_seen_subcommand_from layers' -a 'list prune'
complete -c flakeship -f -n '__fish_seen_subcommand_from cache' -a 'list prune verify'
complete -c flakeship -f -n '__fish_seen_subcommand_from completion' -a 'bash zsh fish'
