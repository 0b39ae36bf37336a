/** The family of a browser: 'Mozilla/5.0 ... Firefox/128.0' -> 'Firefox'. Versions are dropped. */
import { UAParser } from 'ua-parser-js';
import { userAgentVersion } from './user-agent.js';

export const browserVersion = `1;${userAgentVersion}`;

/** Undefined if no browser is recognised. */
export function browserOf(userAgent: string): string | undefined {
  return new UAParser(userAgent).getBrowser().name;
}
