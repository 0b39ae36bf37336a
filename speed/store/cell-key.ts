/**
 * Keys of the cells in a realtime store. A cell is one bucket of one subject:
 *
 *   page     'p' domain 00 url 00 bucket       all pages of a domain are adjacent, and all buckets of a page
 *   domain   'd' domain 00 bucket
 *   value    'v' dimension 00 domain 00 value 00 bucket
 *
 * The bucket is 4 bytes, big-endian, so that LMDB's byte order is the order of time. Normalised URLs, domains and names of dimensions are ASCII
 * without control characters, values are UTF-8 without them, so 00 terminates them. LMDB keys are at most 1,978 bytes: a longer URL is replaced
 * by 01 and its SHA-256, and the cell's value contains the URL.
 */
import { createHash } from 'node:crypto';
import type { Subject } from '../../facts/views/view.js';
import type { CellSubject } from './cell-subject.js';

/** Maximum length of URLs that are part of the key. */
const maxInlineUrlBytes = 1_700;
/** Upper bound for keys: LMDB's limit, rounded up. */
export const longestKeyBytes = 2_048;

const bucketBytes = 4;
const pageTag = 0x70;
const domainTag = 0x64;
const valueTag = 0x76;
const tags: Readonly<Record<Subject['kind'], number>> = { page: pageTag, domain: domainTag, value: valueTag };
const endTag = 0x00;
const hashTag = 0x01;

/** Whether the key has a hash instead of the name. */
export function isHashed(name: string): boolean {
  return name.length > maxInlineUrlBytes;
}

/** Writes a cell's key into the buffer, which must have room for `longestKeyBytes` from there on; returns the end of the key. */
export function writeCellKey(buffer: Buffer, from: number, subject: CellSubject, bucket: number): number {
  let end = from;
  buffer[end++] = tags[subject.kind];
  if (subject.kind === 'value') {
    end += buffer.write(subject.dimension, end, 'latin1');
    buffer[end++] = endTag;
  }
  end += buffer.write(subject.domain, end, 'latin1');
  buffer[end++] = endTag;
  if (subject.kind !== 'domain') {
    end = writeName(buffer, end, subject);
    buffer[end++] = endTag;
  }
  return buffer.writeUInt32BE(bucket, end);
}

function writeName(buffer: Buffer, from: number, { kind, name }: CellSubject): number {
  if (!isHashed(name)) return from + buffer.write(name, from, kind === 'page' ? 'latin1' : 'utf8');
  buffer[from] = hashTag;
  return (
    from +
    1 +
    createHash('sha256')
      .update(name)
      .digest()
      .copy(buffer, from + 1)
  );
}

/** The first key of a subject at or after `bucket`, in its own buffer. */
export function cellKey(subject: CellSubject, bucket: number): Buffer {
  const buffer = Buffer.allocUnsafe(longestKeyBytes);
  return buffer.subarray(0, writeCellKey(buffer, 0, subject, bucket));
}

/** Half-open key range of a subject's cells in the buckets [from, to), in buffers of their own. */
export function cellRange(
  subject: CellSubject,
  fromBucket: number,
  toBucket: number,
): { readonly start: Buffer; readonly end: Buffer } {
  const start = cellKey(subject, fromBucket);
  const end = Buffer.from(start);
  end.writeUInt32BE(toBucket, end.length - bucketBytes);
  return { start, end };
}

/** Half-open key range of all page cells of a domain. */
export function pageRange(domain: string): { readonly start: Buffer; readonly end: Buffer } {
  return rangeBelow(pageTag, domain);
}

/** Half-open key range of the cells of all values of a dimension in a domain. */
export function valueRange(
  dimension: string,
  domain: string,
): { readonly start: Buffer; readonly end: Buffer } {
  return rangeBelow(valueTag, `${dimension}\0${domain}`);
}

function rangeBelow(tag: number, name: string): { readonly start: Buffer; readonly end: Buffer } {
  const start = Buffer.concat([Buffer.of(tag), Buffer.from(name, 'latin1'), Buffer.of(endTag)]);
  const end = Buffer.from(start);
  end[end.length - 1] = endTag + 1;
  return { start, end };
}

/** Half-open key range of the domain cells after those of a domain; '' for all domain cells. */
export function domainsAfter(domain: string): { readonly start: Buffer; readonly end: Buffer } {
  const after = domain === '' ? [] : [Buffer.from(domain, 'latin1'), Buffer.of(endTag + 1)];
  return { start: Buffer.concat([Buffer.of(domainTag), ...after]), end: Buffer.of(domainTag + 1) };
}

/** The bucket at the end of a cell key. */
export function bucketOfCellKey(key: Uint8Array): number {
  const at = key.length - bucketBytes;
  const high = ((key[at] ?? 0) << 24) | ((key[at + 1] ?? 0) << 16);
  return (high | ((key[at + 2] ?? 0) << 8) | (key[at + 3] ?? 0)) >>> 0;
}

/** The name in a key of `pageRange` or `valueRange`, whose common prefix is `nameAt` bytes long; undefined if the key has a hash. */
export function nameOfCellKey(key: Buffer, nameAt: number, kind: 'page' | 'value'): string | undefined {
  if (kind === 'page' && key[nameAt] === hashTag) return undefined;
  return key.toString(kind === 'page' ? 'latin1' : 'utf8', nameAt, key.length - bucketBytes - 1);
}

export type ParsedKey =
  | { readonly kind: 'domain'; readonly domain: string; readonly bucket: number }
  | {
      readonly kind: 'page';
      readonly domain: string;
      /** Undefined if the key has a hash. */
      readonly url: string | undefined;
      readonly bucket: number;
    }
  | {
      readonly kind: 'value';
      readonly dimension: string;
      readonly domain: string;
      readonly value: string;
      readonly bucket: number;
    };

/** Parses a cell key; undefined for any other record of a store. */
export function parseCellKey(stored: Uint8Array): ParsedKey | undefined {
  const key = Buffer.from(stored.buffer, stored.byteOffset, stored.length);
  const tag = key[0];
  if (tag !== pageTag && tag !== domainTag && tag !== valueTag) return undefined;
  const bucketAt = key.length - bucketBytes;
  const bucket = key.readUInt32BE(bucketAt);
  const firstEnd = key.indexOf(endTag, 1);
  const first = key.toString('latin1', 1, firstEnd);
  if (tag === domainTag) return { kind: 'domain', domain: first, bucket };
  if (tag === valueTag) {
    const domainEnd = key.indexOf(endTag, firstEnd + 1);
    const domain = key.toString('latin1', firstEnd + 1, domainEnd);
    const value = key.toString('utf8', domainEnd + 1, bucketAt - 1);
    return { kind: 'value', dimension: first, domain, value, bucket };
  }
  const hashed = key[firstEnd + 1] === hashTag;
  const url = hashed ? undefined : key.toString('latin1', firstEnd + 1, bucketAt - 1);
  return { kind: 'page', domain: first, url, bucket };
}
