# Rendered from the declaration of inputs: flakeship completion fish | source
# Whether the command is $argv, or not yet written; `__fish_seen_subcommand_from` looks at later words too.
function __flakeship_command_is
    set -l words (commandline -opc)
    test "$words[2]" = "$argv"
end
complete -c flakeship -n __flakeship_command_is -f -a publish -d 'Build a flake attribute, stamp the image and send it where it goes'
complete -c flakeship -n __flakeship_command_is -f -a merge -d 'Join the images of several platforms, each pushed by its digest, under one tag'
complete -c flakeship -n __flakeship_command_is -f -a plan -d 'Tell which images and platforms are not published yet, as JSON or as CI jobs'
complete -c flakeship -n __flakeship_command_is -f -a inspect -d 'Show an image: config, labels, and what each layer holds'
complete -c flakeship -n __flakeship_command_is -f -a diff -d 'Compare two images: packages, layers, settings'
complete -c flakeship -n __flakeship_command_is -f -a why -d 'Show why a package is in an image: what refers to it, from the image\'s roots on'
complete -c flakeship -n __flakeship_command_is -f -a layers -d 'List the packed layers that are kept for later runs, or prune them to `layer-cache-size`'
complete -c flakeship -n __flakeship_command_is -f -a cache -d 'List what the Nix cache in a registry or a folder holds, prune it, or verify all of it'
complete -c flakeship -n __flakeship_command_is -f -a doctor -d 'Look at all that a publish with these inputs needs, and say what to do'
complete -c flakeship -n __flakeship_command_is -f -a completion -d 'Print what completes command lines in a shell'
complete -c flakeship -n __flakeship_command_is -f -a verify -d 'Compare an image in a registry with its digests, signatures and SBOM'
complete -c flakeship -n __flakeship_command_is -f -a sbom -d 'Print an SBOM: the packages in an image, with licences and sources'
complete -c flakeship -n __flakeship_command_is -f -a metadata -d 'Print tags, labels and annotations, as docker/metadata-action gives them'
complete -c flakeship -n __flakeship_command_is -f -l help -d 'show the help and exit'
complete -c flakeship -n __flakeship_command_is -f -l version -d 'show the version and exit'
complete -c flakeship -n '__flakeship_command_is publish' -l flake -d 'The flake attribute to build' -x
complete -c flakeship -n '__flakeship_command_is publish' -l file -d 'A file of Nix to build from, where there is no flake' -x
complete -c flakeship -n '__flakeship_command_is publish' -l attr -d 'The attribute of `file` to build' -x
complete -c flakeship -n '__flakeship_command_is publish' -l nix-path -d 'What `<NAME>` means in `file`, written NAME=PATH-OR-URL' -x
complete -c flakeship -n '__flakeship_command_is publish' -l source -d 'An image that exists already, and nothing is built' -r -F -a 'docker:// oci:'
complete -c flakeship -n '__flakeship_command_is publish' -l image-in-archive -d 'The image to take from an archive that holds several' -x
complete -c flakeship -n '__flakeship_command_is publish' -l platforms -d 'The platforms to build an attribute for' -x
complete -c flakeship -n '__flakeship_command_is publish' -l images -d 'Image names without a tag, one a line' -x
complete -c flakeship -n '__flakeship_command_is publish' -l tags -d 'Tags for the image' -x
complete -c flakeship -n '__flakeship_command_is publish' -l flavor -d 'Settings for all tags' -x
complete -c flakeship -n '__flakeship_command_is publish' -l labels -d 'Labels for the image, written KEY=VALUE' -x
complete -c flakeship -n '__flakeship_command_is publish' -l auto-labels -d 'Add the labels that git, CI and the flake provide' -x -a 'true false'
complete -c flakeship -n '__flakeship_command_is publish' -l annotations -d 'Annotations for the image, written KEY=VALUE, or LEVEL:KEY=VALUE where LEVEL is `manifest`, `index`, `manifest-descriptor` or `index-descriptor`' -x
complete -c flakeship -n '__flakeship_command_is publish' -l annotations-levels -d 'The levels for annotations that name none' -x
complete -c flakeship -n '__flakeship_command_is publish' -l annotations-from-labels -d 'Write every label as an annotation too' -x -a 'true false'
complete -c flakeship -n '__flakeship_command_is publish' -l context -d 'Where to read branch, tag and commit' -x -a 'workflow git'
complete -c flakeship -n '__flakeship_command_is publish' -l github-api -d 'Ask GitHub\'s API, with `github-token`, for what the event lacks' -x -a 'true false'
complete -c flakeship -n '__flakeship_command_is publish' -l created -d 'The creation date of the image' -x
complete -c flakeship -n '__flakeship_command_is publish' -l to -d 'Where to write the image' -r -F -a 'oci: oci-archive: docker-archive: docker-daemon: containers-storage:'
complete -c flakeship -n '__flakeship_command_is publish' -l load -d 'Load the image into this engine too, under the names in `tags`' -x -a 'docker podman'
complete -c flakeship -n '__flakeship_command_is publish' -l push -d 'Whether to push the image' -x -a 'auto true false'
complete -c flakeship -n '__flakeship_command_is publish' -l allow-untrusted -d 'Push even if a stranger may have written the code' -x -a 'true false'
complete -c flakeship -n '__flakeship_command_is publish' -l push-by-digest -d 'Push without a tag, for `merge` to join with the images of other platforms, and write what it reads to `flakeship-IMAGE-PLATFORM.json`, beside `metadata-file`' -x -a 'true false'
complete -c flakeship -n '__flakeship_command_is publish' -l media-types -d 'The family of media types' -x -a 'oci docker'
complete -c flakeship -n '__flakeship_command_is publish' -l sbom -d 'The SBOMs to attach to the image' -x
complete -c flakeship -n '__flakeship_command_is publish' -l sign -d 'Whether to sign the image before a tag names it' -x -a 'key keyless keyless-public false'
complete -c flakeship -n '__flakeship_command_is publish' -l signing-key-file -d 'The private key that signs' -r -F
complete -c flakeship -n '__flakeship_command_is publish' -l signing-password-file -d 'The password of `signing-key`' -r -F
complete -c flakeship -n '__flakeship_command_is publish' -l provenance -d 'Attach provenance (SLSA v1)' -x -a 'true false'
complete -c flakeship -n '__flakeship_command_is publish' -l registry -d 'The registry that `username` and `password` are for' -x
complete -c flakeship -n '__flakeship_command_is publish' -l username -d 'The user name at the registry' -x
complete -c flakeship -n '__flakeship_command_is publish' -l password-file -d 'The password or token at the registry' -r -F
complete -c flakeship -n '__flakeship_command_is publish' -l password-stdin -d 'The password or token at the registry'
complete -c flakeship -n '__flakeship_command_is publish' -l github-token-file -d 'The token for ghcr.io, used where no other credentials are given' -r -F
complete -c flakeship -n '__flakeship_command_is publish' -l authfile -d 'A file with credentials, in the format of docker\'s config.json' -r -F
complete -c flakeship -n '__flakeship_command_is publish' -l plain-http -d 'Registries to speak to without TLS, written HOST or HOST:PORT' -x
complete -c flakeship -n '__flakeship_command_is publish' -l ca -d 'A file with certificates (PEM) to trust in addition to those of the system' -r -F
complete -c flakeship -n '__flakeship_command_is publish' -l nix-config -d 'Lines to add to nix.conf' -x
complete -c flakeship -n '__flakeship_command_is publish' -l impure -d 'Evaluate with `--impure`' -x -a 'true false'
complete -c flakeship -n '__flakeship_command_is publish' -l allow-unfree -d 'Allow packages with an unfree licence' -x -a 'true false'
complete -c flakeship -n '__flakeship_command_is publish' -l accept-flake-config -d 'Accept the nixConfig of the flake (`accept-flake-config` of Nix)' -x -a 'true false'
complete -c flakeship -n '__flakeship_command_is publish' -l pass-env -d 'Names of environment variables to give to Nix and its builders' -x
complete -c flakeship -n '__flakeship_command_is publish' -l builders -d 'Machines that build for this one, as Nix writes them' -x
complete -c flakeship -n '__flakeship_command_is publish' -l store -d 'The machine where Nix builds and keeps everything' -x
complete -c flakeship -n '__flakeship_command_is publish' -l ssh-key-file -d 'The private key to reach `builders` and `store`, and to fetch flakes and inputs over ssh (`git+ssh://`)' -r -F
complete -c flakeship -n '__flakeship_command_is publish' -l ssh-known-hosts -d 'The hosts that ssh may speak to, as lines of known_hosts' -x
complete -c flakeship -n '__flakeship_command_is publish' -l sandbox -d '`required`' -x -a 'auto required'
complete -c flakeship -n '__flakeship_command_is publish' -l cachix -d 'The name of a Cachix cache to pull from' -x
complete -c flakeship -n '__flakeship_command_is publish' -l cachix-auth-token-file -d 'The token of the Cachix cache' -r -F
complete -c flakeship -n '__flakeship_command_is publish' -l cachix-signing-key-file -d 'The signing key of the Cachix cache, if you keep the key yourself' -r -F
complete -c flakeship -n '__flakeship_command_is publish' -l substituters -d 'URLs of further binary caches' -x
complete -c flakeship -n '__flakeship_command_is publish' -l trusted-public-keys -d 'The public keys of these binary caches, written NAME:BASE64' -x
complete -c flakeship -n '__flakeship_command_is publish' -l nix-cache -d 'Where the results of builds are kept for later runs' -x
complete -c flakeship -n '__flakeship_command_is publish' -l nix-cache-key-file -d 'The secret key that signs what `nix-cache` keeps, as `nix key generate-secret` prints it' -r -F
complete -c flakeship -n '__flakeship_command_is publish' -l layer-cache -d 'The folder that keeps packed layers for later runs, or `off`' -r -F
complete -c flakeship -n '__flakeship_command_is publish' -l layer-cache-size -d 'The size that the layer cache may have' -x
complete -c flakeship -n '__flakeship_command_is publish' -l compression -d 'The compression of layers' -x -a 'auto gzip zstd none'
complete -c flakeship -n '__flakeship_command_is publish' -l compression-level -d 'The level of compression' -x
complete -c flakeship -n '__flakeship_command_is publish' -l reuse -d 'Whether to use layers again that are published' -x -a 'trust verify off'
complete -c flakeship -n '__flakeship_command_is publish' -l reuse-from -d 'Further images of the same registry to take layers from' -x
complete -c flakeship -n '__flakeship_command_is publish' -l rebuild -d 'Whether to build an image that is published' -x -a 'auto always compare'
complete -c flakeship -n '__flakeship_command_is publish' -l max-concurrent-uploads -d 'How many layers are sent at the same time' -x
complete -c flakeship -n '__flakeship_command_is publish' -l dry-run -d 'Build and pack the image, ask the registry, print what would be sent, and send nothing' -x -a 'true false'
complete -c flakeship -n '__flakeship_command_is publish' -l lint -d 'Check the image for what images from Nix commonly lack (CA bundle, /tmp, passwd)' -x -a 'off warn strict'
complete -c flakeship -n '__flakeship_command_is publish' -l metadata-file -d 'The file to write the result to, as JSON' -r -F
complete -c flakeship -n '__flakeship_command_is publish' -l pr-comment -d 'Keep a comment on the pull request that says what changed in the image' -x -a 'true false'
complete -c flakeship -n '__flakeship_command_is publish' -l log-level -d 'How much to write to the log' -x -a 'error warn info debug'
complete -c flakeship -n '__flakeship_command_is publish' -l entrypoint -d 'The program to run' -x
complete -c flakeship -n '__flakeship_command_is publish' -l cmd -d 'The arguments of the entrypoint, written like `entrypoint`' -x
complete -c flakeship -n '__flakeship_command_is publish' -l env -d 'Environment variables' -x
complete -c flakeship -n '__flakeship_command_is publish' -l user -d 'The user that the program runs as' -x
complete -c flakeship -n '__flakeship_command_is publish' -l workdir -d 'The working directory' -x
complete -c flakeship -n '__flakeship_command_is publish' -l expose -d 'Ports' -x
complete -c flakeship -n '__flakeship_command_is publish' -l volumes -d 'Folders for data' -x
complete -c flakeship -n '__flakeship_command_is publish' -l stop-signal -d 'The signal that asks the program to end' -x
complete -c flakeship -n '__flakeship_command_is publish' -l healthcheck -d 'The health check, written as in a Dockerfile' -x
complete -c flakeship -n '__flakeship_command_is publish' -l override-platform -d 'The platform to write into a single image that states a wrong one' -x
complete -c flakeship -n '__flakeship_command_is publish' -l contents -d 'Packages to link into `/`' -x
complete -c flakeship -n '__flakeship_command_is publish' -l base -d 'What to add to the root' -x -a 'minimal none'
complete -c flakeship -n '__flakeship_command_is publish' -l base-image -d 'An image to put the package on' -x
complete -c flakeship -n '__flakeship_command_is publish' -l max-layers -d 'The largest number of layers' -x
complete -c flakeship -n '__flakeship_command_is publish' -l debug -d 'Publish a second image that has a shell, under the same tags with `-debug` at the end' -x -a 'true false'
complete -c flakeship -n '__flakeship_command_is publish' -l debug-shell -d 'The package that the `-debug` image has linked into `/`' -x
complete -c flakeship -n '__flakeship_command_is publish' -l help -d 'show the help and exit'
complete -c flakeship -n '__flakeship_command_is publish' -l help-all -d 'show every input and exit'
complete -c flakeship -n '__flakeship_command_is merge' -l platforms -d 'The platforms to build an attribute for' -x
complete -c flakeship -n '__flakeship_command_is merge' -l legs -d 'What to merge, one platform a line' -x
complete -c flakeship -n '__flakeship_command_is merge' -l images -d 'Image names without a tag, one a line' -x
complete -c flakeship -n '__flakeship_command_is merge' -l tags -d 'Tags for the image' -x
complete -c flakeship -n '__flakeship_command_is merge' -l flavor -d 'Settings for all tags' -x
complete -c flakeship -n '__flakeship_command_is merge' -l annotations -d 'Annotations for the image, written KEY=VALUE, or LEVEL:KEY=VALUE where LEVEL is `manifest`, `index`, `manifest-descriptor` or `index-descriptor`' -x
complete -c flakeship -n '__flakeship_command_is merge' -l annotations-levels -d 'The levels for annotations that name none' -x
complete -c flakeship -n '__flakeship_command_is merge' -l annotations-from-labels -d 'Write every label as an annotation too' -x -a 'true false'
complete -c flakeship -n '__flakeship_command_is merge' -l context -d 'Where to read branch, tag and commit' -x -a 'workflow git'
complete -c flakeship -n '__flakeship_command_is merge' -l github-api -d 'Ask GitHub\'s API, with `github-token`, for what the event lacks' -x -a 'true false'
complete -c flakeship -n '__flakeship_command_is merge' -l push -d 'Whether to push the image' -x -a 'auto true false'
complete -c flakeship -n '__flakeship_command_is merge' -l allow-untrusted -d 'Push even if a stranger may have written the code' -x -a 'true false'
complete -c flakeship -n '__flakeship_command_is merge' -l sign -d 'Whether to sign the image before a tag names it' -x -a 'key keyless keyless-public false'
complete -c flakeship -n '__flakeship_command_is merge' -l signing-key-file -d 'The private key that signs' -r -F
complete -c flakeship -n '__flakeship_command_is merge' -l signing-password-file -d 'The password of `signing-key`' -r -F
complete -c flakeship -n '__flakeship_command_is merge' -l provenance -d 'Attach provenance (SLSA v1)' -x -a 'true false'
complete -c flakeship -n '__flakeship_command_is merge' -l registry -d 'The registry that `username` and `password` are for' -x
complete -c flakeship -n '__flakeship_command_is merge' -l username -d 'The user name at the registry' -x
complete -c flakeship -n '__flakeship_command_is merge' -l password-file -d 'The password or token at the registry' -r -F
complete -c flakeship -n '__flakeship_command_is merge' -l password-stdin -d 'The password or token at the registry'
complete -c flakeship -n '__flakeship_command_is merge' -l github-token-file -d 'The token for ghcr.io, used where no other credentials are given' -r -F
complete -c flakeship -n '__flakeship_command_is merge' -l authfile -d 'A file with credentials, in the format of docker\'s config.json' -r -F
complete -c flakeship -n '__flakeship_command_is merge' -l plain-http -d 'Registries to speak to without TLS, written HOST or HOST:PORT' -x
complete -c flakeship -n '__flakeship_command_is merge' -l ca -d 'A file with certificates (PEM) to trust in addition to those of the system' -r -F
complete -c flakeship -n '__flakeship_command_is merge' -l dry-run -d 'Build and pack the image, ask the registry, print what would be sent, and send nothing' -x -a 'true false'
complete -c flakeship -n '__flakeship_command_is merge' -l metadata-file -d 'The file to write the result to, as JSON' -r -F
complete -c flakeship -n '__flakeship_command_is merge' -l pr-comment -d 'Keep a comment on the pull request that says what changed in the image' -x -a 'true false'
complete -c flakeship -n '__flakeship_command_is merge' -l log-level -d 'How much to write to the log' -x -a 'error warn info debug'
complete -c flakeship -n '__flakeship_command_is merge' -l help -d 'show the help and exit'
complete -c flakeship -n '__flakeship_command_is merge' -l help-all -d 'show every input and exit'
complete -c flakeship -n '__flakeship_command_is plan' -l flake -d 'The flake attribute to build' -x
complete -c flakeship -n '__flakeship_command_is plan' -l file -d 'A file of Nix to build from, where there is no flake' -x
complete -c flakeship -n '__flakeship_command_is plan' -l attr -d 'The attribute of `file` to build' -x
complete -c flakeship -n '__flakeship_command_is plan' -l nix-path -d 'What `<NAME>` means in `file`, written NAME=PATH-OR-URL' -x
complete -c flakeship -n '__flakeship_command_is plan' -l source -d 'An image that exists already, and nothing is built' -r -F -a 'docker:// oci:'
complete -c flakeship -n '__flakeship_command_is plan' -l image-in-archive -d 'The image to take from an archive that holds several' -x
complete -c flakeship -n '__flakeship_command_is plan' -l platforms -d 'The platforms to build an attribute for' -x
complete -c flakeship -n '__flakeship_command_is plan' -l images -d 'Image names without a tag, one a line' -x
complete -c flakeship -n '__flakeship_command_is plan' -l tags -d 'Tags for the image' -x
complete -c flakeship -n '__flakeship_command_is plan' -l flavor -d 'Settings for all tags' -x
complete -c flakeship -n '__flakeship_command_is plan' -l labels -d 'Labels for the image, written KEY=VALUE' -x
complete -c flakeship -n '__flakeship_command_is plan' -l auto-labels -d 'Add the labels that git, CI and the flake provide' -x -a 'true false'
complete -c flakeship -n '__flakeship_command_is plan' -l annotations -d 'Annotations for the image, written KEY=VALUE, or LEVEL:KEY=VALUE where LEVEL is `manifest`, `index`, `manifest-descriptor` or `index-descriptor`' -x
complete -c flakeship -n '__flakeship_command_is plan' -l annotations-levels -d 'The levels for annotations that name none' -x
complete -c flakeship -n '__flakeship_command_is plan' -l annotations-from-labels -d 'Write every label as an annotation too' -x -a 'true false'
complete -c flakeship -n '__flakeship_command_is plan' -l context -d 'Where to read branch, tag and commit' -x -a 'workflow git'
complete -c flakeship -n '__flakeship_command_is plan' -l github-api -d 'Ask GitHub\'s API, with `github-token`, for what the event lacks' -x -a 'true false'
complete -c flakeship -n '__flakeship_command_is plan' -l created -d 'The creation date of the image' -x
complete -c flakeship -n '__flakeship_command_is plan' -l to -d 'Where to write the image' -r -F -a 'oci: oci-archive: docker-archive: docker-daemon: containers-storage:'
complete -c flakeship -n '__flakeship_command_is plan' -l load -d 'Load the image into this engine too, under the names in `tags`' -x -a 'docker podman'
complete -c flakeship -n '__flakeship_command_is plan' -l push -d 'Whether to push the image' -x -a 'auto true false'
complete -c flakeship -n '__flakeship_command_is plan' -l allow-untrusted -d 'Push even if a stranger may have written the code' -x -a 'true false'
complete -c flakeship -n '__flakeship_command_is plan' -l push-by-digest -d 'Push without a tag, for `merge` to join with the images of other platforms, and write what it reads to `flakeship-IMAGE-PLATFORM.json`, beside `metadata-file`' -x -a 'true false'
complete -c flakeship -n '__flakeship_command_is plan' -l media-types -d 'The family of media types' -x -a 'oci docker'
complete -c flakeship -n '__flakeship_command_is plan' -l sbom -d 'The SBOMs to attach to the image' -x
complete -c flakeship -n '__flakeship_command_is plan' -l sign -d 'Whether to sign the image before a tag names it' -x -a 'key keyless keyless-public false'
complete -c flakeship -n '__flakeship_command_is plan' -l signing-key-file -d 'The private key that signs' -r -F
complete -c flakeship -n '__flakeship_command_is plan' -l signing-password-file -d 'The password of `signing-key`' -r -F
complete -c flakeship -n '__flakeship_command_is plan' -l provenance -d 'Attach provenance (SLSA v1)' -x -a 'true false'
complete -c flakeship -n '__flakeship_command_is plan' -l registry -d 'The registry that `username` and `password` are for' -x
complete -c flakeship -n '__flakeship_command_is plan' -l username -d 'The user name at the registry' -x
complete -c flakeship -n '__flakeship_command_is plan' -l password-file -d 'The password or token at the registry' -r -F
complete -c flakeship -n '__flakeship_command_is plan' -l password-stdin -d 'The password or token at the registry'
complete -c flakeship -n '__flakeship_command_is plan' -l github-token-file -d 'The token for ghcr.io, used where no other credentials are given' -r -F
complete -c flakeship -n '__flakeship_command_is plan' -l authfile -d 'A file with credentials, in the format of docker\'s config.json' -r -F
complete -c flakeship -n '__flakeship_command_is plan' -l plain-http -d 'Registries to speak to without TLS, written HOST or HOST:PORT' -x
complete -c flakeship -n '__flakeship_command_is plan' -l ca -d 'A file with certificates (PEM) to trust in addition to those of the system' -r -F
complete -c flakeship -n '__flakeship_command_is plan' -l nix-config -d 'Lines to add to nix.conf' -x
complete -c flakeship -n '__flakeship_command_is plan' -l impure -d 'Evaluate with `--impure`' -x -a 'true false'
complete -c flakeship -n '__flakeship_command_is plan' -l allow-unfree -d 'Allow packages with an unfree licence' -x -a 'true false'
complete -c flakeship -n '__flakeship_command_is plan' -l accept-flake-config -d 'Accept the nixConfig of the flake (`accept-flake-config` of Nix)' -x -a 'true false'
complete -c flakeship -n '__flakeship_command_is plan' -l pass-env -d 'Names of environment variables to give to Nix and its builders' -x
complete -c flakeship -n '__flakeship_command_is plan' -l builders -d 'Machines that build for this one, as Nix writes them' -x
complete -c flakeship -n '__flakeship_command_is plan' -l store -d 'The machine where Nix builds and keeps everything' -x
complete -c flakeship -n '__flakeship_command_is plan' -l ssh-key-file -d 'The private key to reach `builders` and `store`, and to fetch flakes and inputs over ssh (`git+ssh://`)' -r -F
complete -c flakeship -n '__flakeship_command_is plan' -l ssh-known-hosts -d 'The hosts that ssh may speak to, as lines of known_hosts' -x
complete -c flakeship -n '__flakeship_command_is plan' -l sandbox -d '`required`' -x -a 'auto required'
complete -c flakeship -n '__flakeship_command_is plan' -l cachix -d 'The name of a Cachix cache to pull from' -x
complete -c flakeship -n '__flakeship_command_is plan' -l cachix-auth-token-file -d 'The token of the Cachix cache' -r -F
complete -c flakeship -n '__flakeship_command_is plan' -l cachix-signing-key-file -d 'The signing key of the Cachix cache, if you keep the key yourself' -r -F
complete -c flakeship -n '__flakeship_command_is plan' -l substituters -d 'URLs of further binary caches' -x
complete -c flakeship -n '__flakeship_command_is plan' -l trusted-public-keys -d 'The public keys of these binary caches, written NAME:BASE64' -x
complete -c flakeship -n '__flakeship_command_is plan' -l nix-cache -d 'Where the results of builds are kept for later runs' -x
complete -c flakeship -n '__flakeship_command_is plan' -l nix-cache-key-file -d 'The secret key that signs what `nix-cache` keeps, as `nix key generate-secret` prints it' -r -F
complete -c flakeship -n '__flakeship_command_is plan' -l layer-cache -d 'The folder that keeps packed layers for later runs, or `off`' -r -F
complete -c flakeship -n '__flakeship_command_is plan' -l layer-cache-size -d 'The size that the layer cache may have' -x
complete -c flakeship -n '__flakeship_command_is plan' -l compression -d 'The compression of layers' -x -a 'auto gzip zstd none'
complete -c flakeship -n '__flakeship_command_is plan' -l compression-level -d 'The level of compression' -x
complete -c flakeship -n '__flakeship_command_is plan' -l reuse -d 'Whether to use layers again that are published' -x -a 'trust verify off'
complete -c flakeship -n '__flakeship_command_is plan' -l reuse-from -d 'Further images of the same registry to take layers from' -x
complete -c flakeship -n '__flakeship_command_is plan' -l rebuild -d 'Whether to build an image that is published' -x -a 'auto always compare'
complete -c flakeship -n '__flakeship_command_is plan' -l max-concurrent-uploads -d 'How many layers are sent at the same time' -x
complete -c flakeship -n '__flakeship_command_is plan' -l dry-run -d 'Build and pack the image, ask the registry, print what would be sent, and send nothing' -x -a 'true false'
complete -c flakeship -n '__flakeship_command_is plan' -l lint -d 'Check the image for what images from Nix commonly lack (CA bundle, /tmp, passwd)' -x -a 'off warn strict'
complete -c flakeship -n '__flakeship_command_is plan' -l metadata-file -d 'The file to write the result to, as JSON' -r -F
complete -c flakeship -n '__flakeship_command_is plan' -l pr-comment -d 'Keep a comment on the pull request that says what changed in the image' -x -a 'true false'
complete -c flakeship -n '__flakeship_command_is plan' -l log-level -d 'How much to write to the log' -x -a 'error warn info debug'
complete -c flakeship -n '__flakeship_command_is plan' -l format -d 'How to print it' -x -a 'json github gitlab cyclonedx spdx'
complete -c flakeship -n '__flakeship_command_is plan' -l entrypoint -d 'The program to run' -x
complete -c flakeship -n '__flakeship_command_is plan' -l cmd -d 'The arguments of the entrypoint, written like `entrypoint`' -x
complete -c flakeship -n '__flakeship_command_is plan' -l env -d 'Environment variables' -x
complete -c flakeship -n '__flakeship_command_is plan' -l user -d 'The user that the program runs as' -x
complete -c flakeship -n '__flakeship_command_is plan' -l workdir -d 'The working directory' -x
complete -c flakeship -n '__flakeship_command_is plan' -l expose -d 'Ports' -x
complete -c flakeship -n '__flakeship_command_is plan' -l volumes -d 'Folders for data' -x
complete -c flakeship -n '__flakeship_command_is plan' -l stop-signal -d 'The signal that asks the program to end' -x
complete -c flakeship -n '__flakeship_command_is plan' -l healthcheck -d 'The health check, written as in a Dockerfile' -x
complete -c flakeship -n '__flakeship_command_is plan' -l override-platform -d 'The platform to write into a single image that states a wrong one' -x
complete -c flakeship -n '__flakeship_command_is plan' -l contents -d 'Packages to link into `/`' -x
complete -c flakeship -n '__flakeship_command_is plan' -l base -d 'What to add to the root' -x -a 'minimal none'
complete -c flakeship -n '__flakeship_command_is plan' -l base-image -d 'An image to put the package on' -x
complete -c flakeship -n '__flakeship_command_is plan' -l max-layers -d 'The largest number of layers' -x
complete -c flakeship -n '__flakeship_command_is plan' -l debug -d 'Publish a second image that has a shell, under the same tags with `-debug` at the end' -x -a 'true false'
complete -c flakeship -n '__flakeship_command_is plan' -l debug-shell -d 'The package that the `-debug` image has linked into `/`' -x
complete -c flakeship -n '__flakeship_command_is plan' -l help -d 'show the help and exit'
complete -c flakeship -n '__flakeship_command_is plan' -l help-all -d 'show every input and exit'
complete -c flakeship -n '__flakeship_command_is inspect' -l image-in-archive -d 'The image to take from an archive that holds several' -x
complete -c flakeship -n '__flakeship_command_is inspect' -l platforms -d 'The platforms to build an attribute for' -x
complete -c flakeship -n '__flakeship_command_is inspect' -l registry -d 'The registry that `username` and `password` are for' -x
complete -c flakeship -n '__flakeship_command_is inspect' -l username -d 'The user name at the registry' -x
complete -c flakeship -n '__flakeship_command_is inspect' -l password-file -d 'The password or token at the registry' -r -F
complete -c flakeship -n '__flakeship_command_is inspect' -l password-stdin -d 'The password or token at the registry'
complete -c flakeship -n '__flakeship_command_is inspect' -l github-token-file -d 'The token for ghcr.io, used where no other credentials are given' -r -F
complete -c flakeship -n '__flakeship_command_is inspect' -l authfile -d 'A file with credentials, in the format of docker\'s config.json' -r -F
complete -c flakeship -n '__flakeship_command_is inspect' -l plain-http -d 'Registries to speak to without TLS, written HOST or HOST:PORT' -x
complete -c flakeship -n '__flakeship_command_is inspect' -l ca -d 'A file with certificates (PEM) to trust in addition to those of the system' -r -F
complete -c flakeship -n '__flakeship_command_is inspect' -l log-level -d 'How much to write to the log' -x -a 'error warn info debug'
complete -c flakeship -n '__flakeship_command_is inspect' -l json -d 'Print JSON' -x -a 'true false'
complete -c flakeship -n '__flakeship_command_is inspect' -l help -d 'show the help and exit'
complete -c flakeship -n '__flakeship_command_is diff' -l platforms -d 'The platforms to build an attribute for' -x
complete -c flakeship -n '__flakeship_command_is diff' -l registry -d 'The registry that `username` and `password` are for' -x
complete -c flakeship -n '__flakeship_command_is diff' -l username -d 'The user name at the registry' -x
complete -c flakeship -n '__flakeship_command_is diff' -l password-file -d 'The password or token at the registry' -r -F
complete -c flakeship -n '__flakeship_command_is diff' -l password-stdin -d 'The password or token at the registry'
complete -c flakeship -n '__flakeship_command_is diff' -l github-token-file -d 'The token for ghcr.io, used where no other credentials are given' -r -F
complete -c flakeship -n '__flakeship_command_is diff' -l authfile -d 'A file with credentials, in the format of docker\'s config.json' -r -F
complete -c flakeship -n '__flakeship_command_is diff' -l plain-http -d 'Registries to speak to without TLS, written HOST or HOST:PORT' -x
complete -c flakeship -n '__flakeship_command_is diff' -l ca -d 'A file with certificates (PEM) to trust in addition to those of the system' -r -F
complete -c flakeship -n '__flakeship_command_is diff' -l log-level -d 'How much to write to the log' -x -a 'error warn info debug'
complete -c flakeship -n '__flakeship_command_is diff' -l json -d 'Print JSON' -x -a 'true false'
complete -c flakeship -n '__flakeship_command_is diff' -l help -d 'show the help and exit'
complete -c flakeship -n '__flakeship_command_is why' -l image-in-archive -d 'The image to take from an archive that holds several' -x
complete -c flakeship -n '__flakeship_command_is why' -l platforms -d 'The platforms to build an attribute for' -x
complete -c flakeship -n '__flakeship_command_is why' -l registry -d 'The registry that `username` and `password` are for' -x
complete -c flakeship -n '__flakeship_command_is why' -l username -d 'The user name at the registry' -x
complete -c flakeship -n '__flakeship_command_is why' -l password-file -d 'The password or token at the registry' -r -F
complete -c flakeship -n '__flakeship_command_is why' -l password-stdin -d 'The password or token at the registry'
complete -c flakeship -n '__flakeship_command_is why' -l github-token-file -d 'The token for ghcr.io, used where no other credentials are given' -r -F
complete -c flakeship -n '__flakeship_command_is why' -l authfile -d 'A file with credentials, in the format of docker\'s config.json' -r -F
complete -c flakeship -n '__flakeship_command_is why' -l plain-http -d 'Registries to speak to without TLS, written HOST or HOST:PORT' -x
complete -c flakeship -n '__flakeship_command_is why' -l ca -d 'A file with certificates (PEM) to trust in addition to those of the system' -r -F
complete -c flakeship -n '__flakeship_command_is why' -l substituters -d 'URLs of further binary caches' -x
complete -c flakeship -n '__flakeship_command_is why' -l log-level -d 'How much to write to the log' -x -a 'error warn info debug'
complete -c flakeship -n '__flakeship_command_is why' -l json -d 'Print JSON' -x -a 'true false'
complete -c flakeship -n '__flakeship_command_is why' -l help -d 'show the help and exit'
complete -c flakeship -n '__flakeship_command_is layers' -l layer-cache -d 'The folder that keeps packed layers for later runs, or `off`' -r -F
complete -c flakeship -n '__flakeship_command_is layers' -l layer-cache-size -d 'The size that the layer cache may have' -x
complete -c flakeship -n '__flakeship_command_is layers' -l log-level -d 'How much to write to the log' -x -a 'error warn info debug'
complete -c flakeship -n '__flakeship_command_is layers' -l json -d 'Print JSON' -x -a 'true false'
complete -c flakeship -n '__flakeship_command_is layers' -l help -d 'show the help and exit'
complete -c flakeship -n '__flakeship_command_is cache' -l images -d 'Image names without a tag, one a line' -x
complete -c flakeship -n '__flakeship_command_is cache' -l registry -d 'The registry that `username` and `password` are for' -x
complete -c flakeship -n '__flakeship_command_is cache' -l username -d 'The user name at the registry' -x
complete -c flakeship -n '__flakeship_command_is cache' -l password-file -d 'The password or token at the registry' -r -F
complete -c flakeship -n '__flakeship_command_is cache' -l password-stdin -d 'The password or token at the registry'
complete -c flakeship -n '__flakeship_command_is cache' -l github-token-file -d 'The token for ghcr.io, used where no other credentials are given' -r -F
complete -c flakeship -n '__flakeship_command_is cache' -l authfile -d 'A file with credentials, in the format of docker\'s config.json' -r -F
complete -c flakeship -n '__flakeship_command_is cache' -l plain-http -d 'Registries to speak to without TLS, written HOST or HOST:PORT' -x
complete -c flakeship -n '__flakeship_command_is cache' -l ca -d 'A file with certificates (PEM) to trust in addition to those of the system' -r -F
complete -c flakeship -n '__flakeship_command_is cache' -l nix-cache -d 'Where the results of builds are kept for later runs' -x
complete -c flakeship -n '__flakeship_command_is cache' -l log-level -d 'How much to write to the log' -x -a 'error warn info debug'
complete -c flakeship -n '__flakeship_command_is cache' -l json -d 'Print JSON' -x -a 'true false'
complete -c flakeship -n '__flakeship_command_is cache' -l help -d 'show the help and exit'
complete -c flakeship -n '__flakeship_command_is doctor' -l flake -d 'The flake attribute to build' -x
complete -c flakeship -n '__flakeship_command_is doctor' -l file -d 'A file of Nix to build from, where there is no flake' -x
complete -c flakeship -n '__flakeship_command_is doctor' -l attr -d 'The attribute of `file` to build' -x
complete -c flakeship -n '__flakeship_command_is doctor' -l nix-path -d 'What `<NAME>` means in `file`, written NAME=PATH-OR-URL' -x
complete -c flakeship -n '__flakeship_command_is doctor' -l source -d 'An image that exists already, and nothing is built' -r -F -a 'docker:// oci:'
complete -c flakeship -n '__flakeship_command_is doctor' -l image-in-archive -d 'The image to take from an archive that holds several' -x
complete -c flakeship -n '__flakeship_command_is doctor' -l platforms -d 'The platforms to build an attribute for' -x
complete -c flakeship -n '__flakeship_command_is doctor' -l images -d 'Image names without a tag, one a line' -x
complete -c flakeship -n '__flakeship_command_is doctor' -l tags -d 'Tags for the image' -x
complete -c flakeship -n '__flakeship_command_is doctor' -l flavor -d 'Settings for all tags' -x
complete -c flakeship -n '__flakeship_command_is doctor' -l labels -d 'Labels for the image, written KEY=VALUE' -x
complete -c flakeship -n '__flakeship_command_is doctor' -l auto-labels -d 'Add the labels that git, CI and the flake provide' -x -a 'true false'
complete -c flakeship -n '__flakeship_command_is doctor' -l annotations -d 'Annotations for the image, written KEY=VALUE, or LEVEL:KEY=VALUE where LEVEL is `manifest`, `index`, `manifest-descriptor` or `index-descriptor`' -x
complete -c flakeship -n '__flakeship_command_is doctor' -l annotations-levels -d 'The levels for annotations that name none' -x
complete -c flakeship -n '__flakeship_command_is doctor' -l annotations-from-labels -d 'Write every label as an annotation too' -x -a 'true false'
complete -c flakeship -n '__flakeship_command_is doctor' -l context -d 'Where to read branch, tag and commit' -x -a 'workflow git'
complete -c flakeship -n '__flakeship_command_is doctor' -l github-api -d 'Ask GitHub\'s API, with `github-token`, for what the event lacks' -x -a 'true false'
complete -c flakeship -n '__flakeship_command_is doctor' -l created -d 'The creation date of the image' -x
complete -c flakeship -n '__flakeship_command_is doctor' -l to -d 'Where to write the image' -r -F -a 'oci: oci-archive: docker-archive: docker-daemon: containers-storage:'
complete -c flakeship -n '__flakeship_command_is doctor' -l load -d 'Load the image into this engine too, under the names in `tags`' -x -a 'docker podman'
complete -c flakeship -n '__flakeship_command_is doctor' -l push -d 'Whether to push the image' -x -a 'auto true false'
complete -c flakeship -n '__flakeship_command_is doctor' -l allow-untrusted -d 'Push even if a stranger may have written the code' -x -a 'true false'
complete -c flakeship -n '__flakeship_command_is doctor' -l push-by-digest -d 'Push without a tag, for `merge` to join with the images of other platforms, and write what it reads to `flakeship-IMAGE-PLATFORM.json`, beside `metadata-file`' -x -a 'true false'
complete -c flakeship -n '__flakeship_command_is doctor' -l media-types -d 'The family of media types' -x -a 'oci docker'
complete -c flakeship -n '__flakeship_command_is doctor' -l sbom -d 'The SBOMs to attach to the image' -x
complete -c flakeship -n '__flakeship_command_is doctor' -l sign -d 'Whether to sign the image before a tag names it' -x -a 'key keyless keyless-public false'
complete -c flakeship -n '__flakeship_command_is doctor' -l signing-key-file -d 'The private key that signs' -r -F
complete -c flakeship -n '__flakeship_command_is doctor' -l signing-password-file -d 'The password of `signing-key`' -r -F
complete -c flakeship -n '__flakeship_command_is doctor' -l provenance -d 'Attach provenance (SLSA v1)' -x -a 'true false'
complete -c flakeship -n '__flakeship_command_is doctor' -l registry -d 'The registry that `username` and `password` are for' -x
complete -c flakeship -n '__flakeship_command_is doctor' -l username -d 'The user name at the registry' -x
complete -c flakeship -n '__flakeship_command_is doctor' -l password-file -d 'The password or token at the registry' -r -F
complete -c flakeship -n '__flakeship_command_is doctor' -l password-stdin -d 'The password or token at the registry'
complete -c flakeship -n '__flakeship_command_is doctor' -l github-token-file -d 'The token for ghcr.io, used where no other credentials are given' -r -F
complete -c flakeship -n '__flakeship_command_is doctor' -l authfile -d 'A file with credentials, in the format of docker\'s config.json' -r -F
complete -c flakeship -n '__flakeship_command_is doctor' -l plain-http -d 'Registries to speak to without TLS, written HOST or HOST:PORT' -x
complete -c flakeship -n '__flakeship_command_is doctor' -l ca -d 'A file with certificates (PEM) to trust in addition to those of the system' -r -F
complete -c flakeship -n '__flakeship_command_is doctor' -l nix-config -d 'Lines to add to nix.conf' -x
complete -c flakeship -n '__flakeship_command_is doctor' -l impure -d 'Evaluate with `--impure`' -x -a 'true false'
complete -c flakeship -n '__flakeship_command_is doctor' -l allow-unfree -d 'Allow packages with an unfree licence' -x -a 'true false'
complete -c flakeship -n '__flakeship_command_is doctor' -l accept-flake-config -d 'Accept the nixConfig of the flake (`accept-flake-config` of Nix)' -x -a 'true false'
complete -c flakeship -n '__flakeship_command_is doctor' -l pass-env -d 'Names of environment variables to give to Nix and its builders' -x
complete -c flakeship -n '__flakeship_command_is doctor' -l builders -d 'Machines that build for this one, as Nix writes them' -x
complete -c flakeship -n '__flakeship_command_is doctor' -l store -d 'The machine where Nix builds and keeps everything' -x
complete -c flakeship -n '__flakeship_command_is doctor' -l ssh-key-file -d 'The private key to reach `builders` and `store`, and to fetch flakes and inputs over ssh (`git+ssh://`)' -r -F
complete -c flakeship -n '__flakeship_command_is doctor' -l ssh-known-hosts -d 'The hosts that ssh may speak to, as lines of known_hosts' -x
complete -c flakeship -n '__flakeship_command_is doctor' -l sandbox -d '`required`' -x -a 'auto required'
complete -c flakeship -n '__flakeship_command_is doctor' -l cachix -d 'The name of a Cachix cache to pull from' -x
complete -c flakeship -n '__flakeship_command_is doctor' -l cachix-auth-token-file -d 'The token of the Cachix cache' -r -F
complete -c flakeship -n '__flakeship_command_is doctor' -l cachix-signing-key-file -d 'The signing key of the Cachix cache, if you keep the key yourself' -r -F
complete -c flakeship -n '__flakeship_command_is doctor' -l substituters -d 'URLs of further binary caches' -x
complete -c flakeship -n '__flakeship_command_is doctor' -l trusted-public-keys -d 'The public keys of these binary caches, written NAME:BASE64' -x
complete -c flakeship -n '__flakeship_command_is doctor' -l nix-cache -d 'Where the results of builds are kept for later runs' -x
complete -c flakeship -n '__flakeship_command_is doctor' -l nix-cache-key-file -d 'The secret key that signs what `nix-cache` keeps, as `nix key generate-secret` prints it' -r -F
complete -c flakeship -n '__flakeship_command_is doctor' -l layer-cache -d 'The folder that keeps packed layers for later runs, or `off`' -r -F
complete -c flakeship -n '__flakeship_command_is doctor' -l layer-cache-size -d 'The size that the layer cache may have' -x
complete -c flakeship -n '__flakeship_command_is doctor' -l compression -d 'The compression of layers' -x -a 'auto gzip zstd none'
complete -c flakeship -n '__flakeship_command_is doctor' -l compression-level -d 'The level of compression' -x
complete -c flakeship -n '__flakeship_command_is doctor' -l reuse -d 'Whether to use layers again that are published' -x -a 'trust verify off'
complete -c flakeship -n '__flakeship_command_is doctor' -l reuse-from -d 'Further images of the same registry to take layers from' -x
complete -c flakeship -n '__flakeship_command_is doctor' -l rebuild -d 'Whether to build an image that is published' -x -a 'auto always compare'
complete -c flakeship -n '__flakeship_command_is doctor' -l max-concurrent-uploads -d 'How many layers are sent at the same time' -x
complete -c flakeship -n '__flakeship_command_is doctor' -l dry-run -d 'Build and pack the image, ask the registry, print what would be sent, and send nothing' -x -a 'true false'
complete -c flakeship -n '__flakeship_command_is doctor' -l lint -d 'Check the image for what images from Nix commonly lack (CA bundle, /tmp, passwd)' -x -a 'off warn strict'
complete -c flakeship -n '__flakeship_command_is doctor' -l metadata-file -d 'The file to write the result to, as JSON' -r -F
complete -c flakeship -n '__flakeship_command_is doctor' -l pr-comment -d 'Keep a comment on the pull request that says what changed in the image' -x -a 'true false'
complete -c flakeship -n '__flakeship_command_is doctor' -l log-level -d 'How much to write to the log' -x -a 'error warn info debug'
complete -c flakeship -n '__flakeship_command_is doctor' -l json -d 'Print JSON' -x -a 'true false'
complete -c flakeship -n '__flakeship_command_is doctor' -l entrypoint -d 'The program to run' -x
complete -c flakeship -n '__flakeship_command_is doctor' -l cmd -d 'The arguments of the entrypoint, written like `entrypoint`' -x
complete -c flakeship -n '__flakeship_command_is doctor' -l env -d 'Environment variables' -x
complete -c flakeship -n '__flakeship_command_is doctor' -l user -d 'The user that the program runs as' -x
complete -c flakeship -n '__flakeship_command_is doctor' -l workdir -d 'The working directory' -x
complete -c flakeship -n '__flakeship_command_is doctor' -l expose -d 'Ports' -x
complete -c flakeship -n '__flakeship_command_is doctor' -l volumes -d 'Folders for data' -x
complete -c flakeship -n '__flakeship_command_is doctor' -l stop-signal -d 'The signal that asks the program to end' -x
complete -c flakeship -n '__flakeship_command_is doctor' -l healthcheck -d 'The health check, written as in a Dockerfile' -x
complete -c flakeship -n '__flakeship_command_is doctor' -l override-platform -d 'The platform to write into a single image that states a wrong one' -x
complete -c flakeship -n '__flakeship_command_is doctor' -l contents -d 'Packages to link into `/`' -x
complete -c flakeship -n '__flakeship_command_is doctor' -l base -d 'What to add to the root' -x -a 'minimal none'
complete -c flakeship -n '__flakeship_command_is doctor' -l base-image -d 'An image to put the package on' -x
complete -c flakeship -n '__flakeship_command_is doctor' -l max-layers -d 'The largest number of layers' -x
complete -c flakeship -n '__flakeship_command_is doctor' -l debug -d 'Publish a second image that has a shell, under the same tags with `-debug` at the end' -x -a 'true false'
complete -c flakeship -n '__flakeship_command_is doctor' -l debug-shell -d 'The package that the `-debug` image has linked into `/`' -x
complete -c flakeship -n '__flakeship_command_is doctor' -l help -d 'show the help and exit'
complete -c flakeship -n '__flakeship_command_is doctor' -l help-all -d 'show every input and exit'
complete -c flakeship -n '__flakeship_command_is completion' -l help -d 'show the help and exit'
complete -c flakeship -n '__flakeship_command_is verify' -l key -d 'The public key that must have signed the image' -r -F
complete -c flakeship -n '__flakeship_command_is verify' -l certificate-identity -d 'Who must have signed the image without a key' -x
complete -c flakeship -n '__flakeship_command_is verify' -l certificate-oidc-issuer -d 'Who must have told Sigstore who that is' -x
complete -c flakeship -n '__flakeship_command_is verify' -l registry -d 'The registry that `username` and `password` are for' -x
complete -c flakeship -n '__flakeship_command_is verify' -l username -d 'The user name at the registry' -x
complete -c flakeship -n '__flakeship_command_is verify' -l password-file -d 'The password or token at the registry' -r -F
complete -c flakeship -n '__flakeship_command_is verify' -l password-stdin -d 'The password or token at the registry'
complete -c flakeship -n '__flakeship_command_is verify' -l github-token-file -d 'The token for ghcr.io, used where no other credentials are given' -r -F
complete -c flakeship -n '__flakeship_command_is verify' -l authfile -d 'A file with credentials, in the format of docker\'s config.json' -r -F
complete -c flakeship -n '__flakeship_command_is verify' -l plain-http -d 'Registries to speak to without TLS, written HOST or HOST:PORT' -x
complete -c flakeship -n '__flakeship_command_is verify' -l ca -d 'A file with certificates (PEM) to trust in addition to those of the system' -r -F
complete -c flakeship -n '__flakeship_command_is verify' -l log-level -d 'How much to write to the log' -x -a 'error warn info debug'
complete -c flakeship -n '__flakeship_command_is verify' -l json -d 'Print JSON' -x -a 'true false'
complete -c flakeship -n '__flakeship_command_is verify' -l help -d 'show the help and exit'
complete -c flakeship -n '__flakeship_command_is sbom' -l image-in-archive -d 'The image to take from an archive that holds several' -x
complete -c flakeship -n '__flakeship_command_is sbom' -l platforms -d 'The platforms to build an attribute for' -x
complete -c flakeship -n '__flakeship_command_is sbom' -l registry -d 'The registry that `username` and `password` are for' -x
complete -c flakeship -n '__flakeship_command_is sbom' -l username -d 'The user name at the registry' -x
complete -c flakeship -n '__flakeship_command_is sbom' -l password-file -d 'The password or token at the registry' -r -F
complete -c flakeship -n '__flakeship_command_is sbom' -l password-stdin -d 'The password or token at the registry'
complete -c flakeship -n '__flakeship_command_is sbom' -l github-token-file -d 'The token for ghcr.io, used where no other credentials are given' -r -F
complete -c flakeship -n '__flakeship_command_is sbom' -l authfile -d 'A file with credentials, in the format of docker\'s config.json' -r -F
complete -c flakeship -n '__flakeship_command_is sbom' -l plain-http -d 'Registries to speak to without TLS, written HOST or HOST:PORT' -x
complete -c flakeship -n '__flakeship_command_is sbom' -l ca -d 'A file with certificates (PEM) to trust in addition to those of the system' -r -F
complete -c flakeship -n '__flakeship_command_is sbom' -l log-level -d 'How much to write to the log' -x -a 'error warn info debug'
complete -c flakeship -n '__flakeship_command_is sbom' -l format -d 'How to print it' -x -a 'json github gitlab cyclonedx spdx'
complete -c flakeship -n '__flakeship_command_is sbom' -l output -d 'The file to write the SBOM to' -r -F
complete -c flakeship -n '__flakeship_command_is sbom' -l help -d 'show the help and exit'
complete -c flakeship -n '__flakeship_command_is metadata' -l flake -d 'The flake attribute to build' -x
complete -c flakeship -n '__flakeship_command_is metadata' -l file -d 'A file of Nix to build from, where there is no flake' -x
complete -c flakeship -n '__flakeship_command_is metadata' -l attr -d 'The attribute of `file` to build' -x
complete -c flakeship -n '__flakeship_command_is metadata' -l nix-path -d 'What `<NAME>` means in `file`, written NAME=PATH-OR-URL' -x
complete -c flakeship -n '__flakeship_command_is metadata' -l source -d 'An image that exists already, and nothing is built' -r -F -a 'docker:// oci:'
complete -c flakeship -n '__flakeship_command_is metadata' -l images -d 'Image names without a tag, one a line' -x
complete -c flakeship -n '__flakeship_command_is metadata' -l tags -d 'Tags for the image' -x
complete -c flakeship -n '__flakeship_command_is metadata' -l flavor -d 'Settings for all tags' -x
complete -c flakeship -n '__flakeship_command_is metadata' -l labels -d 'Labels for the image, written KEY=VALUE' -x
complete -c flakeship -n '__flakeship_command_is metadata' -l auto-labels -d 'Add the labels that git, CI and the flake provide' -x -a 'true false'
complete -c flakeship -n '__flakeship_command_is metadata' -l annotations -d 'Annotations for the image, written KEY=VALUE, or LEVEL:KEY=VALUE where LEVEL is `manifest`, `index`, `manifest-descriptor` or `index-descriptor`' -x
complete -c flakeship -n '__flakeship_command_is metadata' -l annotations-levels -d 'The levels for annotations that name none' -x
complete -c flakeship -n '__flakeship_command_is metadata' -l annotations-from-labels -d 'Write every label as an annotation too' -x -a 'true false'
complete -c flakeship -n '__flakeship_command_is metadata' -l context -d 'Where to read branch, tag and commit' -x -a 'workflow git'
complete -c flakeship -n '__flakeship_command_is metadata' -l github-api -d 'Ask GitHub\'s API, with `github-token`, for what the event lacks' -x -a 'true false'
complete -c flakeship -n '__flakeship_command_is metadata' -l github-token-file -d 'The token for ghcr.io, used where no other credentials are given' -r -F
complete -c flakeship -n '__flakeship_command_is metadata' -l ca -d 'A file with certificates (PEM) to trust in addition to those of the system' -r -F
complete -c flakeship -n '__flakeship_command_is metadata' -l nix-config -d 'Lines to add to nix.conf' -x
complete -c flakeship -n '__flakeship_command_is metadata' -l impure -d 'Evaluate with `--impure`' -x -a 'true false'
complete -c flakeship -n '__flakeship_command_is metadata' -l allow-unfree -d 'Allow packages with an unfree licence' -x -a 'true false'
complete -c flakeship -n '__flakeship_command_is metadata' -l accept-flake-config -d 'Accept the nixConfig of the flake (`accept-flake-config` of Nix)' -x -a 'true false'
complete -c flakeship -n '__flakeship_command_is metadata' -l pass-env -d 'Names of environment variables to give to Nix and its builders' -x
complete -c flakeship -n '__flakeship_command_is metadata' -l builders -d 'Machines that build for this one, as Nix writes them' -x
complete -c flakeship -n '__flakeship_command_is metadata' -l store -d 'The machine where Nix builds and keeps everything' -x
complete -c flakeship -n '__flakeship_command_is metadata' -l ssh-key-file -d 'The private key to reach `builders` and `store`, and to fetch flakes and inputs over ssh (`git+ssh://`)' -r -F
complete -c flakeship -n '__flakeship_command_is metadata' -l ssh-known-hosts -d 'The hosts that ssh may speak to, as lines of known_hosts' -x
complete -c flakeship -n '__flakeship_command_is metadata' -l explain -d 'Print the rule that gave each tag' -x -a 'true false'
complete -c flakeship -n '__flakeship_command_is metadata' -l bake -d 'Print a definition for `docker buildx bake`' -x -a 'true false'
complete -c flakeship -n '__flakeship_command_is metadata' -l bake-target -d 'The name of the target in definitions for bake' -x
complete -c flakeship -n '__flakeship_command_is metadata' -l bake-folder -d 'The folder for the files for bake' -r -F
complete -c flakeship -n '__flakeship_command_is metadata' -l sep-tags -d 'The text between two tags in the outputs' -x
complete -c flakeship -n '__flakeship_command_is metadata' -l sep-labels -d 'The text between two labels in the outputs' -x
complete -c flakeship -n '__flakeship_command_is metadata' -l sep-annotations -d 'The text between two annotations in the outputs' -x
complete -c flakeship -n '__flakeship_command_is metadata' -l log-level -d 'How much to write to the log' -x -a 'error warn info debug'
complete -c flakeship -n '__flakeship_command_is metadata' -l json -d 'Print JSON' -x -a 'true false'
complete -c flakeship -n '__flakeship_command_is metadata' -l help -d 'show the help and exit'
complete -c flakeship -f -n '__flakeship_command_is layers' -a 'list prune'
complete -c flakeship -f -n '__flakeship_command_is cache' -a 'list prune verify'
complete -c flakeship -f -n '__flakeship_command_is completion' -a 'bash zsh fish'
