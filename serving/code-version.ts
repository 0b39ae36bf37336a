/** The version of the code that computes views: with rules and snapshot, all a view is a function of. */
import { z } from 'zod';
import { assetText } from '../lib/files/assets.js';
import { recordsVersion } from '../facts/record.js';
import { formatVersion } from './layout.js';

const { version } = z.object({ version: z.string() }).parse(JSON.parse(assetText('package.json')));

/** Changes with every release, with the format of views, and with what counts as a fact. */
export const codeVersion: string = `${version}+format${formatVersion}.records${recordsVersion}`;
