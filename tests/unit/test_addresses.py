"""Which addresses a vendor's URL may lead to."""

import pytest

from neurocards.addresses import is_public, is_web_url, leads_inside


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"]
)
def test_the_public_internet_is_public(address):
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.9.9.9", "0.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254"),
        *("100.64.0.1", "224.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1", "240.0.0.1"),
        *("::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1", "ff02::1", "2001:db8::1"),
        *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a00:1", "2002:7f00:1::1"),
    ],
)
def test_everything_else_is_not(address):
    assert not is_public(address)


@pytest.mark.parametrize(
    "url", ["https://a.example/x.mp4", "http://127.0.0.1:9101/kie/a.mp4?x=1", "https://[2606::1]/a"]
)
def test_an_ordinary_address_is_taken(url):
    assert is_web_url(url)


@pytest.mark.parametrize(
    "url",
    [
        *(
            "file:///etc/passwd",
            "ftp://a.example/x",
            "gopher://a.example",
            "//a.example/x",
            "a.example/x",
            "http://",
            "",
        ),
        *("https://user@a.example/x", "https://user:pass@a.example/x", "https://a.example/a b", "https://a.example/\n"),
        *("https://a.example/" + "x" * 3000, "http://[::1", "http://a.example:port/x"),
        *(None, 7, b"https://a.example/x", ["https://a.example/x"]),
    ],
)
def test_anything_odd_is_not_an_address(url):
    assert not is_web_url(url)


def test_this_machine_is_inside_and_an_unknown_name_is_nowhere():
    assert leads_inside("http://127.0.0.1:9101")
    assert leads_inside("http://localhost:9101/v1")
    assert not leads_inside("http://8.8.8.8")
    assert not leads_inside("http://name.invalid")
