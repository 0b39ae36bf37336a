/** `GET /t.js`: the script that pages of sites load. It is the same for all sites; the script tag holds the site's key. */
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { assetPath } from '../../lib/files/assets.js';
import { route, type Route } from '../../lib/http/route.js';
import { sendFile, servedFile } from '../../lib/http/served-file.js';

/** Browsers get a new version of the script within an hour. */
const cacheControl = 'public, max-age=3600';

export async function scriptRoute(): Promise<Route> {
  const file = await servedFile(
    readFileSync(assetPath('dist/ways-in/tracker/t.js')),
    'text/javascript; charset=utf-8',
  );
  return route({
    method: 'get',
    path: '/t.js',
    operationId: 'script',
    summary: 'The script that sends pageviews',
    scope: 'open',
    responses: [
      { status: 200, description: 'the script', content: { 'text/javascript': z.string() } },
      { status: 304, description: 'the caller has it' },
    ],
    problems: [],
    handle: ({ request, response }) => {
      // Pages of other origins load the script; with an `integrity` attribute that needs CORS.
      response.setHeader('Cross-Origin-Resource-Policy', 'cross-origin');
      response.setHeader('Access-Control-Allow-Origin', '*');
      sendFile(request, response, file, cacheControl);
    },
  });
}
