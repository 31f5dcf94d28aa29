// A setting: one value that a program may be told, declared once with its schema, default, names and reach.

import { privacyOf, type Static, type TSchema } from '../schema/schema.ts'

/** A variable of another program that means the same here; its text may have to be said in our words first. */
export interface Alias {
  readonly variable: string
  /** What the other program calls it, for people. */
  readonly meaning: string
  readonly translate?: (text: string) => string
}

interface Declared<T> {
  /** A noun phrase; shown in documentation and help. */
  readonly summary: string
  /** In force where nobody says anything; absent: the setting is then not set. */
  readonly fallback?: T
  /** Says in words what happens where it is not set. */
  readonly unset?: string
  /** A variable of the first releases, which still counts beside the one that the key gives. */
  readonly formerly?: string
  readonly aliases?: readonly Alias[]
  /** The option of `polity up`, as the command line names its value: `logLevel` of `--log-level`. */
  readonly flag?: string
  /** `live`: in force as soon as it is swapped. `restart`: at the next start. */
  readonly reload: 'live' | 'restart'
  /**
   * Runs programs, opens doors or says whom to trust: taken only from a file that somebody named, a variable or a
   * flag, never from a file that merely lies in the working folder or that came through an action.
   */
  readonly isGuarded?: boolean
  /** A variable or a flag says it in JSON, also where the schema alone would let commas separate a list. */
  readonly isJsonText?: boolean
  /** Refuses what no schema can say. Throws PolityError. */
  readonly check?: (value: T) => void
}

export interface Setting<T = unknown> extends Omit<Declared<unknown>, 'check'> {
  /** Dotted, as in `http.port`. */
  readonly key: string
  /** `POLITY_HTTP_PORT` for `http.port`. */
  readonly variable: string
  readonly schema: TSchema
  /** Its value is a reference (`env:`, `file:`), never the secret. */
  readonly isSecret: boolean
  readonly check?: (value: never) => void
  /** Never set: it lets the compiler know the type. */
  readonly type?: T
}

const KEY = /^[a-z][a-zA-Z0-9]*(?:\.[a-z][a-zA-Z0-9]*)*$/
const VARIABLE = /^[A-Z][A-Z0-9_]*$/

/** A setting with a default always has a value; one without may have none. */
export function setting<S extends TSchema>(
  key: string,
  schema: S,
  declared: Declared<Static<S>> & { readonly fallback: Static<S> },
): Setting<Static<S>>
export function setting<S extends TSchema>(
  key: string,
  schema: S,
  declared: Declared<Static<S>>,
): Setting<Static<S> | undefined>
export function setting<S extends TSchema>(
  key: string,
  schema: S,
  declared: Declared<Static<S>>,
): Setting<Static<S> | undefined> {
  if (!KEY.test(key)) throw new TypeError(`${key} is no key of a setting`)
  return { ...declared, key, variable: variableOf(key), schema, isSecret: privacyOf(schema) === 'secret' }
}

const variableOf = (key: string): string =>
  `POLITY_${key
    .replaceAll('.', '_')
    .replace(/[A-Z]/g, (letter) => `_${letter}`)
    .toUpperCase()}`

/** Every setting of a program, by key. */
export interface SettingTable {
  readonly settings: readonly Setting[]
  readonly byKey: ReadonlyMap<string, Setting>
}

/** Throws TypeError when two settings share a key, a variable or a flag, or when one key is a part of another. */
export function settingTable(settings: readonly Setting[]): SettingTable {
  const names = new Set<string>()
  const claim = (name: string) => {
    if (names.has(name)) throw new TypeError(`${name} belongs to two settings`)
    names.add(name)
  }
  for (const { key, variable, formerly, aliases = [], flag } of settings) {
    claim(key)
    for (const each of [variable, formerly, ...aliases.map((alias) => alias.variable)]) {
      if (each === undefined) continue
      if (!VARIABLE.test(each)) throw new TypeError(`${each} is no name of a variable`)
      claim(`$${each}`)
    }
    if (flag !== undefined) claim(`--${flag}`)
  }
  for (const { key } of settings)
    for (const part of partsAbove(key))
      if (names.has(part)) throw new TypeError(`${part} is a part of ${key}`)
  return { settings, byKey: new Map(settings.map((each) => [each.key, each])) }
}

/** `a.b.c` -> `a`, `a.b`. */
function partsAbove(key: string): string[] {
  const parts = key.split('.')
  return parts.slice(1).map((_, index) => parts.slice(0, index + 1).join('.'))
}

/** `logLevel` -> `--log-level`. */
export const flagText = (flag: string): string =>
  `--${flag.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
