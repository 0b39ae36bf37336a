/** Canonical spelling of IP addresses, and which address of a proxy chain is the client's. */
import { SocketAddress, isIPv4, isIPv6 } from 'node:net';
import { refused, withoutOption, type Refusal } from '../request.js';
import { TextMemo } from './text-memo.js';

/**
 * Returns an address in the spelling of RFC 5952: lower case, without the longest run of zeros. An IPv4 address mapped into IPv6 becomes plain IPv4. A port
 * (`192.0.2.1:80`, `[2001:db8::1]:80`) and a zone (`%eth0`) are dropped. Undefined if the text is not an address.
 */
export function canonicalAddress(text: string): string | undefined {
  if (isIPv4(text)) return text;
  const [, bracketed, v4] = withPort.exec(text) ?? [];
  if (v4 !== undefined) return isIPv4(v4) ? v4 : undefined;
  const [plain = ''] = (bracketed ?? text).split('%');
  if (!isIPv6(plain)) return undefined;
  const { address } = new SocketAddress({ address: plain, family: 'ipv6' });
  return address.startsWith('::ffff:') && isIPv4(address.slice(7)) ? address.slice(7) : address;
}

const withPort = /^(?:\[([^\]]*)\](?::\d{1,5})?|(\d+\.\d+\.\d+\.\d+):\d{1,5})$/;

/** A cache, because most lines repeat an address. */
const known = new TextMemo(canonicalAddress);

/**
 * The client's address.
 * @param address the peer address in the log, or a list that a proxy passed on
 * @param forwardedFor X-Forwarded-For: each proxy appends the address that connected to it, after anything that the client itself sent
 * @param trustedProxies number of own proxies in front of the server that wrote the log: the client is that many entries from the
 *   end of the list, or the first if there are fewer; 0 takes `address`
 */
export function clientAddress(
  address: string | undefined,
  forwardedFor: string | undefined,
  trustedProxies: number,
): string | Refusal {
  const list = trustedProxies > 0 ? (forwardedFor ?? address) : address;
  if (list === undefined) return refused('the address is missing');
  let one = list;
  if (list.includes(',')) {
    if (trustedProxies === 0)
      return withoutOption(
        '--client-ip',
        'the address is a list',
        list,
        ' to tell which address is the client',
      );
    const entries = list.split(',');
    one = entries[Math.max(0, entries.length - trustedProxies)]?.trim() ?? '';
  }
  return (isIPv4(one) ? one : known.get(one)) ?? refused('the address is not an IP address', one);
}
