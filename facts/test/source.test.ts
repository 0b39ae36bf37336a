import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cutToHosts, referrerDomain } from '../dimensions/referrer.js';
import { utmSource } from '../dimensions/source.js';
import { tagsOf } from '../dimensions/tags.js';

test('tags are the utm parameters that rules read, as the URL spells them, the first of each, in a fixed order', () => {
  for (const [url, tags] of [
    ['https://site.example/?utm_source=b&utm_campaign=a&utm_medium=c', 'utm_campaign=a&utm_source=b'],
    ['https://site.example/?utm_source=1&x=y&utm_source=2', 'utm_source=1'],
    ['https://site.example?utm_source=%C3%BC+x#utm_source=no', 'utm_source=%C3%BC+x'],
    ['https://site.example/#?utm_source=no', ''],
    ['https://site.example/utm_source=no', ''],
    ['https://site.example/?xutm_source=no&UTM_SOURCE=no', ''],
    ['https://site.example/?q=1', ''],
  ] as const)
    assert.equal(tagsOf(url), tags, url);
});

test('utm_source is decoded as form data', () => {
  for (const [url, source] of [
    ['https://site.example/?utm_source=May+Letter', 'May Letter'],
    ['https://site.example/?utm_source=May%20Letter%2B', 'May Letter+'],
    ['https://site.example/?utm_source=%C3%BC', 'ü'],
    ['https://site.example/?utm_source=%ff', '\ufffd'],
    ['https://site.example/?utm_source=', ''],
    ['https://site.example/?utm_campaign=x', undefined],
  ] as const)
    assert.equal(utmSource(tagsOf(url)), source, url);
});

const referrers: readonly (readonly [string, string | undefined])[] = [
  ['https://www.search.example/find?q=x', 'search.example'],
  ['HTTP://u:p@Search.example:8080', 'search.example'],
  ['https://news.example.co.uk/a', 'example.co.uk'],
  ['https://Bücher.example/ü', 'xn--bcher-kva.example'],
  ['https://someone.github.io/', 'someone.github.io'],
  ['http://[2001:db8::1]/x', '[2001:db8::1]'],
  ['https://search.example\\path', 'search.example'],
  ['https://search.example?q=https://other.example/', 'search.example'],
  [`https://search.example/${'x'.repeat(5_000)}`, undefined],
  ['android-app://com.example', undefined],
  ['search.example', undefined],
  ['', undefined],
];

test('a referrer gives the registrable domain of its page', () => {
  for (const [referrer, domain] of referrers.filter(([text]) => text.length < 1_000))
    assert.equal(referrerDomain(referrer), domain, referrer);
});

test('cutting a referrer after its host does not change its domain', () => {
  for (const [referrer] of referrers.filter(([text]) => text.length < 1_000)) {
    const bytes = Buffer.from(referrer);
    const sizeBytes = bytes.length;
    const spans = { bytes, sizeBytes, starts: Uint32Array.of(0), ends: Uint32Array.of(sizeBytes), count: 1 };
    cutToHosts(spans);
    const cut = bytes.toString('utf8', 0, spans.ends[0]);
    assert.equal(referrerDomain(cut), referrerDomain(referrer), `${referrer} -> ${cut}`);
    if (referrer.startsWith('https://')) assert.ok(!/[/?#\\]/.test(cut.slice('https://'.length)), cut);
  }
});
