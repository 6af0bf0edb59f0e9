"""Rules for HTTP as values: each function returns a manifest's object, text() makes a file of several."""
import json


def text(*objects):
    return "---\n".join(json.dumps(value, indent=1) + "\n" for value in objects)


def _object(api, kind, name, spec):
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name}, "spec": spec}


def listener(port, name="http", protocol="HTTP", **more):
    return {"name": name, "port": port, "protocol": protocol, **more}


def gateway(name, *listeners, on_edge=False, **more):
    return _object("gateway.networking.k8s.io/v1", "Gateway", name,
                   {"gatewayClassName": "fairlead-edge" if on_edge else "fairlead", "listeners": list(listeners), **more})


def route(name, *rules, parent=None, hostnames=(), section=None):
    reference = {"name": parent or name, **({"sectionName": section} if section else {})}
    return _object("gateway.networking.k8s.io/v1", "HTTPRoute", name,
                   {"parentRefs": [reference], **({"hostnames": list(hostnames)} if hostnames else {}), "rules": list(rules)})


def rule(*backends, matches=(), path=None, **more):
    """A rule to backends, each a name or (name, weight). `path`: of a PathPrefix match."""
    matches = list(matches) or ([match(path)] if path else [])
    references = [_reference(*([to] if isinstance(to, str) else to)) for to in backends]
    return {**({"matches": matches} if matches else {}), "backendRefs": references, **more}


def _reference(name, weight=1, **more):
    return {"group": "fairlead.dev", "kind": "Backend", "name": name, "weight": weight, **more}


def match(path, kind="PathPrefix", **more):
    return {"path": {"type": kind, "value": path}, **more}


def policy_filter(name):
    return {"type": "ExtensionRef", "extensionRef": {"group": "fairlead.dev", "kind": "RequestPolicy", "name": name}}


def request_policy(name, **spec):
    return _object("fairlead.dev/v1alpha1", "RequestPolicy", name, spec)


def listener_policy(name, gateway_name, **spec):
    target = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": gateway_name}
    return _object("fairlead.dev/v1alpha1", "ListenerPolicy", name, {"targetRefs": [target], **spec})


def backend(name, location, port, address="127.0.0.1", **more):
    """`location`: a node's name, or what stands at spec.location."""
    where = {"nodeName": location} if isinstance(location, str) else location
    return _object("fairlead.dev/v1alpha1", "Backend", name, {"location": where, "targets": [{"address": address, "port": port}], **more})


CLOUD = {"cloud": {}}


def entrance(name, port, location, target_port, **more):
    """A whole entrance for HTTP at `port`, all of whose requests go to one target."""
    return text(gateway(name, listener(port), on_edge=location == CLOUD), route(name, rule(name, **more)), backend(name, location, target_port))


def tls_files(certificate, key, **more):
    """`tls` of a listener by files. `more`: Fairlead's other options: clientCaFile, clientAuth."""
    options = {"certificateFile": certificate, "keyFile": key, **more}
    return {"mode": "Terminate", "options": {f"fairlead.dev/{_dashed(name)}": str(value) for name, value in options.items()}}


def _dashed(name):
    return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in name)
