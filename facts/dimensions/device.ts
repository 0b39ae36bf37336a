/** The kind of a device: mobile, tablet, desktop, console, smarttv, wearable, xr or embedded. */
import { UAParser } from 'ua-parser-js';
import { userAgentVersion } from './user-agent.js';

export const deviceVersion = `1;${userAgentVersion}`;

/** An agent whose system is known, and that names no other kind of device, is a desktop's. Undefined where nothing is recognised. */
export function deviceOf(userAgent: string): string | undefined {
  const parser = new UAParser(userAgent);
  return parser.getDevice().type ?? (parser.getOS().name === undefined ? undefined : 'desktop');
}
