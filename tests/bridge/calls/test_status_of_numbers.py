"""How the texts of a reference stand that were sent to some numbers: of all that it stands for, only those."""

from __future__ import annotations

from bridge.calls.desk import Desk
from bridge.calls.values import Status
from tests.bridge.calls.office import Office

ONE, TWO, THREE = "+972502345678", "+972502345679", "+972502345677"


def test_only_texts_to_the_numbers_that_are_named(office: Office) -> None:
    """In whatever form they are named; the latest is the last."""
    caller = office.caller()

    async def work(desk: Desk) -> tuple[list[list[Status]], list[str]]:
        first = await desk.send(caller, office.order(ONE, TWO, reference="r", key="a"))
        second = await desk.send(caller, office.order(ONE, reference="r", key="b", text="another"))
        asked: tuple[list[str] | None, ...] = (None, [ONE], ["0502345678"], [TWO, THREE], [THREE], ["no number"], [])
        found = [await desk.status(caller, ["r"], dests=dests) for dests in asked]
        found.append(await desk.status(caller, ["r", str(first.message_id), "none"], dests=["972502345679"]))
        found.append(await desk.status(office.caller(2), ["r"], dests=[ONE]))
        return found, [f"{first.message_id}-1", f"{first.message_id}-2", f"{second.message_id}-1"]

    found, (one, two, again) = office.run(work)
    named = [[status.recipient_id for status in each] for each in found]
    assert named == [[one, two, again], [one, again], [one, again], [two], [], [], [], [two], []]


def test_a_reference_of_more_texts_than_one_answer_holds(office: Office) -> None:
    """Can still be asked for number by number."""
    caller = office.caller()
    numbers = [f"+97250234{place:04d}" for place in range(6000)]

    async def work(desk: Desk) -> list[Status]:
        for key in ("a", "b"):
            await desk.send(caller, office.order(*numbers, reference="many", key=key, text=key))
        return await desk.status(caller, ["many"], dests=[numbers[-1]])

    assert [status.dest for status in office.run(work)] == [numbers[-1]] * 2
