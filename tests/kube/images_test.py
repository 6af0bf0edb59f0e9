"""The services that tests use: each answers through a Service, from another pod."""
import json
import shutil

import pytest


def test_echo_basic_shows_what_it_was_asked(pods):
    pods.serve("echo", "echo-basic", 3000, env=[{"name": "POD_NAME", "value": "echo"}])
    said = json.loads(pods.shell("timeout 20 wget -q -O- --header 'X-Colour: blue' 'http://echo:3000/some/path?q=1'"))
    assert said["path"] == "/some/path?q=1" and said["headers"]["X-Colour"] == ["blue"] and said["pod"] == "echo"


@pytest.mark.parametrize("call, messages, size", [("unary", 3, 300), ("download", 5, 500), ("upload", 1, 500), ("duplex", 5, 500)])
def test_grpc_calls_of_all_kinds(pods, call, messages, size):
    pods.serve("grpc", "grpc-echo", 9000)
    count = 3 if call == "unary" else 5
    ask = ["/grpc-echo", "ask", "-count", str(count), "-size", "100", "-out", "/dev/termination-log", f"grpc.{pods.namespace}:9000", call]
    said = json.loads(pods.ask("grpc-echo", ask))
    assert (said["messages"], said["bytes"]) == (messages, size)


def test_messages_of_a_grpc_stream_come_one_by_one(pods):
    pods.serve("grpc", "grpc-echo", 9000)
    ask = ["/grpc-echo", "ask", "-count", "5", "-interval", "200ms", "-out", "/dev/termination-log", "grpc:9000", "download"]
    said = json.loads(pods.ask("grpc-echo", ask))
    assert said["messages"] == 5 and said["last_ms"] - said["first_ms"] > 600


def test_mosquitto_carries_messages(pods):
    pods.serve("broker", "mosquitto", 1883)
    pods.ask("mosquitto", ["mosquitto_pub", "-h", "broker", "-t", "greeting", "-m", "hello", "-r"])
    assert pods.ask("mosquitto", ["sh", "-c", "mosquitto_sub -h broker -t greeting -C 1 -W 20 >/dev/termination-log"]) == "hello"


def test_nginx_takes_more_configuration(pods):
    pods.cluster.kubectl.apply({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "more", "namespace": pods.namespace},
        "data": {"more.conf": 'server { listen 8081; location / { return 200 "more of nginx\\n"; } }'}})
    pod = pods.run("web", "nginx", port=8081, volumes=[{"name": "more", "configMap": {"name": "more"}}],
                   volumeMounts=[{"name": "more", "mountPath": "/etc/nginx/conf.d"}])
    assert pods.fetch(f"http://{pod.ip}:8081/") == "more of nginx"


def test_an_image_of_ones_own(lab, pods, tmp_path):
    (tmp_path / "root/bin").mkdir(parents=True)
    shutil.copy(shutil.which("busybox"), tmp_path / "root/bin/busybox")
    lab.command("mkimage", "localhost/mine/box:1", str(tmp_path / "root"), str(tmp_path / "box.tar"), "/bin/busybox", "sh")
    assert "localhost/mine/box:1" in lab.command("load", str(tmp_path / "box.tar"), lab.nodes[0]).stdout
    assert pods.ask("localhost/mine/box:1", ["/bin/busybox", "sh", "-c", "echo mine >/dev/termination-log"]) == "mine"
