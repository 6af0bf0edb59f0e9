"""Options of the tests that run the finished binary."""
from pathlib import Path

from netlab import site

ROOT = Path(__file__).resolve().parents[1]


def pytest_addoption(parser):
    parser.addoption("--binary", type=Path, default=site.BINARY, help="the fairlead to test (build/release/fairlead)")
    parser.addoption("--logs", type=Path, default=ROOT / "build/logs/integration", help="where the logs of failed tests are kept")
    parser.addoption("--loopback", action="store_true", help="on loopback addresses even where namespaces could be made")
