"""TLS sessions that go on from one connection to the next: the server shows its certificates once a run."""

from __future__ import annotations

import socket
import ssl
import weakref


class ResumingContext(ssl.SSLContext):
    """A context whose connections offer a server the session of the last one to the same name.

    A server that does not take it makes a whole handshake. https://www.rfc-editor.org/rfc/rfc8446#section-2.2
    """

    last_sockets: dict[str, weakref.ref[ssl.SSLSocket]]
    sessions: dict[str, ssl.SSLSession]

    @classmethod
    def of(cls, context: ssl.SSLContext) -> ssl.SSLContext:
        """Turn a context into such a one: `ssl.create_default_context` makes no other class than its own."""
        context.__class__ = cls
        assert isinstance(context, cls)
        context.last_sockets, context.sessions = {}, {}
        return context

    def wrap_socket(  # noqa: PLR0917 - as in the class above
        self,
        sock: socket.socket,
        server_side: bool = False,
        do_handshake_on_connect: bool = True,
        suppress_ragged_eofs: bool = True,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLSocket:
        """Do as `ssl.SSLContext.wrap_socket`, with a session if there is one to resume."""
        name = str(server_hostname)
        last = self.last_sockets[name]() if name in self.last_sockets else None
        if last and last.session:  # TLS 1.3 has it only when the first answer has come
            self.sessions[name] = last.session
        wrapped = super().wrap_socket(
            sock,
            server_side,
            do_handshake_on_connect,
            suppress_ragged_eofs,
            server_hostname,
            session or self.sessions.get(name),
        )
        self.last_sockets[name] = weakref.ref(wrapped)
        return wrapped
