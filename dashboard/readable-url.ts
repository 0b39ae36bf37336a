/**
 * Formats URLs for people: decoded hosts and paths, the scheme only where it distinguishes two, long names shortened in the middle. For display
 * only: requests always use the URL as the server wrote it.
 */
import { toASCII, toUnicode } from './vendor/punycode.js';

/** Decoded host and path of a URL, without the scheme. */
export function readable(url: string): string {
  const [, host = '', rest = ''] = /^https?:\/\/([^/?]*)(.*)$/.exec(url) ?? [];
  return host === '' ? url : `${readableHost(host)}${readablePath(rest)}`;
}

/** Decoded host or domain; unchanged if it contains characters that could deceive. */
export function readableHost(host: string): string {
  if (!host.includes('xn--')) return host;
  try {
    const shown = toUnicode(host);
    return shown.search(unplain) < 0 && toASCII(shown) === host ? shown : host;
  } catch {
    return host; // a label that begins like punycode but is invalid
  }
}

/** Control and format characters and spaces: they can hide text or reverse it. */
const unplain = /[\p{C}\p{Z}]/gu;

/** Maximum length of a name before it is shortened, in characters. */
const maxName = 72;
const headLength = 42;
const tailLength = 26;

/** Distinct names for a list of distinct URLs: with schemes where the rest is equal. */
export function namesOf(urls: readonly string[]): readonly string[] {
  const bare = urls.map(readable);
  const told = apart(bare, (i) => `${schemeOf(urls[i] ?? '')}${bare[i] ?? ''}`);
  return apart(told, (i) => urls[i] ?? '');
}

/** The host at the start of all names; '' if they differ, or some have a scheme. */
export function commonHost(names: readonly string[]): string {
  const hosts = new Set(names.map((name) => /^[^/?]*(?=[/?])/.exec(name)?.[0] ?? ''));
  const [host] = hosts;
  return hosts.size === 1 && host !== undefined && !host.endsWith(':') ? host : '';
}

/** Shortens long names in the middle, except those that would become equal. */
export function shortened(names: readonly string[]): readonly string[] {
  return apart(names.map(folded), (i) => names[i] ?? '');
}

/** Distinct URLs as rows of one list: a host that all share is shown once, in the heading. */
export function listed(urls: readonly string[]): {
  readonly heading: string;
  readonly names: readonly string[];
} {
  const names = namesOf(urls);
  const host = commonHost(names);
  return {
    heading: host === '' ? 'Page' : `Page on ${host}`,
    names: shortened(names.map((name) => name.slice(host.length))),
  };
}

/** The name of a single URL: includes the scheme only if it is http. */
export function nameOf(url: string): string {
  return `${url.startsWith('http://') ? 'http://' : ''}${readable(url)}`;
}

function folded(name: string): string {
  const characters = Array.from(new Intl.Segmenter('en').segment(name), ({ segment }) => segment);
  if (characters.length <= maxName) return name;
  return `${characters.slice(0, headLength).join('')}…${characters.slice(-tailLength).join('')}`;
}

/** Replaces names that occur more than once by longer ones. */
function apart(names: readonly string[], longer: (i: number) => string): readonly string[] {
  const times = new Map<string, number>();
  for (const name of names) times.set(name, (times.get(name) ?? 0) + 1);
  return names.map((name, i) => (times.get(name) === 1 ? name : longer(i)));
}

function schemeOf(url: string): string {
  return /^https?:\/\//.exec(url)?.[0] ?? '';
}

/** Decodes escapes, except those that would then read as something else: '%2F', '%25', spaces, invisible characters. */
function readablePath(path: string): string {
  return path.replaceAll(/(?:%[0-9A-F]{2})+/gi, (escapes) =>
    escapes
      .split(/(%25)/)
      .map((part) => (part === '%25' ? part : decoded(part)))
      .join(''),
  );
}

function decoded(escapes: string): string {
  try {
    return decodeURI(escapes).replaceAll(unplain, encodeURIComponent);
  } catch {
    return escapes; // not valid UTF-8
  }
}
