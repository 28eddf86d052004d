"""The contract as it is served: the frozen file, with only the address put in, and the address from whom to believe."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from bridge import telemetry
from bridge.cli import root
from soap import wsdl
from soap.wsdl import Contract, asked, service_url
from tests.soap.echo import EchoServer, serving

FILE = Path(__file__).parent.parent.parent / "wsdl" / "smsbridge.wsdl"
TEXT = FILE.read_text(encoding="utf-8")
ADDRESS = "http://127.0.0.1:8080/soap"
PUBLIC = "https://sms.example.com/base"


def locations(document: bytes) -> list[str]:
    """Return the addresses of a contract's ports."""
    return [each.get("location", "") for each in etree.fromstring(document).iter("{*}address")]


@pytest.fixture(scope="module")
def server(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EchoServer]:
    """A server that has no public URL, and believes the proxies on this machine."""
    folder = tmp_path_factory.mktemp("wsdl")
    shutil.copy(sqlite_template, folder / "bridge.db")
    with serving(folder, trusted=("127.0.0.0/8",)) as served:
        yield served


def test_only_the_address_differs_from_the_file() -> None:
    """Byte for byte, whatever the URL has in it."""
    assert TEXT.count(ADDRESS) == 2
    assert Contract(TEXT).at(ADDRESS) == TEXT.encode()
    assert Contract(TEXT).at("https://x/soap") == TEXT.replace(ADDRESS, "https://x/soap").encode()
    odd = 'https://x/soap?a=1&b="2"<3>\\1'
    assert locations(Contract(TEXT).at(odd)) == [odd, odd]


PATHS = ("?wsdl", "/?wsdl", "?WSDL", "?wsdl=", "?wsdl=1", "?singleWsdl", "?x=y&Wsdl", ".wsdl", ".wsdl?x")


@pytest.mark.parametrize("path", PATHS)
def test_where_it_is_served(server: EchoServer, path: str) -> None:
    """All that clients and people ask for it by; nothing is negotiated, and no agent is needed."""
    answer = server.get(f"/soap{path}")
    assert (answer.status, answer.headers["content-type"]) == (200, "text/xml; charset=utf-8")
    assert locations(answer.body) == [f"http://127.0.0.1:{server.port}/soap"] * 2
    choosy = server.get(f"/soap{path}", Accept="text/html,*/*;q=0.5", User_Agent="x", Accept_Encoding="gzip")
    assert choosy.body == answer.body
    head = server.get(f"/soap{path}", "HEAD")
    assert (head.status, head.headers["content-length"]) == (200, str(len(answer.body)))


@pytest.mark.parametrize("path", ["/soap?xsd=1", "/soap?xsd", "/soap?XSD=xsd0"])
def test_the_schema_alone(server: EchoServer, path: str) -> None:
    """It is complete: a schema processor takes it."""
    answer = server.get(path)
    assert answer.status == 200
    schema = etree.XMLSchema(etree.fromstring(answer.body))
    ping = etree.fromstring('<ping xmlns="urn:smsbridge:1"><username>a</username></ping>')
    assert schema.validate(ping), schema.error_log


@pytest.mark.parametrize(
    "path", ["/soap", "/soap?", "/soap?xsd=2", "/soap?disco", "/soap?wsdlx", "/soap?" + "a=b&" * 40]
)
def test_what_is_not_served(server: EchoServer, path: str) -> None:
    """It says where the contract is."""
    answer = server.get(path)
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD, POST")
    assert f"http://127.0.0.1:{server.port}/soap?wsdl".encode() in answer.body
    assert server.get("/soap.wsdl", "POST").headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    ("query", "found"),
    [("wsdl", "wsdl"), ("xsd=1", "xsd"), ("", None), ("%77sdl", "wsdl"), ("x", None), ("a=wsdl", None), ("\xff", None)],
)
def test_what_a_query_asks_for(query: str, found: str | None) -> None:
    """By the name of a parameter, not by its value."""
    assert asked(query.encode("latin-1")) == found


def scope(peer: str, **headers: str) -> dict[str, Any]:
    """Return the scope of a request that came in on 192.0.2.1."""
    return {
        "type": "http",
        "client": (peer, 4711),
        "server": ("192.0.2.1", 8080),
        "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
    }


PROXY = {"x_forwarded_host": "sms.example.org", "x_forwarded_proto": "https"}
HERE = "http://192.0.2.1:8080/soap"


@pytest.mark.parametrize(
    ("headers", "url"),
    [
        ({}, HERE),
        ({"host": "evil.example.net"}, HERE),
        (PROXY, "https://sms.example.org/soap"),
        (PROXY | {"x_forwarded_port": "8443"}, "https://sms.example.org:8443/soap"),
        (PROXY | {"x_forwarded_port": "443"}, "https://sms.example.org/soap"),
        (PROXY | {"x_forwarded_prefix": "/bridge/"}, "https://sms.example.org/bridge/soap"),
        ({"x_forwarded_host": "sms.example.org:81"}, "http://sms.example.org:81/soap"),
        ({"x_forwarded_host": "evil.example.net, sms.example.org"}, "http://sms.example.org/soap"),
        ({"x_forwarded_host": "[2001:db8::1]:81"}, "http://[2001:db8::1]:81/soap"),
        ({"x_forwarded_proto": "https"}, HERE),
        (PROXY | {"x_forwarded_proto": "javascript"}, HERE),
        (PROXY | {"x_forwarded_prefix": '/"><x/>'}, HERE),
        ({"x_forwarded_host": "evil/@x"}, HERE),
        ({"x_forwarded_host": "a b"}, HERE),
    ],
)
def test_the_address_without_a_public_url(headers: dict[str, str], url: str) -> None:
    """A believed proxy's word, if it is clear; else where the connection came in. Host says nothing."""
    trusted = (ip_network("10.0.0.0/8"),)
    assert service_url(scope("10.0.0.1", **headers), "", trusted) == url
    assert service_url(scope("203.0.113.1", **headers), "", trusted) == HERE
    assert service_url(scope("10.0.0.1", **headers), PUBLIC + "/", trusted) == f"{PUBLIC}/soap"


def test_the_address_over_http(server: EchoServer) -> None:
    """The same through the server: the peer is this machine, which is believed."""
    answer = server.get("/soap?wsdl", X_Forwarded_Host="sms.example.org", X_Forwarded_Proto="https")
    assert locations(answer.body) == ["https://sms.example.org/soap"] * 2


def test_the_public_url_over_http(sqlite_url: str, tmp_path: Path) -> None:
    """It goes before what anybody says."""
    with serving(tmp_path, public_url=PUBLIC, trusted=("127.0.0.0/8",)) as server:
        answer = server.get("/soap?wsdl", X_Forwarded_Host="sms.example.org")
        assert locations(answer.body) == [f"{PUBLIC}/soap"] * 2
        assert f"{PUBLIC}/soap?wsdl".encode() in server.get("/soap").body


def test_an_ipv6_listener() -> None:
    """Its address gets brackets."""
    asking = scope("203.0.113.1") | {"server": ("::1", 80)}
    assert service_url(asking, "", ()) == "http://[::1]:80/soap"


def test_the_file_is_found_where_packages_are_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wheel has it in a folder of the package; a name that is nowhere says where was looked."""
    shutil.copy(FILE, tmp_path / "smsbridge.wsdl")
    monkeypatch.setattr(wsdl, "_PLACES", (tmp_path / "absent", tmp_path))
    assert Contract.load().at(ADDRESS) == TEXT.encode()
    with pytest.raises(FileNotFoundError, match=r"other\.wsdl is in none of"):
        Contract.load("other.wsdl")


# --- the command ---


@pytest.fixture(autouse=True)
def _same_logging(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command of its own process sets up logging; in this one that would hold for all tests after it."""
    monkeypatch.setattr(telemetry, "configure_logging", lambda *_: None)


def run(capsys: pytest.CaptureFixture[str], folder: Path, settings: str, *words: str) -> tuple[int, str, str]:
    """Run the command on a configuration, and return code, stdout and stderr."""
    file = folder / "bridge.toml"
    file.write_text(f'{settings}\n[carriers.sandbox]\nkind = "sandbox"\n', encoding="utf-8")
    code = root.run(["wsdl", "--config", str(file), *words])
    out, err = capsys.readouterr()
    return code, out, err


@pytest.mark.parametrize(
    ("settings", "address"),
    [
        ("", ADDRESS),
        (f'public_url = "{PUBLIC}/"', f"{PUBLIC}/soap"),
        ('[http]\nlisten = "0.0.0.0:81"', "http://127.0.0.1:81/soap"),
        ('[http]\nlisten = "[::]:81"', "http://[::1]:81/soap"),
    ],
)
def test_the_command_prints_it(capsys: pytest.CaptureFixture[str], tmp_path: Path, settings: str, address: str) -> None:
    """For the configured address; as JSON with the address beside it."""
    code, out, err = run(capsys, tmp_path, settings)
    assert (code, out, err) == (0, TEXT.replace(ADDRESS, address), "")
    code, out, err = run(capsys, tmp_path, settings, "--json")
    assert (code, json.loads(out), err) == (
        0, {"address": address, "wsdl": TEXT.replace(ADDRESS, address)}, ""
    )  # fmt: skip


def test_the_command_without_an_address(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Where any free port is taken nobody knows it before."""
    code, out, err = run(capsys, tmp_path, '[http]\nlisten = "127.0.0.1:0"')
    assert (code, out) == (1, "")
    assert "set public_url" in err
