/**
 * The registrable domain of a normalised URL, by the public suffix list with its private suffixes.
 *
 * Any host that the URL rules let through has one: tldts is told not to check names, because DNS and browsers take more of
 * them than its check does (`foo-.blogsite.com`, `a_b.example.org`). IPs, localhost, bare suffixes and hosts with
 * an empty label (`a..example.org`), which no one can register, stand for themselves.
 */
import { getDomain } from 'tldts';
import { versionOf } from '../../lib/files/package-version.js';

/** Names rule and list: equal strings, equal results. */
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
