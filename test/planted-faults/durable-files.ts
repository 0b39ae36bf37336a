/**
 * Each call that makes a file or a name durable, or gives or takes a name, taken out of the code that keeps files: the order
 * test of its room must see it without a power cut.
 */
import type { Edit, PlantedFault } from './fault.js';

function fault(name: string, ...edits: readonly Edit[]): PlantedFault {
  const [room = ''] = edits[0]?.file.split('/') ?? [];
  return { name, room, edits, test: `${room}/test/order.test` };
}

const durable = 'lib/files/durable.ts';

export const durableFileFaults: readonly PlantedFault[] = [
  fault('a folder is not synced', {
    file: durable,
    find: `  const fd = openSync(dir, 'r');
  try {
    fsyncSync(fd);`,
    replace: `  const fd = openSync(dir, 'r');
  try {`,
  }),
  fault('a file that another program wrote is not synced', {
    file: durable,
    find: `  const fd = openSync(path, 'r+');
  try {
    fsyncSync(fd);`,
    replace: `  const fd = openSync(path, 'r+');
  try {`,
  }),
  fault('a large file is not synced', { file: durable, find: '    await file.sync();\n', replace: '' }),
  fault('the name of a new folder is not synced', {
    file: durable,
    find: `  fsyncDir(dirname(path));
  return true;
}

/** Replaces`,
    replace: `  return true;
}

/** Replaces`,
  }),
  fault('a file that replaces another is not renamed', {
    file: durable,
    find: `  renameSync(temp, path);
  fsyncDir(dirname(path));`,
    replace: `  unlinkSync(temp);
  fsyncDir(dirname(path));`,
  }),
  fault('the name of a file that replaces another is not synced', {
    file: durable,
    find: `  renameSync(temp, path);
  fsyncDir(dirname(path));`,
    replace: '  renameSync(temp, path);',
  }),
  fault('a file is not linked to its name', {
    file: durable,
    find: '    linkSync(temp, path);\n',
    replace: '    if (temp === path) linkSync(temp, path);\n',
  }),
  fault('the name of a new file is not synced', {
    file: durable,
    find: `    unlinkSync(temp);
  }
  fsyncDir(dirname(path));`,
    replace: `    unlinkSync(temp);
  }`,
  }),
  {
    ...fault('a file of a few bytes is not synced before it gets its name', {
      file: durable,
      find: `Buffer.from(bytes) : bytes, 0);
    fsyncSync(fd);`,
      replace: 'Buffer.from(bytes) : bytes, 0);',
    }),
    isQuick: true,
  },
  fault('a commit of the log is not synced', {
    file: 'log/embedded/writer.ts',
    find: '      await syncData(this.#fd);\n',
    replace: '      if (this.#fd < 0) await syncData(this.#fd);\n',
  }),
  fault('the watermark moves before the commit is synced', {
    file: 'log/embedded/writer.ts',
    find: `    try {
      await syncData(this.#fd);`,
    replace: `    this.#watermark.publish({
      segment,
      position: position + bytes.length,
      next: next.map((each, i) => each + (counts[i] ?? 0)),
    });
    try {
      await syncData(this.#fd);`,
  }),
  fault('the sync of a commit is begun, not awaited', {
    file: 'log/embedded/writer.ts',
    find: '      await syncData(this.#fd);\n',
    replace: '      void syncData(this.#fd);\n',
  }),
  fault('that segments of the log are gone is not synced', {
    file: 'lib/files/removal.ts',
    find: '  for (const dir of new Set(paths.map((path) => dirname(path)))) fsyncDir(dir);\n',
    replace: '',
  }),
  fault('a torn tail is cut off and that is not synced', {
    file: 'log/embedded/recover.ts',
    find: '    fdatasyncSync(fd);\n',
    replace: '    if (fd < 0) fdatasyncSync(fd);\n',
  }),
  fault('the watermark is not synced when the log is opened', {
    file: 'log/embedded/watermark.ts',
    find: `    this.publish(first);
    fsyncSync(this.#fd);`,
    replace: '    this.publish(first);',
  }),
  fault('the watermark is not synced when the log is closed', {
    file: 'log/embedded/watermark.ts',
    find: `  close(): void {
    fsyncSync(this.#fd);`,
    replace: '  close(): void {',
  }),
  fault('a job queue acknowledges before it has synced', {
    file: 'log/queue/queue-file.ts',
    find: '(dir, { maxReaders });',
    replace: '(dir, { maxReaders, noSync: true });',
  }),
  {
    ...fault(
      "the first pages of a job queue's file are not synced",
      {
        file: 'lib/files/lmdb-open.ts',
        find: 'createFile(file, emptyLmdbFile());',
        replace: 'writeFileSync(file, emptyLmdbFile());',
      },
      {
        file: 'lib/files/lmdb-open.ts',
        find: 'import { accessSync,',
        replace: 'import { writeFileSync, accessSync,',
      },
    ),
    room: 'log',
    test: 'log/test/order.test',
  },
  fault('a Parquet file is not synced', {
    file: 'master-data/commit.ts',
    find: "  await fsyncLargeFile(temp);\n  step('parquet-synced');",
    replace: "  step('parquet-synced');",
  }),
  fault('a Parquet file is not linked to its name', {
    file: 'master-data/commit.ts',
    find: '  await linkData(temp, join(dir, name), sha256);\n',
    replace: "  if (dir === '') await linkData(temp, join(dir, name), sha256);\n",
  }),
  fault('the name of a Parquet file is not synced', {
    file: 'master-data/commit.ts',
    find: '  fsyncDir(dir);\n',
    replace: "  if (dir === '') fsyncDir(dir);\n",
  }),
  fault('a file of a batch view is not synced', {
    file: 'serving/checked-file.ts',
    find: '    await fsyncLargeFile(this.#path);\n',
    replace: "    if (this.#path === '') await fsyncLargeFile(this.#path);\n",
  }),
  fault('META is not synced', {
    file: 'serving/view-writer.ts',
    find: '    fsyncSync(fd);\n',
    replace: '    if (fd < 0) fsyncSync(fd);\n',
  }),
  fault('the names of the files of a batch view are not synced', {
    file: 'serving/view-writer.ts',
    find: '    fsyncDir(this.#dir);\n',
    replace: "    if (this.#dir === '') fsyncDir(this.#dir);\n",
  }),
  fault('a batch view is not renamed to its place', {
    file: 'serving/store.ts',
    find: '    moveDurably(building, place);\n',
    replace: "    if (place === '') moveDurably(building, place);\n",
  }),
  fault('the new name of what is moved is not synced', {
    file: 'lib/files/removal.ts',
    find: `  renameSync(from, to);
  fsyncDir(dirname(to));`,
    replace: '  renameSync(from, to);',
  }),
  fault('the old name of what is moved is not synced', {
    file: 'lib/files/removal.ts',
    find: '  if (dirname(from) !== dirname(to)) fsyncDir(dirname(from));\n',
    replace: '',
  }),
  fault('what is moved is not renamed', {
    file: 'lib/files/removal.ts',
    find: `  renameSync(from, to);
  fsyncDir(dirname(to));`,
    replace: `  if (from === '') renameSync(from, to);
  fsyncDir(dirname(to));`,
  }),
  fault('CURRENT moves before the view is in its place', {
    file: 'serving/store.ts',
    find: `  moveIntoPlace(dataDir, building, meta.view.id);
  writeCurrent(dataDir, meta.view.id);`,
    replace: `  writeCurrent(dataDir, meta.view.id);
  moveIntoPlace(dataDir, building, meta.view.id);`,
  }),
];
