/**
 * An object store in a bucket of an S3-compatible service. Conditions are `If-None-Match: *` and `If-Match` on PUT.
 *
 * If the response to a conditional write is lost, the retry is refused because of our own first write. So every conditional write carries a unique
 * name in its metadata, and when a retry is refused, the object is checked: if it has our name, the write succeeded.
 */
import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  S3ServiceException,
} from '@aws-sdk/client-s3';
import { SwaError, messageOf, systemCode } from '../../lib/errors/errors.js';
import { defaultRetries, withRetries, type RetryPolicy } from './retry.js';
import {
  urlOf,
  type ByteRange,
  type Content,
  type Etag,
  type ListedObject,
  type Store,
  type StoreObject,
} from './store.js';

export interface S3Options {
  readonly bucket: string;
  /** Prefix of all keys, without the `/` that follows it; may be empty. */
  readonly prefix: string;
  /** URL of the service; undefined for Amazon's. */
  readonly endpoint?: string;
  readonly region: string;
  readonly retries?: RetryPolicy;
  /** Timeout of one request; a second more for each MB it carries. */
  readonly timeoutMs?: number;
  /** Maximum number of keys per response to `list`; undefined for the service's default. */
  readonly pageSize?: number;
}

const defaultTimeoutMs = 20_000;
const bytesPerSecond = 1e6;
const writerName = 'swa-write';
const silent = (): void => undefined;

export class S3Store implements Store {
  readonly url: string;
  readonly #client: S3Client;
  readonly #bucket: string;
  readonly #prefix: string;
  readonly #retries: RetryPolicy;
  readonly #timeoutMs: number;
  readonly #pageSize: number | undefined;

  constructor({ bucket, prefix, endpoint, region, retries, timeoutMs, pageSize }: S3Options) {
    this.#bucket = bucket;
    this.#prefix = prefix === '' ? '' : `${prefix}/`;
    this.url = `s3://${bucket}${prefix === '' ? '' : `/${prefix}`}`;
    this.#retries = retries ?? defaultRetries;
    this.#timeoutMs = timeoutMs ?? defaultTimeoutMs;
    this.#pageSize = pageSize;
    this.#client = new S3Client({
      region,
      ...(endpoint === undefined ? {} : { endpoint, forcePathStyle: true }),
      maxAttempts: 1, // we retry ourselves: a file must be opened again, and a refusal checked
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
      logger: { debug: silent, info: silent, warn: silent, error: silent }, // errors are thrown
      requestHandler: { connectionTimeout: 5_000, throwOnRequestTimeout: true },
    });
  }

  async get(key: string, range?: ByteRange): Promise<StoreObject | undefined> {
    const got = await this.#get(
      key,
      range === undefined ? {} : { Range: `bytes=${range.from}-${range.to - 1}` },
    );
    return got === 'unchanged' ? undefined : got;
  }

  getUnless(key: string, etag: Etag): Promise<StoreObject | 'unchanged' | undefined> {
    return this.#get(key, { IfNoneMatch: etag });
  }

  putIfAbsent(key: string, content: Content): Promise<Etag | undefined> {
    return this.#put(key, content, { IfNoneMatch: '*' });
  }

  putIfMatch(key: string, bytes: Uint8Array, etag: Etag): Promise<Etag | undefined> {
    return this.#put(key, bytes, { IfMatch: etag });
  }

  async *list(prefix: string): AsyncIterable<ListedObject> {
    let ContinuationToken: string | undefined;
    do {
      const page = await this.#ask(`list ${urlOf(this, prefix)}`, 0, (options) =>
        this.#client.send(
          new ListObjectsV2Command({
            Bucket: this.#bucket,
            Prefix: this.#prefix + prefix,
            ...(this.#pageSize === undefined ? {} : { MaxKeys: this.#pageSize }),
            ...(ContinuationToken === undefined ? {} : { ContinuationToken }),
          }),
          options,
        ),
      );
      for (const { Key = '', Size = 0, LastModified } of page.Contents ?? [])
        yield {
          key: Key.slice(this.#prefix.length),
          sizeBytes: Size,
          modifiedAt: LastModified?.getTime() ?? 0,
        };
      ContinuationToken = page.NextContinuationToken;
    } while (ContinuationToken !== undefined);
  }

  async delete(key: string): Promise<void> {
    await this.#ask(`delete ${urlOf(this, key)}`, 0, (options) =>
      this.#client.send(new DeleteObjectCommand(this.#at(key)), options),
    );
  }

  close(): void {
    this.#client.destroy();
  }

  #at(key: string): { Bucket: string; Key: string } {
    return { Bucket: this.#bucket, Key: this.#prefix + key };
  }

  async #get(
    key: string,
    condition: { readonly Range?: string; readonly IfNoneMatch?: string },
  ): Promise<StoreObject | 'unchanged' | undefined> {
    return this.#ask(`read ${urlOf(this, key)}`, 0, async (options) => {
      try {
        const answer = await this.#client.send(
          new GetObjectCommand({ ...this.#at(key), ...condition }),
          options,
        );
        const bytes = Buffer.from((await answer.Body?.transformToByteArray()) ?? []);
        if (bytes.length !== (answer.ContentLength ?? bytes.length))
          throw new Error('the answer ended early');
        const sizeBytes = Number(answer.ContentRange?.split('/')[1] ?? bytes.length);
        return { bytes, etag: answer.ETag ?? '', sizeBytes };
      } catch (error) {
        if (statusOf(error) === 304) return 'unchanged';
        if (isMissing(error)) return undefined;
        throw error;
      }
    });
  }

  async #put(
    key: string,
    content: Content,
    condition: { readonly IfNoneMatch: '*' } | { readonly IfMatch: Etag },
  ): Promise<Etag | undefined> {
    const name = randomUUID();
    const isFile = !(content instanceof Uint8Array);
    const sizeBytes = isFile ? content.sizeBytes : content.length;
    const sha256 = isFile
      ? Buffer.from(content.sha256, 'hex').toString('base64')
      : createHash('sha256').update(content).digest('base64');
    return this.#ask(`write ${urlOf(this, key)}`, sizeBytes, async (options, attempt) => {
      try {
        const { ETag } = await this.#client.send(
          new PutObjectCommand({
            ...this.#at(key),
            ...condition,
            Body: isFile ? createReadStream(content.path) : content,
            ContentLength: sizeBytes,
            ChecksumSHA256: sha256,
            Metadata: { [writerName]: name },
          }),
          options,
        );
        return ETag;
      } catch (error) {
        if (statusOf(error) !== 412 && !isMissing(error)) throw error;
        return attempt === 1 ? undefined : this.#ownWrite(key, name, options);
      }
    });
  }

  /** Returns the etag of the object if it was written by the write with this name. */
  async #ownWrite(
    key: string,
    name: string,
    options: { readonly requestTimeout: number },
  ): Promise<Etag | undefined> {
    try {
      const { Metadata, ETag } = await this.#client.send(new HeadObjectCommand(this.#at(key)), options);
      return Metadata?.[writerName] === name ? ETag : undefined;
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  async #ask<T>(
    what: string,
    sizeBytes: number,
    send: (options: { readonly requestTimeout: number }, attempt: number) => Promise<T>,
  ): Promise<T> {
    const requestTimeout = this.#timeoutMs + (sizeBytes / bytesPerSecond) * 1000;
    try {
      return await withRetries(this.#retries, isPassing, (attempt) => send({ requestTimeout }, attempt));
    } catch (cause) {
      if (cause instanceof SwaError) throw cause;
      const why = `cannot ${what}: ${reasonOf(cause)}`;
      if (isPassing(cause))
        throw new SwaError('store.unavailable', `${why} (${this.#retries.attempts} attempts)`, {
          cause,
          retryable: true,
        });
      throw new SwaError('store.unusable', why, {
        cause,
        hint: "check SWA_STORE, SWA_STORE_ENDPOINT, SWA_STORE_REGION and the credentials (AWS_ACCESS_KEY_ID, a profile, or the machine's role)",
      });
    }
  }
}

function statusOf(error: unknown): number | undefined {
  return error instanceof S3ServiceException ? error.$metadata.httpStatusCode : undefined;
}

function isMissing(error: unknown): boolean {
  return statusOf(error) === 404 && !(error instanceof S3ServiceException && error.name === 'NoSuchBucket');
}

/** True for errors worth a retry: no response, a truncated one, an overloaded or failing service, or a conflict of two conditional writes. */
function isPassing(error: unknown): boolean {
  if (error instanceof SwaError || (error instanceof Error && error.name === 'CredentialsProviderError'))
    return false;
  const status = statusOf(error);
  if (status === undefined) return error instanceof Error && systemCode(error) !== 'ENOENT';
  return (
    status >= 500 || ([200, 400].includes(status) && isBrokenOff(error)) || [408, 409, 429].includes(status)
  );
}

/** Services report a request that broke off while they read it with status 400, and a failure after the response began with 200. */
function isBrokenOff(error: unknown): boolean {
  return (
    error instanceof Error &&
    ['RequestTimeout', 'IncompleteBody', 'InternalError', 'SlowDown'].includes(error.name)
  );
}

function reasonOf(error: unknown): string {
  const status = statusOf(error);
  const name = error instanceof Error && error.name !== 'Error' ? `${error.name}: ` : '';
  return `${name}${messageOf(error)}${status === undefined ? '' : ` (HTTP ${status})`}`;
}
