/** nginx's `main`: combined with X-Forwarded-For behind it, for servers behind a proxy of one's own. */
import { clientAddress } from '../fields/address.js';
import { apacheShape } from '../format-string.js';
import type { LogFormat } from '../request.js';
import { textFormat } from '../text-format.js';

export const forwarded: LogFormat = {
  ...textFormat({
    name: 'forwarded',
    title: 'nginx behind your own proxy, X-Forwarded-For last',
    shape: () => apacheShape('%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i" "%{X-Forwarded-For}i"'),
  }),
  trustedProxies: 1,
  // Others write fields of their own there, and servers without a proxy a dash.
  proof: ({ forwardedFor }) => typeof clientAddress(forwardedFor, undefined, 1) === 'string',
};
