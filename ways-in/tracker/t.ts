/**
 * The tracker script, served as `/t.js`, which runs on pages of other people. So it is one classic script without dependencies. It never throws, sends nothing if the
 * browser asks not to be tracked (GPC, DNT), and keeps nothing in the browser unless the page sets `data-visitors="first-party"`.
 *
 *   <script defer src="https://stats.example.org/t.js" data-key="..."></script>
 *
 * data-visitors="first-party"  keeps a random id, and events that could not be sent, in localStorage
 * data-hash                    routes after `#/` are pages: `/app#/orders` counts as `/app/orders`
 * data-user, data-proof        the logged-in user, from the first pageview on
 *
 * The code is short rather than beautiful: the compiler's output is served as it is, in less than 1.5 kB gzipped.
 */
(() => {
  type Event = Record<string, unknown>;
  /** Maximum number of events that wait for a connection, and maximum length of their JSON: a beacon has at most 64 KiB. */
  const maxWaiting = 50;
  const maxWaitingChars = 5e4;
  const { location, navigator, history } = window;
  const asks = navigator as Navigator & { globalPrivacyControl?: boolean; doNotTrack?: string | null };
  const page = document as Document & { prerendering?: boolean };
  const script = (page.currentScript ?? page.querySelector('script[data-key]')) as HTMLScriptElement;
  const { key, visitors, hash, user: givenUser, proof: givenProof } = script.dataset;
  const api = new URL('v1/events', script.src).href;
  const keeps = visitors === 'first-party';

  /** Reads from localStorage, after writing `value` if there is one. Null if nothing is stored, storage is blocked, or the page is not first-party. */
  const kept = (name: string, value?: string): string | null => {
    try {
      if (!keeps) return null;
      if (value !== undefined) localStorage.setItem(name, value);
      return localStorage.getItem(name);
    } catch {
      return null;
    }
  };
  // eslint-disable-next-line unicorn/consistent-function-scoping -- outside of this scope it would be a global of the page
  const random = (): string => crypto.getRandomValues(new Uint32Array(4)).join('-');

  let waiting: Event[] = [];
  let user: string | undefined;
  let proof: string | undefined;
  let visitor: string | undefined;
  let seen = '';

  /** Sets the waiting events; drops the oldest if there are too many. */
  const wait = (events: Event[]): void => {
    while (events.length > maxWaiting || JSON.stringify(events).length > maxWaitingChars) events.shift();
    waiting = events;
    kept('swa-waiting', JSON.stringify(events));
  };

  const flush = (): void => {
    const events = waiting;
    if (!navigator.onLine || !events.length) return;
    const body = JSON.stringify({ key, sentAt: Date.now(), events });
    wait([]);
    try {
      if (navigator.sendBeacon(api, body)) return;
    } catch {}
    fetch(api, { method: 'POST', body, keepalive: true, credentials: 'omit' }).catch(() =>
      wait([...events, ...waiting]),
    );
  };

  const send = (event: Event): void => {
    wait([...waiting, { ...event, visitor, timestamp: Date.now(), eventId: random() }]);
    flush();
  };

  /** URL of the current page, without the fragment; with `data-hash`, a route in the fragment becomes the path. */
  const urlNow = (): string => {
    const { origin, pathname, search } = location;
    const route = hash !== undefined && /^#!?(\/.*)/.exec(location.hash);
    return origin + (route ? pathname.replace(/\/$/, '') + route[1] : pathname + search);
  };

  const view = (again?: boolean): void => {
    const url = urlNow();
    if (url === seen && !again) return;
    const referrer = seen || page.referrer || undefined;
    send({ type: 'pageview', url, referrer, ...(visitor ? {} : { user, proof }) });
    seen = url;
  };

  const identify = (userId: string, userProof?: string): void => {
    if (user === userId) return;
    user = userId;
    proof = userProof;
    if (!visitor || kept('swa-user') === userId) return;
    kept('swa-user', userId);
    send({ type: 'identify', user, proof });
  };

  const start = (): void => {
    const id = kept('swa-id') ?? kept('swa-id', random());
    visitor = id ?? undefined;
    try {
      waiting = [...JSON.parse(kept('swa-waiting') ?? '[]')];
    } catch {}
    if (givenUser) identify(givenUser, givenProof);
    view();
    // eslint-disable-next-line typescript/unbound-method -- called with its own `this` below
    const push = history.pushState;
    history.pushState = function (...args) {
      push.apply(this, args);
      view();
    };
    // eslint-disable-next-line typescript/unbound-method -- called with its own `this` below
    const replace = history.replaceState;
    history.replaceState = function (...args) {
      replace.apply(this, args);
      seen = urlNow();
    };
    addEventListener('popstate', () => view());
    addEventListener('hashchange', () => view());
    addEventListener('online', flush);
    addEventListener('pagehide', flush);
    addEventListener('pageshow', (event) => event.persisted && view(true));
  };

  const isRefused = asks.globalPrivacyControl === true || asks.doNotTrack === '1';
  (window as Window & { swa?: object }).swa = { identify: isRefused ? () => {} : identify };
  if (isRefused) return;
  if (page.prerendering) page.addEventListener('prerenderingchange', start, { once: true });
  else start();
})();
