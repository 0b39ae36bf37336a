/** `docs/openapi.json` is what the whole system serves at /openapi.json. `UPDATE=1` writes it anew. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { createConfig, lintFromString } from '@redocly/openapi-core';
import { collectorRoutes } from '../ingest/collector.js';
import { Intake, newCounters } from '../ingest/intake.js';
import { assetPath } from '../lib/files/assets.js';
import { openApi } from '../lib/http/openapi.js';
import { UrlRules } from '../facts/url/normalize.js';
import { apiInfo } from '../query/open.js';
import { FakeBatchView } from '../query/test/fakes.js';
import { engineOver } from '../query/test/server.js';
import { queryRoutes } from '../query/http/routes.js';

const path = assetPath('docs/openapi.json');

function currentDocument(): string {
  const urls = new UrlRules();
  const engine = engineOver({ batch: new FakeBatchView([]), realtime: undefined });
  const routes = [
    ...collectorRoutes({
      intake: new Intake({
        log: { append: async () => undefined },
        urls,
        clock: Date.now,
        counters: newCounters(),
      }),
    }),
    ...queryRoutes({
      engine,
      status: () => [],
      batches: { request: () => 0, pending: () => [], views: () => [], runs: () => [] },
      erasures: { request: () => assert.fail(), list: () => [], overdue: () => [] },
      metrics: async () => ({ type: '', text: '' }),
      draining: () => false,
      mounted: () => [],
      info: apiInfo(),
    }),
  ];
  return `${JSON.stringify(openApi(routes, apiInfo()), undefined, 2)}\n`;
}

test('the committed API document is the one that is served', () => {
  const document = currentDocument();
  if (process.env['UPDATE'] === '1') writeFileSync(path, document);
  assert.equal(readFileSync(path, 'utf8'), document, 'UPDATE=1 writes it anew');
});

test('every operation has an id of its own, and every reference resolves', () => {
  const document = JSON.parse(currentDocument()) as {
    paths: Record<
      string,
      Record<string, { operationId: string; parameters: { in: string; name: string }[] }>
    >;
  };
  const ids = Object.values(document.paths).flatMap((methods) =>
    Object.values(methods).map((op) => op.operationId),
  );
  assert.equal(new Set(ids).size, ids.length);
  for (const [template, methods] of Object.entries(document.paths)) {
    const inPath = [...template.matchAll(/\{(\w+)\}/g)].map((match) => match[1]);
    for (const operation of Object.values(methods)) {
      const declared = operation.parameters.filter((p) => p.in === 'path').map((p) => p.name);
      assert.deepEqual(declared, inPath, template);
    }
  }
  const references = [...currentDocument().matchAll(/"\$ref": "([^"]+)"/g)].map((match) => match[1]);
  assert.deepEqual([...new Set(references)], ['#/components/schemas/Problem']);
});

test('a strict linter has nothing to say about the API document', async () => {
  const rules = [
    'parameter-description',
    'tag-description',
    'operation-tag-defined',
    'operation-singular-tag',
    'no-schema-type-mismatch',
    'paths-kebab-case',
    'no-http-verbs-in-paths',
  ];
  const config = await createConfig({
    extends: ['recommended-strict'],
    rules: Object.fromEntries(rules.map((rule) => [rule, 'error'])),
  });
  const lint = (source: string): ReturnType<typeof lintFromString> =>
    lintFromString({ source, absoluteRef: '/openapi.json', config });
  const problems = await lint(currentDocument());
  assert.deepEqual(
    problems.map(({ ruleId, message, location }) => [ruleId, message, location[0]?.pointer]),
    [],
  );
  const withFault = currentDocument().replaceAll('"operationId"', '"operation"');
  assert.ok((await lint(withFault)).length > 0, 'a fault is found');
});
