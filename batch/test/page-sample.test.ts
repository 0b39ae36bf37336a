import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { PageSample } from '../facts/page-sample.js';

test('the sample is the same in any order of views, each page with all its spellings', () => {
  const view = fc.record({ page: fc.nat(60), spelling: fc.nat(3) });
  fc.assert(
    fc.property(fc.array(view, { maxLength: 300 }), (views) => {
      const sampleOf = (all: typeof views): unknown => {
        const sample = new PageSample(8);
        for (const { page, spelling } of all) sample.offer(`/${page}`, `/${page}#${spelling}`);
        return sample.pages().map(({ url, spellings }) => [url, spellings.toSorted()]);
      };
      const spellingsOf = (page: string): string[] =>
        [
          ...new Set(
            views.filter((each) => `/${each.page}` === page).map((each) => `${page}#${each.spelling}`),
          ),
        ].toSorted();
      const sampled = sampleOf(views) as [string, string[]][];
      assert.equal(sampled.length, Math.min(8, new Set(views.map(({ page }) => page)).size));
      for (const [url, spellings] of sampled) assert.deepEqual(spellings, spellingsOf(url));
      assert.deepEqual(sampleOf(views.toReversed()), sampled);
    }),
  );
});

test('a page with a spelling for every view is left out, and others have room', () => {
  const sample = new PageSample(4);
  for (let i = 0; i < 50_000; i++) sample.offer('/landing', `/landing?click=${i}`);
  for (const page of ['/a', '/b', '/c'])
    for (let i = 0; i < 100; i++) sample.offer(page, `${page}?click=${i}`);
  const pages = sample.pages();
  assert.deepEqual(pages.map(({ url }) => url).toSorted(), ['/a', '/b', '/c']);
  for (const { spellings } of pages) assert.equal(spellings.length, 100);
});
