/**
 * Canonical spelling of a URL's host and port: lower case, ASCII, without final dot, default port and user info. Plain names are parsed here;
 * what needs tables or has many forms (IDNA, IPv4, IPv6) goes through `whatwg-url` and is memoised.
 *
 * No result depends on the Unicode version of the runtime. `tr46`, which does IDNA for `whatwg-url`, has all of its own tables except one:
 * Normalization Form C comes from the runtime. Versions of Unicode differ in that form only for texts with characters that the older one does
 * not have (https://unicode.org/policies/stability_policy.html). So a host is always refused if it contains a character younger than Unicode
 * 15.0 that takes part in normalisation.
 */
import tr46 from 'tr46';
import { parseURL, serializeHost } from 'whatwg-url';

export type Scheme = 'http' | 'https';

const plainAuthority = /^((?:[a-z0-9_-]+\.)*[a-z_-][a-z0-9_-]*)(?::([0-9]{1,5}))?$/i;
const punycodeLabel = /(?:^|\.)xn--/i;
const defaultPorts = { http: 80, https: 443 };

/** Maximum length passed to the full parser, whose time is quadratic. DNS names have at most 253 characters. */
const maxAuthorityLength = 512;
const remembered = 8192;

export class Authorities {
  readonly #known = new Map<string, string | undefined>();

  /**
   * Canonical `host` or `host:port` for the text between `//` and the path. Undefined if it is invalid by the URL standard, too long, or has no
   * host left without the final dots.
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
    // After its dots are removed, a numeric last label makes it an IPv4 address, or invalid.
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

/** Characters of Unicode 15.1 to 17.0 that have a combining class, decompose, or compose with others. */
const youngInNormalization =
  // eslint-disable-next-line no-misleading-character-class -- each code point stands for itself
  /[\u{897}\u{1acf}-\u{1add}\u{1ae0}-\u{1aeb}\u{105c9}\u{105d2}\u{105da}\u{105e4}\u{10d69}-\u{10d6d}\u{10efa}\u{10efb}\u{11382}-\u{11385}\u{1138b}\u{1138e}\u{11390}\u{11391}\u{113b8}\u{113bb}\u{113c2}\u{113c5}\u{113c7}-\u{113c9}\u{113ce}-\u{113d0}\u{1611e}-\u{16129}\u{1612f}\u{16d63}\u{16d67}-\u{16d6a}\u{1e5ee}\u{1e5ef}\u{1e6e3}\u{1e6e6}\u{1e6ee}\u{1e6ef}\u{1e6f5}]/u;

function hasYoungCharacter(host: string): boolean {
  return punycodeLabel.test(host) && youngInNormalization.test(tr46.toUnicode(host).domain);
}
