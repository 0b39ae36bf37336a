/** Shows what went wrong, in the server's words, and what to do about it. One notice at a time; removed after the next successful round. */
import type { Available } from './answers.js';
import { ApiProblem, Unreachable } from './api.js';
import { ShapeError } from './decode.js';
import { h } from './dom.js';
import { rangeName } from './format.js';
import { customRange, intervals, newestOf, type PageState } from './state.js';

/** A button of a notice. */
export interface Remedy {
  readonly text: string;
  readonly change: Partial<PageState>;
}

interface Message {
  readonly title: string;
  readonly text: string;
  readonly remedies: readonly Remedy[];
}

export class Notice {
  readonly #host: HTMLElement;
  readonly #apply: (change: Partial<PageState>) => void;
  #shown = '';

  constructor(host: HTMLElement, apply: (change: Partial<PageState>) => void) {
    this.#host = host;
    this.#apply = apply;
  }

  clear(): void {
    this.#shown = '';
    this.#host.replaceChildren();
  }

  show(error: unknown, state: PageState): void {
    this.#put(messageOf(error, state));
  }

  /** The answer is zero. */
  showEmpty(reason: string, available: Available | undefined, state: PageState): void {
    this.#put(ofEmpty(reason, available, state));
  }

  /** The page chose older views by itself; `hasRecent`: views of the last 24 hours have arrived since. */
  showOlder(available: Available, hasRecent: boolean, state: PageState): void {
    this.#put(ofOlder(available, hasRecent, state));
  }

  #put(message: Message): void {
    const key = JSON.stringify(message);
    if (key === this.#shown) return; // do not announce an alert twice
    this.#shown = key;
    const buttons = message.remedies.map(({ text, change }) => {
      const button = h('button', { type: 'button' }, text);
      button.addEventListener('click', () => this.#apply(change));
      return button;
    });
    this.#host.replaceChildren(
      h(
        'div',
        { class: 'notice' },
        h('h2', {}, message.title),
        h('p', {}, message.text),
        buttons.length === 0 ? undefined : h('p', { class: 'buttons' }, ...buttons),
      ),
    );
  }
}

const intervalNames = { hour: 'hours', day: 'days', week: 'weeks', month: 'months' } as const;

function messageOf(error: unknown, state: PageState): Message {
  if (error instanceof Unreachable) {
    return {
      title: 'The server cannot be reached',
      text: 'The figures below are the last ones received. Retrying; if the server is down, start it with `swa start`.',
      remedies: [],
    };
  }
  if (error instanceof ApiProblem) return ofProblem(error, state);
  if (error instanceof ShapeError) {
    return {
      title: 'The page and the server have different versions',
      text: `Reload the page: the server was probably updated (${error.message}).`,
      remedies: [],
    };
  }
  return {
    title: 'The page failed',
    text: error instanceof Error ? error.message : String(error),
    remedies: [],
  };
}

const lastDay: Remedy = { text: 'Show the last 24 hours', change: { range: '24h', by: undefined } };
const lastDayInUtc: Remedy = {
  text: 'Show the last 24 hours in UTC',
  change: { ...lastDay.change, zone: 'UTC' },
};

function ofProblem(error: ApiProblem, state: PageState): Message {
  switch (error.problem) {
    case 'unsupported-time-zone':
    case 'unaligned-range': {
      const inUtc: Remedy = { text: 'Use UTC', change: { zone: 'UTC' } };
      return {
        title:
          error.problem === 'unaligned-range'
            ? 'This range does not start and end with buckets of the data'
            : 'The data cannot show this time zone',
        text: error.message,
        remedies: state.zone === 'UTC' ? [...nearestRemedies(error), lastDay] : [inUtc, lastDayInUtc],
      };
    }
    case 'range-too-fine': {
      const by = intervals.find((interval) => interval === error.members['suggestion']);
      const coarser = by === undefined ? [] : [{ text: `Show ${intervalNames[by]}`, change: { by } }];
      return { title: 'Too many buckets', text: error.message, remedies: [...coarser, lastDay] };
    }
    case 'empty-range':
      return { title: 'The range is empty', text: error.message, remedies: [lastDay] };
    case 'invalid-parameter':
      return {
        title: 'The server rejected this request',
        text: error.message,
        remedies: [
          ...suggested(error),
          { text: 'Start over', change: { domain: undefined, url: undefined, range: '24h', by: undefined } },
        ],
      };
    case 'forbidden':
      return {
        title: 'The key does not have the read scope',
        text: `${error.message}. Remove the key and enter another one.`,
        remedies: [],
      };
    case 'not-ready':
      return { title: 'Not ready yet', text: `${error.message}. Trying again.`, remedies: [] };
    default:
      return {
        title:
          error.status >= 500 || error.status === 429
            ? 'The server is busy'
            : 'The server rejected this request',
        text: `${error.message}. Trying again.`,
        remedies: [],
      };
  }
}

/** 'www.example.org' is a host; the server suggests its domain. */
function suggested({ members }: ApiProblem): readonly Remedy[] {
  const { parameter, suggestion } = members;
  if (parameter !== 'domain' || typeof suggestion !== 'string') return [];
  return [{ text: `Show ${suggestion}`, change: { domain: suggestion, url: undefined } }];
}

function ofEmpty(reason: string, available: Available | undefined, state: PageState): Message {
  switch (reason) {
    case 'unknown-domain':
      return {
        title: `No data for ${state.domain ?? 'this domain'}`,
        text: 'It has no pageviews yet. They appear here as soon as they arrive.',
        remedies: [{ text: 'Show a known domain', change: { domain: undefined, url: undefined } }],
      };
    case 'unknown-url':
      return {
        title: 'No data for this page',
        text: `There has never been a pageview of ${state.url ?? 'it'}.`,
        remedies: [{ text: 'Show all pages', change: { url: undefined } }],
      };
    default:
      return {
        title: 'No pageviews in this range',
        text: 'There are pageviews at other times.',
        remedies: available === undefined ? [] : [showing(available, state)],
      };
  }
}

function ofOlder(available: Available, hasRecent: boolean, state: PageState): Message {
  const shown = newestOf(available);
  const isPart = shown.from > available.from;
  const what = isPart ? 'the last week there were some' : 'when there were some';
  return {
    title: hasRecent ? 'New pageviews have arrived' : 'No pageviews in the last 24 hours',
    text: `${hasRecent ? 'The page still shows older ones' : `The page shows ${what}`}: ${rangeName(customRange(shown, state.zone))}.`,
    remedies: [...(hasRecent ? [lastDay] : []), ...(isPart ? [showing(available, state)] : [])],
  };
}

/** Resets the interval: one chosen for another range may give too many buckets. */
function showing(available: Available, { zone }: PageState): Remedy {
  const range = customRange(available, zone);
  return { text: `Show ${rangeName(range)}`, change: { range, by: undefined } };
}

/** The nearest possible ranges, as suggested by the server, in UTC. */
function nearestRemedies(error: ApiProblem): readonly Remedy[] {
  const nearest: unknown = error.members['nearest'];
  if (!Array.isArray(nearest)) return [];
  return nearest.flatMap((range: unknown) => {
    if (typeof range !== 'object' || range === null || !('from' in range) || !('to' in range)) return [];
    const [from, to] = [String(range.from).slice(0, 16), String(range.to).slice(0, 16)];
    return [
      { text: `Show ${from.replace('T', ' ')} to ${to.replace('T', ' ')}`, change: { range: { from, to } } },
    ];
  });
}
