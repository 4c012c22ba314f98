# The image of the action: Nix, git and ssh beside our package in an environment of its own. The classic builder can
# build it. For a newer Nix: --build-arg BASE=debian:sid-slim, or another name or version in NIX.
ARG BASE=debian:trixie-slim
FROM ${BASE} AS system
ARG NIX=nix-bin
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates git ${NIX} openssh-client python3 \
 && rm -rf /var/lib/apt/lists/* /var/log/*.log /var/log/apt /var/cache/debconf/*-old \
 # The workspace belongs to another user, which libgit2 forgives by this file alone.
 && printf '[safe]\n\tdirectory = *\n' >/etc/gitconfig \
 # Builders are these users, not root: without a sandbox they would read the memory of our process, and what root may read.
 && echo "nixbld:x:30000:$(seq -s , -f nixbld%g 64)" >>/etc/group \
 && for n in $(seq 64); do echo "nixbld$n:x:$((30000 + n)):30000:Nix build user $n:/nonexistent:/usr/sbin/nologin"; done >>/etc/passwd \
 && mkdir -p /etc/nix \
 && printf '%s\n' 'build-users-group = nixbld' 'extra-experimental-features = nix-command flakes' >/etc/nix/nix.conf

FROM system AS package
RUN apt-get update && apt-get install --yes --no-install-recommends binutils python3-pip python3-venv
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_PYTHON=/opt/flakeship/bin/python
WORKDIR /source
COPY requirements/keyless.txt requirements/
RUN python3 -m venv --without-pip /opt/flakeship && pip install --require-hashes --requirement requirements/keyless.txt
COPY pyproject.toml README.md LICENSE ./
COPY data data
COPY src src
RUN pip install --no-build-isolation --no-deps . && pip uninstall --yes flit_core \
 && find /opt/flakeship -name '*.so' -exec strip --strip-unneeded {} +

FROM system
COPY --from=package /opt/flakeship /opt/flakeship
COPY entrypoint /
# Hints say what a container can't see: https://systemd.io/CONTAINER_INTERFACE
ENV container=oci
ENTRYPOINT ["/entrypoint"]
