/**
 * Words that are shown or logged, without the passwords in them.
 */

/** Stands where a password stood. */
export const HIDDEN = "(set)";

/** Text without users and passwords of addresses, and without the values of words that are named like passwords. */
export function withoutSecrets(text: string): string {
  return text
    .replace(/([a-z][a-z0-9+.-]*:\/\/|\b(?:https?|ftp|socks\w*):\/*)(\S*)/gi, (_, scheme: string, rest: string) => {
      return scheme + withoutUser(rest);
    })
    .replace(
      /([\w./-]*(?:passw|passphrase|secret|token|rootpw)[\w./-]*\s*[=:])\s*("[^"]*"|'[^']*'|\S+)/gi,
      `$1${HIDDEN}`,
    );
}

/** What stands behind `scheme://`. A password may hold an `@` itself, and where it is written wrongly a slash too. */
function withoutUser(rest: string): string {
  const authority = /^[^/?#\\]*/.exec(rest)?.[0] ?? "";
  if (authority.includes("@")) return rest.slice(authority.lastIndexOf("@") + 1);
  const isHost = /^(?:[^:]*|\[[^\]]*\])(?::\d*)?$/.test(authority);
  return isHost ? rest : rest.slice(rest.lastIndexOf("@") + 1);
}
