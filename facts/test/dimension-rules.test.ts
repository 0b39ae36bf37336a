import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { DimensionTexts } from '../dimensions/choice.js';
import { DimensionRules } from '../dimensions/dimension-rules.js';
import { maxValueBytes, normalizedValue } from '../dimensions/value.js';
import { dimensions, type Dimension } from '../subjects.js';

const none: DimensionTexts = { page: '', tags: '', referrer: '', userAgent: '', country: '' };

test('values have one spelling: trimmed, lower case, without controls, cut at 128 bytes; again, nothing changes', () => {
  for (const [text, value] of [
    [undefined, ''],
    ['  May\tLetter\n', 'may letter'],
    ['ÜBER ΣΩ ЖЯ', 'über σω жя'],
    ['\u0000', ''],
    ['\ud800x', '\ufffdx'],
    ['ü'.repeat(70), 'ü'.repeat(64)],
    [`${'x'.repeat(127)}ü`, 'x'.repeat(127)],
    [`${'x'.repeat(127)} y`, 'x'.repeat(127)],
  ] as const)
    assert.equal(normalizedValue(text), value, JSON.stringify(text));
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 200, size: 'max' }), (text) => {
      const value = normalizedValue(text);
      assert.equal(normalizedValue(value), value);
      assert.ok(Buffer.byteLength(value) <= maxValueBytes && value.isWellFormed());
    }),
  );
});

const table: readonly Dimension[] = [
  {
    name: 'first',
    label: '',
    title: '',
    version: '1',
    choices: [
      { text: 'tags', result: 'upper', rule: (text) => text.toUpperCase() },
      { text: 'referrer', result: 'same', rule: (text) => text, exceptOwnDomain: true },
    ],
    otherwise: 'nothing',
  },
  {
    name: 'second',
    label: '',
    title: '',
    version: '7',
    choices: [{ text: 'referrer', result: 'same', rule: (text) => text }],
  },
];

test('the first choice that has a result counts, the own domain not where it is excepted, then what is said otherwise', () => {
  const rules = new DimensionRules(['all'], table);
  const valuesOf = (texts: Partial<DimensionTexts>): string[] =>
    rules.valuesOf({ ...none, ...texts }, 'own.example');
  assert.deepEqual(valuesOf({ tags: 'Tag', referrer: 'r' }), ['tag', 'r']);
  assert.deepEqual(valuesOf({ tags: ' ', referrer: 'R' }), ['r', 'r']);
  assert.deepEqual(valuesOf({ referrer: 'OWN.example' }), ['nothing', 'own.example']);
  assert.deepEqual(valuesOf({}), ['nothing', '']);
  assert.equal(rules.results.length, 2, 'what two dimensions read is made once');
});

test('a version names what is kept, in the order of the table', () => {
  assert.equal(new DimensionRules(['second', 'first'], table).version, 'first 1, second 7');
  assert.equal(new DimensionRules(['second'], table).version, 'second 7');
  assert.equal(new DimensionRules([], table).version, 'none');
  assert.throws(() => new DimensionRules(['secon'], table), {
    code: 'config.invalid',
    message: "SWA_DIMENSIONS: 'secon' is not a dimension; did you mean 'second'?",
  });
});

test('names of dimensions are lower case letters, and no two are alike', () => {
  const names = dimensions.map(({ name }) => name);
  assert.equal(new Set(names).size, names.length);
  for (const name of names) assert.match(name, /^[a-z]+$/);
});
