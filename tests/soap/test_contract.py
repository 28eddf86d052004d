"""The frozen contract keeps the rules that old clients make, and says what the models say."""

from __future__ import annotations

import keyword
import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import zeep
from lxml import etree
from zeep.wsdl.bindings.soap import Soap11Binding, Soap12Binding

from bridge.model.state import State
from soap import schema
from soap.operations import following, sending
from soap.operations.call import MOST_LINES
from soap.service import SmsBridge

# isort: split
# Spyne comes after soap, which makes it fit for newer Pythons.
from spyne import Application
from spyne.interface.wsdl import Wsdl11
from spyne.protocol.soap import Soap11

FILE = Path(__file__).parent.parent.parent / "wsdl" / "smsbridge.wsdl"
TREE = etree.parse(FILE)
ROOT: Any = TREE.getroot()
NS = {
    "wsdl": "http://schemas.xmlsoap.org/wsdl/",
    "xs": "http://www.w3.org/2001/XMLSchema",
    "soap": "http://schemas.xmlsoap.org/wsdl/soap/",
    "soap12": "http://schemas.xmlsoap.org/wsdl/soap12/",
}
XS = "{http://www.w3.org/2001/XMLSchema}"
HTTP = "http://schemas.xmlsoap.org/soap/http"


def of(root: Any, path: str) -> list[Any]:
    """Return what an XPath finds."""
    return list(root.xpath(path, namespaces=NS))


class Member(NamedTuple):
    """An element of a type, as both documents have it."""

    name: str
    type: str
    least: str
    most: str
    nillable: str


class Contract(NamedTuple):
    """What a WSDL says, without how it says it."""

    namespace: str
    qualified: str
    types: dict[str, list[Member]]
    requests: dict[str, list[Member]]
    answers: dict[str, list[Member]]


def contract_of(root: Any) -> Contract:
    """Read a WSDL: for each operation of its portType the elements of its two wrappers, and every named type."""
    (types,) = of(root, "wsdl:types/xs:schema")
    messages = {one.get("name"): one.find("wsdl:part", NS).get("element") for one in of(root, "wsdl:message")}
    named = {one.get("name"): _members(one) for one in of(types, "xs:complexType")}
    elements = {}
    for one in of(types, "xs:element"):
        inline = of(one, "xs:complexType")
        elements[one.get("name")] = _members(inline[0]) if inline else named[_local(one.get("type"))]

    def wrapper(operation: Any, way: str) -> list[Member]:
        return elements[_local(messages[_local(operation.find(f"wsdl:{way}", NS).get("message"))])]

    operations = of(root, "wsdl:portType/wsdl:operation")
    wrappers = {_local(element) for element in messages.values()}
    return Contract(
        namespace=types.get("targetNamespace"),
        qualified=types.get("elementFormDefault"),
        types={name: members for name, members in named.items() if name not in wrappers},
        requests={one.get("name"): wrapper(one, "input") for one in operations},
        answers={one.get("name"): wrapper(one, "output") for one in operations},
    )


def _local(name: str) -> str:
    return name.rpartition(":")[2]


def _members(kind: Any) -> list[Member]:
    return [
        Member(
            name=one.get("name"),
            type=_local(one.get("type")),
            least=one.get("minOccurs", "1"),
            most=one.get("maxOccurs", "1"),
            nillable=one.get("nillable", "false"),
        )
        for one in of(kind, "xs:sequence/xs:element")
    ]


FROZEN = contract_of(ROOT)


def spyne_s_own() -> Any:
    """Return the WSDL that Spyne makes of the models."""
    application = Application(
        [SmsBridge],
        tns=schema.NAMESPACE,
        name="SmsBridge",
        in_protocol=Soap11(validator="soft"),
        out_protocol=Soap11(),
    )
    application.transport = HTTP
    document = Wsdl11(application.interface)
    document.build_interface_document("http://127.0.0.1:8080/soap")
    return etree.fromstring(document.get_interface_document())


REQUIRED = {
    **{name: request.required for name, request in schema.REQUESTS.items()},
    "BulkItem": {"dest", "message"},
    # What an answer always has, and what no stub needs a flag for.
    **{name: {"status", "position"} for name in FROZEN.types if name != "KeyValue"},
}


def as_frozen(name: str, members: list[Member]) -> list[Member]:
    """Return Spyne's members as the frozen file has them: nothing is nillable, what is required has to be there."""
    required = {"dest", "message"} if name == "BulkItem" else REQUIRED.get(name, set())
    return [
        one._replace(nillable="false", least="1" if one.name in required and one.most == "1" else "0")
        for one in members
    ]


def test_the_frozen_contract_is_what_spyne_makes_of_the_models() -> None:
    """Operations, types, elements, order and occurrence are the same.

    But for what the frozen file is there for: no element is nillable, and some are required.
    """
    own = contract_of(spyne_s_own())
    assert own.namespace == FROZEN.namespace == "urn:smsbridge:1"
    assert own.qualified == FROZEN.qualified == "qualified"
    assert {name: as_frozen(name, members) for name, members in own.types.items()} == FROZEN.types
    assert {name: as_frozen(name, members) for name, members in own.requests.items()} == FROZEN.requests
    assert {name: as_frozen("", members) for name, members in own.answers.items()} == FROZEN.answers
    assert {one.nillable for members in own.requests.values() for one in members} == {"true"}


def test_a_changed_model_is_noticed() -> None:
    """One element more, less, elsewhere, of another type or occurrence makes another contract."""
    own = contract_of(spyne_s_own())
    members = as_frozen("Recipient", own.types["Recipient"])
    assert members == FROZEN.types["Recipient"]
    first = members[0]
    for changed in (
        members[1:],
        [*members, first],
        [members[1], first, *members[2:]],
        [first._replace(type="int"), *members[1:]],
        [first._replace(least="1"), *members[1:]],
        [first._replace(most="unbounded"), *members[1:]],
    ):
        assert changed != FROZEN.types["Recipient"]


def test_the_operations_and_the_elements_that_are_fixed_from_outside() -> None:
    """The names and the order that people outside rely on."""
    assert list(FROZEN.requests) == list(schema.REQUESTS)
    assert len(FROZEN.requests) == 19
    names = {name: [one.name for one in members] for name, members in (FROZEN.types | FROZEN.requests).items()}
    assert all(names[name][:3] == ["username", "password", "token"] for name in FROZEN.requests)
    assert names["send_sms"][3:10] == [
        "dest",
        "message",
        "sender",
        "sendtime",
        "callback_url",
        "reference",
        "test",
    ]
    assert names["SendAnswer"] == ["status", "status_text", "message_id", "recipients", "credit", "extra"]
    assert names["RecipientList"] == ["recipient"]
    assert names["Recipient"][:6] == ["dest", "status", "status_text", "recipient_id", "parts", "price"]
    assert names["CreditAnswer"] == ["status", "status_text", "credit", "extra"]
    assert names["PlainAnswer"] == ["status", "status_text", "extra"]
    assert FROZEN.answers["ping"] == [Member("pingResult", "PlainAnswer", "0", "1", "false")]


def test_every_answer_is_one_result_that_begins_with_a_status_and_ends_with_room() -> None:
    """One element, named as the operation, of a named type: status, status_text, …, extra. Records in it end so too."""
    for operation, (result,) in FROZEN.answers.items():
        assert result.name == f"{operation}Result"
        members = FROZEN.types[result.type]
        assert members[0] == Member("status", "int", "1", "1", "false")
        assert members[1] == Member("status_text", "string", "0", "1", "false")
    lists = {name for name, members in FROZEN.types.items() if members[-1].most == "unbounded"}
    for name in FROZEN.types.keys() - lists - {"KeyValue", "BulkItem"}:
        assert FROZEN.types[name][-1] == Member("extra", "KeyValueList", "0", "1", "false"), name


def test_lists_are_named_types_of_one_repeated_element() -> None:
    """Nothing is repeated in place, no list has a second member, and nothing is of a kind that old tools choke on."""
    everywhere = [*FROZEN.types.items(), *FROZEN.requests.items(), *FROZEN.answers.items()]
    for name, members in everywhere:
        if any(one.most != "1" for one in members):
            (one,) = members
            assert (one.least, one.most) == ("0", "unbounded")
            assert name.endswith("List")
        assert len({one.name for one in members}) == len(members)
    used = {one.type for _, members in everywhere for one in members}
    assert used - FROZEN.types.keys() == {"string", "int", "decimal", "dateTime", "boolean"}
    assert used >= FROZEN.types.keys()
    allowed = {"schema", "complexType", "sequence", "element", "annotation", "documentation"}
    (types,) = of(ROOT, "wsdl:types/xs:schema")
    assert {etree.QName(one).localname for one in types.iter(f"{XS}*")} == allowed
    assert not of(types, "//@nillable | //xs:element/@ref | //xs:element[@form]")


def test_all_that_a_request_has_is_text() -> None:
    """No stub can forget a flag beside a number, a date or a switch; lists are of records of texts."""
    for members in FROZEN.requests.values():
        assert {one.type for one in members} <= {"string", "KeyValueList", "BulkItemList"}
    for name in ("BulkItem", "KeyValue"):
        assert {one.type for one in FROZEN.types[name]} <= {"string", "KeyValueList"}


def test_types_and_elements_have_names_that_no_language_trips_over() -> None:
    """No class is made twice by camel-casing, no member is named as its class, and none is a keyword."""
    wrappers = {
        name.replace("_", "").lower()
        for operation in FROZEN.requests
        for name in (operation, f"{operation}Response", f"{operation}Result")
    }
    kinds = [name.lower() for name in FROZEN.types]
    assert len(set(kinds)) == len(kinds)
    assert not wrappers & set(kinds)
    assert not {"smsbridge", "smsbridgesoap", "smsbridgesoap12"} & set(kinds)
    for name, members in (FROZEN.types | FROZEN.requests).items():
        assert name.lower() not in {one.name.lower() for one in members}
    taken = {*keyword.kwlist, *_KEYWORDS.split()}
    names = {one.name for members in (FROZEN.types | FROZEN.requests).values() for one in members}
    assert all(re.fullmatch(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*", name) for name in names)
    assert {name.lower() for name in names} & taken == set()


_KEYWORDS = """
abstract alignas alignof and array as asm auto base begin bool boolean break byte byref byval callable case catch
chan char checked class clone concept const continue decimal declare default defer delegate delete dim div do done
double echo elif else elseif elsif empty end ensure enum error eval event except exit explicit export extends extern
external fallthrough file final finally fixed float for foreach friend from func function get global go goto handles
if implements implicit import in inherits inline instanceof int interface internal into is library like list lock
long loop map me mod module mutable my mybase namespace native new next nil not nothing null object of on operator
option optional or out overload override package params partial private procedure program property protected public
pure range record redim ref register repeat require rescue resume retry return sbyte sealed select self set shared
short signed single sizeof stackalloc static step stop strictfp string struct sub super switch synchronized template
then this throw throws to transient trait try type typedef typeid typename typeof uint ulong unchecked undef union
unit unless unsafe unset until use uses ushort using var variant virtual void volatile wchar_t wend when where while
with xor yield
"""
"""Words that C, C++, C#, Java, Visual Basic, PHP, Ruby, Go, Delphi or Perl keep to themselves."""


def test_the_binding_is_document_literal_wrapped_twice_at_one_address() -> None:
    """SOAP 1.1 first, then 1.2; every operation in both, by the same action; no fault and no header anywhere."""
    operations = list(FROZEN.requests)
    assert [one.get("name") for one in of(ROOT, "wsdl:binding")] == ["SmsBridgeSoap", "SmsBridgeSoap12"]
    for prefix, binding in zip(("soap", "soap12"), of(ROOT, "wsdl:binding"), strict=True):
        (how,) = of(binding, f"{prefix}:binding")
        assert (how.get("style"), how.get("transport")) == ("document", HTTP)
        assert binding.get("type") == "tns:SmsBridgeSoap"
        assert [one.get("name") for one in of(binding, "wsdl:operation")] == operations
        actions = of(binding, f"wsdl:operation/{prefix}:operation/@soapAction")
        assert actions == [f"urn:smsbridge:1/{name}" for name in operations]
        bodies = of(binding, f"wsdl:operation/wsdl:input/{prefix}:body | wsdl:operation/wsdl:output/{prefix}:body")
        assert [body.get("use") for body in bodies] == ["literal"] * 2 * len(operations)
    (service,) = of(ROOT, "wsdl:service")
    assert service.get("name") == "SmsBridge"
    ports = [(one.get("name"), one.get("binding"), etree.QName(one[0]).namespace) for one in of(service, "wsdl:port")]
    assert ports == [
        ("SmsBridgeSoap", "tns:SmsBridgeSoap", NS["soap"]),
        ("SmsBridgeSoap12", "tns:SmsBridgeSoap12", NS["soap12"]),
    ]
    assert len(set(of(service, "wsdl:port/*/@location"))) == 1
    assert not of(ROOT, "//wsdl:fault | //soap:header | //soap12:header | //wsdl:import")
    assert {part.get("name") for part in of(ROOT, "wsdl:message/wsdl:part")} == {"parameters"}
    assert len(of(ROOT, "wsdl:message/wsdl:part")) == len(of(ROOT, "wsdl:message")) == 2 * len(operations)


def test_the_parts_of_the_file_stand_in_the_order_that_wsdl_asks_for() -> None:
    """Types, messages, portType, bindings, service; and no namespace of an envelope is declared."""
    kinds = [etree.QName(one).localname for one in ROOT if isinstance(one.tag, str)]
    assert list(dict.fromkeys(kinds)) == ["documentation", "types", "message", "portType", "binding", "service"]
    assert set(ROOT.nsmap.values()) == {schema.NAMESPACE, *NS.values()}


def test_the_wrappers_are_the_operations() -> None:
    """The element of a request is named as its operation, that of an answer has Response behind it."""
    for operation in of(ROOT, "wsdl:portType/wsdl:operation"):
        name = operation.get("name")
        for way, suffix, end in (("input", "In", ""), ("output", "Out", "Response")):
            assert operation.find(f"wsdl:{way}", NS).get("message") == f"tns:{name}Soap{suffix}"
            (part,) = of(ROOT, f"wsdl:message[@name='{name}Soap{suffix}']/wsdl:part")
            assert part.get("element") == f"tns:{name}{end}"


def test_the_words_beside_the_contract_are_true() -> None:
    """Every operation is explained, every state is named, and everything that is required says so in the file."""
    for operation in of(ROOT, "wsdl:portType/wsdl:operation"):
        assert operation.findtext("wsdl:documentation", namespaces=NS).strip()
    (text,) = of(ROOT, "//xs:complexType[@name='RecipientStatus']/xs:annotation/xs:documentation/text()")
    assert re.findall(r"\b(?:" + "|".join(State) + r")\b", text.partition("one of:")[2]) == list(State)
    required = {(name, one.name) for name, members in FROZEN.requests.items() for one in members if one.least == "1"}
    assert required == {(name, each) for name, request in schema.REQUESTS.items() for each in request.required}


def test_the_schema_is_one_that_a_validator_takes() -> None:
    """libxml2 makes a validator of it."""
    (types,) = of(ROOT, "wsdl:types/xs:schema")
    assert etree.XMLSchema(etree.fromstring(etree.tostring(types))) is not None


@pytest.mark.parametrize(("port", "kind"), [("SmsBridgeSoap", Soap11Binding), ("SmsBridgeSoap12", Soap12Binding)])
def test_zeep_reads_both_ports(port: str, kind: type) -> None:
    """A strict client finds each operation in each port, 1.1 by itself, and makes a request of each."""
    client = zeep.Client(str(FILE))
    assert type(client.wsdl.services["SmsBridge"].ports[port].binding) is kind
    assert client.service._binding_options["address"] == "http://127.0.0.1:8080/soap"
    service = client.bind("SmsBridge", port)
    assert sorted(service._operations) == sorted(FROZEN.requests)
    made = client.create_message(service, "send_sms", dest="0502345678", message="Hello", fields={"item": []})
    assert [etree.QName(one).localname for one in made.iter() if etree.QName(one).namespace == schema.NAMESPACE] == [
        "send_sms",
        "dest",
        "message",
        "fields",
    ]


PAGE = (FILE.parent.parent / "docs" / "soap.md").read_text(encoding="utf-8")


def _cells(text: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.startswith("| ") and not set(line) <= set("| -")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def _section(heading: str) -> str:
    found = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found, heading
    return found[1]


@pytest.mark.parametrize("operation", FROZEN.requests)
def test_the_page_has_every_element_of_every_operation(operation: str) -> None:
    """A table of the request's elements in their order, with what is required; and the answer's elements."""
    section = _section(operation)
    told = [(cells[0].strip("`"), cells[1] == "required") for cells in _cells(section) if cells[0] != "element"]
    assert told == [(one.name, one.least == "1") for one in FROZEN.requests[operation][3:]]
    answer = re.search(r"^Answer: ((?:`\w+`(?:, |))+)", section, re.MULTILINE)
    assert answer
    ((result,),) = (FROZEN.answers[operation],)
    assert re.findall(r"\w+", answer[1]) == [one.name for one in FROZEN.types[result.type]]


def test_the_page_has_every_operation_once_and_in_order() -> None:
    """No heading of the page is an operation that is not there."""
    operations = PAGE.partition("\n## Operations\n")[2].partition("\n## ")[0]
    assert re.findall(r"^### (\w+)$", operations, re.MULTILINE) == list(FROZEN.requests)


def test_the_page_has_every_list_with_its_records() -> None:
    """The table of lists names the element of each list, and the elements of its records in their order."""
    told = {
        (cells[1].strip("`"), tuple(re.findall(r"`(\w+)`", cells[2])))
        for cells in _cells(_section("Lists and records"))
        if cells[0] != "list"
    }
    wanted = set()
    for members in FROZEN.types.values():
        if members[-1].most == "unbounded":
            (one,) = members
            wanted.add((one.name, tuple(each.name for each in FROZEN.types.get(one.type, ()))))
    assert told == wanted


def test_the_page_has_the_states_and_the_limits() -> None:
    """Every state, in order; as many items, ids and lines as the code allows."""
    assert re.findall(r"`(\w+)`", _section("States").partition("`state`:")[2].partition(".")[0]) == list(State)
    assert (sending.MOST_ITEMS, following.MOST_IDS, MOST_LINES) == (1000, 1000, 1000)
    assert "up to 1,000 different texts" in _section("send_sms_bulk")
    assert "Up to 1,000 ids" in _section("get_sms_status")
