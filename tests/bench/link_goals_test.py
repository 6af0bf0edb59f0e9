"""The lines that the link is judged by, and the plots and the page that are made of the same numbers."""
import math
import xml.etree.ElementTree

from linkbench import clients, goals, report, svg


def our(*rounds):
    return [{"fairlead": numbers} for numbers in rounds]


def line(row, rounds, **more):
    return goals.line(row, goals.parts(row, rounds, **more))


def test_a_row_is_one_line_of_its_values_and_bounds():
    rounds = our({"loss_0_mbit": 90, "loss_0.01_mbit": 85, "loss_0.03_mbit": 70, "gigabit_mbit": 700})
    assert line(1, rounds) == "goal: link-bulk 90.00,85.00,70.00,700.00 >=80,>=80,>=60,>=600 met"


def test_one_bound_that_is_missed_misses_the_row():
    rounds = our({"loss_0_mbit": 90, "loss_0.01_mbit": 79, "loss_0.03_mbit": 70, "gigabit_mbit": 700})
    assert line(1, rounds).endswith(" missed")


def test_what_was_not_measured_is_missed():
    assert line(7, [{}]) == "goal: link-herd none <=10 missed"


def test_medians_are_over_the_rounds_and_what_never_happened_is_endless():
    rounds = our(*({"down_10_moves_s": moves, "down_10_get_s": 0.2, "down_10_whole": 1.0} for moves in (0.1, None, 0.3)))
    assert line(3, rounds, outages=["10"]) == "goal: link-outage 0.30,0.20,1.00 <=0.5,<=0.8,>=1 met"
    rounds[0]["fairlead"]["down_10_moves_s"] = None
    assert line(3, rounds, outages=["10"]) == "goal: link-outage never,0.20,1.00 <=0.5,<=0.8,>=1 missed"


def test_one_download_that_did_not_come_whole_misses_the_row():
    rounds = our(*({"address_get_s": 0.2, "address_whole": 1.0, "rebind_get_s": 0.2, "rebind_whole": whole} for whole in (1.0, 0.0, 1.0)))
    assert line(4, rounds) == "goal: link-move 0.20,1.00,0.20,0.00 <=0.3,>=1,<=0.3,>=1 missed"


def test_datagrams_are_judged_beside_direct():
    rounds = [{"direct": {"alone_udp_answered": 98.0, "alone_udp_p99_ms": 51.0},
               "fairlead": {"alone_udp_answered": 97.6, "alone_udp_p99_ms": 55.0, "beside_udp_p99_ms": 72.0}}]
    assert line(5, rounds) == "goal: link-udp -0.40,4.00,21.00 >=-0.5,<=5,<=20 missed"
    del rounds[0]["direct"]
    assert line(5, rounds) == "goal: link-udp none,none,none >=-0.5,<=5,<=20 missed"


def test_the_reason_is_told():
    found = goals.explained(7, goals.parts(7, [{}]), ["row 7 herd all fairlead: not within 60 s"])
    assert any(part.endswith("missed") for part in found) and "  because: row 7 herd all fairlead: not within 60 s" in found


def test_percentiles_are_of_values_that_were_there():
    assert clients.percentile(range(1, 101), 99) == 99 and clients.percentile([5], 99) == 5 and clients.percentile([], 50) is None


def test_what_a_client_saw():
    found = {"timeline": [[1.0, 100], [1.5, 200], [4.0, 300]], "asked": [[1.0, 50.0], [2.0, None], [2.5, 1000.0], [3.0, 100.0]]}
    assert clients.first_bytes_after(found, 2.0) == 2.0 and clients.first_bytes_after(found, 4.0) is None
    assert clients.longest_gap(found, 1.2) == 2.5 and clients.longest_gap(found, 5.0) is None
    assert abs(clients.first_success(found, 2.0) - 1.1) < 1e-9 and clients.first_success(found, 3.5) is None
    assert clients.rate_mbit(found, 1.0, 2.0) == 100 * 8e-6
    told = clients.latencies("x", found)
    assert told["x_answered"] == 75 and told["x_p50_ms"] == 100 and len(told["x_curve"]) == len(clients.CURVE)


FULL = {
    "loss_0_mbit": 90.0, "loss_0.01_mbit": 85.0, "loss_0.03_mbit": 70.0, "gigabit_mbit": 700.0, "download_mbit": 84.0,
    **{f"{name}_{key}": 55.0 for name in ("beside_get", "beside_echo", "beside_datagram", "alone_get", "alone_udp", "beside_udp")
       for key in ("p50_ms", "p99_ms", "answered")},
    **{f"{name}_curve": [50.0 + step for step in range(len(clients.CURVE))] for name in ("beside_get", "beside_echo", "alone_udp", "beside_udp")},
    **{f"down_{seconds}_{key}": None for seconds in (10, 60, 110) for key in ("moves_s", "get_s")},
    "address_get_s": 0.1, "address_gap_s": 0.2, "rebind_get_s": 0.1, "rebind_gap_s": None, "start_get_s": 1.0, "later_get_s": 2.0,
    "quic_again_s": None, "back_s": 4.0, "first_get_s": 1.0, "peak_mib": 90.0, "curve": [[0.5, 10], [4.0, 1001]],
}
ABOUT = {"started": "2026-01-01T00:00:00", "cores": 2, "load_at_start": 0.1, "minutes": 30.0, "link": "rate=100M", "congestion": "cubic",
         "rounds_run": 3, "rathole": "0.5.0"}


def test_each_row_has_a_plot_and_a_sentence(tmp_path):
    rounds = {row: [{"direct": FULL, "fairlead": FULL}] for row in goals.NAMES}
    report.write(tmp_path, ABOUT, rounds, ["goal: link-herd 4.00 <=10 met"])
    page = (tmp_path / "README.md").read_text()
    for name in goals.NAMES.values():
        assert f"({name}.svg)" in page
        xml.etree.ElementTree.parse(tmp_path / f"{name}.svg")
    assert "goal: link-herd 4.00 <=10 met" in page and "never" in page


def test_a_row_of_which_nothing_came_has_a_plot_all_the_same(tmp_path):
    report.write(tmp_path, ABOUT, {row: [{}] for row in goals.NAMES}, [])


def test_bars_show_what_never_happened_and_leave_out_what_was_not_measured():
    drawn = svg.bars("t", "s", "s", {"a": {"direct": math.inf, "rathole": None, "fairlead": 0.2}}, log=True, bounds={"a": 0.5})
    assert drawn.count("fill-opacity") == 1 and ">never<" in drawn and ">0.2<" in drawn
