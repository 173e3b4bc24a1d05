/** What toolstacks and admins keep about guests, and what xapi answers. */
import { decodeText } from "../../../src/base/text.ts";
import { parseGuestFile } from "../../../src/toolstack/guest-file.ts";
import { parseSxpGuest } from "../../../src/toolstack/sxp.ts";
import { JSON_RPC } from "../../../src/toolstack/xapi/json-rpc.ts";
import { NotThisFormat, XapiFailure } from "../../../src/toolstack/xapi/rpc.ts";
import { XML_RPC } from "../../../src/toolstack/xapi/xml-rpc.ts";
import { bytesOf, type FuzzTarget } from "../target.ts";

/** Both end in errors of xapi's session, which knows the call that failed. */
const isRefusal = (error: unknown): boolean => error instanceof NotThisFormat || error instanceof XapiFailure;

export const toolstackTargets: readonly FuzzTarget[] = [
  {
    name: "guest file",
    seeds: () => [
      bytesOf(
        `# a guest\nname = "one"\ntype = 'pv'\nbootloader = "pygrub"\nbootloader_args = [ "--vm=one", '-q', ]\n` +
          `disk = [ 'phy:/dev/vg/one,xvda,w', "format=raw,vdev=xvdb,target=/x" ]\nmemory = 512\nextra = """a\nb"""\n`,
      ),
    ],
    dictionary: [
      "bootloader",
      "bootargs",
      "kernel",
      "ramdisk",
      "disk",
      "=",
      "[",
      "]",
      "'",
      '"',
      '"""',
      "\\",
      "\n",
      "#",
    ],
    run: (input) => parseGuestFile(decodeText(input)),
  },
  {
    name: "SXP",
    seeds: () => [
      bytesOf(
        `(domain (domid 3) (name 'one') (uuid 0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0) (bootloader /usr/bin/pygrub)\n` +
          `(bootloader_args -q) (image (linux (kernel ) (args "root=/dev/xvda1 \\"x\\"")))\n` +
          `(device (tap (dev xvda:disk) (uname tap:aio:/x) (bootable 1))))\n`,
      ),
    ],
    dictionary: ["(domain ", "(", ")", "'", '"', "\\", "(device (vbd (dev xvda:disk) (bootable 1)))", "(bootloader "],
    run: (input) => parseSxpGuest(decodeText(input)),
  },
  {
    name: "XML-RPC answer",
    seeds: () => [
      bytesOf(
        `<?xml version="1.0"?><methodResponse><params><param><value><struct><member><name>Status</name><value>Success` +
          `</value></member><member><name>Value</name><value><array><data><value><string>a&lt;b&#65;</string></value>` +
          `<value><boolean>1</boolean></value><value><i4>3</i4></value></data></array></value></member></struct></value>` +
          `</param></params></methodResponse>`,
      ),
    ],
    dictionary: [
      "<value>",
      "</value>",
      "<struct>",
      "<member>",
      "<array>",
      "<data>",
      "<![CDATA[",
      "&#x",
      "&amp;",
      "<!--",
    ],
    isRefusal,
    run: (input) => XML_RPC.read(decodeText(input)),
  },
  {
    name: "JSON-RPC answer",
    seeds: () => [
      bytesOf(`{"jsonrpc":"2.0","result":{"a":["b",1,true,null]},"id":1}`),
      bytesOf(`{"jsonrpc":"2.0","error":{"code":1,"message":"HOST_IS_SLAVE","data":["10.0.0.1"]},"id":1}`),
    ],
    dictionary: ['"error"', '"result"', '"message"', '"data"', "[", "]", "{", "}", "__proto__"],
    isRefusal,
    run: (input) => JSON_RPC.read(decodeText(input)),
  },
];
