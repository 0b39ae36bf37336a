/** Kinds of damage to the log, the master dataset and dead letters: what `swa verify` must find (verify-damage.whole.test.ts). */
import assert from 'node:assert/strict';
import { copyFileSync, existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { unsealLine, seal } from '../../lib/files/sealed.js';
import {
  cut,
  flip,
  flipWithin,
  garbage,
  gone,
  half,
  holds,
  named,
  path,
  type DamageKind,
  type Where,
} from './damage.js';

const logDir = path('log');
const segment = (pick: Parameters<typeof named>[2]): Where => named(logDir, /^segment-/, pick);
const headerBytes = 56 + 8 * 3;
const p0 = path('master', 'pageviews', 'p0');
const manifests = path('master', 'pageviews', 'p0', 'manifests');
const dataFile = (pick: Parameters<typeof named>[2]): Where => named(p0, /\.parquet$/, pick);
const manifest = (pick: Parameters<typeof named>[2]): Where => named(manifests, /^\d+\.json$/, pick);

function nextNumber(file: string): string {
  return `${String(Number(basename(file).slice(0, 10)) + 1).padStart(10, '0')}.json`;
}

/** Writes a manifest with other content and a valid hash: damage that its own hash does not show. */
function editManifest(
  pick: Parameters<typeof named>[2],
  edit: (body: Record<string, unknown>) => object,
): DamageKind['damage'] {
  return (place) => {
    const file = manifest(pick)(place);
    const body = JSON.parse(unsealLine(readFileSync(file, 'utf8'))?.body ?? '') as Record<string, unknown>;
    writeFileSync(file, seal(edit(body)).text);
  };
}

const letter = path('dead-letter', 'pageviews-0-3.json');

export const damageOfFacts: readonly DamageKind[] = [
  // the log
  {
    what: 'log: header of the first segment flipped',
    damage: flipWithin(segment('first'), headerBytes),
    found: /segment-\d+\.log/,
  },
  {
    what: 'log: header of the last segment flipped',
    damage: flipWithin(segment('last'), headerBytes),
    found: /segment-\d+\.log/,
  },
  {
    what: 'log: a record of a stored segment flipped',
    damage: flip(segment('first'), headerBytes),
    found: /segment-\d+\.log is damaged between/,
  },
  {
    what: 'log: a record that is not stored yet flipped',
    damage: flip(segment('last'), headerBytes),
    found: /segment-\d+\.log|watermark says that/,
  },
  {
    what: 'log: tail cut',
    damage: cut(segment('last'), (size) => size - 10),
    found: /watermark says that pageviews/,
  },
  {
    what: 'log: a sealed segment cut',
    damage: cut(segment('middle'), half),
    found: /segment-\d+\.log is damaged between/,
  },
  {
    what: 'log: last segment emptied',
    damage: cut(segment('last'), () => 0),
    found: /header of .*segment-\d+\.log/,
  },
  {
    what: 'log: first segment missing',
    damage: gone(segment('first')),
    found: /first segments in .* are missing|the log begins at offset \d+ of|of \S+ are missing/,
    mayBeHarmless: true,
  },
  {
    what: 'log: a middle segment missing',
    damage: gone(segment('middle')),
    found: /the segment before segment-\d+\S* is missing/,
  },
  { what: 'log: last segment missing', damage: gone(segment('last')), found: /segment-\d+\.log is missing/ },
  {
    what: 'log: a segment twice, under another number',
    damage: (place) => copyFileSync(segment('first')(place), join(logDir(place), 'segment-0000000999.log')),
    found: /segment-0000000999\.log/,
  },
  {
    what: 'log: a file of no use',
    damage: holds(path('log', 'segment-1.log.bak'), garbage),
    found: /segment-1\.log\.bak is not a file of the log/,
  },
  { what: 'log: watermark flipped', damage: flip(path('log', 'watermark')), found: /watermark is damaged/ },
  { what: 'log: watermark missing', damage: gone(path('log', 'watermark')), found: /watermark is missing/ },
  {
    what: 'log: format.json garbage',
    damage: holds(path('log', 'format.json'), garbage),
    found: /log\/format\.json is damaged/,
  },
  {
    what: 'log: format.json missing',
    damage: gone(path('log', 'format.json')),
    found: /log\/format\.json is missing/,
  },
  {
    what: 'log: another log id',
    damage: holds(
      path('log', 'format.json'),
      JSON.stringify({ layout: 1, logId: '3b2f0f0e-9d59-4a55-8f0b-0d6d3d3b9a11', partitions: 2 }),
    ),
    found: /log\/format\.json belongs to log 3b2f/,
  },
  { what: 'log: all of it missing', damage: gone(logDir), found: /log\/format\.json is missing/ },
  {
    what: 'log: the note on what to drop is garbage',
    damage: holds(path('log', 'trim-below.json'), garbage),
    found: /trim-below\.json is damaged/,
  },
  // the master dataset
  {
    what: 'master: data file flipped',
    damage: flip(dataFile('middle')),
    found: /p0\/[\d-]+\w+\.parquet has SHA-256/,
  },
  {
    what: 'master: data file cut',
    damage: cut(dataFile('last'), half),
    found: /\.parquet has \d+ bytes, but its manifest says/,
  },
  { what: 'master: data file missing', damage: gone(dataFile('first')), found: /\.parquet is missing/ },
  {
    what: 'master: an extra data file',
    damage: (place) =>
      copyFileSync(
        dataFile('first')(place),
        join(p0(place), `${'0'.repeat(16)}-${'0'.repeat(14)}05-${'a'.repeat(16)}.parquet`),
      ),
    found: /a{16}\.parquet is not named by any manifest/,
  },
  {
    what: 'master: a data file once more, under other offsets',
    damage: (place) => {
      const file = dataFile('first')(place);
      const hash = basename(file).slice(34);
      copyFileSync(file, join(p0(place), `${'0'.repeat(16)}-${'0'.repeat(15)}5-${hash}`));
    },
    found: /0-0+5-[0-9a-f]{16}\.parquet is not named by any manifest/,
  },
  {
    what: 'master: an extra data file behind the cut',
    damage: (place) =>
      copyFileSync(
        dataFile('first')(place),
        join(p0(place), `${'0'.repeat(10)}900000-${'0'.repeat(10)}900005-${'a'.repeat(16)}.parquet`),
      ),
    found: /a{16}\.parquet reaches beyond offset/,
  },
  {
    what: 'master: a file of no use',
    damage: holds(path('master', 'pageviews', 'p0', 'copy.parquet'), garbage),
    found: /copy\.parquet does not belong/,
  },
  {
    what: 'master: two data files in each other’s place',
    damage: (place) => swap(dataFile('first')(place), dataFile('last')(place)),
    found: /\.parquet has/,
  },
  {
    what: 'master: a whole partition missing',
    damage: gone(p0),
    found: /master dataset ends|views?\/.*counts facts|nowhere/,
  },
  {
    what: 'manifest: newest flipped',
    damage: flip(manifest('last')),
    found: /manifests\/\d+\.json is damaged/,
  },
  {
    what: 'manifest: an old one flipped',
    damage: flip(manifest('first')),
    found: /manifests\/\d+\.json is damaged/,
  },
  {
    what: 'manifest: first missing',
    damage: gone(manifest('first')),
    found: /manifests\/\d+\.json is missing/,
  },
  {
    what: 'manifest: a middle one missing',
    damage: gone(manifest('middle')),
    found: /manifests\/\d+\.json is missing/,
  },
  {
    what: 'manifest: newest missing',
    damage: gone(manifest('last')),
    found: /counts facts up to offset|reaches beyond/,
    mayBeHarmless: true,
  },
  { what: 'manifest: all missing', damage: gone(manifests), found: /manifests holds no manifest/ },
  {
    what: 'manifest: an extra number',
    damage: (place) =>
      copyFileSync(manifest('last')(place), join(manifests(place), nextNumber(manifest('last')(place)))),
    found: /manifests\/\d+\.json does not match its file name/,
  },
  {
    what: 'manifest: of another log',
    damage: editManifest('last', (body) => ({ ...body, logId: 'other' })),
    found: /manifests\/\d+\.json belongs to log other/,
  },
  {
    what: 'manifest: other files, sealed anew',
    damage: editManifest('before-last', (body) => ({ ...body, files: [] })),
    found: /manifests\/\d+\.json/,
  },
  { what: 'master: root flipped', damage: flip(path('master', 'root.json')), found: /root\.json is damaged/ },
  { what: 'master: root missing', damage: gone(path('master', 'root.json')), found: /root\.json is missing/ },
  { what: 'master: all of it missing', damage: gone(path('master')), found: /root\.json is missing/ },
  {
    what: 'master: the note of last records is garbage',
    damage: holds(path('master', 'last-records.json'), garbage),
    found: 'harmless',
  },
  {
    what: 'master: a request to commit is garbage',
    damage: holds(path('master', 'flush.json'), garbage),
    found: 'harmless',
  },
  {
    what: 'master: what a killed sink leaves',
    damage: holds(path('master', 'pageviews', 'p0', 'commit.parquet.tmp'), garbage),
    found: 'harmless',
  },
  // dead letters
  {
    what: 'dead letter: garbage',
    damage: holds(letter, garbage),
    found: /dead-letter\/pageviews-0-3\.json is damaged/,
  },
  {
    what: 'dead letter: in another’s place',
    damage: (place) => renameSync(letter(place), join(letter(place), '..', 'pageviews-0-4.json')),
    found: /pageviews-0-4\.json holds offset 3/,
  },
  {
    what: 'dead letter: beyond the log',
    damage: holds(
      path('dead-letter', 'pageviews-0-900000.json'),
      JSON.stringify({ partition: 'pageviews/0', offset: 900_000, reason: 'x', at: 0, value: 'x' }),
    ),
    found: /pageviews-0-900000\.json belongs to offset 900000/,
  },
];

function swap(a: string, b: string): void {
  renameSync(a, `${a}.swap`);
  renameSync(b, a);
  renameSync(`${a}.swap`, b);
  assert.ok(!existsSync(`${a}.swap`));
}
