// What the global options and the environment say: which hub, whose token, which folder, which form.

import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { StoredPlace } from '../../kernel/realm/stored.ts'

export const DEFAULT_URL = 'http://127.0.0.1:7070'
const DEFAULT_DATA_DIR = '.polity'

export interface Settings {
  readonly isJson: boolean
  /** Questions are answered with yes. */
  readonly isYes: boolean
  /** Questions may be asked, if somebody sits at a terminal. */
  readonly mayAsk: boolean
  /** Absolute. */
  readonly dataDir: string
  /** Named by --data or POLITY_DATA, not the default. */
  readonly isDataGiven: boolean
  readonly url?: string
  /** `postgres://...`, where the log is; absent: in the folder. */
  readonly storeUrl?: string
  /** May be empty, which is refused where a token is needed: never silently another one. */
  readonly token?: string
}

/** Reads what commander understood of the whole line. */
export function settingsOf(command: Command): Settings {
  const { json, input, yes, data, url, store, token } = command.optsWithGlobals<Record<string, unknown>>()
  return {
    isJson: json === true,
    isYes: yes === true,
    mayAsk: input !== false,
    dataDir: resolve(isText(data) ? data : DEFAULT_DATA_DIR),
    isDataGiven: isText(data),
    ...(isText(url) ? { url } : {}),
    ...(isText(store) ? { storeUrl: store } : {}),
    ...(typeof token === 'string' ? { token } : {}),
  }
}

/** Where the log is that the settings name. */
export const placeOf = ({ dataDir, storeUrl }: Pick<Settings, 'dataDir' | 'storeUrl'>): StoredPlace => ({
  dir: dataDir,
  storeUrl,
})

/** An empty environment variable is one that is not set. */
const isText = (value: unknown): value is string => typeof value === 'string' && value !== ''
