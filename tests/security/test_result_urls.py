"""A vendor names the URL of its result: none may lead into our own network, however it is spelled, redirected or resolved.

Each case is a download as the worker makes it. Nothing may be received inside, and but for a name that changes its mind between two
look-ups nothing may even be connected to.
"""

import ipaddress
import itertools
import socket
from pathlib import Path

import pytest

from neurocards import media
from neurocards.addresses import MAX_URL_LENGTH, is_public, is_web_url
from neurocards.errors import BadVideo, ProviderError
from tests.security.internet import Internet, pretended

PUBLIC, PUBLIC6 = "93.184.216.34", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"
# Places in our network, ranges that are nobody's, and where clouds keep their machines' credentials.
INSIDE = (
    "127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255",  # noqa: S104  nobody binds it
    "192.168.0.1", "192.168.255.255", "169.254.0.1", "169.254.169.254", "100.64.0.1", "100.100.100.200", "192.0.0.192",
    "168.63.129.16", "198.18.0.1", "192.0.2.1", "198.51.100.7", "203.0.113.9", "224.0.0.1", "240.0.0.1", "255.255.255.255",
)  # fmt: skip
INSIDE6 = (
    "::", "::1", "0:0:0:0:0:0:0:1", "fe80::1", "fe80::1%25eth0", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1", "100::1",
    "2001:db8::1", "2001::1", "2001:10::1", "3fff::1", "5f00::1", "::127.0.0.1", "::a9fe:a9fe", "64:ff9b:1::a9fe:a9fe",
)  # fmt: skip
NAMES = {
    "localhost": ["127.0.0.1", "::1"], "ip6-localhost": ["::1"], "localhost.localdomain": ["127.0.0.1"], "postgres": ["10.1.2.3"],
    "127.0.0.1.nip.example": ["127.0.0.1"], "metadata.google.internal": ["169.254.169.254"], "metadata": ["169.254.169.254"],
    "inside.example": ["192.168.7.7"], "inside6.example": ["fd00::7"], "half.example": [PUBLIC, "10.0.0.7"],
    "half6.example": [PUBLIC6, "::1"], "mapped.example": ["::ffff:10.0.0.7"], "xn--e1afmkfd.xn--e1awd7f": ["10.0.0.7"],
    "cdn.example": [PUBLIC], "cdn6.example": [PUBLIC6], "xn--80ak6aa92e.example": [PUBLIC],
    "rebinding.example": [[PUBLIC], ["127.0.0.1"]], "rebinding6.example": [[PUBLIC6], ["::1"]],
    "later.example": [[PUBLIC], [PUBLIC], ["169.254.169.254"]],
}  # fmt: skip


def spellings(address: str) -> list[str]:
    """The ways to write an IPv4 address in a URL's host that some resolver or library takes for it."""
    parts, number = address.split("."), int(ipaddress.ip_address(address))
    low, high = number & 0xFFFF, number >> 16
    return [
        address, f"{address}.", str(number), hex(number), f"0{number:o}", ".".join(hex(int(part)) for part in parts),
        ".".join(f"0{int(part):o}" for part in parts), f"{parts[0]}.{number & 0xFFFFFF}", f"{parts[0]}.{parts[1]}.{low}",
        f"[::ffff:{address}]", f"[::ffff:{high:x}:{low:x}]", f"[0:0:0:0:0:ffff:{address}]", f"[::{address}]",
        f"[2002:{high:x}:{low:x}::]", f"[2002:{high:x}:{low:x}:0:0:0:0:1]", f"[64:ff9b::{address}]", f"[64:ff9b::{high:x}:{low:x}]",
        address.translate(str.maketrans("0123456789", "０１２３４５６７８９")), address.replace(".", "。"),
        "".join(f"%{ord(char):02x}" for char in address), f"cdn.example@{address}", f"user:pass@{address}", f"cdn.example\\@{address}",
        f"{address}\\@cdn.example", f"{address}#@cdn.example", f"{address}%23.cdn.example", f"{address}%00.cdn.example",
    ]  # fmt: skip


ODD = (
    "file:///etc/passwd", "file://localhost/etc/passwd", "FILE:///etc/passwd", "ftp://cdn.example/x.mp4", "gopher://127.0.0.1:6379/_INFO",
    "dict://127.0.0.1:6379/info", "data:video/mp4;base64,AAAA", "javascript:alert(1)", "jar:http://cdn.example!/x", "ldap://127.0.0.1",
    "unix:///var/run/docker.sock", "http+unix://%2fvar%2frun%2fdocker.sock/info", "//127.0.0.1/x", "///127.0.0.1/x", "/etc/passwd",
    "../x.mp4", "http:127.0.0.1", "http:/127.0.0.1/x", "http:///127.0.0.1/x", "http:\\\\127.0.0.1\\x", "http//127.0.0.1", "",
    "http://", "https://", "http://:80/", "http://@/", "http://[::1", "http://::1/", "http://[127.0.0.1]/", "http://[v1.x]/",
    "http://cdn.example:port/", "http://cdn.example:0/", "http://cdn.example:65536/", "http://cdn.example:-1/", "http://cdn.example:80:80/",
    "http://user@cdn.example/", "http://user:pass@cdn.example/", "http://%40cdn.example@127.0.0.1/", "http://cdn.example @127.0.0.1/",
    "http://cdn.example/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nGET /", "http://cdn.example\r\n@127.0.0.1/", "http://cdn.example/\nX: y",
    "http://cdn.example/\tx", " http://127.0.0.1/", "http://127.0.0.1/ ", "http://cdn.example/\u0000", "http://cdn.example/\u2028x",
    "http://cdn.example/\u202egpm", f"http://cdn.example/{'x' * MAX_URL_LENGTH}", f"http://{'a' * 64}.example/", "http://a..example/",
    f"http://{'a.' * 200}example/", "http://.example/", "http://nowhere.example/", "http://пример.нет/", "http://xn--/",
    "http://xn--a/", "http://exa mple/", "http://cdn.example,127.0.0.1/", "http://127.0.0.1;cdn.example/", "http://0/", "http://0x/",
    "http://1/", "http://127.1/", "http://127.0.1:6379/", "http://0177.1/", "http://0x7f.1/", "http://２１３０７０６４３３/", "http://①②⑦.⓪.⓪.①/",
)  # fmt: skip
HOSTS_INSIDE = [
    *(spelling for address in INSIDE for spelling in spellings(address)),
    *(f"[{address}]" for address in INSIDE6),
    *(name for name, found in NAMES.items() if not name.startswith(("cdn", "xn--80", "rebinding", "later"))),
    *("LOCALHOST", "localhost.", "LocalHost.LocalDomain", "localhost:6379", "postgres:5432", "[::1]:22", "пример.нет"),
]
CORPUS = sorted({*ODD, *(f"{scheme}://{host}/x.mp4" for host in HOSTS_INSIDE for scheme in ("http", "https"))})
CHANGING = ("rebinding.example", "rebinding6.example", "later.example")


def fetched(url: object, folder: Path) -> bool:
    """Whether the worker downloaded something. Raises nothing but what the pipeline knows to handle."""
    path = folder / "video.mp4"
    try:
        media.fetch_result(url, path, seconds=5)  # type: ignore[arg-type]
    except (ProviderError, BadVideo):
        assert not path.exists()
        return False
    return True


def assert_untouched(internet: Internet, url: str) -> None:
    """Nothing was received inside; nothing inside was connected to."""
    assert [request for address, request in internet.received if not is_public(address)] == [], url
    assert [address for address in internet.connected if not is_public(address)] == [], url


def test_the_corpus_is_large():
    assert len(CORPUS) >= 200


def test_no_url_leads_inside(monkeypatch, tmp_path):
    with pretended(monkeypatch, NAMES, answer=b"not for you") as internet:
        for url in CORPUS:
            # When a result's URL is odd, or leads inside by whatever spelling
            internet.connected.clear()
            # Then nothing is downloaded from there, nor connected to
            assert not fetched(url, tmp_path), url
            assert_untouched(internet, url)


def test_no_redirect_leads_inside(monkeypatch, tmp_path):
    # Given a public host that sends everybody on, to everything in the corpus that a header can carry
    targets = [url for url in CORPUS if url.isascii() and url.isprintable() and url][::3]
    redirects = {f"/{number}": url for number, url in enumerate(targets)}
    with pretended(monkeypatch, NAMES, answer=b"not for you", redirects=redirects) as internet:
        for number, url in enumerate(targets):
            # When a result redirects there, Then the way ends at the public host
            internet.connected.clear()
            taken = fetched(f"http://cdn.example/{number}", tmp_path)
            assert_untouched(internet, url)
            # Only what is relative, or reads as a path, may go on: to the public host itself.
            assert not taken or set(internet.connected) == {PUBLIC}, url


def test_redirects_come_to_an_end(monkeypatch, tmp_path):
    ring = {"/a": "http://cdn.example/b", "/b": "/a"}
    with pretended(monkeypatch, NAMES, redirects=ring) as internet:
        assert not fetched("http://cdn.example/a", tmp_path)
        assert len(internet.received) == 1 + media.MAX_REDIRECTS


@pytest.mark.parametrize(("host", "scheme"), list(itertools.product(CHANGING, ("http", "https"))))
def test_a_name_that_changes_its_mind_is_sent_nothing(monkeypatch, tmp_path, host, scheme):
    # Given a resolver that answers with a public address first and then with one inside
    with pretended(monkeypatch, NAMES, answer=b"not for you") as internet:
        # When the name is looked up again and again
        for _ in range(4):
            fetched(f"{scheme}://{host}/x.mp4", tmp_path)
        # Then whoever was connected to inside was not sent a byte
        assert [request for address, request in internet.received if not is_public(address)] == []
        assert [address for address in internet.connected if not is_public(address)] != [] or host == "later.example"


@pytest.mark.parametrize("proxy_knows", [True, False])
def test_a_proxy_is_not_asked_for_what_looks_inside_from_here(monkeypatch, tmp_path, proxy_knows):
    # Given a configured proxy that would fetch anything for us
    with pretended(monkeypatch, {**NAMES, "proxy.example": [PUBLIC]}, answer=b"from the proxy") as internet:
        monkeypatch.setenv("http_proxy", "http://proxy.example:3128")
        if proxy_knows:
            # When the result is somewhere that only the proxy can resolve, Then it is fetched through the proxy
            assert fetched("http://only-outside.example/x.mp4", tmp_path)
        else:
            # When the result is inside, Then the proxy never hears of it
            for host in ("10.0.0.1", "0x7f.1", "inside.example", "half.example", "[fd00::7]", "169.254.169.254"):
                assert not fetched(f"http://{host}/x.mp4", tmp_path)
            assert internet.received == []


@pytest.mark.parametrize(
    "url",
    [
        "http://cdn.example/x.mp4", "http://cdn.example:8080/x.mp4?token=a%20b&x=1", "http://CDN.example./x.mp4", f"http://{PUBLIC}/x",
        f"http://[{PUBLIC6}]/x", "http://cdn6.example/x", "http://аррӏе.example/видео.mp4", "HTTP://cdn.example/a@b",
        "http://cdn.example?x", f"http://cdn.example/{'x' * 1900}", f"http://[::ffff:{PUBLIC}]/x",
    ],
)  # fmt: skip
def test_what_is_public_passes(monkeypatch, tmp_path, url):
    with pretended(monkeypatch, NAMES, answer=b"a video") as internet:
        assert is_web_url(url)
        assert fetched(url, tmp_path)
        assert (tmp_path / "video.mp4").read_bytes() == b"a video"
        assert len(internet.received) == 1


def test_a_redirect_within_the_public_internet_passes(monkeypatch, tmp_path):
    with pretended(
        monkeypatch, NAMES, answer=b"a video", redirects={"/a": "http://cdn6.example/b", "/b": "c"}
    ) as internet:
        assert fetched("http://cdn.example/a", tmp_path)
        assert [request.split(b" ")[1] for _, request in internet.received] == [b"/a", b"/b", b"/c"]


def test_https_names_the_host_to_a_public_address(monkeypatch, tmp_path):
    # Given a public host that doesn't speak TLS
    with pretended(monkeypatch, NAMES) as internet:
        # When it is asked by https, Then it hears the host's name in the greeting, and no more
        assert not fetched("https://cdn.example/x.mp4", tmp_path)
        [(address, greeting)] = internet.received
        assert address == PUBLIC
        assert b"cdn.example" in greeting
        assert b"GET" not in greeting


def test_the_stand_in_is_gone_afterwards(monkeypatch):
    real = socket.getaddrinfo
    with pretended(monkeypatch, NAMES):
        assert socket.getaddrinfo is not real
    assert socket.getaddrinfo is real
