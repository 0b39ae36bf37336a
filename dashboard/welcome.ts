/** For an empty data directory: commands that produce something to see. Disappears with the first fact. */
import { commandLine } from './command-line.js';
import { h } from './dom.js';

export function fillWelcome(host: HTMLElement, origin: string): void {
  const fact = `{"type":"pageview","visitor":"cookie:1","url":"https://www.example.org/","timestamp":'$(date +%s000)'}`;
  const ways: readonly (readonly [string, string])[] = [
    ['Generate a day of traffic', 'bin/swa generate --facts 100000'],
    ['Import an access log', 'bin/swa import --host www.example.org access.log.gz'],
    ['Send one pageview', `curl ${origin}/v1/events -H 'Content-Type: application/json' -d '${fact}'`],
  ];
  host.replaceChildren(
    h(
      'section',
      { class: 'card welcome', 'aria-labelledby': 'welcome-title' },
      h('h2', { id: 'welcome-title' }, 'Nothing here yet'),
      h(
        'p',
        {},
        'The system is running and waiting for its first fact. In a terminal, in the project folder:',
      ),
      h('ul', {}, ...ways.map(([title, command]) => way(title, command))),
      h('p', { class: 'hint' }, 'This page updates within a second of the first pageview.'),
    ),
  );
}

function way(title: string, command: string): HTMLLIElement {
  const line = commandLine(title);
  line.show(command);
  return h('li', {}, h('h3', {}, title), line.element);
}
