/** For tests of routes: checks their answers against the OpenAPI document. */
import assert from 'node:assert/strict';
import { openApi } from '../../lib/http/openapi.js';
import type { Route } from '../../lib/http/route.js';

interface Operation {
  readonly requestBody?: { readonly content: Readonly<Record<string, unknown>> };
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, unknown>> }>>;
}

/** Fails if the operation does not document the status, or the media type of request or response. */
export function assertDocumented(
  routes: readonly Route[],
  request: { readonly method: string; readonly path: string; readonly type?: string },
  response: Response,
): void {
  const { paths } = openApi(routes, { title: '', version: '', description: '' }) as {
    readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  };
  const [path = ''] = request.path.split('?');
  const template = Object.keys(paths).find((one) =>
    new RegExp(`^${one.replace(/\{\w+\}/g, '[^/]+')}$`).test(path),
  );
  const method = request.method.toLowerCase().replace('head', 'get');
  const operation = template === undefined ? undefined : paths[template]?.[method];
  // No such route, a broken escape in the path, or a file of the page.
  if (operation === undefined) return assert.ok([404, 405, 400, 200].includes(response.status));
  const shown = `${request.method} ${path} answered ${response.status}`;
  const documented = operation.responses[response.status];
  assert.ok(documented !== undefined, shown);
  const type = bare(response.headers.get('content-type'));
  if (type !== undefined) assert.ok(type in (documented.content ?? {}), `${shown} with ${type}`);
  const sent = bare(request.type);
  if (operation.requestBody !== undefined && response.status < 300 && sent !== undefined)
    assert.ok(sent in operation.requestBody.content, `${shown} to ${sent}`);
}

function bare(type: string | null | undefined): string | undefined {
  return type?.split(';')[0]?.trim();
}
