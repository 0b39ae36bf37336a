/** Version of the code that computes views. With rules and snapshot it determines a view's content. */
import { projectVersion } from '../lib/files/package-version.js';
import { recordsVersion } from '../facts/record.js';
import { formatVersion } from './layout.js';

/** Changes with every release, with the format of views, and with the definition of a valid fact. */
export const codeVersion: string = `${projectVersion()}+format${formatVersion}.records${recordsVersion}`;
