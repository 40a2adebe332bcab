"""What a task lacks that is a task itself comes before it, with `auto_fix`."""

from __future__ import annotations

from roadmap_world import World, git

HEAD = "# Shop\n\n## Phase 1: Prices\n\n### 1.1 Sums\n\n"
CART = "- [ ] **Cart**: `shop/cart.py`\n"
TAX = "- [ ] **Tax**: `shop/tax.py`\n"
ADAPT = {"retries": 1, "context": 0, "infer": False}


def files(name: str, text: str, check: str) -> dict[str, str]:
    test = f"from shop.{name} import {check}\n\n\ndef test_{name}():\n    assert {check}\n"
    return {f"shop/{name}.py": text, f"tests/test_{name}.py": test}


def begin(world: World, tasks: str, home: str) -> None:
    world.write("ROADMAP.md", HEAD + tasks)
    world.write("shop/__init__.py", "")
    world.write("pyproject.toml", '[tool.pytest.ini_options]\npythonpath = ["."]\n')
    world.commit()
    cart = files("cart", "from shop.tax import rate\n\ntotal = rate\n", "total")
    world.script = {"1.1.1": [cart], home: [files("tax", "rate = 2\n", "rate")]}


def test_it_is_a_step_of_the_run_and_not_of_the_file(world: World) -> None:
    begin(world, CART, "1.1.1-needs-shop-tax")
    run = world.run(adapt="auto_fix", **ADAPT)
    cart, tax = run.units
    assert (cart.unit.id, cart.status, len(cart.tries)) == ("1.1.1", "done", 2)
    assert (tax.unit.id, tax.status, len(tax.tries)) == ("1.1.1-needs-shop-tax", "done", 1)
    assert world.log("roadmap/shop") == [
        "executor(1.1.1-needs-shop-tax): Make shop.tax",
        "executor(1.1.1): Cart",
    ]
    told = [text for task, number, text in world.prompts if (task, number) == ("1.1.1", 2)]
    assert "insert prerequisite task shop.tax" in told[0]
    assert "(this is done already)" in told[0]
    assert (world.root / "ROADMAP.md").read_text() == HEAD + CART.replace("[ ]", "[x]")
    assert git(world.root, "branch", "--list", "roadmap-try/*") == ""


def test_a_task_of_the_file_that_makes_it_is_done_early_and_once(world: World) -> None:
    begin(world, CART + TAX, "1.1.2")
    run = world.run(adapt="auto_fix", sync=False, **ADAPT)
    assert {one.unit.id: one.status for one in run.units} == {"1.1.1": "done", "1.1.2": "done"}
    assert world.log("roadmap/shop") == ["executor(1.1.2): Tax", "executor(1.1.1): Cart"]
    assert [task for task, _, _ in world.prompts] == ["1.1.1", "1.1.2", "1.1.1"]
    assert all(one.commit for one in run.units)


def test_it_is_only_told_unless_it_is_to_be_mended(world: World) -> None:
    begin(world, CART + TAX, "1.1.2")
    run = world.run(adapt="suggest", **ADAPT)
    assert [one.status for one in run.units] == ["failed", "done"]
    told = [text for task, number, text in world.prompts if (task, number) == ("1.1.1", 2)]
    assert "insert prerequisite task 1.1.2 shop.tax" in told[0]
    assert "(this is done already)" not in told[0]
