"""What keeps requests from a provider, as one short command after the other sees it."""

from typing import Any


def test_a_breaker_that_earlier_commands_opened_is_shown_and_nothing_is_sent(
    cli: Any, cloud: Any, configure: Any, tmp_path: Any
) -> None:
    configure({"do-a": cloud}, state_dir=str(tmp_path / "state"), state=None)
    cloud.fault("error_before", times=None, status=500)
    for _ in range(5):
        assert cli("instances", "list").code == 3
    asked = len(cloud.log)
    document = cli("providers", "health").json
    table = cli("providers", "health", "--format", "table")
    assert len(cloud.log) == asked
    (item,) = document["items"]
    assert item["health"] == "offline"
    assert item["guards"]["breaker"]["phase"] == "open"
    assert item["guards"]["breaker"]["open_until"].endswith("Z")
    assert item["guards"]["budget"] < 5
    assert item["error"]["details"]["outcome"] == "not_sent"
    assert table.code == 3
    assert "open until " in table.out


def test_what_was_refused_is_on_the_blocklist(cli: Any, cloud: Any, configure: Any, tmp_path: Any) -> None:
    configure({"do-a": cloud}, state_dir=str(tmp_path / "state"), state=None)
    order = ("web", "--plan", "s-1vcpu-1gb", "--image", "debian-12", "--region", "ams3")
    cloud.fault("no_capacity", method="POST", path="/v2/droplets")
    assert cli("instances", "create", *order).error["code"] == "INSUFFICIENT_RESOURCES"
    (rejection,) = cli("explain", *order).json["rejected"]
    assert rejection["code"] == "blocked"
    (item,) = cli("providers", "health").json["items"]
    (block,) = item["guards"]["blocks"]
    assert (block["scope"], block["plan"], block["region"]) == ("plan", "s-1vcpu-1gb", "ams3")
    assert "s-1vcpu-1gb in ams3 until " in cli("providers", "health", "--format", "table").out
