// What strangers say of their events, made fit for the log: types below a prefix, short texts, counts.

import { hash } from 'node:crypto'

const TEXT_MAX_CHARS = 256
const TYPE_MAX_CHARS = 120
const ID_MAX_CHARS = 128

/** Whatever a stranger calls its type becomes words below the prefix, so that it can be no type of anybody else. */
export function typeBelow(prefix: string, type: string): string {
  const words = type
    .slice(0, TYPE_MAX_CHARS)
    .split('.')
    .map((word) => word.replace(/[^A-Za-z0-9_-]+/g, '-').replace(/^[^A-Za-z0-9]+/, ''))
    .filter((word) => word !== '')
  return [prefix, ...words].join('.')
}

/** A text that can be an attribute of an event; undefined for whatever else it is. */
export const textOf = (value: unknown): string | undefined =>
  typeof value === 'string' &&
  value !== '' &&
  value.length <= TEXT_MAX_CHARS &&
  !/\p{Cc}/u.test(value) &&
  value.isWellFormed()
    ? value
    : undefined

/** An id as it is, or by its digest where an event cannot bear it. */
export const idOf = (id: string): string =>
  id.length <= ID_MAX_CHARS && !/\p{Cc}/u.test(id) && id.isWellFormed() ? id : hash('sha256', id, 'hex')

/** How often an event was passed on from hub to hub, as its sender says. In headers a number is text. */
export const hopsOf = (value: unknown): number | undefined =>
  /^[1-9][0-9]{0,5}$/.test(String(value)) ? Number(value) : undefined

/** The members that are there. */
export const present = <T extends Readonly<Record<string, unknown>>>(
  members: T,
): { [K in keyof T]?: Exclude<T[K], undefined> } =>
  Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as never
