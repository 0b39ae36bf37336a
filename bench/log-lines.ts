/** Lines of every log format: distinct successful page views from 65,536 addresses, with the fields of real lines. */

export const host = 'www.example.org';
const agent =
  'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/99.0.4844.51 Safari/537.36';

/** The fields that differ from line to line. */
interface View {
  readonly address: string;
  /** `10:05:03` */
  readonly time: string;
  readonly path: string;
  readonly size: number;
}

const two = (n: number): string => String(n).padStart(2, '0');

function viewOf(i: number): View {
  return {
    address: `10.0.${(i >> 8) & 255}.${i & 255}`,
    time: `${two(Math.floor(i / 3_600) % 24)}:${two(Math.floor(i / 60) % 60)}:${two(i % 60)}`,
    path: `/blog/page-${i % 2_000}`,
    size: i,
  };
}

const clf = ({ address, time, path, size }: View): string =>
  `${address} - - [17/May/2015:${time} +0000] "GET ${path} HTTP/1.1" 200 ${size}`;
const combined = (view: View): string => `${clf(view)} "https://${host}/" "${agent}"`;

const w3cFields =
  'date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) cs(Referer) sc-status sc-substatus sc-win32-status time-taken';
const cloudfrontFields =
  'date time x-edge-location sc-bytes c-ip cs-method cs(Host) cs-uri-stem sc-status cs(Referer) cs(User-Agent) cs-uri-query cs(Cookie) x-edge-result-type x-edge-request-id x-host-header cs-protocol cs-bytes time-taken x-forwarded-for ssl-protocol ssl-cipher x-edge-response-result-type cs-protocol-version fle-status fle-encrypted-fields';

export interface LinesOfFormat {
  /** The name that `--format` takes. */
  readonly format: string;
  readonly head?: string;
  readonly line: (view: View) => string;
}

export const linesOfFormats: readonly LinesOfFormat[] = [
  { format: 'combined', line: combined },
  { format: 'common', line: clf },
  { format: 'vhost_combined', line: (view) => `${host}:443 ${combined(view)}` },
  {
    format: 'forwarded',
    line: (view) => `198.51.100.1${combined(view).slice(view.address.length)} "${view.address}"`,
  },
  {
    format: 'caddy',
    line: ({ address, time, path, size }) =>
      JSON.stringify({
        level: 'info',
        ts: Date.parse(`2015-05-17T${time}Z`) / 1_000 + 0.123,
        logger: 'http.log.access.log0',
        msg: 'handled request',
        request: {
          remote_ip: address,
          remote_port: '51234',
          client_ip: address,
          proto: 'HTTP/2.0',
          method: 'GET',
          host,
          uri: path,
          headers: { 'User-Agent': [agent], Referer: [`https://${host}/`], 'Accept-Encoding': ['gzip'] },
          tls: { resumed: false, version: 772, cipher_suite: 4865, proto: 'h2', server_name: host },
        },
        bytes_read: 0,
        user_id: '',
        duration: 0.000929675,
        size,
        status: 200,
        resp_headers: { Server: ['Caddy'], 'Content-Type': ['text/html; charset=utf-8'] },
      }),
  },
  {
    format: 'nginx-json',
    line: ({ address, time, path, size }) =>
      JSON.stringify({
        time_iso8601: `2015-05-17T${time}+00:00`,
        remote_addr: address,
        request: `GET ${path} HTTP/1.1`,
        status: '200',
        body_bytes_sent: String(size),
        host,
        http_referer: `https://${host}/`,
        http_user_agent: agent,
      }),
  },
  {
    format: 'traefik-json',
    line: ({ address, time, path, size }) =>
      JSON.stringify({
        ClientAddr: `${address}:51234`,
        ClientHost: address,
        ClientUsername: '-',
        DownstreamContentSize: size,
        DownstreamStatus: 200,
        Duration: 3_000_000,
        RequestAddr: host,
        RequestHost: host,
        RequestMethod: 'GET',
        RequestPath: path,
        RequestProtocol: 'HTTP/2.0',
        RequestScheme: 'https',
        StartUTC: `2015-05-17T${time}.123456789Z`,
        'request_User-Agent': agent,
        level: 'info',
        msg: '',
        time: `2015-05-17T${time}Z`,
      }),
  },
  {
    format: 'w3c',
    head: `#Fields: ${w3cFields}`,
    line: ({ address, time, path, size }) =>
      `2015-05-17 ${time} 198.51.100.1 GET ${path} - 443 - ${address} ${agent.replaceAll(' ', '+')} https://${host}/ 200 0 0 ${size}`,
  },
  {
    format: 'cloudfront',
    head: `#Fields: ${cloudfrontFields}`,
    line: ({ address, time, path, size }) =>
      `2015-05-17\t${time}\tFRA2\t${size}\t${address}\tGET\td1.cloudfront.net\t${path}\t200\thttps://${host}/\t${agent.replaceAll(' ', '%20')}\t-\t-\tHit\tSOX4xwn4XV6Q4rgb7XiVGOHms_BGlTAC4KyHm${size}==\t${host}\thttps\t23\t0.001\t-\tTLSv1.2\tECDHE-RSA-AES128-GCM-SHA256\tHit\tHTTP/2.0\t-\t-`,
  },
  {
    format: 'alb',
    line: ({ address, time, path, size }) =>
      `https 2015-05-17T${time}.123456Z app/lb/50dc6c495c0c9188 ${address}:2817 10.0.0.1:80 0.086 0.048 0.037 200 200 34 ${size} "GET https://${host}:443${path} HTTP/1.1" "${agent}" ECDHE-RSA-AES128-GCM-SHA256 TLSv1.2 arn:aws:elasticloadbalancing:us-east-2:123456789012:targetgroup/my-targets/73e2d6bc24d8a067 "Root=1-58337281-1d84f3d73c47ec4e58577259" "${host}" "session-reused" 1 2015-05-17T${time}.023456Z "forward" "-" "-" "10.0.0.1:80" "200" "-" "-"`,
  },
];

export function textOfLines({ head, line }: LinesOfFormat, count: number): string {
  const lines = Array.from({ length: count }, (_, i) => line(viewOf(i)));
  return `${head === undefined ? '' : `${head}\n`}${lines.join('\n')}\n`;
}
