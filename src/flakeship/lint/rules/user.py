"""The program does not run as root, and its user has an entry in /etc/passwd."""

from __future__ import annotations

from collections.abc import Iterator

from flakeship.lint.finding import Finding
from flakeship.lint.view import ImageView


def findings(image: ImageView) -> Iterator[Finding]:
    """Report root, and a user without an entry in /etc/passwd.

    An engine looks a user name up there before it starts the program; many programs look their own number up.
    """
    name = str(image.runtime.get("User", "")).partition(":")[0]
    if name in {"", "root", "0"}:
        yield Finding(
            "root",
            "hint",
            "the program runs as root",
            'set `user: "65532"`'
            if image.is_of_package
            else 'add `config.User = "65532:65532";` to the image',
        )
    elif _lacks_entry(image, name):
        numeric = name.isdigit()
        yield Finding(
            "passwd",
            "hint" if numeric else "warning",
            f"user {name} has no entry in /etc/passwd"
            + ("" if numeric else ": no engine will start the program"),
            "set `base: minimal`"
            if image.is_of_package
            else "add pkgs.dockerTools.fakeNss to its contents, or a file of your own: "
            f'`pkgs.writeTextDir "etc/passwd" "{"app" if numeric else name}:x:{name if numeric else 1000}:…"`',
        )


def _lacks_entry(image: ImageView, name: str) -> bool:
    """Return True if /etc/passwd was seen and does not list the user, a name or a number."""
    content = image.file("etc/passwd")
    if content is None:
        return image.complete and not image.has("etc/passwd")
    field = 2 if name.isdigit() else 0
    lines = (line.split(":") for line in content.decode("utf-8", "replace").splitlines())
    return not any(len(line) > field and line[field] == name for line in lines)
