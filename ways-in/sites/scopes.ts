/**
 * Domains whose visitors are only identified within a day: those of all sites that are, or ever were, cookieless. Facts stay when a site's settings change, so
 * the collector keeps the domains in `sites/day-scope.json` of the data directory, where the query layer reads them.
 */
import { readFileSync, statSync } from 'node:fs';
import { z } from 'zod';
import { hostOf } from '../../facts/url/domain.js';
import type { Subject } from '../../facts/views/view.js';
import { replaceFile } from '../../lib/files/durable.js';
import { readIfThere } from '../../lib/files/read-if-there.js';
import { validJson } from '../../lib/files/valid-json.js';

const schema = z.object({ domains: z.array(z.string()) });
/** Minimum time between checks of the file. */
const lookEveryMs = 1_000;

/** Adds domains of cookieless sites to the file. @param path see `dayScopePath` */
export function rememberDayScope(path: string, domains: readonly string[]): void {
  const known = domainsIn(readIfThere(path));
  const all = [...new Set([...known, ...domains])].toSorted();
  if (all.length > known.length) replaceFile(path, JSON.stringify({ domains: all }));
}

function domainsIn(text: string | undefined): readonly string[] {
  return text === undefined ? [] : (validJson(schema, text)?.domains ?? []);
}

/** The domains in the file, which is read again when it has changed. A missing file has none. */
export class DayScopes {
  readonly #path: string;
  readonly #clock: () => number;
  #domains: readonly string[] = [];
  #changedMs = 0;
  #lookAt = -Infinity;

  /** @param clock a monotonic clock in ms */
  constructor(path: string, clock = (): number => performance.now()) {
    this.#path = path;
    this.#clock = clock;
  }

  isDay(subject: Subject): boolean {
    this.#look();
    if (this.#domains.length === 0) return false;
    const name = subject.kind === 'page' ? hostOf(subject.url) : subject.domain;
    return this.#domains.some(
      (domain) =>
        domain === name ||
        name.endsWith(`.${domain}`) ||
        (subject.kind !== 'page' && domain.endsWith(`.${name}`)),
    );
  }

  #look(): void {
    const now = this.#clock();
    if (now < this.#lookAt) return;
    this.#lookAt = now + lookEveryMs;
    const changedMs = statSync(this.#path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
    if (changedMs === this.#changedMs) return;
    this.#changedMs = changedMs;
    this.#domains = changedMs === 0 ? [] : domainsIn(readFileSync(this.#path, 'utf8'));
  }
}
