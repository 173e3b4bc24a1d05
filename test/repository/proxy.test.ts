import { describe, expect, it } from "vitest";
import { GuestbootError } from "../../src/base/errors.ts";
import { chooseProxy, type Environment } from "../../src/repository/proxy.ts";

function chosen(url: string, given: string | undefined, environment: Environment = {}): string | null {
  return chooseProxy(given, environment)(new URL(url))?.address ?? null;
}

function failureOf(given: string): GuestbootError {
  try {
    chooseProxy(given, {});
  } catch (error) {
    if (error instanceof GuestbootError) return error;
    throw error;
  }
  throw new Error(`${given} was taken`);
}

describe("the proxy of a request", () => {
  it("is what the host's settings say of a repository, before the environment and after the installation's own", () => {
    const settings = [
      { name: "a.example", caFile: null, proxy: "http://me:s3cret@p.example:3128" },
      { name: "b.example", caFile: null, proxy: "none" },
      { name: "c.example", caFile: "/x.pem", proxy: null },
    ];
    const choose = chooseProxy(undefined, { http_proxy: "http://env.example" }, settings);
    const of = (host: string) => choose(new URL(`http://${host}/x`));
    expect(of("a.example")).toEqual({
      address: "http://p.example:3128/",
      credentials: { user: "me", password: "s3cret" },
    });
    expect(of("b.example")).toBeNull();
    expect(of("c.example")?.address).toBe("http://env.example/");
    expect(of("d.example")?.address).toBe("http://env.example/");
    const own = chooseProxy("http://own.example", {}, settings);
    expect(own(new URL("http://b.example/"))?.address).toBe("http://own.example/");
  });

  it("that the settings write wrongly is said without what they write", () => {
    const settings = [{ name: "a.example", caFile: null, proxy: "socks5://me:s3cret@p.example" }];
    expect(() => chooseProxy(undefined, {}, settings)).toThrow(
      /^proxy of \[repository "a\.example"\] names a proxy of the kind "socks5:"$/,
    );
  });

  it("is none when none is set", () => {
    expect(chosen("http://h.example/", undefined)).toBeNull();
    expect(chosen("http://h.example/", "", { http_proxy: "", https_proxy: " " })).toBeNull();
  });

  it("is the installation's own for everything, whatever the environment says", () => {
    const environment = { http_proxy: "http://other:1", no_proxy: "*" };
    expect(chosen("http://h.example/", "http://p.example:3128", environment)).toBe("http://p.example:3128/");
    expect(chosen("https://h.example/", "http://p.example:3128", environment)).toBe("http://p.example:3128/");
  });

  it("is the environment's for http and for https, with or without a scheme", () => {
    const environment = { http_proxy: "p.example:3128", HTTPS_PROXY: "https://q.example/" };
    expect(chosen("http://h.example/", undefined, environment)).toBe("http://p.example:3128/");
    expect(chosen("https://h.example/", undefined, environment)).toBe("https://q.example/");
    expect(chosen("https://h.example/", undefined, { all_proxy: "r.example" })).toBe("http://r.example/");
  });

  it("is not taken from HTTP_PROXY, which a stranger's request can set in a CGI program", () => {
    expect(chosen("http://h.example/", undefined, { HTTP_PROXY: "http://evil.example" })).toBeNull();
  });

  it.each([
    ["h.example", "http://h.example/", true],
    ["h.example", "http://a.h.example/", true],
    [".h.example", "http://a.h.example/", true],
    ["*.h.example", "http://a.h.example/", true],
    ["h.example", "http://noth.example/", false],
    ["example", "http://h.example/", true],
    ["H.Example", "http://h.example/", true],
    ["h.example:8080", "http://h.example:8080/", true],
    ["h.example:8080", "http://h.example/", false],
    ["h.example:80", "http://h.example/", true],
    ["a.example, h.example", "http://h.example/", true],
    ["a.example h.example", "http://h.example/", true],
    ["10.0.0.1", "http://10.0.0.1:3128/", true],
    ["[::1]", "http://[::1]/", true],
    ["*", "http://anything/", true],
    ["", "http://h.example/", false],
    [",.,", "http://h.example/", false],
  ])("with no_proxy=%j for %s", (list, url, isDirect) => {
    const found = chosen(url, undefined, { http_proxy: "http://p.example", no_proxy: list });
    expect(found === null).toBe(isDirect);
  });

  it("keeps user and password apart from the address", () => {
    expect(chooseProxy("http://me:p%40ss@p.example:3128/", {})(new URL("http://h/"))).toEqual({
      address: "http://p.example:3128/",
      credentials: { user: "me", password: "p@ss" },
    });
  });

  it.each(["http://", "http://me:secret@", "http://p example/", "http://me:100%secret@p.example/", "http://p:99999"])(
    "%s is no proxy, and no password is shown",
    (given) => {
      expect(failureOf(given).code).toBe("SETTINGS_INVALID");
      expect(failureOf(given).message).not.toContain("secret");
    },
  );

  it("of another kind is not supported", () => {
    expect(failureOf("socks5://me:secret@p.example").code).toBe("UNSUPPORTED_INSTALL_METHOD");
    expect(failureOf("socks5://me:secret@p.example").message).not.toContain("secret");
  });
});
