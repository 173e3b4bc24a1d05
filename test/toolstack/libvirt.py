"""What libvirt's own driver for Xen makes of a domain's XML on standard input, as JSON: what it would hand to libxl when
the domain is started, and the xl config that `virsh domxml-to-native xen-xl` prints.

Without a daemon and without Xen: the driver's library is loaded and its two functions are called. The driver's own
state, which they only hand on, is a block of memory that points to zeros.
"""
import ctypes as c
import json
import sys

DRIVER = "/usr/lib/x86_64-linux-gnu/libvirt/connection-driver/libvirt_driver_libxl.so"
# Larger than libvirt's and libxl's largest structures, whose sizes their headers alone tell.
ROOM = 1 << 20

libxl = c.CDLL("libxenlight.so.4.17", mode=c.RTLD_GLOBAL)
libvirt = c.CDLL("libvirt.so.0", mode=c.RTLD_GLOBAL)
driver = c.CDLL(DRIVER)
yajl = c.CDLL("libyajl.so.2")


def function(library, name, result, *arguments):
    found = getattr(library, name)
    found.restype = result
    found.argtypes = arguments
    return found


def must(is_good, what):
    if not is_good:
        message = function(libvirt, "virGetLastErrorMessage", c.c_char_p)
        sys.exit(f"{what}: {message().decode()}")


pointer = c.c_void_p
must(libvirt.virInitialize() == 0, "virInitialize")
options = function(libvirt, "virDomainXMLOptionNew", pointer, *[pointer] * 6)(*[None] * 6)
parse = function(libvirt, "virDomainDefParseString", pointer, c.c_char_p, pointer, pointer, c.c_uint)
domain = parse(sys.stdin.buffer.read(), options, None, 0)
must(domain, "virDomainDefParseString")

native = function(driver, "xenFormatXL", pointer, pointer, pointer)(domain, None)
must(native, "xenFormatXL")
text = c.create_string_buffer(ROOM)
length = c.c_int(ROOM)
write = function(libvirt, "virConfWriteMem", c.c_int, pointer, c.POINTER(c.c_int), pointer)
must(write(text, c.byref(length), native) >= 0, "virConfWriteMem")

zeros = c.create_string_buffer(ROOM)
state = (pointer * 512)(*[c.addressof(zeros) + ROOM // 2] * 512)
config = c.create_string_buffer(ROOM)
function(libxl, "libxl_domain_config_init", None, pointer)(config)
build = function(driver, "libxlBuildDomainConfig", c.c_int, *[pointer] * 4)
must(build(None, domain, c.addressof(state), c.addressof(config)) == 0, "libxlBuildDomainConfig")
generator = function(yajl, "yajl_gen_alloc", pointer, pointer)(None)
function(libxl, "libxl_domain_config_gen_json", c.c_int, pointer, pointer)(generator, config)
json_text, json_length = c.c_char_p(), c.c_size_t()
get = function(yajl, "yajl_gen_get_buf", c.c_int, pointer, c.POINTER(c.c_char_p), c.POINTER(c.c_size_t))
get(generator, c.byref(json_text), c.byref(json_length))

print(json.dumps({"native": text.value.decode(), "libxl": json.loads(json_text.value[: json_length.value])}))
