"""The lines that a run is judged by."""
import goals


def test_a_goal_is_judged_on_the_median_of_ratios_within_rounds():
    rounds = {"small": [
        {"fairlead": {"keep_64_per_s": 30.0, "new_64_per_s": 9.0}, "rathole": {"keep_64_per_s": 20.0}, "openssh": {"new_64_per_s": 10.0}},
        {"fairlead": {"keep_64_per_s": 3.0, "new_64_per_s": 11.0}, "rathole": {"keep_64_per_s": 3.0}, "openssh": {"new_64_per_s": 10.0}},
        {"fairlead": {"keep_64_per_s": 9.0, "new_64_per_s": 10.0}, "rathole": {"keep_64_per_s": 10.0}, "openssh": {"new_64_per_s": 10.0}},
    ]}
    assert goals.goal_lines(rounds) == ["goal: keep-alive-64-vs-rathole 1.00 >=1.0 met", "goal: new-connection-vs-openssh 1.00 >1.0 missed"]


def test_what_was_not_measured_is_missed():
    assert goals.goal_lines({"idle": [{}]}) == ["goal: idle-edge-kib none <64 missed"]


def test_memory_is_judged_on_the_worse_side():
    rounds = {"flat": [{"fairlead": {"cloud_spread_mib": 1.0, "edge_spread_mib": 9.0}}]}
    assert goals.goal_lines(rounds) == ["goal: memory-spread-mib-in-2-gb 9.00 <=8 missed"]
