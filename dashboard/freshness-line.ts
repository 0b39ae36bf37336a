/** How current the figures are, as a line and as one word. The line changes constantly and is not announced to screen readers; the word is. */
import type { Freshness } from './answers.js';
import { byId, setText } from './dom.js';
import { clockTime, count, span } from './format.js';

export type Mood = 'live' | 'behind' | 'incomplete' | 'batch' | 'waiting' | 'paused' | 'offline';

const words: Readonly<Record<Mood, string>> = {
  live: 'Live',
  behind: 'Behind',
  incomplete: 'Incomplete',
  batch: 'Batch only',
  waiting: 'Loading',
  paused: 'Paused',
  offline: 'Offline',
};
/** Announced moods; the others come and go by themselves, and announcing them would only disturb. */
const spoken: Partial<Readonly<Record<Mood, string>>> = {
  batch: 'No live data; the figures are those of the last batch run',
  paused: 'Updates are paused',
  offline: 'The server cannot be reached',
};

export class FreshnessLine {
  readonly #line = byId('freshness', 'p');
  readonly #pill = byId('live', 'button');
  readonly #pillText = byId('live-text', 'span');
  readonly #announce: (text: string) => void;
  #mood: Mood = 'waiting';
  #wasSpoken = false;

  constructor(announce: (text: string) => void) {
    this.#announce = announce;
  }

  mood(mood: Mood): void {
    this.#pill.setAttribute('aria-pressed', String(mood !== 'paused'));
    this.#pill.title = mood === 'paused' ? 'Resume updates' : 'Pause updates';
    if (mood === this.#mood) return;
    this.#mood = mood;
    this.#pill.dataset['mood'] = mood;
    setText(this.#pillText, words[mood]);
    const said = spoken[mood];
    if (said !== undefined) this.#announce(said);
    else if (mood === 'live' && this.#wasSpoken) this.#announce('The figures are live again');
    this.#wasSpoken = said !== undefined || (this.#wasSpoken && mood !== 'live');
  }

  /**
   * Updates the line, and the mood unless `paused`.
   *
   * @param skippedOffsets of the range that is shown; those in `freshness` are of all time
   */
  update(
    freshness: Freshness | undefined,
    skippedOffsets: number,
    zone: string,
    nowMs: number,
    paused: boolean,
  ): void {
    if (freshness === undefined) {
      setText(this.#line, 'No view is available yet.');
      return this.mood(paused ? 'paused' : 'waiting');
    }
    const { batch, realtime } = freshness;
    const missing = missingText(skippedOffsets, freshness.unreadRecords ?? 0);
    const through = isEmptyCut(batch.cut)
      ? 'No batch view in use yet'
      : `Batch through ${clockTime(batch.createdAt, zone)}`;
    const parts = [through, liveText(freshness, zone, nowMs), ...missing];
    setText(this.#line, parts.join(' · '));
    const isCurrent = freshness.complete || isMissingFacts(freshness);
    const whole = missing.length === 0 ? 'live' : 'incomplete';
    this.mood(paused ? 'paused' : realtime === undefined ? 'batch' : isCurrent ? whole : 'behind');
  }
}

/** Nothing is late, but some facts do not count. */
function isMissingFacts({ incompleteReason }: Freshness): boolean {
  return incompleteReason === 'unread-partitions' || incompleteReason === 'lost-facts';
}

function missingText(skippedOffsets: number, unreadRecords: number): string[] {
  const lost = `${count(skippedOffsets)} facts of this time or earlier were lost`;
  const unread = `${count(unreadRecords)} facts are in Kafka partitions that are not read`;
  return [...(skippedOffsets > 0 ? [lost] : []), ...(unreadRecords > 0 ? [unread] : [])];
}

function liveText({ realtime, incompleteReason }: Freshness, zone: string, nowMs: number): string {
  if (incompleteReason === 'other-rules')
    return 'no live data until the next batch run: this view was made with other rules';
  if (realtime === undefined) return 'no live data: the speed layer is not ready';
  const { lagMs } = realtime;
  if (lagMs === undefined) return 'live data of unknown age';
  return `live to ${clockTime(nowMs - lagMs, zone)} (${span(lagMs)} ago)`;
}

/** True for the empty view of a new data directory. */
export function isEmptyCut(cut: Readonly<Record<string, number>>): boolean {
  return Object.values(cut).every((offset) => offset === 0);
}
