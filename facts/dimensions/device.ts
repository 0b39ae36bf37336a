/** Type of device: mobile, tablet, desktop, console, smarttv, wearable, xr or embedded. */
import { UAParser } from 'ua-parser-js';
import { userAgentVersion } from './user-agent.js';

export const deviceVersion = `1;${userAgentVersion}`;

/** A user agent with a known operating system and no device type is a desktop. Undefined if nothing is recognised. */
export function deviceOf(userAgent: string): string | undefined {
  const parser = new UAParser(userAgent);
  return parser.getDevice().type ?? (parser.getOS().name === undefined ? undefined : 'desktop');
}
