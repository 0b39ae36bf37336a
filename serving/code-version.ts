/** The version of the code that computes views: with rules and snapshot, all a view is a function of. */
import { projectVersion } from '../lib/files/package-version.js';
import { recordsVersion } from '../facts/record.js';
import { formatVersion } from './layout.js';

/** Changes with every release, with the format of views, and with what counts as a fact. */
export const codeVersion: string = `${projectVersion()}+format${formatVersion}.records${recordsVersion}`;
