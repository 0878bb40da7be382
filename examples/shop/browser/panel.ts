import { type GeoPermissibleObjects, geoDistance, geoGraticule10, geoNaturalEarth1, geoPath } from 'd3-geo';
import { feature } from 'topojson-client';
import type { Topology } from 'topojson-specification';
import world from 'world-atlas/land-110m.json' with { type: 'json' };
import type { FeedDecision, FeedMessage, FeedSightings } from '../demo/feed-event.ts';

/** The side panel of the demo: shows what the server sends, and controls what the demo simulates. */

const SVG = 'http://www.w3.org/2000/svg';
const LOG_LENGTH = 8;

const panel = element('#demo-panel');
const bar = element<HTMLButtonElement>('.demo-bar');

bar.addEventListener('click', () => open(!panel.classList.contains('is-open')));
panel.addEventListener('keydown', (event) => {
  if (event.key !== 'Escape' || !panel.classList.contains('is-open')) return;
  open(false);
  bar.focus();
});
const isWide = matchMedia('(min-width: 70rem)');
open(isWide.matches && recall() !== 'closed');

function open(isOpen: boolean): void {
  panel.classList.toggle('is-open', isOpen);
  document.documentElement.classList.toggle('has-demo-panel', isOpen);
  bar.setAttribute('aria-expanded', String(isOpen));
  if (isWide.matches) sessionStorage.setItem('demo-panel', isOpen ? 'open' : 'closed');
}

function recall(): string | null {
  return sessionStorage.getItem('demo-panel');
}

const draw = mapDrawer();
let sightings: FeedSightings = { places: [] };
let newest: FeedDecision | null = null;

const feed = new EventSource('/demo/feed');
feed.addEventListener('decision', ({ data }) => {
  const decision: FeedDecision = JSON.parse(data);
  newest = decision;
  show(decision);
  draw(sightings, newest);
});
feed.addEventListener('sightings', ({ data }) => {
  sightings = JSON.parse(data);
  draw(sightings, newest);
});
let isLive = false;
feed.addEventListener('message', ({ data }) => receive(JSON.parse(data)));
feed.addEventListener('live', () => {
  isLive = true;
});
// A page that is left must not keep one of the browser's few connections per host.
addEventListener('pagehide', () => feed.close());
addEventListener('pageshow', (event) => {
  if (event.persisted) location.reload();
});

const WORDS = { allow: 'Allowed', 'step-up': 'Step-up', deny: 'Refused' } as const;

function show(shown: FeedDecision): void {
  const isProven = shown.proof?.satisfied === true;
  const word = isProven ? 'Allowed by proof' : WORDS[shown.decision];
  panel.dataset.decision = shown.decision;
  element('[data-summary]').textContent = `${word} · ${shown.score}`;
  element('[data-word]').textContent = word;
  const from = [shown.who === 'thief' ? 'the thief' : 'you', shown.place?.name].filter(Boolean).join(', ');
  element('[data-action]').textContent = `${shown.action} · ${from}`;
  element('[data-score]').textContent = String(shown.score);
  const gauge = element('[data-gauge]');
  gauge.dataset.level = shown.level;
  gauge.setAttribute('aria-label', `Score ${shown.score} of 100, ${shown.level}`);
  element<SVGPathElement & HTMLElement>('[data-gauge] .value').style.strokeDasharray = `${shown.score} 100`;
  element('[data-rule]').replaceChildren(
    ...(shown.rule === null
      ? ['No rule decides; the default holds.']
      : [make('code', shown.rule.id), ` ${shown.rule.text}`]),
    ...(shown.proof?.error == null ? [] : [make('span', ` Proof: ${shown.proof.error}`, 'demo-proof')]),
  );
  element('[data-reasons]').replaceChildren(
    ...shown.reasons
      .filter(({ points }) => points !== 0)
      .map(({ points, text }) => {
        const item = document.createElement('li');
        item.append(
          make('b', points > 0 ? `+${points}` : `−${-points}`, points > 0 ? 'up' : 'down'),
          make('span', text),
        );
        return item;
      }),
  );
  element('[data-signals]').replaceChildren(
    ...shown.signals.map(({ name, state, why, facts }) => {
      const box = document.createElement('details');
      box.append(
        ((summary) => {
          summary.append(
            make('span', name),
            make('span', why === null ? state : `${state}: ${why.replaceAll('_', ' ')}`, state),
          );
          return summary;
        })(document.createElement('summary')),
      );
      const list = document.createElement('dl');
      for (const fact of facts) list.append(make('dt', fact.name), make('dd', fact.value));
      box.append(facts.length === 0 ? make('p', 'No facts.') : list);
      return box;
    }),
  );
  const log = element('[data-log]');
  const line = document.createElement('li');
  line.dataset.decision = shown.decision;
  line.append(
    make('span', shown.who === 'thief' ? 'thief' : 'you'),
    make('span', shown.action),
    make('b', `${word} ${shown.score}`),
  );
  log.prepend(line);
  while (log.children.length > LOG_LENGTH) log.lastElementChild?.remove();
}

function receive({ to, code, at }: FeedMessage): void {
  const inbox = panel.querySelector('[data-inbox]');
  if (inbox === null) return;
  inbox.querySelector('.demo-empty')?.remove();
  const item = document.createElement('li');
  const time = make('time', new Date(at).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' }));
  item.append(make('span', `To ${to}: your code is`), make('b', code, 'demo-code'), time);
  inbox.prepend(item);
  if (isLive) say(`A code has come for ${to}: ${code.split('').join(' ')}`);
}

/** Draws the land once, and the current places on it. */
function mapDrawer(): (sightings: FeedSightings, newest: FeedDecision | null) => void {
  const svg = element('[data-map]');
  const topology = world as unknown as Topology;
  const land = topology.objects.land;
  if (land === undefined) throw new Error('the atlas has no land');
  const projection = geoNaturalEarth1().fitExtent(
    [
      [2, 2],
      [318, 162],
    ],
    { type: 'Sphere' },
  );
  const path = geoPath(projection);
  const shape = (object: GeoPermissibleObjects, className: string): SVGElement =>
    svgElement('path', { d: path(object) ?? '', class: className });
  const layer = svgElement('g', {});
  svg.replaceChildren(
    shape({ type: 'Sphere' }, 'sea'),
    shape(geoGraticule10(), 'grid'),
    shape(feature(topology, land), 'land'),
    layer,
  );
  const point = ({ lat, lon }: { lat: number; lon: number }): [number, number] => projection([lon, lat]) ?? [0, 0];

  return ({ places }, decision) => {
    const here = decision?.place ?? null;
    const last = places.find(
      (place) => here === null || geoDistance([place.lon, place.lat], [here.at.lon, here.at.lat]) > 0.01,
    );
    const shapes: SVGElement[] = [];
    const travels = decision !== null && decision.speedKmh !== null && here !== null && last !== undefined;
    if (travels) {
      const coordinates = [
        [last.lon, last.lat],
        [here.at.lon, here.at.lat],
      ];
      shapes.push(shape({ type: 'LineString', coordinates }, 'journey'));
    }
    for (const place of places) {
      const [x, y] = point(place);
      shapes.push(svgElement('circle', { cx: `${x}`, cy: `${y}`, r: '3', class: 'sighting' }));
    }
    if (here !== null) {
      const [x, y] = point(here.at);
      const kind = here.isPlace ? 'now' : 'now vague';
      shapes.push(svgElement('circle', { cx: `${x}`, cy: `${y}`, r: here.isPlace ? '4.5' : '8', class: kind }));
    }
    layer.replaceChildren(...shapes);
    const seen = places.map(({ name }) => name).join(', ') || 'nowhere yet';
    svg.setAttribute('aria-label', `World map. Seen in ${seen}. Now: ${here?.name ?? 'unknown'}.`);
    element('[data-travel]').replaceChildren(...travelWords(decision, travels));
  };
}

function travelWords(decision: FeedDecision | null, travels: boolean): (Node | string)[] {
  if (decision === null) return ['No journey to measure yet.'];
  if (travels || decision.speedKmh !== null) {
    const speed = (decision.speedKmh ?? 0).toLocaleString('en-GB');
    const distance = (decision.distanceKm ?? 0).toLocaleString('en-GB');
    return [make('b', `${speed} km/h`), ` over ${distance} km since the last sighting. A jet flies at 900.`];
  }
  if (decision.place?.isPlace === false)
    return ['This address says nothing about where its user is: no journey is measured.'];
  return [`${decision.place?.name ?? 'Nowhere'}: no journey that would say anything.`];
}

const places = element<HTMLFormElement>('[data-places]');
const chosen = /(?:^|; )demo-place=([a-z-]+)/.exec(document.cookie)?.[1] ?? 'home';
for (const radio of places.querySelectorAll<HTMLInputElement>('input')) radio.checked = radio.value === chosen;
places.addEventListener('change', () =>
  act(async () => {
    await post('/demo/place', new FormData(places));
    return 'Moved. The next request comes from there.';
  }),
);

on('[data-clear]', async () => {
  await post('/demo/clear-device');
  return 'The device token is gone from this browser.';
});
on('[data-steal]', async () => {
  const form = new FormData();
  if (panel.querySelector<HTMLInputElement>('[data-with-device]')?.checked === true) form.set('with_device', '1');
  const response = await post('/demo/steal', form);
  const { location: there } = await response.json();
  const link = element<HTMLAnchorElement>('[data-thief]');
  link.href = there;
  link.hidden = false;
  link.focus();
  return 'Copied. Open the thief’s browser.';
});

function on(selector: string, action: () => Promise<string>): void {
  panel.querySelector(selector)?.addEventListener('click', () => act(action));
}

function act(action: () => Promise<string>): void {
  action().then(say, (error: unknown) => say(error instanceof Error ? error.message : String(error)));
}

async function post(path: string, body: FormData = new FormData()): Promise<Response> {
  const response = await fetch(path, { method: 'POST', body });
  if (response.ok) return response;
  const { message } = await response.json();
  throw new Error(message);
}

/** Visible, and announced by screen readers. */
function say(text: string): void {
  element('[data-status]').textContent = text;
}

function element<E extends HTMLElement = HTMLElement>(selector: string): E {
  const found = document.querySelector<E>(selector);
  if (found === null) throw new Error(`the page has no ${selector}`);
  return found;
}

function make(tag: string, text: string, className = ''): HTMLElement {
  const made = document.createElement(tag);
  made.textContent = text;
  if (className !== '') made.className = className;
  return made;
}

function svgElement(tag: string, attributes: { readonly [name: string]: string }): SVGElement {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}
