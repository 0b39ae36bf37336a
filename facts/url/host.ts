/**
 * The host and port of a URL in one spelling: lower case, ASCII, without final dot, default port and user info. Plain names
 * are read here; what needs tables or has many forms (IDNA, IPv4, IPv6) goes through `whatwg-url`, and is remembered.
 *
 * No result depends on the Unicode version of the runtime. `tr46`, which does IDNA for `whatwg-url`, brings all its tables
 * but one: it asks the runtime for Normalization Form C. All versions of Unicode agree on that form as long as a text has no
 * character that is younger than them (https://unicode.org/policies/stability_policy.html). So a host with a character
 * younger than Unicode 15.0 that takes part in normalisation is refused under every runtime.
 */
import tr46 from 'tr46';
import { parseURL, serializeHost } from 'whatwg-url';

export type Scheme = 'http' | 'https';

const plainAuthority = /^((?:[a-z0-9_-]+\.)*[a-z_-][a-z0-9_-]*)(?::([0-9]{1,5}))?$/i;
const punycodeLabel = /(?:^|\.)xn--/i;
const defaultPorts = { http: 80, https: 443 };

/** Longest authority given to the full parser, whose time grows with the square of its length. A DNS name has 253. */
const maxAuthorityLength = 512;
const remembered = 8192;

export class Authorities {
  readonly #known = new Map<string, string | undefined>();

  /**
   * `host` or `host:port`, of what stands between `//` and the path. Undefined when it is not valid by the URL standard, is
   * too long, or has no host left without the final dots.
   */
  canonical(scheme: Scheme, authority: string): string | undefined {
    const text = authority.slice(authority.lastIndexOf('@') + 1);
    const plain = plainAuthority.exec(text);
    const host = plain?.[1];
    if (host === undefined || punycodeLabel.test(host)) return this.#remembered(scheme, text);
    const port = plain?.[2] === undefined ? null : Number(plain[2]);
    return port !== null && port > 0xffff ? undefined : withPort(scheme, host.toLowerCase(), port);
  }

  #remembered(scheme: Scheme, text: string): string | undefined {
    if (text === '' || text.length > maxAuthorityLength) return undefined;
    const url = `${scheme}://${text}/`;
    const known = this.#known.get(url);
    if (known !== undefined || this.#known.has(url)) return known;
    const result = this.#parsed(scheme, url);
    if (this.#known.size >= remembered) this.#known.clear();
    this.#known.set(url, result);
    return result;
  }

  #parsed(scheme: Scheme, url: string): string | undefined {
    const parsed = parseURL(url);
    if (parsed === null || parsed.host === null) return undefined;
    const whole = serializeHost(parsed.host);
    const host = withoutFinalDots(whole);
    if (host === '' || hasYoungCharacter(host)) return undefined;
    const result = withPort(scheme, host, parsed.port);
    // Without its dots the last label may be a number: then this is an IPv4 address, or not valid.
    return whole.length - host.length > 1 ? this.canonical(scheme, result) : result;
  }
}

function withPort(scheme: Scheme, host: string, port: number | null): string {
  return port === null || port === defaultPorts[scheme] ? host : `${host}:${port}`;
}

function withoutFinalDots(host: string): string {
  let end = host.length;
  while (end > 0 && host[end - 1] === '.') end--;
  return host.slice(0, end);
}

/** Of Unicode 15.1 to 17.0: what has a combining class, is composed of other characters, or composes with others. */
const youngInNormalization =
  // eslint-disable-next-line no-misleading-character-class -- each stands for itself
  /[\u{897}\u{1acf}-\u{1add}\u{1ae0}-\u{1aeb}\u{105c9}\u{105d2}\u{105da}\u{105e4}\u{10d69}-\u{10d6d}\u{10efa}\u{10efb}\u{11382}-\u{11385}\u{1138b}\u{1138e}\u{11390}\u{11391}\u{113b8}\u{113bb}\u{113c2}\u{113c5}\u{113c7}-\u{113c9}\u{113ce}-\u{113d0}\u{1611e}-\u{16129}\u{1612f}\u{16d63}\u{16d67}-\u{16d6a}\u{1e5ee}\u{1e5ef}\u{1e6e3}\u{1e6e6}\u{1e6ee}\u{1e6ef}\u{1e6f5}]/u;

function hasYoungCharacter(host: string): boolean {
  return punycodeLabel.test(host) && youngInNormalization.test(tr46.toUnicode(host).domain);
}
