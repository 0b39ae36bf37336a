/**
 * All work on edges and ids: from the files of equivs to the persons and to the finished identity.dat. It needs nothing of
 * pageviews, so that it goes on beside the work on them, in a thread of its own where it is much (person-thread.ts).
 */
import { CouponHasher } from 'hyperloglog-ts';
import { KeyedHash, hashWords } from '../../lib/hash/keyed-hash.js';
import type { Cut } from '../../lib/log/log.js';
import type { PackedTexts } from '../../lib/packed-texts.js';
import { verifySnapshotFiles, type SnapshotFile } from '../../master-data/snapshot.js';
import { writeIdentity, type IdentityName } from '../../serving/identity.js';
import type { Sorted } from '../../serving/sorted-file.js';
import { BatchDb } from '../database.js';
import { personsOf, resolvePersons, type ResolvedPersons } from './resolve-persons.js';

export interface PersonJob {
  /** Of the hash that tells visitor ids apart in this run. */
  readonly hashKey: Uint8Array;
  readonly files: readonly SnapshotFile[];
  readonly cut: Cut;
  /** Components of more ids are left unjoined; 0: no cap. */
  readonly maxIds: number;
  /** Of the file to write; must not exist. */
  readonly identityPath: string;
  readonly tempDir: string;
  readonly memoryLimit: string;
  readonly threads: number;
}

/** The persons of a run without the texts of their ids. */
export interface FoundPersons extends Omit<ResolvedPersons, 'ids' | 'members'> {
  /** Of each member, person after person: 128 bits of the run's keyed hash. */
  readonly hashes: Int32Array<ArrayBuffer>;
  /** Of each person's PersonID. */
  readonly coupons: Uint32Array<ArrayBuffer>;
}

export type IdentityFile = Sorted<IdentityName>;

/**
 * @param onFound hears of the persons before their file is written
 * @throws `master.corrupt` when a file is damaged, `batch.failed` when a statement fails, the signal's reason
 */
export async function runPersonJob(
  job: PersonJob,
  onFound: (found: FoundPersons) => void,
  signal: AbortSignal,
): Promise<IdentityFile> {
  await verifySnapshotFiles(job, { signal });
  const { ids, members, ...resolved } = await resolve(job, signal);
  const { ends } = resolved;
  onFound({
    ...resolved,
    ends: ends.slice(),
    hashes: hashesOf(new KeyedHash(job.hashKey), ids, members),
    coupons: couponsOf({ ids, members, ends }),
  });
  return writeIdentity(job.identityPath, ids, personsOf({ members, ends }), () => signal.throwIfAborted());
}

async function resolve(job: PersonJob, signal: AbortSignal): Promise<ResolvedPersons> {
  const db = await BatchDb.open(job);
  try {
    return await resolvePersons(db, job.maxIds, () => signal.throwIfAborted());
  } finally {
    await db.close();
  }
}

function hashesOf(hash: KeyedHash, ids: PackedTexts, members: Uint32Array): Int32Array<ArrayBuffer> {
  const hashes = new Int32Array(hashWords * members.length);
  members.forEach((id, i) => {
    hash.bytes(ids.bytes, ids.startOf(id), ids.endOf(id));
    hashes.set(hash.words, hashWords * i);
  });
  return hashes;
}

function couponsOf(persons: Pick<ResolvedPersons, 'ids' | 'members' | 'ends'>): Uint32Array<ArrayBuffer> {
  const { ids, ends } = persons;
  const { bytes } = ids;
  const hasher = new CouponHasher();
  const coupons = new Uint32Array(ends.length);
  let person = 0;
  for (const [least = 0] of personsOf(persons))
    coupons[person++] = hasher.coupon(bytes.subarray(ids.startOf(least), ids.endOf(least)));
  return coupons;
}
