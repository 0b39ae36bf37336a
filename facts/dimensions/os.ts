/** The family of an operating system: 'Mozilla/5.0 (X11; Linux x86_64) ...' -> 'Linux'. Versions are dropped. */
import { UAParser } from 'ua-parser-js';
import { versionOf } from '../../lib/files/package-version.js';

export const osVersion = `1;ua-parser-js=${versionOf('ua-parser-js')}`;

/** Undefined where none is recognised. */
export function osOf(userAgent: string): string | undefined {
  return new UAParser(userAgent).getOS().name;
}
