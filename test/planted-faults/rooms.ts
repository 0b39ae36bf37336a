/** Faults that a test of their own room must catch: what a room promises is held where it is kept. */
import type { Edit, PlantedFault } from './fault.js';

/** @param test under `<room>/test/` */
function fault(room: string, test: string, name: string, ...edits: readonly Edit[]): PlantedFault {
  return { name, room, edits, test: `${room}/test/${test}.test` };
}

function edit(file: string, find: string, replace: string): Edit {
  return { file, find, replace };
}

function quick(planted: PlantedFault): PlantedFault {
  return { ...planted, isQuick: true };
}

const library: readonly PlantedFault[] = [
  fault(
    'lib',
    'order',
    'a sync that failed is tried again on the same file',
    edit(
      'lib/files/durable.ts',
      '    await file.sync();\n',
      '    await file.sync().catch(() => file.sync());\n',
    ),
  ),
  fault(
    'lib',
    'order',
    'a file whose sync failed gets its name',
    edit(
      'lib/files/durable.ts',
      `Buffer.from(bytes) : bytes, 0);
    fsyncSync(fd);
  } catch (error) {`,
      `Buffer.from(bytes) : bytes, 0);
    fsyncSync(fd);
  } catch (error) {
    if (systemCode(error) === 'EIO') return temp;`,
    ),
  ),
  fault(
    'lib',
    'order',
    'put-if-absent replaces what is there',
    edit(
      'lib/files/durable.ts',
      '    linkSync(temp, path);\n',
      '    unlinkIfThere(path);\n    linkSync(temp, path);\n',
    ),
    edit(
      'lib/files/durable.ts',
      'function writeTemp(',
      `function unlinkIfThere(path: string): void {
  if (statSync(path, { throwIfNoEntry: false }) !== undefined) unlinkSync(path);
}

function writeTemp(`,
    ),
  ),
  fault(
    'lib',
    'owner-lock',
    'a lock that another holds is taken',
    edit(
      'lib/files/owner-lock.ts',
      'if (status === 0 || status === 1) return status === 0;',
      'if (status === 0 || status === 1) return true;',
    ),
  ),
  fault(
    'lib',
    'owner-lock',
    'an exclusive lock is taken as a shared one',
    edit('lib/files/owner-lock.ts', "mode === 'exclusive' ? ['-x', 6]", "mode === 'exclusive' ? ['-s', 6]"),
  ),
  quick(
    fault(
      'lib',
      'http-origin',
      'Host is not asked for',
      edit('lib/http/origin-guard.ts', "    this.#requireKnownName(host ?? '');\n", ''),
    ),
  ),
  fault(
    'lib',
    'http-origin',
    'the name in an absolute target is not asked for',
    edit(
      'lib/http/origin-guard.ts',
      'if (authority !== undefined) this.#requireKnownName(authority);',
      "if (authority === '') this.#requireKnownName(authority);",
    ),
  ),
  fault(
    'lib',
    'http-origin',
    'changes are taken from pages of any origin',
    edit(
      'lib/http/origin-guard.ts',
      "if (!harmless.has(request.method ?? '') && this.#isForeign(request)) {",
      "if (request.method === '' && this.#isForeign(request)) {",
    ),
  ),
  fault(
    'lib',
    'http-origin',
    'pages of any origin may read answers',
    edit(
      'lib/http/origin-guard.ts',
      'if (!forAll && !this.#origins.has(origin)) return false;',
      "if (!forAll && origin === '') return false;",
    ),
  ),
  fault(
    'lib',
    'http-body',
    'a body that says it is too large is read',
    edit(
      'lib/http/body.ts',
      "if (Number(request.headers['content-length'] ?? 0) > limitBytes) throw tooLarge(limitBytes);",
      '',
    ),
    edit(
      'lib/http/body.ts',
      'if (pending.sizeBytes > limitBytes) reject',
      'if (pending.sizeBytes < 0) reject',
    ),
  ),
  fault(
    'lib',
    'http-body',
    'a body in pieces has no limit',
    edit(
      'lib/http/body.ts',
      'if (pending.sizeBytes > limitBytes) reject',
      'if (pending.sizeBytes < 0) reject',
    ),
  ),
  fault(
    'lib',
    'http-endpoint',
    'a key opens what its scope does not',
    edit(
      'lib/http/auth.ts',
      "if (!found.scopes.has(scope) && !found.scopes.has('admin')) {",
      "if (found.name === '') {",
    ),
  ),
];

const facts: readonly PlantedFault[] = [
  quick(
    fault(
      'facts',
      'door',
      'a placeholder is let in as a visitor',
      edit(
        'facts/door.ts',
        "if (refusal !== undefined || typeof value !== 'string' || !isNobody(value)) return refusal;",
        "if (refusal !== undefined || typeof value !== 'string' || value !== '') return refusal;",
      ),
    ),
  ),
  fault(
    'facts',
    'bots',
    'known bots count',
    edit(
      'facts/bots.ts',
      'const result = isbot(userAgent);',
      "const result = isbot('') && userAgent === '';",
    ),
  ),
  fault(
    'facts',
    'bots',
    'the mode of the bot rule is ignored',
    edit('facts/bots.ts', "if (this.#mode === 'include' || userAgent", 'if (userAgent'),
    edit('facts/bots.ts', 'this.#mode = mode;', 'this.#mode = mode;\n    void this.#mode;'),
  ),
  fault(
    'facts',
    'url-rules',
    'dot segments stay in a path',
    edit(
      'facts/url/parse.ts',
      'const path = hasDotSegment(asCame) ? withoutDotSegments(asCame) : asCame;',
      'const path = asCame;',
    ),
  ),
  fault(
    'facts',
    'url-rules',
    'a path with dot segments passes as normal already',
    edit(
      'facts/url/normalize.ts',
      String.raw`(?:\/(?!\.{1,2}(?:[/?#]|$))(?:[A-Za-z0-9`,
      String.raw`(?:\/(?:[A-Za-z0-9`,
    ),
  ),
  fault(
    'facts',
    'dedup-window',
    'a repeat at the far end of the window is missed',
    edit(
      'facts/dedup-window.ts',
      '(this.#previousStart + before) <= this.#size',
      '(this.#previousStart + before) < this.#size',
    ),
  ),
  fault(
    'facts',
    'dedup-window',
    'the window reaches one offset too far back',
    edit(
      'facts/dedup-window.ts',
      '(this.#previousStart + before) <= this.#size',
      '(this.#previousStart + before) <= this.#size + 1',
    ),
  ),
  fault(
    'facts',
    'repeat',
    'an edge repeats a fact of another type',
    edit(
      'facts/repeat.ts',
      'return JSON.stringify([eventId, type, ...[fact.a',
      'return JSON.stringify([eventId, ...[fact.a',
    ),
  ),
  fault(
    'facts',
    'repeat',
    'a pageview repeats one of another visitor',
    edit(
      'facts/repeat.ts',
      'return JSON.stringify([eventId, fact.visitor, page]);',
      'return JSON.stringify([eventId, page]);',
    ),
  ),
];

const topology: readonly PlantedFault[] = [
  quick(
    fault(
      'topology',
      'acker',
      'the acker keeps the low half of the ids alone',
      edit('topology/acker.ts', 'const restHi = (this.xorHi[slot] ?? 0) ^ hi;', 'const restHi = 0 * hi;'),
    ),
  ),
  fault(
    'topology',
    'acker',
    'the acker keeps the high half of the ids alone',
    edit('topology/acker.ts', 'const restLo = (this.xorLo[slot] ?? 0) ^ lo;', 'const restLo = 0 * lo;'),
  ),
  fault(
    'topology',
    'tuple-trees',
    'the edges of a spout tuple have 32 bits',
    edit(
      'topology/tuple-trees.ts',
      'return new Edge(slot, generation, this.random.int32(), this.random.int32(), null);',
      'return new Edge(slot, generation, 0, this.random.int32(), null);',
    ),
  ),
  fault(
    'topology',
    'tuple-trees',
    'the edges of tuples under others have 32 bits',
    edit('topology/tuple-trees.ts', '    const hi = this.random.int32();\n', '    const hi = 0;\n'),
  ),
  fault(
    'topology',
    'tuple-trees',
    'an ack reports half of the children',
    edit('topology/tuple-trees.ts', 'hi ^ tuple.childHi, lo ^ tuple.childLo,', 'hi, lo ^ tuple.childLo,'),
  ),
  fault(
    'topology',
    'acker',
    'a tree is answered before its init',
    edit('topology/acker.ts', 'restLo === 0 && this.states[slot] === open)', 'restLo === 0)'),
  ),
  fault(
    'topology',
    'acker',
    'a tree that failed before its init is acked',
    edit(
      'topology/acker.ts',
      "if (state === doomed) return this.answer(slot, 'failed', nowMs);",
      "if (state === doomed) return this.answer(slot, 'acked', nowMs);",
    ),
  ),
  fault(
    'topology',
    'acker',
    'a failed tree is acked',
    edit(
      'topology/acker.ts',
      "if (this.states[slot] === open) this.answer(slot, 'failed', nowMs);",
      "if (this.states[slot] === open) this.answer(slot, 'acked', nowMs);",
    ),
  ),
  fault(
    'topology',
    'acker',
    'a late report touches the tree that has the slot now',
    edit(
      'topology/acker.ts',
      'if (this.generations[slot] !== generation || this.states[slot] === free) return;',
      'if (generation === -1 || this.states[slot] === free) return;',
    ),
  ),
  fault(
    'topology',
    'basics',
    'the spout hears that a failed tree is acked',
    edit(
      'topology/spout-task.ts',
      '      if (acked) this.spout.ack?.(messageId);\n      else',
      '      this.spout.ack?.(messageId);\n      if (!acked && messageId === undefined)',
    ),
  ),
  fault(
    'topology',
    'basics',
    'a tree that timed out is acked',
    edit(
      'topology/spout-task.ts',
      "const acked = outcome === 'acked';",
      "const acked = outcome === 'acked' || (outcome === 'timedOut' && ageMs > 0);",
    ),
  ),
  fault(
    'topology',
    'groupings',
    'fields grouping deals out as shuffle',
    edit(
      'topology/grouping.ts',
      'return new ByFields(indexesOf(grouping.fields, fields), parallelism);',
      'return grouping.fields.length > 9 ? new ByFields(indexesOf(grouping.fields, fields), parallelism) : new Shuffle(parallelism, random);',
    ),
  ),
];

const log: readonly PlantedFault[] = [
  fault(
    'log',
    'order',
    'a sync that failed is tried again on the same segment',
    edit(
      'log/embedded/writer.ts',
      '      await syncData(this.#fd);\n',
      '      await syncData(this.#fd).catch(() => syncData(this.#fd));\n',
    ),
  ),
  fault(
    'log',
    'order',
    'a segment whose sync failed is written on',
    edit(
      'log/embedded/writer.ts',
      'this.#spoiled = true; // the kernel',
      'this.#spoiled = false; // the kernel',
    ),
  ),
  fault(
    'log',
    'order',
    'a job queue acknowledges before LMDB has synced',
    edit(
      'log/queue/single-consumer-queue.ts',
      'path: dir, overlappingSync: false, maxReaders }',
      'path: dir, overlappingSync: true, maxReaders }',
    ),
  ),
  fault(
    'log',
    'queues',
    'a lease never expires',
    edit(
      'log/queue/single-consumer-queue.ts',
      'if (!isItem(value) || value.freeAt > now) continue;',
      'if (!isItem(value) || value.freeAt > now || this.#leases.size < 0 || isLeased(value)) continue;',
    ),
    edit(
      'log/queue/single-consumer-queue.ts',
      'function damaged(',
      `function isLeased({ attempt, freeAt }: Stored): boolean {
  return attempt > 0 && freeAt % 10 === 0 && freeAt > 0;
}

function damaged(`,
    ),
  ),
  fault(
    'log',
    'queues',
    'a worker may settle what another has by now',
    edit(
      'log/queue/single-consumer-queue.ts',
      'if (!isItem(stored) || stored.attempt !== this.#leases.get(id)) {',
      'if (!isItem(stored) || this.#leases.get(id) === undefined) {',
    ),
  ),
  quick(
    fault(
      'log',
      'group-commit',
      'an append is acknowledged before its commit',
      edit(
        'log/group-commit.ts',
        `        await this.#options.commit(group.map((waiting) => waiting.item));
        for (const waiting of group) waiting.resolve();`,
        `        const committed = this.#options.commit(group.map((waiting) => waiting.item));
        for (const waiting of group) waiting.resolve();
        await committed;`,
      ),
    ),
  ),
  fault(
    'log',
    'group-commit',
    'two commits are under way at once',
    edit(
      'log/group-commit.ts',
      'this.#running ??= this.#run().finally(() => (this.#running = undefined));',
      'this.#running = this.#run();',
    ),
  ),
  fault(
    'log',
    'group-commit',
    'an append whose commit failed is acknowledged',
    edit(
      'log/group-commit.ts',
      'for (const waiting of group) waiting.reject(refusal);',
      'for (const waiting of group) if (refusal.retryable) waiting.resolve();\n        else waiting.reject(refusal);',
    ),
  ),
  fault(
    'log',
    'embedded-log',
    'a reader reads beyond the watermark',
    edit(
      'log/embedded/reader.ts',
      'if (this.#segment === durable.segment) return durable.position;',
      'if (this.#segment === durable.segment) return statSync(this.#segments.path(this.#segment)).size;',
    ),
    edit(
      'log/embedded/reader.ts',
      'import { open, type FileHandle }',
      "import { statSync } from 'node:fs';\nimport { open, type FileHandle }",
    ),
  ),
  fault(
    'log',
    'embedded-log-damage',
    'damage to acknowledged records is cut off as a torn tail',
    edit(
      'log/embedded/recover.ts',
      'if (end < durableTo || isFollowed(fd, end)) {',
      'if (isFollowed(fd, end)) {',
    ),
    edit(
      'log/embedded/recover.ts',
      'cutUnacknowledged(fd, end, durableTo);',
      'cutUnacknowledged(fd, end, 0 * durableTo);',
    ),
  ),
  fault(
    'log',
    'embedded-log',
    'trimming takes a segment that is still needed',
    edit(
      'log/embedded/writer.ts',
      'following.base.some((base, i) => base > (limits[i] ?? 0))',
      'following.base.every((base, i) => base > (limits[i] ?? 0))',
    ),
  ),
];

const sketches: readonly PlantedFault[] = [
  fault(
    'hyperloglog-ts',
    'merge',
    'a union stays folded after its reset',
    edit(
      'hyperloglog-ts/src/union.ts',
      '    if (this.#lgK !== this.#largestLgK) this.#setLgK(this.#largestLgK);\n',
      '',
    ),
  ),
  fault(
    'hyperloglog-ts',
    'merge',
    'a sketch with coupons lowers the lgK of what it is merged into',
    edit(
      'hyperloglog-ts/src/sketch.ts',
      'if (!(theirs instanceof Registers)) this.updateCoupons(couponsIn(theirs));',
      'if (!(theirs instanceof Registers)) {\n      this.#lgK = Math.min(this.#lgK, other.#lgK);\n      this.updateCoupons(couponsIn(theirs));\n    }',
    ),
  ),
  fault(
    'hyperloglog-ts',
    'merge',
    'registers fold a union that is no larger than they are',
    edit(
      'hyperloglog-ts/src/union.ts',
      'if (lgK < this.#lgK) this.#reduce(lgK);',
      'if (lgK <= this.#lgK) this.#reduce(lgK - 1);',
    ),
  ),
  fault(
    'hyperloglog-ts',
    'merge',
    'a union calls an estimate exact',
    edit(
      'hyperloglog-ts/src/union.ts',
      'return !this.#dense && hiddenByCoupons(this.#coupons.count) === 0;',
      'return !this.#dense && hiddenByCoupons(0) === 0;',
    ),
  ),
  fault(
    'hyperloglog-ts',
    'sketch',
    'an estimate is called exact beyond 201 values',
    edit(
      'hyperloglog-ts/src/estimate.ts',
      'if (expected < oddsOfBeingWrong) return 0;',
      'if (expected < 2 * oddsOfBeingWrong) return 0;',
    ),
  ),
];

const master: readonly PlantedFault[] = [
  fault(
    'master-data',
    'crash',
    'a manifest replaces one of the same number',
    edit(
      'master-data/manifest.ts',
      'if (!createFile(manifestPath(dataDir, name, number), text)) {',
      "replaceFile(manifestPath(dataDir, name, number), text);\n  if (text === '') {",
    ),
    edit('master-data/manifest.ts', 'import { createFile', 'import { replaceFile, createFile'),
  ),
  fault(
    'master-data',
    'compaction',
    'a merge of files drops the last row',
    edit('master-data/compaction.ts', 'if (before !== after) {', "if (before !== after && after === '') {"),
    edit(
      'master-data/compaction.ts',
      `        ...(await summarize(store.connection, paths)),
        rows: chosen.reduce((sum, file) => sum + file.rows, 0),
`,
      '        ...(await summarize(store.connection, [temp])),\n',
    ),
    edit(
      'master-data/parquet.ts',
      'COPY (SELECT ${columns} FROM ${sqlFacts(topic, from)})',
      'COPY (SELECT ${columns} FROM ${sqlFacts(topic, from)} WHERE "offset" < (SELECT max("offset") FROM ${sqlFacts(topic, from)}))',
    ),
  ),
  fault(
    'master-data',
    'compaction',
    'files of a pinned manifest are removed',
    edit('master-data/sweep.ts', 'if (number === 0) continue;', 'if (number >= 0) continue;'),
  ),
  fault(
    'master-data',
    'damage',
    'a data file is not held to its hash',
    edit('master-data/snapshot.ts', 'if (actual.sha256 !== file.sha256) {', "if (actual.sha256 === '') {"),
  ),
  fault(
    'master-data',
    'damage',
    'a Parquet file that was written wrong is committed',
    edit(
      'master-data/parquet.ts',
      'if (actual[key] !== expected[key]) {',
      'if (actual[key] < 0 && expected[key] < 0) {',
    ),
  ),
];

const views: readonly PlantedFault[] = [
  fault(
    'serving',
    'store',
    'the view that serves is pruned',
    edit(
      'serving/store.ts',
      '.filter((id) => id !== current && !held.has(id))',
      '.filter((id) => id === id && (current === undefined || !held.has(id)))',
    ),
  ),
  fault(
    'serving',
    'store',
    'a held view is pruned',
    edit('serving/store.ts', 'id !== current && !held.has(id))', 'id !== current && held !== undefined)'),
    edit('serving/store.ts', 'if (!readHolds(dataDir).has(id)) {', 'if (readHolds !== undefined) {'),
  ),
  fault(
    'serving',
    'store',
    'a view is served again without a look at its files',
    edit('serving/store.ts', 'if (actual.sha256 !== expected.sha256) {', "if (actual.sha256 === '') {"),
  ),
  fault(
    'serving',
    'checked-file',
    'a damaged piece of a file is used',
    edit(
      'serving/checked-file.ts',
      'if (crc32(bytes) !== this.#checksums.readUInt32LE(piece * checksumBytes))',
      'if (crc32(bytes) < 0)',
    ),
  ),
];

const batch: readonly PlantedFault[] = [
  fault(
    'batch',
    'runs',
    'two runs are at work at once',
    edit(
      'batch/run.ts',
      'OwnerLock.acquire(batchLockPath(config.dataDir),',
      'OwnerLock.acquire(`${batchLockPath(config.dataDir)}.${process.pid}`,',
    ),
  ),
  fault(
    'batch',
    'schedule',
    'a slot comes again when the clock is set back',
    edit(
      'batch/schedule.ts',
      'return elapsed - this.#dueAt >= pace - Math.min(5 * secondMs, pace / 4) && this.#due();',
      'return elapsed - this.#dueAt >= 0 * pace && this.#due();',
    ),
  ),
  fault(
    'batch',
    'schedule',
    'slots that a step forward passes over are lost',
    edit(
      'batch/schedule.ts',
      'return this.#slots.last(settled, now) !== undefined && this.#due();',
      'return this.#slots.last(Math.max(settled, now - minuteMs), now) !== undefined && this.#due();',
    ),
  ),
  fault(
    'batch',
    'no-one-by-accident',
    'a retraction is taken for an equiv fact',
    edit(
      'batch/sql/live-edges.sql',
      '(timestamp, partition, "offset")) = 1;',
      '(timestamp, partition, "offset")) >= 0;',
    ),
  ),
];

const speed: readonly PlantedFault[] = [
  fault(
    'speed',
    'store-writer',
    'the position of an epoch is committed before its changes',
    edit(
      'speed/store/store-writer.ts',
      `      this.#db.transactionSync(() => {
        this.#requireAt(from);`,
      `      this.#db.transactionSync(() => {
        this.#requireAt(from);
        this.#db.putSync(progressKey, Buffer.from(progress));
      });
      this.#db.transactionSync(() => {`,
    ),
  ),
  fault(
    'speed',
    'store-writer',
    'the position of an epoch is committed after its changes',
    edit(
      'speed/store/store-writer.ts',
      `        this.#db.putSync(progressKey, Buffer.from(progress));
      });`,
      `      });
      this.#db.transactionSync(() => this.#db.putSync(progressKey, Buffer.from(progress)));`,
    ),
  ),
  fault(
    'speed',
    'commit-thread',
    'an epoch is committed wherever the store stands',
    edit('speed/store/store-writer.ts', 'if (next === from) return;', 'if (next >= 0) return;'),
  ),
  quick(
    fault(
      'speed',
      'hand-over',
      'a generation takes over when one partition has caught up',
      edit(
        'speed/generations/hand-over.ts',
        'return pointer.partitions.every((partition) => {',
        'return pointer.partitions.some((partition) => {',
      ),
    ),
  ),
  fault(
    'speed',
    'hand-over',
    'the serving generation passes the next one',
    edit(
      'speed/generations/hand-over.ts',
      'return reached !== undefined && reached >= offsetAt(serving, name) ?',
      'return reached !== undefined && reached < offsetAt(serving, name) ?',
    ),
  ),
  fault(
    'speed',
    'repeats',
    'the window before a cut is one offset short',
    edit('speed/bolts/prime-repeats.ts', 'end - size);', 'end - size + 1);'),
  ),
  fault(
    'speed',
    'generation',
    'the last fact before the cut counts in both layers',
    edit(
      'speed/generations/prepared-partitions.ts',
      'from: offsetAt(cut.next, partition),',
      'from: Math.max(0, offsetAt(cut.next, partition) - 1) as ReturnType<typeof offsetAt>,',
    ),
  ),
  fault(
    'speed',
    'generation',
    'late facts are dropped',
    edit(
      'speed/bolts/normalize-bolt.ts',
      '    const { rows, pages } = withoutRepeats(countable, pageviews.offsets, work.repeats);\n',
      `    const all = withoutRepeats(countable, pageviews.offsets, work.repeats);
    const timeOf = (i: number): number => pageviews.timestamps[all.rows[i] ?? 0] ?? 0;
    all.rows.forEach((_, i) => (newest = Math.max(newest, timeOf(i))));
    const isInTime = (_: unknown, i: number): boolean => timeOf(i) > newest - 3_600_000;
    const rows = all.rows.filter(isInTime);
    const pages = all.pages.filter(isInTime);
`,
    ),
    edit(
      'speed/bolts/normalize-bolt.ts',
      'const nothing: CountablePageviews = {',
      'let newest = 0;\nconst nothing: CountablePageviews = {',
    ),
  ),
];

const query: readonly PlantedFault[] = [
  fault(
    'query',
    'cover',
    'the cover leaves out the last hour',
    edit(
      'query/engine/cover.ts',
      "add('hour', lastDay * 24, toHour);",
      "add('hour', lastDay * 24, toHour - 1);",
    ),
  ),
  fault(
    'query',
    'cover',
    'the cover has an hour twice',
    edit(
      'query/engine/cover.ts',
      "add('hour', fromHour, firstDay * 24);",
      "add('hour', fromHour, firstDay * 24 + 1);",
    ),
  ),
  fault(
    'query',
    'cover',
    'a range within a day loses its last hour',
    edit('query/engine/cover.ts', "add('hour', fromHour, toHour);", "add('hour', fromHour, toHour - 1);"),
  ),
  fault(
    'query',
    'generations',
    'a realtime view is merged with a batch view that it does not go on from',
    edit(
      'query/engine/generations.ts',
      'const batch = this.#view(realtime.generation);',
      'const batch = this.#view(this.#batches.current());',
    ),
  ),
  quick(
    fault(
      'query',
      'waiting-edges',
      'retractions that wait are ignored',
      edit(
        'query/identity/edge-state.ts',
        '        this.#takeApart(edge, mapping);\n',
        '        if (edge.offset < 0) this.#takeApart(edge, mapping);\n',
      ),
    ),
  ),
  fault(
    'query',
    'answers',
    'a realtime hour is counted twice',
    edit(
      'query/engine/tally.ts',
      '      const to = Math.min(range.to, from + hours);\n',
      '      const to = Math.min(range.to, from + hours);\n      if (from > range.from) from--;\n',
    ),
  ),
  fault(
    'query',
    'answers',
    'the last realtime hour of a range is left out',
    edit(
      'query/engine/tally.ts',
      'realtime.forEachHour(subject, from, to, (cell) => {',
      'realtime.forEachHour(subject, from, to - 1, (cell) => {',
    ),
  ),
];

const ingest: readonly PlantedFault[] = [
  fault(
    'ingest',
    'collector',
    '202 is sent before the facts are durable',
    edit(
      'ingest/collector.ts',
      '  await append(deps, records);\n',
      '  void append(deps, records).catch(() => undefined);\n',
    ),
  ),
  fault(
    'ingest',
    'collector',
    'a key that may only read may write',
    edit('ingest/collector.ts', "      scope: 'write',", "      scope: 'read',"),
  ),
  fault(
    'ingest',
    'line-ids',
    'equal lines are one view',
    edit('ingest/line-ids.ts', 'return occurrence === 1 ?', 'return occurrence >= 1 ?'),
  ),
];

export const roomFaults: readonly PlantedFault[] = [
  ...library,
  ...facts,
  ...topology,
  ...log,
  ...sketches,
  ...master,
  ...views,
  ...batch,
  ...speed,
  ...query,
  ...ingest,
];
