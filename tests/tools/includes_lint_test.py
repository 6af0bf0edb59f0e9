"""The include lint finds each way to break the layers, and nothing in code that keeps them."""
import pytest
from tools.lint import findings

TREE = {
    "src/CMakeLists.txt": "foreach(LAYER base http runtime net quic wire link route plugins/tcp plugins/udp sim app cli)\n",
    **{f"src/{layer}/x.h": "#pragma once\n" for layer in
       "base http runtime net quic link plugins/tcp plugins/udp sim app cli".split()},
    "proto/fairlead/v1/link.proto": 'syntax = "proto3";\n',
}


def found(tmp_path, path, include, **more):
    return findings("includes", tmp_path, TREE | {path: f"// first\n#include {include}\n"} | more)


@pytest.mark.parametrize("path, include", [
    ("src/net/a.cpp", '"base/x.h"'),
    ("src/net/a.cpp", '"net/x.h"'),
    ("src/net/a.cpp", "<boost/asio/ip/tcp.hpp>"),
    ("src/runtime/a_test.cpp", "<boost/asio.hpp>"),
    ("src/http/a_fuzz.cpp", "<boost/beast/http/parser.hpp>"),
    ("src/base/log.cpp", "<spdlog/spdlog.h>"),
    ("src/quic/engine.cpp", "<ngtcp2/ngtcp2.h>"),
    ("src/route/regex.cpp", "<re2/re2.h>"),
    ("src/net/a.h", "<gnutls/gnutls.h>"),
    ("src/link/a.cpp", '"fairlead/v1/link.pb.h"'),
    ("src/link/a_test.cpp", '"sim/x.h"'),
    ("src/sim/a_test.cpp", '"plugins/tcp/x.h"'),
    ("src/app/a.cpp", '"plugins/udp/x.h"'),
    ("src/plugins/tcp/a.cpp", '"link/x.h"'),
    ("src/cli/a.cpp", "<CLI/CLI.hpp>"),
    ("tests/a.cpp", '"app/x.h"'),
])
def test_what_the_layers_allow_is_clean(tmp_path, path, include):
    assert not found(tmp_path, path, include)


@pytest.mark.parametrize("path, include, says", [
    ("src/base/a.cpp", '"net/x.h"', "above"),
    ("src/link/a.cpp", '"sim/x.h"', "above"),
    ("src/net/a.cpp", '"fairlead/v1/link.pb.h"', "above"),
    ("src/plugins/udp/a.cpp", '"plugins/tcp/x.h"', "another|plug-in"),
    ("src/plugins/tcp/a_test.cpp", '"plugins/udp/x.h"', "plug-in"),
    ("src/plugins/tcp/a.cpp", '"app/x.h"', "above"),
    ("src/cli/a.cpp", '"plugins/tcp/x.h"', "only app"),
    ("src/net/a.h", "<boost/asio.hpp>", "Boost.Asio"),
    ("src/link/a.cpp", "<boost/asio/ip/tcp.hpp>", "Boost.Asio"),
    ("src/http/a.cpp", "<boost/beast/http/parser.hpp>", "Boost.Beast"),
    ("src/net/a_fuzz.cpp", "<boost/beast.hpp>", "Boost.Beast"),
    ("src/base/other.cpp", "<spdlog/spdlog.h>", "spdlog"),
    ("src/link/a.cpp", "<gnutls/gnutls.h>", "GnuTLS"),
    ("src/net/a.cpp", "<ngtcp2/ngtcp2.h>", "ngtcp2"),
    ("src/route/http_matcher.cpp", "<re2/re2.h>", "RE2"),
    ("src/link/a.cpp", '"y.h"', "no file"),
    ("src/link/a.cpp", '"fairlead/v1/gone.pb.h"', "no file"),
])
def test_what_breaks_the_layers_is_found(tmp_path, path, include, says):
    result = found(tmp_path, path, include)
    assert set(result) == {(path, 2)}
    assert says.split("|")[-1] in result[path, 2]


def test_a_folder_that_is_no_layer_is_found(tmp_path):
    assert ("src/misc/a.h", 1) in found(tmp_path, "src/misc/a.h", "<vector>")


def test_a_second_file_with_the_command_line_library_is_found(tmp_path):
    result = found(tmp_path, "src/cli/a.cpp", "<CLI/CLI.hpp>", **{"src/app/b.cpp": "#include <CLI/App.hpp>\n"})
    assert set(result) == {("src/cli/a.cpp", 2), ("src/app/b.cpp", 1)}


def test_a_comment_is_no_include(tmp_path):
    assert not found(tmp_path, "src/base/a.cpp", '"base/x.h"  // not #include "net/x.h"')


def test_a_header_that_only_tests_include_may_use_the_simulator(tmp_path):
    world = {"src/link/world.h": '#include "sim/x.h"\n', "src/link/more.h": '#include "link/world.h"\n'}
    assert not found(tmp_path, "src/link/a_test.cpp", '"link/more.h"', **world)
    result = found(tmp_path, "src/link/a.cpp", '"link/more.h"', **world)
    assert set(result) == {("src/link/world.h", 1)}
