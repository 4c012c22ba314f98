"""What a registry's refusal means for a push to one repository, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from flakeship.destinations.protocol import CredentialsRefusedError
from flakeship.errors import NotAllowedError
from flakeship.http.errors import WireError
from flakeship.registry.client import RegistryClient
from flakeship.registry.errors import DeniedError, ErrorAnswer, RegistryError
from flakeship.registry.hints import hint_for, hint_for_implied

T = TypeVar("T")


class Refusals:
    """The refusals of one repository.

    `source` names the place where the credentials were found, `platform_hint` is as in `RegistryOptions`, and `tag` is the
    first tag that is written, or empty: a hint repeats it.
    """

    def __init__(
        self, client: RegistryClient, *, source: str, platform_hint: Callable[[str], str], tag: str
    ) -> None:
        self._client, self._source = client, source
        self._platform_hint, self._tag = platform_hint, tag

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Turn a refusal into NotAllowedError with the reason and a hint; CredentialsRefusedError for 401 and 403."""
        try:
            yield
        except DeniedError as error:
            raise CredentialsRefusedError(self._denial(error.answer), hint=self._hint()) from error
        except RegistryError as error:
            if "NAME_UNKNOWN" not in error.answer.codes:
                raise
            raise NotAllowedError(
                f"there is no repository {self._client.name}: {error.answer}", hint=self._hint()
            ) from error
        except WireError as error:
            error.hint = self._implied() or error.hint
            raise

    def retrying(self, verb: str, action: Callable[[], T]) -> T:
        """Do `action` as `RegistryClient.retrying`, and explain what refuses it. `verb` is put before the repository's name."""
        with self.explained():
            return self._client.retrying(action, what=f"{verb} {self._client.name}")

    def _hint(self) -> str:
        return self._implied() or hint_for(self._client.registry, platform_hint=self._platform_hint)

    def _implied(self) -> str:
        return hint_for_implied(self._client.registry, self._client.repository, self._tag)

    def _denial(self, answer: ErrorAnswer) -> str:
        name, registry = self._client.name, self._client.registry
        if self._client.credentials is None:
            return f"{name} asks for credentials, and none were found for {registry}: {answer}"
        source = f" of {self._source}" if self._source else ""
        if answer.status == 401:
            return f"{registry} does not accept the credentials{source}, or not for {name}: {answer}"
        return f"the credentials{source} may not push to {name}: {answer}"
