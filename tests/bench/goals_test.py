"""The lines that a run is judged by."""
import goals
import measure_http


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


def test_http_is_compared_as_itself():
    rounds = {"http": [{"fairlead-http": {"keep_64_per_s": 8.0, "new_64_per_s": 3.0}, "rathole": {"keep_64_per_s": 10.0},
                        "openssh": {"new_64_per_s": 2.0}}]}
    assert goals.goal_lines(rounds) == ["goal: http-64-vs-rathole 0.80 >=0.8 met", "goal: http-new-connection-vs-openssh 1.50 >1.0 met"]
    assert any(line.startswith("fairlead-http : peer") for line in goals.table("http", rounds["http"]))


def test_a_bump_is_what_the_slowest_answer_is_slower_during_a_change():
    steady = [(at / 100, 1.0, "0") for at in range(400)]
    slow = [(4.0 + at / 100, 1.0, "0") for at in range(10)] + [(4.1, 7.5, "0"), (4.2, 1.0, "1"), (4.3, 2.0, "1")]
    found = measure_http.bumps(steady + slow, [(4.0, "1")])
    assert abs(found["reload_s"] - 0.201) < 1e-9
    assert (found["before_ms"], found["during_ms"], found["bump_ms"]) == (1.0, 7.5, 6.5)
