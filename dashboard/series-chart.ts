/**
 * A time series, drawn by uPlot. The x axis counts buckets, so months of 28 and 31 days are equally wide, and no time zone is needed here:
 * labels come from the server. The batch layer's part is solid; the part only the speed layer has is dashed or pale on a tinted background;
 * bounds are a band. A bucket that has not ended is a ring or a separate outline: connected to the others it would look like a drop.
 */
import uPlot from './vendor/uplot.js';
import { h, setAttributes, setText } from './dom.js';
import { bucketName, bucketTick, count, short } from './format.js';
import { onThemeChange } from './theme.js';

export interface ChartPoint {
  readonly label: string;
  readonly value: number;
  readonly lower: number;
  readonly upper: number;
  readonly exact: boolean;
  /** Whether it includes facts from the speed layer. */
  readonly live: boolean;
  /** 'present': begun but not ended; 'ahead': not begun, and not drawn. */
  readonly phase: 'past' | 'present' | 'ahead';
  /** The same bucket of the period before. */
  readonly before: { readonly when: string; readonly value: number } | undefined;
}

export interface ChartData {
  readonly points: readonly ChartPoint[];
  /** End of the batch layer's part, in buckets from the left edge; undefined if it covers the whole range. */
  readonly liveFrom: number | undefined;
}

export interface ChartOptions {
  readonly name: string;
  readonly kind: 'line' | 'bars';
  /** Text for a point: '1,204 visitors'. */
  readonly describe: (point: ChartPoint) => string;
  readonly announce: (text: string) => void;
  /** Called when buckets [from, to) were selected with the mouse. */
  readonly onSelect: (from: number, to: number) => void;
}

const heightPx = 232;
const wholeSteps = [1, 2, 5].flatMap((step) => Array.from({ length: 12 }, (_, i) => step * 10 ** i));
const steps = wholeSteps.toSorted((a, b) => a - b);

export class SeriesChart {
  readonly #host: HTMLElement;
  readonly #options: ChartOptions;
  readonly #tip = h('div', { class: 'chart-tip', hidden: true });
  readonly #probe = h('span', { hidden: true });
  #data: ChartData = { points: [], liveFrom: undefined };
  #plot: uPlot | undefined;

  constructor(host: HTMLElement, options: ChartOptions) {
    this.#host = host;
    this.#options = options;
    setAttributes(host, {
      class: 'chart',
      tabindex: 0,
      role: 'group',
      'aria-roledescription': 'chart',
      'aria-label': `${options.name}. Arrow keys read its values; the table button shows them all.`,
    });
    host.append(this.#probe);
    host.addEventListener('keydown', (event) => this.#key(event));
    host.addEventListener('blur', () => this.#hideCursor());
    new ResizeObserver(() => this.#resize()).observe(host);
    onThemeChange(() => this.#plot?.redraw(false, true));
  }

  update(data: ChartData): void {
    const sameLength = data.points.length === this.#data.points.length;
    this.#data = data;
    if (this.#plot === undefined) this.#create();
    else this.#plot.setData(columnsOf(this.#data.points, this.#options.kind), true);
    if (!sameLength) this.#hideCursor();
    else this.#showTip();
  }

  #create(): void {
    if (this.#host.clientWidth === 0) return;
    this.#plot = new uPlot(this.#plotOptions(), columnsOf(this.#data.points, this.#options.kind), this.#host);
    this.#plot.over.append(this.#tip);
  }

  #resize(): void {
    if (this.#plot === undefined) this.#create();
    else if (this.#host.clientWidth > 0) {
      this.#plot.setSize({ width: this.#host.clientWidth, height: heightPx });
    }
  }

  #plotOptions(): uPlot.Options {
    const color = (name: string) => (): string => this.#color(name);
    const isLine = this.#options.kind === 'line';
    const bars = (size: number, max: number): Partial<uPlot.Series> => {
      const paths = uPlot.paths.bars?.({ size: [size, max], radius: 0.12 });
      return isLine || paths === undefined ? {} : { paths };
    };
    const shape = bars(0.64, 44);
    const points = { show: isLine ? () => this.#data.points.length <= 48 : false, size: 5 };
    const grid = { stroke: color('--line'), width: 1 };
    return {
      width: this.#host.clientWidth,
      height: heightPx,
      padding: [14, 12, 0, 0],
      legend: { show: false },
      select: { show: true, left: 0, top: 0, width: 0, height: 0 },
      cursor: {
        y: false,
        drag: { x: true, y: false, setScale: false },
        sync: { key: 'series' },
        points: { show: isLine, size: 8 },
      },
      scales: {
        x: { time: false, range: () => [-0.5, Math.max(1, this.#data.points.length) - 0.5] },
        y: { range: (_, __, max) => [0, Math.max(1, max) * 1.08] },
      },
      axes: [
        {
          stroke: color('--muted'),
          font: axisFont,
          grid: { show: false },
          ticks: { ...grid, size: 5 },
          size: 46,
          splits: (plot) => this.#splits(plot.width),
          values: (_, splits) => this.#tickTexts(splits),
        },
        {
          stroke: color('--muted'),
          font: axisFont,
          grid,
          ticks: { show: false },
          size: 52,
          incrs: steps,
          values: (_, splits) => splits.map((value) => short(value)),
        },
      ],
      series: [
        {},
        {
          ...bars(0.94, 60),
          stroke: color('--before'),
          width: isLine ? 1.5 : 0,
          fill: color(isLine ? '--clear' : '--before'),
          points: { show: false },
        },
        {
          ...shape,
          stroke: color('--series'),
          width: isLine ? 2 : 0,
          fill: color(isLine ? '--clear' : '--series'),
          points,
        },
        {
          ...shape,
          stroke: color('--live'),
          width: isLine ? 2 : 0,
          fill: color(isLine ? '--clear' : '--live'),
          dash: [5, 4],
          points,
        },
        {
          ...(isLine ? { paths: () => null } : shape),
          stroke: color('--live'),
          width: 1.5,
          dash: isLine ? [] : [3, 3],
          fill: color('--live-ground'),
          points: { show: isLine, size: 10, width: 2, stroke: color('--live'), fill: color('--surface') },
        },
        { width: 0, points: { show: false }, show: isLine },
        { width: 0, points: { show: false }, show: isLine },
      ],
      bands: isLine ? [{ series: [6, 5], fill: color('--band') }] : [],
      hooks: {
        drawClear: [(plot) => this.#drawLiveGround(plot)],
        setCursor: [() => this.#showTip()],
        setSelect: [(plot) => this.#selected(plot)],
      },
    };
  }

  #drawLiveGround(plot: uPlot): void {
    const { liveFrom } = this.#data;
    if (liveFrom === undefined) return;
    const { left, top, width, height } = plot.bbox;
    const start = Math.max(left, Math.min(left + width, plot.valToPos(liveFrom - 0.5, 'x', true)));
    const { ctx } = plot;
    ctx.save();
    ctx.fillStyle = this.#color('--live-ground');
    ctx.fillRect(start, top, left + width - start, height);
    ctx.strokeStyle = this.#color('--live');
    ctx.lineWidth = uPlot.pxRatio;
    ctx.setLineDash([3 * uPlot.pxRatio, 3 * uPlot.pxRatio]);
    ctx.beginPath();
    ctx.moveTo(start, top);
    ctx.lineTo(start, top + height);
    ctx.stroke();
    ctx.restore();
  }

  /** Positions of ticks, spaced for labels about 64 px wide, and aligned so that hours are round ones. */
  #splits(width: number): number[] {
    const { points } = this.#data;
    const room = Math.max(2, Math.floor((width - 60) / 64));
    const least = points.length / room;
    const isHours = points[0]?.label.includes('T') ?? false;
    const step = (isHours ? [1, 2, 3, 6, 12, 24, 48, 72, 168] : [1, 2, 5, 7, 10, 14, 30, 60]).find(
      (candidate) => candidate >= least,
    );
    const stride = step ?? Math.ceil(least);
    const first = isHours ? (stride - (Number(points[0]?.label.slice(11, 13)) % stride)) % stride : 0;
    const splits: number[] = [];
    for (let i = first; i < points.length; i += stride) splits.push(i);
    return splits;
  }

  #tickTexts(splits: readonly number[]): string[] {
    let before = '';
    return splits.map((i) => {
      const { minor, major } = bucketTick(this.#data.points[i]?.label ?? '');
      const text = major === before || major === '' ? minor : `${minor}\n${major}`;
      before = major;
      return text;
    });
  }

  #selected(plot: uPlot): void {
    if (plot.select.width < 8) return;
    const from = Math.round(plot.posToVal(plot.select.left, 'x'));
    const to = Math.round(plot.posToVal(plot.select.left + plot.select.width, 'x')) + 1;
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    this.#options.onSelect(Math.max(0, from), Math.min(this.#data.points.length, to));
  }

  #key(event: KeyboardEvent): void {
    const last = this.#data.points.length - 1;
    const at = this.#plot?.cursor.idx ?? undefined;
    const next = {
      ArrowRight: at === undefined ? 0 : Math.min(last, at + 1),
      ArrowLeft: at === undefined ? last : Math.max(0, at - 1),
      Home: 0,
      End: last,
    }[event.key];
    if (event.key === 'Escape') return this.#hideCursor();
    const point = next === undefined ? undefined : this.#data.points[next];
    if (next === undefined || point === undefined || this.#plot === undefined) return;
    event.preventDefault();
    this.#plot.setCursor({ left: this.#plot.valToPos(next, 'x'), top: 10 });
    const said = [this.#options.describe(point), ...notesOn(point), ...beforeOf(point)].join(', ');
    this.#options.announce(`${bucketName(point.label)}: ${said}`);
  }

  #hideCursor(): void {
    this.#plot?.setCursor({ left: -10, top: -10 });
  }

  #showTip(): void {
    const plot = this.#plot;
    const index = plot?.cursor.idx;
    const isOver = (plot?.cursor.left ?? -1) >= 0;
    const point = typeof index === 'number' && isOver ? this.#data.points[index] : undefined;
    this.#tip.hidden = point === undefined;
    if (plot === undefined || point === undefined || typeof index !== 'number') return;
    const lines = [
      bucketName(point.label),
      this.#options.describe(point),
      notesOn(point).join(', '),
      beforeOf(point).join(''),
    ];
    for (const [i, line] of lines.entries()) {
      setText(this.#tip.children[i] ?? this.#tip.appendChild(h('div')), line);
    }
    const left = plot.valToPos(index, 'x');
    const isRight = left > plot.over.clientWidth / 2;
    this.#tip.style.left = `${left + (isRight ? -10 : 10)}px`;
    this.#tip.dataset['side'] = isRight ? 'left' : 'right';
  }

  /** Resolves a custom property for the canvas, including `light-dark()`. */
  #color(name: string): string {
    this.#probe.style.color = `var(${name})`;
    return getComputedStyle(this.#probe).color;
  }
}

/**
 * Columns: x, period before, batch part, live part, running bucket, lower and upper bound. The two parts of a line share the point where they
 * meet.
 */
export function columnsOf(points: readonly ChartPoint[], kind: ChartOptions['kind']): uPlot.AlignedData {
  const isPast = (point: ChartPoint): boolean => point.phase === 'past';
  const firstLive = points.findIndex((point) => point.live && isPast(point));
  const meets = (i: number): boolean => kind === 'line' && firstLive >= 0 && i === firstLive - 1;
  return [
    points.map((_, i) => i),
    points.map((point) => point.before?.value ?? null),
    points.map((point) => (isPast(point) && !point.live ? point.value : null)),
    points.map((point, i) => (isPast(point) && (point.live || meets(i)) ? point.value : null)),
    points.map((point) => (point.phase === 'present' ? point.value : null)),
    points.map((point) => (isPast(point) ? point.lower : null)),
    points.map((point) => (isPast(point) ? point.upper : null)),
  ];
}

/** Additional remarks on a point. */
export function notesOn({ live, phase }: ChartPoint): readonly string[] {
  return [...(phase === 'present' ? ['so far'] : []), ...(live ? ['live part'] : [])];
}

/** '1,020 on Sun 22 Nov 2026, 07:00', for the period before. */
function beforeOf({ before }: ChartPoint): readonly string[] {
  return before === undefined ? [] : [`${count(before.value)} ${before.when}`];
}

const axisFont = '12px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';
