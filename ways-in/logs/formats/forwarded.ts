/** nginx's `main`: combined followed by X-Forwarded-For, for servers behind their own proxy. */
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
  // Other logs have fields of their own there, and servers without a proxy write a dash.
  proof: ({ forwardedFor }) => typeof clientAddress(forwardedFor, undefined, 1) === 'string',
};
