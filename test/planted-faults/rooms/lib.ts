/** Faults in what all rooms stand on: durable files, locks, the HTTP endpoint. */
import type { PlantedFault } from '../fault.js';
import { edit, faultsOf, quick } from '../room-fault.js';

const fault = faultsOf('lib');

export const libFaults: readonly PlantedFault[] = [
  fault(
    'order',
    'a sync that failed is tried again on the same file',
    edit(
      'lib/files/durable.ts',
      '    await file.sync();\n',
      '    await file.sync().catch(() => file.sync());\n',
    ),
  ),
  fault(
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
    'owner-lock',
    'a lock that another holds is taken',
    edit(
      'lib/files/owner-lock.ts',
      'if (status === 0 || status === 1) return status === 0;',
      'if (status === 0 || status === 1) return true;',
    ),
  ),
  fault(
    'owner-lock',
    'an exclusive lock is taken as a shared one',
    edit('lib/files/owner-lock.ts', "mode === 'exclusive' ? ['-x', 6]", "mode === 'exclusive' ? ['-s', 6]"),
  ),
  quick(
    fault(
      'http-origin',
      'Host is not asked for',
      edit('lib/http/origin-guard.ts', "    this.#requireKnownName(host ?? '');\n", ''),
    ),
  ),
  fault(
    'http-origin',
    'the name in an absolute target is not asked for',
    edit(
      'lib/http/origin-guard.ts',
      'if (authority !== undefined) this.#requireKnownName(authority);',
      "if (authority === '') this.#requireKnownName(authority);",
    ),
  ),
  fault(
    'http-origin',
    'changes are taken from pages of any origin',
    edit(
      'lib/http/origin-guard.ts',
      "if (!harmless.has(request.method ?? '') && this.#isForeign(request)) {",
      "if (!harmless.has(request.method ?? '') && request.method === '' && this.#isForeign(request)) {",
    ),
  ),
  fault(
    'http-origin',
    'pages of any origin may read answers',
    edit(
      'lib/http/origin-guard.ts',
      'if (!forAll && !this.#origins.has(origin) && foreignKeys?.allows(origin) !== true) return false;',
      "if (!forAll && origin === '') return false;",
    ),
  ),
  fault(
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
    'http-body',
    'a body in pieces has no limit',
    edit(
      'lib/http/body.ts',
      'if (pending.sizeBytes > limitBytes) reject',
      'if (pending.sizeBytes < 0) reject',
    ),
  ),
  fault(
    'http-endpoint',
    'a key opens what its scope does not',
    edit('lib/http/auth.ts', 'if (!covers(found, scope)) {', "if (found.name === '') {"),
  ),
];
