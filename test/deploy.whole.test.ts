/**
 * The compose files and the Dockerfile, as far as they can be checked without an engine: by the schema of the Compose Specification,
 * and that every name in them stands for something. The schema comes with check-jsonschema:
 *     python3 -m venv test/clients/target && test/clients/target/bin/pip install -r test/clients/requirements.txt
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { z } from 'zod';
import { keys } from '../lib/config/keys.js';
import { assetPath } from '../lib/files/assets.js';
import { roles } from '../lib/process/status.js';
import { venvProgram } from './venv.js';

const { path: checker, skip } = venvProgram('test/clients', 'check-jsonschema', 'check-jsonschema');

const composeFiles = [
  'docker-compose.yml',
  ...readdirSync(assetPath('deploy'))
    .filter((name) => name.endsWith('.yml'))
    .map((name) => join('deploy', name)),
];

const composeSchema = z.object({
  services: z.record(
    z.string(),
    z.object({
      image: z.string().optional(),
      extends: z.object({ file: z.string(), service: z.string() }).optional(),
      build: z
        .union([
          z.string().transform((context) => ({ context, dockerfile: 'Dockerfile' })),
          z.object({ context: z.string(), dockerfile: z.string() }),
        ])
        .optional(),
      command: z.array(z.string()).optional(),
      entrypoint: z.array(z.string()).optional(),
      pid: z.string().optional(),
      ports: z.array(z.string()).default([]),
      volumes: z.array(z.string()).default([]),
      environment: z.record(z.string(), z.unknown()).default({}),
      depends_on: z
        .union([z.array(z.string()), z.record(z.string(), z.unknown()).transform((of) => Object.keys(of))])
        .default([]),
    }),
  ),
  volumes: z.record(z.string(), z.unknown()).default({}),
});

const read = (name: string) =>
  composeSchema.parse(parse(readFileSync(assetPath(name), 'utf8'), { merge: true }));

test('the compose files are valid by the Compose Specification', { skip }, () => {
  const files = composeFiles.map((name) => assetPath(name));
  execFileSync(checker, ['--builtin-schema', 'vendor.compose-spec', ...files], { encoding: 'utf8' });
});

for (const name of composeFiles) {
  test(`${name}: services, volumes, commands and configuration keys exist`, () => {
    const { services, volumes } = read(name);
    const configKeys = new Set<string>(Object.values(keys).map(({ env }) => env));
    const commands = new Set<string>(['start', ...roles]);
    for (const [service, definition] of Object.entries(services)) {
      for (const other of definition.depends_on) assert.ok(services[other], `${service}: ${other}`);
      if (definition.pid !== undefined)
        assert.ok(services[definition.pid.replace('service:', '')], `${service}: ${definition.pid}`);
      for (const mount of definition.volumes)
        assert.ok((mount.split(':')[0] ?? '') in volumes, `${service}: volume ${mount}`);
      for (const port of definition.ports) assert.match(port, /^127\.0\.0\.1:/, `${service}: port ${port}`);
      if (definition.extends !== undefined) {
        const extended = read(join(dirname(name), definition.extends.file)).services[
          definition.extends.service
        ];
        assert.ok(extended, `${service}: extends ${definition.extends.service}`);
      }
      if (definition.build !== undefined) {
        const { context, dockerfile } = definition.build;
        const path = join(dirname(assetPath(name)), context, dockerfile);
        assert.ok(existsSync(path), `${service}: ${dockerfile} in ${context}`);
      }
      if (definition.image?.startsWith('swa') !== true) continue;
      const [command = 'start'] = definition.command ?? [];
      if (definition.entrypoint === undefined)
        assert.ok(commands.has(command), `${service}: command ${command}`);
      for (const variable of Object.keys(definition.environment))
        if (variable.startsWith('SWA_')) assert.ok(configKeys.has(variable), `${service}: ${variable}`);
    }
  });
}

for (const name of ['Dockerfile', 'deploy/spark.Dockerfile']) {
  test(`what ${name} copies from here and runs exists`, () => {
    const dockerfile = readFileSync(assetPath(name), 'utf8');
    const copied = [...dockerfile.matchAll(/^COPY (?!--)(.+)$/gm)].flatMap(([, words = '']) =>
      words.split(' ').slice(0, -1),
    );
    const run = [...dockerfile.matchAll(/^(?:ENTRYPOINT|HEALTHCHECK .*CMD) \["node", "([^"]+)"/gm)].map(
      ([, file = '']) => file,
    );
    assert.equal(run.length, 2, run.join());
    for (const path of [...copied, ...run]) assert.ok(existsSync(assetPath(path)), path);
  });
}
