# Rendered from the declaration of inputs: flakeship completion fish | source
complete -c flakeship -f -n 'not __fish_seen_subcommand_from publish inspect layers doctor completion metadata' -a publish -d 'Build a flake attribute, stamp the image and send it where it goes'
complete -c flakeship -f -n 'not __fish_seen_subcommand_from publish inspect layers doctor completion metadata' -a inspect -d 'Show an image: config, labels, and what each layer holds'
complete -c flakeship -f -n 'not __fish_seen_subcommand_from publish inspect layers doctor completion metadata' -a layers -d 'List the packed layers that are kept for later runs, or prune them to `layer-cache-size`'
complete -c flakeship -f -n 'not __fish_seen_subcommand_from publish inspect layers doctor completion metadata' -a doctor -d 'Look at all that a publish with these inputs needs, and say what to do'
complete -c flakeship -f -n 'not __fish_seen_subcommand_from publish inspect layers doctor completion metadata' -a completion -d 'Print what completes command lines in a shell'
complete -c flakeship -f -n 'not __fish_seen_subcommand_from publish inspect layers doctor completion metadata' -a metadata -d 'Print tags, labels and annotations, as docker/metadata-action gives them'
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l flake -d 'Flake attribute to build' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l file -d 'A file of Nix to build from where there is no flake' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l attr -d 'The attribute of `file` to build; default' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l nix-path -d 'What `<NAME>` stands for in `file`' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l source -d 'An image that exists already' -x -a 'docker:// oci:'
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l image-in-archive -d 'Which image of an archive that holds several' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l platforms -d 'Which platforms to build an attribute for' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l images -d 'Image names without a tag' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l tags -d 'Full references, or bare tags and rules (`type=semver,pattern={{version}}`), which are combined with `images`' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l flavor -d 'What holds for all tags' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l labels -d 'Labels as KEY=VALUE; they win over the flake\'s own' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l auto-labels -d 'Add what git, CI and the flake know' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l annotations -d 'Annotations as KEY=VALUE, or LEVEL' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l annotations-levels -d 'Where annotations go that name no level' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l annotations-from-labels -d 'Make an annotation of every label' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l context -d 'Where branch, tag and commit are read' -x -a 'workflow git'
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l github-api -d 'Ask GitHub\'s API, with `github-token`, for what the event does not tell' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l created -d 'Creation date' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l to -d 'Destinations' -x -a 'oci: oci-archive: docker-archive: docker-daemon: containers-storage:'
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l load -d 'Also load the image into this engine, by the names that `tags` give' -x -a 'docker podman'
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l push -d 'Whether to send the image' -x -a 'auto true false'
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l allow-untrusted -d 'Push even though the code may be a stranger\'s' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l media-types -d 'Family of media types; `docker` for registries that know no OCI' -x -a 'oci docker'
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l registry -d 'Registry that `username` and `password` are for' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l username -d 'User name at the registry' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l password-file -d 'Password or token at the registry' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l password-stdin -d 'Password or token at the registry'
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l github-token-file -d 'Token for ghcr' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l authfile -d 'Credentials in the format of docker\'s config' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l plain-http -d 'Registries (HOST or HOST' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l ca -d 'Certificates (PEM) to trust besides the system\'s' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l nix-config -d 'Lines for nix' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l impure -d 'Let the evaluation see the environment (`--impure`)' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l allow-unfree -d 'Allow packages that are not free; implies `impure`' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l accept-flake-config -d 'Follow the flake\'s own nixConfig' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l pass-env -d 'Names of environment variables that Nix and its builders get besides Nix\'s own' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l ssh-key-file -d 'Private key by which Nix fetches flakes and inputs over ssh (`git+ssh' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l ssh-known-hosts -d 'Whom ssh may speak to' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l sandbox -d '`required` refuses to build where Nix can\'t isolate builders, and to execute a script that can\'t be confined' -x -a 'auto required'
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l cachix -d 'Name of a Cachix cache to pull from, and with a token to push to' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l cachix-auth-token-file -d 'Token of the Cachix cache' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l cachix-signing-key-file -d 'Signing key of the Cachix cache, where you keep it yourself' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l substituters -d 'URLs of further binary caches' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l trusted-public-keys -d 'Public keys of these caches' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l layer-cache -d 'Folder that keeps packed layers for later runs, or `off`' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l layer-cache-size -d 'How much it may hold' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l compression -d 'Compression of layers' -x -a 'auto gzip zstd none'
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l compression-level -d 'gzip' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l reuse -d 'Use layers again that are published already' -x -a 'trust verify off'
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l reuse-from -d 'Where to look for layers besides the tags that are written' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l rebuild -d '`always` builds even where the image in the registry was made from the very same output path; `compare` builds twice, and refuses what differs' -x -a 'auto always compare'
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l max-concurrent-uploads -d 'Layers sent at the same time' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l dry-run -d 'Build and pack, look at the registry, print what would be sent, send nothing' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l lint -d 'What images from Nix commonly lack' -x -a 'off warn strict'
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l metadata-file -d 'Write the result as JSON to this file' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l log-level -d 'How much to say' -x -a 'error warn info debug'
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l entrypoint -d 'What is run' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l cmd -d 'Arguments of the entrypoint, written like it' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l env -d 'Environment' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l user -d 'User, as `NAME`, `UID` or `USER' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l workdir -d 'Working directory' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l expose -d 'Ports' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l volumes -d 'Folders that hold data' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l stop-signal -d 'Signal that asks the program to end' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l healthcheck -d 'As in a Dockerfile' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l override-platform -d 'What a single image is for that is mislabelled' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l contents -d 'Installables whose trees are linked into `/`' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l base -d '`minimal` adds /tmp, a user with a home, /etc/passwd, /etc/group and /etc/nsswitch' -x -a 'minimal none'
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l base-image -d 'Image to put the package on' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l max-layers -d 'Layers at most; store paths beyond that share layers' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l debug -d 'Also publish the image with a shell in it, under tags that end in `-debug`' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l debug-shell -d 'Installable whose tree the `-debug` image has linked into `/`' -x
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l help -d 'show the help and exit'
complete -c flakeship -n '__fish_seen_subcommand_from publish' -l help-all -d 'show every input and exit'
complete -c flakeship -n '__fish_seen_subcommand_from inspect' -l image-in-archive -d 'Which image of an archive that holds several' -x
complete -c flakeship -n '__fish_seen_subcommand_from inspect' -l platforms -d 'Which platforms to build an attribute for' -x
complete -c flakeship -n '__fish_seen_subcommand_from inspect' -l registry -d 'Registry that `username` and `password` are for' -x
complete -c flakeship -n '__fish_seen_subcommand_from inspect' -l username -d 'User name at the registry' -x
complete -c flakeship -n '__fish_seen_subcommand_from inspect' -l password-file -d 'Password or token at the registry' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from inspect' -l password-stdin -d 'Password or token at the registry'
complete -c flakeship -n '__fish_seen_subcommand_from inspect' -l github-token-file -d 'Token for ghcr' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from inspect' -l authfile -d 'Credentials in the format of docker\'s config' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from inspect' -l plain-http -d 'Registries (HOST or HOST' -x
complete -c flakeship -n '__fish_seen_subcommand_from inspect' -l ca -d 'Certificates (PEM) to trust besides the system\'s' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from inspect' -l log-level -d 'How much to say' -x -a 'error warn info debug'
complete -c flakeship -n '__fish_seen_subcommand_from inspect' -l json -d 'Print JSON' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from inspect' -l help -d 'show the help and exit'
complete -c flakeship -n '__fish_seen_subcommand_from layers' -l layer-cache -d 'Folder that keeps packed layers for later runs, or `off`' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from layers' -l layer-cache-size -d 'How much it may hold' -x
complete -c flakeship -n '__fish_seen_subcommand_from layers' -l log-level -d 'How much to say' -x -a 'error warn info debug'
complete -c flakeship -n '__fish_seen_subcommand_from layers' -l json -d 'Print JSON' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from layers' -l help -d 'show the help and exit'
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l flake -d 'Flake attribute to build' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l file -d 'A file of Nix to build from where there is no flake' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l attr -d 'The attribute of `file` to build; default' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l nix-path -d 'What `<NAME>` stands for in `file`' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l source -d 'An image that exists already' -x -a 'docker:// oci:'
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l image-in-archive -d 'Which image of an archive that holds several' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l platforms -d 'Which platforms to build an attribute for' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l images -d 'Image names without a tag' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l tags -d 'Full references, or bare tags and rules (`type=semver,pattern={{version}}`), which are combined with `images`' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l flavor -d 'What holds for all tags' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l labels -d 'Labels as KEY=VALUE; they win over the flake\'s own' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l auto-labels -d 'Add what git, CI and the flake know' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l annotations -d 'Annotations as KEY=VALUE, or LEVEL' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l annotations-levels -d 'Where annotations go that name no level' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l annotations-from-labels -d 'Make an annotation of every label' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l context -d 'Where branch, tag and commit are read' -x -a 'workflow git'
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l github-api -d 'Ask GitHub\'s API, with `github-token`, for what the event does not tell' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l created -d 'Creation date' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l to -d 'Destinations' -x -a 'oci: oci-archive: docker-archive: docker-daemon: containers-storage:'
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l load -d 'Also load the image into this engine, by the names that `tags` give' -x -a 'docker podman'
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l push -d 'Whether to send the image' -x -a 'auto true false'
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l allow-untrusted -d 'Push even though the code may be a stranger\'s' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l media-types -d 'Family of media types; `docker` for registries that know no OCI' -x -a 'oci docker'
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l registry -d 'Registry that `username` and `password` are for' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l username -d 'User name at the registry' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l password-file -d 'Password or token at the registry' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l password-stdin -d 'Password or token at the registry'
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l github-token-file -d 'Token for ghcr' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l authfile -d 'Credentials in the format of docker\'s config' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l plain-http -d 'Registries (HOST or HOST' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l ca -d 'Certificates (PEM) to trust besides the system\'s' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l nix-config -d 'Lines for nix' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l impure -d 'Let the evaluation see the environment (`--impure`)' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l allow-unfree -d 'Allow packages that are not free; implies `impure`' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l accept-flake-config -d 'Follow the flake\'s own nixConfig' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l pass-env -d 'Names of environment variables that Nix and its builders get besides Nix\'s own' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l ssh-key-file -d 'Private key by which Nix fetches flakes and inputs over ssh (`git+ssh' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l ssh-known-hosts -d 'Whom ssh may speak to' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l sandbox -d '`required` refuses to build where Nix can\'t isolate builders, and to execute a script that can\'t be confined' -x -a 'auto required'
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l cachix -d 'Name of a Cachix cache to pull from, and with a token to push to' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l cachix-auth-token-file -d 'Token of the Cachix cache' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l cachix-signing-key-file -d 'Signing key of the Cachix cache, where you keep it yourself' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l substituters -d 'URLs of further binary caches' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l trusted-public-keys -d 'Public keys of these caches' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l layer-cache -d 'Folder that keeps packed layers for later runs, or `off`' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l layer-cache-size -d 'How much it may hold' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l compression -d 'Compression of layers' -x -a 'auto gzip zstd none'
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l compression-level -d 'gzip' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l reuse -d 'Use layers again that are published already' -x -a 'trust verify off'
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l reuse-from -d 'Where to look for layers besides the tags that are written' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l rebuild -d '`always` builds even where the image in the registry was made from the very same output path; `compare` builds twice, and refuses what differs' -x -a 'auto always compare'
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l max-concurrent-uploads -d 'Layers sent at the same time' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l dry-run -d 'Build and pack, look at the registry, print what would be sent, send nothing' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l lint -d 'What images from Nix commonly lack' -x -a 'off warn strict'
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l metadata-file -d 'Write the result as JSON to this file' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l log-level -d 'How much to say' -x -a 'error warn info debug'
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l json -d 'Print JSON' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l entrypoint -d 'What is run' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l cmd -d 'Arguments of the entrypoint, written like it' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l env -d 'Environment' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l user -d 'User, as `NAME`, `UID` or `USER' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l workdir -d 'Working directory' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l expose -d 'Ports' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l volumes -d 'Folders that hold data' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l stop-signal -d 'Signal that asks the program to end' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l healthcheck -d 'As in a Dockerfile' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l override-platform -d 'What a single image is for that is mislabelled' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l contents -d 'Installables whose trees are linked into `/`' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l base -d '`minimal` adds /tmp, a user with a home, /etc/passwd, /etc/group and /etc/nsswitch' -x -a 'minimal none'
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l base-image -d 'Image to put the package on' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l max-layers -d 'Layers at most; store paths beyond that share layers' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l debug -d 'Also publish the image with a shell in it, under tags that end in `-debug`' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l debug-shell -d 'Installable whose tree the `-debug` image has linked into `/`' -x
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l help -d 'show the help and exit'
complete -c flakeship -n '__fish_seen_subcommand_from doctor' -l help-all -d 'show every input and exit'
complete -c flakeship -n '__fish_seen_subcommand_from completion' -l help -d 'show the help and exit'
complete -c flakeship -n '__fish_seen_subcommand_from metadata' -l flake -d 'Flake attribute to build' -x
complete -c flakeship -n '__fish_seen_subcommand_from metadata' -l file -d 'A file of Nix to build from where there is no flake' -x
complete -c flakeship -n '__fish_seen_subcommand_from metadata' -l attr -d 'The attribute of `file` to build; default' -x
complete -c flakeship -n '__fish_seen_subcommand_from metadata' -l nix-path -d 'What `<NAME>` stands for in `file`' -x
complete -c flakeship -n '__fish_seen_subcommand_from metadata' -l source -d 'An image that exists already' -x -a 'docker:// oci:'
complete -c flakeship -n '__fish_seen_subcommand_from metadata' -l images -d 'Image names without a tag' -x
complete -c flakeship -n '__fish_seen_subcommand_from metadata' -l tags -d 'Full references, or bare tags and rules (`type=semver,pattern={{version}}`), which are combined with `images`' -x
complete -c flakeship -n '__fish_seen_subcommand_from metadata' -l flavor -d 'What holds for all tags' -x
complete -c flakeship -n '__fish_seen_subcommand_from metadata' -l labels -d 'Labels as KEY=VALUE; they win over the flake\'s own' -x
complete -c flakeship -n '__fish_seen_subcommand_from metadata' -l auto-labels -d 'Add what git, CI and the flake know' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from metadata' -l annotations -d 'Annotations as KEY=VALUE, or LEVEL' -x
complete -c flakeship -n '__fish_seen_subcommand_from metadata' -l annotations-levels -d 'Where annotations go that name no level' -x
complete -c flakeship -n '__fish_seen_subcommand_from metadata' -l annotations-from-labels -d 'Make an annotation of every label' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from metadata' -l context -d 'Where branch, tag and commit are read' -x -a 'workflow git'
complete -c flakeship -n '__fish_seen_subcommand_from metadata' -l github-api -d 'Ask GitHub\'s API, with `github-token`, for what the event does not tell' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from metadata' -l github-token-file -d 'Token for ghcr' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from metadata' -l ca -d 'Certificates (PEM) to trust besides the system\'s' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from metadata' -l nix-config -d 'Lines for nix' -x
complete -c flakeship -n '__fish_seen_subcommand_from metadata' -l impure -d 'Let the evaluation see the environment (`--impure`)' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from metadata' -l allow-unfree -d 'Allow packages that are not free; implies `impure`' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from metadata' -l accept-flake-config -d 'Follow the flake\'s own nixConfig' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from metadata' -l pass-env -d 'Names of environment variables that Nix and its builders get besides Nix\'s own' -x
complete -c flakeship -n '__fish_seen_subcommand_from metadata' -l ssh-key-file -d 'Private key by which Nix fetches flakes and inputs over ssh (`git+ssh' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from metadata' -l ssh-known-hosts -d 'Whom ssh may speak to' -x
complete -c flakeship -n '__fish_seen_subcommand_from metadata' -l explain -d 'Print the rule that each tag came from' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from metadata' -l bake -d 'Print a definition for `docker buildx bake`' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from metadata' -l bake-target -d 'The target\'s name in definitions for bake' -x
complete -c flakeship -n '__fish_seen_subcommand_from metadata' -l bake-folder -d 'Where the files for bake are written; default' -r -F
complete -c flakeship -n '__fish_seen_subcommand_from metadata' -l sep-tags -d 'What stands between tags in the outputs; default' -x
complete -c flakeship -n '__fish_seen_subcommand_from metadata' -l sep-labels -d 'What stands between labels in the outputs; default' -x
complete -c flakeship -n '__fish_seen_subcommand_from metadata' -l sep-annotations -d 'What stands between annotations in the outputs; default' -x
complete -c flakeship -n '__fish_seen_subcommand_from metadata' -l log-level -d 'How much to say' -x -a 'error warn info debug'
complete -c flakeship -n '__fish_seen_subcommand_from metadata' -l json -d 'Print JSON' -x -a 'true false'
complete -c flakeship -n '__fish_seen_subcommand_from metadata' -l help -d 'show the help and exit'
complete -c flakeship -f -n '__fish_seen_subcommand_from layers' -a 'list prune'
complete -c flakeship -f -n '__fish_seen_subcommand_from completion' -a 'bash zsh fish'
