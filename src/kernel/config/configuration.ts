// The configuration in force: typed reading, live values, what a change would do, and the swap.

import { createHash } from 'node:crypto'
import { canonicalize } from '../../kit/canonical-json.ts'
import { asPolityError, type PolityError } from '../errors.ts'
import { type Layers, type Origin, originText, publicValue } from './layers.ts'
import type { Live } from './live.ts'
import type { Setting, SettingTable } from './setting.ts'

/** Longer values stand in entries and answers by their digest. */
const SHOWN_SIZE_MAX = 512

export interface Configuration {
  readonly table: SettingTable
  /** Of a `restart` key it is what was in force at the start. */
  read<T>(setting: Setting<T>): T
  live<T>(setting: Setting<T>): Live<T>
  /** Keys that somebody read: what nobody reads has no business in the table. */
  readKeys(): ReadonlySet<string>
  /** In public form: references as references, no passwords. */
  show(): readonly Shown[]
  /** `sha256:` over the canonical JSON of what is in force, in public form. */
  digest(): string
  layers(): Layers
  /** Puts other layers in force and tells live readers. Answers what they threw: they go on with what they had. */
  swap(next: Layers): readonly PolityError[]
}

export interface Shown {
  readonly key: string
  readonly value: unknown
  readonly origin: Origin
  readonly reload: 'live' | 'restart'
  /** Set to something else, which the next start takes. */
  readonly isPending: boolean
}

export interface Change {
  readonly key: string
  /** In public form; absent: not set. */
  readonly before?: unknown
  readonly after?: unknown
  readonly reload: 'live' | 'restart'
  /** Where the new value comes from: `file:line`, a variable or a flag. */
  readonly origin: string
}

export function openConfiguration(table: SettingTable, layers: Layers): Configuration {
  const started = layers
  let current = layers
  const read = new Set<string>()
  const listeners = new Map<string, Set<(value: never) => void>>()
  const inForce = ({ key, reload }: Setting): unknown =>
    (reload === 'live' ? current : started).get(key)?.value
  const take = <T>(setting: Setting<T>): T => {
    read.add(setting.key)
    // Checked against the setting's own schema when it was laid down.
    return inForce(setting) as T
  }
  return {
    table,
    read: take,
    live: <T>(setting: Setting<T>): Live<T> => ({
      current: () => take(setting),
      watch(listener) {
        const all = listeners.get(setting.key) ?? new Set()
        listeners.set(setting.key, all.add(listener))
        return () => void all.delete(listener)
      },
    }),
    readKeys: () => read,
    show: () => table.settings.flatMap((setting) => shownOf(setting, started, current)),
    digest: () => digestOf(table, current),
    layers: () => current,
    swap(next) {
      const changes = changesBetween(table, current, next)
      current = next
      const failures: PolityError[] = []
      for (const { key, reload } of changes) {
        if (reload !== 'live') continue
        for (const listener of listeners.get(key) ?? [])
          try {
            listener(next.get(key)?.value as never)
          } catch (error) {
            failures.push(asPolityError(error))
          }
      }
      return failures
    },
  }
}

function shownOf(setting: Setting, started: Layers, current: Layers): Shown[] {
  const { key, reload } = setting
  const at = current.get(key)
  const isPending = reload === 'restart' && !isSame(started.get(key)?.value, at?.value)
  const inForce = reload === 'restart' ? started.get(key) : at
  if (inForce === undefined && !isPending) return []
  const origin = inForce?.origin ?? { kind: 'default' }
  return [{ key, value: shownValue(inForce?.value), origin, reload, isPending }]
}

/** Which keys change, in the order of the table. */
export function changesBetween(table: SettingTable, before: Layers, after: Layers): readonly Change[] {
  return table.settings.flatMap(({ key, reload }) => {
    const [old, next] = [before.get(key), after.get(key)]
    if (isSame(old?.value, next?.value)) return []
    return [
      {
        key,
        ...(old === undefined ? {} : { before: shownValue(old.value) }),
        ...(next === undefined ? {} : { after: shownValue(next.value) }),
        reload,
        origin: originText(next?.origin ?? { kind: 'default' }),
      },
    ]
  })
}

/** In public form; by its digest where it is long. */
function shownValue(value: unknown): unknown {
  const shown = publicValue(value)
  if (shown === undefined) return null
  const text = canonicalize(shown)
  return text.length <= SHOWN_SIZE_MAX ? shown : { sha256: sha256(text) }
}

const isSame = (a: unknown, b: unknown): boolean =>
  a === b || (a !== undefined && b !== undefined && canonicalize(a) === canonicalize(b))

/** `sha256:` over the canonical JSON of what is set, in public form. */
export const digestOf = ({ settings }: SettingTable, layers: Layers): string =>
  `sha256:${sha256(
    canonicalize(
      Object.fromEntries(
        settings.flatMap(({ key }) => {
          const at = layers.get(key)
          return at === undefined ? [] : [[key, publicValue(at.value)]]
        }),
      ),
    ),
  )}`

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')
