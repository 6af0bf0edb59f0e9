"""tools/summary counts every test once, and never takes a run that broke for success."""
import subprocess

from tools.lint import REPOSITORY

CTEST = """<testsuite tests="4">
  <testcase name="Session.Opens" classname="Session.Opens" status="run"/>
  <testcase name="Session.Closes" classname="Session.Closes" status="fail"><failure message=""/></testcase>
  <testcase name="Net.NeedsRoot" classname="Net.NeedsRoot" status="notrun"><skipped message="SKIP_REGULAR_EXPRESSION_MATCHED"/></testcase>
  <testcase name="fairlead_x_test_NOT_BUILT" classname="fairlead_x_test_NOT_BUILT" status="notrun">
    <skipped message="Unable to find executable"/></testcase>
</testsuite>"""
PYTEST = """<testsuites><testsuite tests="2">
  <testcase classname="netlab_test" name="test_a"/>
  <testcase classname="netlab_test" name="test_b"><error message="x">y</error></testcase>
</testsuite></testsuites>"""


def summary(tmp_path, status, **files):
    for name, text in files.items():
        (tmp_path / f"{name}.xml").write_text(text)
    run = subprocess.run([REPOSITORY / "tools/summary", str(status), tmp_path], capture_output=True, text=True)
    return run.returncode, run.stdout.splitlines()


def test_results_of_all_runners_are_added_up(tmp_path):
    assert summary(tmp_path, 1, ctest=CTEST, pytest=PYTEST) == (1, [
        "skipped: Net.NeedsRoot", "failed:  Session.Closes", "failed:  fairlead_x_test_NOT_BUILT", "failed:  netlab_test.test_b", "2 passed, 3 failed"])


def test_success_is_success(tmp_path):
    assert summary(tmp_path, 0, ctest='<testsuite><testcase name="A.B" status="run"/></testsuite>') == (0, ["1 passed, 0 failed"])


def test_a_runner_that_died_is_a_failure(tmp_path):
    code, lines = summary(tmp_path, 1)
    assert (code, lines[-1]) == (1, "0 passed, 1 failed")
