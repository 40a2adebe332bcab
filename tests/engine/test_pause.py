"""A pause outlives the engine: a resume starts nothing before a person says so."""

from stoker.plan.model import Plan, Step


def test_a_resumed_run_stays_paused_until_it_is_unpaused(drive, options):
    plan = Plan(
        plan_id="p",
        steps=(
            Step(id="a", command="true", approval=True),
            Step(id="b", command="true", depends_on=("a",)),
        ),
    )

    async def begin(engine, journal):
        run = await engine.start(plan, options=options, run_id="r", park=False)
        await run.pause()
        await run.approve("a")

    async def go_on(engine, journal):
        resumed = await engine.resume("r")
        assert (await resumed.wait()).status == "waiting"
        assert resumed.state["a"].status != "succeeded"
        assert (await journal.run("r")).status == "paused"
        again = await engine.resume("r", park=False)
        await again.unpause()
        assert (await again.wait()).status == "succeeded"

    drive(begin)
    drive(go_on)


def test_a_run_parks_with_its_nested_run_and_not_at_the_next_renewal(
    drive, options, tmp_path, monkeypatch
):
    """The nested run may be parked before anybody listens."""
    monkeypatch.setattr("stoker.engine.leases.LEASE_SECONDS", 9000)
    monkeypatch.setattr("stoker.engine.leases._FENCE_SEC", 9000)
    (tmp_path / "n.json").write_text(
        '{"plan_id": "n", "steps": [{"id": "a", "step_def": {"type": "approval"}}]}'
    )
    nested = Step(id="n", step_def={"type": "plan", "path": "n.json"})

    async def scenario(engine, journal):
        run = await engine.start(Plan(plan_id="p", steps=(nested,)), options=options)
        assert (await run.wait()).status == "waiting"

    drive(scenario)
