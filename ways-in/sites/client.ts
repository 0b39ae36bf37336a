/** What a request says about the client that sent it. The address is used for an HMAC and a rate limit, and is never stored. */
import type { IncomingMessage } from 'node:http';
import type { Config } from '../../lib/config/config.js';
import { canonicalAddress, clientAddress } from '../logs/fields/address.js';

export interface Client {
  /** UTC ms. */
  readonly receivedAt: number;
  /** The page that sends: the `Origin` header, or without one (images have none) the referrer, which may be a whole URL. */
  readonly origin: string | undefined;
  /** In the spelling of RFC 5952. */
  readonly address: string;
  readonly userAgent: string | undefined;
  /** Two letters, if a proxy names the country. */
  readonly country: string | undefined;
}

export type ClientConfig = Pick<Config, 'trustedProxies' | 'countryHeader'>;

export function clientOf(
  { headers, socket }: Pick<IncomingMessage, 'headers' | 'socket'>,
  { trustedProxies, countryHeader }: ClientConfig,
  receivedAt: number,
): Client {
  const connected = socket.remoteAddress;
  const forwarded = headers['x-forwarded-for'];
  const list = Array.isArray(forwarded) ? forwarded.join(',') : forwarded;
  const address = clientAddress(connected, list, trustedProxies);
  return {
    receivedAt,
    origin: headers.origin ?? headers.referer,
    address: typeof address === 'string' ? address : (canonicalAddress(connected ?? '') ?? 'unknown'),
    userAgent: headers['user-agent'],
    country: countryIn(countryHeader === '' ? undefined : headers[countryHeader.toLowerCase()]),
  };
}

/** The country in upper case; undefined for `XX` and `ZZ`, which mean an unknown country. */
function countryIn(value: string | readonly string[] | undefined): string | undefined {
  if (typeof value !== 'string' || !/^[A-Za-z]{2}$/.test(value)) return undefined;
  const country = value.toUpperCase();
  return country === 'XX' || country === 'ZZ' ? undefined : country;
}
