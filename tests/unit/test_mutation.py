"""The page's table of mistakes, and what a run of them complains about."""

import ast
from collections import Counter

import pytest

from tests.mutation.copy import Mutant
from tests.mutation.groups import FUNCTIONS, GROUPS, chosen
from tests.mutation.page import PAGE, known_rows, updated
from tests.mutation.survivors import Reason, Row, complaints, load, rows

REASONS = [Reason("as good", "Another one is as good.", ("a/b.py f: x → y",))]
SURVIVOR = Mutant("a/b.py", "a/b.py f: x → y", is_killed=False)
KILLED = [Mutant("a/b.py", f"a.b.x_f__mutmut_{number}", is_killed=True) for number in range(19)]


def test_every_module_with_a_function_has_its_tests() -> None:
    files = [file for group in GROUPS for file in group.files]
    assert len(set(files)) == len(files)
    with_functions = {
        str(path.relative_to(FUNCTIONS))
        for path in FUNCTIONS.rglob("*.py")
        if any(isinstance(node, ast.FunctionDef) for node in ast.walk(ast.parse(path.read_text())))
    }
    assert with_functions == set(files)
    assert all(group.tests for group in GROUPS)


def test_a_part_is_what_its_names_begin_with() -> None:
    found = {group.name: group.files for group in chosen(("shared/task.py", "announcer"))}
    assert found == {
        "lifecycle": ("shared/task.py",),
        "announcer": ("announcer/announcement.py", "announcer/handler.py"),
    }


def test_every_reason_is_of_a_module() -> None:
    files = {file for group in GROUPS for file in group.files}
    changes = [change for reason in load() for change in reason.changes]
    assert {change.partition(" ")[0] for change in changes} <= files
    assert [change for change, count in Counter(changes).items() if count > 1] == []


@pytest.mark.parametrize(
    ("mutants", "said"),
    [
        ([*KILLED, SURVIVOR], []),
        (KILLED, ["has a reason and does not survive: a/b.py f: x → y"]),
        (
            [*KILLED, SURVIVOR, Mutant("a/b.py", "a/b.py g: x → z", is_killed=False)],
            ["survives without a reason: a/b.py g: x → z", "a/b.py: 90.5 % is less than 95 %"],
        ),
        ([*KILLED[1:], SURVIVOR], ["a/b.py: 94.7 % is less than 95 %"]),
        ([Mutant("a/c.py", "a.c.x_f__mutmut_1", is_killed=True)], []),
    ],
    ids=["all is well", "a reason too many", "a survivor too many", "too many of them", "another module"],
)
def test_what_is_complained_about(mutants: list[Mutant], said: list[str]) -> None:
    assert list(complaints(mutants, REASONS)) == said


def test_a_part_leaves_the_other_rows_as_they_are() -> None:
    lines = "| `poller/plan.py` | 9 | 9 | 100.0 |  |\n| `poller/pace.py` | 1 | 1 | 100.0 |  |\n"
    block = f"<!-- mutants: begin -->\n{lines}<!-- mutants: end -->"
    (row,) = rows([*KILLED, SURVIVOR], REASONS)
    assert row == Row("a/b.py", 20, 19, Counter({"as good": 1}))
    page = updated(f"before\n{block}\nafter", [Row("poller/plan.py", 20, 19, Counter({"as good": 1}))], REASONS)
    kept = known_rows(page)
    assert kept["poller/pace.py"] == "| `poller/pace.py` | 1 | 1 | 100.0 |  |"
    assert kept["poller/plan.py"] == "| `poller/plan.py` | 20 | 19 | 95.0 | 1 as good |"
    assert kept["intake/handler.py"] == "| `intake/handler.py` |  |  |  | not run yet |"
    assert page.startswith("before\n")
    assert page.endswith("\nafter")
    assert "| as good | Another one is as good. |" in page


def test_the_page_has_its_table() -> None:
    assert known_rows(PAGE.read_text()).keys() == {file for group in GROUPS for file in group.files}
