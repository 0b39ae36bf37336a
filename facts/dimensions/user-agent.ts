/** What reads user agents: part of the version of every rule that does. */
import { versionOf } from '../../lib/files/package-version.js';

export const userAgentVersion: string = `ua-parser-js=${versionOf('ua-parser-js')}`;
