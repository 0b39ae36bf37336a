/**
 * Addresses as people read them: hosts and paths in their own letters, the scheme only where it tells two apart, long ones folded in
 * their middle. What is shown is for eyes alone: what is asked for is always the URL as the server wrote it.
 */
import { toASCII, toUnicode } from './vendor/punycode.js';

/** Host and path of a URL in their own letters, without the scheme. */
export function readable(url: string): string {
  const [, host = '', rest = ''] = /^https?:\/\/([^/?]*)(.*)$/.exec(url) ?? [];
  return host === '' ? url : `${readableHost(host)}${readablePath(rest)}`;
}

/** A host or domain in its own letters; as it is when it holds signs that could deceive. */
export function readableHost(host: string): string {
  if (!host.includes('xn--')) return host;
  try {
    const shown = toUnicode(host);
    return shown.search(unplain) < 0 && toASCII(shown) === host ? shown : host;
  } catch {
    return host; // a label that starts like punycode and is none
  }
}

/** Control and format characters and spaces: what hides, or turns text round. */
const unplain = /[\p{C}\p{Z}]/gu;

/** How long a name may be before it is folded, in characters. */
const maxName = 72;
const headLength = 42;
const tailLength = 26;

/** Names for a list of different URLs, each other than the others: with schemes where the rest is alike. */
export function namesOf(urls: readonly string[]): readonly string[] {
  const bare = urls.map(readable);
  const told = apart(bare, (i) => `${schemeOf(urls[i] ?? '')}${bare[i] ?? ''}`);
  return apart(told, (i) => urls[i] ?? '');
}

/** The host that all names begin with; '' when they do not: some have a scheme, or another host. */
export function commonHost(names: readonly string[]): string {
  const hosts = new Set(names.map((name) => /^[^/?]*(?=[/?])/.exec(name)?.[0] ?? ''));
  const [host] = hosts;
  return hosts.size === 1 && host !== undefined && !host.endsWith(':') ? host : '';
}

/** Names with the middle of the long ones left out, but for those that would then be alike. */
export function shortened(names: readonly string[]): readonly string[] {
  return apart(names.map(folded), (i) => names[i] ?? '');
}

/** Different URLs as rows of one list: the host that all have is said once, in the heading. */
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

/** The name of one URL where no others stand beside it: a scheme that is not the usual one is part of it. */
export function nameOf(url: string): string {
  return `${url.startsWith('http://') ? 'http://' : ''}${readable(url)}`;
}

function folded(name: string): string {
  const characters = Array.from(new Intl.Segmenter('en').segment(name), ({ segment }) => segment);
  if (characters.length <= maxName) return name;
  return `${characters.slice(0, headLength).join('')}…${characters.slice(-tailLength).join('')}`;
}

/** Names that are there twice give way to longer ones. */
function apart(names: readonly string[], longer: (i: number) => string): readonly string[] {
  const times = new Map<string, number>();
  for (const name of names) times.set(name, (times.get(name) ?? 0) + 1);
  return names.map((name, i) => (times.get(name) === 1 ? name : longer(i)));
}

function schemeOf(url: string): string {
  return /^https?:\/\//.exec(url)?.[0] ?? '';
}

/** Escapes become letters, but for those that would then read as something else: '%2F', '%25', spaces, signs without a shape. */
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
    return escapes; // no UTF-8
  }
}
