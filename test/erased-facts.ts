/** Pageviews and edges of three ids that are erased (`ids`) and of three that stay, for tests of erasing. */
export const day = Date.UTC(2026, 4, 10);
export const question = '/v1/uniques?domain=example.org&from=2026-05-10&to=2026-05-11';
export const ids = ['cookie:erased-1', 'cookie:erased-2', 'user:erased'] as const;
const visitors = [...ids, 'cookie:2', 'cookie:3', 'user:4'];

export function view(visitor: string, i: number): object {
  return {
    type: 'pageview',
    visitor,
    url: `https://example.org/${i % 3}`,
    timestamp: day + i * 60_000,
    eventId: `${visitor}-${i}`,
  };
}

export function edge(a: string, b: string): object {
  return { type: 'equiv', a, b, timestamp: day };
}

/** 60 views, of all visitors in turn. */
export function views(from: number): object[] {
  return Array.from({ length: 60 }, (_, i) => view(visitors[i % visitors.length] ?? '', from + i));
}
