/** Version of the user-agent parser; part of the version of every rule that uses the parser. */
import { versionOf } from '../../lib/files/package-version.js';

export const userAgentVersion: string = `ua-parser-js=${versionOf('ua-parser-js')}`;
