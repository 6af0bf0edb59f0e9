"""Scenarios of tests/netlab/scenarios for real; src/link/scenario_test.cpp plays the same in virtual time."""
import pytest

import netlab

from ways import Stream


@pytest.mark.parametrize("name", ["bridge", "lte"])
def test_a_stream_comes_whole_through_a_scenario(to_edge, name):
    lab = to_edge.site.lab
    if not lab.namespaced:
        pytest.skip(lab.note)
    link = netlab.link.replace(lab, "edge")
    stream = Stream(to_edge)
    link.play(netlab.link.scenario(name))
    stream.end()
    cloud = to_edge.site.cloud  # there may have been some over TCP beside it
    over_quic = cloud.metric("fairlead_sessions_accepted_total") - cloud.metric("fairlead_fallbacks_total")
    assert over_quic == 1, "the session was lost on the way"
