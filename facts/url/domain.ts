/**
 * Registrable domain of a normalised URL, by the public suffix list with its private suffixes.
 *
 * Every host that the URL rules accept has one: tldts does not validate names, because DNS and browsers accept more than its validation does
 * (`foo-.blogsite.com`, `a_b.example.org`). IP addresses, localhost, bare suffixes and hosts with an empty label (`a..example.org`), which
 * cannot be registered, are their own domain.
 */
import { getDomain } from 'tldts';
import { versionOf } from '../../lib/files/package-version.js';

/** Versions of rule and list: equal strings give equal results. */
export const domainRuleVersion: string = `2;tldts=${versionOf('tldts')}`;

const options = { allowPrivateDomains: true, extractHostname: false, validateHostname: false } as const;

/** 'https://blog.example.co.uk/x' -> 'example.co.uk'. */
export function domainOf(normalizedUrl: string): string {
  return domainOfHost(hostOf(normalizedUrl));
}

/** 'https://www.example.org:8080/x' -> 'www.example.org'. */
export function hostOf(normalizedUrl: string): string {
  const from = normalizedUrl.indexOf('//') + 2;
  const to = normalizedUrl.indexOf('/', from);
  const authority = normalizedUrl.slice(from, to < 0 ? undefined : to);
  const colon = authority.lastIndexOf(':');
  return colon > authority.lastIndexOf(']') ? authority.slice(0, colon) : authority;
}

function domainOfHost(host: string): string {
  if (host.startsWith('[') || host.startsWith('.') || host.includes('..')) return host;
  return getDomain(host, options) ?? host;
}
