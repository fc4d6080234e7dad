"""Which addresses we connect to. A vendor names the URL of its result, so that URL must not lead into our own network.

Looked at twice: the name before anything is connected, so that not even a handshake reaches a neighbour, and the connected socket
before anything is sent, since a name can resolve to one address for the check and to another for the request. A configured proxy
resolves names itself: what looks inside from here isn't handed to it, for the rest the proxy is the guard.
"""

import ipaddress
import socket
from typing import Any
from urllib.parse import urlsplit

from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

MAX_URL_LENGTH = 2048
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# What is handed out to hosts on the internet; all other IPv6 is local, obsolete or unassigned.
_UNICAST = ipaddress.ip_network("2000::/3")
# Not for the likes of us, though some versions of Python take it for public: protocol assignments, old 6to4 relays, documentation,
# and the address at which a cloud (Azure) answers its own machines.
_RESERVED = tuple(map(ipaddress.ip_network, ("192.0.0.0/24", "192.88.99.0/24", "3fff::/20", "168.63.129.16/32")))


class PrivateAddress(OSError):
    """The name leads to an address that is not on the public internet."""


def is_public(address: str) -> bool:
    """Whether an IP address is on the public internet; an IPv4 address wrapped into IPv6 is judged by itself."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        nat64 = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF) if ip in _NAT64 else None
        if inner := ip.ipv4_mapped or ip.sixtofour or nat64:
            return is_public(str(inner))
        if ip not in _UNICAST:
            return False
    return ip.is_global and not ip.is_multicast and not any(ip in network for network in _RESERVED)


def is_web_url(url: object) -> bool:
    """Whether a vendor's value is an http(s) address of ordinary length, with a host and without credentials."""
    if not isinstance(url, str) or len(url) > MAX_URL_LENGTH or not url.isprintable() or " " in url:
        return False
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc and port != 0


def leads_inside(url: str) -> bool:
    """Whether an address of a URL's host is on a private network or this machine. False when the name is unknown."""
    try:
        found = socket.getaddrinfo(urlsplit(url).hostname, None, type=socket.SOCK_STREAM)
    except OSError:
        return False
    return any(not is_public(str(address[0])) for *_, address in found)


def _guarded(connection: socket.socket) -> socket.socket:
    if not is_public(connection.getpeername()[0]):
        connection.close()
        raise PrivateAddress("not a public address")
    return connection


class _PublicHTTPConnection(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        return _guarded(super()._new_conn())


class _PublicHTTPSConnection(HTTPSConnection):
    def _new_conn(self) -> socket.socket:
        return _guarded(super()._new_conn())


class _PublicHTTPPool(HTTPConnectionPool):
    ConnectionCls = _PublicHTTPConnection


class _PublicHTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _PublicHTTPSConnection


class PublicAdapter(HTTPAdapter):
    """Connects to public addresses only. Raises PrivateAddress, which the libraries between may have wrapped."""

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        """Sends the request unless its host, as the library will read it, is inside."""
        if leads_inside(str(request.url)):
            raise PrivateAddress("not a public address")
        return super().send(request, *args, **kwargs)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Makes the pools whose connections look where they lead."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _PublicHTTPPool, "https": _PublicHTTPSPool}
