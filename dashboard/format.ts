/** Formats numbers, times and durations for the page: English words, grouped digits. */

import { localOf } from './zone-time.js';

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumSignificantDigits: 3 });
const percent = new Intl.NumberFormat('en', { style: 'percent', maximumFractionDigits: 1 });
const ratio = new Intl.NumberFormat('en', { maximumFractionDigits: 2, minimumFractionDigits: 2 });

/** '12,345' */
export const count = (value: number): string => whole.format(value);
/** '12.3K', for axes */
export const short = (value: number): string => compact.format(value);
/** '12.3%' */
export const share = (value: number): string => percent.format(value);
/** '2.31' */
export const twoDigits = (value: number): string => ratio.format(value);

/** '0.4 s', '12 s', '3 min', '5 h', '2 days' */
export function span(milliseconds: number): string {
  const seconds = Math.max(0, milliseconds) / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3_600)} h`;
  return `${Math.round(seconds / 86_400)} days`;
}

/** '32 s', '4 min 32 s' */
export function stay(seconds: number): string {
  const all = Math.round(seconds);
  return all < 60 ? `${all} s` : `${count(Math.floor(all / 60))} min ${all % 60} s`;
}

/** '1,204 – 1,310', or 'exact' */
export function interval(bounds: {
  readonly lower: number;
  readonly upper: number;
  readonly exact: boolean;
}): string {
  return bounds.exact ? 'exact' : `${count(bounds.lower)} – ${count(bounds.upper)}`;
}

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** The server's label of a bucket, in its zone, written out. */
export function bucketName(label: string): string {
  const hour = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d)/.exec(label);
  if (hour !== null) return `${dayName(hour[1] ?? '')}, ${hour[2] ?? ''}`;
  if (/^\d{4}-W\d\d$/.test(label)) return `Week ${Number(label.slice(6))}, ${label.slice(0, 4)}`;
  if (/^\d{4}-\d\d$/.test(label)) return `${monthOf(label)} ${label.slice(0, 4)}`;
  return dayName(label);
}

/** The label for an axis: a short part, and a longer one that is shown where it changes. */
export function bucketTick(label: string): { readonly minor: string; readonly major: string } {
  const hour = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d)/.exec(label);
  if (hour !== null) return { minor: hour[2] ?? '', major: dayMonth(hour[1] ?? '') };
  if (/^\d{4}-W\d\d$/.test(label)) return { minor: label.slice(5), major: label.slice(0, 4) };
  if (/^\d{4}-\d\d$/.test(label)) return { minor: monthOf(label), major: label.slice(0, 4) };
  return { minor: dayMonth(label), major: label.slice(0, 4) };
}

function dayMonth(date: string): string {
  return `${Number(date.slice(8, 10))} ${monthOf(date)}`;
}

function dayName(date: string): string {
  const weekday = new Date(`${date}T00:00:00Z`).toLocaleDateString('en', {
    weekday: 'short',
    timeZone: 'UTC',
  });
  return `${weekday} ${dayMonth(date)} ${date.slice(0, 4)}`;
}

function monthOf(date: string): string {
  return months[Number(date.slice(5, 7)) - 1] ?? '';
}

/** '17 May 2015, 10:00 – 20 May 2015, 22:00', for local times */
export function rangeName({ from, to }: { readonly from: string; readonly to: string }): string {
  return `${hourName(from)} – ${hourName(to)}`;
}

/** 'on 17 May 2015, 10:00', 'on Sun 17 May 2015', 'from Mon 11 May 2015 to Sun 17 May 2015': an hour, a day or several days of a zone, UTC ms. */
export function spanName({ from, to }: { readonly from: number; readonly to: number }, zone: string): string {
  const first = localOf(from, zone);
  const last = localOf(to - 1, zone).slice(0, 10);
  if (to - from <= hourMs) return `on ${bucketName(first)}`;
  const day = dayName(first.slice(0, 10));
  return first.startsWith(last) ? `on ${day}` : `from ${day} to ${dayName(last)}`;
}

const hourMs = 3_600_000;

function hourName(local: string): string {
  return `${Number(local.slice(8, 10))} ${monthOf(local)} ${local.slice(0, 4)}, ${local.slice(11, 16)}`;
}

/** '21 Nov 2026, 17:31:05' in the zone */
export function clockTime(timeMs: number, zone: string): string {
  const local = localOf(timeMs, zone);
  return `${hourName(local)}:${String(Math.floor(timeMs / 1000) % 60).padStart(2, '0')}`;
}
