/** Checks, appends and describes the exclusions that commands make. */
import { admit } from '../facts/door.js';
import type { Exclusion, ExclusionRule } from '../facts/fact.js';
import { isExclusion } from '../facts/fact.js';
import { makeRules } from '../facts/rules.js';
import type { UrlRules } from '../facts/url/normalize.js';
import type { Config } from '../lib/config/config.js';
import { SwaError } from '../lib/errors/errors.js';
import { systemClock } from '../lib/time/clock.js';
import { openFactSink } from './fact-sink.js';
import { runningUrl } from './running-url.js';

/** The exclusion after the door's checks. Throws `usage.invalid` naming field and value. */
export function exclusionOf(type: Exclusion['type'], raw: object, urls: UrlRules): Exclusion {
  const admission = admit({ ...raw, type }, systemClock(), urls);
  if (!admission.ok) throw new SwaError('usage.invalid', admission.reason);
  if (!isExclusion(admission.fact)) throw new SwaError('internal.invariant', `not an exclusion: ${type}`);
  return admission.fact;
}

/** Appends exclusions; they are durable when it resolves. Returns a sentence that says what happens next. */
export async function sendExclusions(config: Config, facts: readonly Exclusion[]): Promise<string> {
  const sink = await openFactSink(config, makeRules(config).url);
  try {
    await sink.append(facts);
  } finally {
    await sink.close();
  }
  return runningUrl(config, 'query') === undefined
    ? 'no system runs here: the next batch run takes it up (`swa batch run`)'
    : 'a batch run starts by itself; until it is published answers are as before (accuracy.waitingExclusions)';
}

/** Describes a rule: 'user agent "Monitor/1.0", from 2026-01-01T00:00:00.000Z'. */
export function describeRule({ by, value, from, to }: ExclusionRule): string {
  const names = {
    visitor: 'visitor',
    importId: 'import',
    urlPrefix: 'pages that begin with',
    userAgent: 'user agent',
    erased: 'erased id with the hash',
  };
  const limits = [
    from === undefined ? '' : `, from ${new Date(from).toISOString()}`,
    to === undefined ? '' : `, before ${new Date(to).toISOString()}`,
  ];
  return `${names[by]} ${JSON.stringify(value)}${limits.join('')}`;
}
