#!/usr/bin/python3
"""Those commands of xapi's `xe` that guestboot prints, over XML-RPC to the socket that XAPI_SOCKET names.

As the real one: key=value words; a map's key is taken out and then put in; vbd-list --minimal prints uuids joined with
commas; whatever fails is said on standard error, with exit status 1.
"""
import http.client
import os
import socket
import sys
import xmlrpc.client


class LocalConnection(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(30)
        self.sock.connect(os.environ["XAPI_SOCKET"])


class LocalTransport(xmlrpc.client.Transport):
    def make_connection(self, host):
        return LocalConnection("localhost")


def fail(*words):
    print(*words, file=sys.stderr)
    sys.exit(1)


server = xmlrpc.client.ServerProxy("http://localhost/", transport=LocalTransport())


def call(method, *params):
    answer = server
    for name in method.split("."):
        answer = getattr(answer, name)
    result = answer(*params)
    if result["Status"] != "Success":
        fail("Error:", *result["ErrorDescription"])
    return result["Value"]


FIELDS = {
    "PV-bootloader": "PV_bootloader",
    "PV-bootloader-args": "PV_bootloader_args",
    "PV-args": "PV_args",
    "PV-kernel": "PV_kernel",
    "PV-ramdisk": "PV_ramdisk",
}


def vm_param_set(session, words):
    vm = call("VM.get_by_uuid", session, words.pop("uuid"))
    for name, value in words.items():
        if name.startswith("other-config:"):
            key = name[len("other-config:"):]
            call("VM.remove_from_other_config", session, vm, key)
            call("VM.add_to_other_config", session, vm, key, value)
        elif name in FIELDS:
            call("VM.set_" + FIELDS[name], session, vm, value)
        else:
            fail("Error: unknown field", name)


def vm_param_remove(session, words):
    if words["param-name"] != "other-config":
        fail("Error: no such map", words["param-name"])
    vm = call("VM.get_by_uuid", session, words["uuid"])
    if words["param-key"] not in call("VM.get_other_config", session, vm):
        fail("Error: Key", words["param-key"], "not found in map")
    call("VM.remove_from_other_config", session, vm, words["param-key"])


def vbd_list(session, words):
    if "--minimal" not in words:
        fail("Error: only --minimal is known here")
    vm = call("VM.get_record", session, call("VM.get_by_uuid", session, words["vm-uuid"]))
    disks = [call("VBD.get_record", session, ref) for ref in vm["VBDs"]]
    print(",".join(disk["uuid"] for disk in disks if disk["userdevice"] == words["userdevice"]))


def vbd_param_set(session, words):
    if words["bootable"] not in ("true", "false"):
        fail("Error: not a boolean:", words["bootable"])
    call("VBD.set_bootable", session, call("VBD.get_by_uuid", session, words["uuid"]), words["bootable"] == "true")


def vm_start(session, words):
    call("VM.start", session, call("VM.get_by_uuid", session, words["uuid"]), False, False)


COMMANDS = {
    "vm-param-set": vm_param_set,
    "vm-param-remove": vm_param_remove,
    "vbd-list": vbd_list,
    "vbd-param-set": vbd_param_set,
    "vm-start": vm_start,
}

command, *rest = sys.argv[1:]
if command not in COMMANDS:
    fail("Unknown command:", command)
given = {}
for word in rest:
    name, equals, value = word.partition("=")
    if equals == "" and word != "--minimal":
        fail("Error: not key=value:", word)
    given[name] = value
login = call("session.login_with_password", "", "")
try:
    COMMANDS[command](login, given)
finally:
    call("session.logout", login)
