import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { PackedTexts } from '../../lib/memory/packed-texts.js';
import { samplePages, type SampledPage } from '../facts/page-sample.js';

/** Samples a star of these URLs, in which a URL belongs to the page before its `~`. */
function sampleOf(urls: readonly string[], size: number): SampledPage[] {
  const pages = [...new Set(urls.map(pageOf))];
  const byKey = Uint32Array.from(pages.keys()).toSorted((a, b) =>
    (pages[a] ?? '') < (pages[b] ?? '') ? -1 : 1,
  );
  const bytes = Buffer.from(urls.join(''));
  const ends = Uint32Array.from(urls.map((_, i) => Buffer.byteLength(urls.slice(0, i + 1).join(''))));
  const starts = Uint32Array.from(urls.map((_, i) => (i === 0 ? 0 : (ends[i - 1] ?? 0))));
  const star = {
    pages: PackedTexts.of(pages),
    pageOfUrl: Uint32Array.from([0, ...urls.map((url) => 1 + pages.indexOf(pageOf(url)))]),
    *texts() {
      yield { bytes, sizeBytes: bytes.length, starts, ends, count: urls.length };
    },
  };
  return samplePages(star, byKey, size);
}

const pageOf = (url: string): string => url.split('~')[0] ?? '';

test('the sample is the same in any order of views, each page with all its spellings', () => {
  const view = fc.tuple(fc.nat(60), fc.nat(3)).map(([page, spelling]) => `/${page}~${spelling}?`);
  fc.assert(
    fc.property(fc.uniqueArray(view, { maxLength: 120 }), (urls) => {
      const sampled = sampleOf(urls, 8).map(({ url, parts }) => [url, parts.toSorted()] as const);
      assert.equal(sampled.length, Math.min(8, new Set(urls.map(pageOf)).size));
      for (const [url, parts] of sampled) {
        const own = urls.filter((each) => pageOf(each) === url).map((each) => each.slice(0, -1));
        assert.deepEqual(parts, own.toSorted());
      }
      const reversed = sampleOf(urls.toReversed(), 8).map(({ url, parts }) => [url, parts.toSorted()]);
      assert.deepEqual(reversed, sampled);
    }),
  );
});

const spellings = (page: string, count: number): string[] =>
  Array.from({ length: count }, (_, i) => `${page}~${String(i).padEnd(100, '.')}`);

test('a page with too many spellings is left out, and others have room', () => {
  const urls = [...spellings('/landing', 2_600), ...['/a', '/b'].flatMap((page) => spellings(page, 10))];
  const sampled = sampleOf(urls, 4).map(({ url, parts }) => [url, parts.length]);
  assert.deepEqual(sampled, [
    ['/a', 10],
    ['/b', 10],
  ]);
});
