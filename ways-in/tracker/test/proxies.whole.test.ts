/** Runs the reverse proxy configurations of docs/tracker.md on loopback, with the tracker's whole path through each. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { assetText } from '../../../lib/files/assets.js';
import { browserMissing, launchBrowser } from '../../../test/browser.js';
import { eventually } from '../../../test/eventually.js';
import { freePort } from '../../../test/loopback.js';
import { tempDir } from '../../../test/temp-dir.js';
import { serveClientPages, startPublicSystem } from '../../endpoints/test/client-pages.js';
import { openTab } from './pages.js';

const name = 'stats.example.org';
const text = assetText('docs/tracker.md');
/** A code block of the page, by its beginning. */
function block(beginning: string): string {
  const found = [...text.matchAll(/^```\w*\n([^]*?)^```$/gm)].find(([, code = '']) =>
    code.startsWith(beginning),
  );
  assert.ok(found !== undefined, beginning);
  return found[1] ?? '';
}

/** Replaces a part of a text; fails if the text does not contain it. */
function put(whole: string, part: string | RegExp, by: string): string {
  const changed = whole.replace(part, by);
  assert.notEqual(changed, whole, `${String(part)} is not in it`);
  return changed;
}

interface Proxy {
  readonly program: string;
  /** The example with the ports and certificates of the test. Returns the arguments that run it. */
  write(dir: string, port: number, upstream: string): readonly string[];
}

const proxies: readonly Proxy[] = [
  {
    program: 'caddy',
    write: (dir, port, upstream) => {
      // Caddy signs the certificates itself here.
      const globals = `{\n admin off\n local_certs\n skip_install_trust\n auto_https disable_redirects\n https_port ${port}\n default_bind 127.0.0.1\n storage file_system ${dir}/caddy\n}\n`;
      const path = join(dir, 'Caddyfile');
      writeFileSync(path, globals + put(block('# Caddyfile'), '127.0.0.1:8080', upstream));
      return ['run', '--config', path, '--adapter', 'caddyfile'];
    },
  },
  {
    program: 'nginx',
    write: (dir, port, upstream) => {
      const options = `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=${name}`;
      const files = ['-keyout', join(dir, 'key.pem'), '-out', join(dir, 'certificate.pem')];
      const made = spawnSync('openssl', [...options.split(' '), ...files]);
      assert.equal(made.status, 0, String(made.stderr));
      let server = put(block('server {'), '127.0.0.1:8080', upstream);
      server = put(server, 'listen 443', `listen 127.0.0.1:${port}`);
      server = put(server, `/etc/ssl/${name}.pem`, join(dir, 'certificate.pem'));
      server = put(server, `/etc/ssl/${name}.key`, join(dir, 'key.pem'));
      const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
        (of) => `${of}_temp_path ${dir}/${of};`,
      );
      const path = join(dir, 'nginx.conf');
      writeFileSync(
        path,
        `daemon off; pid ${dir}/pid; error_log stderr; worker_processes 1;\nevents {}\nhttp { access_log off; ${temporary.join(' ')}\n${server}}\n`,
      );
      return ['-p', dir, '-e', 'stderr', '-c', path];
    },
  },
];

interface Asked {
  readonly path: string;
  readonly body?: object;
  readonly headers?: Readonly<Record<string, string>>;
  /** Loopback address to connect from. */
  readonly from?: string;
}

function ask(port: number, { path, body, headers = {}, from = '127.0.0.1' }: Asked): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request({
      host: '127.0.0.1',
      port,
      path,
      method: body === undefined ? 'GET' : 'POST',
      servername: name,
      localAddress: from,
      rejectUnauthorized: false,
      headers: { Host: name, 'User-Agent': userAgent, ...headers },
      agent: false,
    });
    sent.on('error', reject);
    sent.on('response', (response) => {
      response.resume();
      response.on('end', () => resolve(response.statusCode ?? 0));
    });
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

const userAgent =
  'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36';
const site = { name: 'shop', domains: ['localhost'], key: 'shop-3f9a1c' };

async function startProxy(t: TestContext, proxy: Proxy, upstream: string): Promise<number> {
  const dir = tempDir(proxy.program);
  const port = await freePort();
  const child = spawn(proxy.program, proxy.write(dir, port, upstream), {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, HOME: dir, XDG_DATA_HOME: dir, XDG_CONFIG_HOME: dir },
  });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-4_000)));
  const ended = once(child, 'exit');
  t.after(async () => {
    child.kill('SIGTERM');
    await ended;
  });
  await eventually(
    `${proxy.program} listens`,
    async () => {
      assert.equal(child.exitCode, null, said);
      return (await ask(port, { path: '/t.js' }).catch(() => undefined)) === 200 || undefined;
    },
    20_000,
  );
  return port;
}

for (const proxy of proxies) {
  const isThere = spawnSync(proxy.program, ['-h']).error === undefined;
  const missing = isThere ? browserMissing : `needs ${proxy.program} (Debian package of that name)`;
  test(
    `${proxy.program}: the script and its events pass, with the client’s own address, and nothing else`,
    { skip: missing },
    async (t) => {
      const swa = await startPublicSystem(t, [site], { trustedProxies: 1 });
      const port = await startProxy(t, proxy, new URL(swa.origin).host);
      for (const path of ['/', '/v1/status', '/metrics', '/healthz', '/v1/events/', '/t.jsx'])
        assert.equal(await ask(port, { path }), 404, path);

      const pages = await serveClientPages(t);
      const browser = await launchBrowser([], [`--host-resolver-rules=MAP ${name} 127.0.0.1`]);
      t.after(() => browser.close());
      const { page, complaints } = await openTab(t, browser, '', { userAgent, ignoreHTTPSErrors: true });
      pages.run(`
      const script = document.createElement('script');
      script.src = 'https://${name}:${port}/t.js';
      script.dataset.key = '${site.key}';
      document.head.append(script);`);
      await page.goto(`${pages.own}/a`);
      await swa.answers('pageviews', `url=${pages.own}/a`, 1);
      assert.deepEqual(complaints, []);

      const view = { key: site.key, type: 'pageview', url: `${pages.own}/b` };
      const send = (from: string, forwarded?: string): Promise<number> =>
        ask(port, {
          path: '/v1/events',
          body: view,
          from,
          headers: {
            Origin: pages.own,
            ...(forwarded === undefined ? {} : { 'X-Forwarded-For': forwarded }),
          },
        });
      for (const forwarded of [undefined, '203.0.113.9', '203.0.113.9, 198.51.100.1', 'x'])
        assert.equal(await send('127.0.0.1', forwarded), 202);
      await swa.answers('pageviews', `url=${pages.own}/b`, 4);
      await swa.answers('uniques', 'domain=localhost', 1);
      assert.equal(await send('127.0.0.2', '127.0.0.1'), 202);
      await swa.answers('uniques', 'domain=localhost', 2);
    },
  );
}
