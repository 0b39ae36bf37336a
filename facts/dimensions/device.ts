/** The kind of a device: mobile, tablet, desktop, console, smarttv, wearable, xr or embedded. */
import { UAParser } from 'ua-parser-js';
import { versionOf } from '../../lib/files/package-version.js';

export const deviceVersion = `1;ua-parser-js=${versionOf('ua-parser-js')}`;

/** An agent whose system is known, and that names no other kind of device, is a desktop's. Undefined where nothing is recognised. */
export function deviceOf(userAgent: string): string | undefined {
  const { device, os } = new UAParser(userAgent).getResult();
  return device.type ?? (os.name === undefined ? undefined : 'desktop');
}
