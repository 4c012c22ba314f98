"""TLS sessions that go on from one connection to the next: the server shows its certificates once a run."""

from __future__ import annotations

import socket
import ssl


class ResumingContext(ssl.SSLContext):
    """A context whose connections offer a server the session of an earlier one to the same name.

    A server that does not take it makes a whole handshake. https://www.rfc-editor.org/rfc/rfc8446#section-2.2
    """

    sessions: dict[str, ssl.SSLSession]

    @classmethod
    def of(cls, context: ssl.SSLContext) -> ssl.SSLContext:
        """Turn a context into such a one: `ssl.create_default_context` makes no other class than its own."""
        context.__class__ = cls
        assert isinstance(context, cls)
        context.sessions = {}
        return context

    def keep(self, sock: ssl.SSLSocket) -> None:
        """Keep the session of a connection, unless there is one. To be called by the thread that uses the connection alone.

        With TLS 1.3 a session comes behind the handshake, and OpenSSL replaces it while another thread reads.
        """
        name = str(sock.server_hostname)
        if name not in self.sessions and (session := sock.session):
            self.sessions[name] = session

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
        return super().wrap_socket(
            sock,
            server_side,
            do_handshake_on_connect,
            suppress_ragged_eofs,
            server_hostname,
            session or self.sessions.get(str(server_hostname)),
        )
