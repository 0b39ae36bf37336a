/** The registrable domain of a normalised URL, by the public suffix list with its private suffixes. */
import { getDomain } from 'tldts';

const options = { allowPrivateDomains: true } as const;

/** 'https://blog.example.co.uk/x' -> 'example.co.uk'; IPs, localhost and bare suffixes stand for themselves. */
export function domainOf(normalizedUrl: string): string {
  return getDomain(normalizedUrl, options) ?? hostnameOf(normalizedUrl);
}

function hostnameOf(normalizedUrl: string): string {
  return new URL(normalizedUrl).hostname;
}
