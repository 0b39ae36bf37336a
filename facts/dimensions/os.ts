/** The family of an operating system: 'Mozilla/5.0 (X11; Linux x86_64) ...' -> 'Linux'. Versions are dropped. */
import { UAParser } from 'ua-parser-js';
import { userAgentVersion } from './user-agent.js';

export const osVersion = `1;${userAgentVersion}`;

/** Undefined if no system is recognised. */
export function osOf(userAgent: string): string | undefined {
  return new UAParser(userAgent).getOS().name;
}
