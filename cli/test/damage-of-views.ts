/** Kinds of damage to realtime stores, batch views, queues and small files: what `swa verify` must find (verify-damage.whole.test.ts). */
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LogId, Offset } from '../../log/log.js';
import { readCurrent } from '../../serving/current.js';
import { fileNames, viewPath } from '../../serving/layout.js';
import { forgeCells, forgeMeta } from '../../serving/test/forge.js';
import { readPointer, storeDir } from '../../speed/store/layout.js';
import {
  cut,
  flip,
  garbage,
  gone,
  half,
  holds,
  named,
  path,
  type DamageKind,
  type DamageTarget,
  type Where,
} from './damage.js';

const view: Where = ({ dataDir }) => viewPath(dataDir, readCurrent(dataDir));
const inView =
  (name: string): Where =>
  (place) =>
    join(view(place), name);
const store: Where = ({ dataDir }) => {
  const serving = readPointer(dataDir)?.serving;
  assert.ok(serving);
  return storeDir(dataDir, serving, 'pageviews/0');
};
const inStore =
  (name: string): Where =>
  (place) =>
    join(store(place), name);
const pageBytes = 4_096;

/** The page of the newest root of the cells: see lib/files/lmdb-file.ts. */
function rootPage(bytes: Buffer): number {
  const newest = bytes.readBigUInt64LE(152) > bytes.readBigUInt64LE(pageBytes + 152) ? 0 : pageBytes;
  return Number(bytes.readBigUInt64LE(newest + 136));
}

function inRootPage(change: (bytes: Buffer, at: number, place: DamageTarget) => void): DamageKind['damage'] {
  return (place) => {
    const file = inStore('data.mdb')(place);
    const bytes = readFileSync(file);
    change(bytes, rootPage(bytes) * pageBytes, place);
    writeFileSync(file, bytes);
  };
}

const queue = path('jobs', 'import', 'data.mdb');
const run: Where = named(path('batch', 'runs'), /\.json$/, 'last');
const status = path('status', 'speed-0.json');

const logDir = path('log');

export const damageOfViews: readonly DamageKind[] = [
  // realtime stores
  { what: 'store: a record flipped', damage: inRootPage(flipRecord), found: /data\.mdb is damaged/ },
  {
    what: 'store: a page zeroed',
    damage: inRootPage((bytes, at) => void bytes.fill(0, at, at + pageBytes)),
    found: /data\.mdb is damaged/,
  },
  {
    what: 'store: pointers of a page garbage',
    damage: inRootPage((bytes, at, { random }) => {
      for (let i = 24; i < 34; i++) bytes[at + i] = Math.floor(random() * 256) | 0x80;
    }),
    found: /data\.mdb is damaged/,
  },
  {
    what: 'store: both meta pages zeroed',
    damage: (place) => {
      const file = inStore('data.mdb')(place);
      const bytes = readFileSync(file);
      bytes.fill(0, 0, 2 * pageBytes);
      writeFileSync(file, bytes);
    },
    found: /data\.mdb is damaged/,
  },
  {
    what: 'store: cut to two pages',
    damage: cut(inStore('data.mdb'), () => 2 * pageBytes),
    found: /data\.mdb is damaged: it ends/,
  },
  { what: 'store: emptied', damage: cut(inStore('data.mdb'), () => 0), found: /data\.mdb is damaged/ },
  {
    what: 'store: garbage',
    damage: holds(inStore('data.mdb'), garbage.repeat(1_000)),
    found: /data\.mdb is damaged/,
  },
  { what: 'store: missing', damage: gone(store), found: /data\.mdb is missing/ },
  { what: 'store: STORE garbage', damage: holds(inStore('STORE'), garbage), found: /STORE is damaged/ },
  {
    what: 'store: another’s',
    damage: (place) => {
      const other = storeDir(place.dataDir, readCurrent(place.dataDir), 'equivs/0');
      rmSync(store(place), { recursive: true });
      cpSync(other, store(place), { recursive: true });
    },
    found: /STORE belongs to generation .* in the wrong directory/,
  },
  {
    what: 'store: of another log',
    damage: editStore((body) => ({ ...body, logId: 'other' })),
    found: /was made from log other/,
  },
  {
    what: 'store: begins elsewhere',
    damage: editStore((body) => ({ ...body, from: 0 })),
    found: /begins at offset 0, but batch view/,
  },
  {
    what: 'store: beyond the log',
    damage: (place) => {
      for (const name of readdirSync(logDir(place)))
        if (name.startsWith('segment-') || name === 'watermark') rmSync(join(logDir(place), name));
    },
    found: /has read pageviews\/\d up to offset|log ends at offset|holds no segment/,
  },
  { what: 'store: lock file garbage', damage: holds(inStore('lock.mdb'), garbage), found: 'harmless' },
  {
    what: 'store: SERVING garbage',
    damage: holds(path('speed', 'SERVING'), garbage),
    found: /SERVING is damaged/,
  },
  { what: 'store: SERVING empty', damage: holds(path('speed', 'SERVING'), ''), found: /SERVING is damaged/ },
  {
    what: 'store: a generation that nothing names',
    damage: (place) => {
      mkdirSync(path('speed', 'v000900-aaaaaaaa', 'pageviews-0')(place), { recursive: true });
    },
    found: 'harmless',
  },
  {
    what: 'store: a file of no use',
    damage: holds(path('speed', 'copy'), garbage),
    found: /speed\/copy is not a file of the speed layer/,
  },
  // batch views
  { what: 'view: META flipped', damage: flip(inView(fileNames.meta)), found: /META\.json/ },
  { what: 'view: META missing', damage: gone(inView(fileNames.meta)), found: /no batch view at/ },
  ...[fileNames.index, fileNames.identity, fileNames.pages, fileNames.domains].flatMap(
    (name): DamageKind[] => [
      { what: `view: ${name} flipped`, damage: flip(inView(name)), found: new RegExp(`${name} has SHA-256`) },
      {
        what: `view: ${name} cut`,
        damage: cut(inView(name), half),
        found: new RegExp(`${name} has SHA-256`),
      },
      { what: `view: ${name} missing`, damage: gone(inView(name)), found: new RegExp(name) },
    ],
  ),
  {
    what: 'view: an extra file',
    damage: holds(inView('extra.dat'), garbage),
    found: /extra\.dat does not belong/,
  },
  {
    what: 'view: a copy under another name',
    damage: (place) =>
      cpSync(view(place), viewPath(place.dataDir, 'v000900-aaaaaaaa' as ReturnType<typeof readCurrent>), {
        recursive: true,
      }),
    found: /v000900-aaaaaaaa\/META\.json belongs to view/,
  },
  {
    what: 'view: a folder that is not one',
    damage: (place) => {
      mkdirSync(path('serving', 'views', 'old')(place));
    },
    found: /views\/old does not belong/,
  },
  {
    what: 'view: beyond the master’s cut',
    damage: (place) =>
      forgeMeta(view(place), (meta) => ({
        ...meta,
        view: {
          ...meta.view,
          cut: { ...meta.view.cut, next: { ...meta.view.cut.next, 'pageviews/0': 900_000 as Offset } },
        },
      })),
    found: /counts facts up to offset 900000 of pageviews\/0/,
  },
  {
    what: 'view: of another log',
    damage: (place) =>
      forgeMeta(view(place), (meta) => ({
        ...meta,
        view: { ...meta.view, cut: { ...meta.view.cut, logId: 'other' as LogId } },
      })),
    found: /was made from log other/,
  },
  {
    what: 'view: counts that its facts do not say, sealed anew',
    damage: (place) =>
      forgeCells(
        view(place),
        fileNames.pages,
        (data) => void (data[data.length - 1] = (data.at(-1) ?? 0) ^ 1),
      ),
    found: /could not be made again|does not match the facts/,
    recount: true,
  },
  { what: 'CURRENT empty', damage: holds(path('serving', 'CURRENT'), ''), found: /CURRENT is empty/ },
  {
    what: 'CURRENT garbage',
    damage: holds(path('serving', 'CURRENT'), garbage),
    found: /CURRENT is damaged/,
  },
  { what: 'CURRENT missing', damage: gone(path('serving', 'CURRENT')), found: /CURRENT is missing/ },
  {
    what: 'CURRENT names a view that is not there',
    damage: (place) => gone(view)(place),
    found: /CURRENT names v\d+-\w+, which is missing/,
  },
  {
    what: 'a hold garbage',
    damage: holds(path('serving', 'held', 'somebody.json'), garbage),
    found: /held\/somebody\.json is damaged/,
  },
  {
    what: 'view: what a killed run leaves',
    damage: (place) => {
      mkdirSync(path('serving', 'building', 'view-1-a')(place), { recursive: true });
    },
    found: 'harmless',
  },
  // the rest
  {
    what: 'job queue: garbage',
    damage: holds(queue, garbage.repeat(1_000)),
    found: /jobs\/import\/data\.mdb is damaged/,
  },
  {
    what: 'job queue: cut',
    damage: cut(queue, () => 2 * pageBytes),
    found: /jobs\/import\/data\.mdb is damaged/,
  },
  {
    what: 'job queue: a job garbage',
    damage: (place) => {
      const bytes = readFileSync(queue(place));
      for (let at = bytes.indexOf('"requestedBy"'); at >= 0; at = bytes.indexOf('"requestedBy"', at + 1))
        bytes.write('XX', at);
      writeFileSync(queue(place), bytes);
    },
    found: /jobs\/import\/data\.mdb holds a job that cannot be read/,
  },
  { what: 'job queue: missing', damage: gone(queue), found: 'harmless' },
  {
    what: 'job queue: of no kind',
    damage: (place) => {
      mkdirSync(path('jobs', 'other')(place));
    },
    found: /jobs\/other is not a queue/,
  },
  { what: 'a run’s record garbage', damage: holds(run, garbage), found: /batch\/runs\/.*\.json is damaged/ },
  { what: 'a run’s record missing', damage: gone(run), found: 'harmless' },
  { what: 'status board garbage', damage: holds(status, garbage), found: /status\/speed-0\.json is damaged/ },
  { what: 'status board missing', damage: gone(path('status')), found: 'harmless' },
  {
    what: 'format.json garbage',
    damage: holds(path('format.json'), garbage),
    found: /format\.json is damaged/,
  },
  { what: 'format.json missing', damage: gone(path('format.json')), found: /format\.json is missing/ },
  {
    what: 'a file of no use',
    damage: holds(path('notes.txt'), garbage),
    found: /notes\.txt is not a file of swa/,
  },
  {
    what: 'locks garbage',
    damage: (place) => {
      for (const name of readdirSync(path('locks')(place)))
        writeFileSync(path('locks', name)(place), garbage);
    },
    found: 'harmless',
  },
];

/** A byte of the value of the first node of a page. */
function flipRecord(bytes: Buffer, at: number, { random }: DamageTarget): void {
  // follow a branch page to its last child
  let page = at;
  while ((bytes.readUInt16LE(page + 18) & 0xff) === 1) {
    const count = bytes.readUInt16LE(page + 20) >>> 1;
    const node = page + 24 + bytes.readUInt16LE(page + 24 + 2 * (count - 1));
    page = bytes.readUInt32LE(node) * pageBytes;
  }
  const count = bytes.readUInt16LE(page + 20) >>> 1;
  const node = page + 24 + bytes.readUInt16LE(page + 24 + 2 * (count - 1));
  const value = node + 8 + bytes.readUInt16LE(node + 6);
  const flipped = value + Math.floor(random() * bytes.readUInt32LE(node));
  bytes[flipped] = (bytes[flipped] ?? 0) ^ 1;
}

function editStore(edit: (body: Record<string, unknown>) => object): DamageKind['damage'] {
  return (place) => {
    const file = inStore('STORE')(place);
    writeFileSync(
      file,
      JSON.stringify(edit(JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>)),
    );
  };
}
