/**
 * Bearer keys. The configuration holds only SHA-256 hashes (`name:scopes:sha256hex`, for a read key of one domain `name:read:sha256hex:domain`), so a
 * leaked configuration reveals no key. Without keys everything is open, which is allowed only on a loopback address.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { SwaError } from '../errors/errors.js';
import { isLoopback } from './origin-guard.js';
import { HttpProblem } from './problem.js';

export const scopes = ['write', 'read', 'admin'] as const;
export type Scope = (typeof scopes)[number];

export interface ApiKey {
  readonly name: string;
  readonly scopes: ReadonlySet<Scope>;
  readonly sha256: Buffer;
  /** The only domain it may ask about; undefined for any. */
  readonly domain: string | undefined;
}

/** The caller: a key's name, or undefined if no keys are configured. */
export type Caller = string | undefined;

/** Throws `config.invalid` on an entry that is not `name:scope+scope:sha256hex` or `name:read:sha256hex:domain`, or a name given twice. */
export function parseApiKeys(entries: readonly string[]): readonly ApiKey[] {
  const names = new Set<string>();
  return entries.map((entry, i) => {
    const [name, scopeList, hex, domain, ...rest] = entry.split(':');
    const wanted = scopeList?.split('+') ?? [];
    const known = scopes.filter((scope) => wanted.includes(scope));
    const refused =
      name === undefined || name === '' || names.has(name)
        ? 'its name is empty or already used'
        : known.length !== wanted.length
          ? `its scopes must be some of ${scopes.join(', ')}, joined by +`
          : rest.length > 0 || !/^[0-9a-fA-F]{64}$/.test(hex ?? '')
            ? 'its hash must be 64 hexadecimal digits'
            : domain !== undefined && scopeList !== 'read'
              ? 'only a key with the scope read alone may be of one domain'
              : domain !== undefined && !domainPattern.test(domain)
                ? `'${domain.slice(0, 100)}' is not a domain in lower case, like example.org`
                : undefined;
    if (refused !== undefined || name === undefined) {
      throw new SwaError('config.invalid', `SWA_API_KEYS entry ${i + 1} is invalid: ${refused}`, {
        hint: 'an entry is name:scopes:sha256hex, or name:read:sha256hex:domain; hash a key with: printf %s "$KEY" | sha256sum',
      });
    }
    names.add(name);
    return { name, scopes: new Set(known), sha256: Buffer.from(hex ?? '', 'hex'), domain };
  });
}

const domainPattern = /^[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?$/;

/** The only domain that a caller accepted by `authorize` may ask about; undefined for any. */
export function domainOfCaller(keys: readonly ApiKey[], caller: Caller): string | undefined {
  return caller === undefined ? undefined : keys.find(({ name }) => name === caller)?.domain;
}

/** What a caller whose key is of one domain gets for anything else. */
export function outsideDomain(domain: string): HttpProblem {
  return new HttpProblem('forbidden', `this key may ask only about the domain '${domain}'`, {
    parameter: 'Authorization',
    extra: { domain },
  });
}

/** Throws `config.invalid` if the address is not loopback and there are no keys. */
export function checkExposure(host: string, keys: readonly ApiKey[]): void {
  if (keys.length > 0 || isLoopback(host)) return;
  throw new SwaError(
    'config.invalid',
    `SWA_HTTP_HOST is '${host}', which others can reach, but SWA_API_KEYS is empty`,
    {
      hint: 'set SWA_API_KEYS, or listen on 127.0.0.1',
    },
  );
}

/** Tells whether a caller accepted by `authorize` has a scope. Without keys everything is allowed. */
export function allows(keys: readonly ApiKey[], caller: Caller, scope: Scope): boolean {
  if (keys.length === 0) return true;
  const key = keys.find(({ name }) => name === caller);
  return key !== undefined && covers(key, scope);
}

function covers({ scopes: given }: ApiKey, scope: Scope): boolean {
  return given.has(scope) || given.has('admin');
}

/**
 * Checks `Authorization: Bearer ...` against the keys in constant time over all of them. Throws `unauthorized` or
 * `forbidden`. `admin` includes the other scopes.
 */
export function authorize(header: string | undefined, keys: readonly ApiKey[], scope: Scope): Caller {
  if (keys.length === 0) return undefined;
  const token = /^Bearer +(\S{1,512}) *$/i.exec(header ?? '')?.[1];
  const hash = createHash('sha256')
    .update(token ?? '')
    .digest();
  let found: ApiKey | undefined;
  for (const key of keys) {
    if (timingSafeEqual(hash, key.sha256)) found = key;
  }
  if (token === undefined || found === undefined) {
    throw new HttpProblem('unauthorized', 'send a valid key as Authorization: Bearer <key>', {
      parameter: 'Authorization',
      headers: { 'WWW-Authenticate': 'Bearer realm="swa"' },
    });
  }
  if (!covers(found, scope)) {
    throw new HttpProblem('forbidden', `key '${found.name}' lacks the scope '${scope}'`, {
      parameter: 'Authorization',
      headers: { 'WWW-Authenticate': `Bearer realm="swa", error="insufficient_scope", scope="${scope}"` },
    });
  }
  return found.name;
}
